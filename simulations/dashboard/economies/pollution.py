"""Pollution, live: firms under a tax, a cap, a collar or nothing, while their costs are uncertain."""

from collections.abc import Callable, Mapping
from typing import final

import numpy as np

from walras.agents.pollution import (
    Damage,
    Industry,
    Instrument,
    NoRegulation,
    PollutionEconomy,
    best_cap,
    best_collar,
    best_tax,
)
from walras.market.validation import FloatArray
from walras.simulations.dashboard.controls import Choice, Number, Settings
from walras.simulations.dashboard.history import History
from walras.simulations.dashboard.live_economy import LiveEconomy
from walras.simulations.dashboard.snapshot import (
    Crossing,
    Distribution,
    Holdings,
    Line,
    Reading,
    Reference,
    Scatter,
    Snapshot,
    TimeSeries,
)

__all__ = ["POLLUTION"]

_TAX, _CAP, _COLLAR, _NONE = "tax on emissions", "cap with permits", "collar: cap, floor and ceiling", "none"
_RULES: Mapping[str, Callable[[Industry, Damage], Instrument]] = {
    _TAX: best_tax,
    _CAP: best_cap,
    _COLLAR: best_collar,
    _NONE: lambda industry, damage: NoRegulation(),
}
_INTERCEPT = 100.0


@final
class _Regulated:
    """An industry under an instrument, under way; a step is a period."""

    def __init__(self, settings: Settings, rng: np.random.Generator) -> None:
        count = int(settings["firms"])
        spread = (np.arange(count) + 0.5) / count - 0.5
        slopes = count * 3.0**spread
        slopes *= (1.0 / slopes).sum()  # the industry's slope is 1
        intercepts = _INTERCEPT * (1.0 + 0.1 * rng.permutation(spread))
        self._industry = Industry(
            intercepts=intercepts,
            slopes=slopes,
            common_deviation=float(settings["common"]),
            own_deviation=float(settings["own"]),
        )
        self._damage = Damage(slope=float(settings["damage"]))
        instrument = _RULES[str(settings["instrument"])](self._industry, self._damage)
        self._economy = PollutionEconomy(self._industry, self._damage, instrument, rng=rng, most_records=1)
        self._history = History("price", "emissions", "loss", "mean_loss", "damage", "abatement")
        self._losses = 0.0
        self._period = 0

    def step(self) -> None:
        """Play a period."""
        row = self._economy.run(periods=1).iloc[-1]
        self._period += 1
        self._losses += float(row["loss"])
        self._history.add(
            self._period,
            price=row["price"],
            emissions=row["emissions"],
            loss=row["loss"],
            mean_loss=self._losses / self._period,
            damage=row["damage"],
            abatement=row["abatement_cost"],
        )

    def snapshot(self) -> Snapshot:
        """Give what there is to see now."""
        history = self._history
        readings = (
            Reading(label="Price of emissions", value=history.last("price"), digits=2),
            Reading(label="Emissions", value=history.last("emissions"), unit="units", digits=1),
            Reading(label="Damage", value=history.last("damage"), digits=0),
            Reading(label="Cost of abatement", value=history.last("abatement"), digits=0),
            Reading(label="Mean loss of welfare", value=history.last("mean_loss"), digits=2),
        )
        if self._period == 0:
            return Snapshot(period=0, readings=readings, panels=())
        firms = self._economy.rows
        emissions, shocks = (firms[name].to_numpy(np.float64) for name in ("emissions", "shock"))
        best = self._industry.intercept * self._damage.slope / (1.0 + self._damage.slope)
        panels = (
            self._lines("Price of emissions", "money a unit", Reference(f"best, expected: {best:.1f}", best), "price"),
            self._crossing(float(shocks.mean())),
            self._lines(
                "Emissions",
                "units a period",
                Reference(f"best, expected: {best / self._damage.slope:.1f}", best / self._damage.slope),
                "emissions",
            ),
            self._lines("Loss of welfare, against a regulator who sees costs", "money a period", None, "mean_loss"),
            Scatter(
                title="Who emits how much",
                x_label="shock to the firm's costs (money a unit)",
                y_label="units",
                groups=(("firms", shocks, emissions),),
            ),
            Distribution(title="Lorenz curve of emissions", holdings=(Holdings("emissions", emissions),)),
        )
        return Snapshot(period=self._period, readings=readings, panels=panels)

    def _lines(self, title: str, unit: str, reference: Reference | None, column: str) -> TimeSeries:
        return TimeSeries(
            title=title,
            unit=unit,
            periods=self._history.periods,
            lines=(Line(column.replace("_", " "), self._history.column(column)),),
            references=() if reference is None else (reference,),
        )

    def _crossing(self, shock: float) -> Crossing:
        """Show marginal benefit, as it is in this period for the mean shock, marginal damage, and the outcome."""
        quantities: FloatArray = np.array([0.0, 1.1 * _INTERCEPT])
        benefit = np.maximum(self._industry.intercept + shock - quantities, 0.0)
        kink = np.array([0.0, min(self._industry.intercept + shock, quantities[1]), quantities[1]])
        return Crossing(
            title="Marginal benefit and damage, and the outcome",
            quantity_unit="units of emissions",
            price_unit="money a unit",
            demand=(kink, np.array([benefit[0], 0.0 if kink[1] < quantities[1] else benefit[1], benefit[1]])),
            supply=(quantities, self._damage.slope * quantities),
            trades=(np.array([self._history.last("emissions")]), np.array([self._history.last("price")])),
            trades_label="outcome",
            demand_label="marginal benefit",
            supply_label="marginal damage",
        )


POLLUTION = LiveEconomy(
    name="pollution",
    title="Pollution",
    about=(
        "Firms emit, and it costs them to emit less; how much, only they know. The regulator chooses an instrument as "
        "well as it can be chosen beforehand, and gives its revenue back."
    ),
    controls=(
        Choice(name="instrument", label="Instrument", options=tuple(_RULES), default=_TAX),
        Number(
            name="damage",
            label="Slope of damage",
            unit="over that of benefits",
            minimum=0.1,
            maximum=3.0,
            default=0.5,
            step=0.1,
        ),
        Number(
            name="common",
            label="Shock to all",
            unit="std. dev., money a unit",
            minimum=0.0,
            maximum=4.0,
            default=3.0,
            step=0.25,
        ),
        Number(
            name="own",
            label="Own shocks",
            unit="std. dev., money a unit",
            minimum=0.0,
            maximum=4.0,
            default=3.0,
            step=0.25,
        ),
        Number(name="firms", label="Firms", unit="number", minimum=1, maximum=200, default=20, whole=True),
    ),
    create=_Regulated,
)
