"""Language modelling as a task: blocks to train on, windows to score, and what a score is.

A text of tokens `t_1 ... t_n`, behind a start token `t_0`, is scored as

    nats = - sum_i log p(t_i | up to window - 1 tokens before it)
    perplexity = exp(nats / words),    bits per byte = nats / (bytes log 2)

with words and bytes of the text itself, so that models with different vocabularies can be compared.

Every window has as many tokens: where a stride would lead beyond the end of the text, the last window is moved left to
end with it. So no batch is padded, and no token has less context than `window - stride`, but for the text's first ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from walras.llm.errors import DataError
from walras.market.validation import whole_number

__all__ = ["NOT_SCORED", "ScoredText", "sliding_windows", "stacked", "token_nats", "training_blocks"]

NOT_SCORED = -100  # the label that transformers' losses leave out

Row = dict[str, NDArray[np.int64]]


@final
@dataclass(frozen=True)
class ScoredText:
    """How long the text is that is scored.

    Attributes
    ----------
    words
        Words as they are counted in the benchmark; the end of a line is one.
    size_bytes
        Bytes of the text that the model reads, in UTF-8.
    """

    words: int
    size_bytes: int

    def __post_init__(self) -> None:
        whole_number("words", self.words, minimum=1)
        whole_number("size_bytes", self.size_bytes, minimum=1)

    def measures(self, nats: float) -> Mapping[str, float]:
        """Give `perplexity` (a word) and `bits_per_byte` of the whole text's negative log-likelihood.

        Examples
        --------
        >>> import math
        >>> from walras.llm.tasks import ScoredText
        >>> measures = ScoredText(words=10, size_bytes=50).measures(nats=10 * math.log(56.0))
        >>> {name: round(value, 3) for name, value in measures.items()}
        {'perplexity': 56.0, 'bits_per_byte': 1.161}
        """
        a_word = nats / self.words
        # A model that has learned nothing may be worse than any float, and is the worst all the same.
        perplexity = math.exp(a_word) if a_word < math.log(np.finfo(np.float64).max) else math.inf
        return {"perplexity": perplexity, "bits_per_byte": nats / (self.size_bytes * math.log(2.0))}


def training_blocks(tokens: NDArray[np.int64], window: int) -> list[Row]:
    """Cut tokens, shape (n,), into blocks of `window` that follow one another; what is left over at the end goes.

    The labels are the tokens: causal models of transformers shift them. Both are views of `tokens`.

    Raises
    ------
    DataError
        There is not one whole block.
    """
    whole = len(tokens) // window
    if whole == 0:
        raise DataError(f"The training text has {len(tokens)} tokens, less than a block of {window}: read more of it.")
    blocks = tokens[: whole * window].reshape(whole, window)
    return [{"input_ids": block, "labels": block} for block in blocks]


def sliding_windows(tokens: NDArray[np.int64], window: int, stride: int) -> list[Row]:
    """Give windows over tokens, shape (n,), in which every token but the first is scored once.

    Parameters
    ----------
    tokens
        The start token and the text.
    window
        Tokens of each; of the only one, if there are fewer tokens.
    stride
        Tokens that all but the first and the last window score, from 1 to window - 1.
    """
    if len(tokens) < 2:
        raise DataError(f"The evaluation text has {len(tokens)} tokens; to be scored it needs 2.")
    rows, scored = [], 1  # tokens before `scored` are done
    while scored < len(tokens):
        stop = min(window if scored == 1 else scored + stride, len(tokens))
        first = max(stop - window, 0)  # <= scored - 1, since stride < window: there is a context
        labels = tokens[first:stop].copy()
        labels[: scored - first] = NOT_SCORED
        rows.append({"input_ids": tokens[first:stop], "labels": labels})
        scored = stop
    return rows


def stacked(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Make a batch of rows of equal length: input_ids and labels, shape (batch, length), and no padding."""
    return {
        name: torch.from_numpy(np.stack([np.asarray(row[name], dtype=np.int64) for row in rows]))
        for name in ("input_ids", "labels")
    }


@torch.no_grad()
def token_nats(logits: Tensor, labels: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give each example's negative log-likelihood in nats, shape (examples, 1), and its number of scored tokens.

    Parameters
    ----------
    logits
        Shape (examples, tokens, vocabulary).
    labels
        Shape (examples, tokens): what stands at each place, which the logits before it are for, or `NOT_SCORED`.

    Notes
    -----
    *Cost*: example by example, since in float32 the probabilities of a batch would take twice the memory of its logits.
    """
    nats = [
        cross_entropy(of_example[:-1].float(), its_labels[1:], ignore_index=NOT_SCORED, reduction="none").double().sum()
        for of_example, its_labels in zip(logits, labels.to(logits.device), strict=True)
    ]
    counts = (labels[:, 1:] != NOT_SCORED).sum(1)
    return torch.stack(nats)[:, None].cpu().numpy(), counts.double().cpu().numpy()
