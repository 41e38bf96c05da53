"""The mechanism in isolation: what it does to a population of agents, and whether its three executions agree."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray

from walras.market import (
    CapacityMarket,
    Clearing,
    Demand,
    FixedSupply,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
    gini,
)
from walras.market.operators import compile_mechanism

__all__ = ["DEMANDS", "Agents", "contract_checks", "draw_agents", "isolation_rows"]

# The three demand rules at scales that make them differ visibly on valuations of order 1.
DEMANDS: dict[str, Demand] = {"step": StepDemand(), "linear": LinearDemand(1.0), "logit": LogitDemand(0.25)}


@final
@dataclass(frozen=True)
class Agents:
    """Valuations (money per unit) and costs (units; they add up to 1) of n agents, each of shape (n,)."""

    valuations: NDArray[np.float64]
    costs: NDArray[np.float64]


def draw_agents(count: int, rng: Generator) -> Agents:
    """Draw agents: lognormal valuations of median 1, and costs that differ by up to a factor of ten."""
    costs = rng.uniform(1.0, 10.0, count)
    return Agents(rng.lognormal(0.0, 0.75, count), costs / costs.sum())


def isolation_rows(
    budgets: NDArray[np.float64], *, agents: int, seeds: int, seed: int, on_seed: Callable[[], None] | None = None
) -> pd.DataFrame:
    """Clear the capacity market for every seed, demand rule and budget.

    Returns
    -------
    DataFrame
        Columns: seed (number of the population), demand, budget (fraction of all units), price, welfare (value of the
        units served, money), efficiency (welfare over that of step demand, the largest there is), gini (of units),
        residual (the largest of the certificate).
    """
    rows = []
    for number, child in enumerate(SeedSequence(seed).spawn(seeds)):
        population = draw_agents(agents, np.random.default_rng(child))
        for budget in budgets:
            largest = _welfare(population, _clear(population, budget, StepDemand()))
            for name, demand in DEMANDS.items():
                clearing = _clear(population, budget, demand)
                welfare = _welfare(population, clearing)
                rows.append(
                    {
                        "seed": number,
                        "demand": name,
                        "budget": float(budget),
                        "price": clearing.price,
                        "welfare": welfare,
                        "efficiency": welfare / largest,
                        "gini": gini(clearing.quantities),
                        "residual": _largest_residual(clearing),
                    }
                )
        if on_seed:
            on_seed()
    return pd.DataFrame(rows)


def contract_checks(*, agents: int, seed: int, draws: int = 20_000) -> pd.DataFrame:
    """Measure how well explicit market, compiled operator and theory agree, on one population at half the budget.

    Parameters
    ----------
    draws
        Draws of taste shocks for the check of quantal response.

    Returns
    -------
    DataFrame
        Columns: check, measured (a difference; the unit is in the check's text), tolerance, holds.
    """
    rng = np.random.default_rng(seed)
    population = draw_agents(agents, rng)
    rows = [
        {"check": check, "measured": measured, "tolerance": tolerance, "holds": bool(measured <= tolerance)}
        for check, measured, tolerance in _checks(population, 0.5, rng, draws)
    ]
    return pd.DataFrame(rows)


def _checks(population: Agents, budget: float, rng: Generator, draws: int) -> Iterator[tuple[str, float, float]]:
    clearings = {name: _clear(population, budget, demand) for name, demand in DEMANDS.items()}
    residual = max(_largest_residual(clearing) for clearing in clearings.values())
    yield "certificates: largest residual (fraction)", residual, 1e-9

    for name, demand in DEMANDS.items():
        operator = compile_mechanism(CapacityMarket(FixedSupply(budget), demand))
        compiled = operator(torch.from_numpy(population.valuations), torch.from_numpy(population.costs))
        difference = np.abs(compiled.allocation.numpy() - clearings[name].allocation).max()
        yield f"compiled = explicit, {name} demand (largest difference of shares)", float(difference), 1e-9

    logit = clearings["logit"]
    posted = CapacityMarket(PostedPrice(logit.price), DEMANDS["logit"]).clear(population.valuations, population.costs)
    difference = np.abs(posted.allocation - logit.allocation).max()
    yield "prices = quantities: posting the cap's price (largest difference of shares)", float(difference), 1e-9

    taxed = _clear(population, budget, DEMANDS["logit"], PerUnitTax(0.1))
    moved = max(np.abs(taxed.allocation - logit.allocation).max(), abs(logit.price - 0.1 - taxed.price))
    yield "incidence: the seller bears a uniform tax of 0.1 (largest change of shares and buyers' price)", moved, 1e-9

    cold = _clear(population, budget, LogitDemand(1e-6))
    served_alike = np.abs(cold.quantities - clearings["step"].quantities).sum()
    yield "temperature -> 0: logit at 1e-6 against the auction (units served otherwise)", float(served_alike), 1e-6

    yield (
        f"quantal response: {draws:,} draws of taste shocks against logit shares (standard errors, largest)",
        _quantal_response_error(population, logit, rng, draws),
        5.0,
    )
    yield (
        "gradient = comparative statics: shadow price against a finite difference of the engine (relative)",
        _shadow_price_error(population, budget),
        1e-5,
    )


def _quantal_response_error(population: Agents, clearing: Clearing, rng: Generator, draws: int) -> float:
    """Largest distance, in standard errors, of the mean of shaken step agents from the logit share."""
    scale = LogitDemand(0.25).temperature
    bought = np.zeros_like(population.valuations)
    for _ in range(draws):
        bought += population.valuations + rng.logistic(0.0, scale, bought.size) > clearing.price
    share = clearing.allocation
    standard_error = np.sqrt(share * (1.0 - share) / draws)
    return float((np.abs(bought / draws - share) / standard_error).max())


def _shadow_price_error(population: Agents, budget: float) -> float:
    """Relative difference of d(sum of squared shares)/d(budget): the operator's gradient against the engine's."""
    supply = torch.tensor(budget, dtype=torch.float64, requires_grad=True)
    operator = compile_mechanism(CapacityMarket(FixedSupply(budget), DEMANDS["logit"]))
    compiled = operator(
        torch.from_numpy(population.valuations), torch.from_numpy(population.costs), supply=supply
    ).allocation
    compiled.square().sum().backward()
    step = 1e-5
    high, low = (
        np.square(_clear(population, budget + shift, DEMANDS["logit"]).allocation).sum() for shift in (step, -step)
    )
    assert supply.grad is not None
    return float(abs(supply.grad.item() / ((high - low) / (2.0 * step)) - 1.0))


def _clear(population: Agents, budget: float, demand: Demand, tax: PerUnitTax | None = None) -> Clearing:
    market = CapacityMarket(FixedSupply(float(budget)), demand)
    if tax is not None:
        market = replace(market, tax=tax)
    return market.clear(population.valuations, population.costs)


def _welfare(population: Agents, clearing: Clearing) -> float:
    return float(population.valuations @ clearing.quantities)


def _largest_residual(clearing: Clearing) -> float:
    violations = clearing.certificate.violations(0.0)
    return max(violations.values(), default=0.0)
