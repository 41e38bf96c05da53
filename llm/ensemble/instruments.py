"""Other rules for the markets of a stack than a cap: a posted price, a collar, and Vickrey's payments.

A cap sells a quantity, and needs no term in the loss: the price is the same for all, and what agents pay together for a
given quantity does not depend on who gets it. The rules here charge what does depend on it. What is charged, `owed`, is
a term of each member's loss, so that the task's gradient, which sets the valuations, feels it. Prices in it are taken
as given, as those who face them take them.

All three know the budget of the step, so that members of a stack can each have their own:

`RepostedPrice`
    A Pigouvian tax. Before each step the price is posted at which agents, bidding as they do, would buy the budget.
    They buy what they like at it and pay `p sum_i w_i x_i`. Under a cap agent i's valuation rises with what it
    contributes beyond the average of those at the margin; here, with what it contributes beyond p. If agents
    contribute less than p, all bids fall, and the next price with them, until p is what a unit is worth to the loss.
`TrackingCollar`
    A cap whose price may not leave the interval at whose ends agents, bidding as in the step before, would have bought
    `margin` more and less than the budget. At a bound agents choose the quantity, and pay the bound for what they buy
    beyond the budget (or are paid it for what they do not).
`PivotPayments`
    A cap, at which each agent pays what the others would make of its units (Vickrey, Clarke, Groves): below.

**Pivot payments under logit demand.** At a price p all agents together have the surplus
`S(p) = sum_j w_j tau log(1 + exp((v_j - p) / tau))`, and the welfare of a quantity B is `min_p p B + S(p)`, at the
price that clears it. Without agent i the others get B at a price p_i; with it, `B - u_i` at p. So agent i owes

    (p_i B + S_others(p_i)) - (p (B - u_i) + S_others(p)),

which per unit lies between p_i and p: the more units an agent takes, the further down its rivals' demand it reaches,
and the less it pays for each.

Source: Vickrey 1961; Clarke 1971; Groves 1973; Roberts and Spence 1976 (docs/reference/bibliography.md).
"""

from typing import Protocol, final

import torch
from torch import Tensor
from torch.nn import functional

from walras.llm.gate import MarketGate
from walras.llm.marketplace import Sale
from walras.market import InvalidInputError, LogitDemand
from walras.market.validation import finite_number

__all__ = ["Instrument", "PivotPayments", "RepostedPrice", "TrackingCollar"]

_LEAST_USE = 1e-9  # units; of less a price per unit is rounding


class Instrument(Protocol):
    """How the markets of a stack's members sell a budget."""

    def begin_step(self) -> None:
        """Prepare a step, which may have several forward passes."""

    def sell(self, gate: MarketGate, bids: Tensor, level: Tensor, temperature: Tensor) -> tuple[Sale, Tensor]:
        """Give the sale at bids (rows, n) and budgets (rows,), and what each row's agents owe (rows,)."""


@final
class RepostedPrice:
    """A price for each step, at which agents that bid as they do buy the budget: a Pigouvian tax."""

    def begin_step(self) -> None:
        """Do nothing."""

    def sell(self, gate: MarketGate, bids: Tensor, level: Tensor, temperature: Tensor) -> tuple[Sale, Tensor]:
        """Sell whatever is asked for at the price."""
        with torch.no_grad():
            price = _capped(gate, bids, level, temperature).prices.squeeze(-1)
        sale = _posted(gate, bids, price, temperature)
        return sale, _finite(price) * sale.quantity_sold


@final
class TrackingCollar:
    """A cap whose price is held near that of the step before.

    Parameters
    ----------
    margin
        Units, as a fraction of what all agents use, above 0: the bounds are the prices at which agents, bidding as in
        the step before, would have bought so much more and so much less than the budget.

    Attributes
    ----------
    binding
        Whether the price of the last forward pass was held at a bound, shape (rows,); None before one.
    """

    def __init__(self, margin: float) -> None:
        if not 0.0 < finite_number("TrackingCollar.margin", margin) < 1.0:
            raise InvalidInputError(f"TrackingCollar.margin must lie between 0 and 1, got {margin}.")
        self.margin = margin
        self.binding: Tensor | None = None
        self._before: Tensor | None = None
        self._last: Tensor | None = None

    def begin_step(self) -> None:
        """Take the last bids as those of the step before."""
        self._before = self._last

    def sell(self, gate: MarketGate, bids: Tensor, level: Tensor, temperature: Tensor) -> tuple[Sale, Tensor]:
        """Sell the budget, or at a bound what is asked for."""
        self._last = bids.detach()
        before = self._last if self._before is None else self._before
        cap = _capped(gate, bids, level, temperature)
        with torch.no_grad():
            # What all can use costs minus infinity, and nothing infinity: then there is no bound.
            floor = _capped(gate, before, (level + self.margin).clamp(max=1.0), temperature).prices.squeeze(-1)
            ceiling = _capped(gate, before, (level - self.margin).clamp(min=0.0), temperature).prices.squeeze(-1)
            found = cap.prices.squeeze(-1)
            bound = torch.minimum(torch.maximum(found, floor), ceiling)
            self.binding = bound != found
        free = _posted(gate, bids, bound, temperature)
        allocation = torch.where(self.binding.unsqueeze(-1), free.allocation, cap.allocation)
        sold = torch.where(self.binding, free.quantity_sold, cap.quantity_sold)
        owed = torch.where(self.binding, _finite(bound) * (free.quantity_sold - level), 0.0)
        return Sale(allocation, bound.unsqueeze(-1), sold), owed


@final
class PivotPayments:
    """A cap at which each agent pays what the others would make of its units."""

    def begin_step(self) -> None:
        """Do nothing."""

    def sell(self, gate: MarketGate, bids: Tensor, level: Tensor, temperature: Tensor) -> tuple[Sale, Tensor]:
        """Sell the budget; payments per unit are taken as given."""
        sale = _capped(gate, bids, level, temperature)
        with torch.no_grad():
            prices = self.unit_prices(gate, bids, level, temperature, sale)
        return sale, (prices * gate.costs_single * sale.allocation).sum(-1)

    def unit_prices(self, gate: MarketGate, bids: Tensor, level: Tensor, temperature: Tensor, sale: Sale) -> Tensor:
        """Give what each agent pays for a unit (money), shape (rows, n).

        While the others of some agent could not use the budget without it, nobody pays: 0. *Cost*: n markets a row.
        """
        if not isinstance(gate.marketplace.demand, LogitDemand):
            raise InvalidInputError(f"PivotPayments needs logit demand, got {gate.marketplace.demand!r}.")
        costs, values, budget = gate.costs.double(), bids.double(), level.double().unsqueeze(-1)
        scale, price = temperature.double(), sale.prices.double()
        others = ~torch.eye(costs.numel(), dtype=torch.bool, device=costs.device)
        possible = budget <= 1.0 - costs.max()  # (rows, 1)
        sought = torch.where(possible, budget, 0.5 * (1.0 - costs.max()))
        without = gate.marketplace.soft(
            values.unsqueeze(-2).expand(-1, costs.numel(), -1),
            costs,
            supply=sought.expand(-1, costs.numel()),
            temperature=scale,
            mask=others,
        ).price  # (rows, n)

        def surplus_of_others(prices: Tensor) -> Tensor:  # (rows, n or 1) -> (rows, n)
            surplus = costs * scale * functional.softplus((values.unsqueeze(-2) - prices.unsqueeze(-1)) / scale)
            return torch.where(others, surplus, 0.0).sum(-1)

        units = costs * sale.allocation.double()
        lost = without * budget + surplus_of_others(without)
        lost = lost - price * (budget - units) - surplus_of_others(price)
        per_unit = torch.where(units > _LEAST_USE, lost / units.clamp(min=_LEAST_USE), price)
        return torch.where(possible, per_unit, 0.0).to(bids.dtype)


def _capped(gate: MarketGate, bids: Tensor, level: Tensor, temperature: Tensor) -> Sale:
    return gate.marketplace(bids, gate.costs_single, level=level, temperature=temperature)


def _posted(gate: MarketGate, bids: Tensor, price: Tensor, temperature: Tensor) -> Sale:
    return gate.marketplace(bids, gate.costs_single, level=price, temperature=temperature, posted=True)


def _finite(price: Tensor) -> Tensor:
    """At an infinite price all is sold or nothing: there is nothing to decide, and so nothing to pay."""
    return price.nan_to_num(0.0, 0.0, 0.0)
