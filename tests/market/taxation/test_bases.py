"""Wealth, trades, value added, heads; and transfers."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market.taxation import (
    Base,
    BasicIncome,
    BracketTax,
    LumpSum,
    Rounding,
    TargetedTransfer,
    TransactionTax,
    ValueAddedTax,
    ValueAddedTaxStatus,
    WealthTax,
)
from walras.market.taxation.cents import MOST_CENTS, equal_shares
from walras.market.taxation.value_added import certify_returns
from walras.market.testing.strategies.taxation import incomes, incomes_cents

# ---------------------------------------------------------------- wealth


def test_wealth_above_the_exemption_is_taxed() -> None:
    tax = WealthTax(100.0, 0.02)
    assert tax.exemption == 100.0
    assert tax.base is Base.WEALTH
    np.testing.assert_allclose(tax.tax_due([-50.0, 0.0, 100.0, 150.0]), [0.0, 0.0, 0.0, 1.0])
    assert tax.tax_due_cents([-50_00, 100_00, 150_00, 100_25]).tolist() == [0, 0, 100, 1]
    assert tax.tax_due_cents([100_25], Rounding.DOWN).tolist() == [0]


def test_wealth_brackets() -> None:
    tax = WealthTax([50e6, 1e9], [0.02, 0.03])
    assert tax.exemption == 50e6
    np.testing.assert_allclose(tax.tax_due([50e6, 60e6, 1e9, 2e9]), [0.0, 2e5, 19e6, 49e6])


@given(wealth=incomes())
def test_without_exemption_a_wealth_tax_is_a_bracket_tax(wealth: np.ndarray) -> None:
    np.testing.assert_array_equal(
        WealthTax([0.0, 10.0], [0.01, 0.02]).tax_due(wealth), BracketTax([10.0], [0.01, 0.02]).tax_due(wealth)
    )


# ---------------------------------------------------------------- heads


def test_a_lump_sum_is_owed_by_every_head() -> None:
    assert LumpSum(5.0).base is Base.HEAD
    assert LumpSum(5.0).tax_due(2).tolist() == [5.0, 5.0]
    assert LumpSum([1.0, -2.5]).tax_due(2).tolist() == [1.0, -2.5]
    assert LumpSum([1.0, -2.5]).tax_due_cents(2).tolist() == [100, -250]
    assert LumpSum(0.07).tax_due_cents(1).tolist() == [7]
    assert LumpSum([1, 2]) == LumpSum(np.array([1.0, 2.0]))
    assert hash(LumpSum([1, 2])) == hash(LumpSum((1.0, 2.0)))


# ---------------------------------------------------------------- trades


@given(bought=incomes(), rate=st.floats(0.0, 2.0), share=st.floats(0.0, 1.0))
def test_the_treasury_gets_the_rate_times_turnover_whoever_owes(bought: np.ndarray, rate: float, share: float) -> None:
    sold = bought[::-1].copy()
    due = TransactionTax(rate, share).tax_due(bought, sold)
    assert math.fsum(due) == pytest.approx(rate * math.fsum(bought), rel=1e-12, abs=1e-300)


def test_who_owes_a_transaction_tax() -> None:
    bought, sold = [100.0, 0.0], [0.0, 100.0]
    assert TransactionTax(0.25).tax_due(bought, sold).tolist() == [25.0, 0.0]
    assert TransactionTax(0.25, buyer_share=0.0).tax_due(bought, sold).tolist() == [0.0, 25.0]
    assert TransactionTax(0.25, 0.75).tax_due(bought, sold).tolist() == [18.75, 6.25]
    assert TransactionTax(0.1).base is Base.TRADES


def test_transaction_tax_in_cents_is_rounded_once() -> None:
    # 0.05 * (0.5 * 10 + 0.5 * 10) = 0.5 cents: rounded apart, the halves would be 0
    tax = TransactionTax(0.05, 0.5)
    assert tax.tax_due_cents([10], [10]).tolist() == [1]
    assert tax.tax_due_cents([10], [10], Rounding.DOWN).tolist() == [0]
    assert TransactionTax(0.01, 0.25).tax_due_cents([400, 0], [0, 400]).tolist() == [1, 3]


@given(bought=incomes_cents(), digits=st.integers(1, 15))
def test_transaction_tax_in_cents_is_exact(bought: np.ndarray, digits: int) -> None:
    rate = round(0.123456789012345, digits)
    sold = bought[::-1].copy()
    exact = [
        Fraction(repr(rate)) * (Fraction(3, 10) * b + Fraction(7, 10) * s)
        for b, s in zip(bought.tolist(), sold.tolist(), strict=True)
    ]
    expected = [math.floor(amount + Fraction(1, 2)) for amount in exact]
    assert TransactionTax(rate, 0.3).tax_due_cents(bought, sold).tolist() == expected


# ---------------------------------------------------------------- value added


@given(sales=incomes(), rate=st.one_of(st.just(0.0), st.floats(1e-9, 1.0)))
def test_value_added_tax_equals_a_retail_tax(sales: np.ndarray, rate: float) -> None:
    returns = ValueAddedTax(rate).production_chain(sales).require()
    assert returns.revenue == pytest.approx(rate * sales[-1], rel=1e-9, abs=1e-9 * rate * sales.max())
    added = np.diff(sales, prepend=0.0)
    np.testing.assert_allclose(returns.remitted, rate * added, rtol=1e-9, atol=1e-9 * rate * sales.max() + 1e-300)


def test_a_chain_by_hand() -> None:
    tax = ValueAddedTax(0.25)
    assert tax.base is Base.CONSUMPTION
    returns = tax.production_chain([100.0, 80.0, 400.0])
    assert returns.output_tax.tolist() == [25.0, 20.0, 100.0]
    assert returns.input_credit.tolist() == [0.0, 25.0, 20.0]
    assert returns.remitted.tolist() == [25.0, -5.0, 80.0]
    assert returns.revenue == 100.0
    assert returns.status is ValueAddedTaxStatus.REFUNDS
    assert tax.production_chain([100.0, 100.0]).status is ValueAddedTaxStatus.COLLECTED
    assert tax.production_chain([100.0]).remitted.tolist() == [25.0]


@given(data=st.data(), firms=st.integers(1, 4), rate=st.sampled_from([0.0, 0.07, 0.19, 0.2]))
def test_firms_that_trade_with_one_another(data: st.DataObject, firms: int, rate: float) -> None:
    between = np.array([data.draw(incomes_cents(agents=firms)) for _ in range(firms)])
    final = data.draw(incomes_cents(agents=firms))
    returns = ValueAddedTax(rate).returns(between / 100, final / 100).require()
    assert returns.revenue == pytest.approx(rate * final.sum() / 100, rel=1e-9, abs=1e-10 * between.sum())
    remitted = ValueAddedTax(rate).remitted_cents(between, final)
    on_final = ValueAddedTax(rate).tax_due_cents(final)
    assert remitted.dtype == np.int64
    assert remitted.sum() == on_final.sum()  # to the cent: each invoice is charged and credited as one integer


def test_remitted_cents_by_hand() -> None:
    # invoices of 10 and 30 cents at 5 %: 0.5 -> 1 and 1.5 -> 2 cents
    remitted = ValueAddedTax(0.05).remitted_cents([[0, 10], [30, 0]], [100, 0])
    assert remitted.tolist() == [1 + 5 - 2, 2 - 1]
    assert ValueAddedTax(0.05).remitted_cents([[0, 10], [30, 0]], [100, 0], Rounding.DOWN).tolist() == [4, 1]


def test_a_tax_return_that_was_tampered_with_fails() -> None:
    between, final = np.array([[0.0, 100.0], [0.0, 0.0]]), np.array([0.0, 250.0])
    honest = ValueAddedTax(0.2).returns(between, final)
    fields = (honest.output_tax, honest.input_credit, honest.remitted, honest.revenue)
    assert certify_returns(0.2, between, final, *fields).largest <= 1e-15
    shifts = [np.array([0.0, 7.0]), np.array([0.0, 7.0]), np.array([0.0, 7.0]), 7.0]
    for index, shift in enumerate(shifts):
        changed = [field + shift if place == index else field for place, field in enumerate(fields)]
        certificate = certify_returns(0.2, between, final, *changed)
        assert certificate.largest == pytest.approx(0.1)  # 7 of 0.2 * (100 + 250)
        assert not replace(honest, certificate=certificate).certificate.violations(0.2)


def test_nothing_sold_is_nothing_owed() -> None:
    returns = ValueAddedTax(0.2).production_chain([0.0, 0.0]).require(0.0)
    assert returns.revenue == 0.0


# ---------------------------------------------------------------- transfers


def test_a_targeted_transfer_is_withdrawn_as_income_rises() -> None:
    transfer = TargetedTransfer(600.0, 1_000.0, 0.5)
    assert transfer.phase_out_end == 2_200.0
    assert transfer.amounts([0.0, 1_000.0, 1_001.0, 2_199.0, 2_200.0, 9_999.0]).tolist() == [600, 600, 599.5, 0.5, 0, 0]
    cents = transfer.amounts_cents([0, 1_000_00, 1_000_01, 1_000_02, 2_199_99, 2_200_00, 10**12])
    assert cents.tolist() == [600_00, 600_00, 600_00, 599_99, 1, 0, 0]
    assert transfer.amounts_cents([1_000_01], Rounding.DOWN).tolist() == [599_99]


def test_a_basic_income_is_the_same_for_all() -> None:
    assert BasicIncome(12.5).amounts(2).tolist() == [12.5, 12.5]
    assert BasicIncome(12.5).amounts_cents(3).tolist() == [1250, 1250, 1250]


@given(total=st.integers(0, 10**12), heads=st.integers(1, 50))
def test_equal_shares_add_up_and_differ_by_a_cent(total: int, heads: int) -> None:
    shares = equal_shares(total, heads)
    assert int(shares.sum()) == total
    assert shares.max() - shares.min() <= 1
    assert np.all(np.diff(shares) <= 0)  # the cents left over go to the first


def test_the_largest_amount_of_cents() -> None:
    assert BracketTax([], [1.0]).tax_due_cents([MOST_CENTS]).tolist() == [10**15]
