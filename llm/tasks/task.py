"""What a language task is: examples, a way to batch them, and one score."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, matthews_corrcoef
from torch import Tensor
from torch.utils.data import Dataset

from walras.llm.tasks.language import ScoredText, token_nats

__all__ = ["LOWER_IS_BETTER", "METRICS", "Examples", "Task", "kept_of_dense"]

Metric: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], float]


def _matthews(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    return float(matthews_corrcoef(labels, logits.argmax(-1)))


def _accuracy(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    return float(accuracy_score(labels, logits.argmax(-1)))


def _pearson(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    if np.ptp(logits) == 0.0:
        return 0.0  # a constant prediction explains nothing; the coefficient itself is undefined
    return float(pearsonr(logits[:, 0], labels).statistic)


def _spearman(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    return 0.0 if np.ptp(logits) == 0.0 else float(spearmanr(logits[:, 0], labels).statistic)


METRICS: Mapping[str, Metric] = {"matthews": _matthews, "accuracy": _accuracy, "pearson": _pearson}

LOWER_IS_BETTER = frozenset({"perplexity", "bits_per_byte"})


def kept_of_dense(metric: str, score: float, dense_score: float) -> float:
    """Give the fraction of the dense model's score that a smaller model keeps; NaN if the dense one learned nothing.

    Parameters
    ----------
    metric
        Where lower is better (`LOWER_IS_BETTER`), the fraction is dense_score / score, and otherwise score /
        dense_score: more is better for all.

    Examples
    --------
    >>> from walras.llm.tasks import kept_of_dense
    >>> kept_of_dense("accuracy", 0.4, 0.8), kept_of_dense("perplexity", 70.0, 56.0)
    (0.5, 0.8)
    """
    if not (dense_score > 0.0 and (metric not in LOWER_IS_BETTER or score > 0.0)):
        return float("nan")
    return dense_score / score if metric in LOWER_IS_BETTER else score / dense_score


@final
class Examples(Dataset[dict[str, Any]]):
    """Tokenised examples in memory: one dict of plain lists each, with `labels`."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]

    def head(self, count: int) -> "Examples":
        """Give the first examples."""
        return Examples(self.rows[:count])


@final
@dataclass(frozen=True)
class Task:
    """A task of classification or regression of sequences, or of language modelling.

    Attributes
    ----------
    name
        As on the command line.
    train, evaluation
        Tokenised examples; the score is taken on `evaluation`.
    outputs
        Number of logits: classes, or 1 for regression; of each token, the vocabulary.
    metric
        Of the score: a key of `METRICS`, or `perplexity` for language modelling.
    collate
        Makes a batch of tensors from a list of examples, padded where they differ in length.
    words
        The text of each token number, for reading examples back.
    text
        For language modelling, how long the text is that all evaluation examples together score; None for other tasks.
    evaluation_batch
        Examples that are scored in one forward pass.
    special
        Numbers of the tokens that are not the text's own: padding, [CLS], [SEP], a mark of the beginning.
    """

    name: str
    train: Examples
    evaluation: Examples
    outputs: int
    metric: str
    collate: Callable[[list[dict[str, Any]]], dict[str, Any]]
    words: Callable[[Sequence[int]], list[str]]
    text: ScoredText | None = None
    evaluation_batch: int = 128
    special: frozenset[int] = frozenset()

    @property
    def longest(self) -> int:
        """Tokens in the longest evaluation example."""
        return max(len(row["input_ids"]) for row in self.evaluation.rows)

    @property
    def lower_is_better(self) -> bool:
        """Whether a model is better the lower its score."""
        return self.metric in LOWER_IS_BETTER

    def observed(self, logits: Tensor, labels: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give what the score takes of a batch: logits and labels, or for language modelling sums over tokens.

        Parameters
        ----------
        logits, labels
            A model's output, shape (batch, outputs) or (batch, tokens, outputs), and the batch's labels.

        Returns
        -------
        tuple of arrays
            (batch, outputs) and (batch,): logits and labels; for language modelling (batch, 1) and (batch,): nats, and
            the number of scored tokens. To be concatenated over batches.
        """
        if self.text is not None:
            return token_nats(logits, labels)
        return logits.double().cpu().numpy(), labels.double().cpu().numpy()

    def measures(self, observed: NDArray[np.float64], labels: NDArray[np.float64]) -> Mapping[str, float]:
        """Give all measures by name, the score's first, of what `observed` gives for all evaluation examples.

        Beside the score: `bits_per_byte` for language modelling, `spearman` for regression.
        """
        if self.text is not None:
            return self.text.measures(float(observed.sum()))
        found = {self.metric: METRICS[self.metric](observed, labels)}
        return found if self.outputs > 1 else {**found, "spearman": _spearman(observed, labels)}

    def score(self, observed: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
        """Score what `observed` gives for all evaluation examples: logits of shape (examples, outputs), as a rule."""
        return self.measures(observed, labels)[self.metric]
