"""Exchange on a network, live: consumers trade two by two, and rates of substitution draw together, or do not."""

import math
from collections.abc import Callable, Mapping
from typing import Any, final

import networkx as nx
import numpy as np

from walras.agents.exchange import BilateralEconomy
from walras.market.exchange import ExchangeEconomy, PowerUtility
from walras.market.validation import FloatArray, IntArray
from walras.simulations.dashboard.controls import Choice, Number, Settings
from walras.simulations.dashboard.curves import percent_range
from walras.simulations.dashboard.history import History
from walras.simulations.dashboard.live_economy import LiveEconomy
from walras.simulations.dashboard.snapshot import (
    Distribution,
    Holdings,
    Line,
    Network,
    Reading,
    Reference,
    Snapshot,
    TimeSeries,
)

__all__ = ["EXCHANGE"]

_ALL, _RING, _SMALL, _HUBS, _STAR = "everybody meets everybody", "ring", "small world", "hubs", "one middleman"
_NETWORKS: Mapping[str, Callable[[int, int], nx.Graph]] = {
    _ALL: lambda count, seed: nx.complete_graph(count),
    _RING: lambda count, seed: nx.cycle_graph(count),
    _SMALL: lambda count, seed: nx.connected_watts_strogatz_graph(count, 4, 0.15, tries=1000, seed=seed),
    _HUBS: lambda count, seed: nx.barabasi_albert_graph(count, 2, seed=seed),
    _STAR: lambda count, seed: nx.star_graph(count - 1),
}
_TASTES = {"Cobb-Douglas": 0.0, "complements": -3.0, "near substitutes": 0.6}


@final
class _Village:
    """Consumers of two goods, apples and bread, under way; a step is a round of meetings."""

    def __init__(self, settings: Settings, rng: np.random.Generator) -> None:
        count, kind = int(settings["agents"]), str(settings["network"])
        graph = _NETWORKS[kind](count, int(rng.integers(2**31)))
        weights = rng.uniform(0.2, 1.0, (count, 2))
        unequal = float(settings["inequality"])
        endowments = rng.uniform(0.1, 2.0, (count, 2)) * np.exp(unequal * rng.standard_normal((count, 1)))
        economy = ExchangeEconomy(PowerUtility(weights, exponent=_TASTES[str(settings["tastes"])]), endowments)
        self._economy = BilateralEconomy(
            economy, None if kind == _ALL else graph, rng=rng, most_records=1, most_trades=1
        )
        self._worth = self._economy.yardstick.prices / self._economy.yardstick.prices[1]
        self._first = self._wealth()
        self._links: IntArray = np.array(graph.edges, dtype=np.int64)
        self._shows_all_links = kind != _ALL
        self._places = _places(graph, kind)
        self._history = History("price", "lowest", "highest", "trades", "efficiency", "spread")
        self._traded: set[tuple[int, int]] = set()
        self._round = 0

    def step(self) -> None:
        """Play a round."""
        self._economy.step()
        self._round += 1
        row, trades = self._economy.rounds.iloc[-1], self._economy.trades
        # Bread per apple, whichever of them was called bought.
        ratio = trades["price"].to_numpy()
        prices = np.where(trades["bought"].to_numpy() == 0, ratio, 1.0 / ratio)
        nothing = math.nan
        self._history.add(
            self._round,
            price=float(np.exp(np.log(prices).mean())) if prices.size else nothing,
            lowest=float(prices.min()) if prices.size else nothing,
            highest=float(prices.max()) if prices.size else nothing,
            trades=row["trades"],
            efficiency=100.0 * row["efficiency"],
            spread=row["mrs_dispersion"],
        )
        pairs = np.sort(trades[["buyer", "seller"]].to_numpy(), axis=1)
        self._traded = {(int(first), int(second)) for first, second in pairs}

    def snapshot(self) -> Snapshot:
        """Give what there is to see now."""
        history, equilibrium = self._history, float(self._worth[0])
        readings = (
            Reading(label="Mean price", value=history.last("price"), unit="bread an apple"),
            Reading(label="Equilibrium price", value=equilibrium, unit="bread an apple"),
            Reading(label="Trades in the round", value=history.last("trades"), digits=0),
            Reading(label="Efficiency", value=history.last("efficiency"), unit="%", digits=1),
        )
        panels = (
            self._lines(
                "Prices agreed in a round",
                "bread an apple",
                {"mean": "price", "lowest": "lowest", "highest": "highest"},
                Reference(f"equilibrium: {equilibrium:.2f}", equilibrium),
            ),
            self._network(),
            self._lines(
                "Efficiency (goods well used, of all)",
                "%",
                {"efficiency": "efficiency"},
                value_range=percent_range(history.column("efficiency")),
            ),
            self._lines("Volume", "trades a round", {"trades": "trades"}, value_range=(0.0, None), is_whole=True),
            self._lines("Spread of what an apple is worth to consumers", "std. dev. of the log", {"spread": "spread"}),
            Distribution(
                title="Lorenz curves of wealth at equilibrium prices",
                holdings=(Holdings("at first", self._first), Holdings("now", self._wealth())),
            ),
        )
        return Snapshot(period=self._round, readings=readings, panels=panels)

    def _wealth(self) -> FloatArray:
        wealth: FloatArray = self._economy.holdings @ self._worth
        return wealth

    def _network(self) -> Network:
        """Show consumers by what an apple is worth to them, and who traded; where all are linked only the latter."""
        traded = np.array([(min(pair), max(pair)) in self._traded for pair in self._links.tolist()])
        shown = np.full(traded.shape, fill_value=True) if self._shows_all_links else traded
        return Network(
            title="What an apple is worth to each; trades in red",
            places=self._places,
            edges=self._links[shown],
            values=_rates(self._economy),
            value_label="bread an apple",
            active=traded[shown].astype(np.float64),
        )

    def _lines(
        self, title: str, unit: str, columns: Mapping[str, str], *references: Reference, **axis: Any
    ) -> TimeSeries:
        return TimeSeries(
            title=title,
            unit=unit,
            periods=self._history.periods,
            lines=tuple(Line(label, self._history.column(column)) for label, column in columns.items()),
            references=references,
            period_name="round",
            **axis,
        )


def _rates(economy: BilateralEconomy) -> FloatArray:
    """Give the marginal rate of substitution of each consumer, bread per apple; NaN where it has none of a good."""
    utility = economy.economy.groups[0][0]
    with np.errstate(all="ignore"):
        marginal = utility.marginal_utilities(economy.holdings)
        rates: FloatArray = marginal[:, 0] / marginal[:, 1]
    return np.where(np.isfinite(rates), rates, np.nan)


def _places(graph: nx.Graph, kind: str) -> FloatArray:
    placed = nx.spring_layout(graph, seed=1) if kind in (_SMALL, _HUBS, _STAR) else nx.circular_layout(graph)
    places = np.array([placed[node] for node in range(len(graph))])
    # The longest side lies flat, as the panel does.
    centred = places - places.mean(axis=0)
    turned: FloatArray = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    return turned


EXCHANGE = LiveEconomy(
    name="exchange",
    title="Exchange on a network",
    about=(
        "Consumers own apples and bread, meet along the links of a network, and trade where both gain. Nobody calls "
        "prices; the theory's are shown to compare with."
    ),
    period_name="round",
    controls=(
        Choice(name="network", label="Who may meet", options=tuple(_NETWORKS), default=_SMALL),
        Choice(name="tastes", label="Tastes", options=tuple(_TASTES), default="Cobb-Douglas"),
        Number(name="agents", label="Consumers", unit="number", minimum=6, maximum=200, default=40, whole=True),
        Number(
            name="inequality",
            label="Inequality at first",
            unit="std. dev. of the log of endowments",
            minimum=0.0,
            maximum=2.0,
            default=0.5,
            step=0.1,
        ),
    ),
    create=_Village,
)
