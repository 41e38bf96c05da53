"""FLOPs over a task's own examples: of the real tokens, and of the padded batches that a device computes."""

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm import count_flops
from walras.llm.tasks import Task
from walras.llm.training import EVALUATION_BATCH

__all__ = ["TaskFlops", "task_flops"]


@final
class TaskFlops(NamedTuple):
    """Mean FLOPs of an example.

    Attributes
    ----------
    real
        If each example were computed alone, without padding.
    padded
        In batches of 128 examples of about equal length, each padded to its longest, as `predict` scores them.
    """

    real: float
    padded: float


def task_flops(model: PreTrainedModel, task: Task) -> TaskFlops:
    """Give the mean FLOPs of a task's evaluation examples.

    FLOPs are a quadratic polynomial of the length T (projections grow as T, scores and mixing as T^2; a pooler and a
    head do not grow). It is fitted through three counted lengths, exactly, and evaluated at each example's length.
    """
    lengths = np.sort([len(row["input_ids"]) for row in task.evaluation.rows])
    longest = int(lengths[-1])
    nodes = np.array([1, max((1 + longest) // 2, 2), max(longest, 3)])
    counted = np.array([count_flops(model, sequence_length=int(length)) for length in nodes], dtype=np.float64)
    polynomial = np.polynomial.Polynomial.fit(nodes, counted, 2)
    return TaskFlops(float(polynomial(lengths).mean()), float(polynomial(_padded(lengths)).mean()))


def _padded(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Length of each example's batch, for ascending lengths."""
    last = np.minimum((np.arange(len(lengths)) // EVALUATION_BATCH + 1) * EVALUATION_BATCH, len(lengths)) - 1
    return lengths[last]
