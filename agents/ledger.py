"""The accounts of an economy: double entry, in whole cents."""

from typing import final

import numpy as np

from walras.agents.errors import SettlementError
from walras.agents.money import MOST_CENTS, IntArray

__all__ = ["Ledger"]


@final
class Ledger:
    """The wealth of n agents, and the accounts of the principal and the treasury, in cents.

    Every change is an entry that sums to 0, so the total never changes: not approximately, and not on average. Agents
    have no credit. The two institutions may be in debt: the treasury for subsidies, the principal for the incomes that
    it pays.

    Parameters
    ----------
    wealth
        Opening balance of each agent (cents, >= 0), shape (n,).
    principal, treasury
        Opening balances of the institutions (cents).
    """

    def __init__(self, wealth: IntArray, *, principal: int, treasury: int) -> None:
        self._wealth = wealth.astype(np.int64)  # a copy
        self._wealth.setflags(write=False)
        self._principal = principal
        self._treasury = treasury

    @property
    def wealth(self) -> IntArray:
        """Balance of each agent (cents), shape (n,); read-only, and unchanged by later entries."""
        return self._wealth

    @property
    def principal(self) -> int:
        """Balance of the principal (cents); a debt if negative."""
        return self._principal

    @property
    def treasury(self) -> int:
        """Balance of the treasury (cents); a debt if negative."""
        return self._treasury

    @property
    def total(self) -> int:
        """All money there is (cents)."""
        return int(self._wealth.sum()) + self._principal + self._treasury

    def post(self, agents: IntArray, *, principal: int = 0, treasury: int = 0) -> None:
        """Book one entry: what each account receives, negative where it pays (cents); `agents` has shape (n,).

        Raises
        ------
        SettlementError
            The entry does not sum to 0, would overdraw an agent, or make a debt too large for exact cents. Nothing is
            booked then.
        """
        if agents.dtype != np.int64 or agents.shape != self._wealth.shape:
            raise SettlementError(
                f"An entry needs int64 cents of shape {self._wealth.shape}, got {agents.dtype} of shape {agents.shape}."
            )
        imbalance = int(agents.sum()) + principal + treasury
        if imbalance != 0:
            raise SettlementError(f"An entry must sum to 0 cents, this one sums to {imbalance}.")
        wealth = self._wealth + agents
        if wealth.min() < 0:
            poorest = int(wealth.argmin())
            raise SettlementError(
                f"Agent {poorest} has {self._wealth[poorest]} cents and cannot pay {-agents[poorest]}: agents have no "
                "credit."
            )
        debt = -min(self._principal + principal, self._treasury + treasury)
        if debt > MOST_CENTS:
            raise SettlementError(f"A debt of {debt} cents is beyond exact settlement: measure money in a larger unit.")
        wealth.setflags(write=False)
        self._wealth = wealth
        self._principal += principal
        self._treasury += treasury
