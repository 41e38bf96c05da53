"""The capacity economy as tensors: the object engine's law, money conserved, gradients through a run, bad input."""

import numpy as np
import pytest
import torch
from torch import Generator

from walras.agents.compute import AutoregressiveValuations, ComputeEconomy, Truthful, synthetic_population
from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LogitDemand,
    NotDifferentiableError,
    PerUnitTax,
    StepDemand,
)
from walras.market.operators.simulation import simulate_capacity

POPULATION = synthetic_population(layers=3, heads=4, blocks=8, rng=0).assign(wealth_cents=10_000_000)
BASE, COSTS = (torch.tensor(POPULATION[name].to_numpy(), dtype=torch.float64) for name in ("valuation", "cost"))


def draw(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("demand", [StepDemand(), LogitDemand(2.0)], ids=["step", "logit"])
def test_the_law_is_that_of_the_object_engine(demand: StepDemand | LogitDemand) -> None:
    """Means of price, value produced and the Gini of shares over periods, within four standard errors."""
    market = CapacityMarket(FixedSupply(20.0), demand, PerUnitTax(1.0))
    economy = ComputeEconomy(
        POPULATION, market, Truthful(), rng=0, valuations=AutoregressiveValuations(0.0, 0.6), dividend_rate=0.2
    )
    economy.run(periods=150)
    rows = economy.periods
    run = simulate_capacity(
        BASE.expand(10, -1), COSTS, 100, market=market, generator=draw(), log_spread=0.6, dividend_rate=0.2
    )
    for ours, name in ((run.price, "price"), (run.welfare, "welfare"), (run.gini_allocation, "gini_allocation")):
        theirs = rows[name]
        error = np.hypot(float(ours.std()) / np.sqrt(ours.numel()), theirs.std() / np.sqrt(len(theirs)))
        assert abs(float(ours.mean()) - theirs.mean()) < 4.0 * error, name
    torch.testing.assert_close(run.quantity_sold, torch.full_like(run.quantity_sold, 20.0))


def test_persistent_valuations_have_the_stationary_law() -> None:
    market = CapacityMarket(FixedSupply(20.0), LogitDemand(2.0))
    runs = [
        simulate_capacity(
            BASE.expand(200, -1), COSTS, 30, market=market, generator=draw(), log_spread=0.6, persistence=r
        ).price
        for r in (0.0, 0.9)
    ]
    # The same law in each period, and prices that remember.
    assert float((runs[0][-1].mean() - runs[1][-1].mean()).abs()) < 4.0 * float(runs[0][-1].std()) / np.sqrt(100.0)
    correlations = [float(torch.corrcoef(torch.stack([run[-2], run[-1]]))[0, 1]) for run in runs]
    assert abs(correlations[0]) < 0.3 < 0.7 < correlations[1]


def test_savings_rise_to_what_dividends_allow() -> None:
    """With the same surplus s each period an agent saves until `d (savings + s) = s`: s (1 - d) / d."""
    market = CapacityMarket(FixedSupply(20.0), LogitDemand(2.0), PerUnitTax(1.0))
    run = simulate_capacity(BASE.unsqueeze(0), COSTS, 200, market=market, generator=draw(), dividend_rate=0.25)
    once = simulate_capacity(BASE.unsqueeze(0), COSTS, 1, market=market, generator=draw(), dividend_rate=0.0)
    expected = once.savings.clamp(min=0.0) * 0.75 / 0.25 + once.savings.clamp(max=0.0) * 200.0
    torch.testing.assert_close(run.savings, expected)
    # What is produced is what agents are left with and the seller gets: the tax comes back.
    spent = once.price[0] * once.quantity_sold[0]
    torch.testing.assert_close(once.savings.sum(-1), once.welfare[0] - spent)


def test_a_seed_repeats_a_run_and_gradients_go_through_it() -> None:
    market = CapacityMarket(FixedSupply(20.0), LogitDemand(2.0))

    def produced(supply: torch.Tensor, tax: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        return simulate_capacity(
            BASE.expand(2, -1),
            COSTS,
            3,
            market=market,
            generator=draw(),
            log_spread=spread,
            persistence=0.5,
            supply=supply,
            tax=tax,
        ).savings.sum()

    leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (20.0, 0.5, 0.6)]
    assert torch.equal(produced(*leaves), produced(*leaves))
    assert torch.autograd.gradcheck(produced, leaves, eps=1e-5, atol=1e-3)


def test_bad_input_is_refused() -> None:
    market = CapacityMarket(FixedSupply(20.0), StepDemand())
    with pytest.raises(InvalidInputError, match="valuations must have shape"):
        simulate_capacity(BASE, COSTS, 1, market=market, generator=draw())
    with pytest.raises(InvalidInputError, match="persistence must lie inside"):
        simulate_capacity(BASE.unsqueeze(0), COSTS, 1, market=market, generator=draw(), persistence=1.0)
    with pytest.raises(NotDifferentiableError, match="requires a gradient"):
        simulate_capacity(BASE.unsqueeze(0).requires_grad_(), COSTS, 1, market=market, generator=draw())
