"""How unevenly compute is used: over agents, over layers, and who never gets any."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from walras.agents.compute.population import HEAD
from walras.market.welfare import gini, herfindahl_index

__all__ = ["concentration", "dead_agents"]

_NOTHING = 1e-9  # fraction of an agent's full use


def concentration(use: NDArray[np.float64], agents: pd.DataFrame) -> dict[str, float]:
    """Give Gini and Herfindahl over agents and over layers, and the number of layers whose heads have nothing.

    Parameters
    ----------
    use
        Of each agent, as a fraction of all compute, shape (n,).
    agents
        A row per agent: kind, layer, cost.
    """
    layers = agents["layer"].to_numpy()
    of_layers = np.bincount(layers, weights=use)
    is_head = (agents["kind"] == HEAD).to_numpy()
    of_heads = np.bincount(layers[is_head], weights=use[is_head], minlength=len(of_layers))
    return {
        "gini_agents": gini(use),
        "herfindahl_agents": herfindahl_index(use),
        "gini_layers": gini(of_layers),
        "herfindahl_layers": herfindahl_index(of_layers),
        "layers_without_heads": float((of_heads <= _NOTHING * agents["cost"].max()).sum()),
    }


def dead_agents(use: NDArray[np.float64], costs: NDArray[np.float64]) -> int:
    """Give the number of agents that use nothing at any budget; use has the shape (budgets, n)."""
    return int((use <= _NOTHING * costs).all(0).sum())
