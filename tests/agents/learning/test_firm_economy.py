"""The economy of firms: what becomes of their rules, the same in arrays, and no cent made or lost."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.agents.learning.test_markets import bertrands, cobwebs, cournots, logits

from walras.agents import Ledger
from walras.agents.learning import (
    AdaptiveForecast,
    AverageForecast,
    BertrandMarket,
    BestResponse,
    CobwebMarket,
    CournotMarket,
    Exp3,
    FictitiousPlay,
    FirmEconomy,
    GridGame,
    GridLearning,
    Hedge,
    LogitMarket,
    NaiveForecast,
    PriceTaking,
    QLearning,
    RationalForecast,
    ReplyToForecast,
    RothErev,
    economy,
    market_power,
    play,
)
from walras.agents.learning.tables import FIRM_COLUMNS, PERIOD_COLUMNS
from walras.market import InvalidInputError
from walras.market.partial_equilibrium import AdaptiveExpectations, Cobweb, LinearCurve, NaiveExpectations

DEMAND = LinearCurve(12.0, -1.0)
NAIVE = ReplyToForecast(forecast=NaiveForecast())


def cournot(firms):
    return CournotMarket(DEMAND, [0.0] * firms)


# ---------------------------------------------------------------- Cournot, Bertrand, cobweb


@pytest.mark.parametrize("firms", [2, 3, 4])
def test_cournot_adjustment_theocharis_1960(firms):
    """Two firms settle, three circle for ever, four move away: deviations grow by -(n - 1)/2 a period."""
    market = cournot(firms)
    economy_ = FirmEconomy(market, NAIVE, rng=0, first=market.equilibrium() + 0.01)
    quantity = economy_.run(8)["quantity"].to_numpy()
    deviations = quantity - market.equilibrium().sum()
    np.testing.assert_allclose(deviations[1:] / deviations[:-1], -(firms - 1) / 2, rtol=1e-6)
    late = economy_.run(200)["quantity"].tail(2).to_numpy() - market.equilibrium().sum()
    if firms == 2:
        assert np.abs(late).max() < 1e-12
    elif firms == 3:
        np.testing.assert_allclose(np.abs(late), abs(deviations[0]), rtol=1e-6)
        assert late[0] == pytest.approx(-late[1])
    else:
        assert sorted(late.tolist()) == pytest.approx([-market.equilibrium().sum(), 4 * 6.0 - 9.6])  # all or nothing


def test_inertia_or_averages_calm_many_firms():
    """Thorlund-Petersen 1990: fictitious play settles with any number of firms of a linear market."""
    market = cournot(5)
    for strategy in (
        ReplyToForecast(forecast=AverageForecast()),
        ReplyToForecast(forecast=AdaptiveForecast(0.3)),
        ReplyToForecast(forecast=NaiveForecast(), inertia=0.7),
    ):
        last = FirmEconomy(market, strategy, rng=0, first=1.0).run(800)["quantity"].iloc[-1]
        assert last == pytest.approx(10.0, abs=0.02)


def test_rational_firms_are_in_equilibrium_at_once():
    market = CournotMarket(DEMAND, [1.0, 2.0, 3.0])
    strategy = ReplyToForecast(forecast=RationalForecast())
    rows = FirmEconomy(market, strategy, rng=0).run(3)
    assert rows["deadweight_loss"].tolist() == pytest.approx(
        [market_power(market, market.equilibrium()).deadweight_loss] * 3
    )


def test_bertrand_firms_undercut_each_other_down_to_cost():
    market = BertrandMarket(LinearCurve(10.0, -1.0), [2.0, 2.0], tick=0.05)
    rows = FirmEconomy(market, ReplyToForecast(forecast=NaiveForecast()), rng=0, first=6.0).run(200)
    falls = rows["price"].diff().dropna()
    assert (falls <= 1e-9).all()
    assert rows["price"].iloc[-1] <= 2.05 + 1e-9


@given(
    intercept=st.sampled_from([5.0, 10.0]),
    slope=st.sampled_from([-0.3, -1.0, -1.7]),
    first_cost=st.sampled_from([0.0, 1.0]),
    producers=st.integers(1, 3),
    weight=st.sampled_from([1.0, 0.5, 0.2]),
    start=st.floats(0.0, 10.0),
)
def test_producers_make_the_cobweb_of_the_engine(intercept, slope, first_cost, producers, weight, start):
    """As many producers of slope n each as together supply (p - c): the path of `Cobweb`."""
    market = CobwebMarket(LinearCurve(intercept, slope), [first_cost] * producers, cost_slopes=float(producers))
    rule_, expectations = NaiveForecast(), NaiveExpectations()
    if weight < 1.0:
        rule_, expectations = AdaptiveForecast(weight), AdaptiveExpectations(weight)
    rows = FirmEconomy(market, PriceTaking(forecast=rule_), rng=0, first=start).run(12)
    if rows["price"].min() == 0.0:
        return  # the engine's straight demand goes below 0
    cobweb = Cobweb(LinearCurve(intercept, slope), LinearCurve(first_cost, 1.0), expectations)
    np.testing.assert_allclose(rows["price"], cobweb.simulate(start, 12).prices, atol=1e-9)
    assert market.price_slope == pytest.approx(cobweb.stability().price_slope)


@pytest.mark.parametrize(
    ("cost_slope", "weight", "settles"), [(0.9, 1.0, False), (1.1, 1.0, True), (0.4, 0.5, True), (0.3, 0.5, False)]
)
def test_cobwebs_settle_where_the_slopes_say(cost_slope, weight, settles):
    """Ezekiel 1938: |phi'| < 1; Nerlove 1958: |phi'| < 2 / w - 1."""
    market = CobwebMarket(LinearCurve(10.0, -1.0), [0.0], cost_slopes=cost_slope)
    assert (abs(market.price_slope) < 2 / weight - 1) == settles
    price = market.equilibrium()[0]
    strategy = PriceTaking(forecast=AdaptiveForecast(weight))
    rows = FirmEconomy(market, strategy, rng=0, first=price + 0.01).run(300)
    late = np.abs(rows["price"].tail(20) - price).max()
    assert late < 1e-6 if settles else late > 0.1


# ---------------------------------------------------------------- two engines


@settings(max_examples=25)
@given(
    policy=st.sampled_from(
        [
            BestResponse(inertia=0.5),
            FictitiousPlay(),
            RothErev(lowest=-200.0, experimentation=0.1),
            Hedge(rate=0.5, lowest=-200.0, highest=200.0),
            Exp3(exploration=0.2, lowest=-200.0, highest=200.0),
            QLearning(decay=0.05),
        ]
    ),
    market=st.sampled_from(
        [
            CournotMarket(DEMAND, [0.0, 1.0, 2.0]),
            LogitMarket([1.0, 1.0]),
            BertrandMarket(LinearCurve(10.0, -1.0), [1.0, 2.0]),
        ]
    ),
    seed=st.integers(0, 2**32),
)
def test_objects_and_arrays_learn_the_same(policy, market, seed):
    """The same seed leaves the same actions in `FirmEconomy`, firm by firm, and in `play`, in arrays."""
    grid = np.array([0.5, 1.5, 2.0, 4.0])
    economy_ = FirmEconomy(market, GridLearning(policy=policy, grid=grid), rng=seed)
    economy_.run(25)
    played = play(GridGame(market, [grid]), [policy] * market.firms, rounds=25, rng=seed, record_every=1)
    actions = economy_.rows["action"].to_numpy().reshape(25, market.firms)
    for firm in range(market.firms):
        counts = np.array([(actions[:, firm] == value).mean() for value in grid])
        assert played.frequencies[firm][0].tolist() == counts.tolist()
        path = np.diff(played.frequency_paths[firm][:, 0] * np.arange(1, 26)[:, None], axis=0, prepend=0.0)
        assert grid[path.argmax(axis=1)].tolist() == actions[:, firm].tolist()
    assert economy_.rng.bit_generator.state == _after(seed, 25 * market.firms)


def _after(seed, numbers):
    generator = np.random.default_rng(seed)
    generator.random(numbers)
    return generator.bit_generator.state


# ---------------------------------------------------------------- money


def audit(chosen, money):
    """Raise AssertionError unless all the money is there and each account is what its payments make it."""
    assert chosen.ledger.wealth.min() >= 0
    assert int(chosen.ledger.wealth.sum()) + chosen.ledger.balance("households") == money
    rows, periods = chosen.rows, chosen.periods
    assert set(periods["total_cents"]) <= {money}
    wealth = rows.pivot_table(index="period", columns="firm", values="wealth_cents").to_numpy()
    flows = rows["profit_cents"] + rows["capital_cents"] - rows["dividend_cents"]
    moved = flows.to_numpy().reshape(wealth.shape)
    assert np.diff(wealth, axis=0).tolist() == moved[1:].tolist()
    assert (rows["profit_cents"] == rows["revenue_cents"] - rows["cost_cents"]).all()
    for column in ("revenue_cents", "cost_cents", "capital_cents", "dividend_cents"):
        assert rows.groupby("period")[column].sum().tolist() == periods[column].tolist()
    opening = money // chosen.market.firms
    assert rows["wealth_cents"].max() <= opening  # the owners get what is above it,
    assert (rows.loc[rows["dividend_cents"] > 0, "wealth_cents"] == opening).all()  # and no more
    exact = chosen.cents_per_money * rows["price"] * rows["quantity"]
    assert (rows["revenue_cents"] - exact).abs().max() < 1.0


strategies = st.sampled_from(
    [
        NAIVE,
        ReplyToForecast(forecast=AverageForecast(), inertia=0.5),
        PriceTaking(forecast=AdaptiveForecast(0.5)),
        GridLearning(policy=RothErev(lowest=-5_000.0), grid=[0.0, 0.7, 5.0, 20.0]),
        GridLearning(policy=QLearning(), grid=[1.0, 3.3]),
    ]
)


class FirmEconomies(RuleBasedStateMachine):
    """Periods of any market with any mixture of strategies; losses included."""

    @initialize(
        market=st.one_of(cournots, bertrands, cobwebs, logits),
        data=st.data(),
        wealth=st.sampled_from([0, 3, 10_000]),
        cents=st.sampled_from([1, 100, 10**6]),
        seed=st.integers(0, 2**32),
    )
    def found(self, market, data, wealth, cents, seed):
        each = data.draw(st.lists(strategies, min_size=market.firms, max_size=market.firms))
        first = data.draw(st.floats(0.0, 15.0))
        self.economy = FirmEconomy(
            market, each, rng=seed, first=np.full(market.firms, first), wealth_cents=wealth, cents_per_money=cents
        )
        self.money = wealth * market.firms

    @rule(periods=st.integers(1, 4))
    def play(self, periods):
        self.economy.run(periods)

    @rule()
    def step(self):
        self.economy.step()

    @invariant()
    def books_balance(self):
        if len(self.economy.periods):
            audit(self.economy, self.money)


TestFirmEconomies = FirmEconomies.TestCase
TestFirmEconomies.settings = settings(max_examples=25, stateful_step_count=5, deadline=None)


def test_a_million_entries_conserve_every_cent():
    """1,000 producers, 250 periods, four entries each."""
    rng = np.random.default_rng(0)
    market = CobwebMarket(
        LinearCurve(100.0, -0.05), rng.uniform(0.0, 20.0, 1000), cost_slopes=rng.uniform(50.0, 900.0, 1000)
    )
    started = FirmEconomy(
        market,
        PriceTaking(forecast=AdaptiveForecast(0.4)),
        rng=0,
        first=rng.uniform(0.0, 100.0, 1000),
        wealth_cents=12_345,
        record_every=10,
        most_records=100,
    )
    started.run(250)
    assert started.ledger.total == 12_345_000
    assert set(started.periods["total_cents"]) == {12_345_000}
    assert (started.rows["revenue_cents"] > 0).all()


def test_owners_pay_what_a_firm_cannot():
    market = CournotMarket(LinearCurve(10.0, -1.0), [4.0])
    greedy = FirmEconomy(market, GridLearning(policy=RothErev(lowest=-40.0), grid=[10.0]), rng=0, wealth_cents=1_000)
    row = greedy.run(1).iloc[0]
    assert (row["price"], row["revenue_cents"], row["cost_cents"], row["capital_cents"]) == (0.0, 0, 4_000, 3_000)
    assert greedy.ledger.wealth.tolist() == [0]
    assert greedy.ledger.balance("households") == 1_000


def test_the_audit_finds_a_ledger_that_loses_cents(monkeypatch):
    honest = Ledger.post

    def lossy(self, agents, **institutions):
        honest(self, agents, **institutions)
        self._wealth = self._wealth - (self._wealth > 100)

    chosen = FirmEconomy(cournot(3), NAIVE, rng=0, first=1.0, wealth_cents=500)
    chosen.run(5)
    audit(chosen, 1_500)
    monkeypatch.setattr(Ledger, "post", lossy)
    chosen.run(5)
    with pytest.raises(AssertionError):
        audit(chosen, 1_500)


def test_the_audit_finds_revenue_that_nobody_paid_exactly(monkeypatch):
    monkeypatch.setattr(economy, "apportion", lambda amounts: np.floor(amounts).astype(np.int64) + 1)
    chosen = FirmEconomy(cournot(2), NAIVE, rng=0, first=1.0)
    chosen.run(2)
    with pytest.raises(AssertionError):
        audit(chosen, 0)


# ---------------------------------------------------------------- tables, errors


def test_tables_have_their_columns_and_are_bounded():
    chosen = FirmEconomy(cournot(2), NAIVE, rng=0, first=1.0, record_every=2, most_records=3)
    assert len(chosen.rows) == len(chosen.periods) == 0
    rows = chosen.run(11)
    assert rows["period"].tolist() == [6, 8, 10]
    assert chosen.rows["period"].tolist() == [6, 6, 8, 8, 10, 10]
    for table, columns in ((chosen.rows, FIRM_COLUMNS), (chosen.periods, PERIOD_COLUMNS)):
        assert {name: str(dtype) for name, dtype in table.dtypes.items()} == dict(columns)
    assert chosen.run(1)["period"].tolist() == [12]
    told = []
    chosen.run(2, lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]


def test_the_same_seed_gives_the_same_rows():
    strategy = GridLearning(policy=RothErev(lowest=-100.0), grid=[1.0, 3.0, 6.0])
    one, two, other = (FirmEconomy(cournot(2), strategy, rng=seed).run(30) for seed in (1, np.random.default_rng(1), 2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert not one.equals(other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FirmEconomy("market", NAIVE, rng=0), "market must be a market of firms"),
        (lambda: FirmEconomy(cournot(2), [NAIVE], rng=0), "one for each of 2 firms"),
        (lambda: FirmEconomy(cournot(2), "reply", rng=0), "strategies must be one strategy"),
        (lambda: FirmEconomy(cournot(2), NAIVE, rng=None), "rng must be"),
        (lambda: FirmEconomy(cournot(2), NAIVE, rng=0, first=[1.0]), "first"),
        (lambda: FirmEconomy(cournot(2), NAIVE, rng=0, cents_per_money=0), "cents_per_money must be 1 or more"),
        (lambda: FirmEconomy(cournot(2), NAIVE, rng=0, wealth_cents=-1), "wealth_cents"),
        (lambda: FirmEconomy(cournot(2), NAIVE, rng=0).run(0), "periods must be 1 or more"),
        (lambda: ReplyToForecast(forecast=0.5), "must be a forecast rule"),
        (lambda: ReplyToForecast(forecast=NaiveForecast(), inertia=1.0), "inertia must be below 1"),
        (lambda: PriceTaking(forecast=0.5), "must be a forecast rule"),
        (lambda: GridLearning(policy="hedge", grid=[1.0]), "must be a learning policy"),
        (lambda: GridLearning(policy=QLearning(memory=True), grid=[1.0]), "see learn_to_price"),
        (lambda: GridLearning(policy=RothErev(), grid=[1.0, 1.0]), "each action once"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
