"""One market for all agents under a cap, the usual economy, cleared in one step from raw valuations.

By the ordinary operator the same takes a dozen nodes of a graph more, each of which the host launches forward and
backward. Beside a model that is bound by its launches, that is much of what a market costs in training.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from walras.market.operators import OperatorClearing, capacity_allocation
from walras.market.operators.capacity import clearing_gradients

__all__ = ["CappedMarket", "clear_capped"]


class CappedMarket(NamedTuple):
    """The market's numbers: costs (n,), float32, the demand rule and its scale (), and the optimiser's gain."""

    costs: Tensor
    scale: Tensor
    rule: str
    gain: float


class _Clear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, raw: Tensor, level: Tensor, market: CappedMarket) -> tuple[Tensor, ...]:
        supply = level.float()
        supply = supply.reshape(()) if supply.numel() == 1 else supply
        cleared = capacity_allocation(raw.float() * market.gain, market.costs, supply, market.scale, rule=market.rule)
        ctx.save_for_backward(cleared.allocation, raw, level)
        ctx.market = market
        ctx.set_materialize_grads(False)
        return cleared

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        market, (allocation, raw, level) = ctx.market, ctx.saved_tensors
        to_shares, *others = upstream
        of_markets = [None if gradient is None else gradient.unsqueeze(-1) for gradient in others]
        costs, scale = market.costs.expand(allocation.shape), market.scale.expand((*allocation.shape[:-1], 1))
        to_values, _, to_level, _ = clearing_gradients((to_shares, *of_markets), allocation, costs, scale, market.rule)
        # Not times the gain: gradient clipping then sees the market's true gradient.
        to_raw = to_values.sum(0) if to_values.ndim > 1 else to_values
        return to_raw.to(raw.dtype), to_level.reshape(level.shape).to(level.dtype), None


def clear_capped(raw: Tensor, level: Tensor, market: CappedMarket) -> OperatorClearing:
    """Clear at raw valuations (n,) and fractions for sale, shape () or (lanes,); differentiable in both.

    Returns
    -------
    OperatorClearing
        Shares (n,), or (lanes, n) of several lanes, prices and units sold.
    """
    return OperatorClearing(*_Clear.apply(raw, level, market))
