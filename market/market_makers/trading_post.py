"""Trading posts: for each good, money is bid on one side and the good is offered on the other.

Trader i bids `b_ij` of money at the post of good j and offers `q_ij` units there. The post pays out all of it:

    p_j = sum_i b_ij / sum_i q_ij,    i buys b_ij / p_j units,    i earns q_ij p_j.

Where nobody bids or nobody offers, a post stays closed: there is no price, and everything goes back.

To trader i, the post is a constant-product market maker whose reserves are the others' bids B and offers Q: to buy x
units net costs c with `(B + c) (Q - x) = B Q`. So it matters for the price what a trader does, and less so the more
traders there are.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.market_makers.constant_product import ConstantProduct
from walras.market.properties import Property
from walras.market.validation import FloatArray, nonnegative_matrix, whole_number

__all__ = ["TradingPost", "TradingPostCertificate", "TradingPostClearing", "TradingPostStatus"]

# Amounts stay between these (or are 0), so that prices, their inverses and products with amounts are normal numbers.
_LEAST, _MOST = 1e-75, 1e75


class TradingPostStatus(Enum):
    """Which posts are open; each value tells the reader what it means for them."""

    OPEN = "every post has a price"
    SOME_CLOSED = "at some posts nobody bids or nobody offers: no price there, and everything goes back"
    CLOSED = "no post has both bids and offers: nobody trades"


@final
@dataclass(frozen=True)
class TradingPostCertificate(Residuals):
    """Residuals of the trades, 0 for exact ones; per post, as a fraction of the money or goods there.

    Attributes
    ----------
    goods
        Units bought against units sold.
    money
        Money spent against money earned.
    price_rule
        How far money spent is from the price times the units bought, and money earned from it times the units sold.
    feasibility
        The largest amount below 0, beyond what was bid or offered, or traded at a closed post; and what stays with a
        trader of what it bid or offered at an open one.
    """

    goods: float
    money: float
    price_rule: float
    feasibility: float


@final
@dataclass(frozen=True, eq=False)
class TradingPostClearing(Certified):
    """Prices and trades of n traders at m posts.

    Attributes
    ----------
    prices
        Money per unit of each good, shape (m,); NaN where the post is closed.
    goods_bought, goods_sold
        Units that each trader gets and gives at each post, shape (n, m).
    money_spent, money_earned
        Money that each trader gives and gets at each post, shape (n, m).
    status, certificate
        Which posts are open, and the residuals that prove the answer.
    """

    prices: FloatArray
    goods_bought: FloatArray
    goods_sold: FloatArray
    money_spent: FloatArray
    money_earned: FloatArray
    status: TradingPostStatus
    certificate: TradingPostCertificate

    @property
    def net_goods(self) -> FloatArray:
        """Units that each trader gains at each post (negative if it loses some), shape (n, m)."""
        return self.goods_bought - self.goods_sold

    @property
    def net_money(self) -> FloatArray:
        """Money that each trader gains in all (negative if it loses some), shape (n,)."""
        return np.asarray(np.sum(self.money_earned - self.money_spent, axis=1))


@final
@dataclass(frozen=True)
class TradingPost:
    """The rules of trading posts; `clear` is a pure function of bids and offers.

    Examples
    --------
    >>> from walras.market.market_makers import TradingPost
    >>> clearing = TradingPost().clear(bids=[[6.0], [2.0], [0.0]], offers=[[0.0], [0.0], [4.0]])
    >>> clearing.prices.tolist(), clearing.goods_bought.ravel().tolist(), clearing.net_money.tolist()
    ([2.0], [3.0, 1.0, 0.0], [-6.0, -2.0, 8.0])
    """

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {
            Property.FEASIBLE,
            Property.CONSERVES,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.STRONGLY_BUDGET_BALANCED,
            Property.MONOTONE,
            Property.ANONYMOUS,
            Property.SCALE_FREE,
        }
    )

    def clear(self, bids: ArrayLike, offers: ArrayLike) -> TradingPostClearing:
        """Divide the money bid at each post among those who offer, and the goods among those who bid.

        Parameters
        ----------
        bids
            Money that trader i bids at post j, 0 or more, shape (n, m).
        offers
            Units that trader i offers at post j, 0 or more, shape (n, m).

        Returns
        -------
        TradingPostClearing
            Prices, goods and money traded, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN, infinite or negative amounts, no traders or no posts, shapes that do not fit; amounts too large or too
            small for their ratios to be numbers.

        Notes
        -----
        *Ties*: none; equal bids get equal goods. *Cost*: O(n m). *Source*: Shapley and Shubik 1977.
        """
        bids, offers = _checked(bids, offers)
        money, goods = np.sum(bids, axis=0), np.sum(offers, axis=0)
        is_open = (money > 0.0) & (goods > 0.0)
        prices = np.divide(money, goods, out=np.full(money.size, np.nan), where=is_open)
        # Shares first: a trader who is alone on its side gets the other side to the last unit.
        spent, sold = np.where(is_open, bids, 0.0), np.where(is_open, offers, 0.0)
        bought = spent / np.where(is_open, money, 1.0) * goods
        earned = sold / np.where(is_open, goods, 1.0) * money
        return TradingPostClearing(
            prices=prices,
            goods_bought=bought,
            goods_sold=sold,
            money_spent=spent,
            money_earned=earned,
            status=_status(int(np.sum(is_open)), is_open.size),
            certificate=certify_posts(bids, offers, prices, bought, sold, spent, earned),
        )

    def pool_facing(self, bids: ArrayLike, offers: ArrayLike, trader: int, post: int) -> ConstantProduct:
        """Give the post as one trader sees it: a market maker whose reserves are the others' offers and bids.

        Parameters
        ----------
        bids, offers
            As for `clear`; what the trader itself bids and offers at the post does not count.
        trader, post
            Who asks, and where.

        Returns
        -------
        ConstantProduct
            Without a fee; asset 0 is the good, asset 1 money. `swap_exact_in(money, sold=1)` is what a bid buys,
            `swap_exact_in(units, sold=0)` what an offer earns.

        Raises
        ------
        InvalidInputError
            As for `clear`; if there is no such trader or post.
        InfeasibleError
            If the others bid nothing or offer nothing there.
        """
        bids, offers = _checked(bids, offers)
        trader, post = _place("trader", trader, bids.shape[0]), _place("post", post, bids.shape[1])
        money = float(np.sum(np.delete(bids[:, post], trader)))
        goods = float(np.sum(np.delete(offers[:, post], trader)))
        if money <= 0.0 or goods <= 0.0:
            raise InfeasibleError(
                f"At post {post} the others bid {money:g} and offer {goods:g}: both must be above 0 for a price."
            )
        return ConstantProduct((goods, money), fee=0.0)


def _checked(bids: ArrayLike, offers: ArrayLike) -> tuple[FloatArray, FloatArray]:
    money = nonnegative_matrix("bids", bids, of=("trader", "post"))
    goods = nonnegative_matrix("offers", offers, rows=money.shape[0], columns=money.shape[1], of=("trader", "post"))
    for name, amounts in (("bids", money), ("offers", goods)):
        placed = amounts[amounts > 0.0]
        least, most = float(np.min(placed, initial=1.0)), float(np.sum(placed / _MOST))
        if least < _LEAST or most >= 1.0:
            raise InvalidInputError(
                f"{name} must be 0 or at least {_LEAST:g} each, and add up to less than {_MOST:g}; the least is "
                f"{least:g}, their sum {most * _MOST:g}: measure in another unit."
            )
    return money, goods


def _place(name: str, number: object, below: int) -> int:
    place = whole_number(name, number)
    if place >= below:
        raise InvalidInputError(f"{name} must be below the number of {name}s, {below}, got {place}.")
    return place


def _status(open_posts: int, posts: int) -> TradingPostStatus:
    if open_posts == 0:
        return TradingPostStatus.CLOSED
    return TradingPostStatus.OPEN if open_posts == posts else TradingPostStatus.SOME_CLOSED


def certify_posts(
    bids: FloatArray,
    offers: FloatArray,
    prices: FloatArray,
    goods_bought: FloatArray,
    goods_sold: FloatArray,
    money_spent: FloatArray,
    money_earned: FloatArray,
) -> TradingPostCertificate:
    """Compute the residuals post by post, from the answer alone."""
    goods, money, price_rule, feasibility = 0.0, 0.0, 0.0, 0.0
    for post in range(prices.size):
        bid, offer, bought, sold, spent, earned = (
            table[:, post] for table in (bids, offers, goods_bought, goods_sold, money_spent, money_earned)
        )
        units = float(np.max(offer, initial=0.0)) or 1.0
        amount = float(np.max(bid, initial=0.0)) or 1.0
        traded = bid.any() and offer.any()
        kept = (offer - sold) if traded else sold
        held = (bid - spent) if traded else spent
        goods = max(goods, abs(float(np.sum(bought - sold))) / units)
        money = max(money, abs(float(np.sum(spent - earned))) / amount)
        feasibility = max(
            feasibility,
            float(np.max(np.abs(kept))) / units,
            float(np.max(np.abs(held))) / amount,
            float(np.max(-bought)) / units,
            float(np.max(-earned)) / amount,
        )
        if traded:
            worth = np.concatenate([spent - prices[post] * bought, earned - prices[post] * sold])
            price_rule = max(price_rule, float(np.max(np.abs(worth))) / amount)
    return TradingPostCertificate(goods, money, price_rule, feasibility)
