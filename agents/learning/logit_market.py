"""Bertrand competition with differentiated goods: each firm sets the price of its own, and tastes differ.

Of `size` buyers, each buys one unit of the good that it likes best, or nothing. Good i is worth `quality_i - p_i` plus
a taste shock of scale `mu`, and so it sells

    q_i = size exp((quality_i - p_i) / mu) / (sum_j exp((quality_j - p_j) / mu) + exp(outside / mu)).

A firm's best reply solves `p - c = mu / (1 - q_i / size)`, in closed form `p = c + mu (1 + W(exp(z)))` with Lambert's W
and `z = (quality_i - c) / mu - 1 - ln D`, D being the rest of the denominator. A cartel adds the same margin to all
costs. Buyers gain `size mu ln(1 + sum_j exp((quality_j - p_j - outside) / mu))` against having no market.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp, wrightomega

from walras.market.errors import NotConvergedError
from walras.market.validation import FloatArray, finite_number, finite_vector, nonnegative_vector, positive_number

__all__ = ["LogitMarket"]

_TOLERANCE = 1e-13  # of prices, as a fraction of the scale of tastes
_ROUNDS = 10_000


@final
@dataclass(frozen=True, eq=False)
class LogitMarket:
    """Firms that choose prices of goods that are not quite the same.

    Parameters
    ----------
    unit_costs
        Of each firm (money per unit), 0 or more, shape (n,).
    qualities
        What each good is worth to buyers at the mean of tastes (money per unit), shape (n,), or one for all.
    outside
        What buying nothing is worth (money).
    scale
        mu, the scale of tastes (money), above 0: the smaller, the closer substitutes the goods are.
    size
        Number of buyers (units), above 0.

    Notes
    -----
    *Cost* of the equilibrium: best replies until they settle; they rise to it from costs, since each rises with the
    prices of the others. *Source*: Anderson, de Palma and Thisse 1992; the default parameters are those of Calvano et
    al. 2020 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import LogitMarket
    >>> market = LogitMarket([1.0, 1.0])
    >>> market.equilibrium().round(4).tolist(), market.collusion().round(4).tolist()
    ([1.4729, 1.4729], [1.925, 1.925])
    """

    unit_costs: ArrayLike
    qualities: ArrayLike = 2.0
    outside: float = 0.0
    scale: float = 0.25
    size: float = 1.0

    def __post_init__(self) -> None:
        costs = nonnegative_vector("LogitMarket.unit_costs", self.unit_costs, of="firm")
        qualities = finite_vector("LogitMarket.qualities", self.qualities, length=costs.size, of="firm")
        for name, values in (("unit_costs", costs), ("qualities", qualities)):
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        object.__setattr__(self, "outside", finite_number("LogitMarket.outside", self.outside))
        object.__setattr__(self, "scale", positive_number("LogitMarket.scale", self.scale))
        object.__setattr__(self, "size", positive_number("LogitMarket.size", self.size))

    @property
    def firms(self) -> int:
        """Number of firms."""
        return self._costs.size

    def sell(self, actions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the prices and what each firm sells, shape (..., n) both."""
        utilities = self._utilities(actions)
        best = np.maximum(utilities.max(axis=-1, keepdims=True), 0.0)
        weights = np.exp(utilities - best)
        return actions.copy(), self.size * weights / (weights.sum(axis=-1, keepdims=True) + np.exp(-best))

    def costs(self, quantities: FloatArray) -> FloatArray:
        """Give what quantities cost (money), shape (..., n)."""
        return self._costs * quantities

    def marginal_costs(self, quantities: FloatArray) -> FloatArray:
        """Give the unit cost of each firm, shape (..., n)."""
        return np.broadcast_to(self._costs, quantities.shape)

    def reply(self, firm: int, actions: FloatArray) -> FloatArray:
        """Give the price that is best against those of the others, shape (...)."""
        others = np.delete(self._utilities(actions), firm, axis=-1)
        outside = np.zeros((*others.shape[:-1], 1))
        rest = logsumexp(np.concatenate([others, outside], axis=-1), axis=-1)
        return self._costs[firm] + self._margin(self._utilities(self._costs)[firm] - rest)

    def equilibrium(self) -> FloatArray:
        """Give the prices of the Nash equilibrium, shape (n,).

        Raises
        ------
        NotConvergedError
            Best replies do not settle.
        """
        prices = self._costs + self.scale
        for _ in range(_ROUNDS):
            replies = np.array([self.reply(firm, prices) for firm in range(self.firms)])
            if np.abs(replies - prices).max() <= _TOLERANCE * max(self.scale, float(np.abs(replies).max())):
                return replies
            prices = replies
        raise NotConvergedError(f"Best replies have not settled after {_ROUNDS} rounds; the last are {prices}.")

    def collusion(self) -> FloatArray:
        """Give the prices of a cartel, shape (n,): costs plus one margin."""
        return np.asarray(self._costs + self._margin(np.asarray(logsumexp(self._utilities(self._costs)))))

    def consumer_surplus(self, actions: FloatArray) -> FloatArray:
        """Give what buyers gain against having no market (money), shape (...)."""
        utilities = self._utilities(actions)
        return np.asarray(self.size * self.scale * np.logaddexp(logsumexp(utilities, axis=-1), 0.0))

    @property
    def first_best_welfare(self) -> float:
        """Welfare if all prices equal costs (money)."""
        return float(self.consumer_surplus(self._costs))

    def _utilities(self, prices: FloatArray) -> FloatArray:
        """Mean worth of each good at its price beyond that of nothing, in units of the scale of tastes."""
        return np.asarray((np.asarray(self.qualities) - prices - self.outside) / self.scale)

    def _margin(self, gain: FloatArray) -> FloatArray:
        """The margin m that solves `m / mu = 1 + exp(gain - m / mu)`."""
        return np.asarray(self.scale * (1.0 + wrightomega(np.asarray(gain) - 1.0)))

    @property
    def _costs(self) -> FloatArray:
        return np.asarray(self.unit_costs)
