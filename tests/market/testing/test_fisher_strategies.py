"""The strategies for Fisher markets reach the corners that they promise."""

import numpy as np
import pytest
from hypothesis import HealthCheck, find, settings

from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherStatus, LeontiefUtility, LinearUtility
from walras.market.testing.strategies.fisher import (
    FisherCase,
    fisher_budgets,
    fisher_cases,
    fisher_utilities,
    fisher_valuations,
)

PATIENT = settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.parametrize("kind", [LinearUtility, CESUtility, CobbDouglasUtility, LeontiefUtility])
def test_every_kind_of_utility(kind: type) -> None:
    assert isinstance(find(fisher_utilities(), lambda utility: isinstance(utility, kind), settings=PATIENT), kind)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_substitutes_and_complements(sign: float) -> None:
    find(fisher_utilities(), lambda each: isinstance(each, CESUtility) and sign * each.rho > 0.0, settings=PATIENT)


@pytest.mark.parametrize(
    "corner",
    [
        lambda case: case.valuations.shape[0] == 1,
        lambda case: case.valuations.shape[1] == 1,
        lambda case: not case.valuations.any(axis=0).all(),
        lambda case: case.valuations.shape[0] > 1 and (case.valuations[0] == case.valuations[1]).all(),
        lambda case: case.budgets.size > 1 and np.ptp(case.budgets) == 0.0,
        lambda case: case.budgets.size > 1 and np.ptp(np.log10(case.budgets)) > 4.0,
        lambda case: isinstance(case.market.supplies, tuple),
        lambda case: case.market.supplies == 1.0,
        lambda case: case.valuations.max() > 100.0,
    ],
    ids=[
        "one buyer",
        "one good",
        "a good that nobody values",
        "identical buyers",
        "equal budgets",
        "rich and poor",
        "supplies of each good",
        "unit supplies",
        "valuations over decades",
    ],
)
def test_corners(corner: object) -> None:
    find(fisher_cases(), corner, settings=PATIENT)


@pytest.mark.parametrize(
    ("utility", "status"),
    [
        (LinearUtility, FisherStatus.UNIQUE),
        (LinearUtility, FisherStatus.MANY_ALLOCATIONS),
        (LeontiefUtility, FisherStatus.MANY_PRICES),
    ],
)
def test_every_exact_status(utility: type, status: FisherStatus) -> None:
    def reached(case: FisherCase) -> bool:
        return isinstance(case.market.utility, utility) and case.equilibrium().status is status

    find(fisher_cases(), reached, settings=PATIENT)


def test_sizes_and_ranges_are_those_asked_for() -> None:
    assert find(fisher_budgets(3), lambda _: True, settings=PATIENT).shape == (3,)
    assert find(fisher_valuations(2, 3), lambda _: True, settings=PATIENT).shape == (2, 3)
    wide = find(fisher_budgets(2, decades=12), lambda budgets: budgets.min() < 1e-9, settings=PATIENT)
    assert wide.min() >= 1e-12


def test_but_replaces_what_is_named_only() -> None:
    case = find(fisher_cases(), lambda case: case.valuations.shape == (2, 2), settings=PATIENT)
    richer = case.but(budgets=2.0 * case.budgets)
    np.testing.assert_array_equal(richer.budgets, 2.0 * case.budgets)
    assert richer.market.utility == case.market.utility
    assert richer.market.supplies == case.market.supplies
    assert richer.valuations is case.valuations
    assert case.but(valuations=np.eye(2)).market == case.market
