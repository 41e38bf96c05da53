"""Strategies for measures of welfare: populations with ties, zeros, one owner of everything, and huge scales.

`holdings()` draws vectors of 0 or more, `whole_weights(n)` and `weights(n)` how many agents each entry stands for, and
`group_labels(n)` the groups that they belong to.
"""

import numpy as np
from hypothesis import strategies as st

from walras.market.validation import FloatArray

__all__ = ["group_labels", "holdings", "weights", "whole_weights"]

MOST_AGENTS = 12


def holdings(*, positive: bool = False, moderate: bool = False) -> st.SearchStrategy[FloatArray]:
    """Vectors of holdings, shape (n,), n from 1 to 12.

    Parameters
    ----------
    positive
        By keyword. Leave out zeros.
    moderate
        By keyword. Keep to amounts from 1e-6 to 1e6 (and 0); otherwise they reach from 1e-300 to 1e300.
    """
    small = st.integers(1, 8).map(float)
    wide = st.floats(1e-6, 1e6)
    amounts = [small, wide]
    if not moderate:
        amounts.append(
            st.one_of(st.sampled_from([-300.0, 300.0]), st.floats(-300.0, 300.0)).map(lambda power: 10.0**power)
        )
    if not positive:
        amounts.append(st.just(0.0))
    amount = st.one_of(*amounts)
    different = st.lists(amount, min_size=1, max_size=MOST_AGENTS)
    equal = st.tuples(amount, st.integers(1, MOST_AGENTS)).map(lambda drawn: [drawn[0]] * drawn[1])
    tied = st.lists(amount, min_size=1, max_size=3).flatmap(
        lambda pool: st.lists(st.sampled_from(pool), min_size=1, max_size=MOST_AGENTS)
    )
    kinds = [different, equal, tied]
    if not positive:
        owner = st.tuples(st.one_of(small, wide), st.integers(1, MOST_AGENTS - 1))
        kinds.append(owner.map(lambda drawn: [0.0] * drawn[1] + [drawn[0]]))
    return st.one_of(*kinds).map(lambda entries: np.array(entries, dtype=np.float64))


def whole_weights(agents: int) -> st.SearchStrategy[FloatArray]:
    """Whole weights from 0 to 4, shape (agents,), not all of them 0."""
    drawn = st.lists(st.integers(0, 4), min_size=agents, max_size=agents).filter(any)
    return drawn.map(lambda entries: np.array(entries, dtype=np.float64))


def weights(agents: int) -> st.SearchStrategy[FloatArray]:
    """Weights of any size from 1e-3 to 1e3, often 0, shape (agents,), not all of them 0."""
    weight = st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-3, 1e3))
    drawn = st.lists(weight, min_size=agents, max_size=agents).filter(any)
    return drawn.map(lambda entries: np.array(entries, dtype=np.float64))


def group_labels(agents: int) -> st.SearchStrategy[list[str]]:
    """Labels of one to three groups, one for each agent."""
    return st.lists(st.sampled_from(["north", "south", "west"]), min_size=agents, max_size=agents)
