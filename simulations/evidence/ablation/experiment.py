"""The ablation as an experiment: a cell is one variant at all budgets and seeds."""

import gc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from numpy.random import Generator
from transformers.utils.logging import disable_progress_bar

from walras.simulations.evidence.ablation.config import AblationConfig
from walras.simulations.evidence.ablation.variants import VARIANTS
from walras.simulations.evidence.cell import Cell
from walras.simulations.evidence.dense import dense_models
from walras.simulations.evidence.experiment import DenseReference, scores_table
from walras.simulations.evidence.methods import smaller_models
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "run_ablation_cell"]


def run_ablation_cell(config: AblationConfig, rng: Generator) -> Tables:
    """Run one variant at all budgets and seeds, and score, count and describe what it gives.

    Returns
    -------
    Mapping
        `scores`, a row per budget and seed: variant, and what the frontier's table of that name has, without the
        method. Where agents are whole sub-layers, `heads` counts attentions and `blocks` feed-forward networks.
    """
    disable_progress_bar()  # of loading and saving: workers share the terminal
    gc.collect()  # stacks of the cell before refer to themselves, and would keep the device's memory
    variant, frontier = VARIANTS[config.variant], config.frontier()
    seeds = tuple(int(seed) for seed in rng.integers(2**31, size=config.seeds))
    dense, task = dense_models(frontier, seeds)  # before anything is changed: all variants begin with the same
    cell = Cell(variant.config(frontier), task, seeds, dense, variant.design)
    reference = DenseReference(cell)
    rows = scores_table([reference.row(smaller) for smaller in smaller_models(cell)])
    rows.insert(0, "variant", config.variant)
    return {"scores": rows.drop(columns="method")}


def _anchors(tables: Tables) -> Sequence[Anchor]:
    """What holds at any scale: nobody uses more than its budget, and every budget and seed has a row."""
    scores, cells = tables["scores"], tables["cells"]
    excess = float((scores["used"] - scores["budget"]).max())
    asked = sum(row["seeds"] * len(row["budgets"]) for row in cells.to_dict("records"))
    return (
        Anchor(
            "largest use above a budget (fraction of the agents' FLOPs)", 0.0, max(excess, 0.0), 1e-9, "closed form"
        ),
        Anchor("rows: one for each cell, seed and budget", float(asked), float(len(scores)), 0.0, "closed form"),
    )


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.evidence.ablation.figures import ablation_figures

    return ablation_figures(tables)


EXPERIMENT = Experiment(
    name="ablation",
    title="What the market method is made of",
    question=(
        "What does each part of the method do to the score: temperature, schedule, valuations, granularity, "
        "distillation, recovery? One at a time is changed, all else being equal."
    ),
    config=AblationConfig,
    run=run_ablation_cell,
    figures=_figures,
    anchors=_anchors,
)
