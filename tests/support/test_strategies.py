"""Each corner that the market strategies promise is reached: `hypothesis.find` gives an example of it."""

import math

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from tests.support.strategies import SMOOTH_RULES, CapacityCase, boundaries, capacity_cases


def spread(values: np.ndarray) -> float:
    return float(np.ptp(values))


def scale(case: CapacityCase) -> float:
    return getattr(case.demand, "width", None) or case.demand.temperature


CORNERS = {
    "one agent": lambda case: case.costs.size == 1,
    "many agents": lambda case: case.costs.size >= 6,
    "a tie": lambda case: 1 < np.unique(case.net_valuations).size < case.costs.size,
    "a tie of agents with different costs": lambda case: any(
        np.unique(case.costs[case.net_valuations == a]).size > 1 for a in case.net_valuations
    ),
    "all equal": lambda case: case.costs.size >= 3 and spread(case.net_valuations) == 0.0 and spread(case.costs) == 0.0,
    "zero valuations": lambda case: case.costs.size >= 2 and not case.valuations.any(),
    "negative valuations": lambda case: case.costs.size >= 2 and case.valuations.max() < 0.0,
    "nothing to sell": lambda case: case.quantity == 0.0,
    "everything to sell": lambda case: case.quantity == math.fsum(case.costs),
    "almost nothing to sell": lambda case: 0.0 < case.quantity < 1e-6 * min(case.costs),
    "almost everything to sell": lambda case: 0.0 < math.fsum(case.costs) - case.quantity < 1e-6 * min(case.costs),
    "a boundary between two different agents": lambda case: any(
        case.quantity == boundary and np.unique(case.net_valuations).size == case.costs.size
        for boundary in boundaries(case.net_valuations, case.costs)
    ),
    "inside an agent": lambda case: (
        0.0 < case.quantity < math.fsum(case.costs) and case.quantity not in boundaries(case.net_valuations, case.costs)
    ),
    "costs over twelve orders of magnitude": lambda case: case.costs.max() >= 1e12 * case.costs.min(),
    "no tax": lambda case: case.costs.size >= 2 and not case.tax_rates.any(),
    "one tax for all": lambda case: case.costs.size >= 2 and spread(case.tax_rates) == 0.0 and case.tax_rates[0] > 0.0,
    "a tax and a subsidy": lambda case: case.tax_rates.min() < 0.0 < case.tax_rates.max(),
}

SCALES = {
    "tiny beside the valuations": lambda case: scale(case) < 1e-9 * spread(case.net_valuations),
    "huge beside the valuations": lambda case: scale(case) > 1e6 * max(spread(case.net_valuations), 1.0),
}


# An example is enough; shrinking it would prove nothing more and takes most of the time.
FOUND = settings(max_examples=2000, phases=[Phase.generate], database=None)


@pytest.mark.parametrize("corner", CORNERS)
def test_corner_is_reached(corner: str) -> None:
    find(capacity_cases("step"), CORNERS[corner], settings=FOUND)  # bids are drawn alike for every rule


@pytest.mark.parametrize("rule", SMOOTH_RULES)
@pytest.mark.parametrize("corner", SCALES)
def test_width_and_temperature_are_reached(rule: str, corner: str) -> None:
    find(capacity_cases(rule), SCALES[corner], settings=FOUND)


@pytest.mark.parametrize("corner", [corner for corner in CORNERS if not corner.startswith(("almost", "costs over"))])
def test_corner_is_reached_with_exact_numbers(corner: str) -> None:
    find(capacity_cases("step", exact=True), CORNERS[corner], settings=FOUND)
