"""The labour market, live: households choose how much to work under a tax code, and the treasury shares out."""

from typing import final

import numpy as np

from walras.agents.labour import (
    CobbDouglasTechnology,
    ColumnarLabourEconomy,
    LabourRules,
    LinearTechnology,
    LognormalParetoSkills,
    LognormalSkills,
    QuasiLinearPreferences,
    Technology,
)
from walras.market.taxation import BracketTax
from walras.market.validation import FloatArray
from walras.simulations.dashboard.controls import Choice, Number, Settings
from walras.simulations.dashboard.live_economy import LiveEconomy
from walras.simulations.dashboard.snapshot import (
    Distribution,
    Holdings,
    Line,
    Reading,
    Scatter,
    Snapshot,
    TimeSeries,
)

__all__ = ["LABOUR"]

_FALLING, _FIXED = "falls with labour", "fixed"
_PARETO, _LOGNORMAL = "lognormal with a Pareto tail", "lognormal"
_MEDIAN_PAY, _SPREAD, _LABOUR_SHARE = 100.0, 0.5, 0.6  # pay is that of an untaxed household
_TOP_SHARE = 0.1  # of skills in the Pareto tail
_MOST_ROWS = 400
_MOST_POINTS = 500  # households in the scatter


@final
class _Market:
    """A labour market under way; a step is a period."""

    def __init__(self, settings: Settings, rng: np.random.Generator) -> None:
        count, elasticity = int(settings["agents"]), float(settings["elasticity"])
        median = _MEDIAN_PAY ** (1.0 / (1.0 + elasticity))  # since untaxed pay is skill^(1 + e) at a wage of 1
        law = (
            LognormalSkills(median=median, log_spread=_SPREAD)
            if settings["law"] == _LOGNORMAL
            else LognormalParetoSkills(
                median=median, log_spread=_SPREAD, top_share=_TOP_SHARE, shape=float(settings["pareto"])
            )
        )
        skills = law.draw(count, rng)
        technology: Technology = LinearTechnology()
        if settings["wages"] == _FALLING:
            # Untaxed, the wage would be about 1.
            potential = float((skills ** (1.0 + elasticity)).sum())
            technology = CobbDouglasTechnology(
                productivity=potential ** (1.0 - _LABOUR_SHARE) / _LABOUR_SHARE, labour_share=_LABOUR_SHARE
            )
        base, top = round(float(settings["base_rate"]), 6), round(float(settings["top_rate"]), 6)
        threshold = round(float(settings["threshold"]) * _MEDIAN_PAY, 2)
        self._shown = np.sort(rng.permutation(count)[:_MOST_POINTS])
        self._economy = ColumnarLabourEconomy(
            skills,
            LabourRules(
                preferences=QuasiLinearPreferences(elasticity=elasticity),
                tax=BracketTax([threshold], [base, top]),
                technology=technology,
                shock_deviation=float(settings["shocks"]),
            ),
            rng=rng,
            most_rows=_MOST_ROWS,
        )

    def step(self) -> None:
        """Play a period."""
        self._economy.run(1)

    def snapshot(self) -> Snapshot:
        """Give what there is to see now."""
        if self._economy.steps == 0:
            nothing = Reading(label="Wage of a unit of labour", value=float("nan"))
            return Snapshot(period=0, readings=(nothing,), panels=())
        rows, households = self._economy.periods, self._economy.household_rows
        last, count = rows.iloc[-1], len(households)
        periods = rows["period"].to_numpy()

        def lines(title: str, unit: str, **columns: FloatArray) -> TimeSeries:
            named = tuple(Line(name.replace("_", " "), values) for name, values in columns.items())
            return TimeSeries(title=title, unit=unit, periods=periods, lines=named)

        def per_household(column: str) -> FloatArray:
            return np.asarray(rows[column].to_numpy() / (100.0 * count))

        taxed = 100.0 * rows["tax_cents"].to_numpy() / np.maximum(rows["income_cents"].to_numpy(), 1)
        before, after = (households[name].to_numpy() for name in ("income_cents", "consumption_cents"))
        readings = (
            Reading(label="Wage of a unit of labour", value=float(last["wage"])),
            Reading(label="Mean pay", value=float(last["income_cents"]) / (100.0 * count), digits=1),
            Reading(label="Taxes", value=float(taxed[-1]), unit="% of pay", digits=1),
            Reading(label="Gini of pay", value=float(last["gini_before"])),
            Reading(label="Gini of consumption", value=float(last["gini_after"])),
        )
        panels = (
            lines(
                "Wage, and what was expected",
                "money a unit",
                wage=rows["wage"].to_numpy(),
                expected=rows["expected_wage"].to_numpy(),
            ),
            lines(
                "Pay and revenue",
                "money a household",
                pay=per_household("income_cents"),
                taxes=per_household("tax_cents"),
                rebate=per_household("rebate_cents"),
            ),
            Distribution(
                title="Lorenz curves of pay and of consumption",
                holdings=(Holdings("pay", before), Holdings("consumption", after)),
            ),
            lines(
                "Inequality",
                "Gini coefficient",
                pay=rows["gini_before"].to_numpy(),
                consumption=rows["gini_after"].to_numpy(),
            ),
            Scatter(
                title="Who works how much",
                x_label="log10 of skill (money an hour)",
                y_label="hours",
                groups=(
                    (
                        "households",
                        np.log10(households["skill"].to_numpy()[self._shown]),
                        households["labour"].to_numpy()[self._shown],
                    ),
                ),
            ),
            lines("Welfare (equally distributed equivalent)", "money a household", welfare=rows["atkinson"].to_numpy()),
        )
        return Snapshot(period=self._economy.steps, readings=readings, panels=panels)


LABOUR = LiveEconomy(
    name="labour-market",
    title="Labour market under a tax",
    about=(
        "Households differ in skill and choose how much to work. A tax in two brackets takes part of their pay, and "
        "the treasury gives all of it back, to each the same."
    ),
    controls=(
        Number(
            name="base_rate",
            label="Tax rate below",
            unit="fraction of pay",
            minimum=0.0,
            maximum=0.95,
            default=0.2,
            step=0.05,
        ),
        Number(
            name="top_rate",
            label="Tax rate above",
            unit="fraction of pay",
            minimum=0.0,
            maximum=0.95,
            default=0.5,
            step=0.05,
        ),
        Number(
            name="threshold",
            label="Where it changes",
            unit="multiples of the median untaxed pay",
            minimum=0.1,
            maximum=10.0,
            default=1.5,
            step=0.1,
        ),
        Number(
            name="elasticity",
            label="Elasticity of labour",
            unit="to what is kept of pay",
            minimum=0.05,
            maximum=1.0,
            default=0.3,
            step=0.05,
        ),
        Choice(name="wages", label="Wage", options=(_FALLING, _FIXED), default=_FALLING),
        Choice(name="law", label="Skills", options=(_PARETO, _LOGNORMAL), default=_PARETO),
        Number(
            name="pareto",
            label="Pareto parameter",
            unit="of the tail",
            minimum=1.2,
            maximum=5.0,
            default=2.0,
            step=0.1,
            only_if=("law", (_PARETO,)),
        ),
        Number(
            name="shocks",
            label="Shocks to skills",
            unit="std. dev. of the log",
            minimum=0.0,
            maximum=1.0,
            default=0.1,
            step=0.05,
        ),
        Number(name="agents", label="Households", unit="number", minimum=10, maximum=20_000, default=1000, whole=True),
    ),
    create=_Market,
)
