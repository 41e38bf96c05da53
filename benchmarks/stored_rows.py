"""The rows that runs have stored, whole or not."""

from pathlib import Path

import pandas as pd

__all__ = ["stored_tables"]


def stored_tables(folder: Path, name: str, command: str) -> list[pd.DataFrame]:
    """Give a run's table `name`, or, of one that is not finished, that of each cell that is there.

    Raises
    ------
    SystemExit
        The folder holds none: it is no run of `command`, or no cell has ended.
    """
    whole = folder / f"{name}.parquet"
    files = [whole] if whole.is_file() else sorted(folder.glob(f"cells/*/{name}.parquet"))
    if not files:
        raise SystemExit(f"No rows of {command}: {folder}.")
    return [pd.read_parquet(file) for file in files]
