"""The most welfare that a quantity of compute can produce: what the efficiency of a market is measured against."""

from typing import final

import numpy as np

from walras.market.validation import FloatArray

__all__ = ["WelfareFrontier"]


@final
class WelfareFrontier:
    """The most value that each quantity can produce: agents are served in descending order of valuation.

    Agents are divisible here, whatever the market's rule: the frontier is what divisible step demand reaches, and an
    upper bound for whole agents.

    Parameters
    ----------
    valuations
        Money per unit, >= 0, shape (n,).
    costs
        Units when fully served, shape (n,).

    Source: the fractional knapsack, Dantzig 1957 (docs/reference/bibliography.md).
    """

    def __init__(self, valuations: FloatArray, costs: FloatArray) -> None:
        order = np.argsort(-valuations, kind="stable")
        self._quantities = np.concatenate([[0.0], np.cumsum(costs[order])])
        self._welfare = np.concatenate([[0.0], np.cumsum((valuations * costs)[order])])

    def efficiency(self, welfare: float, quantity: float) -> float:
        """Give `welfare` (money) as a fraction of the most that `quantity` units can produce; 1 where that is 0."""
        most = float(np.interp(quantity, self._quantities, self._welfare))
        return welfare / most if most > 0.0 else 1.0
