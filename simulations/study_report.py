"""The report of a study, from its stored rows alone."""

import pandas as pd

from walras.simulations import figures
from walras.simulations.report import Section, render_report
from walras.simulations.run_folder import RunFolder

__all__ = ["frontier_table", "render_study"]


def frontier_table(rows: pd.DataFrame, *, ranges: bool = True) -> pd.DataFrame:
    """Give the frontier as a table for reading: the dense model, then a row per budget; all cells are text.

    Columns after the budget: FLOPs (counted, over the dense model's); scores of the model trained under the market,
    hard and soft, and of the dense model pruned by magnitude and at random (mean and range of draws); latency of the
    exported model; heads and neuron blocks left; Gini coefficient of FLOPs over agents; mean entropy of attention.

    Parameters
    ----------
    rows
        From `walras.simulations.frontier.frontier_rows`.
    ranges
        Whether to show the range of random pruning beside its mean.
    """
    scores = rows.groupby(["method", "budget"])["score"].agg(["mean", "min", "max"])
    cells = []
    for row in rows[rows["method"].isin(["dense", "market"])].to_dict("records"):
        is_market = row["method"] == "market"
        pruned = {"magnitude": "", "random": ""}
        if is_market:
            by_magnitude, by_chance = (scores.loc[(name, row["budget"])] for name in pruned)
            pruned["magnitude"] = f"{by_magnitude['mean']:.3f}"
            spread = f" ({by_chance['min']:.3f} to {by_chance['max']:.3f})" if ranges else ""
            pruned["random"] = f"{by_chance['mean']:.3f}{spread}"
        cells.append(
            {
                "budget": f"{row['budget']:g}" if is_market else "dense",
                "FLOPs": f"{row['flops_ratio']:.3f}",
                "score": f"{row['score']:.3f}",
                "soft": f"{row['soft_score']:.3f}" if is_market else "",
                "magnitude": pruned["magnitude"],
                "random": pruned["random"],
                "ms": f"{row['latency_ms']:.{1 if row['latency_ms'] < 100 else 0}f}",
                "speed-up": f"{row['speed_up']:.2f}",
                "heads": f"{row['heads']}",
                "blocks": f"{row['blocks']}",
                "Gini": f"{row['gini']:.2f}",
                "bits": f"{row['entropy_bits']:.2f}",
            }
        )
    return pd.DataFrame(cells)


def render_study(folder: RunFolder) -> str:
    """Give the report of a study as HTML; writes the figures beside the rows."""
    facts = folder.manifest["facts"]
    sections = [_isolation(folder), _contract(folder), _economy(folder), _frontier(folder), _exported(folder)]
    title = f"The capacity market, alone and inside {facts['model']} on {folder.manifest['config']['task']}"
    return render_report(title, sections, folder.manifest)


def _isolation(folder: RunFolder) -> Section:
    rows = _rows(folder, "isolation")
    figure = folder.write_figure("isolation", figures.isolation_figure(rows))
    text = (
        f"{rows['seed'].nunique()} populations of agents with lognormal valuations share one resource at one price. "
        "Step demand is the exact auction; linear and logit demand are smoother and serve less valuable agents too. "
        f"The largest residual of all {len(rows):,} certificates is {rows['residual'].max():.1e}."
    )
    return Section("The market alone", text, figures=[(figure, "Price, efficiency and concentration by budget.")])


def _contract(folder: RunFolder) -> Section:
    checks = _rows(folder, "checks")
    table = pd.DataFrame(
        {
            "check": checks["check"],
            "measured": checks["measured"].map("{:.2g}".format),
            "tolerance": checks["tolerance"].map("{:g}".format),
            "holds": checks["holds"].map({True: "yes", False: "NO"}),
        }
    )
    text = (
        "The engine clears a specification exactly, the operator is compiled from it. They agree, and so does theory:"
    )
    return Section("One mechanism, several executions", text, table=table)


def _economy(folder: RunFolder) -> Section:
    periods = _rows(folder, "economy")
    figure = folder.write_figure("economy", figures.economy_figure(periods))
    drift = (periods.groupby("policy")["total_cents"].max() - periods.groupby("policy")["total_cents"].min()).max()
    text = (
        f"Heads and blocks as owners of wealth, for {periods['period'].nunique()} periods: they bid, pay, earn the "
        "value of what they used, are taxed and rebated. Zero intelligence bids at random: what still goes right is "
        f"the market's doing. All money together changed by {int(drift)} cents in all that time."
    )
    return Section(
        "An economy of heads and blocks", text, figures=[(figure, "Price, efficiency and wealth over time.")]
    )


def _frontier(folder: RunFolder) -> Section:
    facts = folder.manifest["facts"]
    rows = _rows(folder, "frontier")
    pictures = [
        (
            folder.write_figure("frontier", figures.frontier_figure(rows, metric=facts["metric"])),
            "Score against FLOPs.",
        ),
        (
            folder.write_figure("training", figures.training_figure(_rows(folder, "training"))),
            "The market during training: price, and what a unit of budget would lower the loss by.",
        ),
    ]
    training = facts["training"]
    text = (
        f"Two copies of the model were trained with the same {training['steps']} steps of {training['batch_size']} "
        "examples and the same seed: one dense, one under the market for all budgets at once. Score: "
        f"{facts['metric']} on {facts['examples']['evaluation']:,} held-out examples, of exported models. Pruning acts "
        "on the dense model, without further training, through the same market. FLOPs: counted on the exported models "
        f"at {facts['sequence_length']} tokens. "
        "The explicit engine, given the model's valuations, serves "
        + ("the very same agents at every budget." if facts["allocation_difference"] == 0 else "OTHER AGENTS: a bug.")
    )
    return Section("The market inside the model", text, table=frontier_table(rows), figures=pictures)


def _exported(folder: RunFolder) -> Section:
    agents = _rows(folder, "agents")
    pictures = [
        (
            folder.write_figure("cost", figures.cost_figure(_rows(folder, "frontier"))),
            "Speed, concentration, attention.",
        ),
        (
            folder.write_figure("allocation", figures.allocation_figure(agents)),
            "Share of heads and neuron blocks served.",
        ),
    ]
    text = "Closed heads and blocks are physically removed; latency is the median of interleaved passes over one batch."
    return Section("The exported models", text, figures=pictures)


def _rows(folder: RunFolder, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder.path / f"{name}.parquet")
