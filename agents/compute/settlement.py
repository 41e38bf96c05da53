"""From what a market says to what changes hands: payments and taxes in whole cents."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.agents.compute.marketplace import Sale
from walras.agents.errors import SettlementError
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray, apportion
from walras.market.validation import FloatArray

__all__ = ["Settlement", "apportion_nonzero", "settle"]


@final
@dataclass(frozen=True, eq=False)
class Settlement:
    """What was paid for a period's compute.

    Attributes
    ----------
    payments
        What each agent paid, tax included (cents, negative where it was paid), shape (n,).
    taxes
        The tax in it (cents, negative for subsidies), shape (n,).
    """

    payments: IntArray
    taxes: IntArray

    @property
    def revenue(self) -> int:
        """What the seller received (cents)."""
        return int(self.payments.sum()) - self.tax_revenue

    @property
    def tax_revenue(self) -> int:
        """What the treasury received (cents)."""
        return int(self.taxes.sum())


def settle(sale: Sale, ledger: Ledger, *, cents_per_money: int = 100) -> Settlement:
    """Book what agents pay to the principal and the treasury, as one entry.

    Payments and taxes are rounded together (`apportion`): their sums are the cents nearest to those of the sale, and so
    the seller's revenue is within a cent of its own. No payment is rounded up above what the agent owns.

    Parameters
    ----------
    sale
        What n agents bought.
    ledger
        The accounts of the same agents.
    cents_per_money
        Cents in the market's unit of money.

    Raises
    ------
    SettlementError
        An infinite price, an amount beyond exact cents, or a payment of a cent or more above what an agent owns.
    """
    if not math.isfinite(sale.price):
        raise SettlementError(
            f"No money can settle a price of {sale.price}: {sale.status.value}. Choose a fixed supply strictly between "
            "0 and the sum of costs, a posted price, or another demand rule."
        )
    payments = apportion_nonzero(cents_per_money * sale.payments, limits=ledger.wealth)
    taxes = apportion_nonzero(cents_per_money * sale.taxes)
    settlement = Settlement(payments, taxes)
    ledger.post(-payments, principal=settlement.revenue, treasury=settlement.tax_revenue)
    return settlement


def apportion_nonzero(amounts: FloatArray, limits: IntArray | None = None) -> IntArray:
    """Give `walras.agents.apportion(amounts, limits)`, at the cost of the amounts that are not 0.

    Whoever is not served pays and earns nothing, and an amount of 0 has no part in the rounding of the others.
    """
    some = np.flatnonzero(amounts)
    cents = np.zeros(amounts.size, dtype=np.int64)
    if some.size:
        cents[some] = apportion(amounts[some], None if limits is None else limits[some])
    return cents
