"""The agents of a dense model, recorded: what a unit of compute is worth to each, over some examples at a time.

With all agents served, `|dL_e / dx_i|` is what example e's loss would change by, to first order, without agent i. Its
mean over examples per unit of i's cost is what a unit is worth to i. Calibration examples are dealt to periods by
lot, and each period has valuations of its own: the shocks that distinguish a price from a quantity.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from walras.agents.compute import RecordedValuations, load_population
from walras.llm import ModelEconomy
from walras.llm.appraisal import normal_scores
from walras.llm.baselines import Comparison
from walras.llm.baselines.gradients import calibration_batches, share_gradients
from walras.market import InvalidInputError

__all__ = ["Recorded", "record_agents"]


@final
@dataclass(frozen=True)
class Recorded:
    """The recorded agents of one model.

    Attributes
    ----------
    agents
        A row per agent: kind, layer, index, valuation (mean over periods), cost (they add up to 1).
    valuations
        Worth of a unit in each period, shape (periods, n); money is such that all compute together is worth 1 in the
        mean over periods.
    normal_scores
        Of what agents contribute per unit, over all examples, shape (n,): the first valuations of a training.
    """

    agents: pd.DataFrame
    valuations: NDArray[np.float64]
    normal_scores: NDArray[np.float64]

    @property
    def costs(self) -> NDArray[np.float64]:
        """Share of each agent in all compute, shape (n,)."""
        return self.agents["cost"].to_numpy()


def record_agents(economy: ModelEconomy, comparison: Comparison, *, periods: int) -> Recorded:
    """Record the agents of a dense model.

    The tables go through `ModelEconomy.frame` and `load_population`, as a population does that is saved and read again.
    """
    batches = calibration_batches(comparison.task, examples=comparison.calibration, seed=comparison.settings.seed)
    contributions = np.abs(share_gradients(economy, batches))  # (examples, n)
    if len(contributions) < periods:
        raise InvalidInputError(
            f"periods must be at most the {len(contributions)} calibration examples, got {periods}."
        )
    costs = np.maximum(economy.gate.costs.cpu().numpy(), np.finfo(np.float64).tiny)
    scores = normal_scores(contributions.mean(0) / costs)
    order = np.random.default_rng(comparison.settings.seed).permutation(len(contributions))
    dealt = [contributions[numbers].mean(0) for numbers in np.array_split(order, periods)]
    worth = float(np.sum(dealt) / periods)  # of all compute
    tables = []
    for period, contribution in enumerate(dealt):
        economy.set_valuations(contribution / costs / (worth if worth > 0.0 else 1.0))
        tables.append(economy.frame(1.0).assign(step=period))
    population = load_population(pd.concat(tables, ignore_index=True))
    assert isinstance(population.process, RecordedValuations)
    return Recorded(population.agents, np.asarray(population.process.record), scores)
