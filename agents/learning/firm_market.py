"""What a market of firms is, and what is measured in it.

n firms act: each chooses a quantity, a price, or, in a cobweb, the price that it expects. The actions decide what is
sold at which prices. With prices `p_i`, quantities `q_i`, costs `C_i(q_i)` and revenue `R = sum p_i q_i`,

    profit               sum_i p_i q_i - C_i(q_i)
    Lerner index         sum_i (p_i - C_i'(q_i)) q_i / R: the mean margin over the price, weighted by revenue
    Herfindahl index     sum_i (q_i / Q)^2
    welfare              consumer surplus + profit
    deadweight loss      the most welfare that the market could give, less the welfare that it gives

In Cournot equilibrium the Lerner index is the Herfindahl index over the elasticity of demand, in size.
"""

import math
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium import LinearCurve
from walras.market.validation import FloatArray, finite_vector, instance_of
from walras.market.welfare import herfindahl_index

__all__ = ["FirmMarket", "MarketPower", "active_firms", "checked_demand", "market_power"]


class FirmMarket(Protocol):
    """A market of n firms. Arrays of actions have shape (..., n): any number of markets at once."""

    @property
    def firms(self) -> int:
        """Number of firms n."""

    def sell(self, actions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the price that each firm gets (money per unit) and what it sells (units), shape (..., n) both."""

    def costs(self, quantities: FloatArray) -> FloatArray:
        """Give what quantities cost to make (money), shape (..., n)."""

    def marginal_costs(self, quantities: FloatArray) -> FloatArray:
        """Give the cost of the last unit of each firm (money per unit), shape (..., n)."""

    def reply(self, firm: int, actions: FloatArray) -> FloatArray:
        """Give a firm's best reply to the actions of the others, shape (...); its own entry is not looked at."""

    def equilibrium(self) -> FloatArray:
        """Give the actions of the equilibrium of one period, shape (n,)."""

    def collusion(self) -> FloatArray:
        """Give the actions that make the profit of all firms together largest, shape (n,)."""

    def consumer_surplus(self, actions: FloatArray) -> FloatArray:
        """Give what buyers gain (money), shape (...)."""

    @property
    def first_best_welfare(self) -> float:
        """The most welfare that the market could give (money)."""


@final
@dataclass(frozen=True)
class MarketPower:
    """What a market gives in one period, and to whom.

    Attributes
    ----------
    price
        Mean price, weighted by quantities; unweighted where nothing is sold (money per unit).
    quantity
        Sold in all (units).
    herfindahl
        Herfindahl index of quantities, from 1/n to 1; 1/n where nothing is sold.
    lerner
        Lerner index, weighted by revenue; NaN where there is no revenue.
    consumer_surplus, profit, welfare
        Money.
    deadweight_loss
        What welfare falls short of the first best (money).
    """

    price: float
    quantity: float
    herfindahl: float
    lerner: float
    consumer_surplus: float
    profit: float
    welfare: float
    deadweight_loss: float


def market_power(market: FirmMarket, actions: ArrayLike) -> MarketPower:
    """Measure what a market gives at the actions of its firms.

    Parameters
    ----------
    market
        `CournotMarket`, `BertrandMarket`, `LogitMarket` or `CobwebMarket`.
    actions
        One for each firm, shape (n,).

    Raises
    ------
    InvalidInputError
        Actions that are not one finite number for each firm.

    Notes
    -----
    *Source*: Lerner 1934; Hirschman 1964; Harberger 1954 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import CournotMarket, market_power
    >>> from walras.market.partial_equilibrium import LinearCurve
    >>> market = CournotMarket(LinearCurve(10.0, -1.0), [1.0, 1.0])
    >>> power = market_power(market, market.equilibrium())
    >>> power.price, power.herfindahl, power.deadweight_loss
    (4.0, 0.5, 4.5)
    """
    chosen = finite_vector("actions", actions, length=market.firms, of="firm")
    prices, quantities = market.sell(chosen)
    quantity, revenue = float(quantities.sum()), float(prices @ quantities)
    profit = revenue - float(market.costs(quantities).sum())
    margin = revenue - float(market.marginal_costs(quantities) @ quantities)
    surplus = float(market.consumer_surplus(chosen))
    welfare = surplus + profit
    return MarketPower(
        price=revenue / quantity if quantity > 0.0 else float(prices.mean()),
        quantity=quantity,
        herfindahl=herfindahl_index(quantities),
        lerner=margin / revenue if revenue > 0.0 else math.nan,
        consumer_surplus=surplus,
        profit=profit,
        welfare=welfare,
        deadweight_loss=market.first_best_welfare - welfare,
    )


def checked_demand(name: str, demand: object) -> LinearCurve:
    """Give a straight falling demand curve from above 0, or raise `InvalidInputError`."""
    curve = instance_of(name, demand, LinearCurve)
    if not (curve.slope < 0.0 < curve.intercept):
        raise InvalidInputError(f"{name} must fall from a price above 0, got {curve!r}.")
    return curve


def active_firms(costs: FloatArray, intercept: float, weights: FloatArray, own: float) -> tuple[float, FloatArray]:
    """Price at which the firms of cost below it, and no others, are active; and which they are.

    The price is `(own * intercept + sum of w_i c_i) / (own + sum of w_i)` over active firms, and those are the firms of
    least cost: with each firm that joins, the price falls towards the firm's cost and stays above it.
    """
    active = np.zeros(costs.size, dtype=bool)
    price = intercept
    for firm in np.argsort(costs, kind="stable"):
        if costs[firm] >= price:
            break
        active[firm] = True
        price = (own * intercept + float(weights[active] @ costs[active])) / (own + float(weights[active].sum()))
    return price, active
