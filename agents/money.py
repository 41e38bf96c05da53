"""Exact money: whole cents, and the rules by which fractions of a cent become whole.

Markets compute in float64; accounts hold integers. Between the two stands `apportion`, which rounds amounts *together*:
each goes to one of the two neighbouring cents, and their sum to the cent nearest to the exact sum. So the books of a
seller differ from what the market says by less than a cent, however many agents paid, and no cent is made or lost.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from walras.agents.errors import SettlementError
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray

__all__ = ["MOST_CENTS", "IntArray", "apportion", "equal_split", "whole_cents"]

IntArray: TypeAlias = NDArray[np.int64]

# The largest amount that is settled, in cents: float64 holds amounts up to it to within a hundredth of a cent, and
# int64 holds the sum of 900,000 of them.
MOST_CENTS = 10**13


def whole_cents(name: str, value: object) -> int:
    """Give `value`, a whole number of cents from 0 to `MOST_CENTS`, or raise `InvalidInputError`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value <= MOST_CENTS:
        raise InvalidInputError(f"{name} must be a whole number of cents from 0 to {MOST_CENTS:.0e}, got {value!r}.")
    return int(value)


def apportion(amounts: FloatArray, limits: IntArray | None = None) -> IntArray:
    """Whole cents for fractional ones, by largest remainders.

    Every amount is rounded down; the cents that the rounded sum (half a cent to even) then lacks go, one each, to the
    amounts that lost most.

    Parameters
    ----------
    amounts
        Cents, of either sign, shape (n,).
    limits
        The most that each may be (cents), shape (n,). Nobody is rounded up above it; where so many are at their limit
        that cents are left over, the sum stays short by these.

    Returns
    -------
    IntArray
        Shape (n,), each less than a cent from its amount.

    Raises
    ------
    SettlementError
        An amount that is not finite, above `MOST_CENTS` in size, or a cent or more above its limit.

    Notes
    -----
    *Ties*: equal remainders in the order given. *Cost*: O(n log n).
    *Source*: Hamilton's method, Balinski and Young 1982 (docs/reference/bibliography.md).
    """
    if not math.fsum(np.abs(amounts)) <= MOST_CENTS:  # NaN fails too
        raise SettlementError(
            f"Amounts must be finite and at most {MOST_CENTS:.0e} cents in all to be settled exactly, got {amounts}. "
            "Measure money in a larger unit."
        )
    floors = np.floor(amounts)
    cents = floors.astype(np.int64)
    remainders = amounts - floors
    may_gain = remainders > 0.0
    if limits is not None:
        overdrawn = np.flatnonzero(cents > limits)
        if overdrawn.size:
            first = overdrawn[0]
            raise SettlementError(f"Agent {first} owes {amounts[first]} cents, but has only {limits[first]}.")
        may_gain &= cents < limits
    # 0 <= missing <= the number of positive remainders, because each remainder is in [0, 1] and their sum, rounded to a
    # whole number, cannot pass a whole number that bounds it.
    missing = round(math.fsum(amounts)) - int(cents.sum())
    by_remainder = np.argsort(-remainders, kind="stable")
    cents[by_remainder[may_gain[by_remainder]][:missing]] += 1
    return cents


def equal_split(cents: int, heads: int) -> int:
    """Cents that each of `heads` receives when `cents` are shared equally; the remainder, less than a cent each, stays.

    Nothing is shared of a debt (`cents` below 0).
    """
    return max(cents, 0) // heads
