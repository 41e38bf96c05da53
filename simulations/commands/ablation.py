"""`walras ablation`: the market method with one part changed at a time, all else being equal; a run that resumes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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

__all__ = ["ALL_VARIANTS", "ablation", "print_effects"]

_AS_IT_IS = "as-it-is"
ALL_VARIANTS = (
    f"{_AS_IT_IS},hot,cold,no-schedule,long-schedule,equal-start,lot-start,cost-blind-start,frozen,whole,slow-valuations,"
    "fast-valuations,narrow-blocks,wide-blocks,sublayers,no-distillation,distillation-only,short-search,long-search,"
    "one-rate,no-recovery"
)


def ablation(
    task: TaskName = "roles",
    model: Model = None,
    data_dir: DataDir = None,
    variants: Annotated[
        str, typer.Option(help=f"Some of {ALL_VARIANTS}; {_AS_IT_IS} is always one of them.")
    ] = ALL_VARIANTS,
    budgets: Annotated[str, typer.Option(help="Fractions of the FLOPs that heads and blocks use.")] = "0.4,0.25,0.15",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each variant.")] = 3,
    steps: Steps = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    search: Search = None,
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
    """Change one part of the market method at a time, and say what that does to the score."""
    from rich.console import Console

    from walras.simulations.commands.simulate import run_and_show
    from walras.simulations.evidence.ablation import effects_markdown

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
        steps=steps,
        epochs=epochs,
        dense_models=dense_models,
        bf16=bf16,
        compiled=compiled,
    )
    named = [name.strip() for name in variants.split(",") if name.strip()]
    scenario = _scenario(config, tuple(dict.fromkeys([_AS_IT_IS, *named])), seed)
    console = Console(stderr=as_json)
    agree, run = run_and_show(scenario, out, executor, jobs, quiet=quiet, as_json=as_json)
    scores = run.tables["scores"]
    table = run.folder.write_text("effects.md", effects_markdown(scores))
    if not (quiet or as_json):
        print_effects(scores, console)
        console.print(f"The same in Markdown: {table}", highlight=False, soft_wrap=True)
    if not agree:
        raise typer.Exit(1)


def _scenario(config: dict[str, Any], names: tuple[str, ...], seed: int) -> "Scenario":
    from walras.simulations.evidence.ablation import AblationConfig
    from walras.simulations.runner import Scenario

    for name in names:
        checked = AblationConfig(**config, variant=name)  # before anything is written
    checked.frontier().load(seed)  # likewise: a model or data that cannot be had
    return Scenario(
        experiment="walras.simulations.evidence.ablation:EXPERIMENT",
        seed=seed,
        replications=1,
        config=config,
        grid={"variant": names},
    )


def print_effects(scores: "pd.DataFrame", console: "Console") -> None:
    """Print what each variant does to the score at each budget."""
    from rich.table import Table

    from walras.simulations.evidence.ablation import variant_effects
    from walras.simulations.evidence.ablation.table import percent, with_interval

    effects = variant_effects(scores).sort_values("budget", ascending=False, kind="stable")
    title = f"{scores['task'].iloc[0]}: what each change does, over seeds (above 0: it helps)"
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, title=title, title_justify="left")
    for column in ("budget", "variant", str(scores["metric"].iloc[0]), "of dense", "effect, 95 %", "seeds", ""):
        table.add_column(column, justify="left" if column in ("variant", "") else "right", no_wrap=True)
    for row in effects.to_dict("records"):
        table.add_row(
            f"{row['budget']:g}",
            row["variant"],
            f"{row['score']:.4f}",
            percent(row["kept"]),
            "" if row["variant"] == _AS_IT_IS else with_interval(row["effect"], row["half_width"]),
            str(row["seeds"]),
            "better" if row["better"] else "worse" if row["worse"] else "",
        )
    console.print(table, highlight=False)
