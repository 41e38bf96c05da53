"""A mechanism inside models that are trained: the frontier's method `market`, under other rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from walras.llm.baselines.methods import Market
from walras.llm.ensemble import MarketShares, ModelStack
from walras.simulations.evidence.cell import Cell
from walras.simulations.evidence.mechanisms.config import MechanismsConfig
from walras.simulations.evidence.mechanisms.recorded import Recorded
from walras.simulations.evidence.mechanisms.rules import economy_config, instrument_of

__all__ = ["Trained", "trained_models"]


@final
@dataclass(frozen=True)
class Trained:
    """What a mechanism leaves for one budget and seed.

    Attributes
    ----------
    number
        Of the seed.
    open_agents
        Whom it serves, shape (n,).
    observed
        What the score takes, as in `Smaller`.
    price, sold
        In the last step of the search: mean price (money per unit) and units sold (fraction of all compute), under the
        mechanism's own rules.
    """

    budget: float
    number: int
    open_agents: NDArray[np.bool_]
    observed: NDArray[np.floating[Any]]
    price: float
    sold: float


def trained_models(cell: Cell, config: MechanismsConfig, recorded: list[Recorded]) -> Iterator[Trained]:
    """Learn whom to serve under the mechanism, cut, recover, and give what is left: all budgets and seeds, one stack.

    Parameters
    ----------
    recorded
        The agents of each seed's dense model: their normal scores are the first valuations.
    """
    seeds = len(cell.seeds)
    budgets = [budget for budget in config.budgets for _ in range(seeds)]
    stack = ModelStack(
        cell.dense * len(config.budgets),
        economy_config(config.mechanism, cell.economy_config, tax_rate=config.tax_rate),
    )
    method = Market()
    values = np.tile([each.normal_scores for each in recorded], (len(config.budgets), 1))
    instrument = instrument_of(config.mechanism, collar=config.collar)
    shares = MarketShares(stack, values, [method.schedule(budget) for budget in budgets], instrument=instrument)
    allocation = cell.search_and_recover(stack, shares, budgets)
    assert shares.sale is not None
    prices, sold = shares.sale.prices.mean(-1).tolist(), shares.sale.quantity_sold.tolist()
    observed = cell.observed(stack, allocation)
    for member, budget in enumerate(budgets):
        yield Trained(budget, member % seeds, allocation[member], observed[member], prices[member], sold[member])
