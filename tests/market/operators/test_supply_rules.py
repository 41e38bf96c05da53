"""Every supply rule and tax of a capacity market, compiled: the engine's outcome and comparative statics.

Markets are drawn at random in batches, with the cases that break such code put into rows of their own: ties, agents far
apart, nobody who buys the first unit, more for sale than all can use, one agent, huge and tiny units.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.market import (
    AdValoremTax,
    CapacityMarket,
    Clearing,
    Demand,
    ElasticSupply,
    FixedSupply,
    InfeasibleError,
    InvalidInputError,
    LinearDemand,
    LinearSupply,
    LogitDemand,
    NotDifferentiableError,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    StepDemand,
    Supply,
)
from walras.market.operators import compile_mechanism, curve_allocation

SUPPLIES: dict[str, Supply] = {
    "fixed": FixedSupply(2.0),
    "disposal": FixedSupply(2.0, free_disposal=True),
    "posted": PostedPrice(0.3),
    "collar": PriceCollar(2.0, 0.2, 0.6),
    "floor": PriceCollar(2.0, 0.4, math.inf),
    "ceiling": PriceCollar(1.0, -math.inf, 0.5),
    "elastic": ElasticSupply(2.0, 0.5, 0.7),
    "very elastic": ElasticSupply(1.0, 0.4, 8.0),
    "inelastic": ElasticSupply(1.5, 0.5, 0.05),
    "linear": LinearSupply(0.1, 0.2),
    "linear from below": LinearSupply(-1.0, 0.7),
}
DEMANDS: dict[str, Demand] = {
    "step": StepDemand(),
    "whole": StepDemand(divisible=False),
    "linear": LinearDemand(0.4),
    "narrow": LinearDemand(1e-3),
    "logit": LogitDemand(0.2),
    "cold": LogitDemand(1e-3),
}
RATES = (0.1, 0.0, 0.25, 0.5, -0.2, 0.1)
TAXES = {
    "untaxed": PerUnitTax(0.0),
    "both": (PerUnitTax((0.05, 0.0, 0.1, -0.1, 0.0, 0.2)), AdValoremTax(RATES)),
}
AGENTS = 6
GENERATOR = np.random.default_rng(5)
VALUATIONS = np.vstack(
    [
        GENERATOR.uniform(-0.2, 1.2, (8, AGENTS)),
        np.round(4.0 * GENERATOR.uniform(0.0, 1.0, (4, AGENTS))) / 4.0,
        np.full((1, AGENTS), 0.5),
        [[9.0, 9.0, 8.0, -8.0, -9.0, -9.0]],  # nobody near the margin
        [[-1.0, -0.5, -2.0, -0.25, -1.0, -3.0]],  # nobody buys the first unit
    ]
)
COSTS = np.vstack([GENERATOR.uniform(0.2, 1.5, (12, AGENTS)), np.ones((3, AGENTS))])

supplies = pytest.mark.parametrize("supply", SUPPLIES.values(), ids=SUPPLIES)
demands = pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
taxes = pytest.mark.parametrize("tax", TAXES.values(), ids=TAXES)
SMOOTH = {name: DEMANDS[name] for name in ("linear", "logit")}
smooth_demands = pytest.mark.parametrize("demand", SMOOTH.values(), ids=SMOOTH)


def engine(market: CapacityMarket, row: int) -> Clearing:
    return market.clear(VALUATIONS[row], COSTS[row])


def is_a_price(market: CapacityMarket, row: int, price: float, slack: float) -> bool:
    """Whether it is the engine's, or another at which demand and supply meet up to 1e-12 of all units."""
    cleared = engine(market, row)
    low, high = cleared.price_interval
    if price == cleared.price or low - slack <= price <= high + slack:
        return True
    taxes = market.tax if isinstance(market.tax, tuple) else (market.tax,)
    paid = np.full(AGENTS, price)
    for tax in taxes:
        paid = paid + tax.rates(AGENTS) * (price if isinstance(tax, AdValoremTax) else 1.0)
    demanded = float(COSTS[row] @ market.demand.share(VALUATIONS[row] - paid))
    supply = market.supply
    offered = supply.quantity_at(price) if isinstance(supply, ElasticSupply | LinearSupply) else supply.quantity
    return abs(demanded - offered) <= 1e-12 * COSTS[row].sum()


@supplies
@demands
@taxes
def test_each_rule_gives_the_engines_outcome(supply: Supply, demand: Demand, tax: object) -> None:
    market = CapacityMarket(supply, demand, tax)
    found = compile_mechanism(market)(torch.tensor(VALUATIONS), torch.tensor(COSTS))
    for row in range(len(VALUATIONS)):
        expected = engine(market, row)
        np.testing.assert_allclose(
            found.allocation[row].numpy(), expected.allocation, rtol=0.0, atol=2e-8, err_msg=f"{row}"
        )
        assert is_a_price(market, row, float(found.price[row]), 1e-9), (row, found.price[row], expected.price)
        assert float(found.quantity_sold[row]) == pytest.approx(float(expected.quantities.sum()), abs=1e-7)


@supplies
@pytest.mark.parametrize("unit", [1e-12, 1e12], ids=["tiny", "huge"])
def test_units_of_money_do_not_matter(supply: Supply, unit: float) -> None:
    """Prices, values and the temperature in another unit: the same shares, prices in that unit."""
    scaled = {
        FixedSupply: lambda s: s,
        PostedPrice: lambda s: PostedPrice(unit * s.price),
        PriceCollar: lambda s: PriceCollar(s.quantity, unit * s.floor, unit * s.ceiling),
        ElasticSupply: lambda s: ElasticSupply(s.reference_quantity, unit * s.reference_price, s.elasticity),
        LinearSupply: lambda s: LinearSupply(unit * s.intercept, unit * s.slope),
    }[type(supply)](supply)
    values, costs = torch.tensor(VALUATIONS[:10]), torch.tensor(COSTS[:10])
    tax = AdValoremTax(RATES)
    one = compile_mechanism(CapacityMarket(supply, LogitDemand(0.2), tax))(values, costs)
    other = compile_mechanism(CapacityMarket(scaled, LogitDemand(0.2 * unit), tax))(unit * values, costs)
    torch.testing.assert_close(other.allocation, one.allocation, rtol=0.0, atol=1e-9)
    torch.testing.assert_close(other.price / unit, one.price, rtol=0.0, atol=1e-9)


@supplies
@smooth_demands
@taxes
def test_gradients_are_finite_differences_of_the_engine(supply: Supply, demand: Demand, tax: object) -> None:
    market = CapacityMarket(supply, demand, tax)
    weights = np.linspace(-1.0, 2.0, AGENTS)
    operator = compile_mechanism(market)
    for row in (1, 3, 5):
        leaves = [torch.tensor(VALUATIONS[row], requires_grad=True), torch.tensor(COSTS[row], requires_grad=True)]
        found = operator(*leaves)
        loss = (torch.tensor(weights) * found.allocation).sum() + 0.3 * found.price
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)

        def of_engine(valuations: np.ndarray, costs: np.ndarray) -> float:
            cleared = market.clear(valuations, costs)
            return float(weights @ cleared.allocation + 0.3 * cleared.price)

        for which, agent in itertools.product((0, 1), (0, 4)):
            ends = []
            for sign in (1.0, -1.0):
                moved = [VALUATIONS[row].copy(), COSTS[row].copy()]
                moved[which][agent] += sign * 1e-6
                ends.append(of_engine(*moved))
            difference = (ends[0] - ends[1]) / 2e-6
            gradient = gradients[which]
            assert (0.0 if gradient is None else float(gradient[agent])) == pytest.approx(difference, abs=2e-5)


@pytest.mark.parametrize("name", ["fixed", "elastic", "collar"])
@smooth_demands
def test_first_and_second_derivatives_in_every_input(name: str, demand: Demand) -> None:
    operator = compile_mechanism(CapacityMarket(SUPPLIES[name], demand, TAXES["both"]))
    level = 2.0
    inputs = [
        torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for value in (VALUATIONS[1], COSTS[1], level, 0.1, RATES, 0.3)
    ]

    def outcome(*leaves: Tensor) -> tuple[Tensor, ...]:
        valuations, costs, supply, tax, ad_valorem, temperature = leaves
        return tuple(
            operator(valuations, costs, supply=supply, tax=tax, ad_valorem=ad_valorem, temperature=temperature)
        )

    assert torch.autograd.gradcheck(outcome, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(outcome, inputs, fast_mode=True)


@supplies
def test_an_uninformed_row_and_absent_agents_leave_the_others_alone(supply: Supply) -> None:
    operator = compile_mechanism(CapacityMarket(supply, LogitDemand(0.2), AdValoremTax(0.1)))
    values, costs = torch.tensor(VALUATIONS[:5]), torch.tensor(COSTS[:5])
    whole = operator(values, costs)
    bad = values.clone()
    bad[2, 3] = torch.nan
    bad.requires_grad_()
    found = operator(bad, costs)
    assert found.price[2].isnan()
    assert found.allocation[2].isnan().all()
    others = [0, 1, 3, 4]
    torch.testing.assert_close(found.allocation[others].detach(), whole.allocation[others])
    found.allocation.sum().backward()
    assert bad.grad is not None
    assert bad.grad[others].isfinite().all()
    # Masked: the same as a market without them, whatever stands there.
    mask = torch.arange(AGENTS) < 4
    padded = torch.where(mask, values, torch.nan)
    small = operator(values[:, :4], costs[:, :4])
    masked = operator(padded, costs, mask=mask)
    torch.testing.assert_close(masked.allocation[:, :4], small.allocation)
    torch.testing.assert_close(masked.price, small.price)
    assert (masked.allocation[:, 4:] == 0.0).all()


@pytest.mark.parametrize("name", ["collar", "elastic", "linear"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_shorter_types_are_answered_in_float32(name: str, dtype: torch.dtype) -> None:
    operator = compile_mechanism(CapacityMarket(SUPPLIES[name], LogitDemand(0.2), AdValoremTax(0.1)))
    values, costs = torch.tensor(VALUATIONS).to(dtype), torch.tensor(COSTS).to(dtype)
    found, expected = operator(values, costs), operator(values.double(), costs.double())
    assert found.allocation.dtype == found.price.dtype == torch.float32
    torch.testing.assert_close(found.allocation.double(), expected.allocation, rtol=0.0, atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(operator(values, costs).allocation, found.allocation)


@pytest.mark.parametrize("name", ["disposal", "elastic", "linear"])
def test_vmap_is_a_loop_and_jacobians_too(name: str) -> None:
    operator = compile_mechanism(CapacityMarket(SUPPLIES[name], LogitDemand(0.2), AdValoremTax(0.1)))
    values, costs = torch.tensor(VALUATIONS[:4]), torch.tensor(COSTS[:4])

    def shares(bids: Tensor, units: Tensor) -> Tensor:
        return operator(bids, units).allocation

    torch.testing.assert_close(torch.func.vmap(shares)(values, costs), shares(values, costs))
    jacobians = torch.func.vmap(torch.func.jacrev(shares))(values, costs)
    one = torch.autograd.functional.jacobian(lambda bids: shares(bids, costs[1]), values[1])
    torch.testing.assert_close(jacobians[1], one)


def test_a_supply_curve_compiles_into_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_allocation, "_STEPS", 3)  # each step is compiled
    torch.compiler.reset()
    operator = compile_mechanism(CapacityMarket(ElasticSupply(2.0, 0.5, 0.7), LogitDemand(0.2), AdValoremTax(0.1)))
    values, costs = torch.tensor(VALUATIONS[:3]), torch.tensor(COSTS[:3])
    graph = torch.compile(operator, fullgraph=True, backend="eager")
    leaves = [values.clone().requires_grad_(), values.clone().requires_grad_()]
    outcomes = [function(leaf, costs).allocation for function, leaf in zip((graph, operator), leaves, strict=True)]
    torch.testing.assert_close(*outcomes)
    gradients = [
        torch.autograd.grad((outcome**2).sum(), leaf)[0] for outcome, leaf in zip(outcomes, leaves, strict=True)
    ]
    torch.testing.assert_close(*gradients)


def test_straight_through_serves_whole_agents_under_every_supply_rule() -> None:
    for supply in SUPPLIES.values():
        market = CapacityMarket(supply, LogitDemand(0.2), AdValoremTax(0.1))
        values = torch.tensor(VALUATIONS[:6], requires_grad=True)
        found = compile_mechanism(market, hard=True)(values, torch.tensor(COSTS[:6]))
        whole = replace(market, demand=StepDemand(divisible=False))
        expected = np.array([engine(whole, row).allocation for row in range(6)])
        np.testing.assert_array_equal(found.allocation.detach().numpy(), expected)
        (gradient,) = torch.autograd.grad((found.allocation * torch.arange(6.0)).sum(), values)
        assert gradient.abs().sum() > 0.0


def test_bad_numbers_are_refused_when_values_are_checked() -> None:
    values, costs = torch.tensor(VALUATIONS[:2]), torch.tensor(COSTS[:2])

    def checked(supply: Supply) -> torch.nn.Module:
        return compile_mechanism(CapacityMarket(supply, LogitDemand(0.2)), check_values=True)

    with pytest.raises(InvalidInputError, match="ad_valorem must be above -1"):
        checked(FixedSupply(1.0))(values, costs, ad_valorem=-1.0)
    with pytest.raises(InvalidInputError, match="supply must be above 0"):
        checked(SUPPLIES["elastic"])(values, costs, supply=0.0)
    with pytest.raises(InfeasibleError, match="supply must lie in"):
        checked(SUPPLIES["ceiling"])(values, costs, supply=100.0)
    checked(SUPPLIES["collar"])(values, costs, supply=100.0)
    unchecked = compile_mechanism(CapacityMarket(SUPPLIES["elastic"], LogitDemand(0.2)))
    assert unchecked(values, costs, supply=torch.tensor([0.0, 1.0])).price.isnan().tolist() == [True, False]
    exact, rate = compile_mechanism(CapacityMarket(SUPPLIES["linear"])), torch.tensor(0.1, requires_grad=True)
    with pytest.raises(NotDifferentiableError, match="ad_valorem requires a gradient"):
        exact(values, costs, ad_valorem=rate)
