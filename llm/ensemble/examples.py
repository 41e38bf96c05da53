"""A task's examples as tensors on the device, and batches of them for several trainings at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from walras.llm.tasks import Examples
from walras.llm.tasks.buckets import LengthBuckets
from walras.market import InvalidInputError

__all__ = ["TensorExamples", "aligned_batches"]


@final
class TensorExamples:
    """All examples of a split, padded once, on a device: a batch is an index, without a data loader.

    Parameters
    ----------
    examples
        Tokenised; one or more.
    collate
        As `Task.collate`; padding on the right.

    Attributes
    ----------
    columns
        Tensors, examples first.
    lengths
        Tokens of each example.
    """

    def __init__(
        self,
        examples: Examples,
        collate: Callable[[list[dict[str, Any]]], dict[str, Any]],
        device: torch.device | str = "cpu",
    ) -> None:
        if len(examples) == 0:
            raise InvalidInputError("examples is empty: there is nothing to train on or to score.")
        self.lengths = np.array([len(row["input_ids"]) for row in examples.rows])
        self.columns: dict[str, Tensor] = {
            name: column.to(device) for name, column in collate(list(examples.rows)).items()
        }

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, numbers: NDArray[np.int64]) -> dict[str, Tensor]:
        """Give examples by number, shape (rows,), padded to the longest of them."""
        longest = int(self.lengths[numbers].max())
        device = next(iter(self.columns.values())).device
        index = torch.from_numpy(np.ascontiguousarray(numbers)).to(device, non_blocking=True)
        return {
            name: (column[:, :longest] if column.ndim == 2 else column).index_select(0, index)
            for name, column in self.columns.items()
        }


def aligned_batches(lengths: NDArray[np.int64], batch_size: int, seeds: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Give numbers of examples for several trainings, shape (seeds, batch_size), for ever.

    Each training goes through all examples once an epoch, in an order of its own seed. Their batches at one time are of
    about the same length (see `LengthBuckets`), so that a stack of models is hardly padded. What does not fill a last
    batch of an epoch is left out of it.
    """
    size = min(batch_size, len(lengths))
    buckets = [LengthBuckets(lengths.tolist(), size, seed=seed, order_seed=0) for seed in seeds]
    epoch = 0
    while True:
        for each in buckets:
            each.set_epoch(epoch)
        orders = np.array([list(each) for each in buckets])  # (seeds, examples)
        for first in range(0, len(lengths) - size + 1, size):
            yield orders[:, first : first + size]
        epoch += 1
