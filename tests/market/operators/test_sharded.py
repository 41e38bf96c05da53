"""Clearing over ranks: the same prices, shares and gradients as on one rank, with two and four gloo processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from walras.market import InvalidInputError
from walras.market.operators import capacity_allocation
from walras.market.operators.sharded import sharded_allocation

AGENTS = 23
RULES = ["logit", "linear"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gloo over a file store")


def market() -> tuple[Tensor, ...]:
    """Six markets: ordinary, ties, nothing sold, everything sold, nobody at the margin, and one without an answer."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(6, AGENTS, generator=generator, dtype=torch.float64)
    costs = torch.rand(6, AGENTS, generator=generator, dtype=torch.float64) + 0.1
    values[1] = values[1].round()
    values[4], costs[4] = torch.where(torch.arange(AGENTS) < 10, 50.0, -50.0), 1.0
    values[5, 3] = torch.nan
    supply = 0.4 * costs.sum(-1)
    supply[2], supply[3], supply[4] = 0.0, costs[3].sum(), 10.0
    scale = torch.full((6,), 0.3, dtype=torch.float64)
    return values, costs, supply, scale


def loss_of(allocation: Tensor, price: Tensor, agents: slice) -> Tensor:
    """Of some agents; the price counts once, with the first agent."""
    weights = torch.linspace(-1.0, 2.0, AGENTS, dtype=torch.float64)[agents]
    inner = torch.tensor([0, 1])  # prices at corners are infinite or do not respond
    loss = (allocation.nan_to_num(0.0) * weights).sum()
    return loss + (price[inner].sum() if agents.start == 0 else 0.0)


def one_rank(rank: int, ranks: int, folder: str) -> None:
    """What each process does: clear its part of the agents, and write down what it found."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    part = slice(rank * AGENTS // ranks, (rank + 1) * AGENTS // ranks)
    found = {}
    for rule in RULES:
        values, costs, supply, scale = market()
        leaves = [t.clone().requires_grad_() for t in (values[:, part], costs[:, part], supply, scale)]
        cleared = sharded_allocation(*leaves, rule=rule)
        loss_of(*cleared, part).backward()
        found[rule] = [tensor.detach() for tensor in cleared] + [leaf.grad for leaf in leaves]
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_find_what_one_rank_finds(tmp_path: Path, ranks: int) -> None:
    # Scripts rather than forks: a fork of a process that has used torch's threads may hang.
    command = [sys.executable, __file__, str(tmp_path), str(ranks)]
    started = [
        subprocess.Popen([*command, str(rank)], env=os.environ | {"OMP_NUM_THREADS": "1"}) for rank in range(ranks)
    ]
    assert [process.wait(timeout=300) for process in started] == [0] * ranks
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(ranks)]
    for rule in RULES:
        leaves = [tensor.clone().requires_grad_() for tensor in market()]
        alone = capacity_allocation(*leaves, rule=rule)
        loss_of(alone.allocation, alone.price, slice(0, AGENTS)).backward()
        allocation = torch.cat([part[rule][0] for part in parts], -1)
        torch.testing.assert_close(allocation, alone.allocation.detach(), rtol=1e-9, atol=1e-10, equal_nan=True)
        for part in parts:
            assert torch.equal(part[rule][1].nan_to_num(7.0), parts[0][rule][1].nan_to_num(7.0))
            torch.testing.assert_close(part[rule][1], alone.price.detach(), rtol=1e-9, atol=1e-9, equal_nan=True)
        for name, place in (("values", 2), ("costs", 3)):
            together = torch.cat([part[rule][place] for part in parts], -1)
            expected = leaves[place - 2].grad
            torch.testing.assert_close(
                together[:5], expected[:5], rtol=1e-6, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
            )
        for place in (4, 5):
            for part in parts:
                torch.testing.assert_close(part[rule][place][:5], leaves[place - 2].grad[:5], rtol=1e-6, atol=1e-9)


@pytest.fixture
def single_process(tmp_path: Path):  # type: ignore[no-untyped-def]
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("single_process")
class TestOneProcess:
    def test_a_group_of_one_is_one_rank(self) -> None:
        values, costs, supply, scale = (tensor[:2] for tensor in market())
        for dtype in (torch.float32, torch.float64):
            cleared = sharded_allocation(*(tensor.to(dtype) for tensor in (values, costs, supply, scale)))
            assert cleared.allocation.dtype == dtype
            expected = capacity_allocation(values, costs, supply, scale).allocation
            torch.testing.assert_close(cleared.allocation.double(), expected, rtol=1e-4, atol=1e-6)

    def test_numbers_serve_all_markets(self) -> None:
        values, costs, _, _ = market()
        cleared = sharded_allocation(values[:2], costs[0], 3.0, 0.3)
        torch.testing.assert_close((costs[0] * cleared.allocation).sum(-1), torch.full((2,), 3.0, dtype=torch.float64))

    def test_bad_input_is_refused(self) -> None:
        values, costs, supply, scale = market()
        with pytest.raises(InvalidInputError, match="Shapes do not fit"):
            sharded_allocation(values, costs[:, :3], supply, scale)
        with pytest.raises(InvalidInputError, match="rule must be"):
            sharded_allocation(values, costs, supply, scale, rule="step")
        with pytest.raises(InvalidInputError, match="valuations must be a floating-point tensor"):
            sharded_allocation(values.long(), costs, supply, scale)


def test_without_a_group_it_says_what_to_do() -> None:
    with pytest.raises(InvalidInputError, match="init_process_group"):
        sharded_allocation(*market())


if __name__ == "__main__":
    one_rank(int(sys.argv[3]), int(sys.argv[2]), sys.argv[1])
