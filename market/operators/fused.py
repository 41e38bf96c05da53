"""The fused path of the capacity market: one kernel forward, one backward, where a Triton device is at hand.

It takes over from the reference implementation in `walras.market.operators.capacity` for tensors on a CUDA device in
float32 or shorter, and agrees with it up to float32's rounding. With `TRITON_INTERPRET=1` in the environment the
kernels run on CPU tensors too, slowly: that is how they are tested without a device.
"""

import importlib.util
import os
from typing import NamedTuple

import torch
from torch import Tensor

from walras.market.operators.solve import LOGIT

__all__ = ["LARGEST_BLOCK", "fits", "fused_backward", "fused_forward"]

# Agents that one program holds in registers; a larger market is read again in each step.
LARGEST_BLOCK = 8192
_BLOCK_OF_LARGE_MARKETS = 4096
# Adversarial markets need no more than this many steps to reach the rounding of a float32 sum.
_STEPS = 100

_HAS_TRITON = importlib.util.find_spec("triton") is not None
_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


class _Rows(NamedTuple):
    """A tensor of shape (..., k), seen as rows: data, and the step from one row to the next (0: all share one)."""

    data: Tensor
    stride: int


def fits(dtype: torch.dtype, device: torch.device) -> bool:
    """Tell whether the kernels can take tensors whose common type is `dtype` on `device`."""
    return _HAS_TRITON and dtype == torch.float32 and (device.type == "cuda" or _INTERPRETED)


def fused_forward(
    values: Tensor,
    tax_rates: Tensor | None,
    mask: Tensor | None,
    costs: Tensor,
    supply: Tensor,
    scale: Tensor,
    rule: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Give shares (..., n), prices (..., 1) and units sold (..., 1), in float32.

    Parameters
    ----------
    values, tax_rates, costs
        Money per unit (twice) and units, of any floating type up to 32 bits, all expanded to one shape (..., n).
    mask
        True for the agents that take part, expanded to the same shape; None if all do.
    supply, scale
        Units to sell and the rule's temperature or width, expanded to (..., 1).
    rule
        `LOGIT` or `LINEAR`.
    """
    import triton

    from walras.market.operators import fused_kernels

    # Beside a kernel of some microseconds every view counts: tensors go in as they are, and come out in their shapes.
    values = values.contiguous()
    agents, markets = values.shape[-1], values.shape[:-1].numel()
    tax = _Rows(values, 0) if tax_rates is None else _rows(tax_rates)
    present = _Rows(values, 0) if mask is None else _rows(mask.view(torch.uint8))
    is_uniform = costs.stride(-1) == 0 and agents > 1
    one_for_all = is_uniform and not any(costs.stride())
    cost = _Rows(costs, 0) if one_for_all else _rows(costs[..., :1] if is_uniform else costs)
    sold_by, scales = _rows(supply), _rows(scale)
    device = values.device
    shares = torch.empty(values.shape, dtype=torch.float32, device=device)
    prices = torch.empty(supply.shape, dtype=torch.float32, device=device)
    sold = torch.empty(supply.shape, dtype=torch.float32, device=device)
    tensors = (values, tax.data, present.data, cost.data, sold_by.data, scales.data, shares, prices, sold)
    strides = (agents, tax.stride, present.stride, cost.stride, sold_by.stride, scales.stride)
    flags = {
        "HAS_TAX": tax_rates is not None,
        "HAS_MASK": mask is not None,
        "UNIFORM": is_uniform,
        "LOGIT": rule == LOGIT,
        "FAST": not _INTERPRETED,
    }
    block = triton.next_power_of_2(agents)
    if markets == 0:
        pass
    elif block <= LARGEST_BLOCK:
        fused_kernels.forward_kernel[(markets,)](
            *tensors,
            *strides,
            **flags,
            EVEN=block == agents and mask is None,
            STEPS=_STEPS,
            BLOCK=block,
            num_warps=_warps(block, 1024),
        )
    else:
        fused_kernels.forward_in_blocks_kernel[(markets,)](
            *tensors, *strides, **flags, STEPS=_STEPS, BLOCK=_BLOCK_OF_LARGE_MARKETS, num_warps=8
        )
    return shares, prices, sold


def fused_backward(
    upstream: Tensor,
    upstream_price: Tensor | None,
    allocation: Tensor,
    costs: Tensor,
    scale: Tensor,
    rule: str,
    *,
    with_costs: bool,
    with_scale: bool,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
    """Give the gradients to valuations (..., n), costs (..., n), supply (..., 1) and scale (..., 1), in float32.

    Only for markets of at most `LARGEST_BLOCK` agents. Those to costs and scale are None unless asked for.
    """
    import triton

    from walras.market.operators import fused_kernels

    agents, markets = allocation.shape[-1], allocation.shape[:-1].numel()
    shares = allocation.reshape(markets, agents)
    above = _rows(upstream.expand(allocation.shape))
    price = shares if upstream_price is None else upstream_price.reshape(markets).contiguous()
    cost, scales = _rows(costs), _rows(scale)
    to_values = torch.empty_like(shares)
    to_costs = torch.empty_like(shares) if with_costs else to_values
    to_supply = torch.empty(markets, dtype=torch.float32, device=shares.device)
    to_scale = torch.empty_like(to_supply) if with_scale else to_supply
    block = triton.next_power_of_2(agents)
    if markets:
        fused_kernels.backward_kernel[(markets,)](
            shares,
            above.data,
            price,
            cost.data,
            scales.data,
            to_values,
            to_costs,
            to_supply,
            to_scale,
            agents,
            above.stride,
            cost.stride,
            scales.stride,
            HAS_PRICE=upstream_price is not None,
            WITH_COSTS=with_costs,
            WITH_SCALE=with_scale,
            LOGIT=rule == LOGIT,
            BLOCK=block,
            num_warps=_warps(block, 512),
        )
    market_shape = (*allocation.shape[:-1], 1)
    return (
        to_values.view(allocation.shape),
        to_costs.view(allocation.shape) if with_costs else None,
        to_supply.view(market_shape),
        to_scale.view(market_shape) if with_scale else None,
    )


def _rows(tensor: Tensor) -> _Rows:
    """See an expanded tensor (..., k) as rows, without a copy where all rows are one; kernels read from its address."""
    *leading_steps, step = tensor.stride()
    *leading, last = tensor.shape
    for size, leading_step in zip(leading, leading_steps, strict=True):
        if size != 1 and leading_step != 0:
            return _Rows(tensor.contiguous(), last)
    if last == 1 or step == 1 or tensor.numel() == 0:
        return _Rows(tensor, 0)
    return _Rows(tensor[(0,) * len(leading)].contiguous(), 0)


def _warps(block: int, agents_of_a_warp: int) -> int:
    """Few warps a market: fewer steps wait for each other, as long as the registers hold the bids."""
    return min(max(block // agents_of_a_warp, 1), 16)
