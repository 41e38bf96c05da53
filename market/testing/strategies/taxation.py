"""Strategies for taxes: schedules, incomes with ties and zeros, whole tax codes, populations in money and in cents."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.taxation import (
    BasicIncome,
    BracketTax,
    EqualRebate,
    Levy,
    LumpSum,
    TargetedTransfer,
    TaxCode,
    TransactionTax,
    Transfer,
    ValueAddedTax,
    WealthTax,
)
from walras.market.validation import FloatArray, IntArray

__all__ = ["TaxedPopulation", "bracket_taxes", "incomes", "incomes_cents", "tax_codes", "taxed_populations"]

_MOST_AGENTS = 8
# Rates with few decimals, as laws write them, and the corners: nothing, everything.
_rates = st.one_of(st.integers(0, 20).map(lambda twentieths: twentieths / 20), st.sampled_from([0.0, 0.125, 1.0]))


@dataclass(frozen=True, eq=False)
class TaxedPopulation:
    """The bases of n agents (money), shape (n,) each."""

    income: FloatArray
    wealth: FloatArray
    consumption: FloatArray
    bought: FloatArray
    sold: FloatArray


@st.composite
def bracket_taxes(draw: st.DrawFn, *, highest_rate: float = 1.0, progressive: bool = False) -> BracketTax:
    """Bracket taxes with none to five thresholds in whole cents, and rates with few decimals.

    Parameters
    ----------
    highest_rate
        Rates lie between 0 and this.
    progressive
        If True the rates rise from bracket to bracket.
    """
    cents = draw(st.lists(st.one_of(st.integers(1, 50), st.integers(1, 10**8)), max_size=5, unique=True))
    drawn = draw(st.lists(_rates, min_size=len(cents) + 1, max_size=len(cents) + 1))
    # Divided, not multiplied: 0.35 stays a number of two decimals.
    rates = [min(rate, highest_rate) for rate in drawn]
    return BracketTax([threshold / 100 for threshold in sorted(cents)], sorted(rates) if progressive else rates)


def incomes(*, agents: int | None = None, largest: float = 1e9) -> SearchStrategy[FloatArray]:
    """Incomes of one to eight agents (money, 0 or more): zeros, ties, cents, and now and then a very large one."""
    amount = st.one_of(
        st.integers(0, 6).map(float), st.integers(0, 10**8).map(lambda cents: cents / 100), st.floats(0.0, largest)
    )
    least, most = (1, _MOST_AGENTS) if agents is None else (agents, agents)
    different = st.lists(amount, min_size=least, max_size=most)
    equal = st.tuples(amount, st.integers(least, most)).map(lambda drawn: [drawn[0]] * drawn[1])
    return st.one_of(different, equal).map(np.array)


def incomes_cents(*, agents: int | None = None) -> SearchStrategy[IntArray]:
    """Incomes in whole cents, 0 to 10^13: zeros, ties, single cents and very large ones."""
    amount = st.one_of(st.integers(0, 6), st.integers(0, 10**8), st.integers(0, 10**13))
    least, most = (1, _MOST_AGENTS) if agents is None else (agents, agents)
    return st.lists(amount, min_size=least, max_size=most).map(lambda drawn: np.array(drawn, dtype=np.int64))


@st.composite
def taxed_populations(draw: st.DrawFn) -> TaxedPopulation:
    """Populations with an income, net wealth (debts too), consumption, and trades (what is sold is bought)."""
    income = draw(incomes())
    agents = income.size
    wealth = draw(incomes(agents=agents)) - draw(incomes(agents=agents))
    bought = draw(incomes(agents=agents))
    order = np.array(draw(st.permutations(range(agents))))
    return TaxedPopulation(income, wealth, draw(incomes(agents=agents)), bought, bought[order])


@st.composite
def tax_codes(draw: st.DrawFn) -> TaxCode:
    """Tax codes of up to three taxes and three transfers, all amounts in whole cents; sometimes empty."""
    amount = st.one_of(st.just(0), st.integers(0, 10**6)).map(lambda cents: cents / 100)
    levies: SearchStrategy[Levy] = st.one_of(
        bracket_taxes(),
        st.tuples(amount, _rates).map(lambda drawn: WealthTax(*drawn)),
        st.tuples(_rates, _rates).map(lambda drawn: TransactionTax(*drawn)),
        _rates.map(ValueAddedTax),
        amount.map(LumpSum),
        amount.map(lambda grant: LumpSum(-grant)),
    )
    promises: SearchStrategy[Transfer] = st.one_of(
        amount.map(BasicIncome),
        st.tuples(amount, amount, st.integers(1, 20).map(lambda twentieths: twentieths / 20)).map(
            lambda drawn: TargetedTransfer(*drawn)
        ),
    )
    rebate: list[Transfer] = [EqualRebate()] if draw(st.booleans()) else []
    return TaxCode(draw(st.lists(levies, max_size=3)), [*draw(st.lists(promises, max_size=2)), *rebate])
