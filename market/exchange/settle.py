"""From prices to an answer: normalisation, allocation, utilities, certificate."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.exchange.certificate import certify_exchange
from walras.market.exchange.equilibrium import ExchangeEquilibrium, ExchangeStatus
from walras.market.validation import FloatArray, nonnegative_vector

if TYPE_CHECKING:
    from walras.market.exchange.economy import ExchangeEconomy

__all__ = ["clearing_residual", "settle", "start_at"]


def start_at(economy: "ExchangeEconomy", start_prices: ArrayLike | None) -> FloatArray:
    """Give checked start prices; by default those at which the supplies of all goods are worth the same."""
    goods = economy.shape[1]
    if start_prices is None:
        prices = 1.0 / economy.supplies
        return np.asarray(prices / prices.sum())
    prices = nonnegative_vector("start_prices", start_prices, length=goods, of="good")
    if not prices.any():
        raise InvalidInputError("start_prices must not all be 0.")
    return prices


def clearing_residual(economy: "ExchangeEconomy", prices: FloatArray, excess: FloatArray) -> float:
    """Largest excess demand as a fraction of the supply; a good with price 0 may be left over. NaN if undefined."""
    relative = excess / economy.supplies
    return float(np.where(prices > 0.0, np.abs(relative), np.maximum(relative, 0.0)).max())


def settle(
    economy: "ExchangeEconomy",
    prices: FloatArray,
    path: list[FloatArray] | FloatArray,
    status: ExchangeStatus,
    *,
    period: float | None = None,
    allocation: FloatArray | None = None,
    iterations: int | None = None,
) -> ExchangeEquilibrium:
    """Certify prices, with the allocation that consumers demand at them unless one is given."""
    with np.errstate(all="ignore"):
        unit = prices.max()
        normalised = prices / unit / (prices / unit).sum()
        if allocation is None:
            incomes = economy.claims @ normalised
            if np.isfinite(normalised).all() and economy._insolvent(incomes) is None:
                allocation = economy._demand(normalised, incomes)
            else:
                allocation = np.full(economy.shape, np.nan)
        utilities = np.concatenate([utility._utility(allocation[rows]) for utility, rows in economy.groups])
        steps = np.asarray(path)
        return ExchangeEquilibrium(
            prices=normalised,
            allocation=allocation,
            utilities=utilities,
            excess_demand=allocation.sum(axis=0) - economy.supplies,
            path=steps,
            iterations=len(steps) - 1 if iterations is None else iterations,
            period=period,
            status=status,
            certificate=certify_exchange(economy, normalised, allocation),
        )
