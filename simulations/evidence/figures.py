"""Figures of a frontier."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from walras.llm.tasks import LOWER_IS_BETTER
from walras.simulations.evidence.methods import DENSE
from walras.simulations.evidence.table import frontier_summary
from walras.simulations.experiments.experiment import Tables
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["frontier_figures"]

_OURS = ("elastic", "market")
_MARKERS = "osD^vPX<>*"


def frontier_figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `frontier`: score against the FLOPs of real tokens, a line per method, with 95 % intervals over seeds."""
    scores = tables["scores"]
    figure, axes = panels(scores["task"].nunique(), height=4.4)
    for axis, (task, rows) in zip(axes, scores.groupby("task", sort=False), strict=True):
        summary = frontier_summary(rows)
        dense = summary[summary["method"] == DENSE]
        reference = float(dense["score"].iloc[0] if len(dense) else rows["dense_score"].mean())
        axis.axhline(
            reference,
            color="black",
            linewidth=1.0,
            linestyle="--",
            label="dense, as many steps" if len(dense) else "dense",
        )
        methods = [method for method in summary["method"].unique() if method != DENSE]
        for number, method in enumerate(sorted(methods, key=lambda name: name not in _OURS)):
            line = summary[summary["method"] == method].sort_values("real_flops_ratio")
            axis.errorbar(
                line["real_flops_ratio"],
                line["score"],
                yerr=line["half_width"].fillna(0.0),
                marker=_MARKERS[number % len(_MARKERS)],
                color=PALETTE[number % len(PALETTE)],
                linestyle="-" if method in _OURS else ":",
                linewidth=1.8 if method in _OURS else 1.2,
                markersize=5,
                capsize=2,
                label=method,
            )
        axis.set_xlim(0.0, 1.05)
        axis.set_xlabel("FLOPs of real tokens, fraction of the dense model's")
        metric = str(rows["metric"].iloc[0])
        lower = metric in LOWER_IS_BETTER
        axis.set_ylabel(f"{metric} (lower is better)" if lower else metric)
        if lower:
            axis.set_yscale("log")  # what is kept of the dense score is a ratio
            axis.yaxis.set_major_formatter(LogFormatter())
            axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2.0, 0.5)))
        axis.set_title(str(task))
        axis.legend(frameon=False, fontsize=8, loc="upper right" if lower else "lower right")
    return {"frontier": figure}
