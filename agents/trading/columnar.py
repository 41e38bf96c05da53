"""The columnar laboratory: the days of `DoubleAuctionLaboratory` in arrays, for millions of quotes.

Traders, money and goods follow the rules in the header of `walras.agents.trading.laboratory`. It reads the same draws
in the same order and computes with the same functions, so that the same seed leaves the same trades, cent for cent. The
loop is compiled by numba where it is installed (`pip install walras[fast]`), and is plain Python otherwise: again the
same cents.

It knows the policies that need no objects: `Truthful`, `ZeroIntelligenceQuotes` and `ZeroIntelligencePlus`, in any
mixture. Dealers, policies of users and those with longer memories are for the object engine.
"""

from collections.abc import Callable
from typing import final

import numpy as np
import pandas as pd

from walras.agents.errors import SettlementError
from walras.agents.money import MOST_CENTS, IntArray
from walras.agents.trading import kernel
from walras.agents.trading.compiled import compiled_play, is_compiler_installed
from walras.agents.trading.double_auction import ZeroIntelligenceQuotes
from walras.agents.trading.margins import MarginState, ZeroIntelligencePlus
from walras.agents.trading.market import InducedMarket
from walras.agents.trading.quoting import LearningPolicy, QuotingPolicy, Truthful
from walras.agents.trading.records import Records
from walras.agents.trading.setting import Policies, opening_wealth, policies_of, trader_frame
from walras.agents.trading.tables import DaySummary
from walras.market.errors import InvalidInputError
from walras.market.order_book import Side
from walras.market.validation import FloatArray, boolean, fraction, instance_of, whole_number

__all__ = ["ColumnarLaboratory"]

_DRAWS = 1 << 16  # uniform draws are fetched so many at a time
_TRADES, _DAYS = 1 << 14, 1 << 12  # room for reports between two visits to Python


@final
class ColumnarLaboratory:
    """A continuous double auction of traders with induced values and costs, for many days, in arrays.

    Parameters
    ----------
    market
        Values, costs and the ceiling of prices.
    policy
        How traders quote: one policy for all, or one for each, buyers first; the module's header names those it knows.
    rng
        Generator, or integer seed, that traders are picked and policies draw from; it is read ahead in blocks.
    tax_rate
        Tax on each trade (fraction of its price, in [0, 1]), paid by the buyer and rebated in the evening.
    wealth_cents
        What each trader starts with (cents); by default enough for a thousand days of the worst losses.
    most_quotes
        A day ends after so many quotes.
    most_days, most_trades
        How many of the latest days and trades are kept, so that memory is bounded in long runs.
    use_numba
        Whether numba compiles the loop; by default, if it is installed. The cents are the same.

    Attributes
    ----------
    market
        As given.
    opening_wealth
        What each trader started with (cents).

    Raises
    ------
    InvalidInputError
        A malformed market, seed, rate or number; a policy that it does not know; numba asked for and not installed.

    Notes
    -----
    *Ties*: as in `DoubleAuctionLaboratory`. *Cost*: O(1) for a quote, plus O(k) for k traders who learn; O(n) a day.
    *Source*: Smith 1962 for induced values and days; Gode and Sunder 1993 for the rules of quotes.

    Examples
    --------
    >>> from walras.agents.trading import ColumnarLaboratory, InducedMarket, ZeroIntelligenceQuotes
    >>> smith = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)
    >>> laboratory = ColumnarLaboratory(smith, ZeroIntelligenceQuotes(), rng=0, wealth_cents=10_000)
    >>> days = laboratory.run(days=1_000)
    >>> round(float(days["efficiency"].mean()), 2), laboratory.total_cents
    (0.96, 220000)
    """

    def __init__(
        self,
        market: InducedMarket,
        policy: Policies,
        *,
        rng: np.random.Generator | int,
        tax_rate: float = 0.0,
        wealth_cents: int | None = None,
        most_quotes: int = 1_000_000,
        most_days: int = 100_000,
        most_trades: int = 100_000,
        use_numba: bool | None = None,
    ) -> None:
        if isinstance(rng, bool) or not isinstance(rng, np.random.Generator | int | np.integer):
            raise InvalidInputError(f"rng must be a numpy Generator or an integer seed, got {rng!r}.")
        self.market = instance_of("market", market, InducedMarket)
        self.rng = np.random.default_rng(rng)
        self._tax_rate = fraction("tax_rate", tax_rate)
        policies = policies_of(policy, market)
        self.opening_wealth = opening_wealth(wealth_cents, market, len(policies))
        self._memory = _memory(market, policies, self._tax_rate, self.opening_wealth, self.rng)
        self._memory.registers[kernel.MOST_QUOTES] = whole_number("most_quotes", most_quotes, minimum=1)
        self._play = compiled_play() if _wants_numba(use_numba) else kernel.play
        self._draws: FloatArray = np.empty(0)
        self._units_traded = np.zeros(len(policies), dtype=np.int64)
        self._records = Records(DaySummary(market, self._tax_rate), most_days=most_days, most_trades=most_trades)

    @property
    def tax_rate(self) -> float:
        """Tax on each trade (fraction of its price)."""
        return self._tax_rate

    @property
    def days(self) -> pd.DataFrame:
        """A row per day, of the latest days; columns in `walras.agents.trading.tables`."""
        return self._records.days()

    @property
    def trades(self) -> pd.DataFrame:
        """A row per trade, of the latest trades; columns in `walras.agents.trading.tables`."""
        return self._records.trades()

    @property
    def trader_rows(self) -> pd.DataFrame:
        """A row per trader, as it stands after the last day; columns in `walras.agents.trading.tables`."""
        goods = np.zeros(len(self._units_traded), dtype=np.int64)  # all were collected in the evening
        return trader_frame(self.market, self._units_traded.copy(), self.wealth, goods, self.opening_wealth)

    @property
    def wealth(self) -> IntArray:
        """What each trader owns (cents), shape (n,): a copy."""
        return self._memory.wealth.copy()

    @property
    def treasury_cents(self) -> int:
        """What the treasury holds (cents): the remainder of the last rebate."""
        return int(self._memory.registers[kernel.TREASURY])

    @property
    def experimenter_cents(self) -> int:
        """Balance of the experimenter (cents): minus what traders have gained, before tax."""
        return int(self._memory.registers[kernel.EXPERIMENTER])

    @property
    def total_cents(self) -> int:
        """All money there is (cents), counted afresh."""
        return int(self._memory.wealth.sum()) + self.treasury_cents + self.experimenter_cents

    def margins(self) -> FloatArray:
        """Give what `ZeroIntelligencePlus` traders have learned: margins, shape (n,); NaN for all others."""
        learned = np.full(len(self._units_traded), np.nan)
        learned[self._memory.learners] = self._memory.margins[self._memory.learners, kernel.MARGIN]
        return learned

    def run(self, days: int, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
        """Play some days and give their rows (the latest of them, if they are more than are kept).

        Parameters
        ----------
        days
            How many more days to play, 1 or more.
        progress
            Called now and then, and at the end, with the number of days done and `days`.

        Raises
        ------
        SettlementError
            The experimenter's debt becomes too large for exact cents.
        """
        days = whole_number("days", days, minimum=1)
        registers = self._memory.registers
        before = int(registers[kernel.DAY])
        while registers[kernel.OPEN] or registers[kernel.DAY] < before + days:
            self._fetch_draws()
            self._play(self._memory, self._draws, before + days)
            done = self._file_reports()
            if progress is not None and done:
                progress(int(registers[kernel.DAY] - registers[kernel.OPEN]) - before, days)
        return self._records.days(after=before)

    def step(self) -> None:
        """Play one day."""
        self.run(1)

    def _fetch_draws(self) -> None:
        """Append fresh draws to those that are left, if these are not enough for a quote."""
        registers = self._memory.registers
        needed = kernel.DRAWS_TO_QUOTE + kernel.DRAWS_TO_LEARN * len(self._memory.learners)
        left = self._draws[registers[kernel.DRAWN] :]
        if len(left) < needed:
            self._draws = np.concatenate([left, self.rng.random(max(_DRAWS, needed))])
            registers[kernel.DRAWN] = 0

    def _file_reports(self) -> int:
        """Keep the days that are over with their trades, make room for more, and give how many days they are."""
        memory, registers = self._memory, self._memory.registers
        days, trades = int(registers[kernel.DAYS]), int(registers[kernel.TRADES])
        if -registers[kernel.EXPERIMENTER] > MOST_CENTS:
            raise SettlementError(
                f"The experimenter owes {-registers[kernel.EXPERIMENTER]} cents, which is beyond exact settlement: "
                "measure money in a larger unit."
            )
        if days == 0:
            return 0
        over = int(np.searchsorted(memory.trades[:trades, 0], memory.days[days - 1, 0], side="right"))
        filed = memory.trades[:over].copy()
        for traders in (filed[:, 3], filed[:, 4]):
            self._units_traded += np.bincount(traders, minlength=len(self._units_traded))
        self._records.add(memory.days[:days].copy(), filed)
        memory.trades[: trades - over] = memory.trades[over:trades].copy()
        registers[kernel.DAYS], registers[kernel.TRADES] = 0, trades - over
        return days


def _memory(
    market: InducedMarket,
    policies: list[QuotingPolicy | LearningPolicy],
    tax_rate: float,
    wealth: int,
    rng: np.random.Generator,
) -> kernel.Memory:
    count, buyers = len(policies), market.buyers
    worths, limits = (_stacked(market, rate) for rate in (0.0, tax_rate))
    units = np.array([len(units) for side in (market.values, market.costs) for units in side])  # type: ignore[arg-type]
    kinds, margins = np.zeros(count, dtype=np.int64), np.zeros((count, kernel.MARGIN_COLUMNS))
    for trader, policy in enumerate(policies):
        kinds[trader] = _kind(policy)
        if isinstance(policy, ZeroIntelligencePlus):
            state: MarginState = policy.start(Side.BUY if trader < buyers else Side.SELL, rng)
            margins[trader] = (
                state.margin,
                state.momentum,
                state.learning_rate,
                state.inertia,
                policy.relative_shift,
                policy.absolute_shift,
            )
    registers = np.zeros(kernel.REGISTERS, dtype=np.int64)
    registers[kernel.BUYERS], registers[kernel.SELLERS] = buyers, market.sellers
    registers[kernel.CEILING] = market.ceiling
    by_value = _ranked(limits[:buyers], units[:buyers], first=0, side=Side.BUY)
    by_cost = _ranked(limits[buyers:], units[buyers:], first=buyers, side=Side.SELL)
    most_a_day = min(len(by_value), len(by_cost))
    return kernel.Memory(
        registers=registers,
        worths=worths,
        limits=limits,
        units=units,
        used=np.zeros(count, dtype=np.int64),
        wealth=np.full(count, wealth, dtype=np.int64),
        active=np.arange(count),
        place=np.arange(count),
        by_value=by_value,
        by_cost=by_cost,
        policy=kinds,
        learners=np.flatnonzero(kinds == kernel.MARGINS),
        margins=margins,
        tax_rate=np.array([tax_rate]),
        trades=np.zeros((max(_TRADES, most_a_day + 1), kernel.TRADE_WIDTH), dtype=np.int64),
        days=np.zeros((_DAYS, kernel.DAY_WIDTH), dtype=np.int64),
    )


def _stacked(market: InducedMarket, tax_rate: float) -> IntArray:
    """Worths of all traders, shape (n, units), with unused places where one side has fewer units."""
    sides = [market.worths(side, tax_rate=tax_rate) for side in (Side.BUY, Side.SELL)]
    stacked = np.zeros((sum(len(side) for side in sides), max(side.shape[1] for side in sides)), dtype=np.int64)
    stacked[: len(sides[0]), : sides[0].shape[1]] = sides[0]
    stacked[len(sides[0]) :, : sides[1].shape[1]] = sides[1]
    return stacked


def _ranked(limits: IntArray, units: IntArray, *, first: int, side: Side) -> IntArray:
    """Trader and unit, shape (k, 2), those that can gain most first; a trader's own units in their order."""
    traders, places = np.nonzero(np.arange(limits.shape[1]) < units[:, np.newaxis])
    order = np.lexsort((places, -int(side) * limits[traders, places]))
    return np.ascontiguousarray(np.stack([traders + first, places], axis=1)[order])


def _kind(policy: QuotingPolicy | LearningPolicy) -> int:
    match policy:
        case Truthful():
            return kernel.TRUTHFUL
        case ZeroIntelligenceQuotes():
            return kernel.CONSTRAINED if policy.constrained else kernel.UNCONSTRAINED
        case ZeroIntelligencePlus():
            return kernel.MARGINS
    raise InvalidInputError(
        "policy: ColumnarLaboratory knows Truthful, ZeroIntelligenceQuotes and ZeroIntelligencePlus; got "
        f"{policy!r}. DoubleAuctionLaboratory runs any policy."
    )


def _wants_numba(use_numba: object) -> bool:
    if use_numba is None:
        return is_compiler_installed()
    wanted = boolean("use_numba", use_numba)
    if wanted and not is_compiler_installed():
        raise InvalidInputError("use_numba is True, but numba is not installed: pip install walras[fast].")
    return wanted
