"""The treasury: it holds the tax, and gives it back in equal parts."""

from typing import final

import numpy as np

from walras.agents.adapter import Agent, Model
from walras.agents.ledger import Ledger
from walras.agents.money import equal_split

__all__ = ["Treasury"]


@final
class Treasury(Agent):
    """Receives taxes, pays subsidies, and rebates what it holds.

    Agents cannot change their part of the rebate by what they bid, so it leaves the incentives of the tax as they are.
    """

    def __init__(self, model: Model, ledger: Ledger) -> None:
        super().__init__(model)
        self._ledger = ledger

    @property
    def balance_cents(self) -> int:
        """What the treasury holds (cents); a debt, left by subsidies, if negative."""
        return self._ledger.balance("treasury")

    def rebate(self) -> int:
        """Pay every agent an equal part of the balance; give what each received (cents).

        The remainder, less than a cent for each agent, is carried to the next period. A treasury in debt pays nothing.
        """
        agents = self._ledger.agents
        each = equal_split(self.balance_cents, agents)
        self._ledger.post(np.full(agents, each, dtype=np.int64), treasury=-each * agents)
        return each
