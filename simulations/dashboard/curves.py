"""Demand and supply of single units, as corners of stairs."""

import math

import numpy as np
from numpy.typing import ArrayLike

from walras.market.validation import FloatArray

__all__ = ["demand_stairs", "percent_range", "supply_stairs"]


def demand_stairs(values: ArrayLike, units: ArrayLike = 1.0) -> tuple[FloatArray, FloatArray]:
    """Give quantities and prices at the corners of demand: what is worth a price or more is wanted at it.

    Parameters
    ----------
    values
        Worth of each lot (money per unit), shape (n,), n >= 1.
    units
        Size of each lot (units), shape (n,); or one for all.

    Returns
    -------
    tuple
        Quantities, never falling from 0, and prices, never rising to 0, shape (2 n + 1,) each.

    Examples
    --------
    >>> from walras.simulations.dashboard.curves import demand_stairs
    >>> quantities, prices = demand_stairs([3.0, 5.0])
    >>> quantities.tolist(), prices.tolist()
    ([0.0, 1.0, 1.0, 2.0, 2.0], [5.0, 5.0, 3.0, 3.0, 0.0])
    """
    quantities, prices = _stairs(-np.asarray(values, dtype=np.float64), units)
    return np.append(quantities, quantities[-1]), np.append(-prices, 0.0)


def supply_stairs(costs: ArrayLike, ceiling: float, units: ArrayLike = 1.0) -> tuple[FloatArray, FloatArray]:
    """Give quantities and prices at the corners of supply: what costs a price or less is for sale at it.

    Parameters
    ----------
    costs
        Cost of each lot (money per unit), shape (n,), n >= 1.
    ceiling
        The price to which the last corner rises, at least the highest cost.
    units
        Size of each lot (units), shape (n,); or one for all.

    Returns
    -------
    tuple
        Quantities, never falling from 0, and prices, never falling, shape (2 n + 1,) each.
    """
    quantities, prices = _stairs(np.asarray(costs, dtype=np.float64), units)
    return np.append(quantities, quantities[-1]), np.append(prices, ceiling)


def percent_range(values: FloatArray) -> tuple[float, float]:
    """Give ends for an axis of percentages of the best: up to 100, down to the ten below the least, at most to 50.

    Parameters
    ----------
    values
        Percentages, NaN where there are none, shape (t,).
    """
    finite = values[np.isfinite(values)]
    least = float(finite.min()) if finite.size else 50.0
    return min(10.0 * math.floor(least / 10.0), 50.0), 100.0


def _stairs(keys: FloatArray, units: ArrayLike) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(keys, kind="stable")
    sizes = np.broadcast_to(np.asarray(units, dtype=np.float64), keys.shape)[order]
    ends = np.cumsum(sizes)
    quantities = np.column_stack([np.append(0.0, ends[:-1]), ends]).ravel()  # (n, 2) -> (2 n,)
    return quantities, np.repeat(keys[order], 2)
