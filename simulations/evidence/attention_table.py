"""Whether attention is more interpretable after a cut, and whether that is the market's doing: paired over seeds.

The rule was fixed before any numbers were seen. At a budget below 1, attention is *more interpretable* than another
model's if its entropy is lower and its agreement with the tokens' values is higher, each by more than the 95 % interval
(Student's t) of the difference, paired by seed. At each budget it is so

    by the market    than the dense model's, and than every baseline's of the same FLOPs
    by any cut       than the dense model's, but not than every baseline's
    no               otherwise

The claim is *reproduced* if it is so by the market at every budget, *not reproduced* if it is not so at any, by
whatever cut, and *partly* reproduced otherwise. Special tokens are left out, since they may hold most of the attention
and tell nothing of the sentence; whether they would change the answer can be asked.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from walras.llm.analysis.attention_measures import MEASURES, ORDINARY
from walras.market import InvalidInputError
from walras.simulations.evidence.config import OURS
from walras.simulations.evidence.methods import DENSE, POST_HOC
from walras.simulations.plot_style import half_width_95

__all__ = ["BY_ANY_CUT", "BY_MARKET", "NO", "attention_differences", "attention_verdict", "attention_verdicts"]

BY_MARKET, BY_ANY_CUT, NO = "by the market", "by any cut", "no"

_PAIR = ["seed", "budget"]


def attention_differences(attention: pd.DataFrame, method: str, other: str = DENSE) -> pd.DataFrame:
    """Give by how much the attention of a method's models differs from that of another's, seed by seed.

    Parameters
    ----------
    attention
        The table `attention` of a run, or of several, of one task.
    method, other
        Methods; at each budget that both have, or at all budgets if `other` is `dense`, which has one model a seed.

    Returns
    -------
    DataFrame
        A row per budget and measure (see `walras.llm.analysis.attention_measures`): method, other, budget, measure;
        seeds (pairs; models without a head have no attention, and no part), mean (of the method), difference (its mean
        less the other's), half_width (of the 95 % interval of the difference, Student's t; NaN for one pair).

    Raises
    ------
    InvalidInputError
        A method without rows.
    """
    ours, theirs = (_rows_of(attention, name) for name in (method, other))
    long = ours.melt(id_vars=_PAIR, value_vars=list(MEASURES), var_name="measure", value_name="mean")
    key = ["seed", "measure"] if other == DENSE else [*_PAIR, "measure"]
    against = theirs.melt(id_vars=_PAIR, value_vars=list(MEASURES), var_name="measure", value_name="against")
    pairs = long.merge(against[[*key, "against"]], on=key, validate="many_to_one").dropna()
    pairs["difference"] = pairs["mean"] - pairs["against"]
    grouped = pairs.groupby(["budget", "measure"], sort=False)
    table = grouped.agg(seeds=("seed", "nunique"), mean=("mean", "mean"), difference=("difference", "mean"))
    table["half_width"] = half_width_95(grouped["difference"]).where(table["seeds"] > 1, np.nan)
    table = table.reset_index()
    table.insert(0, "other", other)
    table.insert(0, "method", method)
    return table


def attention_verdicts(
    attention: pd.DataFrame, method: str, *, baselines: Sequence[str] | None = None, special: bool = False
) -> pd.DataFrame:
    """Say at each budget below 1 whether a method makes attention more interpretable, by the rule above.

    Parameters
    ----------
    attention
        As for `attention_differences`; with the method `dense`.
    method
        "market" or "elastic".
    baselines
        What was cut to the same FLOPs otherwise. Default: every method of the table that was trained after the cut
        and is not ours.
    special
        Whether special tokens count.

    Returns
    -------
    DataFrame
        A row per budget that a baseline has too: method, budget; entropy and agreement (differences from the dense
        model) with entropy_half_width and agreement_half_width; beyond_dense; beaten and baselines (how many baselines
        it is beyond, of how many that have the budget); verdict.

    Raises
    ------
    InvalidInputError
        No rows of the method or of `dense`, no baseline, or no budget below 1 at which both have heads.
    """
    names = attention["method"].unique()
    if baselines is None:
        baselines = [name for name in names if name not in (DENSE, *OURS) and not name.endswith(POST_HOC)]
    if not baselines:
        raise InvalidInputError(
            "There is no baseline: whether a change is the market's doing is told by what another cut to the same "
            "FLOPs does. Add some methods, such as taylor, uniform and random."
        )
    from_dense = _lower_and_higher(attention_differences(attention, method), special=special)
    compared = [_beyond(attention_differences(attention, method, name), special=special) for name in baselines]
    table = from_dense.rename(columns={"beyond": "beyond_dense"}).reset_index()
    found = [[beyond[budget] for beyond in compared if budget in beyond] for budget in table["budget"]]
    table["beaten"], table["baselines"] = [sum(each) for each in found], [len(each) for each in found]
    by_market = table["beaten"] == table["baselines"]
    table["verdict"] = np.where(~table["beyond_dense"], NO, np.where(by_market, BY_MARKET, BY_ANY_CUT))
    table = table[(table["budget"] < 1.0) & (table["baselines"] > 0)].reset_index(drop=True)
    if table.empty:
        raise InvalidInputError(f"At no budget below 1 do models of {method} and of a baseline have heads left.")
    table.insert(0, "method", method)
    return table


def attention_verdict(verdicts: pd.DataFrame) -> str:
    """Give "reproduced", "partly" or "not reproduced", by the rule above, of a table of `attention_verdicts`."""
    found = set(verdicts["verdict"])
    if not found or found == {NO}:
        return "not reproduced"
    return "reproduced" if found == {BY_MARKET} else "partly"


def _rows_of(attention: pd.DataFrame, method: str) -> pd.DataFrame:
    rows = attention[attention["method"] == method]
    if rows.empty:
        known = ", ".join(attention["method"].unique())
        raise InvalidInputError(f"The table attention has no rows of {method!r}, which is compared; it has: {known}.")
    return rows


def _beyond(differences: pd.DataFrame, *, special: bool) -> dict[float, bool]:
    table = _lower_and_higher(differences, special=special)
    return {float(budget): bool(beyond) for budget, beyond in zip(table.index, table["beyond"], strict=True)}


def _lower_and_higher(differences: pd.DataFrame, *, special: bool) -> pd.DataFrame:
    """Give differences of entropy and agreement by budget, and whether both are beyond their intervals."""
    prefix = "" if special else ORDINARY
    columns: dict[str, pd.Series] = {}
    for name in ("entropy", "agreement"):
        of_measure = differences[differences["measure"] == f"{prefix}{name}"].set_index("budget")
        columns[name] = of_measure["difference"]
        columns[f"{name}_half_width"] = of_measure["half_width"]
    table = pd.DataFrame(columns).sort_index(ascending=False)
    lower = -table["entropy"] > table["entropy_half_width"]
    higher = table["agreement"] > table["agreement_half_width"]
    return table.assign(beyond=lower & higher)
