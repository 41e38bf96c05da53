"""The frontier as a table: mean and interval over seeds, for each method and budget."""

import numpy as np
import pandas as pd

from walras.llm.tasks import LOWER_IS_BETTER, kept_of_dense
from walras.simulations.evidence.methods import DENSE
from walras.simulations.plot_style import half_width_95

__all__ = ["frontier_summary", "leads"]


def frontier_summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Give a row per method and budget, over seeds.

    Parameters
    ----------
    scores
        The table `scores` of a run, of one task.

    Returns
    -------
    DataFrame
        Columns: method, budget, seeds, score (mean), half_width (of the 95 % interval of the mean, Student's t; NaN for
        one seed), kept (mean of `kept_of_dense`, of the dense score of the same seed), kept_half_width,
        real_flops_ratio and padded_flops_ratio (means). The dense score is that of the method `dense` if it was run,
        which has as many steps as the others; otherwise that of the model that all methods began with.
    """
    dense = scores[scores["method"] == DENSE].set_index("seed")["score"]
    reference = scores["seed"].map(dense) if len(dense) else scores["dense_score"]
    metrics = scores["metric"] if "metric" in scores else [""] * len(scores)
    kept = [kept_of_dense(*row) for row in zip(metrics, scores["score"], reference, strict=True)]
    grouped = scores.assign(kept=kept).groupby(["method", "budget"], sort=False)
    summary = grouped.agg(
        seeds=("seed", "nunique"),
        score=("score", "mean"),
        kept=("kept", "mean"),
        real_flops_ratio=("real_flops_ratio", "mean"),
        padded_flops_ratio=("padded_flops_ratio", "mean"),
    )
    several = summary["seeds"] > 1
    summary["half_width"] = half_width_95(grouped["score"]).where(several, np.nan)
    summary["kept_half_width"] = half_width_95(grouped["kept"]).where(several, np.nan)
    order = ["seeds", "score", "half_width", "kept", "kept_half_width", "real_flops_ratio", "padded_flops_ratio"]
    return summary[order].reset_index()


def leads(scores: pd.DataFrame, ours: str) -> pd.DataFrame:
    """Give by how much one method is ahead of each other one, at each budget that both have, seed by seed.

    Parameters
    ----------
    scores
        The table `scores` of a run, of one task.
    ours
        A method.

    Returns
    -------
    DataFrame
        Columns: method, budget, seeds, lead (mean over seeds of our score less theirs, or theirs less ours where lower
        is better), half_width (of its 95 % interval, Student's t; NaN for one seed), ahead and behind (whether the
        interval lies wholly above or below 0).
    """
    index = ["seed", "budget"]
    mine = scores[scores["method"] == ours].set_index(index)["score"]
    others = scores[~scores["method"].isin([ours, DENSE])]
    paired = others.assign(mine=mine.reindex(pd.MultiIndex.from_frame(others[index])).to_numpy()).dropna(subset="mine")
    sign = np.where(paired["metric"].isin(LOWER_IS_BETTER), -1.0, 1.0)
    grouped = paired.assign(lead=sign * (paired["mine"] - paired["score"])).groupby(["method", "budget"], sort=False)
    table = grouped.agg(seeds=("seed", "nunique"), lead=("lead", "mean"))
    table["half_width"] = half_width_95(grouped["lead"]).where(table["seeds"] > 1, np.nan)
    table["ahead"] = table["lead"] > table["half_width"]
    table["behind"] = -table["lead"] > table["half_width"]
    return table.reset_index()
