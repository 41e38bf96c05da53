"""Agents and economies: who bids what, who pays whom, and what becomes of the money. Mesa behind a thin adapter.

Here stands what all economies share: accounts in whole cents and the treasury. Each economy is a package of its own.
"""

from walras.agents.errors import SettlementError
from walras.agents.ledger import Ledger
from walras.agents.money import apportion
from walras.agents.treasury import Treasury

__all__ = ["Ledger", "SettlementError", "Treasury", "apportion"]
