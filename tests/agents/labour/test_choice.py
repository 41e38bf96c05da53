"""Households choose exactly: against a slow search, on convex and other budgets; bunching, notches, income effects."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from walras.agents.labour import (
    BudgetSet,
    MeansTestedBenefit,
    Piece,
    QuasiLinearPreferences,
    SeparablePreferences,
    budget_set,
    bunching_interval,
    chosen_income,
)
from walras.market import InvalidInputError
from walras.market.taxation import US_FEDERAL_2019_SINGLE, BasicIncome, BracketTax, TargetedTransfer

rates = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0, -0.3])


@st.composite
def taxes(draw, *, smooth=True):
    thresholds = draw(st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0, 7.0]), max_size=3, unique=True).map(sorted))
    tax = BracketTax(thresholds, draw(st.lists(rates, min_size=len(thresholds) + 1, max_size=len(thresholds) + 1)))
    return tax.smoothed(draw(st.sampled_from([0.1, 0.9]))) if smooth and draw(st.booleans()) else tax


benefits = st.lists(
    st.one_of(
        st.builds(BasicIncome, st.just(0.3)),
        st.builds(TargetedTransfer, st.just(0.5), st.sampled_from([0.0, 0.7]), st.sampled_from([0.3, 1.0])),
        st.builds(MeansTestedBenefit, st.sampled_from([0.2, 0.8]), st.sampled_from([0.4, 1.0, 2.5])),
    ),
    max_size=2,
)
wages = st.one_of(st.sampled_from([0.3, 1.0, 2.0]), st.floats(0.05, 6.0))
elasticities = st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0])
tastes = st.one_of(
    st.builds(QuasiLinearPreferences, elasticity=elasticities),
    st.builds(SeparablePreferences, elasticity=elasticities, aversion=st.sampled_from([0.5, 1.0, 3.0])),
)


def utility_of(taste, budget, wage, lump_sum, incomes):
    return taste.utility(budget.net_income(incomes) + lump_sum, incomes / wage)


def slow_best(taste, budget, wage, lump_sum):
    """The best utility on a fine grid of incomes, ends of pieces included."""
    most = 40.0 * max(wage, 1.0) ** 3
    ends = [piece.start for piece in budget.pieces]
    grid = np.unique(np.concatenate([np.linspace(0.0, 12.0, 40_001), np.linspace(0.0, most, 20_001), ends]))
    return float(np.max(utility_of(taste, budget, wage, lump_sum, grid)))


@settings(deadline=None, max_examples=150)
@given(
    taste=tastes, tax=taxes(), paid=benefits, wage=wages, lump_sum=st.sampled_from([0.0, 0.5]), kinks_only=st.booleans()
)
def test_no_income_is_better(taste, tax, paid, wage, lump_sum, kinks_only):
    if isinstance(taste, SeparablePreferences):
        tax = BracketTax(tax.thresholds, tax.rates)  # no smoothed rates that fall
    budget = budget_set(tax, [] if kinks_only else paid)
    chosen = chosen_income(taste, budget, [wage], lump_sum)
    reached = float(utility_of(taste, budget, wage, lump_sum, chosen)[0])
    best = slow_best(taste, budget, wage, lump_sum)
    if best == -math.inf:  # nobody can consume, whatever is earned
        assert reached == -math.inf
    else:
        assert reached >= best - 1e-9 * max(1.0, abs(best))


def test_the_slow_search_finds_a_worse_choice():
    budget = budget_set(BracketTax([1.0], [0.5, 0.0]))  # the rate falls
    taste = QuasiLinearPreferences(elasticity=1.0)
    best = slow_best(taste, budget, 1.2, 0.0)
    assert float(utility_of(taste, budget, 1.2, 0.0, np.array([0.72]))[0]) < best - 1e-3


REACHED = {
    "a kink": lambda income, budget: any(income == piece.start > 0.0 for piece in budget.pieces) and budget.is_convex,
    "idleness": lambda income, budget: income == 0.0,
    "a budget that is not convex": lambda income, budget: not budget.is_convex and income > 0.0,
    "a piece that bends": lambda income, budget: any(
        piece.curvature > 0.0 and piece.start < income < piece.end for piece in budget.pieces
    ),
}


@pytest.mark.parametrize("corner", REACHED)
def test_the_strategy_reaches(corner):
    def reached(case):
        tax, paid, wage = case
        budget = budget_set(tax, paid)
        return REACHED[corner](chosen_income(QuasiLinearPreferences(elasticity=2.0), budget, [wage])[0], budget)

    quick = settings(max_examples=2000, phases=[Phase.generate], database=None, derandomize=True, deadline=None)
    find(st.tuples(taxes(), benefits, wages), reached, settings=quick)


@settings(deadline=None)
@given(tax=taxes(smooth=False), population=st.lists(wages, min_size=1, max_size=6), elasticity=elasticities)
def test_the_short_way_on_convex_budgets_is_the_long_one(tax, population, elasticity):
    budget = budget_set(BracketTax(tax.thresholds, sorted(np.asarray(tax.rates).tolist())))
    assert budget.is_convex
    taste = QuasiLinearPreferences(elasticity=elasticity)

    @dataclass(frozen=True)
    class SameTaste:
        """The same preferences, under a name for which there is no short way."""

        utility = staticmethod(taste.utility)
        candidates = staticmethod(taste.candidates)

    short, long = (chosen_income(each, budget, population) for each in (taste, SameTaste()))
    np.testing.assert_allclose(short, long, rtol=1e-12, atol=1e-12)


def test_one_by_one_is_all_together():
    population = np.random.default_rng(0).lognormal(0.3, 0.8, 60)
    budget = budget_set(BracketTax([1.0, 3.0], [0.2, 0.5, 0.1]), [MeansTestedBenefit(0.3, 0.8)])
    for taste in (QuasiLinearPreferences(elasticity=0.4), SeparablePreferences(elasticity=0.4)):
        together = chosen_income(taste, budget, population)
        alone = [chosen_income(taste, budget, [wage])[0] for wage in population]
        np.testing.assert_allclose(together, alone, rtol=1e-12)


@pytest.mark.parametrize("elasticity", [0.25, 1.0])
def test_those_in_the_interval_bunch(elasticity):
    low, high = bunching_interval(2.0, 0.1, 0.4, elasticity)
    budget = budget_set(BracketTax([2.0], [0.1, 0.4]))
    around = [low * 0.999, low * 1.001, high * 0.999, high * 1.001]
    incomes = chosen_income(QuasiLinearPreferences(elasticity=elasticity), budget, around)
    assert incomes[0] < 2.0
    assert incomes[1] == incomes[2] == 2.0
    assert incomes[3] > 2.0


def test_nobody_earns_just_above_a_notch():
    budget = budget_set(BracketTax([], [0.2]), [MeansTestedBenefit(0.3, 1.0)])
    taste = QuasiLinearPreferences(elasticity=0.5)
    population = np.linspace(0.5, 3.0, 4001)
    incomes = chosen_income(taste, budget, population)
    assert np.mean(incomes == 1.0) > 0.05
    gap = incomes[incomes > 1.0].min()
    assert gap > 1.3
    # Who is indifferent between the notch and the best income above it (Kleven and Waseem 2013): the utilities agree.
    marginal = population[incomes > 1.0].min()
    at_notch = float(taste.utility(np.array([0.8 + 0.3]), np.array([1.0 / marginal]))[0])
    beyond = float(taste.utility(np.array([0.8 * gap]), np.array([gap / marginal]))[0])
    assert beyond == pytest.approx(at_notch, abs=1e-3)


def test_a_rate_of_one_is_not_entered():
    budget = budget_set(BracketTax([2.0], [0.0, 1.0]))
    assert chosen_income(QuasiLinearPreferences(elasticity=1.0), budget, [1.0, 5.0]).tolist() == [1.0, 2.0]
    nothing = budget_set(BracketTax([], [1.0]))
    assert chosen_income(QuasiLinearPreferences(elasticity=1.0), nothing, [5.0]).tolist() == [0.0]
    assert chosen_income(SeparablePreferences(elasticity=1.0), nothing, [5.0], 1.0).tolist() == [0.0]


def test_of_equally_good_incomes_the_lowest_is_chosen():
    # At w = 1, e = 1: u = z s - z^2 / 2. The rate falls from 3/4 to 1/4 where both pieces are worth the same.
    kink = 0.5
    budget = BudgetSet((Piece(0.0, kink, 0.0, 0.25, 0.0), Piece(kink, math.inf, 0.125, 0.75, 0.0)))
    assert not budget.is_convex
    income = chosen_income(QuasiLinearPreferences(elasticity=1.0), budget, [1.0])[0]
    utilities = utility_of(QuasiLinearPreferences(elasticity=1.0), budget, 1.0, 0.0, np.array([0.25, 0.75]))
    assert utilities[0] == utilities[1]
    assert income == 0.25


@pytest.mark.parametrize("aversion", [0.5, 1.0, 2.0])
def test_first_order_condition_with_income_effects(aversion):
    taste = SeparablePreferences(elasticity=0.6, aversion=aversion)
    budget = budget_set(BracketTax([], [0.3]))
    for lump_sum in (0.0, 0.2, 2.0):
        population = np.array([0.5, 2.0, 9.0])
        income = chosen_income(taste, budget, population, lump_sum)
        worth = 0.7 * population * (0.7 * income + lump_sum) ** -aversion
        np.testing.assert_allclose(worth, (income / population) ** (1 / 0.6), rtol=1e-9)


def test_transfers_lower_hours_only_with_income_effects():
    budget = budget_set(BracketTax([], [0.3]))
    for taste, falls in ((QuasiLinearPreferences(elasticity=0.5), False), (SeparablePreferences(elasticity=0.5), True)):
        poor, rich = (chosen_income(taste, budget, [3.0], lump_sum)[0] for lump_sum in (0.0, 1.0))
        assert (rich < poor) == falls
        assert falls or rich == poor


@settings(deadline=None)
@given(tax=taxes(), paid=benefits, income=st.floats(0.0, 12.0))
def test_the_budget_is_income_less_tax_and_transfers(tax, paid, income):
    budget = budget_set(tax, paid)
    expected = income - tax.tax_due([income])[0]
    for benefit in paid:
        expected += benefit.amounts(1)[0] if isinstance(benefit, BasicIncome) else benefit.amounts([income])[0]
    assert budget.net_income([income])[0] == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(tax=taxes(), paid=benefits, income=st.floats(0.0, 12.0))
def test_the_net_of_tax_rate_is_the_slope(tax, paid, income):
    budget = budget_set(tax, paid)
    starts = np.array([piece.start for piece in budget.pieces])
    step = 1e-6
    if np.min(np.abs(starts - income)) > 2 * step and income > step:
        low, high = budget.net_income([income - step, income + step])
        assert budget.net_of_tax_rate([income])[0] == pytest.approx((high - low) / (2 * step), abs=1e-6)


def test_budgets_of_statutes_are_convex():
    budget = budget_set(US_FEDERAL_2019_SINGLE)
    assert budget.is_convex
    assert len(budget.pieces) == 7
    assert budget.net_income([50_000.0]).tolist() == [50_000.0 - 6_858.50]
    assert not budget_set(US_FEDERAL_2019_SINGLE, [MeansTestedBenefit(100.0, 20_000.0)]).is_convex
    assert not budget_set(US_FEDERAL_2019_SINGLE, [TargetedTransfer(1000.0, 20_000.0, 0.5)]).is_convex
    assert not budget_set(BracketTax([1.0], [0.5, 0.2]).smoothed(0.5)).is_convex


def test_smoothed_taxes_lead_to_the_exact_choice():
    tax = BracketTax([1.0, 3.0], [0.1, 0.5, 0.2])
    population = np.linspace(0.6, 4.0, 200)
    taste = QuasiLinearPreferences(elasticity=0.5)
    exact = chosen_income(taste, budget_set(tax), population)
    smooth = chosen_income(taste, budget_set(tax.smoothed(1e-4)), population)
    far = np.abs(exact - smooth) > 1e-3
    assert far.sum() <= 1  # the household that is indifferent


def test_a_preference_of_a_user_will_do():
    @dataclass(frozen=True)
    class Idle:
        def utility(self, consumption, labour):
            return -labour

        def candidates(self, piece, wages, lump_sum):
            return (np.full_like(wages, piece.start),)

    budget = budget_set(BracketTax([1.0], [0.0, 0.5]))
    assert chosen_income(Idle(), budget, [2.0, 3.0]).tolist() == [0.0, 0.0]


def test_the_short_way_needs_a_convex_budget(monkeypatch):
    """Where the rate falls it goes wrong, and so it is not taken there."""
    budget = budget_set(BracketTax([1.0], [0.5, 0.0]))
    taste = QuasiLinearPreferences(elasticity=1.0)
    assert chosen_income(taste, budget, [1.2]).tolist() == [1.44]
    monkeypatch.setattr(BudgetSet, "is_convex", True)
    assert chosen_income(taste, BudgetSet(budget.pieces), [1.2]).tolist() == [0.72]


FLAT = budget_set(BracketTax([], [0.3]))
TASTE = QuasiLinearPreferences(elasticity=0.5)
BENT = budget_set(BracketTax([1.0], [0.5, 0.0]).smoothed(0.5))


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: QuasiLinearPreferences(elasticity=0.0), ("QuasiLinearPreferences.elasticity must be above 0",)),
        (lambda: SeparablePreferences(elasticity=-1.0), ("SeparablePreferences.elasticity must be above 0",)),
        (lambda: SeparablePreferences(elasticity=1.0, aversion=0.0), ("SeparablePreferences.aversion",)),
        (
            lambda: SeparablePreferences(elasticity=1.0).candidates(BENT.pieces[1], np.ones(1), 0.0),
            ("marginal rate fall",),
        ),
        (lambda: chosen_income(SeparablePreferences(elasticity=1.0), BENT, [1.0]), ("marginal rate fall",)),
        (lambda: chosen_income(QuasiLinearPreferences, FLAT, [1.0]), ("preferences need the methods utility",)),
        (lambda: chosen_income(None, FLAT, [1.0]), ("preferences need the methods", "None")),
        (lambda: chosen_income(TASTE, BracketTax([], [0.3]), [1.0]), ("budget must be a BudgetSet",)),
        (lambda: chosen_income(TASTE, FLAT, [1.0, 0.0]), ("wages must be above 0", "entry 1")),
        (lambda: chosen_income(TASTE, FLAT, []), ("wages is empty",)),
        (lambda: chosen_income(TASTE, FLAT, [1.0], math.inf), ("lump_sum must be finite",)),
        (lambda: budget_set(0.3), ("tax must be a BracketTax or a SmoothedBracketTax", "0.3")),
        (lambda: budget_set(BracketTax([], [0.3]), BasicIncome(1.0)), ("benefits must be a list",)),
        (lambda: budget_set(BracketTax([], [0.3]), [5.0]), ("benefits must hold BasicIncome", "5.0")),
        (lambda: MeansTestedBenefit(-1.0, 5.0), ("MeansTestedBenefit.amount must be 0 or more",)),
        (lambda: MeansTestedBenefit(1.0, math.nan), ("MeansTestedBenefit.income_limit must be finite",)),
        (lambda: MeansTestedBenefit(1.0, 5.0).amounts([-1.0]), ("income must be 0 or more",)),
        (lambda: MeansTestedBenefit(1.0, 5.0).amounts_cents([1.5]), ("income_cents must hold whole numbers",)),
        (lambda: MeansTestedBenefit(1.001, 5.0).amounts_cents([1]), ("amount must be a whole number of cents",)),
        (lambda: BudgetSet(()), ("BudgetSet.pieces must hold pieces",)),
        (lambda: BudgetSet((Piece(0.0, 1.0, 0.0, 1.0, 0.0),)), ("each where the last one ends",)),
        (lambda: BudgetSet((Piece(1.0, math.inf, 0.0, 1.0, 0.0),)), ("must begin at 0",)),
        (lambda: FLAT.net_income([-1.0]), ("income must be 0 or more",)),
        (lambda: FLAT.net_of_tax_rate([math.nan]), ("income must be finite",)),
    ],
)
def test_bad_input(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []
