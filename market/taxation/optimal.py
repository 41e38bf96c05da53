"""Optimal rates of income taxes, from the elasticity of income and the shape of its distribution.

Above a high threshold z* incomes follow a Pareto law, so their mean is `zbar = z* a / (a - 1)`. Raising the top rate t
by dt takes `(zbar - z*) dt` from each taxpayer, of which society values the loss at the weight g, and shrinks the base
by `e zbar dt / (1 - t)`, with e the elasticity of income to the net-of-tax rate 1 - t. The two balance where

    t / (1 - t) = (1 - g) / (a e),    that is    t = (1 - g) / (1 - g + a e).

At g = 0 this is the rate that brings the most revenue, the peak of the Laffer curve.
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import fraction, nonnegative_number, nonnegative_vector, positive_number

__all__ = ["laffer_rate", "pareto_parameter", "top_tax_rate"]


def top_tax_rate(pareto: float, elasticity: float, social_weight: float = 0.0) -> float:
    """Give the optimal marginal rate on top incomes, `(1 - g) / (1 - g + a e)` (fraction of 1).

    Parameters
    ----------
    pareto
        Pareto parameter a of top incomes, above 0; see `pareto_parameter`.
    elasticity
        Elasticity e of taxable income to one minus the rate, 0 or more.
    social_weight
        Value g to society of a unit of a top earner's consumption, relative to one of public funds, in [0, 1].

    Notes
    -----
    *Ties*: at g = 1 the rate is 0, also if e = 0, where every rate is as good.
    *Source*: Diamond and Saez 2011 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.taxation import top_tax_rate
    >>> round(top_tax_rate(pareto=1.5, elasticity=0.25), 3)
    0.727
    """
    a = positive_number("pareto", pareto)
    e = nonnegative_number("elasticity", elasticity)
    taken = 1.0 - fraction("social_weight", social_weight)
    return taken / (taken + a * e) if taken > 0.0 else 0.0


def laffer_rate(elasticity: float) -> float:
    """Give the flat rate on all income that brings the most revenue, `1 / (1 + e)` (fraction of 1).

    Parameters
    ----------
    elasticity
        Elasticity e of taxable income to one minus the rate, the same at every rate, 0 or more.

    Notes
    -----
    Revenue is proportional to `t (1 - t)^e`. *Source*: Saez, Slemrod and Giertz 2012 (docs/reference/bibliography.md).
    """
    return 1.0 / (1.0 + nonnegative_number("elasticity", elasticity))


def pareto_parameter(income: ArrayLike, threshold: float) -> float:
    """Give the Pareto parameter of incomes above a threshold, `a = zbar / (zbar - z*)`.

    Parameters
    ----------
    income
        Incomes of a population (money, 0 or more), shape (n,).
    threshold
        Where top incomes begin (money), above 0.

    Raises
    ------
    InvalidInputError
        No income above the threshold; entries that are negative or not finite.

    Notes
    -----
    *Ties*: incomes at the threshold are left out. *Cost*: O(n).
    *Source*: Diamond and Saez 2011 (docs/reference/bibliography.md).
    """
    incomes = nonnegative_vector("income", income)
    start = positive_number("threshold", threshold)
    top = incomes[incomes > start]
    if top.size == 0:
        raise InvalidInputError(
            f"threshold must lie below some income: got {start:g}, the highest is {incomes.max():g}."
        )
    # As ratios to the threshold, so that no sum of huge incomes overflows.
    return 1.0 + 1.0 / float(np.mean(top / start - 1.0))
