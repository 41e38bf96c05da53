"""`walras mechanisms`: one budget under several mechanisms, in training and on recorded agents; a run that resumes."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from walras.market.errors import InvalidInputError
from walras.simulations.commands.options import AsJson, Executor, Jobs, Out, Quiet, numbers
from walras.simulations.commands.training_options import (
    BatchSize,
    Bf16,
    Compiled,
    DataDir,
    DenseModels,
    Epochs,
    LearningRate,
    Limit,
    Model,
    Search,
    Steps,
    Stride,
    TaskName,
    TrainTokens,
    Window,
    training_config,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from walras.simulations.runner import Scenario

__all__ = ["ALL_MECHANISMS", "mechanisms", "print_mechanisms"]

ALL_MECHANISMS = "cap,tax,collar,progressive,layers,vickrey"


def mechanisms(
    task: TaskName = "roles",
    model: Model = None,
    data_dir: DataDir = None,
    only: Annotated[str, typer.Option("--mechanisms", help=f"Some of {ALL_MECHANISMS}.")] = ALL_MECHANISMS,
    budgets: Annotated[str, typer.Option(help="Fractions of the FLOPs that heads and blocks use.")] = "0.6,0.4,0.25",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each mechanism.")] = 3,
    steps: Steps = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    search: Search = None,
    collar: Annotated[
        float | None, typer.Option(help="Half the collar, in quantity: a fraction of all compute.")
    ] = None,
    tax_rate: Annotated[float | None, typer.Option(help="Of the progressive tax: loss per unit of compute.")] = None,
    periods: Annotated[int | None, typer.Option(min=1, help="Of the isolated economy.")] = None,
    limit: Limit = None,
    window: Window = 512,
    stride: Stride = 256,
    train_tokens: TrainTokens = 4_000_000,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    dense_models: DenseModels = Path("runs/dense-models"),
    out: Out = None,
    executor: Executor = None,
    jobs: Jobs = None,
    *,
    bf16: Bf16 = False,
    compiled: Compiled = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Ration models under several mechanisms at the same budgets, and compare with the mechanisms in isolation."""
    from rich.console import Console

    from walras.simulations.commands.simulate import run_and_show

    config = training_config(
        task=task,
        model=model,
        data_dir=data_dir,
        limit=limit,
        window=window,
        stride=stride,
        train_tokens=train_tokens,
        budgets=numbers("--budgets", budgets),
        seeds=seeds,
        learning_rate=learning_rate,
        batch_size=batch_size,
        search=search,
        collar=collar,
        tax_rate=tax_rate,
        periods=periods,
        steps=steps,
        epochs=epochs,
        dense_models=dense_models,
        bf16=bf16,
        compiled=compiled,
    )
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
