"""The strategies for taxes reach the corners that they promise."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, settings

from walras.market.taxation import (
    BasicIncome,
    BracketTax,
    EqualRebate,
    LumpSum,
    TargetedTransfer,
    TaxCode,
    TransactionTax,
    ValueAddedTax,
    WealthTax,
)
from walras.market.testing.strategies.taxation import (
    TaxedPopulation,
    bracket_taxes,
    incomes,
    incomes_cents,
    tax_codes,
    taxed_populations,
)

SEARCH = settings(
    max_examples=3000,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

BRACKETS: dict[str, Callable[[BracketTax], bool]] = {
    "flat": lambda tax: len(tax.thresholds) == 0,
    "five thresholds": lambda tax: len(tax.thresholds) == 5,
    "everything is taken": lambda tax: max(tax.rates) == 1.0,
    "falling rates": lambda tax: any(np.diff(tax.rates) < 0.0),
    "neighbouring cents": lambda tax: any(np.diff(tax.thresholds) < 0.015),
}


@pytest.mark.parametrize("name", BRACKETS)
def test_bracket_taxes(name: str) -> None:
    find(bracket_taxes(), BRACKETS[name], settings=SEARCH)


def test_options_of_bracket_taxes() -> None:
    for tax in (
        find(bracket_taxes(highest_rate=0.5), lambda tax: max(tax.rates) == 0.5, settings=SEARCH),
        find(bracket_taxes(progressive=True), lambda tax: len(set(tax.rates)) > 2, settings=SEARCH),
    ):
        assert max(tax.rates) <= 1.0
    assert np.all(
        np.diff(find(bracket_taxes(progressive=True), lambda tax: len(tax.rates) > 3, settings=SEARCH).rates) >= 0
    )


INCOMES: dict[str, Callable[[np.ndarray], bool]] = {
    "one agent": lambda income: income.size == 1,
    "eight agents": lambda income: income.size == 8,
    "nobody earns": lambda income: income.size > 1 and not income.any(),
    "ties": lambda income: income.size > 1 and len(set(income.tolist())) == 1 and income[0] > 0,
    "very large": lambda income: income.max() > 1e8,
}


@pytest.mark.parametrize("name", INCOMES)
def test_incomes(name: str) -> None:
    find(incomes(), INCOMES[name], settings=SEARCH)
    find(incomes_cents(), lambda cents: cents.dtype == np.int64 and INCOMES[name](cents), settings=SEARCH)
    assert find(incomes(agents=3), lambda income: True, settings=SEARCH).size == 3
    assert find(incomes_cents(agents=3), lambda income: True, settings=SEARCH).size == 3


POPULATIONS: dict[str, Callable[[TaxedPopulation], bool]] = {
    "debts": lambda people: people.wealth.min() < 0.0 < people.wealth.max(),
    "somebody sells what another buys": lambda people: bool(np.any(people.bought != people.sold)),
    "consumption": lambda people: people.consumption.max() > people.income.max(),
}


@pytest.mark.parametrize("name", POPULATIONS)
def test_populations(name: str) -> None:
    people = find(taxed_populations(), POPULATIONS[name], settings=SEARCH)
    assert sorted(people.bought) == sorted(people.sold)


@pytest.mark.parametrize("kind", [BracketTax, WealthTax, TransactionTax, ValueAddedTax, LumpSum])
def test_codes_hold_every_tax(kind: type) -> None:
    find(tax_codes(), lambda code: any(isinstance(tax, kind) for tax in code.taxes), settings=SEARCH)


@pytest.mark.parametrize("kind", [BasicIncome, TargetedTransfer, EqualRebate])
def test_codes_hold_every_transfer(kind: type) -> None:
    find(tax_codes(), lambda code: any(isinstance(rule, kind) for rule in code.transfers), settings=SEARCH)


def test_codes_can_be_empty_and_full() -> None:
    assert find(tax_codes(), lambda code: not code.taxes and not code.transfers, settings=SEARCH) == TaxCode()
    find(tax_codes(), lambda code: len(code.taxes) == 3 and len(code.transfers) == 3, settings=SEARCH)
    find(tax_codes(), lambda code: any(isinstance(t, LumpSum) and t.amount < 0 for t in code.taxes), settings=SEARCH)
