import gc
import json
import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.compute.audit import audit

from walras.agents.adapter import Agent
from walras.agents.compute import (
    AttentionHead,
    Bidders,
    BiddingPolicy,
    ComputeEconomy,
    NeuronBlock,
    Truthful,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    synthetic_population,
)
from walras.agents.compute.frontier import WelfareFrontier
from walras.market import (
    CapacityMarket,
    Demand,
    FixedSupply,
    InfeasibleError,
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
    gini,
)
from walras.market.validation import FloatArray

POPULATION = synthetic_population(layers=3, heads=4, blocks=6, rng=5)
COSTS = POPULATION["cost"].to_numpy()
VALUATIONS = POPULATION["valuation"].to_numpy()
HALF = FixedSupply(0.5 * float(COSTS.sum()))

TRUTHFUL = Truthful()
DEMANDS = [StepDemand(), StepDemand(divisible=False), LinearDemand(5.0), LogitDemand(2.0)]
every_demand = pytest.mark.parametrize("demand", DEMANDS, ids=str)
every_policy = pytest.mark.parametrize(
    "policy",
    [Truthful(), ZeroIntelligenceConstrained(), ZeroIntelligenceUnconstrained(50.0)],
    ids=lambda policy: type(policy).__name__,
)


def found(
    demand: Demand = DEMANDS[0], policy: BiddingPolicy = TRUTHFUL, *, tax: object = 0.0, **options: object
) -> ComputeEconomy:
    market = CapacityMarket(options.pop("supply", HALF), demand, PerUnitTax(tax))
    return ComputeEconomy(options.pop("population", POPULATION), market, policy, **({"rng": 0} | options))


# ---------------------------------------------------------------- the contract, for every demand rule and policy


@every_demand
@every_policy
def test_keeps_its_books_and_repeats_itself(demand: Demand, policy: BiddingPolicy) -> None:
    first, second = (found(demand, policy, tax=1.25, rng=11) for _ in range(2))
    rows = first.run(30)
    audit(first, rows, first.periods)
    pd.testing.assert_frame_equal(rows, second.run(30), check_exact=True)
    pd.testing.assert_frame_equal(first.periods, second.periods, check_exact=True)


@every_policy
def test_running_twice_is_running_on(policy: BiddingPolicy) -> None:
    at_once, in_parts = found(policy=policy), found(policy=policy)
    parts = [in_parts.run(3), in_parts.run(4)]
    pd.testing.assert_frame_equal(at_once.run(7), pd.concat(parts, ignore_index=True), check_exact=True)
    pd.testing.assert_frame_equal(in_parts.rows, at_once.rows, check_exact=True)
    assert parts[1]["period"].unique().tolist() == [4, 5, 6, 7]


def test_another_seed_gives_other_rows() -> None:
    rows = [found(policy=ZeroIntelligenceConstrained(), rng=seed).run(1)["bid"].tolist() for seed in (0, 1)]
    assert rows[0] != rows[1]


def test_a_generator_is_used_and_advanced() -> None:
    seeded, given_generator = (
        found(policy=ZeroIntelligenceConstrained(), rng=rng).run(2) for rng in (3, np.random.default_rng(3))
    )
    pd.testing.assert_frame_equal(seeded, given_generator)


def test_tables_are_typed_before_the_first_period_too() -> None:
    economy = found()
    before, periods_before = economy.rows, economy.periods
    assert len(before) == len(periods_before) == 0
    rows = economy.run(1)
    assert before.dtypes.tolist() == rows.dtypes.tolist()
    assert periods_before.dtypes.tolist() == economy.periods.dtypes.tolist()


def test_rows_say_who_the_agents_are() -> None:
    rows = found().run(2)
    who = POPULATION[["kind", "layer", "index", "valuation", "cost"]]
    for _, of_period in rows.groupby("period"):
        pd.testing.assert_frame_equal(of_period[list(who.columns)].reset_index(drop=True), who)
        assert of_period["agent"].tolist() == list(range(len(POPULATION)))


def test_numbers_survive_json() -> None:
    assert json.loads(found().run(1).to_json(orient="records"))[0]["kind"] == "head"


# ---------------------------------------------------------------- Mesa


def test_agents_are_heads_and_blocks_with_wealth() -> None:
    economy = found()
    rows = economy.run(3)
    last = rows[rows["period"] == 3]
    assert len(economy.agents_by_type[AttentionHead]) == 12
    assert len(economy.agents_by_type[NeuronBlock]) == 18
    assert [agent.wealth_cents for agent in economy.compute_agents] == last["wealth_cents"].tolist()
    assert [agent.valuation for agent in economy.compute_agents] == VALUATIONS.tolist()
    assert sorted(agent.unique_id for agent in economy.agents) == list(range(1, 33))
    assert economy.steps == 3
    with pytest.raises(AttributeError):
        economy.compute_agents[0].wealth_cents = 10**6  # type: ignore[misc]


def test_an_economy_that_nobody_holds_is_freed() -> None:
    economy = found()
    economy.run(1)
    gone, counters = weakref.ref(economy), len(Agent._ids)
    del economy
    gc.collect()
    assert gone() is None
    assert len(Agent._ids) < counters


def test_a_policy_can_change_between_periods() -> None:
    economy = found()
    economy.run(1)
    economy.compute_agents[0].policy = ZeroIntelligenceUnconstrained(0.001)
    rows = economy.run(1)
    assert rows["bid"][0] < 0.001
    np.testing.assert_array_equal(rows["bid"][1:], rows["valuation"][1:])


def test_one_policy_for_each_agent() -> None:
    policies = [ZeroIntelligenceUnconstrained(1e-3), *[Truthful()] * 29]
    rows = found(policy=policies).run(1)  # type: ignore[arg-type]
    assert rows["bid"][0] < 1e-3
    np.testing.assert_array_equal(rows["bid"][1:], VALUATIONS[1:])


def test_progress_is_reported_after_each_period() -> None:
    heard: list[tuple[int, int]] = []
    found().run(3, progress=lambda done, periods: heard.append((done, periods)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


# ---------------------------------------------------------------- economics


def test_truthful_agents_that_wealth_does_not_bind_are_efficient_for_ever() -> None:
    economy = found()
    rows = economy.run(300)
    np.testing.assert_array_equal(rows["bid"], rows["valuation"])
    np.testing.assert_allclose(economy.periods["efficiency"], 1.0, rtol=1e-12)


@given(
    valuations=st.lists(st.floats(0.1, 100.0), min_size=2, max_size=8).map(np.array),
    sold=st.floats(0.05, 0.95),
)
def test_whole_agents_lose_at_most_the_first_that_does_not_fit(valuations: FloatArray, sold: float) -> None:
    agents = valuations.size
    population = pd.DataFrame(
        {"kind": "head", "layer": 0, "index": range(agents), "valuation": valuations, "cost": 1.0 + np.arange(agents)}
    )
    supply = FixedSupply(sold * float(population["cost"].sum()))
    divisible, whole = (found(demand, population=population, supply=supply) for demand in DEMANDS[:2])
    divisible.run(1)
    rows = whole.run(1)
    best, reached = divisible.periods["welfare"][0], whole.periods["welfare"][0]
    waiting = rows[rows["share"] == 0.0]
    first = waiting.loc[waiting["valuation"].idxmax()]
    assert divisible.periods["efficiency"][0] == pytest.approx(1.0, abs=1e-12)
    assert whole.periods["efficiency"][0] == pytest.approx(reached / best, rel=1e-12)
    assert best - reached <= first["valuation"] * first["cost"] * (1 + 1e-9)


def test_the_poor_are_outbid() -> None:
    poor = POPULATION.assign(wealth_cents=np.where(POPULATION["kind"] == "head", 0, 10**6))
    economy = found(population=poor)
    rows = economy.run(1)
    heads = rows["kind"] == "head"
    assert (rows["bid"][heads] == 0.0).all()
    assert rows["share"][heads].sum() < 12 * 0.3
    assert economy.periods["efficiency"][0] < 1.0


def test_a_rebate_brings_the_poor_back() -> None:
    poor = POPULATION.assign(wealth_cents=np.where(POPULATION["kind"] == "head", 0, 10**6))
    untaxed, taxed = found(population=poor), found(population=poor, tax=3.0)
    untaxed.run(50)
    taxed.run(50)
    assert untaxed.periods["efficiency"].iloc[-1] < 0.9
    assert taxed.periods["efficiency"].iloc[-1] > untaxed.periods["efficiency"].iloc[-1] + 0.05


def test_the_seller_bears_a_uniform_tax_and_the_rebate_makes_wealth_more_equal() -> None:
    untaxed, taxed = found(), found(tax=2.0)
    rows, taxed_rows = untaxed.run(50), taxed.run(50)
    np.testing.assert_array_equal(rows["share"], taxed_rows["share"])
    np.testing.assert_allclose(taxed.periods["price"], untaxed.periods["price"] - 2.0, rtol=1e-12)
    assert np.abs(rows["payment_cents"] - taxed_rows["payment_cents"]).max() <= 1
    assert taxed.periods["gini_wealth"].iloc[-1] < untaxed.periods["gini_wealth"].iloc[-1]


def test_savings_settle_where_dividends_equal_the_surplus() -> None:
    economy = found(dividend_rate=0.2)
    rows = economy.run(200)
    last = rows[rows["period"] == 200].reset_index(drop=True)
    surplus = last["income_cents"] - last["payment_cents"]
    savings = last["wealth_cents"] - economy.population["wealth_cents"]
    earning = surplus > 1  # dividends are rounded down: savings end at most a cent over the rate higher
    difference = (savings - surplus * 0.8 / 0.2)[earning]
    assert earning.sum() > 10
    assert difference.between(-1.0, 1.0 / 0.2).all()


def efficiencies(policy: BiddingPolicy, periods: int) -> FloatArray:
    """Efficiency of 40 seeds, shape (40, periods)."""
    rows = []
    for seed in range(40):
        economy = found(policy=policy, rng=seed)
        economy.run(periods)
        rows.append(economy.periods["efficiency"].to_numpy())
    return np.array(rows)


def test_zero_intelligence_loses_some_efficiency_and_more_without_its_constraint_gode_sunder_1993() -> None:
    constrained = efficiencies(ZeroIntelligenceConstrained(), 1).mean()
    unconstrained = efficiencies(ZeroIntelligenceUnconstrained(VALUATIONS.max()), 1).mean()
    assert unconstrained + 0.1 < constrained < 1.0


def test_losses_drive_the_unconstrained_out_of_the_market() -> None:
    efficiency = efficiencies(ZeroIntelligenceUnconstrained(VALUATIONS.max()), 60).mean(axis=0)
    assert efficiency[-10:].mean() > efficiency[:10].mean() + 0.1


def test_measures_are_what_they_say() -> None:
    economy = found(LinearDemand(5.0), tax=1.0)
    rows, period = economy.run(1), economy.periods.iloc[0]
    assert period["welfare"] == pytest.approx((rows["valuation"] * rows["units"]).sum(), rel=1e-12)
    assert period["gini_allocation"] == gini(rows["share"])
    assert period["gini_wealth"] == gini(rows["wealth_cents"])
    best = CapacityMarket(HALF).clear(VALUATIONS, COSTS)
    assert period["efficiency"] == pytest.approx(period["welfare"] / np.sum(VALUATIONS * best.quantities), rel=1e-12)


def test_efficiency_under_a_posted_price_is_measured_at_the_quantity_sold() -> None:
    economy = found(supply=PostedPrice(12.0))
    rows = economy.run(1)
    assert economy.periods["efficiency"][0] == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_array_equal(rows["share"], VALUATIONS >= 12.0)
    nothing = found(supply=PostedPrice(1e9))
    nothing.run(1)
    assert nothing.periods[["quantity_sold", "welfare", "efficiency"]].iloc[0].tolist() == [0.0, 0.0, 1.0]


def test_the_frontier_is_the_fractional_knapsack() -> None:
    frontier = WelfareFrontier(np.array([1.0, 5.0, 3.0]), np.array([4.0, 2.0, 4.0]))
    assert [frontier.efficiency(1.0, quantity) for quantity in (0.0, 1.0, 2.0, 4.0, 10.0)] == [
        1.0,
        1 / 5,
        1 / 10,
        1 / 16,
        1 / 26,
    ]


# ---------------------------------------------------------------- corners


def test_a_negative_price_pays_the_buyers() -> None:
    everything = FixedSupply(float(COSTS.sum()))
    economy = found(LinearDemand(50.0), supply=everything)
    rows = economy.run(5)
    assert (economy.periods["price"] < 0.0).all()
    assert (rows["payment_cents"] <= 0).all()
    assert (economy.periods["revenue_cents"] < 0).all()
    audit(economy, rows, economy.periods)


@pytest.mark.parametrize("demand", DEMANDS[:3], ids=str)
@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_nothing_and_everything_can_be_sold(demand: Demand, fraction: float) -> None:
    economy = found(demand, supply=FixedSupply(fraction * float(COSTS.sum())))
    rows = economy.run(3)
    assert (rows["share"] == fraction).all()
    audit(economy, rows, economy.periods)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_logit_demand_at_an_infinite_price_is_refused_before_the_first_period(fraction: float) -> None:
    with pytest.raises(InfeasibleError, match=r"infinite price only.*strictly between 0 and the sum of costs, 42"):
        found(LogitDemand(2.0), supply=FixedSupply(fraction * float(COSTS.sum())))


def test_more_supply_than_agents_can_use_is_refused_before_the_first_period() -> None:
    with pytest.raises(InfeasibleError, match="agents cannot use more"):
        found(supply=FixedSupply(43.0))


def test_one_agent_alone() -> None:
    economy = found(population=POPULATION.iloc[:1], supply=FixedSupply(1.0))
    rows = economy.run(5)
    audit(economy, rows, economy.periods)
    assert (rows["share"] == 0.5).all()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rng": None}, "rng must be a numpy Generator or an integer seed"),
        ({"rng": "seed"}, "rng must be"),
        ({"policy": [Truthful()] * 29}, "one for all or one for each of 30 agents, got 29"),
        ({"dividend_rate": 1.5}, r"dividend_rate must lie in \[0, 1\]"),
        ({"dividend_rate": np.nan}, "dividend_rate must be finite"),
        ({"principal_cents": -1}, "principal_cents must be a whole number of cents"),
        ({"treasury_cents": 0.5}, "treasury_cents must be a whole number of cents"),
        ({"cents_per_money": 0}, "cents_per_money must be 1 or more"),
        ({"tax": [1.0, 2.0]}, "PerUnitTax.rate must have one entry per agent: expected 30, got 2"),
        ({"population": POPULATION.drop(columns="cost")}, r"lacks the columns \['cost'\]"),
    ],
)
def test_refuses_malformed_arguments(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        found(**options)  # type: ignore[arg-type]


def test_refuses_what_is_no_market() -> None:
    with pytest.raises(InvalidInputError, match="market must be a CapacityMarket"):
        ComputeEconomy(POPULATION, HALF, Truthful(), rng=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("periods", [0, -1, 1.5, True])
def test_refuses_to_run_no_periods(periods: int) -> None:
    with pytest.raises(InvalidInputError, match=r"periods must be (a whole number|1 or more)"):
        found().run(periods)


def test_a_policy_that_overbids_is_refused_and_nothing_is_booked() -> None:
    class Spendthrift:
        def bids(self, bidders: Bidders, rng: np.random.Generator) -> FloatArray:
            return bidders.affordable + 1.0

    economy = found(policy=Spendthrift())
    with pytest.raises(InvalidInputError, match="a policy must bid at most"):
        economy.run(1)
    assert len(economy.periods) == 0
    assert economy.ledger.total == economy.population["wealth_cents"].sum()
