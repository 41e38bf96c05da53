"""The compute economy, live: attention heads and neuron blocks buy compute, and a treasury taxes and rebates."""

from collections.abc import Mapping
from typing import final

import numpy as np

from walras.agents.compute import (
    AutoregressiveValuations,
    BiddingPolicy,
    ComputeEconomy,
    ConstantValuations,
    MarginalContribution,
    PaymentRule,
    PeriodRecord,
    Recording,
    Truthful,
    ValueProduced,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    synthetic_population,
)
from walras.market import CapacityMarket, FixedSupply, PerUnitTax, PostedPrice, Supply
from walras.market.taxation import BracketTax, EqualRebate, TaxCode
from walras.market.validation import FloatArray
from walras.simulations.dashboard.controls import Choice, Number, Settings
from walras.simulations.dashboard.curves import demand_stairs, percent_range
from walras.simulations.dashboard.live_economy import LiveEconomy
from walras.simulations.dashboard.snapshot import (
    Crossing,
    Distribution,
    Holdings,
    Line,
    Reading,
    Scatter,
    Snapshot,
    TimeSeries,
)

__all__ = ["COMPUTE"]

_CAP, _POSTED = "cap: a fixed budget", "posted price"
_VALUE, _CONTRIBUTION = "the value that it produces", "its marginal contribution"
_MEDIAN = 10.0  # valuation of a synthetic population (money per unit)
_PERSISTENCE = 0.9
_MOST_ROWS = 400

_POLICIES: dict[str, BiddingPolicy] = {
    "truthful": Truthful(),
    "ZI-C: random, never at a loss": ZeroIntelligenceConstrained(),
    "ZI-U: random, losses allowed": ZeroIntelligenceUnconstrained(4.0 * _MEDIAN),
}
_PAY: dict[str, PaymentRule] = {_VALUE: ValueProduced(), _CONTRIBUTION: MarginalContribution()}


@final
class _Economy:
    """A compute economy under way."""

    def __init__(self, settings: Settings, rng: np.random.Generator) -> None:
        self._population = synthetic_population(
            layers=int(settings["layers"]),
            heads=int(settings["heads"]),
            blocks=int(settings["blocks"]),
            rng=rng,
            median_valuation=_MEDIAN,
        )
        self._costs: FloatArray = self._population["cost"].to_numpy()
        self._tax = float(settings["tax"])
        self._capped = settings["rule"] == _CAP
        self._sold = float(settings["budget"]) * float(self._costs.sum())
        self._posted = float(settings["price"])
        # What is not worth its price stays unsold, so that the price does not fall below 0.
        supply: Supply = FixedSupply(self._sold, free_disposal=True) if self._capped else PostedPrice(self._posted)
        spread = float(settings["spread"])
        self._last: PeriodRecord | None = None
        self._economy = ComputeEconomy(
            self._population,
            CapacityMarket(supply, tax=PerUnitTax(self._tax)),
            _POLICIES[str(settings["policy"])],
            rng=rng,
            valuations=AutoregressiveValuations(_PERSISTENCE, spread) if spread > 0 else ConstantValuations(),
            pay=_PAY[str(settings["pay"])],
            tax_code=TaxCode((BracketTax((), (float(settings["surplus_tax"]),)),), (EqualRebate(),)),
            recording=Recording(agents=False, most_period_rows=_MOST_ROWS, sink=self._keep),
        )

    def step(self) -> None:
        """Play a period."""
        self._economy.step()

    def snapshot(self) -> Snapshot:
        """Give what there is to see now."""
        rows = self._economy.periods
        periods = rows["period"].to_numpy()
        last = self._last
        if last is None:
            return Snapshot(period=0, readings=self._readings({}), panels=())

        efficiency = 100.0 * rows["efficiency"].to_numpy()

        def lines(title: str, unit: str, **columns: FloatArray) -> TimeSeries:
            named = tuple(Line(name.replace("_", " "), values) for name, values in columns.items())
            return TimeSeries(title=title, unit=unit, periods=periods, lines=named)

        panels = (
            lines("Price of compute", "money per unit", price=rows["price"].to_numpy()),
            self._crossing(last),
            Distribution(
                title="Lorenz curves of compute and of wealth",
                holdings=(
                    Holdings("compute", last.by_agent["units"]),
                    Holdings("wealth", last.by_agent["wealth_cents"]),
                ),
            ),
            TimeSeries(
                title="Efficiency (value produced, of the most there is)",
                unit="%",
                periods=periods,
                lines=(Line("efficiency", efficiency),),
                value_range=percent_range(efficiency),
            ),
            self._use(last),
            lines(
                "Money that changes hands",
                "money a period",
                paid_for_compute=rows["revenue_cents"].to_numpy() / 100,
                taxes=(rows["tax_revenue_cents"] + rows["levy_cents"]).to_numpy() / 100,
            ),
        )
        return Snapshot(period=int(last.totals["period"]), readings=self._readings(last.totals), panels=panels)

    def _keep(self, record: PeriodRecord) -> None:
        self._last = record

    def _readings(self, totals: Mapping[str, float]) -> tuple[Reading, ...]:
        nothing = float("nan")
        sold = 100.0 * totals.get("quantity_sold", nothing) / float(self._costs.sum())
        return (
            Reading(label="Price", value=totals.get("price", nothing), unit="a unit"),
            Reading(label="Sold", value=sold, unit="% of all", digits=1),
            Reading(label="Efficiency", value=100.0 * totals.get("efficiency", nothing), unit="%", digits=1),
            Reading(label="Gini of compute", value=totals.get("gini_allocation", nothing)),
            Reading(label="Agents", value=float(self._costs.size), digits=0),
        )

    def _crossing(self, last: PeriodRecord) -> Crossing:
        bids = np.maximum(np.asarray(last.by_agent["bid"]) - self._tax, 0.0)
        demand = demand_stairs(bids, self._costs)
        top = 1.05 * float(bids.max())
        if self._capped:
            supply = np.full(2, self._sold), np.array([0.0, top])
        else:
            supply = np.array([0.0, float(self._costs.sum())]), np.full(2, self._posted)
        sold, price = float(last.totals["quantity_sold"]), float(last.totals["price"])
        return Crossing(
            title="Bids net of the tax, supply, and the clearing"
            if self._tax > 0
            else "Bids, supply, and the clearing",
            quantity_unit="units of compute",
            price_unit="money per unit",
            demand=demand,
            supply=supply,
            trades=(np.array([sold]), np.array([price])),
            trades_label="clearing",
        )

    def _use(self, last: PeriodRecord) -> Scatter:
        valuations: FloatArray = np.asarray(last.by_agent["valuation"], dtype=np.float64)
        shares: FloatArray = 100.0 * np.asarray(last.by_agent["share"], dtype=np.float64)
        heads = (self._population["kind"] == "head").to_numpy()
        return Scatter(
            title="Who gets compute",
            x_label="valuation (money per unit)",
            y_label="share of full use (%)",
            groups=(
                ("attention heads", valuations[heads], shares[heads]),
                ("neuron blocks", valuations[~heads], shares[~heads]),
            ),
            y_range=(0.0, 100.0),
        )


COMPUTE = LiveEconomy(
    name="compute-economy",
    title="Compute economy",
    about=(
        "Attention heads and neuron blocks of a Transformer bid for compute, are paid for their work, and are taxed; "
        "the treasury shares out what it takes."
    ),
    controls=(
        Choice(name="rule", label="How compute is sold", options=(_CAP, _POSTED), default=_CAP),
        Number(
            name="budget",
            label="Budget",
            unit="fraction of all units",
            minimum=0.05,
            maximum=1.0,
            default=0.5,
            step=0.05,
            only_if=("rule", (_CAP,)),
        ),
        Number(
            name="price",
            label="Price",
            unit="money per unit",
            minimum=0.0,
            maximum=100.0,
            default=10.0,
            step=0.5,
            only_if=("rule", (_POSTED,)),
        ),
        Choice(name="policy", label="How agents bid", options=tuple(_POLICIES), default="truthful"),
        Choice(name="pay", label="An agent is paid", options=(_VALUE, _CONTRIBUTION), default=_VALUE),
        Number(
            name="tax",
            label="Tax on compute",
            unit="money per unit",
            minimum=0.0,
            maximum=50.0,
            default=0.0,
            step=0.5,
        ),
        Number(
            name="surplus_tax",
            label="Tax on surplus",
            unit="fraction",
            minimum=0.0,
            maximum=1.0,
            default=0.0,
            step=0.05,
        ),
        Number(
            name="spread",
            label="Shocks to valuations",
            unit="std. dev. of the log",
            minimum=0.0,
            maximum=1.0,
            default=0.3,
            step=0.05,
        ),
        Number(name="layers", label="Layers", unit="number", minimum=1, maximum=48, default=4, whole=True),
        Number(name="heads", label="Heads", unit="a layer", minimum=0, maximum=32, default=6, whole=True),
        Number(name="blocks", label="Neuron blocks", unit="a layer", minimum=0, maximum=64, default=12, whole=True),
    ),
    create=_Economy,
)
