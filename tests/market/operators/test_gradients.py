"""Gradients are the comparative statics of the market: four routes to them agree, and kinks and corners are as stated.

The routes: the operator's closed form; numerical differences of the operator itself (`gradcheck`); finite differences
of the NumPy engine; and the implicit function theorem with a solver of its own (`tests.support.implicit`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.implicit import implicit_clearing
from torch import Tensor

from walras.market import (
    CapacityMarket,
    Clearing,
    FixedSupply,
    LinearDemand,
    LogitDemand,
    NotDifferentiableError,
    PerUnitTax,
    PostedPrice,
    StepDemand,
)
from walras.market.operators import OperatorClearing, capacity_allocation, compile_mechanism, step_allocation
from walras.market.validation import FloatArray

RULES = {"linear": LinearDemand, "logit": LogitDemand}
every_rule = pytest.mark.parametrize("rule", RULES)
every_supply = pytest.mark.parametrize("supply_rule", [FixedSupply, PostedPrice], ids=["fixed", "posted"])
NAMES = ("valuations", "costs", "supply", "tax", "temperature")


def operator_of(rule: str, supply_rule: type = FixedSupply) -> torch.nn.Module:
    """The compiled market; its numbers come in with each call."""
    return compile_mechanism(CapacityMarket(supply_rule(0.0), RULES[rule]()))


def tensors(*values: object, requires_grad: bool = True) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(value, dtype=torch.float64, requires_grad=requires_grad) for value in values)


@dataclass(frozen=True, eq=False)
class Market:
    """A well-conditioned market: no agent is near a kink, and some agent is at the margin."""

    valuations: FloatArray
    costs: FloatArray
    level: float  # the quantity, or the posted price
    tax: FloatArray
    scale: float

    def leaves(self) -> dict[str, Tensor]:
        values = tensors(self.valuations, self.costs, self.level, self.tax, self.scale)
        return dict(zip(NAMES, values, strict=True))

    def engine(self, rule: str, supply_rule: type, **moved: object) -> Clearing:
        """Clear by the NumPy engine, with some of the inputs replaced."""
        inputs = dict(zip(NAMES, (self.valuations, self.costs, self.level, self.tax, self.scale), strict=True)) | moved
        market = CapacityMarket(
            supply_rule(float(inputs["supply"])), RULES[rule](float(inputs["temperature"])), PerUnitTax(inputs["tax"])
        )
        return market.clear(inputs["valuations"], inputs["costs"])


@st.composite
def markets(draw: st.DrawFn, rule: str, supply_rule: type = FixedSupply) -> Market:
    agents = draw(st.integers(1, 5))

    def vector(low: float, high: float) -> FloatArray:
        return np.array(draw(st.lists(st.floats(low, high), min_size=agents, max_size=agents)))

    valuations, costs, tax = vector(-1.5, 1.5), vector(0.5, 2.0), vector(-0.5, 0.5)
    scale = draw(st.floats(0.4, 2.0))
    level = draw(st.floats(0.15, 0.85)) * costs.sum() if supply_rule is FixedSupply else draw(st.floats(-1.0, 1.0))
    market = Market(valuations, costs, float(level), tax, scale)
    if rule == "linear":
        margins = (valuations - tax - market.engine(rule, supply_rule).price) / scale
        assume(np.min(np.abs(margins * (1.0 - margins))) > 0.01)  # no kink within reach of a finite difference
        assume(np.any((margins > 0.0) & (margins < 1.0)))
    return market


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss that is linear in the outcome, so that its gradient is any row of the Jacobian."""

    of_shares: FloatArray
    of_price: float
    of_units: float

    def of_engine(self, clearing: Clearing) -> float:
        shares = float(self.of_shares @ clearing.allocation)
        return shares + self.of_price * clearing.price + self.of_units * clearing.quantity_sold

    def of_operator(self, outcome: OperatorClearing) -> Tensor:
        shares = (torch.tensor(self.of_shares) * outcome.allocation).sum()
        return shares + self.of_price * outcome.price + self.of_units * outcome.quantity_sold


@st.composite
def losses(draw: st.DrawFn, agents: int) -> Loss:
    weight = st.floats(-2.0, 2.0)
    shares = np.array(draw(st.lists(weight, min_size=agents, max_size=agents)))
    return Loss(shares, draw(weight), draw(weight))


def gradients_of(loss: Tensor, leaves: dict[str, Tensor]) -> dict[str, FloatArray]:
    """Gradients by name; None only where the loss does not depend on the input at all."""
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return {name: gradient.numpy() for name, gradient in zip(leaves, found, strict=True)}


def finite_differences(function: Callable[[FloatArray], float], at: object, step: float = 1e-5) -> FloatArray:
    """Central differences of a function of an array, in the array's shape."""
    at = np.asarray(at, dtype=np.float64)
    slopes = np.empty(at.size)
    for entry in range(at.size):
        move = np.zeros(at.size)
        move[entry] = step
        move = move.reshape(at.shape)
        slopes[entry] = (function(at + move) - function(at - move)) / (2.0 * step)
    return slopes.reshape(at.shape)


# ---------------------------------------------------------------- the operator against its own differences


def batch(rule: str, supply_rule: type) -> tuple[Tensor, ...]:
    """Valuations (2, 3), costs (3,), levels (2,), taxes (2, 3) and scales (2,); every agent strictly inside."""
    level = [1.5, 2.0] if supply_rule is FixedSupply else [-0.2, -0.1]
    return tensors(
        [[0.9, 0.5, -0.1], [0.3, 0.4, 0.6]], [1.0, 0.7, 1.6], level, [[0.1, 0.0, -0.2], [0.0, 0.1, 0.2]], [1.3, 1.6]
    )


@every_supply
@every_rule
def test_gradcheck_and_gradgradcheck(rule: str, supply_rule: type) -> None:
    operator, inputs = operator_of(rule, supply_rule), batch(rule, supply_rule)

    def outcome(valuations: Tensor, costs: Tensor, supply: Tensor, tax: Tensor, temperature: Tensor) -> tuple:
        return tuple(operator(valuations, costs, supply=supply, tax=tax, temperature=temperature))

    interior = outcome(*inputs)[0]
    assert torch.all((interior > 0.01) & (interior < 0.99))
    assert torch.autograd.gradcheck(outcome, inputs, eps=1e-6, atol=1e-7, rtol=1e-6)
    assert torch.autograd.gradgradcheck(outcome, inputs, eps=1e-6, atol=1e-6, rtol=1e-5)


# ---------------------------------------------------------------- the operator against the engine and the second route


@every_supply
@every_rule
@given(data=st.data())
def test_gradients_are_finite_differences_of_the_engine(data: st.DataObject, rule: str, supply_rule: type) -> None:
    market = data.draw(markets(rule, supply_rule), label="market")
    loss = data.draw(losses(market.costs.size), label="loss")
    leaves = market.leaves()
    found = gradients_of(loss.of_operator(operator_of(rule, supply_rule)(**leaves)), leaves)
    for name, leaf in leaves.items():

        def engine_loss(value: FloatArray, name: str = name) -> float:
            return loss.of_engine(market.engine(rule, supply_rule, **{name: value}))

        expected = finite_differences(engine_loss, leaf.detach().numpy())
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-7, err_msg=name)


@every_rule
@given(data=st.data())
def test_gradients_are_those_of_the_implicit_route(data: st.DataObject, rule: str) -> None:
    market = data.draw(markets(rule), label="market")
    loss = data.draw(losses(market.costs.size), label="loss")
    ours, theirs = market.leaves(), market.leaves()
    closed_form = operator_of(rule)(**ours)
    valuations, costs, supply, tax, scale = theirs.values()
    implicit = implicit_clearing(valuations, costs, supply, scale, rule=rule, tax_rates=tax)
    for got, wanted in zip(closed_form, implicit, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-11)
    expected = gradients_of(loss.of_operator(implicit), theirs)
    for name, gradient in gradients_of(loss.of_operator(closed_form), ours).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-8, atol=1e-9, err_msg=name)


@every_rule
@given(data=st.data())
def test_gradients_in_float32_are_those_in_float64(data: st.DataObject, rule: str) -> None:
    market = data.draw(markets(rule), label="market")
    loss = data.draw(losses(market.costs.size), label="loss")
    exact, single = market.leaves(), market.leaves()
    expected = gradients_of(loss.of_operator(operator_of(rule)(**exact)), exact)
    outcome = operator_of(rule)(**{name: leaf.float() for name, leaf in single.items()})
    for name, gradient in gradients_of(loss.of_operator(outcome), single).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-3, atol=1e-3, err_msg=name)


# ---------------------------------------------------------------- closed forms and signs


@every_rule
@given(data=st.data())
def test_closed_forms(data: st.DataObject, rule: str) -> None:
    market = data.draw(markets(rule), label="market")
    loss = data.draw(losses(market.costs.size), label="loss")
    leaves = market.leaves()
    outcome = operator_of(rule)(**leaves)
    found = gradients_of(loss.of_operator(outcome), leaves)

    x, w, p, tau = outcome.allocation.detach().numpy(), market.costs, outcome.price.item(), market.scale
    z = (market.valuations - market.tax - p) / tau
    s = (x * (1.0 - x) if rule == "logit" else (z > 0.0) & (z < 1.0)) / tau
    u, g = loss.of_shares + loss.of_units * w, loss.of_price  # dL/dx_i, dL/dp
    ubar = (np.sum(u * s) - g) / np.sum(w * s)  # the shadow price of the supply
    expected = {
        "valuations": s * (u - w * ubar),
        "costs": -ubar * x + loss.of_units * x,  # a cost also stands in the units sold
        "supply": ubar,
        "tax": -s * (u - w * ubar),
        "temperature": -np.sum(z * s * (u - w * ubar)),
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-8, atol=1e-10, err_msg=name)


@every_rule
@given(data=st.data())
def test_comparative_statics_have_the_signs_and_sums_of_the_theory(data: st.DataObject, rule: str) -> None:
    market = data.draw(markets(rule), label="market")
    valuations, costs, supply, tax, scale = market.leaves().values()
    operator = operator_of(rule)

    def clear(valuations: Tensor, tax: Tensor, supply: Tensor) -> OperatorClearing:
        return operator(valuations, costs, supply=supply, tax=tax, temperature=scale)

    shares, prices, units = (
        torch.autograd.functional.jacobian(lambda *bids, part=part: clear(*bids)[part], (valuations, tax, supply))
        for part in range(3)
    )
    tiny = 1e-12
    off_diagonal = shares[0] - torch.diag(shares[0].diagonal())
    assert torch.all(shares[0].diagonal() >= -tiny)  # bidding more never loses units
    assert torch.all(off_diagonal <= tiny)  # and never gives others more
    assert torch.all(prices[0] >= -tiny)
    torch.testing.assert_close(prices[0].sum(), torch.ones_like(supply))  # all bid one more: the price rises by one
    torch.testing.assert_close(shares[0].sum(-1), torch.zeros_like(costs), rtol=0.0, atol=1e-10)  # and nothing else
    torch.testing.assert_close(shares[1], -shares[0])  # a tax is a lower bid ...
    torch.testing.assert_close(prices[1].sum(), -torch.ones_like(supply))  # ... and the seller bears a uniform one
    assert torch.all(shares[2] >= -tiny)
    assert prices[2] < 0.0  # more supply lowers the price
    torch.testing.assert_close((costs * shares[2]).sum(), torch.ones_like(supply))  # and is sold in full
    torch.testing.assert_close(units[2], torch.ones_like(supply))
    torch.testing.assert_close(units[0], torch.zeros_like(costs), rtol=0.0, atol=1e-10)


# ---------------------------------------------------------------- the shadow price of the budget


def loss_at(rule: str, budget: Tensor) -> Tensor:
    """A task loss: squared distance of the shares to a wish, weighted."""
    valuations, costs = tensors([0.9, 0.4, 0.2, -0.3], [1.0, 0.5, 2.0, 1.0], requires_grad=False)
    wish, weight = tensors([1.0, 0.2, 0.9, 0.4], [3.0, 1.0, 2.0, 0.5], requires_grad=False)
    outcome = operator_of(rule)(valuations, costs, supply=budget, temperature=0.7)
    return (weight * (outcome.allocation - wish).square()).sum(-1)


@every_rule
@pytest.mark.parametrize("budget", [0.4, 1.1, 2.2, 3.9])
def test_the_reported_shadow_price_is_the_measured_change_of_the_loss(budget: float, rule: str) -> None:
    (supply,) = tensors(budget)
    loss_at(rule, supply).backward()
    step = 1e-5
    with torch.no_grad():
        richer, poorer = (loss_at(rule, torch.tensor(budget + move, dtype=torch.float64)) for move in (step, -step))
    assert supply.grad.item() == pytest.approx((richer - poorer).item() / (2.0 * step), rel=1e-6)


@every_rule
def test_shadow_prices_add_up_to_the_change_of_the_loss_over_a_whole_range_of_budgets(rule: str) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(400)
    start, end = 0.2, 4.3  # of a total of 4.5: across every kink of linear demand
    (budgets,) = tensors(start + 0.5 * (end - start) * (nodes + 1.0))
    (shadow_prices,) = torch.autograd.grad(loss_at(rule, budgets).sum(), budgets)
    with torch.no_grad():
        losses_at_ends = loss_at(rule, torch.tensor([start, end], dtype=torch.float64))
    added_up = 0.5 * (end - start) * float(np.sum(weights * shadow_prices.numpy()))
    tolerance = {"logit": 1e-10, "linear": 1e-2}[rule]  # kinks cost the quadrature its order
    assert added_up == pytest.approx((losses_at_ends[1] - losses_at_ends[0]).item(), abs=tolerance)


# ---------------------------------------------------------------- ties, kinks, corners


@every_rule
@given(data=st.data())
def test_equal_agents_have_equal_gradients(data: st.DataObject, rule: str) -> None:
    market = data.draw(markets(rule), label="market")
    twin = Market(
        *(np.concatenate([getattr(market, name)] * 2) for name in ("valuations", "costs")),
        2.0 * market.level,
        np.concatenate([market.tax] * 2),
        market.scale,
    )
    leaves = twin.leaves()
    outcome = operator_of(rule)(**leaves)
    loss = outcome.allocation.square().sum() + outcome.price
    for name, gradient in gradients_of(loss, leaves).items():
        if gradient.ndim:
            np.testing.assert_array_equal(*np.split(gradient, 2), err_msg=name)


@dataclass(frozen=True)
class Kink:
    """A market under linear demand of width 1 and its exact answer."""

    valuations: tuple[float, ...]
    supply: float
    shares: tuple[float, ...]
    slopes: tuple[float, ...]  # of the shares in the supply: nonzero for agents strictly inside only


KINKS = {
    "nothing is sold": Kink((2.0, 1.0), 0.0, (0.0, 0.0), (0.0, 0.0)),
    "everything is sold": Kink((2.0, 1.0), 2.0, (1.0, 1.0), (0.0, 0.0)),
    "one full and one just out, a width apart": Kink((2.0, 1.0), 1.0, (1.0, 0.0), (0.0, 0.0)),
    "one full, one out, several widths apart": Kink((5.0, 1.0), 1.0, (1.0, 0.0), (0.0, 0.0)),
    "a tie that is served in full": Kink((3.3, 3.3, 0.1, 0.1), 2.0, (1.0, 1.0, 0.0, 0.0), (0.0,) * 4),
    "a tie that stays out": Kink((3.0, 0.5, 0.5), 1.0, (1.0, 0.0, 0.0), (0.0,) * 3),
    "a tie that is rationed": Kink((0.5, 0.5), 1.0, (0.5, 0.5), (0.5, 0.5)),
    "one inside, one exactly at 0": Kink((1.5, 1.0), 0.5, (0.5, 0.0), (1.0, 0.0)),
    "one inside, one exactly at 1": Kink((2.0, 1.5), 1.5, (1.0, 0.5), (0.0, 1.0)),
    "one agent, inside": Kink((7.0,), 0.25, (0.25,), (1.0,)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kink", KINKS.values(), ids=KINKS)
def test_kinks_and_corners_of_linear_demand(kink: Kink, dtype: torch.dtype) -> None:
    operator, costs = operator_of("linear"), torch.ones(len(kink.valuations), dtype=dtype)
    valuations, supply = torch.tensor(kink.valuations, dtype=dtype), torch.tensor(kink.supply, dtype=dtype)

    def shares(valuations: Tensor, supply: Tensor) -> Tensor:
        return operator(valuations, costs, supply=supply).allocation

    torch.testing.assert_close(shares(valuations, supply), torch.tensor(kink.shares, dtype=dtype), rtol=0.0, atol=1e-6)
    in_valuations, in_supply = torch.autograd.functional.jacobian(shares, (valuations, supply))
    slopes = torch.tensor(kink.slopes, dtype=dtype)
    torch.testing.assert_close(in_supply, slopes, rtol=0.0, atol=1e-6)
    inside = (slopes > 0.0).to(dtype)
    # Agents inside trade among themselves, I - 11'/m; agents at or beyond a kink do not respond at all.
    expected = torch.diag(inside) - torch.outer(inside, inside) / inside.sum().clamp(min=1.0)
    torch.testing.assert_close(in_valuations, expected, rtol=0.0, atol=1e-6)
    assert torch.all(in_valuations[inside == 0.0] == 0.0)
    assert torch.all(in_supply[inside == 0.0] == 0.0)


@every_rule
@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_every_derivative_at_a_corner_is_zero(fraction: float, rule: str) -> None:
    valuations, costs, supply, tax, scale = leaves = tensors(
        [0.9, 0.5, -0.1], [1.0, 0.5, 1.5], 3.0 * fraction, 0.1, 0.7
    )
    outcome = operator_of(rule)(valuations, costs, supply=supply, tax=tax, temperature=scale)
    for part in (outcome.allocation.sum(), outcome.price):
        for gradient in torch.autograd.grad(part, leaves, retain_graph=True):
            assert torch.all(gradient == 0.0)
    (of_units,) = torch.autograd.grad(outcome.quantity_sold, costs)
    torch.testing.assert_close(of_units, torch.full_like(costs, fraction))  # each share times one more unit of cost


FLAT = {  # valuations in units of the temperature: the two groups are far from the price between them
    "gap of 80": [0.0, -80.0, -90.0],
    "shares that are barely numbers": [0.0, -172.4, -400.0],
    "gap of 1e4": [0.0, -1e4, -1e4],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("temperature", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("valuations", FLAT.values(), ids=FLAT)
def test_where_no_agent_is_at_the_margin_derivatives_are_zero_not_noise(
    valuations: list[float], temperature: float, dtype: torch.dtype
) -> None:
    bids = torch.tensor(valuations, dtype=dtype).mul(temperature).requires_grad_()
    costs, supply = torch.ones(3, dtype=dtype, requires_grad=True), torch.ones((), dtype=dtype, requires_grad=True)
    scale = torch.tensor(temperature, dtype=dtype, requires_grad=True)
    outcome = operator_of("logit")(bids, costs, supply=supply, temperature=scale)
    loss = (outcome.allocation * torch.tensor([1.0, -2.0, 3.0])).sum() + outcome.price
    for gradient in torch.autograd.grad(loss, (bids, costs, supply, scale)):
        assert torch.all(gradient == 0.0)


# ---------------------------------------------------------------- what has no gradient says so


@pytest.mark.parametrize("name", ["valuations", "costs", "supply", "tax"])
@pytest.mark.parametrize("divisible", [True, False])
@every_supply
def test_step_demand_refuses_gradients(supply_rule: type, divisible: bool, name: str) -> None:
    operator = compile_mechanism(CapacityMarket(supply_rule(1.0), StepDemand(divisible=divisible)))
    inputs = {
        "valuations": torch.tensor([1.0, 2.0]),
        "costs": torch.ones(2),
        "supply": torch.tensor(1.0),
        "tax": torch.tensor(0.5),
    }
    inputs[name].requires_grad_()
    with pytest.raises(NotDifferentiableError, match=rf"^{name} requires a gradient.*LogitDemand.*no_grad"):
        operator(**inputs)
    for allowed in (torch.no_grad(), torch.inference_mode()):
        with allowed:
            outcome = operator(**inputs)  # a posted price is handed on as it came
        assert not outcome.allocation.requires_grad
        assert not outcome.quantity_sold.requires_grad
    inputs[name] = inputs[name].detach()
    assert not any(tensor.requires_grad for tensor in operator(**inputs))


def test_step_demand_refuses_every_gradient_at_once_and_under_function_transforms() -> None:
    operator = compile_mechanism(CapacityMarket(FixedSupply(1.0), StepDemand()))
    valuations, costs = tensors([[1.0, 2.0], [3.0, 0.0]], [1.0, 1.0])
    with pytest.raises(NotDifferentiableError, match=r"^valuations, costs requires"):
        operator(valuations, costs)

    def total(bids: Tensor) -> Tensor:
        return operator(bids, costs.detach()).allocation.sum()

    for transform in (torch.func.grad, torch.func.jacrev, lambda f: torch.func.vmap(torch.func.grad(f))):
        with pytest.raises(NotDifferentiableError):
            transform(total)(valuations.detach())


@pytest.mark.parametrize("name", ["net_valuations", "costs", "supply"])
def test_step_allocation_alone_refuses_gradients_too(name: str) -> None:
    inputs = dict(zip(("net_valuations", "costs", "supply"), tensors([1.0, 2.0], [1.0, 1.0], 1.0), strict=True))
    detached = {key: leaf if key == name else leaf.detach() for key, leaf in inputs.items()}
    with pytest.raises(NotDifferentiableError, match=rf"^{name} requires"):
        step_allocation(**detached, divisible=True)


@every_rule
def test_every_input_that_requires_a_gradient_gets_one(rule: str) -> None:
    leaves = dict(zip(NAMES, batch(rule, FixedSupply), strict=True))
    outcome = operator_of(rule)(**leaves)
    for part in outcome:
        found = torch.autograd.grad(part.sum(), list(leaves.values()), retain_graph=True)  # raises where one is unused
        assert [gradient.shape for gradient in found] == [leaf.shape for leaf in leaves.values()]


def test_the_rule_of_capacity_allocation_is_checked() -> None:
    valuations, costs, supply, scale = tensors([1.0, 2.0], [1.0, 1.0], 1.0, 1.0)
    with pytest.raises(ValueError, match=r"rule must be 'logit' or 'linear', got 'probit'"):
        capacity_allocation(valuations, costs, supply, scale, rule="probit")
