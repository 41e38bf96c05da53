"""Figures of `walras.simulations.experiments.prices_against_quantities`."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from walras.agents.pollution import Damage, Industry, Instrument, best_cap, best_collar, best_tax, expected_loss
from walras.simulations.experiments.experiment import Tables
from walras.simulations.experiments.prices_against_quantities import (
    ARRAYS,
    CAP,
    COLLAR,
    INSTRUMENTS,
    TAX,
    Config,
    config_of,
    industry_of,
    loss_unit,
)
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["figures"]

_COLOURS = {TAX: PALETTE[1], CAP: PALETTE[0], COLLAR: PALETTE[2]}
_MARKERS = {TAX: "s", CAP: "o", COLLAR: "D"}
_BEST: Mapping[str, Callable[[Industry, Damage], Instrument]] = {TAX: best_tax, CAP: best_cap, COLLAR: best_collar}


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `losses` against the ratio of slopes, and `outcomes`: prices and emissions under each instrument."""
    cells = tables["cells"]
    config = config_of(cells.iloc[0])
    losses = tables["losses"].merge(cells[["cell", "slope_ratio"]], on="cell")
    # The columnar engine's: many more draws than the agents play, and the same outcome on the same shocks.
    losses = losses[losses["engine"] == ARRAYS].assign(
        loss=losses["loss"] / loss_unit(config), less_than_cap=losses["less_than_cap"] / loss_unit(config)
    )
    return {"losses": _loss_figure(losses, config), "outcomes": _outcome_figure(tables, config)}


def _loss_figure(losses: pd.DataFrame, config: Config) -> Figure:
    figure, (left, right) = panels(2, height=4.2)
    ratios = np.linspace(0.12, 1.05 * float(losses["slope_ratio"].max()), 80)
    industry, unit = industry_of(config), loss_unit(config)
    for name in INSTRUMENTS:
        damages = [Damage(slope=ratio * industry.slope) for ratio in ratios]
        theory = [expected_loss(industry, damage, _BEST[name](industry, damage)) / unit for damage in damages]
        left.plot(ratios, theory, color=_COLOURS[name], linewidth=1.4, label=f"{name}, theory")
        _points(left, losses[losses["instrument"] == name], "loss", name)
    left.set_ylim(bottom=0.0)
    left.set_ylabel("expected welfare loss against the first best\n(in units of $\\sigma^2 / 2C''$)")
    left.set_title("A tax, a cap, and both at once")
    left.set_ylim(0.0, 1.12 * left.get_ylim()[1])
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    right.axhline(0.0, color="black", linewidth=0.8)
    right.plot(ratios, 1.0 - ratios, color=_COLOURS[TAX], linewidth=1.4, label="Weitzman's $\\Delta$")
    _points(right, losses[losses["instrument"] == TAX], "less_than_cap", TAX)
    right.axvline(1.0, color=PALETTE[5], linewidth=0.8, linestyle="--")
    right.text(0.95, 0.52, "prices\nlose less", ha="right", color=PALETTE[5], fontsize=9)
    right.text(1.06, -0.9, "quantities\nlose less", ha="left", va="top", color=PALETTE[5], fontsize=9)
    right.set_ylabel("what the tax loses less than the cap\n(same units)")
    right.set_title("Equal slopes: the instruments are equally good")
    right.legend(frameon=False, fontsize=8)
    figure.supxlabel(
        "slope of marginal damage over slope of marginal abatement cost, $|B''| / C''$", fontsize=10, x=0.52
    )
    return figure


def _points(axis: Axes, rows: pd.DataFrame, column: str, name: str) -> None:
    grouped = rows.groupby("slope_ratio")[column]
    mean, count = grouped.mean(), grouped.count()
    students_t = stats.t.ppf(0.975, np.maximum(count.to_numpy() - 1, 1))
    error = students_t * grouped.std(ddof=1).fillna(0.0).to_numpy() / np.sqrt(count.to_numpy())
    axis.errorbar(
        mean.index,
        mean,
        yerr=error,
        fmt=_MARKERS[name],
        color=_COLOURS[name],
        markersize=4.5,
        capsize=2.5,
        linewidth=1.0,
        label=f"{name}, simulated (95 %)",
    )


def _outcome_figure(tables: Tables, config: Config) -> Figure:
    figure, axes = panels(2, height=4.0)
    cells = tables["cells"]
    ratio = float(cells["slope_ratio"].iloc[(cells["slope_ratio"] - 1.0).abs().argmin()])
    kept = cells.loc[cells["slope_ratio"] == ratio, "cell"]
    periods = tables["periods"][tables["periods"]["cell"].isin(kept)]
    industry = industry_of(config)
    deviation = float(np.sqrt(industry.shock_variance))
    target = best_cap(industry, Damage(slope=ratio * industry.slope)).permits
    price = industry.intercept - industry.slope * target
    for axis, column, centre, text in (
        (axes[0], "price", price, "price of emissions (money per unit)"),
        (axes[1], "emissions", target, "emissions (units per period)"),
    ):
        edges = centre + deviation * np.linspace(-3.5, 3.5, 44)  # one bin in the middle
        for name in INSTRUMENTS:
            values = periods.loc[periods["instrument"] == name, column]
            shares = 100.0 * np.histogram(values, edges)[0] / len(values)
            axis.stairs(shares, edges, color=_COLOURS[name], linewidth=1.8, label=name, fill=False)
            axis.stairs(shares, edges, color=_COLOURS[name], fill=True, alpha=0.15)
        scores = np.linspace(-3.5, 3.5, 141)
        normal = 100.0 * (7.0 / 43.0) * np.exp(-0.5 * scores**2) / np.sqrt(2.0 * np.pi)
        axis.plot(
            centre + deviation * scores,
            normal,
            color="black",
            linewidth=1.0,
            linestyle="--",
            label="theory, where it moves",
        )
        axis.set_xlabel(text)
        axis.set_ylabel("share of periods (%)")
        axis.set_yscale("symlog", linthresh=10.0)
        axis.set_yticks([0, 5, 10, 20, 50, 100], ["0", "5", "10", "20", "50", "100"])
        axis.set_ylim(0.0, 115.0)
    axes[0].set_title("The tax holds the price, the cap lets it move")
    axes[1].set_title("The cap holds emissions, the tax lets them move")
    axes[1].legend(frameon=False, title=f"$|B''| / C'' = {ratio:g}$")
    return figure
