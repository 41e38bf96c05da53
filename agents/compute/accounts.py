"""The agents of a compute economy: attention heads and neuron blocks, who bid, and the principal, who owns the model.

An agent is a window on the ledger: its balance is what the ledger says, so no second copy of the money can drift away.
"""

from typing import final

import numpy as np

from walras.agents.adapter import Agent, Model
from walras.agents.compute.bidding import BiddingPolicy
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray, apportion
from walras.market.validation import FloatArray

__all__ = ["AttentionHead", "ComputeAgent", "NeuronBlock", "Principal"]


class ComputeAgent(Agent):
    """A part of a Transformer that bids for compute.

    Attributes
    ----------
    number
        The agent's row in the population, and its account in the ledger.
    layer, index
        Its layer, and its number within the layer's agents of its kind, from 0.
    policy
        How it bids; a new one takes effect in the next period.
    """

    def __init__(
        self,
        model: Model,
        ledger: Ledger,
        *,
        number: int,
        layer: int,
        index: int,
        valuation: float,
        cost: float,
        policy: BiddingPolicy,
    ) -> None:
        super().__init__(model)
        self._ledger = ledger
        self.number = number
        self.layer = layer
        self.index = index
        self.policy = policy
        self._valuation = valuation
        self._cost = cost

    @property
    def valuation(self) -> float:
        """Worth of a unit of compute to the agent (money per unit)."""
        return self._valuation

    @property
    def cost(self) -> float:
        """Units of compute that it uses when fully served."""
        return self._cost

    @property
    def wealth_cents(self) -> int:
        """What the agent owns (cents), never below 0."""
        return self._ledger.balance(self.number)


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

    def pay_for_value(self, value_cents: FloatArray) -> IntArray:
        """Pay each agent the value that it produced, in full; give the incomes (cents), shape (n,).

        Parameters
        ----------
        value_cents
            Value that each agent produced (cents, with fractions, >= 0), shape (n,).
        """
        incomes = apportion(value_cents)
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
