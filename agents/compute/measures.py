"""The record of a period: what each agent did, and sums and measures over all of them."""

from typing import final

import numpy as np

from walras.agents.compute.frontier import WelfareFrontier
from walras.agents.compute.marketplace import Sale
from walras.agents.compute.settlement import Settlement
from walras.agents.compute.tables import PeriodRecord
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray
from walras.market import FixedSupply, Supply, gini
from walras.market.validation import FloatArray

__all__ = ["Measures"]


@final
class Measures:
    """Sums up the periods of an economy.

    Parameters
    ----------
    supply
        What is offered, for efficiency: welfare over the most that a fixed supply, or else what was sold, can produce.
    costs
        Units that each agent uses when fully served, shape (n,).

    Notes
    -----
    *Cost*: O(n log n) a record, the most of a period of many agents; the frontier is kept while valuations last.
    """

    def __init__(self, supply: Supply, costs: FloatArray) -> None:
        self._supply = supply
        self._costs = costs
        self._valuations: FloatArray | None = None
        self._frontier: WelfareFrontier | None = None

    def record(
        self,
        period: int,
        valuations: FloatArray,
        bids: FloatArray,
        sale: Sale,
        settlement: Settlement,
        flows: dict[str, IntArray],
        ledger: Ledger,
    ) -> PeriodRecord:
        """Give the record of a period.

        Parameters
        ----------
        period
            From 1.
        valuations, bids
            Money per unit, shape (n,).
        sale, settlement
            What was bought and paid.
        flows
            The other columns of cents, shape (n,) each: income, levy, transfer, rebate and dividend.
        ledger
            The accounts at the end of the period.
        """
        wealth = ledger.wealth
        welfare = float(np.sum(valuations * sale.units))
        offered = self._supply.quantity if isinstance(self._supply, FixedSupply) else sale.quantity_sold
        return PeriodRecord(
            by_agent={
                "valuation": valuations,
                "bid": bids,
                "share": sale.shares,
                "units": sale.units,
                "payment_cents": settlement.payments,
                "tax_cents": settlement.taxes,
                **flows,
                "wealth_cents": wealth,
            },
            totals={
                "period": period,
                "price": sale.price,
                "quantity_sold": sale.quantity_sold,
                "revenue_cents": settlement.revenue,
                "tax_revenue_cents": settlement.tax_revenue,
                **{name: int(cents.sum()) for name, cents in flows.items()},
                "gini_allocation": gini(sale.shares),
                "gini_wealth": gini(wealth),
                "welfare": welfare,
                "efficiency": self._most_welfare(valuations).efficiency(welfare, offered),
                "principal_cents": ledger.balance("principal"),
                "treasury_cents": ledger.balance("treasury"),
                "total_cents": ledger.total,
            },
        )

    def _most_welfare(self, valuations: FloatArray) -> WelfareFrontier:
        if self._frontier is None or valuations is not self._valuations:
            self._valuations = valuations
            self._frontier = WelfareFrontier(valuations, self._costs)
        return self._frontier
