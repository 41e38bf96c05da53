"""Checks that auctions share: reserves, and bids with any number of leading axes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, nonnegative_number, nonnegative_vector

__all__ = ["LARGEST_AMOUNT", "as_reserve", "bid_array", "check_amounts", "check_falling", "check_generator", "one_each"]

# Amounts of money must stay below this, so that sums of them are numbers.
LARGEST_AMOUNT = 1e300


def as_reserve(name: str, reserve: Any, *, of: str = "bidder") -> float | tuple[float, ...]:
    """Give a reserve as one number for all, or as a tuple of one per bidder (or `of`)."""
    if np.asarray(reserve, dtype=object).ndim == 0:
        return nonnegative_number(name, reserve)
    return tuple(nonnegative_vector(name, reserve, of=of).tolist())


def one_each(name: str, reserve: ArrayLike, bidders: int) -> FloatArray:
    """Give one reserve per bidder, shape (n,)."""
    return nonnegative_vector(name, reserve, length=bidders, of="bidder")


def bid_array(bids: ArrayLike, axes: int, last: str) -> FloatArray:
    """Give bids of `axes` axes or more, 0 or more each; `last` names the last axes, for the message."""
    shape = _shape_of(bids)
    if len(shape) < axes:
        raise InvalidInputError(f"bids must have shape (..., {last}); got shape {shape}.")
    if 0 in shape:
        raise InvalidInputError(f"bids is empty, of shape {shape}: an auction needs at least one bidder.")
    return nonnegative_vector("bids", np.ravel(bids), of="bid").reshape(shape)


def check_falling(bids: FloatArray) -> None:
    """Raise `InvalidInputError` unless bids fall (or stay) along the last axis."""
    rises = np.argwhere(np.diff(bids, axis=-1) > 0.0)
    if len(rises):
        first = tuple(int(index) for index in rises[0])
        raise InvalidInputError(
            f"bids must not rise from one unit to the next: entry {(*first[:-1], first[-1] + 1)} is "
            f"{bids[(*first[:-1], first[-1] + 1)]}, after {bids[first]}."
        )


def check_amounts(name: str, amounts: FloatArray) -> None:
    """Raise `InvalidInputError` where the sum of the amounts would leave float64."""
    with np.errstate(over="ignore"):
        total = float(np.sum(np.abs(amounts)))
    if not total < LARGEST_AMOUNT:
        raise InvalidInputError(
            f"{name} must add up to less than {LARGEST_AMOUNT:g}, got {total:g}: measure money in a larger unit."
        )


def check_generator(generator: object) -> np.random.Generator | None:
    """Give the generator, or None, or raise `InvalidInputError`."""
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise InvalidInputError(f"generator must be a numpy.random.Generator or None, got {generator!r}.")
    return generator


def _shape_of(bids: ArrayLike) -> tuple[int, ...]:
    try:
        return np.shape(bids)
    except ValueError as error:
        raise InvalidInputError(f"bids must be an array of real numbers, got {bids!r}.") from error
