"""An economy of attention heads and neuron blocks that buy compute, and in which no cent is ever made or lost.

A period:

1. Every agent bids by its policy, at most what it can pay for (`walras.agents.compute.bidding`).
2. The market clears: `walras.market.CapacityMarket`, with whatever supply, demand and tax its user chose.
3. Agents pay the principal, who owns the model and sells the compute, and the treasury, which takes the tax.
4. The principal pays each agent the value that its compute produced, valuation times units.
5. The treasury rebates what it holds, in equal parts.
6. Agents pay a fraction of their savings, what they own above their opening wealth, to the principal as dividends.

So money runs in a circle, and at every moment

    wealth of agents + balance of the principal + balance of the treasury = constant, in whole cents,

with wealth >= 0: agents have no credit. Dividends make wealth stationary: at a dividend rate d, an agent whose surplus
(income + rebate - payment) is s each period saves until `d (savings + s) = s`, that is savings of `s (1 - d) / d`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np
import pandas as pd

from walras.agents.adapter import Model
from walras.agents.compute.accounts import AttentionHead, ComputeAgent, NeuronBlock, Principal
from walras.agents.compute.bidding import Bidders, BiddingPolicy, affordable_bids, collect_bids
from walras.agents.compute.frontier import WelfareFrontier
from walras.agents.compute.population import HEAD, NEURON_BLOCK, checked_population
from walras.agents.compute.settlement import Settlement, settle
from walras.agents.compute.tables import PeriodRecord, agent_rows, period_rows
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray, whole_cents
from walras.agents.treasury import Treasury
from walras.market import CapacityMarket, Clearing, FixedSupply, InvalidInputError, PerUnitTax, Status, gini
from walras.market.errors import InfeasibleError
from walras.market.validation import FloatArray, finite_number

__all__ = ["ComputeEconomy"]

_CLASSES: Mapping[str, type[ComputeAgent]] = {HEAD: AttentionHead, NEURON_BLOCK: NeuronBlock}


@final
class ComputeEconomy(Model):
    """Heads and blocks that bid for compute each period, a principal, and a treasury.

    Parameters
    ----------
    population
        A row per agent: kind, layer, index, valuation, cost, and optionally wealth_cents
        (`walras.agents.compute.population`). `walras.llm.ModelEconomy.frame()` and `synthetic_population` give such
        tables.
    market
        The rules by which compute is sold.
    policy
        How agents bid: one policy for all, or one for each, in the order of the rows.
    rng
        Generator, or integer seed, that policies draw from. The same seed gives the same rows.
    dividend_rate
        Fraction of its savings that an agent pays to the principal each period, in [0, 1]; at 0 wealth grows for ever.
    principal_cents, treasury_cents
        What the institutions own at first (cents, >= 0).
    cents_per_money
        Cents in the unit of money of valuations and prices.

    Attributes
    ----------
    compute_agents
        The heads and blocks, in the order of the rows.
    principal, treasury
        The institutions.
    ledger
        All accounts.
    market, cents_per_money
        As given.

    Raises
    ------
    InvalidInputError
        A malformed population, policy, seed, rate or endowment.
    InfeasibleError
        A market that cannot clear this population at a finite price.

    Examples
    --------
    >>> from walras.agents.compute import ComputeEconomy, Truthful, synthetic_population
    >>> from walras.market import CapacityMarket, FixedSupply
    >>> population = synthetic_population(layers=2, heads=4, blocks=8, rng=0)
    >>> economy = ComputeEconomy(population, CapacityMarket(FixedSupply(16.0)), Truthful(), rng=0)
    >>> rows = economy.run(periods=10)
    >>> len(rows), economy.periods["total_cents"].nunique()
    (240, 1)
    """

    def __init__(
        self,
        population: pd.DataFrame,
        market: CapacityMarket,
        policy: BiddingPolicy | Sequence[BiddingPolicy],
        *,
        rng: np.random.Generator | int,
        dividend_rate: float = 0.1,
        principal_cents: int = 0,
        treasury_cents: int = 0,
        cents_per_money: int = 100,
    ) -> None:
        super().__init__(rng)
        if not isinstance(market, CapacityMarket):
            raise InvalidInputError(f"market must be a CapacityMarket, got {market!r}.")
        if not isinstance(market.tax, PerUnitTax):
            raise InvalidInputError(f"market.tax must be a PerUnitTax, the only tax settled here, got {market.tax!r}.")
        if whole_cents("cents_per_money", cents_per_money) == 0:
            raise InvalidInputError("cents_per_money must be 1 or more, got 0.")
        self._population = checked_population(population, cents_per_money=cents_per_money)
        self._valuations = self._population["valuation"].to_numpy(copy=True)
        self._costs = self._population["cost"].to_numpy(copy=True)
        self.cents_per_money = int(cents_per_money)
        self._dividend_rate = _fraction("dividend_rate", dividend_rate)
        self.market = market
        self._tax_rates = market.tax.rates(self._costs.size)
        _require_finite_price(market.clear(self._valuations, self._costs), market, self._costs)

        self._opening_wealth = self._population["wealth_cents"].to_numpy(copy=True)
        self.ledger = Ledger(
            self._opening_wealth,
            principal=whole_cents("principal_cents", principal_cents),
            treasury=whole_cents("treasury_cents", treasury_cents),
        )
        self.compute_agents = self._create_agents(policy)
        self.principal = Principal(self, self.ledger)
        self.treasury = Treasury(self, self.ledger)
        self._most_welfare = WelfareFrontier(self._valuations, self._costs)
        self._records: list[PeriodRecord] = []

    @property
    def population(self) -> pd.DataFrame:
        """The agents at the start (a copy): kind, layer, index, valuation, cost, wealth_cents."""
        return self._population.copy()

    @property
    def rows(self) -> pd.DataFrame:
        """A row per agent and period, of all periods so far; columns in `walras.agents.compute.tables`."""
        return agent_rows(self._population, self._records)

    @property
    def periods(self) -> pd.DataFrame:
        """A row per period, of all periods so far; columns in `walras.agents.compute.tables`."""
        return period_rows(self._records)

    def run(self, periods: int, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
        """Play some periods and give their rows.

        Parameters
        ----------
        periods
            How many more periods to play, 1 or more.
        progress
            Called after each with the number of periods done and `periods`.

        Returns
        -------
        DataFrame
            A row per agent and period, of these periods; columns in `walras.agents.compute.tables`.

        Raises
        ------
        InvalidInputError
            A policy that bids wrongly.
        SettlementError
            Amounts that cannot be settled in exact cents.
        """
        if isinstance(periods, bool) or not isinstance(periods, int | np.integer) or periods < 1:
            raise InvalidInputError(f"periods must be a whole number of 1 or more, got {periods!r}.")
        before = len(self._records)
        for done in range(1, periods + 1):
            self.step()
            if progress is not None:
                progress(done, periods)
        return agent_rows(self._population, self._records[before:])

    def step(self) -> None:
        """Play one period."""
        affordable = affordable_bids(self.market.demand, self._costs, self.ledger.wealth, self.cents_per_money)
        policies = [agent.policy for agent in self.compute_agents]
        bids = collect_bids(policies, Bidders(self._valuations, self._costs, affordable), self.rng)
        clearing = self.market.clear(bids, self._costs).require()
        settlement = settle(clearing, self._tax_rates, self.ledger, cents_per_money=self.cents_per_money)
        values = self._valuations * clearing.quantities
        incomes = self.principal.pay_for_value(self.cents_per_money * values)
        rebate = self.treasury.rebate()
        dividends = self.principal.collect_dividends(self._opening_wealth, self._dividend_rate)
        self._records.append(self._record(bids, clearing, settlement, incomes, rebate, dividends))

    def _create_agents(self, policy: BiddingPolicy | Sequence[BiddingPolicy]) -> tuple[ComputeAgent, ...]:
        policies = list(policy) if isinstance(policy, Sequence) else [policy] * self._costs.size
        if len(policies) != self._costs.size:
            raise InvalidInputError(
                f"policy: expected one for all or one for each of {self._costs.size} agents, got {len(policies)}."
            )
        columns = (self._population[name].tolist() for name in ("kind", "layer", "index", "valuation", "cost"))
        return tuple(
            _CLASSES[kind](
                self,
                self.ledger,
                number=number,
                layer=layer,
                index=index,
                valuation=valuation,
                cost=cost,
                policy=policies[number],
            )
            for number, (kind, layer, index, valuation, cost) in enumerate(zip(*columns, strict=True))
        )

    def _record(
        self,
        bids: FloatArray,
        clearing: Clearing,
        settlement: Settlement,
        incomes: IntArray,
        rebate: int,
        dividends: IntArray,
    ) -> PeriodRecord:
        agents = self._costs.size
        welfare = float(np.sum(self._valuations * clearing.quantities))
        supply = self.market.supply
        offered = supply.quantity if isinstance(supply, FixedSupply) else clearing.quantity_sold
        return PeriodRecord(
            by_agent={
                "bid": bids,
                "share": clearing.allocation,
                "units": clearing.quantities,
                "payment_cents": settlement.payments,
                "tax_cents": settlement.taxes,
                "income_cents": incomes,
                "rebate_cents": np.full(agents, rebate),
                "dividend_cents": dividends,
                "wealth_cents": self.ledger.wealth,
            },
            totals={
                "period": len(self._records) + 1,
                "price": clearing.price,
                "quantity_sold": clearing.quantity_sold,
                "revenue_cents": settlement.revenue,
                "tax_revenue_cents": settlement.tax_revenue,
                "income_cents": int(incomes.sum()),
                "rebate_cents": rebate * agents,
                "dividend_cents": int(dividends.sum()),
                "gini_allocation": gini(clearing.allocation),
                "gini_wealth": gini(self.ledger.wealth),
                "welfare": welfare,
                "efficiency": self._most_welfare.efficiency(welfare, offered),
                "principal_cents": self.principal.balance_cents,
                "treasury_cents": self.treasury.balance_cents,
                "total_cents": self.ledger.total,
            },
        )


def _require_finite_price(clearing: Clearing, market: CapacityMarket, costs: FloatArray) -> None:
    """Raise `InfeasibleError` where the supply rule admits no finite price, whatever agents bid."""
    if clearing.status is Status.NO_FINITE_PRICE:
        raise InfeasibleError(
            f"{market.supply!r} with {market.demand!r} clears at an infinite price only, whatever agents bid, and no "
            f"money can settle that: choose a quantity strictly between 0 and the sum of costs, {costs.sum():.12g}."
        )


def _fraction(name: str, value: float) -> float:
    fraction = finite_number(name, value)
    if not 0.0 <= fraction <= 1.0:
        raise InvalidInputError(f"{name} is a fraction, in [0, 1]; got {fraction}.")
    return fraction
