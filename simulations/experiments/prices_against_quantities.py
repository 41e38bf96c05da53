"""Prices against quantities: which instrument loses less when the regulator does not know what abatement costs.

Firms' marginal benefit of emissions, which is their marginal cost of abatement, has the slope b for the industry and a
shock of variance s^2 that the regulator does not see; marginal damage has the slope D''. The best tax loses less than
the best cap by Weitzman's

    Delta = s^2 (b - D'') / (2 b^2),

so that the ratio `r = D'' / b` decides: below 1 prices, above 1 quantities. A collar, which is both, loses less than
either. In units of `s^2 / (2 b)` the expected losses are `1 / (1 + r)` under the cap and `r^2 / (1 + r)` under the tax.

The firms are those of `walras.agents.pollution`: in each period they learn their shocks, bid for permits or pay the
tax, and settle in cents. The columnar engine adds many more draws of the same firms.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.random import Generator

from walras.agents.pollution import (
    Damage,
    Industry,
    Instrument,
    NoRegulation,
    PollutionEconomy,
    best_cap,
    best_collar,
    best_tax,
    expected_loss,
    pollution_outcomes,
    price_advantage,
)
from walras.market.errors import InvalidInputError
from walras.market.validation import nonnegative_number, positive_number, whole_number
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "INSTRUMENTS", "Config", "config_of", "industry_of", "instruments_of", "loss_unit"]

NONE, TAX, CAP, COLLAR = "no regulation", "tax", "cap", "collar"
INSTRUMENTS = (TAX, CAP, COLLAR)
AGENTS, ARRAYS = "agents", "arrays"


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """The industry and what is done with it.

    Parameters
    ----------
    slope_ratio
        r, the slope of marginal damage over that of the industry's marginal benefit, in [0, 3].
    firms
        Number of firms, 1 or more. They differ: slopes by up to a factor of 3, intercepts by up to 10 per cent.
    intercept
        Of the industry's expected marginal benefit (money per unit), above 0.
    common_deviation, own_deviation
        Standard deviations of the shock that firms share and of their own (money per unit), 0 or more. Theory holds
        while all firms emit: intercept / 4 must be at least four deviations of a firm's shock.
    periods
        That the economy of agents plays under each instrument, 2 or more.
    draws
        Periods that the columnar engine adds, 2 or more.
    """

    slope_ratio: float = 1.0
    firms: int = 20
    intercept: float = 100.0
    common_deviation: float = 3.0
    own_deviation: float = 3.0
    periods: int = 150
    draws: int = 10_000

    def __post_init__(self) -> None:
        nonnegative_number("Config.slope_ratio", self.slope_ratio)
        positive_number("Config.intercept", self.intercept)
        for name, least in (("firms", 1), ("periods", 2), ("draws", 2)):
            whole_number(f"Config.{name}", getattr(self, name), minimum=least)
        for name in ("common_deviation", "own_deviation"):
            nonnegative_number(f"Config.{name}", getattr(self, name))
        if self.slope_ratio > 3.0:
            raise InvalidInputError(
                f"Config.slope_ratio must be at most 3, or firms stop emitting; got {self.slope_ratio}."
            )
        deviation = math.hypot(self.common_deviation, self.own_deviation)
        if not 0.0 < deviation <= self.intercept / 16.0:
            raise InvalidInputError(
                f"Config: shocks must have a deviation above 0 and at most intercept / 16 = {self.intercept / 16.0:g} "
                f"(else firms stop emitting), got {deviation:g}."
            )


def industry_of(config: Config) -> Industry:
    """Give the firms of a configuration: always the same, with an industry's slope of 1."""
    spread = (np.arange(config.firms) + 0.5) / config.firms - 0.5  # from -1/2 to 1/2
    slopes = config.firms * 3.0**spread
    slopes *= (1.0 / slopes).sum()  # 1 / b = sum of 1 / b_i = 1
    # Intercepts in another order than slopes: steps by the golden section scatter them.
    scattered = np.mod(0.5 + 0.618034 * np.arange(config.firms), 1.0) - 0.5
    return Industry(
        intercepts=config.intercept * (1.0 + 0.1 * scattered),
        slopes=slopes,
        common_deviation=config.common_deviation,
        own_deviation=config.own_deviation,
    )


def instruments_of(industry: Industry, damage: Damage) -> Mapping[str, Instrument]:
    """Give no regulation and the best of each instrument, by name."""
    return {
        NONE: NoRegulation(),
        TAX: best_tax(industry, damage),
        CAP: best_cap(industry, damage),
        COLLAR: best_collar(industry, damage),
    }


def loss_unit(config: Config) -> float:
    """Give `s^2 / (2 b)` (money per period), the unit in which losses depend on the ratio of slopes alone."""
    industry = industry_of(config)
    return industry.shock_variance / (2.0 * industry.slope)


def run(config: Config, rng: Generator) -> Tables:
    """Give `periods` (of the economy, a row per instrument and period) and `losses` (means, by instrument and engine).

    All instruments meet the same shocks.
    """
    industry = industry_of(config)
    damage = Damage(slope=config.slope_ratio * industry.slope)
    instruments = instruments_of(industry, damage)
    seed = int(rng.integers(2**63))
    periods = pd.concat(
        [
            PollutionEconomy(industry, damage, instrument, rng=seed, wealth_cents=10_000)
            .run(config.periods)
            .assign(instrument=name)
            for name, instrument in instruments.items()
        ],
        ignore_index=True,
    )
    shocks = industry.shocks(config.draws, rng)
    losses = {(AGENTS, name): rows["loss"].to_numpy() for name, rows in periods.groupby("instrument", sort=False)}
    for name, instrument in instruments.items():
        losses[ARRAYS, name] = pollution_outcomes(industry, damage, instrument, shocks).losses
    kept = ["instrument", "period", "price", "emissions", "abatement_cost", "damage", "welfare", "loss", "total_cents"]
    rows = [
        {
            "engine": engine,
            "instrument": str(name),
            "loss": float(each.mean()),
            "less_than_cap": float((losses[engine, CAP] - each).mean()),
            "theory": expected_loss(industry, damage, instruments[str(name)]),
        }
        for (engine, name), each in losses.items()
    ]
    return {"periods": periods[kept], "losses": pd.DataFrame(rows)}


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give Weitzman's difference and the losses at each ratio of slopes, within four standard errors of the cells."""
    losses = tables["losses"].merge(tables["cells"], on=["cell", "replication"])
    arrays, found = losses[losses["engine"] == ARRAYS], []
    for ratio, rows in arrays.groupby("slope_ratio"):
        config = config_of(rows.iloc[0])
        variance, slope = industry_of(config).shock_variance, industry_of(config).slope
        delta = price_advantage(variance, config.slope_ratio * slope, slope)
        taxed = rows[rows["instrument"] == TAX]["less_than_cap"]
        found.append(_mean_anchor(f"Delta, tax against cap, r = {ratio:g}", delta, taxed, "Weitzman 1974"))
        for name in INSTRUMENTS:
            each = rows[rows["instrument"] == name]
            found.append(
                _mean_anchor(
                    f"loss under the {name}, r = {ratio:g}",
                    float(each["theory"].iloc[0]),
                    each["loss"],
                    "Roberts and Spence 1976" if name == COLLAR else "Weitzman 1974",
                )
            )
    found.extend(_indifference(arrays[arrays["instrument"] == TAX]))
    means = losses.groupby(["slope_ratio", "instrument"])["loss"].mean().unstack()
    better = (means[COLLAR] < means[[TAX, CAP]].min(axis=1)) | (means.index == 0.0)
    found.append(
        Anchor(
            "share of ratios at which the collar loses least", 1.0, float(better.mean()), 0.0, "Roberts and Spence 1976"
        )
    )
    money = tables["periods"].groupby(["cell", "instrument"])["total_cents"].nunique()
    found.append(Anchor("most totals of money in an economy", 1.0, float(money.max()), 0.0, "closed form"))
    return found


def _indifference(taxed: pd.DataFrame) -> list[Anchor]:
    """Where the straight line through the measured differences crosses 0; Delta is linear in r."""
    measured = taxed.groupby("slope_ratio")["less_than_cap"].mean()
    if len(measured) < 2:
        return []
    slope, intercept = np.polyfit(measured.index.to_numpy(), measured.to_numpy(), 1)
    return [Anchor("ratio r at which both lose the same", 1.0, float(-intercept / slope), 1e-3, "Weitzman 1974")]


def _mean_anchor(statement: str, expected: float, cells: "pd.Series[float]", source: str) -> Anchor:
    """Compare a mean over cells, within four of its standard errors (from their spread; a per mille with one cell)."""
    error = float(cells.std(ddof=1)) / math.sqrt(len(cells)) if len(cells) > 1 else 0.0
    return Anchor(statement, expected, float(cells.mean()), max(4.0 * error, 1e-3 * abs(expected), 1e-9), source)


def config_of(row: "pd.Series[Any]") -> Config:
    """Give the configuration that a row of cells holds."""
    return Config(**{name: row[name] for name in Config.__dataclass_fields__})


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.prices_against_quantities import figures

    return figures(tables)


EXPERIMENT = Experiment(
    name="prices-against-quantities",
    title="Prices against quantities",
    question=(
        "Should a regulator who does not know what abatement costs set a price of emissions, a quantity, or both; and "
        "how much does the better instrument save?"
    ),
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
