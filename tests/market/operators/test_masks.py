"""Agents that do not take part: a masked market is the market of those who do, with zeros in between."""

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
)
from walras.market.operators import OperatorClearing, compile_mechanism

SMOOTH = [LogitDemand(0.3), LinearDemand(0.5)]
DEMANDS: list[Demand] = [*SMOOTH, StepDemand(), StepDemand(divisible=False)]
SUPPLIES = [FixedSupply(1.5), PostedPrice(0.2)]


def masked_market(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Five markets of nine agents; what stands in the places of absent ones is not even a number."""
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(5, 9, generator=generator, dtype=dtype).round(decimals=1)  # with ties
    costs = torch.rand(5, 9, generator=generator, dtype=dtype) + 0.5
    mask = torch.rand(5, 9, generator=generator) < 0.6
    mask[0] = True
    mask[1], mask[1, 4:7] = False, True
    assert (mask.sum(-1) >= 3).all()
    values = torch.where(mask, values, torch.nan)
    return values, torch.where(mask, costs, -torch.inf), mask


def one_by_one(
    market: torch.nn.Module, values: Tensor, costs: Tensor, mask: Tensor, **others: Tensor
) -> list[OperatorClearing]:
    """Clear each row's market of those present."""
    return [
        market(values[row][mask[row]], costs[row][mask[row]], **{name: t[row] for name, t in others.items()})
        for row in range(len(values))
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("supply", SUPPLIES, ids=lambda supply: type(supply).__name__)
@pytest.mark.parametrize("demand", DEMANDS, ids=repr)
def test_a_masked_market_is_the_market_of_those_present(
    demand: Demand, supply: FixedSupply | PostedPrice, dtype: torch.dtype
) -> None:
    values, costs, mask = masked_market(dtype)
    market = compile_mechanism(CapacityMarket(supply, demand, PerUnitTax(0.1)))
    together = market(values, costs, mask=mask)
    tolerance = {"rtol": 1e-9, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-5}
    for row, alone in enumerate(one_by_one(market, values, costs, mask)):
        torch.testing.assert_close(together.allocation[row][mask[row]], alone.allocation, **tolerance)
        torch.testing.assert_close(together.price[row], alone.price, **tolerance)
        torch.testing.assert_close(together.quantity_sold[row], alone.quantity_sold, **tolerance)
    assert bool((together.allocation[~mask] == 0.0).all())


@pytest.mark.parametrize("supply", SUPPLIES, ids=lambda supply: type(supply).__name__)
@pytest.mark.parametrize("demand", SMOOTH, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_gradients_are_those_of_the_market_of_those_present(
    demand: Demand, supply: FixedSupply | PostedPrice, dtype: torch.dtype
) -> None:
    values, costs, mask = masked_market(dtype)
    market = compile_mechanism(CapacityMarket(supply, demand))
    level = torch.full((5,), 1.5 if isinstance(supply, FixedSupply) else 0.2, dtype=dtype)
    weights = torch.linspace(-1.0, 2.0, 9, dtype=dtype)
    tax = torch.where(mask, 0.1, torch.nan).to(dtype)
    leaves = [tensor.clone().requires_grad_() for tensor in (values, costs, level, tax)]
    together = market(leaves[0], leaves[1], supply=leaves[2], tax=leaves[3], mask=mask)
    (together.allocation * weights).sum().backward()
    twins = [tensor.clone().requires_grad_() for tensor in (values, costs, level, tax)]
    for row in range(5):
        here = mask[row]
        alone = market(twins[0][row][here], twins[1][row][here], supply=twins[2][row], tax=twins[3][row][here])
        (alone.allocation * weights[here]).sum().backward()
    for name, ours, theirs in zip(("values", "costs", "supply", "tax"), leaves, twins, strict=True):
        if theirs.grad is None:  # shares at a posted price do not depend on costs
            assert ours.grad is None
            continue
        expected = theirs.grad if name == "supply" else torch.where(mask, theirs.grad, 0.0)
        torch.testing.assert_close(
            ours.grad, expected, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("demand", DEMANDS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_market_without_agents_sells_nothing_and_leaves_its_neighbours_alone(
    demand: Demand, dtype: torch.dtype
) -> None:
    values, costs, mask = masked_market(dtype)
    mask[2] = False
    market = compile_mechanism(CapacityMarket(FixedSupply(1.5), demand))
    supply = torch.tensor([1.5, 1.5, 0.0, 1.5, 1.5], dtype=dtype)
    outcome = market(values, costs, supply=supply, mask=mask)
    assert outcome.allocation[2].tolist() == [0.0] * 9
    assert outcome.quantity_sold[2] == 0.0
    assert outcome.price[2].isnan()
    others = torch.tensor([0, 1, 3, 4])
    assert not outcome.allocation[others].isnan().any()


@pytest.mark.parametrize("demand", DEMANDS, ids=repr)
def test_bad_bids_of_those_present_still_spoil_their_market(demand: Demand) -> None:
    values, costs, mask = masked_market()
    values[1, 5] = torch.nan
    outcome = compile_mechanism(CapacityMarket(FixedSupply(1.5), demand))(values, costs, mask=mask)
    assert outcome.allocation[1][mask[1]].isnan().all()
    assert outcome.price[1].isnan()
    assert not outcome.allocation[0].isnan().any()


def test_masks_go_through_vmap() -> None:
    values, costs, mask = masked_market()
    market = compile_mechanism(CapacityMarket(FixedSupply(1.5), LogitDemand(0.3)))
    mapped = torch.func.vmap(lambda v, c, m: market(v, c, mask=m).allocation)(values, costs, mask)
    torch.testing.assert_close(mapped, market(values, costs, mask=mask).allocation)


def test_one_mask_serves_all_markets() -> None:
    values, costs, _ = masked_market()
    mask = torch.tensor([True, True, False] * 3)
    values, costs = values.nan_to_num(0.5), torch.ones(9, dtype=values.dtype)
    market = compile_mechanism(CapacityMarket(FixedSupply(1.5), LinearDemand(0.5)), check_values=True)
    outcome = market(values, costs, mask=mask)
    torch.testing.assert_close(outcome.allocation[:, mask], market(values[:, mask], costs[mask]).allocation)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(9), "mask must be a tensor of booleans"),
        ([True] * 9, "mask must be a tensor of booleans of shape .*, got list"),
        (torch.ones(8, dtype=torch.bool), r"mask \(8,\)"),
        (torch.ones(9, dtype=torch.bool, device="meta"), "mask is on meta"),
    ],
)
def test_a_wrong_mask_is_refused(mask: Tensor, message: str) -> None:
    values, costs, _ = masked_market()
    with pytest.raises(InvalidInputError, match=message):
        compile_mechanism(CapacityMarket(FixedSupply(1.5), LogitDemand(0.3)))(values, costs, mask=mask)


def test_checked_values_are_those_of_the_agents_present() -> None:
    values, costs, mask = masked_market()
    market = compile_mechanism(CapacityMarket(FixedSupply(1.5), LogitDemand(0.3)), check_values=True)
    market(values, costs, mask=mask)
    values[1, 5] = torch.nan
    with pytest.raises(InvalidInputError, match="valuations must be finite, got nan"):
        market(values, costs, mask=mask)
    with pytest.raises(InfeasibleError, match="sum of costs"):
        market(values.nan_to_num(0.0), costs, supply=100.0, mask=mask)
