"""Cournot competition: firms choose quantities of one good, and the price is what all of it fetches.

Inverse demand is `P(Q) = max(a - b Q, 0)`, firm i's unit cost `c_i`. Its best reply to the output R of its rivals is
`max((a - c_i - b R) / (2 b), 0)`. In equilibrium, with m active firms,

    P = (a + sum of their costs) / (m + 1),    q_i = (P - c_i) / b,

so that n equal firms make `q = (a - c) / ((n + 1) b)` each. Best replies to what rivals did last multiply the deviation
of total output by `-(n - 1) / 2`: they settle for n = 2, keep circling for n = 3 and move away for n > 3.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.learning.firm_market import active_firms, checked_demand
from walras.market.partial_equilibrium import LinearCurve
from walras.market.validation import FloatArray, nonnegative_vector

__all__ = ["CournotMarket"]


@final
@dataclass(frozen=True, eq=False)
class CournotMarket:
    """Firms that choose quantities.

    Parameters
    ----------
    demand
        Inverse demand (money per unit), falling from above 0.
    unit_costs
        Of each firm (money per unit), 0 or more, shape (n,).

    Notes
    -----
    What nobody wants at a price of 0 is thrown away. *Source*: Cournot 1838; Theocharis 1960
    (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import CournotMarket
    >>> from walras.market.partial_equilibrium import LinearCurve
    >>> CournotMarket(LinearCurve(12.0, -1.0), [0.0, 0.0, 0.0]).equilibrium().tolist()
    [3.0, 3.0, 3.0]
    """

    demand: LinearCurve
    unit_costs: ArrayLike

    def __post_init__(self) -> None:
        checked_demand("CournotMarket.demand", self.demand)
        costs = nonnegative_vector("CournotMarket.unit_costs", self.unit_costs, of="firm")
        costs.setflags(write=False)
        object.__setattr__(self, "unit_costs", costs)

    @property
    def firms(self) -> int:
        """Number of firms."""
        return self._costs.size

    def sell(self, actions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the price, the same for all firms, and their quantities, shape (..., n) both."""
        quantities = np.maximum(actions, 0.0)
        price = np.maximum(self.demand.intercept + self.demand.slope * quantities.sum(axis=-1, keepdims=True), 0.0)
        return np.broadcast_to(price, quantities.shape).copy(), quantities

    def costs(self, quantities: FloatArray) -> FloatArray:
        """Give what quantities cost (money), shape (..., n)."""
        return self._costs * quantities

    def marginal_costs(self, quantities: FloatArray) -> FloatArray:
        """Give the unit cost of each firm, shape (..., n)."""
        return np.broadcast_to(self._costs, quantities.shape)

    def reply(self, firm: int, actions: FloatArray) -> FloatArray:
        """Give the quantity that is best against those of the others, shape (...)."""
        rivals = np.maximum(actions, 0.0)
        output = rivals.sum(axis=-1) - rivals[..., firm]
        residual = self.demand.intercept + self.demand.slope * output - self._costs[firm]
        return np.asarray(np.maximum(residual / (-2.0 * self.demand.slope), 0.0))

    def equilibrium(self) -> FloatArray:
        """Give the quantities of the Nash equilibrium, shape (n,); firms of too high a cost make nothing."""
        price, _ = active_firms(self._costs, self.demand.intercept, np.ones(self.firms), 1.0)
        return np.maximum((price - self._costs) / -self.demand.slope, 0.0)

    def collusion(self) -> FloatArray:
        """Give the quantities of a cartel, shape (n,): those of a monopolist, made by the firms of least cost alike."""
        cheapest = self._costs == self._costs.min()
        output = max(self.demand.intercept - self._costs.min(), 0.0) / (-2.0 * self.demand.slope)
        return np.asarray(np.where(cheapest, output / cheapest.sum(), 0.0))

    def consumer_surplus(self, actions: FloatArray) -> FloatArray:
        """Give the area between demand and price (money), shape (...)."""
        wanted = np.minimum(np.maximum(actions, 0.0).sum(axis=-1), -self.demand.intercept / self.demand.slope)
        return np.asarray(-0.5 * self.demand.slope * wanted**2)

    @property
    def first_best_welfare(self) -> float:
        """Welfare if all is made at the least cost and sold at it (money)."""
        gain = max(self.demand.intercept - float(self._costs.min()), 0.0)
        return gain**2 / (-2.0 * self.demand.slope)

    @property
    def _costs(self) -> FloatArray:
        return np.asarray(self.unit_costs)
