"""What a setting of `walras frontier` does: the rows and a table of runs that differ in it.

    python benchmarks/settings_results.py search runs/cola-0.3 runs/cola-0.5 --against 0.5 --out docs/results/ablation

Reads the setting from the scenario of each finished run, writes `rows-SETTING.csv` with it as a column, and prints for
each task a line for each method and value: the mean score over seeds, with the 95 % interval (Student's t), how many
times the dense model's score it is (the model that the method began with), and with `--against` what it is better than
the value named there, paired by seed, in points of the score or in bits a byte saved.
"""

import argparse
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd

from walras.llm.tasks import LOWER_IS_BETTER
from walras.simulations.plot_style import half_width_95

KEYS = ["task", "method", "budget"]
COLUMNS = (
    *("method", "task", "seed", "budget", "metric", "score", "dense_score", "bits_per_byte", "used"),
    *("real_flops_ratio", "padded_flops_ratio", "heads", "blocks", "gini"),
)


def merged(setting: str, folders: list[Path]) -> pd.DataFrame:
    """Give the rows of all runs, with the value of the setting in each."""
    tables = []
    for folder in folders:
        if not (folder / "scores.parquet").is_file():
            raise SystemExit(f"No finished run of walras frontier: {folder}.")
        config = tomllib.loads((folder / "scenario.toml").read_text())["config"]
        if setting not in config:
            raise SystemExit(f"There is no setting {setting} in {folder}; there are: {', '.join(config)}.")
        tables.append(pd.read_parquet(folder / "scores.parquet").assign(**{setting: config[setting]}))
    rows = pd.concat(tables, ignore_index=True)
    if rows.duplicated([setting, *KEYS, "seed"]).any():
        raise SystemExit(f"Several runs have the same {setting}, task, method, budget and seed.")
    return rows[[setting, *(column for column in COLUMNS if column in rows)]]


def summarised(rows: pd.DataFrame, setting: str, against: float | None = None) -> pd.DataFrame:
    """Give score, its ratio to the dense score, and effect of each value, with half the 95 % interval of each.

    Effects are those of the value beside the value `against`, paired by seed: above 0 it is better.
    """
    lower = rows["metric"].isin(LOWER_IS_BETTER)
    compared = (-rows["bits_per_byte"]).where(lower, rows["score"])
    reference = rows.assign(compared=compared)[rows[setting] == against].set_index([*KEYS, "seed"])["compared"]
    paired = reference.reindex(pd.MultiIndex.from_frame(rows[[*KEYS, "seed"]])).to_numpy()
    rows = rows.assign(ratio=rows["score"] / rows["dense_score"], effect=compared - paired)
    grouped = rows.groupby([*KEYS, setting], sort=True)
    measures = ("score", "ratio", "effect")
    table = grouped.agg(seeds=("seed", "nunique"), **{name: (name, "mean") for name in measures})
    for name in measures:
        table[f"{name}_half_width"] = half_width_95(grouped[name]).where(table["seeds"] > 1)
    return table.reset_index()


def markdown(rows: pd.DataFrame, setting: str, against: float | None = None) -> str:
    """Give the table as Markdown; bold: ahead of the value `against` by more than the interval, italic: behind."""
    titles = ("task", "method", "budget", setting, "score", "over dense", "seeds")
    titles = titles if against is None else (*titles, f"better than {against:g}")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in (
        summarised(rows, setting, against).sort_values("budget", ascending=False, kind="stable").to_dict("records")
    ):
        digits = 2 if row["score"] > 10.0 else 4  # a perplexity, or a fraction
        cells = [row["task"], row["method"], f"{100 * row['budget']:g} %", f"{row[setting]:g}"]
        cells += [_interval(row, "score", digits), _interval(row, "ratio", 3), str(row["seeds"])]
        if against is not None:
            cells.append("" if row[setting] == against or np.isnan(row["effect"]) else _effect(row))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(row: dict[str, float], name: str, digits: int) -> str:
    half_width = row[f"{name}_half_width"]
    return f"{row[name]:.{digits}f}" + ("" if np.isnan(half_width) else f" ± {half_width:.{digits}f}")


def _effect(row: dict[str, float]) -> str:
    effect, half_width = row["effect"], row["effect_half_width"]
    if np.isnan(half_width):  # of one seed
        return f"{effect:+.4f}"
    mark = "" if abs(effect) <= half_width else "**" if effect > 0.0 else "_"
    return f"{mark}{effect:+.4f}{mark} ± {half_width:.4f}"


def main() -> None:
    """Write the rows, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setting", help="the setting in which the runs differ, as their scenarios name it")
    parser.add_argument("folders", nargs="+", type=Path, help="folders of finished runs of walras frontier")
    parser.add_argument("--against", type=float, help="the value with which the others are compared")
    parser.add_argument("--out", type=Path, required=True, help="where to write the rows")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = merged(options.setting, options.folders)
    if options.against is not None and not (rows[options.setting] == options.against).any():
        raise SystemExit(f"No run has {options.setting} {options.against:g}.")
    rows.to_csv(options.out / f"rows-{options.setting}.csv", index=False, float_format="%.6g")
    print(markdown(rows, options.setting, options.against))


if __name__ == "__main__":
    main()
