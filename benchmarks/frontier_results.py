"""The rows, the figure and the tables of a results page, from one or more runs of `walras frontier` on one task.

    python benchmarks/frontier_results.py runs/stsb-a runs/stsb-b --out docs/results/frontier/stsb

Runs of the same task, seeds and steps may share the methods among them. Writes `rows.csv` (a row per method, budget and
seed) and `frontier.png` into the folder, and prints Markdown: what each method keeps of the dense score, with the 95 %
interval over seeds, and where the specialised market is ahead of another method, or behind, by more than the interval
of their paired difference.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from walras.simulations.evidence.config import OURS
from walras.simulations.evidence.figures import frontier_figures
from walras.simulations.evidence.methods import DENSE
from walras.simulations.evidence.table import frontier_summary, leads

COLUMNS = [
    *("method", "task", "seed", "budget", "metric", "score", "dense_score", "spearman", "bits_per_byte", "used"),
    *("real_flops_ratio", "padded_flops_ratio", "real_flops", "padded_flops", "parameters", "heads", "blocks", "gini"),
]


def rows_of(folders: list[Path]) -> pd.DataFrame:
    """Give the rows of all runs; a method must be in one of them only."""
    tables = [pd.read_parquet(folder / "scores.parquet") for folder in folders]
    rows = pd.concat(tables, ignore_index=True)
    twice = rows.duplicated(["method", "budget", "seed"])
    if twice.any():
        raise SystemExit(f"In more than one run: {', '.join(rows.loc[twice, 'method'].unique())}.")
    if rows["task"].nunique() > 1:
        raise SystemExit(f"Runs of several tasks: {', '.join(rows['task'].unique())}.")
    first = [name for name in (DENSE, *OURS) if name in set(rows["method"])]
    order = [*first, *(name for name in rows["method"].unique() if name not in first)]
    rows = rows.sort_values("method", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)
    return rows[[name for name in COLUMNS if name in rows]]


def kept_table(rows: pd.DataFrame) -> str:
    """Give what is kept of the dense score, in per cent, a line per method, as a Markdown table."""
    return _table(
        frontier_summary(rows), "method", lambda r: f"{100 * r['kept']:.1f} ± {100 * r['kept_half_width']:.1f}"
    )


def leads_table(rows: pd.DataFrame, ours: str) -> str:
    """Give our lead over each other method, in points of the score, as a Markdown table."""

    def cell(row: pd.Series) -> str:
        mark = "**" if row["ahead"] else "_" if row["behind"] else ""
        return f"{mark}{row['lead']:+.3f}{mark} ± {row['half_width']:.3f}"

    return _table(leads(rows, ours), "less", cell)


def _table(table: pd.DataFrame, corner: str, cell: Callable[[pd.Series], str]) -> str:
    """Give a line per method and a column per budget."""
    budgets = sorted(table["budget"].unique(), reverse=True)
    lines = [
        f"| {corner} | " + " | ".join(f"{100 * budget:g} %" for budget in budgets) + " |",
        "|---|" + "---|" * len(budgets),
    ]
    for method, of_method in table.groupby("method", sort=False):
        cells = {row["budget"]: cell(row) for _, row in of_method.iterrows()}
        lines.append(f"| {method} | " + " | ".join(cells.get(budget, "") for budget in budgets) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of finished runs of walras frontier")
    parser.add_argument("--out", type=Path, required=True, help="where to write rows.csv and frontier.png")
    parser.add_argument("--ours", default="market", help="the method whose leads are told")
    arguments = parser.parse_args()
    table = rows_of(arguments.folders)
    arguments.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.out / "rows.csv", index=False, float_format="%.6g")
    frontier_figures({"scores": table})["frontier"].savefig(arguments.out / "frontier.png", dpi=120)
    dense = table[table["method"] == DENSE]
    print(f"dense: {dense['score'].mean():.4f} (standard deviation {dense['score'].std():.4f})\n")
    print(kept_table(table))
    print(f"\n{arguments.ours} less each other method, points of the score (bold: ahead, italic: behind):\n")
    print(leads_table(table, arguments.ours))
