"""What a bidder in a package auction says: these packages, at these values, and at most one of them (XOR bids)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, IntArray, nonnegative_number, nonnegative_vector

__all__ = ["PackageBid", "PackageTable", "tabulate"]


@final
@dataclass(frozen=True)
class PackageBid:
    """A package of goods and what it is worth.

    Parameters
    ----------
    units
        Units of each good in the package, whole numbers, at least one unit in all, shape (g,).
    value
        Money that the package is worth, 0 or more.
    """

    units: tuple[int, ...] | Sequence[int] | IntArray
    value: float

    def __post_init__(self) -> None:
        units = nonnegative_vector("PackageBid.units", self.units, of="good")
        if np.any(units != np.round(units)) or np.any(units > 2**53):
            raise InvalidInputError(f"PackageBid.units must be whole numbers, got {units.tolist()}.")
        if not np.any(units):
            raise InvalidInputError(f"PackageBid.units must hold at least one unit, got {units.tolist()}.")
        object.__setattr__(self, "units", tuple(int(count) for count in units))
        object.__setattr__(self, "value", nonnegative_number("PackageBid.value", self.value))


@final
@dataclass(frozen=True, eq=False)
class PackageTable:
    """All bids of n bidders as arrays, one row per bid, in the order given.

    Attributes
    ----------
    units
        Units of each good, shape (b, g).
    values
        Money, shape (b,).
    bidders
        Who made the bid, shape (b,).
    ranks
        Its place among the bidder's bids, shape (b,).
    count
        Number of bidders, some of whom may have made no bid.
    """

    units: FloatArray
    values: FloatArray
    bidders: IntArray
    ranks: IntArray
    count: int


def tabulate(bids: Iterable[Sequence[PackageBid]], goods: int) -> PackageTable:
    """Give the bids as a table.

    Raises
    ------
    InvalidInputError
        If there are no bidders, an entry is not a sequence of `PackageBid`, a package names another number of goods, or
        a bidder names one package twice.
    """
    if not isinstance(bids, Iterable):
        raise InvalidInputError(f"bids must hold a sequence of PackageBid for each bidder, got {bids!r}.")
    listed = [_own_bids(bidder, own) for bidder, own in enumerate(bids)]
    if not listed:
        raise InvalidInputError("bids is empty: an auction needs at least one bidder.")
    rows = [(bidder, rank, bid) for bidder, own in enumerate(listed) for rank, bid in enumerate(own)]
    first_named: dict[tuple[int, object], int] = {}
    for bidder, rank, bid in rows:
        if np.size(bid.units) != goods:
            raise InvalidInputError(
                f"bids must name the {goods} goods for sale: bid {rank} of bidder {bidder} has units {bid.units}."
            )
        first = first_named.setdefault((bidder, bid.units), rank)
        if first != rank:
            raise InvalidInputError(f"bids must differ: bids {first} and {rank} of bidder {bidder} name {bid.units}.")
    return PackageTable(
        units=np.array([bid.units for _, _, bid in rows], dtype=np.float64).reshape(len(rows), goods),
        values=np.array([bid.value for _, _, bid in rows], dtype=np.float64),
        bidders=np.array([bidder for bidder, _, _ in rows], dtype=np.int64),
        ranks=np.array([rank for _, rank, _ in rows], dtype=np.int64),
        count=len(listed),
    )


def _own_bids(bidder: int, own: object) -> list[PackageBid]:
    """Give one bidder's bids as a list."""
    if not isinstance(own, Sequence) or not all(isinstance(bid, PackageBid) for bid in own):
        raise InvalidInputError(
            f"bids must hold a sequence of PackageBid for each bidder, got {own!r} of bidder {bidder}."
        )
    return list(own)
