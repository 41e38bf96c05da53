"""Solvers: Newton, tâtonnement, its flow, and the extragradient method."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import InvalidInputError
from walras.market.exchange import (
    CES,
    Adjustment,
    CobbDouglas,
    ConstantStep,
    DemandFunction,
    DiminishingStep,
    ExchangeEconomy,
    ExchangeStatus,
    Extragradient,
    GivenUtility,
    Leontief,
    Linear,
    LinearQuadratic,
    Newton,
    NormalisedStep,
    PowerUtility,
    QuasiLinearPower,
    QuasiLinearQuadratic,
    Tatonnement,
    TatonnementFlow,
)
from walras.market.exchange.homotopy import follow_path
from walras.market.properties import Property
from walras.market.testing.strategies.exchange import exchange_economies, regular_economies

SCARF = ExchangeEconomy(Leontief([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]), np.eye(3))
BOX = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), [[1.0, 2.0], [2.0, 1.0]])
KEHOE = ExchangeEconomy(PowerUtility([[1024.0, 1.0], [1.0, 1024.0]], -4.0), [[12.0, 1.0], [1.0, 12.0]])
START = [1.2, 1.0, 0.7]


# -- Newton -----------------------------------------


@given(regular_economies())
def test_newton_solves_regular_economies(economy: ExchangeEconomy) -> None:
    found = Newton().solve(economy).require()
    assert found.status is ExchangeStatus.CONVERGED
    assert found.prices.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found.allocation.sum(axis=0)[found.prices > 0], economy.supplies[found.prices > 0])
    np.testing.assert_allclose(found.excess_demand, found.allocation.sum(axis=0) - economy.supplies)
    np.testing.assert_allclose(found.utilities, economy.utility(found.allocation))
    before = economy.utility(np.asarray(economy.endowments))
    assert (found.utilities >= before * (1 - 1e-9)).all()


@given(exchange_economies())
def test_newton_says_whether_it_has_found_one(economy: ExchangeEconomy) -> None:
    found = Newton(max_iterations=40, attempts=False).solve(economy)
    if found.status is ExchangeStatus.CONVERGED:
        assert found.certificate.market_clearing <= 1e-9
        if not any(utility.signed for utility in economy.utilities):
            assert found.certificate.largest <= 1e-6
    else:
        assert found.certificate.market_clearing > 1e-11
    assert len(found.path) == found.iterations + 1


def test_cobb_douglas_prices_are_an_eigenvector() -> None:
    generator = np.random.default_rng(1)
    weights, endowments = generator.uniform(0.1, 1.0, (6, 4)), generator.uniform(0.1, 1.0, (6, 4))
    shares = weights / weights.sum(axis=1, keepdims=True)
    # Money spent on good j is p_j s_j = sum_i a_ij e_i.p: values v = p s are a left eigenvector of a stochastic matrix.
    matrix = (shares.T @ endowments) / endowments.sum(axis=0)
    values, vectors = np.linalg.eig(matrix)
    worth = np.real(vectors[:, np.argmin(np.abs(values - 1.0))])
    prices = worth / endowments.sum(axis=0)
    found = Newton().solve(ExchangeEconomy(CobbDouglas(weights), endowments)).require()
    np.testing.assert_allclose(found.prices, prices / prices.sum(), rtol=1e-10)


@pytest.mark.parametrize(("start", "share"), [(0.1, 0.1129238471), (0.5, 0.5), (0.9, 0.8870761529)])
def test_the_start_decides_between_equilibria(start: float, share: float) -> None:
    found = Newton().solve(KEHOE, [start, 1.0 - start]).require()
    assert found.prices[0] == pytest.approx(share, abs=1e-9)
    np.testing.assert_array_equal(found.path[0], [start, 1.0 - start])


ECONOMIES = {
    "quasi-linear, log": QuasiLinearPower([[0.0, 3.0, 1.0], [0.0, 1.0, 2.0]]),
    "quasi-linear, power": QuasiLinearPower([[0.0, 3.0, 1.0], [0.0, 1.0, 2.0]], [0.5, -2.0]),
    "quasi-linear, quadratic": QuasiLinearQuadratic([[0.0, 9.0, 9.0], [0.0, 5.0, 7.0]], [[0.0, 2.0, 1.0]] * 2),
    "linear": Linear([[1.0, 2.0, 3.0], [3.0, 2.0, 1.5]]),
    "linear, ties": Linear([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
    "linear and not": CES([[1.0, 2.0, 3.0], [3.0, 2.0, 1.5]], [1.0, 0.2]),
    "power, linear and not": PowerUtility([[1.0, 2.0, 3.0], [3.0, 2.0, 1.5]], [1.0, 0.0]),
    "linear limit": CES([[1.0, 2.0, 3.0], [3.0, 2.0, 1.5]], 1.0),
    "Leontief limit": CES([[1.0, 0.0, 3.0], [3.0, 2.0, 0.0]], -np.inf),
    "linear-quadratic": LinearQuadratic([[9.0, 8.0, 9.0], [7.0, 9.0, 8.0]]),
    "linear and Leontief": (Linear([[1.0, 2.0, 3.0]]), Leontief([[3.0, 2.0, 1.5]])),
    "linear and quasi-linear": (Linear([[1.0, 2.0, 3.0]]), QuasiLinearPower([[0.0, 2.0, 1.5]])),
    "by demand": DemandFunction(lambda p, w: np.outer(w, 1 / (3 * p)), 2, 3),
    "by utility": GivenUtility([lambda x: np.log(x).sum()] * 2, 3, [lambda x: 1 / x] * 2),
}


@pytest.mark.parametrize("name", ECONOMIES)
def test_newton_solves_every_kind(name: str) -> None:
    economy = ExchangeEconomy(ECONOMIES[name], [[4.0, 1.0, 2.0], [3.0, 3.0, 1.0]])
    found = Newton().solve(economy).require(1e-7 if name == "by utility" else 1e-9)
    assert found.status is ExchangeStatus.CONVERGED


def test_linear_prices_by_hand() -> None:
    # Each owns the good that the other likes: at equal prices they swap, and prices in [1/3, 3] would do for it alone;
    # budgets balance only where a unit of each costs the same.
    economy = ExchangeEconomy(Linear([[1.0, 3.0], [3.0, 1.0]]), [[1.0, 0.0], [0.0, 1.0]])
    found = Newton().solve(economy).require()
    np.testing.assert_allclose(found.prices, [0.5, 0.5], rtol=1e-12)
    np.testing.assert_allclose(found.allocation, [[0.0, 1.0], [1.0, 0.0]], atol=1e-12)
    # With twice as much of the first good it is worth 1/2, as long as the swap is still wanted.
    economy = ExchangeEconomy(Linear([[1.0, 3.0], [3.0, 1.0]]), [[2.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(Newton().solve(economy).require().prices_in(1), [0.5, 1.0], rtol=1e-12)
    # With six times as much the second consumer is left indifferent at 1/3... of the first consumer's taste.
    economy = ExchangeEconomy(Linear([[1.0, 3.0], [3.0, 1.0]]), [[6.0, 0.0], [0.0, 1.0]])
    found = Newton().solve(economy).require()
    np.testing.assert_allclose(found.prices_in(1), [1.0 / 3.0, 1.0], rtol=1e-12)
    np.testing.assert_allclose(found.allocation, [[3.0, 1.0], [3.0, 0.0]], atol=1e-12)


def test_free_goods_get_the_price_0() -> None:
    economy = ExchangeEconomy(Leontief([[1.0, 1.0, 0.0], [1.0, 2.0, 0.0]]), [[1.0, 5.0, 1.0], [2.0, 5.0, 1.0]])
    found = Newton().solve(economy).require()
    np.testing.assert_array_equal(found.prices, [1.0, 0.0, 0.0])
    np.testing.assert_allclose(found.allocation, [[1.0, 1.0, 0.0], [2.0, 4.0, 0.0]])
    unwanted = ExchangeEconomy(CES([[1.0, 2.0, 0.0]], 0.5), [[1.0, 1.0, 7.0]])
    assert Newton().solve(unwanted).require().prices[2] == 0.0


def test_where_there_is_no_equilibrium_newton_stalls() -> None:
    # Consumer 1 wants only a good that consumer 0, who wants something else, has plenty of: whatever its price.
    economy = ExchangeEconomy(Leontief([[0.0, 1.0], [1.0, 0.0]]), [[5.0, 1.0], [1.0, 0.0]])
    found = Newton().solve(economy)
    assert found.status is ExchangeStatus.STALLED
    assert found.certificate.violations(1e-9)


def test_newton_stops_after_its_iterations() -> None:
    found = Newton(max_iterations=1, attempts=False).solve(KEHOE, [0.3, 0.7])
    assert found.status is ExchangeStatus.ITERATION_LIMIT
    assert found.iterations == 1


def test_transfers_that_cannot_be_paid_at_the_start_are_no_obstacle() -> None:
    economy = ExchangeEconomy(BOX.utilities, BOX.endowments, transfers=[2.5, -2.5])
    found = Newton().solve(economy).require()
    np.testing.assert_allclose(found.prices_in(0), [1.0, 3.0], rtol=1e-9)
    np.testing.assert_allclose(found.allocation[0], [9.5 / 4, 9.5 / 4])


def test_extreme_units() -> None:
    for goods_unit in (1e-12, 1e12):
        economy = ExchangeEconomy(
            CES([[1.0, 2.0], [3.0, 1.0]], 0.5), np.array([[1.0, 2.0], [3.0, 1.0]]) * [goods_unit, 1.0]
        )
        found = Newton().solve(economy).require()
        assert found.status is ExchangeStatus.CONVERGED


def test_the_path_from_a_known_economy_leads_to_an_equilibrium() -> None:
    for economy in (KEHOE, SCARF, BOX):
        prices = follow_path(economy, np.linspace(1.0, 2.0, economy.shape[1]))
        assert prices is not None
        assert np.abs(economy.excess_demand(prices)).max() < 0.2
    assert follow_path(ExchangeEconomy(CobbDouglas([[1.0]]), [[1.0]]), np.ones(1)) is None


def test_one_good_or_one_consumer() -> None:
    alone = ExchangeEconomy(CobbDouglas([[1.0]]), [[3.0]])
    assert Newton().solve(alone).require().prices.tolist() == [1.0]
    robinson = ExchangeEconomy(CobbDouglas([[1.0, 3.0]]), [[2.0, 1.0]])
    np.testing.assert_allclose(Newton().solve(robinson).require().prices_in(0), [1.0, 6.0])


# -- tâtonnement -----------------------------------------

RULES = [
    Tatonnement(ConstantStep(0.05)),
    Tatonnement(ConstantStep(0.05), normalised=True),
    Tatonnement(ConstantStep(0.3), Adjustment.MULTIPLICATIVE),
    Tatonnement(DiminishingStep(0.3), Adjustment.MULTIPLICATIVE),
    Tatonnement(NormalisedStep(0.3, 1.0), Adjustment.MULTIPLICATIVE, tolerance=1e-2),
    Extragradient(0.05),
    Extragradient(0.05, on_simplex=True),
    TatonnementFlow(100.0),
]


@pytest.mark.parametrize("rules", RULES, ids=repr)
def test_every_rule_settles_gross_substitutes(rules: Tatonnement) -> None:
    found = rules.solve(BOX, [0.6, 0.4])
    assert found.status is ExchangeStatus.CONVERGED
    assert found.prices[0] == pytest.approx(0.25, abs=1e-2 if rules.tolerance > 1e-3 else 1e-6)
    assert found.certificate.market_clearing <= 2 * rules.tolerance
    assert found.period is None
    assert rules.declared_properties == frozenset()
    assert Property.CONVERGES not in rules.declared_properties


def test_one_round_by_hand() -> None:
    prices = np.array([1.0, 1.0])
    excess = np.array([-1.5, 1.5])

    def after_one(rules: Tatonnement) -> list[float]:
        return rules.solve(BOX, prices).path[1].tolist()

    assert after_one(Tatonnement(ConstantStep(0.2), max_iterations=1)) == pytest.approx([0.7, 1.3])
    assert after_one(Tatonnement(ConstantStep(2.0), max_iterations=1)) == [0.0, 4.0]
    assert after_one(Tatonnement(ConstantStep(0.2), normalised=True, max_iterations=1)) == pytest.approx([0.35, 0.65])
    multiplied = np.exp(0.2 * excess / 3.0)
    assert after_one(Tatonnement(ConstantStep(0.2), Adjustment.MULTIPLICATIVE, max_iterations=1)) == pytest.approx(
        multiplied
    )
    ahead = Extragradient(0.1, max_iterations=1).solve(BOX, prices).path[1]
    np.testing.assert_allclose(ahead, prices + 0.1 * BOX.excess_demand(prices + 0.1 * excess))
    simplex = Extragradient(0.1, on_simplex=True, max_iterations=1).solve(BOX, [0.8, 0.6])
    np.testing.assert_allclose(simplex.path[0], [0.6, 0.4])
    assert simplex.path[1].sum() == pytest.approx(1.0)


def test_step_rules() -> None:
    excess = np.array([3.0, -4.0])
    assert [ConstantStep(0.2).at(k, excess) for k in (0, 9)] == [0.2, 0.2]
    assert [DiminishingStep(0.2, 0.5).at(k, excess) for k in (0, 3)] == [0.2, 0.1]
    assert [NormalisedStep(1.0, 1.0).at(k, excess) for k in (0, 1)] == [0.2, 0.1]
    assert NormalisedStep(1.0, 0.0).at(7, excess) == 0.2
    assert NormalisedStep().at(0, np.zeros(2)) == 0.0


def test_scarf_moves_away_and_extragradient_cures_it() -> None:
    away = Tatonnement(ConstantStep(0.05), max_iterations=2000).solve(SCARF, START)
    assert away.status is ExchangeStatus.DIVERGES
    assert away.iterations == 2000
    cured = Extragradient(0.5).solve(SCARF, START).require()
    assert cured.status is ExchangeStatus.CONVERGED
    np.testing.assert_allclose(cured.prices, 1.0 / 3.0, atol=1e-9)


def test_the_flow_conserves_what_scarf_proved() -> None:
    found = TatonnementFlow(40.0).solve(SCARF, START)
    assert found.status is ExchangeStatus.CYCLES
    assert found.period == pytest.approx(14.0, abs=0.1)  # 2 pi / (sqrt(3) / 4) at price level 0.97
    np.testing.assert_allclose((found.path**2).sum(axis=1), 2.93, atol=1e-9)
    np.testing.assert_allclose(found.path.prod(axis=1), 0.84, atol=1e-9)
    assert found.path.shape == (2001, 3)
    short = TatonnementFlow(5.0, points=50).solve(SCARF, START)
    assert short.status is not ExchangeStatus.CYCLES
    assert short.path.shape == (50, 3)


def test_the_flow_holds_free_goods_at_0() -> None:
    economy = ExchangeEconomy(Leontief([[1.0, 1.0]]), [[1.0, 2.0]])
    found = TatonnementFlow(60.0, accuracy=1e-8).solve(economy, [1.0, 0.5])
    assert found.path.min() >= 0.0
    assert found.prices[1] < 1e-4


def test_a_step_that_is_too_large_makes_a_cycle_of_two() -> None:
    found = Tatonnement(ConstantStep(0.3), normalised=True).solve(BOX, [0.6, 0.4])
    assert found.status is ExchangeStatus.CYCLES
    assert found.period == 2.0
    assert found.iterations == 64
    np.testing.assert_allclose(found.path[-1], found.path[-3], atol=1e-5)
    # On the edge between settling and cycling the swings shrink like the root of the rounds: that is no cycle.
    edge = Tatonnement(ConstantStep(0.2), normalised=True).solve(BOX, [0.6, 0.4])
    assert edge.status is ExchangeStatus.ITERATION_LIMIT


def test_what_leaves_the_numbers_diverges() -> None:
    found = Tatonnement(ConstantStep(1e9), Adjustment.MULTIPLICATIVE).solve(BOX, [0.6, 0.4])
    assert found.status is ExchangeStatus.DIVERGES
    assert found.iterations == 0
    economy = ExchangeEconomy(BOX.utilities, BOX.endowments, transfers=[2.9, -2.9])
    assert Tatonnement().solve(economy, [1.0, 0.1]).status is ExchangeStatus.DIVERGES


def test_iteration_limit_and_start() -> None:
    found = Tatonnement(ConstantStep(1e-4), max_iterations=100).solve(BOX)
    assert found.status is ExchangeStatus.ITERATION_LIMIT
    assert found.iterations == 100
    np.testing.assert_allclose(found.path[0], [0.5, 0.5])
    settled = Tatonnement().solve(BOX, [0.25, 0.75])
    assert settled.iterations == 0
    assert settled.status is ExchangeStatus.CONVERGED


@given(st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=5))
def test_projection_on_the_simplex(values: list[float]) -> None:
    from walras.market.exchange.extragradient import _on_simplex

    point = np.array(values)
    projected = _on_simplex(point)
    assert projected.min() >= 0.0
    assert projected.sum() == pytest.approx(1.0)
    for corner in np.eye(point.size):  # the angle to each corner is not acute: no point of the simplex is nearer
        assert (point - projected) @ (corner - projected) <= 1e-9


def test_prices_in_units_of_a_good() -> None:
    found = Newton().solve(BOX)
    np.testing.assert_allclose(found.prices_in(1), [1.0 / 3.0, 1.0])
    free = Newton().solve(ExchangeEconomy(Leontief([[1.0, 1.0]]), [[1.0, 2.0]]))
    with pytest.raises(InvalidInputError, match="good 1 is free"):
        free.prices_in(1)


# -- bad input -----------------------------------------

SOLVERS = [Newton(), Tatonnement(), Extragradient(), TatonnementFlow(1.0)]
BAD: list[tuple[Callable[[], object], tuple[str, ...]]] = [
    *((lambda solver=solver: solver.solve("economy"), ("economy", "'economy'")) for solver in SOLVERS),
    *((lambda solver=solver: solver.solve(BOX, [1.0, np.nan]), ("start_prices", "nan")) for solver in SOLVERS),
    *((lambda solver=solver: solver.solve(BOX, [1.0, -1.0]), ("start_prices", "-1.0")) for solver in SOLVERS),
    *((lambda solver=solver: solver.solve(BOX, [0.0, 0.0]), ("start_prices", "not all be 0")) for solver in SOLVERS),
    *((lambda solver=solver: solver.solve(BOX, [1.0]), ("start_prices", "expected 2")) for solver in SOLVERS),
    (lambda: Newton(tolerance=0.0), ("Newton.tolerance", "0.0")),
    (lambda: Newton(max_iterations=0), ("Newton.max_iterations", "0")),
    (lambda: Newton(attempts=1), ("Newton.attempts", "1")),
    (lambda: Tatonnement(0.1), ("Tatonnement.step", "0.1")),
    (lambda: Tatonnement(adjustment="additive"), ("Tatonnement.adjustment", "'additive'")),
    (lambda: Tatonnement(normalised=1), ("Tatonnement.normalised", "1")),
    (lambda: Tatonnement(tolerance=-1.0), ("Tatonnement.tolerance", "-1.0")),
    (lambda: Tatonnement(max_iterations=0), ("Tatonnement.max_iterations", "0")),
    (lambda: Tatonnement(cycle_tolerance=0.0), ("Tatonnement.cycle_tolerance", "0.0")),
    (lambda: Extragradient(0.0), ("Extragradient.step", "0.0")),
    (lambda: Extragradient(on_simplex="yes"), ("Extragradient.on_simplex", "'yes'")),
    (lambda: Extragradient(tolerance=np.nan), ("Extragradient.tolerance", "nan")),
    (lambda: Extragradient(max_iterations=0), ("Extragradient.max_iterations", "0")),
    (lambda: Extragradient(cycle_tolerance=0.0), ("Extragradient.cycle_tolerance", "0.0")),
    (lambda: TatonnementFlow(0.0), ("TatonnementFlow.horizon", "0.0")),
    (lambda: TatonnementFlow(1.0, points=1), ("TatonnementFlow.points", "1")),
    (lambda: TatonnementFlow(1.0, accuracy=0.0), ("TatonnementFlow.accuracy", "0.0")),
    (lambda: TatonnementFlow(1.0, tolerance=0.0), ("TatonnementFlow.tolerance", "0.0")),
    (lambda: ConstantStep(0.0), ("ConstantStep.size", "0.0")),
    (lambda: DiminishingStep(0.0), ("DiminishingStep.size", "0.0")),
    (lambda: DiminishingStep(1.0, 0.0), ("DiminishingStep.power", "0.0")),
    (lambda: DiminishingStep(1.0, 1.5), ("DiminishingStep.power", "at most 1", "1.5")),
    (lambda: NormalisedStep(0.0), ("NormalisedStep.size", "0.0")),
    (lambda: NormalisedStep(1.0, -0.5), ("NormalisedStep.power", "-0.5")),
    (lambda: NormalisedStep(1.0, 1.5), ("NormalisedStep.power", "at most 1", "1.5")),
    (lambda: Newton().solve(BOX).prices_in(2), ("numeraire", "2")),
    (lambda: Newton().solve(BOX).prices_in(-1), ("numeraire", "-1")),
]


@pytest.mark.parametrize(("call", "parts"), BAD)
def test_bad_input(call: Callable[[], object], parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        call()
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize("seed", range(40))
def test_newton_solves_linear_economies_of_rich_and_poor(seed: int) -> None:
    # Endowments of twelve orders of magnitude, or consumers and goods of which some own and some are owned by nobody.
    generator = np.random.default_rng([4, seed])
    consumers, goods = generator.integers(1, 6, 2)
    endowments = 10.0 ** generator.uniform(-6.0, 6.0, (consumers, goods))
    if seed % 2:
        endowments = generator.random((consumers, goods)) * (generator.random((consumers, goods)) < 0.6)
        endowments[:, endowments.sum(axis=0) == 0.0] = 1.0
    economy = ExchangeEconomy(Linear(generator.random((consumers, goods)) + 0.05), endowments)
    assert Newton().solve(economy).require(1e-9).status is ExchangeStatus.CONVERGED


def test_newton_finds_the_price_of_a_cheap_good_beside_linear_consumers() -> None:
    # Only the last consumer wants the last good, which is worth 5e-8 of all: found to full accuracy all the same.
    utilities = CES(
        [[1.0, 2.0, 2.0, 0.0], [0.0, 2.0, 2.0, 0.0], [1.0, 2.0, 0.0, 0.0], [2.0, 2.0, 1.0, 2.0]], [1, 0.9, 1, -8]
    )
    endowments = [
        [0.03, 0.85, 0.02, 0.48],
        [0.55, 0.18, 0.70, 0.31],
        [0.03, 0.40, 0.51, 0.27],
        [0.12, 0.11, 0.55, 0.76],
    ]
    found = Newton().solve(ExchangeEconomy(utilities, endowments)).require(1e-11)
    assert found.status is ExchangeStatus.CONVERGED
    assert 0.0 < found.prices[3] < 1e-6


def test_newton_solves_near_complements_whose_prices_lie_far_apart() -> None:
    # One consumer with rho = -12 holds its endowment at prices in proportion to weights times endowments^(rho - 1).
    endowments = np.array([[0.0372, 0.44117, 0.43248, 0.25925]])
    found = Newton().solve(ExchangeEconomy(CES(np.ones((1, 4)), -12.0), endowments)).require(1e-9)
    expected = endowments[0] ** -13.0
    np.testing.assert_allclose(found.prices, expected / expected.sum(), rtol=1e-9)
    assert found.prices.min() < 1e-13


def test_newton_gives_away_what_nobody_wants() -> None:
    endowments = np.array([[0.47575, 0.04392, 0.55637, 0.04431, 0.27779]])
    found = Newton().solve(ExchangeEconomy(CES([[1.0, 2.0, 2.0, 2.0, 0.0]], -12.0), endowments)).require(1e-9)
    assert found.status is ExchangeStatus.CONVERGED
    assert found.prices[4] == 0.0


@pytest.mark.parametrize("start", [[1.0, 0.0, 0.0], [1e-12, 1.0, 1e12]])
def test_the_flow_from_prices_at_the_edge_ends_without_a_warning(start: list[float]) -> None:
    found = TatonnementFlow(1.0, points=11).solve(SCARF, start)
    assert found.status in (ExchangeStatus.DIVERGES, ExchangeStatus.ITERATION_LIMIT)
