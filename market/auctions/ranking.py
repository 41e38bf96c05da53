"""Who wins: bids in descending order, and the cut between the last that wins and the first that loses.

Kernels here and in `charges` work on m auctions at once, with bids of shape (m, n, k): n bidders, up to k units each,
every row falling. A bid is *accepted* if it is above 0 and not below its bidder's reserve; the others are set to 0 and
take no part.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from walras.market.validation import FloatArray, IntArray

__all__ = ["Ranking", "accepted_bids", "rank"]


@final
@dataclass(frozen=True, eq=False)
class Ranking:
    """Accepted bids of m auctions, and which of them win.

    Attributes
    ----------
    bids
        Accepted bids, 0 where there is none, shape (m, n, k).
    falling, owners
        The bids of each auction in falling order and the bidders who made them, shape (m, n * k).
    won
        Which bids win a unit, shape (m, n, k).
    units
        Units for sale.
    """

    bids: FloatArray
    falling: FloatArray
    owners: IntArray
    won: NDArray[np.bool_]
    units: int

    @property
    def allocation(self) -> IntArray:
        """Units of each bidder, shape (m, n)."""
        units: IntArray = np.sum(self.won, axis=-1, dtype=np.int64)
        return units

    @property
    def highest_losing(self) -> FloatArray:
        """Highest accepted bid that wins nothing, 0 if there is none, shape (m,)."""
        if self.units >= self.falling.shape[1]:
            return np.zeros(len(self.falling))
        return self.falling[:, self.units]

    @property
    def lowest_winning(self) -> FloatArray:
        """Lowest bid that wins a unit, infinite if nothing is sold, shape (m,)."""
        lowest: FloatArray = np.min(self.bids, axis=(1, 2), where=self.won, initial=np.inf)
        return lowest


def accepted_bids(bids: FloatArray, reserves: FloatArray) -> FloatArray:
    """Give the bids, shape (m, n, k), with 0 for those below their bidder's reserve, shape (n,)."""
    return np.where(bids >= reserves[:, None], bids, 0.0)


def rank(bids: FloatArray, reserves: FloatArray, units: int, generator: np.random.Generator | None) -> Ranking:
    """Serve the highest accepted bids.

    *Ties*: equal bids in the order given, or by lot if there is a generator. *Cost*: O(m n k log(n k)).
    """
    auctions, bidders, demand = bids.shape
    accepted = accepted_bids(bids, reserves)
    row = accepted.reshape(auctions, bidders * demand)
    if generator is None:
        order = np.argsort(-row, axis=1, kind="stable")
    else:
        order = np.lexsort((generator.random(row.shape), -row), axis=1)
    falling = np.take_along_axis(row, order, axis=1)
    won = np.zeros(row.shape, dtype=np.bool_)
    wins = (np.arange(row.shape[1]) < units) & (falling > 0.0)
    np.put_along_axis(won, order, wins, axis=1)
    return Ranking(accepted, falling, order // demand, won.reshape(bids.shape), units)
