"""The rows, the figures and the tables of a results page, from runs of `walras ablation` on one or more tasks.

    python benchmarks/ablation_results.py runs/cola-1 runs/cola-2 runs/mnli --out docs/results/ablation

Runs of a task must have begun with the same dense models, and may share the variants among them. Of a run that is not
finished the cells that are there are taken. Writes into the folder

    rows.csv     a row per run, variant, budget and seed
    TASK.png     the effect of each variant, for each task

and prints Markdown, for each task: how far runs of the same variant on the same seed are apart, which kernels that do
not add in one order bring about alone; and what each variant does to the score, in bits a byte for perplexities. A
variant that several runs have, as each has `as-it-is`, stands with its mean over runs, seed by seed. At last: how many
of all effects leave 0 out, and how many still do after Holm's correction for their number.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from stored_rows import stored_tables

from walras.llm.tasks import LOWER_IS_BETTER
from walras.simulations.evidence.ablation import AS_IT_IS, VARIANTS, variant_effects
from walras.simulations.evidence.ablation.figures import ablation_figures

KEYS = ["task", "variant", "seed", "budget"]
COLUMNS = (
    *("run", "variant", "task", "seed", "budget", "metric", "score", "dense_score", "bits_per_byte", "used"),
    *("real_flops_ratio", "padded_flops_ratio", "heads", "blocks", "gini"),
)
FAR = 3.0  # an effect at so many times the largest other one is drawn at the edge, so that the others can be told apart


def merged(folders: list[Path]) -> pd.DataFrame:
    """Give the rows of all runs, each with the name of its folder as `run`."""
    tables = []
    for folder in folders:
        tables += [table.assign(run=folder.name) for table in stored_tables(folder, "scores", "walras ablation")]
    rows = pd.concat(tables, ignore_index=True)
    if "variant" not in rows or rows["variant"].isna().any():
        raise SystemExit("Not all are runs of walras ablation: there are rows of no variant.")
    for task, of_task in rows.groupby("task", sort=False):
        if (of_task.groupby("seed")["dense_score"].nunique() > 1).any():
            raise SystemExit(f"{task}: runs of several dense models; effects are paired by seed and dense model.")
    return rows[[column for column in COLUMNS if column in rows]]


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the rows with what is compared as `score`: bits a byte in place of perplexities, which are their powers."""
    lower = rows["metric"].isin(LOWER_IS_BETTER)
    return rows.assign(
        score=rows["score"].where(~lower, rows["bits_per_byte"]),
        metric=rows["metric"].where(~lower, "bits_per_byte"),
        dense_score=rows["dense_score"].where(~lower),  # a perplexity
    )


def once(rows: pd.DataFrame) -> pd.DataFrame:
    """Give each variant, seed and budget once: the means of scores over runs."""
    first = {"metric": "first", "score": "mean", "dense_score": "first"}
    return rows.groupby(KEYS, sort=False, as_index=False).agg(first)


def effects_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the effects of the variants of all tasks, with the p-value of each; see `variant_effects`."""
    tables = [variant_effects(of_task).assign(task=task) for task, of_task in once(rows).groupby("task", sort=False)]
    effects = pd.concat(tables, ignore_index=True)
    effects = effects[effects["variant"] != AS_IT_IS]
    freedom = np.maximum(effects["seeds"] - 1, 1)
    students_t = effects["effect"].abs() / effects["half_width"] * stats.t.ppf(0.975, freedom)
    return effects.assign(p=2.0 * stats.t.sf(students_t, freedom))


def reruns_table(rows: pd.DataFrame) -> str:
    """Say how far runs of one variant and seed are apart, by budget; empty where nothing was run twice.

    The last column is the standard deviation of the mean effect of a variant that does nothing and is run once.
    """
    grouped = rows.groupby(KEYS)["score"]
    twice = grouped.agg(["count", "var", "min", "max"]).query("count > 1").reset_index()
    lines = [
        "| budget | runs of a seed | standard deviation | largest difference | of an effect |",
        "|---|---|---|---|---|",
    ]
    for budget, found in sorted(twice.groupby("budget"), key=lambda group: -group[0]):
        freedom = found["count"] - 1
        deviation = np.sqrt((freedom * found["var"]).sum() / freedom.sum())
        runs = f"{found['count'].min()}" if found["count"].nunique() == 1 else f"up to {found['count'].max()}"
        most = (found["max"] - found["min"]).max()
        seeds = rows["seed"].nunique()  # a variant that does nothing, run once, beside the mean over runs of as-it-is
        alone = deviation * np.sqrt((1.0 + 1.0 / found["count"].max()) / seeds)
        lines.append(f"| {100 * budget:g} % | {runs} | {deviation:.4f} | {most:.4f} | {alone:.4f} |")
    return "\n".join(lines) if len(twice) else ""


def effects_table(rows: pd.DataFrame, effects: pd.DataFrame) -> str:
    """Give the effects of one task: a line for each variant, and for each budget its effect and its score."""
    budgets = sorted(rows["budget"].unique(), reverse=True)
    scores = once(rows).groupby(["variant", "budget"])["score"].mean()
    metric = str(rows["metric"].iloc[0])
    columns = [column for at in budgets for column in (f"effect, {100 * at:g} %", f"{metric}, {100 * at:g} %")]
    lines = [f"| variant | what is changed | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    digits = 2 if metric == "perplexity" else 4
    for variant in [name for name in VARIANTS if name in set(rows["variant"])]:
        cells = [f"`{variant}`", _change(variant)]
        for budget in budgets:
            found = effects[(effects["variant"] == variant) & (effects["budget"] == budget)]
            cells += [
                _effect(found.iloc[0]) if len(found) else "",
                f"{scores.get((variant, budget), np.nan):.{digits}f}",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def counts_line(effects: pd.DataFrame) -> str:
    """Say how many effects leave 0 out, and how many do when their number is allowed for (Holm 1979)."""
    known = effects[effects["p"].notna()].sort_values("p")
    holm = np.maximum.accumulate(known["p"].to_numpy() * np.arange(len(known), 0, -1))
    names = [
        f"{row['variant']} on {row['task']} at {100 * row['budget']:g} %"
        for row in known[holm < 0.05].to_dict("records")
    ]
    kept = f" ({', '.join(names)})" if names else ""
    return (
        f"{len(known)} effects: {known['better'].sum()} ahead, {known['worse'].sum()} behind by more than the 95 % "
        f"interval; {len(known) / 20:.1f} would be expected to leave 0 out by chance. After Holm's correction: "
        f"{len(names)}{kept}."
    )


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw the effects of one task; one that is far from all others is told at the edge of its panel."""
    figure = ablation_figures({"scores": once(rows)})["ablation"]
    effects = variant_effects(once(rows)).query("variant != @AS_IT_IS")
    names = [name for name in VARIANTS if name in set(effects["variant"])]
    for axis, (_, found) in zip(figure.axes, sorted(effects.groupby("budget"), key=lambda at: -at[0]), strict=True):
        axis.locator_params(axis="x", nbins=6)
        axis.set_xlabel(axis.get_xlabel().replace("_", " "))
        reach = found["effect"].abs() + found["half_width"].fillna(0.0)
        far = found["effect"].abs() > FAR * reach.sort_values().iloc[:-1].max() if len(found) > 2 else []
        if not np.any(far):
            continue
        (one,) = found[far].to_dict("records")
        limit = 1.15 * reach[~far].max()
        axis.set_xlim(-limit, limit)
        text = f"{one['effect']:+.3f} ± {one['half_width']:.3f}"
        at_right = one["effect"] > 0.0
        axis.annotate(
            f"{text} →" if at_right else f"← {text}",
            ((0.98 if at_right else -0.98) * limit, names.index(one["variant"])),
            ha="right" if at_right else "left",
            va="center",
            fontsize=8,
        )
    figure.savefig(path, dpi=120)


def _change(variant: str) -> str:
    part, change = VARIANTS[variant].part, VARIANTS[variant].change
    return f"{part}: {change.removeprefix(part).strip()}" if part else change


def _effect(row: pd.Series) -> str:
    mark = "**" if row["better"] else "_" if row["worse"] else ""
    half_width = "" if np.isnan(row["half_width"]) else f" ± {row['half_width']:.4f}"
    return f"{mark}{row['effect']:+.4f}{mark}{half_width}"


def main() -> None:
    """Write the files, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of runs of walras ablation")
    parser.add_argument("--out", type=Path, required=True, help="where to write the files")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = merged(options.folders)
    rows.to_csv(options.out / "rows.csv", index=False, float_format="%.6g")
    effects = effects_of(compared(rows))
    for task, of_task in rows.groupby("task", sort=False):
        draw(compared(of_task), options.out / f"{task}.png")
        unit = "bits a byte saved" if of_task["metric"].isin(LOWER_IS_BETTER).all() else "points added"
        print(f"## {task}: {of_task['seed'].nunique()} seeds\n")
        if reruns := reruns_table(compared(of_task)):
            print(f"Runs of one variant and seed apart:\n\n{reruns}\n")
        table = effects_table(of_task, effects[effects["task"] == task])
        print(f"Effects, {unit} (bold: ahead, italic: behind):\n\n{table}\n")
    print(counts_line(effects))


if __name__ == "__main__":
    main()
