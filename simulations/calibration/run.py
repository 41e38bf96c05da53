"""Run a calibration into a folder: a search over the mean, then one over each replication alone; resumable."""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from scipy import stats

from walras.market.validation import FloatArray
from walras.simulations.calibration.calibration import Calibration
from walras.simulations.calibration.evaluations import STAGES, Evaluations
from walras.simulations.calibration.search import TOLERANCE, scan_points, search
from walras.simulations.calibration.stored import StoredCalibration
from walras.simulations.run_folder import RunFolder
from walras.simulations.runner.executors import Executor, open_executor
from walras.simulations.runner.run import open_run_folder
from walras.simulations.runner.scenario import find_experiment

__all__ = ["OnStage", "calibrate"]

OnStage: TypeAlias = Callable[[str, int], Callable[[], None]]

_TOGETHER, _ALONE = STAGES
_LINES = "evaluations.jsonl"


def calibrate(
    calibration: Calibration,
    out: Path | str | None = None,
    *,
    executor: str | None = None,
    jobs: int | None = None,
    on_stage: OnStage = lambda _description, _most: lambda: None,
) -> StoredCalibration:
    """Find the best point, with its uncertainty over replications; goes on with a calibration that was killed.

    Parameters
    ----------
    calibration
        What is sought.
    out
        The folder; None makes a new one, `runs/calibrate-EXPERIMENT-TIME`.
    executor
        "serial", "local" (worker processes of this machine) or "ray"; None takes "serial" for one job, else "local".
    jobs
        Cells at a time; None takes one without an executor, and as many as there are CPUs with one.
    on_stage
        Called with a description and the most cells that each of the two stages can take; gives what is called after
        each cell.

    Returns
    -------
    StoredCalibration
        The same whatever the executor, the number of jobs, and how often it was killed, but for seconds.

    Raises
    ------
    CellError
        If a cell failed or cannot be measured.
    InvalidInputError
        If something else is in the folder, or the executor is not there.

    Notes
    -----
    *Cost*: for one field about 9 + 12 points of the mean, each one cell per replication, and about 12 more cells for
    each replication alone.
    """
    opened = open_executor(executor, jobs)
    name = f"calibrate-{find_experiment(calibration.scenario.experiment).name}"
    config = {"calibration": calibration.as_plain_values()}
    folder = open_run_folder(None if out is None else Path(out), name, config)
    with folder.locked():
        if not folder.is_complete:
            _run(calibration, folder, opened, on_stage)
        (folder.path / _LINES).unlink(missing_ok=True)  # its rows are in evaluations.parquet
    return StoredCalibration(folder.path)


def _run(calibration: Calibration, folder: RunFolder, executor: Executor, on_stage: OnStage) -> None:
    stage = _Stage(on_stage)
    file = folder.path / _LINES
    if file.exists() or folder.manifest["status"] != "running":
        folder.record_resumption()
    try:
        with executor:
            evaluations = Evaluations(calibration.scenario, calibration.measure, file, executor, stage.advance)
            best, alone = _searches(calibration, evaluations, executor, stage)
            at_best = evaluations.at(best, range(calibration.scenario.replications), _TOGETHER)
    except BaseException:
        folder.stop("interrupted")
        raise
    replications = _replication_rows(evaluations, alone, calibration)
    folder.write_rows("evaluations", evaluations.rows())
    folder.write_rows("replications", replications)
    folder.write_rows("answer", _answer_rows(calibration, evaluations.values(best), replications))
    folder.record(**_facts(calibration, at_best, evaluations.rows()))
    folder.complete()


class _Stage:
    """Counts the cells of the stage that runs."""

    def __init__(self, on_stage: OnStage) -> None:
        self._on_stage = on_stage
        self.advance_stage: Callable[[], None] = lambda: None

    def begin(self, description: str, most: int) -> None:
        self.advance_stage = self._on_stage(description, most)

    def advance(self) -> None:
        self.advance_stage()


def _searches(
    calibration: Calibration, evaluations: Evaluations, executor: Executor, stage: _Stage
) -> tuple[FloatArray, list[FloatArray]]:
    """Give the best point for the mean, and for each replication alone."""
    goal, seed, most = calibration.goal, calibration.scenario.seed, calibration.evaluations
    everything = range(calibration.scenario.replications)
    starts = scan_points(len(calibration.ranges), seed)
    stage.begin("all replications together, at most", len(everything) * (len(starts) + most))
    best = search(
        lambda point: float(evaluations.at(point, everything, _TOGETHER).mean()),
        goal,
        starts,
        method=calibration.method,
        budget=most,
        seed=seed,
    )
    if len(everything) == 1:
        return best, [best]
    stage.begin("each replication alone, at most", len(everything) * most)
    # The scan's points cost nothing here: their cells are stored.
    again = np.unique(np.vstack([starts, best]), axis=0)

    def search_alone(replication: int) -> FloatArray:
        return search(
            lambda point: float(evaluations.at(point, [replication], _ALONE)[0]),
            goal,
            again,
            method="local",
            budget=most,
            seed=seed,
            spread=0.05,
        )

    if executor.slots == 1:
        return best, [search_alone(replication) for replication in everything]
    with ThreadPoolExecutor(min(executor.slots, len(everything))) as threads:
        try:
            return best, list(threads.map(search_alone, everything))
        except BaseException:
            evaluations.stop()
            raise


def _replication_rows(evaluations: Evaluations, alone: list[FloatArray], calibration: Calibration) -> pd.DataFrame:
    """Give a row per replication: its own best point, and the measure there."""
    rows = []
    for replication, point in enumerate(alone):
        value = float(evaluations.at(point, [replication], _ALONE)[0])
        rows.append((replication, *evaluations.values(point).values(), value))
    return pd.DataFrame(rows, columns=["replication", *calibration.ranges, "value"])


def _answer_rows(calibration: Calibration, best: Mapping[str, object], replications: pd.DataFrame) -> pd.DataFrame:
    """Give a row per field: the answer, its standard error, and a 95 % interval.

    The interval is Student's, wider by what the search leaves open: where chance does nothing that is all there is.
    """
    count = len(replications)
    rows = []
    for name, ends in calibration.ranges.items():
        estimate = float(best[name])  # type: ignore[arg-type]
        spread = float(replications[name].std(ddof=1)) if count > 1 else math.nan
        error = spread / math.sqrt(count)
        left_open = TOLERANCE * (1.0 if len(calibration.ranges) == 1 else 10.0)
        step = (
            estimate * ((ends.high / ends.low) ** left_open - 1.0) if ends.log else left_open * (ends.high - ends.low)
        )
        half = float(stats.t.ppf(0.975, count - 1)) * error + step if count > 1 else math.nan
        margin = 2.0 * TOLERANCE * (ends.high - ends.low)
        end = "lower" if estimate - ends.low <= margin else "upper" if ends.high - estimate <= margin else ""
        rows.append(
            {
                "field": name,
                "answer": estimate,
                "standard_error": error,
                "low_95": estimate - half,
                "high_95": estimate + half,
                "spread_of_replications": spread,
                "at_end": end,
            }
        )
    return pd.DataFrame(rows)


def _facts(calibration: Calibration, at_best: FloatArray, rows: pd.DataFrame) -> dict[str, object]:
    """Give the mean measure at the answer, its standard error (null for one replication), and if a target is met.

    A target is met if what is missing is at most a hundredth of the span of means that the search has seen.
    """
    count = at_best.size
    value = float(at_best.mean())
    means = rows[rows["stage"] == _TOGETHER].groupby("evaluation")["value"].mean()
    missing = value - calibration.goal.target if calibration.goal.kind == "target" else 0.0
    return {
        "value": value,
        "value_standard_error": float(at_best.std(ddof=1)) / math.sqrt(count) if count > 1 else None,
        "is_met": bool(abs(missing) <= 0.01 * float(means.max() - means.min())),
        "cells": len(rows),
        "seconds": float(rows["seconds"].sum()),
    }
