"""Evaluations of a calibration: cells that are run when they are asked for, measured, and stored as they end.

Each is a line of `evaluations.jsonl`. A search asks for the same cells in the same order when it is run again, so that
a calibration that was killed finds its evaluations there, and goes on where it stopped.
"""

import io
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray
from walras.simulations.calibration.measure import Measure
from walras.simulations.runner.cell import CELLS, CellOutcome
from walras.simulations.runner.executors import Executor, completed
from walras.simulations.runner.fields import PlainValue
from walras.simulations.runner.points import CellTask, Point, value_in_range
from walras.simulations.runner.run import CellError
from walras.simulations.runner.scenario import Scenario

__all__ = ["STAGES", "Evaluations"]

STAGES = ("together", "alone")  # the search over the mean of replications, and those of each replication


@final
class Evaluations:
    """The measure at points of the ranges, by replication.

    Parameters
    ----------
    scenario
        Without grid; its `sobol` are the ranges.
    measure
        What is looked at.
    file
        Where evaluations are kept.
    executor
        An open one.
    advance
        Called after each cell that was run.
    """

    def __init__(
        self, scenario: Scenario, measure: Measure, file: Path, executor: Executor, advance: Callable[[], None]
    ) -> None:
        self._scenario, self._measure, self._file = scenario, measure, file
        self._executor, self._advance = executor, advance
        self._fields = {field.name: field for field in scenario.fields}
        self._base = {field.name: field.default for field in scenario.fields} | dict(scenario.config)
        self._known: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._stopped = False
        self._load()

    def values(self, unit: FloatArray) -> dict[str, PlainValue]:
        """Give the fields at a point of the unit cube."""
        return {
            name: value_in_range(self._fields[name], ends, float(share))
            for (name, ends), share in zip(self._scenario.sobol.items(), unit, strict=True)
        }

    def at(self, unit: FloatArray, replications: Sequence[int], stage: str) -> FloatArray:
        """Give the measure at a point, of shape (replications,); cells that are not known are run.

        Raises
        ------
        CellError
            If a cell fails, or cannot be measured.
        """
        chosen = self.values(unit)
        point = Point(0, {**self._base, **chosen}, tuple(chosen))
        keys = {replication: (*chosen.values(), replication) for replication in replications}
        missing = [
            CellTask(self._scenario.experiment, 0, point, replication, self._scenario.seed)
            for replication, key in keys.items()
            if key not in self._known
        ]
        for outcome in completed(self._executor, missing):
            self._keep(keys[outcome.task.replication], outcome)
        self._note(keys, chosen, stage)
        return np.array([self._known[key]["value"] for key in keys.values()])

    def stop(self) -> None:
        """Let searches in other threads end at their next evaluation."""
        self._stopped = True

    def rows(self) -> pd.DataFrame:
        """Give a row per cell: stage, evaluation (its place in its search), replication, fields, value, seconds."""
        rows = pd.DataFrame(list(self._rows.values()))
        order = rows["stage"].map(STAGES.index)
        keys = ["_stage", "replication", "evaluation"]
        alone = rows.assign(_stage=order).sort_values(keys, kind="stable")
        together = alone[alone["_stage"] == 0].sort_values(["evaluation", "replication"], kind="stable")
        return pd.concat([together, alone[alone["_stage"] == 1]], ignore_index=True).drop(columns="_stage")

    def _note(self, keys: Mapping[int, tuple[Any, ...]], chosen: Mapping[str, PlainValue], stage: str) -> None:
        """Remember in which search, and where in it, a cell was first asked for."""
        with self._lock:
            for replication, key in keys.items():
                if key not in self._rows:
                    mine = [row for row in self._rows.values() if _same_search(row, stage, replication)]
                    place = {"stage": stage, "evaluation": len(mine), "replication": replication}
                    self._rows[key] = {**place, **chosen, **self._known[key]}

    def _keep(self, key: tuple[Any, ...], outcome: CellOutcome) -> None:
        if self._stopped:
            raise CellError("The calibration was stopped.")
        if outcome.error:
            raise CellError(f"{outcome.error}\n{outcome.trace}")
        tables = {name: content for name, content in outcome.tables.items() if name != CELLS}
        try:
            value = self._measure.of(_Read(tables))
        except InvalidInputError as error:
            raise CellError(f"{outcome.task}: {error}") from None
        known = {"value": value, "seconds": outcome.seconds}
        with self._lock:
            self._known[key] = known
            with self._file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({"key": list(key), **known}) + "\n")
            self._advance()

    def _load(self) -> None:
        if not self._file.exists():
            return
        whole = []
        for line in self._file.read_text(encoding="utf-8").splitlines():
            try:
                stored = json.loads(line)
                key = tuple(stored["key"])
                known = {name: float(stored[name]) for name in ("value", "seconds")}
            except (ValueError, TypeError, KeyError):  # the line that was being written when the process was killed
                continue
            whole.append(line)
            self._known[key] = known
        beside = self._file.with_suffix(".unfinished")
        beside.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
        beside.replace(self._file)


@final
class _Read(Mapping[str, pd.DataFrame]):
    """Tables in memory, read when they are asked for."""

    def __init__(self, tables: Mapping[str, bytes]) -> None:
        self._tables = tables

    def __getitem__(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(self._tables[name]))

    def __iter__(self) -> Any:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def _same_search(row: Mapping[str, Any], stage: str, replication: int) -> bool:
    return bool(row["stage"] == stage and row["replication"] == replication)
