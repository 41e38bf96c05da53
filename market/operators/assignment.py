"""The assignment market in batches: smooth at a temperature, which tends to the exact one as it falls.

**Smooth form.** Each buyer wants one object or none, each object goes to one buyer or stays with its owner, and all
shake their surpluses by Gumbel shocks of scale tau: buyer i takes object j with probability

    x_ij = exp((v_ij - p_j - u_i) / tau),    u_i = tau log(1 + sum_j exp((v_ij - p_j) / tau)),

and prices are those at which every object is taken once, counting an owner who keeps it with probability
`exp(-p_j / tau)`. They minimise a convex function, whose least value is the welfare of the market,

    W = sum_j p_j + sum_i u_i + tau sum_j exp(-p_j / tau) - tau m.

As tau -> 0 the shares are those of an assignment of the largest worth (of several, their mean by entropy).

**Prices.** Between competitive prices the exact market chooses `p = k high + (1 - k) low`. The corners are differences
of the welfare of markets that lack an object, or have it twice (Leonard 1983, Demange 1982): `high_j = W - W(without
j)`, `low_j = W(j twice) - W`. The smooth form uses the same differences of its welfare. At k = 0 buyers pay what their
presence costs the others.

Source: Choo and Siow 2006 for the smooth market; Leonard 1983.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from walras.market.assignment import AssignmentMarket
from walras.market.errors import InvalidInputError
from walras.market.operators.inputs import check_amounts, floating, number_like
from walras.market.operators.price_search import ROUGH, attached, minimise, spread_batch
from walras.market.operators.solve import common_dtype

__all__ = ["AssignmentOperator", "SmoothAssignment"]


class SmoothAssignment(NamedTuple):
    """What a compiled assignment market gives.

    Probabilities that a buyer gets an object (..., n, m); prices (..., m), the mechanism's; what each buyer pays on
    average (..., n); and the welfare of the market (...), shocks included.
    """

    allocation: Tensor
    prices: Tensor
    payments: Tensor
    welfare: Tensor


class AssignmentOperator(nn.Module):
    """A compiled `AssignmentMarket`; made by `compile_mechanism`.

    Examples
    --------
    >>> import torch
    >>> from walras.market.assignment import AssignmentMarket
    >>> from walras.market.operators import compile_mechanism
    >>> market = compile_mechanism(AssignmentMarket(), temperature=0.01)
    >>> found = market(torch.tensor([[10.0, 9.0, 0.0], [9.0, 0.0, 0.0]]))
    >>> found.allocation.round(decimals=2).abs()
    tensor([[0., 1., 0.],
            [1., 0., 0.]])
    >>> found.prices[0].round(decimals=1)
    tensor(1.)
    """

    def __init__(self, mechanism: AssignmentMarket, *, temperature: float, check_values: bool = False) -> None:
        super().__init__()
        self.mechanism, self.temperature, self.check_values = mechanism, temperature, check_values

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return f"{self.mechanism!r}, temperature={self.temperature}"

    def forward(self, valuations: Tensor, *, temperature: Tensor | float | None = None) -> SmoothAssignment:
        """Clear every market of the batch.

        Parameters
        ----------
        valuations
            Worth of object j to buyer i (money, of either sign), shape (..., n, m). Staying out is worth 0.
        temperature
            In place of the operator's (money), above 0; a number, or shape (...).

        Raises
        ------
        InvalidInputError
            No buyers or objects, tensors that are not floating point; with `check_values` numbers that are not finite.

        Notes
        -----
        Solved in float64; a market with a number that is not finite is NaN in its own row. *Ties*: equal buyers have
        equal probabilities. *Differentiable in* valuations and temperature: the allocation once, prices and payments
        (whose derivatives are allocations) once. *Cost*: 2 m + 1 markets for prices, each some tens of Newton steps of
        O(n m^2 + m^3); waits for the device.
        """
        dtype = common_dtype(floating("valuations", valuations), temperature)
        if valuations.ndim < 2 or 0 in valuations.shape[-2:]:
            raise InvalidInputError(
                f"valuations must have shape (..., n, m), n, m >= 1; got {tuple(valuations.shape)}."
            )
        values = valuations.double()
        scale = number_like("temperature", self.temperature if temperature is None else temperature, values)
        if self.check_values:
            check_amounts("valuations, in size,", values.abs())
            check_amounts("temperature", scale)
        with torch.autocast(values.device.type, enabled=False):
            found = _clear(values, scale, self.mechanism.k)
        return SmoothAssignment(*(tensor.to(dtype) for tensor in found))


def _clear(values: Tensor, scale: Tensor, k: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch = torch.broadcast_shapes(values.shape[:-2], scale.shape)
    buyers, objects = values.shape[-2:]
    values, scale = values.expand(*batch, buyers, objects), scale.expand(batch)
    good = values.isfinite().all(-1).all(-1) & scale.isfinite() & (scale > 0.0)
    z = torch.where(good[..., None, None], values, 0.0) / torch.where(good, scale, 1.0)[..., None, None]
    copies = torch.ones(objects, dtype=z.dtype, device=z.device)
    shares, welfare = _solved(z, copies)
    identity = torch.diag(copies)
    # Markets that lack an object, or have it twice: one for each, in a dimension of their own.
    _, without = _solved(z.unsqueeze(-3), copies - identity)
    _, twice = _solved(z.unsqueeze(-3), copies + identity)
    high, low = welfare.unsqueeze(-1) - without, twice - welfare.unsqueeze(-1)
    unit = torch.where(good, scale, torch.nan)
    prices = unit.unsqueeze(-1) * (k * high + (1.0 - k) * low)
    shares = shares * torch.where(good, 1.0, torch.nan)[..., None, None]
    return shares, prices, (shares * prices.unsqueeze(-2)).sum(-1), unit * welfare


def _solved(z: Tensor, copies: Tensor) -> tuple[Tensor, Tensor]:
    """Shares (..., n, m) and welfare (...) in units of the temperature, of markets with 0, 1 or 2 of each object."""
    shape = torch.broadcast_shapes(z.shape[:-2], copies.shape[:-1])
    z, copies = z.expand(*shape, *z.shape[-2:]), copies.expand(*shape, copies.shape[-1])
    with torch.no_grad():
        prices = assignment_prices(z.detach().contiguous(), copies.contiguous())
    there = copies > 0.0

    def choices(at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        margins = torch.where(there.unsqueeze(-2), z - at.unsqueeze(-2), -torch.inf)
        inclusive = torch.cat([margins, torch.zeros_like(margins[..., :1])], -1).logsumexp(-1)
        return (margins - inclusive.unsqueeze(-1)).exp(), torch.where(there, copies * (-at).exp(), 0.0), inclusive

    taken, kept, _ = choices(prices)
    residual = torch.where(there, copies - taken.sum(-2) - kept, 0.0)
    with torch.no_grad():
        curvature = torch.diag_embed(taken.sum(-2) + kept) - taken.mT @ taken
    prices = attached(prices, residual, curvature)
    taken, kept, inclusive = choices(prices)
    welfare = torch.where(there, copies * prices + kept - copies, 0.0).sum(-1) + inclusive.sum(-1)
    return taken, welfare


@torch.library.custom_op("walras::assignment_prices", mutates_args=())
def assignment_prices(z: Tensor, copies: Tensor) -> Tensor:
    """Prices (..., m) of objects, in units of the temperature, of which there are `copies` (0: its price is 0).

    The temperature starts high and falls fourfold, each stage from the last one's prices.
    """
    there = copies > 0.0
    largest = float(z.abs().amax()) if z.numel() else 0.0
    factor = 1.0
    while largest / factor > 4.0:
        factor *= 4.0
    prices = torch.zeros_like(copies)
    while True:
        scaled = z / factor

        def model(at: Tensor, scaled: Tensor = scaled) -> tuple[Tensor, Tensor]:
            margins = torch.where(there.unsqueeze(-2), scaled - at.unsqueeze(-2), -torch.inf)
            inclusive = torch.cat([margins, torch.zeros_like(margins[..., :1])], -1).logsumexp(-1, keepdim=True)
            taken = (margins - inclusive).exp()
            kept = torch.where(there, copies * (-at).exp(), 0.0)
            gradient = torch.where(there, copies - taken.sum(-2) - kept, 0.0)
            return gradient, torch.diag_embed(taken.sum(-2) + kept) - taken.mT @ taken

        prices = minimise(model, prices, **({"accuracy": ROUGH} if factor > 1.0 else {}))
        if factor <= 1.0:
            return prices
        factor /= 4.0
        prices = 4.0 * prices


@assignment_prices.register_fake
def _(z: Tensor, copies: Tensor) -> Tensor:
    return torch.empty_like(copies)


@assignment_prices.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *arguments: Tensor) -> tuple[Tensor, int]:
    return assignment_prices(*spread_batch(info.batch_size, in_dims, *arguments)), 0
