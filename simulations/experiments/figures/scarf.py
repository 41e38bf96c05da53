"""Figures of `walras.simulations.experiments.scarf`."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from walras.simulations.experiments.experiment import Tables
from walras.simulations.experiments.scarf import BARTER, MONEY, PROCESSES, Config, damping_rates
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["figures"]

_COLOURS = dict(zip(PROCESSES, (PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[3], PALETTE[4]), strict=True))
_LABELS = dict(
    zip(
        PROCESSES,
        (
            "auctioneer, continuous time: circles",
            "auctioneer, steps: leads outwards",
            "with foresight (extragradient)",
            "consumers own what they do not want",
            "consumers can replace goods",
        ),
        strict=True,
    )
)


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `cycle`: prices on the simplex, their distance from equilibrium, and trade without an auctioneer."""
    figure, axes = panels(3, width=14.0, height=4.6)
    first = tables["cells"].iloc[0]
    config = Config(**{name: first[name].item() for name in Config.__dataclass_fields__})
    paths = tables["paths"]
    _simplex(axes[0], paths[paths["cell"] == first["cell"]])
    _distances(axes[1], paths, damping_rates(config))
    _waste(axes[2], tables["bilateral"], config)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower left", ncols=3, fontsize=8, frameon=False)
    return {"cycle": figure}


def _simplex(axis: Axes, paths: pd.DataFrame) -> None:
    axis.plot([0.0, 1.0, 0.5, 0.0], [0.0, 0.0, math.sqrt(0.75), 0.0], color="black", linewidth=0.8)
    for process, path in paths.groupby("process", sort=False):
        x, y = path["p2"] + 0.5 * path["p3"], math.sqrt(0.75) * path["p3"]
        axis.plot(x, y, color=_COLOURS[str(process)], linewidth=2.2 if process == PROCESSES[0] else 1.0)
    centre = (0.5, math.sqrt(0.75) / 3.0)
    axis.plot(*centre, marker="+", color="black", markersize=9, zorder=5)
    start = paths[paths["process"] == PROCESSES[0]].iloc[0]
    place = (float(start["p2"] + 0.5 * start["p3"]), math.sqrt(0.75) * float(start["p3"]))
    axis.plot(*place, marker="o", color="black", markersize=4, zorder=5)
    axis.annotate("start", place, xytext=(6, 4), textcoords="offset points", fontsize=8)
    axis.text(0.0, -0.02, "only good 1\nhas a price", ha="left", va="top", fontsize=8)
    axis.text(1.0, -0.02, "only good 2\nhas a price", ha="right", va="top", fontsize=8)
    axis.text(0.5, math.sqrt(0.75) + 0.02, "only good 3 has a price", ha="center", va="bottom", fontsize=8)
    axis.set_aspect("equal")
    axis.axis("off")
    axis.set_title("Relative prices around the equilibrium (+)", y=1.03)


def _distances(axis: Axes, paths: pd.DataFrame, rates: Mapping[str, float]) -> None:
    for process in PROCESSES:
        rows = paths[paths["process"] == process].groupby("time")["distance"]
        middle, low, high = rows.mean(), rows.min(), rows.max()
        seen = middle > 1e-6
        axis.semilogy(middle.index[seen], middle[seen], color=_COLOURS[process], label=_LABELS[process], linewidth=1.6)
        axis.fill_between(middle.index[seen], low[seen], high[seen], color=_COLOURS[process], alpha=0.18, linewidth=0)
        if rates[process] != 0.0:
            times = np.linspace(0.0, float(middle.index[seen][-1]), 50)
            theory = float(middle.iloc[0]) * np.exp(-rates[process] * times)
            axis.semilogy(times, theory, color=_COLOURS[process], linestyle=(0, (1, 1.5)), linewidth=2.0)
    axis.plot(
        [], [], color="black", linestyle=(0, (1, 1.5)), linewidth=2.0, label="rate by the eigenvalue, closed form"
    )
    axis.set_ylim(1e-6, 1.0)
    axis.set_xlabel("time (price change per unit of excess demand)")
    axis.set_ylabel("distance of relative prices from equilibrium")
    axis.set_title("Cures, at the rates of the eigenvalues")


def _waste(axis: Axes, bilateral: pd.DataFrame, config: Config) -> None:
    for goods, colour in ((BARTER, PALETTE[1]), (MONEY, PALETTE[2])):
        rows = bilateral[(bilateral["goods"] == goods) & (bilateral["round"] > 0)].groupby("round")["waste"]
        mean = rows.mean()
        count = rows.count().to_numpy()
        students_t = stats.t.ppf(0.975, np.maximum(count - 1, 1))
        error = students_t * rows.std(ddof=1).fillna(0.0).to_numpy() / np.sqrt(count)
        axis.loglog(mean.index, mean, color=colour, marker=".", markersize=4)
        axis.fill_between(
            mean.index, (mean - error).clip(lower=1e-6), mean + error, color=colour, alpha=0.2, linewidth=0
        )
    axis.text(
        0.98,
        0.93,
        "three goods: soon no pair can gain",
        ha="right",
        transform=axis.transAxes,
        color=PALETTE[1],
        fontsize=9,
    )
    axis.text(
        0.04,
        0.12,
        "and a fourth good\nthat all want: efficient",
        transform=axis.transAxes,
        color=PALETTE[2],
        fontsize=9,
    )
    axis.set_ylim(1e-4, 4.0)
    axis.set_xlabel("round of bilateral trade")
    axis.set_ylabel("waste (share of the value of all goods)")
    axis.set_title(f"No auctioneer: {3 * int(config.consumers)} consumers trade two by two")
