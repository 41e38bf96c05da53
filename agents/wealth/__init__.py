"""Wealth exchange: agents that meet at random and win or lose money, and the distribution that follows."""

from walras.agents.wealth.money_exchange import exchange_wealth, stationary_wealth_gini, stationary_wealth_law

__all__ = ["exchange_wealth", "stationary_wealth_gini", "stationary_wealth_law"]
