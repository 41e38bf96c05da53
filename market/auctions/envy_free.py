"""Equilibrium of the generalised second price auction: nobody wants to change places with the bidder just above.

Order the bidders by score at the truth, `w_i = q_i v_i`. In a locally envy-free equilibrium they are ranked in this
order, and the one in position s cares as little for position s - 1 at what it costs. The one with the lowest revenue
makes each of them exactly indifferent: the scores bid are

    alpha_(s-1) u_s = p_(s-1),     p_(s-1) = (alpha_(s-1) - alpha_s) w_s + p_s,     s = 2, 3, ...,

where p_s is the payment in position s: the VCG payment. So the equilibrium gives each bidder the position and the
payment of the truthful VCG auction. At the highest revenue the bidder *above* is indifferent instead, and w_s is
replaced by w_(s-1).
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.market.auctions.position import PositionAuction
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, boolean, instance_of, nonnegative_vector, positive_vector

__all__ = ["locally_envy_free_bids"]


def locally_envy_free_bids(
    auction: PositionAuction, values: ArrayLike, quality: ArrayLike = 1.0, *, highest_revenue: bool = False
) -> FloatArray:
    """Give bids per click that are a locally envy-free equilibrium of the generalised second price auction.

    Parameters
    ----------
    auction
        The rules, with reserve 0; its payment rule is taken to be the generalised second price.
    values
        What a click is worth to each bidder (money per click), 0 or more, shape (n,).
    quality
        As in `PositionAuction.clear`.
    highest_revenue
        By default the equilibrium with the lowest revenue; if True, the one with the highest.

    Returns
    -------
    FloatArray
        Bids, shape (n,). The best bidder, whose bid nobody pays, bids its value; so do those who win no position at
        the lowest revenue (at the highest, all but the first of them).

    Raises
    ------
    InvalidInputError
        Values or qualities as in `PositionAuction.clear`; an auction with a reserve.

    Notes
    -----
    *Ties*: bidders of equal score in the order given. Where two positions get equal clicks, some of the bids are equal;
    the equilibrium needs them ranked by value, so give bidders in falling order of score, which `clear` then keeps.
    *Cost*: O(n log n). *Source*: Edelman, Ostrovsky and Schwarz
    2007, theorem 1; both ends of the interval of equilibria, Varian 2007.
    """
    auction = instance_of("auction", auction, PositionAuction)
    if auction.reserve != 0.0:
        raise InvalidInputError(f"auction.reserve must be 0 for an equilibrium in closed form, got {auction.reserve}.")
    boolean("highest_revenue", highest_revenue)
    values = nonnegative_vector("values", values, of="bidder")
    quality = positive_vector("quality", quality, length=values.size, of="bidder")
    order = np.argsort(-values * quality, kind="stable")
    worth = (values * quality)[order]
    scores = _equilibrium_scores(np.array(auction.click_rates), worth, shift=1 if highest_revenue else 0)
    bids = np.empty_like(values)
    bids[order] = scores / quality[order]
    return bids


def _equilibrium_scores(click_rates: FloatArray, worth: FloatArray, *, shift: int) -> FloatArray:
    """Scores bid by bidders in falling order of worth; the s-th is pinned by the worth of the one `shift` above."""
    rates = np.zeros(worth.size + 1)
    rates[: min(click_rates.size, worth.size)] = click_rates[: worth.size]
    scores = worth.copy()
    payment = 0.0
    for place in range(min(click_rates.size, worth.size - 1), 0, -1):  # upwards to the second, whose bid is paid first
        above = rates[place - 1]
        payment += (above - rates[place]) * worth[place - shift]
        if above > 0.0:  # else nobody pays this bid
            scores[place] = payment / above
    return scores
