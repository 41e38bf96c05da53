"""Bilateral trade: consumers who meet, two by two, trade where both gain, and nobody calls prices.

A round: pairs are drawn on a network (`walras.agents.exchange.meetings`), nobody in two of them, and trade by a rule
(`walras.agents.exchange.bargaining`) that makes both better off, in whole units of goods. So no utility ever falls, and
trade dies down where no two linked consumers can both gain by a whole unit: at an allocation that is *pairwise*
optimal. If all want and own some of one good, it is Pareto efficient as well (Feldman 1973). Prices differ between
trades on the way, and what consumers gain or lose by them makes them richer or poorer than in the Walrasian
equilibrium: the allocation reached is efficient, but another one.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from walras.agents.adapter import Model
from walras.agents.exchange.bargaining import Bargain, GeometricMeanBargaining
from walras.agents.exchange.consumers import Consumer
from walras.agents.exchange.goods import Warehouse, whole_endowments
from walras.agents.exchange.meetings import draw_meetings, links_of
from walras.agents.exchange.tables import CONSUMER_COLUMNS, ROUND_COLUMNS, TRADE_COLUMNS, typed_table
from walras.agents.exchange.yardstick import Yardstick
from walras.market.errors import InvalidInputError
from walras.market.exchange import ExchangeEconomy, pareto_waste
from walras.market.validation import FloatArray, instance_of, whole_number

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["BilateralEconomy"]


@final
class BilateralEconomy(Model):
    """Consumers who trade two by two.

    Parameters
    ----------
    economy
        Utilities (that never fall in any good) and endowments, without transfers.
    network
        Who may meet: a networkx graph on the consumers 0 .. n - 1. None: everybody may meet everybody.
    rng
        Generator, or integer seed, that meetings are drawn from. The same seed gives the same tables.
    bargaining
        How two who meet trade.
    units_per_good
        Whole units in one of each good, shape (m,) or a number for all. Smaller units bring marginal rates of
        substitution closer together in the end.
    record_every
        Every how many rounds `rounds` gets a row.
    most_records
        How many recorded rounds are kept, the latest ones.
    most_trades
        How many rounds' trades are kept, the latest ones; none by default.

    Attributes
    ----------
    consumers
        The agents, by number.
    warehouse
        Who owns what, in whole units.
    economy, bargaining, units_per_good
        As given.
    yardstick
        The Walrasian equilibrium of the economy as it was at first, to compare with.

    Raises
    ------
    InvalidInputError
        A bad argument.
    NotConvergedError
        An economy of which no Walrasian equilibrium is found.

    Notes
    -----
    Meetings of a round are disjoint, so that their order does not matter: they are worked out together, in arrays.
    *Cost*: some 2 m + 4 log2(units that change hands) evaluations of all utilities a round; `PowerUtility(weights,
    rho)` has the tastes of `CES` (at 0 those of `CobbDouglas`), and is several times quicker.
    *Source*: Epstein and Axtell 1996; Feldman 1973; Gintis 2007 for bilateral trade in place of an auctioneer.

    Examples
    --------
    >>> from walras.agents.exchange import BilateralEconomy
    >>> from walras.market.exchange import CobbDouglas, ExchangeEconomy
    >>> box = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), endowments=[[1.0, 2.0], [2.0, 1.0]])
    >>> pair = BilateralEconomy(box, rng=0)
    >>> last = pair.run(rounds=100).iloc[-1]
    >>> bool(last["mrs_dispersion"] < 1e-5), pair.warehouse.totals.tolist(), pair.waste() < 1e-5
    (True, [3000000, 3000000], True)
    """

    def __init__(
        self,
        economy: ExchangeEconomy,
        network: "nx.Graph | None" = None,
        *,
        rng: np.random.Generator | int,
        bargaining: GeometricMeanBargaining | None = None,
        units_per_good: ArrayLike = 1_000_000,
        record_every: int = 1,
        most_records: int = 10_000,
        most_trades: int = 0,
    ) -> None:
        super().__init__(rng)
        self.economy = _tradable(economy)
        count = economy.shape[0]
        self._links = links_of(network, count)
        self.bargaining = instance_of(
            "bargaining", GeometricMeanBargaining() if bargaining is None else bargaining, GeometricMeanBargaining
        )
        self._record_every = whole_number("record_every", record_every, minimum=1)
        self._records: deque[Mapping[str, Any]] = deque(maxlen=whole_number("most_records", most_records, minimum=1))
        self._trades: deque[Mapping[str, Any]] = deque(maxlen=whole_number("most_trades", most_trades))
        self._endowment_units, self.units_per_good = whole_endowments(economy, units_per_good)
        self.warehouse = Warehouse(self._endowment_units)
        self.consumers = tuple(Consumer(self, self.warehouse, number=number) for number in range(count))
        self.yardstick = Yardstick.of(economy)
        self._round = 0

    @property
    def rounds(self) -> pd.DataFrame:
        """A row per recorded round; columns in `walras.agents.exchange.tables`."""
        return typed_table(ROUND_COLUMNS, self._records)

    @property
    def trades(self) -> pd.DataFrame:
        """A row per trade of the rounds kept; columns in `walras.agents.exchange.tables`."""
        return typed_table(TRADE_COLUMNS, self._trades)

    @property
    def holdings(self) -> FloatArray:
        """What each consumer owns now (goods), shape (n, m)."""
        return self.warehouse.units / self.units_per_good

    @property
    def consumer_rows(self) -> pd.DataFrame:
        """A row per consumer and good, as things stand; columns in `walras.agents.exchange.tables`."""
        count, goods = self.economy.shape
        utilities = {
            "endowment_utility": self._utility(self._endowment_units.astype(np.float64)),
            "utility": self._utility(self.warehouse.units.astype(np.float64)),
            "equilibrium_utility": self.yardstick.utilities,
        }
        columns = {
            "consumer": np.repeat(np.arange(count), goods),
            "good": np.tile(np.arange(goods), count),
            "endowment_units": self._endowment_units.ravel(),
            "units": self.warehouse.units.ravel(),
            "equilibrium_units": (self.yardstick.allocation * self.units_per_good).ravel(),
        } | {name: np.repeat(each, goods) for name, each in utilities.items()}
        return typed_table(CONSUMER_COLUMNS, [columns])

    def waste(self) -> float:
        """Give the share of all goods, in value, that consumers could do without (`pareto_waste`): 0 if efficient."""
        # Rounded down by a hair, so that whole units do not come to more than there is.
        return pareto_waste(self.economy, np.minimum(self._scaled_holdings(), self.economy.supplies))

    def run(self, rounds: int, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
        """Play some rounds and give the rows of those that are recorded and kept.

        Parameters
        ----------
        rounds
            How many more rounds to play, 1 or more.
        progress
            Called after each with the number of rounds done and `rounds`.
        """
        rounds = whole_number("rounds", rounds, minimum=1)
        before = self._round
        for done in range(1, rounds + 1):
            self.step()
            if progress is not None:
                progress(done, rounds)
        return typed_table(ROUND_COLUMNS, [record for record in self._records if record["round"] > before])

    def step(self) -> None:
        """Play one round."""
        self._round += 1
        pairs = draw_meetings(self._links, len(self.consumers), self.rng)
        bargain = self.bargaining.trade(self._utility, self.warehouse.units, pairs)
        self.warehouse.post(bargain.changes(*self.economy.shape))
        if self._trades.maxlen:
            self._trades.append(_trade_rows(self._round, bargain))
        if self._round % self._record_every == 0:
            self._records.append(self._record(len(pairs), bargain))

    def _utility(self, units: FloatArray) -> FloatArray:
        return self.economy.utility(units / self.units_per_good)

    def _scaled_holdings(self) -> FloatArray:
        """Holdings, scaled so that they add up to the supplies: endowments were rounded to whole units."""
        units = self.warehouse.units
        return np.asarray(units * (self.economy.supplies / units.sum(axis=0)))

    def _record(self, meetings: int, bargain: Bargain) -> Mapping[str, Any]:
        holdings = self._scaled_holdings()
        return {
            "round": self._round,
            "meetings": meetings,
            "trades": bargain.prices.size,
            **self.yardstick.of_trades(bargain, self.units_per_good),
            **self.yardstick.of_holdings(holdings),
            "units": int(self.warehouse.totals.sum()),
        }


def _trade_rows(number: int, bargain: Bargain) -> Mapping[str, Any]:
    return {
        "round": np.full(bargain.prices.size, number),
        "buyer": bargain.buyers,
        "seller": bargain.sellers,
        "bought": bargain.bought,
        "paid": bargain.paid,
        "units_bought": bargain.units_bought,
        "units_paid": bargain.units_paid,
        "price": bargain.prices,
    }


def _tradable(economy: object) -> ExchangeEconomy:
    checked = instance_of("economy", economy, ExchangeEconomy)
    if np.asarray(checked.transfers).any():
        raise InvalidInputError("economy must have no transfers: only what consumers own changes hands here.")
    if checked.shape[0] < 2 or checked.shape[1] < 2:
        raise InvalidInputError(f"economy must have two consumers and two goods at least, got {checked.shape}.")
    if np.asarray(checked.endowments).min() < 0.0 or any(each.signed for each, _ in checked.groups):
        raise InvalidInputError("economy must have consumers who own and consume amounts of 0 or more.")
    if np.isnan(checked.utility(checked.endowments)).any():
        raise InvalidInputError(
            "economy must have consumers with a utility: those who are known by a DemandFunction alone cannot bargain."
        )
    return checked
