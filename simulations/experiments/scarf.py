"""Scarf's cycle and its cures: an auctioneer who never finds the prices, and what helps him, or does without him.

Three goods; consumer i wants goods i and i + 1 in equal numbers. It owns the shares a of good i, b of good i + 1 and c
of good i + 2 (a + b + c = 1, goods counted round the circle), and can replace goods with the elasticity s. By symmetry
all prices are equal in equilibrium. There the derivative of excess demand is a circulant matrix; its eigenvalues are

    lambda = -3/4 (c + s) +- i sqrt(3)/4 (a - b)            (prices (1, 1, 1); without the one of the price level).

Scarf's economy is a = 1, s = 0: a circle of period `8 pi / sqrt(3)`, neither damped nor amplified; everywhere `sum p^2`
and the product of prices are conserved. What consumers own of goods that they do *not* want (c), and that they can
replace goods (s), damps it at the rate 3/4 (c + s). Steps of length h multiply a deviation by `1 + h lambda`, and steps
with foresight (extragradient) by `1 + h lambda + (h lambda)^2`: the first lead outwards, the second inwards.

Compared are, from the same start: the auctioneer in continuous time; in steps; with foresight (extragradient); with
other ownership; with other tastes; and no auctioneer, but bilateral trade, with three goods and with a fourth that all
want.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.random import Generator

from walras.agents.exchange import BilateralEconomy, WalrasianEconomy
from walras.market.errors import InvalidInputError
from walras.market.exchange import (
    CES,
    ConstantStep,
    ExchangeEconomy,
    Extragradient,
    Leontief,
    Newton,
    PowerUtility,
    Tatonnement,
    TatonnementFlow,
    Utility,
)
from walras.market.validation import FloatArray, fraction, positive_number, whole_number
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BARTER", "EXPERIMENT", "MONEY", "PROCESSES", "Config", "damping_rates", "orbit_period"]

WANTS = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
FLOW, STEPS, FORESIGHT = "continuous", "steps", "extragradient"
OWNERSHIP, TASTES = "ownership", "tastes"
PROCESSES = (FLOW, STEPS, FORESIGHT, OWNERSHIP, TASTES)
BARTER, MONEY = "three goods", "and a good all want"

_POINTS = 1201  # of a path in continuous time
_SMALL = 0.01  # start of the orbit whose period is that of the linear theory, as a distance of prices from (1, 1, 1)
_MEASURED = 50  # rounds of bilateral trade at which waste is measured


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """What is tried.

    Parameters
    ----------
    start_distance
        How far the first prices are from (1, 1, 1), in a direction drawn at random; in (0, 0.7].
    horizon
        Time that prices are followed (one unit of time is a price change of one per unit of excess demand), above 30.
    step, foresight_step
        Of the auctioneer in steps, and of the extragradient method, above 0.
    ownership
        c, the share of the good that it does not want which a consumer owns under `ownership`, in (0, 1).
    elasticity
        s of the consumers under `tastes` and in bilateral trade, above 0.
    consumers
        Of each of the three types in bilateral trade, 1 or more.
    spread
        Share of each of the other two goods that consumers own in bilateral trade, in (0, 1/3).
    rounds
        Of bilateral trade, 1 or more.
    """

    start_distance: float = 0.6
    horizon: float = 80.0
    step: float = 0.05
    foresight_step: float = 0.5
    ownership: float = 0.1
    elasticity: float = 0.5
    consumers: int = 20
    spread: float = 0.05
    rounds: int = 150

    def __post_init__(self) -> None:
        for name in ("start_distance", "horizon", "step", "foresight_step", "elasticity"):
            positive_number(f"Config.{name}", getattr(self, name))
        for name in ("consumers", "rounds"):
            whole_number(f"Config.{name}", getattr(self, name), minimum=1)
        for name in ("ownership", "spread"):
            fraction(f"Config.{name}", getattr(self, name))
        if self.start_distance > 0.7:
            raise InvalidInputError(
                f"Config.start_distance must be at most 0.7, or prices start near 0; got {self.start_distance}."
            )
        if self.horizon <= 30.0:
            raise InvalidInputError(f"Config.horizon must be above 30, two turns of the circle; got {self.horizon}.")
        if not 0.0 < self.ownership < 1.0:
            raise InvalidInputError(f"Config.ownership must lie inside (0, 1), got {self.ownership}.")
        if not 0.0 < self.spread < 1.0 / 3.0:
            raise InvalidInputError(f"Config.spread must lie inside (0, 1/3), got {self.spread}.")


def orbit_period() -> float:
    """Period of a small circle of prices around (1, 1, 1) in Scarf's economy: `8 pi / sqrt(3)`."""
    return 8.0 * math.pi / math.sqrt(3.0)


def damping_rates(config: Config) -> Mapping[str, float]:
    """Rate at which a small deviation of prices shrinks (per unit of time), by process; negative where it grows."""
    turn = 0.25j * math.sqrt(3.0)

    def per_step(step: float, factor: complex) -> float:
        return -math.log(abs(factor)) / step

    ahead = config.foresight_step * turn
    return {
        FLOW: 0.0,
        STEPS: per_step(config.step, 1.0 + config.step * turn),
        FORESIGHT: per_step(config.foresight_step, 1.0 + ahead + ahead**2),
        OWNERSHIP: 0.75 * config.ownership,
        TASTES: 0.75 * config.elasticity,
    }


def run(config: Config, rng: Generator) -> Tables:
    """Give the tables `paths`, `rates`, `equilibria` and `bilateral` of one start and one course of meetings."""
    direction = _direction(rng)
    start, near = _prices(config.start_distance * direction), _prices(_SMALL * direction)
    paths = _paths(config, start, config.horizon, _POINTS)
    small = _paths(config, near, 3.1 * orbit_period(), 3 * _POINTS)
    rates = [{"quantity": "period", "measured": _measured_period(*small[FLOW]), "theory": orbit_period()}] + [
        {"quantity": name, "measured": _measured_damping(*small[name], theory), "theory": theory}
        for name, theory in damping_rates(config).items()
    ]
    equilibrium = Newton().solve(_economy(Leontief(WANTS)), start).require()
    return {
        "paths": pd.concat([_path_rows(name, *paths[name]) for name in PROCESSES], ignore_index=True),
        "rates": pd.DataFrame(rates).astype({"measured": "float64", "theory": "float64"}),
        "equilibria": pd.DataFrame(
            {"good": np.arange(3), "price": equilibrium.prices, "newton_steps": equilibrium.iterations}
        ),
        "bilateral": _bilateral_rows(config, rng),
    }


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give the conserved quantities, the period, the rates, and what each cure reaches."""
    paths, rates, bilateral = tables["paths"], tables["rates"], tables["bilateral"]
    circle = paths[paths["process"] == FLOW].groupby("cell", sort=False)
    drift = {name: float((circle[name].max() / circle[name].min() - 1.0).max()) for name in ("squares", "product")}
    prices = tables["equilibria"]["price"].to_numpy()
    found = [
        Anchor("Scarf's equilibrium prices, furthest from 1/3", 1 / 3, _furthest(prices, 1 / 3), 1e-9, "Scarf 1960"),
        Anchor("largest drift of the sum of squared prices on the circle", 0.0, drift["squares"], 1e-8, "Scarf 1960"),
        Anchor("largest drift of the product of prices on the circle", 0.0, drift["product"], 1e-8, "Scarf 1960"),
    ]
    # Orbits start at a distance of 0.01: the linear theory holds to some 1e-4 of them, and rates are of order 0.1.
    for quantity, rows in rates.groupby("quantity", sort=False):
        theory = float(rows["theory"].iloc[0])
        worst = _furthest(rows["measured"].to_numpy(), theory)
        name = "period of small circles" if quantity == "period" else f"damping of small deviations, {quantity}"
        found.append(Anchor(name, theory, worst, 1e-2 if quantity == "period" else 2e-4, "closed form"))
    last = paths.groupby(["process", "cell"], sort=False)["distance"].agg(["first", "last"])
    grown = float((last["last"] / last["first"]).loc[STEPS].min())
    found += [
        Anchor(
            "distance after all steps over the first is above 1 (1: yes)", 1.0, float(grown > 1.0), 0.0, "Scarf 1960"
        ),
        *(
            Anchor(f"largest last distance, {name}", 0.0, float(last["last"].loc[name].max()), 1e-2, source)
            for name, source in ((FORESIGHT, "Korpelevich 1976"), (OWNERSHIP, "Hirota 1981"), (TASTES, "closed form"))
        ),
    ]
    at_the_end = bilateral[bilateral["round"] == bilateral["round"].max()].groupby("goods")["waste"]
    found.append(
        Anchor(
            "waste after bilateral trade, with a good all want",
            0.0,
            float(at_the_end.max()[MONEY]),
            5e-3,
            "Feldman 1973",
        )
    )
    return found


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.scarf import figures

    return figures(tables)


def _paths(config: Config, start: FloatArray, horizon: float, points: int) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Times, shape (t,), and prices, shape (t, 3), of each process from one start."""
    scarf = _economy(Leontief(WANTS))
    flow, times = TatonnementFlow(horizon, points=points), np.linspace(0.0, horizon, points)
    owning = _economy(Leontief(WANTS), unwanted=config.ownership)
    replacing = _economy(CES.with_elasticity(WANTS, config.elasticity))
    return {
        FLOW: (times, flow.solve(scarf, start).path),
        STEPS: _called(scarf, Tatonnement(ConstantStep(config.step)), start, config.step, horizon),
        FORESIGHT: _called(scarf, Extragradient(config.foresight_step), start, config.foresight_step, horizon),
        OWNERSHIP: (times, flow.solve(owning, start).path),
        TASTES: (times, flow.solve(replacing, start).path),
    }


def _direction(rng: Generator) -> FloatArray:
    """A unit vector orthogonal to (1, 1, 1), drawn at random."""
    angle = rng.uniform(0.0, 2.0 * math.pi)
    across = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]) / np.sqrt([[2.0], [6.0]])
    return np.asarray(np.array([math.cos(angle), math.sin(angle)]) @ across)


def _prices(deviation: FloatArray) -> FloatArray:
    """Prices near (1, 1, 1), their squares adding up to 3, so that time has one unit in all economies."""
    prices = 1.0 + deviation
    return np.asarray(prices * math.sqrt(3.0 / float(prices @ prices)))


def _economy(utility: Utility, *, unwanted: float = 0.0) -> ExchangeEconomy:
    return ExchangeEconomy(utility, (1.0 - unwanted) * np.eye(3) + unwanted * np.roll(np.eye(3), 2, axis=1))


def _called(
    economy: ExchangeEconomy, rules: Tatonnement | Extragradient, start: FloatArray, step: float, horizon: float
) -> tuple[FloatArray, FloatArray]:
    """Times and prices that an auctioneer calls; where markets clear, or he breaks down, the path ends."""
    rounds = max(int(horizon / step), 1) + 1
    market = WalrasianEconomy(economy, rules, rng=0, start_prices=start, most_records=rounds)
    market.run(rounds)
    prices: FloatArray = market.calls["price"].to_numpy().reshape(-1, 3)  # (rounds * goods,) -> (rounds, goods)
    times: FloatArray = step * np.arange(len(prices), dtype=np.float64)
    return times, prices


def _path_rows(process: str, times: FloatArray, prices: FloatArray) -> pd.DataFrame:
    shares = prices / prices.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "process": process,
            "time": times,
            "p1": shares[:, 0],
            "p2": shares[:, 1],
            "p3": shares[:, 2],
            "distance": np.linalg.norm(shares - 1.0 / 3.0, axis=1),
            "squares": (prices**2).sum(axis=1),
            "product": prices.prod(axis=1),
        }
    )


def _measured_period(times: FloatArray, path: FloatArray) -> float:
    """Mean time between rises of p1 above p2."""
    difference = path[:, 0] - path[:, 1]
    rises = np.flatnonzero((difference[:-1] < 0.0) & (difference[1:] >= 0.0))
    share = -difference[rises] / (difference[rises + 1] - difference[rises])
    return float(np.diff(times[rises] + share * (times[1] - times[0])).mean())


def _measured_damping(times: FloatArray, path: FloatArray, theory: float) -> float:
    """Slope of the logarithm of the distance, until theory says it has fallen to a thousandth."""
    distances = np.linalg.norm(path / path.sum(axis=1, keepdims=True) - 1.0 / 3.0, axis=1)
    watched = times <= (math.log(1000.0) / theory if theory > 0.0 else times[-1])
    return float(-np.polyfit(times[watched], np.log(distances[watched]), 1)[0])


def _bilateral_rows(config: Config, rng: Generator) -> pd.DataFrame:
    shift = np.eye(3)
    owned = (1.0 - 3.0 * config.spread) * shift + config.spread
    money = np.ones((3, 1))
    populations = {BARTER: (WANTS, owned), MONEY: (np.hstack([WANTS, money]), np.hstack([owned, money]))}
    return pd.concat(
        [
            _bilateral_course(config, goods, wants, endowments, rng)
            for goods, (wants, endowments) in populations.items()
        ],
        ignore_index=True,
    )


def _bilateral_course(
    config: Config, goods: str, wants: FloatArray, endowments: FloatArray, rng: Generator
) -> pd.DataFrame:
    every_type = (config.consumers, 1)
    # The tastes of CES consumers; this form of them is quicker to compute.
    utility = PowerUtility(np.tile(wants, every_type), 1.0 - 1.0 / config.elasticity)
    economy = BilateralEconomy(ExchangeEconomy(utility, np.tile(endowments, every_type)), rng=rng)
    measured = np.unique(np.rint(np.geomspace(1, config.rounds, _MEASURED)).astype(int))
    rows: list[dict[str, Any]] = [{"round": 0, "waste": economy.waste(), "mrs_dispersion": np.nan, "trades": 0}]
    for more in np.diff(measured, prepend=0).tolist():
        played = economy.run(more)
        rows.append(
            {
                "round": int(played["round"].iloc[-1]),
                "waste": economy.waste(),
                "mrs_dispersion": float(played["mrs_dispersion"].iloc[-1]),
                "trades": int(played["trades"].sum()),
            }
        )
    return pd.DataFrame(rows).assign(goods=goods)[["goods", "round", "waste", "mrs_dispersion", "trades"]]


def _furthest(obtained: FloatArray, expected: float) -> float:
    return float(obtained[np.abs(obtained - expected).argmax()])


EXPERIMENT = Experiment(
    name="scarf",
    title="Scarf's cycle and its cures",
    question=(
        "Why does an auctioneer who raises the prices of what is scarce never find the equilibrium of Scarf's economy, "
        "and what would help: foresight, other ownership, other tastes, or trade without him?"
    ),
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
