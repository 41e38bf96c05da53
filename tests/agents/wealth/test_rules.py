"""Exchange rules: flows of one meeting and of many are the same, nobody overpays, bets are fair."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.money import MOST_CENTS
from walras.agents.wealth import MoneyExchange, SavingExchange, YardSale
from walras.agents.wealth.compiled import compiled_meet, is_compiler_installed
from walras.agents.wealth.kernel import MONEY, SAVING, YARD_SALE, meet
from walras.market import InvalidInputError, gini

shares = st.one_of(st.sampled_from([0.1, 0.25, 0.5, 1.0]), st.floats(0.0, 1.0, exclude_min=True))
rules = st.one_of(
    st.builds(MoneyExchange, cents=st.sampled_from([1, 7, 10**6])),
    st.builds(SavingExchange, saving=shares.map(lambda share: 1.0 - share).filter(lambda saving: saving < 1.0)),
    st.builds(YardSale, fraction=shares, poorer_wins=st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.0, 1.0))),
)
cents = st.one_of(st.integers(0, 12), st.integers(0, 10**6), st.integers(MOST_CENTS // 2 - 5, MOST_CENTS // 2))
# The largest number that a generator draws belongs to the strategy: it is where a split could give a cent too many.
draws = st.one_of(st.sampled_from([0.0, 0.5, 1.0 - 2.0**-53]), st.floats(0.0, 1.0, exclude_max=True))
meetings = st.lists(st.tuples(cents, cents, draws), min_size=1, max_size=8)


@given(rule=rules, met=meetings)
def test_many_meetings_at_once_are_the_same_as_one_by_one(rule, met):
    first, second, drawn = (np.array(column) for column in zip(*met, strict=True))
    flows = rule.flows(first, second, drawn.astype(np.float64))
    assert flows.dtype == np.int64
    assert flows.tolist() == [rule.flow(*meeting) for meeting in met]
    assert np.all(flows <= first)
    assert np.all(-flows <= second)


@pytest.mark.parametrize("kernel", [pytest.param(meet, id="plain"), pytest.param(None, id="compiled")])
@given(rule=rules, met=meetings)
def test_the_kernel_is_the_same_as_the_rule(kernel, rule, met):
    first, second, drawn = (np.array(column) for column in zip(*met, strict=True))
    wealth = np.concatenate([first, second])
    known = {MoneyExchange: MONEY, SavingExchange: SAVING, YardSale: YARD_SALE}[type(rule)]
    amount = {MONEY: "cents", SAVING: "saving", YARD_SALE: "fraction"}[known]
    parameter = float(getattr(rule, amount))
    run = kernel or compiled_meet()
    run(
        wealth,
        np.arange(wealth.size),
        drawn.astype(np.float64),
        known,
        1.0 - parameter if known == SAVING else parameter,
        getattr(rule, "poorer_wins", 0.5),
    )
    flows = rule.flows(first, second, drawn.astype(np.float64))
    assert wealth.tolist() == [*(first - flows).tolist(), *(second + flows).tolist()]


def test_the_compiled_kernel_is_compiled():
    assert is_compiler_installed()
    assert compiled_meet() is not meet


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 5), (3, 4), (9, 1)])
def test_without_saving_each_division_of_the_pool_comes_with_the_same_probability(first, second):
    pool = first + second
    middles = (np.arange(pool + 1) + 0.5) / (pool + 1)
    assert [first - SavingExchange().flow(first, second, draw) for draw in middles] == list(range(pool + 1))


def test_savings_are_kept():
    rule = SavingExchange(saving=0.9)
    assert rule.flow(100, 0, 0.0) == 10
    assert rule.flow(100, 0, 1.0 - 1e-9) == 0
    # a quarter of 2 and of 6 cents: half a cent to the even cent, 0 and 2
    assert SavingExchange(saving=0.75).flow(2, 6, 0.0) == 0
    assert SavingExchange(saving=0.75).flow(2, 6, 0.99) == -2


@given(first=st.integers(0, 10**6), second=st.integers(0, 10**6), fraction=shares, chance=st.floats(0.01, 0.99))
def test_a_yard_sale_is_won_by_the_poorer_with_the_given_probability(first, second, fraction, chance):
    rule = YardSale(fraction=fraction, poorer_wins=chance)
    stake = round(fraction * min(first, second))
    first_wins = {-1: chance, 0: 0.5, 1: 1.0 - chance}[(first > second) - (first < second)]
    assert rule.flow(first, second, math.nextafter(first_wins, 0.0)) == -stake
    assert rule.flow(first, second, first_wins) == stake


@given(
    wealth=st.lists(st.integers(0, 60), min_size=2, max_size=8).filter(lambda wealth: len(wealth) % 2 == 0),
    fraction=shares,
)
def test_fair_coins_never_lower_the_expected_gini_coefficient(wealth, fraction):
    """Boghosian, Johnson and Marcq 2015, exactly, over all outcomes of one round."""
    pairs = len(wealth) // 2
    first, second = np.array(wealth[:pairs]), np.array(wealth[pairs:])
    distances = [
        distance_sum(np.concatenate([first - flows, second + flows]))
        for coins in product([0.25, 0.75], repeat=pairs)
        for flows in [YardSale(fraction=fraction).flows(first, second, np.array(coins))]
    ]
    assert sum(distances) >= 2**pairs * distance_sum(np.array(wealth))


def distance_sum(wealth):
    """Sum of all distances |a - b|, a whole number: 2 n^2 mean times the Gini coefficient."""
    return int(np.abs(wealth[:, None] - wealth[None, :]).sum())


def test_a_biased_coin_can_lower_it():
    """The test above can fail: where the poorer always wins, the round leaves less inequality."""
    first, second = np.array([10]), np.array([40])
    flows = YardSale(fraction=0.5, poorer_wins=1.0).flows(first, second, np.array([0.3]))
    assert gini(np.concatenate([first - flows, second + flows])) < gini([10, 40])
    assert distance_sum(np.array([10, 40])) == pytest.approx(2 * 2**2 * 25 * gini([10, 40]))


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: MoneyExchange(cents=0), ("MoneyExchange.cents must be 1 or more", "0")),
        (lambda: MoneyExchange(cents=-1), ("MoneyExchange.cents must be a whole number of cents", "-1")),
        (lambda: MoneyExchange(cents=1.5), ("MoneyExchange.cents", "1.5")),
        (lambda: MoneyExchange(cents=True), ("MoneyExchange.cents", "True")),
        (lambda: SavingExchange(saving=1.0), ("SavingExchange.saving must be below 1", "1.0")),
        (lambda: SavingExchange(saving=-0.1), ("SavingExchange.saving must lie in [0, 1]", "-0.1")),
        (lambda: SavingExchange(saving=math.nan), ("SavingExchange.saving must be finite",)),
        (lambda: YardSale(fraction=0.0), ("YardSale.fraction must be above 0", "0.0")),
        (lambda: YardSale(fraction=1.1), ("YardSale.fraction must lie in [0, 1]", "1.1")),
        (lambda: YardSale(fraction="0.1"), ("YardSale.fraction must be a real number",)),
        (lambda: YardSale(poorer_wins=2.0), ("YardSale.poorer_wins must lie in [0, 1]", "2.0")),
    ],
)
def test_bad_input(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []
