"""All equilibria, index and stability; efficiency, supporting prices, and the core."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.market import InfeasibleError, InvalidInputError, NotDifferentiableError
from walras.market.exchange import (
    CES,
    CobbDouglas,
    DemandFunction,
    EquilibriumSetStatus,
    ExchangeEconomy,
    Leontief,
    Linear,
    LinearQuadratic,
    Newton,
    PowerUtility,
    QuasiLinearPower,
    Stability,
    SupportStatus,
    all_equilibria,
    blocking_coalition,
    in_the_core,
    is_pareto_efficient,
    pareto_waste,
    supporting_transfers,
    tatonnement_eigenvalues,
)
from walras.market.testing.strategies.exchange import regular_economies

SCARF = ExchangeEconomy(Leontief([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]), np.eye(3))
KEHOE = ExchangeEconomy(PowerUtility([[1024.0, 1.0], [1.0, 1024.0]], -4.0), [[12.0, 1.0], [1.0, 12.0]])
SWAP = ExchangeEconomy(CobbDouglas([[1.0, 1.0], [1.0, 1.0]]), [[1.0, 0.0], [0.0, 1.0]])


# -- all equilibria -----------------------------------------


def test_three_equilibria() -> None:
    found = all_equilibria(KEHOE).require()
    np.testing.assert_allclose(found.prices[:, 0], [0.1129238471, 0.5, 0.8870761529], atol=1e-9)
    assert found.indices.tolist() == [1, -1, 1]
    assert found.stabilities == (Stability.STABLE, Stability.UNSTABLE, Stability.STABLE)
    assert found.status is EquilibriumSetStatus.INDICES_ADD_UP


def test_more_goods() -> None:
    economy = ExchangeEconomy(
        PowerUtility([[1024.0, 1.0, 1.0], [1.0, 1024.0, 1.0]], -4.0), [[12.0, 1.0, 6.0], [1.0, 12.0, 6.0]]
    )
    found = all_equilibria(economy, starts=40).require()
    assert found.indices.tolist() == [1, -1, 1]
    assert found.stabilities[1] is Stability.UNSTABLE
    np.testing.assert_allclose(found.prices[0], found.prices[2, [1, 0, 2]], rtol=1e-8)
    assert found.status is EquilibriumSetStatus.INDICES_ADD_UP
    assert len(all_equilibria(economy, starts=1).equilibria) == 1
    same = all_equilibria(economy, starts=40, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(same.prices, found.prices)


def test_a_missing_equilibrium_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    module = importlib.import_module("walras.market.exchange.all_equilibria")
    monkeypatch.setattr(module, "_two_goods", lambda economy: [np.array([0.5, 0.5])])
    only = all_equilibria(KEHOE)
    assert only.indices.tolist() == [-1]
    assert only.status is EquilibriumSetStatus.SOME_MISSING


def test_scarf_has_one_neutral_equilibrium() -> None:
    found = all_equilibria(SCARF, starts=10).require()
    np.testing.assert_allclose(found.prices, [[1 / 3] * 3], atol=1e-9)
    assert found.stabilities == (Stability.NEUTRAL,)
    np.testing.assert_allclose(tatonnement_eigenvalues(SCARF, [1.0] * 3), [-0.25j * 3**0.5, 0.25j * 3**0.5], atol=1e-12)
    np.testing.assert_allclose(tatonnement_eigenvalues(SCARF, [2.0] * 3).imag, [-(3**0.5) / 8, 3**0.5 / 8], atol=1e-12)


def test_free_goods_are_equilibria_too() -> None:
    # u = min(x, y): with less of the first good only it has a price.
    found = all_equilibria(ExchangeEconomy(Leontief([[1.0, 1.0]]), [[1.0, 2.0]])).require()
    np.testing.assert_array_equal(found.prices, [[1.0, 0.0]])
    assert found.indices.tolist() == [1]
    assert found.stabilities == (Stability.STABLE,)
    assert found.status is EquilibriumSetStatus.INDICES_ADD_UP


def test_a_continuum_is_degenerate() -> None:
    found = all_equilibria(ExchangeEconomy(Leontief([[1.0, 1.0]]), [[1.0, 1.0]]))
    assert found.status is EquilibriumSetStatus.DEGENERATE
    assert 0 in found.indices


def test_equilibria_that_touch_are_found() -> None:
    # Between one and three equilibria lies an endowment at which two of them merge.
    def count(own: float) -> int:
        return len(all_equilibria(ExchangeEconomy(KEHOE.utilities, [[own, 1.0], [1.0, own]])).equilibria)

    assert (count(6.0), count(12.0)) == (1, 3)


def test_no_equilibrium_found() -> None:
    economy = ExchangeEconomy(Leontief([[0.0, 1.0], [1.0, 0.0]]), [[5.0, 1.0], [1.0, 0.0]])
    found = all_equilibria(economy)
    assert found.equilibria == ()
    assert found.status is EquilibriumSetStatus.SOME_MISSING
    assert found.certificate.largest == 0.0


@settings(max_examples=20)
@given(regular_economies(max_goods=2))
def test_indices_add_up(economy: ExchangeEconomy) -> None:
    if any(isinstance(utility, Linear) for utility in economy.utilities):
        return
    found = all_equilibria(economy)
    if found.status is not EquilibriumSetStatus.DEGENERATE:
        assert found.indices.sum() == 1
        newton = Newton().solve(economy)
        assert np.abs(found.prices - newton.prices).max(axis=1).min() < 1e-6
    assert found.certificate.largest < 1e-8


# -- efficiency -----------------------------------------


@given(regular_economies())
def test_equilibria_are_efficient_in_the_core_and_supported_without_transfers(economy: ExchangeEconomy) -> None:
    found = Newton().solve(economy).require()
    allocation = np.minimum(
        found.allocation, found.allocation * (economy.supplies / found.allocation.sum(axis=0).clip(1e-300))
    )
    assert pareto_waste(economy, allocation) <= 1e-7
    assert in_the_core(economy, allocation)
    if any(isinstance(utility, Leontief) for utility in economy.utilities):
        return  # several prices support it, also such at which the numeraire is free
    support = supporting_transfers(economy, allocation, tolerance=1e-6)
    certificate = support.economy.certify(support.prices, allocation)
    assert certificate.optimality <= 1e-6
    assert abs(support.transfers.sum()) <= 1e-9 * economy.supplies[0]


@settings(max_examples=15)
@given(regular_economies(max_consumers=2, max_goods=3))
def test_no_trade_is_inefficient_if_slopes_differ(economy: ExchangeEconomy) -> None:
    """Oracle: two consumers whose rates of substitution differ can trade."""
    endowments = np.asarray(economy.endowments)
    utility = economy.utilities[0]
    if isinstance(utility, Leontief):
        return
    slopes = utility.marginal_utilities(endowments)
    rates = slopes[:, :1] / slopes
    differ = np.abs(rates / rates[0] - 1.0).max() > 0.1
    if differ:
        assert pareto_waste(economy, endowments) > 1e-6
        assert not is_pareto_efficient(economy, endowments)
        assert not in_the_core(economy, endowments)
        with pytest.raises(InfeasibleError, match="not Pareto efficient"):
            supporting_transfers(economy, endowments)


WASTE: list[tuple[ExchangeEconomy, list[list[float]], float]] = [
    (SWAP, [[0.5, 0.5], [0.5, 0.5]], 0.0),
    (SWAP, [[0.9, 0.9], [0.1, 0.1]], 0.0),
    (SWAP, [[1.0, 1.0], [0.0, 0.0]], 0.0),
    (SWAP, [[0.5, 0.5], [0.25, 0.25]], 0.25),  # a quarter is left over
    (SWAP, [[1.0, 0.0], [0.0, 1.0]], 1.0),
    (ExchangeEconomy(Leontief([[1.0, 1.0], [1.0, 1.0]]), [[1.0, 0.0], [0.0, 1.0]]), [[0.5, 0.5], [0.5, 0.5]], 0.0),
    (ExchangeEconomy(CES([[1.0, 1.0], [1.0, 1.0]], -np.inf), [[1.0, 0.0], [0.0, 1.0]]), [[0.5, 0.5], [0.5, 0.5]], 0.0),
    (ExchangeEconomy(Leontief([[1.0, 1.0], [1.0, 1.0]]), [[1.0, 0.0], [0.0, 1.0]]), [[0.25, 0.75], [0.75, 0.25]], 0.5),
    (ExchangeEconomy(Linear([[1.0, 1.0], [1.0, 1.0]]), [[1.0, 0.0], [0.0, 1.0]]), [[1.0, 0.0], [0.0, 1.0]], 0.0),
    (ExchangeEconomy(Linear([[1.0, 3.0], [3.0, 1.0]]), [[1.0, 0.0], [0.0, 1.0]]), [[1.0, 0.0], [0.0, 1.0]], 2 / 3),
    (
        ExchangeEconomy((CES([[1.0, 1.0], [1.0, 1.0]], [-np.inf, 0.5]),), [[1.0, 1.0], [1.0, 1.0]]),
        [[1.0, 1.0], [1.0, 1.0]],
        0.0,
    ),
    (
        ExchangeEconomy(LinearQuadratic([[5.0, 5.0], [5.0, 5.0]]), [[0.0, 2.0], [2.0, 0.0]]),
        [[1.0, 1.0], [1.0, 1.0]],
        0.0,
    ),
    (ExchangeEconomy(QuasiLinearPower([[0.0, 1.0]] * 2), [[5.0, 1.0], [5.0, 1.0]]), [[8.0, 1.0], [2.0, 1.0]], 0.0),
]


@pytest.mark.parametrize(("economy", "allocation", "waste"), WASTE)
def test_pareto_waste(economy: ExchangeEconomy, allocation: list[list[float]], waste: float) -> None:
    assert pareto_waste(economy, allocation) == pytest.approx(waste, abs=1e-9)
    assert is_pareto_efficient(economy, allocation) is (waste == 0.0)


def test_linear_quadratic_waste_shows() -> None:
    economy = ExchangeEconomy(LinearQuadratic([[5.0, 5.0], [5.0, 5.0]]), [[0.0, 2.0], [2.0, 0.0]])
    assert not is_pareto_efficient(economy, economy.endowments)


def test_second_welfare_theorem() -> None:
    allocation = [[0.75, 0.75], [0.25, 0.25]]
    found = supporting_transfers(SWAP, allocation).require()
    np.testing.assert_allclose(found.prices, [0.5, 0.5])
    np.testing.assert_allclose(found.transfers, [0.5, -0.5])
    assert found.status is SupportStatus.SUPPORTED
    again = Newton().solve(found.economy).require()
    np.testing.assert_allclose(again.allocation, allocation, atol=1e-9)
    other = ExchangeEconomy(SWAP.utilities, [[2.0, 0.0], [0.0, 1.0]], numeraire=1)
    found = supporting_transfers(other, [[1.5, 0.75], [0.5, 0.25]]).require()
    np.testing.assert_allclose(found.prices, [1 / 3, 2 / 3])
    np.testing.assert_allclose(found.transfers, [0.5, -0.5])  # 1.5 - 1 units of the second good
    assert found.economy.numeraire == 1


def test_a_free_numeraire_can_pay_no_transfers() -> None:
    economy = ExchangeEconomy(Leontief([[1.0, 1.0], [1.0, 1.0]]), [[2.0, 0.0], [2.0, 1.0]])
    with pytest.raises(InfeasibleError, match="good 0, is free"):
        supporting_transfers(economy, [[0.5, 0.5], [0.5, 0.5]])


# -- the core -----------------------------------------


def test_who_gets_less_than_it_owns_blocks_alone() -> None:
    economy = ExchangeEconomy(CobbDouglas([[1.0, 1.0]] * 3), np.ones((3, 2)))
    found = blocking_coalition(economy, [[1.5, 1.5], [0.5, 0.5], [1.0, 1.0]])
    assert found is not None
    assert found.members == (1,)
    np.testing.assert_allclose(found.bundles, [[1.0, 1.0]])
    assert found.share_needed == pytest.approx(0.5, abs=1e-4)
    assert in_the_core(economy, np.ones((3, 2)))


def test_a_pair_blocks_what_leaves_it_short() -> None:
    # Two left shoes and one right shoe: who owns a left one gets nothing in the core, competition being sharp.
    economy = ExchangeEconomy(CES([[1.0, 1.0]] * 3, -2.0), [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    allocation = [[1.0, 0.45], [0.5, 0.1], [0.5, 0.45]]
    found = blocking_coalition(economy, allocation)
    assert found is not None
    better = economy.utility(
        np.array([found.bundles[found.members.index(i)] if i in found.members else [1.0, 1.0] for i in range(3)])
    )
    assert all(better[i] > economy.utility(allocation)[i] for i in found.members)
    owned = np.asarray(economy.endowments)[list(found.members)].sum(axis=0)
    assert (found.bundles.sum(axis=0) <= owned + 1e-9).all()


def test_endowments_that_nobody_can_better() -> None:
    assert blocking_coalition(SWAP, [[0.5, 0.5], [0.5, 0.5]]) is None
    assert blocking_coalition(SWAP, [[1.0, 0.0], [0.0, 1.0]]).members == (0, 1)  # type: ignore[union-attr]
    assert in_the_core(SWAP, [[0.9, 0.9], [0.1, 0.1]])  # alone, each would have no utility at all


@given(regular_economies(max_consumers=2, max_goods=2), st.floats(0.05, 0.95))
def test_a_pair_of_consumers_core_is_efficiency_and_participation(economy: ExchangeEconomy, share: float) -> None:
    """Oracle: with two consumers, the core is what is efficient and leaves nobody worse off than alone."""
    if economy.shape[0] != 2:
        return
    allocation = np.array([share * economy.supplies, (1.0 - share) * economy.supplies])
    alone = economy.utility(np.asarray(economy.endowments))
    gains = economy.utility(allocation) / alone - 1.0
    waste = pareto_waste(economy, allocation)
    if np.abs(gains).min() < 1e-3 or 1e-9 < waste < 1e-3:
        return
    assert in_the_core(economy, allocation, tolerance=1e-5) is bool((gains > 0.0).all() and waste <= 1e-9)


# -- bad input -----------------------------------------

LINEAR = ExchangeEconomy(Linear([[1.0, 1.0]]), [[1.0, 1.0]])
UNKNOWN = ExchangeEconomy(DemandFunction(lambda p, w: [[1.0, 1.0]], 1, 2), [[1.0, 1.0]])
MANY = ExchangeEconomy(CobbDouglas(np.ones((13, 2))), np.ones((13, 2)))
SIGNED = ExchangeEconomy(LinearQuadratic([[5.0, 5.0]]), [[1.0, 1.0]])
TAXED = ExchangeEconomy(SWAP.utilities, SWAP.endowments, transfers=[0.1, -0.1])
HALF = [[0.5, 0.5], [0.5, 0.5]]
FUNCTIONS = [pareto_waste, is_pareto_efficient, supporting_transfers, blocking_coalition, in_the_core]
BAD: list[tuple[Callable[[], object], type[Exception], tuple[str, ...]]] = [
    *(
        (lambda call=call, economy=economy, x=x: call(economy, x), error, parts)
        for call in FUNCTIONS
        for economy, x, error, parts in (
            (3.0, HALF, InvalidInputError, ("economy", "3.0")),
            (SWAP, [[np.nan, 0.0]] * 2, InvalidInputError, ("allocation", "nan")),
            (SWAP, [[1.0, 1.0]], InvalidInputError, ("allocation", "(2, 2)")),
            (SWAP, [[-0.5, 0.5], [0.5, 0.5]], InvalidInputError, ("allocation", "(0, 0)", "-0.5")),
            (SWAP, [[1.0, 0.5], [0.5, 0.5]], InfeasibleError, ("allocation", "good 0", "1.5")),
            (UNKNOWN, [[1.0, 1.0]], InvalidInputError, ("economy", "demand")),
        )
    ),
    *(
        (lambda call=call: call(SWAP, HALF, tolerance=0.0), InvalidInputError, ("tolerance", "0.0"))
        for call in FUNCTIONS[1:]
    ),
    (lambda: blocking_coalition(MANY, np.ones((13, 2))), InvalidInputError, ("economy", "at most 12", "13")),
    (lambda: blocking_coalition(SIGNED, [[1.0, 1.0]]), InvalidInputError, ("economy", "0 or more")),
    (lambda: blocking_coalition(TAXED, HALF), InvalidInputError, ("economy", "no transfers")),
    (lambda: all_equilibria("economy"), InvalidInputError, ("economy", "'economy'")),
    (lambda: all_equilibria(LINEAR), InvalidInputError, ("economy", "linear consumers")),
    (
        lambda: all_equilibria(ExchangeEconomy(CobbDouglas([[1.0]]), [[1.0]])),
        InvalidInputError,
        ("economy", "two goods"),
    ),
    (lambda: all_equilibria(SWAP, starts=0), InvalidInputError, ("starts", "0")),
    (lambda: all_equilibria(SWAP, spread=0.0), InvalidInputError, ("spread", "0.0")),
    (lambda: all_equilibria(SWAP, rng=3), InvalidInputError, ("rng", "3")),
    (lambda: tatonnement_eigenvalues("economy", [1.0]), InvalidInputError, ("economy", "'economy'")),
    (lambda: tatonnement_eigenvalues(SWAP, [1.0, 0.0]), InvalidInputError, ("prices", "0.0")),
    (lambda: tatonnement_eigenvalues(SWAP, [1.0]), InvalidInputError, ("prices", "expected 2")),
    (lambda: tatonnement_eigenvalues(LINEAR, [1.0, 1.0]), NotDifferentiableError, ("linear consumers",)),
]


@pytest.mark.parametrize(("call", "error", "parts"), BAD)
def test_bad_input(call: Callable[[], object], error: type[Exception], parts: tuple[str, ...]) -> None:
    with pytest.raises(error) as caught:
        call()
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_group_is_found_where_the_programs_own_prices_would_wander() -> None:
    economy = ExchangeEconomy(CobbDouglas([[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]), [[1.0, 1.0, 1.0], [1.0, 3.0, 1.0]])
    found = blocking_coalition(economy, economy.endowments)
    assert found is not None
    assert found.members == (0, 1)
    assert (economy.utility(found.bundles) > economy.utility(economy.endowments)).all()
