"""Utilities: closed forms, corners, limits, and optimality against every other affordable bundle."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import InfeasibleError, InvalidInputError, NotDifferentiableError
from walras.market.exchange import (
    CES,
    CobbDouglas,
    DemandFunction,
    GivenUtility,
    Leontief,
    Linear,
    LinearQuadratic,
    PowerUtility,
    QuasiLinearPower,
    QuasiLinearQuadratic,
    Utility,
)
from walras.market.testing.strategies.exchange import exchange_prices, exchange_utilities

INF = np.inf
SHAPE = (2, 3)


def naive_utility(utility: Utility, x: np.ndarray) -> np.ndarray:
    """Each kind's formula, as written in its docstring, for bundles above 0."""
    match utility:
        case CobbDouglas():
            shares = utility.weights / utility.weights.sum(axis=1, keepdims=True)
            return np.prod(x**shares, axis=1)
        case Leontief():
            return np.array(
                [min(x[i, j] / r for j, r in enumerate(row) if r > 0) for i, row in enumerate(utility.requirements)]
            )
        case Linear():
            return (utility.weights * x).sum(axis=1)
        case PowerUtility():
            b = utility.exponent[:, None]
            return (utility.weights * np.where(b == 0, np.log(x), x**b / np.where(b == 0, 1, b))).sum(axis=1)
        case QuasiLinearPower():
            b = utility.exponent[:, None]
            return x[:, 0] + (utility.weights * np.where(b == 0, np.log(x), x**b / np.where(b == 0, 1, b))).sum(axis=1)
        case QuasiLinearQuadratic():
            return x[:, 0] + (utility.intercepts * x - utility.slopes * x**2 / 2).sum(axis=1)
        case LinearQuadratic():
            return -0.5 * ((x @ utility.preferences.T - utility.bliss) ** 2).sum(axis=1)
        case CES():
            shares = utility.weights / utility.weights.sum(axis=1, keepdims=True)
            rows = zip(shares, x, utility.rho, strict=True)
            return np.array([_mean(*row) for row in rows])
    raise AssertionError(utility)


def _mean(shares: np.ndarray, x: np.ndarray, rho: float) -> float:
    wanted = shares > 0.0
    if rho == -INF:
        return float(x[wanted].min())
    if rho == 0.0:
        return float(np.prod(x[wanted] ** shares[wanted]))
    largest = np.max(rho * np.log(x[wanted]))  # the textbook formula, kept within floats
    return float(np.exp((largest + np.log((shares[wanted] * np.exp(rho * np.log(x[wanted]) - largest)).sum())) / rho))


SPENDING = st.lists(st.integers(0, 5), min_size=6, max_size=6).map(lambda s: np.array(s, float).reshape(SHAPE))


@given(exchange_utilities(*SHAPE), exchange_prices(3, decades=2), SPENDING)
def test_demand_is_affordable_and_no_worse_than_any_other_affordable_bundle(
    utility: Utility, prices: np.ndarray, spending: np.ndarray
) -> None:
    incomes = np.array([7.0, 0.5])
    demand = utility.demand(prices, incomes)
    spent = demand @ prices
    assert (spent <= incomes * (1 + 1e-9) + 1e-12).all()
    if not utility.satiable:
        np.testing.assert_allclose(spent, incomes, rtol=1e-9)
    if not utility.signed:
        assert demand.min() >= 0.0
    shares = (spending + 1e-3) / (spending + 1e-3).sum(axis=1, keepdims=True)
    other = incomes[:, None] * shares / prices
    best = utility.indirect_utility(prices, incomes)
    reached = utility.utility(other)
    assert (reached <= best + 1e-9 * np.maximum(np.abs(best), 1.0)).all()
    assert utility.waste(prices, incomes, demand).max() <= 1e-8


@given(exchange_utilities(*SHAPE), SPENDING)
def test_utility_is_its_formula(utility: Utility, quantities: np.ndarray) -> None:
    x = quantities + 0.25
    assume(not (isinstance(utility, CES) and np.isin(utility.rho, [1e-9, -1e-9]).any()))
    np.testing.assert_allclose(utility.utility(x), naive_utility(utility, x), rtol=1e-9, atol=1e-9)


@given(exchange_utilities(*SHAPE, limits=False), SPENDING)
def test_marginal_utilities_are_the_slopes_of_utility(utility: Utility, quantities: np.ndarray) -> None:
    x = quantities + 0.5
    if isinstance(utility, Leontief):
        with pytest.raises(NotDifferentiableError, match="Leontief has no marginal utilities"):
            utility.marginal_utilities(x)
        return
    slopes = utility.marginal_utilities(x)
    for good in range(3):
        up, down = x.copy(), x.copy()
        up[:, good] *= 1 + 1e-6
        down[:, good] *= 1 - 1e-6
        rise = (utility.utility(up) - utility.utility(down)) / (2e-6 * x[:, good])
        scale = np.abs(slopes).max(axis=1) + np.abs(utility.utility(x))
        assert (np.abs(rise - slopes[:, good]) <= 1e-5 * scale + 1e-6).all()


@given(exchange_utilities(*SHAPE), exchange_prices(3, decades=2), st.sampled_from([1e-12, 0.5, 3.0, 1e12]))
def test_demand_is_homogeneous(utility: Utility, prices: np.ndarray, factor: float) -> None:
    incomes = np.array([2.0, 1.0])
    np.testing.assert_allclose(
        utility.demand(factor * prices, factor * incomes), utility.demand(prices, incomes), rtol=1e-7, atol=1e-9
    )


@given(exchange_utilities(*SHAPE), exchange_prices(3, decades=2))
def test_total_demand_is_the_sum(utility: Utility, prices: np.ndarray) -> None:
    incomes = np.array([2.0, 1.0])
    np.testing.assert_allclose(
        utility._total_demand(prices, incomes), utility.demand(prices, incomes).sum(axis=0), rtol=1e-10, atol=1e-12
    )


@given(exchange_utilities(*SHAPE, limits=False), exchange_prices(3, decades=1))
def test_jacobian_is_the_difference_quotient(utility: Utility, prices: np.ndarray) -> None:
    claims = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0]])
    if isinstance(utility, Linear):
        with pytest.raises(NotDifferentiableError, match="linear consumers jumps"):
            utility._jacobian(prices, claims)
        return
    np.testing.assert_allclose(
        utility._jacobian(prices, claims),
        Utility._jacobian(utility, prices, claims),
        atol=1e-5 * np.abs(utility._jacobian(prices, claims)).max() + 1e-9,
    )


# -- waste: 0 at the optimum, and the share of income lost elsewhere -----------------------------------------

CLOSED: list[tuple[Utility, list[list[float]], float]] = [
    # One consumer, prices (1, 1), income 8; a bundle, and the share of income that it wastes.
    (CobbDouglas([[1.0, 1.0]]), [[2.0, 8.0]], 0.0),
    (CobbDouglas([[1.0, 1.0]]), [[2.0, 2.0]], 0.5),
    (CobbDouglas([[1.0, 1.0]]), [[0.0, 8.0]], 1.0),
    (Leontief([[1.0, 3.0]]), [[1.0, 7.0]], 0.5),
    (Leontief([[1.0, 3.0]]), [[2.0, 6.0]], 0.0),
    (Linear([[2.0, 1.0]]), [[4.0, 4.0]], 0.25),
    (Linear([[1.0, 1.0]]), [[1.0, 7.0]], 0.0),
    (CES([[1.0, 1.0]], -INF), [[2.0, 6.0]], 0.5),
    (CES([[1.0, 1.0]], 1.0), [[2.0, 4.0]], 0.25),
    (CES([[1.0, 1.0]], -1.0), [[3.0, 6.0]], 0.0),
    (CES([[1.0, 1.0]], -1.0), [[2.0, 6.0]], 0.25),
    (PowerUtility([[5.0, 5.0]], -1.0), [[2.0, 6.0]], 0.25),
    (QuasiLinearPower([[0.0, 4.0]]), [[4.0, 4.0]], 0.0),
    (QuasiLinearPower([[0.0, 4.0]]), [[6.0, 2.0]], 3 / 8),  # best 2, worth (6 + 4) / 2 = 5 of 8
    (QuasiLinearQuadratic([[0.0, 5.0]], [[0.0, 1.0]]), [[4.0, 4.0]], 0.0),
    (QuasiLinearQuadratic([[0.0, 5.0]], [[0.0, 1.0]]), [[6.0, 2.0]], 0.5),  # best 3, worth (6 + 6) / 3 = 4 of 8
]


@pytest.mark.parametrize(("utility", "bundle", "waste"), CLOSED, ids=lambda each: type(each).__name__)
def test_waste(utility: Utility, bundle: list[list[float]], waste: float) -> None:
    # The first Cobb-Douglas bundle costs 10: who is given more than it can pay wastes nothing.
    assert utility.waste([1.0, 1.0], 8.0, bundle)[0] == pytest.approx(waste, abs=1e-12)


def test_waste_of_who_has_no_income_is_none() -> None:
    assert CobbDouglas([[1.0, 1.0]]).waste([1.0, 1.0], 0.0, [[0.0, 0.0]]).tolist() == [0.0]
    assert Linear([[1.0, 1.0]]).waste([1.0, 1.0], 0.0, [[0.0, 0.0]]).tolist() == [0.0]


def test_waste_of_linear_quadratic_consumers_is_in_money() -> None:
    utility = LinearQuadratic([[5.0, 5.0]])
    # (1, 1) is best at (1, 1) with 2; (0, 2) is as far from bliss as 5 - sqrt(17) of each.
    waste = utility.waste([1.0, 1.0], 2.0, [[0.0, 2.0]])[0]
    assert waste == pytest.approx((2.0 - 2.0 * (5.0 - np.sqrt(17.0))) / 12.0)
    assert utility.waste([1.0, 1.0], 20.0, [[5.0, 5.0]]).tolist() == [0.0]
    assert utility.waste([1.0, 1.0], 20.0, [[4.0, 5.0]])[0] > 0.01


# -- corners -----------------------------------------

FREE: list[tuple[Utility, list[float]]] = [
    # Demand of one consumer with income 6 at prices (0, 2, 1).
    (CobbDouglas([[2.0, 1.0, 1.0]]), [INF, 0.75, 1.5]),
    (CobbDouglas([[0.0, 1.0, 1.0]]), [0.0, 1.5, 3.0]),
    (Leontief([[4.0, 1.0, 1.0]]), [8.0, 2.0, 2.0]),
    (Leontief([[1.0, 0.0, 0.0]]), [INF, 0.0, 0.0]),
    (Linear([[1.0, 9.0, 9.0]]), [INF, 0.0, 0.0]),
    (Linear([[0.0, 1.0, 1.0]]), [0.0, 0.0, 6.0]),
    (CES([[1.0, 1.0, 1.0]], 0.5), [INF, 0.0, 0.0]),
    (CES([[0.0, 1.0, 1.0]], 0.5), [0.0, 1.0, 4.0]),
    (CES([[2.0, 1.0, 1.0]], 0.0), [INF, 0.75, 1.5]),
    (CES([[1.0, 1.0, 1.0]], -1.0), [INF, 6.0 / (2.0 + np.sqrt(2.0)), 6.0 / (1.0 + np.sqrt(2.0))]),
    (CES([[5.0, 1.0, 2.0]], -INF), [2.0, 2.0, 2.0]),
    (CES([[0.0, 1.0, 2.0]], -INF), [0.0, 2.0, 2.0]),
    (CES([[5.0, 0.0, 0.0]], -INF), [INF, 0.0, 0.0]),
    (CES([[1.0, 1.0, 1.0]], 1.0), [INF, 0.0, 0.0]),
    (PowerUtility([[1.0, 1.0, 1.0]], 0.5), [INF, 0.0, 0.0]),
    (QuasiLinearPower([[0.0, 1.0, 2.0]]), [INF, 0.0, 0.0]),
    (QuasiLinearPower([[1.0, 1.0, 0.0]], numeraire=2), [INF, 0.5, 5.0]),
    (QuasiLinearQuadratic([[0.0, 6.0, 2.0]], [[0.0, 3.0, 1.0]]), [INF, 2.0, 2.0]),
    (QuasiLinearQuadratic([[6.0, 6.0, 0.0]], [[2.0, 2.0, 0.0]], numeraire=2), [3.0, 2.0, 2.0]),
]


@pytest.mark.parametrize(("utility", "expected"), FREE, ids=lambda each: type(each).__name__)
def test_free_goods(utility: Utility, expected: list[float]) -> None:
    np.testing.assert_allclose(utility.demand([0.0, 2.0, 1.0], 6.0)[0], expected, rtol=1e-12)


def test_waste_sees_free_goods() -> None:
    free = [0.0, 2.0, 1.0]
    assert Linear([[1.0, 1.0, 1.0]]).waste(free, 6.0, [[5.0, 0.0, 6.0]]).tolist() == [1.0]
    assert Linear([[0.0, 1.0, 1.0]]).waste(free, 6.0, [[5.0, 0.0, 6.0]]).tolist() == [0.0]
    utility = QuasiLinearQuadratic([[6.0, 6.0, 0.0]], [[2.0, 2.0, 0.0]], numeraire=2)
    assert utility.waste(free, 6.0, [[3.0, 2.0, 2.0]])[0] == pytest.approx(0.0, abs=1e-12)
    assert utility.waste(free, 6.0, [[2.0, 2.0, 2.0]]).tolist() == [1.0]
    first = QuasiLinearQuadratic([[0.0, 6.0, 2.0]], [[0.0, 3.0, 1.0]])
    assert first.waste(free, 6.0, [[9.0, 2.0, 2.0]]).tolist() == [1.0]


def test_ties_of_linear_consumers_share_units() -> None:
    assert Linear([[1.0, 2.0, 1.0]]).demand([1.0, 2.0, 1.0], 8.0).tolist() == [[2.0, 2.0, 2.0]]
    nearly = Linear([[1.0, 2.0 * (1.0 + 1e-10), 1.0]]).demand([1.0, 2.0, 1.0], 8.0)
    assert nearly.tolist() == [[0.0, 4.0, 0.0]]


def test_quasi_linear_corner_is_where_income_runs_short() -> None:
    power = QuasiLinearPower([[0.0, 3.0, 1.0]] * 3)
    expected = [[0.0, 1.5, 0.5], [0.0, 3.0, 1.0], [1.0, 3.0, 1.0]]
    np.testing.assert_allclose(power.demand([1.0, 1.0, 1.0], [2.0, 4.0, 5.0]), expected, rtol=1e-14)
    # Intercepts over prices are 10 and 2: with 4 the second good is dropped, with 12 it is bought.
    quadratic = QuasiLinearQuadratic([[0.0, 10.0, 2.0]] * 3, [[0.0, 1.0, 1.0]] * 3)
    expected = [[0.0, 4.0, 0.0], [0.0, 9.0, 1.0], [0.0, 8.5, 0.5]]
    np.testing.assert_allclose(quadratic.demand([1.0, 1.0, 1.0], [4.0, 10.0, 9.0]), expected, rtol=1e-14)


def test_the_numeraire_can_be_any_good() -> None:
    first = QuasiLinearPower([[0.0, 3.0]], 0.5).demand([2.0, 1.0], 100.0)
    second = QuasiLinearPower([[3.0, 0.0]], 0.5, numeraire=1).demand([1.0, 2.0], 100.0)
    np.testing.assert_array_equal(first[0], second[0, ::-1])
    assert first[0, 1] == pytest.approx(36.0)


def test_linear_quadratic_consumers_can_have_enough_and_can_go_short() -> None:
    utility = LinearQuadratic([[5.0, 5.0]], [[2.0, 0.0], [0.0, 1.0]])
    assert utility.demand([1.0, 1.0], 7.5).tolist() == [[2.5, 5.0]]
    assert utility.demand([1.0, 1.0], 99.0).tolist() == [[2.5, 5.0]]
    assert utility.multipliers([1.0, 1.0], 99.0).tolist() == [0.0]
    assert utility.multipliers([1.0, 1.0], 5.0).tolist() == [2.0]  # (7.5 - 5) / (1/4 + 1)
    assert utility.demand([1.0, 1.0], -5.0)[0, 1] == pytest.approx(5.0 - 10.0)


# -- limits of CES -----------------------------------------


@pytest.mark.parametrize(
    ("near", "limit", "tolerance"),
    [(1e-9, 0.0, 1e-7), (-1e-9, 0.0, 1e-7), (1e-300, 0.0, 1e-12), (-1e9, -INF, 1e-7), (-1e300, -INF, 1e-12)],
)
def test_ces_is_continuous_in_rho(near: float, limit: float, tolerance: float) -> None:
    weights, prices = [[1.0, 2.0, 5.0]], [1.0, 3.0, 0.2]
    bundle = [[2.0, 0.5, 7.0]]
    first, second = CES(weights, near), CES(weights, limit)
    np.testing.assert_allclose(first.demand(prices, 6.0), second.demand(prices, 6.0), rtol=tolerance)
    np.testing.assert_allclose(first.utility(bundle), second.utility(bundle), rtol=tolerance)
    np.testing.assert_allclose(first.waste(prices, 6.0, bundle), second.waste(prices, 6.0, bundle), atol=tolerance)


def test_ces_at_zero_is_cobb_douglas() -> None:
    weights, prices, bundle = [[1.0, 0.0, 5.0]], [1.0, 3.0, 0.2], [[2.0, 0.5, 7.0]]
    np.testing.assert_allclose(
        CES(weights, 0.0).demand(prices, 6.0), CobbDouglas(weights).demand(prices, 6.0), rtol=1e-14
    )
    np.testing.assert_allclose(CES(weights, 0.0).utility(bundle), CobbDouglas(weights).utility(bundle), rtol=1e-14)


@pytest.mark.parametrize("rho", [1.0 - 1e-9, 1.0 - 1e-13, 1.0])
def test_ces_near_one_is_linear_without_and_with_ties(rho: float) -> None:
    unequal, tied = [[1.0, 2.0, 5.0]], [[1.0, 3.0, 0.2]]
    prices = [1.0, 3.0, 0.2]
    np.testing.assert_allclose(CES(unequal, rho).demand(prices, 6.0), [[0.0, 0.0, 30.0]], atol=1e-9)
    np.testing.assert_allclose(CES(tied, rho).demand(prices, 6.0), [[6 / 4.2] * 3], rtol=1e-2 if rho < 1.0 else 1e-14)
    np.testing.assert_allclose(CES(tied, rho).utility([[1.0, 2.0, 3.0]]), [7.6 / 4.2], rtol=1e-6)


def test_elasticity_and_rho_say_the_same() -> None:
    weights = [[1.0, 2.0], [2.0, 1.0]]
    by_elasticity = CES.with_elasticity(weights, [0.25, 2.0])
    np.testing.assert_allclose(by_elasticity.rho, [-3.0, 0.5])
    assert CES.with_elasticity(weights, 1.0).rho.tolist() == [0.0, 0.0]


def test_kehoes_form_has_the_preferences_of_ces() -> None:
    weights, prices = [[1024.0, 1.0]], [2.0, 1.0]
    np.testing.assert_array_equal(
        PowerUtility(weights, -4.0).demand(prices, 5.0), CES(weights, -4.0).demand(prices, 5.0)
    )
    assert PowerUtility([[3.0, 5.0]], 0.0).utility([[1.0, np.e]]).tolist() == [5.0]
    assert PowerUtility([[3.0, 5.0]], 0.5).utility([[4.0, 1.0]]).tolist() == [22.0]


def test_extreme_scales() -> None:
    for rho in (-INF, -3.0, 0.0, 0.5, 0.99, 1.0):
        utility = CES([[1e-12, 1.0, 1e12]], rho)
        demand = utility.demand([1e-12, 1.0, 1e12], 1e12)
        assert demand @ [1e-12, 1.0, 1e12] == pytest.approx(1e12)
        assert utility.waste([1e-12, 1.0, 1e12], 1e12, demand)[0] <= 1e-9
        np.testing.assert_allclose(utility._total_demand(np.array([1e-12, 1.0, 1e12]), np.array([1e12])), demand[0])
    assert CES([[1.0, 1.0]], 0.999).demand([1e-200, 1e200], 1.0)[0, 1] == 0.0


# -- consumers given by functions -----------------------------------------

SQUARE_ROOTS: Callable[[np.ndarray], float] = lambda x: 2.0 * np.sqrt(x[0]) + np.sqrt(x[1])  # noqa: E731


@pytest.mark.parametrize("gradients", [None, [lambda x: np.array([1.0, 0.5]) / np.sqrt(x)]])
def test_given_utility_finds_the_closed_form(gradients: list[Callable[[np.ndarray], np.ndarray]] | None) -> None:
    utility = GivenUtility([SQUARE_ROOTS], 2, gradients)
    expected = PowerUtility([[1.0, 0.5]], 0.5).demand([1.0, 2.0], 9.0)
    tolerance = 1e-9 if gradients else 1e-4
    np.testing.assert_allclose(utility.demand([1.0, 2.0], 9.0), expected, rtol=tolerance)
    assert utility.waste([1.0, 2.0], 9.0, expected)[0] < 1e-7
    assert utility.shape == (1, 2)
    assert utility.utility([[4.0, 9.0]]).tolist() == [7.0]


def test_given_utility_at_a_corner_and_without_income() -> None:
    utility = GivenUtility([lambda x: x[0] + np.log1p(x[1])], 2, [lambda x: np.array([1.0, 1.0 / (1.0 + x[1])])])
    np.testing.assert_allclose(utility.demand([1.0, 2.0], 3.0), [[3.0, 0.0]], atol=1e-8)
    assert utility.demand([1.0, 2.0], 0.0).tolist() == [[0.0, 0.0]]
    assert GivenUtility([lambda x: x[0]], 1).demand([2.0], 3.0).tolist() == [[1.5]]


def test_demand_function_has_no_utility() -> None:
    utility = DemandFunction(lambda prices, incomes: np.outer(incomes, 0.5 / prices), 2, 2)
    assert np.isnan(utility.utility([[1.0, 1.0]] * 2)).all()
    assert utility.waste([1.0, 1.0], 2.0, [[1.0, 1.0], [1.5, 0.5]]).tolist() == [0.0, 0.5]
    with pytest.raises(NotDifferentiableError, match="DemandFunction"):
        utility.marginal_utilities([[1.0, 1.0]] * 2)


# -- bad input -----------------------------------------

GOOD = CobbDouglas([[1.0, 1.0]])
BAD: list[tuple[Callable[[], object], type[Exception], tuple[str, ...]]] = [
    *(
        (lambda kind=kind, bad=bad: kind(bad), InvalidInputError, (f"{kind.__name__}.{name}", part))
        for kind, name in ((CobbDouglas, "weights"), (Leontief, "requirements"), (Linear, "weights"))
        for bad, part in (
            ([[1.0, np.nan]], "nan"),
            ([[1.0, INF]], "inf"),
            ([[1.0, -1.0]], "-1.0"),
            ([[1.0, 1.0], [0.0, 0.0]], "row 1 is all 0"),
            ([1.0, 1.0], "shape (2,)"),
            ([[]], "empty"),
            ([["a", "b"]], "'a'"),
            ([[1j, 1.0]], "1j"),
        )
    ),
    (lambda: CES([[1.0, -1.0]], 0.5), InvalidInputError, ("CES.weights", "-1.0")),
    (lambda: CES([[1.0, 1.0]], 1.5), InvalidInputError, ("CES.rho", "at most 1", "1.5")),
    (lambda: CES([[1.0, 1.0]], np.nan), InvalidInputError, ("CES.rho", "nan")),
    (lambda: CES([[1.0, 1.0]], INF), InvalidInputError, ("CES.rho", "inf")),
    (lambda: CES([[1.0, 1.0]], [0.5, 0.5]), InvalidInputError, ("CES.rho", "expected 1, got 2")),
    (lambda: CES([[1.0, 1.0]], "half"), InvalidInputError, ("CES.rho", "half")),
    (lambda: CES.with_elasticity([[1.0, 1.0]], 0.0), InvalidInputError, ("elasticity", "above 0", "0.0")),
    (lambda: CES.with_elasticity([[1.0, 1.0]], np.nan), InvalidInputError, ("elasticity", "nan")),
    (lambda: PowerUtility([[1.0, 1.0]], 1.5), InvalidInputError, ("PowerUtility.exponent", "at most 1", "1.5")),
    (lambda: PowerUtility([[1.0, 1.0]], -INF), InvalidInputError, ("PowerUtility.exponent", "-inf")),
    (lambda: PowerUtility([[-1.0, 1.0]], 0.5), InvalidInputError, ("PowerUtility.weights", "-1.0")),
    (lambda: QuasiLinearPower([[1.0, 1.0]]), InvalidInputError, ("QuasiLinearPower.weights", "good 0")),
    (lambda: QuasiLinearPower([[0.0, -1.0]]), InvalidInputError, ("QuasiLinearPower.weights", "-1.0")),
    (lambda: QuasiLinearPower([[0.0, 1.0]], 1.0), InvalidInputError, ("QuasiLinearPower.exponent", "below 1", "1.0")),
    (lambda: QuasiLinearPower([[0.0, 1.0]], numeraire=2), InvalidInputError, ("QuasiLinearPower.numeraire", "2")),
    (lambda: QuasiLinearPower([[0.0, 1.0]], numeraire=-1), InvalidInputError, ("QuasiLinearPower.numeraire", "-1")),
    (
        lambda: QuasiLinearQuadratic([[1.0, 1.0]], [[0.0, 1.0]]),
        InvalidInputError,
        ("QuasiLinearQuadratic.intercepts", "good 0"),
    ),
    (
        lambda: QuasiLinearQuadratic([[0.0, 1.0]], [[1.0, 1.0]]),
        InvalidInputError,
        ("QuasiLinearQuadratic.slopes", "good 0"),
    ),
    (
        lambda: QuasiLinearQuadratic([[0.0, 1.0]], [[0.0, 0.0]]),
        InvalidInputError,
        ("QuasiLinearQuadratic.slopes", "above 0"),
    ),
    (
        lambda: QuasiLinearQuadratic([[0.0, 1.0]], [[0.0, 1.0, 1.0]]),
        InvalidInputError,
        ("QuasiLinearQuadratic.slopes", "(1, 2)"),
    ),
    (lambda: LinearQuadratic([[np.nan, 1.0]]), InvalidInputError, ("LinearQuadratic.bliss", "nan")),
    (
        lambda: LinearQuadratic([[5.0, 5.0]], np.ones((2, 2))),
        InvalidInputError,
        ("LinearQuadratic.preferences", "rank 1 of 2"),
    ),
    (lambda: LinearQuadratic([[5.0, 5.0]], np.eye(3)), InvalidInputError, ("LinearQuadratic.preferences", "(2, 2)")),
    (lambda: LinearQuadratic([[5.0]]).multipliers([-1.0], 1.0), InvalidInputError, ("prices", "-1.0")),
    (lambda: DemandFunction("no", 1, 2), InvalidInputError, ("DemandFunction.function", "'no'")),
    (lambda: DemandFunction(len, 0, 2), InvalidInputError, ("DemandFunction.consumers", "0")),
    (lambda: DemandFunction(len, 1, 0), InvalidInputError, ("DemandFunction.goods", "0")),
    (
        lambda: DemandFunction(lambda p, w: [[np.nan, 1.0]], 1, 2).demand([1.0, 1.0], 1.0),
        InvalidInputError,
        ("What DemandFunction.function gives", "nan"),
    ),
    (lambda: GivenUtility([], 2), InvalidInputError, ("GivenUtility.functions", "[]")),
    (lambda: GivenUtility(SQUARE_ROOTS, 2), InvalidInputError, ("GivenUtility.functions", "tuple or list")),
    (lambda: GivenUtility([3], 2), InvalidInputError, ("GivenUtility.functions[0]", "3")),
    (lambda: GivenUtility([SQUARE_ROOTS], 0), InvalidInputError, ("GivenUtility.goods", "0")),
    (
        lambda: GivenUtility([SQUARE_ROOTS], 2, [SQUARE_ROOTS] * 2),
        InvalidInputError,
        ("GivenUtility.gradients", "expected 1, got 2"),
    ),
    (lambda: GivenUtility([lambda x: "big"], 2).utility([[1.0, 1.0]]), InvalidInputError, ("gives", "'big'")),
    (lambda: GivenUtility([lambda x: x], 2).utility([[1.0, 1.0]]), InvalidInputError, ("gives",)),
    (lambda: GivenUtility([lambda x: np.nan], 2).utility([[1.0, 1.0]]), InvalidInputError, ("gives", "nan")),
    (
        lambda: GivenUtility([SQUARE_ROOTS], 2, [lambda x: [1.0]]).demand([1.0, 1.0], 1.0),
        InvalidInputError,
        ("What GivenUtility.gradients gives", "expected 2, got 1"),
    ),
    (lambda: GivenUtility([SQUARE_ROOTS], 2).demand([0.0, 1.0], 1.0), InvalidInputError, ("prices", "above 0")),
    (lambda: GOOD.demand([1.0, np.nan], 1.0), InvalidInputError, ("prices", "nan")),
    (lambda: GOOD.demand([1.0, -2.0], 1.0), InvalidInputError, ("prices", "-2.0")),
    (lambda: GOOD.demand([0.0, 0.0], 1.0), InvalidInputError, ("prices", "not all be 0")),
    (lambda: GOOD.demand([1.0], 1.0), InvalidInputError, ("prices", "expected 2, got 1")),
    (lambda: GOOD.demand([1.0, 1.0], [1.0, 2.0]), InvalidInputError, ("incomes", "expected 1, got 2")),
    (lambda: GOOD.demand([1.0, 1.0], INF), InvalidInputError, ("incomes", "inf")),
    (lambda: GOOD.demand([1.0, 1.0], -1.0), InfeasibleError, ("incomes", "consumer 0 has -1")),
    (lambda: GOOD.indirect_utility([1.0, 1.0], -1.0), InfeasibleError, ("incomes", "-1")),
    (lambda: GOOD.utility([[1.0, -1.0]]), InvalidInputError, ("bundles", "-1.0")),
    (lambda: GOOD.utility([[1.0, 1.0, 1.0]]), InvalidInputError, ("bundles", "(1, 2)")),
    (lambda: GOOD.marginal_utilities([[1.0, np.nan]]), InvalidInputError, ("bundles", "nan")),
    (lambda: GOOD.waste([1.0, 1.0], 1.0, [[-1.0, 1.0]]), InvalidInputError, ("bundles", "-1.0")),
]


@pytest.mark.parametrize(("call", "error", "parts"), BAD)
def test_bad_input(call: Callable[[], object], error: type[Exception], parts: tuple[str, ...]) -> None:
    with pytest.raises(error) as caught:
        call()
    assert [part for part in parts if part not in str(caught.value)] == []


def test_arrays_are_copied_and_read_only() -> None:
    weights = np.array([[1.0, 1.0]])
    utility = CobbDouglas(weights)
    weights[0, 0] = 9.0
    assert utility.weights.tolist() == [[1.0, 1.0]]
    with pytest.raises(ValueError, match="read-only"):
        utility.weights[0, 0] = 2.0
