"""What theory says of labour under a tax, in closed form, for quasi-linear isoelastic households.

Under a flat rate t a household that would earn `p = w^(1 + e)` without a tax (its *potential* income) earns

    z = p (1 - t)^e,      reaches the utility  (1 - t)^(1 + e) p / (1 + e)  plus what is rebated.

Summed over households, with P the potential income of all, revenue, its peak, and what the tax destroys are

    R(t) = t (1 - t)^e P,      t* = 1 / (1 + e),      L(t) = P (1 - (1 - t)^(1 + e)) / (1 + e) - R(t).

If revenue is rebated and society weighs households, g_i relative to their mean, the best flat rate is

    t / (1 - t) = (1 - gbar) / e,      gbar = mean(g_i z_i) / (mean(g_i) mean(z_i)).

Above a threshold with a Pareto tail of potential incomes of parameter a, the rate t on what exceeds it brings

    R(t) = R0 t (1 - t)^(a e),

since the number of those above falls by `(1 - t)^(a e)`, and the mean excess does not change. It peaks at
`1 / (1 + a e)`; if society puts the weight g on them, `R + g U` with `U = R0 (1 - t)^(1 + a e) / (1 + a e)` peaks at
Saez's rate `(1 - g) / (1 - g + a e)`, `walras.market.taxation.top_tax_rate`.
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.taxation import top_tax_rate
from walras.market.validation import (
    finite_number,
    fraction,
    nonnegative_number,
    nonnegative_vector,
    positive_number,
)

__all__ = [
    "flat_tax_loss",
    "flat_tax_revenue",
    "income_elasticity_in_equilibrium",
    "income_weight",
    "optimal_flat_rate",
    "top_bracket_objective",
]


def flat_tax_revenue(tax_rate: float, elasticity: float, potential_income: float = 1.0) -> float:
    """Give the revenue of a flat tax, `t (1 - t)^e P` (money).

    Parameters
    ----------
    tax_rate
        t, in [0, 1].
    elasticity
        e, of taxable income to the net-of-tax rate, above 0.
    potential_income
        P, what all would earn without a tax (money), 0 or more.

    Notes
    -----
    *Source*: Saez, Slemrod and Giertz 2012 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import flat_tax_revenue
    >>> flat_tax_revenue(0.5, elasticity=1.0, potential_income=100.0)
    25.0
    """
    rate, e = fraction("tax_rate", tax_rate), positive_number("elasticity", elasticity)
    return float(rate * (1.0 - rate) ** e) * nonnegative_number("potential_income", potential_income)


def flat_tax_loss(tax_rate: float, elasticity: float, potential_income: float = 1.0) -> float:
    """Give the deadweight loss of a flat tax: what households lose beyond its revenue (money).

    About `e t^2 P / 2` for small rates.

    Parameters
    ----------
    tax_rate, elasticity, potential_income
        As in `flat_tax_revenue`.

    Notes
    -----
    *Source*: Harberger 1964 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import flat_tax_loss
    >>> flat_tax_loss(0.5, elasticity=1.0, potential_income=100.0)  # half of 100 - 25, less a revenue of 25
    12.5
    """
    rate, e = fraction("tax_rate", tax_rate), positive_number("elasticity", elasticity)
    lost = -np.expm1((1.0 + e) * np.log1p(-rate)) / (1.0 + e) if rate < 1.0 else 1.0 / (1.0 + e)
    return (float(lost) - flat_tax_revenue(rate, e)) * nonnegative_number("potential_income", potential_income)


def income_weight(incomes: ArrayLike, weights: ArrayLike) -> float:
    """Give the mean social weight of a unit of income, `mean(g z) / (mean(g) mean(z))`.

    Below 1 where the poor weigh more; the least income over the mean one where only the poorest counts.

    Parameters
    ----------
    incomes
        Gross incomes z (money, 0 or more), not all 0, shape (n,).
    weights
        Marginal social value g of a unit of each household's consumption, 0 or more, not all 0, shape (n,).
    """
    earned = nonnegative_vector("incomes", incomes, of="household")
    weight = nonnegative_vector("weights", weights, length=earned.size, of="household")
    for name, values in (("incomes", earned), ("weights", weight)):
        if values.max() == 0.0:
            raise InvalidInputError(f"{name} must not all be 0.")
    earned, weight = earned / earned.max(), weight / weight.max()
    return float(np.mean(weight * earned) / (np.mean(weight) * np.mean(earned)))


def optimal_flat_rate(elasticity: float, weight: float) -> float:
    """Give the flat rate whose rebated revenue does most good, `(1 - gbar) / (1 - gbar + e)`.

    Parameters
    ----------
    elasticity
        e, of taxable income to the net-of-tax rate, 0 or more.
    weight
        gbar, `income_weight` at the optimum, in [0, 1].

    Notes
    -----
    At gbar = 0 it is the rate of the largest revenue. The same formula as for the top rate with a = 1: a flat tax is a
    top rate whose threshold is 0. *Source*: Piketty and Saez 2013, equation 3 (docs/reference/bibliography.md).
    """
    return top_tax_rate(pareto=1.0, elasticity=elasticity, social_weight=weight)


def top_bracket_objective(
    tax_rate: float, pareto: float, elasticity: float, social_weight: float = 0.0, *, untaxed: float = 1.0
) -> float:
    """Give what a rate on incomes above a high threshold brings society, `R(t) + g U(t)` (money).

    Parameters
    ----------
    tax_rate
        Marginal rate t above the threshold, in [0, 1].
    pareto
        Pareto parameter a of incomes above it, above 1.
    elasticity
        e, of taxable income to the net-of-tax rate, above 0.
    social_weight
        g, of a unit of the consumption of top earners, in [0, 1]; at 0 it is the revenue.
    untaxed
        R0, the income above the threshold if the rate there were 0 (money).

    Notes
    -----
    *Source*: Saez 2001; Diamond and Saez 2011 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import top_bracket_objective
    >>> round(max(range(100), key=lambda rate: top_bracket_objective(rate / 100, pareto=1.5, elasticity=0.25)) / 100, 2)
    0.73
    """
    rate, g = fraction("tax_rate", tax_rate), fraction("social_weight", social_weight)
    response = _tail_parameter(pareto) * positive_number("elasticity", elasticity)
    kept = 1.0 - rate
    utility = kept ** (1.0 + response) / (1.0 + response)
    return float(rate * kept**response + g * utility) * finite_number("untaxed", untaxed)


def income_elasticity_in_equilibrium(elasticity: float, labour_share: float) -> float:
    """Give the elasticity of pay to the net-of-tax rate when the wage moves too, `b e / (1 + (1 - b) e)`.

    Under `F = A H^b` the wage is `b A H^(b - 1)`: as a tax makes labour scarce, the wage rises, and pay falls by less
    than at a given wage.

    Parameters
    ----------
    elasticity
        e, of hours to the net wage, above 0.
    labour_share
        b, above 0 and at most 1, where the wage is fixed and the result e.

    Notes
    -----
    *Source*: closed form; labour supply is `H = K ((1 - t) b A H^(b - 1))^e`, and pay is `b A H^b`.

    Examples
    --------
    >>> from walras.agents.labour import income_elasticity_in_equilibrium
    >>> income_elasticity_in_equilibrium(0.5, 1.0), round(income_elasticity_in_equilibrium(0.5, 0.6), 9)
    (0.5, 0.25)
    """
    e, b = positive_number("elasticity", elasticity), fraction("labour_share", labour_share)
    if b == 0.0:
        raise InvalidInputError("labour_share must be above 0, got 0.0: there is no pay to tax.")
    return b * e / (1.0 + (1.0 - b) * e)


def _tail_parameter(pareto: float) -> float:
    a = positive_number("pareto", pareto)
    if a <= 1.0:
        raise InvalidInputError(f"pareto must be above 1, or top incomes have no mean; got {a}.")
    return a
