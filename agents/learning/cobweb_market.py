"""A cobweb: many producers decide a period ahead, at the price that each expects.

Producer i's marginal cost is `c_i + d_i q`. It takes prices as given, and at the price e that it expects it makes
`max((e - c_i) / d_i, 0)`. Inverse demand is `P(Q) = max(a - b Q, 0)`. Where all make something, the price answers to
the expected prices with the slope `phi' = -b sum_i 1 / d_i` (the ratio of the slopes of demand and supply). Naive
expectations settle if `|phi'| < 1`; adaptive ones of weight w if `|1 - w + w phi'| < 1`, that is `|phi'| < 2 / w - 1`.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.learning.firm_market import active_firms, checked_demand
from walras.market.partial_equilibrium import LinearCurve
from walras.market.validation import FloatArray, nonnegative_vector, positive_vector

__all__ = ["CobwebMarket"]


@final
@dataclass(frozen=True, eq=False)
class CobwebMarket:
    """Producers who take prices and decide before they know them; their action is the price that they expect.

    Parameters
    ----------
    demand
        Inverse demand (money per unit), falling from above 0.
    first_costs
        Marginal cost of each producer's first unit (money per unit), 0 or more, shape (n,).
    cost_slopes
        Rise of each marginal cost (money per unit, per unit), above 0, shape (n,), or one for all.

    Notes
    -----
    *Source*: Ezekiel 1938; Nerlove 1958 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import CobwebMarket
    >>> from walras.market.partial_equilibrium import LinearCurve
    >>> market = CobwebMarket(LinearCurve(10.0, -1.0), [0.0, 0.0], cost_slopes=4.0)
    >>> market.price_slope, market.equilibrium().round(9).tolist()
    (-0.5, [6.666666667, 6.666666667])
    """

    demand: LinearCurve
    first_costs: ArrayLike
    cost_slopes: ArrayLike = 1.0

    def __post_init__(self) -> None:
        checked_demand("CobwebMarket.demand", self.demand)
        costs = nonnegative_vector("CobwebMarket.first_costs", self.first_costs, of="producer")
        slopes = positive_vector("CobwebMarket.cost_slopes", self.cost_slopes, length=costs.size, of="producer")
        for name, values in (("first_costs", costs), ("cost_slopes", slopes)):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @property
    def firms(self) -> int:
        """Number of producers."""
        return self._costs.size

    @property
    def price_slope(self) -> float:
        """Change of the price by that expected by all, while all make something and the price is above 0: `phi'`."""
        return self.demand.slope * float((1.0 / self._slopes).sum())

    def sell(self, actions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the price, the same for all, and what each producer sells, shape (..., n) both."""
        quantities = np.maximum((actions - self._costs) / self._slopes, 0.0)
        price = np.maximum(self.demand.intercept + self.demand.slope * quantities.sum(axis=-1, keepdims=True), 0.0)
        return np.broadcast_to(price, quantities.shape).copy(), quantities

    def costs(self, quantities: FloatArray) -> FloatArray:
        """Give what quantities cost (money), shape (..., n)."""
        return np.asarray(quantities * (self._costs + 0.5 * self._slopes * quantities))

    def marginal_costs(self, quantities: FloatArray) -> FloatArray:
        """Give the cost of the last unit of each producer, shape (..., n)."""
        return np.asarray(self._costs + self._slopes * quantities)

    def reply(self, firm: int, actions: FloatArray) -> FloatArray:
        """Give the price that all will get, shape (...): to expect it is best for a producer who takes prices."""
        return np.asarray(self.sell(actions)[0][..., firm])

    def equilibrium(self) -> FloatArray:
        """Give the competitive price, once for each producer, shape (n,): rational expectations."""
        demanded = -1.0 / self.demand.slope
        price, _ = active_firms(self._costs, self.demand.intercept, 1.0 / self._slopes, demanded)
        return np.full(self.firms, price)

    def collusion(self) -> FloatArray:
        """Give the expectations at which producers together earn most, shape (n,): they make what a cartel would."""
        # A cartel equates marginal revenue a - 2 b Q with the marginal cost of all: demand of twice the slope.
        demanded = -0.5 / self.demand.slope
        cost, _ = active_firms(self._costs, self.demand.intercept, 1.0 / self._slopes, demanded)
        return np.full(self.firms, cost)

    def consumer_surplus(self, actions: FloatArray) -> FloatArray:
        """Give the area between demand and price (money), shape (...)."""
        sold = self.sell(actions)[1].sum(axis=-1)
        wanted = np.minimum(sold, -self.demand.intercept / self.demand.slope)
        return np.asarray(-0.5 * self.demand.slope * wanted**2)

    @property
    def first_best_welfare(self) -> float:
        """Welfare at the competitive price (money)."""
        actions = self.equilibrium()
        prices, quantities = self.sell(actions)
        profits = prices * quantities - self.costs(quantities)
        return float(self.consumer_surplus(actions)) + float(profits.sum())

    @property
    def _costs(self) -> FloatArray:
        return np.asarray(self.first_costs)

    @property
    def _slopes(self) -> FloatArray:
        return np.asarray(self.cost_slopes)
