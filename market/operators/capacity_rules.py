"""Which operator clears a capacity market: by its supply rule, its demand rule, and whether a tax answers the price.

=====================  =========================  ===================================================================
supply                 demand                     cleared by
=====================  =========================  ===================================================================
fixed                  smooth, taxed per unit     `capacity_allocation`: closed-form gradients, fused kernels
fixed                  smooth, taxed ad valorem   `curve_allocation`
fixed                  step                       `step_allocation`, agents ranked by entry
posted                 any                        each agent by itself
collar, disposal       any                        as a fixed supply where its price is within the bounds, else posted
elastic, linear        smooth                     `curve_allocation`
elastic, linear        step                       `step_along_curve`
=====================  =========================  ===================================================================

At a bound of a collar derivatives are those of the side that is reported.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from walras.market.capacity import CapacityMarket
from walras.market.demand import Demand, LogitDemand, StepDemand
from walras.market.operators.capacity import OperatorClearing, capacity_allocation
from walras.market.operators.curve_allocation import Agents, curve_allocation, price_interval
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import LINEAR, LOGIT, common_dtype, relative_tolerance, share_of, well_formed
from walras.market.operators.step import refuse_gradients, step_allocation
from walras.market.operators.step_curve import step_along_curve
from walras.market.operators.supply_curves import FixedCurve, curve_of
from walras.market.supply import FixedSupply, PostedPrice, PriceCollar, Supply

__all__ = ["Bids", "clear_market"]


class Bids(NamedTuple):
    """Checked tensors: money per unit, units, rates (..., n), the supply rule's number and the scale (...)."""

    valuations: Tensor
    costs: Tensor
    level: Tensor
    tax: Tensor | None
    ad_valorem: Tensor | None
    scale: Tensor | None
    mask: Tensor | None

    def taxed_per_unit(self) -> Tensor:
        """Valuations less the tax on each unit."""
        return self.valuations if self.tax is None else self.valuations - self.tax

    def entries(self) -> Tensor:
        """Prices at which agents enter the market."""
        net = self.taxed_per_unit()
        return net if self.ad_valorem is None else net / (1.0 + self.ad_valorem)

    def agents(self) -> Agents:
        """Spread over the batch, in float64."""
        markets = (self.level,) if self.scale is None else (self.level, self.scale)
        return Agents.read(self.valuations, self.costs, self.tax, self.ad_valorem, self.mask, *markets)

    def dtype(self) -> torch.dtype:
        """Of the answer."""
        return common_dtype(*self)


def clear_market(market: CapacityMarket, bids: Bids) -> OperatorClearing:
    """Clear every market of the batch under the rules of `market`."""
    supply, demand = market.supply, market.demand
    if isinstance(demand, StepDemand):
        named = {"valuations": bids.valuations, "costs": bids.costs, "supply": bids.level}
        taxes = {"tax": bids.tax, "ad_valorem": bids.ad_valorem}
        refuse_gradients(**named, **{name: tensor for name, tensor in taxes.items() if tensor is not None})
    if isinstance(supply, FixedSupply) and not supply.free_disposal:
        return _at_quantity(demand, bids)
    with torch.autocast(bids.valuations.device.type, enabled=False):
        match supply:
            case PostedPrice():
                return _posted(demand, bids, bids.level)
            case FixedSupply():
                return _between(demand, bids, 0.0, math.inf)
            case PriceCollar(floor=floor, ceiling=ceiling):
                return _between(demand, bids, floor, ceiling)
            case _:
                return _along_curve(supply, demand, bids)


def rule_of(demand: Demand) -> str | None:
    """Name the smooth rule, None for step demand."""
    if isinstance(demand, StepDemand):
        return None
    return LOGIT if isinstance(demand, LogitDemand) else LINEAR


def _posted(demand: Demand, bids: Bids, price: Tensor, *, indifferent_buys: bool = True) -> OperatorClearing:
    """Let each agent answer prices (...)."""
    net, costs, mask = bids.taxed_per_unit(), bids.costs, bids.mask
    steepness = None if bids.ad_valorem is None else 1.0 + bids.ad_valorem
    if mask is not None:  # what stands in the places of absent agents must not reach a gradient
        net, costs = torch.where(mask, net, 0.0), torch.where(mask, costs, 1.0)
        steepness = None if steepness is None else torch.where(mask, steepness, 1.0)
    paid = price.unsqueeze(-1) if steepness is None else steepness * price.unsqueeze(-1)
    answerable = well_formed(net, costs, mask).squeeze(-1) & price.isfinite()
    if steepness is not None:
        answerable = answerable & ((steepness > 0.0) & steepness.isfinite()).all(-1)
    if bids.scale is None or isinstance(demand, StepDemand):
        entries = net if steepness is None else net / steepness
        wide = price.unsqueeze(-1)
        allocation = (entries >= wide if indifferent_buys else entries > wide).to(net.dtype)
    else:
        allocation = share_of((net - paid) / bids.scale.unsqueeze(-1), rule_of(demand) or LOGIT)
        answerable = answerable & (bids.scale > 0.0) & bids.scale.isfinite()
    allocation = torch.where(answerable.unsqueeze(-1), allocation, torch.nan)
    shapes = [tensor.shape for tensor in (allocation, costs, mask) if tensor is not None]
    allocation = allocation.expand(broadcast_shape(*shapes))
    units = costs * allocation
    if mask is not None:
        allocation, units = torch.where(mask, allocation, 0.0), torch.where(mask, units, 0.0)
    sold = units.sum(-1)
    return OperatorClearing(allocation, torch.where(answerable, price, torch.nan).expand(sold.shape), sold)


def _at_quantity(demand: Demand, bids: Bids) -> OperatorClearing:
    if bids.scale is None or isinstance(demand, StepDemand):
        divisible = demand.divisible if isinstance(demand, StepDemand) else True
        entries = bids.entries()
        if bids.ad_valorem is not None:  # an entry at an impossible rate is no entry
            entries = torch.where(bids.ad_valorem > -1.0, entries, torch.nan)
        return step_allocation(entries, bids.costs, bids.level, divisible=divisible, mask=bids.mask)
    rule = rule_of(demand) or LOGIT
    if bids.ad_valorem is None:
        return capacity_allocation(
            bids.valuations, bids.costs, bids.level, bids.scale, rule=rule, tax_rates=bids.tax, mask=bids.mask
        )
    agents = bids.agents()
    market = (*agents.entries.shape[:-1], 1)
    quantity, scale = (tensor.double().unsqueeze(-1).expand(market) for tensor in (bids.level, bids.scale))
    with torch.autocast(bids.valuations.device.type, enabled=False):
        return curve_allocation(agents, FixedCurve(quantity), scale, rule, bids.dtype())


def _between(demand: Demand, bids: Bids, floor: float, ceiling: float) -> OperatorClearing:
    """Clear the quantity where the price that does so lies within the bounds, else answer the nearer of the two."""
    agents, dtype = bids.agents(), bids.dtype()
    units = agents.costs if agents.mask is None else torch.where(agents.mask, agents.costs, 0.0)
    total = units.sum(-1)
    quantity = bids.level.double().expand(total.shape)
    beyond = quantity > total * (1.0 + relative_tolerance(dtype))  # more than agents can use: no price sells it
    if floor > -math.inf:
        quantity = torch.minimum(quantity, total)
    found = _at_quantity(demand, bids._replace(level=quantity))
    scale = None if bids.scale is None else bids.scale.double().unsqueeze(-1)
    price = found.price.double().unsqueeze(-1)
    shares = found.allocation.detach().double()
    low, high = (end.squeeze(-1) for end in price_interval(agents, shares, price.detach(), scale, rule_of(demand)))
    low, high = torch.where(beyond, -torch.inf, low), torch.where(beyond, -torch.inf, high)
    allocation, price = found.allocation.double(), price.squeeze(-1)
    if math.isfinite(floor) or math.isfinite(ceiling):
        # An interval of prices that clear, cut at the bounds: its middle, or the end that there is.
        cut_low, cut_high = low.clamp(min=floor), high.clamp(max=ceiling)
        middle = torch.where(
            cut_low.isinf(), cut_high, torch.where(cut_high.isinf(), cut_low, cut_low + 0.5 * (cut_high - cut_low))
        )
        price = torch.where((low < high) & (cut_low <= cut_high), middle, price)
    answered = ~found.price.isnan()
    for bound, applies, indifferent_buys in (
        (floor, high < floor, True),
        (ceiling, low > ceiling, False),  # the quantity has run out before
    ):
        if math.isfinite(bound):
            there = _posted(demand, bids, torch.full_like(quantity, bound), indifferent_buys=indifferent_buys)
            chosen = applies & answered
            allocation = torch.where(chosen.unsqueeze(-1), there.allocation.double(), allocation)
            price = torch.where(chosen, bound, price)
    sold = (units * allocation).sum(-1)
    return OperatorClearing(allocation.to(dtype), price.to(dtype), sold.to(dtype))


def _along_curve(supply: Supply, demand: Demand, bids: Bids) -> OperatorClearing:
    agents, dtype = bids.agents(), bids.dtype()
    market = (*agents.entries.shape[:-1], 1)
    curve = curve_of(supply, bids.level.double().unsqueeze(-1).expand(market))  # type: ignore[arg-type]
    if isinstance(demand, StepDemand) or bids.scale is None:
        divisible = demand.divisible if isinstance(demand, StepDemand) else True
        present = agents.present()
        allocation, price = step_along_curve(present, curve, divisible=divisible)
        usable = curve.point(present.costs.sum(-1, keepdim=True))[0] > 0.0
        return agents.pack(allocation, price, agents.good & usable & price.isfinite(), dtype)
    scale = bids.scale.double().unsqueeze(-1).expand(market)
    return curve_allocation(agents, curve, scale, rule_of(demand) or LOGIT, dtype)
