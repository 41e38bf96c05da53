"""The call auction (k-double auction): all orders are collected, and clear together at one price.

Bid i wants up to `q_i` units at no more than `b_i` each, ask j offers up to `r_j` units at no less than `a_j`. The
auction trades the largest volume Q at which the Q best bids and the Q best asks, unit by unit, agree; it has the
largest gains from trade that the orders allow. Every price in the interval

    low  = max(last ask that trades, first bid that does not),
    high = min(last bid that trades, first ask that does not)

supports it: at such a price nobody regrets trading or staying out. The rule is `price = k * high + (1 - k) * low`.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.double_auctions.clearing import CallAuctionClearing, CallAuctionStatus, certify_call_auction
from walras.market.double_auctions.crossing import Margin, find_crossing, is_whole, ladder_of
from walras.market.double_auctions.inputs import check_generator, checked_orders
from walras.market.double_auctions.rationing import Rationing, check_whole, ration
from walras.market.properties import Property
from walras.market.validation import FloatArray, fraction, instance_of

__all__ = ["CallAuction"]


@final
@dataclass(frozen=True)
class CallAuction:
    """The rules of a call auction; `clear` is a pure function of the orders.

    Parameters
    ----------
    k
        Where the price lies in the interval of clearing prices: 0 at its lower end, 1 at its upper one.
    rationing
        Who is served among orders at the marginal price, where there is too little for all.

    Examples
    --------
    >>> from walras.market.double_auctions import CallAuction
    >>> clearing = CallAuction().clear(bids=[10, 8, 5], asks=[4, 6, 9], ask_quantities=[1, 3, 1])
    >>> clearing.price, clearing.volume, clearing.seller_allocation.tolist()
    (6.0, 2.0, [1.0, 1.0, 0.0])
    """

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {
            Property.FEASIBLE,
            Property.CONSERVES,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.STRONGLY_BUDGET_BALANCED,
            Property.MONOTONE,
            Property.ANONYMOUS,
            Property.SCALE_FREE,
            Property.EFFICIENT,
            Property.ENVY_FREE,
        }
    )

    k: float = 0.5
    rationing: Rationing = Rationing.TIME

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", fraction("CallAuction.k", self.k))
        instance_of("CallAuction.rationing", self.rationing, Rationing)

    def clear(
        self,
        bids: ArrayLike,
        asks: ArrayLike,
        bid_quantities: ArrayLike = 1.0,
        ask_quantities: ArrayLike = 1.0,
        *,
        generator: np.random.Generator | None = None,
    ) -> CallAuctionClearing:
        """Trade all that bids and asks agree on, at one price.

        Parameters
        ----------
        bids, asks
            Limits of the orders (money per unit, of either sign), shapes (n,) and (m,).
        bid_quantities, ask_quantities
            Units of each order, above 0; a number is taken for all.
        generator
            Draws the order of service; needed for `Rationing.LOT`, not used otherwise.

        Returns
        -------
        CallAuctionClearing
            Price, interval of prices, volume, allocations, payments, surpluses, status and certificate. Whole prices
            and quantities are computed without rounding while their sums stay below 2^53.

        Raises
        ------
        InvalidInputError
            NaN or infinite entries, quantities at or below 0, an empty side, shapes that do not fit; quantities that
            are not whole under `Rationing.WHOLE_PRO_RATA`; no generator under `Rationing.LOT`.

        Notes
        -----
        *Ties*: a bid and an ask at the same price trade. Only one side is ever rationed, and only orders that gain
        nothing at the price: they name it. *Cost*: O(n log n + m log m) to sort, O(n + m) else.
        *Source*: Chatterjee and Samuelson 1983; Satterthwaite and Williams 1989.
        """
        bids, bid_quantities = checked_orders("bid", bids, bid_quantities)
        asks, ask_quantities = checked_orders("ask", asks, ask_quantities)
        if self.rationing is Rationing.WHOLE_PRO_RATA:
            check_whole("bid", bid_quantities)
            check_whole("ask", ask_quantities)
        if self.rationing is Rationing.LOT:
            check_generator(generator)
        demand = ladder_of(bids, bid_quantities, descending=True)
        supply = ladder_of(asks, ask_quantities, descending=False)
        whole = is_whole(demand.units) and is_whole(supply.units)
        crossing = find_crossing(demand, supply, whole=whole)
        low, high = crossing.interval
        price = min(max(low + self.k * (high - low), low), high)
        bought = self._served(
            bids > crossing.bids.last, bids, bid_quantities, crossing.bids, crossing.volume, generator
        )
        sold = self._served(asks < crossing.asks.last, asks, ask_quantities, crossing.asks, crossing.volume, generator)
        payments, receipts = price * bought, price * sold
        buyer_surplus, seller_surplus = (bids - price) * bought, (price - asks) * sold
        return CallAuctionClearing(
            price=price,
            price_interval=(low, high),
            volume=crossing.volume,
            buyer_allocation=bought,
            seller_allocation=sold,
            buyer_payments=payments,
            seller_receipts=receipts,
            buyer_surplus=buyer_surplus,
            seller_surplus=seller_surplus,
            gains=float(np.sum(buyer_surplus) + np.sum(seller_surplus)),
            status=_status(crossing.volume, bought, bid_quantities, sold, ask_quantities),
            certificate=certify_call_auction(
                bids, asks, bid_quantities, ask_quantities, price, (low, high), bought, sold, payments, receipts
            ),
        )

    def _served(
        self,
        better: NDArray[np.bool_],
        prices: FloatArray,
        quantities: FloatArray,
        margin: Margin,
        volume: float,
        generator: np.random.Generator | None,
    ) -> FloatArray:
        """Units of each order of one side: all of those at better prices than the last, then those at the last."""
        if not margin.rationed:
            return np.where(better | (prices == margin.last), quantities, 0.0)
        served = np.where(better, quantities, 0.0)
        marginal = np.flatnonzero(prices == margin.last)
        served[marginal] = ration(self.rationing, quantities[marginal], volume - margin.above, generator)
        return served


def _status(
    volume: float, bought: FloatArray, bid_quantities: FloatArray, sold: FloatArray, ask_quantities: FloatArray
) -> CallAuctionStatus:
    if volume == 0.0:
        return CallAuctionStatus.NO_TRADE
    partly = np.any((bought > 0.0) & (bought < bid_quantities)) or np.any((sold > 0.0) & (sold < ask_quantities))
    return CallAuctionStatus.RATIONED if partly else CallAuctionStatus.CLEARED
