"""What is promised of a CUDA device: graphs, few kernels, compilation, transforms, and answers on adversarial input.

`PYTHONPATH=src python benchmarks/gpu_suite.py --out FOLDER` runs these without the rest of the suite. They need no
fixture of conftest.py.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from walras.market import CapacityMarket, FixedSupply, LinearDemand, LogitDemand, ResourceMarket
from walras.market.assignment import AssignmentMarket
from walras.market.double_auctions import CallAuction
from walras.market.fisher import CESUtility, FisherMarket
from walras.market.operators import capacity_allocation, compile_mechanism
from walras.market.operators.simulation import Matching, simulate_labour, simulate_wealth
from walras.market.taxation import BracketTax, WealthTax

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
DEMANDS = {"logit": LogitDemand(0.3), "linear": LinearDemand(0.8)}
every_demand = pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)


def markets(rows: int, agents: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(seed)
    values = torch.randn(rows, agents, generator=generator, device="cuda")
    costs = torch.rand(rows, agents, generator=generator, device="cuda") + 0.1
    return values, costs, costs.sum(-1) * torch.linspace(0.02, 0.98, rows, device="cuda")


def captured(step: Callable[[], tuple[Tensor, ...]]) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...]]:
    """Record a step after three to warm up, on a stream of their own."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()
    return graph, results


@every_demand
@pytest.mark.parametrize("agents", [720, 10_000])
def test_a_cuda_graph_replays_forward_and_backward_on_new_bids(demand: LogitDemand | LinearDemand, agents: int) -> None:
    values, costs, supply = markets(3, agents)
    operator = compile_mechanism(CapacityMarket(FixedSupply(1.0), demand))
    leaf = values.clone().requires_grad_()
    weights = torch.randn_like(values)

    def step() -> tuple[Tensor, ...]:
        cleared = operator(leaf, costs, supply=supply)
        (gradient,) = torch.autograd.grad((cleared.allocation * weights).sum(), leaf)
        return cleared.allocation, cleared.price, gradient

    graph, results = captured(step)
    fresh, _, _ = markets(3, agents, seed=1)
    with torch.no_grad():
        leaf.copy_(fresh)
    graph.replay()
    replayed = [result.detach().clone() for result in results]
    for got, wanted in zip(replayed, step(), strict=True):
        torch.testing.assert_close(got, wanted.detach())


def test_one_row_takes_at_most_three_kernels() -> None:
    from torch.profiler import ProfilerActivity, profile

    values, costs, _ = markets(1, 720)
    operator = compile_mechanism(CapacityMarket(FixedSupply(100.0), LogitDemand(0.3)))
    with torch.no_grad():
        for _ in range(3):
            operator(values, costs)
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
            operator(values, costs)
            torch.cuda.synchronize()
    kernels = [event.name for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    assert 1 <= len(kernels) <= 3, kernels


@every_demand
@pytest.mark.parametrize("agents", [1, 33, 1024, 8192, 20_000])
def test_adversarial_markets_are_those_of_the_reference_in_float64(
    demand: LogitDemand | LinearDemand, agents: int
) -> None:
    values, costs, _ = markets(8, agents)
    values[1] = values[1].round()  # ties
    values[2] *= 1e4
    values[3] = 5.0  # one tie of all
    values[4] += 1e6  # far from 0, where float32 has steps of a sixteenth
    costs[5] = torch.where(torch.arange(agents, device="cuda") == 0, 1e4, 1e-3)
    values[6] = torch.where(torch.arange(agents, device="cuda") % 2 == 0, 50.0, -50.0)  # nobody at the margin
    values[7] = torch.linspace(0.0, 1e-6, agents, device="cuda")
    supply = (costs.double().sum(-1) * torch.tensor([0.01, 0.3, 0.5, 0.7, 0.9, 0.2, 0.4, 0.6], device="cuda")).float()
    rule, scale = ("logit", 0.3) if isinstance(demand, LogitDemand) else ("linear", 0.8)
    scales = torch.full((8,), scale, device="cuda")
    fast = capacity_allocation(values, costs, supply, scales, rule=rule)
    exact = capacity_allocation(values.double(), costs.double(), supply.double(), scales.double(), rule=rule)
    sold = (costs.double() * fast.allocation.double()).sum(-1)
    torch.testing.assert_close(sold, supply.double(), rtol=5e-5, atol=0.0)
    apart = (fast.allocation.double() - exact.allocation).abs()
    assert bool(((apart <= 5e-5) | (costs * apart <= 5e-5 * supply.unsqueeze(-1))).all()), apart.amax(-1)


@every_demand
def test_vmap_and_autocast_change_nothing(demand: LogitDemand | LinearDemand) -> None:
    values, costs, supply = markets(5, 200)
    operator = compile_mechanism(CapacityMarket(FixedSupply(1.0), demand))

    def shares(bids: Tensor, units: Tensor, quantity: Tensor) -> Tensor:
        return operator(bids, units, supply=quantity).allocation

    expected = shares(values, costs, supply)
    torch.testing.assert_close(torch.func.vmap(shares)(values, costs, supply), expected)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        torch.testing.assert_close(shares(values, costs, supply), expected)


def test_a_smooth_call_auction_balances_and_has_gradients() -> None:
    market = compile_mechanism(CallAuction(), temperature=0.05)
    bids = torch.rand(100, 500, device="cuda", requires_grad=True)
    asks = torch.rand(100, 500, device="cuda", requires_grad=True)
    outcome = market(bids, asks)
    torch.testing.assert_close(outcome.bought.sum(-1), outcome.sold.sum(-1), rtol=1e-4, atol=1e-3)
    to_bids, to_asks = torch.autograd.grad(outcome.price.sum(), (bids, asks))
    torch.testing.assert_close(to_bids.sum(-1) + to_asks.sum(-1), torch.ones(100, device="cuda"), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("matching", list(Matching))
def test_the_wealth_economy_conserves_money_and_repeats_itself(matching: Matching) -> None:
    start = torch.ones(50, 1000, device="cuda")
    tax = WealthTax((0.0,), (0.01,))
    runs = [
        simulate_wealth(
            start, 20, fraction=0.1, generator=torch.Generator("cuda").manual_seed(3), matching=matching, tax=tax
        ).wealth
        for _ in range(2)
    ]
    torch.testing.assert_close(runs[0].sum(-1), start.sum(-1), rtol=1e-4, atol=0.0)
    torch.testing.assert_close(*runs)


def test_ranks_over_nccl_find_what_one_rank_finds(tmp_path: object) -> None:
    import torch.distributed as dist

    from walras.market.operators.sharded import sharded_allocation

    values, costs, supply = (tensor.double() for tensor in markets(4, 300))
    scale = torch.full((4,), 0.3, device="cuda", dtype=torch.float64)
    dist.init_process_group("nccl", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        cleared = sharded_allocation(values, costs, supply, scale)
    finally:
        dist.destroy_process_group()
    torch.testing.assert_close(cleared.price, capacity_allocation(values, costs, supply, scale).price)


def test_markets_with_many_prices_are_those_of_the_cpu() -> None:
    values = torch.rand(4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    for operator in (
        compile_mechanism(FisherMarket([1.0, 2.0, 3.0, 4.0, 5.0], utility=CESUtility(0.5))),
        compile_mechanism(AssignmentMarket(), temperature=0.1),
    ):
        expected = operator(values)
        leaf = values.cuda().requires_grad_()
        found = operator(leaf)
        for got, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(got.detach().cpu(), wanted, rtol=1e-6, atol=1e-9)
        assert bool(torch.autograd.grad(found.prices.square().sum(), leaf)[0].isfinite().all())
    resources = compile_mechanism(ResourceMarket((2.0, 1.0, 0.5), LogitDemand(0.2)))
    expected, found = resources(values[:, :, 0], values), resources(values[:, :, 0].cuda(), values.cuda())
    torch.testing.assert_close(found.prices.cpu(), expected.prices, rtol=1e-6, atol=1e-9)


def test_a_labour_run_has_gradients() -> None:
    skills = 100.0 * torch.rand(50, 1000, device="cuda") + 10.0
    rates = torch.tensor([0.1, 0.4], device="cuda", requires_grad=True)
    run = simulate_labour(
        skills,
        5,
        tax=BracketTax([500.0], [0.1, 0.4]),
        elasticity=0.5,
        rates=rates,
        shock_deviation=0.1,
        generator=torch.Generator("cuda").manual_seed(0),
    )
    (gradient,) = torch.autograd.grad(run.welfare.mean(), rates)
    assert bool(gradient.isfinite().all())


def test_compiled_it_gives_the_same_forward_and_backward() -> None:
    values, costs, supply = markets(5, 200)
    operator = compile_mechanism(CapacityMarket(FixedSupply(1.0), LogitDemand(0.3)))
    compiled = torch.compile(operator, fullgraph=True)
    outcomes = []
    for function in (operator, compiled):
        leaf = values.clone().requires_grad_()
        allocation = function(leaf, costs, supply=supply).allocation
        outcomes.append((allocation.detach(), torch.autograd.grad(allocation.square().sum(), leaf)[0]))
    for got, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
