"""No cent is made or lost: random economies, and proof that the audit finds it when one is."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.agents.compute.audit import FLOWS, audit

from walras.agents import Ledger, SettlementError
from walras.agents.compute import (
    AutoregressiveValuations,
    ComputeEconomy,
    ConstantValuations,
    IndependentValuations,
    MarginalContribution,
    PaymentRule,
    RecordedValuations,
    Truthful,
    ValueProduced,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    economy,
    settlement,
    synthetic_population,
)
from walras.agents.money import IntArray
from walras.market import (
    AdValoremTax,
    CapacityMarket,
    Demand,
    FixedSupply,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
    Supply,
)
from walras.market.capacity.levies import levies_of
from walras.market.taxation import (
    BasicIncome,
    BracketTax,
    EqualRebate,
    LumpSum,
    TargetedTransfer,
    TaxCode,
    WealthTax,
)
from walras.market.validation import FloatArray

money = st.one_of(st.sampled_from([0.0, 1.0, 2.5]), st.floats(0.0, 1e3))
rates = st.one_of(st.just(0.0), st.floats(-100.0, 100.0))
scales = st.one_of(st.sampled_from([0.01, 1.0, 100.0]), st.floats(1e-3, 1e3))
policies = st.one_of(
    st.just(Truthful()), st.just(ZeroIntelligenceConstrained()), st.builds(ZeroIntelligenceUnconstrained, scales)
)
demands = st.one_of(
    st.builds(StepDemand, divisible=st.booleans()), st.builds(LinearDemand, scales), st.builds(LogitDemand, scales)
)


shares = st.one_of(st.sampled_from([0.0, 0.1, 1.0]), st.decimals(0, 1, places=3).map(float))
amounts = st.one_of(st.sampled_from([0.0, 5.0]), st.integers(0, 10**4).map(float))
levies = st.one_of(
    st.builds(lambda low, high: BracketTax([3.0], [min(low, high), max(low, high)]), shares, shares),
    st.just(BracketTax([], [0.25])),
    st.just(BracketTax([], [-0.5])),  # a subsidy, which pays who gains much
    st.builds(lambda exemption, rate: WealthTax([exemption], [rate]), amounts, shares),
    amounts.map(LumpSum),
)
promises = st.one_of(amounts.map(BasicIncome), st.builds(TargetedTransfer, amounts, amounts, st.just(0.5)))
codes = st.one_of(
    st.just(TaxCode((), (EqualRebate(),))),
    st.builds(
        lambda taxes, paid, rebate: TaxCode(taxes, [*paid, *[EqualRebate()] * rebate]),
        st.lists(levies, max_size=3),
        st.lists(promises, max_size=2),
        st.booleans(),
    ),
)
processes = st.one_of(
    st.just(ConstantValuations()),
    st.floats(0.0, 1.0).map(IndependentValuations),
    st.builds(AutoregressiveValuations, st.floats(-0.9, 0.9), st.floats(0.0, 1.0)),
)


@st.composite
def economies(draw: st.DrawFn) -> ComputeEconomy:
    """Economies of one to six agents; poor, rich and mixed; taxed and subsidised; at negative prices too."""
    agents = draw(st.integers(1, 6))

    def vector(entry: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(entry, min_size=agents, max_size=agents))

    population = pd.DataFrame(
        {
            "kind": vector(st.sampled_from(["head", "neuron_block"])),
            "layer": 0,
            "index": range(agents),
            "valuation": vector(money),
            "cost": vector(st.one_of(st.just(1.0), st.floats(1e-2, 1e2))),
        }
    )
    population.loc[0, "valuation"] += 10.0 * agents / population.loc[0, "cost"]  # cents can express what is at stake
    if draw(st.booleans()):
        population["wealth_cents"] = vector(st.one_of(st.integers(0, 3), st.integers(0, 10**6)))
    demand = draw(demands)
    total = math.fsum(population["cost"])
    corner = [] if isinstance(demand, LogitDemand) else [0.0, 1.0]
    sold = draw(st.one_of(st.sampled_from([0.5, *corner]), st.floats(0.01, 0.99)))
    supply = draw(st.sampled_from([FixedSupply(sold * total), PostedPrice(draw(rates))]))
    per_unit = PerUnitTax(draw(rates) if draw(st.booleans()) else vector(rates))
    ad_valorem = AdValoremTax(draw(st.one_of(st.just(0.25), st.floats(-0.5, 2.0))))
    tax = draw(st.sampled_from([per_unit, ad_valorem, (per_unit, ad_valorem)]))
    supply, use_tax, pay = draw(rules(supply, demand, sold * total))
    return ComputeEconomy(
        population,
        CapacityMarket(supply, demand, tax),
        vector(policies) if draw(st.booleans()) else draw(policies),
        rng=draw(st.integers(0, 2**32)),
        valuations=draw(st.one_of(processes, st.just(RecordedValuations([vector(money), vector(money)])))),
        pay=pay,
        use_tax=use_tax,
        tax_code=draw(codes),
        dividend_rate=draw(st.sampled_from([0.0, 0.1, 1.0])),
        principal_cents=draw(st.integers(0, 1000)),
        treasury_cents=draw(st.integers(0, 1000)),
        cents_per_money=draw(st.sampled_from([1, 100, 10_000])),
    )


@st.composite
def rules(
    draw: st.DrawFn, supply: Supply, demand: Demand, quantity: float
) -> tuple[Supply, BracketTax | None, PaymentRule]:
    """Rules that need divisible step demand, where there is such."""
    if not (isinstance(demand, StepDemand) and demand.divisible):
        return supply, None, ValueProduced()
    match draw(st.sampled_from(["plain", "use tax", "marginal contribution"])):
        case "use tax":
            lowest, more = draw(st.sampled_from([(0.0, 1.0), (-2.0, 5.0)]))
            return supply, BracketTax([0.5, 3.0], [lowest, lowest + more, lowest + 2.0 * more]), ValueProduced()
        case "marginal contribution":
            return FixedSupply(quantity, free_disposal=True), None, MarginalContribution()
        case _:
            return supply, None, ValueProduced()


@given(chosen=economies(), periods=st.integers(1, 12))
def test_no_cent_is_made_or_lost_and_nobody_is_overdrawn(chosen: ComputeEconomy, periods: int) -> None:
    before = chosen.ledger.total
    audit(chosen, chosen.run(periods), chosen.periods)
    assert chosen.ledger.total == before


@given(chosen=economies())
def test_the_books_are_within_a_cent_of_what_the_market_says(chosen: ComputeEconomy) -> None:
    row = chosen.run(1)
    if chosen._marketplace.use_tax is not None or not isinstance(chosen._pay, ValueProduced):
        return  # tests of their own
    clearing = chosen.market.clear(row["bid"], row["cost"])
    cents = chosen.cents_per_money
    np.testing.assert_array_less(np.abs(row["payment_cents"] - cents * clearing.payments), 1.0 + 1e-6)
    taxes = cents * levies_of(chosen.market.tax, len(row)).due(clearing.price, clearing.quantities)
    np.testing.assert_array_less(np.abs(row["tax_cents"] - taxes), 1.0 + 1e-6)
    values = cents * row["valuation"] * row["units"]
    np.testing.assert_array_less(np.abs(row["income_cents"] - values), 1.0 + 1e-6)
    total = chosen.periods.iloc[0]
    assert abs(total["tax_revenue_cents"] - cents * clearing.tax_revenue) <= 0.5 + 1e-6
    # payments fall short by the cents that nobody could be rounded up to: at most one for each agent at its limit
    lost = cents * (clearing.seller_revenue + clearing.tax_revenue) - row["payment_cents"].sum()
    assert -0.5 - 1e-6 <= lost <= 0.5 + 1e-6 + at_their_limit(chosen, row)


def at_their_limit(chosen: ComputeEconomy, row: pd.DataFrame) -> int:
    return int((row["payment_cents"] == chosen.population["wealth_cents"]).sum())


REACHED = {
    "an agent with nothing left": lambda rows, periods: (rows["wealth_cents"] == 0).any(),
    "a bid held down by wealth": lambda rows, periods: (rows["bid"] < 0.99 * rows["valuation"]).any(),
    "a negative bid": lambda rows, periods: (rows["bid"] < 0.0).any(),
    "a subsidy": lambda rows, periods: (rows["tax_cents"] < -100).any(),
    "an agent that is paid to use compute": lambda rows, periods: (rows["payment_cents"] < -100).any(),
    "a negative price": lambda rows, periods: (periods["revenue_cents"] < -100).any(),
    "a treasury in debt": lambda rows, periods: (periods["treasury_cents"] < -100).any(),
    "a remainder kept by the treasury": lambda rows, periods: (periods["treasury_cents"] > 0).any(),
    "a rebate": lambda rows, periods: (rows["rebate_cents"] > 100).any(),
    "a levy": lambda rows, periods: (rows["levy_cents"] > 100).any(),
    "a levy that takes all": lambda rows, periods: ((rows["levy_cents"] > 100) & (rows["wealth_cents"] == 0)).any(),
    "a negative levy": lambda rows, periods: (rows["levy_cents"] < -100).any(),
    "a targeted transfer": lambda rows, periods: (
        (rows["transfer_cents"] > 100).any() and rows["transfer_cents"].nunique() > 2
    ),
    "a valuation that moves": lambda rows, periods: rows.groupby("agent")["valuation"].nunique().max() > 1,
    "an income above the value produced": lambda rows, periods: (
        rows["income_cents"] > 5 + rows["produced_cents"]
    ).any(),
    "a dividend": lambda rows, periods: (rows["dividend_cents"] > 100).any(),
    "nothing sold": lambda rows, periods: (periods["quantity_sold"] == 0.0).any(),
    "everybody served": lambda rows, periods: len(rows) > 4 and (rows["share"] == 1.0).all(),
    "a rationed agent": lambda rows, periods: rows["share"].between(0.1, 0.9).any(),
}


def test_the_strategy_reaches_every_corner() -> None:
    missing = set(REACHED)

    @settings(max_examples=400, phases=[Phase.generate], database=None, derandomize=True)
    @given(economies())
    def play(chosen: ComputeEconomy) -> None:
        if missing:
            rows, periods = chosen.run(2), chosen.periods
            rows["produced_cents"] = chosen.cents_per_money * rows["valuation"] * rows["units"]
            missing.difference_update([corner for corner in missing if REACHED[corner](rows, periods)])

    play()
    assert missing == set()


class Economies(RuleBasedStateMachine):
    """Periods, changes of policy and readings of the tables in any order."""

    @initialize(chosen=economies())
    def found(self, chosen: ComputeEconomy) -> None:
        self.economy, self.total = chosen, chosen.ledger.total

    @rule(periods=st.integers(1, 3))
    def play(self, periods: int) -> None:
        rows = self.economy.run(periods)
        pd.testing.assert_frame_equal(rows, self.economy.rows.tail(len(rows)).reset_index(drop=True))

    @rule(data=st.data(), policy=policies)
    def change_policy(self, data: st.DataObject, policy: Truthful) -> None:
        data.draw(st.sampled_from(self.economy.compute_agents)).policy = policy

    @invariant()
    def books_balance(self) -> None:
        assert self.economy.ledger.total == self.total
        assert self.economy.ledger.wealth.min() >= 0
        agents = sum(agent.wealth_cents for agent in self.economy.compute_agents)
        assert agents + self.economy.principal.balance_cents + self.economy.treasury.balance_cents == self.total
        if len(self.economy.periods):
            audit(self.economy, self.economy.rows, self.economy.periods)


TestEconomies = Economies.TestCase
TestEconomies.settings = settings(max_examples=15, stateful_step_count=6)


def test_a_million_payments_conserve_every_cent() -> None:
    """1,000 periods of 150 agents: payments, taxes, pay, levies, rebates and dividends, audited from the rows."""
    population = synthetic_population(10, 5, 10, rng=0)
    market = CapacityMarket(FixedSupply(0.5 * float(population["cost"].sum())), tax=PerUnitTax(1.0))
    code = TaxCode([WealthTax([100.0], [0.02])], [EqualRebate()])
    busy = ComputeEconomy(
        population,
        market,
        ZeroIntelligenceConstrained(),
        rng=0,
        valuations=AutoregressiveValuations(0.9, 0.5),
        tax_code=code,
    )
    rows = busy.run(1000)
    paid = sum(int(np.count_nonzero(rows[flow])) for flow in FLOWS)
    assert paid > 500_000  # entries that are not 0, of a million and fifty thousand
    audit(busy, rows, busy.periods)


# ---------------------------------------------------------------- the tests above can fail


def small_economy() -> ComputeEconomy:
    population = synthetic_population(2, 3, 4, rng=0, median_valuation=3.3)
    market = CapacityMarket(FixedSupply(9.7), LinearDemand(2.0), PerUnitTax(0.777))
    return ComputeEconomy(population, market, ZeroIntelligenceUnconstrained(20.0), rng=0)


def test_the_audit_passes_an_honest_economy() -> None:
    honest = small_economy()
    audit(honest, honest.run(5), honest.periods)


@pytest.mark.parametrize("column", [*FLOWS, "wealth_cents", "share"])
def test_the_audit_finds_one_wrong_cent_in_the_rows(column: str) -> None:
    honest = small_economy()
    rows = honest.run(5)
    rows.loc[40, column] += 1
    with pytest.raises(AssertionError):
        audit(honest, rows, honest.periods)


@pytest.mark.parametrize("column", ["revenue", "tax_revenue", "income", "rebate", "principal", "treasury", "total"])
def test_the_audit_finds_one_wrong_cent_in_the_periods(column: str) -> None:
    honest = small_economy()
    rows, periods = honest.run(5), honest.periods
    periods.loc[2, f"{column}_cents"] -= 1
    with pytest.raises(AssertionError):
        audit(honest, rows, periods)


def test_the_audit_finds_a_ledger_that_loses_cents(monkeypatch: pytest.MonkeyPatch) -> None:
    def lossy(self: Ledger, agents: IntArray, *, principal: int = 0, treasury: int = 0) -> None:
        self._wealth = self._wealth + agents
        self._institutions["principal"] += principal - (principal > 0)
        self._institutions["treasury"] += treasury

    monkeypatch.setattr(Ledger, "post", lossy)
    corrupt = small_economy()
    with pytest.raises(AssertionError, match="money was made or lost"):
        audit(corrupt, corrupt.run(5), corrupt.periods)


def test_the_ledger_finds_books_that_are_rounded_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sum rounded on its own, as by a seller who keeps books in floating point: the entry does not balance."""
    revenue = property(lambda self: round(0.999 * float(self.payments.sum())) - self.tax_revenue)
    monkeypatch.setattr(settlement.Settlement, "revenue", revenue)
    with pytest.raises(SettlementError, match="must sum to 0"):
        small_economy().run(5)


def test_the_ledger_finds_bids_on_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    def generous(*arguments: Any) -> FloatArray:
        return np.full(14, 1e3)

    monkeypatch.setattr(economy, "affordable_bids", generous)
    population = synthetic_population(2, 3, 4, rng=0).assign(wealth_cents=100)
    on_credit = ComputeEconomy(population, CapacityMarket(FixedSupply(9.7)), Truthful(), rng=0)
    with pytest.raises(SettlementError, match=r"owes .* cents, but has only 100"):
        on_credit.run(5)


def test_logit_demand_needs_a_bound_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bound of the other rules, agents buy what they cannot pay for: they buy above their bids, too."""

    def bound_of_step(demand: object, costs: FloatArray, wealth: IntArray, cents_per_money: int) -> FloatArray:
        return wealth / (cents_per_money * costs)

    population = synthetic_population(2, 3, 4, rng=0).assign(wealth_cents=[10] * 7 + [10**6] * 7)
    market = CapacityMarket(FixedSupply(9.7), LogitDemand(5.0))
    right = ComputeEconomy(population, market, Truthful(), rng=0)
    audit(right, right.run(20), right.periods)
    monkeypatch.setattr(economy, "affordable_bids", bound_of_step)
    with pytest.raises(SettlementError, match="has only 10"):
        ComputeEconomy(population, market, Truthful(), rng=0).run(20)
