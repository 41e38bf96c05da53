"""Capacity markets whose supply answers the price, or whose taxes do: solved without a graph, then attached to one.

Agent i pays `k_i p + t_i` for a unit, with `k_i` one plus its ad valorem rate, and so enters at `e_i = (v_i - t_i) /
k_i`. The price is the root of

    E(p) = sum_i w_i D(k_i (e_i - p) / tau) - S(p),

which falls in p. It is found without a graph, as an anchor (a nearby entry) and an offset, so that nothing is lost when
the scale is tiny beside prices. Two Newton steps from it, with a graph, move it by rounding only and carry its
derivatives: each doubles the order up to which they are right, so first and second ones are exact (and third ones).

    p <- p + E(p) / (-E'(p)),       -E'(p) = sum_i w_i k_i D'(z_i) / tau + S'(p)

*Kinks*: an agent at exactly 0 or 1 has the slope 0. Where nothing answers the price, derivatives of it are 0.

Everything is solved in float64. Source: implicit function theorem; docs/explanation/capacity-market.md.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from walras.market.operators.capacity import OperatorClearing, without_absent
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import (
    LOGIT,
    neighbours,
    relative_tolerance,
    safeguarded_newton,
    share_of,
    slope_of,
    well_formed,
)
from walras.market.operators.supply_curves import Curve, FixedCurve

__all__ = ["Agents", "curve_allocation", "price_interval"]

_STEPS = 90
_ROUNDING = 1e-9  # of the scale
_EPSILON = torch.finfo(torch.float64).eps


class Agents(NamedTuple):
    """Checked inputs in float64: entries, steepness, costs (..., n), and who takes part (..., n) or None."""

    entries: Tensor
    steepness: Tensor
    costs: Tensor
    mask: Tensor | None

    @classmethod
    def read(
        cls,
        valuations: Tensor,
        costs: Tensor,
        per_unit: Tensor | None,
        ad_valorem: Tensor | None,
        mask: Tensor | None,
        *of_markets: Tensor,
    ) -> "Agents":
        """Spread all over one shape; what stands in the places of absent agents reaches no gradient."""
        values, units = valuations.double(), costs.double()
        values = values if per_unit is None else values - per_unit.double()
        steepness = torch.ones_like(values) if ad_valorem is None else 1.0 + ad_valorem.double()
        shapes = [tensor.shape for tensor in (values, units, steepness, mask) if tensor is not None]
        shape = broadcast_shape(*shapes, *((*tensor.shape, 1) for tensor in of_markets))
        values, units, steepness = (tensor.expand(shape) for tensor in (values, units, steepness))
        if mask is not None:
            mask = mask.expand(shape)
            values, units, steepness = (
                torch.where(mask, tensor, other) for tensor, other in ((values, 0.0), (units, 1.0), (steepness, 1.0))
            )
        return cls(values / steepness, steepness, units, mask)

    @property
    def good(self) -> Tensor:
        """Whether a market's bids, costs and rates are finite, and costs above 0 and rates above -1, (..., 1)."""
        rates = (self.steepness > 0.0) & self.steepness.isfinite()
        return well_formed(self.entries, self.costs, self.mask) & rates.all(-1, keepdim=True)

    def present(self) -> "Agents":
        """With absent agents made harmless."""
        if self.mask is None:
            return self
        entries, costs = without_absent(self.entries, self.costs, self.mask)
        return self._replace(entries=entries, costs=costs)

    def pack(self, allocation: Tensor, price: Tensor, answerable: Tensor, dtype: torch.dtype) -> OperatorClearing:
        """Give an outcome; markets without an answer are NaN, and absent agents get nothing."""
        allocation = allocation * torch.where(answerable, 1.0, torch.nan)  # and NaN gradients, not silent zeros
        if self.mask is not None:
            allocation = torch.where(self.mask, allocation, 0.0)
            answerable = answerable & self.mask.any(-1, keepdim=True)
        sold = (self.costs * allocation).sum(-1)
        price = (price * torch.where(answerable, 1.0, torch.nan)).squeeze(-1)
        return OperatorClearing(allocation.to(dtype), price.to(dtype), sold.to(dtype))


def curve_allocation(agents: Agents, curve: Curve, scale: Tensor, rule: str, dtype: torch.dtype) -> OperatorClearing:
    """Clear markets under a smooth demand rule; the curve's numbers and `scale` have the shape (..., 1), in float64."""
    present = agents.present()
    entries, steepness, costs = present.entries, present.steepness, present.costs
    with torch.no_grad():
        anchor, delta = _solved(entries, steepness, costs, curve, scale, rule)
    total = costs.sum(-1, keepdim=True)
    for _ in range(2):
        share, slope = _answers(steepness * ((entries - anchor) - delta) / scale, rule)
        sold = (costs * share).sum(-1, keepdim=True)
        steep = (costs * steepness * slope).sum(-1, keepdim=True) / scale + curve.slope_at(anchor + delta)
        # Responses below the rounding of the units sold are noise: no price is read off them.
        answers = steep * scale.abs() > _EPSILON * sold
        excess = sold - curve.quantity_at(anchor + delta)
        step = torch.where(answers, excess / torch.where(answers, steep, 1.0), 0.0)
        # At a kink of the curve rounding may pick the other side's slope, and a step that is no rounding any more.
        delta = delta + step - (step - step.clamp(-_ROUNDING * scale, _ROUNDING * scale)).detach()
    allocation, _ = _answers(steepness * ((entries - anchor) - delta) / scale, rule)
    price = anchor + delta

    answerable = agents.good & (scale > 0.0) & scale.isfinite()
    highest = entries.amax(-1, keepdim=True)
    if isinstance(curve, FixedCurve):
        quantity = curve.quantity
        slack = relative_tolerance(torch.float64) * total
        nothing, everything = quantity <= 0.0, quantity >= total - slack
        answerable = answerable & (quantity >= 0.0) & (quantity <= total * (1.0 + relative_tolerance(dtype)))
        allocation = torch.where(nothing, 0.0, torch.where(everything, 1.0, allocation))
        if rule == LOGIT:
            ends = torch.full_like(price, torch.inf), torch.full_like(price, -torch.inf)
        else:
            ends = highest, (entries - scale / steepness).amin(-1, keepdim=True)
            low, high = price_interval(present, allocation, price, scale, rule)
            price = torch.where(low < high, low + 0.5 * (high - low).nan_to_num(posinf=0.0), price)
        price = torch.where(nothing, ends[0], torch.where(everything, ends[1], price))
    else:
        first = curve.price_at(torch.zeros_like(total))
        answerable = answerable & first.isfinite() & (curve.point(total)[0] > 0.0)
        nobody = (share_of(steepness * (entries - first) / scale, rule) == 0.0).all(-1, keepdim=True)
        allocation = torch.where(nobody, 0.0, allocation)
        price = torch.where(nobody, first if rule == LOGIT else highest + 0.5 * (first - highest), price)
    return agents.pack(allocation, price, answerable, dtype)


def _solved(
    entries: Tensor, steepness: Tensor, costs: Tensor, curve: Curve, scale: Tensor, rule: str
) -> tuple[Tensor, Tensor]:
    """Give the price as an anchor and what lies beyond it (money per unit), each (..., 1)."""
    total = costs.sum(-1, keepdim=True)

    def excess(anchor: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        z = steepness * ((entries - anchor) / scale - offset)
        share, price = share_of(z, rule), anchor + scale * offset
        slope = (costs * steepness * slope_of(z, share, rule)).sum(-1, keepdim=True) + scale * curve.slope_at(price)
        # More is never demanded than all can use, so that supply need not be told apart beyond it.
        offered = torch.minimum(curve.quantity_at(price), 2.0 * total)
        return (costs * share).sum(-1, keepdim=True) - offered, slope.clamp(max=torch.finfo(slope.dtype).max)

    tolerance = 8.0 * _EPSILON * (curve.quantity if isinstance(curve, FixedCurve) else total)
    left, right, position = neighbours(entries, excess, tolerance)
    # Where the price is below a point of the curve and below every entry by `reach`, more than its quantity is
    # demanded and less is supplied; above both, the reverse.
    known, known_price = curve.point(total)
    reach = torch.ones_like(total)
    if rule == LOGIT:
        part = (known / total).clamp(min=torch.finfo(total.dtype).tiny, max=1.0 - _EPSILON)
        reach = (part.log() - torch.log1p(-part)).abs() + 1.0
    reach = reach / steepness.amin(-1, keepdim=True)
    low_end = torch.fmin((known_price - left) / scale, -reach)
    high_end = torch.fmax((known_price - right) / scale, reach)
    half = 0.5 * (right - left) / scale
    agents = entries.shape[-1]
    nearer_left = excess(left, half)[0] <= 0.0
    below, above = position == 0, position == agents
    anchor = torch.where(below | above | nearer_left, left, right)
    zero = torch.zeros_like(half)
    low = torch.where(below, low_end, torch.where(above | nearer_left, zero, -half))
    high = torch.where(below, zero, torch.where(above, high_end, torch.where(nearer_left, half, zero)))
    offset = safeguarded_newton(excess, anchor, low, high, tolerance=tolerance, steps=_STEPS)
    return anchor, scale * offset


def _answers(z: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    """Shares at margins z in units of the scale, and their slopes; 0 at the kinks, and with a graph."""
    if rule == LOGIT:
        share = torch.sigmoid(z)
        return share, share * (1.0 - share)
    interior = (z > 0.0) & (z < 1.0)
    return torch.where(interior, z, z.detach().clamp(0.0, 1.0)), interior.to(z.dtype)


def price_interval(
    agents: Agents, allocation: Tensor, price: Tensor, scale: Tensor | None, rule: str | None
) -> tuple[Tensor, Tensor]:
    """Lowest and highest price (..., 1) at which agents want the shares that they have; no rule: step demand.

    An agent wants less than all at prices of `e_i - tau x_i / k_i` or more, and more than nothing at no more than that.
    Where some agent is inside (0, 1) under smooth demand the two are the price itself.
    """
    if rule == LOGIT:
        return price, price
    bound = agents.entries
    if rule is not None and scale is not None:
        bound = bound - scale * allocation / agents.steepness
    counts = agents.mask if agents.mask is not None else torch.ones_like(allocation, dtype=torch.bool)
    low = torch.where(counts & (allocation < 1.0), bound, -torch.inf).amax(-1, keepdim=True)
    high = torch.where(counts & (allocation > 0.0), bound, torch.inf).amin(-1, keepdim=True)
    if rule is None:
        return low, high
    interior = (counts & (allocation > 0.0) & (allocation < 1.0)).any(-1, keepdim=True)
    unsure = interior | (low > high)
    return torch.where(unsure, price, low), torch.where(unsure, price, high)
