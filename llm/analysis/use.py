"""Who gets the compute: by budget, by layer, and as maps of layer and head; FLOPs of agents and of the whole model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from walras.llm.config import checked_budget
from walras.llm.flops import count_flops
from walras.market import InvalidInputError, gini

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["allocation_map", "at_budget", "budget_table", "checked_budgets", "layer_table", "whole_flops"]


def checked_budgets(budgets: Sequence[float]) -> tuple[float, ...]:
    """Give budgets as a tuple of fractions, at least one, or raise `InvalidInputError`."""
    fractions = tuple(checked_budget(budget) for budget in budgets)
    if not fractions:
        raise InvalidInputError("budgets is empty: give at least one budget in [0, 1].")
    return fractions


@contextmanager
def at_budget(economy: "ModelEconomy", budget: float, mode: str | None) -> Iterator[None]:
    """Let the economy clear at a budget and in a mode, and put back what was before."""
    gate = economy.gate
    before = gate.mode, gate.budget.clone(), gate.lanes
    gate.mode, gate.lanes = mode, None
    gate.budget.fill_(budget)
    try:
        yield
    finally:
        gate.mode, gate.lanes = before[0], before[2]
        gate.budget.copy_(before[1])
        gate.outcome.clearing = None


def whole_flops(economy: "ModelEconomy") -> int:
    """FLOPs of the whole model for one sequence with everyone served: embeddings, head and all; without the bidder."""
    with at_budget(economy, 1.0, "open"):
        return count_flops(economy.model, sequence_length=economy.population.sequence_length)


def budget_table(economy: "ModelEconomy", budgets: Sequence[float]) -> pd.DataFrame:
    """Give a row per budget.

    Columns: budget; served (agents); resource_used (fraction of what agents can use of the scarce resource);
    agents_flops and model_flops (one sequence), agents_flops_fraction and model_flops_fraction (of the agents' FLOPs,
    and of the whole model's, embeddings and head included); gini_agents, gini_layers (of FLOPs used as fractions of
    what each could use; 0 is even).

    Notes
    -----
    Under sequence-dependent bids there is no one allocation; `fix_valuations` first.
    """
    flops, everything = economy.population.costs_flops, whole_flops(economy)
    shares = economy.gate.costs.cpu().numpy()
    layer = economy.population.frame()["layer"].to_numpy()
    rows = []
    for budget in checked_budgets(budgets):
        served = economy.hard_allocation(budget)
        used = int(flops[served].sum())
        rows.append(
            {
                "budget": budget,
                "served": int(served.sum()),
                "resource_used": float(shares[served].sum()),
                "agents_flops": used,
                "agents_flops_fraction": used / int(flops.sum()),
                "model_flops": everything - int(flops.sum()) + used,
                "model_flops_fraction": 1.0 - (int(flops.sum()) - used) / everything,
                "gini_agents": _gini(served.astype(float)),
                "gini_layers": _gini(_by_layer(served * flops, layer) / _by_layer(flops, layer)),
            }
        )
    return pd.DataFrame(rows)


def layer_table(economy: "ModelEconomy", budgets: Sequence[float]) -> pd.DataFrame:
    """Give a row per budget and layer.

    Columns: budget, layer; served_attention and served_ffn (agents), of how many; share_used (of all FLOPs used);
    fraction_used (of the layer's own).
    """
    table = economy.population.frame()
    attention = np.concatenate([np.full(len(site.widths), site.is_attention) for site in economy.population.sites])
    rows = []
    for budget in checked_budgets(budgets):
        served = economy.hard_allocation(budget)
        used = table["cost_flops"].to_numpy() * served
        for layer in np.unique(table["layer"]):
            mine = (table["layer"] == layer).to_numpy()
            heads, blocks = mine & attention, mine & ~attention
            rows.append(
                {
                    "budget": budget,
                    "layer": int(layer),
                    "served_attention": int(served[heads].sum()),
                    "attention": int(heads.sum()),
                    "served_ffn": int(served[blocks].sum()),
                    "ffn": int(blocks.sum()),
                    "share_used": float(used[mine].sum() / max(used.sum(), 1)),
                    "fraction_used": float(used[mine].sum() / table["cost_flops"].to_numpy()[mine].sum()),
                }
            )
    return pd.DataFrame(rows)


def allocation_map(economy: "ModelEconomy", kind: str, values: NDArray[np.float64]) -> pd.DataFrame:
    """Lay numbers of agents of one kind out by layer and number within the layer.

    Parameters
    ----------
    kind
        Of the population's table: `"head"` or `"neuron_block"`, say.
    values
        One for each agent of the whole population, shape (n,): shares, valuations, use.

    Returns
    -------
    DataFrame
        A row per layer, a column per number; NaN where a layer has fewer agents.
    """
    table = economy.population.frame()
    if kind not in set(table["kind"]):
        raise InvalidInputError(f"kind must be one of {sorted(set(table['kind']))}, got {kind!r}.")
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (len(table),):
        raise InvalidInputError(f"values must have shape ({len(table)},), got {numbers.shape}.")
    chosen = table.assign(value=numbers)[table["kind"] == kind]
    return chosen.pivot(index="layer", columns="index", values="value")


def _by_layer(amounts: NDArray, layer: NDArray[np.int64]) -> NDArray[np.float64]:
    numbers = np.unique(layer, return_inverse=True)[1]
    return np.bincount(numbers, weights=amounts).astype(np.float64)


def _gini(amounts: NDArray[np.float64]) -> float:
    return float(gini(amounts)) if amounts.sum() > 0.0 else 0.0
