"""Figures of `walras.simulations.experiments.optimal_top_rate`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from walras.agents.labour import top_bracket_objective
from walras.market.taxation import top_tax_rate
from walras.simulations.experiments.experiment import Tables
from walras.simulations.experiments.optimal_top_rate import REVENUE, WELFARE, Config, config_of
from walras.simulations.plot_style import PALETTE, half_width_95, panels

__all__ = ["figures"]

_MARKERS = {REVENUE: "o", WELFARE: "s"}
_AIMS = {REVENUE: "raises most", WELFARE: "does most good"}


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `rates`: revenue and welfare against the top rate, and the best rates against the formula."""
    cells = tables["cells"]
    config = config_of(cells.iloc[0])
    keys = cells[["cell", "pareto", "elasticity"]]
    curve = tables["curve"].merge(keys, on="cell")
    optima = tables["optima"].rename(columns={"pareto": "measured"}).merge(keys, on="cell")
    elasticities = sorted(cells["elasticity"].unique().tolist())
    colours = {elasticity: PALETTE[number % len(PALETTE)] for number, elasticity in enumerate(elasticities)}

    figure, (left, middle, right) = panels(3, width=14.0, height=4.6)
    shown = curve[curve["pareto"] == config.pareto]
    best = optima[optima["pareto"] == config.pareto]
    _revenue(left, shown, best, config.pareto, colours)
    _welfare(middle, shown, best, config, colours)
    _formula(right, optima, colours)
    return {"rates": figure}


def _revenue(
    axis: Axes, curve: pd.DataFrame, optima: pd.DataFrame, pareto: float, colours: Mapping[float, str]
) -> None:
    rates = np.linspace(0.0, 1.0, 400)
    for elasticity, colour in colours.items():
        rows = curve[curve["elasticity"] == elasticity]
        if rows.empty:
            continue
        values = np.array([top_bracket_objective(rate, pareto, elasticity) for rate in rates.tolist()])
        axis.plot(100.0 * rates, 100.0 * values / values.max(), color=colour, linewidth=1.4)
        grouped = rows.groupby("tax_rate")["revenue"]
        mean = 100.0 * grouped.mean()
        axis.errorbar(
            100.0 * mean.index.to_numpy(),
            mean,
            yerr=100.0 * half_width_95(grouped),
            fmt="o",
            color=colour,
            markersize=3.5,
            linewidth=1.0,
            label=f"$e$ = {elasticity:g}",
        )
        found = 100.0 * optima[(optima["elasticity"] == elasticity) & (optima["aim"] == REVENUE)]["rate"].mean()
        axis.plot([found, found], [0.0, 100.0], color=colour, linewidth=0.9, linestyle=":")
        axis.annotate(
            f"{found:.1f} %",
            (found, 100.0),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=colour,
        )
    axis.set_xlim(0.0, 100.0)
    axis.set_ylim(0.0, 112.0)
    axis.set_xlabel("tax rate on incomes above the threshold (%)")
    axis.set_ylabel("what the top rate brings (% of its most)")
    axis.set_title(f"Pareto tail of $a$ = {pareto:g}: the rate that raises most")
    legend = axis.legend(
        fontsize=8, loc="lower center", title="points: households,\nlines: $t\\,(1-t)^{ae}$", title_fontsize=8
    )
    legend.get_frame().set(facecolor="white", edgecolor="none", alpha=1.0)


def _welfare(
    axis: Axes, curve: pd.DataFrame, optima: pd.DataFrame, config: Config, colours: Mapping[float, str]
) -> None:
    for elasticity, colour in colours.items():
        rows = curve[curve["elasticity"] == elasticity]
        if rows.empty:
            continue
        base = (
            rows.assign(away=(rows["tax_rate"] - config.base_rate).abs())
            .sort_values("away")
            .groupby("cell")["welfare"]
            .first()
        )
        gain = rows.assign(gain=100.0 * (rows["welfare"] / rows["cell"].map(base) - 1.0))
        grouped = gain[gain["tax_rate"] >= config.base_rate - 1e-9].groupby("tax_rate")["gain"]
        mean = grouped.mean()
        axis.plot(100.0 * mean.index.to_numpy(), mean, color=colour, linewidth=1.4, label=f"$e$ = {elasticity:g}")
        error = half_width_95(grouped)
        axis.fill_between(
            100.0 * mean.index.to_numpy(), mean - error, mean + error, color=colour, alpha=0.2, linewidth=0
        )
        found = float(optima[(optima["elasticity"] == elasticity) & (optima["aim"] == WELFARE)]["rate"].mean())
        height = float(np.interp(found, mean.index.to_numpy(), mean.to_numpy()))
        axis.plot(100.0 * found, height, "s", color=colour, markersize=5)
        axis.annotate(
            f"{100.0 * found:.1f} %",
            (100.0 * found, height),
            xytext=(4, 7),
            textcoords="offset points",
            ha="left",
            fontsize=9,
            color=colour,
        )
    axis.axhline(0.0, color="black", linewidth=0.8)
    axis.margins(y=0.12)
    axis.set_xlabel("tax rate on incomes above the threshold (%)")
    axis.set_ylabel(f"social welfare against one rate of {100 * config.base_rate:.0f} % (%)")
    axis.set_title(f"The rate that does most good, aversion {config.aversion:g}")
    axis.legend(frameon=False, fontsize=8, loc="lower left")


def _formula(axis: Axes, optima: pd.DataFrame, colours: Mapping[float, str]) -> None:
    strength = optima["measured"] * optima["elasticity"] / (1.0 - optima["weight"].clip(upper=0.99))
    ends = 0.7 * float(strength.min()), 1.9 * float(strength.max())
    grid = np.geomspace(*ends, 200)
    axis.plot(grid, 100.0 / (1.0 + grid), color="black", linewidth=1.4, label="formula, $(1-g) / (1-g+ae)$")
    for aim, marker in _MARKERS.items():
        chosen = optima["aim"] == aim
        axis.scatter(
            strength[chosen],
            100.0 * optima.loc[chosen, "rate"],
            marker=marker,
            s=26,
            facecolors=["none" if aim == WELFARE else colours[value] for value in optima.loc[chosen, "elasticity"]],
            edgecolors=[colours[value] for value in optima.loc[chosen, "elasticity"]],
            linewidths=1.0,
            zorder=3,
        )
        axis.plot(
            [],
            [],
            marker,
            color="black",
            markerfacecolor="none" if aim == WELFARE else "black",
            label=f"found by trying: {_AIMS[aim]}",
        )
    for pareto, elasticity in optima[["pareto", "elasticity"]].drop_duplicates().to_numpy(dtype=np.float64).tolist():
        rate = 100.0 * top_tax_rate(pareto, elasticity)
        place = (pareto * elasticity, rate)
        axis.plot(*place, "+", color="black", markersize=11, markeredgewidth=1.2, zorder=4)
        axis.annotate(
            f"$a$ = {pareto:g}, $e$ = {elasticity:g}: {rate:.1f} %",
            place,
            xytext=(9, 5),
            textcoords="offset points",
            fontsize=8,
        )
    axis.plot([], [], "+", color="black", markersize=10, label="of the law, $1 / (1 + ae)$")
    axis.set_xscale("log", base=2)
    ticks = [tick for tick in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0) if ends[0] <= tick <= ends[1]]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_ylim(0.0, 100.0)
    axis.set_xlabel("$a\\,e / (1 - g)$, as measured in each population")
    axis.set_ylabel("best tax rate on top incomes (%)")
    axis.set_title("Trying rates finds the formula")
    axis.legend(frameon=False, fontsize=8, loc="lower left")
