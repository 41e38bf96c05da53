"""`walras report`: the figures, anchors and report of a stored run, made anew from its rows alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from walras.market.errors import InvalidInputError
from walras.simulations.commands.options import AsJson, Quiet

if TYPE_CHECKING:
    from walras.simulations.run_folder import RunFolder

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a simulation, sweep, calibration or study.")],
    *,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make every figure and the report of a run anew, from its stored rows alone."""
    from rich.console import Console

    from walras.simulations.run_folder import RunFolder

    folder = RunFolder.opened(run)
    if "calibration" in folder.manifest["config"]:
        from walras.simulations.commands.calibrate import show_calibration

        show_calibration(run, Console(stderr=as_json), quiet=quiet, as_json=as_json)
    elif "scenario" in folder.manifest["config"]:
        from walras.simulations.commands.simulate import show_run
        from walras.simulations.runner import StoredRun, write_report

        stored = StoredRun(run)
        show_run(stored, write_report(stored), Console(stderr=as_json), quiet=quiet, as_json=as_json)
    else:
        typer.echo(f"Report: {_study_report(folder)}")


def _study_report(folder: "RunFolder") -> Path:
    from walras.simulations.study_report import render_study

    if not folder.is_complete:
        raise InvalidInputError(
            f"The study in {folder.path} is not complete, and a study does not resume: run it again."
        )
    return folder.write_text("report.html", render_study(folder))
