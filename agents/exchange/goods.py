"""Goods in whole units: who owns how many, and no unit is ever made or lost.

Consumers and markets compute with real amounts of goods; accounts hold whole units, so small that nobody minds (a
millionth, by default). A good is kept like money: in a `walras.agents.Ledger` of its own, in which every entry sums to
0 and nobody owns less than nothing.
"""

from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.ledger import Ledger
from walras.agents.money import MOST_CENTS, IntArray, apportion
from walras.market.errors import InvalidInputError
from walras.market.exchange import ExchangeEconomy
from walras.market.validation import FloatArray, finite_vector

__all__ = ["Warehouse", "whole_endowments"]


@final
class Warehouse:
    """The holdings of n consumers of m goods, in whole units.

    Parameters
    ----------
    units
        What each consumer owns of each good at first (whole units, >= 0), int64 of shape (n, m).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.exchange import Warehouse
    >>> warehouse = Warehouse(np.array([[5, 0], [0, 8]]))
    >>> warehouse.post(np.array([[-2, 3], [2, -3]]))
    >>> warehouse.units.tolist(), warehouse.totals.tolist()
    ([[3, 3], [2, 5]], [5, 8])
    """

    def __init__(self, units: IntArray) -> None:
        given = np.asarray(units)
        if given.dtype.kind not in "iu" or given.ndim != 2 or 0 in given.shape:
            raise InvalidInputError(
                f"units must be whole numbers of shape (consumers, goods), got {given.dtype} of shape {given.shape}."
            )
        if given.min() < 0:
            consumer, good = np.argwhere(given < 0)[0].tolist()
            raise InvalidInputError(f"units must be 0 or more: entry {(consumer, good)} is {given[consumer, good]}.")
        self._ledgers = tuple(Ledger(given[:, good]) for good in range(given.shape[1]))

    @property
    def units(self) -> IntArray:
        """What each consumer owns of each good (whole units), shape (n, m): a copy."""
        return np.stack([ledger.wealth for ledger in self._ledgers], axis=1)  # m vectors (n,) -> (n, m)

    @property
    def totals(self) -> IntArray:
        """What there is of each good (whole units), shape (m,)."""
        return np.array([ledger.total for ledger in self._ledgers], dtype=np.int64)

    def balance(self, consumer: int, good: int) -> int:
        """Give what a consumer owns of a good (whole units)."""
        return self._ledgers[good].balance(consumer)

    def post(self, changes: IntArray) -> None:
        """Book what each consumer receives of each good, negative where it gives (whole units), int64 of shape (n, m).

        Raises
        ------
        SettlementError
            Changes of a good that do not sum to 0, or leave a consumer with less than nothing. Nothing is booked then.

        Notes
        -----
        *Cost*: O(n m).
        """
        refused = changes.sum(axis=0).astype(bool) | ((self.units + changes).min(axis=0) < 0)
        # The ledgers of goods that cannot be booked come first: they raise before any other is touched.
        for good in np.argsort(~refused, kind="stable").tolist():
            if changes[:, good].any():
                self._ledgers[good].post(np.ascontiguousarray(changes[:, good]))


def whole_endowments(economy: ExchangeEconomy, units_per_good: ArrayLike) -> tuple[IntArray, FloatArray]:
    """Give endowments in whole units, shape (n, m), and the units in one of each good, shape (m,).

    Raises
    ------
    InvalidInputError
        Numbers of units below 1, not whole, or so large that there would be more than 1e13 of a good.
    """
    goods = economy.shape[1]
    per_good = finite_vector("units_per_good", units_per_good, length=goods, of="good")
    if not ((per_good >= 1.0) & (per_good == np.floor(per_good))).all():
        raise InvalidInputError(f"units_per_good must be whole numbers of 1 or more, got {per_good.tolist()}.")
    totals = per_good * economy.supplies
    if totals.max() > MOST_CENTS:
        raise InvalidInputError(
            f"units_per_good must leave at most {MOST_CENTS:.0e} units of a good, got {totals.max():g} of good "
            f"{int(totals.argmax())}: choose larger units."
        )
    amounts = np.asarray(economy.endowments) * per_good
    units = np.stack([apportion(np.ascontiguousarray(column)) for column in amounts.T], axis=1)
    if not units.any(axis=0).all():
        raise InvalidInputError(
            f"units_per_good must give at least one whole unit of each good, got {units.sum(axis=0).tolist()}."
        )
    return units, per_good
