"""Checks that double auctions share: prices and quantities of orders, and the size of the money at stake."""

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_vector, positive_vector

__all__ = ["check_generator", "checked_orders", "checked_prices"]

# Amounts of money and of units must stay below this, so that sums and products of them are numbers.
_LARGEST_AMOUNT = 1e150


def checked_prices(name: str, prices: ArrayLike, *, of: str, length: int | None = None) -> FloatArray:
    """Give the prices named by one side (money per unit, of either sign), shape (n,)."""
    vector = finite_vector(name, prices, of=of)
    if length is not None and vector.size != length:
        raise InvalidInputError(f"{name} must have one entry per {of}: expected {length}, got {vector.size}.")
    _check_size(name, vector, "money")
    return vector


def checked_orders(side: str, prices: ArrayLike, quantities: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Give prices and quantities of the orders of one side ("bid" or "ask"), each of shape (n,)."""
    limits = checked_prices(f"{side}s", prices, of=side)
    name = f"{side}_quantities"
    units = positive_vector(name, quantities, length=limits.size, of=side)
    _check_size(name, units, "goods")
    return limits, units


def check_generator(generator: object) -> np.random.Generator:
    """Give the generator, or raise `InvalidInputError`."""
    if not isinstance(generator, np.random.Generator):
        raise InvalidInputError(
            f"generator must be a numpy.random.Generator where units are given by lot, got {generator!r}."
        )
    return generator


def _check_size(name: str, amounts: FloatArray, what: str) -> None:
    with np.errstate(over="ignore"):
        total = float(np.sum(np.abs(amounts)))
    if not total < _LARGEST_AMOUNT:
        raise InvalidInputError(
            f"{name} must add up to less than {_LARGEST_AMOUNT:g}, got {total:g}: measure {what} in a larger unit."
        )
