"""The mechanisms as a table: means and intervals over seeds."""

import numpy as np
import pandas as pd

from walras.simulations.plot_style import half_width_95

__all__ = ["mechanism_summary"]

_MEASURED = (
    *("kept", "used", "sold", "price", "gini_agents", "herfindahl_agents", "gini_layers", "herfindahl_layers"),
    *("layers_without_heads", "dead", "paid", "surplus", "gini_surplus"),
)


def mechanism_summary(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Give a row per part, budget and mechanism, over seeds.

    Parameters
    ----------
    outcomes
        The table `outcomes` of a run, of one task.

    Returns
    -------
    DataFrame
        Columns: part, budget, mechanism, seeds, score (mean), half_width (of the 95 % interval of the mean, Student's
        t; NaN for one seed), against_cap and against_cap_half_width (of the difference to the cap of the same seed; NaN
        without a cap), and means of kept, used, sold, price and all measures of concentration and payment.
    """
    keys = ["part", "seed", "budget"]
    cap = outcomes[outcomes["mechanism"] == "cap"].set_index(keys)["score"]
    reference = outcomes.set_index(keys).index.map(cap.to_dict()) if len(cap) else np.nan
    grouped = outcomes.assign(against_cap=outcomes["score"] - reference).groupby(
        ["part", "budget", "mechanism"], sort=False
    )
    summary = grouped[["score", "against_cap", *_MEASURED]].mean()
    summary.insert(0, "seeds", grouped["seed"].nunique())
    several = summary["seeds"] > 1
    summary.insert(2, "half_width", half_width_95(grouped["score"]).where(several, np.nan))
    difference = half_width_95(grouped["against_cap"]).where(several & summary["against_cap"].notna(), np.nan)
    summary.insert(4, "against_cap_half_width", difference)
    return summary.reset_index()
