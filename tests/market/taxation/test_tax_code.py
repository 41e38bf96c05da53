"""Tax codes: accounts that balance, to the cent; declared properties; certificates that notice."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.taxation import (
    BasicIncome,
    BracketTax,
    EqualRebate,
    LumpSum,
    Rounding,
    TargetedTransfer,
    TaxCode,
    TransactionTax,
    TreasuryStatus,
    ValueAddedTax,
    WealthTax,
)
from walras.market.taxation.tax_code import certify_settlement
from walras.market.testing.strategies.taxation import TaxedPopulation, bracket_taxes, tax_codes, taxed_populations

FLAT = BracketTax([], [0.3])


def settle(code: TaxCode, people: TaxedPopulation):
    return code.settle(people.income, people.wealth, people.consumption, people.bought, people.sold)


def settle_cents(code: TaxCode, people: TaxedPopulation, rounding: Rounding = Rounding.HALF_UP):
    bases = (people.income, people.wealth, people.consumption, people.bought, people.sold)
    return code.settle_cents(*(np.rint(100 * base).astype(np.int64) for base in bases), rounding)


@given(code=tax_codes(), people=taxed_populations())
def test_accounts_balance(code: TaxCode, people: TaxedPopulation) -> None:
    settled = settle(code, people).require(1e-12)
    agents = people.income.size
    assert settled.tax_by_levy.shape == (len(code.taxes), agents)
    assert settled.transfer_by_rule.shape == (len(code.transfers), agents)
    np.testing.assert_allclose(settled.tax, settled.tax_by_levy.sum(axis=0))
    np.testing.assert_allclose(settled.transfer, settled.transfer_by_rule.sum(axis=0))
    assert settled.revenue == pytest.approx(math.fsum(settled.tax), rel=1e-12, abs=1e-6)
    assert settled.balance == settled.revenue - settled.spending


@given(code=tax_codes(), people=taxed_populations(), rounding=st.sampled_from(Rounding))
def test_accounts_balance_to_the_cent(code: TaxCode, people: TaxedPopulation, rounding: Rounding) -> None:
    settled = settle_cents(code, people, rounding).require(0.0)
    income = np.rint(100 * people.income).astype(np.int64)
    assert sum(settled.net_income.tolist()) + settled.balance == sum(income.tolist())
    np.testing.assert_array_equal(settled.net_income, income - settled.tax + settled.transfer)
    assert settled.revenue == sum(settled.tax.tolist())
    assert settled.spending == sum(settled.transfer.tolist())
    assert {settled.net_income.dtype, settled.tax_by_levy.dtype, settled.transfer_by_rule.dtype} == {np.dtype(np.int64)}


@given(code=tax_codes(), people=taxed_populations())
def test_cents_agree_with_money(code: TaxCode, people: TaxedPopulation) -> None:
    bases = (people.income, people.wealth, people.consumption, people.bought, people.sold)
    rounded = TaxedPopulation(*(np.rint(100 * base) / 100 for base in bases))
    money, cents = settle(code, rounded), settle_cents(code, rounded)
    rules = len(code.taxes) + len(code.transfers) + 1
    scale = 1e-12 * max(np.abs(base).max() for base in bases)
    np.testing.assert_allclose(cents.net_income / 100, money.net_income, atol=0.01 * rules + scale)


@given(people=taxed_populations(), tax=bracket_taxes())
def test_a_rebate_gives_all_back(people: TaxedPopulation, tax: BracketTax) -> None:
    code = TaxCode([tax, ValueAddedTax(0.19), TransactionTax(0.01)], [EqualRebate()])
    assert settle(code, people).status is TreasuryStatus.BALANCED
    cents = settle_cents(code, people)
    assert cents.balance == 0
    assert cents.status is TreasuryStatus.BALANCED
    assert Property.STRONGLY_BUDGET_BALANCED in code.declared_properties


def test_a_code_by_hand() -> None:
    code = TaxCode(
        [FLAT, WealthTax(100.0, 0.1), ValueAddedTax(0.2), TransactionTax(0.1, 0.5), LumpSum([1.0, 2.0])],
        [BasicIncome(3.0), TargetedTransfer(10.0, 20.0, 0.5), EqualRebate()],
    )
    settled = code.settle([10.0, 30.0], [200.0, 50.0], [5.0, 10.0], [0.0, 20.0], [20.0, 0.0]).require()
    np.testing.assert_allclose(settled.tax_by_levy, [[3, 9], [10, 0], [1, 2], [1, 1], [1, 2]])
    np.testing.assert_allclose(settled.transfer_by_rule, [[3, 3], [10, 5], [4.5, 4.5]])
    np.testing.assert_allclose(settled.net_income, [10 - 16 + 17.5, 30 - 14 + 12.5])
    assert (settled.revenue, settled.spending, settled.balance) == pytest.approx((30.0, 30.0, 0.0))
    assert settled.status is TreasuryStatus.BALANCED


@pytest.mark.parametrize(
    ("transfers", "balance", "status"),
    [
        ([], 9.0, TreasuryStatus.SURPLUS),
        ([BasicIncome(4.5)], 0.0, TreasuryStatus.BALANCED),
        ([BasicIncome(5.0)], -1.0, TreasuryStatus.DEFICIT),
        ([BasicIncome(5.0), EqualRebate()], -1.0, TreasuryStatus.DEFICIT),  # nobody is charged for it
        ([BasicIncome(1.0), EqualRebate()], 0.0, TreasuryStatus.BALANCED),
    ],
)
def test_the_treasury(transfers: list[object], balance: float, status: TreasuryStatus) -> None:
    code = TaxCode([FLAT], transfers)
    settled, cents = code.settle([10.0, 20.0]), code.settle_cents([1000, 2000])
    assert settled.balance == pytest.approx(balance)
    assert settled.status is status
    assert (cents.balance, cents.status) == (round(100 * balance), status)


def test_the_odd_cents_of_a_rebate_go_to_the_first() -> None:
    settled = TaxCode([LumpSum(0.05)], [EqualRebate()]).settle_cents([100, 100, 100])
    assert settled.transfer.tolist() == [5, 5, 5]
    settled = TaxCode([BracketTax([], [0.01])], [EqualRebate()]).settle_cents([500, 0, 0])
    assert settled.transfer.tolist() == [2, 2, 1]
    assert settled.net_income.tolist() == [497, 2, 1]


def test_an_empty_code_changes_nothing() -> None:
    settled = TaxCode().settle([3.0, 4.0])
    assert settled.net_income.tolist() == [3.0, 4.0]
    assert settled.tax_by_levy.shape == settled.transfer_by_rule.shape == (0, 2)
    assert settled.status is TreasuryStatus.BALANCED
    assert TaxCode().settle_cents([3]).net_income.tolist() == [3]
    assert TaxCode([], []).settle([0.0]).require(0.0).balance == 0.0


def test_a_flat_tax_that_is_rebated_is_progressive() -> None:
    settled = TaxCode([FLAT], [EqualRebate()]).settle([10.0, 30.0, 80.0])
    burden = (settled.tax - settled.transfer) / np.array([10.0, 30.0, 80.0])
    assert np.all(np.diff(burden) > 0.0)


# ---------------------------------------------------------------- declared properties


@given(code=tax_codes(), people=taxed_populations(), extra=st.integers(0, 10**6))
def test_declared_monotone(code: TaxCode, people: TaxedPopulation, extra: int) -> None:
    assume(Property.MONOTONE in code.declared_properties)
    richer = people.income.copy()
    richer[0] += extra
    raised = TaxedPopulation(richer, people.wealth, people.consumption, people.bought, people.sold)
    before, after = settle(code, people), settle(code, raised)
    assert after.net_income[0] >= before.net_income[0] - 1e-12 * max(richer.max(), before.spending, before.revenue)


@given(code=tax_codes(), people=taxed_populations(), data=st.data())
def test_declared_anonymous(code: TaxCode, people: TaxedPopulation, data: st.DataObject) -> None:
    assert Property.ANONYMOUS in code.declared_properties  # the strategy draws no lump sums by name
    order = np.array(data.draw(st.permutations(range(people.income.size))))
    renamed = TaxedPopulation(
        people.income[order], people.wealth[order], people.consumption[order], people.bought[order], people.sold[order]
    )
    expected = settle(code, people).net_income[order]
    np.testing.assert_allclose(settle(code, renamed).net_income, expected, rtol=1e-9, atol=1e-6)


@given(code=tax_codes(), people=taxed_populations())
def test_declared_scale_free(code: TaxCode, people: TaxedPopulation) -> None:
    assume(Property.SCALE_FREE in code.declared_properties)
    bases = (people.income, people.wealth, people.consumption, people.bought, people.sold)
    scaled = settle(code, TaxedPopulation(*(4.0 * base for base in bases)))
    np.testing.assert_allclose(scaled.net_income, 4.0 * settle(code, people).net_income, rtol=1e-12, atol=1e-9)


@given(code=tax_codes(), people=taxed_populations())
def test_declared_budget_balance(code: TaxCode, people: TaxedPopulation) -> None:
    status = settle(code, people).status
    if Property.WEAKLY_BUDGET_BALANCED in code.declared_properties:
        assert status is not TreasuryStatus.DEFICIT
    if Property.STRONGLY_BUDGET_BALANCED in code.declared_properties:
        assert status is TreasuryStatus.BALANCED


PROPERTIES = {
    "flat and rebated": (
        TaxCode([FLAT], [EqualRebate()]),
        {"CONSERVES", "MONOTONE", "ANONYMOUS", "SCALE_FREE", "WEAKLY_BUDGET_BALANCED", "STRONGLY_BUDGET_BALANCED"},
    ),
    "flat": (TaxCode([FLAT]), {"CONSERVES", "MONOTONE", "ANONYMOUS", "SCALE_FREE", "WEAKLY_BUDGET_BALANCED"}),
    "nothing": (
        TaxCode(),
        {"CONSERVES", "MONOTONE", "ANONYMOUS", "SCALE_FREE", "WEAKLY_BUDGET_BALANCED", "STRONGLY_BUDGET_BALANCED"},
    ),
    "brackets": (
        TaxCode([BracketTax([5.0], [0.0, 1.0])]),
        {"CONSERVES", "MONOTONE", "ANONYMOUS", "WEAKLY_BUDGET_BALANCED"},
    ),
    "smoothed brackets": (
        TaxCode([BracketTax([5.0], [0.0, 1.0]).smoothed(1.0)]),
        {"CONSERVES", "MONOTONE", "ANONYMOUS", "WEAKLY_BUDGET_BALANCED"},
    ),
    "more than everything": (
        TaxCode([BracketTax([5.0], [0.0, 1.01])]),
        {"CONSERVES", "ANONYMOUS", "WEAKLY_BUDGET_BALANCED"},
    ),
    "a poverty trap": (TaxCode([FLAT], [TargetedTransfer(10.0, 0.0, 0.75)]), {"CONSERVES", "ANONYMOUS"}),
    "a transfer withdrawn in full": (
        TaxCode([], [TargetedTransfer(10.0, 0.0, 1.0)]),
        {"CONSERVES", "MONOTONE", "ANONYMOUS"},
    ),
    "a subsidy": (TaxCode([BracketTax([], [-0.1])]), {"CONSERVES", "MONOTONE", "ANONYMOUS", "SCALE_FREE"}),
    "named lump sums": (TaxCode([LumpSum([1.0, 2.0])]), {"CONSERVES", "MONOTONE", "WEAKLY_BUDGET_BALANCED"}),
    "grants": (TaxCode([LumpSum(-1.0)]), {"CONSERVES", "MONOTONE", "ANONYMOUS"}),
    "wealth from zero": (
        TaxCode([WealthTax(0.0, 0.1)]),
        {"CONSERVES", "MONOTONE", "ANONYMOUS", "SCALE_FREE", "WEAKLY_BUDGET_BALANCED"},
    ),
    "wealth above an exemption": (
        TaxCode([WealthTax(1.0, 0.1)]),
        {"CONSERVES", "MONOTONE", "ANONYMOUS", "WEAKLY_BUDGET_BALANCED"},
    ),
    "basic income": (TaxCode([FLAT], [BasicIncome(1.0)]), {"CONSERVES", "MONOTONE", "ANONYMOUS"}),
    "sales": (
        TaxCode([ValueAddedTax(0.2), TransactionTax(0.1)], [BasicIncome(0.0), EqualRebate()]),
        {"CONSERVES", "MONOTONE", "ANONYMOUS", "SCALE_FREE"},
    ),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_declared_properties(name: str) -> None:
    code, expected = PROPERTIES[name]
    assert {declared.name for declared in code.declared_properties} == expected


def test_what_is_not_declared_fails() -> None:
    trap = TaxCode([FLAT], [TargetedTransfer(10.0, 0.0, 0.75)])
    poor, poorer = trap.settle([10.0, 0.0]).net_income
    assert poorer > poor
    assert trap.settle([0.0]).status is TreasuryStatus.DEFICIT


# ---------------------------------------------------------------- certificate


def test_a_settlement_that_was_tampered_with_fails() -> None:
    income = np.array([10.0, 30.0])
    settled = TaxCode([FLAT], [EqualRebate()]).settle(income)
    answer = [settled.tax_by_levy, settled.transfer_by_rule, settled.net_income, settled.balance]
    assert certify_settlement(income, *answer).largest <= 1e-15
    gross = 40.0 + 12.0 + 12.0
    cases = {
        0: {"accounts": 1.0, "treasury": 1.0},
        1: {"accounts": 1.0, "treasury": 1.0},
        2: {"accounts": 1.0, "conservation": 1.0},
        3: {"treasury": 1.0, "conservation": 1.0},
    }
    for index, expected in cases.items():
        shift = np.array([[1.0, 0.0]]) if index < 2 else np.array([1.0, 0.0]) if index == 2 else 1.0
        changed = [value + shift if place == index else value for place, value in enumerate(answer)]
        certificate = certify_settlement(income, *changed)
        scale = gross + (1.0 if index < 2 else 0.0)
        for name in ("accounts", "treasury", "conservation"):
            assert getattr(certificate, name) * scale == pytest.approx(expected.get(name, 0.0), abs=1e-12)
