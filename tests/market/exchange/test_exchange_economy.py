"""The economy itself: excess demand, its laws, derivatives, certificates, what it declares, and bad input."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from walras.market import InfeasibleError, InvalidInputError, NotConvergedError, NotDifferentiableError
from walras.market.exchange import (
    CES,
    CobbDouglas,
    DemandFunction,
    ExchangeEconomy,
    GivenUtility,
    Leontief,
    Linear,
    LinearQuadratic,
    Newton,
    QuasiLinearPower,
    all_equilibria,
)
from walras.market.properties import Property
from walras.market.testing.strategies.exchange import exchange_economies, exchange_prices

BOX = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), [[1.0, 2.0], [2.0, 1.0]])


@given(exchange_economies(max_goods=3), exchange_prices(3, decades=1))
def test_walras_law_and_homogeneity(economy: ExchangeEconomy, prices: np.ndarray) -> None:
    prices = prices[: economy.shape[1]]
    if not any(utility.satiable for utility in economy.utilities):
        assert economy.walras_residual(prices) <= 1e-9
    assert economy.homogeneity_residual(prices, 3.0) <= 1e-7
    demand = economy.demand(prices)
    assert demand.shape == economy.shape
    total = demand.sum(axis=0) - np.asarray(economy.endowments).sum(axis=0)
    np.testing.assert_allclose(economy.excess_demand(prices), total, rtol=1e-9, atol=1e-9 * economy.supplies.max())


@given(exchange_economies(max_goods=3), exchange_prices(3, decades=1))
def test_jacobian_is_the_difference_quotient_of_excess_demand(economy: ExchangeEconomy, prices: np.ndarray) -> None:
    prices = prices[: economy.shape[1]]
    smooth = (CobbDouglas, Leontief)
    if not all(isinstance(utility, smooth) for utility in economy.utilities):
        return
    jacobian = economy.jacobian(prices)
    for good, price in enumerate(prices):
        up, down = prices.copy(), prices.copy()
        up[good], down[good] = price * (1 + 1e-5), price * (1 - 1e-5)
        quotient = (economy.excess_demand(up) - economy.excess_demand(down)) / (up[good] - down[good])
        rounding = 1e-15 * economy.supplies.max() / (up[good] - down[good])  # of a demand that does not move at all
        np.testing.assert_allclose(jacobian[:, good], quotient, atol=1e-6 * np.abs(jacobian).max() + 4 * rounding)


def test_values_by_hand() -> None:
    assert BOX.shape == (2, 2)
    assert BOX.supplies.tolist() == [3.0, 3.0]
    assert BOX.incomes([1.0, 3.0]).tolist() == [7.0, 5.0]
    assert BOX.demand([1.0, 3.0]).tolist() == [[1.75, 1.75], [1.25, 1.25]]
    assert BOX.excess_demand([1.0, 1.0]).tolist() == [-1.5, 1.5]
    np.testing.assert_allclose(BOX.indirect_utility([1.0, 3.0]), [1.75, 1.25])
    np.testing.assert_allclose(BOX.utility([[1.0, 1.0], [16.0, 1.0]]), [1.0, 2.0])
    # d z_1 / d p_2 = (e_12 + e_22) / 4 / p_1
    np.testing.assert_allclose(BOX.jacobian([2.0, 1.0])[0, 1], 3.0 / 4.0 / 2.0)
    assert BOX.walras_residual([2.0, 1.0]) == 0.0
    assert BOX.demand([1.0, 0.0])[:, 1].tolist() == [np.inf, np.inf]
    assert np.isinf(BOX.indirect_utility([1.0, 0.0])).all()


def test_kinds_are_stacked_in_order() -> None:
    economy = ExchangeEconomy((Leontief([[1.0, 1.0]]), CobbDouglas([[1.0, 3.0], [1.0, 1.0]])), np.ones((3, 2)))
    np.testing.assert_allclose(economy.demand([1.0, 1.0]), [[1.0, 1.0], [0.5, 1.5], [1.0, 1.0]])
    assert [(rows.start, rows.stop) for _, rows in economy.groups] == [(0, 1), (1, 3)]


def test_transfers_change_incomes_only() -> None:
    economy = ExchangeEconomy(BOX.utilities, BOX.endowments, transfers=[0.5, -0.5], numeraire=1)
    assert economy.incomes([1.0, 4.0]).tolist() == [11.0, 4.0]
    assert economy.claims.tolist() == [[1.0, 2.5], [2.0, 0.5]]
    assert economy.supplies.tolist() == [3.0, 3.0]
    assert economy.walras_residual([1.0, 4.0]) < 1e-15
    assert economy.homogeneity_residual([1.0, 4.0], 7.0) < 1e-15


def test_gross_substitutes() -> None:
    assert BOX.gross_substitutes([1.0, 2.0])
    complements = ExchangeEconomy(Leontief([[1.0, 1.0]]), [[1.0, 2.0]])
    assert not complements.gross_substitutes([1.0, 1.0])
    scarf = ExchangeEconomy(Leontief([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]), np.eye(3))
    assert not scarf.gross_substitutes([1.0, 1.0, 1.0])
    assert scarf.gross_substitutes([1.0, 1.0, 1.0], tolerance=0.25)
    assert not scarf.gross_substitutes([1.0, 1.0, 1.0], tolerance=0.2499)


def test_a_scarf_economy_is_not_ces_with_rho_of_minus_one() -> None:
    wants = [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]
    scarf, impostor = (ExchangeEconomy(kind, np.eye(3)) for kind in (Leontief(wants), CES(wants, -1.0)))
    limit = ExchangeEconomy(CES(wants, -np.inf), np.eye(3))
    prices = [1.2, 1.0, 0.7]
    np.testing.assert_allclose(limit.excess_demand(prices), scarf.excess_demand(prices), atol=1e-15)
    assert np.abs(impostor.excess_demand(prices) - scarf.excess_demand(prices)).max() > 0.02


# -- certificates -----------------------------------------


def test_a_certificate_shows_what_is_wrong() -> None:
    found = Newton().solve(BOX).require()
    prices, allocation = found.prices, found.allocation
    assert BOX.certify(prices, allocation).largest < 1e-12

    def certify(change: list[list[float]], at: np.ndarray = prices) -> dict[str, float]:
        return BOX.certify(at, allocation + np.array(change)).violations(1e-6)

    assert set(certify([[0.3, 0.0], [0.0, 0.0]])) == {"market_clearing", "budget_balance"}
    assert certify([[0.3, 0.0], [0.0, 0.0]])["market_clearing"] == pytest.approx(0.1)
    assert set(certify([[0.3, -0.1], [-0.3, 0.1]])) == {"optimality"}
    assert set(certify([[0.3, 0.1], [-0.3, -0.1]])) == {"budget_balance", "optimality"}
    assert certify([[-2.05, 0.0], [2.05, 0.0]])["nonnegativity"] == pytest.approx(0.1)
    assert certify([[0.0, 0.0], [0.0, 0.0]], np.array([-0.25, 1.0]))["nonnegativity"] == pytest.approx(0.25)
    assert set(certify([[0.0, 0.0], [0.0, 0.0]], np.array([0.5, 0.5]))) == {"budget_balance", "optimality"}
    with pytest.raises(NotConvergedError, match="market_clearing"):
        Newton(max_iterations=1, attempts=False).solve(BOX, [0.9, 0.1]).require()


def test_free_goods_may_be_left_over_but_not_overdemanded() -> None:
    economy = ExchangeEconomy(Leontief([[1.0, 1.0]]), [[1.0, 2.0]])
    assert economy.certify([1.0, 0.0], [[1.0, 1.0]]).largest == 0.0
    assert economy.certify([1.0, 0.0], [[1.0, 2.5]]).market_clearing == pytest.approx(0.25)
    assert economy.certify([1.0, 1e-9], [[1.0, 1.0]]).market_clearing == pytest.approx(0.5)


def test_who_has_enough_may_leave_income_unspent() -> None:
    economy = ExchangeEconomy(LinearQuadratic([[1.0, 1.0], [5.0, 5.0]]), [[3.0, 3.0], [1.0, 1.0]])
    certificate = economy.certify([1.0, 1.0], [[1.0, 1.0], [1.0, 1.0]])
    assert certificate.budget_balance == 0.0
    assert certificate.optimality < 1e-15
    assert certificate.market_clearing == 0.5
    assert economy.certify([1.0, 1.0], [[-1.0, 3.0], [1.0, 1.0]]).nonnegativity == 0.0
    assert economy.certify([1.0, 1.0], [[4.0, 4.0], [1.0, 1.0]]).budget_balance == pytest.approx(2.0 / 6.0)


# -- declared properties -----------------------------------------

ALWAYS = {Property.HOMOGENEOUS, Property.COMPLEMENTARY_SLACKNESS}
WELFARE = {Property.WALRAS_LAW, Property.PARETO_EFFICIENT}
VOLUNTARY = {Property.INDIVIDUALLY_RATIONAL, Property.IN_THE_CORE}


def test_declared_properties() -> None:
    taxed = ExchangeEconomy(BOX.utilities, BOX.endowments, transfers=[0.1, -0.1])
    bliss = ExchangeEconomy(LinearQuadratic([[5.0, 5.0]]), [[1.0, 1.0]])
    unknown = ExchangeEconomy(DemandFunction(lambda p, w: [[1.0, 1.0]], 1, 2), [[1.0, 1.0]])
    assert BOX.declared_properties == ALWAYS | {Property.FEASIBLE} | WELFARE | VOLUNTARY
    assert taxed.declared_properties == ALWAYS | {Property.FEASIBLE} | WELFARE
    assert bliss.declared_properties == ALWAYS
    assert unknown.declared_properties == {Property.FEASIBLE, Property.COMPLEMENTARY_SLACKNESS}
    assert Property.STRATEGY_PROOF not in BOX.declared_properties


# -- bad input -----------------------------------------

ONES = CobbDouglas([[1.0, 1.0]])
NAN, INF = np.nan, np.inf
BAD: list[tuple[Callable[[], object], type[Exception], tuple[str, ...]]] = [
    (lambda: ExchangeEconomy(3.0, [[1.0, 1.0]]), InvalidInputError, ("ExchangeEconomy.utilities", "3.0")),
    (lambda: ExchangeEconomy((), [[1.0, 1.0]]), InvalidInputError, ("ExchangeEconomy.utilities", "()")),
    (lambda: ExchangeEconomy((ONES, "x"), [[1.0, 1.0]]), InvalidInputError, ("ExchangeEconomy.utilities", "'x'")),
    (
        lambda: ExchangeEconomy((ONES, CobbDouglas([[1.0]])), [[1.0, 1.0]] * 2),
        InvalidInputError,
        ("ExchangeEconomy.utilities", "[2, 1]"),
    ),
    (lambda: ExchangeEconomy(ONES, [[1.0, NAN]]), InvalidInputError, ("ExchangeEconomy.endowments", "nan")),
    (lambda: ExchangeEconomy(ONES, [[1.0, -1.0]]), InvalidInputError, ("ExchangeEconomy.endowments", "-1.0")),
    (
        lambda: ExchangeEconomy(ONES, [[1.0, 0.0]]),
        InvalidInputError,
        ("ExchangeEconomy.endowments", "good 1 there is 0"),
    ),
    (lambda: ExchangeEconomy(ONES, [[1.0, 1e160]]), InvalidInputError, ("ExchangeEconomy.endowments", "1e+160")),
    (lambda: ExchangeEconomy(ONES, [[1e-160, 1.0]]), InvalidInputError, ("ExchangeEconomy.endowments", "1e-160")),
    (lambda: ExchangeEconomy(ONES, [[1.0, 1.0]] * 2), InvalidInputError, ("ExchangeEconomy.endowments", "(1, 2)")),
    (lambda: ExchangeEconomy(ONES, []), InvalidInputError, ("ExchangeEconomy.endowments",)),
    (lambda: ExchangeEconomy(ONES, "all"), InvalidInputError, ("ExchangeEconomy.endowments", "'all'")),
    (lambda: ExchangeEconomy(ONES, [[1.0, 1.0]], [0.1]), InvalidInputError, ("transfers", "add up to 0", "0.1")),
    (lambda: ExchangeEconomy(ONES, [[1.0, 1.0]], [NAN]), InvalidInputError, ("ExchangeEconomy.transfers", "nan")),
    (
        lambda: ExchangeEconomy(ONES, [[1.0, 1.0]], [0.1, -0.1]),
        InvalidInputError,
        ("ExchangeEconomy.transfers", "expected 1, got 2"),
    ),
    (lambda: ExchangeEconomy(ONES, [[1.0, 1.0]], None, 2), InvalidInputError, ("ExchangeEconomy.numeraire", "2")),
    (lambda: ExchangeEconomy(ONES, [[1.0, 1.0]], None, -1), InvalidInputError, ("ExchangeEconomy.numeraire", "-1")),
    *(
        (lambda method=method, bad=bad: getattr(BOX, method)(bad), InvalidInputError, ("prices", part))
        for method in (
            "incomes",
            "demand",
            "excess_demand",
            "indirect_utility",
            "jacobian",
            "walras_residual",
            "homogeneity_residual",
            "gross_substitutes",
        )
        for bad, part in (
            ([1.0, NAN], "nan"),
            ([1.0, -1.0], "-1.0"),
            ([1.0], "expected 2"),
            ("no", "'no'"),
            ([], "empty"),
        )
    ),
    (lambda: BOX.incomes([0.0, 0.0]), InvalidInputError, ("prices", "not all be 0")),
    (lambda: BOX.jacobian([0.0, 1.0]), InvalidInputError, ("prices", "above 0")),
    (lambda: BOX.homogeneity_residual([1.0, 1.0], 0.0), InvalidInputError, ("factor", "0.0")),
    (lambda: BOX.gross_substitutes([1.0, 1.0], -1.0), InvalidInputError, ("tolerance", "-1.0")),
    (lambda: BOX.utility([[1.0, 1.0], [1.0, -2.0]]), InvalidInputError, ("allocation", "(1, 1)", "-2.0")),
    (lambda: BOX.utility([[1.0, 1.0]]), InvalidInputError, ("allocation", "(2, 2)")),
    (lambda: BOX.certify([1.0, NAN], np.ones((2, 2))), InvalidInputError, ("prices", "nan")),
    (lambda: BOX.certify([1.0, 1.0], [[1.0, 1.0]]), InvalidInputError, ("allocation", "(2, 2)")),
    (
        lambda: ExchangeEconomy(Linear([[1.0, 1.0]]), [[1.0, 1.0]]).jacobian([1.0, 1.0]),
        NotDifferentiableError,
        ("linear consumers",),
    ),
    (
        lambda: ExchangeEconomy(BOX.utilities, BOX.endowments, [3.0, -3.0]).demand([1.0, 0.5]),
        InfeasibleError,
        ("consumer 1", "-0.5", "transfer"),
    ),
]


@pytest.mark.parametrize(("call", "error", "parts"), BAD)
def test_bad_input(call: Callable[[], object], error: type[Exception], parts: tuple[str, ...]) -> None:
    with pytest.raises(error) as caught:
        call()
    assert [part for part in parts if part not in str(caught.value)] == []


def test_linear_quadratic_endowments_may_be_negative() -> None:
    economy = ExchangeEconomy(LinearQuadratic([[5.0, 5.0]] * 2), [[-1.0, 2.0], [3.0, 2.0]])
    assert economy.incomes([3.0, 1.0]).tolist() == [-1.0, 11.0]
    assert np.isfinite(economy.demand([3.0, 1.0])).all()


def test_three_equilibria_of_quasi_linear_consumers() -> None:
    # Mas-Colell, Whinston and Green 1995, example 15.B.2: each consumer has another numeraire; p1/p2 is 1/2, 1 or 2.
    endowment = 2.0 ** (8 / 9) - 2.0 ** (1 / 9)
    consumers = (QuasiLinearPower([[0.0, 1.0]], -8.0, numeraire=0), QuasiLinearPower([[1.0, 0.0]], -8.0, numeraire=1))
    found = all_equilibria(ExchangeEconomy(consumers, [[2.0, endowment], [endowment, 2.0]])).require()
    np.testing.assert_allclose([each.prices_in(1)[0] for each in found.equilibria], [0.5, 1.0, 2.0], rtol=1e-9)
    assert found.indices.tolist() == [1, -1, 1]


@pytest.mark.thorough
def test_equilibria_of_given_utilities_are_those_at_which_demand_is_known() -> None:
    # Three where demand is smooth, and none at prices near 0, where numerical demand is not exact enough to tell.
    functions = [lambda x: x[0] + 100 * (1 - np.exp(-x[1] / 10)), lambda x: x[1] + 110 * (1 - np.exp(-x[0] / 10))]
    gradients = [lambda x: np.array([1, 10 * np.exp(-x[1] / 10)]), lambda x: np.array([11 * np.exp(-x[0] / 10), 1])]
    economy = ExchangeEconomy(GivenUtility(functions, 2, gradients), [[40.0, 0.0], [0.0, 50.0]])
    found = all_equilibria(economy)
    expected = [0.278044898076121, 0.752041453235272, 5.072518842699108]
    np.testing.assert_allclose([each.prices_in(1)[0] for each in found.equilibria], expected, rtol=1e-7)
    assert found.indices.tolist() == [1, -1, 1]
