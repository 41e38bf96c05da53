"""Optimal rates against numerical maxima, and Ramsey taxes against a general-purpose optimiser."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize, minimize_scalar

from walras.market import InfeasibleError
from walras.market.taxation import RamseyProblem, RamseyStatus, laffer_rate, pareto_parameter, top_tax_rate
from walras.market.taxation.ramsey import certify_ramsey

# ---------------------------------------------------------------- top rate


@pytest.mark.parametrize(
    ("pareto", "elasticity", "rate"), [(1.5, 0.25, 8 / 11), (1.5, 0.5, 4 / 7), (1.5, 1.0, 0.4), (2.0, 0.25, 2 / 3)]
)
def test_top_rate_of_diamond_and_saez_2011(pareto: float, elasticity: float, rate: float) -> None:
    assert top_tax_rate(pareto, elasticity) == pytest.approx(rate, rel=1e-15)


def test_corners_of_the_top_rate() -> None:
    assert top_tax_rate(1.5, 0.0) == 1.0
    assert top_tax_rate(1.5, 0.25, 1.0) == 0.0
    assert top_tax_rate(1.5, 0.0, 1.0) == 0.0
    assert top_tax_rate(1.5, 0.25, 0.5) == pytest.approx(0.5 / 0.875)


@given(a=st.floats(1.1, 5.0), e=st.floats(0.05, 2.0), g=st.floats(0.0, 0.95))
def test_top_rate_maximises_weighted_revenue(a: float, e: float, g: float) -> None:
    # Top incomes z = z0 (1 - t)^e with mean a / (a - 1) above a threshold of 1 at t*: first-order condition in t.
    t = top_tax_rate(a, e, g)
    mean = a / (a - 1.0)
    mechanical, behavioural = (1.0 - g) * (mean - 1.0), e * mean * t / (1.0 - t)
    assert mechanical == pytest.approx(behavioural, rel=1e-9)


@given(e=st.floats(0.05, 5.0))
def test_laffer_rate_maximises_revenue(e: float) -> None:
    found = minimize_scalar(lambda t: -t * (1.0 - t) ** e, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-9})
    assert laffer_rate(e) == pytest.approx(found.x, abs=1e-5)
    assert laffer_rate(e) == pytest.approx(top_tax_rate(1.0, e))
    assert laffer_rate(0.0) == 1.0


def test_pareto_parameter_of_a_pareto_law() -> None:
    uniform = (np.arange(200_000) + 0.5) / 200_000
    income = 100.0 * uniform ** (-1.0 / 3.0)
    assert pareto_parameter(income, 150.0) == pytest.approx(3.0, rel=1e-2)
    assert pareto_parameter([1.0, 2.0, 4.0], 2.0) == 2.0  # who is at the threshold is left out
    assert pareto_parameter([3e307, 4e307], 1e307) == pytest.approx(1.0 + 1.0 / 2.5)


# ---------------------------------------------------------------- Ramsey


def revenue_of(problem: RamseyProblem, shares: np.ndarray) -> float:
    """Revenue when taxes take these shares of the consumer prices."""
    e, c, x = (
        np.array(problem.elasticities),
        np.array(problem.producer_prices),
        np.array(problem.untaxed_quantities),
    )
    return float(np.sum(c * x * shares * (1.0 - shares) ** (e - 1.0)))


def loss_of(problem: RamseyProblem, shares: np.ndarray) -> float:
    """Deadweight loss by quadrature over prices, good by good."""
    total = 0.0
    for e, c, x, share in zip(
        problem.elasticities, problem.producer_prices, problem.untaxed_quantities, shares, strict=True
    ):
        top = c / (1.0 - share)
        consumers, _ = quad(lambda price, e=e, c=c, x=x: x * (price / c) ** -e, c, top, epsrel=1e-12)
        total += consumers - (top - c) * x * (top / c) ** -e
    return total


@st.composite
def problems(draw: st.DrawFn) -> RamseyProblem:
    goods = draw(st.integers(1, 4))
    vector = st.lists(st.floats(0.2, 5.0), min_size=goods, max_size=goods)
    # Not just below 1: revenue is unbounded there, but rises so slowly that prices leave float64 first.
    elasticity = st.one_of(st.floats(0.2, 0.95), st.floats(1.0, 5.0))
    elasticities = draw(
        st.one_of(st.lists(elasticity, min_size=goods, max_size=goods), elasticity.map(lambda e: [e] * goods))
    )
    return RamseyProblem(elasticities, draw(vector), draw(vector))


@given(problem=problems(), fraction=st.floats(1e-3, 0.9))
def test_ramsey_taxes_raise_the_revenue_by_the_inverse_elasticity_rule(problem: RamseyProblem, fraction: float) -> None:
    elasticities = np.array(problem.elasticities)
    target = revenue_of(problem, fraction * min(1.0, elasticities.min()) / elasticities)
    taxes = problem.solve(target).require(1e-9)
    assert taxes.tax_shares[0] * elasticities[0] == pytest.approx(fraction * min(1.0, elasticities.min()), rel=1e-8)
    e = np.array(problem.elasticities)
    assert taxes.status is RamseyStatus.OPTIMAL
    assert taxes.revenue == pytest.approx(target, rel=1e-9)
    theta = taxes.tax_shares * e
    np.testing.assert_allclose(theta, theta[0], rtol=1e-9)
    assert taxes.multiplier == pytest.approx(1.0 / (1.0 - theta[0]), rel=1e-9)
    np.testing.assert_allclose(taxes.consumer_prices * (1.0 - taxes.tax_shares), problem.producer_prices, rtol=1e-9)
    np.testing.assert_allclose(
        np.array(problem.producer_prices) * (1.0 + taxes.ad_valorem_rates), taxes.consumer_prices, rtol=1e-12
    )
    assert taxes.deadweight_loss == pytest.approx(loss_of(problem, taxes.tax_shares), rel=1e-7)
    assert revenue_of(problem, taxes.tax_shares) == pytest.approx(target, rel=1e-9)


@pytest.mark.parametrize("elasticities", [[0.5, 2.0], [1.0, 1.0], [0.4, 1.0, 3.0], [1.5, 4.0]])
def test_ramsey_taxes_are_those_of_a_general_optimiser(elasticities: list[float]) -> None:
    goods = len(elasticities)
    problem = RamseyProblem(elasticities, np.linspace(1.0, 2.0, goods), np.linspace(3.0, 1.0, goods))
    target = 0.5
    taxes = problem.solve(target)
    found = minimize(
        lambda shares: loss_of(problem, shares),
        x0=np.full(goods, 0.1),
        bounds=[(0.0, 0.9)] * goods,
        constraints=[{"type": "eq", "fun": lambda shares: revenue_of(problem, shares) - target}],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(taxes.tax_shares, found.x, atol=1e-4)
    assert taxes.deadweight_loss <= found.fun * (1.0 + 1e-7)


@pytest.mark.parametrize("elasticities", [[2.0, 3.0], [1.5]])
def test_at_the_peak_theta_is_one(elasticities: list[float]) -> None:
    problem = RamseyProblem(elasticities, np.ones(len(elasticities)), np.ones(len(elasticities)))
    peak = problem.solve(problem.largest_revenue).require(1e-7)
    assert peak.status is RamseyStatus.PEAK
    assert peak.multiplier == math.inf
    np.testing.assert_allclose(peak.tax_shares, 1.0 / np.array(elasticities))
    for change in (-0.01, 0.01):
        assert revenue_of(problem, peak.tax_shares + change) < problem.largest_revenue
    with pytest.raises(InfeasibleError, match="revenue must be at most"):
        problem.solve(problem.largest_revenue * 1.001)


def test_how_much_can_be_raised() -> None:
    assert RamseyProblem([0.9, 2.0], [1.0, 1.0], [1.0, 1.0]).largest_revenue == math.inf
    assert RamseyProblem([1.0], [2.0], [3.0]).largest_revenue == 6.0  # all that is spent
    assert RamseyProblem([2.0], [1.0], [1.0]).largest_revenue == 0.25
    assert RamseyProblem([0.5], [1.0], [1.0]).solve(1e6).require(1e-9).consumer_prices[0] == pytest.approx(
        1e12, rel=1e-5
    )
    with pytest.raises(InfeasibleError, match=r"what prices e\^600 times the cost bring; got 100"):
        RamseyProblem([0.999], [1.0], [1.0]).solve(100.0)
    with pytest.raises(InfeasibleError, match=r"at most 6, the most .* got 7"):
        RamseyProblem([1.0], [2.0], [3.0]).solve(7.0)


def test_no_revenue_needs_no_tax() -> None:
    taxes = RamseyProblem([0.5, 2.0], [1.0, 2.0], [3.0, 4.0]).solve(0.0).require(0.0)
    assert taxes.status is RamseyStatus.UNTAXED
    assert taxes.tax_shares.tolist() == [0.0, 0.0]
    assert taxes.quantities.tolist() == [3.0, 4.0]
    assert (taxes.multiplier, taxes.deadweight_loss, taxes.revenue) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("revenue", [1e-12, 1e-6])
def test_a_small_revenue_has_a_loss_of_second_order(revenue: float) -> None:
    # t = R in each unit; the loss is e t^2 / 2 per unit of spending
    taxes = RamseyProblem([2.0], [1.0], [1.0]).solve(revenue)
    assert taxes.deadweight_loss == pytest.approx(revenue**2, rel=1e-4)


def test_ramsey_answers_that_were_tampered_with_fail() -> None:
    problem = RamseyProblem([0.5, 2.0], [1.0, 1.0], [10.0, 10.0])
    taxes = problem.solve(3.0)
    answer = (taxes.consumer_prices, taxes.quantities, taxes.multiplier)
    assert certify_ramsey(problem, 3.0, *answer).largest < 1e-12
    dearer = certify_ramsey(problem, 3.0, taxes.consumer_prices * [1.0, 1.1], *answer[1:])
    assert min(dearer.revenue, dearer.inverse_elasticity, dearer.demand) > 0.01
    assert certify_ramsey(problem, 3.0, answer[0], taxes.quantities * [1.0, 0.9], answer[2]).demand > 0.01
    assert certify_ramsey(problem, 3.0, *answer[:2], taxes.multiplier * 2.0).inverse_elasticity > 0.1
    assert certify_ramsey(problem, 6.0, *answer).revenue == pytest.approx(0.5)
    assert replace(taxes, certificate=dearer).certificate.violations(1e-3)
