"""An auctioneer who calls the solvers' prices, and pairs who trade: conservation, convergence, and what pairs miss."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from walras.agents import SettlementError
from walras.agents.exchange import (
    Bargain,
    BilateralEconomy,
    CallStatus,
    GeometricMeanBargaining,
    WalrasianEconomy,
    Yardstick,
)
from walras.agents.exchange.tables import CALL_COLUMNS, CONSUMER_COLUMNS, ROUND_COLUMNS, TRADE_COLUMNS
from walras.market import InvalidInputError
from walras.market.exchange import (
    CES,
    Adjustment,
    CobbDouglas,
    ConstantStep,
    DemandFunction,
    DiminishingStep,
    ExchangeEconomy,
    Extragradient,
    Leontief,
    LinearQuadratic,
    NormalisedStep,
    PowerUtility,
    Tatonnement,
    pareto_waste,
)

WANTS = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
SCARF = ExchangeEconomy(Leontief(WANTS), np.eye(3))
BOX = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), [[1.0, 2.0], [2.0, 1.0]])
STABLE = ExchangeEconomy(Leontief(1.0 - np.eye(3)), np.eye(3))


def mixed(consumers: int, seed: int, goods: int = 2) -> ExchangeEconomy:
    rng = np.random.default_rng(seed)
    tastes = PowerUtility(rng.uniform(0.2, 1.0, (consumers, goods)), 0.0)  # those of Cobb-Douglas, quickly
    return ExchangeEconomy(tastes, rng.uniform(0.1, 2.0, (consumers, goods)))


# ---------------------------------------------------------------- the auctioneer


@pytest.mark.parametrize(
    ("economy", "rules", "start"),
    [
        (BOX, Tatonnement(ConstantStep(0.05)), [1.0, 1.0]),
        (BOX, Tatonnement(ConstantStep(0.05), normalised=True), None),
        (BOX, Tatonnement(NormalisedStep(0.3)), [0.01, 1.0]),
        (BOX, Tatonnement(DiminishingStep(0.5), Adjustment.MULTIPLICATIVE), [1.0, 1.0]),
        (BOX, Tatonnement(ConstantStep(2.0)), [1.0, 0.0]),  # a free good that is wanted without bound
        (STABLE, Tatonnement(ConstantStep(0.05)), [1.2, 1.0, 0.7]),
        (SCARF, Tatonnement(ConstantStep(0.05)), [1.2, 1.0, 0.7]),
        (SCARF, Extragradient(0.5), [1.2, 1.0, 0.7]),
    ],
)
def test_the_auctioneer_calls_the_prices_of_the_solver(economy, rules, start):
    market = WalrasianEconomy(economy, rules, rng=0, start_prices=start)
    market.run(300)
    called = market.calls["price"].to_numpy().reshape(-1, economy.shape[1])
    path = rules.solve(economy, start).path[: len(called)]
    unlifted = ~(path == 0.0).any(axis=1)  # the solver's path holds the price of 0, the auctioneer calls a small one
    np.testing.assert_array_equal(called[: len(path)][unlifted], path[unlifted])
    if len(called) > len(path):
        pytest.fail("the auctioneer went on where the solver had stopped")


def test_when_markets_clear_consumers_get_the_equilibrium_in_whole_units():
    economy = mixed(7, 3, goods=3)
    market = WalrasianEconomy(economy, Tatonnement(ConstantStep(0.02), max_iterations=10), rng=0, units_per_good=10_000)
    before = market.warehouse.totals
    assert market.run(20_000) is CallStatus.CLEARED
    assert market.warehouse.totals.tolist() == before.tolist()
    yardstick = Yardstick.of(economy)
    assert np.abs(market.warehouse.units - 10_000 * yardstick.allocation).max() <= 1.5
    assert [each.units.tolist() for each in market.consumers] == market.warehouse.units.tolist()
    last = market.calls
    assert {name: str(dtype) for name, dtype in last.dtypes.items()} == CALL_COLUMNS
    assert last["distance"].iloc[-1] < 1e-9
    assert last["residual"].iloc[-1] <= 1e-10
    closed = market.warehouse.units
    assert market.run(5) is CallStatus.CLEARED  # and stays so
    market.step()
    assert market.warehouse.units.tolist() == closed.tolist()
    assert len(market.calls) == len(last)


def test_nobody_trades_while_prices_circle():
    market = WalrasianEconomy(
        SCARF, Tatonnement(ConstantStep(0.05)), rng=0, start_prices=[1.2, 1.0, 0.7], record_every=50
    )
    assert market.run(1000) is CallStatus.CALLING
    assert market.warehouse.units.tolist() == (10**6 * np.eye(3, dtype=int)).tolist()
    distances = market.calls.drop_duplicates("round")["distance"]
    assert market.calls["round"].unique().tolist() == list(range(50, 1001, 50))
    assert distances.iloc[-1] > distances.iloc[0] > 0.12


def test_leftovers_of_a_free_good_stay_with_their_owners():
    # Nobody needs more of the second good than of the first, of which there is half as much.
    economy = ExchangeEconomy(Leontief([[1.0, 1.0], [1.0, 1.0]]), [[1.0, 1.0], [0.0, 1.0]])
    market = WalrasianEconomy(economy, Tatonnement(ConstantStep(0.2)), rng=0, start_prices=[1.0, 0.0])
    assert market.run(10) is CallStatus.CLEARED
    assert market.warehouse.totals.tolist() == [1_000_000, 2_000_000]
    assert market.warehouse.units.tolist() == [[1_000_000, 1_500_000], [0, 500_000]]


def test_a_step_that_is_far_too_large_breaks_down():
    market = WalrasianEconomy(BOX, Tatonnement(ConstantStep(1e308), Adjustment.MULTIPLICATIVE), rng=0)
    assert market.run(10) is CallStatus.BROKE_DOWN
    assert market.warehouse.units.tolist() == [[10**6, 2 * 10**6], [2 * 10**6, 10**6]]


# ---------------------------------------------------------------- pairs


def audit(economy: BilateralEconomy, totals: list[int]) -> None:
    """No unit made or lost, nobody with less than nothing, tables as documented, nobody worse off than at first."""
    rounds, rows = economy.rounds, economy.consumer_rows
    assert economy.warehouse.totals.tolist() == totals, "units were made or lost"
    assert economy.warehouse.units.min() >= 0
    assert {name: str(dtype) for name, dtype in rounds.dtypes.items()} == ROUND_COLUMNS
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == CONSUMER_COLUMNS
    assert (rounds["units"] == sum(totals)).all()
    assert (rounds["trades"] <= rounds["meetings"]).all()
    assert rows["units"].tolist() == economy.warehouse.units.ravel().tolist()
    assert (rows["utility"] >= rows["endowment_utility"]).all(), "somebody is worse off"
    assert (rounds["efficiency"] <= 1.0 + 1e-9).all()
    assert (np.diff(rounds["utility"]) >= -1e-12).all()


@st.composite
def economies(draw: st.DrawFn) -> BilateralEconomy:
    consumers, goods = draw(st.integers(2, 6)), draw(st.integers(2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    weights = rng.uniform(0.2, 1.0, (consumers, goods))
    utility = draw(
        st.sampled_from([CobbDouglas(weights), CES.with_elasticity(weights, 0.5), CES.with_elasticity(weights, 2.0)])
    )
    corners = draw(st.booleans())
    owned = rng.uniform(0.1, 2.0, (consumers, goods))
    if corners:
        owned *= rng.random(owned.shape) < 0.7
        owned[0] += 0.5  # some of each good
    network = draw(st.sampled_from([None, nx.path_graph(consumers), nx.complete_graph(consumers)]))
    return BilateralEconomy(
        ExchangeEconomy(utility, owned),
        network,
        rng=draw(st.integers(0, 99)),
        bargaining=draw(st.sampled_from([None, GeometricMeanBargaining(most_units=3)])),
        units_per_good=draw(st.sampled_from([10, 1000, 1_000_000])),
        most_trades=draw(st.sampled_from([0, 2])),
    )


class Economies(RuleBasedStateMachine):
    @initialize(economy=economies())
    def found(self, economy: BilateralEconomy) -> None:
        self.economy, self.totals, self.played = economy, economy.warehouse.totals.tolist(), 0

    @rule(rounds=st.integers(1, 4))
    def play(self, rounds: int) -> None:
        rows = self.economy.run(rounds)
        self.played += rounds
        pd.testing.assert_frame_equal(rows, self.economy.rounds.tail(len(rows)).reset_index(drop=True))
        assert rows["round"].tolist() == list(range(self.played - rounds + 1, self.played + 1))

    @invariant()
    def goods_are_conserved(self) -> None:
        if hasattr(self, "economy"):
            audit(self.economy, self.totals)


TestEconomies = Economies.TestCase
TestEconomies.settings = settings(max_examples=15, stateful_step_count=5)


def test_a_million_meetings_conserve_every_unit_in_bounded_memory():
    economy = BilateralEconomy(
        mixed(4000, 0),
        rng=0,
        bargaining=GeometricMeanBargaining(most_units=1),
        units_per_good=1000,
        record_every=125,
        most_records=3,
        most_trades=1,
    )
    totals = economy.warehouse.totals.tolist()
    rounds = economy.run(500)
    assert rounds["round"].tolist() == [250, 375, 500]
    assert (rounds["trades"] > 500).all()
    assert len(economy.trades) == rounds["trades"].iloc[-1]
    audit(economy, totals)


def test_where_all_may_meet_rates_of_substitution_become_one_and_nothing_is_wasted():
    """Efficient, and yet not the Walrasian equilibrium: trades at other prices made some richer, others poorer."""
    economy = BilateralEconomy(mixed(40, 1), rng=0)
    rounds = economy.run(150)
    assert rounds["mrs_dispersion"].iloc[0] > 0.1
    assert rounds["mrs_dispersion"].iloc[-1] < 2e-3  # about the square root of the smallest unit
    assert economy.waste() < 1e-3
    assert rounds["distance"].iloc[-1] > 0.02
    assert rounds["efficiency"].iloc[-1] < 1.0
    assert rounds["price_dispersion"].iloc[0] > 0.1


def test_smaller_units_bring_rates_closer_together():
    last = [
        BilateralEconomy(mixed(10, 1), rng=0, units_per_good=per_good).run(80)["mrs_dispersion"].iloc[-1]
        for per_good in (100, 10_000, 1_000_000)
    ]
    assert last[0] > 3.0 * last[1] > 9.0 * last[2]


def test_fewer_links_take_longer():
    waste = []
    for network in (None, nx.cycle_graph(40)):
        economy = BilateralEconomy(mixed(40, 1), network, rng=0)
        economy.run(40)
        waste.append(economy.waste())
    assert waste[1] > 5.0 * waste[0]


def test_pairs_do_not_find_scarfs_equilibrium_but_do_with_a_good_that_all_want():
    """Feldman 1973: pairwise optimal need not be efficient, and is where all own and want one good."""
    every = (6, 1)
    deadlock = BilateralEconomy(ExchangeEconomy(Leontief(np.tile(WANTS, every)), np.tile(np.eye(3), every)), rng=0)
    assert deadlock.run(50)["trades"].sum() == 0
    assert deadlock.waste() == pytest.approx(1.0)
    owned = 0.85 * np.eye(3) + 0.05
    wastes = []
    for wants, endowments in ((WANTS, owned), (np.c_[WANTS, np.ones(3)], np.c_[owned, np.ones(3)])):
        utility = PowerUtility(np.tile(wants, every), -1.0)  # elasticity of substitution 1/2
        economy = BilateralEconomy(ExchangeEconomy(utility, np.tile(endowments, every)), rng=0)
        economy.run(150)
        assert economy.run(10)["turnover"].max() < 1e-3
        wastes.append(economy.waste())
    assert wastes[0] > 0.3
    assert wastes[1] < 2e-3


def test_the_yardstick_is_zero_at_the_equilibrium():
    economy = mixed(5, 2, goods=3)
    yardstick = Yardstick.of(economy)
    there = yardstick.of_holdings(yardstick.allocation)
    assert there["distance"] == 0.0
    assert there["efficiency"] == pytest.approx(1.0, abs=1e-9)
    assert there["mrs_dispersion"] < 1e-9
    elsewhere = yardstick.of_holdings(np.asarray(economy.endowments))
    assert elsewhere["distance"] > 0.01
    assert elsewhere["efficiency"] < 0.999
    # the standard deviation of log rates, worked out for each pair of goods
    gradient = np.log(economy.utilities[0].marginal_utilities(economy.endowments))
    spread = [np.var(gradient[:, a] - gradient[:, b]) for a in range(3) for b in range(a + 1, 3)]
    assert elsewhere["mrs_dispersion"] == pytest.approx(np.sqrt(np.mean(spread)))


def test_the_distance_is_the_value_that_would_have_to_change_hands():
    # From (1, 2), (2, 1) to 7/4, 7/4 and 5/4, 5/4 at the prices 1/4, 3/4: 3/8 of 3 is given by either side.
    assert Yardstick.of(BOX).of_holdings(np.array([[1.0, 2.0], [2.0, 1.0]]))["distance"] == pytest.approx(0.125)


def test_one_price_stated_both_ways_has_no_dispersion():
    ones, goods = np.array([1, 1]), (np.array([0, 1]), np.array([1, 0]))
    trades = Bargain(ones - 1, ones, *goods, ones, ones, prices=np.array([0.5, 2.0]))
    measured = Yardstick.of(BOX).of_trades(trades, np.ones(2))
    assert measured["price_dispersion"] == pytest.approx(0.0, abs=1e-12)
    assert measured["price_error"] == pytest.approx(np.log(0.5 / (1 / 3)))
    apart = Yardstick.of(BOX).of_trades(Bargain(ones - 1, ones, *goods, ones, ones, np.array([0.5, 0.5])), np.ones(2))
    assert apart["price_dispersion"] == pytest.approx(np.log(2.0))


def test_measures_of_trades_by_hand():
    economy = BilateralEconomy(BOX, rng=0, units_per_good=[100, 1000], most_trades=5)
    row = economy.run(1).iloc[0]
    trade = economy.trades.iloc[0]
    assert {name: str(dtype) for name, dtype in economy.trades.dtypes.items()} == TRADE_COLUMNS
    prices = economy.yardstick.prices  # 1/4 and 3/4
    per_good = np.array([100, 1000])
    value = prices @ np.array([3.0, 3.0])
    handed = trade["units_bought"] * (prices / per_good)[int(trade["bought"])]
    handed += trade["units_paid"] * (prices / per_good)[int(trade["paid"])]
    assert row["turnover"] == pytest.approx(handed / value)
    equilibrium = (prices / per_good)[int(trade["bought"])] / (prices / per_good)[int(trade["paid"])]
    assert row["price_error"] == pytest.approx(abs(np.log(trade["price"] / equilibrium)))
    assert row["price_dispersion"] == 0.0
    rate = (2 * 10, 10 * 1 / 2)  # units of good 2 per unit of good 1 at the endowments: x2 a1 / (x1 a2), in units
    assert trade["price"] == pytest.approx(
        np.sqrt((rate[0] / 3) * (rate[1] / 3)) ** (1 if trade["bought"] == 0 else -1), rel=0.02
    )


@given(seed=st.integers(0, 999))
@settings(max_examples=10)
def test_the_same_seed_gives_the_same_tables(seed):
    first, second = (BilateralEconomy(mixed(6, 0), nx.cycle_graph(6), rng=seed, most_trades=9) for _ in range(2))
    pd.testing.assert_frame_equal(first.run(5), second.run(5))
    pd.testing.assert_frame_equal(first.trades, second.trades)


def test_holdings_are_within_a_unit_of_efficient_by_the_markets_own_measure():
    economy = BilateralEconomy(BOX, rng=0)
    economy.run(50)
    np.testing.assert_allclose(economy.holdings, economy.warehouse.units / 1e6)
    assert pareto_waste(BOX, economy.holdings) < 1e-5
    assert economy.waste() == pytest.approx(pareto_waste(BOX, economy.holdings), abs=1e-9)


# ---------------------------------------------------------------- the tests above can fail; bad input


def test_the_warehouse_finds_a_rule_that_makes_goods(monkeypatch):
    monkeypatch.setattr(
        "walras.agents.exchange.bargaining.Bargain.changes",
        lambda self, consumers, goods: np.eye(consumers, goods, dtype=int),
    )
    with pytest.raises(SettlementError, match="must sum to 0"):
        BilateralEconomy(BOX, rng=0).run(1)


def test_the_audit_finds_a_bad_trade(monkeypatch):
    def robbed(self, consumers, goods):
        change = np.zeros((consumers, goods), dtype=np.int64)
        change[0, 0], change[1, 0] = 5, -5
        return change

    monkeypatch.setattr("walras.agents.exchange.bargaining.Bargain.changes", robbed)
    economy = BilateralEconomy(BOX, rng=0)
    economy.run(2)
    with pytest.raises(AssertionError, match="worse off"):
        audit(economy, economy.warehouse.totals.tolist())


TRANSFERS = ExchangeEconomy(CobbDouglas([[1.0, 1.0]] * 2), [[1.0, 1.0]] * 2, transfers=[0.1, -0.1])
QUADRATIC = ExchangeEconomy(LinearQuadratic([[5.0, 5.0]] * 2, np.eye(2)), [[1.0, 2.0], [2.0, 1.0]])
RULES = Tatonnement()
BAD = [
    (lambda: WalrasianEconomy(1, RULES, rng=0), "economy must be a ExchangeEconomy"),
    (lambda: WalrasianEconomy(TRANSFERS, RULES, rng=0), "no transfers"),
    (lambda: WalrasianEconomy(BOX, "newton", rng=0), "rules must be Tatonnement or Extragradient"),
    (lambda: WalrasianEconomy(BOX, Extragradient(on_simplex=True), rng=0), "on_simplex=False"),
    (lambda: WalrasianEconomy(BOX, RULES, rng=0.5), "rng must be"),
    (lambda: WalrasianEconomy(BOX, RULES, rng=0, start_prices=[0.0, 0.0]), "must not all be 0"),
    (lambda: WalrasianEconomy(BOX, RULES, rng=0, start_prices=[1.0]), "start_prices must have one entry per good"),
    (lambda: WalrasianEconomy(BOX, RULES, rng=0, units_per_good=0), "units_per_good"),
    (lambda: WalrasianEconomy(BOX, RULES, rng=0, record_every=0), "record_every"),
    (lambda: WalrasianEconomy(BOX, RULES, rng=0, most_records=0), "most_records"),
    (lambda: WalrasianEconomy(BOX, RULES, rng=0).run(0), "rounds must be 1 or more"),
    (lambda: BilateralEconomy(1, rng=0), "economy must be a ExchangeEconomy"),
    (lambda: BilateralEconomy(TRANSFERS, rng=0), "no transfers"),
    (lambda: BilateralEconomy(QUADRATIC, rng=0), "amounts of 0 or more"),
    (lambda: BilateralEconomy(ExchangeEconomy(CobbDouglas([[1.0, 1.0]]), [[1.0, 1.0]]), rng=0), "two consumers"),
    (lambda: BilateralEconomy(BOX, nx.path_graph(3), rng=0), "nodes"),
    (lambda: BilateralEconomy(BOX, rng=None), "rng must be"),
    (lambda: BilateralEconomy(BOX, rng=0, bargaining=1), "bargaining must be a GeometricMeanBargaining"),
    (lambda: BilateralEconomy(BOX, rng=0, units_per_good=1.5), "units_per_good"),
    (lambda: BilateralEconomy(BOX, rng=0, record_every=0), "record_every"),
    (lambda: BilateralEconomy(BOX, rng=0, most_records=0), "most_records"),
    (lambda: BilateralEconomy(BOX, rng=0, most_trades=-1), "most_trades"),
    (lambda: BilateralEconomy(BOX, rng=0).run(0), "rounds must be 1 or more"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_refused_with_reasons(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


def test_consumers_known_by_demand_alone_cannot_bargain():
    known = DemandFunction(lambda prices, incomes: 0.5 * incomes[:, None] / prices, consumers=2, goods=2)
    economy = ExchangeEconomy(known, [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(InvalidInputError, match="known by a DemandFunction alone cannot bargain"):
        BilateralEconomy(economy, rng=0)
