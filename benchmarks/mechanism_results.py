"""The rows, the figure and the tables of a results page, from runs of `walras mechanisms` on one task.

    python benchmarks/mechanism_results.py runs/mechanisms-cola --name cola --out docs/results/mechanisms

Of a run that is not finished the mechanisms that are there are taken. Writes into the folder

    outcomes-NAME.csv      a row per part (isolated, trained), mechanism, budget and seed
    mechanisms-NAME.png

and prints Markdown: what each mechanism does in training and in isolation, and how the two rankings go together.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from stored_rows import stored_tables

from walras.simulations.evidence.mechanisms import mechanism_summary, rank_correlations
from walras.simulations.evidence.mechanisms.figures import mechanism_figures

COLUMNS = {
    "trained": ("used", "price", "gini_agents", "gini_layers", "herfindahl_layers", "layers_without_heads", "dead"),
    "isolated": ("price", "gini_agents", "gini_layers", "herfindahl_layers", "dead", "paid", "surplus"),
}


def merged(folders: list[Path]) -> pd.DataFrame:
    """Give the rows of all mechanisms that the runs have, whole or not."""
    tables = [table for folder in folders for table in stored_tables(folder, "outcomes", "walras mechanisms")]
    rows = pd.concat(tables, ignore_index=True).drop(columns=["cell", "replication"], errors="ignore")
    if rows["task"].nunique() > 1:
        raise SystemExit(f"Runs of several tasks: {', '.join(rows['task'].unique())}.")
    if rows.duplicated(["part", "mechanism", "budget", "seed"]).any():
        raise SystemExit("A mechanism is in more than one run.")
    return rows


def outcome_table(rows: pd.DataFrame, part: str) -> str:
    """Give a row per budget and mechanism: score and its difference to the cap, with intervals, and the measures."""
    columns = COLUMNS[part]
    score = str(rows["metric"].iloc[0]) if part == "trained" else "value served"
    summary = mechanism_summary(rows).sort_values("budget", ascending=False, kind="stable")
    lines = [f"| budget | mechanism | {score} | against `cap` | {' | '.join(columns).replace('_', ' ')} |"]
    lines.append(f"|{'---|' * (4 + len(columns))}")
    for row in summary[summary["part"] == part].to_dict("records"):
        difference, half = row["against_cap"], row["against_cap_half_width"]
        mark = "" if not abs(difference) > half else "**" if difference > 0.0 else "_"
        cells = [f"{row['budget']:g}", f"`{row['mechanism']}`", f"{row['score']:.4f} ± {row['half_width']:.4f}"]
        cells += [f"{mark}{difference:+.4f}{mark} ± {half:.4f}", *(f"{row[name]:.3f}" for name in columns)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def ranking_table(rows: pd.DataFrame) -> str:
    """Give how the rankings of mechanisms in isolation and in training go together, measure by measure."""
    lines = ["| measure | budget | Kendall's tau-b | 95 % | Spearman | a seed with the others |", f"|{'---|' * 6}"]
    for row in rank_correlations(rows).to_dict("records"):
        budget = "all" if np.isnan(row["budget"]) else f"{row['budget']:g}"
        numbers = [row[name] for name in ("kendall", "low", "high", "spearman", "between_seeds")]
        tau, low, high, spearman, ceiling = ("none" if np.isnan(each) else f"{each:+.2f}" for each in numbers)
        lines.append(f"| {row['measure']} | {budget} | {tau} | {low} to {high} | {spearman} | {ceiling} |")
    return "\n".join(lines)


def main() -> None:
    """Write the files, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of runs of walras mechanisms")
    parser.add_argument("--name", required=True, help="of the files, as in outcomes-NAME.csv")
    parser.add_argument("--out", type=Path, required=True, help="where to write the files")
    options = parser.parse_args()
    rows = merged(options.folders)
    options.out.mkdir(parents=True, exist_ok=True)
    rows.to_csv(options.out / f"outcomes-{options.name}.csv", index=False, float_format="%.6g")
    figure = mechanism_figures({"outcomes": rows})["mechanisms"]
    figure.savefig(options.out / f"mechanisms-{options.name}.png", dpi=120)
    for part in COLUMNS:
        print(f"{part}:\n\n{outcome_table(rows, part)}\n")
    print(f"isolated against trained:\n\n{ranking_table(rows)}")


if __name__ == "__main__":
    main()
