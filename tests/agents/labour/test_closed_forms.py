"""Closed forms against the households themselves: revenue, loss, optimal rates, bunching, welfare."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import erf

from walras.agents.labour import (
    LognormalSkills,
    MeansTestedBenefit,
    ParetoSkills,
    QuasiLinearPreferences,
    SeparablePreferences,
    budget_set,
    bunching_elasticity,
    bunching_interval,
    chosen_income,
    flat_tax_loss,
    flat_tax_revenue,
    income_elasticity_in_equilibrium,
    income_weight,
    labour_outcome,
    optimal_flat_rate,
    social_welfare,
    top_bracket_objective,
)
from walras.market import InvalidInputError, NotConvergedError
from walras.market.taxation import (
    BasicIncome,
    BracketTax,
    TargetedTransfer,
    laffer_rate,
    pareto_parameter,
    top_tax_rate,
)

skills = st.lists(st.floats(0.1, 50.0), min_size=1, max_size=8)
elasticities = st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0])
rates = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0))


def flat(rate):
    return BracketTax([], [rate])


@given(skills=skills, elasticity=elasticities, rate=rates)
def test_revenue_and_loss_of_a_flat_tax(skills, elasticity, rate):
    taste = QuasiLinearPreferences(elasticity=elasticity)
    potential = float(np.sum(np.array(skills) ** (1.0 + elasticity)))
    taxed, free = labour_outcome(skills, taste, flat(rate)), labour_outcome(skills, taste, flat(0.0))
    assert free.output == pytest.approx(potential)
    assert taxed.revenue == pytest.approx(flat_tax_revenue(rate, elasticity, potential), rel=1e-9, abs=1e-9)
    loss = float(free.utilities.sum() - taxed.utilities.sum())
    assert loss == pytest.approx(flat_tax_loss(rate, elasticity, potential), rel=1e-6, abs=1e-9 * potential)


@pytest.mark.parametrize("elasticity", [0.25, 0.5, 1.0])
def test_revenue_peaks_at_the_laffer_rate(elasticity):
    taste = QuasiLinearPreferences(elasticity=elasticity)
    peak = minimize_scalar(
        lambda rate: -labour_outcome([2.0, 9.0], taste, flat(rate)).revenue,
        bounds=(0.0, 1.0),
        method="bounded",
        options={"xatol": 1e-9},
    ).x
    assert peak == pytest.approx(laffer_rate(elasticity), abs=1e-6)


def test_the_loss_is_harbergers_triangle_for_small_rates():
    assert flat_tax_loss(1e-3, 0.5, 2.0) == pytest.approx(0.5 * 1e-6 / 2 * 2.0, rel=2e-3)


@pytest.mark.parametrize("elasticity", [0.25, 1.0])
@pytest.mark.parametrize("aversion", [0.5, 2.0])
def test_the_best_flat_rate_obeys_the_formula(elasticity, aversion):
    taste = QuasiLinearPreferences(elasticity=elasticity)
    population = LognormalSkills(median=2.0, log_spread=0.7).draw(2000, np.random.default_rng(0))
    best = minimize_scalar(
        lambda rate: -social_welfare(population, taste, flat(rate), aversion=aversion),
        bounds=(0.0, 0.99),
        method="bounded",
        options={"xatol": 1e-9},
    ).x
    outcome = labour_outcome(population, taste, flat(best))
    # Atkinson's welfare weighs a household by u^-aversion.
    weight = income_weight(outcome.incomes, outcome.utilities**-aversion)
    assert best == pytest.approx(optimal_flat_rate(elasticity, weight), abs=1e-5)
    assert 0.05 < best < laffer_rate(elasticity)


def test_rawls_takes_what_brings_most_less_what_it_costs_the_poorest():
    taste = QuasiLinearPreferences(elasticity=0.5)
    population = np.array([1.0, 5.0, 20.0])
    best = minimize_scalar(
        lambda rate: -social_welfare(population, taste, flat(rate), aversion=math.inf),
        bounds=(0.0, 0.99),
        method="bounded",
        options={"xatol": 1e-9},
    ).x
    incomes = labour_outcome(population, taste, flat(best)).incomes
    assert incomes.min() / incomes.mean() == pytest.approx(income_weight(incomes, [1.0, 0.0, 0.0]))
    assert best == pytest.approx(optimal_flat_rate(0.5, income_weight(incomes, [1.0, 0.0, 0.0])), abs=1e-6)


def test_without_aversion_no_tax_is_best():
    taste = QuasiLinearPreferences(elasticity=0.5)
    welfare = [social_welfare([1.0, 4.0, 9.0], taste, flat(rate)) for rate in (0.0, 0.01, 0.3)]
    assert welfare == sorted(welfare, reverse=True)
    assert optimal_flat_rate(0.5, 1.0) == 0.0


@pytest.mark.parametrize(("pareto", "elasticity"), [(1.5, 0.25), (2.0, 0.5)])
@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_the_objective_of_the_top_rate_is_that_of_a_pareto_population(pareto, elasticity, weight):
    # Even quantiles up to a very rich household, weighted: the integral of the population.
    steps = np.exp(-np.linspace(0.0, 60.0, 60_001))
    shares = -np.diff(steps)
    law = ParetoSkills(minimum=1.0, shape=pareto * (1.0 + elasticity))
    wages = law.quantile(1.0 - np.maximum(np.sqrt(steps[1:] * steps[:-1]), 1e-15))
    wages[steps[1:] < 1e-15] = wages[steps[1:] >= 1e-15].max() * (1e-15 / steps[1:][steps[1:] < 1e-15]) ** (
        1.0 / law.shape
    )
    threshold = 1.5
    taste = QuasiLinearPreferences(elasticity=elasticity)
    start = bunching_interval(threshold, 0.0, 0.5, elasticity)[0]  # who would pass it without a tax

    def objective(rate):
        budget = budget_set(BracketTax([threshold], [0.0, rate]))
        incomes = chosen_income(taste, budget, wages)
        utilities = taste.utility(budget.net_income(incomes), incomes / wages)
        revenue = np.sum(shares * rate * np.maximum(incomes - threshold, 0.0))
        return float(revenue + weight * np.sum(shares * np.where(wages > start, utilities, 0.0)))

    def formula(rate):
        untaxed = threshold ** (1.0 - pareto) / (pareto - 1.0)  # integral of (p - z*) over the tail
        return top_bracket_objective(rate, pareto, elasticity, weight, untaxed=untaxed)

    for rate in (0.2, 0.5, 0.8):
        assert objective(rate) - objective(0.3) == pytest.approx(formula(rate) - formula(0.3), rel=5e-3, abs=2e-4)
    best = minimize_scalar(lambda rate: -objective(rate), bounds=(0.05, 0.95), method="bounded").x
    assert best == pytest.approx(top_tax_rate(pareto, elasticity, weight), abs=3e-3)


@settings(deadline=None)
@given(
    pareto=st.floats(1.1, 4.0),
    elasticity=st.floats(0.05, 2.0),
    weight=st.floats(0.0, 0.95),
    rate=st.floats(0.0, 0.999),
)
def test_the_objective_peaks_at_the_formula(pareto, elasticity, weight, rate):
    best = top_tax_rate(pareto, elasticity, weight)
    assert top_bracket_objective(best, pareto, elasticity, weight) >= top_bracket_objective(
        rate, pareto, elasticity, weight
    ) * (1.0 - 1e-12)


def test_incomes_of_pareto_skills_have_their_own_parameter():
    law = ParetoSkills(minimum=1.0, shape=2.0 * 1.5)
    incomes = chosen_income(
        QuasiLinearPreferences(elasticity=0.5), budget_set(flat(0.3)), law.draw(200_000, np.random.default_rng(0))
    )
    # The mean of a Pareto law of parameter 2 is known to some per cent only.
    assert pareto_parameter(incomes, 2.0) == pytest.approx(2.0, abs=0.1)


def test_gini_of_incomes_from_lognormal_skills():
    law = LognormalSkills(median=10.0, log_spread=0.4)
    population = law.quantile((np.arange(50_000) + 0.5) / 50_000)
    outcome = labour_outcome(population, QuasiLinearPreferences(elasticity=0.5), flat(0.4))
    assert outcome.gini_before == pytest.approx(erf(0.4 * 1.5 / 2), abs=2e-4)
    assert outcome.gini_after == pytest.approx(0.6 * outcome.gini_before, abs=1e-9)  # half-way: 40 % is shared equally


@pytest.mark.parametrize("elasticity", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("law", [LognormalSkills(median=100.0, log_spread=0.6), ParetoSkills(minimum=40.0, shape=2.5)])
def test_bunching_reveals_the_elasticity(law, elasticity):
    wages = law.quantile((np.arange(400_000) + 0.5) / 400_000)
    kink = float(np.median(wages) ** (1.0 + elasticity))
    budget = budget_set(BracketTax([kink], [0.1, 0.3]))
    incomes = chosen_income(QuasiLinearPreferences(elasticity=elasticity), budget, wages)
    low, high = bunching_interval(kink, 0.1, 0.3, elasticity)
    assert np.mean(incomes == kink) == pytest.approx(np.mean((wages >= low) & (wages <= high)), abs=1e-5)
    found = bunching_elasticity(incomes, kink, 0.1, 0.3, band=0.02 * kink)
    assert found == pytest.approx(elasticity, rel=0.05)


def test_no_bunching_means_no_elasticity():
    incomes = np.linspace(50.0, 150.0, 100_001)
    assert bunching_elasticity(incomes, 100.0, 0.1, 0.3, band=5.0) == pytest.approx(0.0, abs=1e-3)


def test_the_outcome_balances_the_budget():
    taste = QuasiLinearPreferences(elasticity=0.4)
    tax, paid = BracketTax([3.0, 20.0], [0.1, 0.4, 0.6]), [TargetedTransfer(2.0, 1.0, 0.5), BasicIncome(0.3)]
    outcome = labour_outcome([1.0, 3.0, 8.0, 20.0], taste, tax, paid, required=0.2)
    assert outcome.rebate == pytest.approx(outcome.taxes.mean() - 0.2)
    assert outcome.consumption.sum() == pytest.approx(outcome.output - 0.8)
    assert outcome.revenue == pytest.approx(outcome.taxes.sum())
    assert outcome.welfare() == pytest.approx(outcome.utilities.mean())


def test_the_outcome_is_a_fixed_point_with_income_effects():
    taste = SeparablePreferences(elasticity=0.5, aversion=1.5)
    outcome = labour_outcome([2.0, 5.0, 30.0], taste, flat(0.5))
    incomes = chosen_income(taste, budget_set(flat(0.5)), [2.0, 5.0, 30.0], outcome.rebate)
    np.testing.assert_allclose(incomes, outcome.incomes, rtol=1e-8)
    assert outcome.rebate == pytest.approx(0.5 * outcome.incomes.mean(), rel=1e-8)


def test_a_rebate_without_fixed_point_is_told():
    # One household: with a rebate it stops at the notch, and pays no tax for it; without one it works, and does.
    with pytest.raises(NotConvergedError, match="labour_outcome found no rebate"):
        labour_outcome([3.0], SeparablePreferences(elasticity=0.5), flat(0.6), [MeansTestedBenefit(0.6, 0.5)])


def test_pay_responds_less_in_equilibrium():
    assert income_elasticity_in_equilibrium(0.5, 1.0) == 0.5
    assert income_elasticity_in_equilibrium(0.5, 0.6) == pytest.approx(0.25)


TASTE = QuasiLinearPreferences(elasticity=0.5)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: flat_tax_revenue(1.1, 0.5), ("tax_rate must lie in [0, 1]", "1.1")),
        (lambda: flat_tax_revenue(0.5, 0.0), ("elasticity must be above 0",)),
        (lambda: flat_tax_revenue(0.5, 0.5, -1.0), ("potential_income must be 0 or more",)),
        (lambda: flat_tax_loss(-0.1, 0.5), ("tax_rate must lie in [0, 1]",)),
        (lambda: flat_tax_loss(0.5, math.nan), ("elasticity must be finite",)),
        (lambda: income_weight([1.0], [1.0, 2.0]), ("weights must have one entry per household",)),
        (lambda: income_weight([0.0], [1.0]), ("incomes must not all be 0",)),
        (lambda: income_weight([1.0], [0.0]), ("weights must not all be 0",)),
        (lambda: income_weight([-1.0], [0.0]), ("incomes must be 0 or more",)),
        (lambda: optimal_flat_rate(0.5, 1.5), ("social_weight must lie in [0, 1]",)),
        (lambda: optimal_flat_rate(-0.5, 0.5), ("elasticity must be 0 or more",)),
        (lambda: top_bracket_objective(0.5, 1.0, 0.25), ("pareto must be above 1", "1.0")),
        (lambda: top_bracket_objective(2.0, 1.5, 0.25), ("tax_rate must lie in [0, 1]",)),
        (lambda: top_bracket_objective(0.5, 1.5, 0.25, 2.0), ("social_weight must lie in [0, 1]",)),
        (lambda: income_elasticity_in_equilibrium(0.0, 0.5), ("elasticity must be above 0",)),
        (lambda: income_elasticity_in_equilibrium(0.5, 0.0), ("labour_share must be above 0",)),
        (lambda: bunching_interval(0.0, 0.1, 0.3, 0.5), ("kink must be above 0",)),
        (lambda: bunching_interval(1.0, 0.3, 0.1, 0.5), ("lower_rate < upper_rate < 1", "0.3 and 0.1")),
        (lambda: bunching_interval(1.0, 0.3, 1.0, 0.5), ("lower_rate < upper_rate < 1",)),
        (lambda: bunching_interval(1.0, 0.1, 0.3, 0.0), ("elasticity must be above 0",)),
        (lambda: bunching_elasticity([1.0], 1.0, 0.1, 0.3, band=0.1), ("none on one side",)),
        (lambda: bunching_elasticity([1.0], 1.0, 0.1, 0.3, band=0.1, at_kink=0.1), ("at_kink must be below band",)),
        (lambda: bunching_elasticity([1.0], 1.0, 0.1, 0.3, band=0.0), ("band must be above 0",)),
        (lambda: bunching_elasticity([-1.0], 1.0, 0.1, 0.3, band=0.1), ("incomes must be 0 or more",)),
        (lambda: labour_outcome([0.0], TASTE, flat(0.3)), ("skills must be above 0",)),
        (lambda: labour_outcome([1.0], None, flat(0.3)), ("preferences need the methods",)),
        (lambda: labour_outcome([1.0], TASTE, 0.3), ("tax must be a BracketTax",)),
        (lambda: labour_outcome([1.0], TASTE, flat(0.3), 5.0), ("benefits must be a list",)),
        (lambda: labour_outcome([1.0], TASTE, flat(0.3), required=math.inf), ("required must be finite",)),
        (lambda: social_welfare([1.0], TASTE, flat(0.3), aversion=-1.0), ("aversion",)),
    ],
)
def test_bad_input(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []
