"""What a language task is: examples, a way to batch them, and one score."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, matthews_corrcoef
from torch.utils.data import Dataset

__all__ = ["METRICS", "Examples", "Task"]

Metric: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], float]


def _matthews(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    return float(matthews_corrcoef(labels, logits.argmax(-1)))


def _accuracy(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    return float(accuracy_score(labels, logits.argmax(-1)))


def _pearson(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    if np.ptp(logits) == 0.0:
        return 0.0  # a constant prediction explains nothing; the coefficient itself is undefined
    return float(pearsonr(logits[:, 0], labels).statistic)


METRICS: Mapping[str, Metric] = {"matthews": _matthews, "accuracy": _accuracy, "pearson": _pearson}


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
    """A sequence classification or regression task.

    Attributes
    ----------
    name
        As on the command line.
    train, evaluation
        Tokenised examples; the score is taken on `evaluation`.
    outputs
        Number of logits: classes, or 1 for regression.
    metric
        Key of `METRICS`.
    collate
        Makes a padded batch of tensors from a list of examples.
    words
        The text of each token number, for reading examples back.
    """

    name: str
    train: Examples
    evaluation: Examples
    outputs: int
    metric: str
    collate: Callable[[list[dict[str, Any]]], dict[str, Any]]
    words: Callable[[Sequence[int]], list[str]]

    @property
    def longest(self) -> int:
        """Tokens in the longest evaluation example."""
        return max(len(row["input_ids"]) for row in self.evaluation.rows)

    def score(self, logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
        """Score logits of shape (examples, outputs) against labels of shape (examples,)."""
        return METRICS[self.metric](logits, labels)
