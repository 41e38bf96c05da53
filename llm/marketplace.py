"""The gate's markets: one for all agents or one for each layer, under a cap, a posted price or a collar.

Markets of layers are rows of one batch, padded with absent agents, and clear in one call. Every row sells the same
fraction of what its agents can use. Agents that use nothing of the resource stand outside, and are served.
"""

import math
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    StepDemand,
)
from walras.market.operators import OperatorClearing, compile_mechanism

__all__ = ["Marketplace", "Sale", "collar_of"]


class Sale(NamedTuple):
    """What the markets give: shares (..., n), prices (..., markets), and units sold in all of them, shape (...)."""

    allocation: Tensor
    prices: Tensor
    quantity_sold: Tensor


class Marketplace(nn.Module):
    """Clears the markets of a population at given bids.

    Parameters
    ----------
    mechanism
        A capacity market with smooth demand; supply fixed, posted or a collar; a tax per unit.
    costs
        Of each agent, shape (n,), 0 or more, adding up to 1.
    market_of_agent
        Number of each agent's market, from 0, shape (n,).
    """

    slots: Tensor
    present: Tensor
    places: Tensor
    outside: Tensor
    taxes: Tensor

    def __init__(
        self, mechanism: CapacityMarket, costs: NDArray[np.float64], market_of_agent: NDArray[np.int64]
    ) -> None:
        super().__init__()
        self.supply, self.demand = mechanism.supply, mechanism.demand
        priced = replace(mechanism, tax=PerUnitTax(), supply=self._cap())
        self.soft = compile_mechanism(priced)
        self.hard = compile_mechanism(replace(priced, demand=StepDemand(divisible=False)))
        self.floor, self.ceiling = collar_of(mechanism)
        taxes = cast(PerUnitTax, mechanism.tax).rates(costs.size)
        self.has_taxes = bool(taxes.any())
        slots, present, places = _rows(costs, market_of_agent)
        self.is_one = slots.shape == (1, costs.size)
        for name, array in (
            ("slots", slots),
            ("present", present),
            ("places", places),
            ("outside", costs == 0.0),
            ("taxes", taxes),
        ):
            self.register_buffer(name, torch.from_numpy(np.asarray(array)), persistent=False)

    def _cap(self) -> FixedSupply:
        match self.supply:
            case FixedSupply(quantity=quantity) | PriceCollar(quantity=quantity):
                return FixedSupply(quantity)
        return FixedSupply(1.0)

    @property
    def posts_a_price(self) -> bool:
        """Whether the supply rule is a posted price: there is no budget."""
        return isinstance(self.supply, PostedPrice)

    @property
    def is_held(self) -> bool:
        """Whether a cap's price has a floor or a ceiling."""
        return self.floor > -math.inf or self.ceiling < math.inf

    def forward(
        self, bids: Tensor, costs: Tensor, *, level: Tensor, temperature: Tensor | None, posted: bool = False
    ) -> Sale:
        """Clear.

        Parameters
        ----------
        bids, costs
            Money per unit, shape (..., n); units, shape (n,).
        level
            Fraction of each market's units that is for sale, or with `posted` the price; shape (...).
        temperature
            Scale of smooth demand; None serves whole agents only, without gradients.
        """
        net = bids - self.taxes.to(bids.dtype) if self.has_taxes else bids
        if self.is_one:  # the rows need no dimension for markets
            allocation, price = self._clear_rows(net, costs, level, temperature, None, posted=posted)
            prices = price.unsqueeze(-1)
        else:
            level = level.unsqueeze(-1)
            temperature = None if temperature is None else temperature.unsqueeze(-1)
            shares, prices = self._clear_rows(
                net[..., self.slots], costs[self.slots], level, temperature, self.present, posted=posted
            )
            allocation = shares.flatten(-2)[..., self.places]  # (..., markets * most) -> (..., n)
            allocation = torch.where(self.outside, 1.0, allocation)
        return Sale(allocation, prices, (costs * allocation).sum(-1))

    def _clear_rows(
        self, rows: Tensor, costs: Tensor, level: Tensor, scale: Tensor | None, mask: Tensor | None, *, posted: bool
    ) -> tuple[Tensor, Tensor]:
        """Shares and prices, of one market (..., n) and (...), else (..., markets, most) and (..., markets)."""
        if posted:
            shares = self._respond(rows, level, scale)
            shares = shares if mask is None else torch.where(mask, shares, 0.0)
            return shares, level.expand(shares.shape[:-1])
        if mask is None:
            units = level
        else:
            # What is 0 in the costs is an absent agent's place: its market is told by the mask.
            units = level * torch.where(mask, costs, 0.0).sum(-1)
            costs = torch.where(mask, costs, 1.0)
        sold = (
            self.hard(rows, costs, supply=units, mask=mask)
            if scale is None
            else self.soft(rows, costs, supply=units, temperature=scale, mask=mask)
        )
        if not self.is_held:
            return sold.allocation, sold.price
        return self._held(rows, sold, scale, mask)

    def _held(
        self, rows: Tensor, sold: OperatorClearing, scale: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Hold the price between floor and ceiling: at either, agents choose the quantity."""
        # A bound that does not exist never binds; 0 stands in for it, so that nothing is infinite.
        floor = self.floor if self.floor > -math.inf else 0.0
        ceiling = self.ceiling if self.ceiling < math.inf else 0.0
        if scale is None:  # whole agents: those who pay the floor and fit, and all who would pay more than the ceiling
            served = sold.allocation > 0.5
            if self.floor > -math.inf:
                served = served & (rows >= floor)
            if self.ceiling < math.inf:
                served = served | (rows > ceiling if mask is None else (rows > ceiling) & mask)
            return served.to(rows.dtype), sold.price.clamp(self.floor, self.ceiling)
        too_low, too_high = sold.price < self.floor, sold.price > self.ceiling
        bound = torch.where(too_low, floor, ceiling).to(rows.dtype)
        chosen = self._respond(rows, bound, scale)
        chosen = chosen if mask is None else torch.where(mask, chosen, 0.0)
        at_bound = too_low | too_high
        shares = torch.where(at_bound.unsqueeze(-1), chosen, sold.allocation)
        return shares, torch.where(at_bound, bound, sold.price)

    def _respond(self, rows: Tensor, price: Tensor, scale: Tensor | None) -> Tensor:
        """Shares that agents choose at a price, shape (..., most)."""
        margin = rows - price.unsqueeze(-1)
        if scale is None:
            return (margin >= 0.0).to(rows.dtype)
        z = margin / scale.unsqueeze(-1)
        return torch.sigmoid(z) if isinstance(self.demand, LogitDemand) else z.clamp(0.0, 1.0)

    def prices_of_agents(self, prices: Tensor) -> Tensor:
        """Give the price that each agent faces before tax, shape (..., n), of prices (..., markets)."""
        if self.is_one:
            return prices.expand(*prices.shape[:-1], self.outside.numel())
        most = self.slots.shape[-1]
        return prices.repeat_interleave(most, -1)[..., self.places]


def collar_of(mechanism: CapacityMarket) -> tuple[float, float]:
    """Lowest and highest price that the supply rule allows (money per unit)."""
    match mechanism.supply:
        case PriceCollar(floor=floor, ceiling=ceiling):
            return floor, ceiling
        case FixedSupply(free_disposal=True):
            return 0.0, math.inf
    return -math.inf, math.inf


def scale_of(mechanism: CapacityMarket) -> float:
    """Scale of a smooth demand rule (money per unit)."""
    match mechanism.demand:
        case LogitDemand(temperature=scale) | LinearDemand(width=scale):
            return scale
    raise InvalidInputError(f"A gate needs smooth demand, got {mechanism.demand!r}.")


def _rows(
    costs: NDArray[np.float64], market_of_agent: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Place agents with costs into rows: who stands at each place, whether anyone does, and where each agent stands."""
    inside = costs > 0.0
    markets = np.unique(market_of_agent[inside])
    members = [np.flatnonzero(inside & (market_of_agent == market)) for market in markets]
    most = max(len(agents) for agents in members)
    slots = np.zeros((len(markets), most), dtype=np.int64)
    present = np.zeros((len(markets), most), dtype=bool)
    places = np.zeros(costs.size, dtype=np.int64)
    for row, agents in enumerate(members):
        slots[row, : len(agents)] = agents
        present[row, : len(agents)] = True
        places[agents] = row * most + np.arange(len(agents))
    return slots, present, places
