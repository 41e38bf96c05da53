"""Figures of `walras.simulations.experiments.policy_gradient`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from walras.simulations.experiments.experiment import Tables
from walras.simulations.experiments.policy_gradient import FORMULA, GRADIENT, GRID
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["figures"]


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `ascent`: welfare and rates along the ascent, and the schedules found, over all populations."""
    figure, (left, middle, right) = panels(3, width=14.0, height=4.4)
    # One cell of each point is drawn, that of the first replication; anchors look at all of them.
    optima = tables["optima"]
    first = tables["cells"].iloc[0]["cell"]
    of_first = optima[optima["cell"] == first].set_index("way")
    ascent = tables["ascent"]
    shown = ascent[ascent["cell"] == first]
    _welfare(left, ascent, optima, of_first)
    _rates(middle, shown, of_first)
    _schedules(right, tables["schedules"][tables["schedules"]["cell"] == first], of_first)
    return {"ascent": figure}


def _welfare(axis: Axes, ascent: pd.DataFrame, optima: pd.DataFrame, of_first: pd.DataFrame) -> None:
    grid = optima[optima["way"] == GRID].set_index("cell")
    for number, (cell, rows) in enumerate(ascent.groupby("cell", sort=False)):
        best, untaxed = (_number(grid, cell, column) for column in ("welfare", "untaxed"))
        reached = 100.0 * (rows["welfare"] - untaxed) / (best - untaxed)
        axis.plot(
            rows["step"], reached, color=PALETTE[0], linewidth=1.2, label="gradient ascent" if not number else None
        )
    tried = int(_number(of_first, GRID, "evaluations"))
    axis.axhline(100.0, color=PALETTE[1], linewidth=1.4, label=f"best of {tried:,} schedules on the grid")
    axis.axhline(99.0, color="black", linewidth=0.8, linestyle=(0, (4, 3)), label="1 % below it")
    axis.axvline(0.1 * tried, color="grey", linewidth=0.8, linestyle=(0, (1, 2)), label="a tenth of the grid")
    axis.set_xlabel("schedules simulated")
    axis.set_ylabel("gain over no tax (% of the grid's)")
    axis.set_title("Welfare, all populations")
    axis.legend(fontsize=8, frameon=False)


def _rates(axis: Axes, ascent: pd.DataFrame, of_first: pd.DataFrame) -> None:
    for name, label, colour in (("top_rate", "top bracket", PALETTE[0]), ("first_rate", "first bracket", PALETTE[2])):
        axis.plot(ascent["step"], 100.0 * ascent[name], color=colour, label=label, linewidth=1.6)
    formula = 100.0 * _number(of_first, GRADIENT, FORMULA)
    axis.axhline(formula, color="black", linewidth=1.0, linestyle=(0, (4, 3)), label=f"Saez's formula: {formula:.1f} %")
    axis.axhspan(formula - 2.0, formula + 2.0, color="black", alpha=0.08, linewidth=0)
    axis.set_xlabel("step")
    axis.set_ylabel("marginal rate (%)")
    axis.set_ylim(0.0, 100.0)
    axis.set_title("Rates along the ascent, first population")
    axis.legend(fontsize=8, frameon=False)


def _schedules(axis: Axes, schedules: pd.DataFrame, of_first: pd.DataFrame) -> None:
    for way, colour, label in (
        (GRADIENT, PALETTE[0], f"gradient, {int(_number(of_first, GRADIENT, 'evaluations')):,} schedules"),
        (GRID, PALETTE[1], f"grid, {int(_number(of_first, GRID, 'evaluations')):,} schedules"),
    ):
        rows = schedules[schedules["way"] == way].sort_values("bracket")
        starts = rows["start"].to_numpy() / 1000.0
        edges = np.append(starts, 2.0 * starts[-1])
        axis.stairs(100.0 * rows["rate"].to_numpy(), edges, color=colour, label=label, linewidth=1.8, baseline=None)
    axis.set_xlabel("income (thousands)")
    axis.set_ylabel("marginal rate (%)")
    axis.set_ylim(0.0, 100.0)
    axis.set_title("Schedules found, first population")
    axis.legend(fontsize=8, frameon=False)


def _number(table: pd.DataFrame, row: object, column: str) -> float:
    """Entry of a table whose index has no entry twice."""
    return float(table[column].to_dict()[row])
