"""The strategies for auctions reach the corners that they promise."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample

from walras.market.auctions import (
    AuctionStatus,
    PackageStatus,
    PaymentRule,
    PositionStatus,
    TwoSidedVCG,
    TwoSidedVCGStatus,
    UnitDemandStatus,
)
from walras.market.testing.strategies.auctions import (
    PackageCase,
    PositionCase,
    SealedBidCase,
    TwoSidedCase,
    UnitDemandCase,
    money,
    package_cases,
    position_cases,
    sealed_bid_cases,
    two_sided_cases,
    unit_demand_cases,
)

_GENERATE = settings(max_examples=4000, database=None, phases=(Phase.generate,))


def reaches(strategy: object, condition: Callable[[object], bool]) -> None:
    find(strategy, condition, settings=_GENERATE, random=Random(0))


SEALED: dict[str, Callable[[SealedBidCase], bool]] = {
    "one bidder": lambda case: len(case.bids) == 1,
    "equal bids": lambda case: np.unique(case.bids).size < case.bids.size,
    "all bids equal and above 0": lambda case: (
        len(case.bids) > 2 and np.ptp(case.bids) == 0.0 and case.bids.min() > 0.0
    ),
    "a bid of 0": lambda case: bool((case.bids == 0.0).any()),
    "a bid at the reserve": lambda case: bool((case.table == case.reserves[:, None]).any() and case.reserves.max() > 0),
    "a bid below the reserve": lambda case: bool((case.table < case.reserves[:, None]).any()),
    "different reserves": lambda case: np.unique(case.reserves).size > 1,
    "more units than bids": lambda case: case.auction.units > case.bids.size,
    "several units for one bidder": lambda case: bool(case.auction.clear(case.bids).allocation.max() > 1),
    "huge and tiny": lambda case: bool(case.bids.max() >= 1e11 and 0.0 < case.bids.min() <= 1e-11),
    **{
        status.name: (lambda case, status=status: case.auction.clear(case.bids).status is status)
        for status in AuctionStatus
    },
    **{rule.name: (lambda case, rule=rule: case.auction.payment_rule is rule) for rule in PaymentRule},
}
POSITIONS: dict[str, Callable[[PositionCase], bool]] = {
    "equal scores": lambda case: np.unique(case.bids * case.quality).size < case.bids.size,
    "different qualities": lambda case: np.ptp(case.quality) > 0.0,
    "a worthless position": lambda case: 0.0 in case.auction.click_rates,
    "equal positions": lambda case: len(set(case.auction.click_rates)) < len(case.auction.click_rates),
    "a bid at the reserve": lambda case: bool((case.bids == case.auction.reserve).any() and case.auction.reserve > 0.0),
    **{
        status.name: (lambda case, status=status: case.auction.clear(case.bids, case.quality).status is status)
        for status in PositionStatus
    },
}
OBJECTS: dict[str, Callable[[UnitDemandCase], bool]] = {
    "a negative valuation": lambda case: bool((case.valuations < 0.0).any()),
    "more bidders than objects": lambda case: case.valuations.shape[0] > case.valuations.shape[1],
    "more objects than bidders": lambda case: case.valuations.shape[0] < case.valuations.shape[1],
    "all valuations equal": lambda case: case.valuations.size > 3 and np.ptp(case.valuations) == 0.0,
    "one reserve per object": lambda case: np.ndim(case.auction.reserve) == 1,
    **{
        status.name: (lambda case, status=status: case.auction.clear(case.valuations).status is status)
        for status in UnitDemandStatus
    },
}
PACKAGES: dict[str, Callable[[PackageCase], bool]] = {
    "a bidder without a bid": lambda case: [] in case.bids,
    "a good of which there is none": lambda case: 0 in case.auction.supply,
    "a bid of several": lambda case: any(len(own) > 1 for own in case.bids),
    "seller's values": lambda case: any(case.auction.seller_values),
    **{
        status.name: (lambda case, status=status: case.auction.clear(case.bids).status is status)
        for status in PackageStatus
        if status is not PackageStatus.NOT_PROVED
    },
}
TWO_SIDED: dict[str, Callable[[TwoSidedCase], bool]] = {
    "one of each": lambda case: case.bids.size == case.asks.size == 1,
    "a pair with nothing to gain": lambda case: bool(np.intersect1d(case.bids, case.asks).size),
    **{
        status.name: (lambda case, status=status: TwoSidedVCG().clear(case.bids, case.asks).status is status)
        for status in TwoSidedVCGStatus
    },
}
CORNERS = [
    (family, name, strategy, condition)
    for family, strategy, conditions in (
        ("sealed", sealed_bid_cases(), SEALED),
        ("positions", position_cases(), POSITIONS),
        ("objects", unit_demand_cases(), OBJECTS),
        ("packages", package_cases(), PACKAGES),
        ("two sides", two_sided_cases(), TWO_SIDED),
        ("money", money(), {"tiny": lambda amount: 0.0 < amount <= 1e-11, "huge": lambda amount: amount >= 1e11}),
    )
    for name, condition in conditions.items()
]


@pytest.mark.parametrize(
    ("strategy", "condition"),
    [corner[2:] for corner in CORNERS],
    ids=[f"{corner[0]}: {corner[1]}" for corner in CORNERS],
)
def test_reaches(strategy: object, condition: Callable[[object], bool]) -> None:
    reaches(strategy, condition)


def test_exact_money_is_exact() -> None:
    with pytest.raises(NoSuchExample):
        reaches(money(exact=True), lambda amount: (2.0 * amount) % 1.0 != 0.0 or amount > 8.0)
