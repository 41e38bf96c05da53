"""The law of wealth in a taxed yard sale: the stationary solution of its Fokker-Planck equation.

Wealth x is measured in units of its mean. A fair meeting moves it by `f min(x, y)` up or down, y being the other's
wealth, so that per period its variance grows by `f^2 S(x)`; the tax moves it by its rebate less what is due:

    S(x) = E min(x, y)^2 = int_0^x y^2 p(y) dy + x^2 P(y > x),        drift(x) = R - T(x),    R = E T(y).

If both are small in each period, the density p of wealth is stationary when nothing flows on balance,

    1/2 d/dx (f^2 S p) = (R - T) p,    that is    p(x) ~ 1/S(x) exp( int^x 2 (R - T(z)) / (f^2 S(z)) dz ),

an equation in p alone, since S and R follow from p. It is solved by inserting the last p on the right again and again.
For a flat tax T = chi x, everything depends on the ratio `chi / f^2`. Near 0 the density behaves like
`x^-2 exp(-2 R / (f^2 x))`, so nobody is left with nothing; for large x it falls like a Gaussian, since S tends to a
constant.

Multiplied by x^2 and integrated, the equation says that what exchange adds to the variance the tax removes:

    E S(x) f^2 = 2 E x (T(x) - R).

This identity, which the solver does not use, is the certificate of the solution.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.errors import InvalidInputError, NotConvergedError
from walras.market.taxation import WealthTax
from walras.market.validation import FloatArray, fraction, instance_of, positive_number
from walras.market.welfare import LorenzCurve

__all__ = ["YardSaleLaw", "yard_sale_law"]

_MOST_ITERATIONS, _STEP = 1000, 0.1
_LEAST, _MOST, _POINTS = 1e-8, 1e6, 6000  # grid of wealth over its mean, even in logarithms


@final
@dataclass(frozen=True, eq=False)
class YardSaleLaw:
    """A stationary law of wealth.

    Attributes
    ----------
    wealth
        Grid of wealth (multiples of the mean), shape (k,).
    density
        Probability density there (per multiple of the mean), shape (k,).
    lorenz
        Its Lorenz curve.
    revenue
        Tax per period (fraction of all wealth).
    iterations
        Times that the equation was applied.
    residual
        What the variance gains from exchange over what it loses by the tax, less 1: 0 for the exact law.
    """

    wealth: FloatArray
    density: FloatArray
    lorenz: LorenzCurve
    revenue: float
    iterations: int
    residual: float

    @property
    def gini(self) -> float:
        """Gini coefficient of wealth."""
        return self.lorenz.gini

    @property
    def variance(self) -> float:
        """Variance of wealth (squared multiples of the mean)."""
        return float(_integral(self.density * self.wealth**3)[-1]) - 1.0


def yard_sale_law(fraction_at_stake: float, tax: WealthTax, mean_wealth: float = 1.0) -> YardSaleLaw:
    """Stationary law of wealth under the fair `YardSale` with a wealth tax that is rebated in equal parts.

    Solves `1/2 d/dx (f^2 S p) = (R - T) p` for the density p of mean 1 (see the module).

    Parameters
    ----------
    fraction_at_stake
        The fraction f of the poorer's wealth that is at stake, above 0 and at most 1.
    tax
        Rates as fractions of wealth a period; the last above 0, or wealth would condense.
    mean_wealth
        Money per agent, in the unit of the tax's thresholds. Without an exemption it does not matter.

    Raises
    ------
    InvalidInputError
        Arguments out of range, or rates outside [0, 1].
    NotConvergedError
        If the law does not fit on the grid, 1e-8 to 1e6 times the mean, because the tax is too weak.

    Notes
    -----
    It is the limit of small f and small rates, for many agents and each meeting once a period (`Activation.MATCHING`).
    At f = 0.1 simulated Gini coefficients are within 0.006 of it for flat rates up to 0.03.

    *Cost*: about 150 passes over a grid of 6,000. *Source*: Boghosian 2014 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.wealth import yard_sale_law
    >>> from walras.market.taxation import WealthTax
    >>> [round(yard_sale_law(0.1, WealthTax(0.0, rate)).gini, 3) for rate in (0.0005, 0.003, 0.01)]
    [0.71, 0.453, 0.298]
    """
    variance_rate = positive_number("fraction_at_stake", fraction("fraction_at_stake", fraction_at_stake)) ** 2
    mean_wealth = positive_number("mean_wealth", mean_wealth)
    rates = np.asarray(instance_of("tax", tax, WealthTax).rates)
    if rates.min() < 0.0 or rates.max() > 1.0 or rates[-1] == 0.0:
        raise InvalidInputError(f"tax.rates must lie in [0, 1], the last above 0, got {rates.tolist()}.")
    x = np.geomspace(_LEAST, _MOST, _POINTS)
    due = tax.tax_due(mean_wealth * x) / (mean_wealth * variance_rate)  # T / f^2, in units of the mean
    density, iterations = _fixed_point(x, due)
    law = _law(x, density, due, iterations, variance_rate)
    if not abs(law.residual) < 1e-3:
        raise NotConvergedError(
            f"The law does not fit on a grid of {_LEAST:g} to {_MOST:g} times the mean (residual {law.residual:.2g}): "
            "raise the tax rate or lower fraction_at_stake."
        )
    return law


def _fixed_point(x: FloatArray, due: FloatArray) -> tuple[FloatArray, int]:
    """Give the density that reproduces itself, and the iterations it took."""
    density = _with_mean_1(x, np.exp(-x))
    for iteration in range(1, _MOST_ITERATIONS + 1):
        spread = _spread(x, density)
        revenue = _integral(density * due * x)[-1]
        exponent = _integral(2.0 * (revenue - due) / spread * x) - np.log(spread)
        fresh = _with_mean_1(x, np.exp(exponent - (exponent + np.log(x)).max()))
        change = _integral(np.abs(fresh - density) * x)[-1]
        # A small step, because the map overshoots where few pay the tax: a wider law raises both revenue and spread.
        density += _STEP * (fresh - density)
        if change < 1e-8:
            return fresh, iteration  # not the average, whose far tails remember where the iteration began
    raise NotConvergedError(
        f"The law moved by {change:.2g} in iteration {_MOST_ITERATIONS}: change the tax rate or fraction_at_stake."
    )


def _law(x: FloatArray, density: FloatArray, due: FloatArray, iterations: int, variance_rate: float) -> YardSaleLaw:
    revenue = float(_integral(density * due * x)[-1])
    gained = float(_integral(density * _spread(x, density) * x)[-1])
    lost = 2.0 * float(_integral(density * x**2 * (due - revenue))[-1])
    mass, held = _integral(density * x), _integral(density * x**2)
    return YardSaleLaw(
        wealth=x,
        density=density,
        lorenz=LorenzCurve(mass / mass[-1], held / held[-1]),
        revenue=revenue * variance_rate,
        iterations=iterations,
        residual=gained / lost - 1.0,
    )


def _spread(x: FloatArray, density: FloatArray) -> FloatArray:
    """S(x) = E min(x, y)^2."""
    above = np.maximum(1.0 - _integral(density * x), 0.0)
    return _integral(density * x**3) + x**2 * above


def _with_mean_1(x: FloatArray, density: FloatArray) -> FloatArray:
    """Give a density of integral 1 and mean 1: `m p(m x)`, by interpolation in logarithms."""
    mean = _integral(density * x**2)[-1] / _integral(density * x)[-1]
    scaled = np.exp(np.interp(np.log(x) + np.log(mean), np.log(x), np.log(np.maximum(density, 1e-300))))
    return scaled / _integral(scaled * x)[-1]


def _integral(by_logarithm: FloatArray) -> FloatArray:
    """Integrate a function of x over log x (trapezoids), from the least wealth to each; an integrand g(x) dx is g x."""
    width = np.log(_MOST / _LEAST) / (_POINTS - 1)
    return np.concatenate([[0.0], np.cumsum(0.5 * width * (by_logarithm[1:] + by_logarithm[:-1]))])
