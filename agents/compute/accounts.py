"""The agents of a compute economy: attention heads and neuron blocks, who bid, and the principal, who owns the model.

An agent is a window on the economy's columns and ledger: its balance is what the ledger says, and its policy what the
roster says, so no second copy can drift away.
"""

from typing import final

import numpy as np

from walras.agents.adapter import Agent, Model
from walras.agents.compute.bidding import BiddingPolicy
from walras.agents.compute.roster import Roster
from walras.agents.compute.settlement import apportion_nonzero
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray
from walras.market.validation import FloatArray

__all__ = ["AttentionHead", "ComputeAgent", "NeuronBlock", "Principal"]


class ComputeAgent(Agent):
    """A part of a Transformer that bids for compute.

    Attributes
    ----------
    number
        The agent's row in the population, and its account in the ledger.
    """

    def __init__(self, model: Model, roster: Roster, number: int) -> None:
        super().__init__(model)
        self._roster = roster
        self.number = number

    @property
    def layer(self) -> int:
        """Its layer, from 0."""
        return int(self._roster.layers[self.number])

    @property
    def index(self) -> int:
        """Its number within the layer's agents of its kind, from 0."""
        return int(self._roster.indices[self.number])

    @property
    def valuation(self) -> float:
        """Worth of a unit of compute to the agent in the last period (money per unit)."""
        return float(self._roster.valuations[self.number])

    @property
    def cost(self) -> float:
        """Units of compute that it uses when fully served."""
        return float(self._roster.costs[self.number])

    @property
    def wealth_cents(self) -> int:
        """What the agent owns (cents), never below 0."""
        return self._roster.ledger.balance(self.number)

    @property
    def policy(self) -> BiddingPolicy:
        """How it bids; a new one takes effect in the next period."""
        return self._roster.policies.of(self.number)

    @policy.setter
    def policy(self, policy: BiddingPolicy) -> None:
        self._roster.policies.assign(self.number, policy)


@final
class AttentionHead(ComputeAgent):
    """An attention head, or a key-value group of heads."""


@final
class NeuronBlock(ComputeAgent):
    """A block of neurons of a feed-forward layer."""


@final
class Principal(Agent):
    """The owner of the model: it sells the compute, pays agents for what they make of it, and takes their dividends.

    Its credit is unlimited. Its debt is the money that it has put into circulation.
    """

    def __init__(self, model: Model, ledger: Ledger) -> None:
        super().__init__(model)
        self._ledger = ledger

    @property
    def balance_cents(self) -> int:
        """What the principal owns (cents); a debt if negative."""
        return self._ledger.balance("principal")

    def pay_incomes(self, income_cents: FloatArray) -> IntArray:
        """Pay each agent its income, rounded to whole cents together; give what each received (cents), shape (n,).

        Parameters
        ----------
        income_cents
            What each agent is to be paid (cents, with fractions, >= 0), shape (n,).
        """
        incomes = apportion_nonzero(income_cents)
        self._ledger.post(incomes, principal=-int(incomes.sum()))
        return incomes

    def collect_dividends(self, retained: IntArray, dividend_rate: float) -> IntArray:
        """Take a fraction of what each agent owns above what it may retain; give the dividends (cents), shape (n,).

        Parameters
        ----------
        retained
            Wealth that is left alone (cents), shape (n,).
        dividend_rate
            Fraction of the rest, in [0, 1]; dividends are rounded down to a cent.
        """
        dividends = np.floor(dividend_rate * np.maximum(self._ledger.wealth - retained, 0)).astype(np.int64)
        self._ledger.post(-dividends, principal=int(dividends.sum()))
        return dividends
