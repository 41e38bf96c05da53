"""The call auction (k-double auction) for many markets at once: exact, or smooth at a temperature.

**Smooth form.** Buyers and sellers together are one capacity market: a buyer takes a unit with probability
`sigmoid((b - p) / tau)`, a seller *keeps* hers with probability `sigmoid((a - p) / tau)`, and the price is that at
which the units kept or bought are all the units there are. So what is bought is what is sold, exactly, and the price
tends to the midpoint of the interval of clearing prices. That interval reaches from the (m + 1)-th to the m-th highest
limit of all n + m traders, so its ends are prices at a supply of half a unit more and less: `price = k p(m - 1/2) +
(1 - k) p(m + 1/2)` (for k = 1/2 the price at m itself).

Orders are for one unit each. Source: `walras.market.double_auctions.call_auction`; Satterthwaite and Williams 1989.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from walras.market.double_auctions import CallAuction
from walras.market.errors import InvalidInputError, NotDifferentiableError
from walras.market.operators.capacity import OperatorClearing, capacity_allocation
from walras.market.operators.inputs import check_amounts, floating, number_like
from walras.market.operators.solve import LOGIT, common_dtype
from walras.market.operators.straight_through import straight_through

__all__ = ["CallAuctionOperator", "CallClearing"]


class CallClearing(NamedTuple):
    """What a compiled call auction gives.

    Units bought (..., n) and sold (..., m), the price and the volume of each market (...). Where nothing trades, the
    price is one at which nobody would.
    """

    bought: Tensor
    sold: Tensor
    price: Tensor
    volume: Tensor


class CallAuctionOperator(nn.Module):
    """A compiled `CallAuction` of orders for one unit each; made by `compile_mechanism`.

    Examples
    --------
    >>> import torch
    >>> from walras.market.double_auctions import CallAuction
    >>> from walras.market.operators import compile_mechanism
    >>> market = compile_mechanism(CallAuction())  # exact: no temperature
    >>> outcome = market(torch.tensor([10.0, 8.0, 5.0]), torch.tensor([4.0, 6.0, 9.0]))
    >>> outcome.price, outcome.volume
    (tensor(7.), tensor(2.))
    """

    def __init__(
        self, mechanism: CallAuction, *, temperature: float | None, hard: bool = False, check_values: bool = False
    ) -> None:
        super().__init__()
        self.mechanism, self.temperature, self.hard, self.check_values = mechanism, temperature, hard, check_values

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return f"{self.mechanism!r}, temperature={self.temperature}"

    def forward(self, bids: Tensor, asks: Tensor, *, temperature: Tensor | float | None = None) -> CallClearing:
        """Clear every market of the batch.

        Parameters
        ----------
        bids, asks
            Limits of orders for one unit each (money, of either sign), shapes (..., n) and (..., m).
        temperature
            In place of the operator's; a number, or one for each market, shape (...). Without any, the outcome is
            exact.

        Raises
        ------
        InvalidInputError
            Empty sides, leading dimensions that differ, tensors that are not floating point or on different devices.
        NotDifferentiableError
            The exact form, when an input requires a gradient: who trades jumps.
        """
        dtype = common_dtype(floating("bids", bids), floating("asks", asks), temperature)
        bids, asks = bids.to(dtype), asks.to(dtype)
        _check_sides(bids, asks)
        if self.check_values:
            check_amounts("bids less the lowest", bids - bids.amin())
            check_amounts("asks less the lowest", asks - asks.amin())
        scale = self.temperature if temperature is None else temperature
        if scale is None:
            if torch.is_grad_enabled() and (bids.requires_grad or asks.requires_grad):
                raise NotDifferentiableError(
                    "bids or asks require a gradient, but in an exact call auction who trades jumps. Compile it with a "
                    "temperature, or call it under torch.no_grad()."
                )
            return self._exact(bids, asks)
        soft = self._smooth(bids, asks, number_like("temperature", scale, bids))
        return straight_through(self._exact(bids.detach(), asks.detach()), soft) if self.hard else soft

    def _smooth(self, bids: Tensor, asks: Tensor, scale: Tensor) -> CallClearing:
        limits = torch.cat([bids, asks], -1)
        units = float(asks.shape[-1])
        one = torch.ones((1,), dtype=limits.dtype, device=limits.device)

        def cleared(supply: float) -> OperatorClearing:
            quantity = torch.full((), supply, dtype=limits.dtype, device=limits.device)
            return capacity_allocation(limits, one, quantity, scale, rule=LOGIT)

        held = cleared(units)
        bought, kept = held.allocation.split([bids.shape[-1], asks.shape[-1]], -1)
        k = self.mechanism.k
        ends = () if k == 0.5 else (cleared(units - 0.5).price, cleared(units + 0.5).price)
        price = k * ends[0] + (1.0 - k) * ends[1] if ends else held.price
        return CallClearing(bought, 1.0 - kept, price, bought.sum(-1))

    def _exact(self, bids: Tensor, asks: Tensor) -> CallClearing:
        falling, bid_order = bids.sort(dim=-1, descending=True, stable=True)
        rising, ask_order = asks.sort(dim=-1, stable=True)
        depth = min(bids.shape[-1], asks.shape[-1])
        volume = (falling[..., :depth] >= rising[..., :depth]).sum(-1, keepdim=True)  # both are monotone
        infinite = torch.full_like(falling[..., :1], torch.inf)
        # The last that trade and the first that do not; (..., 1)
        bid_ladder = torch.cat([infinite, falling, -infinite], -1)
        ask_ladder = torch.cat([-infinite, rising, infinite], -1)
        high = torch.minimum(bid_ladder.gather(-1, volume), ask_ladder.gather(-1, volume + 1))
        low = torch.maximum(ask_ladder.gather(-1, volume), bid_ladder.gather(-1, volume + 1))
        price = low + self.mechanism.k * (high - low)
        bought, sold = _first(bid_order, volume, bids), _first(ask_order, volume, asks)
        return CallClearing(bought, sold, price.squeeze(-1), volume.squeeze(-1).to(bids.dtype))


def _first(order: Tensor, volume: Tensor, like: Tensor) -> Tensor:
    """Mark the first `volume` orders of each market in the given order."""
    places = torch.arange(order.shape[-1], device=order.device)
    return torch.zeros_like(like).scatter(-1, order, (places < volume).to(like.dtype))


def _check_sides(bids: Tensor, asks: Tensor) -> None:
    for name, tensor in (("bids", bids), ("asks", asks)):
        if tensor.ndim == 0 or tensor.shape[-1] == 0:
            raise InvalidInputError(f"{name} must have one order or more, shape (..., n); got {tuple(tensor.shape)}.")
    if bids.shape[:-1] != asks.shape[:-1] or bids.device != asks.device:
        raise InvalidInputError(
            f"bids and asks must agree in markets and device, got {tuple(bids.shape)} on {bids.device} and "
            f"{tuple(asks.shape)} on {asks.device}."
        )
