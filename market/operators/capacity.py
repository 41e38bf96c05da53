"""The capacity market as a differentiable operator, for many markets at once.

    maximise   sum_i w_i * U(x_i; v_i - t_i)   subject to   sum_i w_i * x_i = B,   0 <= x_i <= 1,

with U the utility behind the demand rule, `x_i = D(z_i)`, `z_i = (v_i - t_i - p) / tau`, and the price p the
multiplier of the supply B. With slopes `s_i = D'(z_i) / tau`, upstream gradients `u_i = dL/dx_i` and `g = dL/dp`, and

    ubar = (sum_j u_j s_j - g) / sum_j w_j s_j,

    dL/dv_i = s_i (u_i - w_i ubar) = -dL/dt_i     dL/dB = ubar (the shadow price)
    dL/dw_i = -ubar x_i                           dL/dtau = -sum_i z_i s_i (u_i - w_i ubar).

*Kinks and corners.* The slope of an agent at exactly 0 or 1 is taken as 0. Where no agent has a slope (all served in
full or not at all, up to the rounding of the units sold) the allocation does not respond to valuations, and the
derivative with respect to B, which differs on the two sides, is reported as 0; so are all derivatives of the price.

Derivation: docs/explanation/capacity-market.md.
"""

from collections.abc import Sequence
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import Tensor

from walras.market.operators.fused import LARGEST_BLOCK, fits, fused_backward, fused_forward
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import (
    LINEAR,
    LOGIT,
    common_dtype,
    relative_tolerance,
    share_of,
    solve_price,
    well_formed,
)

__all__ = ["OperatorClearing", "capacity_allocation", "clearing_gradients", "transforms_are_active", "without_absent"]


class OperatorClearing(NamedTuple):
    """What a compiled mechanism gives: shares of shape (..., n), seller's prices and units sold of shape (...)."""

    allocation: Tensor
    price: Tensor
    quantity_sold: Tensor


class _CapacityAllocation(torch.autograd.Function):
    """Shares and prices at fixed supply; all tensors already of one shape (..., n) or (..., 1) and one dtype."""

    @staticmethod
    def forward(
        net_valuations: Tensor, mask: Tensor | None, costs: Tensor, supply: Tensor, scale: Tensor, rule: str
    ) -> tuple[Tensor, Tensor]:
        bids_are_good = well_formed(net_valuations, costs, mask)
        if mask is not None:
            net_valuations, costs = without_absent(net_valuations, costs, mask)
        solved = solve_price(net_valuations, costs, supply, scale, rule)
        allocation = share_of((net_valuations - solved.anchor) / scale - solved.offset, rule)

        # Corners: nothing is sold, everything is sold; smooth demand gets there only at an infinite price.
        total = costs.sum(-1, keepdim=True)
        slack = relative_tolerance(supply.dtype) * total
        nothing, everything = supply <= 0.0, supply >= total - slack
        allocation = torch.where(nothing, 0.0, torch.where(everything, 1.0, allocation))
        if rule == LOGIT:
            price_of_nothing = torch.full_like(solved.price, torch.inf)
            price_of_everything = -price_of_nothing
        else:
            price_of_nothing = net_valuations.amax(-1, keepdim=True)
            price_of_everything = net_valuations.amin(-1, keepdim=True) - scale
        price = torch.where(nothing, price_of_nothing, torch.where(everything, price_of_everything, solved.price))

        # A market without an answer says so in its own row and leaves its neighbours alone.
        answerable = bids_are_good & (supply >= 0.0) & (supply <= total + slack)
        answerable = answerable & (scale > 0.0) & scale.isfinite()
        allocation = torch.where(answerable, allocation, torch.nan)
        if mask is None:
            return allocation, torch.where(answerable, price, torch.nan)
        has_price = answerable & mask.any(-1, keepdim=True)  # a market without agents has none
        return torch.where(mask, allocation, 0.0), torch.where(has_price, price, torch.nan)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        _, _, costs, _, scale, rule = inputs
        ctx.save_for_backward(output[0], costs, scale)
        ctx.rule = rule

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        upstream, upstream_price = gradients
        to_values, *others = _gradients(upstream, upstream_price, *ctx.saved_tensors, rule=ctx.rule)
        return to_values, None, *others, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        *tensors, rule = inputs
        return _CapacityAllocation.apply(*_batched(info.batch_size, in_dims, tensors), rule), (0, 0)


class _FusedAllocation(torch.autograd.Function):
    """The same by fused kernels, which also take the tax and give the units sold; saved in float32."""

    @staticmethod
    def forward(
        values: Tensor,
        tax_rates: Tensor | None,
        mask: Tensor | None,
        costs: Tensor,
        supply: Tensor,
        scale: Tensor,
        rule: str,
    ) -> tuple[Tensor, Tensor, Tensor]:
        return fused_forward(values, tax_rates, mask, costs, supply, scale, rule)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
        _, _, _, costs, _, scale, rule = inputs
        ctx.save_for_backward(output[0], costs, scale)
        ctx.rule = rule
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        allocation, costs, scale = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        to_values, to_costs, to_supply, to_scale = clearing_gradients(
            gradients, allocation, costs, scale, ctx.rule, with_costs=wanted[3], with_scale=wanted[5]
        )
        return to_values, -to_values if wanted[1] else None, None, to_costs, to_supply, to_scale, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        *tensors, rule = inputs
        return _FusedAllocation.apply(*_batched(info.batch_size, in_dims, tensors), rule), (0, 0, 0)


# `apply` binds arguments by the signature, which it otherwise works out anew in each call.
_CapacityAllocation.forward.__signature__ = signature(_CapacityAllocation.forward)  # type: ignore[attr-defined]
_FusedAllocation.forward.__signature__ = signature(_FusedAllocation.forward)  # type: ignore[attr-defined]


def _batched(size: int, in_dims: tuple[int | None, ...], tensors: list[Tensor | None]) -> list[Tensor | None]:
    """Bring the mapped dimension of each tensor to the front, or spread the tensor along it."""
    return [
        None if tensor is None else tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(tensors, in_dims[: len(tensors)], strict=True)
    ]


def without_absent(net_valuations: Tensor, costs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Make absent agents harmless: they use nothing, and value it as the lowest present agent does."""
    lowest = torch.where(mask, net_valuations, torch.inf).amin(-1, keepdim=True)
    lowest = torch.where(mask.any(-1, keepdim=True), lowest, 0.0)
    return torch.where(mask, net_valuations, lowest), torch.where(mask, costs, 0.0)


def _gradients(
    upstream: Tensor, upstream_price: Tensor, allocation: Tensor, costs: Tensor, scale: Tensor, *, rule: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give the gradients to valuations, costs, supply and scale: the formulas of the module's header."""
    interior = (allocation > 0.0) & (allocation < 1.0)
    share = torch.where(interior, allocation, 0.5)  # keeps the logarithms below finite where they are not used
    if rule == LOGIT:
        slope_times_scale, z = share * (1.0 - share), share.log() - torch.log1p(-share)
    else:
        slope_times_scale, z = torch.ones_like(share), share
    response = torch.where(interior, slope_times_scale, 0.0)  # (..., n)

    # Units at the margin below the rounding of the units sold are noise: no price is read off them.
    sold = (costs * allocation).sum(-1, keepdim=True)
    at_margin = (costs * response).sum(-1, keepdim=True)
    marginal = at_margin > torch.finfo(sold.dtype).eps * sold
    response = torch.where(marginal, response, 0.0)
    pressure = (upstream * response).sum(-1, keepdim=True) - scale * upstream_price
    shadow_price = torch.where(marginal, pressure / torch.where(marginal, at_margin, 1.0), 0.0)
    to_valuations = response / scale * (upstream - costs * shadow_price)
    to_scale = -(z * to_valuations).sum(-1, keepdim=True)
    # A row of NaN (no answer) gives NaN gradients, not silent zeros.
    broken = allocation.isnan().any(-1, keepdim=True)
    shadow_price = torch.where(broken, torch.nan, shadow_price)
    to_valuations = torch.where(broken, torch.nan, to_valuations)
    return to_valuations, -shadow_price * allocation, shadow_price, torch.where(broken, torch.nan, to_scale)


def clearing_gradients(
    upstream: Sequence[Tensor | None],
    allocation: Tensor,
    costs: Tensor,
    scale: Tensor,
    rule: str,
    *,
    with_costs: bool = False,
    with_scale: bool = False,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
    """Give the gradients to valuations, costs (..., n), supply and scale (..., 1) of markets that have been cleared.

    By the fused kernel where there is one. Those to costs and scale may be None unless asked for.

    Parameters
    ----------
    upstream
        The loss's gradients in shares (..., n), prices and units sold (..., 1); None where there is none.
    allocation
        The shares, shape (..., n).
    costs, scale
        As they were cleared; shape (..., n), and expanded to (..., 1).
    """
    to_shares, to_price, to_sold = upstream
    to_shares = torch.zeros_like(allocation) if to_shares is None else to_shares
    if to_sold is not None:  # units sold are the sum of costs times shares
        to_shares = to_shares + to_sold * costs
    to_costs: Tensor | None
    to_scale: Tensor | None
    # Gradients of gradients are left to the reference, whose formulas autograd can follow.
    is_fused = fits(allocation.dtype, allocation.device) and allocation.shape[-1] <= LARGEST_BLOCK
    if is_fused and not torch.is_grad_enabled():
        to_values, to_costs, to_supply, to_scale = fused_backward(
            to_shares, to_price, allocation, costs, scale, rule, with_costs=with_costs, with_scale=with_scale
        )
    else:
        price = torch.zeros_like(scale) if to_price is None else to_price
        dtype = allocation.dtype
        to_values, to_costs, to_supply, to_scale = _gradients(
            to_shares, price, allocation, costs.to(dtype), scale.to(dtype), rule=rule
        )
    if with_costs and to_sold is not None and to_costs is not None:
        to_costs = to_costs + to_sold * allocation
    return to_values, to_costs, to_supply, to_scale


def capacity_allocation(
    valuations: Tensor,
    costs: Tensor,
    supply: Tensor,
    scale: Tensor,
    *,
    rule: str = LOGIT,
    tax_rates: Tensor | None = None,
    mask: Tensor | None = None,
) -> OperatorClearing:
    """Clear many capacity markets at fixed supply, differentiably.

    Parameters
    ----------
    valuations, costs, tax_rates
        Money per unit, units (above 0), money per unit; shape (..., n), broadcast against each other.
    supply
        Units to sell in each market, in [0, sum of costs]; shape (...), broadcast against the leading dimensions.
    scale
        Temperature (logit) or width (linear) of the demand rule, above 0; shape (...) likewise.
    rule
        `"logit"` or `"linear"`.
    mask
        True for the agents that take part; shape (..., n) likewise. The others get a share of 0, whatever stands in
        their places (NaN too). A market in which nobody takes part sells nothing, and has no price (NaN).

    Returns
    -------
    OperatorClearing
        Solved in float64 if an input is float64, else in float32, whatever the autocast type. A market without an
        answer (NaN or infinite valuations, costs or scale not above 0, supply outside the range) is NaN throughout, in
        its own row only: finding it would need a device synchronisation, so it is not raised here.

    Notes
    -----
    *Ties*: equal agents get equal shares and equal gradients. *Differentiable in* valuations, costs, supply, scale
    and tax rates, twice. *Cost*: see `solve_price`; backward is one pass.
    *Source*: docs/explanation/capacity-market.md.
    """
    if rule not in (LOGIT, LINEAR):
        raise ValueError(f"rule must be {LOGIT!r} or {LINEAR!r}, got {rule!r}.")
    dtype = common_dtype(valuations, costs, supply, scale, tax_rates)
    if fits(dtype, valuations.device):
        return _fused_allocation(valuations, costs, supply, scale, rule, tax_rates, mask)
    with torch.autocast(valuations.device.type, enabled=False):
        # Converted first: half-precision valuations less a tax would be rounded once more.
        net_valuations = valuations.to(dtype)
        if tax_rates is not None:
            net_valuations = net_valuations - tax_rates.to(dtype)
        masked = () if mask is None else (mask.shape,)
        agents_shape = broadcast_shape(
            net_valuations.shape, costs.shape, (*supply.shape, 1), (*scale.shape, 1), *masked
        )
        market_shape = (*agents_shape[:-1], 1)
        net_valuations, costs = net_valuations.expand(agents_shape), costs.to(dtype).expand(agents_shape)
        if mask is not None:  # what stands in the places of absent agents must not reach a gradient
            mask = mask.expand(agents_shape)
            net_valuations, costs = torch.where(mask, net_valuations, 0.0), torch.where(mask, costs, 1.0)
        supply, scale = (t.to(dtype).unsqueeze(-1).expand(market_shape) for t in (supply, scale))
        allocation, price = _CapacityAllocation.apply(net_valuations, mask, costs, supply, scale, rule)
        return OperatorClearing(allocation, price.squeeze(-1), (costs * allocation).sum(-1))


def _spread(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    return tensor if tensor.shape == shape else tensor.expand(shape)


def _is_plain(*tensors: Tensor | None) -> bool:
    """Whether no graph, transform or compiler looks on, so that the kernel may be called without `Function.apply`."""
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        return False
    return not torch.compiler.is_compiling() and not transforms_are_active()


def transforms_are_active() -> bool:
    """Whether `torch.func` may be looking on: the question that `Function.apply` asks itself; yes if none answers."""
    return bool(getattr(torch._C, "_are_functorch_transforms_active", lambda: True)())


def _fused_allocation(
    valuations: Tensor,
    costs: Tensor,
    supply: Tensor,
    scale: Tensor,
    rule: str,
    tax_rates: Tensor | None,
    mask: Tensor | None,
) -> OperatorClearing:
    """As `capacity_allocation`, by fused kernels; bids are converted as they are read."""
    optional = [tensor.shape for tensor in (tax_rates, mask) if tensor is not None]
    agents_shape = broadcast_shape(valuations.shape, costs.shape, (*supply.shape, 1), (*scale.shape, 1), *optional)
    market_shape = (*agents_shape[:-1], 1)
    if mask is not None and costs.shape[-1] > 1:  # what stands in the places of absent agents must not reach a gradient
        costs = torch.where(mask, costs, 1.0)
    inputs = (
        _spread(valuations, agents_shape),
        None if tax_rates is None else _spread(tax_rates, agents_shape),
        None if mask is None else _spread(mask, agents_shape),
        _spread(costs, agents_shape),
        _spread(supply if supply.ndim == 0 else supply.unsqueeze(-1), market_shape),
        _spread(scale if scale.ndim == 0 else scale.unsqueeze(-1), market_shape),
        rule,
    )
    allocation, price, sold = fused_forward(*inputs) if _is_plain(*inputs[:-1]) else _FusedAllocation.apply(*inputs)
    return OperatorClearing(allocation, price.squeeze(-1), sold.squeeze(-1))
