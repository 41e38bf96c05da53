"""The certificate is honest: zero for an equilibrium, and it shows what is wrong with anything else."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from walras.market.fisher import (
    CESUtility,
    CobbDouglasUtility,
    FisherMarket,
    LeontiefUtility,
    LinearUtility,
)
from walras.market.testing.strategies.fisher import FisherCase, fisher_cases

VALUATIONS = np.array([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]])
MARKET = FisherMarket([60.0, 40.0], [1.0, 2.0, 4.0])
FOUND = MARKET.equilibrium(VALUATIONS).require()
EVERY = [LinearUtility(), CESUtility(0.5), CESUtility(-1.0), CobbDouglasUtility(), LeontiefUtility()]


def test_the_equilibrium_is_certified_from_its_prices_and_allocation_alone() -> None:
    assert MARKET.certify(VALUATIONS, FOUND.prices, FOUND.allocation) == FOUND.certificate
    assert FOUND.certificate.largest <= 1e-14


@pytest.mark.parametrize("utility", EVERY, ids=str)
def test_the_gap_is_dual_minus_primal(utility: object) -> None:
    """For any prices and allocation: from the two programmes, written out."""
    budgets, supplies = np.array([60.0, 40.0]), np.array([1.0, 2.0, 4.0])
    prices, allocation = np.array([40.0, 20.0, 3.0]), np.array([[0.5, 0.5, 1.0], [0.25, 1.0, 3.0]])
    primal = dual = 0.0
    for budget, v, x in zip(budgets, VALUATIONS, allocation, strict=True):
        a = v / v.sum()
        match utility:
            case LinearUtility():
                got, best = v @ x, budget * max(v / prices)
            case CESUtility(rho=rho):
                s = 1.0 / (1.0 - rho)
                got = (v @ x**rho) ** (1.0 / rho)
                best = budget * (v**s @ prices ** (1.0 - s)) ** (1.0 / (s - 1.0))
            case CobbDouglasUtility():
                got, best = np.prod(x**a), budget * np.prod((a / prices) ** a)
            case _:
                got, best = min(x / v), budget / (v @ prices)
        primal += budget * math.log(got)
        dual += budget * math.log(best)
    dual += prices @ supplies - budgets.sum()
    certificate = FisherMarket(budgets, supplies, utility).certify(VALUATIONS, prices, allocation)
    assert certificate.duality_gap == pytest.approx((dual - primal) / 100.0, rel=1e-12)
    assert certificate.duality_gap > 0.01


@given(case=fisher_cases(), seed=st.integers(0, 2**32 - 1))
def test_no_prices_and_allocation_beat_weak_duality(case: FisherCase, seed: int) -> None:
    generator = np.random.default_rng(seed)
    n, m = case.valuations.shape
    prices = generator.exponential(size=m) * case.budgets.sum() / case.supplies.sum()
    allocation = generator.dirichlet(np.ones(n), m).T * case.supplies
    equilibrium = case.equilibrium()
    given_certificate = case.market.certify(case.valuations, prices, allocation)
    assert given_certificate.duality_gap >= 0.0
    # Each side alone is no better than the equilibrium's.
    for pair in ((equilibrium.prices, allocation), (prices, equilibrium.allocation)):
        assert case.market.certify(case.valuations, *pair).duality_gap <= given_certificate.duality_gap + 1e-9


def test_moved_goods_show() -> None:
    moved = FOUND.allocation.copy()
    moved[0, 0] -= 0.1
    moved[1, 0] += 0.1
    certificate = MARKET.certify(VALUATIONS, FOUND.prices, moved)
    assert certificate.duality_gap > 0.01
    assert certificate.best_response > 0.01
    assert certificate.budgets_spent == pytest.approx(0.1 * FOUND.prices[0] / 40.0)
    assert certificate.market_clearing <= 1e-14


def test_unsold_goods_show() -> None:
    certificate = MARKET.certify(VALUATIONS, FOUND.prices, 0.9 * FOUND.allocation)
    assert certificate.market_clearing == pytest.approx(0.1)
    assert certificate.budgets_spent == pytest.approx(0.1)
    assert certificate.best_response == pytest.approx(0.1)
    assert certificate.duality_gap == pytest.approx(-math.log(0.9))


def test_goods_sold_twice_show_and_gain_nothing() -> None:
    certificate = MARKET.certify(VALUATIONS, FOUND.prices, 2.0 * FOUND.allocation)
    assert certificate.market_clearing == pytest.approx(1.0)
    assert certificate.budgets_spent == pytest.approx(1.0)
    assert certificate.duality_gap == pytest.approx(0.0, abs=1e-14)  # scaled down to what there is


def test_prices_in_another_unit_show() -> None:
    certificate = MARKET.certify(VALUATIONS, 2.0 * FOUND.prices, FOUND.allocation)
    assert certificate.duality_gap == pytest.approx(1.0 - math.log(2.0))
    assert certificate.budgets_spent == pytest.approx(1.0)
    assert certificate.best_response == 0.0  # more than the budget could buy
    assert certificate.market_clearing <= 1e-14


def test_negative_quantities_show() -> None:
    allocation = np.array([[1.0, 2.0, -0.4], [0.0, 0.0, 4.4]])
    certificate = MARKET.certify(VALUATIONS, FOUND.prices, allocation)
    assert certificate.feasibility == pytest.approx(0.1)
    # With the negative part left out, good 3 is sold beyond its supply, and scaled down.
    zeroed = MARKET.certify(VALUATIONS, FOUND.prices, np.maximum(allocation, 0.0))
    assert zeroed.feasibility == 0.0
    assert certificate.duality_gap == pytest.approx(zeroed.duality_gap, rel=0.1)


def test_negative_prices_show() -> None:
    prices = FOUND.prices * [1.0, 1.0, -1.0]
    certificate = MARKET.certify(VALUATIONS, prices, FOUND.allocation)
    assert certificate.feasibility == pytest.approx(FOUND.prices[2] * 4.0 / 100.0)
    assert certificate.duality_gap == math.inf  # at a price of 0 the valued good is wanted without end


def test_a_buyer_without_utility_shows() -> None:
    allocation = np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]])
    for utility in EVERY:
        market = FisherMarket([60.0, 40.0], [1.0, 2.0, 4.0], utility)
        certificate = market.certify(VALUATIONS, FOUND.prices, allocation)
        assert certificate.duality_gap == math.inf
        assert certificate.best_response == 1.0
        assert certificate.budgets_spent == 1.0


def test_a_free_good_may_be_left_over_but_not_oversold() -> None:
    market, valuations = FisherMarket([1.0], [1.0, 1.0]), [[1.0, 0.0]]
    assert market.certify(valuations, [1.0, 0.0], [[1.0, 0.5]]).largest == 0.0
    assert market.certify(valuations, [1.0, 0.0], [[1.0, 1.5]]).market_clearing == pytest.approx(0.5)
    assert market.certify(valuations, [1.0, 0.1], [[1.0, 0.5]]).market_clearing == pytest.approx(0.5)


def test_sparse_and_dense_certificates_agree() -> None:
    valuations = np.array([[8.0, 4.0, 0.0], [0.0, 6.0, 5.0]])
    market = FisherMarket([60.0, 40.0])
    prices, allocation = np.array([40.0, 35.0, 25.0]), np.array([[0.9, 0.3, 0.1], [0.1, 0.5, 0.8]])
    want = market.certify(valuations, prices, allocation)
    for form in (csr_array(valuations), valuations):
        for given_allocation in (csr_array(allocation), allocation):
            got = market.certify(form, prices, given_allocation)
            assert got.duality_gap == pytest.approx(want.duality_gap, rel=1e-12)
            assert got.market_clearing == pytest.approx(want.market_clearing, rel=1e-12)
            assert got.budgets_spent == pytest.approx(want.budgets_spent, rel=1e-12)
            assert got.best_response == pytest.approx(want.best_response, rel=1e-12)
            assert got.feasibility == 0.0


def test_utilities_beyond_floats_are_infinite_but_certified() -> None:
    market = FisherMarket([1.0, 1.0], utility=CESUtility(0.001))
    found = market.equilibrium([[3.0, 4.0], [5.0, 6.0]]).require()
    assert np.all(np.isinf(found.utilities))
    huge = FisherMarket([1.0, 2.0], 1e200).equilibrium([[1e300, 1e299], [1.0, 2.0]]).require()
    assert np.isinf(huge.utilities[0])
    assert np.isfinite(huge.utilities[1])
