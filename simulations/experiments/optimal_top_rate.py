"""The optimal top tax rate: a government that tries rates on simulated households, against Saez's formula.

Households of isoelastic labour supply earn `z = w^(1 + e) (1 - t)^e`. Skills are lognormal with a Pareto tail, so that
incomes above the threshold z* have the Pareto parameter a. A rate t0 is due on all income up to z*, t beyond it, and
what is raised is shared out in equal parts. The government knows neither e nor a: it tries rates t.

With the mean income z_m of those above the threshold and `a = z_m / (z_m - z*)`, the rate that raises most, and the one
that does most good if a unit is worth g to those above it, relative to its mean worth, are

    1 / (1 + a e)        and        (1 - g) / (1 - g + a e).

Both hold for any population, with a and g as they are at the optimum. Here society's welfare is the equally distributed
equivalent of utilities with a constant aversion to inequality, which weighs a household of utility u by `u^-aversion`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.optimize import minimize_scalar

from walras.agents.labour import (
    ColumnarLabourEconomy,
    LabourRules,
    LognormalParetoSkills,
    QuasiLinearPreferences,
    top_bracket_objective,
)
from walras.market.errors import InvalidInputError
from walras.market.taxation import BracketTax, pareto_parameter, top_tax_rate
from walras.market.validation import FloatArray, fraction, positive_number, whole_number
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "REVENUE", "WELFARE", "Config", "config_of"]

REVENUE, WELFARE = "revenue", "welfare"
_MEDIAN_SKILL = 1000.0  # money: so much that cents hardly show
_TAIL = 2.0  # the Pareto tail begins where so many times the taxed share is above
_NEAR = 2e-3  # of the formula: rates so near the best bring the same to one part in 10^5
_HIGHEST = 0.995


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """The households and the tax.

    Parameters
    ----------
    elasticity
        e, of taxable income to the net-of-tax rate, above 0.
    pareto
        a, Pareto parameter of top incomes, above 1.
    base_rate
        t0, due up to the threshold, in [0, 1).
    top_share
        Share of households above the threshold if there is one rate for all, in (0, 0.4].
    log_spread
        Of skills below the tail: standard deviation of their logarithm, above 0.
    aversion
        Of society to inequality of utilities, above 0.
    households
        Number of households, 100 or more, one from each of as many equal parts of the law.
    tax_rates
        Number of top rates on the curve, evenly spaced over (0, 1), 3 or more.
    """

    elasticity: float = 0.25
    pareto: float = 1.5
    base_rate: float = 0.2
    top_share: float = 0.2
    log_spread: float = 0.6
    aversion: float = 1.0
    households: int = 20_000
    tax_rates: int = 19

    def __post_init__(self) -> None:
        for name in ("elasticity", "pareto", "log_spread", "aversion"):
            positive_number(f"Config.{name}", getattr(self, name))
        if self.pareto <= 1.0:
            raise InvalidInputError(f"Config.pareto must be above 1, or top incomes have no mean; got {self.pareto}.")
        if fraction("Config.base_rate", self.base_rate) >= 1.0:
            raise InvalidInputError(f"Config.base_rate must be below 1, got {self.base_rate}.")
        if not 0.0 < fraction("Config.top_share", self.top_share) <= 0.4:
            raise InvalidInputError(f"Config.top_share must be above 0 and at most 0.4, got {self.top_share}.")
        whole_number("Config.households", self.households, minimum=100)
        whole_number("Config.tax_rates", self.tax_rates, minimum=3)

    @property
    def skills(self) -> LognormalParetoSkills:
        """The law of skills; incomes have the parameter a, so skills have `a (1 + e)`."""
        return LognormalParetoSkills(
            median=_MEDIAN_SKILL,
            log_spread=self.log_spread,
            top_share=_TAIL * self.top_share,
            shape=self.pareto * (1.0 + self.elasticity),
        )

    @property
    def threshold(self) -> float:
        """z* (money, to the cent): what the poorest of the top earns if all pay the base rate."""
        skill = float(self.skills.quantile([1.0 - self.top_share])[0])
        return round(skill ** (1.0 + self.elasticity) * (1.0 - self.base_rate) ** self.elasticity, 2)


def run(config: Config, rng: Generator) -> Tables:
    """Give `curve` (a row per top rate) and `optima` (a row per aim: revenue, welfare) of one population."""
    places = (np.arange(config.households) + np.maximum(rng.random(config.households), 1e-12)) / config.households
    government = _Government(config, config.skills.quantile(np.minimum(places, 1.0 - 2.0**-53)))
    rates = (np.arange(config.tax_rates) + 1.0) / (config.tax_rates + 1.0)
    most = government.best(REVENUE)
    peak = government.top_revenue(most["rate"])
    theory_peak = top_bracket_objective(
        top_tax_rate(config.pareto, config.elasticity), config.pareto, config.elasticity
    )
    curve = [
        {
            "tax_rate": rate,
            "revenue": government.top_revenue(rate) / peak,
            "theory": top_bracket_objective(rate, config.pareto, config.elasticity) / theory_peak,
            "welfare": government.try_rate(rate)["welfare"],
        }
        for rate in rates.tolist()
    ]
    return {"curve": pd.DataFrame(curve), "optima": pd.DataFrame([most, government.best(WELFARE)])}


@final
class _Government:
    """Tries top rates on households, and remembers what came of it."""

    def __init__(self, config: Config, skills: FloatArray) -> None:
        self._config, self._skills = config, skills
        self._tried: dict[float, dict[str, float]] = {}

    def try_rate(self, rate: float) -> dict[str, float]:
        """Give revenue (cents), welfare (money), and what those above the threshold are like under a top rate."""
        rate = round(rate, 6)
        if rate not in self._tried:
            self._tried[rate] = self._play(rate)
        return self._tried[rate]

    def top_revenue(self, rate: float) -> float:
        """Give what the top rate brings (money)."""
        return rate * self.try_rate(rate)["excess"]

    def best(self, aim: str) -> dict[str, Any]:
        """Give the rate that serves an aim best, found by trying, and the formula's with what is measured there."""
        found = minimize_scalar(
            lambda rate: -self.try_rate(float(rate))[aim],
            bounds=(self._config.base_rate, _HIGHEST),
            method="bounded",
            options={"xatol": 1e-4},
        )
        rate = round(float(found.x), 6)
        there = self.try_rate(rate)
        weight = there["weight"] if aim == WELFARE else 0.0
        return {
            "aim": aim,
            "rate": rate,
            "pareto": there["pareto"],
            "weight": weight,
            "formula": top_tax_rate(there["pareto"], self._config.elasticity, min(weight, 1.0)),
            "revenue_gain": there[REVENUE] / self.try_rate(self._config.base_rate)[REVENUE] - 1.0,
        }

    def _play(self, rate: float) -> dict[str, float]:
        config, threshold = self._config, self._config.threshold
        rules = LabourRules(
            preferences=QuasiLinearPreferences(elasticity=config.elasticity),
            tax=BracketTax([threshold], [config.base_rate, rate]),
        )
        economy = ColumnarLabourEconomy(self._skills, rules, rng=0, aversion=config.aversion)
        period = economy.run(1).iloc[0]
        households = economy.household_rows
        incomes = households["income_cents"].to_numpy() / 100.0
        above = np.maximum(incomes - threshold, 0.0)
        excess = float(above.sum())
        worth = households["utility"].to_numpy() ** -config.aversion
        return {
            REVENUE: float(period["tax_cents"]),
            WELFARE: float(period["atkinson"]),
            "excess": excess,
            # At the highest rates nobody may be left above.
            "pareto": pareto_parameter(incomes, threshold) if excess > 0.0 else math.nan,
            "weight": float((worth * above).sum() / (worth.mean() * excess)) if excess > 0.0 else math.nan,
        }


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give the rates that were found against the law's formula, and each against that of its own population.

    The richest of a thick tail are seldom drawn, which leaves the measured a somewhat above the law's, and rates up to
    a point below: that, and four standard errors, is the tolerance. The formula of a population's own a and g leaves
    no such room.
    """
    optima = tables["optima"].merge(tables["cells"][["cell", "pareto", "elasticity", "base_rate"]], on="cell")
    optima = optima.rename(columns={"pareto_x": "measured", "pareto_y": "pareto"})
    found = []
    most = optima[optima["aim"] == REVENUE]
    for _, rows in most.groupby(["pareto", "elasticity"]):
        pareto, elasticity = (float(rows[name].iloc[0]) for name in ("pareto", "elasticity"))
        expected = top_tax_rate(pareto, elasticity)
        error = float(rows["rate"].std(ddof=1)) / math.sqrt(len(rows)) if len(rows) > 1 else 0.02
        statement = f"top rate that raises most, a = {pareto:g}, e = {elasticity:g}"
        found.append(
            Anchor(statement, expected, float(rows["rate"].mean()), 0.01 + 4.0 * error, "Diamond and Saez 2011")
        )
    for aim, statement in ((REVENUE, "raises most"), (WELFARE, "does most good")):
        # At the lowest rate that is tried, the best may lie below it.
        inside = optima[(optima["aim"] == aim) & (optima["rate"] > optima["base_rate"] + 0.01)]
        if len(inside):
            gap = float((inside["rate"] - inside["formula"]).abs().max())
            statement = f"rate that {statement}, from its own population's formula, at most"
            found.append(Anchor(statement, 0.0, gap, _NEAR, "Saez 2001"))
    return found


def config_of(row: "pd.Series[Any]") -> Config:
    """Give the configuration that a row of cells holds."""
    values = {name: row[name] for name in Config.__dataclass_fields__}
    return Config(**{name: value.item() if hasattr(value, "item") else value for name, value in values.items()})


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.optimal_top_rate import figures

    return figures(tables)


EXPERIMENT: Experiment[Config] = Experiment(
    name="optimal-top-rate",
    title="The optimal top tax rate",
    question=(
        "Which rate on top incomes raises most, and which does most good, if households work less the more is taken? "
        "A government that only tries rates, against the formula."
    ),
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
