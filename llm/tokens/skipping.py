"""A layer that only those tokens run through that buy it.

In training every token runs through, and a share x of what the layer does to it stays: `h + x (layer(h) - h)`, the
dense layer at x = 1 and nothing at x = 0, whether the layer normalises before or after its residual sums. In
evaluation x is 0 or 1, and the layer computes less: buyers are gathered from each sequence, run through the layer with
their own positions and rows of the attention mask, and scattered back. Sequences of a batch with fewer buyers than
another are filled up with tokens whose result is dropped.

What buyers see of the others is the configuration's `visible`. If everyone, tokens that do not buy still have their
keys and values computed; shares of 0 and 1 in training are then exactly evaluation. If buyers only, log x joins the
attention scores of a token with share x in training, so that shares of 0 and 1 are exactly evaluation there too.
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from walras.llm.errors import CouplingError
from walras.llm.tokens.config import BUYERS, EVERYONE
from walras.llm.tokens.fused import fits
from walras.llm.tokens.keys import BuyersOnly, KeyValues, Seen, parameters_of
from walras.llm.tokens.ledger import Ledger, Pass, Work
from walras.llm.tokens.market import HARD, OPEN, POSTED, SHARED, SOFT, TokenMarket, lowest_bid_served
from walras.llm.tokens.places import Count, Places, first_come, highest_bids, most_places
from walras.llm.tokens.purchases import WholePurchase
from walras.market import InvalidInputError

__all__ = ["Hall", "SkippingForward"]


class Hall(Protocol):
    """What the layers of one model share: a ledger, and the way in which the next forward pass clears."""

    ledger: Ledger
    causal: bool
    visible: str
    room: float | None

    def way(self) -> str:
        """Give the mode of `TokenMarket`."""
        ...


class SkippingForward:
    """Stands for a layer's `forward`.

    An object, not a closure: a copy or pickle of the model takes its own layer and market along.

    Parameters
    ----------
    layer
        Gives hidden states, shape (sequences, tokens, features), from such.
    number
        The layer's, from 0.
    index
        Its place among those for sale, from 0.
    """

    def __init__(
        self, layer: nn.Module, number: int, index: int, market: TokenMarket, keys: KeyValues, hall: Hall
    ) -> None:
        self.layer, self.number, self.index, self.market, self.keys, self.hall = (
            layer,
            number,
            index,
            market,
            keys,
            hall,
        )
        self.names = parameters_of(layer)

    def __call__(self, *arguments: Any, **named: Any) -> Tensor:
        """Compute the layer for those that buy it."""
        named = dict(zip(self.names, arguments, strict=False)) | named
        hidden: Tensor = named.pop("hidden_states")
        last = self.hall.ledger.last
        if last is None or last.batch.real.shape != hidden.shape[:2]:
            raise CouplingError(
                f"Layer {self.number} has a market of tokens, and was called with hidden states of shape "
                f"{tuple(hidden.shape)} outside of its model's forward pass."
            )
        way = OPEN if self.market.capacity >= 1.0 else self.hall.way()
        if way in (OPEN, SOFT, SHARED):
            return self._run_all(hidden, named, last, way)
        if way == HARD:
            return self._run_highest(hidden, named, last)
        return self._run_buyers(hidden, named, last, way)

    def _layer(self, hidden: Tensor, named: dict[str, Any]) -> Tensor:
        return type(self.layer).forward(self.layer, hidden, **named)

    def _run_all(self, hidden: Tensor, named: dict[str, Any], last: Pass, way: str) -> Tensor:
        """Take everyone through, and leave the bought share of what the layer does to each."""
        purchase, past = self.market(hidden, last.batch.real, way), _past(named, self.keys)
        self.hall.ledger.enter(self.number, purchase, _work(hidden, past, hidden.shape[1]))
        if way == OPEN:
            # Nobody asked the bidders, but data parallel training waits for each gradient.
            trains = self.market.training and torch.is_grad_enabled()
            processed = self._layer(hidden, named)
            return processed + 0.0 * self.market.weight.sum().to(processed.dtype) if trains else processed
        shares = purchase.shares
        if self.hall.visible == BUYERS:
            named["attention_mask"] = self._softly_masked(hidden, named.get("attention_mask"), shares, past)
        processed = self._layer(hidden, named)
        return torch.lerp(hidden, processed, shares.to(hidden.dtype).unsqueeze(-1).expand_as(hidden))

    def _run_highest(self, hidden: Tensor, named: dict[str, Any], last: Pass) -> Tensor:
        """Take the highest bids of each sequence through; the model is bidirectional, and has no cache."""
        market, mask = self.market, named.get("attention_mask")
        real = None if mask is None else last.batch.real  # without a mask there is no padding
        bids = market.bids(hidden, real)
        number = market.places(hidden.shape[1])
        offered = None if real is None and not market.stays_out else last.sold(market.capacity)
        taken, ranked = highest_bids(bids, number, offered)
        if market.stays_out and taken.bought is not None:
            taken = taken._replace(bought=taken.bought & ~(ranked < 0.0))
        purchase = WholePurchase(bids, taken, None, offered if market.stays_out else None)
        self.hall.ledger.enter(self.number, purchase, self._work(hidden, 0, number))
        if number == 0:
            return hidden
        if self.hall.visible == EVERYONE:
            asked = {
                "past_key_values": Seen(*self.keys(hidden, named.get("position_embeddings"))),
                "attention_mask": self._rows_of_mask(hidden, mask, taken.inside, 0, last),
            }
        else:
            asked = {"attention_mask": self._mask_of_buyers(hidden, mask, taken, last)}
        # A bid that is not a number ranks first, and breaks its sequence, as a broken hidden state does in the dense
        # model: nothing that is wrong is hidden by skipping. The sum makes the copy that is written to.
        broken = ranked[:, :1, None].clamp(0.0, 0.0).to(hidden.dtype)
        return self._run(hidden, named | asked, last, taken, hidden + broken)

    def _run_buyers(self, hidden: Tensor, named: dict[str, Any], last: Pass, way: str) -> Tensor:
        """Take those through who bid a price, in the order of the text."""
        mask, cache, past = named.get("attention_mask"), named.get("past_key_values"), _past(named, self.keys)
        market, tokens = self.market, hidden.shape[1]
        room = self.hall.room if way == POSTED else None
        real = None if mask is None else last.batch.real
        bids = market.bids(hidden, real)
        if way == POSTED:
            price, served_from = last.posted[self.index]
        else:
            price = market.learn_price(bids, last.batch.real)
            served_from = lowest_bid_served(price)
        # A bid that is not a number buys: a broken hidden state goes through the layer, as in the dense model.
        queue = first_come(~(bids < served_from), None if room is None else last.limits(room))
        order, ranks = queue.order(last.positions())
        count = None if room is not None else Count(queue)
        seen = None
        if self.hall.visible == EVERYONE:  # while the number of buyers is on its way
            keys, values = self.keys(hidden, named.get("position_embeddings"))
            if cache is not None:
                keys, values = cache.update(keys, values, self.keys.number)
                length = past + tokens if mask is None else None  # a static cache gives more than it holds
                keys, values = keys[:, :, :length], values[:, :, :length]
            seen = Seen(keys, values)
        number = most_places(room, tokens) if count is None else count.wait()
        taken = queue.places(order, last.positions(), number)
        self.hall.ledger.enter(self.number, WholePurchase(bids, taken, price), self._work(hidden, past, number))
        asked: dict[str, Any]
        if seen is not None and mask is None and tokens > 1 and self._attends_by_place(hidden):
            asked = {"past_key_values": seen._replace(places=past + taken.inside), "attention_mask": None}
        elif seen is not None:
            asked = {
                "past_key_values": seen,
                "attention_mask": self._rows_of_mask(hidden, mask, taken.inside, past, last),
            }
        else:
            stand_in = None
            if cache is not None:
                assert taken.bought is not None
                stand_in = BuyersOnly(taken.bought, ranks, tokens - number, cache, sees_past=past > 0)
            if past:
                closed = self._mask_with_past(hidden, mask, queue.bought, taken, cache, past, last)
            else:
                closed = self._mask_of_buyers(hidden, mask, taken, last)
            asked = {"past_key_values": stand_in, "attention_mask": closed}
            if number == 0 and stand_in is not None:  # what the others leave in the cache must still be written
                stand_in.update(*self.keys.nothing(hidden[:, :0]), self.keys.number)
        return self._run(hidden, named | asked, last, taken, hidden.clone()) if number else hidden

    def _run(self, hidden: Tensor, named: dict[str, Any], last: Pass, taken: Places, copy: Tensor) -> Tensor:
        """Gather, compute, and scatter into a copy of the hidden states."""
        sequences, tokens, features = hidden.shape
        rows = (taken.inside + last.starts()).flatten()
        gathered = hidden.reshape(-1, features)[rows].view(sequences, taken.number, features)
        if named.get("position_embeddings") is not None:
            named["position_embeddings"] = rows_of_positions(named["position_embeddings"], taken.inside)
        named.pop("position_ids", None)  # rotary positions are gathered above, and attention needs no others
        processed = self._layer(gathered, named)
        if taken.bought is not None:
            processed = torch.where(taken.bought.unsqueeze(-1), processed, gathered.to(processed.dtype))
        written = copy.reshape(-1, features).index_copy_(0, rows, processed.reshape(-1, features).to(hidden.dtype))
        return written.view(sequences, tokens, features)

    def _attends_by_place(self, hidden: Tensor) -> bool:
        """Whether a kernel of our own can spare attention the mask that tells each buyer which keys come before it."""
        attention = self.keys.attention
        plain = self.hall.causal and not attention.training and attention.config._attn_implementation == "sdpa"
        return plain and fits(hidden, self.keys.head_dim)

    def _work(self, hidden: Tensor, past: int, places: int) -> Work:
        work = _work(hidden, past, places)
        return work._replace(keys=places) if self.hall.visible == BUYERS and not past else work

    def _rows_of_mask(self, hidden: Tensor, mask: Any, inside: Tensor, past: int, last: Pass) -> Tensor | None:
        """Give the mask of those inside, shape (sequences, 1, places or 1, keys); None for no mask."""
        if mask is None:
            if not self.hall.causal or hidden.shape[1] == 1:
                return None
            keys = torch.arange(past + hidden.shape[1], device=hidden.device)
            return keys <= (past + inside)[:, None, :, None]
        mask = _checked_mask(mask, hidden)
        if last.batch.plain and not self.hall.causal:  # it closes padding, alike for all
            return mask[:, :, :1]
        return mask.gather(2, inside[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[-1]))

    def _mask_of_buyers(self, hidden: Tensor, mask: Any, taken: Places, last: Pass) -> Tensor | None:
        """Give the mask between those inside, shape (sequences, 1, places or 1, places); None for no mask."""
        if mask is None and (self.hall.causal or taken.bought is None):
            return None  # those that fill up stand behind all buyers, where causal attention does not see them
        buyers = None if taken.bought is None else taken.bought[:, None, None, :]
        if mask is None or (last.batch.plain and not self.hall.causal):
            return buyers  # padding does not buy
        seen = self._rows_of_mask(hidden, mask, taken.inside, 0, last)
        assert seen is not None
        assert buyers is not None
        columns = taken.inside[:, None, None, :].expand(-1, seen.shape[1], seen.shape[2], -1)
        return _without(seen.gather(3, columns), ~buyers)

    def _mask_with_past(
        self, hidden: Tensor, mask: Any, bought: Tensor, taken: Places, cache: Any, past: int, last: Pass
    ) -> Tensor:
        """Give the mask of those inside over the whole cache, shape (sequences, 1, places or 1, keys)."""
        seen = self._rows_of_mask(hidden, mask, taken.inside, past, last)
        held = _held_keys(cache, self.keys.number)
        if held.shape[2] > past:  # a window of the last tokens is as good
            raise CouplingError(
                f"visible='buyers' reads from the cache which tokens are absent, and {type(cache).__name__} holds "
                f"{held.shape[2]} places for {past} tokens: use a DynamicCache, or visible='everyone'."
            )
        present = torch.cat([(held != 0).any(-1).any(1), bought], dim=-1)[:, None, None, :]
        return present if seen is None else _without(seen, ~present)

    def _softly_masked(self, hidden: Tensor, mask: Any, shares: Tensor, past: int) -> Tensor:
        """Add log x to the scores of keys with share x; shape (sequences, 1, tokens, tokens)."""
        if past:
            raise CouplingError(
                "visible='buyers' clears softly only without a cache: a cache does not hold shares. Call the model "
                "with whole sequences, or in evaluation."
            )
        tokens = hidden.shape[1]
        if mask is None:
            open_keys = torch.ones((1, 1, tokens, tokens), dtype=torch.bool, device=hidden.device)
            mask = open_keys.tril() if self.hall.causal else open_keys
        mask = _checked_mask(mask, hidden)
        scores = shares.clamp(min=torch.finfo(torch.float32).tiny).log().to(hidden.dtype)[:, None, None, :]
        if mask.dtype == torch.bool:
            return torch.where(mask, scores, torch.finfo(hidden.dtype).min)
        return (mask + scores).clamp(min=torch.finfo(mask.dtype).min)


def rows_of_positions(positions: tuple[Tensor, Tensor], places: Tensor) -> tuple[Tensor, Tensor]:
    """Give cosines and sines, each (sequences or 1, tokens, features), at `places` (sequences, places)."""
    cosines, sines = (
        part[0][places] if len(part) == 1 else part.gather(1, places.unsqueeze(-1).expand(-1, -1, part.shape[-1]))
        for part in positions
    )
    return cosines, sines


def _checked_mask(mask: Any, hidden: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or mask.ndim != 4 or mask.shape[2] != hidden.shape[1]:
        got = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise InvalidInputError(
            "A layer with a market of tokens needs an attention mask of shape (sequences, 1, queries, keys), got "
            f"{got}: load the model with attn_implementation='sdpa' or 'eager'."
        )
    return mask.expand(hidden.shape[0], -1, -1, -1)


def _without(mask: Tensor, absent: Tensor) -> Tensor:
    """Close the columns of absent keys in a boolean or an additive mask."""
    if mask.dtype == torch.bool:
        return mask & ~absent
    return mask.masked_fill(absent, torch.finfo(mask.dtype).min)


def _past(named: dict[str, Any], keys: KeyValues) -> int:
    cache = named.get("past_key_values")
    return 0 if cache is None else int(cache.get_seq_length(keys.number))


def _held_keys(cache: Any, number: int) -> Tensor:
    return cache.layers[number].keys


def _work(hidden: Tensor, past: int, places: int) -> Work:
    return Work(hidden.shape[0], hidden.shape[1], past + hidden.shape[1], places)
