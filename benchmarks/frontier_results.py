"""The rows, the figures and the tables of a results page, from one or more runs of `walras frontier` on one task.

    python benchmarks/frontier_results.py runs/stsb-a runs/stsb-b --out docs/results/frontier/stsb
    python benchmarks/frontier_results.py runs/cola --attention runs/cola-attention --out docs/results/frontier/cola

Runs of the same task, seeds and steps may share the methods among them. Writes into the folder

    rows.csv         a row per method, budget and seed
    frontier.png
    attention.csv    and attention.png, if a run measured attention too (or those of `--attention`, which may have
                     methods that the other runs have as well)

and prints Markdown: what each method keeps of the dense score, with the 95 % interval over seeds (of perplexities their
ratio to the dense model's, and bits a byte); whether our methods reach the targets of the task; where the specialised
market is ahead of another method, or behind, by more than the interval of their paired difference; the same of both our
methods over pruning without training; and attention before and after.
"""

import argparse
from pathlib import Path

import pandas as pd
from frontier_markdown import (
    attention_tables,
    bits_table,
    flops_line,
    kept_table,
    leads_table,
    lower_is_better,
    near_best_table,
    post_hoc_tables,
    targets_table,
    verdict_tables,
)

from walras.llm.analysis.attention_measures import MEASURES
from walras.simulations.evidence.attention_figures import attention_figures
from walras.simulations.evidence.config import OURS
from walras.simulations.evidence.figures import frontier_figures
from walras.simulations.evidence.methods import DENSE

COLUMNS = {
    "scores": (
        *("method", "task", "seed", "budget", "metric", "score", "dense_score", "spearman", "bits_per_byte", "used"),
        *("real_flops_ratio", "padded_flops_ratio", "real_flops", "padded_flops", "parameters", "heads", "blocks"),
        *("by_layer", "gini"),
    ),
    "attention": ("method", "task", "seed", "budget", "sentences", "heads", *MEASURES),
}


def merged(folders: list[Path], name: str) -> pd.DataFrame:
    """Give the rows of the table `scores` or `attention` of all runs that have it; a method must be in one only."""
    files = [folder / f"{name}.parquet" for folder in folders]
    missing = [str(folder) for folder, file in zip(folders, files, strict=True) if not file.is_file()]
    if name == "scores" and missing:
        raise SystemExit(f"No finished runs of walras frontier: {', '.join(missing)}.")
    tables = [pd.read_parquet(file) for file in files if file.is_file()]
    if not tables:
        raise SystemExit(f"No run has a table {name}: {', '.join(map(str, folders))}.")
    rows = pd.concat(tables, ignore_index=True)
    twice = rows.duplicated(["method", "budget", "seed"])
    if twice.any():
        raise SystemExit(f"In more than one run: {', '.join(rows.loc[twice, 'method'].unique())}.")
    if rows["task"].nunique() > 1:
        raise SystemExit(f"Runs of several tasks: {', '.join(rows['task'].unique())}.")
    if not set.intersection(*(set(seeds) for _, seeds in rows.groupby("method")["seed"])):
        raise SystemExit("Runs of other seeds: methods are compared seed by seed, and no seed has all of them.")
    first = [method for method in (DENSE, *OURS) if method in set(rows["method"])]
    order = [*first, *(method for method in rows["method"].unique() if method not in first)]
    rows = rows.sort_values("method", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)
    return rows[[column for column in COLUMNS[name] if column in rows]]


def print_scores(rows: pd.DataFrame, ours: str) -> None:
    """Print what there is to say of the scores."""
    lower = lower_is_better(rows)
    dense = rows[rows["method"] == DENSE]
    reference = dense["score"] if len(dense) else rows.groupby("seed")["dense_score"].first()
    spread = f"standard deviation {reference.std():.4f}; {len(reference)} seeds" if len(reference) > 1 else "one seed"
    print(f"dense: {reference.mean():.4f} ({spread})")
    if not len(dense):
        print("\nThe method dense was not run: compared is the model that all methods began with.")
    apart = rows.groupby("seed")["dense_score"].agg(lambda each: each.max() - each.min()).max()
    if apart > 0.0:
        print(f"\nNot all methods began with one dense model: its scores of a seed differ by up to {apart:.2g}.")
    if cuts := flops_line(rows):
        print(f"\nFLOPs of real tokens over the dense model's, by budget (mean of all methods): {cuts}")
    print(f"\n{'Perplexity over the dense one' if lower else '% of the dense score'}:\n\n{kept_table(rows)}")
    if lower:
        print(f"\nBits a byte:\n\n{bits_table(rows)}")
    if targets := targets_table(rows):
        print(f"\nTargets:\n\n{targets}")
    if rows["task"].iloc[0] == "cola":
        print(f"\nWithin one standard error of the best baseline, or better:\n\n{near_best_table(rows)}")
    unit = "bits a byte saved" if lower else "points of the score"
    marks = f"{unit} (bold: ahead, italic: behind)"
    if table := leads_table(rows, ours):
        print(f"\n{ours} less each other method, {marks}:\n\n{table}")
    if post_hoc := post_hoc_tables(rows):
        print(f"\nOver post-hoc pruning, {marks}:\n\n{post_hoc}")


def print_attention(rows: pd.DataFrame) -> None:
    """Print what there is to say of attention."""
    print(
        f"\nAttention, mean over {rows['sentences'].max()} sentences and {rows['seed'].nunique()} seeds; special "
        "tokens left out. In brackets: less the dense model of the same seed (bold: beyond the 95 % interval)."
    )
    if DENSE not in set(rows["method"]) or rows["method"].nunique() == 1:
        print(f"\nNothing to compare: the runs have {', '.join(rows['method'].unique())}.")
        return
    print(f"\n{attention_tables(rows)}\n\n{verdict_tables(rows)}")


def main() -> None:
    """Write the files, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of finished runs of walras frontier")
    parser.add_argument("--out", type=Path, required=True, help="where to write the files")
    parser.add_argument("--ours", default="market", help="the method whose leads are told")
    parser.add_argument("--attention", nargs="+", type=Path, help="take attention from these runs instead")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    scores = merged(options.folders, "scores")
    scores.to_csv(options.out / "rows.csv", index=False, float_format="%.6g")
    frontier_figures({"scores": scores})["frontier"].savefig(options.out / "frontier.png", dpi=120)
    print_scores(scores, options.ours)
    of_attention = options.attention or options.folders
    if options.attention or any((folder / "attention.parquet").is_file() for folder in of_attention):
        attention = merged(of_attention, "attention")
        attention.to_csv(options.out / "attention.csv", index=False, float_format="%.6g")
        for figure in attention_figures(attention).values():
            figure.savefig(options.out / "attention.png", dpi=120)
        print_attention(attention)


if __name__ == "__main__":
    main()
