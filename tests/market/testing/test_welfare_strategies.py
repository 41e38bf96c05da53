"""The strategies reach the corners that measures of welfare must survive."""

import numpy as np
import pytest
from hypothesis import find, given, settings

from walras.market.testing.strategies.welfare import group_labels, holdings, weights, whole_weights

MANY = settings(max_examples=2000, database=None)


@pytest.mark.parametrize(
    "corner",
    [
        lambda x: x.size == 1,
        lambda x: x.size == 12,
        lambda x: not x.any(),
        lambda x: x.size > 3 and np.count_nonzero(x) == 1,
        lambda x: x.size > 3 and np.unique(x).size == 1 and x[0] > 0.0,
        lambda x: np.unique(x).size in range(2, x.size),
        lambda x: x.max() > 1e250 and 0.0 < x.min() < 1e-250,
    ],
    ids=["alone", "many", "nothing", "one owner", "equal", "ties", "scales"],
)
def test_holdings_reach(corner):
    find(holdings(), corner, settings=MANY)


@given(x=holdings(positive=True, moderate=True))
def test_positive_and_moderate(x):
    assert np.all((x >= 1e-6) & (x <= 1e6))


@given(x=holdings(moderate=True))
def test_moderate(x):
    assert np.all((x == 0.0) | ((x >= 1e-6) & (x <= 1e6)))


@pytest.mark.parametrize("drawn", [weights(4), whole_weights(4)], ids=["any", "whole"])
@pytest.mark.parametrize("corner", [lambda w: (w == 0.0).sum() == 3, lambda w: np.all(w == 1.0)], ids=["one", "equal"])
def test_weights_reach(drawn, corner):
    find(drawn, corner, settings=MANY)


def test_labels_reach_one_group_and_three():
    find(group_labels(4), lambda labels: len(set(labels)) == 1, settings=MANY)
    find(group_labels(4), lambda labels: len(set(labels)) == 3, settings=MANY)
