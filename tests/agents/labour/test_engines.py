"""Two engines, one result: the same seed gives the same cents in objects and in arrays; and what they converge to."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.labour.economies import audit, rules, skills

from walras.agents import SettlementError
from walras.agents.labour import (
    HOUSEHOLD_COLUMNS,
    PERIOD_COLUMNS,
    Belief,
    CobbDouglasTechnology,
    ColumnarLabourEconomy,
    LabourEconomy,
    LabourRules,
    LinearTechnology,
    LognormalSkills,
    MeansTestedBenefit,
    PublicGood,
    QuasiLinearPreferences,
    SeparablePreferences,
    income_elasticity_in_equilibrium,
    labour_outcome,
    revised_belief,
)
from walras.market import InvalidInputError, gini
from walras.market.partial_equilibrium import AdaptiveExpectations, CustomExpectations, NaiveExpectations
from walras.market.taxation import (
    US_FEDERAL_2019_SINGLE,
    BasicIncome,
    BracketTax,
    EqualRebate,
    LumpSum,
    TargetedTransfer,
    WealthTax,
)
from walras.market.welfare import atkinson_welfare

TASTE = QuasiLinearPreferences(elasticity=0.5)
FLAT = LabourRules(preferences=TASTE, tax=BracketTax([], [0.3]))
ENGINES = pytest.mark.parametrize("engine", [LabourEconomy, ColumnarLabourEconomy])


@settings(deadline=None, max_examples=60)
@given(
    skills=skills,
    rules=rules,
    seed=st.integers(0, 2**32),
    parts=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    aversion=st.sampled_from([0.0, 1.0, 2.0, math.inf]),
)
def test_the_same_seed_gives_the_same_cents(skills, rules, seed, parts, aversion):
    objects, arrays = (
        engine(skills, rules, rng=seed, aversion=aversion) for engine in (LabourEconomy, ColumnarLabourEconomy)
    )
    for periods in parts:
        rows = objects.run(periods)
        pd.testing.assert_frame_equal(arrays.run(periods), rows, check_exact=True)
        pd.testing.assert_frame_equal(arrays.household_rows, objects.household_rows, check_exact=True)
        assert arrays.rng.bit_generator.state == objects.rng.bit_generator.state
        audit(rows, objects.household_rows)
    whole = ColumnarLabourEconomy(skills, rules, rng=np.random.default_rng(seed), aversion=aversion)
    pd.testing.assert_frame_equal(whole.run(sum(parts)), objects.periods, check_exact=True)
    assert whole.steps == objects.steps == sum(parts)


def test_engines_agree_on_a_population():
    population = LognormalSkills(median=25.0, log_spread=0.7).draw(40, np.random.default_rng(2))
    rules = LabourRules(
        preferences=SeparablePreferences(elasticity=0.4),
        tax=BracketTax([20.0, 60.0], [0.1, 0.4, 0.55]),
        benefits=(TargetedTransfer(6.0, 10.0, 0.4),),
        technology=CobbDouglasTechnology(productivity=5.0, labour_share=0.7),
        expectations=AdaptiveExpectations(0.5),
        shock_deviation=0.1,
    )
    objects, arrays = (engine(population, rules, rng=5) for engine in (LabourEconomy, ColumnarLabourEconomy))
    pd.testing.assert_frame_equal(arrays.run(5), objects.run(5), check_exact=True)
    pd.testing.assert_frame_equal(arrays.household_rows, objects.household_rows, check_exact=True)


@ENGINES
def test_one_period_by_hand(engine):
    # e = 1: z = w^2 s. At rates 0.2 and 0.5 from 50 on, the skills 6, 9 and 12 earn 28.80, 50 (bunching) and 72.
    rules = LabourRules(
        preferences=QuasiLinearPreferences(elasticity=1.0),
        tax=BracketTax([50.0], [0.2, 0.5]),
        benefits=(MeansTestedBenefit(0.51, 40.0),),
    )
    economy = engine([6.0, 9.0, 12.0], rules, rng=0)
    rows = economy.run(1).iloc[0]
    households = economy.household_rows
    assert households["income_cents"].tolist() == [2880, 5000, 7200]
    assert households["tax_cents"].tolist() == [576, 1000, 2100]
    assert households["benefit_cents"].tolist() == [51, 0, 0]
    assert households["rebate_cents"].tolist() == [1208] * 3  # 3676 - 51, in three parts
    assert households["consumption_cents"].tolist() == [3563, 5208, 6308]
    np.testing.assert_allclose(households["labour"], [4.8, 50 / 9, 6.0])
    np.testing.assert_allclose(households["utility"], [35.63 - 4.8**2 / 2, 52.08 - (50 / 9) ** 2 / 2, 63.08 - 18.0])
    assert rows["output_cents"] == rows["income_cents"] == 15080
    assert rows["gini_before"] == gini([2880, 5000, 7200])
    assert rows["gini_after"] == gini([3563, 5208, 6308])
    assert rows["utilitarian"] == pytest.approx(households["utility"].mean())
    assert rows["rawlsian"] == households["utility"].min()
    assert rows["atkinson"] == atkinson_welfare(households["utility"], 1.0)
    assert (rows["treasury_cents"], rows["firm_cents"], rows["inventory_cents"]) == (1, -1, 1)


@ENGINES
def test_tables_have_the_documented_columns(engine):
    economy = engine([5.0, 6.0], FLAT, rng=0)
    rows = economy.run(3)
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == dict(PERIOD_COLUMNS)
    assert {name: str(dtype) for name, dtype in economy.household_rows.dtypes.items()} == dict(HOUSEHOLD_COLUMNS)
    assert rows["period"].tolist() == [1, 2, 3]
    assert economy.household_rows["period"].tolist() == [3, 3]


@ENGINES
def test_cents_are_near_the_outcome_without_them(engine):
    population = LognormalSkills(median=30.0, log_spread=0.6).draw(400, np.random.default_rng(0))
    tax = BracketTax([100.0, 400.0], [0.1, 0.3, 0.6])
    economy = engine(population, LabourRules(preferences=TASTE, tax=tax), rng=0, aversion=2.0)
    row = economy.run(1).iloc[0]
    outcome = labour_outcome(population, TASTE, tax)
    np.testing.assert_allclose(economy.household_rows["income_cents"] / 100, outcome.incomes, atol=0.005 + 1e-9)
    assert row["tax_cents"] / 100 == pytest.approx(outcome.revenue, abs=0.01 * 400)
    assert row["utilitarian"] == pytest.approx(outcome.welfare(0.0), abs=0.02)
    assert row["atkinson"] == pytest.approx(outcome.welfare(2.0), abs=0.02)
    assert row["rawlsian"] == pytest.approx(outcome.welfare(math.inf), abs=0.02)
    assert row["gini_before"] == pytest.approx(outcome.gini_before, abs=1e-4)
    assert row["gini_after"] == pytest.approx(outcome.gini_after, abs=1e-4)


@ENGINES
def test_shocks_leave_the_mean_skill(engine):
    rules = LabourRules(preferences=TASTE, tax=BracketTax([], [0.0]), shock_deviation=0.3)
    economy = engine(np.full(3000, 10.0), rules, rng=1)
    economy.run(1)
    skill = economy.household_rows["skill"]
    # Four standard errors of a mean of 3000 lognormal numbers with s = 0.3.
    assert skill.mean() == pytest.approx(10.0, abs=4 * 10.0 * 0.31 / math.sqrt(3000))
    assert np.log(skill).std() == pytest.approx(0.3, abs=0.02)


@ENGINES
def test_records_are_bounded_and_even(engine):
    economy = engine([5.0], FLAT, rng=0, most_rows=8)
    rows = economy.run(100)
    assert len(rows) <= 8
    assert set(np.diff(rows["period"])) == {16}
    sparse = engine([5.0], FLAT, rng=0, record_every=7).run(22)
    assert sparse["period"].tolist() == [7, 14, 21]


@ENGINES
def test_what_was_given_is_left_alone(engine):
    population = np.array([4.0, 5.0])
    economy = engine(population, FLAT, rng=0)
    economy.skills[:] = 0.0
    economy.run(2)
    assert population.tolist() == economy.skills.tolist() == [4.0, 5.0]
    assert economy.rules is FLAT
    assert economy.total_cents == 0


@ENGINES
def test_progress_is_told(engine):
    told = []
    engine([4.0], FLAT, rng=0).run(2, lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]


# ---------------------------------------------------------------- wages, expectations, spending


@ENGINES
@pytest.mark.parametrize("expectations", [NaiveExpectations(), AdaptiveExpectations(0.4)])
def test_wages_settle_where_they_are_expected(engine, expectations):
    share, elasticity, rate = 0.6, 0.5, 0.4
    population = np.array([4.0, 8.0, 20.0])
    rules = LabourRules(
        preferences=QuasiLinearPreferences(elasticity=elasticity),
        tax=BracketTax([], [rate]),
        technology=CobbDouglasTechnology(productivity=30.0, labour_share=share),
        expectations=expectations,
    )
    row = engine(population, rules, rng=0).run(60).iloc[-1]
    assert row["wage"] == pytest.approx(row["expected_wage"], rel=1e-9)
    # H = sum of w (w W (1 - t))^e, and W = b A H^(b - 1)
    at_unit = (population ** (1 + elasticity)).sum() * (1 - rate) ** elasticity
    wage = (share * 30.0 * at_unit ** (share - 1)) ** (1 / (1 + elasticity * (1 - share)))
    assert row["wage"] == pytest.approx(wage, rel=1e-9)
    assert row["income_cents"] == pytest.approx(share * row["output_cents"], rel=1e-4)
    assert row["dividend_cents"] == pytest.approx((1 - share) * row["output_cents"], rel=1e-4)


def test_pay_responds_less_when_the_wage_moves():
    technology = CobbDouglasTechnology(productivity=1000.0, labour_share=0.6)
    pays = []
    for rate in (0.3, 0.31):
        rules = LabourRules(preferences=TASTE, tax=BracketTax([], [rate]), technology=technology)
        pays.append(ColumnarLabourEconomy(np.full(100, 50.0), rules, rng=0).run(60)["income_cents"].iloc[-1])
    response = math.log(pays[1] / pays[0]) / math.log(0.69 / 0.7)
    assert response == pytest.approx(income_elasticity_in_equilibrium(0.5, 0.6), abs=1e-3)


def test_naive_wages_swing_and_adaptive_ones_do_not():
    """With a labour share of 0.2 and e = 2 the cobweb's slope is -1.6: naive households never learn the wage."""
    gaps = {}
    for name, expectations in (("naive", NaiveExpectations()), ("adaptive", AdaptiveExpectations(0.4))):
        rules = LabourRules(
            preferences=QuasiLinearPreferences(elasticity=2.0),
            tax=BracketTax([], [0.2]),
            technology=CobbDouglasTechnology(productivity=50.0, labour_share=0.2),
            expectations=expectations,
        )
        rows = ColumnarLabourEconomy([3.0, 4.0], rules, rng=0).run(8 if name == "naive" else 40)
        gaps[name] = np.abs(np.log(rows["wage"] / rows["expected_wage"])).to_numpy()
    assert gaps["naive"][-1] > 5.0 * gaps["naive"][2] > 0.0
    assert gaps["adaptive"][-1] < 1e-6


def test_beliefs_are_revised_as_expectations_say():
    old, seen = Belief(10.0, 2.0), Belief(20.0, 4.0)
    assert revised_belief(NaiveExpectations(), old, seen) == seen
    assert revised_belief(AdaptiveExpectations(0.25), old, seen) == Belief(12.5, 2.5)


@ENGINES
def test_rebates_reach_the_fixed_point_of_income_effects(engine):
    taste = SeparablePreferences(elasticity=0.5)
    population, tax = np.array([20.0, 30.0, 90.0]), BracketTax([], [0.4])
    row = engine(population, LabourRules(preferences=taste, tax=tax), rng=0).run(60).iloc[-1]
    outcome = labour_outcome(population, taste, tax)
    assert row["rebate_cents"] / 300 == pytest.approx(outcome.rebate, abs=0.02)
    assert row["utilitarian"] == pytest.approx(outcome.welfare(), abs=1e-3)


@ENGINES
def test_a_public_good_that_is_worth_its_cost_is_worth_a_rebate(engine):
    population = [10.0, 30.0]
    rows = {}
    for spending in (EqualRebate(), PublicGood(value=1.0), PublicGood(value=0.5)):
        rules = LabourRules(preferences=TASTE, tax=BracketTax([], [0.4]), spending=spending)
        rows[spending] = engine(population, rules, rng=0).run(1).iloc[0]
    rebate, good, poor_good = rows.values()
    assert good["public_good_cents"] == good["tax_cents"] == rebate["tax_cents"]
    assert good["rebate_cents"] == rebate["public_good_cents"] == 0
    assert good["utilitarian"] == pytest.approx(rebate["utilitarian"], abs=0.01)
    lost = 0.5 * rebate["tax_cents"] / 100 / 2
    assert poor_good["utilitarian"] == pytest.approx(good["utilitarian"] - lost, abs=0.01)


@ENGINES
def test_a_treasury_that_promises_too_much_goes_into_debt(engine):
    rules = LabourRules(preferences=TASTE, tax=BracketTax([], [0.1]), benefits=(BasicIncome(50.0),))
    rows = engine([2.0, 3.0], rules, rng=0).run(3)
    assert rows["treasury_cents"].is_monotonic_decreasing
    assert (rows["treasury_cents"] < 0).all()
    assert (rows["rebate_cents"] == 0).all()
    assert rows["inventory_cents"].tolist() == rows["treasury_cents"].tolist()  # goods sold in advance


@ENGINES
def test_nobody_works_at_a_rate_of_one(engine):
    technology = CobbDouglasTechnology(labour_share=0.5)
    rules = LabourRules(preferences=TASTE, tax=BracketTax([], [1.0]), technology=technology)
    rows = engine([2.0, 3.0], rules, rng=0).run(2)
    assert (rows["output_cents"] == 0).all()
    assert (rows["gini_after"] == 0.0).all()


def test_a_million_households_keep_their_books():
    population = LognormalSkills(median=300.0, log_spread=0.7).draw(1_000_000, np.random.default_rng(0))
    rules = LabourRules(preferences=QuasiLinearPreferences(elasticity=0.25), tax=US_FEDERAL_2019_SINGLE)
    economy = ColumnarLabourEconomy(population, rules, rng=0)
    audit(economy.run(1), economy.household_rows)


# ---------------------------------------------------------------- errors


FINE = {"skills": [1.0, 2.0], "rules": FLAT, "rng": 0}


@ENGINES
@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"skills": [1.0, 0.0]}, ("skills must be above 0", "entry 1 is 0.0")),
        ({"skills": []}, ("skills is empty",)),
        ({"rules": BracketTax([], [0.3])}, ("rules must be a LabourRules", "BracketTax")),
        ({"rng": None}, ("rng must be a numpy Generator or an integer seed", "None")),
        ({"rng": True}, ("rng must be", "True")),
        ({"aversion": -1.0}, ("aversion must be 0 or more", "-1.0")),
        ({"aversion": math.nan}, ("aversion must be finite",)),
        ({"record_every": 0}, ("record_every must be 1 or more",)),
        ({"most_rows": 1}, ("most_rows must be 2 or more",)),
    ],
)
def test_bad_economies(engine, change, parts):
    with pytest.raises(InvalidInputError) as raised:
        engine(**{**FINE, **change})
    assert [part for part in parts if part not in str(raised.value)] == []


@ENGINES
def test_bad_runs(engine):
    with pytest.raises(InvalidInputError, match="periods must be 1 or more, got 0"):
        engine(**FINE).run(0)
    with pytest.raises(InvalidInputError, match="none has been played"):
        _ = engine(**FINE).household_rows
    with pytest.raises(SettlementError, match="measure money in a larger unit"):
        engine([1e12], FLAT, rng=0).run(1)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"preferences": None}, ("preferences need the methods",)),
        ({"tax": WealthTax(0.0, 0.1)}, ("LabourRules.tax must be a BracketTax",)),
        ({"tax": BracketTax([1.0], [0.1, 0.2]).smoothed(0.5)}, ("LabourRules.tax must be a BracketTax",)),
        ({"tax": BracketTax([1.0], [0.1, 1.2])}, ("rates of at most 1", "1.2")),
        ({"tax": BracketTax([1.001], [0.1, 0.2])}, ("thresholds must be a whole number of cents",)),
        ({"benefits": BasicIncome(1.0)}, ("LabourRules.benefits must be a list",)),
        ({"benefits": (LumpSum(1.0),)}, ("LabourRules.benefits must hold BasicIncome",)),
        ({"benefits": (BasicIncome(1.001),)}, ("whole number of cents",)),
        ({"benefits": (TargetedTransfer(1.001, 0.0, 0.5),)}, ("whole number of cents",)),
        ({"spending": BasicIncome(1.0)}, ("LabourRules.spending must be EqualRebate or PublicGood",)),
        ({"technology": "linear"}, ("LabourRules.technology must be LinearTechnology or",)),
        (
            {"expectations": CustomExpectations(lambda prices: prices[0])},
            ("LabourRules.expectations must be NaiveExpectations or",),
        ),
        ({"shock_deviation": -0.1}, ("LabourRules.shock_deviation must be 0 or more",)),
    ],
)
def test_bad_rules(change, parts):
    with pytest.raises(InvalidInputError) as raised:
        LabourRules(**{"preferences": TASTE, "tax": BracketTax([], [0.3]), **change})
    assert [part for part in parts if part not in str(raised.value)] == []


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: PublicGood(value=-1.0), ("PublicGood.value must be 0 or more",)),
        (lambda: LinearTechnology(productivity=0.0), ("LinearTechnology.productivity must be above 0",)),
        (lambda: CobbDouglasTechnology(labour_share=1.0), ("labour_share must lie above 0 and below 1",)),
        (lambda: CobbDouglasTechnology(labour_share=0.0), ("labour_share", "0.0")),
        (lambda: CobbDouglasTechnology(productivity=-1.0, labour_share=0.5), ("CobbDouglasTechnology.productivity",)),
    ],
)
def test_bad_values(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []
