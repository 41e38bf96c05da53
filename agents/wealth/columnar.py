"""The columnar wealth economy: the rules and taxes of `WealthEconomy` in arrays, for a million agents.

A period: all agents meet in a matching and exchange money by the rule; then the wealth tax is levied, and the treasury
gives back what it holds in equal parts, keeping the remainder, less than a cent for each agent. At every moment

    sum of wealth + treasury = constant, in whole cents, with wealth >= 0.

It draws from the generator what `WealthEconomy` draws with `Activation.MATCHING`, and computes the same cents: the same
seed leaves the same wealth, bit for bit. Loops over agents are compiled by numba where it is installed
(`pip install walras[fast]`), and NumPy's otherwise: again the same cents.
"""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike

from walras.agents.errors import SettlementError
from walras.agents.money import IntArray, equal_split
from walras.agents.wealth.compiled import compiled_collect, compiled_meet, is_compiler_installed
from walras.agents.wealth.kernel import MONEY, SAVING, YARD_SALE
from walras.agents.wealth.levy import WealthLevy, levy_of
from walras.agents.wealth.meetings import Activation, Meetings, checked_rng, draw_meetings
from walras.agents.wealth.money_exchange import checked_wealth
from walras.agents.wealth.records import PeriodRecorder, wealth_summary
from walras.agents.wealth.rules import ExchangeRule, MoneyExchange, SavingExchange, YardSale, checked_rule
from walras.market.errors import InvalidInputError
from walras.market.taxation import WealthTax
from walras.market.validation import boolean, whole_number

__all__ = ["ColumnarWealthEconomy"]


@final
class ColumnarWealthEconomy:
    """Agents who meet in pairs and exchange money, a wealth tax, and a treasury that rebates it, in arrays.

    Parameters
    ----------
    wealth
        What each agent owns at first (cents, >= 0), shape (n,), n >= 2.
    rule
        How two agents exchange.
    rng
        Generator, or integer seed, that meetings are drawn from. The same seed gives the same wealth.
    tax
        Levied at the end of each period, with rates in [0, 1] (fraction of wealth a period) and thresholds in money of
        100 cents; half a cent is rounded up. Its revenue is rebated in equal parts.
    record_every, most_rows
        A row is kept of every so many periods, at first; above `most_rows` rows every other one is dropped, and half as
        many are kept from then on. So memory is bounded, however long the run.
    use_numba
        Whether numba compiles the loops; by default, if it is installed. The cents are the same.

    Raises
    ------
    InvalidInputError
        Bad wealth, rule, seed, tax or record; numba asked for and not installed.
    SettlementError
        More than 1e13 cents in all.

    Notes
    -----
    *Cost* of a period: O(n), two thirds of it for the random matching once numba is there. A row costs O(n log n), as
    much as some periods: with many agents, set `record_every` to 10 or more. *Memory*: some 120 bytes an agent while a
    row is made.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.wealth import ColumnarWealthEconomy, YardSale
    >>> from walras.market.taxation import WealthTax
    >>> economy = ColumnarWealthEconomy(
    ...     np.full(10_000, 100_000), YardSale(fraction=0.2), rng=0, tax=WealthTax(0.0, 0.02), record_every=50
    ... )
    >>> periods = economy.run(400)
    >>> periods["gini"].round(2).tolist()
    [0.0, 0.37, 0.38, 0.38, 0.38, 0.38, 0.38, 0.38, 0.38]
    >>> economy.total_cents
    1000000000
    """

    def __init__(
        self,
        wealth: ArrayLike,
        rule: ExchangeRule,
        *,
        rng: Generator | int,
        tax: WealthTax | None = None,
        record_every: int = 1,
        most_rows: int = 1024,
        use_numba: bool | None = None,
    ) -> None:
        self._wealth = checked_wealth(wealth)
        self._rule = checked_rule(rule)
        self._tax = tax
        self._levy = levy_of(tax)
        self.rng = np.random.default_rng(checked_rng(rng))
        self._treasury = 0
        self._total = int(self._wealth.sum())
        self._kernel_rule = _kernel_rule(rule) if _wants_numba(use_numba) else None
        self._steps = 0
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
        """What each agent owns (cents), shape (n,): a copy. Costs O(n)."""
        return self._wealth.copy()

    @property
    def steps(self) -> int:
        """Number of periods played."""
        return self._steps

    @property
    def treasury_cents(self) -> int:
        """What the treasury holds (cents): the remainder of the last rebate."""
        return self._treasury

    @property
    def total_cents(self) -> int:
        """All money there is (cents), counted afresh."""
        return int(self._wealth.sum()) + self._treasury

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
        agents = self._wealth.size
        needs_draws = bool(self._rule.needs_draws)
        self._exchange(draw_meetings(agents, self.rng, Activation.MATCHING, with_draws=needs_draws))
        revenue = self._collect(self._levy) if self._levy is not None else 0
        self._treasury += revenue
        each = equal_split(self._treasury, agents)
        if each:
            self._wealth += each
            self._treasury -= each * agents
        self._steps += 1
        if self._records.wants(self._steps):
            self._record(tax=revenue, rebate=each)

    def _exchange(self, meetings: Meetings) -> None:
        if self._kernel_rule is not None:
            compiled_meet()(self._wealth, meetings.order, meetings.draws, *self._kernel_rule)
            return
        first, second = meetings.first, meetings.second
        first_wealth, second_wealth = self._wealth[first], self._wealth[second]
        draws = meetings.draws if self._rule.needs_draws else np.zeros(first.size)
        flows = self._rule.flows(first_wealth, second_wealth, draws)
        if flows.dtype != np.int64 or flows.shape != first.shape:
            raise SettlementError(f"{self._rule!r} must give int64 cents of shape {first.shape}, got {flows!r}.")
        first_wealth -= flows
        second_wealth += flows
        if min(first_wealth.min(), second_wealth.min()) < 0:
            raise SettlementError(f"{self._rule!r} lets an agent pay more than it owns: agents have no credit.")
        self._wealth[first] = first_wealth
        self._wealth[second] = second_wealth

    def _collect(self, levy: WealthLevy) -> int:
        """Take the tax, and give the revenue (cents)."""
        if self._kernel_rule is not None and levy.fits(self._total):
            return int(compiled_collect()(self._wealth, levy.thresholds, levy.numerators, levy.denominator))
        dues = levy.dues(self._wealth)
        self._wealth -= dues
        return int(dues.sum())

    def _record(self, *, tax: int, rebate: int) -> None:
        self._records.add(
            {
                "period": self._steps,
                **wealth_summary(self._wealth),
                "tax_cents": tax,
                "rebate_cents": rebate,
                "treasury_cents": self._treasury,
                "total_cents": self.total_cents,
            }
        )


def _wants_numba(use_numba: object) -> bool:
    if use_numba is None:
        return is_compiler_installed()
    wanted = boolean("use_numba", use_numba)
    if wanted and not is_compiler_installed():
        raise InvalidInputError("use_numba is True, but numba is not installed: pip install walras[fast].")
    return wanted


def _kernel_rule(rule: ExchangeRule) -> tuple[Any, ...] | None:
    """Give what the kernel knows a rule by; nothing for one that it does not know."""
    match rule:
        case MoneyExchange():
            return MONEY, float(rule.cents), 0.5
        case SavingExchange():
            return SAVING, 1.0 - rule.saving, 0.5
        case YardSale():
            return YARD_SALE, rule.fraction, rule.poorer_wins
    return None
