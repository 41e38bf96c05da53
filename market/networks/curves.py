"""Demand and supply of one node: what the next unit is worth to it, or costs it.

A curve gives the marginal value of demand, or the marginal cost of supply, as a function of the quantity q:

    LinearCurve(intercept, slope)    demand: intercept - slope * q;   supply: intercept + slope * q
    StepCurve(prices, quantities)    so many units at each price; demand takes the dearest first, supply the cheapest

To the solvers both are *orders* on one side of the market: each with a price of the first unit, a slope, and a most.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.networks.graph import checked_mapping
from walras.market.validation import (
    FloatArray,
    IntArray,
    finite_number,
    finite_vector,
    positive_number,
    positive_vector,
)

__all__ = ["Curve", "LinearCurve", "Orders", "StepCurve", "both_sides", "orders_of"]

# Quantities and amounts of money must stay below this, so that sums and products of them are numbers.
_LARGEST = 1e150


@final
@dataclass(frozen=True)
class LinearCurve:
    """A straight marginal value (of demand: falling) or marginal cost (of supply: rising).

    Parameters
    ----------
    intercept
        Value or cost of the first unit (money per unit), of either sign.
    slope
        Change with each further unit (money per unit, per unit), above 0: it falls for demand, it rises for supply.
    """

    intercept: float
    slope: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "intercept", finite_number("LinearCurve.intercept", self.intercept))
        object.__setattr__(self, "slope", positive_number("LinearCurve.slope", self.slope))


@final
@dataclass(frozen=True)
class StepCurve:
    """So many units at each of several prices.

    Parameters
    ----------
    prices
        Value or cost of a unit of each step (money per unit), of either sign, shape (s,); their order does not matter.
    quantities
        Units of each step, above 0, shape (s,) or a number for all.
    """

    prices: tuple[float, ...]
    quantities: tuple[float, ...]

    def __post_init__(self) -> None:
        prices = _vector("StepCurve.prices", self.prices)
        quantities = positive_vector("StepCurve.quantities", self.quantities, length=prices.size, of="step")
        object.__setattr__(self, "prices", tuple(prices.tolist()))
        object.__setattr__(self, "quantities", tuple(quantities.tolist()))


Curve: TypeAlias = LinearCurve | StepCurve


def _vector(name: str, values: ArrayLike) -> FloatArray:
    return finite_vector(name, values, of="step")


class Orders(NamedTuple):
    """Orders of all nodes on one side of the market, shape (o,) each.

    Attributes
    ----------
    nodes
        Index of the node.
    prices
        Value or cost of the first unit (money per unit).
    slopes
        Change with each further unit, 0 or more (money per unit, per unit).
    most
        Units at most; infinite for straight curves.
    """

    nodes: IntArray
    prices: FloatArray
    slopes: FloatArray
    most: FloatArray


def orders_of(name: str, curves: object, graph: Any) -> Orders:
    """Read the curves of one side, by node, into arrays."""
    given: Mapping[Any, Any] = checked_mapping(name, curves, graph, "a LinearCurve or StepCurve")
    place = {node: index for index, node in enumerate(graph)}
    rows: list[tuple[int, float, float, float]] = []
    for node, curve in given.items():
        match curve:
            case LinearCurve(intercept=intercept, slope=slope):
                rows.append((place[node], intercept, slope, math.inf))
            case StepCurve(prices=prices, quantities=quantities):
                rows.extend((place[node], price, 0.0, most) for price, most in zip(prices, quantities, strict=True))
            case _:
                raise InvalidInputError(f"{name} of node {node!r} must be a LinearCurve or StepCurve, got {curve!r}.")
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)  # (orders, 4), also without any
    orders = Orders(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3])
    _check_sizes(name, orders)
    return orders


def both_sides(demand: object, supply: object, graph: Any) -> tuple[Orders, Orders]:
    """Read the curves of both sides, neither of which may be empty."""
    sides = orders_of("demand", demand, graph), orders_of("supply", supply, graph)
    for name, orders in zip(("demand", "supply"), sides, strict=True):
        if orders.prices.size == 0:
            raise InvalidInputError(f"{name} is empty: a market needs at least one curve on each side.")
    return sides


def _check_sizes(name: str, orders: Orders) -> None:
    finite = orders.most[np.isfinite(orders.most)]
    with np.errstate(over="ignore", divide="ignore"):
        steepest = float(np.max(1.0 / orders.slopes[orders.slopes > 0.0], initial=0.0))
        largest = max(float(np.max(np.abs(orders.prices), initial=0.0)), float(np.sum(finite)), steepest)
    if largest > _LARGEST:
        raise InvalidInputError(
            f"{name}: prices, quantities and one over slopes must stay below {_LARGEST:g}, got {largest:g}. "
            "Use larger units."
        )
