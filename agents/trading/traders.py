"""The agents of a laboratory: buyers, sellers and dealers, each a window on the ledger with a policy and its state."""

from collections.abc import Sequence
from typing import Any, final

from walras.agents.adapter import Agent, Model
from walras.agents.ledger import Ledger
from walras.agents.trading.quoting import LearningPolicy, QuotingPolicy, Situation, Standing
from walras.market.order_book import Side

__all__ = ["Buyer", "Dealer", "Seller", "Trader"]


class Trader(Agent):
    """Somebody who quotes.

    Attributes
    ----------
    number
        The trader's account in the ledger.
    policy
        How it quotes.
    learning
        The policy, if it learns from what others quote; else None.
    state
        What has been learned; None if it does not learn.
    situation
        What the trader knows of itself.
    units_used, units_traded
        Units traded today, and over all days.
    goods
        Units that it holds.
    place
        Where it stands among those of its side that can still trade.
    """

    side: Side

    def __init__(
        self,
        model: Model,
        ledger: Ledger,
        *,
        number: int,
        policy: QuotingPolicy | LearningPolicy,
        worths: Sequence[int],
        limits: Sequence[int],
    ) -> None:
        super().__init__(model)
        self._ledger = ledger
        self.number = number
        self.policy = policy
        self.learning = policy if isinstance(policy, LearningPolicy) else None
        self.state: Any = self.learning.start(self.side, model.rng) if self.learning is not None else None
        self.units_used = 0
        self.units_traded = 0
        self.goods = 0
        self.place = 0
        self._worths = worths
        self._limits = limits
        self.situation = self._own_situation()

    @property
    def wealth_cents(self) -> int:
        """What the trader owns (cents), never below 0."""
        return self._ledger.balance(self.number)

    @property
    def worth(self) -> int:
        """Value or cost of the next unit (cents)."""
        return self._worths[self.units_used]

    @property
    def limits(self) -> tuple[int, ...]:
        """The price of each unit at which nothing is gained (cents)."""
        return tuple(self._limits)

    def renew(self, goods: int, place: int) -> None:
        """Start a day, with so many goods and all units to trade."""
        self.units_used = 0
        self.goods = goods
        self.place = place
        self.situation = self._own_situation()

    def quote(self, standing: Standing, draw: float) -> int:
        """Give what the policy quotes (cents), whether or not the trader has the means."""
        situation = self.situation
        if self.learning is not None:
            return self.learning.quote(self.state, situation, standing, draw)
        policy: QuotingPolicy = self.policy  # type: ignore[assignment]
        return policy.quote(situation.side, situation.limit, standing.ceiling, draw)

    def trade_unit(self, side: Side) -> None:
        """Take a unit in, or give one away, and go on to the next."""
        self.units_used += 1
        self.units_traded += 1
        self.goods += int(side)
        self.situation = self._own_situation()

    def _own_situation(self) -> Situation:
        last = len(self._limits) - 1
        return Situation(self.side, self._limits[min(self.units_used, last)], self.units_used <= last, self.goods)


@final
class Buyer(Trader):
    """Is paid a value by the experimenter for each unit that it buys."""

    side = Side.BUY


@final
class Seller(Trader):
    """Pays a cost to the experimenter for each unit that it sells."""

    side = Side.SELL


@final
class Dealer(Trader):
    """Buys and sells for its own account; its goods last from day to day, and it quotes on either side."""

    side = Side.BUY

    def turn(self, side: Side, limit: int) -> None:
        """Look to one side of the market, where a quote at `limit` is as far as it may go."""
        self.situation = Situation(side, limit, active=True, goods=self.goods, is_dealer=True)

    @property
    def worth(self) -> int:
        """Nothing: no experimenter pays for what a dealer buys."""
        return 0

    def _own_situation(self) -> Situation:
        return Situation(self.side, 0, active=True, goods=self.goods, is_dealer=True)
