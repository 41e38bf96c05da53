"""The capacity market whose agents are spread over the ranks of a process group.

Each rank holds some of the agents of every market. The price depends on all of them through two sums only, the units
sold and their slope, so a safeguarded Newton search needs one all-reduce of two numbers for each market and step,
however many agents there are; the backward pass needs one more. Ranks run the same steps on the same reduced numbers,
and so come to the same price to the last bit.

    forward    sum_ranks sum_i w_i D((v_i - t_i - p) / tau) = B
    backward   ubar = (sum_ranks sum_i u_i s_i - g) / sum_ranks sum_i w_i s_i, and then as in `capacity`

*Whose gradient.* Each rank has a loss of its own, from its agents' shares and the common price; gradients are those of
the sum of these losses over ranks, as for weights under distributed training before averaging. The derivatives with
respect to the supply and the scale, of which each rank has a copy, are that whole sum on every rank.

Sums are formed in float64. The same code runs with gloo (CPU) and NCCL (CUDA).
"""

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import ProcessGroup

from walras.market.errors import InvalidInputError
from walras.market.operators.inputs import floating, number_like
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import (
    LINEAR,
    LOGIT,
    common_dtype,
    relative_tolerance,
    safeguarded_newton,
    share_of,
    slope_of,
    well_formed,
)

__all__ = ["ShardedClearing", "sharded_allocation"]

_STEPS = 60
# A logit share this many scales beyond the valuations is below the rounding of float64.
_WIDEST_BRACKET = 120.0


class ShardedClearing(NamedTuple):
    """Shares of this rank's agents (..., n of this rank), and prices (...), which are the same on all ranks."""

    allocation: Tensor
    price: Tensor


def sharded_allocation(
    valuations: Tensor,
    costs: Tensor,
    supply: Tensor | float,
    scale: Tensor | float,
    *,
    rule: str = LOGIT,
    group: ProcessGroup | None = None,
) -> ShardedClearing:
    """Clear markets at fixed supply whose agents live on several ranks. All ranks of the group must call it together.

    Parameters
    ----------
    valuations, costs
        Of this rank's agents: money per unit and units (above 0), shape (..., n), n of this rank's own, 1 or more.
    supply
        Units to sell in each market, of all agents together, in [0, sum of all costs]: shape (...), equal on all ranks.
    scale
        Temperature (logit) or width (linear), above 0; shape (...), equal on all ranks.
    rule
        `"logit"` or `"linear"`.
    group
        The ranks; the default group if not given.

    Raises
    ------
    InvalidInputError
        No process group, shapes that do not fit, integer tensors.

    Notes
    -----
    A market without an answer is NaN on all ranks. *Ties* and corners as in `capacity_allocation`. *Differentiable in*
    valuations, costs, supply and scale, once. *Cost*: 60 passes over this rank's agents, with an all-reduce of two
    numbers for each market in each, and one in the backward pass.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise InvalidInputError("There is no process group: call torch.distributed.init_process_group first.")
    if rule not in (LOGIT, LINEAR):
        raise InvalidInputError(f"rule must be {LOGIT!r} or {LINEAR!r}, got {rule!r}.")
    floating("valuations", valuations)
    dtype = common_dtype(valuations, floating("costs", costs), supply, scale)
    values, units = valuations.double(), number_like("costs", costs, valuations.double())
    quantity, width = (number_like(name, n, values) for name, n in (("supply", supply), ("scale", scale)))
    try:
        shape = broadcast_shape(values.shape, units.shape, (*quantity.shape, 1), (*width.shape, 1))
    except RuntimeError as error:
        raise InvalidInputError(
            f"Shapes do not fit: valuations {tuple(values.shape)}, costs {tuple(units.shape)}, supply "
            f"{tuple(quantity.shape)}, scale {tuple(width.shape)}."
        ) from error
    market = (*shape[:-1], 1)
    allocation, price = _ShardedAllocation.apply(
        values.expand(shape),
        units.expand(shape),
        quantity.unsqueeze(-1).expand(market),
        width.unsqueeze(-1).expand(market),
        rule,
        group,
    )
    return ShardedClearing(allocation.to(dtype), price.squeeze(-1).to(dtype))


class _ShardedAllocation(torch.autograd.Function):
    """Tensors already of one shape (..., n) or (..., 1), float64."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, costs: Tensor, supply: Tensor, scale: Tensor, rule: str, group: ProcessGroup | None
    ) -> tuple[Tensor, Tensor]:
        price, sold_out = _price(values, costs, supply, scale, rule, group)
        allocation = share_of((values - price) / scale, rule)
        (total,) = _summed(group, costs.sum(-1, keepdim=True))
        slack = relative_tolerance(torch.float64) * total
        nothing, everything = supply <= 0.0, supply >= total - slack
        allocation = torch.where(nothing, 0.0, torch.where(everything, 1.0, allocation))
        lowest, highest = sold_out
        if rule == LOGIT:
            ends = torch.full_like(price, torch.inf), torch.full_like(price, -torch.inf)
        else:
            ends = highest, lowest - scale
        price = torch.where(nothing, ends[0], torch.where(everything, ends[1], price))
        (bad,) = _summed(group, (~well_formed(values, costs)).double())
        answerable = (bad == 0.0) & (supply >= 0.0) & (supply <= total + slack) & (scale > 0.0) & scale.isfinite()
        allocation, price = torch.where(answerable, allocation, torch.nan), torch.where(answerable, price, torch.nan)
        ctx.save_for_backward(allocation, costs, scale)
        ctx.rule, ctx.group = rule, group
        return allocation, price

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        upstream, upstream_price = gradients
        allocation, costs, scale = ctx.saved_tensors
        interior = (allocation > 0.0) & (allocation < 1.0)
        share = torch.where(interior, allocation, 0.5)
        slope = share * (1.0 - share) if ctx.rule == LOGIT else torch.ones_like(share)
        z = share.log() - torch.log1p(-share) if ctx.rule == LOGIT else share
        response = torch.where(interior, slope, 0.0)
        sums = [costs * allocation, costs * response, upstream * response]
        sold, at_margin, pressure, of_price = _summed(
            ctx.group, *(entry.sum(-1, keepdim=True) for entry in sums), upstream_price
        )
        marginal = at_margin > torch.finfo(torch.float64).eps * sold
        response = torch.where(marginal, response, 0.0)
        pressure = pressure - scale * of_price
        shadow_price = torch.where(marginal, pressure / torch.where(marginal, at_margin, 1.0), 0.0)
        shadow_price = torch.where(sold.isnan(), torch.nan, shadow_price)
        to_values = response / scale * (upstream - costs * shadow_price)
        to_values = torch.where(sold.isnan(), torch.nan, to_values)
        (to_scale,) = _summed(ctx.group, -(z * to_values).sum(-1, keepdim=True))
        return to_values, -shadow_price * allocation, shadow_price, to_scale, None, None


def _price(
    values: Tensor, costs: Tensor, supply: Tensor, scale: Tensor, rule: str, group: ProcessGroup | None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Find prices (..., 1), the same on all ranks; and the lowest and the highest valuation of all agents."""
    finite = torch.where(values.isfinite(), values, 0.0)  # a NaN is found elsewhere, and must not spoil other markets
    lowest = _reduced(finite.amin(-1, keepdim=True), dist.ReduceOp.MIN, group)
    highest = _reduced(finite.amax(-1, keepdim=True), dist.ReduceOp.MAX, group)

    def excess(anchor: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        z = (finite - anchor) / scale - offset
        share = share_of(z, rule)
        sold, slope = _summed(
            group,
            (costs * share).sum(-1, keepdim=True),
            (costs * slope_of(z, share, rule)).sum(-1, keepdim=True),
        )
        return sold - supply, slope

    reach = 1.0 if rule == LINEAR else _WIDEST_BRACKET
    anchor = 0.5 * (lowest + highest)
    low, high = (lowest - anchor) / scale - reach, (highest - anchor) / scale + (0.0 if rule == LINEAR else reach)
    tolerance = 8.0 * torch.finfo(torch.float64).eps * supply
    offset = safeguarded_newton(excess, anchor, low, high, tolerance=tolerance, steps=_STEPS)
    price = anchor + scale * offset
    return _middle(finite, supply, scale, price, rule, group, excess), (lowest, highest)


def _middle(
    values: Tensor,
    supply: Tensor,
    scale: Tensor,
    price: Tensor,
    rule: str,
    group: ProcessGroup | None,
    excess: Any,
) -> Tensor:
    """Where no agent is at the margin an interval of prices clears: give its middle, as on one rank."""
    share = share_of((values - price) / scale, rule)
    below = torch.where(share < 0.5, values, -torch.inf).amax(-1, keepdim=True)
    above = torch.where(share >= 0.5, values, torch.inf).amin(-1, keepdim=True)
    lower, upper = _reduced(below, dist.ReduceOp.MAX, group), _reduced(above, dist.ReduceOp.MIN, group)
    gap = 2.0 * scale if rule == LOGIT else torch.zeros_like(scale)
    upper = upper if rule == LOGIT else upper - scale
    apart = (upper - lower > gap) & upper.isfinite() & lower.isfinite()
    middle = torch.where(apart, lower + 0.5 * (upper - lower), price)
    residual, _ = excess(middle, torch.zeros_like(middle))
    clears = residual.abs() <= relative_tolerance(torch.float64) * supply
    return torch.where(apart & clears, middle, price)


def _summed(group: ProcessGroup | None, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Add tensors of one shape up over ranks, all in one message."""
    return tuple(_reduced(torch.stack(tensors), dist.ReduceOp.SUM, group).unbind())


def _reduced(tensor: Tensor, operation: Any, group: ProcessGroup | None) -> Tensor:
    message = tensor.contiguous().clone()
    dist.all_reduce(message, op=operation, group=group)
    return message
