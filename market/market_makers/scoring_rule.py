"""The logarithmic market scoring rule: a market maker for bets on n exclusive outcomes.

A share of outcome i pays 1 if i comes true. With `q_i` shares of outcome i sold so far, the market maker has collected
`C(q) - C(0)`, where

    C(q) = b log sum_i exp(q_i / b),    so that the price of a share is    p_i = dC/dq_i = softmax(q / b)_i.

Buying `d` (negative entries sell) costs `C(q + d) - C(q)`, whatever the path. Prices are probabilities; b says how many
shares it takes to move them. Whatever comes true, the market maker loses at most `b log n`.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.validation import FloatArray, finite_number, finite_vector, positive_number, whole_number

__all__ = ["LogarithmicScoringRule", "ScoringCertificate", "ScoringStatus", "ScoringTrade"]

# Shares per liquidity stay below this, so that sums of amounts of money are numbers.
_LARGEST_RATIO = 1e150


class ScoringStatus(Enum):
    """What the trade did; each value tells the reader what it means for them."""

    TRADED = "the shares are bought and sold, and prices have moved"
    NOTHING = "no shares change hands"
    SATURATED = "as TRADED; a price has come so near to 0 or 1 that float64 cannot tell: it says little about beliefs"


@final
@dataclass(frozen=True)
class ScoringCertificate(Residuals):
    """Residuals of a trade, 0 for an exact one; money as a fraction of the largest purchase (or b if that is larger).

    Attributes
    ----------
    prices
        How far the prices after the trade are from adding up to 1 without a negative one.
    price_rule
        How far `b (log p_i - log p_j)` is from `q_i - q_j`, as a fraction of the largest quantity (or b).
    payment
        How far the payment is from `p'.d - b KL(p' | p)`, p and p' being the prices before and after: the cost of the
        trade by duality, without the cost function.
    no_arbitrage
        How far the payment is outside `[p.d, p'.d]`, the trade's worth at the prices before and after.
    """

    prices: float
    price_rule: float
    payment: float
    no_arbitrage: float


@final
@dataclass(frozen=True, eq=False)
class ScoringTrade(Certified):
    """A trade with the market maker; it takes effect for who goes on with `quantities`.

    Attributes
    ----------
    purchase
        Shares bought of each outcome, negative if sold, shape (n,).
    payment
        Money paid to the market maker; negative if received.
    quantities
        Shares outstanding afterwards, shape (n,).
    prices_before, prices
        Price of a share of each outcome before and after, shape (n,).
    status, certificate
        What the trade did, and the residuals that prove the answer.
    """

    purchase: FloatArray
    payment: float
    quantities: FloatArray
    prices_before: FloatArray
    prices: FloatArray
    status: ScoringStatus
    certificate: ScoringCertificate


@final
@dataclass(frozen=True)
class LogarithmicScoringRule:
    """The rules of the market maker. It keeps no account: quantities go in, and new ones come out.

    Parameters
    ----------
    outcomes
        Number of exclusive outcomes, 2 or more.
    liquidity
        b: shares that it takes to move a price by a factor of e (against the others), above 0.

    Examples
    --------
    >>> from walras.market.market_makers import LogarithmicScoringRule
    >>> rule = LogarithmicScoringRule(outcomes=2, liquidity=100.0)
    >>> trade = rule.trade([0, 0], purchase=[50, 0])
    >>> round(trade.payment, 4), trade.prices.round(4).tolist()
    (28.093, [0.6225, 0.3775])
    """

    declared_properties: ClassVar[frozenset[Property]] = frozenset({Property.FEASIBLE, Property.CONSERVES})

    outcomes: int
    liquidity: float

    def __post_init__(self) -> None:
        outcomes = whole_number("LogarithmicScoringRule.outcomes", self.outcomes, minimum=2)
        object.__setattr__(self, "outcomes", outcomes)
        liquidity = positive_number("LogarithmicScoringRule.liquidity", self.liquidity)
        object.__setattr__(self, "liquidity", liquidity)

    @property
    def worst_case_loss(self) -> float:
        """The most that the market maker can lose: b log n (money)."""
        return self.liquidity * math.log(self.outcomes)

    def prices(self, quantities: ArrayLike) -> FloatArray:
        """Give the price of a share of each outcome, softmax(q / b), shape (n,).

        Raises
        ------
        InvalidInputError
            If `quantities` has not one finite entry per outcome, or they are too large for the liquidity.
        """
        return np.exp(self._log_prices(self._checked("quantities", quantities)))

    def cost(self, quantities: ArrayLike) -> float:
        """Give the cost function C(q), stable for quantities of any size; `C(q) - C(0)` has been collected.

        Raises
        ------
        InvalidInputError
            As for `prices`.
        """
        return self._cost(self._checked("quantities", quantities))

    def losses(self, quantities: ArrayLike) -> FloatArray:
        """Give the market maker's loss under each outcome, `q_i - (C(q) - C(0))`, shape (n,); at most b log n.

        Raises
        ------
        InvalidInputError
            As for `prices`.
        """
        checked = self._checked("quantities", quantities)
        # q_i - C(q) = b log p_i, without the difference of two large numbers.
        return self.liquidity * self._log_prices(checked) + self.worst_case_loss

    def trade(self, quantities: ArrayLike, purchase: ArrayLike) -> ScoringTrade:
        """Buy and sell shares.

        Parameters
        ----------
        quantities
            Shares outstanding (of either sign), shape (n,).
        purchase
            Shares to buy of each outcome, negative to sell, shape (n,).

        Returns
        -------
        ScoringTrade
            Payment, quantities and prices afterwards, status and certificate.

        Raises
        ------
        InvalidInputError
            If either has not one finite entry per outcome, or they are too large for the liquidity.

        Notes
        -----
        A set of one share of each outcome costs 1, always. *Cost*: O(n). *Source*: Hanson 2003; Hanson 2007.
        """
        before, bought = self._checked("quantities", quantities), self._checked("purchase", purchase)
        after = self._checked("quantities + purchase", before + bought)
        payment = self._payment(before, bought)
        log_before, log_after = self._log_prices(before), self._log_prices(after)
        prices = np.exp(log_after)
        return ScoringTrade(
            purchase=bought,
            payment=payment,
            quantities=after,
            prices_before=np.exp(log_before),
            prices=prices,
            status=_status(bought, prices),
            certificate=certify_trade(self.liquidity, before, bought, payment, prices),
        )

    def trade_to_price(self, quantities: ArrayLike, outcome: int, price: float) -> ScoringTrade:
        """Buy (or sell) shares of one outcome until they cost `price`: b times the change of the log odds.

        Parameters
        ----------
        quantities
            Shares outstanding, shape (n,).
        outcome
            Which outcome, 0 to n - 1.
        price
            Target, above 0 and below 1.

        Returns
        -------
        ScoringTrade
            As `trade` gives it.

        Raises
        ------
        InvalidInputError
            As for `trade`; if there is no such outcome, or the price does not lie between 0 and 1.
        """
        before = self._checked("quantities", quantities)
        outcome = whole_number("outcome", outcome)
        if outcome >= self.outcomes:
            raise InvalidInputError(f"outcome must be below the number of outcomes, {self.outcomes}, got {outcome}.")
        price = finite_number("price", price)
        if not 0.0 < price < 1.0:
            raise InvalidInputError(f"price must lie between 0 and 1, got {price}.")
        others = np.delete(before, outcome)
        log_odds = (before[outcome] - self._cost(others)) / self.liquidity
        purchase = np.zeros(self.outcomes)
        purchase[outcome] = self.liquidity * (math.log(price) - math.log1p(-price) - log_odds)
        return self.trade(before, purchase)

    def trade_to_prices(self, quantities: ArrayLike, prices: ArrayLike) -> ScoringTrade:
        """Buy shares until prices are `prices`: of all such trades the one that sells nothing and buys least.

        Parameters
        ----------
        quantities
            Shares outstanding, shape (n,).
        prices
            Targets, above 0, that add up to 1, shape (n,).

        Returns
        -------
        ScoringTrade
            As `trade` gives it.

        Raises
        ------
        InvalidInputError
            As for `trade`; if a price is not above 0, or they do not add up to 1.
        """
        before = self._checked("quantities", quantities)
        targets = self._checked("prices", prices)
        if not np.all(targets > 0.0) or abs(math.fsum(targets) - 1.0) > 1e-9:
            raise InvalidInputError(f"prices must be above 0 and add up to 1, got {targets.tolist()}.")
        change = self.liquidity * np.log(targets) - before
        return self.trade(before, change - np.min(change))

    def _checked(self, name: str, amounts: ArrayLike) -> FloatArray:
        vector = finite_vector(name, amounts, of="outcome")
        if vector.size != self.outcomes:
            raise InvalidInputError(
                f"{name} must have one entry per outcome: expected {self.outcomes}, got {vector.size}."
            )
        largest = float(np.max(np.abs(vector)))
        if not largest <= _LARGEST_RATIO * min(self.liquidity, 1.0):
            raise InvalidInputError(
                f"{name} must stay below {_LARGEST_RATIO:g} times the liquidity, {self.liquidity:g}, got {largest:g}."
            )
        return vector

    def _cost(self, quantities: FloatArray) -> float:
        top = float(np.max(quantities))
        return top + self.liquidity * math.log(float(np.sum(np.exp((quantities - top) / self.liquidity))))

    def _log_prices(self, quantities: FloatArray) -> FloatArray:
        relative = (quantities - np.max(quantities)) / self.liquidity
        return relative - math.log(float(np.sum(np.exp(relative))))

    def _payment(self, before: FloatArray, bought: FloatArray) -> float:
        """C(q + d) - C(q) = b log sum_i p_i exp(d_i / b), without the difference of two large numbers."""
        exponents = bought / self.liquidity
        log_prices = self._log_prices(before)
        if float(np.max(np.abs(exponents))) < 1.0:
            return self.liquidity * math.log1p(float(np.sum(np.exp(log_prices) * np.expm1(exponents))))
        terms = log_prices + exponents
        top = float(np.max(terms))
        return self.liquidity * (top + math.log(float(np.sum(np.exp(terms - top)))))


def _status(bought: FloatArray, prices: FloatArray) -> ScoringStatus:
    if not bought.any():
        return ScoringStatus.NOTHING
    return ScoringStatus.SATURATED if np.any((prices == 0.0) | (prices == 1.0)) else ScoringStatus.TRADED


def certify_trade(
    liquidity: float, before: FloatArray, bought: FloatArray, payment: float, prices: FloatArray
) -> ScoringCertificate:
    """Compute the residuals from quantities, purchase, payment and the prices after it."""
    from scipy.special import rel_entr, softmax

    after = before + bought
    old = softmax(before / liquidity)
    stake = max(float(np.max(np.abs(bought))), liquidity)
    seen = prices > 0.0
    level = liquidity * np.log(prices[seen]) - after[seen]
    # Where a price before the trade is 0 in float64, the divergence cannot be computed, and the bounds must do.
    divergence = float(np.sum(rel_entr(prices, old)))
    dual = float(prices @ bought) - liquidity * divergence
    low, high = float(old @ bought), float(prices @ bought)
    return ScoringCertificate(
        prices=max(abs(math.fsum(prices) - 1.0), float(np.max(-prices)), 0.0),
        price_rule=float(np.ptp(level)) / max(float(np.max(np.abs(after))), liquidity),
        payment=abs(payment - dual) / stake if math.isfinite(divergence) else 0.0,
        no_arbitrage=max(low - payment, payment - high, 0.0) / stake,
    )
