"""The Gini coefficient: values by hand, and the axioms of an inequality measure."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import gini

amounts = st.one_of(st.just(0.0), st.floats(1e-6, 1e6))
populations = st.lists(amounts, min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("holdings", "expected"),
    [
        ([7.0], 0.0),
        ([0.0, 0.0], 0.0),
        ([4.0, 4.0, 4.0], 0.0),
        ([0.0, 1.0], 1 / 2),
        ([0.0, 0.0, 0.0, 9.0], 3 / 4),
        ([3.0, 1.0, 2.0], 2 / 9),
        ([1.0, 3.0], 1 / 4),
        ([1e308, 1e308, 0.0], 1 / 3),
        ([5e-324, 0.0], 1 / 2),
    ],
)
def test_values_by_hand(holdings: list[float], expected: float) -> None:
    assert gini(holdings) == pytest.approx(expected, rel=1e-14, abs=1e-16)


@given(holdings=populations)
def test_is_half_the_mean_absolute_difference_over_the_mean(holdings: list[float]) -> None:
    assume(any(holdings))
    x = np.array(holdings)
    by_definition = np.abs(x[:, np.newaxis] - x).mean() / (2.0 * x.mean())
    assert gini(holdings) == pytest.approx(by_definition, rel=1e-9, abs=1e-12)


@given(holdings=populations)
def test_lies_between_equality_and_one_owner_of_all(holdings: list[float]) -> None:
    assert -1e-15 <= gini(holdings) <= 1.0 - 1.0 / len(holdings) + 1e-15


@given(data=st.data(), holdings=populations, factor=st.floats(1e-3, 1e3), copies=st.integers(1, 3))
def test_has_no_unit_no_names_and_no_size(
    data: st.DataObject, holdings: list[float], factor: float, copies: int
) -> None:
    changed = factor * np.array(data.draw(st.permutations(holdings)) * copies)
    assert gini(changed) == pytest.approx(gini(holdings), rel=1e-9, abs=1e-12)


@given(holdings=populations, fraction=st.floats(0.1, 0.9))
def test_falls_when_the_rich_give_to_the_poor(holdings: list[float], fraction: float) -> None:
    x = np.sort(holdings)
    gap = x[-1] - x[0]
    assume(gap > 1e-3 * x[-1])
    before = gini(x)
    x[0] += 0.5 * fraction * gap
    x[-1] -= 0.5 * fraction * gap
    assert gini(x) < before


def test_leaves_the_holdings_in_their_order() -> None:
    holdings = np.array([3.0, 1.0, 2.0])
    gini(holdings)
    assert holdings.tolist() == [3.0, 1.0, 2.0]
