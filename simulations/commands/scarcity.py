"""`walras scarcity`: cut a model without training, and set where attention goes against what tokens are worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from walras.simulations.commands.options import AsJson, Executor, Jobs, Out, Quiet, numbers

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

__all__ = ["scarcity"]


def scarcity(
    data: Annotated[str, typer.Option(help="roles (embedded), cola, stsb or wikitext.")] = "roles",
    model: Annotated[str | None, typer.Option(help="Folder of a language model, or its name on the hub.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder that holds the data's files.")] = None,
    texts: Annotated[int | None, typer.Option(min=2, help="Texts that are looked at.")] = None,
    heads: Annotated[str | None, typer.Option(help="Fractions of the heads that are closed.")] = None,
    temperatures: Annotated[str | None, typer.Option(help="Of the attention; 1 is the model's own.")] = None,
    tokens: Annotated[str | None, typer.Option(help="Fractions of the tokens that are dropped.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Of random heads and tokens.")] = None,
    longest: Annotated[int | None, typer.Option(min=4, help="Tokens at which a text is cut.")] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Training of the embedded model, before any cut.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    out: Out = None,
    executor: Executor = None,
    jobs: Jobs = None,
    *,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Cut a model's heads, tokens or temperature, and measure whether attention moves to the tokens worth most."""
    from rich.console import Console

    from walras.simulations.commands.simulate import run_and_show
    from walras.simulations.runner import Scenario
    from walras.simulations.scarcity import ScarcityConfig

    given: dict[str, Any] = {
        "data": data,
        "model": model,
        "data_dir": None if data_dir is None else str(data_dir),
        "texts": texts,
        "heads": None if heads is None else numbers("--heads", heads),
        "temperatures": None if temperatures is None else numbers("--temperatures", temperatures),
        "tokens": None if tokens is None else numbers("--tokens", tokens),
        "draws": draws,
        "longest": longest,
        "steps": steps,
    }
    config = {name: value for name, value in given.items() if value is not None}
    ScarcityConfig(**config)  # before anything is written
    scenario = Scenario(experiment="walras.simulations.scarcity:EXPERIMENT", seed=seed, replications=1, config=config)
    console = Console(stderr=as_json)
    agree, run = run_and_show(scenario, out, executor, jobs, quiet=quiet, as_json=as_json)
    if not (quiet or as_json):
        print_effects(run.tables["effects"], console)
    if not agree:
        raise typer.Exit(1)


def print_effects(effects: "pd.DataFrame", console: "Console") -> None:
    """Print, for each cut, how the share of the tokens highest in value changes, and the verdict."""
    from rich.table import Table

    from walras.llm.scarcity import overall_verdict

    for part in ("total", "reallocation"):
        shown = effects.query("outcome == 'top_share' and tokens == 'ordinary' and value == 'gradient x input'")
        shown = shown[shown["part"] == part]
        table = Table(
            box=None, padding=(0, 2, 0, 0), pad_edge=False, title=f"{part}: {overall_verdict(effects, part=part)}"
        )
        for column in ("cut", "level", "change, points", "d", "p", "goes"):
            table.add_column(column, justify="left" if column in ("cut", "goes") else "right")
        for row in shown.to_dict("records"):
            interval = f"{100 * row['mean']:+.2f} [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"
            numbers = (f"{row['level']:g}", interval, f"{row['effect_size']:+.2f}", f"{row['p_holm']:.2g}")
            table.add_row(str(row["cut"]), *numbers, str(row["verdict"]))
        console.print(table, highlight=False)
