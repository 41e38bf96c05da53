"""One cell: an experiment run at one point with one replication's generator, and its tables as Parquet files in memory.

A worker gives bytes: they cross to the process that stores them without being copied row by row, they are the same
bytes whoever computed them, and a schema travels inside.
"""

import io
import re
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from walras.market.errors import InvalidInputError
from walras.simulations.experiments import Tables
from walras.simulations.runner.fields import configuration_fields
from walras.simulations.runner.points import CellTask, cell_seed
from walras.simulations.runner.scenario import find_experiment

__all__ = ["CELLS", "CellOutcome", "run_cell"]

CELLS = "cells"
_KEYS = ("cell", "replication")
_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@final
@dataclass(frozen=True)
class CellOutcome:
    """What became of a cell.

    Parameters
    ----------
    task
        The cell.
    seconds
        That it took.
    tables
        Parquet files by table, `cells` among them; empty if the cell failed.
    error
        Why it failed, in a sentence; empty if it did not.
    trace
        The traceback of the failure.
    """

    task: CellTask
    seconds: float
    tables: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    error: str = ""
    trace: str = field(default="", repr=False)


def run_cell(task: CellTask) -> CellOutcome:
    """Run one cell; a failure is given, not raised.

    Libraries of linear algebra are held to one thread: how a sum is split over threads changes its last digits, and
    the workers of a sweep would contend for the cores.
    """
    started = time.perf_counter()
    try:
        with _libraries(len(sys.modules)).limit(limits=1):
            experiment = find_experiment(task.experiment)
            rng = np.random.default_rng(cell_seed(task.seed, task.replication))
            tables = experiment.run(experiment.config(**task.point.values), rng)
        seconds = time.perf_counter() - started
        stored = {name: _stored_table(task, name, table) for name, table in _checked(tables).items()}
        return CellOutcome(task, seconds, {CELLS: _cell_row(task, seconds), **stored})
    except Exception as error:
        reason = f"{task}: {type(error).__name__}: {error}"
        return CellOutcome(task, time.perf_counter() - started, error=reason, trace=traceback.format_exc())


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:  # the argument is the key: more modules bring in more libraries
    """Give the libraries that have threads; finding them takes longer than many a cell."""
    return ThreadpoolController()


def _checked(tables: Tables) -> Tables:
    if not isinstance(tables, Mapping) or not all(isinstance(table, pd.DataFrame) for table in tables.values()):
        raise InvalidInputError(f"An experiment must give tables by name, got {tables!r}.")
    for name in tables:
        if name == CELLS or not _TABLE_NAME.fullmatch(name):
            raise InvalidInputError(
                f"A table cannot be called {name!r}: use letters, digits, - and _, and not {CELLS!r}, which is taken."
            )
    return tables


def _stored_table(task: CellTask, name: str, table: pd.DataFrame) -> bytes:
    columns = list(table.columns)
    if not all(isinstance(column, str) for column in columns) or len(set(columns)) < len(columns):
        raise InvalidInputError(f"The columns of table {name!r} must have different names, got {columns}.")
    if set(columns) & set(_KEYS):
        raise InvalidInputError(f"Table {name!r} has a column 'cell' or 'replication': these names are taken.")
    if any(index is not None for index in table.index.names):
        raise InvalidInputError(
            f"Table {name!r} has the index {table.index.names}: make it columns with reset_index()."
        )
    keys = {key: np.full(len(table), number) for key, number in zip(_KEYS, (task.cell, task.replication), strict=True)}
    whole = pd.concat([pd.DataFrame(keys, index=table.index), table], axis=1)
    arrow = pa.Table.from_pandas(whole, preserve_index=False)
    for column in arrow.schema:
        if pa.types.is_null(column.type):
            raise InvalidInputError(
                f"Column {column.name!r} of table {name!r} has no type: it is of dtype object and without values. "
                "Give it a dtype."
            )
    return _file(arrow)


def _cell_row(task: CellTask, seconds: float) -> bytes:
    """Give the row of `cells`; types come from the configuration, so that an empty tuple has one too."""
    kinds: dict[type, Any] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    known = configuration_fields(find_experiment(task.experiment).config)
    types = {one.name: pa.list_(kinds[one.kind]) if one.is_tuple else kinds[one.kind] for one in known}
    before = {"cell": task.cell, "point": task.point.number, "replication": task.replication}
    schema = pa.schema([(name, pa.int64()) for name in before] + list(types.items()) + [("seconds", pa.float64())])
    row = {**before, **task.point.values, "seconds": seconds}
    return _file(pa.Table.from_pylist([row], schema=schema))


def _file(table: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True)
    return buffer.getvalue()
