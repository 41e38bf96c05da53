"""The wealth economy, agent by agent: households that meet, exchange money, pay a wealth tax and share its revenue.

A period:

1. Households meet, in the order of the activation, and each meeting is settled before the next.
2. The treasury levies the tax on everybody's wealth.
3. It rebates what it holds, in equal parts; the remainder, less than a cent for each household, is carried.

At every moment the wealth of households and the balance of the treasury sum to the same number of cents, and nobody
owes. `ColumnarWealthEconomy` is this economy in arrays: with `Activation.MATCHING` the same seed leaves the same wealth
in both, bit for bit.
"""

from collections.abc import Callable
from typing import final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike

from walras.agents.adapter import Agent, Model
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray
from walras.agents.treasury import Treasury
from walras.agents.wealth.levy import levy_of
from walras.agents.wealth.meetings import Activation, checked_rng, draw_meetings
from walras.agents.wealth.money_exchange import checked_wealth
from walras.agents.wealth.records import PeriodRecorder, wealth_summary
from walras.agents.wealth.rules import ExchangeRule, checked_rule
from walras.market.taxation import WealthTax
from walras.market.validation import instance_of, whole_number

__all__ = ["Household", "WealthEconomy"]


@final
class Household(Agent):
    """An agent of a wealth economy: a window on its account in the ledger.

    Attributes
    ----------
    number
        Its account in the ledger, from 0.
    """

    def __init__(self, model: Model, ledger: Ledger, number: int) -> None:
        super().__init__(model)
        self._ledger = ledger
        self.number = number

    @property
    def wealth_cents(self) -> int:
        """What it owns (cents), never below 0."""
        return self._ledger.balance(self.number)

    def meet(self, other: "Household", rule: ExchangeRule, draw: float) -> int:
        """Exchange money with another household by a rule, and give what this one paid (cents; negative: received)."""
        flow = rule.flow(self.wealth_cents, other.wealth_cents, draw)
        payer, payee = (self, other) if flow >= 0 else (other, self)
        self._ledger.transfer(payer.number, payee.number, abs(flow))
        return flow


@final
class WealthEconomy(Model):
    """Households that meet and exchange money, and a treasury that taxes wealth and rebates the tax.

    Parameters
    ----------
    wealth
        What each household owns at first (cents, >= 0), shape (n,), n >= 2.
    rule
        How two households exchange.
    rng
        Generator, or integer seed, that meetings are drawn from. The same seed gives the same wealth.
    tax
        Levied at the end of each period, with rates in [0, 1] (fraction of wealth a period) and thresholds in money of
        100 cents; half a cent is rounded up.
    activation
        In which order households meet.
    record_every, most_rows
        A row is kept of every so many periods, at first; above `most_rows` rows every other one is dropped, and half as
        many are kept from then on. So memory is bounded, however long the run.

    Attributes
    ----------
    households
        In the order of `wealth`.
    treasury
        Holds the tax until it is rebated.
    ledger
        All accounts.

    Raises
    ------
    InvalidInputError
        Bad wealth, rule, seed, tax, activation or record.
    SettlementError
        More than 1e13 cents in all.

    Notes
    -----
    *Cost* of a period: O(n) in Python, some microseconds for each meeting. Beyond some thousands of households use
    `ColumnarWealthEconomy`.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.wealth import WealthEconomy, YardSale
    >>> from walras.market.taxation import WealthTax
    >>> economy = WealthEconomy(np.full(100, 10_000), YardSale(fraction=0.2), rng=0, tax=WealthTax(0.0, 0.02))
    >>> periods = economy.run(50)
    >>> len(periods), periods["total_cents"].nunique(), economy.households[0].wealth_cents
    (51, 1, 12144)
    """

    def __init__(
        self,
        wealth: ArrayLike,
        rule: ExchangeRule,
        *,
        rng: Generator | int,
        tax: WealthTax | None = None,
        activation: Activation = Activation.MATCHING,
        record_every: int = 1,
        most_rows: int = 1024,
    ) -> None:
        generator = np.random.default_rng(checked_rng(rng))
        state = generator.bit_generator.state
        super().__init__(generator)
        generator.bit_generator.state = state  # Mesa draws a number to seed `self.random`, which is not used here
        self._rule = checked_rule(rule)
        self._tax = tax
        self._levy = levy_of(tax)
        self._activation = instance_of("activation", activation, Activation)
        self.ledger = Ledger(checked_wealth(wealth), treasury=0)
        self.households = tuple(Household(self, self.ledger, number) for number in range(self.ledger.agents))
        self.treasury = Treasury(self, self.ledger)
        self._records = PeriodRecorder(record_every, most_rows)
        self._record(tax=0, rebate=0)

    @property
    def rule(self) -> ExchangeRule:
        """How two agents exchange."""
        return self._rule

    @property
    def tax(self) -> WealthTax | None:
        """The wealth tax, if there is one."""
        return self._tax

    @property
    def wealth(self) -> IntArray:
        """What each household owns (cents), shape (n,): a copy."""
        return self.ledger.wealth

    @property
    def activation(self) -> Activation:
        """In which order households meet."""
        return self._activation

    @property
    def treasury_cents(self) -> int:
        """What the treasury holds (cents): the remainder of the last rebate."""
        return self.treasury.balance_cents

    @property
    def total_cents(self) -> int:
        """All money there is (cents)."""
        return self.ledger.total

    @property
    def periods(self) -> pd.DataFrame:
        """The rows kept so far; columns in `walras.agents.wealth.records`."""
        return self._records.table()

    def run(self, periods: int, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
        """Play some periods, and give the rows kept since the start.

        Parameters
        ----------
        periods
            How many more periods to play, 1 or more.
        progress
            Called after each with the number of periods done and `periods`.

        Returns
        -------
        DataFrame
            A row per recorded period; columns in `walras.agents.wealth.records`.

        Raises
        ------
        SettlementError
            A rule of your own that lets somebody pay more than they own.
        """
        periods = whole_number("periods", periods, minimum=1)
        for done in range(1, periods + 1):
            self.step()
            if progress is not None:
                progress(done, periods)
        return self.periods

    def step(self) -> None:
        """Play one period."""
        self._meet()
        revenue = self._collect()
        rebate = self.treasury.rebate()
        if self._records.wants(self.steps):
            self._record(tax=revenue, rebate=rebate)

    def _meet(self) -> None:
        needs_draws = bool(self._rule.needs_draws)
        meetings = draw_meetings(len(self.households), self.rng, self._activation, with_draws=needs_draws)
        draws = meetings.draws.tolist() if needs_draws else [0.0] * meetings.first.size
        for first, second, draw in zip(meetings.first.tolist(), meetings.second.tolist(), draws, strict=True):
            self.households[first].meet(self.households[second], self._rule, draw)

    def _collect(self) -> int:
        """Levy the tax, and give the revenue (cents)."""
        if self._levy is None:
            return 0
        dues = self._levy.dues(self.ledger.wealth)
        revenue = int(dues.sum())
        self.ledger.post(-dues, treasury=revenue)
        return revenue

    def _record(self, *, tax: int, rebate: int) -> None:
        self._records.add(
            {
                "period": self.steps,
                **wealth_summary(self.ledger.wealth),
                "tax_cents": tax,
                "rebate_cents": rebate,
                "treasury_cents": self.treasury.balance_cents,
                "total_cents": self.ledger.total,
            }
        )
