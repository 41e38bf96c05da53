"""The agents of a compute economy in columns: who they are, what they know, how they bid. The arrays are the economy.

Objects of Mesa (`walras.agents.compute.accounts`) are windows on a row of this; what is read or changed through them is
read or changed here. An economy that nobody asks for objects makes none.
"""

from collections.abc import Sequence
from typing import final

import numpy as np
import pandas as pd

from walras.agents.compute.bidding import BiddingPolicy
from walras.agents.compute.policies import PolicyAssignment
from walras.agents.compute.population import HEAD
from walras.agents.ledger import Ledger

__all__ = ["Roster"]


@final
class Roster:
    """The columns of n agents.

    Parameters
    ----------
    population
        As `checked_population` gives it.
    policy
        How agents bid: one policy for all, or one for each.
    ledger
        Their accounts.

    Attributes
    ----------
    is_head, layers, indices, costs
        Who the agents are, shape (n,); not writeable.
    base
        The population's valuations (money per unit), shape (n,); not writeable.
    valuations
        Those of the last period, the base before the first.
    policies
        How agents bid.
    ledger
        Their accounts.
    """

    def __init__(
        self, population: pd.DataFrame, policy: BiddingPolicy | Sequence[BiddingPolicy], ledger: Ledger
    ) -> None:
        self.is_head = (population["kind"] == HEAD).to_numpy(copy=True)
        self.layers = population["layer"].to_numpy(copy=True)
        self.indices = population["index"].to_numpy(copy=True)
        self.costs = population["cost"].to_numpy(copy=True)
        self.base = population["valuation"].to_numpy(copy=True)
        for column in (self.is_head, self.layers, self.indices, self.costs, self.base):
            column.flags.writeable = False
        self.valuations = self.base
        self.policies = PolicyAssignment(policy, len(self))
        self.ledger = ledger

    def __len__(self) -> int:
        return int(np.size(self.costs))
