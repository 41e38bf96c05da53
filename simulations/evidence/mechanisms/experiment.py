"""The mechanisms as an experiment: a cell is one mechanism at all budgets and seeds, in training and in isolation."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.random import Generator
from transformers.utils.logging import disable_progress_bar

from walras.llm import attach
from walras.llm.ensemble import ModelStack
from walras.llm.tasks import kept_of_dense
from walras.market.welfare import gini
from walras.simulations.evidence.cell import Cell
from walras.simulations.evidence.dense import dense_models
from walras.simulations.evidence.mechanisms.config import MechanismsConfig
from walras.simulations.evidence.mechanisms.coupled import trained_models
from walras.simulations.evidence.mechanisms.isolated import isolated_market
from walras.simulations.evidence.mechanisms.measures import concentration, dead_agents
from walras.simulations.evidence.mechanisms.recorded import Recorded, record_agents
from walras.simulations.evidence.mechanisms.rules import CAP, VICKREY
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "run_mechanisms_cell"]

ISOLATED, TRAINED = "isolated", "trained"


def run_mechanisms_cell(config: MechanismsConfig, rng: Generator) -> Tables:
    """Train and score models under one mechanism, and try it on the recorded agents of the same dense models.

    Returns
    -------
    Mapping
        `outcomes`, a row per part (`isolated`, `trained`), seed and budget: mechanism, task, metric, score, kept (of
        the dense model's score; in isolation score and kept are the mean over periods of the first-order value that is
        served, all compute being worth 1), used (fraction of the agents' FLOPs: of whole agents at the end; in
        isolation the mean over periods), sold and price (under the mechanism's own rules: in the last step of the
        search; in isolation the mean over periods), gini and herfindahl of FLOPs over agents and over layers,
        layers_without_heads, dead (agents that use nothing at any budget), and in isolation (NaN in training) paid and
        surplus (mean over periods of what agents pay and of the value that is left to them) and gini_surplus.
    """
    disable_progress_bar()  # of loading and saving: workers share the terminal
    gc.collect()  # stacks of the cell before refer to themselves, and would keep the device's memory
    seeds = tuple(int(seed) for seed in rng.integers(2**31, size=config.seeds))
    frontier = config.frontier()
    dense, task = dense_models(frontier, seeds)
    cell = Cell(frontier, task, seeds, dense)
    recorded = [_recorded(cell, number, config.periods) for number in range(len(seeds))]
    rows = [*_trained_rows(cell, config, recorded), *_isolated_rows(cell, config, recorded)]
    return {"outcomes": pd.DataFrame(rows)}


def _recorded(cell: Cell, number: int, periods: int) -> Recorded:
    model = cell.dense[number]
    economy = attach(model, cell.economy_config)
    try:
        return record_agents(economy, cell.comparison(1.0, cell.seeds[number]), periods=periods)
    finally:
        economy.detach()


def _trained_rows(cell: Cell, config: MechanismsConfig, recorded: list[Recorded]) -> Iterator[dict[str, object]]:
    labels = np.array([row["labels"] for row in cell.task.evaluation.rows])
    stack = ModelStack(cell.dense, cell.economy_config)
    everyone = np.ones((stack.size, len(stack.economy.population)), dtype=bool)
    whole = [_score(cell, each, labels) for each in cell.observed(stack, everyone)]
    found = list(trained_models(cell, config, recorded))
    for each in found:
        agents, costs = recorded[each.number].agents, recorded[each.number].costs
        use = np.where(each.open_agents, costs, 0.0)
        of_seed = np.array([np.where(other.open_agents, costs, 0.0) for other in found if other.number == each.number])
        score = _score(cell, each.observed, labels)
        yield {
            **_named(cell, config, TRAINED, each.number, each.budget),
            "score": score,
            "kept": kept_of_dense(cell.task.metric, score, whole[each.number]),
            "used": float(use.sum()),
            "sold": each.sold,
            "price": each.price,
            **concentration(use, agents),
            "dead": dead_agents(of_seed, costs),
            **dict.fromkeys(("paid", "surplus", "gini_surplus"), np.nan),
        }


def _isolated_rows(cell: Cell, config: MechanismsConfig, recorded: list[Recorded]) -> Iterator[dict[str, object]]:
    for number, each in enumerate(recorded):
        sales = {
            budget: isolated_market(config.mechanism, each, budget, collar=config.collar, tax_rate=config.tax_rate)
            for budget in config.budgets
        }
        mean_use = {budget: sale.use.mean(0) for budget, sale in sales.items()}
        for budget, sale in sales.items():
            values = (each.valuations * sale.use).mean(0)
            surplus = values - sale.payments.mean(0)
            served = float(values.sum())
            yield {
                **_named(cell, config, ISOLATED, number, budget),
                "score": served,
                "kept": served,
                "used": float(mean_use[budget].sum()),
                "sold": float(mean_use[budget].sum()),
                "price": sale.price,
                **concentration(mean_use[budget], each.agents),
                "dead": dead_agents(np.array(list(mean_use.values())), each.costs),
                "paid": float(sale.payments.sum(1).mean()),
                "surplus": float(surplus.sum()),
                "gini_surplus": gini(surplus.clip(min=0.0)),
            }


def _named(cell: Cell, config: MechanismsConfig, part: str, number: int, budget: float) -> dict[str, object]:
    return {
        "part": part,
        "mechanism": config.mechanism,
        "task": cell.task.name,
        "seed": cell.seeds[number],
        "budget": budget,
        "metric": cell.task.metric,
    }


def _score(cell: Cell, observed: np.ndarray, labels: np.ndarray) -> float:
    return float(cell.task.measures(observed.astype(np.float64), labels)[cell.task.metric])


def _anchors(tables: Tables) -> Sequence[Anchor]:
    """What holds at any scale."""
    outcomes, cells = tables["outcomes"], tables["cells"]
    trained = outcomes[outcomes["part"] == TRAINED]
    asked = 2 * sum(row["seeds"] * len(row["budgets"]) for row in cells.to_dict("records"))
    anchors = [
        Anchor(
            "largest use above a budget (fraction of the agents' FLOPs)",
            0.0,
            max(float((trained["used"] - trained["budget"]).max()), 0.0),
            1e-9,
            "closed form",
        ),
        Anchor(
            "rows: one for each part, cell, seed and budget", float(asked), float(len(outcomes)), 0.0, "closed form"
        ),
    ]
    isolated = outcomes[outcomes["part"] == ISOLATED].set_index(["seed", "budget"])
    cap, vickrey = (isolated[isolated["mechanism"] == name] for name in (CAP, VICKREY))
    if len(cap) and len(vickrey):
        paid = float((vickrey["paid"] - cap["paid"]).max())
        anchors.append(
            Anchor(
                "by how much more Vickrey's agents pay than at a uniform price (all compute is worth 1)",
                0.0,
                max(paid, 0.0),
                1e-9,
                "closed form",
            )
        )
    return tuple(anchors)


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.evidence.mechanisms.figures import mechanism_figures

    return mechanism_figures(tables)


EXPERIMENT = Experiment(
    name="mechanisms",
    title="Mechanisms, in training and in isolation",
    question=(
        "What do cap, tax, collar, progressive tax, markets of layers and Vickrey's payments do to score, to "
        "concentration and to dead agents, and does their ranking on recorded agents predict that in training?"
    ),
    config=MechanismsConfig,
    run=run_mechanisms_cell,
    figures=_figures,
    anchors=_anchors,
)
