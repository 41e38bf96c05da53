"""How a firm decides in a market of firms, period by period: by best replies to forecasts, or by learning on a grid.

A strategy is pure, like a learning policy. What a firm knows is passed to it: its market (demand, and costs, of which
it uses its own), its number, and, after each period, what all firms did and the prices they got.

    state = strategy.start(market, firm, first)       first: what all are expected to do in the first period
    action = strategy.action(state, market, firm, draw)
    state = strategy.learn(state, market, firm, action, actions, prices)
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.learning.firm_market import FirmMarket
from walras.agents.learning.forecasts import Forecast, ForecastRule
from walras.agents.learning.observation import Information, LearningPolicy, Observation
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_vector, fraction

__all__ = ["FirmStrategy", "GridLearning", "PriceTaking", "ReplyToForecast"]

StateT = TypeVar("StateT")


class FirmStrategy(Protocol[StateT]):
    """How a firm decides: pure functions from states to actions and states."""

    def start(self, market: FirmMarket, firm: int, first: FloatArray) -> StateT:
        """Give the state before the first period, in which all are expected to do `first`, shape (n,)."""

    def action(self, state: StateT, market: FirmMarket, firm: int, draw: float) -> float:
        """Give the action of the period; `draw` is uniform on [0, 1)."""

    def learn(self, state: StateT, market: FirmMarket, firm: int, actions: FloatArray, prices: FloatArray) -> StateT:
        """Give the state after a period in which all did `actions` and got `prices`, shape (n,) both."""


@final
@dataclass(frozen=True, eq=False)
class ReplyState:
    """What a firm expects of all, and what it did last (None before the first period)."""

    forecast: Forecast
    last: float | None = None


@final
@dataclass(frozen=True, kw_only=True)
class ReplyToForecast:
    """Plays the best reply to what it expects the others to do, or, by inertia, what it did last.

    With a `NaiveForecast` this is Cournot's adjustment, with an `AverageForecast` fictitious play (where profit depends
    on the others through their sum, as in Cournot's market), with a `RationalForecast` the equilibrium.

    Parameters
    ----------
    forecast
        A forecast rule.
    inertia
        Probability that the firm does what it did last, in [0, 1).

    Notes
    -----
    *Observes*: what the others did; it knows demand and its own cost.
    *Source*: Cournot 1838; Theocharis 1960 (docs/reference/bibliography.md).
    """

    forecast: ForecastRule
    inertia: float = 0.0

    def __post_init__(self) -> None:
        if not (hasattr(self.forecast, "start") and hasattr(self.forecast, "learn")):
            raise InvalidInputError(f"ReplyToForecast.forecast must be a forecast rule, got {self.forecast!r}.")
        if fraction("ReplyToForecast.inertia", self.inertia) == 1.0:
            raise InvalidInputError("ReplyToForecast.inertia must be below 1, got 1.0: no action would ever change.")

    def start(self, market: FirmMarket, firm: int, first: FloatArray) -> ReplyState:
        """Give the state before the first period."""
        return ReplyState(self.forecast.start(first))

    def action(self, state: ReplyState, market: FirmMarket, firm: int, draw: float) -> float:
        """Give the action of the period."""
        if state.last is not None and draw < self.inertia:
            return state.last
        return float(market.reply(firm, state.forecast.expected))

    def learn(
        self, state: ReplyState, market: FirmMarket, firm: int, actions: FloatArray, prices: FloatArray
    ) -> ReplyState:
        """Give the state after a period."""
        return ReplyState(self.forecast.learn(state.forecast, actions), float(actions[firm]))


@final
@dataclass(frozen=True, kw_only=True)
class PriceTaking:
    """Expects a price, and acts on it as one who cannot move it: for `CobwebMarket`.

    Parameters
    ----------
    forecast
        A forecast rule.

    Notes
    -----
    *Observes*: the price. *Source*: Ezekiel 1938; Nerlove 1958 (docs/reference/bibliography.md).
    """

    forecast: ForecastRule

    def __post_init__(self) -> None:
        if not (hasattr(self.forecast, "start") and hasattr(self.forecast, "learn")):
            raise InvalidInputError(f"PriceTaking.forecast must be a forecast rule, got {self.forecast!r}.")

    def start(self, market: FirmMarket, firm: int, first: FloatArray) -> Forecast:
        """Give the state before the first period."""
        return self.forecast.start(first[firm])

    def action(self, state: Forecast, market: FirmMarket, firm: int, draw: float) -> float:
        """Give the price that is expected."""
        return float(state.expected)

    def learn(
        self, state: Forecast, market: FirmMarket, firm: int, actions: FloatArray, prices: FloatArray
    ) -> Forecast:
        """Give the state after a period."""
        return self.forecast.learn(state, prices[firm])


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class GridLearning:
    """Chooses from a grid of actions by a learning policy.

    Parameters
    ----------
    policy
        Any learning policy but `QLearning(memory=True)`, for which there is `learn_to_price`. Its payoff is the
        profit in money, so that policies which need a range of payoffs need one of profits.
    grid
        Actions to choose from, each once, shape (K,).

    Notes
    -----
    *Observes*: what the policy does. A policy that needs all payoffs is told what each action of the grid would have
    earned, which the firm can know from what the others did, demand and its own cost.
    """

    policy: LearningPolicy[Any]
    grid: ArrayLike

    def __post_init__(self) -> None:
        if not hasattr(self.policy, "mixed_strategy"):
            raise InvalidInputError(f"GridLearning.policy must be a learning policy, got {self.policy!r}.")
        if self.policy.observes is Information.OTHERS_ACTIONS:
            raise InvalidInputError(
                "GridLearning.policy must not need to know which of finitely many actions the others took, got "
                f"{self.policy!r}: see learn_to_price."
            )
        grid = finite_vector("GridLearning.grid", self.grid, of="action")
        if np.unique(grid).size != grid.size:
            raise InvalidInputError(f"GridLearning.grid must hold each action once, got {grid}.")
        grid.setflags(write=False)
        object.__setattr__(self, "grid", grid)

    def start(self, market: FirmMarket, firm: int, first: FloatArray) -> Any:
        """Give what the policy knows before the first period."""
        return self.policy.start(self._grid.size)

    def action(self, state: Any, market: FirmMarket, firm: int, draw: float) -> float:
        """Give the action of the period."""
        return float(self._grid[self.policy.choose(state, np.array([draw]))[0]])

    def learn(self, state: Any, market: FirmMarket, firm: int, actions: FloatArray, prices: FloatArray) -> Any:
        """Give what the policy knows after a period."""
        tried = np.repeat(actions[None, :], self._grid.size, axis=0)  # (K, n)
        tried[:, firm] = self._grid
        got, sold = market.sell(tried)
        profits = (got * sold - market.costs(sold))[:, firm]
        chosen = int(np.flatnonzero(self._grid == actions[firm])[0])
        observation = Observation(
            np.array([chosen]),
            profits[chosen : chosen + 1],
            all_payoffs=profits[None, :] if self.policy.observes is Information.ALL_PAYOFFS else None,
        )
        return self.policy.learn(state, observation)

    @property
    def _grid(self) -> FloatArray:
        return np.asarray(self.grid)
