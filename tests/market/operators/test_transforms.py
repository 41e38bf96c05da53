"""The operator under `torch.func` and `torch.compile`: the same numbers and gradients as plain calls give."""

import pytest
import torch
from torch import Tensor

from walras.market import CapacityMarket, Demand, FixedSupply, LinearDemand, LogitDemand, PostedPrice, StepDemand
from walras.market.operators import OperatorClearing, compile_mechanism, solve

SMOOTH = {"linear": LinearDemand(0.8), "logit": LogitDemand(0.3)}
DEMANDS = SMOOTH | {"step": StepDemand(), "indivisible": StepDemand(divisible=False)}
smooth_demand = pytest.mark.parametrize("demand", SMOOTH.values(), ids=SMOOTH)
every_demand = pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
every_supply = pytest.mark.parametrize("supply_rule", [FixedSupply, PostedPrice], ids=["fixed", "posted"])

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def bids(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def costs_of(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5


def levels(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.5


# ---------------------------------------------------------------- vmap

# in_dims of (valuations, costs, supply), and the shapes that they take markets from.
IN_DIMS = {
    "all": ((0, 0, 0), ((3, 4), (3, 4), (3,))),
    "shared costs": ((0, None, 0), ((3, 4), (4,), (3,))),
    "shared supply": ((0, 0, None), ((3, 4), (3, 4), ())),
    "shared valuations": ((None, 0, None), ((4,), (3, 4), ())),
    "supplies alone": ((None, None, 0), ((4,), (4,), (3,))),
    "last dimension": ((1, 1, 0), ((4, 3), (4, 3), (3,))),
    "a batch inside": ((1, None, 0), ((2, 3, 4), (4,), (3, 2))),
}


@every_demand
@every_supply
@pytest.mark.parametrize(("in_dims", "shapes"), IN_DIMS.values(), ids=IN_DIMS)
def test_vmap_is_a_loop(in_dims: tuple, shapes: tuple, supply_rule: type, demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(supply_rule(0.0), demand))
    inputs = [make(*shape) for make, shape in zip((bids, costs_of, levels), shapes, strict=True)]

    def clear(valuations: Tensor, costs: Tensor, supply: Tensor) -> tuple[Tensor, ...]:
        return tuple(operator(valuations, costs, supply=supply))

    mapped = torch.func.vmap(clear, in_dims=in_dims)(*inputs)
    for market in range(3):
        one = [
            tensor if dim is None else tensor.select(dim, market) for tensor, dim in zip(inputs, in_dims, strict=True)
        ]
        for got, wanted in zip(mapped, clear(*one), strict=True):
            torch.testing.assert_close(got[market], wanted, **CLOSE)


@smooth_demand
def test_nested_vmap_over_temperatures_and_taxes(demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(FixedSupply(1.5), demand))
    valuations, costs = bids(5), costs_of(5)
    temperatures, taxes = torch.tensor([0.2, 0.5, 1.0], dtype=torch.float64), 0.3 * bids(2, 5)

    def shares(temperature: Tensor, tax: Tensor) -> Tensor:
        return operator(valuations, costs, temperature=temperature, tax=tax).allocation

    mapped = torch.func.vmap(torch.func.vmap(shares, in_dims=(None, 0)), in_dims=(0, None))(temperatures, taxes)
    torch.testing.assert_close(mapped, shares(temperatures[:, None], taxes), **CLOSE)


# ---------------------------------------------------------------- jacobians


@smooth_demand
@every_supply
def test_jacrev_under_vmap_is_a_loop_of_jacobians(supply_rule: type, demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(supply_rule(0.0), demand))
    valuations, costs, supply = bids(3, 4), costs_of(4), levels(3)

    def outcome(valuations: Tensor, supply: Tensor) -> tuple[Tensor, ...]:
        return tuple(operator(valuations, costs, supply=supply))

    mapped = torch.func.vmap(torch.func.jacrev(outcome, argnums=(0, 1)))(valuations, supply)
    for market in range(3):
        loop = torch.autograd.functional.jacobian(outcome, (valuations[market], supply[market]))
        for got_part, wanted_part in zip(mapped, loop, strict=True):
            for got, wanted in zip(got_part, wanted_part, strict=True):
                torch.testing.assert_close(got[market], wanted, **CLOSE)


@smooth_demand
def test_gradients_per_market_by_vmap_of_grad(demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(FixedSupply(0.0), demand))
    valuations, costs, supply = bids(3, 4), costs_of(4), levels(3)

    def loss(valuations: Tensor, costs: Tensor, supply: Tensor) -> Tensor:
        outcome = operator(valuations, costs, supply=supply)
        return (outcome.allocation * torch.arange(4.0)).sum() + outcome.price.square()

    mapped = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1, 2)), in_dims=(0, None, 0))(valuations, costs, supply)
    for market in range(3):
        leaves = [tensor.clone().requires_grad_() for tensor in (valuations[market], costs, supply[market])]
        for got, wanted in zip(mapped, torch.autograd.grad(loss(*leaves), leaves), strict=True):
            torch.testing.assert_close(got[market], wanted, **CLOSE)


@smooth_demand
def test_hessian_by_jacrev_of_grad(demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(FixedSupply(1.5), demand))
    valuations, costs = 0.5 * bids(4), costs_of(4)

    def loss(valuations: Tensor) -> Tensor:
        return operator(valuations, costs).allocation.square().sum()

    hessian = torch.func.jacrev(torch.func.grad(loss))(valuations)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(loss, valuations), **CLOSE)
    torch.testing.assert_close(hessian, hessian.t(), **CLOSE)
    assert hessian.abs().max() > 0.1


# ---------------------------------------------------------------- torch.compile


def loss_and_gradients(operator: object, inputs: dict[str, Tensor]) -> tuple[OperatorClearing, list[Tensor]]:
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
    outcome = operator(**leaves)
    loss = (outcome.allocation * torch.arange(4.0)).sum() + outcome.price.square().sum() + outcome.quantity_sold.sum()
    return outcome, list(torch.autograd.grad(loss, list(leaves.values())))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch about its own tracer
@smooth_demand
def test_compiled_in_one_graph_it_gives_the_same_forward_and_backward(
    demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every step is unrolled into the graph; eight are enough here and take a third of the time to compile.
    monkeypatch.setitem(solve._STEPS, torch.float32, 8)
    operator = compile_mechanism(CapacityMarket(FixedSupply(0.0), demand))
    torch.compiler.reset()
    fused = torch.compile(operator, fullgraph=True, dynamic=False)
    inputs = {
        "valuations": bids(3, 4).float(),
        "costs": costs_of(4).float(),
        "supply": levels(3).float(),
        "tax": torch.tensor([0.0, 0.1, 0.2, -0.1]),
        "temperature": torch.tensor([0.3, 0.5, 1.0]),
    }
    corners = inputs | {"supply": torch.tensor([0.0, 1.0, float(inputs["costs"].sum())])}
    tied = inputs | {"valuations": torch.zeros(3, 4), "temperature": torch.full((3,), 1e-3)}
    first = loss_and_gradients(fused, inputs)
    with torch.compiler.set_stance("fail_on_recompile"):  # other numbers are no reason to compile again
        again = [loss_and_gradients(fused, other) for other in (corners, tied)]
    for (outcome, gradients), other in zip((first, *again), (inputs, corners, tied), strict=True):
        wanted_outcome, wanted_gradients = loss_and_gradients(operator, other)
        for got, wanted in zip((*outcome, *gradients), (*wanted_outcome, *wanted_gradients), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5, equal_nan=True)
