"""Rows of a benchmark, written one by one as JSON lines: what was measured survives what comes after it."""

import json
from pathlib import Path
from typing import Any

__all__ = ["Rows"]


class Rows:
    """Appends to a file of JSON lines, or to nothing if there is no path."""

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else Path(path)
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text("", encoding="utf-8")

    def add(self, **row: Any) -> None:
        """Write one row."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
