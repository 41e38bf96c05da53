"""The price of a capacity market, for many markets at once: no data-dependent branch, a fixed number of passes.

Markets stand in the leading dimensions, agents in the last. The price is written `p = anchor + scale * offset` with a
nearby agent's net valuation as anchor: shares depend on `(a_i - anchor) / scale - offset`, a difference of nearby
numbers, so float32 loses nothing when the scale is tiny beside the valuations.

1. A binary search over the sorted agents finds the two neighbours between whose valuations the price lies.
2. Newton's method, safeguarded by bisection, finds the offset within that bracket.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

__all__ = [
    "LINEAR",
    "LOGIT",
    "common_dtype",
    "neighbours",
    "relative_tolerance",
    "safeguarded_newton",
    "share_of",
    "slope_of",
    "solve_price",
    "well_formed",
]

LOGIT, LINEAR = "logit", "linear"

# (anchor, offset) -> excess demand and its slope, with the sign turned, in the offset; all of shape (..., 1).
Excess: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

# Steps of the safeguarded Newton search. Random markets, adversarial ones included, were solved to rounding in 15.
# Where a linear agent enters or fills up exactly at the price, a step only halves the error: hence each type's bits.
_STEPS = {torch.float32: 24, torch.float64: 54}
# A logit share this many scales beyond its neighbour's valuation is below the rounding of either type.
_WIDEST_BRACKET = 120.0


class Price(NamedTuple):
    """Prices as an anchor and an offset in units of the scale, and the price itself; each of shape (..., 1)."""

    anchor: Tensor
    offset: Tensor
    price: Tensor


def common_dtype(*values: object) -> torch.dtype:
    """Give float64 if one of the tensors among `values` is float64, else float32."""
    has_double = any(isinstance(value, Tensor) and value.dtype == torch.float64 for value in values)
    return torch.float64 if has_double else torch.float32


def well_formed(net_valuations: Tensor, costs: Tensor, mask: Tensor | None = None) -> Tensor:
    """Tell of each market whether its bids are finite and its costs finite and above 0, shape (..., 1).

    Only agents for which `mask` is True are asked.
    """
    good_bids, good_costs = net_valuations.isfinite(), (costs > 0.0) & costs.isfinite()
    if mask is not None:
        good_bids, good_costs = good_bids | ~mask, good_costs | ~mask
    return good_bids.all(-1, keepdim=True) & good_costs.all(-1, keepdim=True)


def relative_tolerance(dtype: torch.dtype) -> float:
    """Fraction of the supply up to which sums of costs are taken as equal to it."""
    return 1e-12 if dtype == torch.float64 else 1e-6


def share_of(z: Tensor, rule: str) -> Tensor:
    """Share bought at the margin `z`, in units of the rule's scale (temperature or width)."""
    return torch.sigmoid(z) if rule == LOGIT else z.clamp(0.0, 1.0)


def slope_of(z: Tensor, share: Tensor, rule: str) -> Tensor:
    """Derivative of the share with respect to `z`; 1 at the kinks of the linear rule, so that a search leaves them."""
    return share * (1.0 - share) if rule == LOGIT else ((z >= 0.0) & (z <= 1.0)).to(z.dtype)


def solve_price(net_valuations: Tensor, costs: Tensor, supply: Tensor, scale: Tensor, rule: str) -> Price:
    """Find the prices at which the shares use up the supplies.

    Parameters
    ----------
    net_valuations, costs
        Valuations less tax, and units per agent, shape (..., n).
    supply, scale
        Units to sell, strictly between 0 and the sum of costs (other rows get a finite, meaningless price), and the
        demand rule's temperature or width; shape (..., 1).
    rule
        `LOGIT` or `LINEAR`.

    Notes
    -----
    *Cost*: about `log2(n)` plus 25 (float32) or 55 (float64) passes over the agents.
    """

    def excess(anchor: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        z = (net_valuations - anchor) / scale - offset  # (..., n)
        share = share_of(z, rule)
        sold = (costs * share).sum(-1, keepdim=True)
        return sold - supply, (costs * slope_of(z, share, rule)).sum(-1, keepdim=True)

    rounding = 8.0 * torch.finfo(supply.dtype).eps * supply
    left, right, position = neighbours(net_valuations, excess, rounding)
    agents = net_valuations.shape[-1]
    gap = (right - left) / scale
    zero = torch.zeros_like(gap)

    if rule == LINEAR:
        # Above the left neighbour only agents at or above the right one demand anything, and all of them are full one
        # width below it; a price below every agent lies in the same range.
        anchor = right
        low = torch.where(position == 0, -torch.ones_like(gap), (-gap).clamp(min=-1.0))
        high = zero
        middle = None
    else:
        filled = (supply / costs.sum(-1, keepdim=True)).clamp(min=torch.finfo(supply.dtype).tiny)
        reach = (filled.log() - torch.log1p(-filled)).abs().nan_to_num(posinf=_WIDEST_BRACKET) + 1.0
        half = (0.5 * gap).clamp(max=_WIDEST_BRACKET)
        excess_middle, _ = excess(left, 0.5 * gap)
        near_left = excess_middle <= 0.0
        anchor = torch.where(near_left, left, right)
        low = torch.where(near_left, zero, -half)
        high = torch.where(near_left, half, zero)
        low = torch.where(position == 0, -reach, torch.where(position == agents, zero, low))
        high = torch.where(position == 0, zero, torch.where(position == agents, reach, high))
        middle = (position > 0) & (position < agents) & (excess_middle.abs() <= _flat(supply)) & (gap > 2.0)

    steps = _STEPS[net_valuations.dtype]
    offset = safeguarded_newton(excess, anchor, low, high, tolerance=rounding, steps=steps)
    price = anchor + scale * offset
    if middle is not None:  # no agent is at the margin: the midpoint of the prices that clear, up to rounding
        price = torch.where(middle, left + 0.5 * (right - left), price)
        offset = torch.where(middle, torch.where(anchor == left, high, low), offset)
    else:
        full, _ = excess(anchor, -torch.ones_like(gap))
        idle = (full.abs() <= _flat(supply)) & (left < right - scale) & (position > 0)
        price = torch.where(idle, 0.5 * (left + (right - scale)), price)
        offset = torch.where(idle, -torch.ones_like(gap), offset)
    return Price(anchor, offset, price)


def _flat(supply: Tensor) -> Tensor:
    """Excess demand that counts as none."""
    return relative_tolerance(supply.dtype) * supply


def neighbours(net_valuations: Tensor, excess: Excess, tolerance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give the agents' valuations just below and above the price, and how many agents lie below it; each (..., 1).

    Outside the range of valuations both neighbours are the nearest agent. Demand within `tolerance` (units, shape
    (..., 1)) of the supply reaches it: rounding must not hide that a supply is sold out exactly between two agents.
    """
    agents = net_valuations.shape[-1]
    ascending = net_valuations.sort(dim=-1).values
    zero = torch.zeros_like(tolerance)
    below = torch.zeros_like(zero, dtype=torch.long)
    above = torch.full_like(below, agents)
    for _ in range(agents.bit_length()):
        middle = (below + above) // 2
        at_middle, _ = excess(ascending.gather(-1, middle.clamp(max=agents - 1)), zero)
        searching = below < above
        demanded = searching & (at_middle >= -tolerance)
        above = torch.where(searching & ~demanded, middle, above)
        below = torch.where(demanded, middle + 1, below)
    left = ascending.gather(-1, (below - 1).clamp(min=0))
    right = ascending.gather(-1, below.clamp(max=agents - 1))
    return left, right, below


def safeguarded_newton(
    excess: Excess, anchor: Tensor, low: Tensor, high: Tensor, *, tolerance: Tensor, steps: int
) -> Tensor:
    """Give the offset in [low, high] at which excess demand, which falls in the offset, is 0; shape (..., 1).

    Newton's step, cut at the bracket's ends, is taken while it halves the step before; otherwise the bracket is halved.
    (Cut, not refused: where the answer is an end of the bracket every Newton step overshoots it.)
    Within `tolerance` (units, shape (..., 1)) a market rests: rounding noise must not send it back to the middle.
    """
    offset = 0.5 * (low + high)
    best, least = offset, torch.full_like(offset, torch.inf)
    last_step = high - low
    for _ in range(steps):
        residual, slope = excess(anchor, offset)
        better = residual.abs() < least
        best, least = torch.where(better, offset, best), torch.where(better, residual.abs(), least)
        low = torch.where(residual >= 0.0, offset, low)
        high = torch.where(residual <= 0.0, offset, high)
        step = torch.minimum(torch.maximum(residual / slope, low - offset), high - offset)
        trusted = (slope > 0.0) & (2.0 * step.abs() <= last_step)
        step = torch.where(trusted, step, 0.5 * (low + high) - offset)
        offset = torch.where(least <= tolerance, best, offset + step)
        last_step = step.abs()
    return best
