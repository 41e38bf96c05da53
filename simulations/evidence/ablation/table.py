"""The ablation as a table: what each variant does to the score, paired by seed."""

import math

import numpy as np
import pandas as pd

from walras.llm.tasks import LOWER_IS_BETTER, kept_of_dense
from walras.simulations.evidence.ablation.variants import AS_IT_IS, VARIANTS
from walras.simulations.plot_style import half_width_95

__all__ = ["effects_markdown", "percent", "variant_effects", "with_interval"]


def variant_effects(scores: pd.DataFrame) -> pd.DataFrame:
    """Give by how much each variant is better than the method as it stands, at each budget.

    Parameters
    ----------
    scores
        The table `scores` of a run, of one task.

    Returns
    -------
    DataFrame
        A row per variant and budget, in the order of the rows: variant, part, change, budget, seeds (that have both
        scores; of the method as it stands, all), score (mean), kept (mean fraction of the dense model's score of the
        same seed), effect (mean over seeds of the variant's score less that of the method as it stands, or the other
        way round where lower is better: above 0 the change helps; 0 for the method as it stands, NaN without it),
        half_width (of its 95 % interval, Student's t; NaN for one seed), better and worse (whether the interval lies
        wholly above or below 0).
    """
    keys = ["seed", "budget"]
    reference = scores[scores["variant"] == AS_IT_IS].set_index(keys)["score"]
    sign = np.where(scores["metric"].isin(LOWER_IS_BETTER), -1.0, 1.0)
    paired = reference.reindex(pd.MultiIndex.from_frame(scores[keys])).to_numpy()
    kept = [kept_of_dense(*row) for row in scores[["metric", "score", "dense_score"]].itertuples(index=False)]
    grouped = scores.assign(kept=kept, effect=sign * (scores["score"] - paired)).groupby(
        ["variant", "budget"], sort=False
    )
    table = grouped.agg(seeds=("effect", "count"), score=("score", "mean"), kept=("kept", "mean"))
    table["effect"] = grouped["effect"].mean()
    known = (table["seeds"] > 1) & (table.index.get_level_values("variant") != AS_IT_IS)
    table["half_width"] = half_width_95(grouped["effect"]).where(known, np.nan)
    table["better"] = table["effect"] > table["half_width"]
    table["worse"] = -table["effect"] > table["half_width"]
    table = table.reset_index()
    for column, at in (("part", 1), ("change", 2)):
        table.insert(at, column, [getattr(VARIANTS[name], column) for name in table["variant"]])
    return table


def effects_markdown(scores: pd.DataFrame) -> str:
    """Give the effects of a run as a Markdown table, budget by budget."""
    metric = str(scores["metric"].iloc[0])
    titles = ("budget", "variant", "part", "change", metric, "of dense", "effect, 95 %", "seeds", "")
    lines = [f"| {' | '.join(titles)} |", "|---:|---|---|---|---:|---:|---:|---:|---|"]
    effects = variant_effects(scores).sort_values("budget", ascending=False, kind="stable")
    for row in effects.to_dict("records"):
        cells = (
            f"{row['budget']:g}",
            f"`{row['variant']}`",
            row["part"],
            row["change"],
            f"{row['score']:.4f}",
            percent(row["kept"]),
            "" if row["variant"] == AS_IT_IS else with_interval(row["effect"], row["half_width"]),
            str(row["seeds"]),
            "better" if row["better"] else "worse" if row["worse"] else "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    task, lower = scores["task"].iloc[0], metric in LOWER_IS_BETTER
    caption = (
        f"{task}: one part of the method `market` is changed at a time. Effect: mean over seeds of the "
        + (f"{metric} taken off" if lower else f"{metric} added")
        + " by the change, paired by seed, with its 95 % interval (Student's t). *Better* and *worse*: the interval "
        "leaves 0 out."
    )
    return "\n".join([caption, "", *lines]) + "\n"


def percent(kept: float) -> str:
    """Write what is kept of the dense score; nothing where that says nothing."""
    return "" if math.isnan(kept) else f"{100 * kept:.1f} %"


def with_interval(effect: float, half_width: float) -> str:
    """Write an effect with half its interval; nothing for one that is not known."""
    if math.isnan(effect):
        return ""
    return f"{effect:+.4f}" if math.isnan(half_width) else f"{effect:+.4f} ± {half_width:.4f}"
