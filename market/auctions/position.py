"""Position auctions: advertisers bid per click for places of different worth.

Position s gets alpha_s clicks per period, alpha_1 >= alpha_2 >= ... >= alpha_S; shown there, bidder i gets `alpha_s
q_i` clicks, where q_i is its quality (1 if nothing is known). Bidder i bids b_i per click; bids that reach the reserve
r are ranked by score `w_i = q_i b_i`, the best in the best position, which maximises the value of clicks at the
bids. Write c_1 >= c_2 >= ... for the scores of the bidders below position s, then zeros. The bidder i in position s
pays per period

    GSP:  alpha_s max(c_1, q_i r),
    VCG:  sum over t >= s of (alpha_t - alpha_(t+1)) max(c_(t-s+1), q_i r),     alpha_(S+1) = 0.

Under VCG the truth is the best bid. Under GSP it is not: the bidder may prefer a lower position at a lower price
(`locally_envy_free_bids` gives an equilibrium).

Source: Edelman, Ostrovsky and Schwarz 2007; Varian 2007 (docs/reference/bibliography.md).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.auctions.inputs import check_amounts, check_generator
from walras.market.auctions.position_outcome import (
    PositionOutcome,
    PositionPaymentRule,
    PositionStatus,
    certify_positions,
)
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.validation import (
    FloatArray,
    IntArray,
    instance_of,
    nonnegative_number,
    nonnegative_vector,
    positive_vector,
)

__all__ = ["PositionAuction"]


@final
@dataclass(frozen=True)
class PositionAuction:
    """The rules of a position auction. It only says them: `clear` is a pure function of the bids.

    Parameters
    ----------
    click_rates
        Clicks per period in each position, best first, 0 or more, shape (s,).
    payment_rule
        What a click costs.
    reserve
        Least bid and least price (money per click).

    Examples
    --------
    >>> from walras.market.auctions import PositionAuction
    >>> outcome = PositionAuction([200.0, 100.0]).clear([10.0, 4.0, 2.0])
    >>> outcome.positions.tolist(), outcome.payments.tolist()
    ([0, 1, -1], [800.0, 200.0, 0.0])
    """

    click_rates: tuple[float, ...] | ArrayLike
    payment_rule: PositionPaymentRule = PositionPaymentRule.GENERALIZED_SECOND_PRICE
    reserve: float = 0.0

    def __post_init__(self) -> None:
        rates = nonnegative_vector("PositionAuction.click_rates", self.click_rates, of="position")
        rises = np.flatnonzero(np.diff(rates) > 0.0)
        if rises.size:
            raise InvalidInputError(
                "PositionAuction.click_rates must not rise from one position to the next: entry "
                f"{rises[0] + 1} is {rates[rises[0] + 1]}, after {rates[rises[0]]}."
            )
        check_amounts("PositionAuction.click_rates", rates)
        object.__setattr__(self, "click_rates", tuple(rates.tolist()))
        instance_of("PositionAuction.payment_rule", self.payment_rule, PositionPaymentRule)
        object.__setattr__(self, "reserve", nonnegative_number("PositionAuction.reserve", self.reserve))

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds under these rules, whatever bidders bid; value and envy are judged at the bids."""
        held = {
            Property.FEASIBLE,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.MONOTONE,
            Property.ANONYMOUS,
        }
        if self.reserve == 0.0:
            held |= {Property.EFFICIENT, Property.SCALE_FREE}
        # With one position worth having, both rules are the second-price auction.
        one_price = np.count_nonzero(self._rates) <= 1
        if self.payment_rule is PositionPaymentRule.VICKREY_CLARKE_GROVES or one_price:
            held |= {Property.STRATEGY_PROOF, Property.ENVY_FREE}
        return frozenset(held)

    def clear(
        self, bids: ArrayLike, quality: ArrayLike = 1.0, generator: np.random.Generator | None = None
    ) -> PositionOutcome:
        """Rank the bidders and charge them.

        Parameters
        ----------
        bids
            Money per click, 0 or more, shape (n,). Without a reserve a bid of 0 is a bid, too.
        quality
            Factor of the click rate of each bidder, above 0, shape (n,) or one for all.
        generator
            Draws lots among equal scores; without one, bidders given first come first.

        Returns
        -------
        PositionOutcome
            Positions, clicks, prices, payments, revenue, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN, infinite or negative bids, qualities of 0 or less, no bidders, shapes that do not fit.

        Notes
        -----
        *Ties*: equal scores in the order given, or by lot. *Cost*: O(n log n + s^2), and O(s n) for the certificate.
        *Source*: Edelman, Ostrovsky and Schwarz 2007.
        """
        bids = nonnegative_vector("bids", bids, of="bidder")
        quality = positive_vector("quality", quality, length=bids.size, of="bidder")
        self._check_size(bids, quality)
        lots = np.arange(bids.size) if check_generator(generator) is None else _lots(generator, bids.size)
        scores = bids * quality
        ranked = np.lexsort((lots, -scores))
        ranked = ranked[bids[ranked] >= self.reserve]
        positions = np.full(bids.size, -1)
        shown = ranked[: self._rates.size]
        positions[shown] = np.arange(shown.size)
        clicks, payments = np.zeros_like(bids), np.zeros_like(bids)
        clicks[shown] = self._rates[: shown.size] * quality[shown]
        payments[shown] = self._charges(scores[ranked], quality[shown])
        return self._outcome(bids, quality, scores[ranked], positions, clicks, payments)

    @property
    def _rates(self) -> FloatArray:
        return np.array(self.click_rates, dtype=np.float64)

    def _charges(self, scores: FloatArray, quality: FloatArray) -> FloatArray:
        """Payments from the best position down, given the accepted scores in falling order."""
        rates, shown = self._rates, quality.size
        below = np.zeros(rates.size)  # score of who stands just below each position
        below[: scores[1 : rates.size + 1].size] = scores[1 : rates.size + 1]
        floors = self.reserve * quality
        if self.payment_rule is PositionPaymentRule.GENERALIZED_SECOND_PRICE:
            return rates[:shown] * np.maximum(below[:shown], floors)
        steps = rates - np.append(rates[1:], 0.0)
        owed = np.maximum(below, floors[:, None]) * steps  # (shown, s): the cost of having each position or better
        payments: FloatArray = np.sum(owed, axis=1, where=np.arange(rates.size) >= np.arange(shown)[:, None])
        return payments

    def _outcome(
        self,
        bids: FloatArray,
        quality: FloatArray,
        scores: FloatArray,
        positions: IntArray,
        clicks: FloatArray,
        payments: FloatArray,
    ) -> PositionOutcome:
        revenue = float(np.sum(payments))
        return PositionOutcome(
            positions=positions,
            allocation=clicks,
            prices=np.divide(payments, clicks, out=np.zeros_like(payments), where=clicks > 0.0),
            payments=payments,
            revenue=revenue,
            status=_status(scores, self._rates.size),
            certificate=certify_positions(
                self.payment_rule, bids, quality, self._rates, self.reserve, positions, clicks, payments, revenue
            ),
        )

    def _check_size(self, bids: FloatArray, quality: FloatArray) -> None:
        """Raise `InvalidInputError` where amounts of money would leave float64."""
        with np.errstate(over="ignore"):
            most = max(float(np.max(bids)), self.reserve, 1.0) * max(float(np.max(quality)), 1.0)
            amounts = np.array([most * max(sum(self._rates.tolist()), 1.0) * bids.size])
        check_amounts("bids times quality times click rates", amounts)


def _lots(generator: np.random.Generator | None, bidders: int) -> IntArray:
    assert generator is not None
    return generator.permutation(bidders)


def _status(scores: FloatArray, slots: int) -> PositionStatus:
    if scores.size == 0:
        return PositionStatus.NOTHING_SHOWN
    if scores.size < slots:
        return PositionStatus.UNFILLED
    tied = scores.size > slots and scores[slots] == scores[slots - 1]
    return PositionStatus.TIED if tied else PositionStatus.FILLED
