"""Shapes that suit the hardware: heads and neurons kept in multiples, within the same budget.

Matrix units work in tiles, and what is left of a tile is computed for nothing. Blocks of neurons as wide as a tile are
one remedy; rounding is the other: each sub-layer that keeps some of its features keeps a multiple of them, or all. Its
best agents that were not served fill it up, and the budget that is shared out falls until what they use fits again.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from walras.llm.population import Population
from walras.market.validation import finite_vector, whole_number

__all__ = ["fill_up", "rounded_allocation"]


def fill_up(
    population: Population, served: NDArray[np.bool_], valuations: NDArray[np.float64], multiple: int
) -> NDArray[np.bool_]:
    """Serve further agents until each sub-layer keeps a multiple of features, or none, or all.

    Parameters
    ----------
    served
        Who is served, shape (n,).
    valuations
        Who is served next, within a sub-layer: the highest first, shape (n,).
    multiple
        Features of the output projection's input: heads side by side, or neurons.

    Returns
    -------
    array
        Shape (n,), everyone in `served` and those who fill up.

    Notes
    -----
    *Ties*: equal valuations in the order of the population. *Cost*: O(n log n).
    """
    whole_number("multiple", multiple, minimum=1)
    values = finite_vector("valuations", valuations, length=len(population))
    filled = served.copy()
    for site in population.sites:
        widths, mine = np.array(site.widths), filled[site.agents]  # a view: it is filled in place
        if not mine.any():
            continue
        waiting = [agent for agent in np.argsort(-values[site.agents], kind="stable") if not mine[agent]]
        for agent in waiting:
            if widths[mine].sum() % multiple == 0:
                break
            mine[agent] = True
    return filled


def rounded_allocation(
    allocate: Callable[[float], NDArray[np.bool_]],
    population: Population,
    valuations: NDArray[np.float64],
    costs: NDArray[np.float64],
    *,
    budget: float | NDArray[np.float64],
    multiple: int,
) -> NDArray[np.bool_]:
    """Give the largest allocation of a market that fits its budget, and its limits, after `fill_up`.

    Parameters
    ----------
    allocate
        Who is served at a budget, shape (n,); nested in it.
    costs
        Share of each agent, shape (n,); of several resources, shape (n, m).
    budget
        Fraction in [0, 1] that may be used; of each resource, shape (m,), the first of which is shared out.

    Notes
    -----
    Filled allocations are nested too, so that what they use rises with the budget shared out: bisection finds the
    highest that fits. Under several prices the order of agents moves with the budget, and it finds one that fits, above
    which not all do. *Cost*: 40 clearings.
    """
    most = np.atleast_1d(np.asarray(budget, dtype=np.float64))
    shares = costs.reshape(len(costs), -1)

    def filled(level: float) -> NDArray[np.bool_]:
        return fill_up(population, allocate(level), valuations, multiple)

    def fits(served: NDArray[np.bool_]) -> bool:
        return bool((shares[served].sum(0) <= most * (1.0 + 1e-9)).all())

    low, high = 0.0, float(most[0])
    best = filled(high)
    if fits(best):
        return best
    best = filled(low)
    for _ in range(40):
        middle = 0.5 * (low + high)
        served = filled(middle)
        if fits(served):
            low, best = middle, served
        else:
            high = middle
    return best
