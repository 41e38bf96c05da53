"""Laws of skill with a lognormal body and a Pareto tail, as incomes have them.

`LognormalParetoSkills` is lognormal up to a quantile and exactly Pareto above it: for theory of the top.
`ParetoLognormalSkills` is smooth: the product of a lognormal and a Pareto variable of minimum 1, so that

    F(x) = Phi(y) - exp(a s (a s / 2 - y)) Phi(y - a s),    y = (log x - log median) / s,

whose tail is Pareto in the limit. Its body has the lognormal's shape, moved up by the Pareto factor.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtr, ndtri

from walras.agents.labour.skills import checked_probabilities, uniforms
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, fraction, instance_of, positive_number, positive_vector, whole_number

__all__ = ["LognormalParetoSkills", "ParetoLognormalSkills"]

_BISECTIONS = 90  # of an interval of logarithms below 2^11: down to the spacing of float64


@final
@dataclass(frozen=True, kw_only=True)
class LognormalParetoSkills:
    """Lognormal skills below a quantile, and a Pareto tail above it.

    `Q(p)` is the lognormal quantile for `p <= 1 - top_share`, and `Q(1 - top_share) * ((1 - p) / top_share)^(-1/shape)`
    above.

    Parameters
    ----------
    median, log_spread
        Of the lognormal law (money per hour; no unit), above 0.
    top_share
        Share of households in the Pareto tail, above 0 and below 1.
    shape
        Pareto parameter of the tail, above 0.

    Notes
    -----
    The distribution function is continuous; the density may jump where the tail begins.
    *Source*: Saez 2001, where tails of this kind are fitted (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import LognormalParetoSkills
    >>> law = LognormalParetoSkills(median=20.0, log_spread=0.5, top_share=0.1, shape=2.0)
    >>> start, doubled = law.quantile([0.9, 1.0 - 0.1 / 4.0]).tolist()
    >>> round(doubled / start, 9), round(law.tail_start / start, 9)
    (2.0, 1.0)
    """

    median: float = 1.0
    log_spread: float
    top_share: float
    shape: float

    def __post_init__(self) -> None:
        for name in ("median", "log_spread", "shape"):
            object.__setattr__(self, name, positive_number(f"LognormalParetoSkills.{name}", getattr(self, name)))
        share = fraction("LognormalParetoSkills.top_share", self.top_share)
        if share in (0.0, 1.0):
            raise InvalidInputError(
                f"LognormalParetoSkills.top_share must lie above 0 and below 1, got {share}: LognormalSkills has no "
                "tail, ParetoSkills nothing else."
            )
        object.__setattr__(self, "top_share", share)

    @property
    def tail_start(self) -> float:
        """Skill at which the Pareto tail begins (money per hour)."""
        return float(self.median * np.exp(self.log_spread * ndtri(1.0 - self.top_share)))

    def draw(self, n: int, rng: Generator) -> FloatArray:
        """Draw n skills (money per hour), shape (n,)."""
        return self.quantile(uniforms(n, rng))

    def quantile(self, probabilities: ArrayLike) -> FloatArray:
        """Give the quantiles (money per hour) at probabilities in (0, 1), shape (k,)."""
        below = checked_probabilities(probabilities)
        body = self.median * np.exp(self.log_spread * ndtri(np.minimum(below, 1.0 - self.top_share)))
        beyond = np.minimum((1.0 - below) / self.top_share, 1.0)
        return np.asarray(body * beyond ** (-1.0 / self.shape))

    @property
    def mean(self) -> float:
        """Mean skill (money per hour); infinite for a shape of 1 or less."""
        return self.moment(1.0)

    def moment(self, power: float) -> float:
        """Give the mean of `w^power`; infinite where the shape is not above the power."""
        if self.shape <= power:
            return math.inf
        spread = power * self.log_spread
        body = self.median**power * math.exp(0.5 * spread**2) * float(ndtr(ndtri(1.0 - self.top_share) - spread))
        return body + self.top_share * self.tail_start**power * self.shape / (self.shape - power)


@final
@dataclass(frozen=True, kw_only=True)
class ParetoLognormalSkills:
    """Skills that are the product of a lognormal variable and a Pareto variable of minimum 1.

    Parameters
    ----------
    median, log_spread
        Of the lognormal factor (money per hour; no unit), above 0.
    shape
        Pareto parameter of the tail, above 0.

    Notes
    -----
    *Cost*: a quantile takes some ninety evaluations of the normal law; draws multiply the two factors and are cheap.
    *Source*: Reed and Jorgensen 2004 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import ParetoLognormalSkills
    >>> law = ParetoLognormalSkills(median=20.0, log_spread=0.5, shape=2.0)
    >>> round(law.mean, 3), law.distribution(law.quantile([0.1, 0.9])).round(12).tolist()
    (45.326, [0.1, 0.9])
    """

    median: float = 1.0
    log_spread: float
    shape: float

    def __post_init__(self) -> None:
        for name in ("median", "log_spread", "shape"):
            object.__setattr__(self, name, positive_number(f"ParetoLognormalSkills.{name}", getattr(self, name)))

    def draw(self, n: int, rng: Generator) -> FloatArray:
        """Draw n skills (money per hour), shape (n,)."""
        generator = instance_of("rng", rng, Generator)
        normal = generator.standard_normal(whole_number("n", n, minimum=1))
        return np.asarray(self.median * np.exp(self.log_spread * normal) * uniforms(n, rng) ** (-1.0 / self.shape))

    def distribution(self, skills: ArrayLike) -> FloatArray:
        """Give the share of households below each skill (money per hour, above 0), shape (k,)."""
        return self._distribution(np.log(positive_vector("skills", skills, of="skill") / self.median))

    def quantile(self, probabilities: ArrayLike) -> FloatArray:
        """Give the quantiles (money per hour) at probabilities in (0, 1), shape (k,)."""
        target = checked_probabilities(probabilities)
        # The product is at least its lognormal factor; and it is below the product of the factors' quantiles at p' with
        # 1 - p' = (1 - p) / 2, unless one of them exceeds its own: a chance of at most 1 - p.
        low = self.log_spread * ndtri(target)
        half = 0.5 * (1.0 - target)
        high = self.log_spread * -ndtri(half) - np.log(half) / self.shape
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            too_low = self._distribution(middle) < target
            low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
        return np.asarray(self.median * np.exp(0.5 * (low + high)))

    @property
    def mean(self) -> float:
        """Mean skill (money per hour); infinite for a shape of 1 or less."""
        return self.moment(1.0)

    def moment(self, power: float) -> float:
        """Give the mean of `w^power`; infinite where the shape is not above the power."""
        if self.shape <= power:
            return math.inf
        lognormal = self.median**power * math.exp(0.5 * (power * self.log_spread) ** 2)
        return lognormal * self.shape / (self.shape - power)

    def _distribution(self, logs: FloatArray) -> FloatArray:
        """Share below `median * exp(logs)`."""
        standard = logs / self.log_spread
        thickness = self.shape * self.log_spread
        # exp(...) * Phi(...) as one exponential: the first factor overflows where the second is 0.
        tail = np.exp(thickness * (0.5 * thickness - standard) + log_ndtr(standard - thickness))
        return np.asarray(np.clip(ndtr(standard) - tail, 0.0, 1.0))
