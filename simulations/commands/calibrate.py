"""`walras calibrate`: the parameters of a scenario that meet a target or make a measure best."""

import math
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
)

if TYPE_CHECKING:
    from rich.console import Console

    from walras.simulations.calibration import Goal, Measure, StoredCalibration

__all__ = ["calibrate", "show_calibration"]


def calibrate(
    scenario: Target,
    over: Annotated[
        list[str] | None, typer.Option(help="field=low..high, or low..high:log: a field that is free. May be repeated.")
    ] = None,
    measure: Annotated[str, typer.Option(help="TABLE.COLUMN that is looked at.")] = "",
    statistic: Annotated[str, typer.Option(help="mean, median, sum, min, max, std, first or last.")] = "mean",
    where: Annotated[
        list[str] | None, typer.Option(help="column=value: only these rows of the table count. May be repeated.")
    ] = None,
    *,
    maximise: Annotated[bool, typer.Option("--maximise", help="Make it as large as can be.")] = False,
    minimise: Annotated[bool, typer.Option("--minimise", help="Make it as small as can be.")] = False,
    target: Annotated[float | None, typer.Option(help="Bring it to this value.")] = None,
    method: Annotated[str, typer.Option(help="local, or global where there may be several optima.")] = "local",
    evaluations: Annotated[int, typer.Option(min=1, help="The most points of each search after the scan.")] = 60,
    settings: Settings = None,
    seed: Seed = None,
    replications: Replications = None,
    out: Out = None,
    executor: Executor = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find fields of a scenario that meet a target or make a measure best, with their uncertainty over seeds."""
    from rich.console import Console

    from walras.simulations import calibration as library
    from walras.simulations.progress import StageProgress
    from walras.simulations.run_folder import RunFolder
    from walras.simulations.runner import Range, find_experiment, load_scenario

    loaded = load_scenario(scenario)
    ranges = {name: Range.parsed(text) for name, text in _pairs("--over", over).items()}
    changed = changed_scenario(loaded, settings, seed=seed, replications=replications)
    asked = library.Calibration(
        scenario=changed,
        ranges=ranges,
        measure=_measure(measure, statistic, where),
        goal=_goal(maximise=maximise, minimise=minimise, target=target),
        method=method,
        evaluations=evaluations,
    )
    console = Console(stderr=as_json)
    name = f"calibrate-{find_experiment(changed.experiment).name}"
    folder = out or RunFolder.unused_path(Path("runs"), name)
    if not quiet:
        console.print(f"Folder: {folder}", highlight=False, soft_wrap=True)
    with (
        resumable(console, f"the same command, with --out {folder}"),
        StageProgress(console, quiet=quiet).running() as progress,
    ):
        run = library.calibrate(asked, folder, executor=executor, jobs=jobs, on_stage=progress.stage)
    if not show_calibration(run.path, console, quiet=quiet, as_json=as_json):
        raise typer.Exit(1)


def show_calibration(path: Path, console: "Console", *, quiet: bool, as_json: bool) -> bool:
    """Show a calibration's answer, and write its report; whether its target is met."""
    import json

    from walras.simulations.calibration import StoredCalibration, write_calibration_report

    run = StoredCalibration(path)
    report = write_calibration_report(run)
    if as_json:
        facts = {
            "run": str(run.path),
            "report": str(report),
            "is_met": run.is_met,
            "value": run.value,
            "value_standard_error": run.folder.manifest["facts"]["value_standard_error"],
            "answer": json.loads(run.answer.to_json(orient="records", double_precision=15)),
            "warnings": run.warnings,
        }
        typer.echo(json.dumps(facts, indent=2))
        return run.is_met
    if not quiet:
        _print_answer(run, console)
    typer.echo(f"Report: {report}")
    return run.is_met


def _print_answer(run: "StoredCalibration", console: "Console") -> None:
    from rich.table import Table

    from walras.simulations.calibration.report import shown_answer

    console.print(f"\n{run.calibration.question}\n", highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    shown = shown_answer(run)
    for column in shown.columns:
        table.add_column(column, justify="left" if column == "field" else "right", no_wrap=True)
    for row in shown.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print(table)
    error = run.value_standard_error
    beside = "" if math.isnan(error) else f" (standard error {error:.2g})"
    console.print(f"\n{run.calibration.measure} there: {run.value:.5g}{beside}", highlight=False)
    for warning in run.warnings:
        console.print(f"[yellow]{warning}[/]", highlight=False)


def _measure(text: str, statistic: str, where: list[str] | None) -> "Measure":
    from walras.simulations.calibration import Measure

    table, _, column = text.partition(".")
    if not table or not column:
        raise InvalidInputError(f"--measure must be written TABLE.COLUMN, for instance outcomes.welfare; got {text!r}.")
    return Measure(table=table, column=column, statistic=statistic, where=_pairs("--where", where))


def _goal(*, maximise: bool, minimise: bool, target: float | None) -> "Goal":
    from walras.simulations.calibration import Goal

    if maximise + minimise + (target is not None) != 1:
        raise InvalidInputError("Say what is wanted of the measure: one of --maximise, --minimise or --target NUMBER.")
    return Goal("target", target) if target is not None else Goal("maximise" if maximise else "minimise")


def _pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    found = {}
    for text in texts or []:
        name, separator, value = text.partition("=")
        if not separator:
            raise InvalidInputError(f"{option} must be written name=..., got {text!r}.")
        found[name.strip()] = value.strip()
    return found
