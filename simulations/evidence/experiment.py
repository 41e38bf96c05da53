"""The frontier as an experiment: a cell is one method on one seed, at all budgets."""

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.stats import spearmanr
from transformers.utils.logging import disable_progress_bar

from walras.llm import Population, attach, count_flops
from walras.llm.population import HEAD
from walras.llm.training import predict
from walras.market.welfare import gini
from walras.simulations.evidence.config import FrontierConfig
from walras.simulations.evidence.dense import dense_model
from walras.simulations.evidence.flops import TaskFlops, task_flops
from walras.simulations.evidence.methods import DENSE, Cell, Smaller, smaller_models
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "run_frontier_cell"]


def run_frontier_cell(config: FrontierConfig, rng: Generator) -> Tables:
    """Run one method at all its budgets, and score, count and describe what it gives.

    Returns
    -------
    Mapping
        `scores`, a row per budget: method, task, budget, metric, score, dense_score (of the model that the method began
        with), spearman (of a regression; NaN otherwise), used (fraction of the agents' FLOPs that are left), real_flops
        and padded_flops (mean of an evaluation example, see `TaskFlops`) and their ratios to the dense model's,
        parameters, heads and blocks left and gini (of FLOPs over agents; NaN where a model is not made of agents).
    """
    disable_progress_bar()  # of loading and saving: workers share the terminal
    seed = int(rng.integers(2**31))
    model, task = config.load(seed)
    dense = dense_model(config, model, task, seed)
    dense_flops = task_flops(dense, task)
    dense_score = task.score(*predict(dense, task))
    cell = Cell(config, task, seed, dense)
    agents = attach(copy.deepcopy(dense), cell.economy_config).population
    facts = {"method": config.method, "task": task.name, "seed": seed, "dense_score": dense_score}
    rows = [facts | _row(cell, smaller, agents, dense_flops) for smaller in smaller_models(cell)]
    return {"scores": pd.DataFrame(rows)}


def _row(cell: Cell, smaller: Smaller, agents: Population, dense_flops: TaskFlops) -> dict[str, object]:
    logits, labels = predict(smaller.model, cell.task)
    flops = task_flops(smaller.model, cell.task)
    # All that a method removes is agents, in whole or, in a small dense model, together with their layers.
    length = agents.sequence_length
    removed = count_flops(cell.dense, sequence_length=length) - count_flops(smaller.model, sequence_length=length)
    return {
        "budget": smaller.budget,
        "metric": cell.task.metric,
        "score": cell.task.score(logits, labels),
        "spearman": _spearman(logits, labels) if cell.task.outputs == 1 else np.nan,
        "used": 1.0 - removed / float(agents.costs_flops.sum()),
        "real_flops": flops.real,
        "padded_flops": flops.padded,
        "real_flops_ratio": flops.real / dense_flops.real,
        "padded_flops_ratio": flops.padded / dense_flops.padded,
        "parameters": sum(parameter.numel() for parameter in smaller.model.parameters()),
        **_allocation(smaller, agents.frame()),
    }


def _allocation(smaller: Smaller, agents: pd.DataFrame) -> dict[str, float]:
    if smaller.open_agents is None:
        return {"heads": np.nan, "blocks": np.nan, "gini": np.nan}
    is_head = agents["kind"] == HEAD
    return {
        "heads": float((is_head & smaller.open_agents).sum()),
        "blocks": float((~is_head & smaller.open_agents).sum()),
        "gini": gini(np.where(smaller.open_agents, agents["cost_flops"], 0.0)),
    }


def _spearman(logits: np.ndarray, labels: np.ndarray) -> float:
    return 0.0 if np.ptp(logits) == 0.0 else float(spearmanr(logits[:, 0], labels).statistic)


def _anchors(tables: Tables) -> Sequence[Anchor]:
    """What holds at any scale: nobody uses more than its budget, and every budget has a row."""
    scores, cells = tables["scores"], tables["cells"]
    excess = float((scores["used"] - scores["budget"]).max())
    asked = sum(1 if row["method"] == DENSE else len(row["budgets"]) for row in cells.to_dict("records"))
    return (
        Anchor(
            "largest use above a budget (fraction of the agents' FLOPs)", 0.0, max(excess, 0.0), 1e-9, "closed form"
        ),
        Anchor("rows: one for each cell and budget", float(asked), float(len(scores)), 0.0, "closed form"),
    )


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.evidence.figures import frontier_figures

    return frontier_figures(tables)


EXPERIMENT = Experiment(
    name="frontier",
    title="Score against compute",
    question="How much of the dense model's score is left when a fraction of its compute is, by which method?",
    config=FrontierConfig,
    run=run_frontier_cell,
    figures=_figures,
    anchors=_anchors,
)
