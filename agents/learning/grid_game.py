"""A market of firms as a game: each firm chooses from a grid of quantities or prices, and its payoff is its profit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.learning.firm_market import FirmMarket
from walras.agents.learning.game import NormalFormGame
from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, finite_vector, whole_number

__all__ = ["GridGame", "price_grid"]


@final
@dataclass(frozen=True, eq=False)
class GridGame:
    """A market whose firms choose from grids; `play` repeats it without a table of all joint actions.

    Parameters
    ----------
    market
        A market of firms.
    grids
        For each firm the actions that it can choose from, shape (K_i,); one grid alone is that of all firms.

    Examples
    --------
    >>> from walras.agents.learning import CournotMarket, GridGame
    >>> from walras.market.partial_equilibrium import LinearCurve
    >>> game = GridGame(CournotMarket(LinearCurve(12.0, -1.0), [0.0, 0.0]), [[3.0, 4.0, 6.0]])
    >>> game.normal_form().pure_equilibria()
    [(1, 1)]
    """

    market: FirmMarket
    grids: Sequence[ArrayLike]

    def __post_init__(self) -> None:
        firms = self.market.firms
        grids = list(self.grids) * firms if len(self.grids) == 1 else list(self.grids)
        if len(grids) != firms:
            raise InvalidInputError(
                f"GridGame.grids must be one grid, or one for each of {firms} firms; got {len(grids)}."
            )
        checked = [finite_vector(f"GridGame.grids[{firm}]", grid, of="action") for firm, grid in enumerate(grids)]
        object.__setattr__(self, "grids", tuple(checked))

    @property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions of each firm."""
        return tuple(grid.size for grid in self._grids)

    def values(self, actions: IntArray) -> FloatArray:
        """Give the quantities or prices that numbered actions stand for, shape (..., n)."""
        return np.stack([grid[actions[..., firm]] for firm, grid in enumerate(self._grids)], axis=-1)

    def all_payoffs(self, player: int, actions: IntArray) -> FloatArray:
        """Give the profit of each action of a firm, shape (R, K_i), where all did `actions`, shape (R, n)."""
        grid = self._grids[player]
        tried = np.repeat(self.values(actions)[:, None, :], grid.size, axis=1)  # (R, K, n)
        tried[:, :, player] = grid
        return self._profits(tried)[..., player]

    def normal_form(self) -> NormalFormGame:
        """Give the table of profits of all joint actions.

        Notes
        -----
        *Cost*: n times the product of all action counts.
        """
        joint = np.stack(np.meshgrid(*self._grids, indexing="ij"), axis=-1)  # (K_1, ..., K_n, n)
        profits = self._profits(joint)
        return NormalFormGame(tuple(profits[..., firm] for firm in range(len(self._grids))))

    def _profits(self, actions: FloatArray) -> FloatArray:
        prices, quantities = self.market.sell(actions)
        return np.asarray(prices * quantities - self.market.costs(quantities))

    @property
    def _grids(self) -> tuple[FloatArray, ...]:
        return self.grids  # type: ignore[return-value]


def price_grid(low: float, high: float, points: int, margin: float = 0.1) -> FloatArray:
    """Equally spaced actions from a little beyond one value to a little beyond another.

    From `low - margin (high - low)` to `high + margin (high - low)`.

    Parameters
    ----------
    low, high
        Say, the prices of the one-period equilibrium and of a cartel; `low < high`.
    points
        Number of actions, 2 or more.
    margin
        How far the grid goes beyond each, as a fraction of the distance, 0 or more.

    Notes
    -----
    *Source*: Calvano et al. 2020 (docs/reference/bibliography.md).
    """
    low, high = finite_number("low", low), finite_number("high", high)
    margin = finite_number("margin", margin)
    if low >= high or margin < 0.0:
        raise InvalidInputError(f"A grid needs low < high and a margin of 0 or more, got {low}, {high} and {margin}.")
    reach = margin * (high - low)
    return np.linspace(low - reach, high + reach, whole_number("points", points, minimum=2))
