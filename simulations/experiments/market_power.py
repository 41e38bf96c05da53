"""Market power and concentration: what firms that learn do to price, margin and welfare, alone and together.

**Firms that reply to what they expect** (`walras.agents.learning.FirmEconomy`). They choose quantities, expect of their
rivals what they saw of late, and settle where Cournot said. There, with H the Herfindahl index, E the elasticity of
demand (in size), and L the mean margin over the price, weighted by revenue,

    L = H / E:          n firms of equal costs leave a deadweight loss of 1 / (n + 1)^2 of the most welfare.

Firms that choose prices of the same good undercut one another until the second lowest cost; a cartel acts as one.

**Mergers.** Of n equal firms k merge; the industry then has n - k + 1. Prices rise, and yet insiders lose,

    1 / (n - k + 2)^2 < k / (n + 1)^2,

unless most of the industry takes part, since those outside make more.

**Algorithms.** Two Q-learners set prices of goods that are not quite the same. Their *profit gain* is 0 at the
equilibrium of one period and 1 for a cartel. If they care for the future they learn to punish: one is made to cut its
price once, and the other cuts too, until both come back.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.random import Generator

from walras.agents.learning import (
    AdaptiveForecast,
    BertrandMarket,
    CournotMarket,
    FirmEconomy,
    FirmMarket,
    GridGame,
    LogitMarket,
    NaiveForecast,
    PricingSession,
    QLearning,
    ReplyToForecast,
    learn_to_price,
    market_power,
    price_grid,
    values_against_random,
)
from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium import LinearCurve
from walras.market.validation import FloatArray, fraction, positive_number, whole_number
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CARTEL", "CONDUCTS", "COURNOT", "EXPERIMENT", "PRICES", "Config", "config_of", "merger_gain"]

COURNOT, PRICES, CARTEL = "quantities", "prices", "cartel"
CONDUCTS = (COURNOT, PRICES, CARTEL)

_DEMAND = LinearCurve(100.0, -1.0)
_COST = 20.0  # of firms that are alike
_TICK = 0.5  # by which firms undercut (money)
_GRID_POINTS = 15  # prices of an algorithm, as Calvano et al. 2020 have it; so are the numbers below
_LEARNING_RATE, _DECAY = 0.15, 4e-6
_SHOWN = 12  # periods after a price cut


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """The firms.

    Parameters
    ----------
    most_firms
        Equal firms are tried in numbers from 1 to this, from 3 to 12.
    unequal_firms
        Numbers of firms whose costs differ, each from 2 to 12.
    cost_spread
        Their unit costs are drawn evenly between 0 and this (money; demand begins at 100), above 0 and at most 50.
    markets
        Draws of costs for each of these numbers, 1 or more.
    periods
        That firms have to learn, 150 or more: so long they take to undercut one another down to costs.
    discounts
        Weights of the future of pricing algorithms, each in [0, 1).
    sessions
        Of two algorithms for each discount, 0 or more. Each takes some two million periods: a second with
        `walras[fast]`, and minutes without.
    patience
        Periods without a change of mind after which a session ends, 1 or more.
    """

    most_firms: int = 10
    unequal_firms: tuple[int, ...] = (2, 3, 4, 6, 8)
    cost_spread: float = 40.0
    markets: int = 3
    periods: int = 250
    discounts: tuple[float, ...] = (0.0, 0.5, 0.8, 0.95)
    sessions: int = 2
    patience: int = 100_000

    def __post_init__(self) -> None:
        for name in ("unequal_firms", "discounts"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values:
                raise InvalidInputError(f"Config.{name} must be a tuple of one or more numbers, got {values!r}.")
        for number in (self.most_firms, *self.unequal_firms):
            if whole_number("Config.most_firms and unequal_firms", number) > 12:
                raise InvalidInputError(f"Config: at most 12 firms, or replies do not settle; got {number}.")
        whole_number("Config.most_firms", self.most_firms, minimum=3)
        for number in self.unequal_firms:
            whole_number("Config.unequal_firms", number, minimum=2)
        if positive_number("Config.cost_spread", self.cost_spread) > 50.0:
            raise InvalidInputError(f"Config.cost_spread must be at most 50, got {self.cost_spread}.")
        for discount in self.discounts:
            if fraction("Config.discounts", discount) == 1.0:
                raise InvalidInputError("Config.discounts must be below 1, got 1.0: values would grow without bound.")
        for name, least in (("markets", 1), ("periods", 150), ("sessions", 0), ("patience", 1)):
            whole_number(f"Config.{name}", getattr(self, name), minimum=least)


def merger_gain(firms: int, insiders: int) -> float:
    """Give what a merger of equal Cournot firms does to the profit of its insiders (fraction of it before)."""
    before, after = insiders / (firms + 1.0) ** 2, 1.0 / (firms - insiders + 2.0) ** 2
    return after / before - 1.0


def run(config: Config, rng: Generator) -> Tables:
    """Give `equal` and `unequal` (rows per market of firms), `sessions` of algorithms, and `responses` to a cut."""
    costs, pricing = rng.spawn(2)
    sessions, responses = _algorithms(config, pricing)
    return {
        "equal": pd.DataFrame([_equal_row(config, firms) for firms in range(1, config.most_firms + 1)]),
        "unequal": pd.DataFrame(
            [
                row
                for firms in config.unequal_firms
                for _ in range(config.markets)
                for row in _unequal_rows(config, config.cost_spread * costs.random(firms))
            ]
        ),
        "sessions": sessions,
        "responses": responses,
    }


# ---------------------------------------------------------------- firms that reply to what they expect


def _learned(market: FirmMarket, config: Config, *, prices: bool = False) -> tuple[FloatArray, int]:
    """Give what firms do when they have learned, and how many cents were made or lost on the way."""
    # Firms that expected too little of what they saw would never undercut; those that choose quantities overshoot
    # unless they move slowly, the more so the more they are.
    forecast = NaiveForecast() if prices else AdaptiveForecast(2.0 / (market.firms + 3.0))
    first = _DEMAND.intercept if prices else 0.0
    economy = FirmEconomy(market, ReplyToForecast(forecast=forecast), rng=0, first=first, record_every=config.periods)
    before = economy.ledger.total
    economy.run(config.periods)
    return economy.rows["action"].to_numpy(dtype=np.float64)[-market.firms :], economy.ledger.total - before


def _equal_row(config: Config, firms: int) -> dict[str, Any]:
    market = CournotMarket(_DEMAND, np.full(firms, _COST))
    actions, money_gap = _learned(market, config)
    power = market_power(market, actions)
    return {
        "firms": firms,
        "price": power.price,
        "price_theory": (_DEMAND.intercept + firms * _COST) / (firms + 1.0),
        "deadweight_loss": power.deadweight_loss / market.first_best_welfare,
        "deadweight_loss_theory": 1.0 / (firms + 1.0) ** 2,
        "profit_of_each": power.profit / firms,
        "money_gap": money_gap,
    }


def _unequal_rows(config: Config, costs: FloatArray) -> list[dict[str, Any]]:
    """Measure the same firms under each conduct."""
    cournot, bertrand = CournotMarket(_DEMAND, costs), BertrandMarket(_DEMAND, costs, tick=_TICK)
    quantities, gap = _learned(cournot, config)
    asked, other_gap = _learned(bertrand, config, prices=True)
    rows = []
    for conduct, market, actions, theory, money_gap in (
        (COURNOT, cournot, quantities, market_power(cournot, cournot.equilibrium()).price, gap),
        (PRICES, bertrand, asked, market_power(bertrand, bertrand.equilibrium()).price, other_gap),
        (CARTEL, cournot, cournot.collusion(), 0.5 * (_DEMAND.intercept + float(costs.min())), 0),
    ):
        power = market_power(market, actions)
        rows.append(
            {
                "firms": costs.size,
                "conduct": conduct,
                "price": power.price,
                "price_theory": theory,
                "herfindahl": power.herfindahl,
                "elasticity": power.price / (_DEMAND.intercept - power.price),
                "lerner": power.lerner,
                "deadweight_loss": power.deadweight_loss / market.first_best_welfare,
                "money_gap": money_gap,
            }
        )
    return rows


# ---------------------------------------------------------------- algorithms


def _algorithms(config: Config, rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let pairs of algorithms learn; give their profit gains, and what they do after one cuts its price."""
    market = LogitMarket([1.0, 1.0])
    nash, cartel = float(market.equilibrium()[0]), float(market.collusion()[0])
    game = GridGame(market, [price_grid(nash, cartel, points=_GRID_POINTS)])
    sessions: list[dict[str, Any]] = []
    responses: list[dict[str, Any]] = []
    for discount in config.discounts if config.sessions else ():
        policies = [
            QLearning(learning_rate=_LEARNING_RATE, discount=discount, decay=_DECAY, memory=True, initial_values=values)
            for values in values_against_random(game, discount)
        ]
        played = learn_to_price(game, policies, rng=rng, sessions=config.sessions, patience=config.patience)
        for number, session in enumerate(played):
            key = {"discount": discount, "session": number}
            sessions.append({**key, "profit_gain": session.profit_gain, "converged": session.converged})
            path = (_after_a_cut(session) - nash) / (cartel - nash)
            responses += [
                {**key, "period": period, "deviator": float(prices[0]), "rival": float(prices[1])}
                for period, prices in enumerate(path)
            ]
    types = {"discount": "float64", "session": "int64"}
    return (
        pd.DataFrame(sessions, columns=[*types, "profit_gain", "converged"]).astype(
            {**types, "profit_gain": "float64", "converged": "bool"}
        ),
        pd.DataFrame(responses, columns=[*types, "period", "deviator", "rival"]).astype(
            {**types, "period": "int64", "deviator": "float64", "rival": "float64"}
        ),
    )


def _after_a_cut(session: PricingSession) -> FloatArray:
    """Prices, shape (periods, 2): the last before firm 0 replies best for one period, the cut, and what follows."""
    before = session.prices[-1:]
    wanted = float(session.game.market.reply(0, session.prices[0]))
    cut = int(np.abs(np.asarray(session.game.grids[0]) - wanted).argmin())
    return np.concatenate([before, session.response(0, cut, _SHOWN)])


# ---------------------------------------------------------------- anchors


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give Cournot's numbers, the margin that concentration implies, the merger paradox, and the algorithms' gain."""
    equal, unequal, sessions = tables["equal"], tables["unequal"], tables["sessions"]
    cournot, prices = (unequal[unequal["conduct"] == conduct] for conduct in (COURNOT, PRICES))
    implied = cournot["herfindahl"] / cournot["elasticity"]
    found = [
        _gap("price of equal firms, furthest from (a + n c) / (n + 1)", equal, "price", 1e-6, "Cournot 1838"),
        _gap("their deadweight loss, furthest from 1 / (n + 1)^2", equal, "deadweight_loss", 1e-6, "closed form"),
        _gap("price of unequal firms, furthest from Cournot's", cournot, "price", 1e-6, "Cournot 1838"),
        Anchor(
            "Lerner index, furthest from the Herfindahl index over the elasticity",
            0.0,
            float((cournot["lerner"] - implied).abs().max()),
            1e-6,
            "closed form",
        ),
        _gap("price of undercutting, furthest from the second lowest cost", prices, "price", _TICK, "Bertrand 1883"),
    ]
    first = equal[equal["cell"] == equal["cell"].iloc[0]].set_index("firms")["profit_of_each"]
    most = int(first.index.max())
    found.append(
        Anchor(
            f"insiders of the smallest merger of {most} equal firms that pays",
            float(_smallest(lambda insiders: merger_gain(most, insiders), most)),
            float(_smallest(lambda insiders: float(first[most - insiders + 1] / (insiders * first[most])) - 1.0, most)),
            0.0,
            "Salant, Switzer and Reynolds 1983",
        )
    )
    patient = sessions[np.isclose(sessions["discount"], 0.95)]["profit_gain"]
    if len(patient) > 1:
        # Published are averages of 0.70 to 0.90 over rates of learning and exploration.
        error = float(patient.std(ddof=1)) / math.sqrt(len(patient))
        found.append(
            Anchor(
                "profit gain of algorithms, discount 0.95, published as 0.7 to 0.9",
                0.8,
                float(patient.mean()),
                0.1 + 2.0 * error,
                "Calvano et al. 2020",
            )
        )
    gaps = int(equal["money_gap"].abs().max()), int(unequal["money_gap"].abs().max())
    return [*found, Anchor("cents made or lost in any market of firms", 0.0, float(max(gaps)), 0.0, "closed form")]


def _gap(statement: str, rows: pd.DataFrame, column: str, tolerance: float, source: str) -> Anchor:
    gap = float((rows[column] - rows[f"{column}_theory"]).abs().max())
    return Anchor(statement, 0.0, gap, tolerance, source)


def _smallest(gain: Callable[[int], float], firms: int) -> int:
    """Number of insiders of the smallest merger that pays, beyond all if none does; profits are known to 10^-9."""
    return next((insiders for insiders in range(2, firms + 1) if gain(insiders) > 1e-9), firms + 1)


def config_of(row: "pd.Series[Any]") -> Config:
    """Give the configuration that a row of cells holds."""
    values = {name: row[name] for name in Config.__dataclass_fields__}
    for name, kind in (("unequal_firms", int), ("discounts", float)):
        values[name] = tuple(kind(value) for value in values[name])
    return Config(**{name: value.item() if hasattr(value, "item") else value for name, value in values.items()})


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.market_power import figures

    return figures(tables)


EXPERIMENT: Experiment[Config] = Experiment(
    name="market-power",
    title="Market power and concentration",
    question=(
        "What do few firms do to price, margin and welfare, when does a merger pay, and do pricing algorithms that "
        "know nothing of the market come to act as a cartel?"
    ),
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
