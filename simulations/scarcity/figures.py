"""Figures of the scarcity study, from stored tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from walras.simulations.experiments.experiment import Tables
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["scarcity_figures"]

_PANELS = (("total", "total"), ("composition", "composition: the cut by itself"), ("reallocation", "reallocation"))
_SERIES = (
    ("gradient x input", "in order", "value: gradient x input", PALETTE[0], "o"),
    ("surprisal", "in order", "value: surprisal", PALETTE[2], "s"),
    ("random", "in order", "control: random values", PALETTE[5], "D"),
    ("gradient x input", "shuffled", "control: shuffled layers", PALETTE[1], "^"),
)


def scarcity_figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `shift`: change of the share of the tokens worth most, by cut; and `concentration`, how it spreads."""
    return {"shift": _shift(tables), "concentration": _concentration(tables)}


def _shift(tables: Tables) -> Figure:
    shifts = tables["shifts"]
    shifts = shifts[shifts["tokens"] == "ordinary"]
    by_text = shifts.groupby(["layers", "cut", "level", "value", "part", "text"], sort=False)["top_share"].mean()
    table = by_text.groupby(level=[0, 1, 2, 3, 4], sort=False).agg(["mean", "sem"]).reset_index()
    cuts = list(dict.fromkeys(zip(table["cut"], table["level"], strict=True)))
    figure, axes = panels(3, width=12.0, height=1.6 + 0.34 * len(cuts))
    for axis, (part, title) in zip(axes, _PANELS, strict=True):
        axis.axvline(0.0, color="black", linewidth=0.8)
        for number, (value, layers, label, colour, marker) in enumerate(_SERIES):
            rows = table[(table["part"] == part) & (table["value"] == value) & (table["layers"] == layers)]
            if rows.empty:
                continue
            places = [cuts.index(pair) + 0.18 * (number - 1.5) for pair in zip(rows["cut"], rows["level"], strict=True)]
            axis.errorbar(
                100.0 * rows["mean"],
                places,
                xerr=196.0 * rows["sem"],
                fmt=marker,
                color=colour,
                markersize=4,
                elinewidth=1.1,
                label=label,
            )
        _name_cuts(axis, cuts, named=axis is axes[0])
        axis.set_title(title, fontsize=10)
    axes[1].set_xlabel("change of the share of attention that the tokens highest in value receive (percentage points)")
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=9, ncols=4, loc="outside upper center")
    return figure


def _concentration(tables: Tables) -> Figure:
    rows = tables["concentration"]
    rows = rows[(rows["tokens"] == "ordinary") & (rows["layers"] == "in order")]
    losses = tables["losses"].groupby(["cut", "level"], sort=False)[["loss_whole", "loss_cut"]].mean()
    means = rows.groupby(["cut", "level"], sort=False).mean(numeric_only=True)
    cuts = list(means.index)
    figure, axes = panels(3, width=12.0, height=1.6 + 0.26 * len(cuts))
    places = np.arange(len(cuts))
    axes[0].barh(places, 100.0 * means["moved"], color=PALETTE[5], label="in total")
    axes[0].barh(places, 100.0 * means["moved_by_reallocation"], height=0.35, color=PALETTE[0], label="by reallocation")
    axes[0].set_xlabel("attention that changes its token (%)")
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].scatter(means["gini_whole"], places, color=PALETTE[5], marker="|", s=90, label="whole model")
    axes[1].scatter(means["gini_cut"], places, color=PALETTE[0], s=24, label="cut")
    axes[1].set_xlabel("Gini of attention over tokens")
    axes[1].legend(frameon=False, fontsize=8)
    ratio = (losses["loss_cut"] / losses["loss_whole"]).reindex(pd.MultiIndex.from_tuples(cuts))
    axes[2].barh(places, 100.0 * (ratio - 1.0), color=PALETTE[1])
    axes[2].set_xlabel("rise of the loss (%)")
    for axis in axes:
        _name_cuts(axis, cuts, named=axis is axes[0])
    return figure


def _name_cuts(axis: Axes, cuts: list[tuple[str, float]], *, named: bool) -> None:
    axis.set_yticks(range(len(cuts)), [f"{cut}, {level:g}" for cut, level in cuts] if named else [])
    axis.set_ylim(len(cuts) - 0.4, -0.6)
