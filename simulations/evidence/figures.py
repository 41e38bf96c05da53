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
from walras.simulations.evidence.methods import DENSE, POST_HOC
from walras.simulations.evidence.table import frontier_summary
from walras.simulations.experiments.experiment import Tables
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["frontier_figures", "method_styles"]

_MARKERS = "osD^vPX<>*"
_NEAR = (0.9, 1.03)  # of the dense score: where the better methods are told apart
_FAR = 10.0  # times the dense perplexity, which nobody calls near


def frontier_figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `frontier`: score against the FLOPs of real tokens, a line per method, with 95 % intervals over seeds.

    Two panels for each task: all of it, and the scores near the dense model's. Perplexities soon are multiples of it:
    they are shown as far as the best method's at each budget, and an interval of theirs that reaches 0 is left out.
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
        near.set_ylim(*_near(frontier_summary(rows), reference, ratios=lower))
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
    lower = metric in LOWER_IS_BETTER
    styles = method_styles([method for method in summary["method"].unique() if method != DENSE])
    for method, style in styles.items():
        line = summary[summary["method"] == method].sort_values("real_flops_ratio")
        half_width = line["half_width"].fillna(0.0)
        if lower:  # on a logarithmic axis it would have no end
            half_width = half_width.where(half_width < line["score"], 0.0)
        axis.errorbar(line["real_flops_ratio"], line["score"], yerr=half_width, label=method, **style)
    axis.set_xlim(0.0, 1.05)
    axis.set_xlabel("FLOPs of real tokens, fraction of dense")
    axis.set_ylabel(f"{metric} (lower is better)" if lower else metric)
    if lower:
        axis.set_yscale("log")  # what is kept of the dense score is a ratio
        axis.yaxis.set_major_formatter(LogFormatter())
        axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2.0, 0.5)))
    return reference


def _range(means: Sequence[float], *, ratios: bool) -> tuple[float, float]:
    """Give the range of finite means with some room around it; intervals may be far longer."""
    finite = [mean for mean in means if np.isfinite(mean)]
    values = np.log(finite) if ratios else np.array(finite)
    room = 0.08 * (values.max() - values.min()) + 1e-3
    lowest, highest = values.min() - room, values.max() + room
    return (float(np.exp(lowest)), float(np.exp(highest))) if ratios else (float(lowest), float(highest))


def _near(summary: pd.DataFrame, reference: float, *, ratios: bool) -> tuple[float, float]:
    """Give the range of scores near the dense one."""
    worst, best = _NEAR
    if not ratios:
        return reference * worst, reference * best
    bests = summary.groupby("budget")["score"].min()
    return reference / best, max([reference / worst, *(1.05 * bests[bests < _FAR * reference])])


def method_styles(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give the line and marker of each method of a figure, in the order in which they are drawn: ours stand out.

    Pruning without training looks as the method it is of, with hollow markers.
    """
    ours_first = sorted(set(methods) & set(OURS))
    others = list(dict.fromkeys(method.removesuffix(POST_HOC) for method in methods if method not in OURS))
    theirs = sorted((method for method in methods if method not in OURS), key=lambda method: method.endswith(POST_HOC))
    styles = {}
    for method in [*ours_first, *theirs]:
        ours, base = method in OURS, method.removesuffix(POST_HOC)
        number = ours_first.index(method) if ours else len(ours_first) + others.index(base)
        styles[method] = {
            "marker": _MARKERS[number % len(_MARKERS)],
            "color": PALETTE[OURS.index(method)] if ours else colormaps["tab10"](others.index(base) % 10),
            "markerfacecolor": "white" if method != base else None,
            "linestyle": "-" if ours else ":",
            "linewidth": 2.2 if ours else 1.2,
            "zorder": 3 if ours else 2,
            "markersize": 5,
            "capsize": 2,
            "elinewidth": 0.8,
        }
    return styles
