"""The accounts of an economy: double entry, in whole cents."""

from typing import final

import numpy as np

from walras.agents.errors import SettlementError
from walras.agents.money import MOST_CENTS, IntArray
from walras.market.errors import InvalidInputError

__all__ = ["Ledger"]


@final
class Ledger:
    """The wealth of n agents, and the accounts of institutions such as the treasury, in cents.

    Every change is an entry that sums to 0, so the total never changes: not approximately, and not on average. Agents
    have no credit. Institutions may be in debt: a treasury for subsidies, say.

    Parameters
    ----------
    wealth
        Opening balance of each agent (cents, >= 0), shape (n,).
    institutions
        Opening balances of the institutions (cents), by name.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents import Ledger
    >>> ledger = Ledger(np.array([500, 0]), treasury=0)
    >>> ledger.transfer(0, "treasury", 120)  # agent 0 pays a tax
    >>> ledger.post(np.array([60, 60]), treasury=-120)  # and all share it
    >>> ledger.wealth.tolist(), ledger.balance("treasury"), ledger.total
    ([440, 60], 0, 500)
    """

    def __init__(self, wealth: IntArray, **institutions: int) -> None:
        self._wealth = wealth.astype(np.int64)  # a copy
        self._institutions = dict(institutions)

    @property
    def wealth(self) -> IntArray:
        """Balance of each agent (cents), shape (n,): a copy, which later entries leave as it is. Costs O(n)."""
        return self._wealth.copy()

    @property
    def agents(self) -> int:
        """Number of agents."""
        return self._wealth.size

    @property
    def total(self) -> int:
        """All money there is (cents)."""
        return int(self._wealth.sum()) + sum(self._institutions.values())

    def balance(self, account: int | str) -> int:
        """Give what an agent, by its number, or an institution, by its name, owns (cents); a debt if negative."""
        if isinstance(account, str):
            return self._institutions[self._known(account)]
        return int(self._wealth[account])

    def post(self, agents: IntArray, **institutions: int) -> None:
        """Book one entry: what each account receives, negative where it pays (cents); `agents` has shape (n,).

        Raises
        ------
        SettlementError
            The entry does not sum to 0, would overdraw an agent, or make a debt too large for exact cents. Nothing is
            booked then.
        InvalidInputError
            An institution without an account.

        Notes
        -----
        *Cost*: O(n); `transfer` costs O(1).
        """
        if agents.dtype != np.int64 or agents.shape != self._wealth.shape:
            raise SettlementError(
                f"An entry needs int64 cents of shape {self._wealth.shape}, got {agents.dtype} of shape {agents.shape}."
            )
        imbalance = int(agents.sum()) + sum(institutions.values())
        if imbalance != 0:
            raise SettlementError(f"An entry must sum to 0 cents, this one sums to {imbalance}.")
        wealth = self._wealth + agents
        if wealth.size and wealth.min() < 0:
            poorest = int(wealth.argmin())
            raise _overdrawn(poorest, int(self._wealth[poorest]), -int(agents[poorest]))
        balances = {name: self.balance(name) + cents for name, cents in institutions.items()}
        for balance in balances.values():
            _require_exact(balance)
        self._wealth = wealth
        self._institutions |= balances

    def transfer(self, payer: int | str, payee: int | str, cents: int) -> None:
        """Book one payment from an agent (its number) or institution (its name) to another.

        Raises
        ------
        SettlementError
            The payment is negative, would overdraw an agent, or make a debt too large for exact cents. Nothing is
            booked then.
        InvalidInputError
            An institution without an account.

        Notes
        -----
        *Cost*: O(1).
        """
        if cents < 0:
            raise SettlementError(f"A payment must be 0 cents or more, got {cents}: exchange payer and payee.")
        left = self.balance(payer) - cents
        self.balance(payee)  # raises if there is no such account
        if isinstance(payer, str):
            _require_exact(left)
        elif left < 0:
            raise _overdrawn(payer, left + cents, cents)
        self._add(payer, -cents)
        self._add(payee, cents)

    def _add(self, account: int | str, cents: int) -> None:
        if isinstance(account, str):
            self._institutions[account] += cents
        else:
            self._wealth[account] += cents

    def _known(self, name: str) -> str:
        if name not in self._institutions:
            raise InvalidInputError(
                f"The ledger has no account {name!r}; its institutions: {list(self._institutions)}."
            )
        return name


def _overdrawn(agent: int, owned: int, owed: int) -> SettlementError:
    return SettlementError(f"Agent {agent} has {owned} cents and cannot pay {owed}: agents have no credit.")


def _require_exact(balance: int) -> None:
    if -balance > MOST_CENTS:
        raise SettlementError(f"A debt of {-balance} cents is beyond exact settlement: measure money in a larger unit.")
