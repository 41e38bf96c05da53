"""The market of one layer: tokens bid for its processing.

A token's valuation is linear in its normalised hidden state, `v = w . LayerNorm(h)` (plus a constant, where tokens may
stay out although there is room). In each sequence the layer sells a fraction of the real tokens' number, one unit a
token; padding is absent. Who clears it:

==============  =========================================  ==========================================================
model           training: smooth shares that use capacity  evaluation: whole tokens
==============  =========================================  ==========================================================
bidirectional   in each sequence                           in each sequence, in descending order of bid
causal          in the batch, all sequences together       at the posted price: a token buys if it bids that much
==============  =========================================  ==========================================================

A market in each sequence would tell a causal model about tokens to come: a share says how the others bid, and training
learns to read that. One price for a batch hardly does, as long as the batch has many tokens. The posted price follows
those at which whole tokens clear the batches of training.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from walras.llm.tokens.config import TokenConfig
from walras.llm.tokens.fused import fits, fused_bids
from walras.llm.tokens.places import highest_bids, whole_part
from walras.llm.tokens.purchases import SharePurchase, WholePurchase
from walras.market import FixedSupply, LinearDemand, LogitDemand, StepDemand
from walras.market.operators import compile_mechanism

__all__ = ["HARD", "OPEN", "POOLED", "POSTED", "SHARED", "SOFT", "TokenMarket", "lowest_bid_served"]

SOFT, SHARED, HARD, POSTED, POOLED, OPEN = "soft", "shared", "hard", "posted", "pooled", "open"

_ROUNDING = 1e-4


def lowest_bid_served(price: Tensor) -> Tensor:
    """Give the bid from which on tokens buy at a price.

    Equal tokens bid alike at early layers, and the price may be their very bid: all of them buy, whichever way their
    sums were rounded, in a prompt as in the step of a generation.
    """
    return price - _ROUNDING * price.abs().clamp(min=1.0)


class TokenMarket(nn.Module):
    """Bidder, market and posted price of one layer.

    Parameters
    ----------
    hidden_size
        Features of the residual stream.
    config
        The rules.
    capacity
        Fraction of a sequence's real tokens that is for sale.

    Attributes
    ----------
    posted_price
        Buffer, NaN until it is learned or calibrated.
    updates
        Buffer: how many prices it is a mean of.
    """

    posted_price: Tensor
    updates: Tensor

    def __init__(self, hidden_size: int, config: TokenConfig, capacity: float) -> None:
        super().__init__()
        mechanism = config.mechanism
        assert isinstance(mechanism.supply, FixedSupply)
        self.soft = compile_mechanism(mechanism, hard=config.straight_through)
        self.hard = compile_mechanism(replace(mechanism, demand=StepDemand(divisible=False)))
        self.capacity = capacity
        self.temperature = _scale_of(mechanism.demand)
        self.momentum = config.price_momentum
        # Normalised features have unit variance, and so do the first bids.
        self.weight = nn.Parameter(torch.randn(1, hidden_size) / hidden_size**0.5)
        self.bias = nn.Parameter(torch.zeros(1)) if mechanism.supply.free_disposal else None
        self.register_buffer("posted_price", torch.tensor(float("nan")))
        self.register_buffer("updates", torch.tensor(0))

    def _apply(self, fn: Any, recurse: bool = True) -> "TokenMarket":  # noqa: FBT001, FBT002 (torch's signature)
        """Follow the model to another device, but keep the price exact: rounded, it would serve other tokens."""
        exact = self.posted_price
        super()._apply(fn, recurse)
        self.posted_price = exact.to(self.posted_price.device)
        return self

    def valuations(self, hidden: Tensor) -> Tensor:
        """Give what each token bids, shape (sequences, tokens), float32, from (sequences, tokens, features)."""
        with torch.autocast(hidden.device.type, enabled=False):
            features = nn.functional.layer_norm(hidden.float(), hidden.shape[-1:])
            bias = None if self.bias is None else self.bias.float()
            return nn.functional.linear(features, self.weight.float(), bias).squeeze(-1)

    def forward(self, hidden: Tensor, real: Tensor, mode: str) -> SharePurchase:
        """Sell shares.

        Parameters
        ----------
        hidden
            Hidden states before the layer, shape (sequences, tokens, features).
        real
            False for padding, shape (sequences, tokens).
        mode
            `SOFT` or `SHARED` (smooth demand, in each sequence or in one market of all), or `OPEN` (everyone is served,
            and nobody asked).
        """
        if mode == OPEN:
            unknown = torch.full(real.shape, torch.nan, device=real.device)
            return SharePurchase(unknown, real.float(), unknown[:, 0])
        valuations = self.valuations(hidden)
        bids, present = (valuations, real) if mode == SOFT else (valuations.view(1, -1), real.reshape(1, -1))
        sold = self.soft(
            bids,
            self._costs(bids),
            supply=self._supply(present).float(),
            mask=present,
            temperature=self.temperature,
        )
        if self.training:
            self.learn_price(valuations.detach(), real)
        shares = sold.allocation.view_as(valuations)
        return SharePurchase(valuations.detach(), shares, sold.price.detach().expand(len(real)))

    @torch.no_grad()
    def bids(self, hidden: Tensor, real: Tensor | None) -> Tensor:
        """Give what each token bids for being served whole, shape (sequences, tokens); -inf for padding.

        `real` as above, None where there is no padding.
        """
        valuations = fused_bids(hidden, self.weight, self.bias) if fits(hidden) else self.valuations(hidden)
        return valuations if real is None else torch.where(real, valuations, -torch.inf)

    @property
    def stays_out(self) -> bool:
        """Whether tokens that are worth less than nothing do not buy although there is room."""
        return self.bias is not None

    def sell(self, bids: Tensor, offered: Tensor | None) -> tuple[WholePurchase, Tensor]:
        """Clear the market in each sequence, as `StepDemand(divisible=False)` does: whole tokens, highest bids first.

        Parameters
        ----------
        bids
            Of `bids`, shape (sequences, tokens).
        offered
            How many tokens of each sequence may buy, shape (sequences, 1): the capacity of its real ones. None if
            nothing is padding and no token stays out, so that all places are sold.

        Returns
        -------
        purchase
            With as many places as a sequence without padding sells.
        ranked
            The bids in them, in descending order, shape (sequences, places).
        """
        taken, ranked = highest_bids(bids, whole_part(self.capacity, bids.shape[1]), offered)
        if taken.bought is not None and self.stays_out:
            taken = taken._replace(bought=taken.bought & ~(ranked < 0.0))
        return WholePurchase(bids, taken, None, offered if self.stays_out else None), ranked

    @torch.no_grad()
    def learn_price(self, valuations: Tensor, real: Tensor) -> Tensor:
        """Move the posted price towards the one at which a batch clears as one market, and give the latter."""
        bids, present = valuations.reshape(-1), real.reshape(-1)
        price = self.hard(bids, self._costs(bids), supply=self._supply(present), mask=present).price
        # The mean of the first prices, and later a moving one; a batch without an answer changes nothing.
        usable = price.isfinite()
        weight = (1.0 / (self.updates + 1.0)).clamp(min=1.0 - self.momentum)
        last = torch.where(self.updates > 0, self.posted_price, price)
        moved = torch.lerp(last, price.to(last), weight)
        self.posted_price.copy_(torch.where(usable, moved, self.posted_price))
        self.updates.add_(usable.to(self.updates.dtype))
        return price

    def forget_price(self) -> None:
        """Post no price until one is learned."""
        self.posted_price.fill_(float("nan"))
        self.updates.zero_()

    def _supply(self, real: Tensor) -> Tensor:
        return self.capacity * real.sum(-1).double()

    def _costs(self, valuations: Tensor) -> Tensor:
        return torch.ones_like(valuations[..., :1]).expand_as(valuations).detach()


def _scale_of(demand: object) -> float:
    match demand:
        case LogitDemand(temperature=scale) | LinearDemand(width=scale):
            return scale
    raise TypeError(f"smooth demand expected, got {demand!r}")
