"""A figure of what a cut does to attention, from stored tables."""

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from walras.llm.analysis.attention_measures import ORDINARY
from walras.simulations.evidence.attention_table import attention_differences
from walras.simulations.evidence.figures import method_styles
from walras.simulations.evidence.methods import DENSE
from walras.simulations.plot_style import panels

__all__ = ["attention_figures"]

_PANELS: Final = (
    (f"{ORDINARY}entropy", "entropy of attention (bits)"),
    (f"{ORDINARY}gini", "Gini of attention over tokens"),
    (f"{ORDINARY}agreement", "rank agreement with token value"),
    ("special_share", "share of special tokens"),
)


def attention_figures(attention: pd.DataFrame) -> Mapping[str, Figure]:
    """Give `attention` (or one for each task): differences from the dense model of the same seed, by budget.

    A line per method, with 95 % intervals over seeds; tokens that are not special. None without the method `dense`.
    """
    tasks = list(attention["task"].unique())
    figures = {}
    for task in tasks:
        rows = attention[attention["task"] == task]
        methods = [name for name in rows["method"].unique() if name != DENSE]
        if methods and DENSE in set(rows["method"]):
            figures["attention" if len(tasks) == 1 else f"attention_{task}"] = _figure(rows, methods, str(task))
    return figures


def _figure(rows: pd.DataFrame, methods: Sequence[str], task: str) -> Figure:
    differences = pd.concat([attention_differences(rows, method) for method in methods])
    dense = rows[rows["method"] == DENSE].mean(numeric_only=True)
    figure, axes = panels(len(_PANELS), width=14.0, height=4.4)
    for axis, (measure, title) in zip(axes, _PANELS, strict=True):
        axis.axhline(0.0, color="black", linewidth=1.0, linestyle="--", label="dense, as many steps")
        for number, (method, style) in enumerate(method_styles(methods).items()):
            line = differences[(differences["method"] == method) & (differences["measure"] == measure)]
            line = line.sort_values("budget")
            # Side by side: intervals at one budget would hide each other.
            places = line["budget"] + 0.006 * (number - 0.5 * (len(methods) - 1))
            axis.errorbar(places, line["difference"], yerr=line["half_width"].fillna(0.0), label=method, **style)
        axis.set_title(f"{title}\ndense: {dense[measure]:.3f}", fontsize=10)
        axis.set_xlabel("budget, fraction of the agents' FLOPs", fontsize=9)
    axes[0].set_ylabel("difference from the dense model")
    figure.suptitle(f"{task}: attention among tokens that are not special, after a cut", fontsize=11)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
    return figure
