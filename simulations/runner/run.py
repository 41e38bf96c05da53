"""Run the cells of a scenario into a folder: streamed, atomic, resumable, the same rows whoever runs them."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from walras.market.errors import InvalidInputError, MarketError
from walras.simulations.run_folder import RunFolder
from walras.simulations.runner.cell import CellOutcome
from walras.simulations.runner.executors import Executor, completed
from walras.simulations.runner.points import cell_tasks, points_of
from walras.simulations.runner.scenario import Scenario
from walras.simulations.runner.store import CellStore

__all__ = ["CellError", "manifest_config", "open_run_folder", "run_cells"]

_FOLLOWS = ("points", "points_sha256", "cells", "generators")  # what the rest of a manifest's configuration says too
_MOST_FAILURES = 10  # after so many failed cells a run stops: something is wrong with all of them


class CellError(MarketError):
    """Some cells of a run failed; the others are stored, and the run can be resumed."""


def open_run_folder(path: Path | None, name: str, config: dict[str, Any]) -> RunFolder:
    """Give the folder that a run goes into: a new one, or that of the same run started before.

    Parameters
    ----------
    path
        The folder; None makes a new one, `runs/NAME-TIME`.
    name
        What is run, in a word.
    config
        What is run, as plain values.

    Raises
    ------
    InvalidInputError
        If another run, or anything else, is in the folder.
    """
    if path is None:
        return RunFolder.named(Path("runs"), name, config)
    if not RunFolder.holds_run(path):
        return RunFolder(path, config)
    folder = RunFolder.opened(path)
    stored, asked = (
        {name: value for name, value in each.items() if name not in _FOLLOWS}
        for each in (folder.manifest["config"], config)
    )
    difference = _difference(stored, asked)
    if not difference and folder.manifest["config"] != config:
        difference = "the same scenario, but a default of the experiment's configuration has changed since"
    if difference:
        raise InvalidInputError(
            f"{path} holds another run: {difference}. Choose another --out, or run what was begun there."
        )
    return folder


def run_cells(
    scenario: Scenario,
    folder: RunFolder,
    executor: Executor,
    on_start: Callable[[int, int], Callable[[], None]] = lambda _stored, _left: lambda: None,
) -> None:
    """Run the cells that are not stored yet, then join all into a table each.

    Parameters
    ----------
    scenario
        What is run.
    folder
        From `open_run_folder`.
    executor
        Who runs it; it is opened and closed here.
    on_start
        Called with the numbers of cells that are stored and left; gives what is called after each cell.

    Raises
    ------
    CellError
        If a cell failed; the message names point, replication and seed. The other cells are stored.
    InvalidInputError
        If another process runs in the folder.
    """
    with folder.locked():
        store = CellStore(folder)
        if folder.is_complete:  # perhaps it was killed before it could tidy up
            store.remove()
            return
        finished, points = store.finished(), points_of(scenario)
        if finished or store.damaged or folder.manifest["status"] != "running":
            folder.record_resumption(damaged_cells=store.damaged)
        left = (task for task in cell_tasks(scenario, points) if task.cell not in finished)
        advance = on_start(len(finished), len(points) * scenario.replications - len(finished))
        failures: list[CellOutcome] = []
        try:
            with executor:
                for outcome in completed(executor, left):
                    failures += _stored(store, outcome)
                    advance()
                    if len(failures) == _MOST_FAILURES:
                        break
        except BaseException:
            folder.stop("interrupted")
            raise
        if failures:
            folder.stop("failed")
            raise CellError(_explained(failures, folder.path))
        store.compact()
        folder.complete()
        store.remove()


def manifest_config(scenario: Scenario) -> dict[str, Any]:
    """Give what a manifest says of a run.

    The fingerprint of the points differs if a default of the configuration, or SciPy's sequence, has changed since.
    """
    points = points_of(scenario)
    values = repr([sorted(point.values.items()) for point in points])
    return {
        "scenario": scenario.as_plain_values(),
        "points": len(points),
        "points_sha256": hashlib.sha256(values.encode()).hexdigest()[:16],
        "cells": len(points) * scenario.replications,
        "generators": f"default_rng(SeedSequence({scenario.seed}).spawn({scenario.replications})[replication])",
    }


def _stored(store: CellStore, outcome: CellOutcome) -> list[CellOutcome]:
    """Store a cell; give it back if it failed."""
    if not outcome.error:
        try:
            store.keep(outcome)
        except InvalidInputError as error:
            outcome = CellOutcome(outcome.task, outcome.seconds, error=f"{outcome.task}: {error}")
        else:
            return []
    store.keep_failure(outcome.task.cell, f"{outcome.error}\n\n{outcome.trace}")
    return [outcome]


def _explained(failures: Sequence[CellOutcome], path: Path) -> str:
    first = sorted(failures, key=lambda outcome: outcome.task.cell)
    shown = "\n".join(f"  {outcome.error}" for outcome in first[:3])
    more = f"\n  and {len(first) - 3} more" if len(first) > 3 else ""
    stopped = f" (stopped after {_MOST_FAILURES})" if len(first) == _MOST_FAILURES else ""
    return (
        f"{len(first)} of the cells failed{stopped}:\n{shown}{more}\n"
        f"All other cells that ended are stored. Tracebacks: {path / 'failures'}. When the cause is gone, run the same "
        f"again with --out {path}."
    )


def _difference(stored: Any, asked: Any, name: str = "") -> str:
    """Say where two trees of plain values differ; nothing if they do not."""
    if isinstance(stored, dict) or isinstance(asked, dict):  # an empty table is left out
        stored, asked = (each if each is not None else {} for each in (stored, asked))
    if isinstance(stored, dict) and isinstance(asked, dict):
        found = (
            _difference(stored.get(key), asked.get(key), f"{name}.{key}" if name else str(key))
            for key in dict.fromkeys([*stored, *asked])
        )
        return ", ".join(filter(None, found))
    return "" if stored == asked else f"{name} is {_shown(stored)} there and {_shown(asked)} here"


def _shown(value: Any) -> str:
    return "not set" if value is None else repr(value)
