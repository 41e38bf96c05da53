"""The mechanism inside a Transformer: a model trained under the market, and post-hoc pruning beside it."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.random import SeedSequence
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm import EconomyConfig, ElasticBudget, ModelEconomy, attach, count_flops
from walras.llm.appraisal import magnitude_valuations, random_valuations
from walras.llm.attention import attention_entropy
from walras.llm.latency import measure_latency
from walras.llm.tasks import Task
from walras.llm.training import TrainingSettings, fine_tune, score
from walras.market import CapacityMarket, FixedSupply, StepDemand, gini

__all__ = ["Frontier", "allocation_difference", "frontier_rows", "train_frontier"]

RANDOM_DRAWS = 5


@final
@dataclass(frozen=True)
class Frontier:
    """Two models trained alike: one dense, one under the market.

    Attributes
    ----------
    dense
        The economy attached to the dense model, for post-hoc pruning: its valuations are rankings.
    market
        The economy of the model that was trained under the market.
    training
        Rows of the market during training (see `EconomyCallback.rows`).
    """

    dense: ModelEconomy
    market: ModelEconomy
    training: pd.DataFrame


def train_frontier(
    model: PreTrainedModel,
    task: Task,
    settings: TrainingSettings,
    config: EconomyConfig,
    schedule: ElasticBudget,
    *,
    on_step: Callable[[str], Callable[[int], None]] | None = None,
) -> Frontier:
    """Train two copies of a model with the same data, steps and seed: plainly, and under the market.

    Parameters
    ----------
    on_step
        Given the stage's name, gives what to call with the number of steps done.
    """
    dense, rationed = model, copy.deepcopy(model)
    fine_tune(dense, task, settings, on_step=on_step("dense") if on_step else None)
    economy = attach(rationed, config)
    callback = economy.callback(schedule)
    fine_tune(rationed, task, settings, callbacks=[callback], on_step=on_step("market") if on_step else None)
    return Frontier(attach(dense, config), economy, pd.DataFrame(callback.rows))


def frontier_rows(
    frontier: Frontier,
    task: Task,
    budgets: Sequence[float],
    *,
    seed: int,
    latency_batch: int = 32,
    latency_repeats: int = 20,
    on_row: Callable[[], None] | None = None,
) -> pd.DataFrame:
    """Score, count and time every method at every budget.

    Each ranking goes through the same indivisible market, so that all methods use the same FLOPs, up to one agent.

    Returns
    -------
    DataFrame
        Columns: method (dense, market, magnitude, random), draw (number of the random order), budget (fraction of the
        agents' FLOPs), score, soft_score (of the gated model under smooth demand; market only), flops (of the exported
        model, counted, one sequence), flops_ratio (to the dense model), used (fraction of the agents' FLOPs), heads,
        blocks (served), gini (of FLOPs over agents), entropy_bits (mean over heads left; market only), latency_ms and
        its quartiles, speed_up (dense median over this one; market only).
    """
    length = frontier.market.population.sequence_length
    whole = frontier.dense.export(1.0)
    dense_flops = count_flops(whole, sequence_length=length)
    dense_row = _row(frontier.dense, task, 1.0, dense_flops) | _attention_columns(whole, task)
    rows: list[dict[str, Any]] = [{"method": "dense", "draw": 0, **dense_row}]
    for method, draw, economy in _rankings(frontier, seed):
        for budget in budgets:
            row = {"method": method, "draw": draw, **_row(economy, task, budget, dense_flops)}
            if method == "market":
                row |= _market_columns(economy, task, budget)
            rows.append(row)
            if on_row:
                on_row()
    table = pd.DataFrame(rows)
    return _with_latency(table, frontier, budgets, latency_batch, latency_repeats)


def allocation_difference(economy: ModelEconomy, budgets: Sequence[float]) -> int:
    """Count the agents that the explicit engine, given the recorded valuations, serves otherwise than the model."""
    different = 0
    for budget in budgets:
        market = CapacityMarket(FixedSupply(budget), StepDemand(divisible=False))
        explicit = market.clear(economy.valuations, economy.population.costs).allocation > 0.5
        different += int((explicit != economy.hard_allocation(budget)).sum())
    return different


def _rankings(frontier: Frontier, seed: int) -> Iterator[tuple[str, int, ModelEconomy]]:
    """Give each method's economy with its valuations set."""
    yield "market", 0, frontier.market
    dense = frontier.dense
    dense.set_valuations(magnitude_valuations(dense.model, dense.population))
    yield "magnitude", 0, dense
    for draw, child in enumerate(SeedSequence(seed).spawn(RANDOM_DRAWS)):
        dense.set_valuations(random_valuations(dense.population, np.random.default_rng(child)))
        yield "random", draw, dense


def _row(economy: ModelEconomy, task: Task, budget: float, dense_flops: int) -> dict[str, Any]:
    exported = economy.export(budget)
    served: NDArray[np.bool_] = economy.hard_allocation(budget)
    agents = economy.population.frame()
    flops = count_flops(exported, sequence_length=economy.population.sequence_length)
    return {
        "budget": budget,
        "score": score(exported, task),
        "flops": flops,
        "flops_ratio": flops / dense_flops,
        "used": float(agents["cost"][served].sum()),
        "heads": int((agents["kind"][served] == "head").sum()),
        "blocks": int((agents["kind"][served] == "neuron_block").sum()),
        "gini": gini(np.where(served, agents["cost_flops"], 0.0)),
    }


def _market_columns(economy: ModelEconomy, task: Task, budget: float) -> dict[str, Any]:
    economy.set_budget(budget)
    economy.set_mode("soft")
    soft_score = score(economy.model, task)
    economy.set_mode(None)
    return {"soft_score": soft_score, **_attention_columns(economy.export(budget), task)}


def _attention_columns(model: PreTrainedModel, task: Task) -> dict[str, Any]:
    entropies = attention_entropy(model, task)
    heads = np.concatenate(entropies) if entropies else np.array([np.nan])
    return {"entropy_bits": float(heads.mean())}


def _with_latency(
    table: pd.DataFrame, frontier: Frontier, budgets: Sequence[float], batch: int, repeats: int
) -> pd.DataFrame:
    """Add the columns of latency to the rows of the dense model and the market."""
    models = [frontier.dense.export(1.0), *(frontier.market.export(budget) for budget in budgets)]
    length = frontier.market.population.sequence_length
    dense, *exported = measure_latency(models, batch_size=batch, sequence_length=length, repeats=repeats)
    timed = table["method"].isin(["dense", "market"])  # the dense row, then the market's, budget by budget
    latencies = [dense, *exported]
    table.loc[timed, "latency_ms"] = [latency.median * 1e3 for latency in latencies]
    table.loc[timed, "latency_ms_lower_quartile"] = [latency.lower_quartile * 1e3 for latency in latencies]
    table.loc[timed, "latency_ms_upper_quartile"] = [latency.upper_quartile * 1e3 for latency in latencies]
    table.loc[timed, "speed_up"] = [dense.median / latency.median for latency in latencies]
    return table
