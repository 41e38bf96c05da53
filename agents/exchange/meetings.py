"""Who meets whom in a round: pairs in which nobody stands twice, so that all of them may trade at the same time."""

from typing import TypeAlias

import networkx as nx
import numpy as np
from numpy.random import Generator

from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError

__all__ = ["draw_meetings", "links_of"]

Links: TypeAlias = IntArray


def links_of(network: "nx.Graph | None", consumers: int) -> Links | None:
    """Give the links as pairs of consumers, shape (l, 2); None where everybody knows everybody.

    Parameters
    ----------
    network
        A networkx graph, its direction left aside, on the nodes 0 .. n - 1; or None.
    consumers
        n.

    Raises
    ------
    InvalidInputError
        Something else than a graph, other nodes, no links.
    """
    if network is None:
        return None
    if not isinstance(network, nx.Graph):
        raise InvalidInputError(f"network must be a networkx Graph or None, got {network!r}.")
    if set(network.nodes) != set(range(consumers)):
        raise InvalidInputError(
            f"network must have the consumers 0 .. {consumers - 1} as nodes, got {len(network)} nodes such as "
            f"{list(network.nodes)[:3]}: relabel with networkx.convert_node_labels_to_integers."
        )
    links = sorted({(min(pair), max(pair)) for pair in network.edges() if pair[0] != pair[1]})
    if not links:
        raise InvalidInputError("network must have at least one link between two consumers, or nobody ever trades.")
    return np.array(links, dtype=np.int64)


def draw_meetings(links: Links | None, consumers: int, rng: Generator) -> IntArray:
    """Draw disjoint pairs of consumers, shape (k, 2).

    Where everybody knows everybody all meet in random pairs; of an odd number one stays alone. On a network every link
    draws a lot, and those meet whose link has the lowest lot of all links at either end: every link has a chance, and
    the fewer rivals it has, the better.

    Parameters
    ----------
    links
        As `links_of` gives them.
    consumers
        n.
    rng
        Draws one permutation or one number per link.

    Notes
    -----
    *Cost*: O(n), or O(number of links). *Source*: the lots are those of Luby 1986.
    """
    if links is None:
        order = rng.permutation(consumers)
        pairs = consumers // 2
        return np.stack([order[:pairs], order[pairs : 2 * pairs]], axis=1)  # two vectors (k,) -> (k, 2)
    lots = rng.random(len(links))
    lowest = np.full(consumers, np.inf)
    np.minimum.at(lowest, links.ravel(), np.repeat(lots, 2))
    chosen = (lots == lowest[links[:, 0]]) & (lots == lowest[links[:, 1]])
    return links[chosen]
