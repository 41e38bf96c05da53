"""An economy of attention heads and neuron blocks that buy compute, and in which no cent is ever made or lost.

A period:

1. Valuations move (`walras.agents.compute.valuations`), and every agent bids by its policy, at most what it can pay for
   (`walras.agents.compute.bidding`).
2. The market clears: `walras.market.CapacityMarket`, with whatever supply, demand and taxes on a unit its user chose.
3. Agents pay the principal, who owns the model and sells the compute, and the treasury, which takes the tax.
4. The principal pays each agent for its part in the work (`walras.agents.compute.pay`).
5. The treasury taxes surplus and wealth, pays transfers, and rebates what it holds (`walras.agents.compute.fiscal`).
6. Agents pay a fraction of their savings, what they own above their opening wealth, to the principal as dividends.

So money runs in a circle, and at every moment

    wealth of agents + balance of the principal + balance of the treasury = constant, in whole cents,

with wealth >= 0: agents have no credit. Dividends make wealth stationary: at a dividend rate d, an agent whose surplus
(income + transfers - payment - taxes) is s each period saves until `d (savings + s) = s`, that is savings of
`s (1 - d) / d`.

A period is played in arrays. The Mesa objects are windows on them, made when first asked for: an economy of 10^6 agents
in which nobody looks at single agents makes none, and plays the same periods, bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import pandas as pd

from walras.agents.adapter import Model
from walras.agents.compute.accounts import AttentionHead, ComputeAgent, NeuronBlock, Principal
from walras.agents.compute.bidding import Bidders, BiddingPolicy, affordable_bids
from walras.agents.compute.fiscal import REBATE, Fisc
from walras.agents.compute.marketplace import Marketplace
from walras.agents.compute.measures import Measures
from walras.agents.compute.pay import PaymentRule, Production, ValueProduced
from walras.agents.compute.population import checked_population
from walras.agents.compute.recording import Recorder, Recording
from walras.agents.compute.roster import Roster
from walras.agents.compute.settlement import settle
from walras.agents.compute.tables import agent_rows, period_rows
from walras.agents.compute.valuations import ConstantValuations, ValuationProcess
from walras.agents.ledger import Ledger
from walras.agents.money import whole_cents
from walras.agents.treasury import Treasury
from walras.market import CapacityMarket, InvalidInputError
from walras.market.taxation import BracketTax, TaxCode
from walras.market.validation import FloatArray, fraction, instance_of, nonnegative_vector, whole_number

__all__ = ["ComputeEconomy"]

_PRODUCED, _CONSTANT, _EVERY_PERIOD = ValueProduced(), ConstantValuations(), Recording()


@final
class ComputeEconomy(Model):
    """Heads and blocks that bid for compute each period, a principal, and a treasury.

    Parameters
    ----------
    population
        A row per agent: kind, layer, index, valuation, cost, and optionally wealth_cents
        (`walras.agents.compute.population`). `load_population` and `synthetic_population` give such tables.
    market
        The rules by which compute is sold, taxes on a unit included.
    policy
        How agents bid: one policy for all, or one for each, in the order of the rows.
    rng
        Generator, or integer seed, that valuations and policies draw from. The same seed gives the same rows.
    valuations
        How valuations move from period to period: constant, random or recorded.
    pay
        How the principal pays agents: `ValueProduced()` or `MarginalContribution()`.
    use_tax
        A progressive tax on each agent's own use, or None: thresholds in units, rates in money per unit.
    tax_code
        Taxes on surplus and wealth, lump sums, and transfers (`walras.agents.compute.fiscal`); an equal rebate of all
        that the treasury holds by default.
    dividend_rate
        Fraction of its savings that an agent pays to the principal each period, in [0, 1]; at 0 wealth grows for ever.
    principal_cents, treasury_cents
        What the institutions own at first (cents, >= 0).
    cents_per_money
        Cents in the unit of money of valuations, prices and taxes.
    recording
        Which periods are recorded, and how much is kept: every one by default, the tables thinned to 2,000,000 rows of
        agents and 32,768 of periods (`Recording`).

    Attributes
    ----------
    principal, treasury
        The institutions.
    ledger
        All accounts.
    cents_per_money
        As given.

    Raises
    ------
    InvalidInputError
        A malformed population, policy, seed, rate or endowment; rules that do not fit together.
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
        valuations: ValuationProcess = _CONSTANT,
        pay: PaymentRule = _PRODUCED,
        use_tax: BracketTax | None = None,
        tax_code: TaxCode = REBATE,
        dividend_rate: float = 0.1,
        principal_cents: int = 0,
        treasury_cents: int = 0,
        cents_per_money: int = 100,
        recording: Recording = _EVERY_PERIOD,
    ) -> None:
        self._objects: tuple[ComputeAgent, ...] | None = ()  # none are made while Mesa sets up
        super().__init__(rng)
        instance_of("market", market, CapacityMarket)
        self.cents_per_money = whole_number("cents_per_money", cents_per_money, minimum=1)
        self._population = checked_population(population, cents_per_money=self.cents_per_money)
        self._dividend_rate = fraction("dividend_rate", dividend_rate)
        self._opening_wealth = self._population["wealth_cents"].to_numpy(copy=True)
        self.ledger = Ledger(
            self._opening_wealth,
            principal=whole_cents("principal_cents", principal_cents),
            treasury=whole_cents("treasury_cents", treasury_cents),
        )
        self._roster = Roster(self._population, policy, self.ledger)
        self._process = _with_method("valuations", valuations, "ConstantValuations()")
        self._pay = _with_method("incomes", pay, "ValueProduced()")
        self._pay.check(market, use_tax)
        self._marketplace = Marketplace(market, use_tax, self._roster.costs)
        self._marketplace.require_finite_price(self._roster.base)
        self._fisc = Fisc(tax_code, len(self._roster), self.cents_per_money)
        self.principal = Principal(self, self.ledger)
        self.treasury = Treasury(self, self.ledger)
        self._measures = Measures(market.supply, self._roster.costs)
        self._recorder = Recorder(instance_of("recording", recording, Recording), len(self._roster))
        self._periods_played = 0
        self._objects = None

    @property
    def market(self) -> CapacityMarket:
        """The rules by which compute is sold."""
        return self._marketplace.market

    @property
    def tax_code(self) -> TaxCode:
        """Taxes on surplus and wealth, lump sums, and transfers."""
        return self._fisc.code

    @property
    def population(self) -> pd.DataFrame:
        """The agents at the start (a copy): kind, layer, index, valuation, cost, wealth_cents."""
        return self._population.copy()

    @property
    def rows(self) -> pd.DataFrame:
        """A row per agent and period that is kept; columns in `walras.agents.compute.tables`."""
        return agent_rows(self._population, self._recorder.of_agents())

    @property
    def periods(self) -> pd.DataFrame:
        """A row per period that is kept; columns in `walras.agents.compute.tables`."""
        return period_rows(self._recorder.of_periods())

    @property
    def compute_agents(self) -> tuple[ComputeAgent, ...]:
        """The heads and blocks, in the order of the rows; made when first asked for."""
        if self._objects is None:
            self._objects = ()  # Mesa asks for agents while they are made
            kinds = (AttentionHead if head else NeuronBlock for head in self._roster.is_head.tolist())
            self._objects = tuple(kind(self, self._roster, number) for number, kind in enumerate(kinds))
        return self._objects

    @property
    def agents(self) -> Any:
        """All agents of the model: heads, blocks and institutions."""
        self.compute_agents  # noqa: B018  (makes them)
        return super().agents

    @property
    def agents_by_type(self) -> Mapping[type, Any]:
        """All agents by their class."""
        self.compute_agents  # noqa: B018  (makes them)
        return super().agents_by_type

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
            A row per agent and period, of those of these periods that are kept; columns in
            `walras.agents.compute.tables`.

        Raises
        ------
        InvalidInputError
            A policy that bids wrongly, or valuations that are not finite and 0 or more.
        SettlementError
            Amounts that cannot be settled in exact cents.
        """
        periods = whole_number("periods", periods, minimum=1)
        before = self._periods_played
        for done in range(1, periods + 1):
            self.step()
            if progress is not None:
                progress(done, periods)
        return agent_rows(self._population, self._recorder.of_agents(after=before))

    def step(self) -> None:
        """Play one period."""
        period, roster, ledger, cents = self._periods_played + 1, self._roster, self.ledger, self.cents_per_money
        valuations = self._valuations_of(period)
        affordable = affordable_bids(self.market.demand, roster.costs, ledger.wealth, cents)
        bids = roster.policies.bids(Bidders(valuations, roster.costs, affordable), self.rng)
        sale = self._marketplace.sell(bids)
        settlement = settle(sale, ledger, cents_per_money=cents)
        production = Production(
            valuations * sale.units, sale.units, roster.costs, sale.shares, sale.entries, sale.price
        )
        incomes = self.principal.pay_incomes(cents * self._pay.incomes(production))
        surplus = incomes - settlement.payments
        flows = {"income_cents": incomes}
        flows["levy_cents"] = self._fisc.collect(ledger, surplus)
        flows["transfer_cents"] = self._fisc.pay_transfers(ledger, surplus)
        flows["rebate_cents"] = np.full(len(roster), self._fisc.rebate(self.treasury))
        flows["dividend_cents"] = self.principal.collect_dividends(self._opening_wealth, self._dividend_rate)
        roster.valuations = valuations
        self._periods_played = period
        if self._recorder.wants(period):
            record = self._measures.record(period, valuations, bids, sale, settlement, flows, ledger)
            self._recorder.add(record)

    def _valuations_of(self, period: int) -> FloatArray:
        base = self._roster.base
        previous = None if period == 1 else self._roster.valuations
        valuations = self._process.valuations(period, base, previous, self.rng)
        if valuations is base:
            return base
        return nonnegative_vector(f"Valuations of {self._process!r}", valuations, length=base.size)


def _with_method(name: str, rule: Any, example: str) -> Any:
    """Give a rule that has a method of this name, or raise `InvalidInputError`."""
    if isinstance(rule, type) or not callable(getattr(rule, name, None)):
        raise InvalidInputError(f"A rule with a method {name} is needed, as {example} is; got {rule!r}.")
    return rule
