"""What the attention of a frontier's models is like, measured on the same sentences for all methods of a seed."""

from typing import Any

import numpy as np

from walras.llm import attach
from walras.llm.analysis.attention_measures import MEASURES, attention_measures
from walras.llm.population import HEAD
from walras.llm.tasks import Examples, Task
from walras.market import InvalidInputError
from walras.simulations.evidence.cell import Cell
from walras.simulations.evidence.methods import Smaller

__all__ = ["attention_row", "looked_at"]

FEWEST = 5  # tokens that are not special: a rank correlation of fewer says little


def attention_row(cell: Cell, smaller: Smaller) -> dict[str, Any]:
    """Measure the attention of a smaller model: means over sentences, closed heads left out.

    Returns
    -------
    dict
        method, task, seed, budget; sentences (looked at), heads (open); and the measures of
        `walras.llm.analysis.attention_measures`, NaN without an open head.
    """
    seed = cell.seeds[smaller.number]
    economy = attach(smaller.trained(), cell.economy_config)
    examples = looked_at(cell.task, seed, cell.config.attention_sentences)
    measured = attention_measures(economy, cell.task, examples, open_agents=smaller.open_agents)
    is_head = (economy.population.frame()["kind"] == HEAD).to_numpy()
    return {
        "method": cell.config.method,
        "task": cell.task.name,
        "seed": seed,
        "budget": smaller.budget,
        "sentences": len(examples),
        "heads": int((is_head if smaller.open_agents is None else is_head & smaller.open_agents).sum()),
        **{name: float(measured[name].mean()) for name in MEASURES},
    }


def looked_at(task: Task, seed: int, sentences: int) -> Examples:
    """Draw evaluation examples of five tokens or more that are not special, without replacement; all if they are few.

    Raises
    ------
    InvalidInputError
        If there are none.
    """
    special = np.array(sorted(task.special), dtype=np.int64)
    rows = [row for row in task.evaluation.rows if (~np.isin(row["input_ids"], special)).sum() >= FEWEST]
    if not rows:
        raise InvalidInputError(
            f"No evaluation example of {task.name} has {FEWEST} tokens beside the special ones, which their attention "
            "needs to be measured: leave --attention out."
        )
    chosen = np.random.default_rng(seed).permutation(len(rows))[:sentences]
    return Examples([rows[number] for number in chosen])
