"""The quadratic program of a spatial market, in arrays, and the interior-point method that solves it.

Every quantity is a variable `x_k` from 0 to `u_k`: what an order buys or sells, what an arc carries, and, so that there
is always something to choose, what each node could trade with an outside world at prices so bad that nobody does:

    min  sum_k c_k x_k + q_k x_k^2 / 2    subject to    A x = 0,  0 <= x <= u,

with one row of A for each node: +1 where the variable brings goods, -1 where it takes them. The multipliers of the rows
are the nodes' prices. Prices are bounded by the orders' prices, so a straight curve has a largest quantity too, and
every `u_k` is finite. A primal-dual method with Mehrotra's predictor and corrector follows the central path; each step
solves one system with the weighted Laplacian of the network, `A D A^T`.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from walras.market.networks.curves import Orders
from walras.market.networks.graph import Arcs
from walras.market.validation import FloatArray, IntArray

__all__ = ["Program", "ProgramSolution", "program_of", "solve_program"]

_MOST_STEPS = 100
_TARGET_GAP = 1e-14
_GAP_OF_ROUNDING = 1e-9
_SHORT_OF_BOUNDS = 0.9995
_SHORTEST_STEP = 1e-12
# Up to so many nodes the Laplacian is factorised densely: random networks fill it anyhow.
_DENSE_NODES = 1500


class Program(NamedTuple):
    """The program in units of its own: prices from 0 to 1 between those named, quantities relative to the volume.

    Attributes
    ----------
    demand, supply
        Orders as given.
    arcs
        Ways that goods can go.
    nodes
        Number of nodes.
    tails, heads
        Node from which each variable takes goods, and to which it brings them; -1 for none. Variables stand in the
        order demand orders, supply orders, arcs, imports, exports.
    costs, slopes, bounds
        The `c`, `q` and `u` above, in own units.
    lowest_price, price_unit, volume
        Own units: a price p is `lowest_price + price_unit * p`, a quantity x is `volume * x`.
    """

    demand: Orders
    supply: Orders
    arcs: Arcs
    nodes: int
    tails: IntArray
    heads: IntArray
    costs: FloatArray
    slopes: FloatArray
    bounds: FloatArray
    lowest_price: float
    price_unit: float
    volume: float


class ProgramSolution(NamedTuple):
    """Variables, node prices, and slacks of the bounds, in own units."""

    x: FloatArray
    prices: FloatArray
    lower_slacks: FloatArray
    upper_slacks: FloatArray


def program_of(demand: Orders, supply: Orders, arcs: Arcs, nodes: int) -> Program | None:
    """Lay out the program; None if nothing can be gained by trade, whatever it costs to carry."""
    if demand.prices.size == 0 or supply.prices.size == 0:
        return None
    low, high = float(np.min(supply.prices)), float(np.max(demand.prices))
    unit = high - low
    if not unit > 0.0:
        return None
    # No demand order buys at a price below `low`, and no supply order sells above `high`.
    most_bought = _most(demand, demand.prices - low)
    most_sold = _most(supply, high - supply.prices)
    volume = min(math.fsum(most_bought), math.fsum(most_sold))
    if not volume > 0.0:
        return None
    room = np.full(2 * nodes, 2.0)
    node = np.arange(nodes)
    none_of = np.full
    return Program(
        demand=demand,
        supply=supply,
        arcs=arcs,
        nodes=nodes,
        tails=np.concatenate((demand.nodes, none_of(supply.nodes.size, -1), arcs.tails, none_of(nodes, -1), node)),
        heads=np.concatenate((none_of(demand.nodes.size, -1), supply.nodes, arcs.heads, node, none_of(nodes, -1))),
        costs=np.concatenate(
            (
                (low - demand.prices) / unit,
                (supply.prices - low) / unit,
                np.minimum(arcs.costs / unit, 4.0),  # nobody pays more than the whole range for carriage
                np.full(nodes, 1.5),
                np.full(nodes, 0.5),
            )
        ),
        slopes=np.concatenate((demand.slopes, supply.slopes, np.zeros(arcs.costs.size + 2 * nodes))) / unit * volume,
        bounds=np.concatenate(
            (most_bought / volume, most_sold / volume, np.minimum(arcs.capacities / volume, 2.0), room)
        ),
        lowest_price=low,
        price_unit=unit,
        volume=volume,
    )


def _most(orders: Orders, gains: FloatArray) -> FloatArray:
    """Most units of each order, at the best price that there can be; 0 if even that is too bad."""
    straight = orders.slopes > 0.0
    with np.errstate(over="ignore"):
        reach = np.where(
            straight, gains / np.where(straight, orders.slopes, 1.0), np.where(gains >= 0.0, orders.most, 0.0)
        )
    return np.maximum(np.minimum(reach, orders.most), 0.0)


class _Point(NamedTuple):
    """A point of the method: quantities, prices, and the slacks of lower and upper bounds; or a step between two."""

    x: FloatArray
    prices: FloatArray
    lower: FloatArray
    upper: FloatArray

    def moved(self, step: "_Point", length: float) -> "_Point":
        return _Point(*(here + length * change for here, change in zip(self, step, strict=True)))


class _Residuals(NamedTuple):
    """What a point lacks: balance at the nodes, best responses of the variables, and the mean gap of the bounds."""

    balance: FloatArray
    response: FloatArray
    gap: float

    @property
    def largest(self) -> float:
        return max(self.gap, float(np.max(np.abs(self.balance))), float(np.max(np.abs(self.response))))


class _Problem(NamedTuple):
    """Variables that can be more than 0."""

    costs: FloatArray
    slopes: FloatArray
    bounds: FloatArray
    incidence: Any

    def residuals(self, point: _Point) -> _Residuals:
        """Compute what the point lacks."""
        x, prices, lower, upper = point
        gap = float(np.dot(x, lower) + np.dot(self.bounds - x, upper)) / (2 * x.size)
        response = self.incidence.T @ prices + lower - upper - self.costs - self.slopes * x
        return _Residuals(-(self.incidence @ x), response, gap)

    def step(self, point: _Point, lacking: _Residuals, solve: Any, goals: tuple[FloatArray, FloatArray]) -> _Point:
        """Newton's step to the point that lacks nothing, and whose products of bound and slack change by the goals."""
        x, _, lower, upper = point
        room = self.bounds - x
        weights = self.weights(point)
        response = lacking.response + goals[0] / x - goals[1] / room
        prices = solve(lacking.balance - self.incidence @ (weights * response))
        change = weights * (self.incidence.T @ prices + response)
        return _Point(change, prices, (goals[0] - lower * change) / x, (goals[1] + upper * change) / room)

    def weights(self, point: _Point) -> FloatArray:
        """How much each variable gives way to prices."""
        with np.errstate(over="ignore", divide="ignore"):
            weights: FloatArray = 1.0 / (self.slopes + point.lower / point.x + point.upper / (self.bounds - point.x))
        return weights

    def longest(self, point: _Point, step: _Point) -> float:
        """Longest part of the step, at most 1, after which nothing has passed a bound."""
        pairs = (
            (point.x, step.x),
            (self.bounds - point.x, -step.x),
            (point.lower, step.lower),
            (point.upper, step.upper),
        )
        return min(float(np.min(-at[to < 0.0] / to[to < 0.0], initial=1.0)) for at, to in pairs)


def solve_program(program: Program) -> ProgramSolution:
    """Follow the central path until the gap is at rounding, or steps bring nothing more."""
    open_ = program.bounds > 0.0  # what can only be 0 stays out
    tails, heads = program.tails[open_], program.heads[open_]
    incidence = _incidence(tails, heads, program.nodes)
    problem = _Problem(program.costs[open_], program.slopes[open_], program.bounds[open_], incidence)
    laplacian = _Laplacian(tails, heads, program.nodes)

    ones = np.ones(tails.size)
    point = best = _Point(0.5 * problem.bounds, np.full(program.nodes, 0.5), ones, ones)
    least = math.inf
    for _ in range(_MOST_STEPS):
        lacking = problem.residuals(point)
        if lacking.largest < least:
            best, least = point, lacking.largest
        elif lacking.gap < _GAP_OF_ROUNDING:
            break
        moved = None if least < _TARGET_GAP else _predicted_and_corrected(problem, laplacian, point, lacking)
        if moved is None:
            break
        point = moved
    return ProgramSolution(
        _spread(best.x, open_),
        best.prices,
        _spread(best.lower, open_),
        _spread(best.upper, open_),
    )


def _predicted_and_corrected(
    problem: _Problem, laplacian: "_Laplacian", point: _Point, lacking: _Residuals
) -> _Point | None:
    """Give the next point; None where float64 ends."""
    weights = problem.weights(point)
    solve = laplacian.factorised(weights) if np.all(weights > 0.0) else None
    if solve is None:
        return None
    gaps = (point.x * point.lower, (problem.bounds - point.x) * point.upper)
    aim = problem.step(point, lacking, solve, (-gaps[0], -gaps[1]))
    ahead = problem.residuals(point.moved(aim, problem.longest(point, aim)))
    target = lacking.gap * (ahead.gap / lacking.gap) ** 3
    # Second order: the products of the steps, which the predictor left out.
    goals = (target - gaps[0] - aim.x * aim.lower, target - gaps[1] + aim.x * aim.upper)
    step = problem.step(point, lacking, solve, goals)
    length = _SHORT_OF_BOUNDS * problem.longest(point, step)
    return point.moved(step, length) if length > _SHORTEST_STEP else None


def _spread(values: FloatArray, places: np.ndarray[Any, np.dtype[np.bool_]]) -> FloatArray:
    full = np.zeros(places.size)
    full[places] = values
    return full


def _incidence(tails: IntArray, heads: IntArray, nodes: int) -> Any:
    from scipy.sparse import csr_array

    variables = np.arange(tails.size)
    brings, takes = heads >= 0, tails >= 0
    entries = np.concatenate((np.ones(int(brings.sum())), -np.ones(int(takes.sum()))))
    rows = np.concatenate((heads[brings], tails[takes]))
    columns = np.concatenate((variables[brings], variables[takes]))
    return csr_array((entries, (rows, columns)), shape=(nodes, tails.size))


class _Laplacian:
    """`A D A^T` for changing weights D: factorised densely for up to 1,500 nodes, sparsely beyond."""

    def __init__(self, tails: IntArray, heads: IntArray, nodes: int) -> None:
        self._tails, self._heads, self._nodes = tails, heads, nodes
        self._carries = (tails >= 0) & (heads >= 0)

    def factorised(self, weights: FloatArray) -> Any:
        """Give a function that solves the system for a right-hand side; None if it is singular to rounding."""
        carries, nodes = self._carries, self._nodes
        tails, heads, links = self._tails[carries], self._heads[carries], weights[carries]
        diagonal = np.zeros(nodes)
        for ends in (self._tails, self._heads):
            diagonal += np.bincount(ends[ends >= 0], weights[ends >= 0], nodes)
        if nodes <= _DENSE_NODES:
            return _dense_solver(diagonal, tails, heads, links)
        return _sparse_solver(diagonal, tails, heads, links)


def _dense_solver(diagonal: FloatArray, tails: IntArray, heads: IntArray, links: FloatArray) -> Any:
    from scipy.linalg import cho_factor, cho_solve

    matrix = np.diag(diagonal)
    np.subtract.at(matrix, (tails, heads), links)
    np.subtract.at(matrix, (heads, tails), links)
    try:
        factor = cho_factor(matrix, check_finite=False)
    except np.linalg.LinAlgError:  # rounding made it indefinite; the other solver pivots
        return _sparse_solver(diagonal, tails, heads, links)
    return lambda right: cho_solve(factor, right, check_finite=False)


def _sparse_solver(diagonal: FloatArray, tails: IntArray, heads: IntArray, links: FloatArray) -> Any:
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    node = np.arange(diagonal.size)
    entries = np.concatenate((diagonal, -links, -links))
    rows, columns = np.concatenate((node, tails, heads)), np.concatenate((node, heads, tails))
    matrix = csc_array((entries, (rows, columns)), shape=(node.size, node.size))
    try:
        return splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0).solve
    except RuntimeError:
        return None
