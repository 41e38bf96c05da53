"""The tables that `frontier_results.py` prints, as Markdown: a line per method and a column per budget.

Intervals are 95 % intervals over seeds, by Student's t; `± x` is half of one. Of a single seed there is none.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from walras.llm.analysis.attention_measures import ORDINARY
from walras.llm.tasks import LOWER_IS_BETTER
from walras.market import InvalidInputError
from walras.simulations.evidence.attention_table import attention_differences, attention_verdict, attention_verdicts
from walras.simulations.evidence.config import OURS
from walras.simulations.evidence.methods import DENSE, POST_HOC
from walras.simulations.evidence.table import frontier_summary, leads
from walras.simulations.plot_style import half_width_95

__all__ = [
    "attention_tables",
    "best_beside_ours",
    "bits_table",
    "flops_line",
    "kept_table",
    "leads_table",
    "lower_is_better",
    "near_best_table",
    "post_hoc_tables",
    "standing_table",
    "targets_table",
    "verdict_tables",
]

KEPT = {0.6: 100.0, 0.4: 99.5, 0.25: 98.5, 0.15: 96.5, 0.1: 94.0}  # at least, % of the dense score
PERPLEXITY = {0.6: 1.01}  # at most, over the dense model's
TARGETS = {"mnli": KEPT, "stsb": KEPT, "wikitext": PERPLEXITY, "wikitext-test": PERPLEXITY}

ATTENTION = {
    f"{ORDINARY}entropy": "Entropy of attention, bits",
    f"{ORDINARY}gini": "Gini of attention over tokens",
    f"{ORDINARY}agreement": "Agreement with gradient-based token value (Spearman)",
}


def lower_is_better(rows: pd.DataFrame) -> bool:
    """Say whether the score is one of which less is better, such as perplexity."""
    return str(rows["metric"].iloc[0]) in LOWER_IS_BETTER


def kept_table(rows: pd.DataFrame) -> str:
    """Give what is kept of the dense score, in per cent; of a perplexity, how many times the dense model's it is."""
    lower = lower_is_better(rows)
    return _table(_kept(rows), "method", lambda row: _kept_cell(row, lower=lower))


def flops_line(rows: pd.DataFrame) -> str:
    """Give the FLOPs of real tokens over the dense model's at each budget: budgets are of the agents' FLOPs alone."""
    ratios = rows[rows["budget"] < 1.0].groupby("budget")["real_flops_ratio"].mean().sort_index(ascending=False)
    return "; ".join(f"{100 * budget:g} %: {ratio:.3f}" for budget, ratio in ratios.items())


def bits_table(rows: pd.DataFrame) -> str:
    """Give the bits a byte of a language model."""
    grouped = rows.groupby(["method", "budget"], sort=False)["bits_per_byte"]
    table = _summarised(grouped, "bits")
    return _table(table, "method", lambda row: _interval(row["bits"], row["half_width"], 4))


def leads_table(rows: pd.DataFrame, ours: str) -> str:
    """Give our lead over each other method that is not post-hoc pruning, see `_leads`; empty without another."""
    table = _leads(rows, ours)
    table = table[~table["method"].str.endswith(POST_HOC)]
    return _leads_table(table, "less") if len(table) else ""


def post_hoc_tables(rows: pd.DataFrame) -> str:
    """Give the leads of each of our methods over pruning without training after it, and how many there are.

    Empty if the runs had no such method.
    """
    parts = []
    for ours in [name for name in OURS if name in set(rows["method"])]:
        table = _leads(rows, ours)
        table = table[table["method"].str.endswith(POST_HOC)]
        if len(table):
            counted = f"ahead in {table['ahead'].sum()} of {len(table)}, behind in {table['behind'].sum()}"
            parts.append(f"{ours}: {counted}.\n\n{_leads_table(table, f'{ours} less')}")
    return "\n\n".join(parts)


def targets_table(rows: pd.DataFrame) -> str:
    """Say at which budgets our methods reach the task's targets, and by how much they miss the others; or nothing."""
    targets = TARGETS.get(str(rows["task"].iloc[0]), {})
    kept = _kept(rows)
    ours = [name for name in OURS if name in set(kept["method"])]
    budgets = [budget for budget in targets if (kept["method"].isin(ours) & np.isclose(kept["budget"], budget)).any()]
    lower = lower_is_better(rows)

    def cell(method: str, budget: float) -> str:
        found = kept[(kept["method"] == method) & np.isclose(kept["budget"], budget)]
        if found["kept"].isna().all():  # not run, or the dense model has learned nothing
            return ""
        mean, half_width = found["kept"].iloc[0], found["half_width"].iloc[0]
        short = mean - targets[budget] if lower else targets[budget] - mean
        digits = 4 if lower else 2
        verdict = "met" if short <= 0.0 else f"missed by {short:.{digits}f}"
        return f"{_interval(mean, half_width, digits)}: {verdict}"

    lines = _head("budget", ["at most, over dense" if lower else "at least, % of dense", *ours])
    lines += [_line(f"{100 * at:g} %", [f"{targets[at]:g}", *(cell(name, at) for name in ours)]) for at in budgets]
    return "\n".join(lines) if budgets else ""


def near_best_table(rows: pd.DataFrame) -> str:
    """Say whether our methods are within one standard error of the best baseline, or better, at each of its budgets.

    The best is the baseline with the best mean, its standard error that of the difference over seeds.
    """
    sign = -1.0 if lower_is_better(rows) else 1.0
    ours = [name for name in OURS if name in set(rows["method"])]
    lines = _head("budget", ["best baseline", *(f"{name} less it" for name in ours)])
    for budget, at_budget in sorted(rows.groupby("budget"), key=lambda group: -group[0]):
        scores = sign * at_budget.pivot(index="seed", columns="method", values="score")
        baselines = scores.drop(columns=[DENSE, *OURS], errors="ignore")
        if baselines.empty:
            continue
        best = str(baselines.mean().idxmax())
        cells = [_beside(scores[name] - scores[best]) if name in scores else "" for name in ours]
        lines.append(_line(f"{100 * budget:g} %", [best, *cells]))
    return "\n".join(lines)


def standing_table(tables: Sequence[pd.DataFrame], ours: str) -> str:
    """Give at how many budgets of each task our method is ahead of / level with / behind each other trained method."""
    counted: dict[str, dict[int, pd.Series]] = {}
    for number, rows in enumerate(tables):
        found = _leads(rows, ours)
        found = found[~found["method"].str.endswith(POST_HOC) & ~found["method"].isin(OURS)]
        for method, of_method in found.groupby("method", sort=False):
            ahead, behind = of_method["ahead"].sum(), of_method["behind"].sum()
            standing = pd.Series([ahead, len(of_method) - ahead - behind, behind])
            counted.setdefault(str(method), {})[number] = standing
    lines = _head(ours, [*(str(rows["task"].iloc[0]) for rows in tables), "all"])
    for method, by_task in counted.items():
        cells = [by_task.get(number) for number in range(len(tables))]
        lines.append(_line(method, [_standing(cell) for cell in [*cells, sum(by_task.values())]]))
    return "\n".join(lines)


def best_beside_ours(tables: Sequence[pd.DataFrame], budgets: Sequence[float]) -> str:
    """Give what our methods and the best baseline keep of the dense score: three lines per task, a column per budget.

    The best baseline is the one that keeps most on average at that budget: it is chosen after the fact.
    """
    lines = _head("task and method", [f"{100 * budget:g} %" for budget in budgets])
    for rows in tables:
        kept, task, lower = _kept(rows), rows["task"].iloc[0], lower_is_better(rows)
        kept = kept[~kept["method"].str.endswith(POST_HOC)]
        cells: dict[str, list[str]] = {name: [] for name in (*OURS, "best baseline")}
        for budget in budgets:
            at = kept[np.isclose(kept["budget"], budget)].set_index("method")
            for name in OURS:
                cells[name].append(_kept_cell(at.loc[name], lower=lower) if name in at.index else "")
            others = at.drop(index=[DENSE, *OURS], errors="ignore").sort_values("kept", ascending=lower)
            best = f"{_kept_cell(others.iloc[0], lower=lower)} ({others.index[0]})" if len(others) else ""
            cells["best baseline"].append(best)
        lines += [_line(f"{task}: {name}", of_method) for name, of_method in cells.items() if any(of_method)]
    return "\n".join(lines)


def attention_tables(attention: pd.DataFrame) -> str:
    """Give each measure of attention before and after: the dense model's mean, and the methods' with the differences.

    Then over how many open heads the measures of a model are means, since few heads make them noisy.
    """
    methods = [name for name in attention["method"].unique() if name != DENSE]
    dense = attention[attention["method"] == DENSE].mean(numeric_only=True)
    found = pd.concat([attention_differences(attention, name) for name in methods])

    def cell(row: pd.Series) -> str:
        if row["method"] == DENSE:
            return f"{row['mean']:.3f}"
        mark = "**" if abs(row["difference"]) > row["half_width"] else ""
        return f"{row['mean']:.3f} ({mark}{_interval(row['difference'], row['half_width'], 3, sign='+')}{mark})"

    parts = []
    for measure, title in ATTENTION.items():
        before = pd.DataFrame([{"method": DENSE, "budget": 1.0, "mean": dense[measure]}])
        table = pd.concat([before, found[found["measure"] == measure]])
        parts.append(f"{title}:\n\n{_table(table, 'method', cell)}")
    heads = attention.groupby(["method", "budget"], sort=False)["heads"].mean().reset_index()
    numbers = _table(heads, "method", lambda row: f"{row['heads']:.1f}")
    parts.append(f"Open heads of a model (mean over seeds), over which its attention is averaged:\n\n{numbers}")
    return "\n\n".join(parts)


def verdict_tables(attention: pd.DataFrame) -> str:
    """Give the verdict on each of our methods by the rule of `attention_table`, or why there is none."""
    parts = []
    for ours in [name for name in OURS if name in set(attention["method"])]:
        try:
            verdicts = attention_verdicts(attention, ours)
            every = attention_verdict(attention_verdicts(attention, ours, special=True))
        except InvalidInputError as error:
            parts.append(f"No verdict on {ours}. {error}")
            continue
        lines = [f"{ours}, more interpretable attention: **{attention_verdict(verdicts)}** (all tokens: {every})\n"]
        lines += _head("budget", ["entropy", "agreement", "beyond dense", "beyond baselines", "is so"])
        for row in verdicts.to_dict("records"):
            cells = [_interval(row[name], row[f"{name}_half_width"], 3, sign="+") for name in ("entropy", "agreement")]
            cells.append("yes" if row["beyond_dense"] else "no")
            cells += [f"{row['beaten']} of {row['baselines']}", row["verdict"]]
            lines.append(_line(f"{100 * row['budget']:g} %", cells))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _kept(rows: pd.DataFrame) -> pd.DataFrame:
    """Give kept (% of the dense score; or perplexity over the dense one's) and half_width, by method and budget."""
    if not lower_is_better(rows):
        table = frontier_summary(rows)
        return table.assign(kept=100.0 * table["kept"], half_width=100.0 * table["kept_half_width"])
    dense = rows[rows["method"] == DENSE].set_index("seed")["score"]
    ratio = rows["score"] / (rows["seed"].map(dense) if len(dense) else rows["dense_score"])
    return _summarised(rows.assign(ratio=ratio).groupby(["method", "budget"], sort=False)["ratio"], "kept")


def _kept_cell(row: pd.Series, *, lower: bool) -> str:
    digits = 1
    if lower:  # a cut without training may cost thousandfold, or more than a float holds
        digits = max(3 - int(np.log10(row["kept"])), 0) if np.isfinite(row["kept"]) else 0
    return _interval(row["kept"], row["half_width"], digits)


def _standing(counts: pd.Series | None) -> str:
    return "" if counts is None else " / ".join(map(str, counts))


def _summarised(grouped: "pd.api.typing.SeriesGroupBy", name: str) -> pd.DataFrame:
    half_width = half_width_95(grouped).where((grouped.count() > 1) & np.isfinite(grouped.mean()))
    return pd.DataFrame({name: grouped.mean(), "half_width": half_width}).reset_index()


def _leads(rows: pd.DataFrame, ours: str) -> pd.DataFrame:
    """Give our lead in points of the score; of perplexities, which may be wide apart, in bits a byte."""
    return leads(rows.assign(score=rows["bits_per_byte"]) if lower_is_better(rows) else rows, ours)


def _leads_table(table: pd.DataFrame, corner: str) -> str:
    def cell(row: pd.Series) -> str:
        mark = "**" if row["ahead"] else "_" if row["behind"] else ""
        half_width = "" if np.isnan(row["half_width"]) else f" ± {row['half_width']:.3f}"
        return f"{mark}{row['lead']:+.3f}{mark}{half_width}"

    return _table(table, corner, cell)


def _beside(differences: pd.Series) -> str:
    """Say how a mean difference compares with its standard error."""
    mean, error = differences.mean(), differences.sem()
    if np.isnan(error):
        return f"{mean:+.3f}"
    return f"{mean:+.3f}, standard error {error:.3f}: {'met' if mean >= -error else 'missed'}"


def _table(table: pd.DataFrame, corner: str, cell: Callable[[pd.Series], str]) -> str:
    """Give a line per method and a column per budget."""
    budgets = sorted(table["budget"].unique(), reverse=True)
    lines = _head(corner, [f"{100 * budget:g} %" for budget in budgets])
    for method, of_method in table.groupby("method", sort=False):
        cells: Mapping[float, str] = {row["budget"]: cell(row) for _, row in of_method.iterrows()}
        lines.append(_line(str(method), [cells.get(budget, "") for budget in budgets]))
    return "\n".join(lines)


def _head(corner: str, columns: Sequence[str]) -> list[str]:
    return [_line(corner, columns), "|---|" + "---|" * len(columns)]


def _line(first: str, cells: Sequence[str]) -> str:
    return f"| {first} | " + " | ".join(cells) + " |"


def _interval(mean: float, half_width: float, digits: int, *, sign: str = "") -> str:
    """Give mean ± half of the interval; the mean alone where there is none, and nothing without a mean."""
    if np.isnan(mean):
        return ""
    return f"{mean:{sign}.{digits}f}" + ("" if np.isnan(half_width) else f" ± {half_width:.{digits}f}")
