"""Figures of a frontier."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from walras.llm.tasks import LOWER_IS_BETTER
from walras.simulations.evidence.config import OURS
from walras.simulations.evidence.methods import DENSE
from walras.simulations.evidence.table import frontier_summary
from walras.simulations.experiments.experiment import Tables
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["frontier_figures", "method_styles"]

_MARKERS = "osD^vPX<>*"
_NEAR = (0.9, 1.03)  # of the dense score: where the better methods are told apart


def frontier_figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `frontier`: score against the FLOPs of real tokens, a line per method, with 95 % intervals over seeds.

    Two panels for each task: all of it, and the scores near the dense model's.
    """
    scores = tables["scores"]
    figure, axes = panels(2 * scores["task"].nunique(), width=12.0, height=4.6)
    handles: list[Any] = []
    labels: list[Any] = []
    for number, (task, rows) in enumerate(scores.groupby("task", sort=False)):
        whole, near = axes[2 * number : 2 * number + 2]
        metric = str(rows["metric"].iloc[0])
        reference = _lines(whole, rows, metric)
        _lines(near, rows, metric)
        lower = metric in LOWER_IS_BETTER
        near.set_ylim(*sorted(reference / share if lower else reference * share for share in _NEAR))
        whole.set_ylim(*_range([*frontier_summary(rows)["score"], reference], ratios=lower))
        whole.set_title(str(task))
        near.set_title(f"{task}, near the dense model")
        handles, labels = whole.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return {"frontier": figure}


def _lines(axis: Axes, rows: pd.DataFrame, metric: str) -> float:
    """Draw all methods, and give the dense score."""
    summary = frontier_summary(rows)
    dense = summary[summary["method"] == DENSE]
    reference = float(dense["score"].iloc[0] if len(dense) else rows["dense_score"].mean())
    label = "dense, as many steps" if len(dense) else "dense"
    axis.axhline(reference, color="black", linewidth=1.0, linestyle="--", label=label)
    styles = method_styles([method for method in summary["method"].unique() if method != DENSE])
    for method, style in styles.items():
        line = summary[summary["method"] == method].sort_values("real_flops_ratio")
        axis.errorbar(
            line["real_flops_ratio"], line["score"], yerr=line["half_width"].fillna(0.0), label=method, **style
        )
    axis.set_xlim(0.0, 1.05)
    axis.set_xlabel("FLOPs of real tokens, fraction of dense")
    lower = metric in LOWER_IS_BETTER
    axis.set_ylabel(f"{metric} (lower is better)" if lower else metric)
    if lower:
        axis.set_yscale("log")  # what is kept of the dense score is a ratio
        axis.yaxis.set_major_formatter(LogFormatter())
        axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2.0, 0.5)))
    return reference


def _range(means: Sequence[float], *, ratios: bool) -> tuple[float, float]:
    """Give the range of means with some room around it; intervals may be far longer."""
    values = np.log(means) if ratios else np.array(means)
    room = 0.08 * (values.max() - values.min()) + 1e-3
    lowest, highest = values.min() - room, values.max() + room
    return (float(np.exp(lowest)), float(np.exp(highest))) if ratios else (float(lowest), float(highest))


def method_styles(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give the line and marker of each method of a figure, in the order in which they are drawn: ours stand out."""
    others = [method for method in methods if method not in OURS]
    styles = {}
    for number, method in enumerate([*sorted(set(methods) & set(OURS)), *others]):
        ours = method in OURS
        styles[method] = {
            "marker": _MARKERS[number % len(_MARKERS)],
            "color": PALETTE[OURS.index(method)] if ours else colormaps["tab10"](others.index(method) % 10),
            "linestyle": "-" if ours else ":",
            "linewidth": 2.2 if ours else 1.2,
            "zorder": 3 if ours else 2,
            "markersize": 5,
            "capsize": 2,
            "elinewidth": 0.8,
        }
    return styles
