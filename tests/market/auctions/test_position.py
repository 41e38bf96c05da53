"""Position auctions: published totals, qualities, reserves, the envy-free equilibrium, and both proofs."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.ids import steady

from walras.market import Property
from walras.market.auctions import (
    PositionAuction,
    PositionOutcome,
    PositionPaymentRule,
    PositionStatus,
    locally_envy_free_bids,
)
from walras.market.auctions.position_outcome import certify_positions
from walras.market.testing.strategies.auctions import PositionCase, position_cases
from walras.market.validation import FloatArray

GSP, VCG = PositionPaymentRule
every_rule = pytest.mark.parametrize("rule", [GSP, VCG], ids=["GSP", "VCG"])


@pytest.mark.parametrize(
    ("rule", "payments", "prices"), [(GSP, [800.0, 200.0], [4.0, 2.0]), (VCG, [600.0, 200.0], [3.0, 2.0])]
)
def test_edelman_ostrovsky_and_schwarz_2007(
    rule: PositionPaymentRule, payments: list[float], prices: list[float]
) -> None:
    outcome = PositionAuction([200.0, 100.0], rule).clear([4.0, 10.0, 2.0]).require(0.0)
    assert outcome.positions.tolist() == [1, 0, -1]
    assert outcome.winners.tolist() == [1, 0]
    assert outcome.allocation.tolist() == [100.0, 200.0, 0.0]
    assert outcome.payments.tolist() == [payments[1], payments[0], 0.0]
    assert outcome.prices.tolist() == [prices[1], prices[0], 0.0]
    assert outcome.revenue == sum(payments)
    assert outcome.status is PositionStatus.FILLED


def test_the_default_is_the_generalised_second_price_without_reserve() -> None:
    auction = PositionAuction([2.0, 1.0])
    assert auction == PositionAuction((2.0, 1.0), GSP, 0.0)
    assert hash(auction) == hash(PositionAuction(np.array([2.0, 1.0])))


def test_gsp_invites_shading_where_positions_are_nearly_alike() -> None:
    auction = PositionAuction([200.0, 199.0])
    gains = []
    for bid in (10.0, 3.0):
        outcome = auction.clear([bid, 4.0, 2.0])
        gains.append(10.0 * outcome.allocation[0] - outcome.payments[0])
    assert gains == [1200.0, 1592.0]


@pytest.mark.parametrize(("rule", "payments"), [(GSP, [12.0, 8.0, 0.0]), (VCG, [10.0, 8.0, 0.0])])
def test_qualities_weigh_bids_and_clicks(rule: PositionPaymentRule, payments: list[float]) -> None:
    # Scores 8, 6, 4: the first bidder's quality of 2 beats the higher bid of the second.
    outcome = PositionAuction([2.0, 1.0], rule).clear([4.0, 6.0, 8.0], quality=[2.0, 1.0, 0.5]).require(0.0)
    assert outcome.positions.tolist() == [0, 1, -1]
    assert outcome.allocation.tolist() == [4.0, 1.0, 0.0]
    assert outcome.payments.tolist() == [payments[0], 4.0, 0.0]
    assert outcome.prices.tolist() == [payments[0] / 4.0, 4.0, 0.0]


@pytest.mark.parametrize(("rule", "payments"), [(GSP, [20.0, 9.0]), (VCG, [14.0, 9.0])])
def test_the_reserve_is_the_least_price(rule: PositionPaymentRule, payments: list[float]) -> None:
    outcome = PositionAuction([4.0, 3.0, 1.0], rule, reserve=3.0).clear([9.0, 5.0, 2.0]).require(0.0)
    assert outcome.payments.tolist() == [*payments, 0.0]
    assert outcome.status is PositionStatus.UNFILLED
    assert PositionAuction([4.0], rule, reserve=5.0).clear([9.0, 5.0]).payments.tolist() == [20.0, 0.0]


def test_nothing_is_shown_below_the_reserve() -> None:
    outcome = PositionAuction([4.0, 3.0], VCG, reserve=3.0).clear([2.0, 0.0]).require(0.0)
    assert outcome.status is PositionStatus.NOTHING_SHOWN
    assert outcome.positions.tolist() == [-1, -1]
    assert outcome.revenue == 0.0
    assert outcome.winners.size == 0


def test_ties() -> None:
    auction = PositionAuction([2.0])
    assert auction.clear([3.0, 3.0]).positions.tolist() == [0, -1]
    assert auction.clear([3.0, 3.0]).status is PositionStatus.TIED
    assert PositionAuction([2.0, 1.0]).clear([3.0, 3.0, 1.0]).status is PositionStatus.FILLED
    generator = np.random.default_rng(0)
    drawn = [int(auction.clear([3.0, 3.0, 1.0], generator=generator).winners[0]) for _ in range(400)]
    assert 140 < drawn.count(0) < 260
    assert drawn.count(2) == 0


# ---------------------------------------------------------------- against brute force


def brute_payments(case: PositionCase) -> FloatArray:
    """VCG payments: the losses of the others and of a seller, who values the bidder's clicks at the reserve."""
    rates, slots = np.array(case.auction.click_rates), len(case.auction.click_rates)
    bids = np.where(case.bids >= case.auction.reserve, case.bids, 0.0)
    scores = bids * case.quality

    def best(values: FloatArray) -> float:
        padded = np.append(values, np.zeros(slots))
        return max(float(np.dot(rates, padded[list(order)])) for order in permutations(range(padded.size), slots))

    payments = np.zeros_like(bids)
    positions = case.auction.clear(case.bids, case.quality).positions
    for bidder in np.flatnonzero(positions >= 0):
        floor = case.auction.reserve * case.quality[bidder]
        rivals = np.maximum(np.sort(np.append(np.delete(scores, bidder), np.zeros(slots)))[::-1][:slots], floor)
        below = np.delete(rivals, np.s_[: positions[bidder]])
        with_bidder = float(np.dot(rates[positions[bidder] + 1 :], below[:-1]))
        payments[bidder] = float(np.dot(rates[positions[bidder] :], below)) - with_bidder
        if case.auction.reserve == 0.0 and scores.size <= 3:
            others = best(scores) - rates[positions[bidder]] * scores[bidder]
            assert payments[bidder] == pytest.approx(best(np.delete(scores, bidder)) - others)
    return payments


@given(case=position_cases(exact=True))
def test_vcg_payments_are_clarkes(case: PositionCase) -> None:
    if case.auction.payment_rule is VCG:
        outcome = case.auction.clear(case.bids, case.quality)
        np.testing.assert_allclose(outcome.payments, brute_payments(case), atol=1e-12)


@given(case=position_cases(exact=True))
def test_a_click_costs_the_lowest_bid_that_keeps_the_position(case: PositionCase) -> None:
    if case.auction.payment_rule is VCG:
        return
    outcome = case.auction.clear(case.bids, case.quality)
    scores = case.bids * case.quality
    for bidder in outcome.winners:
        others = np.arange(scores.size) != bidder
        below = others & ((outcome.positions > outcome.positions[bidder]) | (outcome.positions < 0))
        below &= case.bids >= case.auction.reserve
        lowest = max(np.max(scores[below], initial=0.0) / case.quality[bidder], case.auction.reserve)
        rate = case.auction.click_rates[outcome.positions[bidder]]
        assert outcome.payments[bidder] == pytest.approx(lowest * rate * case.quality[bidder])


@example(PositionCase(PositionAuction([1.0, 1.0, 0.0], VCG, 1e-12), np.array([0.5, 0.5]), np.ones(2)))
@given(case=position_cases())
def test_passes_its_certificate(case: PositionCase) -> None:
    outcome = case.auction.clear(case.bids, case.quality).require(1e-12)
    assert np.all(outcome.payments >= 0.0)
    np.testing.assert_allclose(outcome.prices * outcome.allocation, outcome.payments, rtol=1e-12)


# ---------------------------------------------------------------- equilibrium


@st.composite
def equilibria(draw: st.DrawFn) -> tuple[PositionAuction, FloatArray, FloatArray]:
    bidders, places = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    rates = sorted(draw(st.lists(st.integers(0, 20), min_size=places, max_size=places)), reverse=True)
    values = draw(st.lists(st.integers(0, 20), min_size=bidders, max_size=bidders, unique=True))
    quality = np.array(draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=bidders, max_size=bidders)))
    drawn = np.array(values, dtype=np.float64)
    order = np.argsort(-drawn * quality, kind="stable")  # equal bids must be ranked by value
    return PositionAuction([float(rate) for rate in rates]), drawn[order], quality[order]


@given(drawn=equilibria())
def test_the_lowest_equilibrium_pays_as_truthful_vcg(drawn: tuple[PositionAuction, FloatArray, FloatArray]) -> None:
    auction, values, quality = drawn
    gsp = auction.clear(locally_envy_free_bids(auction, values, quality), quality)
    vcg = PositionAuction(auction.click_rates, VCG).clear(values, quality)
    np.testing.assert_array_equal(gsp.positions, vcg.positions)
    np.testing.assert_allclose(gsp.payments, vcg.payments, atol=1e-9)


@pytest.mark.parametrize("highest_revenue", [False, True])
@given(drawn=equilibria())
def test_nobody_envies_another_position(
    highest_revenue: bool, drawn: tuple[PositionAuction, FloatArray, FloatArray]
) -> None:
    auction, values, quality = drawn
    bids = locally_envy_free_bids(auction, values, quality, highest_revenue=highest_revenue)
    outcome = auction.clear(bids, quality)
    rates = np.array(auction.click_rates)
    totals = np.zeros(rates.size)  # what each position costs
    totals[outcome.positions[outcome.winners]] = outcome.payments[outcome.winners]
    for bidder, (value, factor) in enumerate(zip(values, quality, strict=True)):
        own = value * outcome.allocation[bidder] - outcome.payments[bidder]
        taken = np.arange(rates.size) < outcome.winners.size
        assert np.all(own >= (value * factor * rates - totals)[taken] - 1e-9)


def test_equilibrium_of_the_published_example() -> None:
    auction, values = PositionAuction([200.0, 100.0]), [10.0, 4.0, 2.0]
    assert locally_envy_free_bids(auction, values).tolist() == [10.0, 3.0, 2.0]
    highest = locally_envy_free_bids(auction, values, highest_revenue=True)
    assert highest.tolist() == [10.0, 7.0, 4.0]
    assert auction.clear(highest).payments.tolist() == [1400.0, 400.0, 0.0]
    assert locally_envy_free_bids(auction, [2.0, 10.0, 4.0, 1.0]).tolist() == [2.0, 10.0, 3.0, 1.0]


# ---------------------------------------------------------------- what is declared

ALWAYS = {
    Property.FEASIBLE,
    Property.INDIVIDUALLY_RATIONAL,
    Property.WEAKLY_BUDGET_BALANCED,
    Property.MONOTONE,
    Property.ANONYMOUS,
}
FREE, TRUTHFUL = {Property.EFFICIENT, Property.SCALE_FREE}, {Property.STRATEGY_PROOF, Property.ENVY_FREE}


@pytest.mark.parametrize(
    ("auction", "beyond"),
    [
        (PositionAuction([2.0, 1.0]), FREE),
        (PositionAuction([2.0, 1.0], reserve=1.0), set()),
        (PositionAuction([2.0, 1.0], VCG), FREE | TRUTHFUL),
        (PositionAuction([2.0, 1.0], VCG, 1.0), TRUTHFUL),
        (PositionAuction([2.0]), FREE | TRUTHFUL),
        (PositionAuction([2.0, 0.0]), FREE | TRUTHFUL),
    ],
    ids=steady,
)
def test_declares(auction: PositionAuction, beyond: set[Property]) -> None:
    assert auction.declared_properties == ALWAYS | beyond


@given(case=position_cases(exact=True), data=st.data())
def test_declared_truth_is_the_best_bid(case: PositionCase, data: st.DataObject) -> None:
    if Property.STRATEGY_PROOF not in case.auction.declared_properties:
        return
    bidder = data.draw(st.integers(0, case.bids.size - 1))
    told = case.bids.copy()
    told[bidder] = data.draw(st.integers(0, 20)) / 2

    def utility(outcome: PositionOutcome) -> float:
        return float(case.bids[bidder] * outcome.allocation[bidder] - outcome.payments[bidder])

    truth = utility(case.auction.clear(case.bids, case.quality))
    assert utility(case.auction.clear(told, case.quality)) <= truth + 1e-12


# ---------------------------------------------------------------- the certificate is honest

BIDS, RATES, QUALITY = np.array([9.0, 6.0, 4.0, 1.0]), np.array([4.0, 2.0]), np.array([1.0, 1.0, 1.0, 1.0])
RIGHT = {GSP: [24.0, 8.0, 0.0, 0.0], VCG: [20.0, 8.0, 0.0, 0.0]}


def violations(
    rule: PositionPaymentRule, positions: list[int], clicks: list[float], payments: list[float], revenue: float
) -> dict[str, float]:
    certificate = certify_positions(
        rule,
        BIDS,
        QUALITY,
        RATES,
        2.0,
        np.array(positions),
        np.array(clicks),
        np.array(payments),
        revenue,
    )
    return certificate.violations(1e-9)


@every_rule
def test_certificate(rule: PositionPaymentRule) -> None:
    positions, clicks, right = [0, 1, -1, -1], [4.0, 2.0, 0.0, 0.0], RIGHT[rule]
    total = sum(right)
    assert violations(rule, positions, clicks, right, total) == {}
    assert violations(rule, positions, clicks, right, 2.0 * total) == {"budget_balance": 0.5}
    wrong_payment = violations(rule, positions, clicks, [right[0] * 2.0, *right[1:]], total + right[0])
    assert wrong_payment["payment_rule"] == 0.5
    one_less = violations(rule, positions, clicks, [right[0], 7.0, 0.0, 0.0], right[0] + 7.0)
    assert one_less == {"payment_rule": pytest.approx(1.0 / 12.0)}
    above = violations(rule, positions, clicks, [right[0], 16.0, 0.0, 0.0], right[0] + 16.0)
    assert above == {"payment_rule": 0.5, "within_bids": 0.25}
    below = violations(rule, positions, clicks, [*right[:2], -1.0, 0.0], total - 1.0)
    assert below == {"payment_rule": 1.0, "within_bids": 1.0}
    assert violations(rule, positions, [4.0, 1.0, 0.0, 0.0], right, total)["feasibility"] == 0.5
    swapped = violations(rule, [1, 0, -1, -1], [2.0, 4.0, 0.0, 0.0], right, total)
    assert swapped["efficiency"] == pytest.approx(6.0 / 48.0)


@pytest.mark.parametrize(
    "positions", [[0, 0, -1, -1], [1, 2, -1, -1], [0, 1, 2, -1], [1, -1, -1, -1], [0, -1, -1, 1], [0, 1, -2, -1]]
)
def test_impossible_positions(positions: list[int]) -> None:
    found = violations(GSP, positions, [4.0, 2.0, 0.0, 0.0], RIGHT[GSP], 32.0)
    assert set(found.values()) == {1.0}
    assert len(found) == 5
