"""Published results about exchange among agents."""

import math
from collections.abc import Sequence

import numpy as np

from walras.agents.exchange import BilateralEconomy, CallStatus, WalrasianEconomy
from walras.market.exchange import (
    CES,
    CobbDouglas,
    ConstantStep,
    ExchangeEconomy,
    Extragradient,
    Leontief,
    PowerUtility,
    Tatonnement,
    tatonnement_eigenvalues,
)
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_WANTS = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
_SCARF = ExchangeEconomy(Leontief(_WANTS), np.eye(3))
_START = [1.2, 1.0, 0.7]


def _distances(market: WalrasianEconomy) -> Sequence[float]:
    return [float(distance) for distance in market.calls.drop_duplicates("round")["distance"]]


def _called_prices() -> Sequence[Comparison]:
    steps = WalrasianEconomy(_SCARF, Tatonnement(ConstantStep(0.05)), rng=0, start_prices=_START)
    steps.run(6001)
    foresight = WalrasianEconomy(_SCARF, Extragradient(0.5), rng=0, start_prices=_START)
    cleared = foresight.run(2000) is CallStatus.CLEARED
    far = [place for place, distance in enumerate(_distances(foresight)) if distance >= 1e-8]
    outwards = _distances(steps)
    return [
        Comparison("distance after one step of 0.05", 0.1226, outwards[1], 5e-5),
        Comparison("steps move beyond a distance of 0.578 (1: yes)", 1.0, float(max(outwards) > 0.578), 0.0),
        Comparison("units traded meanwhile", 0.0, float(3e6 - np.trace(steps.warehouse.units)), 0.0),
        Comparison("with foresight: last step further than 1e-8, h = 0.5", 668.0, float(far[-1]), 0.0),
        Comparison("with foresight: markets clear (1: yes)", 1.0, float(cleared), 0.0),
        Comparison("with foresight: furthest from half a unit of each good", 0.0, _furthest_from_half(foresight), 0.0),
    ]


def _furthest_from_half(market: WalrasianEconomy) -> float:
    return float(np.abs(market.warehouse.units - 500_000 * _WANTS).max())


def _stability() -> Sequence[Comparison]:
    rows = []
    for unwanted, elasticity in ((0.0, 0.0), (0.1, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 0.25), (0.2, 0.5)):
        tastes = Leontief(_WANTS) if elasticity == 0.0 else CES.with_elasticity(_WANTS, elasticity)
        endowments = (1.0 - unwanted) * np.eye(3) + unwanted * np.roll(np.eye(3), 2, axis=1)
        found = tatonnement_eigenvalues(ExchangeEconomy(tastes, endowments), [1.0, 1.0, 1.0])
        name = f"c = {unwanted}, s = {elasticity}"
        rows.append(Comparison(f"real part, {name}", -0.75 * (unwanted + elasticity), float(found.real.max()), 1e-9))
        turning = 0.25 * math.sqrt(3.0) * (1.0 - unwanted)
        rows.append(Comparison(f"imaginary part, {name}", turning, float(found.imag.max()), 1e-9))
    return rows


def _box() -> Sequence[Comparison]:
    economy = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), [[1.0, 2.0], [2.0, 1.0]])
    called = WalrasianEconomy(economy, Tatonnement(ConstantStep(0.05)), rng=0)
    called.run(1000)
    pair = BilateralEconomy(economy, rng=0)
    last = pair.run(50).iloc[-1]
    # Contract curve of two with the same homothetic tastes: both hold the goods in the proportion of the supplies.
    proportions = pair.holdings[:, 0] / pair.holdings[:, 1]
    return [
        Comparison("called: first consumer's units of good 1", 1_750_000.0, float(called.warehouse.balance(0, 0)), 0.0),
        Comparison("bilateral: proportion in which the first holds goods", 1.0, float(proportions[0]), 1e-5),
        Comparison("bilateral: proportion in which the second holds goods", 1.0, float(proportions[1]), 1e-5),
        Comparison("bilateral: dispersion of rates of substitution", 0.0, float(last["mrs_dispersion"]), 1e-5),
        Comparison("bilateral: first consumer at least as well off (1: yes)", 1.0, float(_all_gain(pair)), 0.0),
    ]


def _all_gain(economy: BilateralEconomy) -> bool:
    rows = economy.consumer_rows
    return bool((rows["utility"] >= rows["endowment_utility"]).all())


def _many_goods() -> Sequence[Comparison]:
    rng = np.random.default_rng(4)
    tastes = PowerUtility(rng.uniform(0.2, 1.0, (50, 3)), 0.0)
    economy = BilateralEconomy(ExchangeEconomy(tastes, rng.uniform(0.1, 2.0, (50, 3))), rng=0)
    before = economy.warehouse.totals
    rounds = economy.run(200)
    return [
        Comparison("waste in the end", 0.0, economy.waste(), 1e-3),
        Comparison(
            "dispersion of rates of substitution in the end", 0.0, float(rounds["mrs_dispersion"].iloc[-1]), 2e-3
        ),
        Comparison("units made or lost", 0.0, float(np.abs(economy.warehouse.totals - before).max()), 0.0),
        Comparison("reaches the Walrasian allocation (1: yes)", 0.0, float(rounds["distance"].iloc[-1] < 1e-2), 0.0),
    ]


def _pairs() -> Sequence[Comparison]:
    every = (10, 1)
    deadlock = BilateralEconomy(ExchangeEconomy(Leontief(np.tile(_WANTS, every)), np.tile(np.eye(3), every)), rng=0)
    trades = int(deadlock.run(50)["trades"].sum())
    owned = 0.85 * np.eye(3) + 0.05
    wastes = []
    for wants, endowments in ((_WANTS, owned), (np.c_[_WANTS, np.ones(3)], np.c_[owned, np.ones(3)])):
        tastes = PowerUtility(np.tile(wants, every), -1.0)
        economy = BilateralEconomy(ExchangeEconomy(tastes, np.tile(endowments, every)), rng=0)
        economy.run(150)
        wastes.append(economy.waste())
    return [
        Comparison("trades at Scarf's endowments", 0.0, float(trades), 0.0),
        Comparison("three goods: most is wasted (1: yes)", 1.0, float(wastes[0] > 0.5), 0.0),
        Comparison("waste with a fourth good that all own and want", 0.0, wastes[1], 2e-3),
    ]


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "scarf-agents",
        "consumers answer an auctioneer in Scarf's economy from (1.2, 1, 0.7): in steps he moves away and nobody "
        "trades; with foresight markets clear, and each gets half a unit of the two goods that it wants",
        "Scarf 1960; recomputed",
        _called_prices,
    ),
    PublishedResult(
        "scarf-cures",
        "each owns the share c of the good that it does not want and replaces goods with the elasticity s: eigenvalues "
        "at (1, 1, 1) are -3/4 (c + s) +- i sqrt(3)/4 (1 - c) with the rest of the own good",
        "Hirota 1981 for c; closed form",
        _stability,
    ),
    PublishedResult(
        "bilateral-box",
        "u = x1 x2^3 for both, endowments (1, 2) and (2, 1): the auctioneer reaches the equilibrium, the pair alone a "
        "point of the contract curve",
        "Mas-Colell, Whinston and Green 1995; closed form",
        _box,
    ),
    PublishedResult(
        "bilateral-efficiency",
        "fifty consumers who all want three goods trade two by two: efficient in the end, but not at the Walrasian "
        "allocation",
        "Epstein and Axtell 1996; Feldman 1973",
        _many_goods,
    ),
    PublishedResult(
        "pairwise-optimality",
        "Scarf's wants: pairs trade nothing at his endowments, stop short of efficiency at others, and reach it with a "
        "good that all own and want",
        "Feldman 1973",
        _pairs,
    ),
)
