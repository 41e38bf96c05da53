"""Equilibria at scale: prices of markets with millions of agents, on one device, with a certificate."""

from walras.market.operators.equilibria.exchange import LargeExchangeEquilibrium, LargeExchangeStatus, exchange_prices
from walras.market.operators.equilibria.fisher import LargeFisherEquilibrium, LargeFisherStatus, fisher_prices
from walras.market.operators.equilibria.form import SpendingForm

__all__ = [
    "LargeExchangeEquilibrium",
    "LargeExchangeStatus",
    "LargeFisherEquilibrium",
    "LargeFisherStatus",
    "SpendingForm",
    "exchange_prices",
    "fisher_prices",
]
