"""The strategies for exchange economies reach the corners that they promise."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, settings

from walras.market.exchange import (
    CES,
    CobbDouglas,
    ExchangeEconomy,
    Leontief,
    Linear,
    LinearQuadratic,
    Newton,
    PowerUtility,
    QuasiLinearPower,
    QuasiLinearQuadratic,
)
from walras.market.testing.strategies.exchange import (
    exchange_economies,
    exchange_endowments,
    exchange_prices,
    exchange_utilities,
    exchange_weights,
    regular_economies,
)

# Finding is the point, and shrinking takes its time: the first example will do.
PATIENT = settings(
    max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate]
)
KINDS = [
    CES,
    CobbDouglas,
    Leontief,
    Linear,
    LinearQuadratic,
    PowerUtility,
    QuasiLinearPower,
    QuasiLinearQuadratic,
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_utility(kind: type) -> None:
    found = find(exchange_utilities(2, 3), lambda utility: isinstance(utility, kind), settings=PATIENT)
    assert found.shape == (2, 3)


@pytest.mark.parametrize("limit", [-np.inf, 0.0, 1e-9, 1.0])
def test_limits_of_ces(limit: float) -> None:
    find(
        exchange_utilities(1, 2),
        lambda utility: isinstance(utility, CES) and float(np.asarray(utility.rho)[0]) == limit,
        settings=PATIENT,
    )


def test_elasticities_that_differ() -> None:
    find(
        exchange_utilities(2, 2),
        lambda utility: isinstance(utility, CES) and np.unique(np.asarray(utility.rho)).size > 1,
        settings=PATIENT,
    )


@pytest.mark.parametrize(
    "corner",
    [
        lambda economy: economy.shape[0] == 1,
        lambda economy: economy.shape[0] > 1 and (np.asarray(economy.endowments) == 0.0).all(axis=1).any(),
        lambda economy: economy.shape[0] > 1 and ((np.asarray(economy.endowments) > 0.0).sum(axis=1) == 1).all(),
        lambda economy: len(economy.utilities) == 2,
        lambda economy: len({type(each) for each in economy.utilities}) == 2,
        lambda economy: np.ptp(np.log10(economy.supplies)) > 3.0,
    ],
    ids=["one consumer", "owns nothing", "one good each", "two groups", "two kinds", "supplies over decades"],
)
def test_corners(corner: object) -> None:
    find(exchange_economies(), corner, settings=PATIENT)


@pytest.mark.parametrize(
    "corner",
    [
        lambda weights: (weights == 0.0).any(),
        lambda weights: not weights.any(axis=0).all(),
        lambda weights: (weights[0] == weights[1]).all(),
        lambda weights: weights.max() > 1e3 * weights[weights > 0].min(),
    ],
    ids=["zeros", "a good nobody wants", "same tastes", "decades"],
)
def test_corners_of_weights(corner: object) -> None:
    assert find(exchange_weights(2, 3), corner, settings=PATIENT).any(axis=1).all()


def test_prices_reach_ties_and_decades() -> None:
    assert find(exchange_prices(2), lambda prices: prices[0] == prices[1], settings=PATIENT).shape == (2,)
    find(exchange_prices(2), lambda prices: prices.max() > 1e4 * prices.min(), settings=PATIENT)


def test_endowments_leave_no_good_out() -> None:
    found = find(exchange_endowments(2, 2), lambda each: (each == 0.0).sum() == 2, settings=PATIENT)
    assert found.any(axis=0).all()


@pytest.mark.parametrize("kind", [CES, CobbDouglas, Leontief, Linear])
def test_regular_economies_of_each_kind(kind: type) -> None:
    def wanted(economy: ExchangeEconomy) -> bool:
        return isinstance(economy.utilities[0], kind) and economy.shape[0] > 1

    economy = find(regular_economies(), wanted, settings=PATIENT)
    assert Newton().solve(economy).require().certificate.largest < 1e-9
