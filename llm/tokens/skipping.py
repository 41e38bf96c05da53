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

import inspect
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from walras.llm.errors import CouplingError
from walras.llm.tokens.config import BUYERS
from walras.llm.tokens.keys import BuyersOnly, KeyValues, WithOthers
from walras.llm.tokens.ledger import Ledger, Work
from walras.llm.tokens.market import OPEN, SHARED, SOFT, TokenMarket
from walras.market import InvalidInputError

__all__ = ["Hall", "SkippingForward"]


class Hall(Protocol):
    """What the layers of one model share: a ledger, and the way in which the next forward pass clears."""

    ledger: Ledger
    causal: bool
    visible: str

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
    """

    def __init__(self, layer: nn.Module, number: int, market: TokenMarket, keys: KeyValues, hall: Hall) -> None:
        self.layer, self.number, self.market, self.keys, self.hall = layer, number, market, keys, hall
        self.names = [name for name in inspect.signature(type(layer).forward).parameters if name != "self"]

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
        purchase = self.market(hidden, last.batch.real, way)
        past = _past(named, self.keys)
        if way in (OPEN, SOFT, SHARED):
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
        bought = purchase.bought & last.batch.real
        fewest, places = torch.stack(torch.aminmax(bought.sum(-1))).tolist()
        work = _work(hidden, past, places)
        if self.hall.visible == BUYERS and not past:
            work = work._replace(keys=places)
        self.hall.ledger.enter(self.number, purchase, work)
        return self._skip(hidden, named, bought, places, past, even=fewest == places)

    def _layer(self, hidden: Tensor, named: dict[str, Any]) -> Tensor:
        return type(self.layer).forward(self.layer, hidden, **named)

    def _skip(
        self, hidden: Tensor, named: dict[str, Any], bought: Tensor, places: int, past: int, *, even: bool
    ) -> Tensor:
        tokens = hidden.shape[1]
        # Buyers first, each group in the order of the text, then those that fill up and the others.
        order = (~bought).sort(dim=-1, stable=True).indices  # (sequences, tokens)
        inside, outside = order[:, :places], order[:, places:]
        cache, positions = named.get("past_key_values"), named.get("position_embeddings")
        stand_in: BuyersOnly | WithOthers | None
        if self.hall.visible == BUYERS:
            stand_in = self._without_others(bought.gather(1, inside), order, cache, past)
            # With no padding anywhere, those that fill up need no mask where there are none, or where attention is
            # causal: they stand behind all buyers.
            if past == 0 and named.get("attention_mask") is None and (self.hall.causal or even):
                mask = None
            else:
                mask = self._mask_of_buyers(hidden, named.get("attention_mask"), bought, inside, cache, past)
        else:
            others = self.keys(rows(hidden, outside), _rows_of_positions(positions, outside))
            length = past + tokens if named.get("attention_mask") is None else None
            stand_in = WithOthers(others, order.argsort(-1), cache, length)
            mask = self._rows_of_mask(hidden, named.get("attention_mask"), inside, past)
        if places == 0:  # nobody buys, and what the others leave in the cache must still be written
            if stand_in is not None and cache is not None:
                nothing = self.keys.nothing(hidden[:, :0])
                stand_in.update(*nothing, self.keys.number)
            return hidden
        asked = named | {"attention_mask": mask, "past_key_values": stand_in}
        if positions is not None:
            asked["position_embeddings"] = _rows_of_positions(positions, inside)
        if isinstance(named.get("position_ids"), Tensor):
            asked["position_ids"] = named["position_ids"].expand(len(hidden), tokens).gather(1, inside)
        gathered = rows(hidden, inside)
        processed = self._layer(gathered, asked)
        kept = torch.where(bought.gather(1, inside).unsqueeze(-1), processed, gathered.to(processed.dtype))
        return hidden.scatter(1, inside.unsqueeze(-1).expand_as(kept), kept.to(hidden.dtype))

    def _without_others(self, bought: Tensor, order: Tensor, cache: Any, past: int) -> BuyersOnly | None:
        if cache is None:
            return None
        return BuyersOnly(bought, order.argsort(-1), order.shape[1] - bought.shape[1], cache, sees_past=past > 0)

    def _rows_of_mask(self, hidden: Tensor, mask: Any, inside: Tensor, past: int) -> Tensor | None:
        """Give the buyers' rows of the attention mask, shape (sequences, 1, places, keys); None for no mask."""
        if mask is None:
            if not self.hall.causal or hidden.shape[1] == 1:
                return None
            keys = torch.arange(past + hidden.shape[1], device=hidden.device)
            return keys <= (past + inside)[:, None, :, None]
        mask = _checked_mask(mask, hidden)
        return mask.gather(2, inside[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[-1]))

    def _mask_of_buyers(
        self, hidden: Tensor, mask: Any, bought: Tensor, inside: Tensor, cache: Any, past: int
    ) -> Tensor | None:
        """Give the attention mask between buyers; shape (sequences, 1, places, keys); None for no mask."""
        seen = self._rows_of_mask(hidden, mask, inside, past)
        if past == 0:
            of_buyers = bought.gather(1, inside)[:, None, None, :]
            if seen is None:
                return of_buyers
            columns = inside[:, None, None, :].expand(-1, seen.shape[1], inside.shape[1], -1)
            return _without(seen.gather(3, columns), ~of_buyers)
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


def rows(features: Tensor, places: Tensor) -> Tensor:
    """Give `features` (sequences, tokens, features) at `places` (sequences, places)."""
    return features.gather(1, places.unsqueeze(-1).expand(-1, -1, features.shape[-1]))


def _rows_of_positions(positions: Any, places: Tensor) -> tuple[Tensor, Tensor] | None:
    if positions is None:
        return None
    cosines, sines = (rows(part.expand(len(places), -1, -1), places) for part in positions)
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
