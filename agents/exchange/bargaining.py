"""How two consumers who meet trade: at a price between what a good is worth to the one and to the other.

Consumer i owns the whole units h_i. One more unit of good a is worth `g+_ia = u_i(h_i + 1_a) - u_i(h_i)` to it, and one
unit less of good b costs it `g-_ib = u_i(h_i) - u_i(h_i - 1_b)`. So i would pay for a unit of a, and j ask for one, at
most and at least

    bid_i = g+_ia / g-_ib,        ask_j = g-_ja / g+_jb        (units of b per unit of a):

their marginal rates of substitution, measured on the smallest units that there are, at kinks on the side that counts.
If `bid_i > ask_j` both gain. Of all ordered pairs of goods they choose the one with the largest `bid_i / ask_j`, and
trade at the geometric mean

    price = sqrt(bid_i ask_j),

as many units as the first of the two who has enough at this price wants. The dearer good changes hands in whole units,
the cheaper one in what they cost, rounded to a whole number; and only if both are then better off.

Where a good is worth nothing to who gives it up the ask is 0 (or the bid infinite): it is taken as a hundredth of the
bid (a hundred asks), and where both are so, as the price at which they exchange all that they own of the two.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from walras.agents.money import IntArray
from walras.market.validation import FloatArray, whole_number

__all__ = ["Bargain", "GeometricMeanBargaining"]

BoolArray: TypeAlias = NDArray[np.bool_]
# What each consumer makes of its units of each good: (n, m) -> (n,). Real numbers of units will do.
UtilityOfUnits: TypeAlias = Callable[[FloatArray], FloatArray]

_WORTHLESS = 100.0


@final
@dataclass(frozen=True, eq=False)
class Bargain:
    """The trades of a round, k of them; every consumer takes part in one at most.

    Attributes
    ----------
    buyers, sellers
        Who receives the first good, and who gives it, shape (k,).
    bought, paid
        The two goods: the one that buyers receive, and the one they pay with, shape (k,).
    units_bought, units_paid
        Whole units that change hands, above 0, shape (k,).
    prices
        Agreed units paid per unit bought, before rounding, shape (k,).
    """

    buyers: IntArray
    sellers: IntArray
    bought: IntArray
    paid: IntArray
    units_bought: IntArray
    units_paid: IntArray
    prices: FloatArray

    def changes(self, consumers: int, goods: int) -> IntArray:
        """Give what each consumer receives of each good (whole units), shape (consumers, goods)."""
        change = np.zeros((consumers, goods), dtype=np.int64)
        for who, sign in ((self.buyers, 1), (self.sellers, -1)):
            change[who, self.bought] += sign * self.units_bought
            change[who, self.paid] -= sign * self.units_paid
        return change


class _Terms(NamedTuple):
    """What pairs agree on before they count units."""

    buyers: IntArray
    sellers: IntArray
    bought: IntArray
    paid: IntArray
    prices: FloatArray


@final
@dataclass(frozen=True, kw_only=True)
class GeometricMeanBargaining:
    """Trade at the geometric mean of the two marginal rates of substitution.

    Parameters
    ----------
    most_units
        Most units of the dearer good that change hands at a meeting, 1 or more; None: as many as both want.

    Notes
    -----
    *Ties*: of equally good pairs of goods the first, good bought before good paid; the buyer of the first good is then
    whoever stands first in the pair. *Cost*: about 2 m + 4 log2(units) evaluations of all utilities, for all meetings
    together. *Source*: Epstein and Axtell 1996 for the price; Feldman 1973 for what such trade can and cannot reach.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.exchange import GeometricMeanBargaining
    >>> def utility(units):
    ...     return np.sqrt(units[:, 0] * units[:, 1])
    >>> trade = GeometricMeanBargaining().trade(utility, np.array([[90, 10], [10, 90]]), np.array([[0, 1]]))
    >>> trade.prices.round(3).tolist(), trade.changes(2, 2).tolist()
    ([1.0], [[-40, 40], [40, -40]])
    """

    most_units: int | None = None

    def __post_init__(self) -> None:
        if self.most_units is not None:
            whole_number("GeometricMeanBargaining.most_units", self.most_units, minimum=1)

    def trade(self, utility: UtilityOfUnits, units: IntArray, pairs: IntArray) -> Bargain:
        """Give the trades of pairs who meet.

        Parameters
        ----------
        utility
            Gives each consumer's utility, shape (n,), of units, shape (n, m); quasi-concave and never falling in any
            good.
        units
            What each consumer owns (whole units), shape (n, m).
        pairs
            Who meets, nobody twice, shape (k, 2).

        Returns
        -------
        Bargain
            Of the pairs that trade, at most k. Both are better off by it, in whole units.
        """
        terms = _agree(utility, units, pairs)
        dear_is_bought = terms.prices >= 1.0
        ratio = np.where(dear_is_bought, terms.prices, 1.0 / terms.prices)  # cheap units per dear one, >= 1
        owned_bought, owned_paid = units[terms.sellers, terms.bought], units[terms.buyers, terms.paid]
        dear, cheap = np.where(dear_is_bought, (owned_bought, owned_paid), (owned_paid, owned_bought))
        # round(ratio * count) <= cheap, since ratio * count <= cheap, a whole number
        most = np.minimum(dear, np.floor(cheap / ratio).astype(np.int64))
        if self.most_units is not None:
            most = np.minimum(most, self.most_units)

        def holdings(count: FloatArray, cheap_count: FloatArray) -> FloatArray:
            bought = np.where(dear_is_bought, count, cheap_count)
            paid = np.where(dear_is_bought, cheap_count, count)
            held = units.astype(np.float64)
            held[terms.buyers, terms.bought] += bought
            held[terms.buyers, terms.paid] -= paid
            held[terms.sellers, terms.bought] -= bought
            held[terms.sellers, terms.paid] += paid
            return np.maximum(held, 0.0)

        def both_gain(count: FloatArray, than: FloatArray) -> FloatArray:
            more, less = holdings(count, ratio * count), holdings(than, ratio * than)
            gains = _finite_gains(utility(more), utility(less))
            return np.minimum(gains[terms.buyers], gains[terms.sellers])

        count = _largest(lambda middle: both_gain(middle, middle - 1.0) > 0.0, most)
        cheap_count = np.rint(ratio * count)
        gains = _finite_gains(
            utility(holdings(count.astype(np.float64), cheap_count)), utility(units.astype(np.float64))
        )
        agreed = (gains[terms.buyers] > 0.0) & (gains[terms.sellers] > 0.0) & (count > 0) & (cheap_count > 0)
        whole_cheap = cheap_count.astype(np.int64)
        return Bargain(
            buyers=terms.buyers[agreed],
            sellers=terms.sellers[agreed],
            bought=terms.bought[agreed],
            paid=terms.paid[agreed],
            units_bought=np.where(dear_is_bought, count, whole_cheap)[agreed],
            units_paid=np.where(dear_is_bought, whole_cheap, count)[agreed],
            prices=terms.prices[agreed],
        )


def _agree(utility: UtilityOfUnits, units: IntArray, pairs: IntArray) -> _Terms:
    """Who buys what from whom with what, and at what price; pairs that cannot both gain are left out."""
    gain, loss = _marginal_worth(utility, units)
    first, second = pairs[:, 0], pairs[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):  # what comes of 0 and infinity is sorted out below
        bids = gain[first][:, :, None] / loss[first][:, None, :]  # (k, good bought, good paid)
        asks = loss[second][:, :, None] / gain[second][:, None, :]
    owned = units > 0
    possible = owned[second][:, :, None] & owned[first][:, None, :]
    possible &= (gain[first] > 0.0)[:, :, None] & (gain[second] > 0.0)[:, None, :]
    possible &= ~np.eye(units.shape[1], dtype=bool)
    has_bid, has_ask = np.isfinite(bids), asks > 0.0
    swap = units[first][:, None, :] / np.maximum(units[second], 1)[:, :, None]  # all of b for all of a
    asks = np.where(has_ask, asks, np.where(has_bid, bids / _WORTHLESS, swap / _WORTHLESS))
    bids = np.where(has_bid, bids, np.where(has_ask, asks * _WORTHLESS, swap * _WORTHLESS))
    possible &= (asks > 0.0) & np.isfinite(asks) & (bids > asks) & np.isfinite(bids)
    gaps = np.where(possible, bids, 1.0) / np.where(possible, asks, np.inf)
    flat = gaps.reshape(len(pairs), units.shape[1] ** 2)  # (k, m, m) -> (k, m * m)
    best = flat.argmax(axis=1)
    kept = np.flatnonzero(flat[np.arange(len(pairs)), best] > 1.0)
    bought, paid = np.divmod(best[kept], units.shape[1])
    prices = np.sqrt(bids[kept, bought, paid]) * np.sqrt(asks[kept, bought, paid])
    return _Terms(first[kept], second[kept], bought, paid, prices)


def _marginal_worth(utility: UtilityOfUnits, units: IntArray) -> tuple[FloatArray, FloatArray]:
    """Give g+ and g-, each (n, m): what a unit more is worth, and what it costs to lose one (0 if there is none)."""
    held = units.astype(np.float64)
    now = utility(held)
    gain, loss = np.empty_like(held), np.empty_like(held)
    for good in range(held.shape[1]):
        more, less = held.copy(), held.copy()
        more[:, good] += 1.0
        less[:, good] -= 1.0
        gain[:, good] = _finite_gains(utility(more), now)
        loss[:, good] = _finite_gains(now, utility(np.maximum(less, 0.0)))
    return np.maximum(gain, 0.0), np.maximum(loss, 0.0)


def _finite_gains(more: FloatArray, less: FloatArray) -> FloatArray:
    """`more - less`; 0 where both are the same infinity."""
    return np.where(more == less, 0.0, more - np.where(more == less, 0.0, less))


def _largest(holds: Callable[[FloatArray], BoolArray], most: IntArray) -> IntArray:
    """Give for each entry the largest count, 0 to `most`, up to which `holds` is true.

    Counts are doubled until one fails, and the last interval is halved: most trades are of few units.
    """
    low, high = np.zeros_like(most), most.copy()
    failed = np.zeros(most.shape, dtype=bool)
    while (low < high).any():
        middle = np.where(failed, (low + high + 1) // 2, np.minimum(2 * low + 1, high))
        good = holds(middle.astype(np.float64)) & (low < high)
        bad = ~good & (low < high)
        low, high, failed = np.where(good, middle, low), np.where(bad, middle - 1, high), failed | bad
    return low
