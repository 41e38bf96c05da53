"""Sealed-bid auctions of one or many identical units.

K units are for sale. Bidder i names what a first unit is worth to it, what a second one adds, and so on: b_i1 >= b_i2
>= ... >= b_ik (one bid if it wants one unit). A bid is accepted if it is above 0 and reaches the bidder's reserve r_i.
The K highest accepted bids win a unit each, which maximises the sum of winning bids. Formats differ in payments only:

==========================  ========================================================================
rule                        bidder i, who wins x_i units, pays
==========================  ========================================================================
`DISCRIMINATORY`            b_i1 + ... + b_ix
`UNIFORM_HIGHEST_LOSING`    x_i max(r_i, highest losing bid, of whomever)
`UNIFORM_LOWEST_WINNING`    x_i max(r_i, lowest winning bid)
`VICKREY`                   sum over j <= x_i of max(r_i, c_j), where c_1 >= c_2 >= ... are the losing bids of others
`ALL_PAY`                   all its accepted bids, if x_i = 0 too
==========================  ========================================================================

Source: formats and their equilibria, Krishna 2010; multi-unit payments, Vickrey 1961 (docs/reference/bibliography.md).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.auctions.charges import charge
from walras.market.auctions.inputs import (
    as_reserve,
    bid_array,
    check_amounts,
    check_falling,
    check_generator,
    one_each,
)
from walras.market.auctions.outcome import AuctionBatch, AuctionCertificate, AuctionOutcome, AuctionStatus
from walras.market.auctions.payment_rule import PaymentRule
from walras.market.auctions.proof import certify_auctions
from walras.market.auctions.ranking import Ranking, rank
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.validation import (
    FloatArray,
    IntArray,
    instance_of,
    nonnegative_matrix,
    nonnegative_vector,
    whole_number,
)

__all__ = ["SealedBidAuction"]


@final
@dataclass(frozen=True)
class SealedBidAuction:
    """The rules of a sealed-bid auction of identical units. It only says them: `clear` is a pure function of the bids.

    Parameters
    ----------
    payment_rule
        What bidders pay.
    units
        Units for sale, 1 or more.
    demand
        Units that one bidder may bid for: 1 for bids of shape (n,), more for bids of shape (n, demand).
    reserve
        Least price of a unit (money per unit): one for all, or one per bidder.

    Examples
    --------
    Two units, three bidders: the two highest bids win, at the highest losing bid.

    >>> from walras.market.auctions import PaymentRule, SealedBidAuction
    >>> outcome = SealedBidAuction(PaymentRule.VICKREY, units=2).clear([5.0, 2.0, 6.0])
    >>> outcome.allocation.tolist(), outcome.payments.tolist(), outcome.revenue
    ([1, 0, 1], [2.0, 0.0, 2.0], 4.0)
    """

    payment_rule: PaymentRule
    units: int = 1
    demand: int = 1
    reserve: float | tuple[float, ...] | ArrayLike = 0.0

    def __post_init__(self) -> None:
        instance_of("SealedBidAuction.payment_rule", self.payment_rule, PaymentRule)
        for name in ("units", "demand"):
            object.__setattr__(self, name, whole_number(f"SealedBidAuction.{name}", getattr(self, name), minimum=1))
        object.__setattr__(self, "reserve", as_reserve("SealedBidAuction.reserve", self.reserve))

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds under these rules, whatever bidders bid.

        Efficiency and envy are judged at the bids, as if they were the values.
        """
        rule, held = self.payment_rule, {Property.FEASIBLE, Property.WEAKLY_BUDGET_BALANCED, Property.MONOTONE}
        uniform = rule in {PaymentRule.UNIFORM_HIGHEST_LOSING, PaymentRule.UNIFORM_LOWEST_WINNING}
        if rule is not PaymentRule.ALL_PAY:
            held.add(Property.INDIVIDUALLY_RATIONAL)
        if rule is PaymentRule.VICKREY or (rule is PaymentRule.UNIFORM_HIGHEST_LOSING and self.demand == 1):
            held.add(Property.STRATEGY_PROOF)
        if self._has_one_reserve:
            held.add(Property.ANONYMOUS)
            one_price = uniform or self.units == 1 or (rule is PaymentRule.VICKREY and self.demand == 1)
            if one_price and rule is not PaymentRule.ALL_PAY:
                held.add(Property.ENVY_FREE)
        if not np.any(self.reserve):
            held |= {Property.EFFICIENT, Property.SCALE_FREE}
        return frozenset(held)

    def clear(self, bids: ArrayLike, generator: np.random.Generator | None = None) -> AuctionOutcome:
        """Clear one auction exactly, in float64.

        Parameters
        ----------
        bids
            Money per unit, 0 or more: shape (n,) if `demand` is 1, else (n, demand), each row falling; entry (i, j) is
            what bidder i offers for its unit number j. A bid of 0 is no bid.
        generator
            Draws lots among equal bids; without one, bidders given first are served first.

        Returns
        -------
        AuctionOutcome
            Allocation, payments, prices, revenue, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN, infinite or negative bids, no bidders, rows that rise, shapes that do not fit.

        Notes
        -----
        *Ties*: a bid equal to the reserve is accepted. Of equal bids at the margin those given first win; with a
        generator each has the same chance. *Cost*: O(n k log(n k)). *Source*: Krishna 2010.
        """
        if self.demand == 1:
            table = nonnegative_vector("bids", bids, of="bidder")[:, None]
        else:
            table = nonnegative_matrix("bids", bids, columns=self.demand, of=("bidder", "unit"))
        batch = self._clear(table[None], generator)
        return AuctionOutcome(
            allocation=batch.allocation[0],
            payments=batch.payments[0],
            price_interval=(float(batch.lowest_prices[0]), float(batch.highest_prices[0])),
            revenue=float(batch.revenue[0]),
            status=batch.status,
            certificate=batch.certificate,
        )

    def clear_many(self, bids: ArrayLike, generator: np.random.Generator | None = None) -> AuctionBatch:
        """Clear many auctions of the same number of bidders at once, each as `clear` would.

        Parameters
        ----------
        bids
            Shape (..., n) if `demand` is 1, else (..., n, demand); every leading index is an auction of its own.
        generator
            Draws lots among equal bids, in each auction anew.

        Returns
        -------
        AuctionBatch
            The same as `clear` gives, with leading axes.

        Raises
        ------
        InvalidInputError
            As `clear`.

        Notes
        -----
        *Ties*: as in `clear`. *Cost*: O(n k log(n k)) for each auction, without a Python loop. *Source*: Krishna 2010.
        """
        own_axes = 1 if self.demand == 1 else 2
        array = bid_array(bids, own_axes, "n" if own_axes == 1 else f"n, {self.demand}")
        if own_axes == 1:
            array = array[..., None]
        elif array.shape[-1] != self.demand:
            raise InvalidInputError(
                f"bids must have shape (..., n, {self.demand}) if SealedBidAuction.demand is {self.demand}; got shape "
                f"{array.shape}."
            )
        leading, own = array.shape[:-2], array.shape[-2:]
        batch = self._clear(array.reshape(-1, *own), generator)
        return AuctionBatch(
            allocation=batch.allocation.reshape(*leading, own[0]),
            payments=batch.payments.reshape(*leading, own[0]),
            lowest_prices=batch.lowest_prices.reshape(leading),
            highest_prices=batch.highest_prices.reshape(leading),
            revenue=batch.revenue.reshape(leading),
            status=batch.status,
            certificate=batch.certificate,
        )

    @property
    def _has_one_reserve(self) -> bool:
        return np.unique(np.asarray(self.reserve)).size == 1

    def _clear(self, bids: FloatArray, generator: np.random.Generator | None) -> AuctionBatch:
        """Clear m auctions, bids of shape (m, n, k)."""
        check_falling(bids)
        check_amounts("bids", bids)
        reserves = one_each("SealedBidAuction.reserve", self.reserve, bids.shape[1])
        ranking = rank(bids, reserves, self.units, check_generator(generator))
        allocation, payments = ranking.allocation, charge(self.payment_rule, ranking, reserves)
        revenue = np.sum(payments, axis=-1)
        return AuctionBatch(
            allocation=allocation,
            payments=payments,
            lowest_prices=np.maximum(ranking.highest_losing, np.min(reserves)),
            highest_prices=ranking.lowest_winning,
            revenue=revenue,
            status=_status(ranking, allocation),
            certificate=self._certify(bids, reserves, allocation, payments, revenue),
        )

    def _certify(
        self, bids: FloatArray, reserves: FloatArray, allocation: IntArray, payments: FloatArray, revenue: FloatArray
    ) -> AuctionCertificate:
        return certify_auctions(self.payment_rule, bids, reserves, self.units, allocation, payments, revenue)


def _status(ranking: Ranking, allocation: IntArray) -> AuctionStatus:
    """Status of the auctions taken together."""
    sold = np.sum(allocation, axis=-1)
    if not np.any(sold):
        return AuctionStatus.NOTHING_SOLD
    if np.any(sold < ranking.units):
        return AuctionStatus.UNSOLD
    return AuctionStatus.TIED if np.any(ranking.highest_losing == ranking.lowest_winning) else AuctionStatus.SOLD_OUT
