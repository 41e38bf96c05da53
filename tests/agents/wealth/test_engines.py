"""Two engines, one result: the same seed leaves the same cents in objects, in arrays and in compiled arrays."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.agents import SettlementError
from walras.agents.money import MOST_CENTS
from walras.agents.wealth import (
    Activation,
    ColumnarWealthEconomy,
    MoneyExchange,
    SavingExchange,
    WealthEconomy,
    YardSale,
    columnar,
    exchange_wealth,
    saving_exchange_shape,
    stationary_wealth_gini,
)
from walras.market import InvalidInputError, gini
from walras.market.taxation import WealthTax

rules = st.one_of(
    st.builds(MoneyExchange, cents=st.sampled_from([1, 50])),
    st.builds(SavingExchange, saving=st.sampled_from([0.0, 0.3, 0.9])),
    st.builds(YardSale, fraction=st.sampled_from([0.01, 0.3, 1.0]), poorer_wins=st.sampled_from([0.5, 0.45, 1.0])),
)
taxes = st.sampled_from([None, WealthTax(0.0, 0.02), WealthTax([1.0, 20.0], [0.1, 0.5]), WealthTax(0.0, 1.0)])
owned = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 10_000)), min_size=2, max_size=9)


@dataclass(frozen=True)
class Charity:
    """A rule of a user: the richer gives a cent."""

    needs_draws: ClassVar[bool] = False

    def flow(self, first, second, draw):
        return (first > second) - (second > first)

    def flows(self, first, second, draws):
        return np.sign(first - second)


@settings(deadline=None)
@given(
    wealth=owned,
    rule=st.one_of(rules, st.just(Charity())),
    tax=taxes,
    seed=st.integers(0, 2**32),
    parts=st.lists(st.integers(1, 6), min_size=1, max_size=3),
)
def test_the_same_seed_gives_the_same_cents(wealth, rule, tax, seed, parts):
    objects = WealthEconomy(wealth, rule, rng=seed, tax=tax, most_rows=5)
    arrays = [
        ColumnarWealthEconomy(wealth, rule, rng=seed, tax=tax, most_rows=5, use_numba=numba) for numba in (True, False)
    ]
    for periods in parts:
        rows = objects.run(periods)
        for economy in arrays:
            pd.testing.assert_frame_equal(economy.run(periods), rows, check_exact=True)
            assert economy.wealth.tolist() == objects.wealth.tolist()
            assert economy.treasury_cents == objects.treasury_cents
            assert economy.steps == objects.steps
            assert economy.rng.bit_generator.state == objects.rng.bit_generator.state
    whole = ColumnarWealthEconomy(wealth, rule, rng=np.random.default_rng(seed), tax=tax, most_rows=5)
    pd.testing.assert_frame_equal(whole.run(sum(parts)), objects.periods, check_exact=True)
    assert whole.steps == sum(parts)


def test_engines_agree_on_a_population_for_a_long_time():
    wealth = np.random.default_rng(1).integers(0, 20_000, 301)
    for rule in (MoneyExchange(cents=20), SavingExchange(saving=0.4), YardSale(fraction=0.25, poorer_wins=0.48)):
        tax = WealthTax([50.0, 300.0], [0.01, 0.07])
        left = [
            engine.run(150)["gini"].tolist() + engine.wealth.tolist()
            for engine in (
                WealthEconomy(wealth, rule, rng=7, tax=tax, record_every=10),
                ColumnarWealthEconomy(wealth, rule, rng=7, tax=tax, record_every=10, use_numba=True),
                ColumnarWealthEconomy(wealth, rule, rng=7, tax=tax, record_every=10, use_numba=False),
            )
        ]
        assert left[0] == left[1] == left[2]


def test_the_money_exchange_is_that_of_exchange_wealth():
    wealth = np.arange(101)
    economy = ColumnarWealthEconomy(wealth, MoneyExchange(), rng=np.random.default_rng(4))
    economy.run(30)
    assert economy.wealth.tolist() == exchange_wealth(wealth, 30, np.random.default_rng(4)).tolist()


def test_one_period_by_hand():
    economy = WealthEconomy([1000, 400, 7], YardSale(fraction=0.5), rng=0, tax=WealthTax(5.0, 0.1))
    generator = np.random.default_rng(0)
    first, second, alone = generator.permutation(3)
    draw = generator.random()
    expected = np.array([1000, 400, 7])
    stake = round(0.5 * min(expected[first], expected[second]))
    expected[first] += stake if draw < 0.5 else -stake
    expected[second] -= stake if draw < 0.5 else -stake
    dues = np.floor(0.1 * np.maximum(expected - 500, 0) + 0.5).astype(int)
    expected += dues.sum() // 3 - dues
    economy.step()
    assert economy.wealth.tolist() == expected.tolist()
    assert economy.treasury_cents == dues.sum() % 3
    assert alone in (0, 1, 2)
    assert [household.wealth_cents for household in economy.households] == expected.tolist()


def test_a_meeting_of_two_households():
    economy = WealthEconomy([100, 40], YardSale(fraction=0.5), rng=0)
    rich, poor = economy.households
    assert rich.meet(poor, economy.rule, 0.9) == 20
    assert (rich.wealth_cents, poor.wealth_cents) == (80, 60)
    assert poor.meet(rich, economy.rule, 0.1) == -30
    assert economy.wealth.tolist() == [50, 90]
    assert economy.total_cents == 140


def test_without_numba_the_arrays_are_numpys(monkeypatch):
    def compiled():
        raise AssertionError("the kernel was used")

    economy = ColumnarWealthEconomy([100, 50], YardSale(), rng=0)
    monkeypatch.setattr(columnar, "is_compiler_installed", lambda: False)
    monkeypatch.setattr(columnar, "compiled_meet", compiled)
    ColumnarWealthEconomy([100, 50], YardSale(), rng=0).run(3)
    with pytest.raises(AssertionError, match="the kernel was used"):
        economy.run(1)
    with pytest.raises(InvalidInputError, match=r"numba is not installed: pip install walras\[fast\]"):
        ColumnarWealthEconomy([100, 50], YardSale(), rng=0, use_numba=True)


# ---------------------------------------------------------------- Mesa's sequence: the same law, where it is


def test_each_household_takes_the_initiative_once_in_a_sequence():
    seen = []

    class Watched(Charity):
        def flow(self, first, second, draw):
            seen.append((first, second))
            return 0

    WealthEconomy(np.arange(6), Watched(), rng=0, activation=Activation.SEQUENCE).run(400)
    assert len(seen) == 2400
    for period in range(400):
        assert sorted(first for first, _ in seen[6 * period : 6 * period + 6]) == list(range(6))
    assert all(first != second for first, second in seen)
    counts = np.bincount([6 * first + second for first, second in seen], minlength=36).reshape(6, 6)
    others = counts[~np.eye(6, dtype=bool)]
    # 80 each on average; four standard deviations of a binomial of 400 trials of 1/5
    assert np.all(np.abs(others - 80) <= 4 * np.sqrt(400 * 0.2 * 0.8))


def late_mean(economy, periods, statistic):
    """Mean of a statistic of wealth over the second half of a run, every fourth period."""
    values = []
    for period in range(periods):
        economy.step()
        if period >= periods // 2 and period % 4 == 0:
            values.append(statistic(economy.wealth))
    return float(np.mean(values))


def relative_variance(wealth):
    return float(wealth.var() / wealth.mean() ** 2)


@pytest.mark.parametrize("activation", Activation)
def test_saving_exchange_has_the_same_moments_in_either_order(activation):
    economy = WealthEconomy(
        np.full(800, 10_000), SavingExchange(saving=0.5), rng=3, activation=activation, record_every=10**6
    )
    # The standard error of one period's variance is about 0.25 sqrt(6 / 800) = 0.02; twenty nearly independent periods
    # leave 0.005.
    assert late_mean(economy, 160, relative_variance) == pytest.approx(1 / saving_exchange_shape(0.5), abs=0.02)


def test_a_taxed_yard_sale_has_the_same_gini_in_either_order():
    # Two meetings an agent between two taxes in the sequence, one in the matching.
    ginis = []
    for activation, rate in ((Activation.MATCHING, 0.02), (Activation.SEQUENCE, 1.0 - 0.98**2)):
        economy = WealthEconomy(
            np.full(800, 10_000),
            YardSale(fraction=0.3),
            rng=3,
            tax=WealthTax(0.0, round(rate, 6)),
            activation=activation,
            record_every=10**6,
        )
        ginis.append(late_mean(economy, 300, gini))
    assert ginis[0] == pytest.approx(ginis[1], abs=0.015)
    assert 0.47 < ginis[0] < 0.51


def test_money_exchange_has_another_law_in_mesas_order():
    """Everybody gives once a period: steadier than by the toss of a coin, and wealth less unequal."""
    ginis = {
        activation: late_mean(
            WealthEconomy(np.full(1500, 1), MoneyExchange(), rng=3, activation=activation, record_every=10**6),
            160,
            gini,
        )
        for activation in Activation
    }
    assert ginis[Activation.MATCHING] == pytest.approx(stationary_wealth_gini(1.0), abs=0.01)
    assert ginis[Activation.SEQUENCE] == pytest.approx(0.631, abs=0.01)


# ---------------------------------------------------------------- errors


@dataclass(frozen=True)
class Robbery:
    """A broken rule: the first pays more than it owns."""

    needs_draws: ClassVar[bool] = True

    def flow(self, first, second, draw):
        return first + 1

    def flows(self, first, second, draws):
        return first + 1


@dataclass(frozen=True)
class Fractions(Robbery):
    """A broken rule: half cents."""

    def flows(self, first, second, draws):
        return first / 2


ENGINES = pytest.mark.parametrize("engine", [WealthEconomy, ColumnarWealthEconomy])
FINE = {"wealth": [10, 20], "rule": YardSale(), "rng": 0}


@ENGINES
@pytest.mark.parametrize(
    ("change", "error", "parts"),
    [
        ({"wealth": [10]}, InvalidInputError, ("wealth must be a vector of whole numbers", "shape (1,)")),
        ({"wealth": [1.5, 2.0]}, InvalidInputError, ("wealth", "float64")),
        ({"wealth": [10, -1]}, InvalidInputError, ("wealth must be 0 or more", "entry 1 is -1")),
        ({"wealth": [MOST_CENTS, 1]}, SettlementError, ("at most 1e+13",)),
        ({"rule": YardSale}, InvalidInputError, ("rule needs flow, flows and needs_draws", "YardSale")),
        ({"rule": 0.1}, InvalidInputError, ("rule needs flow", "0.1")),
        ({"rng": None}, InvalidInputError, ("rng must be a numpy Generator or an integer seed", "None")),
        ({"rng": True}, InvalidInputError, ("rng", "True")),
        ({"tax": 0.1}, InvalidInputError, ("tax must be a WealthTax or None", "0.1")),
        ({"tax": WealthTax(0.0, 2.0)}, InvalidInputError, ("tax.rates must lie in [0, 1]", "2.0")),
        ({"record_every": 0}, InvalidInputError, ("record_every must be 1 or more", "0")),
        ({"most_rows": 1}, InvalidInputError, ("most_rows must be 2 or more", "1")),
    ],
)
def test_bad_input(engine, change, error, parts):
    with pytest.raises(error) as raised:
        engine(**{**FINE, **change})
    assert [part for part in parts if part not in str(raised.value)] == []


@ENGINES
@pytest.mark.parametrize(("periods", "message"), [(0, "1 or more, got 0"), (1.5, "whole number, got 1.5")])
def test_bad_periods(engine, periods, message):
    with pytest.raises(InvalidInputError, match=message):
        engine(**FINE).run(periods)


def test_bad_choices():
    with pytest.raises(InvalidInputError, match="activation must be a Activation"):
        WealthEconomy(**FINE, activation="sequence")
    with pytest.raises(InvalidInputError, match="use_numba must be True or False, got 1"):
        ColumnarWealthEconomy(**FINE, use_numba=1)


@ENGINES
def test_a_rule_that_overdraws_is_found(engine):
    with pytest.raises(SettlementError, match=r"cannot pay|pay more than it owns"):
        engine([10, 20], Robbery(), rng=0).run(1)


def test_a_rule_that_gives_fractions_of_a_cent_is_found():
    with pytest.raises(SettlementError, match=r"must give int64 cents of shape \(1,\)"):
        ColumnarWealthEconomy([10, 20], Fractions(), rng=0).run(1)


@ENGINES
def test_what_was_given_is_left_alone(engine):
    wealth = np.array([100, 200, 300])
    economy = engine(wealth, YardSale(fraction=0.5), rng=0, tax=WealthTax(0.0, 0.1))
    economy.run(5)
    assert wealth.tolist() == [100, 200, 300]
    economy.wealth[:] = 0
    assert economy.wealth.sum() + economy.treasury_cents == 600
    assert economy.rule == YardSale(fraction=0.5)
    assert economy.tax == WealthTax(0.0, 0.1)


@ENGINES
def test_progress_is_told(engine):
    told = []
    engine(**FINE).run(3, lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]
