"""The two-sided VCG mechanism: Clarke by brute force, the deficit, and the proof."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.auctions import TwoSidedVCG, TwoSidedVCGStatus
from walras.market.auctions.two_sided import certify_two_sided
from walras.market.testing.strategies.auctions import TwoSidedCase, two_sided_cases
from walras.market.validation import FloatArray


def gains(bids: FloatArray, asks: FloatArray) -> float:
    pairs = zip(sorted(bids, reverse=True), sorted(asks), strict=False)
    return float(sum(max(bid - ask, 0.0) for bid, ask in pairs))


def test_bilateral_trade_pays_the_seller_what_the_buyer_would_have_given() -> None:
    outcome = TwoSidedVCG().clear([10.0], [7.0]).require(0.0)
    assert (outcome.buyer_price, outcome.seller_price) == (7.0, 10.0)
    assert (outcome.quantity, outcome.gains, outcome.deficit) == (1, 3.0, 3.0)
    assert outcome.status is TwoSidedVCGStatus.TRADED
    none = TwoSidedVCG().clear([7.0], [7.0]).require(0.0)
    assert none.status is TwoSidedVCGStatus.NO_TRADE
    assert (none.quantity, none.gains, none.deficit, none.buyer_price, none.seller_price) == (0, 0.0, 0.0, 0.0, 0.0)


def test_three_pairs() -> None:
    outcome = TwoSidedVCG().clear([9.0, 4.0, 8.0, 5.0], [6.0, 2.0, 7.5]).require(0.0)
    assert outcome.buyer_allocation.tolist() == [1, 0, 1, 0]
    assert outcome.seller_allocation.tolist() == [1, 1, 0]
    assert outcome.buyer_payments.tolist() == [6.0, 0.0, 6.0, 0.0]
    assert outcome.seller_receipts.tolist() == [7.5, 7.5, 0.0]
    assert outcome.gains == 9.0
    assert outcome.deficit == 3.0


def test_who_waits_sets_the_price() -> None:
    outcome = TwoSidedVCG().clear([9.0, 8.0], [2.0])
    assert (outcome.buyer_price, outcome.seller_price) == (8.0, 9.0)
    outcome = TwoSidedVCG().clear([9.0], [2.0, 3.0])
    assert (outcome.buyer_price, outcome.seller_price) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("bids", "asks", "buyers", "sellers"),
    [([9.0, 9.0], [1.0], [1, 0], [1]), ([9.0], [1.0, 1.0], [1], [1, 0])],
)
def test_ties_go_to_who_is_given_first(
    bids: list[float], asks: list[float], buyers: list[int], sellers: list[int]
) -> None:
    outcome = TwoSidedVCG().clear(bids, asks)
    assert outcome.buyer_allocation.tolist() == buyers
    assert outcome.seller_allocation.tolist() == sellers
    assert outcome.status is TwoSidedVCGStatus.TIED
    assert outcome.deficit == 0.0


@given(case=two_sided_cases(exact=True))
def test_payments_are_clarkes(case: TwoSidedCase) -> None:
    bids, asks = case.bids, case.asks
    outcome, total = TwoSidedVCG().clear(bids, asks), gains(case.bids, case.asks)
    assert outcome.gains == total
    for buyer, traded in enumerate(outcome.buyer_allocation):
        clarke = bids[buyer] - (total - gains(np.delete(bids, buyer), asks)) if traded else 0.0
        assert outcome.buyer_payments[buyer] == clarke
    for seller, traded in enumerate(outcome.seller_allocation):
        clarke = asks[seller] + (total - gains(bids, np.delete(asks, seller))) if traded else 0.0
        assert outcome.seller_receipts[seller] == clarke
    assert outcome.deficit == outcome.seller_receipts.sum() - outcome.buyer_payments.sum() >= 0.0


@given(case=two_sided_cases())
def test_passes_its_certificate(case: TwoSidedCase) -> None:
    outcome = TwoSidedVCG().clear(case.bids, case.asks).require(1e-12)
    assert outcome.buyer_allocation.sum() == outcome.seller_allocation.sum() == outcome.quantity


@given(case=two_sided_cases(exact=True), lie=st.integers(0, 20).map(lambda halves: halves / 2))
def test_the_truth_is_the_best_report(case: TwoSidedCase, lie: float) -> None:
    mechanism = TwoSidedVCG()
    outcome = mechanism.clear(case.bids, case.asks)
    told = mechanism.clear(np.append(lie, case.bids[1:]), case.asks)
    honest = case.bids[0] * outcome.buyer_allocation[0] - outcome.buyer_payments[0]
    assert case.bids[0] * told.buyer_allocation[0] - told.buyer_payments[0] <= honest
    told = mechanism.clear(case.bids, np.append(lie, case.asks[1:]))
    honest = outcome.seller_receipts[0] - case.asks[0] * outcome.seller_allocation[0]
    assert told.seller_receipts[0] - case.asks[0] * told.seller_allocation[0] <= honest


def test_declares_no_budget_balance() -> None:
    declared = TwoSidedVCG().declared_properties
    assert declared == {
        Property.FEASIBLE,
        Property.CONSERVES,
        Property.INDIVIDUALLY_RATIONAL,
        Property.MONOTONE,
        Property.ANONYMOUS,
        Property.SCALE_FREE,
        Property.STRATEGY_PROOF,
        Property.EFFICIENT,
        Property.ENVY_FREE,
    }


def violations(buyers: list[int], sellers: list[int], payments: list[float], receipts: list[float]) -> dict[str, float]:
    arrays = (np.array(side) for side in (buyers, sellers, payments, receipts))
    return certify_two_sided(np.array([10.0, 6.0]), np.array([2.0, 8.0]), *arrays).violations(1e-9)


def test_certificate() -> None:
    assert violations([1, 0], [1, 0], [6.0, 0.0], [8.0, 0.0]) == {}
    assert violations([1, 0], [1, 0], [7.0, 0.0], [8.0, 0.0]) == {"payment_rule": 0.1}
    assert violations([1, 0], [1, 0], [6.0, 0.0], [6.0, 0.0]) == {"payment_rule": pytest.approx(0.2)}
    assert violations([0, 1], [1, 0], [0.0, 6.0], [8.0, 0.0])["efficiency"] == pytest.approx(0.2)
    assert violations([1, 1], [1, 0], [6.0, 6.0], [8.0, 0.0])["conservation"] == 0.5
    loss = violations([1, 0], [1, 0], [6.0, 0.5], [8.0, 0.0])
    assert loss == {"payment_rule": 0.05, "individual_rationality": 0.05}
    assert violations([1, 0], [1, 0], [6.0, 0.0], [1.0, 0.0])["individual_rationality"] == pytest.approx(0.1)
