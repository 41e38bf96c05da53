"""Bunching at a kink: how many stop where the marginal rate rises, and the elasticity that this reveals.

Where the rate rises from t1 to t2 at an income z*, those who would earn between z* and

    z* x,      x = ((1 - t1) / (1 - t2))^e,

under the lower rate stop at z*. With f- and f+ the density of incomes just below and just above the kink, f+ that of
those who face t2, the density under t1 at the upper end of the interval is f+ / x, and by the trapezoid rule the excess
mass is

    B = z* (x - 1) (f- + f+ / x) / 2,

a quadratic equation in x. Its positive root gives `e = log(x) / log((1 - t1) / (1 - t2))`.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import fraction, nonnegative_vector, positive_number

__all__ = ["bunching_elasticity", "bunching_interval"]


def bunching_interval(kink: float, lower_rate: float, upper_rate: float, elasticity: float) -> tuple[float, float]:
    """Give the lowest and the highest wage of those who stop at a kink (money per hour).

    They are `(z* / (1 - t)^e)^(1 / (1 + e))` at the two rates: who earns more for an hour passes it.

    Parameters
    ----------
    kink
        Income z* where the marginal rate rises (money), above 0.
    lower_rate, upper_rate
        Marginal rates t1 and t2 on the two sides, `0 <= t1 < t2 < 1`.
    elasticity
        e, of taxable income to the net-of-tax rate, above 0.

    Notes
    -----
    *Source*: Saez 2010 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import bunching_interval
    >>> bunching_interval(1.0, 0.0, 0.75, elasticity=1.0)
    (1.0, 2.0)
    """
    income = positive_number("kink", kink)
    rates = _checked_rates(lower_rate, upper_rate)
    e = positive_number("elasticity", elasticity)
    low, high = ((income / (1.0 - rate) ** e) ** (1.0 / (1.0 + e)) for rate in rates)
    return float(low), float(high)


def bunching_elasticity(
    incomes: ArrayLike, kink: float, lower_rate: float, upper_rate: float, *, band: float, at_kink: float = 0.005
) -> float:
    """Give the elasticity of taxable income that bunching at a kink reveals.

    Parameters
    ----------
    incomes
        Gross incomes of households (money, 0 or more), shape (n,).
    kink, lower_rate, upper_rate
        As in `bunching_interval`.
    band
        Width of the band on each side of the kink in which densities are measured (money), above 0.
    at_kink
        Incomes within so much of the kink (money) are at it, above 0 and below `band`; half a cent by default, for
        households that hit it exactly.

    Raises
    ------
    InvalidInputError
        Bad input, or no incomes in a band.

    Notes
    -----
    *Cost*: O(n). *Source*: Saez 2010, equation 5 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.labour import QuasiLinearPreferences, budget_set, bunching_elasticity, chosen_income
    >>> from walras.market.taxation import BracketTax
    >>> wages = np.linspace(50.0, 150.0, 200_001)
    >>> taste, budget = QuasiLinearPreferences(elasticity=0.25), budget_set(BracketTax([250.0], [0.1, 0.3]))
    >>> incomes = chosen_income(taste, budget, wages)
    >>> round(bunching_elasticity(incomes, 250.0, 0.1, 0.3, band=20.0), 3)
    0.25
    """
    earned = nonnegative_vector("incomes", incomes, of="household")
    income, width = positive_number("kink", kink), positive_number("band", band)
    rates = _checked_rates(lower_rate, upper_rate)
    near = positive_number("at_kink", at_kink)
    if near >= width:
        raise InvalidInputError(f"at_kink must be below band = {width:g}, got {near:g}.")

    distance = earned - income
    below = np.count_nonzero((distance < -near) & (distance >= -width)) / (width - near)
    above = np.count_nonzero((distance > near) & (distance <= width)) / (width - near)
    if below == 0.0 or above == 0.0:
        raise InvalidInputError(
            f"band = {width:g} must reach incomes on both sides of the kink at {income:g}: there are none on one side."
        )
    excess = np.count_nonzero(np.abs(distance) <= near) - near * (below + above)
    # f- x^2 + (f+ - f- - 2 B / z*) x - f+ = 0
    linear = above - below - 2.0 * excess / income
    ratio = (-linear + math.sqrt(linear**2 + 4.0 * below * above)) / (2.0 * below)
    return math.log(ratio) / math.log((1.0 - rates[0]) / (1.0 - rates[1]))


def _checked_rates(lower_rate: float, upper_rate: float) -> tuple[float, float]:
    lower, upper = fraction("lower_rate", lower_rate), fraction("upper_rate", upper_rate)
    if not lower < upper < 1.0:
        raise InvalidInputError(f"Rates must satisfy lower_rate < upper_rate < 1 at a kink, got {lower} and {upper}.")
    return lower, upper
