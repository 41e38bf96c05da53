"""The labour economy as tensors: the engine's choices and law, gradients through a run, bad input."""

import numpy as np
import pytest
import torch
from torch import Generator

from walras.agents.labour import ColumnarLabourEconomy, LabourRules, LognormalSkills, QuasiLinearPreferences
from walras.market import InvalidInputError
from walras.market.operators.simulation import simulate_labour
from walras.market.operators.welfare import gini as gini_of
from walras.market.taxation import BracketTax

RISING = BracketTax([400.0, 2000.0], [0.1, 0.3, 0.6])
FALLING = BracketTax([400.0, 2000.0], [0.6, 0.2, 0.5])
TASTE = QuasiLinearPreferences(elasticity=0.5)
SKILLS = LognormalSkills(median=100.0, log_spread=0.6)


def skills_of(replicas: int, households: int) -> np.ndarray:
    return SKILLS.draw(replicas * households, np.random.default_rng(0)).reshape(replicas, households)


@pytest.mark.parametrize("tax", [RISING, FALLING], ids=["rising", "falling"])
def test_choices_taxes_and_welfare_are_those_of_the_engine(tax: BracketTax) -> None:
    skills = skills_of(3, 2000)
    run = simulate_labour(torch.tensor(skills), tax=tax, elasticity=0.5)
    for replica in range(3):
        economy = ColumnarLabourEconomy(skills[replica], LabourRules(preferences=TASTE, tax=tax), rng=0)
        period = economy.run(1).iloc[0]
        households = economy.household_rows
        np.testing.assert_allclose(run.income[replica], households["income_cents"] / 100.0, atol=0.0051)
        np.testing.assert_allclose(run.tax[replica], households["tax_cents"] / 100.0, atol=0.011)
        assert float(run.welfare[0, replica]) == pytest.approx(period["atkinson"], rel=1e-4)
        assert float(run.revenue[0, replica]) == pytest.approx(period["tax_cents"] / 2000.0 / 100.0, rel=1e-4)


def test_under_shocks_the_law_is_that_of_the_engine() -> None:
    """Means over periods of the Gini of incomes and of welfare, within four standard errors."""
    skills = skills_of(1, 1000)
    rules = LabourRules(preferences=TASTE, tax=RISING, shock_deviation=0.3)
    rows = ColumnarLabourEconomy(skills[0], rules, rng=0).run(200)
    spread = torch.tensor(skills).expand(200, -1)
    run = simulate_labour(spread, tax=RISING, elasticity=0.5, shock_deviation=0.3, generator=Generator().manual_seed(0))
    for ours, theirs in ((gini_of(run.income), rows["gini_before"]), (run.welfare[0], rows["atkinson"])):
        error = np.hypot(float(ours.std()), theirs.std()) / np.sqrt(200.0)
        assert abs(float(ours.mean()) - theirs.mean()) < 4.0 * error


def test_a_seed_repeats_a_run() -> None:
    def play(seed: int) -> torch.Tensor:
        generator = Generator().manual_seed(seed)
        return simulate_labour(
            torch.tensor(skills_of(2, 50)), 3, tax=RISING, elasticity=0.5, shock_deviation=0.2, generator=generator
        ).welfare

    assert play(1).shape == (3, 2)
    assert torch.equal(play(1), play(1))
    assert not torch.equal(play(1), play(2))


@pytest.mark.parametrize("temperature", [None, 20.0])
def test_gradients_through_a_run_are_finite_differences(temperature: float | None) -> None:
    skills = torch.tensor(skills_of(2, 300))

    def welfare(rates: torch.Tensor, elasticity: torch.Tensor) -> torch.Tensor:
        run = simulate_labour(
            skills,
            3,
            tax=RISING,
            rates=rates,
            elasticity=elasticity,
            shock_deviation=0.2,
            generator=Generator().manual_seed(0),
            temperature=temperature,
        )
        return run.welfare.mean()

    leaves = [
        torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64, requires_grad=True),
        torch.tensor(0.5, dtype=torch.float64, requires_grad=True),
    ]
    assert torch.autograd.gradcheck(welfare, leaves, eps=1e-6, rtol=1e-3, atol=1e-3)


def test_a_schedule_in_each_replica_is_a_loop_over_schedules() -> None:
    skills = torch.tensor(skills_of(1, 200)).expand(4, -1)
    rates = torch.rand(4, 3, dtype=torch.float64, generator=Generator().manual_seed(0))
    together = simulate_labour(skills, tax=RISING, elasticity=0.5, rates=rates).welfare[0]
    alone = [simulate_labour(skills[:1], tax=RISING, elasticity=0.5, rates=row).welfare[0, 0] for row in rates]
    torch.testing.assert_close(together, torch.stack(alone))


def test_choice_by_logit_tends_to_the_best_bracket() -> None:
    skills = torch.tensor(skills_of(1, 500))
    best = simulate_labour(skills, tax=FALLING, elasticity=0.5)
    apart = [
        float((simulate_labour(skills, tax=FALLING, elasticity=0.5, temperature=t).utility - best.utility).abs().max())
        for t in (10.0, 0.1)
    ]
    assert apart[1] < 0.05 * apart[0]


def test_bad_input_is_refused() -> None:
    skills = torch.ones(2, 3)
    with pytest.raises(InvalidInputError, match="skills must have shape"):
        simulate_labour(skills[0], tax=RISING, elasticity=0.5)
    with pytest.raises(InvalidInputError, match=r"rates must have shape \(3,\), as the tax has, or \(2, 3\)"):
        simulate_labour(skills, tax=RISING, elasticity=0.5, rates=torch.ones(2))
    with pytest.raises(InvalidInputError, match="generator must be given"):
        simulate_labour(skills, tax=RISING, elasticity=0.5, shock_deviation=0.1)
