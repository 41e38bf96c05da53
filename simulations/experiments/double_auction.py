"""Price discovery: how little traders must know for a double auction to find the price and nearly all the surplus.

Traders have induced values and costs, as in Smith's experiments, and meet day after day in a continuous double auction,
`walras.agents.trading.ColumnarLaboratory`, or `DoubleAuctionLaboratory` for *gd*. They quote

- at random, losses allowed (*zi-u*),
- at random, at no loss (*zi-c*): what the rules of the market alone can do,
- by a profit margin that each learns from every quote it hears (*zip*),
- by what each believes of the chance that a price is accepted, from the quotes of the last trades (*gd*).

Two markets are known to theory: Smith's first (11 buyers and 11 sellers, equilibrium at 2.00 with 6 units), and one
with steeper supply than demand (10 and 10, equilibrium within 70 ... 72 with 7 units). Measured are *efficiency*, the
surplus as a fraction of that in equilibrium, and Smith's *alpha*, the root mean squared distance of prices from the
equilibrium price as a fraction of it. People reached 90 to 100 % in five markets of this kind.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import pandas as pd
from numpy.random import Generator

from walras.agents.trading import (
    ColumnarLaboratory,
    DoubleAuctionLaboratory,
    GjerstadDickhaut,
    InducedMarket,
    ZeroIntelligencePlus,
    ZeroIntelligenceQuotes,
)
from walras.market.errors import InvalidInputError
from walras.market.validation import whole_number
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "EXPERIMENT",
    "GD",
    "HUMAN_EFFICIENCIES",
    "MARKETS",
    "POLICIES",
    "ZIP",
    "ZI_C",
    "ZI_U",
    "Config",
    "LaboratoryMarket",
    "induced_market",
]

ZI_U, ZI_C, ZIP, GD = "zi-u", "zi-c", "zip", "gd"
POLICIES = (ZI_U, ZI_C, ZIP, GD)
HUMAN_EFFICIENCIES = (0.997, 0.991, 1.0, 0.991, 0.902)
"""Of people, in the five markets of Gode and Sunder 1993, table 2: to look at, there is nothing to reproduce."""

_SHIFT = 0.025  # of ZIP's targets beyond the price heard: 0.05 at prices about 2.00, as in Cliff and Bruten 1997
_SHOWN_DAYS = 5


@final
@dataclass(frozen=True, kw_only=True)
class LaboratoryMarket:
    """A market whose equilibrium is known.

    Attributes
    ----------
    values, costs
        Of buyers and of sellers (money).
    highest_quote
        The highest price that may be quoted (money).
    ticks
        In the unit of money: so many that quotes are nearly continuous.
    price_interval, quantity, surplus
        The competitive equilibrium: lowest and highest price (money), units, gains (money).
    zi_c_efficiency, standard_error
        Mean efficiency of ZI-C over 3,000 days, recomputed from the published rule, and its error.
    source
        Where values and costs stand.
    """

    values: tuple[float, ...]
    costs: tuple[float, ...]
    highest_quote: float
    ticks: int
    price_interval: tuple[float, float]
    quantity: int
    surplus: float
    zi_c_efficiency: float
    standard_error: float
    source: str


MARKETS: Mapping[str, LaboratoryMarket] = {
    "smith-1962": LaboratoryMarket(
        values=tuple(3.25 - 0.25 * place for place in range(11)),
        costs=tuple(0.75 + 0.25 * place for place in range(11)),
        highest_quote=4.0,
        ticks=1000,
        price_interval=(2.0, 2.0),
        quantity=6,
        surplus=7.5,
        zi_c_efficiency=0.9654,
        standard_error=0.0008,
        source="Smith 1962",
    ),
    "zi-market": LaboratoryMarket(
        values=tuple(105.0 - 5.0 * place for place in range(10)),
        costs=tuple(30.0 + 6.0 * place for place in range(10)),
        highest_quote=125.0,
        ticks=100,
        price_interval=(70.0, 72.0),
        quantity=7,
        surplus=294.0,
        zi_c_efficiency=0.9703,
        standard_error=0.0005,
        source="closed form",
    ),
}


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """The market and its traders.

    Parameters
    ----------
    market
        One of `MARKETS`.
    policy
        How traders quote: one of `POLICIES`.
    days
        That a session lasts, 2 or more.
    sessions
        Number of sessions, 1 or more, each with traders who know nothing yet; of *gd* a tenth as many, since these
        think for long.
    """

    market: str = "smith-1962"
    policy: str = ZI_C
    days: int = 10
    sessions: int = 50

    def __post_init__(self) -> None:
        for name, known in (("market", tuple(MARKETS)), ("policy", POLICIES)):
            if getattr(self, name) not in known:
                raise InvalidInputError(f"Config.{name} must be one of {list(known)}, got {getattr(self, name)!r}.")
        whole_number("Config.days", self.days, minimum=2)
        whole_number("Config.sessions", self.sessions, minimum=1)


def induced_market(name: str) -> InducedMarket:
    """Give a market of `MARKETS` in ticks, as laboratories take it."""
    market = MARKETS[name]
    values, costs = ([round(market.ticks * worth) for worth in worths] for worths in (market.values, market.costs))
    return InducedMarket(values=values, costs=costs, ceiling=round(market.ticks * market.highest_quote))


def run(config: Config, rng: Generator) -> Tables:
    """Give `days` (a row per session and day), `trades` of the first session, and the `equilibrium`."""
    market, ticks = induced_market(config.market), MARKETS[config.market].ticks
    equilibrium = market.equilibrium()
    days, trades = [], pd.DataFrame()
    sessions = config.sessions if config.policy != GD else max(config.sessions // 10, 1)
    for session, generator in enumerate(rng.spawn(sessions)):
        laboratory = _laboratory(market, config.policy, equilibrium.price, generator)
        rows = laboratory.run(config.days)
        days.append(
            pd.DataFrame(
                {
                    "session": session,
                    "day": rows["day"],
                    "efficiency": rows["efficiency"],
                    "alpha": rows["smith_alpha"],
                    "trades": rows["trades"],
                    "mean_price": rows["mean_price_cents"] / ticks,
                }
            )
        )
        if session == 0:
            played = laboratory.trades
            shown = played["day"] <= _SHOWN_DAYS
            trades = pd.DataFrame(
                {"day": played.loc[shown, "day"], "price": played.loc[shown, "price_cents"] / ticks}
            ).reset_index(drop=True)
    known = {
        "lowest_price": equilibrium.lowest_price / ticks,
        "highest_price": equilibrium.highest_price / ticks,
        "quantity": equilibrium.quantity,
        "surplus": equilibrium.surplus / ticks,
    }
    return {
        "days": pd.concat(days, ignore_index=True),
        "trades": trades,
        "equilibrium": pd.DataFrame([known]),
    }


def _laboratory(
    market: InducedMarket, policy: str, price: float, rng: Generator
) -> ColumnarLaboratory | DoubleAuctionLaboratory:
    match policy:
        case "gd":
            return DoubleAuctionLaboratory(market, GjerstadDickhaut(), rng=rng)
        case "zip":
            return ColumnarLaboratory(market, ZeroIntelligencePlus(absolute_shift=_SHIFT * price), rng=rng)
        case _:
            return ColumnarLaboratory(market, ZeroIntelligenceQuotes(constrained=policy == ZI_C), rng=rng)


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give the equilibria, the published efficiency of ZI-C, that it learns nothing, and that ZIP does."""
    days = tables["days"].merge(tables["cells"][["cell", "market", "policy"]], on="cell")
    equilibria = tables["equilibrium"].merge(tables["cells"][["cell", "market"]], on="cell")
    found: list[Anchor] = []
    for name, rows in equilibria.groupby("market", sort=False):
        known, row = MARKETS[str(name)], rows.iloc[0]
        for statement, expected, obtained in (
            ("lowest equilibrium price", known.price_interval[0], row["lowest_price"]),
            ("highest equilibrium price", known.price_interval[1], row["highest_price"]),
            ("equilibrium quantity", known.quantity, row["quantity"]),
            ("largest surplus", known.surplus, row["surplus"]),
        ):
            found.append(Anchor(f"{statement}, {name}", float(expected), float(obtained), 1e-9, known.source))
    for (market, policy), rows in days.groupby(["market", "policy"], sort=False):
        if policy == ZI_C:
            found += _anchors_of_chance(str(market), rows)
        elif policy in (ZIP, GD):
            found += _anchors_of_learning(str(market), str(policy), rows)
    return found


def _anchors_of_chance(name: str, rows: pd.DataFrame) -> list[Anchor]:
    """Days of traders without memory are independent and alike, so all of them count."""
    known = MARKETS[name]
    error = float(rows["efficiency"].std(ddof=1)) / math.sqrt(len(rows))
    early = rows["day"] <= rows["day"].max() // 2
    alphas = rows.loc[early, "alpha"].dropna(), rows.loc[~early, "alpha"].dropna()
    drift = float(alphas[1].mean() - alphas[0].mean())
    spread = math.sqrt(sum(float(part.var(ddof=1)) / len(part) for part in alphas))
    return [
        Anchor(
            f"mean efficiency of ZI-C, {name}",
            known.zi_c_efficiency,
            float(rows["efficiency"].mean()),
            4.0 * math.hypot(error, known.standard_error),
            "Gode and Sunder 1993",
        ),
        Anchor(f"alpha of ZI-C, later days less earlier, {name}", 0.0, drift, 4.0 * spread, "closed form"),
    ]


def _anchors_of_learning(name: str, policy: str, rows: pd.DataFrame) -> list[Anchor]:
    """From the middle of the session on, who learns trades as well as people; the prices of ZIP come ever nearer."""
    last = int(rows["day"].max())
    late = float(rows.loc[rows["day"] > last // 2, "efficiency"].mean())
    found = [
        Anchor(
            f"efficiency of {policy.upper()} in later days, people's 97 to 100 %, {name}",
            0.985,
            late,
            0.015 + 1e-9,  # all of the surplus is within
            "Gode and Sunder 1993",
        )
    ]
    if policy == ZIP:
        alpha = rows.groupby("day")["alpha"].mean()
        settled = float(alpha.loc[last] < 0.3 * alpha.loc[1])
        statement = f"last alpha of ZIP below 0.3 of the first (1: yes), {name}"
        found.append(Anchor(statement, 1.0, settled, 0.0, "Cliff and Bruten 1997"))
    return found


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.double_auction import figures

    return figures(tables)


EXPERIMENT: Experiment[Config] = Experiment(
    name="double-auction",
    title="Price discovery in the double auction",
    question=(
        "How much must traders know for a double auction to find the equilibrium price and all gains from trade: "
        "nothing at all, not to lose money, or what a simple rule learns from quotes?"
    ),
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
