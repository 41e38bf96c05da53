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
from walras.llm.tokens.masks import Masks
from walras.llm.tokens.places import Count, Places, Queue, first_come, most_places
from walras.llm.tokens.purchases import WholePurchase

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
        self.layer, self.number, self.index = layer, number, index
        self.market, self.keys, self.hall = market, keys, hall
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
            if past:
                raise CouplingError(
                    "visible='buyers' clears softly only without a cache: a cache does not hold shares. Call the model "
                    "with whole sequences, or in evaluation."
                )
            named["attention_mask"] = self._masks(hidden, named, last).softly(shares)
        processed = self._layer(hidden, named)
        return torch.lerp(hidden, processed, shares.to(hidden.dtype).unsqueeze(-1).expand_as(hidden))

    def _run_highest(self, hidden: Tensor, named: dict[str, Any], last: Pass) -> Tensor:
        """Take the highest bids of each sequence through; the model is bidirectional, and has no cache."""
        market, masks = self.market, self._masks(hidden, named, last)
        real = None if masks.asked is None else last.batch.real  # without a mask there is no padding
        bids = market.bids(hidden, real)
        offered = None if real is None and not market.stays_out else last.sold(market.capacity)
        purchase, ranked = market.sell(bids, offered)
        taken = purchase.taken
        self.hall.ledger.enter(self.number, purchase, self._work(hidden, 0, taken.number))
        if taken.number == 0:
            return hidden
        if self.hall.visible == EVERYONE:
            asked = {
                "past_key_values": self._everyone(hidden, named, 0),
                "attention_mask": masks.of_rows(taken.inside, 0),
            }
        else:
            asked = {"attention_mask": masks.between(taken)}
        # A bid that is not a number ranks first, and breaks its sequence, as a broken hidden state does in the dense
        # model: nothing that is wrong is hidden by skipping. The sum makes the copy that is written to.
        broken = ranked[:, :1, None].clamp(0.0, 0.0).to(hidden.dtype)
        return self._run(hidden, named | asked, last, taken, hidden + broken)

    def _run_buyers(self, hidden: Tensor, named: dict[str, Any], last: Pass, way: str) -> Tensor:
        """Take those through who bid a price, in the order of the text."""
        cache, past, tokens = named.get("past_key_values"), _past(named, self.keys), hidden.shape[1]
        masks, market = self._masks(hidden, named, last), self.market
        bids = market.bids(hidden, None if masks.asked is None else last.batch.real)
        if way == POSTED:
            price, served_from = last.posted[self.index]
        else:
            price = market.learn_price(bids, last.batch.real)
            served_from = lowest_bid_served(price)
        room = self.hall.room if way == POSTED else None
        # A bid that is not a number buys: a broken hidden state goes through the layer, as in the dense model.
        queue = first_come(~(bids < served_from), None if room is None else last.limits(room))
        order, ranks = queue.order(last.positions())
        count = Count(queue) if room is None else most_places(room, tokens)
        # While the number of buyers is on its way.
        seen = self._everyone(hidden, named, past) if self.hall.visible == EVERYONE else None
        number = count if isinstance(count, int) else count.wait()
        taken = queue.places(order, last.positions(), number)
        self.hall.ledger.enter(self.number, WholePurchase(bids, taken, price), self._work(hidden, past, number))
        asked: dict[str, Any]
        if seen is not None and self._attends_by_place(masks):
            asked = {"past_key_values": seen._replace(places=past + taken.inside if past else taken.inside)}
        elif seen is not None:
            asked = {"past_key_values": seen, "attention_mask": masks.of_rows(taken.inside, past)}
        else:
            closed = masks.with_past(taken.inside, self._present(cache, queue, past), past) if past else None
            asked = {"attention_mask": closed if past else masks.between(taken)}
            if cache is not None:
                assert taken.bought is not None
                stand_in = BuyersOnly(taken.bought, ranks, tokens - number, cache, sees_past=past > 0)
                asked["past_key_values"] = stand_in
                if number == 0:  # what the others leave in the cache must still be written
                    stand_in.update(*self.keys.nothing(hidden[:, :0]), self.keys.number)
        return self._run(hidden, named | asked, last, taken, hidden.clone()) if number else hidden

    def _everyone(self, hidden: Tensor, named: dict[str, Any], past: int) -> Seen:
        """Give the keys and values of all tokens, and write them into the cache."""
        normalised = self.keys.normalised(hidden)
        keys, values = self.keys(normalised, named.get("position_embeddings"))
        cache = named.get("past_key_values")
        if cache is None:
            return Seen(keys, values, normalised)
        keys, values = cache.update(keys, values, self.keys.number)
        # A static cache gives more than it holds.
        length = past + hidden.shape[1] if named.get("attention_mask") is None else None
        return Seen(keys[:, :, :length], values[:, :, :length], normalised)

    def _present(self, cache: Any, queue: Queue, past: int) -> Tensor:
        """Say which keys of a cache, and of those that join it, are there; shape (sequences, keys)."""
        held = cache.layers[self.keys.number].keys
        if held.shape[2] > past:  # a window of the last tokens is as good
            raise CouplingError(
                f"visible='buyers' reads from the cache which tokens are absent, and {type(cache).__name__} holds "
                f"{held.shape[2]} places for {past} tokens: use a DynamicCache, or visible='everyone'."
            )
        return torch.cat([(held != 0).any(-1).any(1), queue.bought], dim=-1)

    def _run(self, hidden: Tensor, named: dict[str, Any], last: Pass, taken: Places, copy: Tensor) -> Tensor:
        """Gather, compute, and scatter into a copy of the hidden states."""
        sequences, tokens, features = hidden.shape
        rows = (taken.inside + last.starts()).flatten()
        gathered = hidden.reshape(-1, features).index_select(0, rows).view(sequences, taken.number, features)
        if named.get("position_embeddings") is not None:
            named["position_embeddings"] = rows_of_positions(named["position_embeddings"], taken.inside, rows)
        seen = named.get("past_key_values")
        if isinstance(seen, Seen) and self.keys.pre_norm is not None:
            self.keys.give_rows(seen.normalised.reshape(-1, features).index_select(0, rows).view(gathered.shape))
        named.pop("position_ids", None)  # rotary positions are gathered above, and attention needs no others
        processed = self._layer(gathered, named)
        if taken.bought is not None:
            processed = torch.where(taken.bought.unsqueeze(-1), processed, gathered.to(processed.dtype))
        written = copy.reshape(-1, features).index_copy_(0, rows, processed.reshape(-1, features).to(hidden.dtype))
        return written.view(sequences, tokens, features)

    def _masks(self, hidden: Tensor, named: dict[str, Any], last: Pass) -> Masks:
        return Masks(named.get("attention_mask"), hidden, self.hall.causal, last.batch.plain, self.keys.attention)

    def _attends_by_place(self, masks: Masks) -> bool:
        """Whether a kernel of our own can spare attention the mask that tells each buyer which keys come before it."""
        unmasked = masks.asked is None and masks.causal and masks.hidden.shape[1] > 1
        return unmasked and not self.keys.attention.training and fits(masks.hidden, self.keys.head_dim)

    def _work(self, hidden: Tensor, past: int, places: int) -> Work:
        work = _work(hidden, past, places)
        return work._replace(keys=places) if self.hall.visible == BUYERS and not past else work


def rows_of_positions(positions: tuple[Tensor, Tensor], inside: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Give cosines and sines, each (sequences or 1, tokens, features), at `inside` (sequences, places)."""
    cosines, sines = (
        part.flatten(0, 1).index_select(0, inside.flatten() if len(part) == 1 else rows).view(*inside.shape, -1)
        for part in positions
    )
    return cosines, sines


def _past(named: dict[str, Any], keys: KeyValues) -> int:
    cache = named.get("past_key_values")
    return 0 if cache is None else int(cache.get_seq_length(keys.number))


def _held_keys(cache: Any, number: int) -> Tensor:
    return cache.layers[number].keys


def _work(hidden: Tensor, past: int, places: int) -> Work:
    return Work(hidden.shape[0], hidden.shape[1], past + hidden.shape[1], places)
