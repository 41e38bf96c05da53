"""Proportional response: every round is a market, and rounds lead to the equilibrium of the exact solvers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from walras.market.errors import InvalidInputError
from walras.market.fisher import (
    CESUtility,
    CobbDouglasUtility,
    FisherMarket,
    FisherStatus,
    LeontiefUtility,
    LinearUtility,
)
from walras.market.testing.strategies.fisher import FisherCase, fisher_cases

UTILITIES = [
    LinearUtility(),
    CESUtility(0.5),
    CESUtility((0.25, 0.75)),
    CESUtility(-2.0),
    CobbDouglasUtility(),
    LeontiefUtility(),
]
VALUATIONS = np.array([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]])


@pytest.mark.parametrize("utility", UTILITIES, ids=str)
def test_reaches_the_equilibrium(utility: object) -> None:
    market = FisherMarket([60.0, 40.0], [1.0, 2.0, 3.0], utility)
    exact = market.equilibrium(VALUATIONS).require(1e-9)
    found = market.proportional_response(VALUATIONS, tolerance=1e-10)
    assert found.status is FisherStatus.APPROXIMATE
    assert found.certificate.duality_gap <= 1e-10
    np.testing.assert_allclose(found.prices, exact.prices, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.utilities, exact.utilities, rtol=1e-4)


@given(case=fisher_cases(decades=1), rounds=st.integers(1, 20))
def test_every_round_spends_all_money_and_sells_all_goods(case: FisherCase, rounds: int) -> None:
    found = case.market.proportional_response(case.valuations, tolerance=0.0, max_rounds=rounds)
    assert found.iterations <= rounds
    assert found.certificate.budgets_spent <= 1e-12
    assert found.certificate.market_clearing <= 1e-12
    assert found.certificate.feasibility == 0.0


@given(case=fisher_cases(decades=1))
def test_the_duality_gap_shrinks(case: FisherCase) -> None:
    gaps = [
        case.market.proportional_response(case.valuations, tolerance=0.0, max_rounds=rounds).certificate.duality_gap
        for rounds in (1, 16, 256)
    ]
    assert gaps[2] <= gaps[0] + 1e-12
    assert gaps[2] <= 0.1


@given(case=fisher_cases(st.sampled_from([CESUtility(-1.0), CESUtility(-8.0), LeontiefUtility()]), decades=1))
def test_complements_never_raise_the_dual(case: FisherCase) -> None:
    """The dual value at round t's prices, from the certificate of its formula: `p s - B + sum B log V`."""
    values = []
    for rounds in (1, 2, 3, 5, 9):
        found = case.market.proportional_response(case.valuations, tolerance=0.0, max_rounds=rounds)
        values.append(dual_value(case, found.prices))
    assert np.all(np.diff(values) <= 1e-9)


def dual_value(case: FisherCase, prices: np.ndarray) -> float:
    weights = case.budgets / case.budgets.sum()
    logs = []
    for needs in case.valuations:
        v, p = needs[needs > 0.0], np.maximum(prices[needs > 0.0], 1e-300)
        match case.market.utility:
            case CESUtility(rho=rho):
                s = 1.0 / (1.0 - rho)
                logs.append(np.log(np.sum(v**s * p ** (1.0 - s))) / (1.0 - s))
            case _:
                logs.append(np.log(v @ p))
    return float(-weights @ np.array(logs))


def test_random_sparse_markets_agree_with_the_interior_point() -> None:
    generator = np.random.default_rng(5)
    for utility in (LinearUtility(), CESUtility(0.7), CESUtility(-1.0)):
        dense = generator.random((30, 12)) * (generator.random((30, 12)) < 0.4)
        dense[~dense.any(axis=1), 0] = 1.0
        market = FisherMarket(generator.random(30) + 0.1, utility=utility)
        exact = market.equilibrium(csr_array(dense)).require(1e-9)
        found = market.proportional_response(csr_array(dense), tolerance=1e-7)
        assert found.status is FisherStatus.APPROXIMATE
        np.testing.assert_allclose(found.prices, exact.prices, rtol=5e-3)
        assert isinstance(found.allocation, csr_array)


def test_running_out_of_rounds_is_reported() -> None:
    found = FisherMarket([60.0, 40.0]).proportional_response(VALUATIONS, tolerance=1e-12, max_rounds=5)
    assert (found.status, found.iterations) == (FisherStatus.NOT_CONVERGED, 5)
    assert found.certificate.duality_gap > 1e-4


def test_cobb_douglas_is_at_rest_at_once() -> None:
    market = FisherMarket([60.0, 40.0], utility=CobbDouglasUtility())
    found = market.proportional_response(VALUATIONS, tolerance=1e-12)
    assert found.iterations == 1
    np.testing.assert_allclose(found.prices, market.equilibrium(VALUATIONS).prices, rtol=1e-14)


def test_first_rounds_by_hand() -> None:
    """Start: budgets spread as valuations; then in proportion to `v_ij b_ij / p_j`."""
    bids = np.array([60.0, 40.0])[:, None] * VALUATIONS / VALUATIONS.sum(axis=1, keepdims=True)
    for rounds in (1, 2, 3):
        worth = VALUATIONS * bids / bids.sum(axis=0)
        bids = np.array([60.0, 40.0])[:, None] * worth / worth.sum(axis=1, keepdims=True)
        found = FisherMarket([60.0, 40.0]).proportional_response(VALUATIONS, tolerance=0.0, max_rounds=rounds)
        np.testing.assert_allclose(found.spending, bids, rtol=1e-12)


def test_first_leontief_round_by_hand() -> None:
    bids = np.array([60.0, 40.0])[:, None] * VALUATIONS / VALUATIONS.sum(axis=1, keepdims=True)
    needed = VALUATIONS * bids.sum(axis=0)
    bids = np.array([60.0, 40.0])[:, None] * needed / needed.sum(axis=1, keepdims=True)
    market = FisherMarket([60.0, 40.0], utility=LeontiefUtility())
    found = market.proportional_response(VALUATIONS, tolerance=0.0, max_rounds=1)
    np.testing.assert_allclose(found.spending, bids, rtol=1e-12)


def test_substitutes_and_complements_in_one_market_are_refused() -> None:
    market = FisherMarket([1.0, 1.0], utility=CESUtility((0.5, -0.5)))
    with pytest.raises(InvalidInputError, match=r"CESUtility.rho must be above 0 for all .* got -0.5 and 0.5"):
        market.proportional_response([[1.0, 2.0], [2.0, 1.0]])
