"""Forecasts of something that is observed every period: a price, rivals' output, or several of them at once.

A forecast rule is pure, like a learning policy: `state = rule.start(first)`, `state.expected`, and
`rule.learn(state, observed)`. Numbers and arrays of any shape will do. For a market whose producers all have one
expectation, `walras.market.partial_equilibrium.Cobweb` has the analysis.
"""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, fraction

__all__ = ["AdaptiveForecast", "AverageForecast", "Forecast", "ForecastRule", "NaiveForecast", "RationalForecast"]


@final
@dataclass(frozen=True, eq=False)
class Forecast:
    """What is expected for the next period, and how many periods have been observed."""

    expected: FloatArray
    periods: int = 0


class ForecastRule(Protocol):
    """How expectations follow what is observed."""

    def start(self, first: ArrayLike) -> Forecast:
        """Give the forecast for the first period."""

    def learn(self, state: Forecast, observed: ArrayLike) -> Forecast:
        """Give the forecast for the next period."""


@final
@dataclass(frozen=True)
class NaiveForecast:
    """The next value will be the last one: `e' = x`.

    Notes
    -----
    *Source*: Ezekiel 1938 (docs/reference/bibliography.md).
    """

    def start(self, first: ArrayLike) -> Forecast:
        """Give the forecast for the first period."""
        return Forecast(_values("first", first))

    def learn(self, state: Forecast, observed: ArrayLike) -> Forecast:
        """Give what was observed."""
        return Forecast(_like(state, observed), state.periods + 1)


@final
@dataclass(frozen=True)
class AdaptiveForecast:
    """What was expected, corrected by a fraction of the error: `e' = e + weight (x - e)`.

    Parameters
    ----------
    weight
        Fraction of the error that is corrected, above 0 and at most 1; at 1 the forecast is naive.

    Notes
    -----
    *Source*: Nerlove 1958 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import AdaptiveForecast
    >>> rule = AdaptiveForecast(weight=0.25)
    >>> float(rule.learn(rule.start(8.0), 4.0).expected)
    7.0
    """

    weight: float

    def __post_init__(self) -> None:
        weight = fraction("AdaptiveForecast.weight", self.weight)
        if weight == 0.0:
            raise InvalidInputError("AdaptiveForecast.weight must be above 0, got 0.0: nothing would be learned.")
        object.__setattr__(self, "weight", weight)

    def start(self, first: ArrayLike) -> Forecast:
        """Give the forecast for the first period."""
        return Forecast(_values("first", first))

    def learn(self, state: Forecast, observed: ArrayLike) -> Forecast:
        """Give the corrected forecast."""
        error = _like(state, observed) - state.expected
        return Forecast(np.asarray(state.expected + self.weight * error), state.periods + 1)


@final
@dataclass(frozen=True)
class AverageForecast:
    """The mean of all that was observed, the first forecast left out: `e' = e + (x - e) / t`.

    With best replies to it, this is fictitious play in games whose payoffs depend on the mean of what others do.

    Notes
    -----
    *Source*: Brown 1951; in oligopoly, Thorlund-Petersen 1990 (docs/reference/bibliography.md).
    """

    def start(self, first: ArrayLike) -> Forecast:
        """Give the forecast for the first period."""
        return Forecast(_values("first", first))

    def learn(self, state: Forecast, observed: ArrayLike) -> Forecast:
        """Give the mean of the periods so far."""
        periods = state.periods + 1
        error = _like(state, observed) - state.expected
        return Forecast(np.asarray(state.expected + error / periods), periods)


@final
@dataclass(frozen=True)
class RationalForecast:
    """The benchmark: expects the equilibrium, whatever happens.

    In a market without noise rational expectations are perfect foresight: what all who hold them expect comes true. The
    one value that does is the equilibrium's, and whoever sets the rule up has to know it: it is the first forecast.

    Notes
    -----
    *Source*: Muth 1961 (docs/reference/bibliography.md).
    """

    def start(self, first: ArrayLike) -> Forecast:
        """Give the forecast for the first period, and for all others."""
        return Forecast(_values("first", first))

    def learn(self, state: Forecast, observed: ArrayLike) -> Forecast:
        """Give the same forecast again."""
        _like(state, observed)
        return Forecast(state.expected, state.periods + 1)


def _values(name: str, given: ArrayLike) -> FloatArray:
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be a number or an array of numbers, got {given!r}.") from error
    if not np.isfinite(values).all():
        raise InvalidInputError(f"{name} must be finite, got {values}.")
    return values


def _like(state: Forecast, observed: ArrayLike) -> FloatArray:
    values = _values("observed", observed)
    if values.shape != state.expected.shape:
        raise InvalidInputError(
            f"observed must have the shape of the forecast, {state.expected.shape}; got {values.shape}."
        )
    return values
