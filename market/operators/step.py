"""Step demand for many markets at once: exact, by sorting, and without a gradient.

The twin of `walras.market.capacity.step`, with its tie rules. Sums of costs are formed in float64 whatever the input,
so that an indivisible allocation never exceeds the supply through rounding.
"""

import torch
from torch import Tensor

from walras.market.errors import NotDifferentiableError
from walras.market.operators.capacity import OperatorClearing, without_absent
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import common_dtype, relative_tolerance, well_formed

__all__ = ["refuse_gradients", "step_allocation"]


def step_allocation(
    net_valuations: Tensor, costs: Tensor, supply: Tensor, *, divisible: bool, mask: Tensor | None = None
) -> OperatorClearing:
    """Serve agents in descending order of net valuation until the supply is used up.

    Parameters
    ----------
    net_valuations, costs
        Money per unit, units (above 0); shape (..., n).
    supply
        Units to sell, in [0, sum of costs]; shape (...).
    divisible
        If True, agents at the margin share what is left in equal proportion; if False the first agent that does not fit
        ends the sale (equal agents in the order given).
    mask
        True for the agents that take part, shape (..., n), as in `capacity_allocation`.

    Returns
    -------
    OperatorClearing
        In float64 if an input is float64, else in float32; a market without an answer is NaN throughout, in its own row
        only.

    Raises
    ------
    NotDifferentiableError
        If an input requires a gradient and gradients are enabled.

    Notes
    -----
    *Cost*: one sort and one cumulative sum.
    """
    refuse_gradients(net_valuations=net_valuations, costs=costs, supply=supply)
    dtype = common_dtype(net_valuations, costs, supply)
    # An allocation is compared with sums of the costs as they were given, so the slack is float64's.
    tolerance = relative_tolerance(torch.float64)
    masked = () if mask is None else (mask.shape,)
    shape = broadcast_shape(net_valuations.shape, costs.shape, (*supply.shape, 1), *masked)
    present = torch.ones((), dtype=torch.bool, device=costs.device) if mask is None else mask
    present = present.expand(shape)
    values, costs64 = net_valuations.double().expand(shape), costs.double().expand(shape)
    bids_are_good = well_formed(values, costs64, present)
    values, costs64 = without_absent(values, costs64, present)
    quantity = supply.double().unsqueeze(-1).expand(*shape[:-1], 1)
    total = costs64.sum(-1, keepdim=True)

    ranked, order = values.sort(dim=-1, descending=True, stable=True)
    sold_through = costs64.gather(-1, order).cumsum(-1)  # (..., n)
    if divisible:
        allocation, price = _ration(values, costs64, quantity, ranked, sold_through, tolerance)
    else:
        fits = sold_through <= quantity * (1.0 + tolerance)
        # 1 until the first agent that does not fit. Absent ones stand among the last, and are not counted.
        served = fits.cumprod(-1) * present.gather(-1, order)
        allocation = torch.zeros_like(values).scatter(-1, order, served.to(values.dtype))
        price = _between(ranked, served.sum(-1, keepdim=True))

    # Float32 budgets carry float32's rounding of the sum of costs.
    answerable = bids_are_good & (quantity >= 0.0) & (quantity <= total * (1.0 + relative_tolerance(dtype)))
    allocation = torch.where(present, torch.where(answerable, allocation, torch.nan), 0.0)
    price = torch.where(answerable & present.any(-1, keepdim=True), price, torch.nan).squeeze(-1)
    return OperatorClearing(allocation.to(dtype), price.to(dtype), (costs64 * allocation).sum(-1).to(dtype))


def _ration(
    values: Tensor, costs: Tensor, quantity: Tensor, ranked: Tensor, sold_through: Tensor, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Give shares (..., n) with the marginal agents rationed alike, and prices (..., 1)."""
    agents = ranked.shape[-1]
    position = (sold_through < quantity * (1.0 - tolerance)).sum(-1, keepdim=True).clamp(max=agents - 1)
    margin = ranked.gather(-1, position)
    above, at_margin = values > margin, values == margin
    sold_above = (costs * above).sum(-1, keepdim=True)
    wanted_at_margin = (costs * at_margin).sum(-1, keepdim=True)
    rationed = ((quantity - sold_above) / wanted_at_margin).clamp(0.0, 1.0)
    sold_out = (rationed - 1.0).abs() * wanted_at_margin <= tolerance * quantity
    rationed = torch.where(sold_out, 1.0, rationed)
    allocation = above.to(values.dtype) + at_margin * rationed
    served = (above | (at_margin & sold_out)).sum(-1, keepdim=True)
    price = torch.where(sold_out, _between(ranked, served), margin)
    return allocation, price


def _between(ranked: Tensor, served: Tensor) -> Tensor:
    """Midpoint between the last agent served and the first one not; the finite end where there is only one."""
    agents = ranked.shape[-1]
    last_served = ranked.gather(-1, (served - 1).clamp(min=0))
    first_waiting = ranked.gather(-1, served.clamp(max=agents - 1))
    return first_waiting + 0.5 * (last_served - first_waiting)


def refuse_gradients(**tensors: Tensor) -> None:
    """Raise `NotDifferentiableError` if gradients are enabled and one of the named tensors requires one."""
    wanted = [name for name, tensor in tensors.items() if tensor.requires_grad]
    if wanted and torch.is_grad_enabled():
        raise NotDifferentiableError(
            f"{', '.join(wanted)} requires a gradient, but under step demand the allocation is constant except where "
            "it jumps. Use LogitDemand or LinearDemand, or call it under torch.no_grad()."
        )
