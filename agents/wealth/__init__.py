"""Wealth exchange: agents that meet at random and exchange money, wealth taxes, and the law of wealth that follows."""

from walras.agents.wealth.columnar import ColumnarWealthEconomy
from walras.agents.wealth.economy import Household, WealthEconomy
from walras.agents.wealth.meetings import Activation
from walras.agents.wealth.money_exchange import exchange_wealth, stationary_wealth_gini, stationary_wealth_law
from walras.agents.wealth.records import PERIOD_COLUMNS
from walras.agents.wealth.rules import ExchangeRule, MoneyExchange, SavingExchange, YardSale
from walras.agents.wealth.saving_law import gamma_gini, saving_exchange_shape
from walras.agents.wealth.taxed_yard_sale import YardSaleLaw, yard_sale_law

__all__ = [
    "PERIOD_COLUMNS",
    "Activation",
    "ColumnarWealthEconomy",
    "ExchangeRule",
    "Household",
    "MoneyExchange",
    "SavingExchange",
    "WealthEconomy",
    "YardSale",
    "YardSaleLaw",
    "exchange_wealth",
    "gamma_gini",
    "saving_exchange_shape",
    "stationary_wealth_gini",
    "stationary_wealth_law",
    "yard_sale_law",
]
