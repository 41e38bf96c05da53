"""The private solvers one by one, where the public interface seldom goes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from walras.market.fisher.bang_per_buck import exact_equilibrium
from walras.market.fisher.interior_point import _along_the_path, linear_equilibrium
from walras.market.fisher.leontief import leontief_equilibrium
from walras.market.fisher.linear_algebra import PositiveFactor, solve_positive
from walras.market.fisher.newton import newton_equilibrium, spend
from walras.market.fisher.table import DenseTable, SparseTable, Table, is_sparse, read_valuations

VALUES = np.array([[8.0, 4.0, 0.0], [0.0, 6.0, 5.0]])
DENSE = read_valuations(VALUES, 2, 3)
SPARSE = read_valuations(csr_array(VALUES), 2, 3)
BY_BUYER, BY_GOOD = np.array([2.0, 3.0]), np.array([5.0, 7.0, 11.0])
tables = pytest.mark.parametrize("table", [DENSE, SPARSE], ids=["dense", "sparse"])


def dense(table: Table, entries: np.ndarray) -> np.ndarray:
    matrix = table.matrix(entries)
    return matrix.toarray() if is_sparse(matrix) else matrix


@tables
def test_tables_add_up_alike(table: Table) -> None:
    entries = table.values
    assert table.shape == (2, 3)
    np.testing.assert_array_equal(dense(table, entries), VALUES)
    np.testing.assert_array_equal(table.buyer_sums(entries), [12.0, 11.0])
    np.testing.assert_array_equal(table.good_sums(entries), [8.0, 10.0, 5.0])
    np.testing.assert_array_equal(table.buyer_maxima(entries), [8.0, 6.0])
    np.testing.assert_array_equal(table.good_maxima(entries), [8.0, 6.0, 5.0])
    np.testing.assert_array_equal(table.buyer_dots(entries, entries), [80.0, 61.0])
    np.testing.assert_array_equal(table.over_goods(entries, BY_GOOD), VALUES @ BY_GOOD)
    np.testing.assert_array_equal(table.over_buyers(entries, BY_BUYER), BY_BUYER @ VALUES)
    np.testing.assert_array_equal(table.gram(entries, BY_BUYER), VALUES.T @ (BY_BUYER[:, None] * VALUES))
    np.testing.assert_array_equal(dense(table, entries * table.by_buyer(BY_BUYER)), VALUES * BY_BUYER[:, None])
    np.testing.assert_array_equal(dense(table, entries * table.by_good(BY_GOOD)), VALUES * BY_GOOD)
    buyers, goods = table.pairs(entries > 4.5)
    assert list(zip(buyers, goods, strict=True)) == [(0, 0), (1, 1), (1, 2)]


@tables
@pytest.mark.parametrize("form", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_tables_read_other_matrices_at_their_own_pairs(table: Table, form: object) -> None:
    other = np.arange(6.0).reshape(2, 3)
    entries = table.entries_of(form(other))
    want = other if isinstance(table, DenseTable) else [0.0, 1.0, 4.0, 5.0]
    np.testing.assert_array_equal(entries, want)


@tables
def test_tables_leave_out_goods_and_put_them_back(table: Table) -> None:
    wide = np.array([[8.0, 0.0, 4.0, 0.0], [0.0, 0.0, 6.0, 5.0]])
    whole = read_valuations(wide if isinstance(table, DenseTable) else csr_array(wide), 2, 4)
    some = whole.restricted(np.array([True, False, True, True]))
    assert some.shape == (2, 3)
    np.testing.assert_array_equal(dense(some, some.values), VALUES)
    np.testing.assert_array_equal(dense(whole, whole.widened(some.values, np.array([True, False, True, True]))), wide)
    assert table.restricted(np.ones(3, dtype=bool)) is table


def test_sparse_products_leave_out_only_what_changes_nothing() -> None:
    table = read_valuations(csr_array(np.array([[1.0, 2.0], [3.0, 4.0]])), 2, 2)
    shares = np.array([1.0, 1e-30, 1e-50, 1.0])
    gram = table.gram(shares, np.array([1.0, 1.0]))
    np.testing.assert_allclose(gram, [[1.0, 1e-30], [1e-30, 1.0]], rtol=1e-12)


# ---------------------------------------------------------------- linear algebra


def test_positive_systems_are_solved_whatever_the_size_of_rows() -> None:
    generator = np.random.default_rng(0)
    root = generator.normal(size=(5, 5))
    scale = 10.0 ** np.array([-12.0, -6.0, 0.0, 6.0, 12.0])
    matrix = scale[:, None] * (root @ root.T + np.eye(5)) * scale
    solution = generator.normal(size=5) / scale
    np.testing.assert_allclose(solve_positive(matrix.copy(), matrix @ solution), solution, rtol=1e-10)
    factor = PositiveFactor(matrix.copy())
    np.testing.assert_allclose(factor.solve(matrix @ solution), solution, rtol=1e-10)
    np.testing.assert_allclose(factor.solve(2.0 * matrix @ solution), 2.0 * solution, rtol=1e-10)


def test_singular_systems_are_solved_where_they_can_be() -> None:
    matrix = np.array([[1.0, 1.0], [1.0, 1.0]])
    solution = solve_positive(matrix.copy(), np.array([2.0, 2.0]))
    assert solution.sum() == pytest.approx(2.0)


def test_what_is_not_positive_falls_back_on_the_diagonal() -> None:
    np.testing.assert_allclose(
        solve_positive(np.array([[1.0, 9.0], [9.0, 4.0]]), np.array([1.0, 8.0])), [1.0, 2.0], rtol=1e-6
    )


# ---------------------------------------------------------------- Newton steps


def test_spending_follows_scores_without_overflow() -> None:
    table = DenseTable(np.ones((1, 2)))
    found = spend(table, np.array([[1000.0 + np.log(3.0), 1000.0]]), np.array([4.0]))
    np.testing.assert_allclose(found.shares, [[0.75, 0.25]], rtol=1e-12)
    np.testing.assert_allclose(found.demand, [3.0, 1.0], rtol=1e-12)


@given(
    seed=st.integers(0, 2**32 - 1),
    exponent=st.sampled_from([-0.99, -0.5, 0.5, 3.0, 50.0]),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_newton_steps_end_where_demand_is_supply(seed: int, exponent: float, size: tuple[int, int]) -> None:
    generator = np.random.default_rng(seed)
    log_worth, budgets = generator.normal(0.0, 5.0, size), generator.dirichlet(np.ones(size[0]))
    table, exponents = DenseTable(np.ones(size)), np.full(size[0], exponent)
    revenue, money, steps, exact = newton_equilibrium(table, log_worth, budgets, exponents, max_iterations=300)
    assert exact
    assert steps < 200
    np.testing.assert_allclose(money.sum(axis=0), revenue, rtol=1e-10)
    np.testing.assert_allclose(money.sum(axis=1), budgets, rtol=1e-10)
    logs = (1.0 + exponent) * log_worth - exponent * np.log(revenue)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    np.testing.assert_allclose(money, budgets[:, None] * weights / weights.sum(axis=1, keepdims=True), atol=1e-9)


def test_newton_steps_stop_when_told() -> None:
    generator = np.random.default_rng(0)
    log_worth, budgets = generator.normal(0.0, 3.0, (5, 4)), np.full(5, 0.2)
    table, exponents = DenseTable(np.ones((5, 4))), np.full(5, 9.0)
    *_, steps, exact = newton_equilibrium(table, log_worth, budgets, exponents, max_iterations=2)
    assert (steps, exact) == (2, False)


# ---------------------------------------------------------------- linear buyers


def random_linear(seed: int, size: tuple[int, int]) -> tuple[DenseTable, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    values = generator.random(size)
    return DenseTable(values), values / values.max(axis=1, keepdims=True), generator.dirichlet(np.ones(size[0]))


@given(seed=st.integers(0, 2**32 - 1), size=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_the_path_of_ces_equilibria_leads_to_the_same_place(seed: int, size: tuple[int, int]) -> None:
    table, worth, budgets = random_linear(seed, size)
    want = linear_equilibrium(table, worth, budgets, max_iterations=300)
    spread = np.full(size, 1.0 / size[1])
    found = _along_the_path(table, worth, budgets, spread, 0, 1000)
    assert found.unique is want.unique is True
    np.testing.assert_allclose(found.revenue, want.revenue, rtol=1e-9)
    np.testing.assert_allclose(found.spending, want.spending, atol=1e-11)


def test_the_path_gives_the_best_it_has_when_stopped() -> None:
    table, worth, budgets = random_linear(0, (6, 5))
    spread = np.full((6, 5), 0.2)
    stopped = _along_the_path(table, worth, budgets, spread, 7, 7)
    assert (stopped.unique, stopped.steps) == (None, 7)
    np.testing.assert_allclose(stopped.spending, spread * budgets[:, None])
    np.testing.assert_allclose(stopped.revenue, stopped.spending.sum(axis=0))
    later = _along_the_path(table, worth, budgets, spread, 0, 3)
    assert later.unique is None
    bang = worth / later.revenue
    gap = budgets @ np.log(bang.max(axis=1) * budgets / (later.spending * bang).sum(axis=1))
    start = worth / stopped.revenue
    assert gap < budgets @ np.log(start.max(axis=1) * budgets / (stopped.spending * start).sum(axis=1))


@given(seed=st.integers(0, 2**32 - 1), size=st.tuples(st.integers(2, 8), st.integers(2, 8)))
def test_the_exact_equilibrium_is_found_from_spending_that_is_a_little_off(seed: int, size: tuple[int, int]) -> None:
    table, worth, budgets = random_linear(seed, size)
    want = linear_equilibrium(table, worth, budgets, max_iterations=300)
    blurred = want.spending / budgets[:, None] + 1e-9
    found = exact_equilibrium(table, worth, budgets, blurred / blurred.sum(axis=1, keepdims=True), 1e-6)
    assert found is not None
    assert found.unique
    np.testing.assert_allclose(found.revenue, want.revenue, rtol=1e-12)


def test_a_guess_that_is_wrong_is_not_believed() -> None:
    worth, budgets = np.array([[1.0, 0.1], [0.1, 1.0]]), np.array([0.5, 0.5])
    crossed = np.array([[1e-9, 1.0 - 1e-9], [1.0 - 1e-9, 1e-9]])
    assert exact_equilibrium(DenseTable(worth), worth, budgets, crossed, 1e-2) is None
    right = exact_equilibrium(DenseTable(worth), worth, budgets, crossed[:, ::-1].copy(), 1e-2)
    assert right is not None
    np.testing.assert_allclose(right.revenue, [0.5, 0.5])
    np.testing.assert_allclose(right.spending, [[0.5, 0.0], [0.0, 0.5]])


def test_pairs_that_would_carry_money_back_are_taken_out_of_the_guess() -> None:
    worth, budgets = np.array([[1.0, 0.1], [0.1, 1.0]]), np.array([0.5, 0.5])
    even = np.array([[0.9, 0.1], [0.1, 0.9]])
    found = exact_equilibrium(DenseTable(worth), worth, budgets, even, 1e-3)
    assert found is not None
    np.testing.assert_allclose(found.spending, [[0.5, 0.0], [0.0, 0.5]], atol=1e-15)


# ---------------------------------------------------------------- Leontief buyers


@given(seed=st.integers(0, 2**32 - 1), size=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_leontief_conditions_hold(seed: int, size: tuple[int, int]) -> None:
    generator = np.random.default_rng(seed)
    needs, budgets = generator.random(size) + 0.01, generator.dirichlet(np.ones(size[0]))
    revenue, utilities, steps, _ = leontief_equilibrium(DenseTable(needs), needs, budgets, max_iterations=300)
    used = utilities @ needs
    assert steps < 100
    assert revenue.sum() == pytest.approx(1.0, rel=1e-14)
    assert np.all(used <= 1.0 + 1e-12)
    np.testing.assert_allclose(used[revenue > 0.0], 1.0, rtol=1e-10)
    np.testing.assert_allclose(utilities * (needs @ revenue), budgets, rtol=1e-12)


def test_a_sparse_table_counts_its_goods() -> None:
    table = SparseTable(np.ones(2), np.array([0, 2]), np.array([0, 1, 2]), 3)
    assert table.shape == (2, 3)
    np.testing.assert_array_equal(table.buyers, [0, 1])
    np.testing.assert_array_equal(table.good_sums(table.values), [1.0, 0.0, 1.0])
