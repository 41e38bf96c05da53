"""How units are given out among orders that name the same price, when there are too few for all."""

from enum import Enum

import numpy as np

from walras.market.double_auctions.inputs import check_generator
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray

__all__ = ["Rationing", "check_whole", "ration"]

# Products below this are exact in 64-bit integers.
_LARGEST_PRODUCT = 2.0**62
# Whole numbers below this are exact in float64.
_LARGEST_COUNT = 2.0**53


class Rationing(Enum):
    """Who is served among orders at the marginal price; each value says the rule."""

    TIME = "first come, first served: in the order given"
    PRO_RATA = "each order gets the same share of its quantity, in fractions of a unit"
    WHOLE_PRO_RATA = (
        "as PRO_RATA, in whole units: the largest fractions are rounded up, of equal ones those given first"
    )
    LOT = "one order after the other, in an order drawn by lot"


def check_whole(side: str, quantities: FloatArray) -> None:
    """Raise `InvalidInputError` if a quantity is not a whole number, or too large a one to be counted exactly."""
    broken = np.flatnonzero(quantities != np.floor(quantities))
    if broken.size:
        raise InvalidInputError(
            f"{side}_quantities must be whole numbers under {Rationing.WHOLE_PRO_RATA}: entry {broken[0]} is "
            f"{quantities[broken[0]]} ({broken.size} bad in all)."
        )
    if float(np.sum(quantities)) >= _LARGEST_COUNT:
        raise InvalidInputError(
            f"{side}_quantities must add up to less than 2^53 under {Rationing.WHOLE_PRO_RATA}, got "
            f"{float(np.sum(quantities)):g}: count in larger units."
        )


def ration(
    rule: Rationing, quantities: FloatArray, available: float, generator: np.random.Generator | None
) -> FloatArray:
    """Give the units of each order, shape (n,): they add up to `available`, less than the sum of quantities."""
    match rule:
        case Rationing.PRO_RATA:
            return quantities * (available / float(np.sum(quantities)))
        case Rationing.WHOLE_PRO_RATA:
            return _in_whole_units(quantities, available)
        case Rationing.TIME:
            return _one_after_the_other(quantities, available)
        case Rationing.LOT:
            turns = check_generator(generator).permutation(quantities.size)
            shares = np.empty_like(quantities)
            shares[turns] = _one_after_the_other(quantities[turns], available)
            return shares


def _one_after_the_other(quantities: FloatArray, available: float) -> FloatArray:
    before = np.concatenate([[0.0], np.cumsum(quantities[:-1])])
    return np.clip(available - before, 0.0, quantities)


def _in_whole_units(quantities: FloatArray, available: float) -> FloatArray:
    """Largest remainders, in integers: `q * available` of several orders must not be rounded."""
    exact = np.int64 if float(np.max(quantities)) * available < _LARGEST_PRODUCT else object
    scaled = quantities.astype(np.int64).astype(exact) * int(available)
    total = int(np.sum(quantities))
    shares, remainders = scaled // total, scaled % total
    left = int(available) - int(np.sum(shares))
    up = np.argsort(-remainders, kind="stable")[:left]
    shares[up] += 1
    return shares.astype(np.float64)
