"""Bertrand competition in one good: firms choose prices, and the cheapest sells to all.

Demand at price p is `max((a - p) / b, 0)`. Firms undercut one another by a smallest step of prices, the tick. With
prices that can be as close as one likes, the firm of least cost serves all at the second least cost, or at its own
monopoly price if that is lower; where two firms have the least cost, price equals cost.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.learning.firm_market import checked_demand
from walras.market.partial_equilibrium import LinearCurve
from walras.market.validation import FloatArray, nonnegative_vector, positive_number

__all__ = ["BertrandMarket"]


@final
@dataclass(frozen=True, eq=False)
class BertrandMarket:
    """Firms that choose prices of the same good.

    Parameters
    ----------
    demand
        Inverse demand (money per unit), falling from above 0.
    unit_costs
        Of each firm (money per unit), 0 or more, shape (n,).
    tick
        Step by which a firm undercuts (money per unit), above 0.

    Notes
    -----
    *Ties*: of the firms with the lowest price, those of the least cost sell, in equal parts.
    *Source*: Bertrand 1883 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import BertrandMarket
    >>> from walras.market.partial_equilibrium import LinearCurve
    >>> market = BertrandMarket(LinearCurve(10.0, -1.0), [2.0, 3.0])
    >>> market.equilibrium().tolist(), [amounts.tolist() for amounts in market.sell(market.equilibrium())]
    ([3.0, 3.0], [[3.0, 3.0], [7.0, 0.0]])
    """

    demand: LinearCurve
    unit_costs: ArrayLike
    tick: float = 0.01

    def __post_init__(self) -> None:
        checked_demand("BertrandMarket.demand", self.demand)
        costs = nonnegative_vector("BertrandMarket.unit_costs", self.unit_costs, of="firm")
        costs.setflags(write=False)
        object.__setattr__(self, "unit_costs", costs)
        object.__setattr__(self, "tick", positive_number("BertrandMarket.tick", self.tick))

    @property
    def firms(self) -> int:
        """Number of firms."""
        return self._costs.size

    def sell(self, actions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the prices and what each firm sells at its price, shape (..., n) both."""
        prices = np.maximum(actions, 0.0)
        cheapest = prices == prices.min(axis=-1, keepdims=True)
        costs = np.where(cheapest, self._costs, np.inf)
        sellers = costs == costs.min(axis=-1, keepdims=True)
        wanted = np.maximum((prices - self.demand.intercept) / self.demand.slope, 0.0)
        return prices, np.asarray(np.where(sellers, wanted / sellers.sum(axis=-1, keepdims=True), 0.0))

    def costs(self, quantities: FloatArray) -> FloatArray:
        """Give what quantities cost (money), shape (..., n)."""
        return self._costs * quantities

    def marginal_costs(self, quantities: FloatArray) -> FloatArray:
        """Give the unit cost of each firm, shape (..., n)."""
        return np.broadcast_to(self._costs, quantities.shape)

    def reply(self, firm: int, actions: FloatArray) -> FloatArray:
        """Give the best of: the monopoly price, the lowest price of the others, and a tick below it, shape (...).

        The highest of them where several are as good; the firm's cost where none brings a profit.
        """
        cost = float(self._costs[firm])
        others = np.delete(np.maximum(actions, 0.0), firm, axis=-1)
        lowest = others.min(axis=-1) if self.firms > 1 else np.full(actions.shape[:-1], np.inf)
        monopoly = np.full(lowest.shape, max(0.5 * (self.demand.intercept + cost), cost))
        rival = np.where(np.isfinite(lowest), lowest, monopoly)
        candidates = np.stack([np.maximum(monopoly, rival), rival, np.maximum(rival - self.tick, 0.0)], axis=-1)
        candidates[..., 0] = np.where(monopoly < lowest, monopoly, candidates[..., 0])
        tried = np.repeat(actions[..., None, :], 3, axis=-2)  # (..., 3, n)
        tried[..., firm] = candidates
        prices, quantities = self.sell(tried)
        profits = ((prices - self._costs) * quantities)[..., firm]
        best = np.take_along_axis(candidates, profits.argmax(axis=-1)[..., None], axis=-1)[..., 0]
        return np.asarray(np.where(profits.max(axis=-1) > 0.0, best, cost))

    def equilibrium(self) -> FloatArray:
        """Give the prices of the equilibrium without ticks, shape (n,): that of the seller, and costs above it."""
        ascending = np.sort(self._costs)
        monopoly = max(0.5 * (self.demand.intercept + ascending[0]), ascending[0])
        price = monopoly if self.firms == 1 else min(monopoly, ascending[1])
        return np.maximum(self._costs, price)

    def collusion(self) -> FloatArray:
        """Give the prices of a cartel, shape (n,): the monopoly price at the least cost, asked by all."""
        least = float(self._costs.min())
        return np.full(self.firms, max(0.5 * (self.demand.intercept + least), least))

    def consumer_surplus(self, actions: FloatArray) -> FloatArray:
        """Give the area between demand and the lowest price (money), shape (...)."""
        gain = np.maximum(self.demand.intercept - np.maximum(actions, 0.0).min(axis=-1), 0.0)
        return np.asarray(gain**2 / (-2.0 * self.demand.slope))

    @property
    def first_best_welfare(self) -> float:
        """Welfare if all is sold at the least cost (money)."""
        gain = max(self.demand.intercept - float(self._costs.min()), 0.0)
        return gain**2 / (-2.0 * self.demand.slope)

    @property
    def _costs(self) -> FloatArray:
        return np.asarray(self.unit_costs)
