"""What bidders pay: the rule that tells one sealed-bid format from another.

With one unit for sale, `DISCRIMINATORY` is the first-price auction, and `VICKREY` and `UNIFORM_HIGHEST_LOSING` are the
second-price auction.
"""

from enum import Enum

__all__ = ["PaymentRule"]


class PaymentRule(Enum):
    """How payments follow from the bids; the value says it in a sentence."""

    DISCRIMINATORY = "each winner pays its own winning bids"
    UNIFORM_HIGHEST_LOSING = "each unit costs the highest losing bid"
    UNIFORM_LOWEST_WINNING = "each unit costs the lowest winning bid"
    VICKREY = "each winner pays the bids of others that its units keep from winning"
    ALL_PAY = "every bidder pays its own bids, winning or not"
