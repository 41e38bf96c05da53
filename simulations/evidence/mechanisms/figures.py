"""Figures of the mechanisms."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from walras.llm.tasks import LOWER_IS_BETTER
from walras.simulations.evidence.mechanisms.rules import MECHANISMS
from walras.simulations.evidence.mechanisms.table import mechanism_summary
from walras.simulations.experiments.experiment import Tables
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["mechanism_figures"]

_MARKERS = "osD^vP"


def mechanism_figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `mechanisms`: score, concentration over layers, and the first-order value in isolation against the score."""
    outcomes = tables["outcomes"]
    summary = mechanism_summary(outcomes)
    trained = summary[summary["part"] == "trained"]
    isolated = summary[summary["part"] == "isolated"].set_index(["mechanism", "budget"])
    names = [name for name in MECHANISMS if name in set(summary["mechanism"])]
    figure, (scores, layers, against) = panels(3, width=13.0, height=4.2)
    budgets = sorted(trained["budget"].unique())
    for number, name in enumerate(names):
        line = trained[trained["mechanism"] == name].sort_values("budget")
        style: dict[str, Any] = {
            "color": PALETTE[number % len(PALETTE)],
            "marker": _MARKERS[number % len(_MARKERS)],
            "markersize": 5,
        }
        # Budgets stand at equal distances, mechanisms side by side: intervals would hide each other.
        place = np.searchsorted(budgets, line["budget"]) + 0.1 * (number - (len(names) - 1) / 2)
        error = line["half_width"].fillna(0.0)
        scores.errorbar(place, line["score"], yerr=error, linestyle="none", capsize=2, label=name, **style)
        layers.plot(place, line["gini_layers"], linestyle="none", label=name, **style)
        # Within a budget, distances from the mean of all mechanisms: between budgets everything goes together.
        found = [isolated.loc[(name, budget), "kept"] for budget in line["budget"]]
        mean_isolated = [isolated.xs(budget, level="budget")["kept"].mean() for budget in line["budget"]]
        mean_trained = [trained[trained["budget"] == budget]["kept"].mean() for budget in line["budget"]]
        across, up = np.subtract(found, mean_isolated), line["kept"].to_numpy() - mean_trained
        against.plot(100.0 * across, 100.0 * up, linestyle="none", label=name, **style)
    for axis in (scores, layers):
        axis.set_xticks(range(len(budgets)), [f"{budget:g}" for budget in budgets])
        axis.set_xlabel("budget, fraction of the agents' FLOPs")
    metric = str(outcomes[outcomes["part"] == "trained"]["metric"].iloc[0])
    scores.set_ylabel(f"{metric} (lower is better)" if metric in LOWER_IS_BETTER else metric)
    scores.set_title(f"{outcomes['task'].iloc[0]}: score, 95 % intervals over seeds")
    scores.legend(frameon=False, fontsize=8)
    layers.set_ylabel("Gini of FLOPs over layers")
    layers.set_title("concentration")
    against.axhline(0.0, color="black", linewidth=0.6)
    against.axvline(0.0, color="black", linewidth=0.6)
    against.set_xlabel("in isolation: first-order value served, points\nfrom the mean of the budget")
    against.set_ylabel("in training: of the dense score, points\nfrom the mean of the budget")
    against.set_title("isolated against trained")
    return {"mechanisms": figure}
