"""A falling temperature keeps the gradient within bounds: neither starved nor without bound."""

import pytest
import torch
from torch import Tensor

from walras.market import InvalidInputError
from walras.market.operators import TemperatureSchedule, capacity_allocation, marginal_part

AGENTS, STEPS = 200, 6


def markets() -> tuple[Tensor, Tensor, Tensor]:
    """Ten markets of agents with bids of a spread of 1; a quarter to three quarters of the units are for sale."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(10, AGENTS, generator=generator, dtype=torch.float64)
    costs = torch.rand(10, AGENTS, generator=generator, dtype=torch.float64) + 0.5
    return values, costs, costs.sum(-1) * torch.linspace(0.25, 0.75, 10, dtype=torch.float64)


def gradient_sizes(schedule: TemperatureSchedule) -> Tensor:
    """Norm of the gradient of a loss in shares by valuations, shape (steps, markets)."""
    values, costs, supply = markets()
    worth = torch.randn(AGENTS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sizes = []
    for step in range(STEPS):
        leaf = values.clone().requires_grad_()
        temperature = schedule.at(step, values, costs, supply)
        loss = (worth * capacity_allocation(leaf, costs, supply, temperature).allocation).sum()
        sizes.append(torch.autograd.grad(loss, leaf)[0].norm(dim=-1))
    return torch.stack(sizes)


def test_the_gradient_stays_within_bounds_where_a_plain_schedule_leaves_them() -> None:
    bounded = gradient_sizes(TemperatureSchedule(first=1.0, last=1e-7, steps=STEPS, least_marginal=8.0 / AGENTS))
    plain = gradient_sizes(TemperatureSchedule(first=1.0, last=1e-7, steps=STEPS))
    start = bounded[0]
    assert bool((bounded > 0.2 * start).all())
    assert bool((bounded < 20.0 * start).all())
    # Without the floor it is starved in some markets, and blown up in the others.
    assert bool(((plain[-1] < 1e-3 * start) | (plain[-1] > 1e3 * start)).all())


def test_the_marginal_part_times_the_slope_is_bounded() -> None:
    values, costs, supply = markets()
    schedule = TemperatureSchedule(first=1.0, last=1e-7, steps=STEPS, least_marginal=0.02)
    for step in range(STEPS):
        temperature = schedule.at(step, values, costs, supply)
        part = marginal_part(capacity_allocation(values, costs, supply, temperature).allocation, costs)
        assert bool((part >= 0.02 * (1.0 - 1e-3)).all())
        product = part / (4.0 * temperature)  # the slope of demand, as a fraction of all units
        assert bool(((product > 0.05) & (product < 2.0)).all())


def test_without_a_floor_it_falls_geometrically_and_stays_at_the_last() -> None:
    schedule = TemperatureSchedule(first=1.0, last=1e-4, steps=5)
    found = [float(schedule.at(step, *markets())[0]) for step in (0, 1, 2, 4, 9)]
    assert found == pytest.approx([1.0, 0.1, 0.01, 1e-4, 1e-4])


def test_a_tie_at_the_margin_stays_marginal_at_every_temperature() -> None:
    values, costs = torch.tensor([3.0, 2.0, 2.0, 1.0]), torch.ones(4)
    schedule = TemperatureSchedule(first=1.0, last=1e-6, steps=3, least_marginal=0.3)
    assert float(schedule.at(2, values, costs, torch.tensor(2.0))) == pytest.approx(1e-6)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="last must not exceed first"):
        TemperatureSchedule(first=0.1, last=1.0, steps=3)
    with pytest.raises(InvalidInputError, match="steps must be 2 or more"):
        TemperatureSchedule(first=1.0, last=0.1, steps=1)
    with pytest.raises(InvalidInputError, match="least_marginal must be below 1"):
        TemperatureSchedule(first=1.0, last=0.1, steps=3, least_marginal=1.0)
