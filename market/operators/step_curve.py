"""Step demand against a rising supply curve, for many markets at once: exact, by sorting, and without a gradient.

The twin of `walras.market.capacity.elastic`. Demand is a staircase whose levels are the distinct entries. The first
level from the top whose full service reaches what is offered at it decides: either the curve crosses the staircase
there, and its agents are rationed, or just above it, between two levels, where the price is the seller's.
"""

import torch
from torch import Tensor

from walras.market.operators.curve_allocation import Agents
from walras.market.operators.solve import relative_tolerance
from walras.market.operators.supply_curves import ElasticCurve, LinearCurve

__all__ = ["step_along_curve"]

_TOLERANCE = relative_tolerance(torch.float64)


def step_along_curve(agents: Agents, curve: ElasticCurve | LinearCurve, *, divisible: bool) -> tuple[Tensor, Tensor]:
    """Give shares (..., n) and prices (..., 1) of agents that are present, in float64.

    *Ties*: agents at the clearing price get the same share; whole agents, in the order given. *Cost*: one sort.
    """
    ranked, order = agents.entries.sort(dim=-1, descending=True, stable=True)
    sold_through = agents.costs.gather(-1, order).cumsum(-1)  # (..., n)
    if divisible:
        return _divisible(agents.entries, ranked, sold_through, curve)
    affords = curve.quantity_at(ranked) * (1.0 + _TOLERANCE) >= sold_through
    served = affords.to(ranked.dtype).cumprod(-1)  # 1 until the first that the seller does not serve
    count = served.sum(-1, keepdim=True).long()
    last = (count - 1).clamp(min=0)
    price = curve.price_at(torch.where(count > 0, sold_through.gather(-1, last), 0.0))
    price = torch.where(count > 0, torch.minimum(price, ranked.gather(-1, last)), price)
    following = ranked.gather(-1, count.clamp(max=ranked.shape[-1] - 1))
    price = torch.where(count < ranked.shape[-1], torch.maximum(price, following), price)
    return torch.zeros_like(ranked).scatter(-1, order, served), price


def _divisible(
    entries: Tensor, ranked: Tensor, sold_through: Tensor, curve: ElasticCurve | LinearCurve
) -> tuple[Tensor, Tensor]:
    steps = ranked[..., 1:] != ranked[..., :-1]
    edge = torch.ones_like(ranked[..., :1], dtype=torch.bool)
    # Units used through the end of each agent's level, and above the level: running extremes from its two edges.
    ends = torch.where(torch.cat([steps, edge], -1), sold_through, torch.inf).flip(-1).cummin(-1).values.flip(-1)
    before = torch.cat([torch.zeros_like(sold_through[..., :1]), sold_through[..., :-1]], -1)
    above = torch.where(torch.cat([edge, steps], -1), before, -torch.inf).cummax(-1).values
    reached = curve.quantity_at(ranked) <= ends
    agents = ranked.shape[-1]
    margin = (~reached).sum(-1, keepdim=True)  # reached stays true along the ranking
    all_served = margin == agents
    place = margin.clamp(max=agents - 1)
    level, end, start = (tensor.gather(-1, place) for tensor in (ranked, ends, above))
    offered, first = curve.quantity_at(level), curve.price_at(torch.zeros_like(level))
    nobody = (start == 0.0) & (level <= first)
    between = (start > 0.0) & (offered <= start)
    full = offered >= end * (1.0 - _TOLERANCE)
    rationed = ((offered - start) / (end - start)).clamp(0.0, 1.0)
    at_level = torch.where(between, 0.0, torch.where(full, 1.0, rationed))
    shares = (entries > level) + (entries == level) * at_level
    shares = torch.where(all_served, 1.0, torch.where(nobody, 0.0, shares))
    price = torch.where(nobody, level + 0.5 * (first - level), torch.where(between, curve.price_at(start), level))
    return shares, torch.where(all_served, curve.price_at(sold_through[..., -1:]), price)
