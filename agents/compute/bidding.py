"""Who bids what: pure policies, from what the bidders know to their bids. No policy knows Mesa, a clock or a ledger.

A bid is a density: money per unit of the resource, tax included, for any share of the full use. The market treats it as
the bidder's valuation.

**What a bid may be.** Agents have no credit, so a bid is at most the *affordable* one, the highest after which the
payment can be made at every price and every tax at which the market may clear. With m = wealth / cost (money per unit):

- Step and linear demand buy only at net prices q <= b. The payment `w q x` is then at most `w b`, since x <= 1: the
  bid that is affordable is `b = m`, by which the full use is paid.
- Logit demand buys a little at every price, `w q D((b - q) / tau)` in money. With s = D(.), this rises in q until
  `q (1 - s) = tau`, then falls, and is there `w q s = w (q - tau)`. So it never exceeds `w m` if the peak is at
  `q = m + tau`, where `s = m / (m + tau)` and `(b - q) / tau = log(s / (1 - s)) = log(m / tau)`:
  the affordable bid is `b = m + tau (1 + log(m / tau))`. It is negative for the poor, who must bid low to buy little.

Negative prices pay the buyer, and a tax or subsidy is part of q, so neither needs a case of its own.
"""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from walras.agents.money import IntArray
from walras.market import Demand, LogitDemand
from walras.market.validation import FloatArray, positive_number

__all__ = [
    "Bidders",
    "BiddingPolicy",
    "Truthful",
    "ZeroIntelligenceConstrained",
    "ZeroIntelligenceUnconstrained",
    "affordable_bids",
]


@final
@dataclass(frozen=True, eq=False)
class Bidders:
    """What k bidders know when they bid, each field of shape (k,).

    Attributes
    ----------
    valuations
        Worth of one unit of the resource to each (money per unit), >= 0.
    costs
        Units that each uses when fully served.
    affordable
        The highest bid that each can always pay (money per unit); see `affordable_bids`.
    """

    valuations: FloatArray
    costs: FloatArray
    affordable: FloatArray


class BiddingPolicy(Protocol):
    """A rule by which agents bid. Agents may share one; it is asked once a period for all that do."""

    def bids(self, bidders: Bidders, rng: np.random.Generator) -> FloatArray:
        """Give the bids (money per unit) of k bidders, shape (k,): finite, and at most `bidders.affordable`."""
        ...


@final
@dataclass(frozen=True)
class Truthful:
    """Bids the valuation, or what is affordable if that is less: `min(v, affordable)`. It draws nothing."""

    def bids(self, bidders: Bidders, rng: np.random.Generator) -> FloatArray:
        """Give the bids (money per unit), shape (k,)."""
        return np.minimum(bidders.valuations, bidders.affordable)


@final
@dataclass(frozen=True)
class ZeroIntelligenceUnconstrained:
    """Bids at random from 0 to `ceiling`, whatever the unit is worth: uniform on `[0, min(ceiling, affordable)]`.

    It may buy at a loss, but not on credit.

    Parameters
    ----------
    ceiling
        The highest bid (money per unit), above 0.

    Notes
    -----
    *Source*: the ZI-U traders of Gode and Sunder 1993 (docs/reference/bibliography.md).
    """

    ceiling: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "ceiling", positive_number("ZeroIntelligenceUnconstrained.ceiling", self.ceiling))

    def bids(self, bidders: Bidders, rng: np.random.Generator) -> FloatArray:
        """Draw the bids (money per unit), shape (k,): one number of `rng` for each bidder."""
        return _uniform_up_to(np.minimum(self.ceiling, bidders.affordable), rng)


@final
@dataclass(frozen=True)
class ZeroIntelligenceConstrained:
    """Bids at random, but never at a loss: uniform on `[0, min(v, affordable)]`.

    Source: the ZI-C traders of Gode and Sunder 1993 (docs/reference/bibliography.md).
    """

    def bids(self, bidders: Bidders, rng: np.random.Generator) -> FloatArray:
        """Draw the bids (money per unit), shape (k,): one number of `rng` for each bidder."""
        return _uniform_up_to(np.minimum(bidders.valuations, bidders.affordable), rng)


def affordable_bids(demand: Demand, costs: FloatArray, wealth: IntArray, cents_per_money: int = 100) -> FloatArray:
    """Give the highest bid (money per unit) that each agent can pay for at every clearing price, shape (n,).

    Parameters
    ----------
    demand
        The market's demand rule; the module's header derives the bound for each.
    costs
        Units that each agent uses when fully served, shape (n,).
    wealth
        What each agent owns (cents), shape (n,).
    cents_per_money
        Cents in the unit of money of bids.
    """
    match demand:
        case LogitDemand(temperature=temperature):
            # Half a cent more than is owned: a payment is never rounded up above wealth, so this settles too, and an
            # agent that owns nothing has a finite bid.
            means = (wealth + 0.5) / (cents_per_money * costs)
            return means + temperature * (1.0 + np.log(means / temperature))
        case _:
            return wealth / (cents_per_money * costs)


def _uniform_up_to(highest: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw uniformly on `[0, highest]`; `highest` itself where it is negative. One number is drawn for each."""
    # A draw u < 1 times a positive number is at most that number, also when rounded.
    return np.where(highest > 0.0, highest * rng.random(highest.size), highest)
