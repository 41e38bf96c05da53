"""The logarithmic scoring rule: softmax prices, path independence, bounded loss, no arbitrage, stability."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.market_makers import LogarithmicScoringRule, ScoringStatus
from walras.market.market_makers.scoring_rule import certify_trade
from walras.market.testing.strategies.market_makers import scoring_rules

RULE = LogarithmicScoringRule(3, 10.0)


def exact_cost(liquidity, quantities):
    """C(q) with enough digits, whatever the size of q."""
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 60
        total = sum((Decimal(float(each)) / Decimal(liquidity)).exp() for each in quantities)
        return Decimal(liquidity) * total.ln()


@given(case=scoring_rules())
def test_passes_its_certificate(case):
    rule, quantities, purchase = case
    rule.trade(quantities, purchase).require(1e-9)


@given(case=scoring_rules())
def test_prices_are_softmax(case):
    rule, quantities, _ = case
    weights = np.exp((quantities - quantities.max()) / rule.liquidity)
    np.testing.assert_allclose(rule.prices(quantities), weights / weights.sum(), rtol=1e-12, atol=1e-300)


@given(case=scoring_rules())
def test_payment_is_the_difference_of_costs_in_exact_arithmetic(case):
    rule, quantities, purchase = case
    trade = rule.trade(quantities, purchase)
    exact = exact_cost(rule.liquidity, quantities + purchase) - exact_cost(rule.liquidity, quantities)
    scale = max(np.max(np.abs(purchase)), rule.liquidity * 1e-6)
    assert trade.payment == pytest.approx(float(exact), rel=1e-9, abs=1e-12 * scale + 1e-300)
    np.testing.assert_array_equal(trade.quantities, quantities + purchase)
    np.testing.assert_array_equal(trade.purchase, purchase)
    np.testing.assert_allclose(trade.prices, rule.prices(trade.quantities), rtol=1e-14)
    np.testing.assert_allclose(trade.prices_before, rule.prices(quantities), rtol=1e-14)


@given(case=scoring_rules())
def test_cost_is_log_sum_exp(case):
    rule, quantities, _ = case
    assert rule.cost(quantities) == pytest.approx(float(exact_cost(rule.liquidity, quantities)), rel=1e-12)


@given(case=scoring_rules(), split=st.floats(-2.0, 3.0))
def test_the_path_does_not_matter(case, split):
    rule, quantities, purchase = case
    first = rule.trade(quantities, split * purchase)
    second = rule.trade(first.quantities, (1.0 - split) * purchase)
    direct = rule.trade(quantities, purchase)
    scale = 1e-9 * max(rule.liquidity, np.max(np.abs(purchase)), np.max(np.abs(quantities)))
    assert first.payment + second.payment == pytest.approx(direct.payment, abs=scale)


@given(case=scoring_rules())
def test_a_full_set_costs_one(case):
    rule, quantities, _ = case
    trade = rule.trade(quantities, np.full(rule.outcomes, rule.liquidity))
    assert trade.payment == pytest.approx(rule.liquidity, rel=1e-12)


@given(case=scoring_rules())
def test_loss_is_bounded_and_the_bound_is_reached(case):
    rule, quantities, _ = case
    losses = rule.losses(quantities)
    assert np.all(losses <= rule.worst_case_loss * (1.0 + 1e-12))
    collected = rule.cost(quantities) - rule.cost(np.zeros(rule.outcomes))
    np.testing.assert_allclose(
        losses, quantities - collected, atol=1e-9 * max(rule.liquidity, np.max(np.abs(quantities)))
    )
    certain = np.zeros(rule.outcomes)
    certain[0] = 1e4 * rule.liquidity
    assert rule.losses(certain)[0] == pytest.approx(rule.worst_case_loss, rel=1e-12)


def test_worst_case_loss():
    assert RULE.worst_case_loss == pytest.approx(10.0 * math.log(3))


def test_small_trades_keep_their_digits():
    rule = LogarithmicScoringRule(2, 100.0)
    trade = rule.trade([1000.0, 0.0], [0.0, 1e-9])
    assert trade.payment == pytest.approx(1e-9 * math.exp(-10.0) / (1.0 + math.exp(-10.0)), rel=1e-10)


@given(case=scoring_rules(), data=st.data())
def test_trade_to_a_price(case, data):
    rule, quantities, _ = case
    outcome = data.draw(st.integers(0, rule.outcomes - 1))
    price = data.draw(st.sampled_from([1e-6, 0.25, 0.5, 0.999]))
    trade = rule.trade_to_price(quantities, outcome, price)
    assume(np.max(np.abs(quantities)) < 100.0 * rule.liquidity)
    assert trade.prices[outcome] == pytest.approx(price, rel=1e-9)
    assert not np.delete(trade.purchase, outcome).any()


@given(case=scoring_rules(), data=st.data())
def test_trade_to_prices(case, data):
    rule, quantities, _ = case
    weights = np.array(
        data.draw(st.lists(st.integers(1, 9), min_size=rule.outcomes, max_size=rule.outcomes)), dtype=float
    )
    trade = rule.trade_to_prices(quantities, weights / weights.sum())
    assume(np.max(np.abs(quantities)) < 1e3 * rule.liquidity)
    np.testing.assert_allclose(trade.prices, weights / weights.sum(), rtol=1e-9)
    assert np.min(trade.purchase) == 0.0


def test_a_trader_who_moves_prices_to_beliefs_gains_the_divergence():
    beliefs = np.array([0.5, 0.3, 0.2])
    trade = RULE.trade_to_prices([0.0, 0.0, 0.0], beliefs)
    expected = beliefs @ trade.purchase - trade.payment
    assert expected == pytest.approx(10.0 * np.sum(beliefs * np.log(beliefs * 3)))


@pytest.mark.parametrize(
    ("purchase", "status"),
    [
        ([0.0, 0.0, 0.0], ScoringStatus.NOTHING),
        ([1.0, 0.0, -1.0], ScoringStatus.TRADED),
        ([1e4, 1e4, 0.0], ScoringStatus.SATURATED),
        ([1e3, 0.0, 0.0], ScoringStatus.SATURATED),
    ],
)
def test_status(purchase, status):
    assert RULE.trade([0.0, 0.0, 0.0], purchase).status is status


@pytest.mark.parametrize("liquidity", [1e-140, 1e-12, 1e12, 1e140])
def test_any_unit_of_money(liquidity):
    rule = LogarithmicScoringRule(2, liquidity)
    trade = rule.trade([0.0, 0.0], [0.5 * liquidity, 0.0]).require(1e-12)
    assert trade.payment == pytest.approx(liquidity * math.log((1 + math.exp(0.5)) / 2), rel=1e-12)


# ---------------------------------------------------------------- certificate

BEFORE, BOUGHT = np.array([0.0, 5.0, 0.0]), np.array([20.0, 0.0, 0.0])
TRADE = RULE.trade(BEFORE, BOUGHT)


def certify(payment=TRADE.payment, prices=TRADE.prices):
    return certify_trade(10.0, BEFORE, BOUGHT, payment, prices)


def test_the_answer_is_right():
    assert certify().violations(1e-15) == {}


@pytest.mark.parametrize("error", [1e-3, -1e-3])
def test_a_wrong_payment_shows(error):
    assert certify(payment=TRADE.payment + error).payment == pytest.approx(1e-3 / 20)
    assert certify(payment=TRADE.payment + error).no_arbitrage == 0.0


def test_a_payment_beyond_the_prices_shows():
    assert certify(payment=20.0).no_arbitrage == pytest.approx(1.0 - TRADE.prices[0])
    assert certify(payment=0.0).no_arbitrage == pytest.approx(RULE.prices(BEFORE)[0])


def test_wrong_prices_show():
    wrong = TRADE.prices * [1.1, 1.0, 1.0]
    assert certify(prices=wrong).prices == pytest.approx(0.1 * TRADE.prices[0])
    assert certify(prices=wrong).price_rule == pytest.approx(10.0 * math.log(1.1) / 20.0)
    assert certify(prices=np.array([1.5, -0.5, 0.0])).prices == 0.5


def test_promises():
    assert RULE.declared_properties == {Property.FEASIBLE, Property.CONSERVES}
