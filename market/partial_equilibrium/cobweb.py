"""Cobweb dynamics: producers decide a period ahead, at the price that they expect.

With the inverse demand V and the supply S,

    q_t = S(e_t),    p_t = V(q_t),    e_{t+1} = E(p_t, p_{t-1}, ...; e_t),

so that prices follow `p_t = phi(e_t)`, `phi = V o S`. A fixed point of phi is the competitive equilibrium whenever
expectations agree with a constant price. Near it prices behave as the linear map with slope `phi'`: under naive
expectations they alternate around the equilibrium and converge if `|phi'| < 1`; under adaptive expectations with weight
w the slope is `1 - w + w phi'`; under a rule with a memory of m prices it is the largest eigenvalue, in size, of the
companion matrix of `phi' dE/dp`.
"""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium.certify import off_the_curve
from walras.market.partial_equilibrium.expectations import (
    AdaptiveExpectations,
    CustomExpectations,
    Expectations,
    NaiveExpectations,
)
from walras.market.partial_equilibrium.market import CompetitiveMarket
from walras.market.partial_equilibrium.side import Side
from walras.market.partial_equilibrium.steps import StepDemandCurve, StepSupplyCurve
from walras.market.partial_equilibrium.support import Curve, checked_curve
from walras.market.properties import Property
from walras.market.validation import FloatArray, finite_number, finite_vector, positive_number, whole_number

__all__ = ["Cobweb", "CobwebCertificate", "CobwebPath", "CobwebStability", "CobwebStatus", "StabilityStatus"]

# Within this distance of 1 a computed slope does not tell stable from unstable.
_SLOPE_ROUNDING = 1e-6


class CobwebStatus(Enum):
    """What the path ended in; each value tells the reader what it means."""

    CONVERGED = "the price has settled: it repeats itself every period"
    CYCLE = "the prices repeat themselves after `period` periods, and do not settle"
    UNSETTLED = "no period up to the longest one tried: still converging, a longer cycle, or chaos; simulate longer"


class StabilityStatus(Enum):
    """What prices do near the equilibrium; each value tells the reader what it means."""

    STABLE = "from nearby, prices converge to the equilibrium"
    UNSTABLE = "from nearby, prices move away from the equilibrium"
    MARGINAL = "the slope is 1 in size: the linear map does not decide"


@final
@dataclass(frozen=True)
class CobwebCertificate(Residuals):
    """Residuals of a path or a fixed point, as fractions of the largest price.

    Attributes
    ----------
    dynamics
        How far prices and quantities are from the demand curve, and quantities and the prices that were expected from
        the supply curve.
    recurrence
        How far the last prices are from those a period before; at a fixed point, from their own image. 0 if unsettled.
    """

    dynamics: float
    recurrence: float


@final
@dataclass(frozen=True, eq=False)
class CobwebPath(Certified):
    """Prices and quantities over T periods.

    Attributes
    ----------
    prices, expected_prices, quantities
        Money per unit, the same, and units, shape (T,) each.
    period
        After how many periods prices repeat themselves at the end of the path: 1 if settled, 0 if they do not.
    status, certificate
        What the path ended in, and the residuals that prove it.
    """

    prices: FloatArray
    expected_prices: FloatArray
    quantities: FloatArray
    period: int
    status: CobwebStatus
    certificate: CobwebCertificate

    @property
    def cycle(self) -> FloatArray:
        """The prices of the last period, in order, shape (period,); empty if unsettled."""
        return self.prices[self.prices.size - self.period :].copy()


@final
@dataclass(frozen=True, eq=False)
class CobwebStability(Certified):
    """The equilibrium, and what prices do near it.

    Attributes
    ----------
    price, quantity
        Of the equilibrium (money per unit; units).
    price_slope
        Derivative of the price by the expected price, `phi'`.
    slope
        Factor by which a small deviation grows in a period; for rules with memory, the eigenvalue of largest size
        (its real part).
    growth
        The size of that factor: below 1 deviations shrink.
    status, certificate
        Verdict, and the residuals that prove the fixed point.
    """

    price: float
    quantity: float
    price_slope: float
    slope: float
    growth: float
    status: StabilityStatus
    certificate: CobwebCertificate


@final
@dataclass(frozen=True)
class Cobweb:
    """A market whose producers decide before they know the price.

    Parameters
    ----------
    demand, supply
        Curves without jumps: step curves leave the price, or the quantity, open.
    expectations
        `NaiveExpectations()`, `AdaptiveExpectations(weight)` or `CustomExpectations(rule, memory)`.

    Notes
    -----
    *Source*: Ezekiel 1938 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.partial_equilibrium import Cobweb, LinearCurve
    >>> cobweb = Cobweb(demand=LinearCurve(10.0, -1.0), supply=LinearCurve(0.0, 2.0))
    >>> cobweb.simulate(start_price=4.0, periods=4).prices.tolist()
    [8.0, 6.0, 7.0, 6.5]
    >>> cobweb.stability().slope, cobweb.stability().status.name
    (-0.5, 'STABLE')
    """

    demand: Curve
    supply: Curve
    expectations: Expectations = field(default_factory=NaiveExpectations)

    def __post_init__(self) -> None:
        for name, side in (("demand", Side.BUYERS), ("supply", Side.SELLERS)):
            curve = checked_curve(f"Cobweb.{name}", getattr(self, name), side)
            if isinstance(curve, StepDemandCurve | StepSupplyCurve):
                raise InvalidInputError(f"Cobweb.{name} must be a curve without jumps, got {curve!r}.")
        if not isinstance(self.expectations, Expectations):
            raise InvalidInputError(
                "Cobweb.expectations must be NaiveExpectations, AdaptiveExpectations or CustomExpectations, got "
                f"{self.expectations!r}."
            )

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What is brought to market is sold; whether prices converge depends on the curves (see `stability`)."""
        return frozenset({Property.CONSERVES})

    def simulate(
        self,
        start_price: ArrayLike,
        periods: int,
        longest_period: int = 16,
        tolerance: float = 1e-9,
    ) -> CobwebPath:
        """Give the path of prices.

        Parameters
        ----------
        start_price
            The price expected for the first period (money per unit); for `CustomExpectations`, the prices before it,
            the latest first: shape (memory,), or one number for all of them.
        periods
            Length of the path, 1 or more.
        longest_period
            Cycles up to this length are looked for, 1 or more, at the end of the path (over at least two rounds).
        tolerance
            Prices within this fraction of the largest count as equal, above 0.

        Notes
        -----
        *Cost*: one evaluation of each curve a period.
        """
        periods = whole_number("periods", periods, minimum=1)
        longest_period = whole_number("longest_period", longest_period, minimum=1)
        tolerance = positive_number("tolerance", tolerance)
        history = self._history(start_price)
        expected = self._expected(history, history[0])
        prices, expectations, quantities = np.empty(periods), np.empty(periods), np.empty(periods)
        for now in range(periods):
            quantities[now] = self._supplied(expected)
            expectations[now] = expected
            prices[now] = self._price(quantities[now])
            history = np.concatenate([prices[now : now + 1], history[:-1]])
            expected = self._expected(history, expected)
        period = _period(prices, longest_period, tolerance)
        status = {0: CobwebStatus.UNSETTLED, 1: CobwebStatus.CONVERGED}.get(period, CobwebStatus.CYCLE)
        certificate = self._certify(prices, expectations, quantities, period)
        return CobwebPath(prices, expectations, quantities, period, status, certificate)

    def stability(self) -> CobwebStability:
        """Give the competitive equilibrium, the slope of the price map there, and the verdict.

        Raises
        ------
        InvalidInputError
            If custom expectations of a price that never changes differ from that price: their fixed point is another.
        InfeasibleError
            If the curves do not meet.
        """
        equilibrium = CompetitiveMarket(self.demand, self.supply).equilibrium()
        price, quantity = equilibrium.producer_price, equilibrium.quantity
        price_slope = self._slope(price)
        slope, growth = self._growth(price, price_slope)
        if abs(growth - 1.0) <= _SLOPE_ROUNDING:
            status = StabilityStatus.MARGINAL
        else:
            status = StabilityStatus.STABLE if growth < 1.0 else StabilityStatus.UNSTABLE
        at = np.array([price])
        certificate = self._certify(at, at, np.array([quantity]), 0)
        return CobwebStability(price, quantity, price_slope, slope, growth, status, certificate)

    def _history(self, start_price: ArrayLike) -> FloatArray:
        """Prices before the first period, the latest first."""
        if isinstance(self.expectations, CustomExpectations):
            return finite_vector("start_price", start_price, length=self.expectations.memory, of="past period")
        return np.array([finite_number("start_price", start_price)])

    def _expected(self, history: FloatArray, expected: float) -> float:
        match self.expectations:
            case NaiveExpectations():
                return float(history[0])
            case AdaptiveExpectations(weight=weight):
                return float(expected + weight * (history[0] - expected))
            case CustomExpectations():
                return self.expectations.expected(history)

    def _supplied(self, expected_price: float) -> float:
        quantity = self.supply.quantities_at(expected_price, Side.SELLERS)[1]
        if not math.isfinite(quantity) or quantity > self.demand.capacity:
            raise InvalidInputError(
                f"Producers who expect {expected_price:g} supply {quantity:g} units, and demand has no price for more "
                f"than {self.demand.capacity:g} units."
            )
        return quantity

    def _price(self, quantity: float) -> float:
        price = self.demand.price_before(quantity) if quantity > 0.0 else self.demand.price_after(0.0)
        return finite_number(f"The price that {quantity:g} units fetch", price)

    def _slope(self, price: float) -> float:
        """Derivative of the price by the expected price: central difference."""
        step = 6e-6 * max(abs(price), 1e-6)
        up, down = (self._price(self._supplied(price + move)) for move in (step, -step))
        return (up - down) / ((price + step) - (price - step))

    def _growth(self, price: float, price_slope: float) -> tuple[float, float]:
        match self.expectations:
            case NaiveExpectations():
                return price_slope, abs(price_slope)
            case AdaptiveExpectations(weight=weight):
                slope = 1.0 - weight + weight * price_slope
                return slope, abs(slope)
            case CustomExpectations(memory=memory):
                constant = np.full(memory, price)
                if not math.isclose(self.expectations.expected(constant), price, rel_tol=1e-6, abs_tol=0.0):
                    raise InvalidInputError(
                        "CustomExpectations.rule must expect a price that never changes to stay as it is; of "
                        f"{price:g} it expects {self.expectations.expected(constant):g}."
                    )
                step = 6e-6 * max(abs(price), 1e-6)
                moved = constant + step * np.eye(memory)  # (memory, memory): one past price moved in each row
                back = constant - step * np.eye(memory)
                weights = [
                    (self.expectations.expected(up) - self.expectations.expected(down)) / (2.0 * step)
                    for up, down in zip(moved, back, strict=True)
                ]
                companion = np.eye(memory, k=-1)
                companion[0] = price_slope * np.array(weights)
                eigenvalues = np.linalg.eigvals(companion)
                largest = eigenvalues[np.argmax(np.abs(eigenvalues))]
                return float(largest.real), float(abs(largest))

    def _certify(
        self, prices: FloatArray, expected_prices: FloatArray, quantities: FloatArray, period: int
    ) -> CobwebCertificate:
        """Ask each curve whether it holds price and quantity, from price to quantity and back."""
        money = max(float(np.abs(prices).max()), np.finfo(np.float64).tiny)
        misses = [0.0]
        for price, expected, quantity in zip(
            prices.tolist(), expected_prices.tolist(), quantities.tolist(), strict=True
        ):
            misses.append(off_the_curve(self.demand, Side.BUYERS, price, quantity, quantity, money))
            misses.append(off_the_curve(self.supply, Side.SELLERS, expected, quantity, quantity, money))
        recurrence = np.abs(prices[period:] - prices[: prices.size - period])[-period:].max() if period else 0.0
        return CobwebCertificate(dynamics=max(misses), recurrence=float(recurrence) / money)


def _period(prices: FloatArray, longest: int, tolerance: float) -> int:
    """Give after how many periods the end of a path repeats itself, over as many comparisons; 0 if after none."""
    scale = tolerance * float(np.abs(prices).max())
    for period in range(1, min(longest, prices.size // 2) + 1):
        tail = prices[-2 * period :]
        if np.all(np.abs(tail[period:] - tail[:period]) <= scale):
            return period
    return 0
