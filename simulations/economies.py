"""The compute economy over time, under different ways of bidding."""

from collections.abc import Callable

import pandas as pd

from walras.agents.compute import (
    BiddingPolicy,
    ComputeEconomy,
    Truthful,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    synthetic_population,
)
from walras.market import CapacityMarket, FixedSupply, PerUnitTax

__all__ = ["POLICIES", "economy_rows"]

# The ceiling of unconstrained bids is four times the median valuation of a synthetic population.
POLICIES: dict[str, BiddingPolicy] = {
    "truthful": Truthful(),
    "zero intelligence, constrained": ZeroIntelligenceConstrained(),
    "zero intelligence": ZeroIntelligenceUnconstrained(40.0),
}


def economy_rows(
    *, periods: int, seed: int, budget: float = 0.5, tax: float = 1.0, on_policy: Callable[[], None] | None = None
) -> pd.DataFrame:
    """Run one economy of heads and neuron blocks for each bidding policy.

    Parameters
    ----------
    periods
        How long each runs.
    seed
        Of the population, the same for all policies, and of the bids.
    budget
        Compute sold each period, as a fraction of all units that agents can use.
    tax
        Money per unit of compute.
    on_policy
        Called after each policy.

    Returns
    -------
    DataFrame
        A row per policy and period: the columns of `ComputeEconomy.periods`, and policy.
    """
    population = synthetic_population(layers=4, heads=4, blocks=8, rng=seed)
    market = CapacityMarket(FixedSupply(budget * float(population["cost"].sum())), tax=PerUnitTax(tax))
    tables = []
    for name, policy in POLICIES.items():
        economy = ComputeEconomy(population, market, policy, rng=seed)
        economy.run(periods)
        tables.append(economy.periods.assign(policy=name))
        if on_policy:
            on_policy()
    return pd.concat(tables, ignore_index=True)
