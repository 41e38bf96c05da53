"""What periods of an economy of firms leave, and the two tables that are made of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from walras.agents.money import IntArray
from walras.market.validation import FloatArray

__all__ = ["FirmRecord", "firm_table", "period_table"]


@final
@dataclass(frozen=True, eq=False)
class FirmRecord:
    """What one period left: arrays of shape (n,) by column of firms, and numbers by column of periods."""

    by_firm: Mapping[str, FloatArray | IntArray]
    totals: Mapping[str, float | int]


def firm_table(records: Iterable[FirmRecord], firms: int, columns: Mapping[str, str]) -> pd.DataFrame:
    """Give the rows of firms, period by period, with exactly these columns and dtypes (`period` and `firm` first)."""
    kept = list(records)
    periods = np.array([record.totals["period"] for record in kept], dtype=np.int64)
    fixed = {"period": np.repeat(periods, firms), "firm": np.tile(np.arange(firms), len(kept))}
    recorded = {
        name: np.array([record.by_firm[name] for record in kept], dtype).reshape(-1)  # (periods, n) -> (periods * n,)
        for name, dtype in columns.items()
        if name not in fixed
    }
    return pd.DataFrame({**fixed, **recorded}, columns=list(columns))


def period_table(records: Iterable[FirmRecord], columns: Mapping[str, str]) -> pd.DataFrame:
    """Give the rows of periods, with exactly these columns and dtypes."""
    kept = list(records)
    return pd.DataFrame(
        {name: np.array([record.totals[name] for record in kept], dtype) for name, dtype in columns.items()}
    )
