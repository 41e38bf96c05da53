"""Keys and values of tokens that do not buy: what the others see of them at the layer."""

import inspect
import sys
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from walras.llm.architectures import Attention, Sublayer
from walras.llm.tokens.fused import attention_at

__all__ = ["BuyersOnly", "KeyValues", "Seen", "parameters_of"]

Path: TypeAlias = tuple[str, ...]


class KeyValues:
    """Computes keys and values as one attention does without its queries, and queries without its keys.

    Parameters
    ----------
    sublayer
        The attention; query, key and value have projections of their own.
    """

    def __init__(self, sublayer: Sublayer) -> None:
        names = sublayer.names
        assert isinstance(names, Attention)
        self.layer = sublayer.module
        # Parts are looked up in each pass, for others may replace them, and names are split beforehand.
        self.pre_norm: Path | None = None if names.pre_norm is None else path(names.pre_norm)
        self._module = path(names.module)
        self._query, self._key, self._value = (path(name) for name in names.inputs)
        # The projection of what is mixed, if attention itself applies it.
        self.output: Path | None = path(names.output) if names.output.startswith(f"{names.module}.") else None
        self.heads, self.head_dim = sublayer.key_value_heads, sublayer.head_dim

    @property
    def attention(self) -> Any:
        """The module that owns the cache's layer number."""
        return part(self.layer, self._module)

    @property
    def number(self) -> int:
        """The layer's number in a cache."""
        return int(self.attention.layer_idx)

    def normalised(self, hidden: Tensor) -> Tensor:
        """Give what attention reads of hidden states before the layer, shape (sequences, tokens, features)."""
        return hidden if self.pre_norm is None else part(self.layer, self.pre_norm)(hidden)

    def __call__(self, hidden: Tensor, positions: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Give keys and values, shape (sequences, heads, tokens, features of a head).

        Parameters
        ----------
        hidden
            Normalised hidden states, shape (sequences, tokens, features).
        positions
            Cosines and sines of rotary positions, shape (sequences, tokens, features of a head); None without them.
        """
        return self._heads(self._key, hidden, "k_norm", positions), self._heads(self._value, hidden, None, None)

    def queries(self, hidden: Tensor, positions: tuple[Tensor, Tensor] | None) -> Tensor:
        """Give queries, shape (sequences, heads, tokens, features of a head), from normalised hidden states."""
        return self._heads(self._query, hidden, "q_norm", positions)

    def _heads(
        self, projection: Path, hidden: Tensor, norm: str | None, positions: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        projected = part(self.layer, projection)(hidden)
        projected = projected.view(*hidden.shape[:-1], -1, self.head_dim)  # (sequences, tokens, heads, features)
        normalise = None if norm is None else getattr(self.attention, norm, None)
        heads = (projected if normalise is None else normalise(projected)).transpose(1, 2)
        if positions is None:
            return heads
        # As `apply_rotary_pos_emb` does to queries and keys together.
        cosines, sines = (part.unsqueeze(1) for part in positions)
        rotate_half = sys.modules[type(self.attention).__module__].rotate_half
        return heads * cosines + rotate_half(heads) * sines

    def put_stand_ins(self) -> None:
        """Let attention take keys and values that are there, and normalised hidden states likewise."""
        self.attention.forward = QueriesOnly(self)
        if self.pre_norm is not None:
            norm = part(self.layer, self.pre_norm)
            norm.forward = NormalisedBefore(norm)

    def take_stand_ins(self) -> None:
        """Give both their own back."""
        del self.attention.forward
        if self.pre_norm is not None:
            del part(self.layer, self.pre_norm).forward

    def give_rows(self, normalised: Tensor) -> None:
        """Let the next normalisation before attention give these, shape (sequences, places, features)."""
        assert self.pre_norm is not None
        part(self.layer, self.pre_norm).forward.given = normalised

    def nothing(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Give keys and values of absent tokens: zeros."""
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        zeros = hidden.new_zeros((hidden.shape[0], self.heads, hidden.shape[1], self.head_dim), dtype=dtype)
        return zeros, zeros


class Seen(NamedTuple):
    """Stands for the cache of one layer that buyers run through: keys and values of all tokens that they see.

    Attributes
    ----------
    keys, values
        Shape (sequences, heads, tokens, features of a head), in the order of the text.
    normalised
        What attention reads of all tokens, shape (sequences, tokens, features).
    places
        Where each query stands among them, shape (sequences, queries), if it sees those up to its own and attention is
        to see to that without a mask; else None.
    """

    keys: Tensor
    values: Tensor
    normalised: Tensor
    places: Tensor | None = None


class NormalisedBefore:
    """Stands for the `forward` of the normalisation before attention: gives once what was computed for all tokens.

    Parameters
    ----------
    norm
        The module.
    """

    def __init__(self, norm: nn.Module) -> None:
        self.norm = norm
        self.given: Tensor | None = None

    def __call__(self, hidden: Tensor) -> Tensor:
        """Normalise, or give the rows that wait here."""
        given, self.given = self.given, None
        return type(self.norm).forward(self.norm, hidden) if given is None else given


class QueriesOnly:
    """Stands for an attention's `forward`: handed keys and values as `Seen`, it computes queries alone.

    Parameters
    ----------
    keys
        Of the same attention.
    """

    def __init__(self, keys: KeyValues) -> None:
        self.keys = keys
        self.names = parameters_of(keys.attention)

    def __call__(self, *arguments: Any, **named: Any) -> tuple[Tensor, Tensor | None]:
        """Attend."""
        attention, names = self.keys.attention, self.names
        named = dict(zip(names, arguments, strict=False)) | named
        seen = named.get("past_key_values")
        if not isinstance(seen, Seen):
            return type(attention).forward(attention, **named)
        queries = self.keys.queries(named["hidden_states"], named.get("position_embeddings"))
        keys, values = seen.keys.to(queries.dtype), seen.values.to(queries.dtype)
        weights = None
        if seen.places is not None:
            mixed = attention_at(queries, keys, values, seen.places, float(attention.scaling))
        else:
            mask, dropout = named.get("attention_mask"), attention_dropout(attention)
            mixed, weights = self._interface(attention)(
                attention, queries, keys, values, mask, dropout=dropout, scaling=attention.scaling
            )
        mixed = mixed.flatten(-2).contiguous()  # (sequences, places, heads * features)
        return mixed if self.keys.output is None else part(self.keys.layer, self.keys.output)(mixed), weights

    @staticmethod
    def _interface(attention: Any) -> Any:
        eager = sys.modules[type(attention).__module__].eager_attention_forward
        return ALL_ATTENTION_FUNCTIONS.get_interface(attention.config._attn_implementation, eager)


def attention_dropout(attention: Any) -> float:
    """Give the rate at which an attention drops weights now."""
    if not attention.training:
        return 0.0
    return float(attention.attention_dropout if hasattr(attention, "attention_dropout") else attention.dropout.p)


def parameters_of(module: nn.Module) -> list[str]:
    """Name what a module's `forward` takes, in order."""
    return [name for name in inspect.signature(type(module).forward).parameters if name != "self"]


class BuyersOnly:
    """Stands for the cache of one layer at which those that do not buy are absent.

    The cache keeps a place for every token: absent ones have zeros there, which tell them from real keys whatever the
    cache does to its sequences between forward passes.

    Parameters
    ----------
    bought
        Of each buyer's place, whether it is one, shape (sequences, places).
    places
        Where each token stands among buyers and then others, shape (sequences, tokens).
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


def path(name: str) -> Path:
    """Split the name of a module within another."""
    return tuple(name.split("."))


def part(layer: nn.Module, names: Path) -> Any:
    """Give a part of a layer; quicker than `get_submodule`."""
    found: Any = layer
    for name in names:
        found = getattr(found, name)
    return found


def pick(features: Tensor, places: Tensor) -> Tensor:
    """Give `features` (sequences, heads, tokens, features) at `places` (sequences, places)."""
    return features.gather(2, places[:, None, :, None].expand(-1, features.shape[1], -1, features.shape[-1]))
