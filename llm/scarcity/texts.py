"""Texts to look at, and what a model is asked of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm.resources import is_causal
from walras.market import InvalidInputError

__all__ = ["CAUSAL", "LABEL", "MASKED", "TextBatch", "Texts", "objective_of"]

CAUSAL, MASKED, LABEL = "next token", "masked tokens", "label"


@final
@dataclass(frozen=True, eq=False)
class TextBatch:
    """Some texts, padded.

    Attributes
    ----------
    numbers
        Which of the texts they are, shape (batch,).
    tokens, real, ordinary
        Shape (batch, longest): token numbers; whether a place holds a token; whether it holds one that is not special.
    labels
        Class numbers, shape (batch,), or None.
    """

    numbers: NDArray[np.int64]
    tokens: Tensor
    real: Tensor
    ordinary: Tensor
    labels: Tensor | None


@final
@dataclass(frozen=True)
class Texts:
    """Tokenised texts.

    Parameters
    ----------
    tokens
        Token numbers of each text, special tokens included.
    special
        Numbers of the tokens that are not the text's own: [CLS], [SEP], a mark of the beginning.
    padding
        What short texts are filled up with in a batch; it is never looked at.
    mask
        Number of the token that hides another, for models that guess hidden tokens; None for others.
    labels
        A class of each text, for classifiers; None for others.
    first_is_special
        Whether the first token counts as special whatever it is: under a causal mask all may look at it, and many
        heads rest on it.
    """

    tokens: tuple[tuple[int, ...], ...]
    special: frozenset[int]
    padding: int
    mask: int | None = None
    labels: tuple[int, ...] | None = None
    first_is_special: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tuple(tuple(text) for text in self.tokens))
        object.__setattr__(self, "special", frozenset(self.special))
        if not self.tokens:
            raise InvalidInputError("Texts.tokens is empty: give at least one text.")
        if self.labels is not None and len(self.labels) != len(self.tokens):
            raise InvalidInputError(f"There are {len(self.labels)} labels for {len(self.tokens)} texts.")
        for number in range(len(self.tokens)):
            if self.ordinary(number).sum() < 2:
                raise InvalidInputError(f"Text {number} has fewer than 2 tokens that are not special: leave it out.")

    def __len__(self) -> int:
        return len(self.tokens)

    def ordinary(self, number: int) -> NDArray[np.bool_]:
        """Which tokens of a text are not special, shape (tokens,)."""
        found = np.array([token not in self.special for token in self.tokens[number]], dtype=np.bool_)
        found[:1] &= not self.first_is_special
        return found

    def part(self, first: int, last: int) -> "Texts":
        """Give the texts from number `first` up to `last`, the latter left out."""
        labels = None if self.labels is None else self.labels[first:last]
        return Texts(self.tokens[first:last], self.special, self.padding, self.mask, labels, self.first_is_special)

    def batches(self, size: int, device: torch.device | None = None) -> Iterator[TextBatch]:
        """Give all texts once, in batches of about the same length."""
        order = np.argsort([len(text) for text in self.tokens], kind="stable")
        for start in range(0, len(order), size):
            numbers = order[start : start + size]
            shape = (len(numbers), max(len(self.tokens[number]) for number in numbers))
            tokens, real, ordinary = np.full(shape, self.padding), np.zeros(shape, bool), np.zeros(shape, bool)
            for row, number in enumerate(numbers):
                length = len(self.tokens[number])
                tokens[row, :length], real[row, :length] = self.tokens[number], True
                ordinary[row, :length] = self.ordinary(number)
            yield TextBatch(
                numbers,
                torch.from_numpy(tokens).to(device),
                torch.from_numpy(real).to(device),
                torch.from_numpy(ordinary).to(device),
                None if self.labels is None else torch.tensor(_chosen(self.labels, numbers), device=device),
            )


def objective_of(model: PreTrainedModel, texts: Texts) -> str:
    """What the model is asked: its next tokens, hidden tokens, or the text's label.

    Raises
    ------
    InvalidInputError
        If the texts bring neither a mask nor labels to a model that is not a causal language model.
    """
    if is_causal(model) and model.can_generate():
        return CAUSAL
    if texts.labels is not None:
        return LABEL
    if texts.mask is not None:
        return MASKED
    raise InvalidInputError(
        f"{type(model).__name__} is no causal language model: the texts must bring labels, or the number of the token "
        "that hides another (mask)."
    )


def _chosen(labels: Sequence[int], numbers: NDArray[np.int64]) -> list[int]:
    return [labels[number] for number in numbers]
