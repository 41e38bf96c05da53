"""`walras mechanisms`: one budget under several mechanisms, in training and on recorded agents; a run that resumes."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from walras.market.errors import InvalidInputError
from walras.simulations.commands.frontier import training_length
from walras.simulations.commands.options import AsJson, Executor, Jobs, Out, Quiet, numbers

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from walras.simulations.runner import Scenario

__all__ = ["ALL_MECHANISMS", "mechanisms", "print_mechanisms"]

ALL_MECHANISMS = "cap,tax,collar,progressive,layers,vickrey"


def mechanisms(
    task: Annotated[str, typer.Option(help="roles (embedded), cola, stsb, mnli, wikitext or wikitext-test.")] = "roles",
    model: Annotated[str | None, typer.Option(help="Folder of a pretrained model, or its name on the hub.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the task's files; without it, the hub.")] = None,
    only: Annotated[str, typer.Option("--mechanisms", help=f"Some of {ALL_MECHANISMS}.")] = ALL_MECHANISMS,
    budgets: Annotated[str, typer.Option(help="Fractions of the FLOPs that heads and blocks use.")] = "0.6,0.4,0.25",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each mechanism.")] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the dense model, and of each mechanism.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Or their length in passes over the data.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the weights.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples a step.")] = None,
    search: Annotated[
        float | None, typer.Option(help="Fraction of the steps in which agents learn what to bid; then recovery.")
    ] = None,
    collar: Annotated[
        float | None, typer.Option(help="Half the collar, in quantity: a fraction of all compute.")
    ] = None,
    tax_rate: Annotated[float | None, typer.Option(help="Of the progressive tax: loss per unit of compute.")] = None,
    periods: Annotated[int | None, typer.Option(min=1, help="Of the isolated economy.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="First examples of each GLUE file, or so many windows, only.")
    ] = None,
    window: Annotated[int, typer.Option(min=2, help="Tokens of a window of WikiText.")] = 512,
    stride: Annotated[int, typer.Option(min=1, help="How far the window moves in evaluation.")] = 256,
    train_tokens: Annotated[int, typer.Option(min=0, help="Of WikiText to train on; 0: all.")] = 4_000_000,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    dense_models: Annotated[
        Path, typer.Option(help="Where dense models are kept: those of `walras frontier` with the same settings.")
    ] = Path("runs/dense-models"),
    out: Out = None,
    executor: Executor = None,
    jobs: Jobs = None,
    *,
    bf16: Annotated[bool, typer.Option("--bf16", help="Matrix products in bfloat16.")] = False,
    compiled: Annotated[bool, typer.Option("--compiled", help="Compile the models (torch.compile).")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Ration models under several mechanisms at the same budgets, and compare with the mechanisms in isolation."""
    from rich.console import Console

    from walras.simulations.commands.simulate import run_and_show

    embedded = task == "roles"
    given: dict[str, Any] = {"search": search, "collar": collar, "tax_rate": tax_rate, "periods": periods}
    config: dict[str, Any] = {
        "task": task,
        "model": model or "",
        "data_dir": str(data_dir) if data_dir else "",
        "limit": limit or 0,
        "window": window,
        "stride": stride,
        "train_tokens": train_tokens,
        "budgets": numbers("--budgets", budgets),
        "seeds": seeds,
        "learning_rate": learning_rate or (1e-3 if embedded else 1e-4),
        "batch_size": batch_size or (64 if embedded else 32),
        "dense_models": str(dense_models),
        "bf16": bf16,
        "compiled": compiled,
        **{name: value for name, value in given.items() if value is not None},
        **training_length(task, steps, epochs),
    }
    names = tuple(name.strip() for name in only.split(",") if name.strip())
    if not names:
        raise InvalidInputError(f"--mechanisms is empty: name some of {ALL_MECHANISMS}.")
    scenario = _scenario(config, names, seed)
    console = Console(stderr=as_json)
    agree, run = run_and_show(scenario, out, executor, jobs, quiet=quiet, as_json=as_json)
    if not (quiet or as_json):
        print_mechanisms(run.tables["outcomes"], console)
    if not agree:
        raise typer.Exit(1)


def _scenario(config: dict[str, Any], names: tuple[str, ...], seed: int) -> "Scenario":
    from walras.simulations.evidence.mechanisms import MechanismsConfig
    from walras.simulations.runner import Scenario

    for name in names:
        checked = MechanismsConfig(**config, mechanism=name)  # before anything is written
    checked.frontier().load(seed)  # likewise: a model or data that cannot be had
    return Scenario(
        experiment="walras.simulations.evidence.mechanisms:EXPERIMENT",
        seed=seed,
        replications=1,
        config=config,
        grid={"mechanism": names},
    )


def print_mechanisms(outcomes: "pd.DataFrame", console: "Console") -> None:
    """Print what each mechanism does at each budget, and how isolated and trained rankings go together."""
    from rich.table import Table

    from walras.simulations.evidence.mechanisms import mechanism_summary, rank_correlations

    summary = mechanism_summary(outcomes).sort_values("budget", ascending=False, kind="stable")
    metric = str(outcomes["metric"].iloc[0])
    for part, score in (("trained", metric), ("isolated", "value served")):
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, title=f"{part}, over seeds", title_justify="left")
        for column in ("budget", "mechanism", score, "against cap", "used", "price", "Gini", "layers", "dead"):
            table.add_column(column, justify="left" if column == "mechanism" else "right", no_wrap=True)
        for row in summary[summary["part"] == part].to_dict("records"):
            table.add_row(
                f"{row['budget']:g}",
                row["mechanism"],
                _with_interval(row["score"], row["half_width"]),
                _with_interval(row["against_cap"], row["against_cap_half_width"], sign="+"),
                *(f"{row[name]:.3f}" for name in ("used", "price", "gini_agents", "gini_layers")),
                f"{row['dead']:.1f}",
            )
        console.print(table, highlight=False)
    if outcomes["mechanism"].nunique() < 2:
        return
    table = Table(
        box=None, padding=(0, 2, 0, 0), pad_edge=False, title="isolated and trained rankings", title_justify="left"
    )
    for column in ("measure", "budget", "Kendall", "95 %", "Spearman", "a seed with the others"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for row in rank_correlations(outcomes).to_dict("records"):
        table.add_row(
            row["measure"],
            "all" if math.isnan(row["budget"]) else f"{row['budget']:g}",
            _correlation(row["kendall"]),
            f"{_correlation(row['low'])} to {_correlation(row['high'])}",
            _correlation(row["spearman"]),
            _correlation(row["between_seeds"]),
        )
    console.print(table, highlight=False)


def _with_interval(value: float, half_width: float, *, sign: str = "") -> str:
    if math.isnan(value):
        return ""
    interval = "" if math.isnan(half_width) else f" ± {half_width:.3f}"
    return f"{value:{sign}.3f}{interval}"


def _correlation(value: float) -> str:
    """Give a correlation; where all mechanisms are alike there is none."""
    return "none" if math.isnan(value) else f"{value:+.2f}"
