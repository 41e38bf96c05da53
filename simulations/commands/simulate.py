"""`walras simulate` and `walras sweep`: run a scenario, compare it with what is known, and write its report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from walras.market.errors import InvalidInputError
from walras.simulations.commands.options import (
    AsJson,
    Executor,
    Jobs,
    Out,
    Quiet,
    Replications,
    Seed,
    Settings,
    Target,
    changed_scenario,
    resumable,
    shown_progress,
)

if TYPE_CHECKING:
    from rich.console import Console

    from walras.simulations.run_folder import RunFolder
    from walras.simulations.runner import Scenario, StoredRun

__all__ = ["run_and_show", "show_run", "simulate", "sweep"]


def simulate(
    scenario: Target,
    settings: Settings = None,
    seed: Seed = None,
    replications: Replications = None,
    out: Out = None,
    executor: Executor = None,
    jobs: Jobs = None,
    *,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario; sets its numbers beside published ones, and draws its figures. Fails if a number disagrees."""
    from walras.simulations.runner import load_scenario

    changed = changed_scenario(load_scenario(scenario), settings, seed=seed, replications=replications)
    agree, _ = run_and_show(changed, out, executor, jobs, quiet=quiet, as_json=as_json)
    if not agree:
        raise typer.Exit(1)


def sweep(
    scenario: Target,
    grid: Annotated[
        list[str] | None, typer.Option(help="field=a,b,c: its values; every combination is a point. May be repeated.")
    ] = None,
    sobol: Annotated[
        list[str] | None, typer.Option(help="field=low..high, or low..high:log: a range to sample. May be repeated.")
    ] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Sobol samples per combination of the grid.")] = None,
    settings: Settings = None,
    seed: Seed = None,
    replications: Replications = None,
    out: Out = None,
    executor: Executor = None,
    jobs: Jobs = None,
    *,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario over a grid or a sample of its fields. A killed sweep goes on when it is run again with --out."""
    from walras.simulations.runner import load_scenario

    changed = changed_scenario(
        load_scenario(scenario),
        settings,
        seed=seed,
        replications=replications,
        grid=grid,
        sobol=sobol,
        samples=samples,
    )
    if not changed.grid and not changed.sobol:
        raise InvalidInputError(
            f"There is nothing to sweep over: give --grid or --sobol, or run `walras simulate {scenario}`."
        )
    run_and_show(changed, out, executor, jobs, quiet=quiet, as_json=as_json)


def run_and_show(
    scenario: "Scenario", out: Path | None, executor: str | None, jobs: int | None, *, quiet: bool, as_json: bool
) -> tuple[bool, "StoredRun"]:
    """Run a scenario and show what came out; whether all anchors agree, and the stored run."""
    from rich.console import Console

    from walras.simulations.runner import StoredRun, find_experiment, write_report
    from walras.simulations.runner.executors import open_executor
    from walras.simulations.runner.run import manifest_config, open_run_folder, run_cells
    from walras.simulations.runner.stored_run import resuming_command

    console = Console(stderr=as_json)
    opened = open_executor(executor, jobs)  # before anything is written
    name = find_experiment(scenario.experiment).name
    folder = open_run_folder(out, name, manifest_config(scenario))
    folder.write_text("scenario.toml", scenario.as_toml())
    with resumable(console, resuming_command(folder.path)):
        if not quiet:  # before it runs: who kills it must know where it is
            console.print(f"Folder: {folder.path}", highlight=False, soft_wrap=True)
        with shown_progress(console, quiet=quiet) as on_start:
            run_cells(scenario, folder, opened, on_start)
        run = StoredRun(folder.path)
        if not quiet:
            _print_damage(folder, console)
        return show_run(run, write_report(run), console, quiet=quiet, as_json=as_json), run


def show_run(run: "StoredRun", report: Path, console: "Console", *, quiet: bool, as_json: bool) -> bool:
    """Show a run's anchors and where its report is; whether all anchors agree."""
    from walras.simulations.runner import anchor_rows

    anchors = run.anchors()
    agree = all(anchor.agrees for anchor in anchors)
    if as_json:
        rows = json.loads(anchor_rows(anchors).to_json(orient="records", double_precision=15))
        facts = {"run": str(run.path), "report": str(report), "agree": agree, "anchors": rows}
        typer.echo(json.dumps(facts, indent=2))
        return agree
    if not quiet:
        _print_anchors(run, console)
    typer.echo(f"Report: {report}")
    return agree


def _print_damage(folder: "RunFolder", console: "Console") -> None:
    """Say which stored cells could not be read when the run went on, now or before."""
    damaged = sorted({cell for time in folder.manifest.get("resumed", []) for cell in time.get("damaged_cells", [])})
    if damaged:
        cells = ", ".join(map(str, damaged))
        console.print(f"[yellow]Stored cells were damaged and were run again: {cells}.[/]", highlight=False)


def _print_anchors(run: "StoredRun", console: "Console") -> None:
    from rich.table import Table

    anchors = run.anchors()
    console.print(f"\n[bold]{run.experiment.title}[/]\n{run.experiment.question}\n", highlight=False)
    if not anchors:
        console.print("Nothing published or in closed form speaks of this scenario.")
        return
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("against what is known", overflow="fold")
    for column in ("expected", "obtained", "tolerance"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("agrees", no_wrap=True)
    for anchor in anchors:
        numbers = (f"{number:.4g}" for number in (anchor.expected, anchor.obtained, anchor.tolerance))
        table.add_row(anchor.statement, *numbers, "[green]yes[/]" if anchor.agrees else "[bold red]no[/]")
    console.print(table)
    console.print(f"{sum(anchor.agrees for anchor in anchors)} of {len(anchors)} agree.")
