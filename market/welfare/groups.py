"""Groups: any measure for each of them, and the exact split of inequality between and within them.

Let group g have the share `p_g` of the population, the share `s_g` of the holdings, and the mean `mu_g`. For each alpha

    GE(alpha) = GE(alpha) of the means mu_g with weights p_g  +  sum_g p_g^(1 - alpha) s_g^alpha GE_g(alpha).

The first term is the inequality if all within a group held the same, the second what is within groups. Generalised
entropy indices are the only measures that split so (Shorrocks 1980).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, finite_vector, nonnegative_vector
from walras.market.welfare.entropy import entropy_of
from walras.market.welfare.weighting import Population, checked_population, in_own_unit

__all__ = ["EntropyDecomposition", "decompose_entropy", "per_group"]


@final
@dataclass(frozen=True, eq=False)
class EntropyDecomposition:
    """Inequality by the generalised entropy index, split between and within m groups.

    Attributes
    ----------
    total
        `GE(alpha)` of the whole population, computed without the groups.
    between, within
        The two parts; their sum is the total, up to rounding.
    groups
        Labels, ascending; the vectors below have one entry for each, shape (m,).
    group_entropies
        `GE(alpha)` of each group by itself.
    population_shares, holding_shares
        Each group's share of the agents and of the holdings (fractions of 1).
    """

    total: float
    between: float
    within: float
    groups: tuple[Hashable, ...]
    group_entropies: FloatArray
    population_shares: FloatArray
    holding_shares: FloatArray


def decompose_entropy(
    holdings: ArrayLike, groups: Sequence[Hashable] | NDArray[Any], alpha: float, weights: ArrayLike | None = None
) -> EntropyDecomposition:
    """Split `GE(alpha)` into inequality between groups and within them.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same.
    groups
        Label of each agent's group (text or numbers), shape (n,).
    alpha
        Parameter of the index: 0 for Theil's L, 1 for Theil's T, 2 for half the squared coefficient of variation.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default. Each group needs some weight.

    Returns
    -------
    EntropyDecomposition
        If alpha <= 0 and somebody holds nothing, the total is infinite, and so is the part where that shows.

    Raises
    ------
    InvalidInputError
        As `generalised_entropy`; labels of another length or that have no order; a group without weight.

    Notes
    -----
    *Cost*: O(n log n). *Source*: Shorrocks 1980 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import decompose_entropy
    >>> split = decompose_entropy([1.0, 3.0, 4.0, 4.0], groups=["north", "north", "south", "south"], alpha=2.0)
    >>> round(split.total, 6), round(split.between, 6), round(split.within, 6)
    (0.083333, 0.055556, 0.027778)
    """
    alpha = finite_number("alpha", alpha)
    population = checked_population(holdings, weights)
    labels, place = _labelled(groups, population.holdings.size)
    people = _sums(place, population.fractions, labels.size)
    held = _sums(place, population.fractions * population.holdings, labels.size)
    _check_group_weights(labels, people)
    entropies = np.array([entropy_of(_members(population, place == group), alpha) for group in range(labels.size)])
    between = entropy_of(_of_means(held / people, people), alpha)
    return EntropyDecomposition(
        total=entropy_of(population, alpha),
        between=between,
        within=_within(people, held / np.sum(held), entropies, alpha),
        groups=tuple(labels.tolist()),
        group_entropies=entropies,
        population_shares=people,
        holding_shares=held / np.sum(held),
    )


def per_group(
    measure: Callable[..., float],
    holdings: ArrayLike,
    groups: Sequence[Hashable] | NDArray[Any],
    weights: ArrayLike | None = None,
) -> dict[Hashable, float]:
    """Give `measure` of each group by itself.

    Parameters
    ----------
    measure
        Called as `measure(holdings)`, or as `measure(holdings, weights=...)` if weights are given: `gini`, for one, or
        a function of yours that fixes further arguments.
    holdings
        What each agent holds, shape (n,).
    groups
        Label of each agent's group (text or numbers), shape (n,).
    weights
        How many agents each entry stands for, >= 0, shape (n,); by default none are passed on.

    Returns
    -------
    dict
        From label to value, labels ascending.

    Raises
    ------
    InvalidInputError
        Entries that are not finite, labels of another length or that have no order; and what `measure` raises.

    Notes
    -----
    *Cost*: O(n m) for m groups, and `measure` once for each.

    Examples
    --------
    >>> from walras.market.welfare import gini, per_group
    >>> per_group(gini, [0.0, 3.0, 4.0, 4.0], groups=["north", "north", "south", "south"])
    {'north': 0.5, 'south': 0.0}
    """
    values = finite_vector("holdings", holdings)
    labels, place = _labelled(groups, values.size)
    if weights is None:
        return {label: measure(values[place == group]) for group, label in enumerate(labels.tolist())}
    counts = nonnegative_vector("weights", weights, length=values.size)
    return {
        label: measure(values[place == group], weights=counts[place == group])
        for group, label in enumerate(labels.tolist())
    }


def _labelled(groups: Sequence[Hashable] | NDArray[Any], length: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Different labels, ascending, and the place of each agent's label among them."""
    try:
        given = np.asarray(groups)
        labels, place = np.unique(given, return_inverse=True)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"groups must be labels that can be sorted, all text or all numbers: {error}."
        ) from error
    if given.shape != (length,):
        raise InvalidInputError(f"groups must have one label per agent: expected shape ({length},), got {given.shape}.")
    if given.dtype.kind == "f" and np.isnan(given).any():
        raise InvalidInputError(f"groups must not be NaN: entry {int(np.argmax(np.isnan(given)))} is nan.")
    return labels, place


def _sums(place: NDArray[np.intp], amounts: FloatArray, groups: int) -> FloatArray:
    """Sum of the amounts in each group."""
    return np.bincount(place, amounts, groups).astype(np.float64)


def _check_group_weights(labels: NDArray[Any], people: FloatArray) -> None:
    empty = np.flatnonzero(people == 0.0)
    if empty.size:
        raise InvalidInputError(
            f"weights of group {labels.tolist()[empty[0]]!r} are all 0: each group needs some weight."
        )


def _members(population: Population, member: NDArray[np.bool_]) -> Population:
    """Members of one group, as a population of their own; if none of them holds anything, all hold the same."""
    return _of_means(population.holdings[member], population.fractions[member])


def _of_means(means: FloatArray, people: FloatArray) -> Population:
    scaled = in_own_unit(means, people > 0.0)
    return Population(scaled, people / np.sum(people), float(np.sum(people)))


def _within(people: FloatArray, held: FloatArray, entropies: FloatArray, alpha: float) -> float:
    """`sum_g p_g^(1 - alpha) s_g^alpha GE_g`, where a group without inequality adds nothing."""
    unequal = entropies > 0.0  # so its members hold something, and no power below is of 0
    with np.errstate(over="ignore"):
        scale = people[unequal] * (held[unequal] / people[unequal]) ** alpha
        return float(np.sum(scale * entropies[unequal]))
