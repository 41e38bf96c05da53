"""Exact cents: integers, rates as fractions, one stated rounding, and shares of a sum that add up to the cent.

A rate such as 0.12 is no float64; here it means the decimal that it prints as, 12/100. An amount in cents times a rate
is then an exact fraction with one common denominator, which is rounded once, at the end.
"""

from collections.abc import Sequence
from enum import Enum
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.errors import InvalidInputError
from walras.market.validation import IntArray

__all__ = [
    "MOST_CENTS",
    "Rounding",
    "cents_of",
    "cents_vector",
    "decimal_fraction",
    "equal_shares",
    "exact_integers",
    "over_common_denominator",
    "rounded",
    "share_in_cents",
]

# The largest amount taken, in cents: sums of 9,000 such amounts still fit into int64.
MOST_CENTS = 10**15


class Rounding(Enum):
    """How a fraction of a cent becomes whole; the value says what it does."""

    HALF_UP = "to the nearest cent, half a cent away from zero"
    HALF_EVEN = "to the nearest cent, half a cent to the even cent"
    DOWN = "towards zero: fractions of a cent are dropped"


def cents_vector(name: str, values: ArrayLike, *, length: int | None = None, minimum: int | None = 0) -> IntArray:
    """Give `values` as a new int64 vector of cents, from `minimum` (None: any sign) to `MOST_CENTS`.

    Raises
    ------
    InvalidInputError
        If an entry is no whole number (2.0 is none either: cents are integers), or is out of range, if there are no
        entries, or the shape does not fit.
    """
    array = np.asarray(values)
    # Python's whole numbers beyond int64 arrive as objects; True and 2.0 are no numbers of cents.
    whole = array.dtype.kind in "iu" or (
        array.dtype.kind == "O" and all(isinstance(entry, int) and not isinstance(entry, bool) for entry in array.flat)
    )
    if not whole or array.size == 0:
        raise InvalidInputError(f"{name} must hold whole numbers of cents (integers), at least one; got {values!r}.")
    if array.ndim != 1:
        raise InvalidInputError(f"{name} must have shape (n,), one entry per agent; got shape {array.shape}.")
    if length is not None and array.size != length:
        raise InvalidInputError(f"{name} must have one entry per agent: expected {length}, got {array.size}.")
    least = -MOST_CENTS if minimum is None else minimum
    bad = np.flatnonzero((array < least) | (array > MOST_CENTS))
    if bad.size:
        raise InvalidInputError(
            f"{name} must lie between {least} and {MOST_CENTS} cents: entry {bad[0]} is {array[bad[0]]} "
            f"({bad.size} bad in all)."
        )
    return array.astype(np.int64)


def cents_of(name: str, amount: float) -> int:
    """Give an amount of money as the whole number of cents that it prints as.

    Raises
    ------
    InvalidInputError
        If it has fractions of a cent, or is larger than `MOST_CENTS`.
    """
    cents = decimal_fraction(amount) * 100
    if cents.denominator != 1 or abs(cents) > MOST_CENTS:
        raise InvalidInputError(
            f"{name} must be a whole number of cents, at most {MOST_CENTS} in size, to be exact; got {amount}."
        )
    return int(cents)


def decimal_fraction(number: float) -> Fraction:
    """Give the decimal that a float prints as, exactly: 0.1 is 1/10."""
    return Fraction(repr(float(number)))


def over_common_denominator(rates: Sequence[Fraction]) -> tuple[list[int], int]:
    """Give numerators and the common denominator of exact rates."""
    denominator = lcm(*(rate.denominator for rate in rates))
    return [int(rate * denominator) for rate in rates], denominator


def share_in_cents(parts: Sequence[tuple[IntArray, Fraction]], rounding: Rounding) -> IntArray:
    """Give the sum of amounts (cents, shape (n,)) times exact rates, rounded once to whole cents, shape (n,)."""
    numerators, denominator = over_common_denominator([rate for _, rate in parts])
    amounts = [exact_integers(cents, [len(parts) * most for most in numerators], denominator) for cents, _ in parts]
    products = [amount * numerator for amount, numerator in zip(amounts, numerators, strict=True)]
    return rounded(np.asarray(sum(products[1:], start=products[0])), denominator, rounding)


def exact_integers(cents: IntArray, numerators: Sequence[int], denominator: int) -> NDArray[Any]:
    """Give `cents` in a type that holds twice its products with the numerators and the denominator without overflow."""
    most = max(int(np.abs(cents).max()), 1) * max(map(abs, numerators), default=1) + denominator
    return cents if 2 * most < 2**62 else cents.astype(object)


def rounded(numerators: NDArray[Any], denominator: int, rounding: Rounding) -> IntArray:
    """Give numerators / denominator in whole cents, shape (n,).

    Parameters
    ----------
    numerators
        Integers (int64, or Python's own as objects), shape (n,), whose doubles do not overflow.
    denominator
        Above 0.
    rounding
        What becomes of fractions of a cent.
    """
    size = abs(numerators)
    whole = size // denominator
    twice = 2 * (size - whole * denominator)
    match rounding:
        case Rounding.HALF_UP:
            up = twice >= denominator
        case Rounding.HALF_EVEN:
            up = (twice > denominator) | ((twice == denominator) & (whole % 2 == 1))
        case Rounding.DOWN:
            up = np.zeros(size.shape, dtype=bool)
    result = whole + up.astype(np.int64)
    return np.asarray(np.where(numerators < 0, -result, result), dtype=np.int64)


def equal_shares(total: int, heads: int) -> IntArray:
    """Give `total` cents (0 or more) in whole shares that add up to it, shape (heads,).

    Largest remainders: all remainders are equal, so the cents left over go one each to the first in the order given.

    Notes
    -----
    *Source*: Hamilton's method, Balinski and Young 1982 (docs/reference/bibliography.md).
    """
    each, left_over = divmod(total, heads)
    return each + (np.arange(heads) < left_over).astype(np.int64)
