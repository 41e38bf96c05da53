"""What a laboratory keeps of its days and trades: the latest ones, as many as its user allows."""

from collections import deque
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from walras.agents.money import IntArray
from walras.agents.trading.tables import DAY_COLUMNS, TRADE_COLUMNS, DaySummary, frame_of
from walras.market.validation import whole_number

__all__ = ["Records"]


@final
class Records:
    """The latest days and trades, as columns.

    Parameters
    ----------
    summary
        Sums up days.
    most_days, most_trades
        How many of the latest are kept, 1 or more days and 0 or more trades.
    """

    def __init__(self, summary: DaySummary, *, most_days: int, most_trades: int) -> None:
        self._summary = summary
        self._most_days = whole_number("most_days", most_days, minimum=1)
        self._most_trades = whole_number("most_trades", most_trades)
        self._days: deque[dict[str, NDArray[Any]]] = deque()
        self._trades: deque[IntArray] = deque()
        self._day_count = 0
        self._trade_count = 0

    def add(self, days: IntArray, trades: IntArray) -> None:
        """Add days, shape (d, 5), and all their trades, shape (k, 9), both in order."""
        self._days.append(self._summary.columns(days, trades))
        self._trades.append(trades)
        self._day_count += len(days)
        self._trade_count += len(trades)
        while self._day_count - len(self._days[0]["day"]) >= self._most_days:
            self._day_count -= len(self._days.popleft()["day"])
        while self._trades and self._trade_count - len(self._trades[0]) >= self._most_trades:
            self._trade_count -= len(self._trades.popleft())

    def days(self, *, after: int = 0) -> pd.DataFrame:
        """Give the rows that are kept of days above `after`, with exactly the columns and dtypes of `DAY_COLUMNS`."""
        rows = pd.DataFrame(
            {
                name: np.concatenate([np.empty(0, dtype), *(part[name] for part in self._days)])[-self._most_days :]
                for name, dtype in DAY_COLUMNS.items()
            }
        )
        return rows[rows["day"] > after].reset_index(drop=True)

    def trades(self) -> pd.DataFrame:
        """Give the rows that are kept of trades, with exactly the columns and dtypes of `TRADE_COLUMNS`."""
        rows = np.concatenate([np.empty((0, len(TRADE_COLUMNS)), dtype=np.int64), *self._trades])
        return frame_of(rows[max(len(rows) - self._most_trades, 0) :], TRADE_COLUMNS)
