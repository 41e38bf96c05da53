"""`walras frontier`: score against compute, over methods, budgets and seeds; a run that resumes."""

import json
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

__all__ = ["ALL_METHODS", "frontier", "print_summary"]

# Minutes on two cores: what must hold at any scale can be seen on it, and nothing else.
_SMOKE: dict[str, Any] = {
    "methods": "dense,elastic,magnitude,random-post-hoc",
    "budgets": "1.0,0.5,0.25",
    "seeds": 2,
    "steps": 40,
}
_PRESETS = {"smoke": _SMOKE}
ALL_METHODS = "dense,elastic,market,random,magnitude,michel,taylor,fisher,l0,movement,uniform,small_dense"


def frontier(
    task: TaskName = "roles",
    model: Model = None,
    data_dir: DataDir = None,
    methods: Annotated[
        str | None,
        typer.Option(help=f"Some of {ALL_METHODS}; rankings also with -post-hoc, elastic and market with -whole."),
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="Fractions of the FLOPs that heads and blocks use.")] = None,
    baseline_budgets: Annotated[
        str | None, typer.Option(help="Those of all methods but elastic, market and their -whole; by default the same.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of each method. Default: 3.")] = None,
    steps: Steps = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    search: Search = None,
    settled: Annotated[
        float | None,
        typer.Option(help="Fraction of steps from which elastic training serves whole agents; 1: never. Default: 0.5."),
    ] = None,
    limit: Limit = None,
    window: Window = 512,
    stride: Stride = 256,
    train_tokens: TrainTokens = 4_000_000,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    preset: Annotated[str | None, typer.Option(help="smoke: the embedded task, in minutes on two cores.")] = None,
    attention_sentences: Annotated[
        int | None, typer.Option(min=1, help="Evaluation examples that --attention looks at. Default: 200.")
    ] = None,
    dense_models: DenseModels = Path("runs/dense-models"),
    out: Out = None,
    executor: Executor = None,
    jobs: Jobs = None,
    *,
    bf16: Bf16 = False,
    compiled: Compiled = False,
    attention: Annotated[
        bool, typer.Option("--attention", help="Measure every model's attention too: entropy, Gini, agreement.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Time a few steps and estimate the whole.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train and score every method at every budget. A killed run goes on when it is run again with --out."""
    from rich.console import Console

    from walras.simulations.commands.attention import print_attention
    from walras.simulations.commands.simulate import run_and_show
    from walras.simulations.evidence.config import BUDGETS

    chosen = _PRESETS.get(preset, {}) if preset else {}
    if preset and not chosen:
        raise InvalidInputError(f"There is no preset {preset!r}; there are: {', '.join(_PRESETS)}.")
    config = training_config(
        task=task,
        model=model,
        data_dir=data_dir,
        limit=limit,
        window=window,
        stride=stride,
        train_tokens=train_tokens,
        budgets=numbers("--budgets", budgets or chosen.get("budgets") or ",".join(map(str, BUDGETS))),
        baseline_budgets=numbers("--baseline-budgets", baseline_budgets) if baseline_budgets else None,
        seeds=seeds or chosen.get("seeds") or 3,
        learning_rate=learning_rate,
        batch_size=batch_size,
        search=search,
        settled=settled,
        steps=steps or (None if epochs else chosen.get("steps")),
        epochs=epochs,
        attention=attention or None,
        attention_sentences=attention_sentences,
        dense_models=dense_models,
        bf16=bf16,
        compiled=compiled,
    )
    names = [name.strip() for name in (methods or chosen.get("methods") or ALL_METHODS).split(",") if name.strip()]
    if not names:
        raise InvalidInputError(f"--methods is empty: name some of {ALL_METHODS}.")
    scenario = _scenario(config, names, seed)
    console = Console(stderr=as_json)
    if dry_run:
        _estimate(scenario, names, jobs or 1, console, as_json=as_json)
        return
    agree, run = run_and_show(scenario, out, executor, jobs, quiet=quiet, as_json=as_json)
    if not (quiet or as_json):
        print_summary(run.tables["scores"], console)
        if "attention" in run.tables:
            print_attention(run.tables["attention"], console)
    if not agree:
        raise typer.Exit(1)


def print_summary(scores: "pd.DataFrame", console: "Console") -> None:
    """Print mean, interval and what is kept of the dense score, for each method and budget."""
    from rich.table import Table

    from walras.llm.tasks import LOWER_IS_BETTER
    from walras.simulations.evidence.table import frontier_summary

    metric = scores["metric"].iloc[0]
    kept = f"dense {metric} over it" if metric in LOWER_IS_BETTER else "of dense"
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, title=f"{scores['task'].iloc[0]}, over seeds")
    for column in ("method", "budget", "FLOPs, real tokens", metric, kept):
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in frontier_summary(scores).to_dict("records"):
        interval = "" if math.isnan(row["half_width"]) else f" ± {row['half_width']:.3f}"
        table.add_row(
            row["method"],
            f"{row['budget']:g}",
            f"{row['real_flops_ratio']:.3f}",
            f"{row['score']:.3f}{interval}",
            f"{100 * row['kept']:.1f} %",
        )
    console.print(table, highlight=False)


def _scenario(config: dict[str, Any], methods: list[str], seed: int) -> "Scenario":
    from walras.simulations.evidence import FrontierConfig
    from walras.simulations.runner import Scenario

    for method in methods:
        checked = FrontierConfig(**config, method=method)  # before anything is written
    checked.load(seed)  # likewise: a model or data that cannot be had
    return Scenario(
        experiment="walras.simulations.evidence:EXPERIMENT",
        seed=seed,
        replications=1,
        config=config,
        grid={"method": tuple(methods)},
    )


def _estimate(scenario: "Scenario", methods: list[str], jobs: int, console: "Console", *, as_json: bool) -> None:
    from walras.simulations.evidence import FrontierConfig
    from walras.simulations.evidence.estimate import estimate

    config = FrontierConfig(**scenario.config)
    found = estimate(config, methods)
    total = found.total / jobs
    if as_json:
        typer.echo(json.dumps({**found._asdict(), "seconds": total}, indent=2))
        return
    members = config.seeds * len(config.budgets)
    console.print(
        f"On this device, one job at a time, a step of {config.seeds} models side by side takes {found.step:.3f} s, "
        f"with several budgets each {found.elastic_step:.3f} s, and of {members} models {found.stacked_step:.3f} s.\n"
        f"{len(methods)} methods, {jobs} at a time: about {total / 60:.0f} minutes, scoring left out (jobs that share "
        "a device gain less than their number).",
        highlight=False,
    )
