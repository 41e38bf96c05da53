"""The choice of labour: the best income on a budget set, exactly, by comparing the best of each piece.

    max over z >= 0 of u(c(z) + lump_sum, z / w).

Along a piece utility has its best point where a first-order condition or an end says (`Preferences.candidates`). On a
convex budget set that is the whole answer, and households bunch at kinks, where no single rate is right. Where rates
fall, or the budget has a notch, there are several local optima, and the candidates of all pieces are compared.
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.labour.budget import BudgetSet
from walras.agents.labour.preferences import Preferences, QuasiLinearPreferences
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, instance_of, positive_vector

__all__ = ["best_income", "checked_preferences", "chosen_income"]


def chosen_income(preferences: Preferences, budget: BudgetSet, wages: ArrayLike, lump_sum: float = 0.0) -> FloatArray:
    """Give the income that each household chooses to earn (money), shape (n,).

    Parameters
    ----------
    preferences
        What households want.
    budget
        What each gross income leaves them.
    wages
        What each earns for an hour (money), above 0, shape (n,).
    lump_sum
        What each receives beside, whatever it earns (money); a rebate, say.

    Raises
    ------
    InvalidInputError
        Wages that are not above 0; something else than preferences or a budget.

    Notes
    -----
    *Ties*: of incomes that are equally good, the lowest.
    *Cost*: O(n K) for K pieces. *Source*: Hausman 1985 (docs/reference/bibliography.md).

    Examples
    --------
    A rate that rises from 0 to one half at an income of 1: the second and third household stop there.

    >>> from walras.agents.labour import QuasiLinearPreferences, budget_set, chosen_income
    >>> from walras.market.taxation import BracketTax
    >>> budget = budget_set(BracketTax([1.0], [0.0, 0.5]))
    >>> chosen_income(QuasiLinearPreferences(elasticity=1.0), budget, [0.5, 1.2, 1.4, 2.0]).tolist()
    [0.25, 1.0, 1.0, 2.0]
    """
    return best_income(
        checked_preferences(preferences),
        instance_of("budget", budget, BudgetSet),
        positive_vector("wages", wages, of="household"),
        finite_number("lump_sum", lump_sum),
    )


def best_income(preferences: Preferences, budget: BudgetSet, wages: FloatArray, lump_sum: float) -> FloatArray:
    """Give `chosen_income` of arguments that have been checked."""
    if isinstance(preferences, QuasiLinearPreferences) and budget.is_convex and _is_straight(budget):
        return _best_on_convex(preferences, budget, wages)
    best = np.zeros_like(wages)
    most = np.full(wages.shape, -np.inf)
    for piece in budget.pieces:
        for income in preferences.candidates(piece, wages, lump_sum):
            utility = preferences.utility(piece.net_income(income) + lump_sum, income / wages)
            better = utility > most
            best = np.where(better, income, best)
            most = np.where(better, utility, most)
    return best


def checked_preferences(preferences: object) -> Preferences:
    """Give preferences, or raise `InvalidInputError` if they lack a method."""
    methods = (getattr(preferences, name, None) for name in ("utility", "candidates"))
    if isinstance(preferences, type) or not all(callable(method) for method in methods):
        raise InvalidInputError(
            "preferences need the methods utility and candidates, as QuasiLinearPreferences(elasticity=0.25) has; got "
            f"{preferences!r}."
        )
    return preferences  # type: ignore[return-value]


def _is_straight(budget: BudgetSet) -> bool:
    return all(piece.curvature == 0.0 for piece in budget.pieces)


def _best_on_convex(preferences: QuasiLinearPreferences, budget: BudgetSet, wages: FloatArray) -> FloatArray:
    """Give the best incomes on a convex set: one power for each household.

    What is best at the rate of piece k falls with k, while the start b_k rises, so the best income is the least over k
    of `max(best at the rate of k, b_k)`: before the right piece the first is larger, after it the second.
    """
    e = preferences.elasticity
    potential = wages ** (1.0 + e)
    best = max(budget.pieces[0].slope, 0.0) ** e * potential
    for piece in budget.pieces[1:]:
        best = np.minimum(best, np.maximum(max(piece.slope, 0.0) ** e * potential, piece.start))
    return best
