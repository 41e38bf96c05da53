"""Accounts of cash and goods, and the settlement of trades in them: nothing is made and nothing is lost.

A trade of q units at price p moves `p * q` of cash from the buyer to the seller, and q units of the instrument back.
Cash is a whole number of ticks times units, computed exactly: an amount that int64 cannot hold raises.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.order_book.log import Rows, row_type
from walras.market.order_book.report import TRADE_COLUMNS
from walras.market.validation import IntArray, boolean

__all__ = ["Accounts"]


@final
@dataclass(frozen=True, eq=False)
class Accounts:
    """What each trader owns.

    Attributes
    ----------
    traders
        Numbers of the n traders, ascending and distinct, shape (n,).
    cash
        In ticks times units, shape (n,); negative for a debt.
    goods
        Units of each of m instruments, shape (n, m); negative for what was sold short.

    Examples
    --------
    >>> from walras.market.order_book import Accounts, Event, ObjectBook, Side
    >>> book = ObjectBook()
    >>> _ = book.submit(Event.limit(1, Side.SELL, 5, 101, trader=1))
    >>> report = book.submit(Event.market(2, Side.BUY, 3, trader=2))
    >>> accounts = Accounts(traders=[1, 2], cash=[0, 1000], goods=[[5], [0]]).settle(report.trades)
    >>> accounts.cash.tolist(), accounts.goods.tolist()
    ([303, 697], [[2], [3]])
    """

    traders: ArrayLike
    cash: ArrayLike
    goods: ArrayLike

    def __post_init__(self) -> None:
        traders = _whole_numbers("Accounts.traders", self.traders, dimensions=1)
        cash = _whole_numbers("Accounts.cash", self.cash, dimensions=1)
        goods = _whole_numbers("Accounts.goods", self.goods, dimensions=2)
        if np.any(np.diff(traders) <= 0):
            raise InvalidInputError(f"Accounts.traders must be ascending and distinct, got {self.traders!r}.")
        if cash.shape != traders.shape or goods.shape[:1] != traders.shape:
            raise InvalidInputError(
                f"Accounts needs one amount of cash and one row of goods for each of {traders.size} traders, got cash "
                f"of shape {cash.shape} and goods of shape {goods.shape}."
            )
        for name, array in (("traders", traders), ("cash", cash), ("goods", goods)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def total_cash(self) -> int:
        """All cash there is (ticks times units)."""
        return sum(np.asarray(self.cash).tolist())

    @property
    def total_goods(self) -> tuple[int, ...]:
        """All units that there are of each instrument."""
        return tuple(sum(column) for column in np.asarray(self.goods).T.tolist())

    def settle(self, trades: Rows, *, allow_debt: bool = True) -> "Accounts":
        """Give the accounts after some trades, netted: what counts is what each owns in the end.

        Parameters
        ----------
        trades
            Rows as a book reports them.
        allow_debt
            Whether cash and goods may become negative.

        Raises
        ------
        InvalidInputError
            If the rows are no trades, or name a trader or an instrument without an account.
        InfeasibleError
            If an amount does not fit int64, or becomes negative and `allow_debt` is false; it names the trader.

        Notes
        -----
        *Cost*: O(k log n) for k trades.
        """
        if not isinstance(trades, np.ndarray) or trades.dtype != row_type(TRADE_COLUMNS):
            raise InvalidInputError(f"trades must be rows as a book reports them, got {trades!r}.")
        boolean("allow_debt", allow_debt)
        cash, goods = np.asarray(self.cash), np.asarray(self.goods)
        instruments = trades["instrument"]
        outside = instruments[(instruments < 0) | (instruments >= goods.shape[1])]
        if outside.size:
            raise InvalidInputError(f"trades name instrument {outside[0]}, but accounts have {goods.shape[1]}.")
        # Python's integers where int64 could overflow on the way.
        kind = np.int64 if _fits(trades, cash, goods) else np.object_
        quantities = trades["quantity"].astype(kind)
        signed = trades["taker_side"] * quantities
        amounts = trades["price"] * signed
        new_cash, new_goods = cash.astype(kind), goods.astype(kind)
        for column, sign in (("taker", 1), ("maker", -1)):
            rows = self._rows(trades[column])
            np.add.at(new_cash, rows, -sign * amounts)
            np.add.at(new_goods, (rows, instruments), sign * signed)
        self._check(new_cash, new_goods, allow_debt=allow_debt)
        return Accounts(self.traders, new_cash.astype(np.int64), new_goods.astype(np.int64))

    def _rows(self, traders: IntArray) -> IntArray:
        known = np.asarray(self.traders)
        rows = np.searchsorted(known, traders)
        strangers = traders[(rows == known.size) | (known[np.minimum(rows, known.size - 1)] != traders)]
        if strangers.size:
            raise InvalidInputError(f"trades name trader {strangers[0]}, who has no account.")
        return rows

    def _check(self, cash: NDArray[Any], goods: NDArray[Any], *, allow_debt: bool) -> None:
        for name, amounts in (("cash", cash[:, np.newaxis]), ("goods", goods)):
            for row, column in np.argwhere((amounts < -(2**63)) | (amounts >= 2**63))[:1]:
                raise InfeasibleError(
                    f"Trader {np.asarray(self.traders)[row]} would have {amounts[row, column]} of {name}, which int64 "
                    "cannot hold: measure in larger units."
                )
            for row, column in np.argwhere(amounts < 0)[:1]:
                if not allow_debt:
                    what = name if name == "cash" else f"instrument {column}"
                    raise InfeasibleError(
                        f"Trader {np.asarray(self.traders)[row]} would have {amounts[row, column]} of {what}, and debt "
                        "is not allowed."
                    )


def _fits(trades: Rows, cash: IntArray, goods: IntArray) -> bool:
    """Whether no sum on the way can leave int64, by the crudest of bounds."""
    price = max((abs(int(edge)) for edge in _edges(trades["price"])), default=0)
    quantity = max((abs(int(edge)) for edge in _edges(trades["quantity"])), default=0)
    held = max((abs(int(edge)) for array in (cash, goods) for edge in _edges(array)), default=0)
    return held + 2 * len(trades) * max(price, 1) * quantity < 2**63


def _edges(values: IntArray) -> tuple[int, ...]:
    return (int(values.min()), int(values.max())) if values.size else ()


def _whole_numbers(name: str, values: ArrayLike, *, dimensions: int) -> IntArray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidInputError(
            f"{name} must be whole numbers in {dimensions} dimension(s), got {values!r}."
        ) from error
    if array.ndim != dimensions or array.dtype != np.int64:
        raise InvalidInputError(
            f"{name} must be whole numbers that fit int64, in {dimensions} dimension(s); got {values!r}."
        )
    if array.size == 0:
        raise InvalidInputError(f"{name} is empty: accounts need at least one trader and one instrument.")
    return array.copy()
