"""The contract of the Fisher market, for every utility, at every market that the strategies reach."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csr_array, csr_matrix
from tests.support.fisher_oracles import (
    leontief_price_ranges,
    linear_prices_by_supports,
    nash_welfare_by_slsqp,
    spending_ranges,
    utility_of,
)

from walras.market.errors import NotConvergedError
from walras.market.fisher import (
    CESUtility,
    CobbDouglasUtility,
    FisherEquilibrium,
    FisherMarket,
    FisherStatus,
    LeontiefUtility,
    LinearUtility,
)
from walras.market.properties import Property
from walras.market.testing.strategies.fisher import FisherCase, fisher_cases

LINEAR = st.just(LinearUtility())
SUBSTITUTES = st.one_of(LINEAR, st.sampled_from([0.25, 0.5, 0.95]).map(CESUtility), st.just(CobbDouglasUtility()))
SMOOTH = st.one_of(st.sampled_from([-8.0, -1.0, 0.25, 0.5]).map(CESUtility), st.just(CobbDouglasUtility()))
LEONTIEF = st.just(LeontiefUtility())


def solved(case: FisherCase) -> FisherEquilibrium:
    return case.equilibrium().require(1e-9)


# ---------------------------------------------------------------- certificate, feasibility, conservation


@given(case=fisher_cases())
def test_passes_its_certificate(case: FisherCase) -> None:
    equilibrium = solved(case)
    assert equilibrium.certificate.duality_gap <= 1e-12
    assert equilibrium.certificate.feasibility == 0.0
    assert equilibrium.status not in (FisherStatus.APPROXIMATE, FisherStatus.NOT_CONVERGED)
    n, m = case.valuations.shape
    assert equilibrium.prices.shape == (m,)
    assert equilibrium.allocation.shape == equilibrium.spending.shape == (n, m)
    assert equilibrium.utilities.shape == (n,)


def test_a_buyer_with_a_cheap_good_to_itself() -> None:
    """Newton's steps once jumped to and fro here: the gap fell before the last buyer got what it paid for."""
    market = FisherMarket((2.0, 2.0, 4.0, 2.0), (10.0**0.5, 0.1))
    found = market.equilibrium([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]).require(1e-12)
    np.testing.assert_allclose(found.prices, 10.0 / (10.0**0.5 + 0.1), rtol=1e-12)
    assert found.status is FisherStatus.UNIQUE
    assert found.iterations <= 20


@given(case=fisher_cases(decades=12))
def test_budgets_and_valuations_over_24_decades(case: FisherCase) -> None:
    equilibrium = case.equilibrium()
    assert equilibrium.certificate.duality_gap <= 1e-11
    assert equilibrium.certificate.budgets_spent <= 1e-9
    assert equilibrium.status is not FisherStatus.NOT_CONVERGED


@given(case=fisher_cases())
def test_spends_all_money_and_sells_all_goods_that_have_a_price(case: FisherCase) -> None:
    equilibrium = solved(case)
    np.testing.assert_allclose(equilibrium.spending.sum(axis=1), case.budgets, rtol=1e-9)
    np.testing.assert_allclose(equilibrium.spending, equilibrium.allocation * equilibrium.prices, rtol=1e-12)
    sold = equilibrium.allocation.sum(axis=0)
    costly = equilibrium.prices > 0.0
    np.testing.assert_allclose(sold[costly], case.supplies[costly], rtol=1e-9)
    assert np.all(sold <= case.supplies * (1.0 + 1e-9))
    assert math.isclose(equilibrium.prices @ case.supplies, math.fsum(case.budgets), rel_tol=1e-12)


@given(case=fisher_cases())
def test_goods_that_nobody_values_are_free_and_left_over(case: FisherCase) -> None:
    equilibrium = solved(case)
    worthless = ~case.valuations.any(axis=0)
    assert not equilibrium.prices[worthless].any()
    assert not equilibrium.allocation[:, worthless].any()
    if not isinstance(case.market.utility, LeontiefUtility):
        assert np.all(equilibrium.prices[~worthless] > 0.0)


@given(case=fisher_cases())
def test_utilities_are_those_of_the_formula(case: FisherCase) -> None:
    equilibrium = solved(case)
    for buyer, got in enumerate(equilibrium.utilities):
        want = utility_of(case.market.utility, case.valuations[buyer], equilibrium.allocation[buyer])
        assert math.isclose(got, want, rel_tol=1e-9)


# ---------------------------------------------------------------- optimality, against slow oracles


@given(case=fisher_cases(LINEAR, max_buyers=2, max_goods=3, decades=1))
def test_linear_prices_are_those_of_some_support(case: FisherCase) -> None:
    case = case.but(supplies=1.0)
    assume(case.valuations.any(axis=0).all())
    oracle = linear_prices_by_supports(case.valuations, case.budgets)
    assert oracle
    for prices in oracle:  # the prices of a linear market are unique
        np.testing.assert_allclose(solved(case).prices, prices, rtol=1e-6)


@given(case=fisher_cases(SMOOTH, max_buyers=3, max_goods=3, decades=1))
def test_smooth_welfare_is_at_least_what_a_general_solver_finds(case: FisherCase) -> None:
    equilibrium = solved(case)
    welfare = float(case.budgets / case.budgets.sum() @ np.log(equilibrium.utilities))
    oracle = nash_welfare_by_slsqp(case.market.utility, case.valuations, case.budgets, case.supplies)
    assert oracle <= welfare + 1e-9 * max(1.0, abs(welfare))


@pytest.mark.parametrize("utility", [LinearUtility(), CESUtility(0.5), CESUtility(-1.0), CobbDouglasUtility()])
def test_a_general_solver_comes_as_far(utility: object) -> None:
    generator = np.random.default_rng(3)
    valuations, budgets, supplies = (
        generator.uniform(0.5, 2.0, (3, 3)),
        np.array([1.0, 2.0, 3.0]),
        np.array([1.0, 2, 0.5]),
    )
    utilities = FisherMarket(budgets, supplies, utility).equilibrium(valuations).require().utilities
    welfare = float(budgets / 6.0 @ np.log(utilities))
    oracle = nash_welfare_by_slsqp(utility, valuations, budgets, supplies)
    assert welfare == pytest.approx(oracle, abs=1e-6)


@given(case=fisher_cases(), seed=st.integers(0, 2**32 - 1))
def test_no_other_feasible_allocation_has_more_nash_welfare(case: FisherCase, seed: int) -> None:
    equilibrium = solved(case)
    n, m = case.valuations.shape
    other = np.random.default_rng(seed).dirichlet(np.ones(n), m).T * case.supplies
    mixed = 0.9 * equilibrium.allocation + 0.1 * other
    weights = case.budgets / case.budgets.sum()
    for allocation in (other, mixed):
        with np.errstate(divide="ignore"):
            utilities = [utility_of(case.market.utility, case.valuations[i], allocation[i]) for i in range(n)]
            change = weights @ np.log(np.array(utilities) / equilibrium.utilities)
        assert change <= 1e-9


@given(case=fisher_cases(LINEAR, max_buyers=4, max_goods=4, decades=1))
def test_status_tells_whether_the_linear_allocation_is_unique_and_gives_the_most_even_one(case: FisherCase) -> None:
    valued = case.valuations.any(axis=0)
    case = case.but(valuations=case.valuations[:, valued], supplies=tuple(case.supplies[valued]))
    equilibrium = solved(case)
    low, high = spending_ranges(case.valuations, case.budgets, equilibrium.prices, case.supplies)
    scale = case.budgets.min()
    many = bool(np.max(high - low) > 1e-5 * scale)
    assert equilibrium.status is (FisherStatus.MANY_ALLOCATIONS if many else FisherStatus.UNIQUE)
    can_carry = high > 1e-5 * scale
    spending = equilibrium.spending
    assert np.all(spending[can_carry] > 0.0)
    assert np.all(spending[~can_carry] <= 1e-6 * scale)
    # Largest entropy: log b_ij = a_i + c_j on the pairs that can carry money.
    buyers, goods = np.nonzero(can_carry)
    n, m = case.valuations.shape
    rows = np.hstack([np.eye(n)[buyers], np.eye(m)[goods]])
    logs = np.log(spending[can_carry])
    fit, *_ = np.linalg.lstsq(rows, logs, rcond=None)
    if many:
        np.testing.assert_allclose(rows @ fit, logs, atol=1e-5)


@given(case=fisher_cases(LEONTIEF, max_buyers=4, max_goods=4, decades=1))
def test_status_tells_whether_leontief_prices_are_unique(case: FisherCase) -> None:
    equilibrium = solved(case)
    sold = equilibrium.allocation.sum(axis=0)
    unsold = 1.0 - sold / case.supplies
    assume(not np.any((unsold > 1e-15) & (unsold < 1e-4) & (equilibrium.prices == 0.0)))  # as good as used up
    used_up = unsold <= 1e-7
    low, high = leontief_price_ranges(case.valuations, case.budgets, equilibrium.utilities, used_up)
    widths = (high - low) * case.supplies / case.budgets.sum()
    assume(not np.any((widths > 1e-7) & (widths < 1e-4)))  # too close to call for the linear programme
    many = bool(np.any(widths >= 1e-4))
    assert equilibrium.status is (FisherStatus.MANY_PRICES if many else FisherStatus.UNIQUE)


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize("rho", [-3.0, 0.5, 0.9])
def test_identical_ces_buyers_share_in_proportion_to_money(rho: float) -> None:
    supplies, valuations, budgets = np.array([1.0, 2.0, 5.0]), np.array([3.0, 1.0, 2.0]), np.array([1.0, 4.0])
    market = FisherMarket(budgets, supplies, CESUtility(rho))
    found = market.equilibrium(np.vstack([valuations, valuations])).require(1e-12)
    revenue = valuations * supplies**rho
    np.testing.assert_allclose(found.prices, 5.0 * revenue / revenue.sum() / supplies, rtol=1e-12)
    np.testing.assert_allclose(found.allocation, np.outer(budgets / 5.0, supplies), rtol=1e-12)
    assert found.status is FisherStatus.UNIQUE


def test_identical_linear_buyers_pay_in_proportion_to_value() -> None:
    found = FisherMarket([1.0, 4.0], [1.0, 2.0]).equilibrium([[3.0, 1.0], [6.0, 2.0]]).require(1e-12)
    np.testing.assert_allclose(found.prices, [3.0, 1.0], rtol=1e-12)
    np.testing.assert_allclose(found.allocation, [[0.2, 0.4], [0.8, 1.6]], rtol=1e-12)
    assert found.status is FisherStatus.MANY_ALLOCATIONS


def test_cobb_douglas_spends_fixed_shares() -> None:
    found = FisherMarket([60.0, 40.0], [2.0, 5.0], CobbDouglasUtility()).equilibrium([[1.0, 3.0], [1.0, 1.0]])
    np.testing.assert_allclose(found.spending, [[15.0, 45.0], [20.0, 20.0]], rtol=1e-14)
    np.testing.assert_allclose(found.prices, [17.5, 13.0], rtol=1e-14)
    assert (found.status, found.iterations) == (FisherStatus.UNIQUE, 0)


def test_leontief_buyers_of_one_bundle_leave_its_price_to_be_split_anyhow() -> None:
    found = FisherMarket([1.0, 1.0], utility=LeontiefUtility()).equilibrium([[1.0, 1.0], [2.0, 2.0]]).require()
    assert found.status is FisherStatus.MANY_PRICES
    np.testing.assert_allclose(found.allocation, 0.5, rtol=1e-9)
    np.testing.assert_allclose(found.utilities, [0.5, 0.25], rtol=1e-9)
    assert found.prices.sum() == pytest.approx(2.0)


def test_leontief_goods_in_excess_are_free() -> None:
    found = FisherMarket([3.0, 1.0], [1.0, 10.0], LeontiefUtility()).equilibrium([[1.0, 1.0], [2.0, 1.0]]).require()
    np.testing.assert_array_equal(found.prices, [4.0, 0.0])
    np.testing.assert_allclose(found.allocation, [[0.75, 0.75], [0.25, 0.125]], rtol=1e-12)
    assert found.status is FisherStatus.UNIQUE


def test_near_linear_ces_approaches_the_most_even_linear_spending() -> None:
    valuations, budgets = [[5.0, 5.0], [5.0, 5.0], [3.0, 6.0]], [30.0, 30.0, 40.0]
    linear = FisherMarket(budgets).equilibrium(valuations)
    ces = FisherMarket(budgets, utility=CESUtility(1.0 - 1e-6)).equilibrium(valuations)
    np.testing.assert_allclose(ces.spending, linear.spending, atol=1e-3)
    np.testing.assert_allclose(ces.prices, linear.prices, rtol=1e-5)


def test_buyers_may_differ_in_rho() -> None:
    market = FisherMarket([60.0, 40.0], [1.0, 2.0, 3.0], CESUtility((0.5, -3.0)))
    found = market.equilibrium([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]]).require(1e-12)
    # First-order conditions: v x^(rho - 1) over p is the same for all goods of a buyer.
    for buyer, rho in enumerate((0.5, -3.0)):
        valuations = np.array([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]])[buyer]
        marginal = valuations * found.allocation[buyer] ** (rho - 1.0) / found.prices
        np.testing.assert_allclose(marginal, marginal[0], rtol=1e-10)


# ---------------------------------------------------------------- corners


@pytest.mark.parametrize("utility", [LinearUtility(), CESUtility(0.5), CESUtility(-2.0), CobbDouglasUtility()])
def test_one_buyer_takes_all(utility: object) -> None:
    found = FisherMarket([7.0], [1.0, 2.0], utility).equilibrium([[3.0, 1.0]]).require(1e-12)
    np.testing.assert_allclose(found.allocation, [[1.0, 2.0]], rtol=1e-12)
    assert found.status is FisherStatus.UNIQUE


@pytest.mark.parametrize(
    "utility", [LinearUtility(), CESUtility(0.5), CESUtility(-2.0), CobbDouglasUtility(), LeontiefUtility()]
)
def test_one_good_is_shared_in_proportion_to_money(utility: object) -> None:
    found = FisherMarket([1.0, 3.0], 2.0, utility).equilibrium([[5.0], [1e-6]]).require(1e-12)
    np.testing.assert_allclose(found.allocation, [[0.5], [1.5]], rtol=1e-12)
    np.testing.assert_allclose(found.prices, [2.0], rtol=1e-12)
    assert found.status is FisherStatus.UNIQUE


def test_a_buyer_that_values_nothing_of_the_rest() -> None:
    found = FisherMarket([1.0, 2.0]).equilibrium([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]]).require()
    np.testing.assert_array_equal(found.prices, [1.0, 2.0, 0.0])
    np.testing.assert_array_equal(found.allocation, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def test_too_few_iterations_are_reported() -> None:
    generator = np.random.default_rng(0)
    valuations = generator.random((12, 9))
    for utility in (LinearUtility(), CESUtility(0.9), LeontiefUtility()):
        found = FisherMarket(np.ones(12), utility=utility).equilibrium(valuations, max_iterations=1)
        assert found.status is FisherStatus.NOT_CONVERGED
        assert found.iterations == 1
        with pytest.raises(NotConvergedError, match="duality_gap"):
            found.require()


def test_a_loose_tolerance_accepts_what_is_there() -> None:
    valuations = np.random.default_rng(0).random((12, 9))
    market = FisherMarket(np.ones(12))
    assert market.equilibrium(valuations, tolerance=10.0, max_iterations=1).status is FisherStatus.APPROXIMATE


# ---------------------------------------------------------------- symmetries and comparative statics


@given(case=fisher_cases(), exponent=st.integers(-30, 30))
def test_the_unit_of_money_is_free(case: FisherCase, exponent: int) -> None:
    factor = 2.0**exponent
    before, after = solved(case), solved(case.but(budgets=factor * case.budgets))
    np.testing.assert_array_equal(after.allocation, before.allocation)
    np.testing.assert_array_equal(after.prices, factor * before.prices)
    assert after.status is before.status


@given(case=fisher_cases(), scales=st.lists(st.integers(-20, 20), min_size=5, max_size=5))
def test_each_buyer_has_its_own_unit_of_utility(case: FisherCase, scales: list[int]) -> None:
    factors = 2.0 ** np.array(scales[: case.budgets.size])
    before, after = solved(case), solved(case.but(valuations=factors[:, None] * case.valuations))
    np.testing.assert_allclose(after.prices, before.prices, rtol=1e-6, atol=1e-9 * before.prices.max())
    np.testing.assert_allclose(after.allocation, before.allocation, rtol=1e-6, atol=1e-6 * case.supplies.max())


@given(data=st.data(), case=fisher_cases())
def test_names_do_not_matter(data: st.DataObject, case: FisherCase) -> None:
    n, m = case.valuations.shape
    buyers, goods = data.draw(st.permutations(range(n))), data.draw(st.permutations(range(m)))
    renamed = case.but(
        valuations=case.valuations[np.ix_(buyers, goods)],
        budgets=case.budgets[list(buyers)],
        supplies=tuple(case.supplies[list(goods)]),
    )
    before, after = solved(case), solved(renamed)
    assert after.status is before.status
    if before.status is FisherStatus.MANY_PRICES:
        return
    np.testing.assert_allclose(after.prices, before.prices[list(goods)], rtol=1e-6, atol=1e-9 * before.prices.max())
    expected = before.allocation[np.ix_(buyers, goods)]
    np.testing.assert_allclose(after.allocation, expected, rtol=1e-5, atol=1e-6 * case.supplies.max())


@given(case=fisher_cases())
def test_dense_and_sparse_valuations_give_the_same(case: FisherCase) -> None:
    dense = solved(case)
    sparse = case.market.equilibrium(csr_array(case.valuations)).require(1e-9)
    assert isinstance(sparse.allocation, csr_array)
    assert isinstance(sparse.spending, csr_array)
    assert sparse.status is dense.status
    if dense.status is not FisherStatus.MANY_PRICES:
        np.testing.assert_allclose(sparse.prices, dense.prices, rtol=1e-6, atol=1e-9 * dense.prices.max())
        np.testing.assert_allclose(
            sparse.allocation.toarray(), dense.allocation, rtol=1e-5, atol=1e-6 * case.supplies.max()
        )


@given(case=fisher_cases(SUBSTITUTES), extra=st.floats(0.01, 10.0))
def test_substitutes_more_money_raises_no_price_less(case: FisherCase, extra: float) -> None:
    richer = case.budgets.copy()
    richer[0] *= 1.0 + extra
    before, after = solved(case), solved(case.but(budgets=richer))
    assert np.all(after.prices >= before.prices * (1.0 - 1e-8))


@given(case=fisher_cases(SUBSTITUTES), extra=st.floats(0.01, 10.0))
def test_substitutes_more_of_a_good_raises_no_price(case: FisherCase, extra: float) -> None:
    more = case.supplies.copy()
    more[0] *= 1.0 + extra
    before, after = solved(case), solved(case.but(supplies=tuple(more)))
    assert np.all(after.prices <= before.prices * (1.0 + 1e-8))


@pytest.mark.parametrize(("rho", "sign"), [(0.5, 1.0), (-2.0, -1.0)])
def test_more_of_a_good_raises_its_revenue_among_substitutes_and_lowers_it_among_complements(
    rho: float, sign: float
) -> None:
    def revenue(supply: float) -> float:
        market = FisherMarket([1.0, 1.0], [supply, 1.0], CESUtility(rho))
        return supply * market.equilibrium([[1.0, 2.0], [1.0, 2.0]]).prices[0]

    assert sign * (revenue(2.0) - revenue(1.0)) > 0.01


@given(case=fisher_cases())
def test_nobody_is_worse_off_than_with_its_proportional_share(case: FisherCase) -> None:
    equilibrium = solved(case)
    for buyer, share in enumerate(case.budgets / case.budgets.sum()):
        fair = utility_of(case.market.utility, case.valuations[buyer], share * case.supplies)
        assert equilibrium.utilities[buyer] >= fair * (1.0 - 1e-9)


@given(case=fisher_cases())
def test_equal_budgets_leave_no_envy(case: FisherCase) -> None:
    n = case.budgets.size
    equal = case.but(budgets=np.full(n, 3.0))
    allocation, utilities = solved(equal).allocation, solved(equal).utilities
    for buyer in range(n):
        for other in range(n):
            theirs = utility_of(case.market.utility, case.valuations[buyer], allocation[other])
            assert theirs <= utilities[buyer] * (1.0 + 1e-9)


def test_a_linear_buyer_can_gain_by_overstating_what_others_want_too() -> None:
    market, truth = FisherMarket([1.0, 1.0]), np.array([2.0, 1.0])
    honest = market.equilibrium([truth, [1.0, 0.0]])
    bold = market.equilibrium([[10.0, 1.0], [1.0, 0.0]])
    assert truth @ honest.allocation[0] == pytest.approx(1.5)
    assert truth @ bold.allocation[0] == pytest.approx(1.9)  # the other's money buys less of the dearer good
    assert Property.STRATEGY_PROOF not in market.declared_properties


def test_declared_properties() -> None:
    always = {
        Property.FEASIBLE,
        Property.CONSERVES,
        Property.INDIVIDUALLY_RATIONAL,
        Property.WEAKLY_BUDGET_BALANCED,
        Property.SCALE_FREE,
        Property.PARETO_EFFICIENT,
        Property.COMPLEMENTARY_SLACKNESS,
    }
    assert FisherMarket([1.0, 2.0]).declared_properties == always
    assert FisherMarket([2.0, 2.0]).declared_properties == always | {Property.ENVY_FREE, Property.ANONYMOUS}
    mixed = FisherMarket([2.0, 2.0], utility=CESUtility((0.5, 0.25)))
    assert mixed.declared_properties == always | {Property.ENVY_FREE}
    same = FisherMarket([2.0, 2.0], utility=CESUtility(0.5))
    assert same.declared_properties == always | {Property.ENVY_FREE, Property.ANONYMOUS}


# ---------------------------------------------------------------- forms of input


@pytest.mark.parametrize("form", [csr_array, csr_matrix, coo_array])
def test_every_sparse_form_is_read(form: type) -> None:
    valuations = np.array([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]])
    found = FisherMarket([60.0, 40.0]).equilibrium(form(valuations)).require()
    np.testing.assert_allclose(found.prices, np.array([1200.0, 600.0, 500.0]) / 23.0, rtol=1e-12)


def test_sparse_entries_given_twice_are_added_and_stored_zeros_are_left_out() -> None:
    twice = coo_array(([4.0, 4.0, 4.0, 2.0, 0.0], ([0, 0, 0, 1, 1], [0, 0, 1, 1, 0])), shape=(2, 2))
    found = FisherMarket([1.0, 1.0]).equilibrium(twice).require()
    want = FisherMarket([1.0, 1.0]).equilibrium([[8.0, 4.0], [0.0, 2.0]]).require()
    np.testing.assert_allclose(found.prices, want.prices, rtol=1e-12)
    assert found.allocation.nnz == 3


def test_inputs_are_left_alone() -> None:
    valuations = np.array([[8.0, 4.0], [2.0, 6.0]])
    sparse = csr_array(valuations)
    valuations.setflags(write=False)
    before = sparse.copy()
    FisherMarket([1.0, 2.0]).equilibrium(valuations)
    FisherMarket([1.0, 2.0]).equilibrium(sparse)
    assert (sparse != before).nnz == 0


def test_equal_markets_compare_and_hash_as_equal() -> None:
    one = FisherMarket(np.array([1.0, 2.0]), [1, 1], CESUtility([0.5, 0.5]))
    other = FisherMarket((1, 2), (1.0, 1.0), CESUtility((0.5, 0.5)))
    assert one == other
    assert hash(one) == hash(other)
    assert one != FisherMarket((1, 2))
    assert FisherMarket((1, 2)).supplies == 1.0
    assert FisherMarket((1, 2)).utility == LinearUtility()


def test_a_large_sparse_market_is_solved_exactly() -> None:
    generator = np.random.default_rng(1)
    dense = generator.random((400, 60)) * (generator.random((400, 60)) < 0.1)
    dense[~dense.any(axis=1), 0] = 0.5
    found = FisherMarket(generator.random(400)).equilibrium(csr_array(dense)).require(1e-10)
    assert found.status is FisherStatus.UNIQUE
    assert found.certificate.duality_gap <= 1e-14
    assert found.iterations < 60


def test_importing_stays_light() -> None:
    code = "import sys, walras.market.fisher; sys.exit('scipy.sparse' in sys.modules or 'scipy.linalg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_near_leontief_buyers_take_many_short_steps() -> None:
    # Prices as low as 1e-270: what there is too much of costs next to nothing, and is sold out all the same.
    generator = np.random.default_rng([3, 30])
    buyers, goods = generator.integers(1, 7, 2)
    valuations = generator.integers(0, 3, (buyers, goods)) + 0.0
    budgets, supplies = 10.0 ** generator.uniform(-6.0, 6.0, buyers), generator.uniform(0.5, 2.0, goods)
    found = FisherMarket(budgets, supplies, utility=CESUtility(-30.0)).equilibrium(valuations).require(1e-9)
    assert found.status is FisherStatus.UNIQUE
    assert found.iterations > 300
    assert found.prices.min() < 1e-200
