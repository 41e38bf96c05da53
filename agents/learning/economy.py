"""An economy of firms that learn, and households; no cent is ever made or lost.

A period:

1. Each firm decides by its strategy: a quantity, a price, or, in a cobweb, the price that it expects.
2. The market says what is sold at which prices. Households pay each firm its revenue.
3. Firms pay what their output cost. A firm that cannot receives what it lacks from its owners.
4. Firms pay to their owners what they have above their opening wealth.
5. Each firm learns from what it sees.

Customers, suppliers and owners are the same households, so that money runs in a circle: at every moment

    wealth of firms + balance of the households = constant, in whole cents.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from walras.agents.adapter import Agent, Model
from walras.agents.firm_records import FirmRecord, firm_table, period_table
from walras.agents.learning.firm_market import FirmMarket, market_power
from walras.agents.learning.play import as_generator
from walras.agents.learning.strategies import FirmStrategy
from walras.agents.learning.tables import FIRM_COLUMNS, PERIOD_COLUMNS
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray, apportion, whole_cents
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_vector, whole_number

__all__ = ["FirmEconomy", "LearningFirm"]


@final
class LearningFirm(Agent):
    """A firm that decides by a strategy and remembers what the strategy makes of what it sees.

    Attributes
    ----------
    number
        Its number in the market, from 0.
    strategy
        How it decides.
    """

    def __init__(
        self,
        model: Model,
        ledger: Ledger,
        market: FirmMarket,
        strategy: FirmStrategy[Any],
        number: int,
        first: FloatArray,
    ) -> None:
        super().__init__(model)
        self.number = number
        self.strategy = strategy
        self._ledger, self._market = ledger, market
        self._state = strategy.start(market, number, first)

    @property
    def wealth_cents(self) -> int:
        """What the firm owns (cents)."""
        return self._ledger.balance(self.number)

    def decide(self, draw: float) -> float:
        """Give its action of the period."""
        return self.strategy.action(self._state, self._market, self.number, draw)

    def learn(self, actions: FloatArray, prices: FloatArray) -> None:
        """See what all did, and the prices that came of it."""
        self._state = self.strategy.learn(self._state, self._market, self.number, actions, prices)


@final
class FirmEconomy(Model):
    """Firms in a market, period after period, and households.

    Parameters
    ----------
    market
        `CournotMarket`, `BertrandMarket`, `LogitMarket` or `CobwebMarket`.
    strategies
        How firms decide: one strategy for all, or one for each.
    rng
        Generator, or integer seed: one draw for each firm and period. The same seed gives the same rows.
    first
        What all are expected to do in the first period, shape (n,), or one number for all; by default the equilibrium
        of `market`. Firms that do not forecast do not look at it.
    wealth_cents
        Opening wealth of each firm (cents).
    cents_per_money
        Cents in the unit of money of demand and costs, 1 or more.
    record_every
        Every how many periods the tables get rows.
    most_records
        How many recorded periods are kept, the latest ones: memory is bounded by these times the number of firms.

    Attributes
    ----------
    firms
        The firms, by number.
    ledger
        All accounts.
    market, cents_per_money
        As given.

    Raises
    ------
    InvalidInputError
        A bad argument.

    Notes
    -----
    *Cost*: O(n) decisions a period, and four entries. *Source*: Cournot 1838; Bertrand 1883; Ezekiel 1938.

    Examples
    --------
    >>> from walras.agents.learning import CournotMarket, FirmEconomy, NaiveForecast, ReplyToForecast
    >>> from walras.market.partial_equilibrium import LinearCurve
    >>> market = CournotMarket(LinearCurve(12.0, -1.0), [0.0, 0.0])
    >>> economy = FirmEconomy(market, ReplyToForecast(forecast=NaiveForecast()), rng=0, first=0.0)
    >>> economy.run(5)["price"].tolist()
    [0.0, 6.0, 3.0, 4.5, 3.75]
    >>> economy.run(50)["total_cents"].nunique()
    1
    """

    def __init__(
        self,
        market: FirmMarket,
        strategies: FirmStrategy[Any] | Sequence[FirmStrategy[Any]],
        *,
        rng: np.random.Generator | int,
        first: ArrayLike | None = None,
        wealth_cents: int = 0,
        cents_per_money: int = 100,
        record_every: int = 1,
        most_records: int = 10_000,
    ) -> None:
        generator = as_generator(rng)
        state = generator.bit_generator.state
        super().__init__(generator)
        generator.bit_generator.state = state  # Mesa draws a number to seed `self.random`, which is not used here
        if not hasattr(market, "sell"):
            raise InvalidInputError(f"market must be a market of firms, got {market!r}.")
        self.market = market
        chosen = list(strategies) if isinstance(strategies, Sequence) else [strategies] * market.firms
        if len(chosen) != market.firms or not all(hasattr(strategy, "action") for strategy in chosen):
            raise InvalidInputError(
                f"strategies must be one strategy, or one for each of {market.firms} firms; got {strategies!r}."
            )
        if whole_cents("cents_per_money", cents_per_money) == 0:
            raise InvalidInputError("cents_per_money must be 1 or more, got 0.")
        self.cents_per_money = int(cents_per_money)
        self._record_every = whole_number("record_every", record_every, minimum=1)
        self._records: deque[FirmRecord] = deque(maxlen=whole_number("most_records", most_records, minimum=1))
        self._period = 0
        self._opening_wealth = np.full(market.firms, whole_cents("wealth_cents", wealth_cents), dtype=np.int64)
        self.ledger = Ledger(self._opening_wealth, households=0)
        expected = (
            market.equilibrium() if first is None else finite_vector("first", first, length=market.firms, of="firm")
        )
        self.firms = tuple(
            LearningFirm(self, self.ledger, market, strategy, number, expected)
            for number, strategy in enumerate(chosen)
        )

    @property
    def rows(self) -> pd.DataFrame:
        """A row per firm and recorded period; columns in `walras.agents.learning.tables`."""
        return firm_table(self._records, self.market.firms, FIRM_COLUMNS)

    @property
    def periods(self) -> pd.DataFrame:
        """A row per recorded period; columns in `walras.agents.learning.tables`."""
        return period_table(self._records, PERIOD_COLUMNS)

    def run(self, periods: int, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
        """Play some periods and give the rows of those that are recorded and kept.

        Parameters
        ----------
        periods
            How many more periods to play, 1 or more.
        progress
            Called after each with the number of periods done and `periods`.

        Returns
        -------
        DataFrame
            A row per period; columns in `walras.agents.learning.tables`.

        Raises
        ------
        SettlementError
            Amounts that cannot be settled in exact cents.
        """
        periods = whole_number("periods", periods, minimum=1)
        before = self._period
        for done in range(1, periods + 1):
            self.step()
            if progress is not None:
                progress(done, periods)
        return period_table((each for each in self._records if each.totals["period"] > before), PERIOD_COLUMNS)

    def step(self) -> None:
        """Play one period."""
        self._period += 1
        draws = self.rng.random(self.market.firms).tolist()
        actions = np.array([firm.decide(draw) for firm, draw in zip(self.firms, draws, strict=True)])
        prices, quantities = self.market.sell(actions)
        flows = self._settle(prices, quantities)
        for firm in self.firms:
            firm.learn(actions, prices)
        if self._period % self._record_every == 0:
            self._records.append(self._record(actions, prices, quantities, flows))

    def _settle(self, prices: FloatArray, quantities: FloatArray) -> dict[str, IntArray]:
        """Book the period: what each firm received and paid (cents)."""
        revenue = apportion(self.cents_per_money * prices * quantities)
        costs = apportion(self.cents_per_money * self.market.costs(quantities))
        self.ledger.post(revenue, households=-int(revenue.sum()))
        capital = np.maximum(costs - self.ledger.wealth, 0)
        self.ledger.post(capital, households=-int(capital.sum()))
        self.ledger.post(-costs, households=int(costs.sum()))
        dividends = np.maximum(self.ledger.wealth - self._opening_wealth, 0)
        self.ledger.post(-dividends, households=int(dividends.sum()))
        return {
            "revenue_cents": revenue,
            "cost_cents": costs,
            "capital_cents": capital,
            "dividend_cents": dividends,
        }

    def _record(
        self, actions: FloatArray, prices: FloatArray, quantities: FloatArray, flows: dict[str, IntArray]
    ) -> FirmRecord:
        power = market_power(self.market, actions)
        shares = quantities / power.quantity if power.quantity > 0.0 else np.zeros(quantities.size)
        by_firm: dict[str, FloatArray | IntArray] = {
            "action": actions,
            "price": prices,
            "quantity": quantities,
            "market_share": shares,
            "margin": prices - self.market.marginal_costs(quantities),
            **flows,
            "profit_cents": flows["revenue_cents"] - flows["cost_cents"],
            "wealth_cents": self.ledger.wealth,
        }
        totals = {
            "period": self._period,
            **vars(power),
            **{name: int(cents.sum()) for name, cents in flows.items()},
            "households_cents": self.ledger.balance("households"),
            "total_cents": self.ledger.total,
        }
        return FirmRecord(by_firm=by_firm, totals=totals)
