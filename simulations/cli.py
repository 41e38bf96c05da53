"""The `walras` command line."""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from walras import __version__
from walras.market.errors import MarketError
from walras.simulations.commands.ablation import ablation
from walras.simulations.commands.app import app as watch
from walras.simulations.commands.calibrate import calibrate
from walras.simulations.commands.experiments import experiments
from walras.simulations.commands.frontier import frontier
from walras.simulations.commands.mechanisms import mechanisms
from walras.simulations.commands.options import numbers
from walras.simulations.commands.report import report
from walras.simulations.commands.scarcity import scarcity
from walras.simulations.commands.simulate import simulate, sweep

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Study a market mechanism in isolation, and let it ration the compute of a Transformer.",
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if value:
        typer.echo(f"walras {__version__}")
        raise typer.Exit


for _command in (simulate, sweep, calibrate, frontier, mechanisms, ablation, scarcity, report, experiments):
    app.command()(_command)
app.command("app")(watch)


@app.callback()
def _top(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def study(
    task: Annotated[str, typer.Option(help="roles (embedded), cola, stsb or mnli.")] = "roles",
    model: Annotated[str | None, typer.Option(help="Folder of a pretrained encoder, or its name on the hub.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder with GLUE's TSV files; without it, the hub.")] = None,
    budgets: Annotated[str, typer.Option(help="Fractions of the FLOPs that heads and blocks use.")] = "1.0,0.8,0.6,0.4",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each of the two trainings.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Or their length in passes over the data.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the weights.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples a step.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="First examples of each GLUE file only.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="New folder for the results; default: runs/study-TASK-TIME.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the report's path.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print the frontier's rows as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Study the capacity market alone, then train a model under it; writes a report."""
    import pandas as pd

    from walras.simulations.progress import StageProgress  # these bring in torch: --help stays quick without them
    from walras.simulations.run_folder import RunFolder
    from walras.simulations.study import StudyConfig, run_study
    from walras.simulations.study_report import frontier_table

    _calm_libraries()
    console = Console(stderr=as_json)
    config = StudyConfig(
        task=task,
        model=model,
        data_dir=str(data_dir) if data_dir else None,
        budgets=numbers("--budgets", budgets),
        steps=steps,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        limit=limit,
    )
    network, examples = config.load()  # before anything is written
    plain = config.as_plain_values()
    folder = RunFolder(out, plain) if out else RunFolder.named(Path("runs"), f"study-{task}", plain)
    with StageProgress(console, quiet=quiet).running() as progress:
        report = run_study(config, network, examples, folder, progress)
    rows = pd.read_parquet(folder.path / "frontier.parquet")
    if as_json:
        typer.echo(rows.to_json(orient="records"))
    elif not quiet:
        _print_checks(console, pd.read_parquet(folder.path / "checks.parquet"))
        _print_table(
            console, frontier_table(rows, ranges=False), title=f"{task}: {folder.manifest['facts']['metric']} by budget"
        )
    if not as_json:
        typer.echo(f"Report: {report}")


@app.command()
def check(
    mechanism: Annotated[str, typer.Argument(help="module:Name or file.py:Name; an instance, or a class to be made.")],
    domain: Annotated[str | None, typer.Option(help="How it is asked, if it does not say so itself.")] = None,
    examples: Annotated[int, typer.Option(min=1, help="Inputs drawn for each property.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Of the search.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what fails although declared.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Look for a counterexample to each property of a mechanism; fails if a declared one does not hold."""
    from walras.simulations.check import check_target, findings_as_json, findings_table

    report = check_target(mechanism, domain, examples=examples, seed=seed)
    if as_json:
        typer.echo(findings_as_json(report))
    elif not quiet:
        Console().print(findings_table(report))
    if not report.is_good:
        report.require()


@app.command()
def published(
    only: Annotated[list[str] | None, typer.Argument(help="Identifiers of results; default: all.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the table to this file, in Markdown.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what does not agree.")] = False,  # noqa: FBT002
) -> None:
    """Recompute published and closed-form results, and set expected beside obtained numbers."""
    from walras.simulations.published.command import recompute

    if not recompute(Console(), only or [], markdown, quiet=quiet):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; errors that walras raises on purpose are printed without a traceback."""
    try:
        app()
    except MarketError as error:
        Console(stderr=True).print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False)
        raise SystemExit(2) from None


def _calm_libraries() -> None:
    """Keep the libraries' own bars and notices off the terminal; their errors still come through."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*pin_memory.*")


def _print_checks(console: Console, checks: "pd.DataFrame") -> None:
    held = int(checks["holds"].sum())
    console.print(f"\nThe market alone: {held} of {len(checks)} checks of the mechanism's contract hold.")
    for check in checks[~checks["holds"]].itertuples():
        console.print(f"[red]does not hold[/]: {check.check}: {check.measured:.2g} (tolerance {check.tolerance:g})")


def _print_table(console: Console, table: "pd.DataFrame", *, title: str) -> None:
    # Narrow enough for a terminal of 80 columns; the report has the ranges too.
    shown = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in table.columns:
        shown.add_column(column, justify="right", no_wrap=True)
    for row in table.itertuples(index=False):
        shown.add_row(*(str(cell) for cell in row))
    console.print(shown)
