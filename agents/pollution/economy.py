"""An economy of firms that pollute, a regulator's instrument, and a treasury; no cent is ever made or lost.

A period:

1. Shocks are drawn. Each firm sees its own and bids truthfully: what its first unit of emissions is worth to it.
2. The market for emissions clears (`walras.market.CapacityMarket`, its supply being the instrument), and firms emit
   what they bought.
3. Customers pay each firm the benefit of its emissions, which is what its product is worth to them.
4. Firms pay the treasury the price for each unit of emissions, less what they were given; who was given more than it
   emits receives money.
5. The treasury rebates what it holds, to each firm the same whatever it emits.
6. Firms pay to their owners what they have above their opening wealth.

Customers and owners are the same households, so that money runs in a circle: at every moment

    wealth of firms + balance of the households + balance of the treasury = constant, in whole cents.

The damage of emissions is not paid by anybody: that is the problem. It counts in welfare only.
"""

from collections import deque
from collections.abc import Callable
from typing import final

import numpy as np
import pandas as pd

from walras.agents.adapter import Agent, Model
from walras.agents.firm_records import FirmRecord, firm_table, period_table
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray, apportion, whole_cents
from walras.agents.pollution.damage import Damage
from walras.agents.pollution.industry import Industry
from walras.agents.pollution.instruments import Instrument
from walras.agents.pollution.outcomes import checked_instrument, first_best_welfare
from walras.agents.pollution.tables import FIRM_COLUMNS, PERIOD_COLUMNS
from walras.agents.treasury import Treasury
from walras.market import CapacityMarket, InvalidInputError, LinearDemand
from walras.market.validation import FloatArray, instance_of, whole_number

__all__ = ["Firm", "PollutionEconomy"]


@final
class Firm(Agent):
    """A firm that knows its own shock and says the truth about it.

    With many firms no bid moves the price by much, and at a tax none moves it at all: the truth is then a best reply.

    Attributes
    ----------
    number
        Its row in the industry, from 0.
    intercept, slope
        Of its expected marginal benefit of emissions (money per unit; per unit).
    """

    def __init__(self, model: Model, ledger: Ledger, *, number: int, intercept: float, slope: float) -> None:
        super().__init__(model)
        self.number = number
        self.intercept = intercept
        self.slope = slope
        self._ledger = ledger

    @property
    def wealth_cents(self) -> int:
        """What the firm owns (cents)."""
        return self._ledger.balance(self.number)

    def bid(self, shock: float) -> float:
        """What its first unit of emissions is worth to it (money per unit), the shock being known."""
        return self.intercept + shock


@final
class PollutionEconomy(Model):
    """Firms under an instrument, households, and a treasury.

    Parameters
    ----------
    industry
        The firms.
    damage
        What their emissions do.
    instrument
        `NoRegulation()`, `EmissionsTax(...)`, `PermitCap(...)` or `PermitCollar(...)`.
    rng
        Generator, or integer seed, that shocks are drawn from. The same seed gives the same rows.
    wealth_cents
        Opening wealth of each firm (cents, >= 0).
    cents_per_money
        Cents in the unit of money of benefits and prices.
    record_every
        Every how many periods the tables get rows.
    most_records
        How many recorded periods are kept, the latest ones: memory is bounded by these times the number of firms.

    Attributes
    ----------
    polluters
        The firms, by number.
    treasury, ledger
        Who holds the revenue, and all accounts.
    industry, damage, instrument, cents_per_money
        As given.

    Raises
    ------
    InvalidInputError
        A bad argument.

    Notes
    -----
    Units of emissions are float64; permits used are the permits issued up to 1e-9 of them. From the same seed
    `pollution_outcomes` on `industry.shocks(periods, generator)` gives the same prices, emissions and welfare up to
    1e-9 of their size, without accounts and without a loop.
    *Cost*: a clearing and six entries a period. *Source*: Weitzman 1974; Montgomery 1972.

    Examples
    --------
    >>> from walras.agents.pollution import Damage, Industry, PermitCap, PollutionEconomy
    >>> firms = Industry(intercepts=[90.0, 110.0], slopes=2.0, common_deviation=3.0)
    >>> economy = PollutionEconomy(firms, Damage(slope=1.0), PermitCap(50.0), rng=0)
    >>> periods = economy.run(periods=10)
    >>> periods["emissions"].round(9).unique().tolist(), periods["total_cents"].nunique()
    ([50.0], 1)
    """

    def __init__(
        self,
        industry: Industry,
        damage: Damage,
        instrument: Instrument,
        *,
        rng: np.random.Generator | int,
        wealth_cents: int = 0,
        cents_per_money: int = 100,
        record_every: int = 1,
        most_records: int = 10_000,
    ) -> None:
        super().__init__(rng)
        # Mesa has taken a number for its own use; put back, shocks are those of `Industry.shocks` from the same seed.
        self.rng.bit_generator.state = self._rng
        self.industry = instance_of("industry", industry, Industry)
        self.damage = instance_of("damage", damage, Damage)
        self.instrument = checked_instrument(instrument)
        if whole_cents("cents_per_money", cents_per_money) == 0:
            raise InvalidInputError("cents_per_money must be 1 or more, got 0.")
        self.cents_per_money = int(cents_per_money)
        self._record_every = whole_number("record_every", record_every, minimum=1)
        self._records: deque[FirmRecord] = deque(maxlen=whole_number("most_records", most_records, minimum=1))
        self._period = 0
        firms = industry.firms
        self._opening_wealth = np.full(firms, whole_cents("wealth_cents", wealth_cents), dtype=np.int64)
        self.ledger = Ledger(self._opening_wealth, households=0, treasury=0)
        self.treasury = Treasury(self, self.ledger)
        intercepts, slopes = np.asarray(industry.intercepts), np.asarray(industry.slopes)
        self.polluters = tuple(
            Firm(self, self.ledger, number=number, intercept=float(intercept), slope=float(slope))
            for number, (intercept, slope) in enumerate(zip(intercepts, slopes, strict=True))
        )
        expected = intercepts * industry.weights  # emissions of each firm without regulation and shocks
        self._free_permits = self.instrument.free_permits * expected / expected.sum()

    @property
    def rows(self) -> pd.DataFrame:
        """A row per firm and recorded period; columns in `walras.agents.pollution.tables`."""
        return firm_table(self._records, self.industry.firms, FIRM_COLUMNS)

    @property
    def periods(self) -> pd.DataFrame:
        """A row per recorded period; columns in `walras.agents.pollution.tables`."""
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
            A row per period; columns in `walras.agents.pollution.tables`.

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
        shocks = self.industry.shocks(1, self.rng)
        bids = np.array([firm.bid(shock) for firm, shock in zip(self.polluters, shocks[0].tolist(), strict=True)])
        price, emissions = self._clear(bids)
        benefits = _benefits(bids, np.asarray(self.industry.slopes), emissions)
        incomes = apportion(self.cents_per_money * benefits)
        self.ledger.post(incomes, households=-int(incomes.sum()))
        # A firm buys what is worth more to it than it costs, so that its income pays for it: to the cent, too, since
        # neither is rounded by a whole one.
        owed = self.cents_per_money * price * (emissions - self._free_permits)
        payments = apportion(owed, self.ledger.wealth)
        self.ledger.post(-payments, treasury=int(payments.sum()))
        rebate = self.treasury.rebate()
        dividends = np.maximum(self.ledger.wealth - self._opening_wealth, 0)
        self.ledger.post(-dividends, households=int(dividends.sum()))
        if self._period % self._record_every == 0:
            flows = {"payment_cents": payments, "income_cents": incomes, "dividend_cents": dividends}
            self._records.append(self._record(price, shocks, bids, emissions, rebate, flows))

    def _clear(self, bids: FloatArray) -> tuple[float, FloatArray]:
        """Price and emissions of each firm.

        Under linear demand of a width w an agent with the cost w / b buys `(v - p) / b` units until it is served in
        full, at v - p = w: with the highest bid as the width that is never, since prices are not negative.
        """
        width = max(float(bids.max()), 1.0)
        market = CapacityMarket(self.instrument.supply(), LinearDemand(width))
        clearing = market.clear(bids, width * self.industry.weights).require()
        return clearing.price, clearing.quantities

    def _record(
        self,
        price: float,
        shocks: FloatArray,
        bids: FloatArray,
        emissions: FloatArray,
        rebate: int,
        flows: dict[str, IntArray],
    ) -> FirmRecord:
        slopes = np.asarray(self.industry.slopes)
        unregulated = np.maximum(bids, 0.0) / slopes
        abatement_costs = 0.5 * slopes * (unregulated - emissions) ** 2
        total = float(emissions.sum())
        damage = float(self.damage.total(np.array(total)))
        welfare = float(_benefits(bids, slopes, emissions).sum()) - damage
        by_firm = {
            "shock": shocks[0],
            "bid": bids,
            "emissions": emissions,
            "abatement": unregulated - emissions,
            "abatement_cost": abatement_costs,
            "free_permits": self._free_permits,
            **flows,
            "rebate_cents": np.full(bids.size, rebate),
            "wealth_cents": self.ledger.wealth,
        }
        totals = {
            "period": self._period,
            "price": price,
            "emissions": total,
            "unregulated_emissions": float(unregulated.sum()),
            "abatement_cost": float(abatement_costs.sum()),
            "damage": damage,
            "welfare": welfare,
            "loss": float(first_best_welfare(self.industry, self.damage, shocks)[0]) - welfare,
            "revenue_cents": int(flows["payment_cents"].sum()),
            "rebate_cents": rebate * bids.size,
            "dividend_cents": int(flows["dividend_cents"].sum()),
            "households_cents": self.ledger.balance("households"),
            "treasury_cents": self.treasury.balance_cents,
            "total_cents": self.ledger.total,
        }
        return FirmRecord(by_firm=by_firm, totals=totals)


def _benefits(bids: FloatArray, slopes: FloatArray, emissions: FloatArray) -> FloatArray:
    """Area under each firm's marginal benefit (money)."""
    return emissions * (bids - 0.5 * slopes * emissions)
