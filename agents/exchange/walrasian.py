"""Walras' auctioneer: prices are called out, everybody answers, and nobody trades before all markets clear.

A round: the auctioneer calls prices; consumers answer with what they would buy and sell at them; if no market is out of
balance by more than the rules' tolerance, all trade at these prices and the market closes. Else the auctioneer changes
the prices by its rules:

- `Tatonnement` moves them by excess demand, in steps of a rule of its own: they may circle for ever (Scarf's economy);
- `Extragradient` first asks at the prices that such a step would lead to, and then moves by *that* answer. These are
  two answers a round, and it settles where groping does not.

The rules are those of `walras.market.exchange`, of which `solve` gives the same path.
"""

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from walras.agents.adapter import Agent, Model
from walras.agents.exchange.consumers import Consumer
from walras.agents.exchange.goods import Warehouse, whole_endowments
from walras.agents.exchange.tables import CALL_COLUMNS, typed_table
from walras.agents.exchange.yardstick import Yardstick
from walras.agents.money import IntArray, apportion
from walras.market.errors import InvalidInputError
from walras.market.exchange import Adjustment, ExchangeEconomy, Extragradient, Tatonnement
from walras.market.validation import FloatArray, instance_of, nonnegative_vector, whole_number

__all__ = ["Auctioneer", "CallStatus", "WalrasianEconomy"]

# A free good that is wanted without bound gets this share of the sum of prices, as in `Tatonnement`.
_LEAST_SHARE = 1e-9


class CallStatus(Enum):
    """Where the market stands; each value tells the reader what to do."""

    CALLING = "prices are still called out, and nobody has traded: run more rounds, or change the auctioneer's rules"
    CLEARED = "markets cleared, consumers have traded, and the market is closed"
    BROKE_DOWN = "prices or demands left the range of numbers: use a smaller step"


@final
class Auctioneer(Agent):
    """Who calls prices, and changes them by its rules.

    Attributes
    ----------
    rules
        `Tatonnement(...)` or `Extragradient(...)` of `walras.market.exchange`.
    prices
        Those to be called in the next round, shape (m,); not normalised.
    """

    def __init__(self, model: Model, rules: Tatonnement | Extragradient, prices: FloatArray) -> None:
        super().__init__(model)
        self.rules = rules
        self.prices = prices

    def next_prices(
        self, calls: int, excess: FloatArray, supplies: FloatArray, ask: Callable[[FloatArray], FloatArray]
    ) -> FloatArray:
        """Give the prices that follow `calls` rounds, of which the last was answered by `excess`; all of shape (m,).

        Parameters
        ----------
        calls
            Rounds so far, from 0 for the first step.
        excess, supplies
            Excess demand at `prices`, and what there is of each good (units).
        ask
            Gives the excess demand at other prices; the extragradient method asks once more.
        """
        rules = self.rules
        if isinstance(rules, Extragradient):
            ahead = np.maximum(self.prices + rules.step * excess, 0.0)
            return np.maximum(self.prices + rules.step * ask(ahead), 0.0)
        additive = rules.adjustment is Adjustment.ADDITIVE
        direction = excess if additive else excess / supplies
        change = rules.step.at(calls, direction) * direction
        moved = np.maximum(self.prices + change, 0.0) if additive else self.prices * np.exp(change)
        return np.asarray(moved / moved.sum() if rules.normalised else moved)


@final
class WalrasianEconomy(Model):
    """Consumers and an auctioneer.

    Parameters
    ----------
    economy
        Utilities and endowments, without transfers.
    rules
        How the auctioneer changes prices: `Tatonnement(...)`, or `Extragradient(...)` with prices not held on the
        simplex. Their `tolerance` says when markets clear; rounds are counted by `run`.
    rng
        Generator, or integer seed. Nothing is drawn at present; it is asked for as of every economy.
    start_prices
        First prices, 0 or more and not all 0, shape (m,). None: all supplies worth the same, adding up to 1.
    units_per_good
        Whole units in one of each good, shape (m,) or a number for all: what changes hands is counted in them.
    record_every
        Every how many rounds `calls` gets rows; the round that clears gets them in any case.
    most_records
        How many recorded rounds are kept, the latest ones.

    Attributes
    ----------
    consumers, auctioneer
        The agents.
    warehouse
        Who owns what, in whole units.
    economy, units_per_good
        As given.
    yardstick
        The equilibrium that `Newton` finds, to compare with.

    Raises
    ------
    InvalidInputError
        A bad argument.
    NotConvergedError
        An economy of which no equilibrium is found.

    Notes
    -----
    Goods that are left over at a price of 0 stay with their owners, in proportion. *Cost*: one excess demand a round
    (two with `Extragradient`). *Source*: Walras 1874; Scarf 1960; Korpelevich 1976.

    Examples
    --------
    >>> from walras.agents.exchange import WalrasianEconomy
    >>> from walras.market.exchange import CobbDouglas, ConstantStep, ExchangeEconomy, Tatonnement
    >>> box = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), endowments=[[1.0, 2.0], [2.0, 1.0]])
    >>> market = WalrasianEconomy(box, Tatonnement(ConstantStep(0.05)), rng=0)
    >>> market.run(rounds=1000).name, market.warehouse.units.tolist()
    ('CLEARED', [[1750000, 1750000], [1250000, 1250000]])
    """

    def __init__(
        self,
        economy: ExchangeEconomy,
        rules: Tatonnement | Extragradient,
        *,
        rng: np.random.Generator | int,
        start_prices: ArrayLike | None = None,
        units_per_good: ArrayLike = 1_000_000,
        record_every: int = 1,
        most_records: int = 10_000,
    ) -> None:
        super().__init__(rng)
        self.economy = _without_transfers(economy)
        if not isinstance(rules, Tatonnement | Extragradient):
            raise InvalidInputError(f"rules must be Tatonnement or Extragradient, got {rules!r}.")
        if isinstance(rules, Extragradient) and rules.on_simplex:
            raise InvalidInputError("rules: Extragradient must not hold prices on the simplex here (on_simplex=False).")
        self._record_every = whole_number("record_every", record_every, minimum=1)
        self._records: deque[Mapping[str, Any]] = deque(maxlen=whole_number("most_records", most_records, minimum=1))
        units, self.units_per_good = whole_endowments(economy, units_per_good)
        self.warehouse = Warehouse(units)
        self.consumers = tuple(Consumer(self, self.warehouse, number=number) for number in range(economy.shape[0]))
        self.auctioneer = Auctioneer(self, rules, _start_prices(economy, start_prices))
        self.yardstick = Yardstick.of(economy)
        self._endowment_units = units
        self._round = 0
        self._status = CallStatus.CALLING

    @property
    def status(self) -> CallStatus:
        """Where the market stands."""
        return self._status

    @property
    def calls(self) -> pd.DataFrame:
        """A row per recorded round and good; columns in `walras.agents.exchange.tables`."""
        return typed_table(CALL_COLUMNS, self._records)

    def run(self, rounds: int) -> CallStatus:
        """Play some rounds, or fewer if markets clear; give where the market then stands.

        Parameters
        ----------
        rounds
            How many more prices to call at most, 1 or more.
        """
        for _ in range(whole_number("rounds", rounds, minimum=1)):
            if self._status is not CallStatus.CALLING:
                break
            self.step()
        return self._status

    def step(self) -> None:
        """Call prices once: nothing happens once the market is closed."""
        if self._status is not CallStatus.CALLING:
            return
        economy, auctioneer = self.economy, self.auctioneer
        with np.errstate(all="ignore"):
            prices, excess = self._lifted(auctioneer.prices)
            relative = excess / economy.supplies
            residual = float(np.where(prices > 0.0, np.abs(relative), np.maximum(relative, 0.0)).max())
            self._round += 1
            cleared = residual <= auctioneer.rules.tolerance
            if cleared or self._round % self._record_every == 0:
                self._records.append(self._record(prices, excess, residual))
            if not np.isfinite(residual):
                self._status = CallStatus.BROKE_DOWN
            elif cleared:
                self.warehouse.post(self._equilibrium_units(prices) - self._endowment_units)
                self._status = CallStatus.CLEARED
            else:
                auctioneer.prices = prices
                auctioneer.prices = auctioneer.next_prices(self._round - 1, excess, economy.supplies, self._answer)
                if not (np.isfinite(auctioneer.prices).all() and auctioneer.prices.any()):
                    self._status = CallStatus.BROKE_DOWN

    def _answer(self, prices: FloatArray) -> FloatArray:
        """Excess demand, infinite or NaN where it does not exist."""
        if not (np.isfinite(prices).all() and prices.any()):
            return np.full(prices.size, np.nan)
        return self.economy.excess_demand(prices)

    def _lifted(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        excess = self._answer(prices)
        unbounded = np.isposinf(excess) & (prices == 0.0)
        if not unbounded.any():
            return prices, excess
        lifted = np.where(unbounded, _LEAST_SHARE * prices.sum(), prices)
        return lifted, self._answer(lifted)

    def _equilibrium_units(self, prices: FloatArray) -> IntArray:
        """What consumers demand, in whole units that add up to what there is; leftovers stay with their owners."""
        demand = self.economy.demand(prices) * self.units_per_good
        endowments = self._endowment_units.astype(np.float64)
        supplies = endowments.sum(axis=0)
        wanted = demand.sum(axis=0)
        left = np.where(prices > 0.0, 0.0, np.maximum(supplies - wanted, 0.0))
        # Markets clear up to the tolerance: scaled, what is handed out is what there is.
        exact = demand * ((supplies - left) / np.where(wanted > 0.0, wanted, 1.0)) + endowments * (left / supplies)
        return np.stack([apportion(np.ascontiguousarray(column)) for column in exact.T], axis=1)

    def _record(self, prices: FloatArray, excess: FloatArray, residual: float) -> Mapping[str, Any]:
        goods = prices.size
        return {
            "round": np.full(goods, self._round),
            "good": np.arange(goods),
            "price": prices,
            "excess_demand": excess,
            "residual": np.full(goods, residual),
            "distance": np.full(goods, float(np.linalg.norm(prices / prices.sum() - self.yardstick.prices))),
        }


def _without_transfers(economy: object) -> ExchangeEconomy:
    checked = instance_of("economy", economy, ExchangeEconomy)
    if np.asarray(checked.transfers).any():
        raise InvalidInputError("economy must have no transfers: only what consumers own changes hands here.")
    return checked


def _start_prices(economy: ExchangeEconomy, start_prices: ArrayLike | None) -> FloatArray:
    if start_prices is None:
        prices = 1.0 / economy.supplies
        return np.asarray(prices / prices.sum())
    prices = nonnegative_vector("start_prices", start_prices, length=economy.shape[1], of="good")
    if not prices.any():
        raise InvalidInputError("start_prices must not all be 0.")
    return prices
