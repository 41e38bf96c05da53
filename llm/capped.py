"""One market for all agents under a cap, the usual economy: valuations in, factors of features out, in one step.

By the ordinary operators the same step takes some twenty nodes of a graph, each of which the host launches forward and
backward. Beside a model that is bound by its launches, that is most of what a market costs in training.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from walras.llm.spread import Spread
from walras.market.operators import OperatorClearing, capacity_allocation
from walras.market.operators.capacity import clearing_gradients

__all__ = ["CappedMarket", "capped_gates"]


class CappedMarket(NamedTuple):
    """The market's numbers: costs (n,), float32, the demand rule and its scale (), and the optimiser's gain."""

    costs: Tensor
    scale: Tensor
    rule: str
    gain: float
    spread: Spread


class _CappedGates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, raw: Tensor, level: Tensor, market: CappedMarket, dtype: torch.dtype) -> tuple[Tensor, ...]:
        costs, scale = market.costs, market.scale
        supply = level.float()
        if supply.numel() == 1:  # spares the market, and every gate, a dimension
            supply = supply.reshape(())
        cleared = capacity_allocation(raw.float() * market.gain, costs, supply, scale, rule=market.rule)
        ctx.save_for_backward(cleared.allocation)
        ctx.market, ctx.level, ctx.raw_dtype = market, level.detach(), raw.dtype
        ctx.set_materialize_grads(False)
        return (*cleared, *market.spread(cleared.allocation, dtype))

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        market, (allocation,) = ctx.market, ctx.saved_tensors
        (to_shares, *to_market), to_factors = upstream[:3], upstream[3:]
        if any(gradient is not None for gradient in to_factors):
            gathered = market.spread.gathered(to_factors)
            to_shares = gathered if to_shares is None else to_shares + gathered
        of_markets = [None if gradient is None else gradient.unsqueeze(-1) for gradient in to_market]
        to_values, _, to_supply, _ = clearing_gradients(
            (to_shares, *of_markets),
            allocation,
            market.costs.expand(allocation.shape),
            market.scale.expand((*allocation.shape[:-1], 1)),
            market.rule,
        )
        # Not times the gain: gradient clipping then sees the market's true gradient.
        to_raw = to_values.reshape(-1, to_values.shape[-1]).sum(0) if to_values.ndim > 1 else to_values
        return to_raw.to(ctx.raw_dtype), to_supply.reshape(ctx.level.shape).to(ctx.level.dtype), None, None


def capped_gates(
    raw: Tensor, level: Tensor, market: CappedMarket, dtype: torch.dtype
) -> tuple[OperatorClearing, Sequence[Tensor]]:
    """Clear at raw valuations (n,) and fractions for sale () or (lanes,); differentiable in both.

    Returns
    -------
    OperatorClearing
        Shares (n,), or (lanes, n) of several lanes, prices and units sold.
    sequence of Tensor
        The factors of each site's features, in `dtype`, as `Spread` gives them.
    """
    shares, price, sold, *factors = _CappedGates.apply(raw, level, market, dtype)
    return OperatorClearing(shares, price, sold), factors
