"""FLOPs over a task's own examples: of the real tokens, and of the padded batches that a device computes."""

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm import EconomyConfig, Population, count_flops
from walras.llm.tasks import Task
from walras.llm.training import EVALUATION_BATCH

__all__ = ["AgentFlops", "TaskFlops", "agent_flops", "task_flops"]


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


@final
class AgentFlops(NamedTuple):
    """Mean FLOPs of each agent in an example, shapes (n,): as `TaskFlops`."""

    real: NDArray[np.float64]
    padded: NDArray[np.float64]

    def without(self, whole: TaskFlops, open_agents: NDArray[np.bool_]) -> TaskFlops:
        """Give what a model has left when the other agents are cut: FLOPs of agents add up."""
        closed = ~open_agents
        return TaskFlops(whole.real - float(self.real[closed].sum()), whole.padded - float(self.padded[closed].sum()))


def task_flops(model: PreTrainedModel, task: Task) -> TaskFlops:
    """Give the mean FLOPs of a task's evaluation examples.

    FLOPs are a quadratic polynomial of the length T (projections grow as T, scores and mixing as T^2; a pooler and a
    head do not grow). It is fitted through three counted lengths, exactly, and evaluated at each example's length.
    """
    lengths = _lengths(task)
    nodes = _nodes(lengths)
    counted = np.array([[count_flops(model, sequence_length=int(length))] for length in nodes], dtype=np.float64)
    return TaskFlops(*(float(mean[0]) for mean in _means(nodes, counted, lengths)))


def agent_flops(model: PreTrainedModel, task: Task, config: EconomyConfig) -> AgentFlops:
    """Give the same of each agent of a model, from the closed form."""
    lengths = _lengths(task)
    nodes = _nodes(lengths)
    costs = [
        Population.of(
            model, sequence_length=int(length), block_width=config.block_width, agents=config.agents
        ).costs_flops
        for length in nodes
    ]
    return AgentFlops(*_means(nodes, np.array(costs, dtype=np.float64), lengths))


def _lengths(task: Task) -> NDArray[np.int64]:
    return np.sort([len(row["input_ids"]) for row in task.evaluation.rows])


def _nodes(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    longest = int(lengths[-1])
    return np.array([1, max((1 + longest) // 2, 2), max(longest, 3)])


def _means(
    nodes: NDArray[np.int64], values: NDArray[np.float64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give means over examples, real and padded, of values (nodes, ...) that are quadratic in the length."""
    scale = float(nodes[-1])  # powers of lengths as they are would lose digits
    coefficients = np.linalg.solve(np.vander(nodes / scale, 3), values)
    real, padded = (np.vander(each / scale, 3).mean(0) @ coefficients for each in (lengths, _padded(lengths)))
    return real, padded


def _padded(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Length of each example's batch, for ascending lengths."""
    last = np.minimum((np.arange(len(lengths)) // EVALUATION_BATCH + 1) * EVALUATION_BATCH, len(lengths)) - 1
    return lengths[last]
