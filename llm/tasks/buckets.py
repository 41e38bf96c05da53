"""Batches of examples of about the same length, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence
from typing import final

import numpy as np
from torch.utils.data import Sampler

from walras.market import InvalidInputError

__all__ = ["LengthBuckets"]


@final
class LengthBuckets(Sampler[int]):
    """Draws all examples once an epoch, in an order in which each batch's are of about the same length.

    The examples are shuffled and cut into pools of some batches; each pool is sorted by length and cut into batches,
    and all batches are shuffled. The order depends on seed and epoch alone, so that a resumed training goes on with the
    batches that it would have had.

    Parameters
    ----------
    lengths
        Of the examples.
    batch_size
        Examples in a batch; what is left over is the last, smaller batch.
    pool
        Batches in a pool: more of them save more padding, and mix less.
    order_seed
        Of the order of batches, if it is not to be of `seed`: samplers with one `order_seed` and several seeds have
        batches of about the same length at the same time.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        *,
        pool: int = 50,
        seed: int = 0,
        order_seed: int | None = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("pool", pool)):
            if not isinstance(value, int) or value < 1:
                raise InvalidInputError(f"LengthBuckets.{name} must be a whole number of 1 or more, got {value!r}.")
        self.lengths = np.array(lengths)
        self.batch_size, self.pool, self.seed, self.order_seed = batch_size, pool, seed, order_seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is given."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self.seed, self.epoch))
        shuffled = rng.permutation(len(self.lengths))
        whole = len(shuffled) // self.batch_size * self.batch_size
        batches: list[np.ndarray] = []
        for first in range(0, whole, self.pool * self.batch_size):
            pooled = shuffled[first : min(first + self.pool * self.batch_size, whole)]
            in_order = pooled[self.lengths[pooled].argsort(kind="stable")]
            batches += np.split(in_order, len(in_order) // self.batch_size)
        if self.order_seed is not None:
            rng = np.random.default_rng((self.order_seed, self.epoch))
        order = [batches[number] for number in rng.permutation(len(batches))]
        return iter(np.concatenate([*order, shuffled[whole:]]).tolist())
