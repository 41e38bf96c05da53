"""Slow, independent ways to the same answers: every matching, a linear program, the dual bound."""

import math

import numpy as np
from scipy.optimize import linprog

from walras.market.networks import LinearCurve, StepCurve
from walras.market.testing.strategies.networks import BuyerSellerCase, SpatialCase


def best_welfare(case: BuyerSellerCase, without: int | None = None) -> float:
    """Largest gains of a matching, by trying all of them; one trader may be left out."""
    buyers = [node for node in case.bids if node != without]
    suppliers = case.graph.pred if case.graph.is_directed() else case.graph.adj

    def best(place: int, free: frozenset[int]) -> float:
        if place == len(buyers):
            return 0.0
        buyer = buyers[place]
        gains = [best(place + 1, free)]
        gains += [
            case.bids[buyer] - case.asks[seller] + best(place + 1, free - {seller})
            for seller in suppliers[buyer]
            if seller in free
        ]
        return max(gains)

    return best(0, frozenset(case.asks) - {without})


def arcs_of(case: SpatialCase) -> list[tuple[int, int, float, float]]:
    """Tail, head, cost and capacity of each way that goods can go."""
    arcs = []
    for tail, head, data in case.graph.edges(data=True):
        ways = [(tail, head)] if case.graph.is_directed() else [(tail, head), (head, tail)]
        arcs += [(*way, data["cost"], data.get("capacity", math.inf)) for way in ways]
    return arcs


def surplus_by_linear_program(case: SpatialCase) -> float:
    """Largest surplus where all curves are steps."""
    nodes = len(case.graph)
    columns, costs, bounds = [], [], []

    def variable(brings: int | None, takes: int | None, cost: float, most: float) -> None:
        column = np.zeros(nodes)
        for node, sign in ((brings, 1.0), (takes, -1.0)):
            if node is not None:
                column[node] += sign
        columns.append(column)
        costs.append(cost)
        bounds.append((0.0, None if math.isinf(most) else most))

    for node, curve in case.demand.items():
        for price, most in zip(curve.prices, curve.quantities, strict=True):
            variable(None, node, -price, most)
    for node, curve in case.supply.items():
        for price, most in zip(curve.prices, curve.quantities, strict=True):
            variable(node, None, price, most)
    for tail, head, cost, capacity in arcs_of(case):
        variable(head, tail, cost, capacity)
    found = linprog(costs, A_eq=np.array(columns).T, b_eq=np.zeros(nodes), bounds=bounds, method="highs")
    return -found.fun


def gain_at(curve: LinearCurve | StepCurve, price: float, sign: float) -> float:
    """Surplus of one side of one node at a price, each unit taken while it gains (sign: 1 supply, -1 demand)."""
    if isinstance(curve, LinearCurve):
        return 0.5 * max(sign * (price - curve.intercept), 0.0) ** 2 / curve.slope
    return sum(
        most * max(sign * (price - step), 0.0) for step, most in zip(curve.prices, curve.quantities, strict=True)
    )


def dual_value(case: SpatialCase, prices: np.ndarray, slack: float = 1e-9) -> float:
    """What all would gain at these prices, carriers included: an upper bound on every feasible surplus."""
    gains = sum(gain_at(curve, prices[node], -1.0) for node, curve in case.demand.items())
    gains += sum(gain_at(curve, prices[node], 1.0) for node, curve in case.supply.items())
    for tail, head, cost, capacity in arcs_of(case):
        margin = prices[head] - prices[tail] - cost
        if margin > 0.0:
            gains += margin * capacity if math.isfinite(capacity) else (0.0 if margin < slack else math.inf)
    return gains
