"""The well-mixed money-exchange model: agents meet by chance, and one of the two gives the other a unit of money.

n agents own M whole units between them. In a round they meet in pairs, drawn afresh; in each pair one, either with
probability 1/2, gives one unit to the other, if it has one. Money is neither made nor lost.

A meeting takes wealth (a, b) to (a - 1, b + 1) and back with the same probability. So the chance of any move from one
division of the M units to another equals that of the opposite move, for a round of disjoint meetings as for a single
one, and in the long run *all divisions are equally likely*. One agent's wealth then follows

    P(w) = C(M - w + n - 2, n - 2) / C(M + n - 1, n - 1),

which for many agents of mean wealth m = M / n tends to the geometric law `P(w) = (1 / (1 + m)) (m / (1 + m))^w`. Its
Gini coefficient is 1 / (1 + m / (1 + m)) = (1 + m) / (1 + 2 m): 2/3 at m = 1, and towards 1/2, that of the exponential
law, as money becomes finely divided.
"""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from walras.agents.errors import SettlementError
from walras.agents.money import MOST_CENTS, IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, instance_of, positive_number, whole_number

__all__ = ["checked_wealth", "exchange_wealth", "stationary_wealth_gini", "stationary_wealth_law"]


def exchange_wealth(wealth: ArrayLike, rounds: int, rng: Generator) -> IntArray:
    """Wealth of each agent after so many rounds of the money-exchange model.

    Parameters
    ----------
    wealth
        Whole units of money that each agent starts with, 0 or more, shape (n,), n >= 2.
    rounds
        Number of rounds. In each, all agents meet in pairs; of an odd number one, drawn afresh, stays alone.
    rng
        Draws who meets, and who gives.

    Returns
    -------
    IntArray
        Shape (n,), with the same sum. The argument is left as it was.

    Raises
    ------
    InvalidInputError
        Fewer than two agents, wealth that is negative or not whole, rounds below 0, something else than a generator.
    SettlementError
        More than 1e13 units in all.

    Notes
    -----
    Meetings of one round are disjoint, which changes the path but not the stationary law (see the module). Starting
    from equal wealth m, the law is reached after a few times m^2 rounds.

    *Cost*: O(n) a round, in arrays. *Source*: Drăgulescu and Yakovenko 2000 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.wealth import exchange_wealth
    >>> from walras.market import gini
    >>> wealth = exchange_wealth(np.full(10_000, 1), rounds=200, rng=np.random.default_rng(0))
    >>> int(wealth.sum()), round(gini(wealth), 2)
    (10000, 0.67)
    """
    current = checked_wealth(wealth)
    rounds = whole_number("rounds", rounds)
    rng = instance_of("rng", rng, Generator)
    pairs = current.size // 2
    for _ in range(rounds):
        # A random order, cut in two: who meets is drawn uniformly, and so is who of the two gives.
        order = rng.permutation(current.size)
        givers, receivers = order[:pairs], order[pairs : 2 * pairs]
        paid = np.minimum(current[givers], 1)
        current[givers] -= paid
        current[receivers] += paid
    return current


def stationary_wealth_law(mean_wealth: float, most: int) -> FloatArray:
    """Probabilities of owning 0, 1, ..., `most` units in the long run, among many agents: the geometric law.

    `P(w) = (1 / (1 + m)) (m / (1 + m))^w`; what is missing to a sum of 1 is the chance of more.

    Parameters
    ----------
    mean_wealth
        Units per agent m, above 0.
    most
        Largest wealth asked for, 0 or more.

    Returns
    -------
    FloatArray
        Shape (most + 1,).

    Raises
    ------
    InvalidInputError
        A mean that is not above 0, or `most` not a whole number of 0 or more.

    Notes
    -----
    *Cost*: O(most). *Source*: Drăgulescu and Yakovenko 2000 (docs/reference/bibliography.md).
    """
    mean = positive_number("mean_wealth", mean_wealth)
    units = np.arange(whole_number("most", most) + 1)
    return np.exp(units * -math.log1p(1.0 / mean)) / (1.0 + mean)


def stationary_wealth_gini(mean_wealth: float) -> float:
    """Gini coefficient of wealth in the long run, among many agents: `(1 + m) / (1 + 2 m)`.

    Parameters
    ----------
    mean_wealth
        Units per agent m, above 0.

    Raises
    ------
    InvalidInputError
        A mean that is not above 0.

    Notes
    -----
    *Source*: the geometric law's Gini coefficient; closed form.

    Examples
    --------
    >>> from walras.agents.wealth import stationary_wealth_gini
    >>> round(stationary_wealth_gini(20.0), 4)  # the exponential law's 1/2 would need money without a smallest unit
    0.5122
    """
    ratio = 1.0 / positive_number("mean_wealth", mean_wealth)
    # Written in 1 / m, so that no m is too large.
    return (ratio + 1.0) / (ratio + 2.0) if math.isfinite(ratio) else 1.0


def checked_wealth(wealth: ArrayLike) -> IntArray:
    """Give the wealth of two agents or more as a new int64 vector, or raise."""
    given = np.asarray(wealth)
    if given.dtype.kind not in "iu" or given.ndim != 1 or given.size < 2:
        raise InvalidInputError(
            "wealth must be a vector of whole numbers, shape (n,) with n >= 2; "
            f"got shape {given.shape} of {given.dtype}."
        )
    if given.min() < 0:
        first = int(np.argmax(given < 0))
        raise InvalidInputError(f"wealth must be 0 or more: entry {first} is {given[first]}.")
    if math.fsum(given) > MOST_CENTS:
        raise SettlementError(f"wealth must be at most {MOST_CENTS:.0e} units in all, got {math.fsum(given):g}.")
    return given.astype(np.int64)
