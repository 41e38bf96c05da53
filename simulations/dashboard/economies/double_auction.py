"""The double-auction laboratory, live: induced values and costs, and how near to the theory traders come."""

from typing import Any, final

import numpy as np

from walras.agents.trading import (
    DoubleAuctionLaboratory,
    InducedMarket,
    LearningPolicy,
    QuotingPolicy,
    Truthful,
    ZeroIntelligencePlus,
    ZeroIntelligenceQuotes,
)
from walras.market.order_book import Side
from walras.market.validation import IntArray
from walras.simulations.dashboard.controls import Choice, Number, Settings
from walras.simulations.dashboard.curves import demand_stairs, percent_range, supply_stairs
from walras.simulations.dashboard.history import History
from walras.simulations.dashboard.live_economy import LiveEconomy
from walras.simulations.dashboard.snapshot import (
    Crossing,
    Distribution,
    Holdings,
    Line,
    Reading,
    Reference,
    Snapshot,
    TimeSeries,
)

__all__ = ["DOUBLE_AUCTION"]

_CEILING = 400  # cents
_EVEN, _DRAWN, _BOXED = "evenly spaced", "drawn at random", "all alike"

_POLICIES: dict[str, QuotingPolicy | LearningPolicy] = {
    "ZI-C: random, never at a loss": ZeroIntelligenceQuotes(),
    "ZI-U: random, losses allowed": ZeroIntelligenceQuotes(constrained=False),
    "ZIP: learned profit margin": ZeroIntelligencePlus(),
    "truthful": Truthful(),
}


@final
class _Laboratory:
    """A laboratory under way; a step is a day."""

    def __init__(self, settings: Settings, rng: np.random.Generator) -> None:
        values, costs = _induced(str(settings["induced"]), int(settings["buyers"]), rng)
        self._market = InducedMarket(values=values.tolist(), costs=costs.tolist(), ceiling=_CEILING)
        self._tax_rate = float(settings["tax_rate"])
        self._laboratory = DoubleAuctionLaboratory(
            self._market,
            _POLICIES[str(settings["policy"])],
            rng=rng,
            tax_rate=self._tax_rate,
            wealth_cents=int(settings["wealth"]),
            most_quotes=int(settings["quotes"]),
            most_days=2,
            most_trades=max(values.size, 2),
        )
        self._equilibrium = self._market.equilibrium(tax_rate=self._tax_rate)
        self._demand = demand_stairs(self._market.worths(Side.BUY, tax_rate=self._tax_rate).ravel())
        self._supply = supply_stairs(costs, _CEILING)
        self._history = History("price", "trades", "efficiency", "alpha")
        self._day = 0

    def step(self) -> None:
        """Play a day."""
        day = self._laboratory.run(days=1).iloc[-1]
        self._day += 1
        self._history.add(
            self._day,
            price=day["mean_price_cents"],
            trades=day["trades"],
            efficiency=100.0 * day["efficiency"],
            alpha=100.0 * day["smith_alpha"],
        )

    def snapshot(self) -> Snapshot:
        """Give what there is to see now."""
        history, equilibrium = self._history, self._equilibrium
        prices = Reference(f"equilibrium: {equilibrium.price:g}", equilibrium.price)
        volume = Reference(f"equilibrium: {equilibrium.quantity}", equilibrium.quantity)
        readings = (
            Reading(label="Mean price", value=history.last("price"), unit="cents", digits=1),
            Reading(label="Equilibrium price", value=equilibrium.price, unit="cents", digits=1),
            Reading(label="Trades in the day", value=history.last("trades"), digits=0),
            Reading(label="Efficiency", value=history.last("efficiency"), unit="%", digits=1),
        )
        panels = (
            self._lines("Mean price of a day", "cents", "price", prices),
            self._crossing(),
            self._lines(
                "Efficiency (surplus found, of the most there is)",
                "%",
                "efficiency",
                value_range=percent_range(history.column("efficiency")),
            ),
            self._lines("Volume", "units a day", "trades", volume, value_range=(0.0, None), is_whole=True),
            self._lines("Smith's alpha (spread of prices about equilibrium)", "% of the price", "alpha"),
            Distribution(
                title="Lorenz curve of the traders' wealth",
                holdings=(Holdings("wealth", self._laboratory.ledger.wealth),),
            ),
        )
        return Snapshot(period=self._day, readings=readings, panels=panels)

    def _lines(self, title: str, unit: str, column: str, *references: Reference, **axis: Any) -> TimeSeries:
        return TimeSeries(
            title=title,
            unit=unit,
            periods=self._history.periods,
            lines=(Line(column, self._history.column(column)),),
            references=references,
            period_name="day",
            **axis,
        )

    def _crossing(self) -> Crossing:
        trades = self._laboratory.trades
        today = trades[trades["day"] == self._day]
        taxed = ", net of the tax" if self._tax_rate > 0 else ""
        return Crossing(
            title=f"Demand{taxed}, supply, and the trades of the day",
            quantity_unit="units, or number of the trade",
            price_unit="price (cents)",
            demand=self._demand,
            supply=self._supply,
            trades=(today["trade"].to_numpy(np.float64) - 0.5, today["price_cents"].to_numpy(np.float64)),
            trades_label="trades, in order",
        )


def _induced(kind: str, buyers: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Give the values of so many buyers, and the costs of as many sellers (cents)."""
    if kind == _DRAWN:
        return rng.integers(75, 326, buyers), rng.integers(75, 326, buyers)
    spread = np.linspace(0.0, 250.0, buyers).round().astype(np.int64)
    if kind == _EVEN:
        return 325 - spread, 75 + spread
    return np.full(buyers, 250), np.full(buyers, 150)


DOUBLE_AUCTION = LiveEconomy(
    name="double-auction",
    title="Double-auction laboratory",
    about=(
        "Buyers and sellers, told what a unit is worth to them or costs them, quote prices in a continuous double "
        "auction. Each day all of them may trade one unit again."
    ),
    period_name="day",
    controls=(
        Choice(name="policy", label="Policy of the traders", options=tuple(_POLICIES), default=next(iter(_POLICIES))),
        Choice(name="induced", label="Values and costs", options=(_EVEN, _DRAWN, _BOXED), default=_EVEN),
        Number(
            name="tax_rate",
            label="Tax on trades",
            unit="fraction of the price",
            minimum=0.0,
            maximum=1.0,
            default=0.0,
            step=0.01,
        ),
        Number(
            name="buyers",
            label="Buyers",
            unit="and as many sellers",
            minimum=2,
            maximum=100,
            default=11,
            whole=True,
        ),
        Number(
            name="quotes",
            label="Most quotes",
            unit="a day",
            minimum=10,
            maximum=5000,
            default=1000,
            step=10,
            whole=True,
        ),
        Number(
            name="wealth",
            label="Money at first",
            unit="cents a trader",
            minimum=0,
            maximum=10_000,
            default=800,
            step=100,
            whole=True,
        ),
    ),
    create=_Laboratory,
)
