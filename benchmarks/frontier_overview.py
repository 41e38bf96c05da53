"""What frontiers of several tasks say together, from the rows that `frontier_results.py` wrote.

    python benchmarks/frontier_overview.py docs/results/frontier/mnli docs/results/frontier/stsb

Prints Markdown: at how many budgets each of our methods is ahead of a baseline that was trained after its cut, level
with it, or behind, by the 95 % interval of the paired difference over seeds; and our methods beside the best baseline
of each task and budget, which is chosen after the fact.
"""

import argparse
from pathlib import Path

import pandas as pd
from frontier_markdown import best_beside_ours, standing_table

from walras.simulations.evidence.config import OURS


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders with a rows.csv, one a task")
    parser.add_argument("--budgets", default="0.6,0.4,0.25,0.15", help="budgets of the second table")
    options = parser.parse_args()
    tables = [pd.read_csv(folder / "rows.csv") for folder in options.folders]
    methods = {method for table in tables for method in table["method"].unique()}
    for ours in [method for method in OURS if method in methods]:
        print(f"{ours}, budgets at which it is ahead of / level with / behind another:\n")
        print(f"{standing_table(tables, ours)}\n")
    print(best_beside_ours(tables, [float(budget) for budget in options.budgets.split(",")]))


if __name__ == "__main__":
    main()
