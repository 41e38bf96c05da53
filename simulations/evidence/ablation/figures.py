"""The figure of the ablation."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from walras.llm.tasks import LOWER_IS_BETTER
from walras.simulations.evidence.ablation.table import variant_effects
from walras.simulations.evidence.ablation.variants import AS_IT_IS, VARIANTS
from walras.simulations.experiments.experiment import Tables
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["ablation_figures"]


def ablation_figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `ablation`: the effect of each variant on the score with its 95 % interval, a panel for each budget."""
    scores = tables["scores"]
    effects = variant_effects(scores)
    effects = effects[effects["variant"] != AS_IT_IS]
    names = [name for name in VARIANTS if name in set(effects["variant"])]
    parts = list(dict.fromkeys(VARIANTS[name].part for name in names))
    budgets = sorted(scores["budget"].unique(), reverse=True)
    figure, axes = panels(len(budgets), width=3.2 + 3.2 * len(budgets), height=2.2 + 0.26 * max(len(names), 2))
    metric = str(scores["metric"].iloc[0])
    for axis, budget in zip(axes, budgets, strict=True):
        rows = effects[effects["budget"] == budget].set_index("variant")
        axis.axvline(0.0, color="black", linewidth=0.8)
        for place, name in enumerate(names):
            if name not in rows.index:
                continue
            error = np.nan_to_num(rows.loc[name, "half_width"])
            colour = _colour(parts, VARIANTS[name].part)
            axis.errorbar(
                rows.loc[name, "effect"], place, xerr=error, marker="o", markersize=5, capsize=2, color=colour
            )
        axis.set_yticks(range(len(names)), names if axis is axes[0] else [""] * len(names))
        axis.set_ylim(len(names) - 0.5, -0.5)  # the first on top
        axis.set_xlabel(f"{metric} {'taken off' if metric in LOWER_IS_BETTER else 'added'} by the change")
        axis.set_title(f"{scores['task'].iloc[0]}, budget {budget:g}")
    handles = [Line2D([], [], marker="o", color=_colour(parts, part), label=part) for part in parts]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return {"ablation": figure}


def _colour(parts: Sequence[str], part: str) -> str:
    return PALETTE[parts.index(part) % len(PALETTE)]
