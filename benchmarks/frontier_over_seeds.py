"""Mean and standard deviation of a frontier over the seeds of several studies.

    python benchmarks/frontier_over_seeds.py runs/cola-0 runs/cola-1 runs/cola-2

Each argument is the folder of a finished `walras study`; all must have the same task and budgets. Prints a Markdown
table: score of the dense model, of the model trained under the market, and of the dense model pruned by magnitude and
at random (per seed the mean of its draws). With `--csv FILE` the rows of all runs are written too.
"""

import argparse
from pathlib import Path

import pandas as pd

METHODS = ("dense", "market", "magnitude", "random")


def rows_of(folders: list[Path]) -> pd.DataFrame:
    """Give the frontier's rows of all runs, with a column seed."""
    tables = [pd.read_parquet(folder / "frontier.parquet").assign(seed=seed) for seed, folder in enumerate(folders)]
    return pd.concat(tables, ignore_index=True)


def markdown(rows: pd.DataFrame) -> str:
    """Give mean ± standard deviation over seeds, a line per budget, as a Markdown table."""
    scores = (
        rows.groupby(["method", "budget", "seed"])["score"].mean().groupby(["method", "budget"]).agg(["mean", "std"])
    )
    market = (
        rows[rows["method"] == "market"].groupby("budget")[["flops_ratio", "speed_up", "gini", "entropy_bits"]].mean()
    )
    dense = scores.loc[("dense", 1.0)]
    lines = [
        "| budget | FLOPs / dense | market | by magnitude | at random | market / dense | speed-up | Gini | bits |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| dense | 1.000 | {dense['mean']:.3f} ± {dense['std']:.3f} | | | 1.00 | 1.00 | | |",
    ]
    for budget in sorted(market.index, reverse=True):
        cells = [
            f"{scores.loc[(method, budget), 'mean']:.3f} ± {scores.loc[(method, budget), 'std']:.3f}"
            for method in METHODS[1:]
        ]
        cost = market.loc[budget]
        ratio = scores.loc[("market", budget), "mean"] / dense["mean"]
        lines.append(
            f"| {budget:g} | {cost['flops_ratio']:.3f} | {' | '.join(cells)} | {ratio:.2f} | {cost['speed_up']:.2f} | "
            f"{cost['gini']:.2f} | {cost['entropy_bits']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of finished studies")
    parser.add_argument("--csv", type=Path, help="write all rows here")
    arguments = parser.parse_args()
    table = rows_of(arguments.folders)
    if arguments.csv:
        table.to_csv(arguments.csv, index=False, float_format="%.6g")
    print(markdown(table))
