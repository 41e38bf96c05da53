"""Taxes, market makers and welfare measures as operators: the engine's numbers, and gradients."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from walras.market import InvalidInputError, welfare
from walras.market.auctions import CombinatorialAuction, PositionAuction, TwoSidedVCG, UnitDemandAuction
from walras.market.double_auctions import BilateralTrade, McAfeeAuction
from walras.market.errors import NotDifferentiableError
from walras.market.market_makers import ConstantProduct, IntegerConstantProduct, LogarithmicScoringRule
from walras.market.operators import compile_mechanism
from walras.market.operators import welfare as compiled_welfare
from walras.market.order_book import ColumnarBook, ObjectBook
from walras.market.taxation import US_FEDERAL_2018_SINGLE, BracketTax, WealthTax

amounts = st.one_of(st.sampled_from([0.0, 1.0, 100.0]), st.floats(1e-6, 1e9))
rows = st.lists(amounts, min_size=1, max_size=12)
TAXES = [
    BracketTax([], [0.2]),
    BracketTax([10.0, 100.0], [0.0, 0.2, 0.5]),
    BracketTax([10.0, 100.0], [0.4, 0.2, 0.3]),
    BracketTax([10.0, 100.0], [0.1, 0.2, 0.5]).smoothed(8.0),
    WealthTax([50.0, 1e6], [0.02, 0.03]),
]


def tensor(values: object) -> Tensor:
    return torch.as_tensor(np.array(values, dtype=np.float64))


@given(rows, st.sampled_from(TAXES))
def test_taxes_are_those_of_the_engine(incomes: list[float], tax: Any) -> None:
    np.testing.assert_allclose(compile_mechanism(tax)(tensor(incomes)), tax.tax_due(incomes), rtol=1e-12, atol=1e-12)


def test_published_brackets_compile() -> None:
    income = [0.0, 50_000.0, 600_000.0]
    np.testing.assert_allclose(
        compile_mechanism(US_FEDERAL_2018_SINGLE)(tensor(income)), US_FEDERAL_2018_SINGLE.tax_due(income)
    )


@pytest.mark.parametrize("tax", TAXES, ids=repr)
def test_the_slope_of_a_tax_is_its_marginal_rate(tax: Any) -> None:
    income = tensor([5.0, 9.0, 45.0, 70.0, 150.0, 2e6]).requires_grad_()
    rates = tensor(tax.rates).reshape(-1).requires_grad_()
    thresholds = tensor(tax.thresholds).reshape(-1).requires_grad_()
    operator = compile_mechanism(tax)
    torch.autograd.gradcheck(lambda y, r, b: operator(y, rates=r, thresholds=b), (income, rates, thresholds))
    (slope,) = torch.autograd.grad(operator(income).sum(), income)
    expected = marginal_rates_of(tax, income.detach().numpy())
    np.testing.assert_allclose(slope, expected, atol=1e-12)


def marginal_rates_of(tax: Any, amounts: np.ndarray) -> np.ndarray:
    """What the engine says; of a wealth tax by the brackets that it is made of."""
    if not isinstance(tax, WealthTax):
        return np.asarray(tax.marginal_rate(amounts))
    return BracketTax(tax.thresholds, (0.0, *np.atleast_1d(tax.rates))).marginal_rate(amounts)


@pytest.mark.parametrize("tax", [TAXES[1], TAXES[4]], ids=repr)
def test_at_a_threshold_the_slope_is_the_rate_on_the_next_unit(tax: Any) -> None:
    income = tensor(tax.thresholds).requires_grad_()
    (slope,) = torch.autograd.grad(compile_mechanism(tax)(income).sum(), income)
    np.testing.assert_allclose(slope, marginal_rates_of(tax, income.detach().numpy()))


@given(rows, st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_measures_are_those_of_the_engine(holdings: list[float], aversion: float) -> None:
    row = tensor(holdings)
    batch = torch.stack([row, row.flip(0)])
    pairs = [
        (compiled_welfare.gini, welfare.gini),
        (compiled_welfare.theil_t, welfare.theil_t),
        (lambda x: compiled_welfare.atkinson_index(x, aversion), lambda x: welfare.atkinson_index(x, aversion)),
        (lambda x: compiled_welfare.atkinson_welfare(x, aversion), lambda x: welfare.atkinson_welfare(x, aversion)),
    ]
    for ours, engine in pairs:
        np.testing.assert_allclose(ours(batch), [engine(holdings)] * 2, rtol=1e-9, atol=1e-9)
    if sum(holdings) > 0.0:
        np.testing.assert_allclose(
            compiled_welfare.herfindahl_index(row), welfare.herfindahl_index(holdings), rtol=1e-9
        )
        curve = welfare.lorenz_curve(holdings)
        places = np.arange(len(holdings) + 1) / len(holdings)
        np.testing.assert_allclose(
            compiled_welfare.lorenz_shares(row),
            np.interp(places, curve.population_shares, curve.holding_shares),
            atol=1e-9,
        )


@pytest.mark.parametrize(
    "measure",
    [
        compiled_welfare.gini,
        compiled_welfare.theil_t,
        compiled_welfare.herfindahl_index,
        compiled_welfare.lorenz_shares,
        lambda x: compiled_welfare.atkinson_index(x, 0.5),
        lambda x: compiled_welfare.atkinson_index(x, 1.0),
        lambda x: compiled_welfare.atkinson_welfare(x, 3.0),
        lambda x: compiled_welfare.quasi_linear_surplus(x, x * 0.5),
    ],
    ids=["gini", "theil", "herfindahl", "lorenz", "atkinson 1/2", "atkinson 1", "equivalent", "surplus"],
)
def test_measures_have_right_gradients_and_go_through_vmap(measure: Any) -> None:
    holdings = (
        torch.rand(3, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    ).requires_grad_()
    torch.autograd.gradcheck(measure, (holdings,))
    torch.testing.assert_close(torch.func.vmap(measure)(holdings), measure(holdings))


@given(
    sold=st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3),
    bought=st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3),
    liquidity=st.sampled_from([1.0, 100.0, 1e5]),
)
def test_the_scoring_rule_is_the_engines(sold: list[float], bought: list[float], liquidity: float) -> None:
    rule = LogarithmicScoringRule(outcomes=3, liquidity=liquidity)
    ours, engine = compile_mechanism(rule)(tensor(sold), tensor(bought)), rule.trade(sold, bought)
    assert ours.payment.item() == pytest.approx(engine.payment, rel=1e-9, abs=1e-8)
    np.testing.assert_allclose(ours.prices, engine.prices, atol=1e-9)


def test_the_scoring_rules_price_is_the_slope_of_its_cost() -> None:
    operator = compile_mechanism(LogarithmicScoringRule(outcomes=3, liquidity=10.0))
    sold, bought = tensor([[3.0, 0.0, 1.0]] * 2), tensor([[1.0, 2.0, -4.0], [0.0, 0.0, 9.0]]).requires_grad_()
    trade = operator(sold, bought)
    (slope,) = torch.autograd.grad(trade.payment.sum(), bought)
    torch.testing.assert_close(slope, trade.prices.detach())
    liquidity = tensor([5.0, 20.0]).requires_grad_()
    torch.autograd.gradcheck(
        lambda q, d, b: tuple(operator(q, d, liquidity=b)), (sold.requires_grad_(), bought, liquidity)
    )


units = st.floats(1.0, 1e6)


@given(
    amount=amounts,
    reserves=st.tuples(units, units),
    fee=st.sampled_from([0.0, 0.003, 0.5]),
    sold=st.sampled_from([0, 1]),
)
def test_the_pool_is_the_engines(amount: float, reserves: tuple[float, float], fee: float, sold: int) -> None:
    pool = ConstantProduct(reserves, fee=fee)
    ours = compile_mechanism(pool)(tensor(amount), sold=sold)
    engine = pool.swap_exact_in(amount, sold=sold)
    assert ours.amount_out.item() == pytest.approx(engine.amount_out, rel=1e-12)
    assert ours.fee.item() == pytest.approx(engine.fee)
    np.testing.assert_allclose(ours.reserves, engine.pool.reserves, rtol=1e-12)


def test_pools_come_in_batches_with_gradients() -> None:
    operator = compile_mechanism(ConstantProduct((1.0, 1.0)))
    amount, fee = tensor([1.0, 2.0]).requires_grad_(), tensor(0.01).requires_grad_()
    reserves = tensor([[10.0, 40.0], [5.0, 5.0]]).requires_grad_()
    torch.autograd.gradcheck(lambda a, r, f: tuple(operator(a, sold=1, reserves=r, fee=f)), (amount, reserves, fee))


@pytest.mark.parametrize(
    "mechanism",
    [
        ObjectBook(1),
        ColumnarBook(1),
        CombinatorialAuction,
        TwoSidedVCG,
        PositionAuction,
        UnitDemandAuction,
        McAfeeAuction,
        BilateralTrade,
        IntegerConstantProduct,
    ],
    ids=lambda mechanism: getattr(mechanism, "__name__", type(mechanism).__name__),
)
def test_what_has_no_useful_derivative_says_why(mechanism: Any) -> None:
    with pytest.raises(NotDifferentiableError, match=r"does not compile: .{30,}\."):
        compile_mechanism(mechanism)


POOL, RULE, TAX = ConstantProduct((1.0, 1.0)), LogarithmicScoringRule(outcomes=2, liquidity=1.0), TAXES[1]
ONES = torch.ones(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compile_mechanism(TAX, temperature=1.0), "takes no temperature"),
        (lambda: compile_mechanism(POOL, hard=True), "takes no temperature"),
        (lambda: compile_mechanism(TAX)(ONES.long()), "amounts must be a floating-point tensor"),
        (lambda: compile_mechanism(TAX)(ONES, rates=ONES), r"rates must have shape \(3,\)"),
        (lambda: compile_mechanism(TAX)(ONES, thresholds=torch.ones(1)), "thresholds must have shape"),
        (lambda: compile_mechanism(TAX, check_values=True)(-ONES), "amounts must be finite and 0 or more"),
        (lambda: compile_mechanism(TAXES[4], check_values=True)(ONES * torch.nan), "amounts must be finite"),
        (lambda: compile_mechanism(RULE)(torch.ones(3), torch.ones(3)), r"shape \(..., 2\)"),
        (lambda: compile_mechanism(RULE)(ONES, torch.ones(())), "purchase must have shape"),
        (lambda: compile_mechanism(RULE)(ONES, ONES.long()), "purchase must be a floating-point tensor"),
        (lambda: compile_mechanism(RULE, check_values=True)(ONES, ONES * torch.inf), "purchase, in size"),
        (lambda: compile_mechanism(POOL)(ONES, sold=2), "sold must be 0 or 1"),
        (lambda: compile_mechanism(POOL)(ONES, sold=0, reserves=torch.ones(3)), r"shape \(..., 2\)"),
        (lambda: compile_mechanism(POOL, check_values=True)(-ONES, sold=0), "amount must be finite"),
        (lambda: compiled_welfare.gini(torch.ones(2, 0)), "n >= 1"),
        (lambda: compiled_welfare.gini([1.0]), "holdings must be a floating-point tensor, got list"),
        (lambda: compiled_welfare.atkinson_index(ONES, -1.0), "aversion"),
        (lambda: compiled_welfare.quasi_linear_surplus(ONES, [1.0]), "payments"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        call()
