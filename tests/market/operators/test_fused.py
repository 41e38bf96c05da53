"""The fused kernels against the engine and the reference: interpreted on any machine, compiled on a CUDA device.

The interpreter has to be chosen before Triton is imported, so the float32 part of the parity suite runs once more in a
process of its own, through the kernels.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from walras.market.operators import fused
from walras.market.operators.capacity import OperatorClearing, capacity_allocation

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")

needs_kernels = [
    pytest.mark.skipif(not (INTERPRETED or torch.cuda.is_available()), reason="needs CUDA, or TRITON_INTERPRET=1"),
    *([] if INTERPRETED else [pytest.mark.gpu]),
]


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.skipif(INTERPRETED, reason="this is the inner run")
def test_the_parity_suite_passes_through_the_interpreted_kernels() -> None:
    folder = Path(__file__).parent
    selection = "float32 or kernels or share_alike or ends_between"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", selection]
    command += ["-W", "ignore::RuntimeWarning"]
    command += [str(folder / f"test_{name}.py") for name in ("engine_parity", "fused", "masks")]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder.parents[2], env=environment, capture_output=True, text=True, check=False, timeout=1200
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def outcome_in(
    dtype: torch.dtype, *tensors: torch.Tensor, rule: str, mask: torch.Tensor | None = None, **taxes: torch.Tensor
) -> OperatorClearing:
    """Clear in float32 (by the kernels) or in float64 (by the reference)."""
    taxes = {name: tensor.to(dtype) for name, tensor in taxes.items()}
    return capacity_allocation(*(tensor.to(dtype) for tensor in tensors), rule=rule, mask=mask, **taxes)


class TestKernels:
    pytestmark = needs_kernels

    @staticmethod
    def market(rows: int, agents: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(rows, agents, generator=generator)
        costs = torch.rand(rows, agents, generator=generator) + 0.1
        supply = costs.sum(-1) * torch.linspace(0.05, 0.95, rows)
        return values.to(DEVICE), costs.to(DEVICE), supply.to(DEVICE), torch.full((rows,), 0.3, device=DEVICE)

    def test_kernels_are_in_use(self) -> None:
        assert fused.fits(torch.float32, DEVICE)
        assert not fused.fits(torch.float64, DEVICE)

    @pytest.mark.parametrize("rule", ["logit", "linear"])
    @pytest.mark.parametrize("agents", [1, 2, 31, 64, 100])
    def test_kernels_give_what_the_reference_gives(self, agents: int, rule: str) -> None:
        market = self.market(5, agents)
        tax = torch.linspace(-0.2, 0.3, agents).to(DEVICE)
        single = outcome_in(torch.float32, *market, rule=rule, tax_rates=tax)
        double = outcome_in(torch.float64, *market, rule=rule, tax_rates=tax)
        for ours, theirs in zip(single, double, strict=True):
            torch.testing.assert_close(ours.double(), theirs, rtol=5e-5, atol=1e-5)

    @pytest.mark.parametrize("rule", ["logit", "linear"])
    def test_kernels_take_one_cost_for_all(self, rule: str) -> None:
        values, _, _, scale = self.market(4, 40)
        supply = torch.tensor([5.0, 10.0, 20.0, 39.0]).to(DEVICE)
        shared = outcome_in(torch.float32, values, torch.ones(1, device=DEVICE), supply, scale, rule=rule)
        spelt_out = outcome_in(torch.float32, values, torch.ones(4, 40, device=DEVICE), supply, scale, rule=rule)
        for ours, theirs in zip(shared, spelt_out, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("rule", ["logit", "linear"])
    def test_kernels_read_large_markets_in_blocks(self, monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
        monkeypatch.setattr(fused, "LARGEST_BLOCK", 16)
        monkeypatch.setattr(fused, "_BLOCK_OF_LARGE_MARKETS", 16)
        market = self.market(5, 75)
        market[0][1] = market[0][1].round()  # ties
        market[0][2] *= 1e4
        single, double = (outcome_in(dtype, *market, rule=rule) for dtype in (torch.float32, torch.float64))
        for ours, theirs in zip(single, double, strict=True):
            torch.testing.assert_close(ours.double(), theirs, rtol=2e-5, atol=2e-5)

    @pytest.mark.parametrize("rule", ["logit", "linear"])
    @pytest.mark.parametrize("largest_block", [16, 8192])
    def test_kernels_leave_absent_agents_out(
        self, monkeypatch: pytest.MonkeyPatch, rule: str, largest_block: int
    ) -> None:
        monkeypatch.setattr(fused, "LARGEST_BLOCK", largest_block)
        monkeypatch.setattr(fused, "_BLOCK_OF_LARGE_MARKETS", 16)
        values, costs, supply, scale = self.market(6, 75)
        mask = torch.arange(75, device=DEVICE) % 3 != torch.arange(6, device=DEVICE).unsqueeze(-1) % 3
        mask[5] = False
        supply = torch.minimum(supply, 0.9 * (costs * mask).sum(-1))
        values = torch.where(mask, values, torch.nan)
        for units in (costs, torch.ones(1, device=DEVICE)):
            single, double = (
                outcome_in(dtype, values, units, supply, scale, rule=rule, mask=mask)
                for dtype in (torch.float32, torch.float64)
            )
            for ours, theirs in zip(single, double, strict=True):
                torch.testing.assert_close(ours.double(), theirs, rtol=2e-5, atol=2e-5, equal_nan=True)

    @pytest.mark.parametrize("rule", ["logit", "linear"])
    @pytest.mark.parametrize("of_the_price", [True, False])
    def test_kernels_give_the_gradients_of_the_reference(self, rule: str, of_the_price: bool) -> None:
        market = self.market(4, 33)
        upstream = torch.randn(4, 33, generator=torch.Generator().manual_seed(1)).to(DEVICE)
        gradients = []
        for dtype in (torch.float32, torch.float64):
            inputs = [tensor.to(dtype).detach().requires_grad_() for tensor in market]
            outcome = capacity_allocation(*inputs, rule=rule)
            total = (outcome.allocation * upstream.to(dtype)).sum() + 0.7 * outcome.quantity_sold.sum()
            total = total + outcome.price.sum() if of_the_price else total
            gradients.append(torch.autograd.grad(total, inputs))
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours.double(), theirs, rtol=2e-3, atol=2e-4)

    def test_kernels_leave_second_derivatives_to_the_reference(self) -> None:
        values, costs, supply, scale = self.market(2, 7)
        seconds = []
        for dtype in (torch.float32, torch.float64):
            leaf = values.to(dtype).detach().requires_grad_()
            shares = capacity_allocation(leaf, costs.to(dtype), supply.to(dtype), scale.to(dtype)).allocation
            (first,) = torch.autograd.grad((shares**2).sum(), leaf, create_graph=True)
            seconds.append(torch.autograd.grad((first**2).sum(), leaf)[0].double())
        torch.testing.assert_close(*seconds, rtol=2e-3, atol=2e-3)

    @pytest.mark.parametrize("rule", ["logit", "linear"])
    def test_kernels_keep_a_market_without_an_answer_to_its_row(self, rule: str) -> None:
        values, costs, supply, scale = self.market(6, 20)
        good = outcome_in(torch.float32, values, costs, supply, scale, rule=rule)
        values[0, 3], values[1, 4], costs[2, 5], supply[3], scale[4] = torch.nan, torch.inf, 0.0, -1.0, 0.0
        outcome = outcome_in(torch.float32, values, costs, supply, scale, rule=rule)
        assert outcome.allocation[:5].isnan().all()
        assert outcome.price[:5].isnan().all()
        torch.testing.assert_close(outcome.allocation[5], good.allocation[5])

    def test_kernels_take_no_markets_at_all(self) -> None:
        outcome = capacity_allocation(
            torch.ones(0, 5, device=DEVICE),
            torch.ones(5, device=DEVICE),
            torch.ones((), device=DEVICE),
            torch.ones((), device=DEVICE),
        )
        assert outcome.allocation.shape == (0, 5)
        assert outcome.price.shape == (0,)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_kernels_read_half_precision_and_answer_in_single(self, dtype: torch.dtype) -> None:
        values, costs, supply, scale = self.market(3, 50)
        halves = values.to(dtype)
        outcome = capacity_allocation(halves, costs, supply, scale)
        expected = capacity_allocation(halves.float(), costs, supply, scale)
        assert outcome.allocation.dtype == torch.float32
        torch.testing.assert_close(outcome.allocation, expected.allocation)
