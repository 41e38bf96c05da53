"""The frontier as an experiment: a cell is one method at all budgets and seeds."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from transformers.utils.logging import disable_progress_bar

from walras.llm import attach, count_flops
from walras.llm.architectures import FFN
from walras.llm.ensemble import ModelStack
from walras.llm.population import NEURON_BLOCK
from walras.llm.resources import RESOURCES, amounts_of
from walras.market.welfare import gini
from walras.simulations.evidence.attention import attention_row
from walras.simulations.evidence.cell import Cell
from walras.simulations.evidence.config import OURS, FrontierConfig
from walras.simulations.evidence.dense import dense_models
from walras.simulations.evidence.flops import TaskFlops, agent_flops, task_flops
from walras.simulations.evidence.methods import DENSE, Smaller, smaller_models
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "DenseReference", "run_frontier_cell", "scores_table"]


def run_frontier_cell(config: FrontierConfig, rng: Generator) -> Tables:
    """Run one method at all its budgets and seeds, and score, count and describe what it gives.

    Returns
    -------
    Mapping
        `scores`, a row per budget and seed: method, task, seed, budget, metric, score, dense_score (of the model that
        the method began with), spearman (of a regression; NaN otherwise), bits_per_byte (of a language model; NaN
        otherwise), used (fraction of the agents' FLOPs that are left), real_flops and padded_flops (mean of an
        evaluation example, see `TaskFlops`) and their ratios to the dense model's, parameters, heads and blocks left,
        by_layer (heads+blocks of each layer, as "12+24 9+20 ...") and gini (of FLOPs over agents); the last four are
        missing where a model is not made of agents. With `config.attention` also `attention`, a row for each of these,
        as in `attention_row`.
    """
    disable_progress_bar()  # of loading and saving: workers share the terminal
    gc.collect()  # stacks of the cell before refer to themselves, and would keep the device's memory
    config = replace(config, budgets=config.budgets_of_method)
    seeds = tuple(int(seed) for seed in rng.integers(2**31, size=config.seeds))
    dense, task = dense_models(config, seeds)
    cell = Cell(config, task, seeds, dense)
    reference = DenseReference(cell)
    rows: dict[str, list[dict[str, object]]] = {"scores": [], **({"attention": []} if config.attention else {})}
    for smaller in smaller_models(cell):
        rows["scores"].append(reference.row(smaller))
        if config.attention:
            rows["attention"].append(attention_row(cell, smaller))
    return {name: scores_table(some) if name == "scores" else pd.DataFrame(some) for name, some in rows.items()}


def scores_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Give rows of `DenseReference` as a table whose columns have a type also where all of their values are missing."""
    return pd.DataFrame(rows).astype({"by_layer": "string"})


class DenseReference:
    """The dense models of a cell, with which smaller ones are compared."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        model, config = cell.dense[0], cell.economy_config  # those of all seeds have one shape
        economy = attach(model, config)
        self.population = economy.population
        self.agents = economy.population.frame()
        self.parameters_of_agents = amounts_of(RESOURCES["parameters"], model, economy.population)
        economy.detach()
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.flops = task_flops(model, cell.task)
        self.flops_of_agents = agent_flops(model, cell.task, config)
        stack = ModelStack(cell.dense, config)
        everyone = np.ones((stack.size, len(self.agents)), dtype=bool)
        self.labels = np.array([row["labels"] for row in cell.task.evaluation.rows])
        observed = cell.observed(stack, everyone)
        self.scores = [cell.task.score(each.astype(np.float64), self.labels) for each in observed]

    def row(self, smaller: Smaller) -> dict[str, object]:
        """Describe a smaller model."""
        task = self.cell.task
        measures = task.measures(smaller.observed.astype(np.float64), self.labels)
        flops, parameters, used = self._size(smaller)
        return {
            "method": self.cell.config.method,
            "task": task.name,
            "seed": self.cell.seeds[smaller.number],
            "budget": smaller.budget,
            "metric": task.metric,
            "score": measures[task.metric],
            "dense_score": self.scores[smaller.number],
            **{name: measures.get(name, np.nan) for name in ("spearman", "bits_per_byte")},
            "used": used,
            "real_flops": flops.real,
            "padded_flops": flops.padded,
            "real_flops_ratio": flops.real / self.flops.real,
            "padded_flops_ratio": flops.padded / self.flops.padded,
            "parameters": parameters,
            **_allocation(smaller, self.agents),
        }

    def _size(self, smaller: Smaller) -> tuple[TaskFlops, int, float]:
        """FLOPs, parameters, and the fraction of the agents' FLOPs that is left."""
        if smaller.open_agents is None:
            assert smaller.model is not None
            length = self.population.sequence_length
            # All that is removed is agents, in whole, together with their layers.
            removed = count_flops(self.cell.dense[0], sequence_length=length)
            removed -= count_flops(smaller.model, sequence_length=length)
            used = 1.0 - removed / float(self.population.costs_flops.sum())
            parameters = sum(parameter.numel() for parameter in smaller.model.parameters())
            return task_flops(smaller.model, self.cell.task), parameters, used
        closed = ~smaller.open_agents
        parameters = self.parameters - round(float(self.parameters_of_agents[closed].sum()))
        used = float(self.population.costs[smaller.open_agents].sum())
        return self.flops_of_agents.without(self.flops, smaller.open_agents), parameters, used


def _allocation(smaller: Smaller, agents: pd.DataFrame) -> dict[str, float | str | None]:
    if smaller.open_agents is None:
        return {"heads": np.nan, "blocks": np.nan, "by_layer": None, "gini": np.nan}
    is_head = ~agents["kind"].isin((NEURON_BLOCK, FFN))  # or a whole attention
    heads, blocks = is_head & smaller.open_agents, ~is_head & smaller.open_agents
    by_layer = [each.groupby(agents["layer"]).sum() for each in (heads, blocks)]
    return {
        "heads": float(heads.sum()),
        "blocks": float(blocks.sum()),
        "by_layer": " ".join(f"{some}+{more}" for some, more in zip(*by_layer, strict=True)),
        "gini": gini(np.where(smaller.open_agents, agents["cost_flops"], 0.0)),
    }


def _anchors(tables: Tables) -> Sequence[Anchor]:
    """What holds at any scale: nobody uses more than its budget, and every budget has a row."""
    scores, cells = tables["scores"], tables["cells"]
    excess = float((scores["used"] - scores["budget"]).max())
    asked = sum(row["seeds"] * _budgets_of(row) for row in cells.to_dict("records"))
    return (
        Anchor(
            "largest use above a budget (fraction of the agents' FLOPs)", 0.0, max(excess, 0.0), 1e-9, "closed form"
        ),
        Anchor("rows: one for each cell and budget", float(asked), float(len(scores)), 0.0, "closed form"),
    )


def _budgets_of(cell: Mapping[Any, Any]) -> int:
    """Give at how many budgets a cell's method has rows."""
    if cell["method"] == DENSE:
        return 1
    fewer = [] if cell["method"] in OURS else cell.get("baseline_budgets", [])
    return len(fewer) or len(cell["budgets"])


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.evidence.attention_figures import attention_figures
    from walras.simulations.evidence.figures import frontier_figures

    of_attention = attention_figures(tables["attention"]) if "attention" in tables else {}
    return {**frontier_figures(tables), **of_attention}


EXPERIMENT = Experiment(
    name="frontier",
    title="Score against compute",
    question="How much of the dense model's score is left when a fraction of its compute is, by which method?",
    config=FrontierConfig,
    run=run_frontier_cell,
    figures=_figures,
    anchors=_anchors,
)
