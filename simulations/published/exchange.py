"""Exchange economies: the Edgeworth box, Kehoe's three equilibria, Scarf's cycle and its cure, welfare theorems."""

from collections.abc import Sequence

import numpy as np

from walras.market.exchange import (
    CobbDouglas,
    ConstantStep,
    ExchangeEconomy,
    ExchangeStatus,
    Extragradient,
    Leontief,
    LinearQuadratic,
    Newton,
    PowerUtility,
    Stability,
    Tatonnement,
    TatonnementFlow,
    all_equilibria,
    supporting_transfers,
    tatonnement_eigenvalues,
)
from walras.market.validation import FloatArray
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_SOLVED = 1e-9
_FOUR_DIGITS, _THREE_DIGITS = 5e-5, 5e-4

_SCARF = ExchangeEconomy(Leontief([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]), np.eye(3))
_START = [1.2, 1.0, 0.7]
_STEPS_TO_SETTLE = {0.5: 668, 0.2: 4081, 0.1: 16277}


def _distances(path: FloatArray) -> FloatArray:
    """Euclidean distance of each point, scaled to the simplex, from (1/3, 1/3, 1/3)."""
    return np.linalg.norm(path / path.sum(axis=1, keepdims=True) - 1.0 / 3.0, axis=1)


def _each(name: str, expected: Sequence[float], obtained: Sequence[float], tolerance: float) -> list[Comparison]:
    pairs = zip(expected, obtained, strict=True)
    return [
        Comparison(f"{name} {place}", float(want), float(got), tolerance) for place, (want, got) in enumerate(pairs, 1)
    ]


def _true(quantity: str, value: bool) -> Comparison:  # noqa: FBT001
    return Comparison(quantity, 1.0, float(value), 0.0)


def _box() -> Sequence[Comparison]:
    rows = []
    for a in (0.1, 0.25, 0.5, 0.8, 0.99):
        economy = ExchangeEconomy(CobbDouglas([[a, 1.0 - a]] * 2), [[1.0, 2.0], [2.0, 1.0]])
        prices = Newton().solve(economy).require().prices_in(numeraire=1)
        rows.append(Comparison(f"p1/p2 at a = {a}", a / (1.0 - a), float(prices[0]), _SOLVED * a / (1.0 - a)))
    return rows


def _kehoe() -> Sequence[Comparison]:
    economy = ExchangeEconomy(PowerUtility([[1024.0, 1.0], [1.0, 1024.0]], -4.0), [[12.0, 1.0], [1.0, 12.0]])
    found = all_equilibria(economy).require()
    stable = [float(each is Stability.STABLE) for each in found.stabilities]
    settled = [
        Tatonnement(ConstantStep(0.005), normalised=True).solve(economy, [start, 1.0 - start]).prices[0]
        for start in (0.499, 0.501)
    ]
    return [
        Comparison("number of equilibria", 3.0, float(len(found.equilibria)), 0.0),
        *_each("p1/(p1+p2) of equilibrium", [0.1129238471, 0.5, 0.8870761529], found.prices[:, 0].tolist(), _SOLVED),
        *_each("index of equilibrium", [1.0, -1.0, 1.0], found.indices.tolist(), 0.0),
        *_each("stability (1 or 0) of equilibrium", [1.0, 0.0, 1.0], stable, 0.0),
        *_each("tâtonnement leaves 0.499 and 0.501 for", [0.1129238471, 0.8870761529], settled, _SOLVED),
    ]


def _scarf_cycle() -> Sequence[Comparison]:
    found = all_equilibria(_SCARF, starts=30).require()
    eigenvalues = tatonnement_eigenvalues(_SCARF, [1.0, 1.0, 1.0])
    flow = TatonnementFlow(horizon=60.0).solve(_SCARF, _START)
    flow_distances = _distances(flow.path)
    euler = Tatonnement(ConstantStep(0.05), max_iterations=6000).solve(_SCARF, _START)
    euler_distances = _distances(euler.path)
    squares, products = (flow.path**2).sum(axis=1), flow.path.prod(axis=1)
    return [
        Comparison("number of equilibria", 1.0, float(len(found.equilibria)), 0.0),
        *_each("equilibrium price", [1 / 3] * 3, found.prices[0].tolist(), _SOLVED),
        *_each("real part of eigenvalue at (1, 1, 1)", [0.0, 0.0], eigenvalues.real.tolist(), 1e-12),
        *_each(
            "imaginary part of eigenvalue at (1, 1, 1)",
            [-np.sqrt(3) / 4, np.sqrt(3) / 4],
            eigenvalues.imag.tolist(),
            1e-12,
        ),
        *_each("least and largest sum of squares", [2.93] * 2, [squares.min(), squares.max()], _SOLVED),
        *_each("least and largest product", [0.84] * 2, [products.min(), products.max()], _SOLVED),
        Comparison("least distance of the flow", 0.1207, float(flow_distances.min()), _FOUR_DIGITS),
        Comparison("largest distance of the flow", 0.1274, float(flow_distances.max()), _FOUR_DIGITS),
        _true("the flow's status is CYCLES", flow.status is ExchangeStatus.CYCLES),
        Comparison("distance after one Euler step of 0.05", 0.1226, float(euler_distances[1]), _FOUR_DIGITS),
        _true("Euler steps of 0.05 move away, beyond a distance of 0.578", bool(euler_distances.max() > 0.578)),
        _true("the status of Euler steps is DIVERGES", euler.status is ExchangeStatus.DIVERGES),
    ]


def _scarf_extragradient() -> Sequence[Comparison]:
    rows = []
    for step, steps in _STEPS_TO_SETTLE.items():
        found = Extragradient(step).solve(_SCARF, _START)
        far = np.flatnonzero(_distances(found.path) >= 1e-8)
        rows.append(Comparison(f"last iteration further than 1e-8, h = {step}", float(steps), float(far[-1]), 0.0))
        rows.append(_true(f"status is CONVERGED, h = {step}", found.status is ExchangeStatus.CONVERGED))
    return rows


def _scarf_lab() -> Sequence[Comparison]:
    # Each type wants two goods in proportion to what there is of them, and owns the third.
    supplies = np.array([10.0, 20.0, 400.0])
    wants = supplies * (1.0 - np.eye(3))
    economy = ExchangeEconomy(Leontief(wants), np.diag(supplies))
    found = Newton().solve(economy).require()
    start = found.prices * [1.5, 1.0, 0.7]
    # Goods in units of their supply, so that one step fits all of them.
    in_units = ExchangeEconomy(Leontief(1.0 - np.eye(3)), np.eye(3))
    adjusted = Tatonnement(ConstantStep(0.05)).solve(in_units, start * supplies / (start @ supplies))
    money = adjusted.prices / supplies
    cycling = ExchangeEconomy(Leontief(supplies * (1.0 - np.eye(3))[[2, 0, 1]]), np.diag(supplies))
    return [
        Comparison("price of X in money", 40.0, float(found.prices_in(2)[0]), 40.0 * _SOLVED),
        Comparison("price of Y in money", 20.0, float(found.prices_in(2)[1]), 20.0 * _SOLVED),
        _true("tâtonnement settles", adjusted.status is ExchangeStatus.CONVERGED),
        Comparison("price of X where it settles", 40.0, float(money[0] / money[2]), 1e-6),
        Comparison("price of Y where it settles", 20.0, float(money[1] / money[2]), 1e-6),
        Comparison(
            "price of X if each type owns a good that it wants", 40.0, float(_lab_price(cycling)), 40.0 * _SOLVED
        ),
    ]


def _lab_price(economy: ExchangeEconomy) -> float:
    return float(Newton().solve(economy).require().prices_in(2)[0])


def _lq_exchange() -> Sequence[Comparison]:
    consumers = LinearQuadratic([[5.0, 5.0], [5.0, 5.0]], np.eye(2))
    economy = ExchangeEconomy(consumers, [[0.0, 2.0], [2.0, 0.0]])
    return _lq_rows(economy, consumers, [[1.0, 1.0], [1.0, 1.0]], [4.0, 4.0])


def _second_welfare() -> Sequence[Comparison]:
    consumers = LinearQuadratic([[5.0, 5.0], [5.0, 5.0]], np.eye(2))
    economy = ExchangeEconomy(consumers, [[1.0, 1.0], [1.0, 1.0]], transfers=[0.5, -0.5])
    consumption = [[1.25, 1.25], [0.75, 0.75]]
    support = supporting_transfers(ExchangeEconomy(consumers, [[1.0, 1.0], [1.0, 1.0]]), consumption).require()
    return [
        *_lq_rows(economy, consumers, consumption, [3.75, 4.25]),
        *_each("transfer that supports the allocation, consumer", [0.5, -0.5], support.transfers.tolist(), _SOLVED),
    ]


def _lq_rows(
    economy: ExchangeEconomy, consumers: LinearQuadratic, consumption: list[list[float]], multipliers: list[float]
) -> list[Comparison]:
    found = Newton().solve(economy).require()
    prices = found.prices_in(0)
    got = consumers.multipliers(prices, economy.incomes(prices))
    return [
        *_each("price of good", [1.0, 1.0], prices.tolist(), _SOLVED),
        *_each("consumption", np.ravel(consumption).tolist(), found.allocation.ravel().tolist(), _SOLVED),
        *_each("multiplier of consumer", multipliers, got.tolist(), _SOLVED),
    ]


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "cobb-douglas-box",
        "two consumers with u = x1^a x2^(1-a) and endowments (1, 2), (2, 1): p1/p2 = a/(1-a)",
        "Mas-Colell, Whinston and Green 1995, example 15.B.1; closed form",
        _box,
    ),
    PublishedResult(
        "kehoe-three",
        "utilities sum a_j x_j^b / b with b = -4, weights (1024, 1) and (1, 1024), endowments (12, 1) and (1, 12): "
        "three equilibria, the middle one unstable",
        "Kehoe 1991; recomputed",
        _kehoe,
    ),
    PublishedResult(
        "scarf-cycle",
        "min(x1, x2), min(x2, x3), min(x3, x1) with one unit of good i each: from (1.2, 1, 0.7) tâtonnement circles "
        "for ever, and Euler steps move outwards",
        "Scarf 1960; distances recomputed",
        _scarf_cycle,
    ),
    PublishedResult(
        "scarf-extragradient",
        "on the same economy from the same start p <- p + h z(p + h z(p)) settles; counted is the last iteration at "
        "which prices on the simplex are further than 1e-8 from the equilibrium",
        "recomputed",
        _scarf_extragradient,
    ),
    PublishedResult(
        "scarf-lab",
        "ten units of X, twenty of Y and 400 of money, each type owning the good that it does not want: X costs 40 and "
        "Y 20, and tâtonnement settles there",
        "Anderson, Plott, Shimomura and Granat 2004; recomputed",
        _scarf_lab,
    ),
    PublishedResult(
        "lq-exchange",
        "u = -|c - (5, 5)|^2 / 2, endowments (0, 2) and (2, 0)",
        "QuantEcon lecture on supply and demand with heterogeneity; closed form",
        _lq_exchange,
    ),
    PublishedResult(
        "second-welfare",
        "the same consumers with (1, 1) each and transfers of 0.5 and -0.5",
        "QuantEcon lecture on supply and demand with heterogeneity; closed form",
        _second_welfare,
    ),
)
