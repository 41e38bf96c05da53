"""Keys and values of tokens that do not buy: what the others see of them at the layer."""

import sys
from typing import Any

import torch
from torch import Tensor, nn

from walras.llm.architectures import Attention, Sublayer

__all__ = ["BuyersOnly", "KeyValues", "WithOthers"]


class KeyValues:
    """Computes keys and values as one attention does, without queries.

    Parameters
    ----------
    sublayer
        The attention; query, key and value have projections of their own.
    """

    def __init__(self, sublayer: Sublayer) -> None:
        names = sublayer.names
        assert isinstance(names, Attention)
        self.layer = sublayer.module
        self.pre_norm, self.module = names.pre_norm, names.module
        self.key, self.value = names.inputs[1:]
        self.heads, self.head_dim = sublayer.key_value_heads, sublayer.head_dim

    @property
    def attention(self) -> nn.Module:
        """The module that owns the cache's layer number."""
        return self.layer.get_submodule(self.module)

    @property
    def number(self) -> int:
        """The layer's number in a cache."""
        return int(self.attention.layer_idx)  # type: ignore[arg-type]

    def __call__(self, hidden: Tensor, positions: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Give keys and values, shape (sequences, heads, tokens, features of a head).

        Parameters
        ----------
        hidden
            Hidden states before the layer, shape (sequences, tokens, features).
        positions
            Cosines and sines of rotary positions, shape (sequences, tokens, features of a head); None without them.
        """
        if self.pre_norm is not None:
            hidden = self.layer.get_submodule(self.pre_norm)(hidden)
        shape = (*hidden.shape[:-1], self.heads, self.head_dim)
        keys = self.layer.get_submodule(self.key)(hidden).view(shape)
        values = self.layer.get_submodule(self.value)(hidden).view(shape).transpose(1, 2)
        norm = getattr(self.attention, "k_norm", None)
        keys = (keys if norm is None else norm(keys)).transpose(1, 2)
        if positions is not None:
            rotate = sys.modules[type(self.attention).__module__].apply_rotary_pos_emb
            keys = rotate(keys, keys, *positions)[1]
        return keys, values

    def nothing(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Give keys and values of absent tokens: zeros."""
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        zeros = hidden.new_zeros((hidden.shape[0], self.heads, hidden.shape[1], self.head_dim), dtype=dtype)
        return zeros, zeros


class WithOthers:
    """Stands for the cache of one layer that buyers run through: they see the keys and values of all tokens.

    Parameters
    ----------
    others
        Keys and values of those that do not buy, shape (sequences, heads, others, features).
    places
        Where each token stands among buyers and then others, shape (sequences, tokens).
    cache
        The model's own, if it has one.
    length
        How many keys queries see at most: a static cache gives more than it holds. None for all that it gives.
    """

    def __init__(self, others: tuple[Tensor, Tensor], places: Tensor, cache: Any, length: int | None) -> None:
        self.others, self.places, self.cache, self.length = others, places, cache, length

    def update(self, keys: Tensor, values: Tensor, layer: int, *rest: Any, **named: Any) -> tuple[Tensor, Tensor]:
        """Take the buyers' keys and values; give everyone's, in the order of the text."""
        everyone = [
            pick(torch.cat([mine, others.to(mine.dtype)], dim=2), self.places)
            for mine, others in zip((keys, values), self.others, strict=True)
        ]
        if self.cache is None:
            return everyone[0], everyone[1]
        keys, values = self.cache.update(*everyone, layer, *rest, **named)
        return keys[:, :, : self.length], values[:, :, : self.length]


class BuyersOnly:
    """Stands for the cache of one layer at which those that do not buy are absent.

    The cache keeps a place for every token: absent ones have zeros there, which tell them from real keys whatever the
    cache does to its sequences between forward passes.

    Parameters
    ----------
    bought
        Of each buyer's place, whether it is one, shape (sequences, places).
    places
        As for `WithOthers`.
    others
        How many do not buy.
    cache
        The model's own.
    sees_past
        Whether the cache held tokens before.
    """

    def __init__(self, bought: Tensor, places: Tensor, others: int, cache: Any, *, sees_past: bool) -> None:
        self.bought, self.places, self.others, self.cache = bought, places, others, cache
        self.sees_past = sees_past

    def update(self, keys: Tensor, values: Tensor, layer: int, *rest: Any, **named: Any) -> tuple[Tensor, Tensor]:
        """Write the buyers' keys and values; give theirs alone, or the whole cache if it held tokens before."""
        written = []
        for mine in (keys, values):
            mine = mine * self.bought[:, None, :, None].to(mine.dtype)
            absent = mine.new_zeros((*mine.shape[:2], self.others, mine.shape[-1]))
            written.append(pick(torch.cat([mine, absent], dim=2), self.places))
        everyone = self.cache.update(*written, layer, *rest, **named)
        return everyone if self.sees_past else (keys, values)


def pick(features: Tensor, places: Tensor) -> Tensor:
    """Give `features` (sequences, heads, tokens, features) at `places` (sequences, places)."""
    return features.gather(2, places[:, None, :, None].expand(-1, features.shape[1], -1, features.shape[-1]))
