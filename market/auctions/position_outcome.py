"""The result of a position auction, and its proof."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.validation import FloatArray, IntArray

__all__ = ["PositionCertificate", "PositionOutcome", "PositionPaymentRule", "PositionStatus", "certify_positions"]

_TINY = float(np.finfo(np.float64).tiny)


class PositionPaymentRule(Enum):
    """What a click costs in each position; the value says it in a sentence."""

    GENERALIZED_SECOND_PRICE = "a click costs the lowest bid that would have kept the position"
    VICKREY_CLARKE_GROVES = "a bidder pays what its presence costs the bidders below it"


class PositionStatus(Enum):
    """What became of the positions; each value tells the reader what it means for them."""

    FILLED = "every position is taken"
    TIED = "every position is taken; a bidder as good as the last one served has none, by the order given or by lot"
    UNFILLED = "bids that reach the reserve are fewer than the positions; all of them are shown, the last places empty"
    NOTHING_SHOWN = "no bid reaches the reserve; lower it to sell"


@final
@dataclass(frozen=True)
class PositionCertificate(Residuals):
    """Residuals of a position auction, 0 for an exact answer.

    Attributes
    ----------
    feasibility
        1 if a position is taken twice, does not exist, stays empty above a taken one, or goes to a bid that was not
        accepted; else how far clicks are from the position's, as a fraction of them.
    efficiency
        How far the value of clicks at the bids falls short of the largest possible, as a fraction of it.
    payment_rule
        How far a payment is from what the rule says, computed anew from bids and positions, as a fraction of the worth
        of the clicks at the bid.
    within_bids
        How far a payment is below 0 or above bid times clicks, as a fraction of these amounts.
    budget_balance
        Payments against revenue, as a fraction of the payments.
    """

    feasibility: float
    efficiency: float
    payment_rule: float
    within_bids: float
    budget_balance: float


@final
@dataclass(frozen=True, eq=False)
class PositionOutcome(Certified):
    """A cleared position auction of n bidders.

    Attributes
    ----------
    positions
        Position of each bidder, from 0, the best; -1 for none, shape (n,).
    allocation
        Clicks per period that each bidder gets, shape (n,).
    prices
        Money per click that each bidder pays, shape (n,); 0 for those without clicks.
    payments
        Money per period that each bidder pays, shape (n,).
    revenue
        Sum of the payments, money per period.
    status, certificate
        What became of the positions, and the residuals that prove the answer.
    """

    positions: IntArray
    allocation: FloatArray
    prices: FloatArray
    payments: FloatArray
    revenue: float
    status: PositionStatus
    certificate: PositionCertificate

    @property
    def winners(self) -> IntArray:
        """Bidders who have a position, from the best position down."""
        shown = np.flatnonzero(self.positions >= 0)
        return shown[np.argsort(self.positions[shown])]


def certify_positions(
    rule: PositionPaymentRule,
    bids: FloatArray,
    quality: FloatArray,
    click_rates: FloatArray,
    reserve: float,
    positions: IntArray,
    allocation: FloatArray,
    payments: FloatArray,
    revenue: float,
) -> PositionCertificate:
    """Compute the residuals of an answer, from the answer alone.

    The payments are found bidder by bidder, from the best scores of the *others* (see `_owed`).

    Parameters
    ----------
    rule, click_rates, reserve
        The rules; click rates of shape (s,).
    bids, quality
        Money per click, and factor of the click rate, shape (n,).
    positions, allocation, payments, revenue
        The answer.
    """
    is_accepted = bids >= reserve
    accepted = np.where(is_accepted, bids, 0.0)
    shown = np.flatnonzero(positions >= 0)
    slots = positions[shown]
    expected = np.zeros_like(bids)
    is_ranking = np.array_equal(np.sort(slots), np.arange(slots.size)) and slots.size <= click_rates.size
    if not is_ranking or not np.all(is_accepted[shown]) or np.any(positions < -1):
        return PositionCertificate(1.0, 1.0, 1.0, 1.0, 1.0)
    expected[shown] = click_rates[slots] * quality[shown]
    misplaced = np.max(np.abs(allocation - expected) / np.maximum(np.maximum(expected, np.abs(allocation)), _TINY))

    best = _best_value(accepted * quality, click_rates)
    worth = accepted * allocation
    owed = np.zeros_like(bids)
    for bidder in shown:
        owed[bidder] = _owed(
            rule, accepted * quality, quality, click_rates, reserve, int(bidder), int(positions[bidder])
        )
    turnover = max(float(np.sum(np.abs(payments))), abs(revenue), _TINY)
    return PositionCertificate(
        feasibility=float(misplaced),
        efficiency=float(max(best - np.sum(worth), 0.0) / max(best, _TINY)),
        # A payment is a sum of differences of the worth of clicks, and can be no more exact than those.
        payment_rule=float(np.max(np.abs(payments - owed) / np.maximum(np.maximum(np.abs(payments), worth), _TINY))),
        within_bids=float(
            np.max(np.maximum(payments - worth, -payments).clip(min=0.0) / np.maximum(np.abs(payments), _TINY))
        ),
        budget_balance=abs(float(np.sum(payments)) - revenue) / turnover,
    )


def _best_value(scores: FloatArray, click_rates: FloatArray) -> float:
    """Largest value of clicks at the bids: the best score in the best position, and so on."""
    served = min(scores.size, click_rates.size)
    return float(np.sum(np.sort(scores)[::-1][:served] * click_rates[:served]))


def _owed(
    rule: PositionPaymentRule,
    scores: FloatArray,
    quality: FloatArray,
    click_rates: FloatArray,
    reserve: float,
    bidder: int,
    position: int,
) -> float:
    """Payment of the bidder in `position` (money per period).

    With c_t the t-th highest score of the others, but at least the bidder's score at the reserve: under GSP clicks cost
    c_s, under VCG the bidder pays `rate_s c_s + sum over t > s of rate_t (c_t - c_(t-1))`, what the others and the
    seller would gain if each of those below moved one place up.
    """
    slots = click_rates.size
    rivals = np.zeros(slots)
    falling = np.sort(np.delete(scores, bidder))[::-1][:slots]
    rivals[: falling.size] = falling
    rivals = np.maximum(rivals, reserve * quality[bidder])
    owed = float(click_rates[position] * rivals[position])
    if rule is PositionPaymentRule.VICKREY_CLARKE_GROVES:
        owed += float(np.sum(click_rates[position + 1 :] * np.diff(rivals[position:])))
    return owed
