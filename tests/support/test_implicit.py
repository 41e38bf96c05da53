"""The second route to the gradients is itself right: against one agent, whose price is known in closed form."""

import math

import pytest
import torch
from tests.support.implicit import implicit_clearing


def one_agent(rule: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The arguments (leaves) and the price of one agent of valuation 2, cost 4, who gets a quarter of its use."""
    values = {"valuations": [2.0], "costs": [4.0], "supply": 1.0, "scale": 0.5, "tax_rates": [0.3]}
    leaves = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in values.items()}
    return leaves, implicit_clearing(**leaves, rule=rule).price


# With b = B / w: p = v - t - tau * D^-1(b), D^-1(b) = log(b / (1 - b)) (logit) or b (linear).
QUARTER = math.log(1.0 / 3.0)
CLOSED_FORM = {
    "logit": {
        "valuations": 1.0,
        "costs": 0.5 / (4.0 * 0.75),
        "supply": -0.5 / (4.0 * 0.25 * 0.75),
        "scale": -QUARTER,
        "tax_rates": -1.0,
    },
    "linear": {"valuations": 1.0, "costs": 0.5 * 1.0 / 16.0, "supply": -0.5 / 4.0, "scale": -0.25, "tax_rates": -1.0},
}


@pytest.mark.parametrize("rule", ["linear", "logit"])
def test_one_agent_in_closed_form(rule: str) -> None:
    leaves, price = one_agent(rule)
    assert price.item() == pytest.approx(2.0 - 0.3 - 0.5 * (QUARTER if rule == "logit" else 0.25), rel=1e-14)
    price.backward()
    for name, wanted in CLOSED_FORM[rule].items():
        assert leaves[name].grad.item() == pytest.approx(wanted, rel=1e-12), name


@pytest.mark.parametrize("rule", ["linear", "logit"])
def test_the_newton_step_moves_nothing_but_rounding(rule: str) -> None:
    generator = torch.Generator().manual_seed(0)
    valuations, costs = torch.randn(2, 5, generator=generator, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    supply, scale = torch.tensor([1.5, 3.5], dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64)
    taxes = torch.zeros(5, dtype=torch.float64)
    outcome = implicit_clearing(valuations, costs, supply, scale, rule=rule, tax_rates=taxes)
    torch.testing.assert_close(outcome.quantity_sold, supply, rtol=1e-13, atol=0.0)
