"""The law from which bidders' values are drawn: what `IndependentPrivateValues` needs to know of it."""

import math
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, nonnegative_number

__all__ = ["UniformValues", "ValueLaw", "check_law"]

_ASTRAY = 1e-6  # largest difference between a quantile and the distribution function at its value


@runtime_checkable
class ValueLaw(Protocol):
    """A continuous law of values of 0 or more: SciPy's frozen distributions are such laws, as is `UniformValues`.

    The distribution function must be continuous (no atoms), and rise strictly over the support.
    """

    def cdf(self, x: Any, /) -> Any:
        """Probability of a value of `x` or less."""

    def pdf(self, x: Any, /) -> Any:
        """Density at `x`."""

    def ppf(self, q: Any, /) -> Any:
        """Value below which a fraction `q` lies."""

    def support(self) -> tuple[Any, Any]:
        """Lowest and highest value; the highest may be infinite."""


@final
@dataclass(frozen=True)
class UniformValues:
    """Values spread evenly between `low` and `high` (money), `0 <= low < high`."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", nonnegative_number("UniformValues.low", self.low))
        object.__setattr__(self, "high", finite_number("UniformValues.high", self.high))
        if not self.low < self.high:
            raise InvalidInputError(f"UniformValues.high must be above low = {self.low}, got {self.high}.")

    def cdf(self, x: ArrayLike, /) -> FloatArray:
        """Probability of a value of `x` or less."""
        fraction = (np.asarray(x, dtype=np.float64) - self.low) / (self.high - self.low)
        return np.clip(fraction, 0.0, 1.0)

    def pdf(self, x: ArrayLike, /) -> FloatArray:
        """Density at `x` (per unit of money)."""
        values = np.asarray(x, dtype=np.float64)
        return np.where((values >= self.low) & (values <= self.high), 1.0 / (self.high - self.low), 0.0)

    def ppf(self, q: ArrayLike, /) -> FloatArray:
        """Value below which a fraction `q` lies."""
        return self.low + (self.high - self.low) * np.asarray(q, dtype=np.float64)

    def support(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.low, self.high


def check_law(name: str, law: object) -> ValueLaw:
    """Give `law`, or raise `InvalidInputError` if it lacks a method, allows negative values or has an atom."""
    if isinstance(law, type) or not isinstance(law, ValueLaw):
        raise InvalidInputError(f"{name} must have methods cdf, pdf, ppf and support, got {law!r}.")
    low, high = (float(end) for end in law.support())
    if not (math.isfinite(low) and 0.0 <= low < high):
        raise InvalidInputError(f"{name} must be a law of values of 0 or more, got one on [{low}, {high}].")
    quantiles = np.arange(1, 64) / 64
    astray = float(np.max(np.abs(np.asarray(law.cdf(law.ppf(quantiles)), dtype=np.float64) - quantiles)))
    if not astray <= _ASTRAY:
        raise InvalidInputError(
            f"{name} must be a law without atoms, whose cdf undoes its ppf: on a grid of quantiles they differ by "
            f"{astray:.2g}."
        )
    return law
