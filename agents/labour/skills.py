"""Laws of skill: how what an hour of work is worth differs between households.

A law gives draws, quantiles and its mean. The quantile function Q is the inverse of the distribution function F: a
draw is `Q(U)` with U uniform on (0, 1), so that the same generator makes paired populations under different laws.

    lognormal   Q(p) = median * exp(s * Phi^-1(p)),      mean = median * exp(s^2 / 2),
    Pareto      Q(p) = minimum * (1 - p)^(-1/a),         mean = minimum * a / (a - 1) for a > 1, else infinite,
    empirical   the sample's own steps.

Under a flat tax, households of isoelastic labour supply earn `z = w^(1 + e) (1 - t)^e`. So incomes are lognormal with
`s (1 + e)`, and Pareto with `a / (1 + e)`.
"""

import math
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from scipy.special import ndtri

from walras.market.errors import InvalidInputError
from walras.market.validation import (
    FloatArray,
    finite_vector,
    instance_of,
    nonnegative_number,
    positive_number,
    positive_vector,
    whole_number,
)

__all__ = [
    "EmpiricalSkills",
    "LognormalSkills",
    "ParetoSkills",
    "SkillLaw",
    "checked_probabilities",
    "uniforms",
]


class SkillLaw(Protocol):
    """A law of skills above 0."""

    def draw(self, n: int, rng: Generator) -> FloatArray:
        """Draw n skills (money per hour), shape (n,)."""
        ...

    def quantile(self, probabilities: ArrayLike) -> FloatArray:
        """Give the skills (money per hour) below which these fractions of the population lie, shape (k,)."""
        ...

    @property
    def mean(self) -> float:
        """Mean skill (money per hour); infinite where there is none."""
        ...


@final
@dataclass(frozen=True, kw_only=True)
class LognormalSkills:
    """Skills whose logarithm is normal.

    Parameters
    ----------
    median
        Money per hour, above 0.
    log_spread
        Standard deviation s of the logarithm, 0 or more. The Gini coefficient of skills is `erf(s / 2)`.

    Notes
    -----
    *Source*: Aitchison and Brown 1957 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import LognormalSkills
    >>> law = LognormalSkills(median=20.0, log_spread=0.5)
    >>> round(law.mean, 3), law.quantile([0.5]).round(9).tolist()
    (22.663, [20.0])
    """

    median: float = 1.0
    log_spread: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "median", positive_number("LognormalSkills.median", self.median))
        object.__setattr__(self, "log_spread", nonnegative_number("LognormalSkills.log_spread", self.log_spread))

    def draw(self, n: int, rng: Generator) -> FloatArray:
        """Draw n skills (money per hour), shape (n,)."""
        return self.quantile(uniforms(n, rng))

    def quantile(self, probabilities: ArrayLike) -> FloatArray:
        """Give the quantiles (money per hour) at probabilities in (0, 1), shape (k,)."""
        normal = ndtri(checked_probabilities(probabilities))
        return np.asarray(self.median * np.exp(self.log_spread * normal))

    @property
    def mean(self) -> float:
        """Mean skill (money per hour)."""
        return self.moment(1.0)

    def moment(self, power: float) -> float:
        """Give the mean of `w^power`: `median^power * exp((power s)^2 / 2)`."""
        return float(self.median**power * math.exp(0.5 * (power * self.log_spread) ** 2))


@final
@dataclass(frozen=True, kw_only=True)
class ParetoSkills:
    """Skills of a Pareto law: the share above w is `(minimum / w)^shape`.

    Parameters
    ----------
    minimum
        Lowest skill (money per hour), above 0.
    shape
        Pareto parameter, above 0: the lower, the thicker the tail.

    Notes
    -----
    *Source*: Pareto 1896 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import ParetoSkills
    >>> law = ParetoSkills(minimum=10.0, shape=2.0)
    >>> law.mean, law.quantile([0.75]).tolist()
    (20.0, [20.0])
    """

    minimum: float = 1.0
    shape: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", positive_number("ParetoSkills.minimum", self.minimum))
        object.__setattr__(self, "shape", positive_number("ParetoSkills.shape", self.shape))

    def draw(self, n: int, rng: Generator) -> FloatArray:
        """Draw n skills (money per hour), shape (n,)."""
        return self.quantile(uniforms(n, rng))

    def quantile(self, probabilities: ArrayLike) -> FloatArray:
        """Give the quantiles (money per hour) at probabilities in (0, 1), shape (k,)."""
        above = 1.0 - checked_probabilities(probabilities)
        return np.asarray(self.minimum * above ** (-1.0 / self.shape))

    @property
    def mean(self) -> float:
        """Mean skill (money per hour); infinite for a shape of 1 or less."""
        return self.moment(1.0)

    def moment(self, power: float) -> float:
        """Give the mean of `w^power`: `minimum^power * a / (a - power)`; infinite where a is not above the power."""
        if self.shape <= power:
            return math.inf
        return float(self.minimum**power * self.shape / (self.shape - power))


@final
@dataclass(frozen=True, eq=False)
class EmpiricalSkills:
    """Skills drawn with replacement from a given sample.

    Parameters
    ----------
    sample
        Skills (money per hour), above 0, in any order, shape (m,).

    Notes
    -----
    *Cost*: O(m log m) once, then O(log m) a draw.

    Examples
    --------
    >>> from walras.agents.labour import EmpiricalSkills
    >>> law = EmpiricalSkills([12.0, 8.0, 20.0, 40.0])
    >>> law.mean, law.quantile([0.25, 0.5, 0.51]).tolist()
    (20.0, [8.0, 12.0, 20.0])
    """

    sample: ArrayLike

    def __post_init__(self) -> None:
        ascending = np.sort(positive_vector("EmpiricalSkills.sample", self.sample, of="household"))
        ascending.flags.writeable = False
        object.__setattr__(self, "sample", ascending)

    def draw(self, n: int, rng: Generator) -> FloatArray:
        """Draw n skills (money per hour), shape (n,)."""
        return self.quantile(uniforms(n, rng))

    def quantile(self, probabilities: ArrayLike) -> FloatArray:
        """Give the lowest skills (money per hour) that these fractions of the sample do not exceed, shape (k,)."""
        ascending = np.asarray(self.sample)
        ranks = np.ceil(checked_probabilities(probabilities) * ascending.size).astype(np.int64)
        return np.asarray(ascending[np.clip(ranks, 1, ascending.size) - 1])

    @property
    def mean(self) -> float:
        """Mean of the sample (money per hour)."""
        return float(np.mean(np.asarray(self.sample)))


def checked_probabilities(probabilities: ArrayLike) -> FloatArray:
    """Give probabilities as a vector, each above 0 and below 1, or raise `InvalidInputError`."""
    checked = finite_vector("probabilities", probabilities, of="quantile")
    outside = np.flatnonzero((checked <= 0.0) | (checked >= 1.0))
    if outside.size:
        raise InvalidInputError(
            f"probabilities must lie above 0 and below 1: entry {outside[0]} is {checked[outside[0]]} "
            f"({outside.size} bad in all)."
        )
    return checked


def uniforms(n: int, rng: Generator) -> FloatArray:
    """Draw n numbers uniformly on (0, 1), shape (n,); n is 1 or more."""
    drawn = instance_of("rng", rng, Generator).random(whole_number("n", n, minimum=1))
    # A draw may be 0, where quantiles are 0; the other end is never drawn.
    return np.maximum(drawn, 2.0**-54)
