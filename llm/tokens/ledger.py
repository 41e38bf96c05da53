"""What was bought in a forward pass: which tokens, at which layer, at what price, and what it computed."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from walras.llm.errors import CouplingError
from walras.llm.tokens.places import limits, whole_parts
from walras.llm.tokens.purchases import Purchase
from walras.market import InvalidInputError

__all__ = ["Batch", "Ledger", "Pass", "Posted", "Recording", "Work", "batch_of"]


class Batch(NamedTuple):
    """The tokens of a forward pass.

    Attributes
    ----------
    numbers
        Token numbers, shape (sequences, tokens); None where the model was called with embeddings.
    real
        False for padding, shape (sequences, tokens).
    first
        Position of the first token: how many stand in the cache before it.
    plain
        Whether the attention mask says no more than which tokens are padding.
    """

    numbers: Tensor | None
    real: Tensor
    first: int
    plain: bool


class Posted(NamedTuple):
    """The price that a layer posts, and the lowest bid that buys at it; both of shape ()."""

    price: Tensor
    served_from: Tensor


class Work(NamedTuple):
    """What a layer computed: sequences, tokens, keys that a query saw, and places taken through the layer, each."""

    sequences: int
    tokens: int
    keys: int
    places: int


@final
@dataclass
class Pass:
    """The purchases of one forward pass, by the layers' numbers, and what its layers have in common.

    `posted` has what each layer for sale posts, in their order; nothing where markets clear.
    """

    batch: Batch
    posted: tuple[Posted, ...] = ()
    purchases: dict[int, tuple[Purchase, Work]] = field(default_factory=dict)
    _shared: dict[tuple[str, float], Tensor] = field(default_factory=dict)

    def sold(self, capacity: float) -> Tensor:
        """How many tokens of each sequence buy at a capacity, shape (sequences, 1); worked out once for all layers."""
        key = ("capacity", capacity)
        if key not in self._shared:
            self._shared[key] = whole_parts(capacity, self.batch.real.sum(-1, keepdim=True))
        return self._shared[key]

    def limits(self, room: float) -> Tensor:
        """As `places.limits` gives them, worked out once for all layers."""
        key = ("room", room)
        if key not in self._shared:
            self._shared[key] = limits(self.batch.real, room)
        return self._shared[key]

    def positions(self) -> Tensor:
        """0, 1, ..., one for each token."""
        key = ("positions", 0.0)
        if key not in self._shared:
            self._shared[key] = torch.arange(self.batch.real.shape[1], device=self.batch.real.device)
        return self._shared[key]

    def starts(self) -> Tensor:
        """Where each sequence begins among the tokens of all, shape (sequences, 1)."""
        key = ("starts", 0.0)
        if key not in self._shared:
            real = self.batch.real
            self._shared[key] = torch.arange(len(real), device=real.device).unsqueeze(-1) * real.shape[1]
        return self._shared[key]

    def frame(self, number: int) -> pd.DataFrame:
        """Give a row per real token and layer."""
        real = self.batch.real.cpu().numpy()
        sequence, place = np.nonzero(real)
        numbers = self.batch.numbers
        token = np.full(len(place), -1) if numbers is None else numbers.cpu().numpy()[sequence, place]
        tables = []
        for layer, (purchase, _) in self.purchases.items():
            valuations, shares, price = (
                tensor.double().cpu().numpy() for tensor in (purchase.valuations, purchase.shares, purchase.price)
            )
            tables.append(
                pd.DataFrame(
                    {
                        "forward_pass": number,
                        "sequence": sequence,
                        "position": self.batch.first + place,
                        "token": token,
                        "layer": layer,
                        "valuation": valuations[sequence, place],
                        "price": price[sequence],
                        "share": shares[sequence, place],
                        "bought": purchase.bought.cpu().numpy()[sequence, place],
                    }
                )
            )
        return pd.concat(tables, ignore_index=True)


class Recording:
    """The purchases of several forward passes, one behind the other."""

    def __init__(self) -> None:
        self.passes: list[Pass] = []

    def frame(self) -> pd.DataFrame:
        """Give a row per real token, layer and forward pass; the columns are those of `TokenEconomy.purchases`."""
        tables = [each.frame(number) for number, each in enumerate(self.passes) if each.purchases]
        if not tables:
            raise CouplingError("Nothing was sold while this was recorded: run a forward pass inside.")
        return pd.concat(tables, ignore_index=True)


@final
class Ledger:
    """The last forward pass, and the recording that it belongs to, if there is one."""

    def __init__(self) -> None:
        self.last: Pass | None = None
        self.recording: Recording | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the last pass behind when the model is copied or pickled."""
        return {"last": None, "recording": None}

    def open(self, batch: Batch, posted: tuple[Posted, ...]) -> None:
        """Begin a forward pass."""
        self.last = Pass(batch, posted)
        if self.recording is not None:
            self.recording.passes.append(self.last)

    def enter(self, layer: int, purchase: Purchase, work: Work) -> None:
        """Write down what a layer sold, detached."""
        if self.last is not None:
            self.last.purchases[layer] = (purchase.detached(), work)

    def sold(self) -> Pass:
        """Give the last forward pass, or raise if there was none."""
        if self.last is None or not self.last.purchases:
            raise CouplingError("Nothing was sold yet: run a forward pass first.")
        return self.last


def batch_of(named: dict[str, Any]) -> Batch:
    """Read the tokens from what the base model is called with.

    Raises
    ------
    InvalidInputError
        No tokens, or an attention mask that does not say which tokens are padding.
    """
    numbers, embeddings = named.get("input_ids"), named.get("inputs_embeds")
    tokens = numbers if numbers is not None else embeddings
    if tokens is None:
        raise InvalidInputError("The model was called with neither input_ids nor inputs_embeds.")
    cache = named.get("past_key_values")
    first = 0 if cache is None else int(cache.get_seq_length())
    mask = named.get("attention_mask")
    return Batch(numbers, _real(mask, tokens, first), first, mask is None or mask.ndim == 2)


def _real(mask: object, tokens: Tensor, first: int) -> Tensor:
    """Tell real tokens from padding, shape (sequences, tokens)."""
    sequences, count = tokens.shape[:2]
    if mask is None:
        return torch.ones((sequences, count), dtype=torch.bool, device=tokens.device)
    if isinstance(mask, Tensor) and mask.ndim == 2 and mask.shape[0] == sequences and mask.shape[1] >= count:
        return mask[:, mask.shape[1] - count :].to(tokens.device).bool()  # those before stand in the cache
    if isinstance(mask, Tensor) and mask.ndim == 4 and mask.shape[2] == count and mask.shape[3] >= first + count:
        # Generation with a static cache makes the mask of scores itself: a real token sees itself, padding does not.
        own = mask[:, 0, :, first : first + count].diagonal(dim1=-2, dim2=-1).expand(sequences, -1)
        return own if own.dtype == torch.bool else own > -1.0
    got = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
    raise InvalidInputError(
        "attention_mask must have shape (sequences, tokens), 0 for padding, so that padding buys nothing; got "
        f"{got} for {sequences} sequences of {count} tokens."
    )
