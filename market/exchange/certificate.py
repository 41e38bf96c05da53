"""The certificate of a Walrasian equilibrium: markets clear, budgets balance, and nobody could do better.

Computed from the economy's definition and the answer. Optimality is checked by expenditure functions and marginal
utilities (`walras.market.exchange.utility`), not by the demand functions that solvers use.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from walras.market.certificate import Residuals
from walras.market.validation import FloatArray

if TYPE_CHECKING:
    from walras.market.exchange.economy import ExchangeEconomy

__all__ = ["ExchangeCertificate", "certify_exchange"]


@final
@dataclass(frozen=True)
class ExchangeCertificate(Residuals):
    """Residuals of prices and an allocation: each is 0 for an equilibrium.

    Attributes
    ----------
    market_clearing
        Largest difference between what is consumed of a good and what there is, as a fraction of the latter; of a good
        with price 0 some may be left over.
    budget_balance
        Largest difference between a consumer's spending and its income, as a fraction of the income (of the average
        income, where that is larger than its own by more than 1e9). Who has enough of everything may spend less.
    optimality
        Largest waste of a consumer: the share of its income with which it could do as well.
    nonnegativity
        Largest quantity below 0, as a fraction of what there is of the good, or price below 0, as a fraction of the
        largest.
    """

    market_clearing: float
    budget_balance: float
    optimality: float
    nonnegativity: float


def certify_exchange(economy: "ExchangeEconomy", prices: FloatArray, allocation: FloatArray) -> ExchangeCertificate:
    """Compute the residuals from the economy, prices (m,) and an allocation (n, m) alone."""
    supplies = economy.supplies
    if not (np.isfinite(prices).all() and np.isfinite(allocation).all() and prices.any()):
        return ExchangeCertificate(np.inf, np.inf, np.inf, np.inf)
    feasible_prices = np.maximum(prices, 0.0)
    excess = allocation.sum(axis=0) / supplies - 1.0
    missed = np.where(prices > 0.0, np.abs(excess), np.maximum(excess, 0.0))
    incomes = economy.claims @ prices
    negative, balance, optimality = max(0.0, -float(prices.min() / np.abs(prices).max())), 0.0, 0.0
    unit = np.maximum(np.abs(incomes), 1e-9 * float(feasible_prices @ supplies) / incomes.size)
    for utility, rows in economy.groups:
        bundles = allocation[rows]
        gap = (bundles @ prices - incomes[rows]) / unit[rows]
        balance = max(balance, float((np.maximum(gap, 0.0) if utility.satiable else np.abs(gap)).max()))
        if not utility.signed:
            negative = max(negative, -float((bundles / supplies).min()))
            bundles = np.maximum(bundles, 0.0)
        waste = utility._waste(feasible_prices, incomes[rows], bundles)
        optimality = max(optimality, float(np.where(np.isnan(waste), np.inf, waste).max()))
    return ExchangeCertificate(float(missed.max()), balance, optimality, negative)
