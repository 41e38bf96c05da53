"""The Walrasian equilibrium as a yardstick for trade that nobody coordinates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.agents.exchange.bargaining import Bargain
from walras.market.errors import NotConvergedError, NotDifferentiableError
from walras.market.exchange import ExchangeEconomy, Newton
from walras.market.validation import FloatArray

__all__ = ["Yardstick"]

_CERTIFIED = 1e-6


@final
@dataclass(frozen=True, eq=False)
class Yardstick:
    """An equilibrium of an economy, and how far trades and holdings are from it.

    Attributes
    ----------
    economy
        Whose equilibrium it is.
    prices
        Money per unit of each good, adding up to 1, shape (m,).
    allocation, utilities
        Goods that each consumer gets, shape (n, m), and what they are worth to it, shape (n,).
    """

    economy: ExchangeEconomy
    prices: FloatArray
    allocation: FloatArray
    utilities: FloatArray

    @classmethod
    def of(cls, economy: ExchangeEconomy) -> "Yardstick":
        """Give that of the equilibrium which `Newton` finds; where there are several, it is one of them.

        Raises
        ------
        NotConvergedError
            None is found.
        """
        found = Newton().solve(economy)
        if found.certificate.largest > _CERTIFIED:
            raise NotConvergedError(
                f"economy: no equilibrium was found to compare with ({found.status.value}). Other endowments may have "
                "one: let every consumer own something that others want."
            )
        return cls(economy, found.prices, found.allocation, found.utilities)

    def of_trades(self, bargain: Bargain, units_per_good: FloatArray) -> Mapping[str, float]:
        """Give `turnover`, `price_dispersion` and `price_error` of trades (`walras.agents.exchange.tables`)."""
        if not bargain.prices.size:
            return {"turnover": 0.0, "price_dispersion": np.nan, "price_error": np.nan}
        worth = self.prices / units_per_good  # of a whole unit of each good
        value = float(self.prices @ self.economy.supplies)
        handed = bargain.units_bought * worth[bargain.bought] + bargain.units_paid * worth[bargain.paid]
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.log(bargain.prices) + np.log(worth[bargain.paid]) - np.log(worth[bargain.bought])
        # The same two goods, whichever of them is called bought.
        errors = np.where(bargain.bought < bargain.paid, errors, -errors)
        pairs = np.minimum(bargain.bought, bargain.paid) * worth.size + np.maximum(bargain.bought, bargain.paid)
        _, places, counts = np.unique(pairs, return_inverse=True, return_counts=True)
        centred = errors - (np.bincount(places, errors) / counts)[places]
        return {
            "turnover": float(handed.sum()) / value,
            "price_dispersion": float(np.sqrt(np.mean(centred**2))),
            "price_error": float(np.sqrt(np.mean(errors**2))),
        }

    def of_holdings(self, holdings: FloatArray) -> Mapping[str, float]:
        """Give `mrs_dispersion`, `utility`, `efficiency` and `distance` of holdings (goods), shape (n, m)."""
        value = float(self.prices @ self.economy.supplies)
        incomes = holdings @ self.prices
        wastes = [utility.waste(self.prices, incomes[rows], holdings[rows]) for utility, rows in self.economy.groups]
        return {
            "mrs_dispersion": self.mrs_dispersion(holdings),
            "utility": float(self.economy.utility(holdings).mean()),
            "efficiency": float(incomes @ (1.0 - np.concatenate(wastes))) / value,
            "distance": 0.5 * float(np.abs(holdings - self.allocation).sum(axis=0) @ self.prices) / value,
        }

    def mrs_dispersion(self, holdings: FloatArray) -> float:
        """Give the dispersion of marginal rates of substitution (`walras.agents.exchange.tables`)."""
        try:
            with np.errstate(all="ignore"):
                worth = np.log(
                    np.concatenate(
                        [utility.marginal_utilities(holdings[rows]) for utility, rows in self.economy.groups]
                    )
                )
        except NotDifferentiableError:
            return np.nan
        worth = np.where((holdings > 0.0) & np.isfinite(worth), worth, np.nan)
        deviations = [
            deviation for good in range(worth.shape[1]) for deviation in _deviations(worth[:, good, None] - worth, good)
        ]
        pooled = np.concatenate([*deviations, np.zeros(0)])
        return float(np.sqrt(np.mean(pooled**2))) if pooled.size else np.nan


def _deviations(logarithms: FloatArray, good: int) -> list[FloatArray]:
    """What the logarithms of rates of substitution between `good` and each later good deviate from their mean."""
    rates = [column[np.isfinite(column)] for column in logarithms.T[good + 1 :]]
    return [rate - rate.mean() for rate in rates if rate.size > 1]
