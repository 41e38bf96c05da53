"""Smoke, dtypes and devices, shapes: what comes out of the operator for what goes in."""

import copy
import pickle

import pytest
import torch

from walras.market import (
    CapacityMarket,
    Demand,
    FixedSupply,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
    Supply,
)
from walras.market.operators import OperatorClearing, compile_mechanism, step_allocation

DEMANDS = {
    "step": StepDemand(),
    "indivisible": StepDemand(divisible=False),
    "linear": LinearDemand(0.5),
    "logit": LogitDemand(0.5),
}
SUPPLIES = {"fixed": FixedSupply(1.5), "posted": PostedPrice(0.25)}

every_demand = pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
smooth_demand = pytest.mark.parametrize("demand", [DEMANDS["linear"], DEMANDS["logit"]], ids=["linear", "logit"])
every_supply = pytest.mark.parametrize("supply", SUPPLIES.values(), ids=SUPPLIES)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")],
    ),
]

VALUATIONS = torch.tensor([[0.9, 0.2, -0.4, 0.5], [0.1, 0.1, 0.1, 0.1], [2.0, 1.0, 0.0, -1.0]], dtype=torch.float64)
COSTS = torch.tensor([1.0, 0.5, 2.0, 0.25], dtype=torch.float64)


def assert_same(outcome: OperatorClearing, expected: OperatorClearing, **tolerance: float) -> None:
    for got, wanted in zip(outcome, expected, strict=True):
        torch.testing.assert_close(got, wanted, **(tolerance or {"rtol": 0.0, "atol": 0.0}))


# ---------------------------------------------------------------- smoke


@every_demand
@every_supply
def test_clears_a_batch(supply: Supply, demand: Demand) -> None:
    outcome = compile_mechanism(CapacityMarket(supply, demand))(VALUATIONS, COSTS)
    assert [tensor.shape for tensor in outcome] == [(3, 4), (3,), (3,)]
    assert all(tensor.isfinite().all() for tensor in outcome)
    torch.testing.assert_close(outcome.quantity_sold, (COSTS * outcome.allocation).sum(-1))


def test_the_module_has_no_state_prints_its_rules_and_can_be_copied() -> None:
    market = CapacityMarket(FixedSupply(1.5), LogitDemand(0.5), PerUnitTax((0.0, 0.1, 0.2, 0.3)))
    operator = compile_mechanism(market)
    assert not list(operator.parameters())
    assert not operator.state_dict()
    assert repr(market) in repr(operator)
    for twin in (copy.deepcopy(operator), pickle.loads(pickle.dumps(operator))):
        assert twin.mechanism == market
        assert_same(twin(VALUATIONS, COSTS), operator(VALUATIONS, COSTS))


@every_demand
@every_supply
def test_inputs_are_left_alone(supply: Supply, demand: Demand) -> None:
    inputs = {
        "valuations": VALUATIONS.clone(),
        "costs": COSTS.clone(),
        "supply": torch.tensor([1.5, 0.5, 1.0], dtype=torch.float64),
        "tax": torch.tensor([0.1, 0.0, 0.2, 0.3], dtype=torch.float64),
    }
    before = {name: tensor.clone() for name, tensor in inputs.items()}
    compile_mechanism(CapacityMarket(supply, demand))(**inputs)
    for name, tensor in inputs.items():
        torch.testing.assert_close(tensor, before[name], rtol=0.0, atol=0.0)


# ---------------------------------------------------------------- dtypes


@every_demand
@every_supply
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_half_and_single_precision_are_solved_in_float32(dtype: torch.dtype, supply: Supply, demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(supply, demand, PerUnitTax(0.1)))
    valuations, costs = VALUATIONS.to(dtype), COSTS.to(dtype)
    outcome = operator(valuations, costs)
    assert {tensor.dtype for tensor in outcome} == {torch.float32}
    assert_same(outcome, operator(valuations.float(), costs.float()))


WITH_TEMPERATURE = [
    pytest.param(demand, name, id=f"{rule}-{name}")
    for rule, demand in DEMANDS.items()
    for name in ("valuations", "costs", "supply", "tax", "temperature")
    if not (name == "temperature" and isinstance(demand, StepDemand))
]


@every_supply
@pytest.mark.parametrize(("demand", "name"), WITH_TEMPERATURE)
def test_one_double_makes_the_whole_outcome_double(name: str, supply: Supply, demand: Demand) -> None:
    inputs = {"valuations": VALUATIONS.float(), "costs": COSTS.float()}
    defaults = {"supply": torch.tensor(0.25), "tax": torch.tensor(0.125), "temperature": torch.tensor(0.5)}
    inputs[name] = (inputs | defaults)[name].double()
    outcome = compile_mechanism(CapacityMarket(supply, demand))(**inputs)
    assert {tensor.dtype for tensor in outcome} == {torch.float64}
    doubled = {key: tensor.double() for key, tensor in inputs.items()}
    assert_same(outcome, compile_mechanism(CapacityMarket(supply, demand))(**doubled))


@every_demand
@every_supply
def test_autocast_changes_nothing(supply: Supply, demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(supply, demand, PerUnitTax(0.1)))
    expected = operator(VALUATIONS.float(), COSTS.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same(operator(VALUATIONS.float(), COSTS.float()), expected)
        half = operator(VALUATIONS.bfloat16(), COSTS.bfloat16())
    assert {tensor.dtype for tensor in half} == {torch.float32}
    assert_same(half, operator(VALUATIONS.bfloat16().float(), COSTS.bfloat16().float()))


@smooth_demand
def test_half_precision_bids_are_taxed_in_single_precision(demand: Demand) -> None:
    # 1 and 1.0078125 are neighbours in bfloat16; 101 and 101.0078125 would round to the same number there.
    valuations, costs = torch.tensor([1.0, 1.0078125], dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16)
    for supply in SUPPLIES.values():
        operator = compile_mechanism(CapacityMarket(supply, demand))
        level = torch.tensor(1.0)
        subsidised = operator(valuations, costs, tax=-100.0, supply=level + 100.0 * isinstance(supply, PostedPrice))
        untaxed = operator(valuations, costs, supply=level)
        torch.testing.assert_close(subsidised.allocation, untaxed.allocation)
        assert subsidised.allocation[1] > subsidised.allocation[0]


@smooth_demand
@every_supply
def test_gradients_come_back_in_the_dtype_of_each_input(supply: Supply, demand: Demand) -> None:
    valuations = VALUATIONS.bfloat16().requires_grad_()
    costs = COSTS.float().requires_grad_()
    level = torch.tensor(1.0, dtype=torch.float16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outcome = compile_mechanism(CapacityMarket(supply, demand))(valuations, costs, supply=level)
        loss = (outcome.allocation * torch.arange(4.0)).sum()
    for tensor, gradient in zip(
        (valuations, costs, level),
        torch.autograd.grad(loss, (valuations, costs, level), allow_unused=True),
        strict=True,
    ):
        if gradient is None:  # under a posted price an allocation does not depend on the costs
            assert tensor is costs
            assert isinstance(supply, PostedPrice)
        else:
            assert gradient.dtype == tensor.dtype
            assert gradient.isfinite().all()


# ---------------------------------------------------------------- devices


@every_demand
@every_supply
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_outcome_is_the_same_on_every_device(device: str, dtype: torch.dtype, supply: Supply, demand: Demand) -> None:
    generator = torch.Generator().manual_seed(0)
    valuations = torch.randn(16, 33, generator=generator, dtype=dtype)
    costs = torch.rand(33, generator=generator, dtype=dtype) + 0.5
    level = torch.rand(16, generator=generator, dtype=dtype) * (costs.sum() if isinstance(supply, FixedSupply) else 1.0)
    operator = compile_mechanism(CapacityMarket(supply, demand, PerUnitTax(0.125)))
    expected = operator(valuations, costs, supply=level)
    outcome = operator(valuations.to(device), costs.to(device), supply=level.to(device))
    assert {tensor.device.type for tensor in outcome} == {device}
    tolerance = {torch.float32: 2e-5, torch.float64: 1e-10}[dtype]
    assert_same(OperatorClearing(*(tensor.cpu() for tensor in outcome)), expected, rtol=tolerance, atol=tolerance)


@smooth_demand
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_gradients_are_the_same_on_every_device(device: str, dtype: torch.dtype, demand: Demand) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = {
        "valuations": torch.randn(4, 9, generator=generator, dtype=dtype),
        "costs": torch.rand(4, 9, generator=generator, dtype=dtype) + 0.5,
        "supply": torch.rand(4, generator=generator, dtype=dtype) + 2.0,
        "temperature": torch.rand(4, generator=generator, dtype=dtype) + 0.5,
    }
    operator = compile_mechanism(CapacityMarket(FixedSupply(0.0), demand))

    def gradients(on: str) -> list[torch.Tensor]:
        leaves = {name: tensor.to(on, copy=True).requires_grad_() for name, tensor in inputs.items()}
        outcome = operator(**leaves)
        loss = (outcome.allocation * torch.arange(9.0, device=on)).sum() + outcome.price.square().sum()
        return [gradient.cpu() for gradient in torch.autograd.grad(loss, list(leaves.values()))]

    tolerance = {torch.float32: 1e-4, torch.float64: 1e-9}[dtype]
    for got, wanted in zip(gradients(device), gradients("cpu"), strict=True):
        torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------- shapes

BROADCASTS = {
    "one market": {"valuations": (4,), "costs": (4,)},
    "no leading dimension for costs": {"valuations": (2, 3, 4), "costs": (4,)},
    "one cost for all agents": {"valuations": (3, 4), "costs": (1,)},
    "costs carry the batch": {"valuations": (4,), "costs": (3, 4)},
    "one valuation for all agents": {"valuations": (3, 1), "costs": (4,)},
    "a supply for each market": {"valuations": (2, 3, 4), "costs": (4,), "supply": (2, 3)},
    "supplies carry the batch": {"valuations": (4,), "costs": (4,), "supply": (5,)},
    "supply for the inner dimension": {"valuations": (2, 3, 4), "costs": (4,), "supply": (3,)},
    "supply for the outer dimension": {"valuations": (2, 3, 4), "costs": (4,), "supply": (2, 1)},
    "a tax for each agent": {"valuations": (3, 4), "costs": (4,), "tax": (4,)},
    "taxes carry the batch": {"valuations": (4,), "costs": (4,), "tax": (3, 4)},
    "one tax": {"valuations": (3, 4), "costs": (4,), "tax": ()},
    "a temperature for each market": {"valuations": (2, 3, 4), "costs": (4,), "temperature": (2, 3)},
    "temperatures carry the batch": {"valuations": (4,), "costs": (4,), "temperature": (3,)},
    "everything at once": {
        "valuations": (2, 1, 4),
        "costs": (3, 4),
        "supply": (3,),
        "tax": (4,),
        "temperature": (2, 1),
    },
    "no market": {"valuations": (0, 4), "costs": (4,), "supply": (0,)},
}


@every_demand
@every_supply
@pytest.mark.parametrize("shapes", BROADCASTS.values(), ids=BROADCASTS)
def test_broadcasting_is_the_same_as_spreading_by_hand(
    shapes: dict[str, tuple[int, ...]], supply: Supply, demand: Demand
) -> None:
    if isinstance(demand, StepDemand):
        shapes = {name: shape for name, shape in shapes.items() if name != "temperature"}
    generator = torch.Generator().manual_seed(1)
    inputs = {
        name: torch.rand(shape, generator=generator, dtype=torch.float64) + 0.25 for name, shape in shapes.items()
    }
    operator = compile_mechanism(CapacityMarket(supply, demand))
    if isinstance(supply, FixedSupply) and "supply" not in inputs:
        inputs["supply"] = torch.tensor(0.5, dtype=torch.float64)
    outcome = operator(**inputs)

    per_agent = {"valuations", "costs", "tax"}
    full = torch.broadcast_shapes(*(s if name in per_agent else (*s, 1) for name, s in shapes.items()), (4,))
    spread = {
        name: tensor.expand(full if name in per_agent else full[:-1]).contiguous() for name, tensor in inputs.items()
    }
    assert [tensor.shape for tensor in outcome] == [full, full[:-1], full[:-1]]
    assert_same(outcome, operator(**spread), rtol=1e-12, atol=1e-12)


@every_demand
@every_supply
def test_memory_layout_does_not_matter(supply: Supply, demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(supply, demand))
    transposed = VALUATIONS.t().contiguous().t()
    strided = torch.stack([COSTS, -COSTS], dim=-1)[:, 0]
    assert not transposed.is_contiguous()
    assert_same(operator(transposed, strided), operator(VALUATIONS, COSTS), rtol=1e-12, atol=1e-12)


@every_demand
def test_python_numbers_replace_the_specification(demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(FixedSupply(0.0), demand))
    outcome = operator(VALUATIONS, COSTS, supply=1.5, tax=0.1)
    expected = compile_mechanism(CapacityMarket(FixedSupply(1.5), demand, PerUnitTax(0.1)))(VALUATIONS, COSTS)
    assert_same(outcome, expected)


@pytest.mark.parametrize("divisible", [True, False])
def test_step_allocation_alone_is_what_the_module_gives(divisible: bool) -> None:
    supply = torch.tensor([0.0, 1.5, 3.75], dtype=torch.float64)
    outcome = step_allocation(VALUATIONS, COSTS, supply, divisible=divisible)
    operator = compile_mechanism(CapacityMarket(FixedSupply(0.0), StepDemand(divisible=divisible)))
    assert_same(outcome, operator(VALUATIONS, COSTS, supply=supply))
