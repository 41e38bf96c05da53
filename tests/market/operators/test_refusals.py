"""Malformed input raises and says which argument; a market without an answer is NaN in its own row only."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.market import (
    CapacityMarket,
    Demand,
    FixedSupply,
    InfeasibleError,
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
    Supply,
)
from walras.market.operators import compile_mechanism

NAN, INF = float("nan"), float("inf")
SMOOTH = {"linear": LinearDemand(1.0), "logit": LogitDemand(1.0)}
DEMANDS = SMOOTH | {"step": StepDemand(), "indivisible": StepDemand(divisible=False)}
SUPPLIES = {"fixed": FixedSupply(1.0), "posted": PostedPrice(0.5)}
smooth_demand = pytest.mark.parametrize("demand", SMOOTH.values(), ids=SMOOTH)
every_demand = pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
every_supply = pytest.mark.parametrize("supply", SUPPLIES.values(), ids=SUPPLIES)

V, W = torch.tensor([[3.0, 2.0], [1.0, 0.0], [0.5, 0.5]]), torch.tensor([1.0, 2.0])
ELSEWHERE = torch.device("meta")


# ---------------------------------------------------------------- tensors that do not fit

MALFORMED = {
    "valuations are a list": ({"valuations": [3.0, 2.0]}, "valuations must be a floating-point tensor .* got list"),
    "valuations are an array": ({"valuations": np.ones(2)}, "valuations must be a floating-point .* got ndarray"),
    "integer valuations": ({"valuations": V.long()}, r"valuations must be a floating-point .* got torch\.int64"),
    "complex valuations": ({"valuations": V + 0j}, r"valuations must be a floating-point .* got torch\.complex64"),
    "no agent dimension": ({"valuations": torch.tensor(1.0)}, r"valuations must have shape \(\.\.\., n\).* got \(\)"),
    "no agents": ({"valuations": torch.ones(3, 0)}, r"valuations must have .* n >= 1 agents, got \(3, 0\)"),
    "integer costs": ({"costs": torch.ones(2, dtype=torch.int32)}, r"costs must be a floating-point .* torch\.int32"),
    "costs are a number": ({"costs": 1.0}, "costs must be a floating-point tensor .* got float"),
    "costs without agents": ({"costs": torch.ones(0)}, r"costs must have shape \(\.\.\., n\) .* got \(0,\)"),
    "costs of three agents": ({"costs": torch.ones(3)}, r"Shapes do not fit: valuations \(3, 2\), costs \(3,\)"),
    "costs of another batch": ({"costs": torch.ones(4, 2)}, r"Shapes do not fit: .*costs \(4, 2\)"),
    "costs elsewhere": ({"costs": W.to(ELSEWHERE)}, "costs are on meta, valuations on cpu: move one"),
    "supply of another batch": (
        {"supply": torch.ones(2)},
        r"Shapes do not fit: .*supply \(2, 1\).*one entry per market",
    ),
    "integer supply": ({"supply": torch.tensor(1)}, r"supply must be a floating-point tensor, got torch\.int64"),
    "supply elsewhere": ({"supply": torch.ones(3, device=ELSEWHERE)}, "supply is on meta, valuations are on cpu"),
    "tax of three agents": ({"tax": torch.ones(3)}, r"Shapes do not fit: .*tax \(3,\)"),
    "boolean tax": ({"tax": torch.tensor([True, False])}, r"tax must be a floating-point tensor, got torch\.bool"),
    "tax elsewhere": ({"tax": torch.ones(2, device=ELSEWHERE)}, "tax is on meta"),
    "tax for agents that do not bid": (
        {"valuations": torch.ones(3, 1), "costs": torch.ones(1), "tax": torch.ones(2)},
        "tax has 2 agents, valuations have 1",
    ),
}
MALFORMED_TEMPERATURE = {
    "temperature of another batch": (torch.ones(2), r"Shapes do not fit: .*temperature \(2, 1\)"),
    "integer temperature": (torch.tensor([1, 1, 1]), r"temperature must be a floating-point tensor, got torch\.int64"),
    "temperature elsewhere": (torch.ones(3, device=ELSEWHERE), "temperature is on meta"),
}


@pytest.mark.parametrize("check_values", [False, True], ids=["unchecked", "checked"])
@every_demand
@every_supply
@pytest.mark.parametrize(("changes", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_tensors_are_refused(
    changes: dict[str, object], message: str, supply: Supply, demand: Demand, check_values: bool
) -> None:
    operator = compile_mechanism(CapacityMarket(supply, demand), check_values=check_values)
    operator(V, W)  # well-formed as it stands
    with pytest.raises(InvalidInputError, match=message):
        operator(**({"valuations": V, "costs": W} | changes))


@smooth_demand
@every_supply
@pytest.mark.parametrize(("temperature", "message"), MALFORMED_TEMPERATURE.values(), ids=MALFORMED_TEMPERATURE)
def test_malformed_temperatures_are_refused(temperature: Tensor, message: str, supply: Supply, demand: Demand) -> None:
    with pytest.raises(InvalidInputError, match=message):
        compile_mechanism(CapacityMarket(supply, demand))(V, W, temperature=temperature)


@every_supply
@pytest.mark.parametrize("temperature", [0.5, torch.tensor(0.5), torch.ones(3)], ids=str)
def test_step_demand_has_no_temperature(temperature: object, supply: Supply) -> None:
    for demand in (StepDemand(), StepDemand(divisible=False)):
        with pytest.raises(InvalidInputError, match="temperature was given, but step demand has none: leave it out"):
            compile_mechanism(CapacityMarket(supply, demand))(V, W, temperature=temperature)


def test_a_tax_of_the_specification_must_fit_the_agents() -> None:
    operator = compile_mechanism(CapacityMarket(FixedSupply(1.0), LogitDemand(), PerUnitTax((0.1, 0.2, 0.3))))
    with pytest.raises(InvalidInputError, match=r"Shapes do not fit: .*tax \(3,\)"):
        operator(V, W)


@pytest.mark.parametrize("mechanism", [None, CapacityMarket, StepDemand(), "capacity market"], ids=repr)
def test_only_a_capacity_market_compiles(mechanism: object) -> None:
    with pytest.raises(
        InvalidInputError,
        match=re.escape(f"or ConstantProduct, got {mechanism!r}"),
    ):
        compile_mechanism(mechanism)


# ---------------------------------------------------------------- values, with check_values

BAD_VALUES = {
    "a NaN valuation": (
        "valuations",
        torch.tensor([[3.0, NAN], [1.0, 0.0], [NAN, 0.5]]),
        InvalidInputError,
        r"nan \(2 bad",
    ),
    "an infinite valuation": ("valuations", torch.tensor([-INF, 1.0]), InvalidInputError, r"-inf \(1 bad"),
    "a NaN cost": ("costs", torch.tensor([NAN, 1.0]), InvalidInputError, "nan"),
    "an infinite cost": ("costs", torch.tensor([1.0, INF]), InvalidInputError, "inf"),
    "a zero cost": ("costs", torch.tensor([0.0, 1.0]), InvalidInputError, r"above 0.* 0\.0"),
    "a negative cost": ("costs", torch.tensor([[1.0, 1.0], [1.0, -2.5], [1.0, 1.0]]), InvalidInputError, r"-2\.5"),
    "a NaN tax": ("tax", torch.tensor([NAN, 0.0]), InvalidInputError, "nan"),
    "an infinite tax": ("tax", INF, InvalidInputError, "inf"),
    "a NaN supply": ("supply", torch.tensor([1.0, NAN, 1.0]), InvalidInputError, "nan"),
    "an infinite supply": ("supply", INF, InvalidInputError, "inf"),
}
BAD_QUANTITIES = {
    "a negative quantity": (torch.tensor([0.5, -0.25, 1.0]), InvalidInputError, r"supply must be 0 or more.* -0\.25"),
    "more than the sum of costs": (
        torch.tensor([0.5, 3.25, 1.0]),
        InfeasibleError,
        r"supply must lie in .*3\.25.* 3\.0",
    ),
    "a little more than the sum of costs": (
        torch.tensor(3.0 + 1e-9, dtype=torch.float64),
        InfeasibleError,
        "supply must lie in",
    ),
}
BAD_TEMPERATURES = {"zero": 0.0, "negative": torch.tensor([1.0, -0.5, 1.0]), "nan": NAN, "infinite": torch.tensor(INF)}


@every_demand
@every_supply
@pytest.mark.parametrize(("name", "value", "error", "got"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_checked_values_are_refused(
    name: str, value: object, error: type, got: str, supply: Supply, demand: Demand
) -> None:
    operator = compile_mechanism(CapacityMarket(supply, demand), check_values=True)
    inputs = {"valuations": V, "costs": W} | {name: value}
    with pytest.raises(error, match=rf"^{name} must be .*{got}"):
        operator(**inputs)
    unchecked = compile_mechanism(CapacityMarket(supply, demand))(**inputs)
    assert unchecked.quantity_sold.isnan().any()


@every_demand
@pytest.mark.parametrize(("quantity", "error", "message"), BAD_QUANTITIES.values(), ids=BAD_QUANTITIES)
def test_checked_quantities_must_be_feasible(quantity: Tensor, error: type, message: str, demand: Demand) -> None:
    market = CapacityMarket(FixedSupply(1.0), demand)
    with pytest.raises(error, match=message):
        compile_mechanism(market, check_values=True)(V, W, supply=quantity)
    assert compile_mechanism(market)(V, W, supply=quantity).price.isnan().any()
    compile_mechanism(CapacityMarket(PostedPrice(0.0), demand), check_values=True)(V, W, supply=quantity)


@smooth_demand
@every_supply
@pytest.mark.parametrize("temperature", BAD_TEMPERATURES.values(), ids=BAD_TEMPERATURES)
def test_checked_temperatures_must_be_above_zero(temperature: object, supply: Supply, demand: Demand) -> None:
    market = CapacityMarket(supply, demand)
    with pytest.raises(InvalidInputError, match=r"^temperature must be finite and above 0, the smallest is"):
        compile_mechanism(market, check_values=True)(V, W, temperature=temperature)
    assert compile_mechanism(market)(V, W, temperature=temperature).price.isnan().any()


@every_demand
@every_supply
def test_checked_good_values_pass_unchanged(supply: Supply, demand: Demand) -> None:
    market = CapacityMarket(supply, demand)
    for got, wanted in zip(
        compile_mechanism(market, check_values=True)(V, W), compile_mechanism(market)(V, W), strict=True
    ):
        torch.testing.assert_close(got, wanted, rtol=0.0, atol=0.0)


# ---------------------------------------------------------------- rows without an answer

BROKEN_ROW = {
    "a NaN valuation": {"valuations": NAN},
    "an infinite valuation": {"valuations": INF},
    "a NaN tax": {"tax": NAN},
    "a NaN cost": {"costs": NAN},
    "an infinite cost": {"costs": INF},
    "a zero cost": {"costs": 0.0},
    "a negative cost": {"costs": -1.0},
    "a NaN supply": {"supply": NAN},
    "an infinite supply": {"supply": INF},
}
BROKEN_QUANTITY = {"a negative quantity": {"supply": -0.1}, "too large a quantity": {"supply": 9.0}}
BROKEN_TEMPERATURE = {
    "a NaN temperature": {"temperature": NAN},
    "a temperature of zero": {"temperature": 0.0},
    "a negative temperature": {"temperature": -1.0},
    "an infinite temperature": {"temperature": INF},
}
ROWS = 3
BROKEN = 1  # the middle one


def well_formed_batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    return {
        "valuations": uniform(ROWS, 4),
        "costs": uniform(ROWS, 4) + 0.5,
        "supply": uniform(ROWS) + 0.2,
        "tax": 0.2 * uniform(ROWS, 4),
        "temperature": uniform(ROWS) + 0.8,
    }


def broken(batch: dict[str, Tensor], changes: dict[str, float]) -> dict[str, Tensor]:
    spoilt = {name: tensor.clone() for name, tensor in batch.items()}
    for name, value in changes.items():
        spoilt[name][BROKEN].reshape(-1)[:1] = value  # one agent of the row, or the row's only number
    return spoilt


def rows_but_the_broken_one(tensor: Tensor) -> Tensor:
    return torch.cat([tensor[:BROKEN], tensor[BROKEN + 1 :]])


def cases_of(*tables: dict[str, dict[str, float]]) -> pytest.MarkDecorator:
    table = {name: changes for each in tables for name, changes in each.items()}
    return pytest.mark.parametrize("changes", table.values(), ids=table)


def assert_only_the_broken_row_is_nan(market: CapacityMarket, changes: dict[str, float]) -> None:
    batch = well_formed_batch()
    if isinstance(market.demand, StepDemand):
        del batch["temperature"]
    operator = compile_mechanism(market)
    for got, wanted in zip(operator(**broken(batch, changes)), operator(**batch), strict=True):
        assert got[BROKEN].isnan().all()
        torch.testing.assert_close(rows_but_the_broken_one(got), rows_but_the_broken_one(wanted), rtol=0.0, atol=0.0)


@every_demand
@cases_of(BROKEN_ROW, BROKEN_QUANTITY)
def test_a_market_without_an_answer_is_nan_in_its_own_row(changes: dict[str, float], demand: Demand) -> None:
    assert_only_the_broken_row_is_nan(CapacityMarket(FixedSupply(1.0), demand), changes)


@every_demand
@cases_of(BROKEN_ROW)
def test_a_posted_market_without_an_answer_too(changes: dict[str, float], demand: Demand) -> None:
    assert_only_the_broken_row_is_nan(CapacityMarket(PostedPrice(0.1), demand), changes)


@smooth_demand
@every_supply
@cases_of(BROKEN_TEMPERATURE)
def test_a_market_without_a_temperature_too(changes: dict[str, float], supply: Supply, demand: Demand) -> None:
    assert_only_the_broken_row_is_nan(CapacityMarket(supply, demand), changes)


@smooth_demand
@cases_of(BROKEN_ROW, BROKEN_QUANTITY, BROKEN_TEMPERATURE)
def test_its_gradients_are_nan_and_its_neighbours_are_not(changes: dict[str, float], demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(FixedSupply(1.0), demand))

    def gradients(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in batch.items()}
        outcome = operator(**leaves)
        loss = (outcome.allocation * torch.arange(4.0)).sum() + outcome.price.sum()
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    batch = well_formed_batch()
    found, wanted = gradients(broken(batch, changes)), gradients(batch)
    for name, gradient in found.items():
        assert gradient[BROKEN].isnan().all(), name  # no silent zero
        torch.testing.assert_close(
            rows_but_the_broken_one(gradient), rows_but_the_broken_one(wanted[name]), rtol=0.0, atol=0.0
        )
