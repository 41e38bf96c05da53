"""Options that several commands share, and how changes of a scenario are read from the command line."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from walras.market.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from walras.simulations.runner.fields import Field
    from walras.simulations.runner.scenario import Scenario

__all__ = [
    "AsJson",
    "Executor",
    "Jobs",
    "Out",
    "Quiet",
    "Replications",
    "Seed",
    "Settings",
    "Target",
    "changed_scenario",
    "numbers",
    "resumable",
    "shown_progress",
]

Target: TypeAlias = Annotated[str, typer.Argument(help="A scenario's name (see `walras experiments`), or a TOML file.")]
Settings: TypeAlias = Annotated[
    list[str] | None, typer.Option("--set", help="field=value: a field of the configuration. May be repeated.")
]
Seed: TypeAlias = Annotated[int | None, typer.Option(min=0, help="Of everything that is drawn.")]
Replications: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Cells per point.")]
Out: TypeAlias = Annotated[
    Path | None, typer.Option(help="Folder of the run; one that was begun there goes on. Default: runs/NAME-TIME.")
]
Executor: TypeAlias = Annotated[
    str | None, typer.Option(help="serial, local (processes of this machine) or ray. Default: by --jobs.")
]
Jobs: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Cells at a time. Default: one.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Print nothing but the report's path.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


def numbers(option: str, text: str) -> tuple[float, ...]:
    """Read numbers separated by commas.

    Raises
    ------
    InvalidInputError
        If a part is no number; the message names the option.
    """
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InvalidInputError(f"{option} must be numbers such as 0.25,0.5; got {text!r}.") from None


def changed_scenario(
    scenario: "Scenario",
    settings: Sequence[str] | None,
    *,
    seed: int | None,
    replications: int | None,
    grid: Sequence[str] | None = None,
    sobol: Sequence[str] | None = None,
    samples: int | None = None,
) -> "Scenario":
    """Give the scenario with what the command line says of it.

    Raises
    ------
    InvalidInputError
        If a change names no field, or is not of the field's type.
    """
    from walras.simulations.runner.scenario import Range

    return scenario.changed(
        seed=seed,
        replications=replications,
        config=_read("--set", settings, scenario, lambda field, text: field.parsed(text)),
        grid=_read("--grid", grid, scenario, lambda field, text: field.parsed_choices(text)),
        sobol=_read("--sobol", sobol, scenario, lambda _field, text: Range.parsed(text)),
        samples=samples,
    )


@contextmanager
def shown_progress(console: "Console", *, quiet: bool) -> Iterator[Callable[[int, int], Callable[[], None]]]:
    """Show a bar of cells with the time left; gives what a run calls with the cells that are stored and left."""
    from walras.simulations.progress import StageProgress

    with StageProgress(console, quiet=quiet).running() as progress:
        yield lambda stored, left: progress.stage(f"cells ({stored} stored before)" if stored else "cells", left)


@contextmanager
def resumable(console: "Console", command: str) -> Iterator[None]:
    """Say on Ctrl-C how the run goes on."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"\nInterrupted. What ended is stored; go on with:\n  {command}", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None


def _read(
    option: str, changes: Sequence[str] | None, scenario: "Scenario", read: Callable[["Field", str], Any]
) -> dict[str, Any]:
    from walras.simulations.runner.fields import field_named

    found = {}
    for change in changes or []:
        name, separator, text = change.partition("=")
        if not separator:
            raise InvalidInputError(f"{option} must be written field=..., got {change!r}.")
        found[name.strip()] = read(field_named(scenario.fields, name.strip(), option), text)
    return found
