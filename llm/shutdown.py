"""Agents that pay in measured seconds, and sub-layers that close when those seconds do not pay.

A sub-layer takes time before its first agent runs: launches, normalisations, sums of full width. Agent i of sub-layer s
is worth `y_i`, takes `t_i` seconds, and the first of s takes `e_s` more. With `z_s` whether s is open, a budget of `B`
seconds buys

    max sum_i y_i x_i   subject to   sum_i t_i x_i + sum_s e_s z_s <= B,   x_i <= z_s,   x_i and z_s 0 or 1.

With fixed costs there need not be a price at which the market clears, so sub-layers leave one by one, as firms do that
do not earn theirs: at the price p of a second at which the agents of open sub-layers use up what is left of the budget,
the one with the least `sum_i (y_i - p t_i) x_i - p e_s` leaves if that is below 0, and the market clears anew.
"""

import numpy as np
from numpy.typing import NDArray

from walras.llm.population import Population
from walras.llm.site_latency import SiteLatency
from walras.market import InvalidInputError
from walras.market.validation import finite_number, finite_vector

__all__ = ["seconds_used", "shutdown_allocation"]


def shutdown_allocation(
    population: Population, worth: NDArray[np.float64], table: SiteLatency, *, budget: float
) -> NDArray[np.bool_]:
    """Give who is served when agents pay in seconds, and sub-layers for being open.

    Parameters
    ----------
    worth
        Of each agent (money), 0 or more, shape (n,).
    table
        Seconds of agents, and of open sub-layers.
    budget
        Fraction in [0, 1] of the seconds that all agents and sub-layers take.

    Returns
    -------
    array
        Shape (n,).

    Notes
    -----
    *Ties*: equal worth per second in the order of the population; of sub-layers that fare alike, the first leaves.
    *Cost*: a sort, and O(n) for each sub-layer that leaves.
    """
    values = finite_vector("worth", worth, length=len(population))
    if (values < 0.0).any():
        raise InvalidInputError(f"worth must be 0 or more, the smallest is {values.min()}.")
    if not 0.0 <= finite_number("budget", budget) <= 1.0:
        raise InvalidInputError(f"budget is a fraction in [0, 1], got {budget}.")
    seconds, entry = table.seconds(population), table.entry_seconds(population)
    site_of = np.repeat(np.arange(len(population.sites)), [len(site.widths) for site in population.sites])
    supply = budget * (seconds.sum() + entry.sum()) * (1.0 + 1e-12)
    order = np.argsort(-values / seconds, kind="stable")
    is_open = np.ones(len(population.sites), dtype=bool)
    while is_open.any():
        left = supply - entry[is_open].sum()
        served, price = _sale(values, seconds, order[is_open[site_of[order]]], left)
        surplus = np.bincount(site_of, (values - price * seconds) * served, minlength=len(entry)) - price * entry
        if left < 0.0:  # nothing can be sold: the sub-layer whose seconds are worth least leaves
            surplus = np.bincount(site_of, values) / (np.bincount(site_of, seconds) + entry)
        surplus[~is_open] = np.inf
        worst = int(surplus.argmin())
        if left >= 0.0 and surplus[worst] >= 0.0:
            return served
        is_open[worst] = False
    return np.zeros(len(population), dtype=bool)


def seconds_used(population: Population, served: NDArray[np.bool_], table: SiteLatency) -> float:
    """Give the seconds that an allocation takes, of agents and of the sub-layers that are open for them."""
    is_open = np.array([served[site.agents].any() for site in population.sites])
    return float(table.seconds(population)[served].sum() + table.entry_seconds(population)[is_open].sum())


def _sale(
    worth: NDArray[np.float64], seconds: NDArray[np.float64], order: NDArray[np.int64], supply: float
) -> tuple[NDArray[np.bool_], float]:
    """Serve in order as long as it fits; the price of a second is what the first who is not served would pay."""
    served = np.zeros(len(worth), dtype=bool)
    fits = int(np.searchsorted(seconds[order].cumsum(), supply, side="right"))
    served[order[:fits]] = True
    price = worth[order[fits]] / seconds[order[fits]] if fits < len(order) else 0.0
    return served, float(price)
