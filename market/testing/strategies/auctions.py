"""Auctions with their bids: ties, zeros, bids at the reserve, too few bidders, and money from 1e-12 to 1e12.

With `exact=True` amounts of money are small halves, so that sums of them are exact in float64 and results can be
compared for equality.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from hypothesis import strategies as st

from walras.market.auctions import (
    CombinatorialAuction,
    PackageBid,
    PaymentRule,
    PositionAuction,
    PositionPaymentRule,
    SealedBidAuction,
    UnitDemandAuction,
)
from walras.market.validation import FloatArray

__all__ = [
    "PackageCase",
    "PositionCase",
    "SealedBidCase",
    "TwoSidedCase",
    "UnitDemandCase",
    "money",
    "package_cases",
    "position_cases",
    "sealed_bid_cases",
    "two_sided_cases",
    "unit_demand_cases",
]

_HALVES = st.integers(0, 16).map(lambda halves: halves / 2)
_WIDE = st.one_of(st.sampled_from([0.0, 1e-12, 1e12]), st.floats(-12.0, 12.0).map(lambda exponent: 10.0**exponent))


@final
@dataclass(frozen=True, eq=False)
class SealedBidCase:
    """An auction of identical units and bids for it, shape (n,) or (n, demand)."""

    auction: SealedBidAuction
    bids: FloatArray

    @property
    def table(self) -> FloatArray:
        """Bids of shape (n, demand) in any case."""
        return self.bids.reshape(len(self.bids), -1)

    @property
    def reserves(self) -> FloatArray:
        """One reserve per bidder, shape (n,)."""
        return np.full(len(self.bids), self.auction.reserve, dtype=np.float64)


@final
@dataclass(frozen=True, eq=False)
class PositionCase:
    """A position auction, bids and qualities, shape (n,)."""

    auction: PositionAuction
    bids: FloatArray
    quality: FloatArray


@final
@dataclass(frozen=True, eq=False)
class UnitDemandCase:
    """An auction of different objects and valuations, shape (n, m)."""

    auction: UnitDemandAuction
    valuations: FloatArray


@final
@dataclass(frozen=True, eq=False)
class PackageCase:
    """A package auction and the bids of each bidder."""

    auction: CombinatorialAuction
    bids: list[list[PackageBid]]


@final
@dataclass(frozen=True, eq=False)
class TwoSidedCase:
    """Bids of buyers and asks of sellers, shapes (n,) and (m,)."""

    bids: FloatArray
    asks: FloatArray


def money(*, exact: bool = False) -> st.SearchStrategy[float]:
    """Amounts of money: halves from 0 to 8; unless `exact`, also powers of ten from 1e-12 to 1e12."""
    return _HALVES if exact else st.one_of(_HALVES, _WIDE)


def _vectors(size: int, *, exact: bool) -> st.SearchStrategy[list[float]]:
    """Vectors of money: different entries, entries from a pool of two (ties), or all equal."""
    different = st.lists(money(exact=exact), min_size=size, max_size=size)
    tied = st.lists(money(exact=exact), min_size=2, max_size=2).flatmap(
        lambda pool: st.lists(st.sampled_from(pool), min_size=size, max_size=size)
    )
    return st.one_of(different, tied, money(exact=exact).map(lambda amount: [amount] * size))


@st.composite
def sealed_bid_cases(
    draw: st.DrawFn, *, exact: bool = False, most_bidders: int = 5, rules: tuple[PaymentRule, ...] = tuple(PaymentRule)
) -> SealedBidCase:
    """Auctions of one to six units, bids for up to three by each bidder, and no reserve, one, or one per bidder."""
    bidders, demand = draw(st.integers(1, most_bidders)), draw(st.integers(1, 3))
    flat = np.array(draw(_vectors(bidders * demand, exact=exact)))
    table = -np.sort(-flat.reshape(bidders, demand), axis=1)
    reserve: float | list[float] = 0.0
    match draw(st.sampled_from(["none", "a bid", "any", "each"])):
        case "a bid":
            reserve = draw(st.sampled_from(flat.tolist()))
        case "any":
            reserve = draw(money(exact=exact))
        case "each":
            reserve = draw(_vectors(bidders, exact=exact))
    auction = SealedBidAuction(draw(st.sampled_from(rules)), draw(st.integers(1, 6)), demand, reserve)
    return SealedBidCase(auction, table if demand > 1 else table[:, 0])


@st.composite
def position_cases(draw: st.DrawFn, *, exact: bool = False) -> PositionCase:
    """Position auctions of one to four places, equal and worthless ones among them."""
    bidders, places = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rates = sorted(draw(st.lists(st.integers(0, 4).map(float), min_size=places, max_size=places)), reverse=True)
    bids = draw(_vectors(bidders, exact=exact))
    quality = draw(
        st.one_of(
            st.just([1.0] * bidders), st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=bidders, max_size=bidders)
        )
    )
    reserve = draw(st.one_of(st.just(0.0), st.sampled_from(bids), money(exact=exact)))
    auction = PositionAuction(rates, draw(st.sampled_from(PositionPaymentRule)), reserve)
    return PositionCase(auction, np.array(bids), np.array(quality))


@st.composite
def unit_demand_cases(draw: st.DrawFn, *, exact: bool = False, most: int = 4) -> UnitDemandCase:
    """Up to `most` bidders and as many objects; valuations of either sign, reserves for all or for each."""
    bidders, objects = draw(st.integers(1, most)), draw(st.integers(1, most))
    amounts = np.array(draw(_vectors(bidders * objects, exact=exact))).reshape(bidders, objects)
    signs = draw(
        st.one_of(
            st.just(np.ones_like(amounts)),
            st.just(-np.ones_like(amounts)),
            st.lists(st.sampled_from([1.0, 1.0, -1.0]), min_size=amounts.size, max_size=amounts.size).map(
                lambda drawn: np.array(drawn).reshape(amounts.shape)
            ),
        )
    )
    reserve = draw(st.one_of(st.just(0.0), money(exact=exact), _vectors(objects, exact=exact)))
    return UnitDemandCase(UnitDemandAuction(reserve), amounts * signs)


@st.composite
def package_cases(draw: st.DrawFn, *, exact: bool = True) -> PackageCase:
    """Up to four bidders, some without a bid, and up to three goods, some of which there is none of."""
    goods = draw(st.integers(1, 3))
    supply = draw(st.lists(st.integers(0, 3), min_size=goods, max_size=goods))
    package = st.lists(st.integers(0, 2), min_size=goods, max_size=goods).filter(any).map(tuple)
    bid = st.tuples(package, money(exact=exact)).map(lambda drawn: PackageBid(*drawn))
    own = st.lists(bid, max_size=3, unique_by=lambda drawn: str(drawn.units))
    bids = draw(st.lists(own, min_size=1, max_size=4))
    seller_values = draw(st.one_of(st.just(0.0), st.sampled_from([0.5, 1.0, 2.0])))
    return PackageCase(CombinatorialAuction(supply, seller_values), bids)


@st.composite
def two_sided_cases(draw: st.DrawFn, *, exact: bool = False) -> TwoSidedCase:
    """One to five buyers and as many sellers."""
    buyers, sellers = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    amounts = np.array(draw(_vectors(buyers + sellers, exact=exact)))
    return TwoSidedCase(amounts[:buyers], amounts[buyers:])
