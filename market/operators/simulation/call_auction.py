"""A laboratory of call auctions, for thousands of markets at once: induced values, random or shaded bids, one clearing.

Traders of *zero intelligence, constrained* bid at random without a loss, a buyer uniformly on [0, v], a seller on [c,
ceiling]; a *shading* trader asks for a fixed part of the gain that is there at most: a buyer bids `v (1 - s)`, a seller
`c + s (ceiling - c)`.

Draws do not depend on parameters, so a run at a temperature can be differentiated in values, costs and shading.
"""

from typing import NamedTuple, final

import torch
from torch import Generator, Tensor

from walras.market.double_auctions import CallAuction
from walras.market.errors import InvalidInputError
from walras.market.operators.call_auction import CallAuctionOperator
from walras.market.operators.inputs import floating, number_like
from walras.market.validation import instance_of, positive_number

__all__ = ["CallMarkets", "simulate_call_auctions"]


@final
class CallMarkets(NamedTuple):
    """What a round of call auctions gives, each of shape (markets,).

    Price, units traded, gains from trade that were realised (money), and those that were possible.
    """

    price: Tensor
    volume: Tensor
    gains: Tensor
    largest_gains: Tensor


def simulate_call_auctions(
    values: Tensor,
    costs: Tensor,
    *,
    generator: Generator,
    ceiling: float,
    mechanism: CallAuction | None = None,
    temperature: float | None = None,
    shading: Tensor | float | None = None,
) -> CallMarkets:
    """Clear one call auction in each market.

    Parameters
    ----------
    values, costs
        What a unit is worth to each buyer, and costs each seller (money, within [0, ceiling]), shapes (markets, n) and
        (markets, m).
    generator
        Draws the bids of zero-intelligence traders, on the device of `values`.
    ceiling
        The highest price that may be asked (money), above 0.
    mechanism
        The rules; `CallAuction()` by default.
    temperature
        Of the smooth form; without it the exact auction clears.
    shading
        Part of the largest gain that traders ask for, in [0, 1]; without it they have zero intelligence.

    Raises
    ------
    InvalidInputError
        Tensors of the wrong shape, type or device.
    NotDifferentiableError
        The exact form, when an input requires a gradient.

    Notes
    -----
    *Source*: Gode and Sunder 1993; Chatterjee and Samuelson 1983 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import torch
    >>> from walras.market.operators.simulation import simulate_call_auctions
    >>> draw = torch.Generator().manual_seed(0)
    >>> values, costs = torch.rand(2, 100, 500, generator=draw)
    >>> markets = simulate_call_auctions(values, costs, generator=draw, ceiling=1.0)
    >>> round(float((markets.gains / markets.largest_gains).mean()), 2)
    0.38
    """
    floating("values", values)
    floating("costs", costs)
    if values.ndim != 2 or costs.ndim != 2 or values.shape[0] != costs.shape[0]:
        raise InvalidInputError(
            f"values and costs must have shapes (markets, n) and (markets, m), got {tuple(values.shape)} and "
            f"{tuple(costs.shape)}."
        )
    instance_of("generator", generator, Generator)
    highest = positive_number("ceiling", ceiling)
    operator = CallAuctionOperator(mechanism or CallAuction(), temperature=temperature)
    if shading is None:
        buyer_part, seller_part = (
            torch.rand(side.shape, generator=generator, device=side.device, dtype=side.dtype)
            for side in (values, costs)
        )
    else:
        buyer_part = seller_part = number_like("shading", shading, values)
    outcome = operator(values * (1.0 - buyer_part), costs + seller_part * (highest - costs))
    gains = (values * outcome.bought).sum(-1) - (costs * outcome.sold).sum(-1)
    depth = min(values.shape[1], costs.shape[1])
    best = values.sort(dim=-1, descending=True).values[:, :depth] - costs.sort(dim=-1).values[:, :depth]
    return CallMarkets(outcome.price, outcome.volume, gains, best.clamp(min=0.0).sum(-1))
