"""Markets with a vector of prices, compiled: resources, Fisher, exchange, assignment, against the engine.

Outcomes in batches; gradients by `gradcheck`, by finite differences of the engine, and by closed forms where they
exist; transforms; rows without an answer.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from walras.market import (
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    NotDifferentiableError,
    PerUnitTax,
    ResourceMarket,
    StepDemand,
)
from walras.market.assignment import AssignmentMarket
from walras.market.exchange import CES, CobbDouglas, ExchangeEconomy, Leontief, Linear, Newton
from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherMarket, LeontiefUtility
from walras.market.operators import compile_mechanism

GENERATOR = np.random.default_rng(3)


def tensor(values: object) -> Tensor:
    return torch.tensor(np.asarray(values, dtype=np.float64))


def finite_difference(function: Callable[[np.ndarray], float], at: np.ndarray, place: tuple[int, ...]) -> float:
    ends = []
    for sign in (1.0, -1.0):
        moved = at.copy()
        moved[place] += sign * 1e-5
        ends.append(function(moved))
    return (ends[0] - ends[1]) / 2e-5


# ---------------------------------------------------------------- several resources

VALUES, NEEDS = GENERATOR.uniform(-0.5, 5.0, (9, 7)), GENERATOR.uniform(0.0, 2.0, (9, 7, 3))
NEEDS[:, :3, 1] = 0.0
VALUES[7], NEEDS[7] = 2.0, 1.0  # a tie of all
SIZES = GENERATOR.uniform(0.5, 2.0, 7)
RESOURCES = {
    "logit": ResourceMarket((2.0, 1.5, 30.0), LogitDemand(0.3), PerUnitTax((0.1, 0.0, 0.2))),
    "linear": ResourceMarket((2.0, 1.5, 30.0), LinearDemand(0.5), PerUnitTax((0.1, 0.0, 0.2))),
    "cold": ResourceMarket((2.0, 1.5, 3.0), LogitDemand(1e-4)),
    "narrow": ResourceMarket((2.0, 1.5, 3.0), LinearDemand(1e-4)),
    "closed": ResourceMarket((2.0, 0.0, 3.0), LinearDemand(0.3)),
    "closed, logit": ResourceMarket((2.0, 0.0, 3.0), LogitDemand(0.3)),
}


@pytest.mark.parametrize("market", RESOURCES.values(), ids=RESOURCES)
def test_resources_are_shared_and_priced_as_by_the_engine(market: ResourceMarket) -> None:
    found = compile_mechanism(market)(tensor(VALUES), tensor(NEEDS), sizes=tensor(SIZES))
    for row in range(len(VALUES)):
        expected = market.clear(VALUES[row], NEEDS[row], sizes=SIZES)
        np.testing.assert_allclose(found.allocation[row], expected.allocation, atol=1e-9, err_msg=f"row {row}")
        np.testing.assert_allclose(found.quantities_sold[row], expected.quantities.sum(0), atol=1e-8)
        if row != 7:  # where all agents are the same several price vectors clear
            np.testing.assert_allclose(found.prices[row], expected.prices, atol=1e-9)


@pytest.mark.parametrize("name", ["logit", "linear"])
def test_gradients_of_resource_markets(name: str) -> None:
    market = RESOURCES[name]
    operator = compile_mechanism(market)
    leaves = [
        tensor(VALUES[:2]),
        tensor(NEEDS[0] + 0.01),
        tensor(SIZES),
        tensor((2.0, 1.5, 30.0)),
        tensor(0.1),
        tensor(0.4),
    ]
    leaves = [leaf.requires_grad_() for leaf in leaves]

    def outcome(v: Tensor, w: Tensor, s: Tensor, b: Tensor, t: Tensor, tau: Tensor) -> tuple[Tensor, ...]:
        return tuple(operator(v, w, sizes=s, supply=b, tax=t, temperature=tau))

    assert torch.autograd.gradcheck(outcome, leaves, fast_mode=True, atol=1e-4)
    values = tensor(VALUES[0]).requires_grad_()
    found = operator(values, tensor(NEEDS[0]), sizes=tensor(SIZES))
    (gradient,) = torch.autograd.grad((found.allocation * torch.arange(7.0)).sum() + found.prices.sum(), values)

    def of_engine(valuations: np.ndarray) -> float:
        cleared = market.clear(valuations, NEEDS[0], sizes=SIZES)
        return float(np.arange(7.0) @ cleared.allocation + cleared.prices.sum())

    for agent in range(7):
        assert float(gradient[agent]) == pytest.approx(finite_difference(of_engine, VALUES[0], (agent,)), abs=1e-4)


# ---------------------------------------------------------------- Fisher markets

BUYERS = GENERATOR.uniform(0.1, 5.0, (6, 5, 4)) * (GENERATOR.random((6, 5, 4)) > 0.2) + 0.05
BUYERS[5] = 1.0
BUDGETS, SUPPLIES = GENERATOR.uniform(1.0, 5.0, 5), (1.0, 2.0, 3.0, 0.5)
UTILITIES = {
    "CES 0.5": CESUtility(0.5),
    "CES 0.95": CESUtility(0.95),
    "CES -2": CESUtility(-2.0),
    "CES -30": CESUtility(-30.0),
    "CES of each": CESUtility((0.5, -1.0, 0.2, -5.0, 0.8)),
    "Cobb-Douglas": CobbDouglasUtility(),
}


@pytest.mark.parametrize(
    ("name", "unit"), [*((name, 1.0) for name in UTILITIES), ("CES of each", 1e-12), ("CES -2", 1e12)]
)
def test_fisher_markets_are_the_engines(name: str, unit: float) -> None:
    market = FisherMarket(unit * BUDGETS, SUPPLIES, UTILITIES[name])
    found = compile_mechanism(market)(tensor(BUYERS))
    for row in range(len(BUYERS)):
        expected = market.equilibrium(BUYERS[row]).require()
        np.testing.assert_allclose(found.prices[row], expected.prices, rtol=1e-8, err_msg=f"row {row}")
        np.testing.assert_allclose(found.allocation[row], expected.allocation, atol=1e-8)


@pytest.mark.parametrize("name", ["CES 0.5", "CES -2", "CES of each", "Cobb-Douglas"])
def test_gradients_of_fisher_markets(name: str) -> None:
    market = FisherMarket(BUDGETS, SUPPLIES, UTILITIES[name])
    operator = compile_mechanism(market)
    leaves = [leaf.requires_grad_() for leaf in (tensor(BUYERS[:2]), tensor(BUDGETS), tensor(SUPPLIES))]
    assert torch.autograd.gradcheck(
        lambda v, b, s: tuple(operator(v, budgets=b, supplies=s)), leaves, fast_mode=True, atol=1e-4
    )
    found = operator(leaves[0])
    (gradient,) = torch.autograd.grad(found.prices[0, 1], leaves[0])
    for place in ((0, 1), (2, 0), (4, 3)):
        expected = finite_difference(lambda v: float(market.equilibrium(v).prices[1]), BUYERS[0], place)
        assert float(gradient[0][place]) == pytest.approx(expected, abs=1e-4)


def test_cobb_douglas_budgets_have_the_closed_form_gradient() -> None:
    """A good's price is what is spent on it over its supply: its derivative by a budget is the buyer's share of it."""
    budgets = tensor(BUDGETS).requires_grad_()
    found = compile_mechanism(FisherMarket(BUDGETS, SUPPLIES, CobbDouglasUtility()))(tensor(BUYERS[0]), budgets=budgets)
    (gradient,) = torch.autograd.grad(found.prices[2], budgets)
    shares = BUYERS[0] / BUYERS[0].sum(1, keepdims=True)
    np.testing.assert_allclose(gradient, shares[:, 2] / SUPPLIES[2], rtol=1e-10)


def test_linear_buyers_at_a_falling_temperature_tend_to_the_exact_market() -> None:
    market = FisherMarket([60.0, 40.0])
    values = tensor([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]])
    distances = [
        float(
            (23.0 * compile_mechanism(market, temperature=tau)(values).prices - tensor([1200.0, 600.0, 500.0])).norm()
        )
        for tau in (0.1, 0.01, 0.001)
    ]
    assert distances[0] > 5.0 * distances[1] > 20.0 * distances[2]
    assert distances[2] < 2.0


# ---------------------------------------------------------------- exchange economies

WEIGHTS, OWNED = GENERATOR.uniform(0.1, 2.0, (6, 4)), GENERATOR.uniform(0.0, 3.0, (6, 4))
ECONOMIES = {
    "Cobb-Douglas": CobbDouglas(WEIGHTS),
    "CES 0.5": CES(WEIGHTS, 0.5),
    "CES -1": CES(WEIGHTS, -1.0),
    "several kinds": (CobbDouglas(WEIGHTS[:2]), CES(WEIGHTS[2:], (0.5, -2.0, 0.1, -0.5))),
}


@pytest.mark.parametrize("utilities", ECONOMIES.values(), ids=ECONOMIES)
def test_exchange_economies_and_their_gradients_are_the_engines(utilities: object) -> None:
    economy = ExchangeEconomy(utilities, OWNED)  # type: ignore[arg-type]
    operator = compile_mechanism(economy)
    found = operator()
    expected = Newton().solve(economy).require().prices
    np.testing.assert_allclose(found.prices, expected, rtol=1e-9)
    np.testing.assert_allclose(found.allocation, economy.demand(expected), rtol=1e-8)
    owned, weights = tensor(np.stack([OWNED, OWNED + 1.0])).requires_grad_(), tensor(WEIGHTS).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda e, w: tuple(operator(endowments=e, weights=w)), (owned, weights), fast_mode=True, atol=1e-4
    )
    (gradient,) = torch.autograd.grad(operator(endowments=owned).prices[0, 1], owned)
    for place in ((0, 1), (3, 2)):
        price = finite_difference(
            lambda e: float(Newton().solve(ExchangeEconomy(utilities, e)).prices[1]),  # type: ignore[arg-type]
            OWNED,
            place,
        )
        assert float(gradient[0][place]) == pytest.approx(price, abs=1e-5)


def test_the_start_chooses_among_three_equilibria() -> None:
    """Kehoe 1991: shares of the first price 0.1129, 1/2 and 0.8871."""
    economy = ExchangeEconomy(CES([[1024.0, 1.0], [1.0, 1024.0]], -4.0), [[12.0, 1.0], [1.0, 12.0]])
    starts = tensor([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]])
    found = compile_mechanism(economy)(start=starts).prices[:, 0]
    np.testing.assert_allclose(found, [0.1129238471, 0.5, 0.8870761529], atol=1e-9)


# ---------------------------------------------------------------- assignment

PAIRS = GENERATOR.uniform(-2.0, 10.0, (6, 5, 4))


@pytest.mark.parametrize("k", [0.0, 0.3, 1.0])
def test_assignment_tends_to_the_exact_one(k: float) -> None:
    market = AssignmentMarket(k)
    apart = {}
    for temperature in (0.1, 0.001):
        found = compile_mechanism(market, temperature=temperature)(tensor(PAIRS))
        gaps = []
        for row, values in enumerate(PAIRS):
            expected = market.clear(values)
            owned = np.zeros_like(values)
            owners = np.flatnonzero(expected.assignment >= 0)
            owned[owners, expected.assignment[owners]] = 1.0
            gaps.append(
                [
                    np.abs(found.allocation[row].numpy() - owned).max(),
                    np.abs(found.prices[row].numpy() - expected.prices).max(),
                    np.abs(found.payments[row].numpy() - expected.payments).max(),
                    abs(float(found.welfare[row]) - expected.welfare),
                ]
            )
        apart[temperature] = np.array(gaps).max(0)
    assert (apart[0.001] <= [1e-6, 0.01, 0.01, 0.02]).all(), apart
    assert (apart[0.001] < 0.1 * apart[0.1]).all()


def test_gradients_of_assignment() -> None:
    """Welfare's derivative by a value is the probability of the pair, and prices are differences of welfare."""
    operator = compile_mechanism(AssignmentMarket(0.3), temperature=0.7)
    values, temperature = tensor(PAIRS[:2, :3, :3]).requires_grad_(), tensor(0.7).requires_grad_()
    found = operator(values)
    (gradient,) = torch.autograd.grad(found.welfare.sum(), values)
    torch.testing.assert_close(gradient, found.allocation.detach(), rtol=0.0, atol=1e-10)
    assert torch.autograd.gradcheck(
        lambda v, tau: tuple(operator(v, temperature=tau)), (values, temperature), fast_mode=True
    )
    assert bool((found.allocation.sum(-1) < 1.0).all())
    assert bool((found.allocation.sum(-2) < 1.0).all())


def test_equal_buyers_share_an_object_alike() -> None:
    found = compile_mechanism(AssignmentMarket(), temperature=0.01)(tensor([[5.0], [5.0], [3.0]]))
    np.testing.assert_allclose(found.allocation[:, 0], [0.5, 0.5, 0.0], atol=1e-9)
    assert float(found.prices) == pytest.approx(5.0, abs=0.05)


# ---------------------------------------------------------------- all of them

NEEDED = tensor(NEEDS[0])
CALLS: dict[str, tuple[nn.Module, Callable[[nn.Module, Tensor], tuple[Tensor, ...]], Tensor]] = {
    "resources": (compile_mechanism(RESOURCES["logit"]), lambda m, v: m(v, NEEDED), tensor(VALUES[:3])),
    "Fisher": (
        compile_mechanism(FisherMarket(BUDGETS, SUPPLIES, CESUtility(0.5))),
        lambda m, v: m(v),
        tensor(BUYERS[:3]),
    ),
    "exchange": (
        compile_mechanism(ExchangeEconomy(ECONOMIES["CES 0.5"], OWNED)),
        lambda m, v: m(endowments=v),
        tensor(np.stack([OWNED, OWNED + 1.0, 2.0 * OWNED])),
    ),
    "assignment": (compile_mechanism(AssignmentMarket(), temperature=0.5), lambda m, v: m(v), tensor(PAIRS[:3])),
}
each_kind = pytest.mark.parametrize(("operator", "call", "batch"), CALLS.values(), ids=CALLS)


@each_kind
def test_transforms_and_shorter_types(operator: nn.Module, call: Callable, batch: Tensor) -> None:
    whole = tuple(call(operator, batch))
    for got, expected in zip(torch.func.vmap(lambda v: tuple(call(operator, v)))(batch), whole, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9)
    for row in range(3):
        for got, expected in zip(call(operator, batch[row]), whole, strict=True):
            torch.testing.assert_close(got, expected[row], rtol=1e-6, atol=1e-9)
    torch.compiler.reset()
    graph = torch.compile(lambda v: call(operator, v)[0], fullgraph=True, backend="aot_eager")
    leaves = [batch.clone().requires_grad_() for _ in range(2)]
    gradients = [
        torch.autograd.grad(outcome.square().sum(), leaf)[0]
        for outcome, leaf in zip((graph(leaves[0]), call(operator, leaves[1])[0]), leaves, strict=True)
    ]
    torch.testing.assert_close(*gradients)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for got, expected in zip(call(operator, batch.float()), whole, strict=True):
            torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4)


@each_kind
def test_a_row_without_an_answer_is_nan_alone(operator: nn.Module, call: Callable, batch: Tensor) -> None:
    whole = call(operator, batch)
    broken = batch.clone()
    broken.view(3, -1)[1, 2] = torch.nan
    broken.requires_grad_()
    found = call(operator, broken)
    for got, expected in zip(found, whole, strict=True):
        assert got[1].isnan().all()
        torch.testing.assert_close(got[[0, 2]], expected[[0, 2]], rtol=1e-6, atol=1e-9)
    (gradient,) = torch.autograd.grad(found[0].nan_to_num(0.0).sum() + found[1].nan_to_num(0.0).sum(), broken)
    assert gradient[[0, 2]].isfinite().all()


def test_they_can_be_exported() -> None:
    for operator, inputs in (
        (CALLS["resources"][0], (tensor(VALUES[:3]), NEEDED)),
        (CALLS["Fisher"][0], (tensor(BUYERS[:3]),)),
        (CALLS["assignment"][0], (tensor(PAIRS[:3]),)),
    ):
        exported = torch.export.export(operator, inputs).module()
        for got, expected in zip(exported(*inputs), operator(*inputs), strict=True):
            torch.testing.assert_close(got, expected)


def test_what_jumps_says_why() -> None:
    for mechanism, reason in (
        (ResourceMarket((1.0,), StepDemand()), "corner of a linear programme"),
        (FisherMarket([1.0, 1.0]), "Give temperature="),
        (FisherMarket([1.0, 1.0], utility=LeontiefUtility()), "prices jump to 0"),
        (ExchangeEconomy(Linear([[1.0, 2.0]]), [[1.0, 1.0]]), "Linear consumers does not compile"),
        (AssignmentMarket(), "jumps between assignments"),
    ):
        with pytest.raises(NotDifferentiableError, match=reason):
            compile_mechanism(mechanism)
    corner = ExchangeEconomy(Leontief([[1.0, 1.0]]), [[1.0, 2.0]])  # some of the second good is left over, free
    assert compile_mechanism(corner)().prices.isnan().all()


def test_malformed_input_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"must have shapes \(\.\.\., n\) and \(\.\.\., n, 3\)"):
        CALLS["resources"][0](tensor(VALUES), tensor(NEEDS[:, :, :2]))
    with pytest.raises(InvalidInputError, match=r"valuations must have shape \(\.\.\., 5, m\)"):
        CALLS["Fisher"][0](tensor(BUYERS[:, :3]))
    with pytest.raises(InvalidInputError, match=r"endowments must have shape \(\.\.\., 6, 4\)"):
        CALLS["exchange"][0](endowments=tensor(OWNED[:3]))
    with pytest.raises(InvalidInputError, match="valuations must be a floating-point tensor"):
        CALLS["assignment"][0](torch.ones(2, 2, dtype=torch.int64))
    with pytest.raises(InvalidInputError, match="leave temperature out"):
        compile_mechanism(FisherMarket([1.0], utility=CESUtility(0.5)), temperature=0.1)
    with pytest.raises(InvalidInputError, match="no temperature and no hard"):
        compile_mechanism(RESOURCES["logit"], hard=True)
    with pytest.raises(InvalidInputError, match="budgets must be finite and 0 or more"):
        compile_mechanism(FisherMarket(BUDGETS, SUPPLIES, CESUtility(0.5)), check_values=True)(
            tensor(BUYERS), budgets=-tensor(BUDGETS)
        )
