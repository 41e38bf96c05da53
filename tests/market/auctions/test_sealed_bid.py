"""Sealed-bid auctions of identical units: examples, ties, reserves, and Clarke's payments by brute force."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.ids import steady

from walras.market import NotConvergedError, Property
from walras.market.auctions import AuctionStatus, PaymentRule, SealedBidAuction
from walras.market.auctions.proof import certify_auctions
from walras.market.testing.strategies.auctions import SealedBidCase, sealed_bid_cases
from walras.market.validation import FloatArray

R = PaymentRule
every_rule = pytest.mark.parametrize("rule", R, ids=[rule.name for rule in R])

# ---------------------------------------------------------------- the same bids under each rule

ONE_UNIT = {
    R.DISCRIMINATORY: [0.0, 9.0, 0.0],
    R.UNIFORM_HIGHEST_LOSING: [0.0, 7.0, 0.0],
    R.UNIFORM_LOWEST_WINNING: [0.0, 9.0, 0.0],
    R.VICKREY: [0.0, 7.0, 0.0],
    R.ALL_PAY: [4.0, 9.0, 7.0],
}
TWO_UNITS = {
    R.DISCRIMINATORY: [0.0, 9.0, 7.0],
    R.UNIFORM_HIGHEST_LOSING: [0.0, 4.0, 4.0],
    R.UNIFORM_LOWEST_WINNING: [0.0, 7.0, 7.0],
    R.VICKREY: [0.0, 4.0, 4.0],
    R.ALL_PAY: [4.0, 9.0, 7.0],
}
# Three units; bidder 0 wins two (10, 8), bidder 1 one (9); losing: 6 and 5 of bidder 1's and 2's, 3 of bidder 0's.
MARGINAL_BIDS = [[10.0, 8.0, 3.0], [9.0, 6.0, 1.0], [5.0, 4.0, 2.0]]
MARGINAL = {
    R.DISCRIMINATORY: [18.0, 9.0, 0.0],
    R.UNIFORM_HIGHEST_LOSING: [12.0, 6.0, 0.0],
    R.UNIFORM_LOWEST_WINNING: [16.0, 8.0, 0.0],
    R.VICKREY: [11.0, 5.0, 0.0],
    R.ALL_PAY: [21.0, 16.0, 11.0],
}


@every_rule
def test_one_unit(rule: PaymentRule) -> None:
    outcome = SealedBidAuction(rule).clear([4.0, 9.0, 7.0]).require(0.0)
    assert outcome.allocation.tolist() == [0, 1, 0]
    assert outcome.payments.tolist() == ONE_UNIT[rule]
    assert outcome.revenue == sum(ONE_UNIT[rule])
    assert outcome.price_interval == (7.0, 9.0)
    assert outcome.winners.tolist() == [1]
    assert outcome.prices.tolist() == [0.0, ONE_UNIT[rule][1], 0.0]
    assert outcome.units_sold == 1
    assert outcome.status is AuctionStatus.SOLD_OUT


@every_rule
def test_two_units(rule: PaymentRule) -> None:
    outcome = SealedBidAuction(rule, 2).clear([4.0, 9.0, 7.0]).require(0.0)
    assert outcome.allocation.tolist() == [0, 1, 1]
    assert outcome.payments.tolist() == TWO_UNITS[rule]
    assert outcome.price_interval == (4.0, 7.0)


@every_rule
def test_marginal_bids(rule: PaymentRule) -> None:
    outcome = SealedBidAuction(rule, units=3, demand=3).clear(MARGINAL_BIDS).require(0.0)
    assert outcome.allocation.tolist() == [2, 1, 0]
    assert outcome.payments.tolist() == MARGINAL[rule]
    assert outcome.prices.tolist() == [MARGINAL[rule][0] / 2, MARGINAL[rule][1], 0.0]
    assert outcome.price_interval == (6.0, 8.0)


@every_rule
def test_all_pay_is_the_only_rule_that_charges_losers(rule: PaymentRule) -> None:
    outcome = SealedBidAuction(rule).clear([3.0, 5.0])
    assert (outcome.payments[0] > 0.0) == (rule is R.ALL_PAY)


def test_the_default_is_one_unit_for_one_bid_without_reserve() -> None:
    auction = SealedBidAuction(R.VICKREY)
    assert (auction.units, auction.demand, auction.reserve) == (1, 1, 0.0)
    assert auction == SealedBidAuction(R.VICKREY, 1, 1, [0.0][0])
    assert hash(SealedBidAuction(R.VICKREY, reserve=[1.0, 2.0])) == hash(
        SealedBidAuction(R.VICKREY, reserve=(1.0, 2.0))
    )


# ---------------------------------------------------------------- reserves, and too few bids


def test_a_bid_at_the_reserve_is_accepted_and_one_below_is_not() -> None:
    auction = SealedBidAuction(R.VICKREY, 3, reserve=5.0)
    outcome = auction.clear([5.0, 4.999, 8.0])
    assert outcome.allocation.tolist() == [1, 0, 1]
    assert outcome.payments.tolist() == [5.0, 0.0, 5.0]
    assert outcome.status is AuctionStatus.UNSOLD
    assert outcome.price_interval == (5.0, 5.0)
    assert outcome.units_sold == 2


def test_nothing_is_sold_below_the_reserve() -> None:
    outcome = SealedBidAuction(R.UNIFORM_LOWEST_WINNING, reserve=5.0).clear([1.0, 4.0]).require(0.0)
    assert outcome.status is AuctionStatus.NOTHING_SOLD
    assert outcome.allocation.tolist() == [0, 0]
    assert outcome.payments.tolist() == outcome.prices.tolist() == [0.0, 0.0]
    assert outcome.revenue == 0.0
    assert outcome.price_interval == (5.0, np.inf)
    assert outcome.winners.size == 0


@pytest.mark.parametrize(
    ("rule", "payments"),
    [
        (R.DISCRIMINATORY, [9.0, 0.0, 8.0]),
        (R.UNIFORM_HIGHEST_LOSING, [6.0, 0.0, 4.0]),
        (R.UNIFORM_LOWEST_WINNING, [8.0, 0.0, 8.0]),
        (R.VICKREY, [6.0, 0.0, 4.0]),
        (R.ALL_PAY, [9.0, 4.0, 8.0]),
    ],
)
def test_each_pays_its_own_reserve_at_least(rule: PaymentRule, payments: list[float]) -> None:
    # The bid of 7 is below its own reserve, and sets no price.
    outcome = SealedBidAuction(rule, 2, reserve=[6.0, 0.0, 1.0, 7.5]).clear([9.0, 4.0, 8.0, 7.0]).require(0.0)
    assert outcome.payments.tolist() == [*payments, 0.0]
    assert outcome.price_interval == (4.0, 8.0)


def test_a_bid_of_nothing_buys_nothing() -> None:
    outcome = SealedBidAuction(R.VICKREY, 3).clear([0.0, 2.0])
    assert outcome.allocation.tolist() == [0, 1]
    assert outcome.payments.tolist() == [0.0, 0.0]
    assert outcome.status is AuctionStatus.UNSOLD


def test_more_units_than_can_be_counted() -> None:
    outcome = SealedBidAuction(R.VICKREY, 10**30, 2).clear([[2.0, 1.0]]).require(0.0)
    assert outcome.allocation.tolist() == [2]


# ---------------------------------------------------------------- ties


@every_rule
def test_of_equal_bids_the_first_given_win(rule: PaymentRule) -> None:
    outcome = SealedBidAuction(rule, 2).clear([3.0, 5.0, 3.0, 3.0])
    assert outcome.allocation.tolist() == [1, 1, 0, 0]
    assert outcome.status is AuctionStatus.TIED
    assert outcome.price_interval == (3.0, 3.0)


def test_equal_bids_that_all_win_or_all_lose_are_no_tie() -> None:
    assert SealedBidAuction(R.VICKREY, 2).clear([5.0, 5.0, 1.0, 1.0]).status is AuctionStatus.SOLD_OUT


def test_lots_give_each_of_the_equal_bids_the_same_chance_and_leave_higher_ones_alone() -> None:
    auction, generator = SealedBidAuction(R.VICKREY, 2), np.random.default_rng(3)
    bids = np.tile([3.0, 5.0, 3.0, 3.0, 1.0], (6000, 1))
    shares = auction.clear_many(bids, generator).allocation.mean(axis=0)
    assert shares[1] == 1.0
    assert shares[4] == 0.0
    np.testing.assert_allclose(shares[[0, 2, 3]], 1.0 / 3.0, atol=4.0 * np.sqrt(2.0 / 9.0 / 6000.0))
    winners = {int(auction.clear(bids[0], generator).winners[-1]) for _ in range(50)}
    assert {2, 3} <= winners


# ---------------------------------------------------------------- many at once


@given(case=sealed_bid_cases(), copies=st.integers(1, 3))
def test_many_auctions_are_cleared_as_each_alone(case: SealedBidCase, copies: int) -> None:
    stack = np.stack([np.roll(case.bids, shift, axis=0) for shift in range(copies)])
    batch = case.auction.clear_many(stack[None])
    assert batch.allocation.shape == batch.payments.shape == (1, copies, len(case.bids))
    assert batch.revenue.shape == batch.units_sold.shape == (1, copies)
    for place in range(copies):
        alone = case.auction.clear(stack[place])
        np.testing.assert_array_equal(batch.allocation[0, place], alone.allocation)
        np.testing.assert_array_equal(batch.payments[0, place], alone.payments)
        assert batch.revenue[0, place] == alone.revenue
        assert (batch.lowest_prices[0, place], batch.highest_prices[0, place]) == alone.price_interval
        assert batch.units_sold[0, place] == alone.units_sold
    assert batch.require()


def test_a_batch_is_sold_out_only_if_each_auction_is() -> None:
    auction = SealedBidAuction(R.VICKREY, reserve=2.0)
    statuses = {
        AuctionStatus.SOLD_OUT: [[3.0, 4.0], [5.0, 1.0]],
        AuctionStatus.TIED: [[3.0, 4.0], [5.0, 5.0]],
        AuctionStatus.UNSOLD: [[3.0, 3.0], [1.0, 1.0]],
        AuctionStatus.NOTHING_SOLD: [[0.0, 1.0], [1.0, 1.0]],
    }
    for status, bids in statuses.items():
        assert auction.clear_many(bids).status is status


# ---------------------------------------------------------------- against brute force


def best_sum(bids: FloatArray, units: int) -> float:
    """Largest sum of at most `units` bids, over all sets of them."""
    positive = bids[bids > 0.0].tolist()
    return max(sum(chosen) for size in range(min(units, len(positive)) + 1) for chosen in combinations(positive, size))


def accepted(case: SealedBidCase) -> FloatArray:
    return np.where(case.table >= case.reserves[:, None], case.table, 0.0)


@given(case=sealed_bid_cases(exact=True))
def test_the_highest_bids_win(case: SealedBidCase) -> None:
    outcome, bids = case.auction.clear(case.bids), accepted(case)
    won = sum(float(own[:units].sum()) for own, units in zip(bids, outcome.allocation, strict=True))
    assert won == best_sum(bids, case.auction.units)
    assert outcome.units_sold == min(case.auction.units, np.count_nonzero(bids))


@given(case=sealed_bid_cases(exact=True, rules=(R.VICKREY,)))
def test_vickrey_payments_are_clarkes(case: SealedBidCase) -> None:
    # A seller who values each unit at the bidder's own reserve bids for the units against this bidder.
    outcome, bids = case.auction.clear(case.bids), accepted(case)
    for bidder, units in enumerate(outcome.allocation):
        seller = np.full((case.auction.units, 1), case.reserves[bidder])
        others = np.sort(np.delete(bids, bidder, axis=0).ravel())[::-1][: case.auction.units]
        kept = others[: max(0, case.auction.units - units)].sum()
        displaced = best_sum(np.concatenate([others[max(0, case.auction.units - units) :], seller[:units, 0]]), units)
        assert outcome.payments[bidder] == displaced
        if len(set(case.reserves)) == 1:
            everyone = np.concatenate([np.delete(bids, bidder, axis=0).ravel(), seller[:, 0]])
            without = np.sort(everyone)[::-1][: case.auction.units].sum()
            unsold = max(0, case.auction.units - outcome.units_sold) * case.reserves[bidder]
            assert outcome.payments[bidder] == pytest.approx(without - kept - unsold, abs=1e-12)


@given(case=sealed_bid_cases())
def test_passes_its_certificate(case: SealedBidCase) -> None:
    outcome = case.auction.clear(case.bids).require(1e-12)
    assert outcome.certificate.feasibility == 0.0
    assert np.all(outcome.payments >= 0.0)
    low, high = outcome.price_interval
    assert low <= high or outcome.status is AuctionStatus.UNSOLD or len(set(case.reserves)) > 1


@given(case=sealed_bid_cases(exact=True, rules=(R.VICKREY, R.UNIFORM_HIGHEST_LOSING)), data=st.data())
def test_the_truth_is_the_best_bid(case: SealedBidCase, data: st.DataObject) -> None:
    if Property.STRATEGY_PROOF not in case.auction.declared_properties:
        return
    bidder = data.draw(st.integers(0, len(case.bids) - 1))
    lie = np.sort(data.draw(st.lists(st.integers(0, 16), min_size=case.auction.demand, max_size=case.auction.demand)))
    told = case.table.copy()
    told[bidder] = lie[::-1] / 2

    def utility(bids: FloatArray) -> float:
        outcome = case.auction.clear(bids.reshape(case.bids.shape))
        return float(case.table[bidder, : outcome.allocation[bidder]].sum() - outcome.payments[bidder])

    assert utility(told) <= utility(case.table)


# ---------------------------------------------------------------- what is declared

ALWAYS = {Property.FEASIBLE, Property.WEAKLY_BUDGET_BALANCED, Property.MONOTONE}
FREE = {Property.EFFICIENT, Property.SCALE_FREE}
TRUTH, CALM, WILLING = Property.STRATEGY_PROOF, Property.ENVY_FREE, Property.INDIVIDUALLY_RATIONAL
NAMELESS = Property.ANONYMOUS


@pytest.mark.parametrize(
    ("auction", "beyond"),
    [
        (SealedBidAuction(R.VICKREY), {TRUTH, CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.VICKREY, 2), {TRUTH, CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.VICKREY, 2, 2), {TRUTH, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.VICKREY, 1, 2), {TRUTH, CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.VICKREY, 2, reserve=1.0), {TRUTH, CALM, WILLING, NAMELESS}),
        (SealedBidAuction(R.VICKREY, 2, reserve=[1.0, 1.0]), {TRUTH, CALM, WILLING, NAMELESS}),
        (SealedBidAuction(R.VICKREY, 2, reserve=[0.0, 1.0]), {TRUTH, WILLING}),
        (SealedBidAuction(R.VICKREY, 2, reserve=[0.0, 0.0]), {TRUTH, CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.UNIFORM_HIGHEST_LOSING, 2), {TRUTH, CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.UNIFORM_HIGHEST_LOSING, 2, 2), {CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.UNIFORM_HIGHEST_LOSING, 1, 2), {CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.UNIFORM_LOWEST_WINNING, 2), {CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.DISCRIMINATORY), {CALM, WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.DISCRIMINATORY, 2), {WILLING, NAMELESS, *FREE}),
        (SealedBidAuction(R.ALL_PAY), {NAMELESS, *FREE}),
        (SealedBidAuction(R.ALL_PAY, 2, reserve=1.0), {NAMELESS}),
    ],
    ids=steady,
)
def test_declares(auction: SealedBidAuction, beyond: set[Property]) -> None:
    assert auction.declared_properties == ALWAYS | beyond


def test_the_uniform_price_invites_demand_reduction() -> None:
    # Bidding for both units, the bidder sets its own price; bidding for one, it pays nothing.
    auction = SealedBidAuction(R.UNIFORM_HIGHEST_LOSING, units=2, demand=2)
    truth = auction.clear([[10.0, 9.0], [8.0, 0.0]])
    shaded = auction.clear([[10.0, 0.0], [8.0, 0.0]])
    assert truth.payments[0] == 16.0
    assert truth.allocation.tolist() == [2, 0]
    assert 10.0 - shaded.payments[0] == 10.0 > 19.0 - truth.payments[0]


# ---------------------------------------------------------------- the certificate is honest


def residuals_of(
    auction: SealedBidAuction, bids: FloatArray, allocation: object, payments: object, revenue: float | None = None
) -> dict[str, float]:
    table = np.asarray(bids, dtype=np.float64).reshape(1, len(bids), -1)
    paid = np.asarray(payments, dtype=np.float64)[None]
    total = np.array([paid.sum() if revenue is None else revenue])
    reserves = np.full(len(bids), auction.reserve)
    given = np.asarray(allocation, dtype=np.float64)[None]
    return certify_auctions(auction.payment_rule, table, reserves, auction.units, given, paid, total).violations(1e-9)


AUCTION = SealedBidAuction(R.VICKREY, 2, reserve=1.0)
BIDS = [9.0, 7.0, 4.0, 0.5]


def test_a_right_answer_has_no_violations() -> None:
    assert residuals_of(AUCTION, BIDS, [1, 1, 0, 0], [4.0, 4.0, 0.0, 0.0]) == {}


@pytest.mark.parametrize(
    ("allocation", "payments", "revenue", "violations"),
    [
        ([1, 1, 1, 0], [4.0, 4.0, 4.0, 0.0], None, {"feasibility": 0.5}),
        ([1, 2, 0, 0], [4.0, 4.0, 0.0, 0.0], None, {"feasibility": 0.5}),
        ([1, 0, 0, 1], [4.0, 0.0, 0.0, 0.0], None, {"feasibility": 0.5}),
        ([1, 1, 1, -1], [4.0, 4.0, 0.0, 0.0], None, {"feasibility": 0.5}),
        ([1, 0.5, 0.5, 0], [4.0, 0.0, 0.0, 0.0], None, {"feasibility": 0.25}),
        ([1, 0, 1, 0], [7.0, 0.0, 7.0, 0.0], None, {"efficiency": 3.0 / 16.0}),
        ([1, 0, 0, 0], [4.0, 0.0, 0.0, 0.0], None, {"efficiency": 7.0 / 16.0}),
        ([1, 1, 0, 0], [5.0, 4.0, 0.0, 0.0], None, {"payment_rule": 0.2}),
        ([1, 1, 0, 0], [4.0, 3.0, 0.0, 0.0], None, {"payment_rule": 0.25}),
        ([1, 1, 0, 0], [4.0, 8.0, 0.0, 0.0], None, {"payment_rule": 0.5, "within_bids": 0.125}),
        ([1, 1, 0, 0], [4.0, 4.0, -1.0, 0.0], None, {"payment_rule": 1.0, "within_bids": 1.0}),
        ([1, 1, 0, 0], [4.0, 4.0, 0.0, 0.0], 10.0, {"budget_balance": 0.2}),
        ([1, 1, 0, 0], [4.0, 4.0, 0.0, 0.0], 6.0, {"budget_balance": 0.25}),
    ],
)
def test_a_wrong_answer_is_found_out(
    allocation: list[float], payments: list[float], revenue: float | None, violations: dict[str, float]
) -> None:
    found = residuals_of(AUCTION, BIDS, allocation, payments, revenue)
    assert {name: found.get(name) for name in violations} == pytest.approx(violations)


@every_rule
@pytest.mark.parametrize("factor", [0.5, 1.5])
@pytest.mark.parametrize("bidder", [0, 1])
def test_each_rules_payments_are_checked(rule: PaymentRule, factor: float, bidder: int) -> None:
    auction = SealedBidAuction(rule, units=3, demand=3)
    outcome = auction.clear(MARGINAL_BIDS)
    payments = outcome.payments.copy()
    payments[bidder] *= factor
    found = residuals_of(auction, MARGINAL_BIDS, outcome.allocation, payments)
    assert found["payment_rule"] == pytest.approx(0.5 if factor < 1.0 else 1.0 / 3.0)


def test_nan_is_found_out() -> None:
    found = residuals_of(AUCTION, BIDS, [np.nan, 1, 0, 0], [4.0, np.nan, 0.0, 0.0])
    assert {"feasibility", "payment_rule", "within_bids", "budget_balance"} <= set(found)


def test_require_raises_for_a_tampered_certificate() -> None:
    outcome = AUCTION.clear(BIDS)
    assert outcome.require() is outcome
    tampered = replace(outcome, certificate=replace(outcome.certificate, efficiency=0.1))
    with pytest.raises(NotConvergedError, match=r"AuctionOutcome fails .* efficiency = 0\.1"):
        tampered.require()


# ---------------------------------------------------------------- scale


@every_rule
@pytest.mark.parametrize("exponent", [-300, -40, 40, 300])
def test_the_unit_of_money_is_free(rule: PaymentRule, exponent: int) -> None:
    factor = 2.0**exponent
    plain = SealedBidAuction(rule, 3, 3, 2.0).clear(MARGINAL_BIDS)
    scaled = SealedBidAuction(rule, 3, 3, 2.0 * factor).clear(np.array(MARGINAL_BIDS) * factor).require(0.0)
    np.testing.assert_array_equal(scaled.allocation, plain.allocation)
    np.testing.assert_array_equal(scaled.payments, plain.payments * factor)


@every_rule
def test_thousands_of_bidders(rule: PaymentRule) -> None:
    bids = -np.sort(-np.random.default_rng(0).random((5000, 4)), axis=1)
    outcome = SealedBidAuction(rule, 3000, 4).clear(bids).require(1e-12)
    assert outcome.units_sold == 3000
