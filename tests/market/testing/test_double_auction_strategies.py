"""The strategies for double auctions reach the corners that they promise."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from walras.market.double_auctions import CallAuction, CallAuctionStatus, McAfeeAuction, McAfeeStatus
from walras.market.testing.strategies.double_auctions import OrderCase, order_cases, unit_traders

# What is found is not made smaller: only that it is found counts.
PATIENT = settings(
    max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate]
)


def cleared(case: OrderCase):
    return CallAuction().clear(case.bids, case.asks, case.bid_quantities, case.ask_quantities)


@pytest.mark.parametrize(
    "corner",
    [
        lambda case: case.bids.size == case.asks.size == 1,
        lambda case: case.bids.size == 5,
        lambda case: np.unique(case.bids).size < case.bids.size,
        lambda case: np.unique(case.asks).size < case.asks.size,
        lambda case: bool(set(case.bids.tolist()) & set(case.asks.tolist())),
        lambda case: (case.bids < 0.0).any(),
        lambda case: 0.0 in case.asks,
        lambda case: case.bids.max() > 1e9,
        lambda case: case.bids.min() < 1e-9,
        lambda case: (case.bid_quantities == 1.0).all() and (case.ask_quantities == 1.0).all() and case.bids.size > 2,
        lambda case: np.ptp(case.bid_quantities) > 1e5,
        lambda case: (case.ask_quantities != np.floor(case.ask_quantities)).any(),
    ],
    ids=[
        "one pair",
        "five bids",
        "equal bids",
        "equal asks",
        "a bid equal to an ask",
        "negative",
        "zero",
        "huge",
        "tiny",
        "single units",
        "small and large orders",
        "fractions of a unit",
    ],
)
def test_corners(corner):
    find(order_cases(), corner, settings=PATIENT)


@pytest.mark.parametrize("status", CallAuctionStatus)
def test_every_status_of_a_call_auction(status):
    find(order_cases(), lambda case: cleared(case).status is status, settings=PATIENT)


@pytest.mark.parametrize("side", ["buyer_allocation", "seller_allocation"])
def test_either_side_is_rationed_between_equals(side):
    def rationed(case):
        units, wanted = getattr(cleared(case), side), case.bid_quantities if side[0] == "b" else case.ask_quantities
        prices = case.bids if side[0] == "b" else case.asks
        partly = (units > 0) & (units < wanted)
        return any(np.sum(prices == prices[place]) > 1 for place in np.flatnonzero(partly))

    find(order_cases(), rationed, settings=PATIENT)


@pytest.mark.parametrize("status", McAfeeStatus)
def test_every_status_of_a_trade_reduction(status):
    find(unit_traders(), lambda traders: McAfeeAuction().clear(*traders).status is status, settings=PATIENT)


@given(case=order_cases(whole=True))
def test_whole_orders_are_whole(case):
    for amounts in (case.bids, case.asks, case.bid_quantities, case.ask_quantities):
        np.testing.assert_array_equal(amounts, np.floor(amounts))


def test_sizes_are_those_asked_for():
    find(unit_traders(most=2), lambda traders: traders[0].size == 2, settings=PATIENT)
    find(order_cases(most=8), lambda case: case.asks.size == 8, settings=PATIENT)
