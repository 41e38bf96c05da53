"""Several scarce resources at once: a vector of prices for each market of a batch, with the gradients of both.

The twin of `walras.market.ResourceMarket` under smooth demand: shares `x_i = D((V_i - sum_r (p_r + t_r) W_ir) / (s_i
tau))`, with `p >= 0`, and `p_r` above 0 only where resource r is used up. Prices minimise the dual function; those
above 0 are the roots of `sum_i W_ir x_i = B_r`, and get their gradients from the implicit function theorem. A price of
0 stays there (where the resource is used up exactly at 0 that is the one-sided derivative).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from walras.market.capacity import ResourceMarket
from walras.market.capacity.resource_dual import minimise_dual
from walras.market.demand import LinearDemand, LogitDemand, StepDemand
from walras.market.errors import InvalidInputError, NotDifferentiableError
from walras.market.operators.inputs import check_amounts, floating, number_like
from walras.market.operators.price_search import ROUGH, attached, minimise, spread_batch
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import LINEAR, LOGIT, common_dtype, share_of

__all__ = ["ResourceClearings", "ResourceOperator"]

# Excess demand, as a fraction of the supply, above which a market counts as not solved.
_SOLVED = 1e-7


class ResourceClearings(NamedTuple):
    """What a compiled resource market gives: shares (..., n), prices (..., m) and units sold (..., m)."""

    allocation: Tensor
    prices: Tensor
    quantities_sold: Tensor


class ResourceOperator(nn.Module):
    """A compiled `ResourceMarket`; made by `compile_mechanism`.

    Examples
    --------
    >>> import torch
    >>> from walras.market import LogitDemand, ResourceMarket
    >>> from walras.market.operators import compile_mechanism
    >>> market = compile_mechanism(ResourceMarket((2.0, 1.0), LogitDemand(0.1)))
    >>> needs = torch.tensor([[1.0, 1.0], [1.0, 1.0], [2.0, 0.0]])
    >>> market(torch.tensor([5.0, 4.0, 2.0]), needs).prices.round(decimals=3)
    tensor([1.0000, 3.5000])
    """

    def __init__(self, mechanism: ResourceMarket, *, check_values: bool = False) -> None:
        super().__init__()
        if isinstance(mechanism.demand, StepDemand):
            raise NotDifferentiableError(
                f"{mechanism!r} does not compile: under step demand shares are a corner of a linear programme, and "
                "jump between corners. Use LogitDemand or LinearDemand."
            )
        self.mechanism, self.check_values = mechanism, check_values

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return repr(self.mechanism)

    def forward(
        self,
        valuations: Tensor,
        costs: Tensor,
        *,
        sizes: Tensor | float = 1.0,
        supply: Tensor | None = None,
        tax: Tensor | float | None = None,
        temperature: Tensor | float | None = None,
    ) -> ResourceClearings:
        """Clear every market of the batch.

        Parameters
        ----------
        valuations
            What being fully served is worth (money, a total), shape (..., n).
        costs
            Units of each resource when fully served, 0 or more, shape (..., n, m).
        sizes
            Above 0, shape (..., n) or a number: agent i's temperature is `sizes_i` times the rule's.
        supply, tax, temperature
            In place of the specification's: units (..., m), rates (..., m) or a number, and a number or (...).

        Raises
        ------
        InvalidInputError
            Shapes that do not fit, integer tensors, other devices; with `check_values` negative or infinite numbers.

        Notes
        -----
        Solved in float64; a market without an answer (numbers that are not finite, a cost or supply below 0, a size or
        temperature not above 0, or a search that did not end) is NaN in its own row. Who needs a resource of which
        there is none gets nothing, and that resource has no price (infinite under logit demand, as in the engine; the
        lowest that deters under linear).
        *Differentiable in* all inputs, once. *Cost*: some tens of Newton steps, each O(n m^2 + m^3); waits for the
        device. *Source*: docs/explanation/capacity-market.md.
        """
        rule = LOGIT if isinstance(self.mechanism.demand, LogitDemand) else LINEAR
        dtype = common_dtype(
            floating("valuations", valuations), floating("costs", costs), sizes, supply, tax, temperature
        )
        values = valuations.double()
        needs = number_like("costs", costs, values)
        resources = len(self.mechanism.quantities)  # type: ignore[arg-type]
        if values.ndim == 0 or needs.ndim < 2 or needs.shape[-1] != resources or values.shape[-1] != needs.shape[-2]:
            raise InvalidInputError(
                f"valuations and costs must have shapes (..., n) and (..., n, {resources}), got {tuple(values.shape)} "
                f"and {tuple(needs.shape)}."
            )
        quantities = number_like("supply", self.mechanism.quantities if supply is None else supply, values)
        rates = number_like("tax", self.mechanism.tax.rate if tax is None else tax, values)
        demand = self.mechanism.demand
        default = demand.width if isinstance(demand, LinearDemand) else demand.temperature  # type: ignore[union-attr]
        scale = number_like("temperature", default if temperature is None else temperature, values)
        size = number_like("sizes", sizes, values)
        if self.check_values:
            for name, tensor in (("costs", needs), ("supply", quantities), ("sizes", size), ("temperature", scale)):
                check_amounts(name, tensor)
            check_amounts("valuations, in size,", values.abs())
        with torch.autocast(values.device.type, enabled=False):
            found = _clear(values, needs, quantities, rates, size, scale, rule)
        return ResourceClearings(*(tensor.to(dtype) for tensor in found))


def _clear(
    values: Tensor, needs: Tensor, quantities: Tensor, rates: Tensor, sizes: Tensor, scale: Tensor, rule: str
) -> tuple[Tensor, Tensor, Tensor]:
    batch = broadcast_shape(
        values.shape[:-1], needs.shape[:-2], quantities.shape[:-1], rates.shape[:-1], sizes.shape[:-1], scale.shape
    )
    agents, resources = needs.shape[-2:]
    needs = needs.expand(*batch, agents, resources)
    quantities = quantities.expand(*batch, resources)
    net = values - (needs * rates.expand(*batch, resources).unsqueeze(-2)).sum(-1)
    spread = (scale.unsqueeze(-1) * sizes).expand(*batch, agents)  # temperature of each agent
    good = net.isfinite().all(-1) & (needs.isfinite() & (needs >= 0.0)).all(-1).all(-1)
    good = good & (quantities.isfinite() & (quantities >= 0.0)).all(-1) & (spread.isfinite() & (spread > 0.0)).all(-1)
    closed = quantities <= 0.0
    shut_out = (closed.unsqueeze(-2) & (needs > 0.0)).any(-1)  # (..., n)
    usable = torch.where(shut_out.unsqueeze(-1), 0.0, needs)
    safe = [torch.where(good.reshape(*batch, *(1,) * (t.ndim - len(batch))), t, 1.0) for t in (net, usable, spread)]
    supplies = torch.where(closed | ~good.unsqueeze(-1), 1.0, quantities)
    with torch.no_grad():
        prices = resource_prices(*(t.detach() for t in (*safe, supplies)), logit=rule == LOGIT)
    net, usable, spread = safe

    def answers(at: Tensor) -> tuple[Tensor, Tensor]:
        z = (net - (usable * at.unsqueeze(-2)).sum(-1)) / spread
        share = share_of(z, rule)
        inside = (z > 0.0) & (z < 1.0)
        return share if rule == LOGIT else torch.where(inside, z, share.detach()), _slope(z, share, rule) / spread

    share, slope = answers(prices)
    priced = (prices > 0.0) & ~closed
    spare = (supplies - (usable * share.unsqueeze(-1)).sum(-2)).detach() / supplies
    residual = torch.where(priced, spare.abs(), (-spare).clamp(min=0.0)).amax(-1)
    solved = good & (residual <= _SOLVED)
    left = torch.where(priced, supplies - (usable * share.unsqueeze(-1)).sum(-2), 0.0)
    both = priced.unsqueeze(-1) & priced.unsqueeze(-2)
    curvature = torch.where(both, (usable * slope.unsqueeze(-1)).mT @ usable, 0.0)
    prices = attached(prices, left, curvature)
    share, _ = answers(prices)
    share = torch.where(shut_out, 0.0, share)
    deterring = torch.where(closed, _deterring(net, needs, prices, shut_out, rule), 0.0)
    prices = torch.where(closed, deterring, prices)
    broken = torch.where(solved, 1.0, torch.nan).unsqueeze(-1)
    share, prices = share * broken, prices * broken
    return share, prices, (needs * share.unsqueeze(-1)).sum(-2)


def _slope(z: Tensor, share: Tensor, rule: str) -> Tensor:
    return share * (1.0 - share) if rule == LOGIT else ((z > 0.0) & (z < 1.0)).to(z.dtype)


def _deterring(net: Tensor, needs: Tensor, prices: Tensor, shut_out: Tensor, rule: str) -> Tensor:
    """Prices of resources of which there is nothing: the lowest that deters each agent by itself."""
    needed = (needs > 0.0) & shut_out.unsqueeze(-1)
    if rule == LOGIT:
        return torch.where(needed.any(-2), torch.inf, 0.0)
    margins = (net - (needs * prices.unsqueeze(-2)).sum(-1)).clamp(min=0.0)
    return torch.where(needed, margins.unsqueeze(-1) / torch.where(needed, needs, 1.0), 0.0).amax(-2)


@torch.library.custom_op("walras::resource_prices", mutates_args=())
def resource_prices(net: Tensor, needs: Tensor, spread: Tensor, supplies: Tensor, *, logit: bool) -> Tensor:
    """Prices (..., m) that minimise the dual function; supplies above 0.

    Prices are counted in units of each resource's supply and of the money at stake. The scale of demand starts large
    and falls fourfold, each stage from the last one's prices.
    """
    rule = LOGIT if logit else LINEAR
    weights = needs / supplies.unsqueeze(-2)
    money = torch.maximum(net.abs().amax(-1, keepdim=True), spread.amax(-1, keepdim=True))
    values, scales = net / money, spread / money
    prices = torch.zeros_like(supplies)
    most = float((values.abs() / scales).amax()) if values.numel() else 1.0
    stages = 0
    while most * 4.0**-stages > 10.0:
        stages += 1
    for stage in range(stages, -1, -1):
        # No agent's scale is made larger than a tenth of what is at stake.
        tau = torch.maximum(scales, torch.minimum(scales * 4.0**stage, torch.full_like(scales, 0.1)))

        def model(at: Tensor, tau: Tensor = tau) -> tuple[Tensor, Tensor]:
            z = (values - (weights * at.unsqueeze(-2)).sum(-1)) / tau
            share = share_of(z, rule)
            gradient = 1.0 - (weights * share.unsqueeze(-1)).sum(-2)
            return gradient, (weights * (_slope(z, share, rule) / tau).unsqueeze(-1)).mT @ weights

        prices = minimise(model, prices, lowest=0.0, **({"accuracy": ROUGH} if stage else {}))
    found = prices * money / supplies
    margins = (net - (needs * found.unsqueeze(-2)).sum(-1)) / spread
    spare = 1.0 - (weights * share_of(margins, rule).unsqueeze(-1)).sum(-2)
    residual = torch.where(found > 0.0, spare.abs(), (-spare).clamp(min=0.0)).amax(-1)
    return _by_the_engine(found, residual > 1e-10, net, needs, spread, supplies, logit=logit)


def _by_the_engine(
    found: Tensor, unsolved: Tensor, net: Tensor, needs: Tensor, spread: Tensor, supplies: Tensor, *, logit: bool
) -> Tensor:
    """Solve the few markets at whose kinks the search in batches has stopped, one by one."""
    if not bool(unsolved.any()):
        return found
    demand = LogitDemand(1.0) if logit else LinearDemand(1.0)
    rows = [tensor[unsolved].cpu().numpy() for tensor in (net, needs, supplies, spread)]
    answers = np.zeros_like(rows[2])
    for row, (values, units, quantities, sizes) in enumerate(zip(*rows, strict=True)):
        used = (units > 0.0).any(axis=0)
        if used.any():
            answers[row, used], _ = minimise_dual(demand, values, units[:, used], quantities[used], sizes)
    found = found.clone()
    found[unsolved] = torch.as_tensor(answers, dtype=found.dtype, device=found.device)
    return found


@resource_prices.register_fake
def _(net: Tensor, needs: Tensor, spread: Tensor, supplies: Tensor, *, logit: bool) -> Tensor:
    return torch.empty_like(supplies)


@resource_prices.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *arguments: Tensor, logit: bool) -> tuple[Tensor, int]:
    return resource_prices(*spread_batch(info.batch_size, in_dims[: len(arguments)], *arguments), logit=logit), 0
