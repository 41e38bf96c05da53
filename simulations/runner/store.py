"""Where the cells of a run are kept until all are there: a folder for each, moved into place when it is whole.

    RUN/cells/00000012/cells.parquet, paths.parquet, ...      cell 12, whole
    RUN/cells/.00000013.4711.unfinished/                       cell 13, being written when process 4711 was killed
    RUN/failures/00000014.txt                                  why cell 14 failed

The manifest says which tables there are, with the type of each column: the first cell that is stored decides.

When every cell is there, `compact` joins them into RUN/TABLE.parquet, in order of the cells; it reads one at a time.
"""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.parquet as pq

from walras.market.errors import InvalidInputError
from walras.simulations.run_folder import RunFolder
from walras.simulations.runner.cell import CellOutcome

__all__ = ["CellStore"]

_GROUP_ROWS = 100_000  # rows that are held in memory before they are written on


@final
class CellStore:
    """The cells of a run, each there whole or not at all.

    Parameters
    ----------
    folder
        The run's; what a killed process left unfinished is removed.

    Attributes
    ----------
    damaged : list of int
        Cells that were there and could not be read (a disk that was full, a machine that lost power). They were
        removed: they have to be run again.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._cells = folder.path / "cells"
        self._failures = folder.path / "failures"
        self._cells.mkdir(exist_ok=True)
        for unfinished in list(self._folder.path.rglob(".*.unfinished")):
            shutil.rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink()
        self._expected: dict[str, dict[str, str]] = folder.manifest.get("facts", {}).get("tables", {})
        self.damaged: list[int] = []
        self._schemas: dict[str, Any] | None = None
        for cell in sorted(self.finished()):
            self._look_at(cell)

    def finished(self) -> set[int]:
        """Give the numbers of the cells that are there."""
        return {int(path.name) for path in self._cells.iterdir() if path.name.isdigit()}

    def keep(self, outcome: CellOutcome) -> None:
        """Store a cell.

        Raises
        ------
        InvalidInputError
            If its tables, their columns or dtypes are not those of the cells that are there.
        """
        schemas = {name: pq.read_schema(io.BytesIO(content)) for name, content in outcome.tables.items()}
        if self._schemas is None:
            self._schemas = schemas
            self._folder.record(tables={name: _types(schema) for name, schema in schemas.items()})
        _compare(self._schemas, schemas)
        cell = outcome.task.cell
        unfinished = self._cells / f".{cell:08d}.{os.getpid()}.unfinished"
        unfinished.mkdir()
        for name, content in outcome.tables.items():
            (unfinished / f"{name}.parquet").write_bytes(content)
        unfinished.rename(self._place(cell))
        self._failure(cell).unlink(missing_ok=True)

    def keep_failure(self, cell: int, text: str) -> Path:
        """Store why a cell failed; give the file."""
        return self._folder.write_text(str(self._failure(cell).relative_to(self._folder.path)), text)

    def compact(self) -> None:
        """Join the cells into a file per table.

        Raises
        ------
        InvalidInputError
            If a cell's file cannot be read; says which to remove.
        """
        cells = sorted(self.finished())
        for name, schema in (self._schemas or {}).items():
            paths = (self._place(cell) / f"{name}.parquet" for cell in cells)
            self._folder.write(f"{name}.parquet", _joined(schema, paths))

    def remove(self) -> None:
        """Remove the cells, once their joined tables are safe."""
        shutil.rmtree(self._cells)
        shutil.rmtree(self._failures, ignore_errors=True)

    def _place(self, cell: int) -> Path:
        return self._cells / f"{cell:08d}"

    def _failure(self, cell: int) -> Path:
        return self._failures / f"{cell:08d}.txt"

    def _look_at(self, cell: int) -> None:
        """Take note of a stored cell's schemas, or remove it if it is damaged: a file that was cut has no footer."""
        try:
            schemas = {path.stem: pq.read_schema(path) for path in sorted(self._place(cell).glob("*.parquet"))}
        except (OSError, pa.ArrowException):
            schemas = {}
        if {name: _types(schema) for name, schema in schemas.items()} != self._expected:
            self.damaged.append(cell)
            shutil.rmtree(self._place(cell))
        elif self._schemas is None:
            self._schemas = schemas


def _types(schema: Any) -> dict[str, str]:
    """Give the type of each column, as text."""
    return {column.name: str(column.type) for column in schema}


def _compare(expected: dict[str, Any], got: dict[str, Any]) -> None:
    if set(expected) != set(got):
        raise InvalidInputError(
            f"A table must be there in every cell: other cells have {', '.join(sorted(expected))}; "
            f"this one has {', '.join(sorted(got))}."
        )
    for name, schema in expected.items():
        if schema.equals(got[name], check_metadata=False):
            continue
        theirs, ours = ([(column.name, str(column.type)) for column in each] for each in (schema, got[name]))
        difference = [f"{column}: {kind}" for column, kind in ours if (column, kind) not in theirs]
        missing = [f"{column}: {kind}" for column, kind in theirs if (column, kind) not in ours]
        raise InvalidInputError(
            f"Table {name!r} must have the same columns and dtypes in every cell: other cells have "
            f"{', '.join(missing) or 'another order'}; this one has {', '.join(difference) or 'another order'}."
        )


def _read(path: Path) -> Any:
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise InvalidInputError(
            f"{path} is damaged ({error}). Remove the folder {path.parent} and run the same again with --out: only "
            "this cell is run anew."
        ) from None


def _joined(schema: Any, paths: Iterator[Path]) -> Any:
    """Give what writes the joined table to a path; groups of rows bound the memory."""

    def write(target: Path) -> None:
        waiting, rows = [], 0
        with pq.ParquetWriter(target, schema) as writer:
            for path in paths:
                # The metadata of pandas say how many categories there are; each cell may have seen some only.
                waiting.append(_read(path).replace_schema_metadata(schema.metadata))
                rows += waiting[-1].num_rows
                if rows >= _GROUP_ROWS:
                    writer.write_table(pa.concat_tables(waiting).unify_dictionaries())
                    waiting, rows = [], 0
            if waiting:
                writer.write_table(pa.concat_tables(waiting).unify_dictionaries())

    return write
