"""Groups: the decomposition of entropy is exactly additive, and each group's value is its own."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market.testing.strategies.welfare import group_labels, holdings, whole_weights
from walras.market.welfare import decompose_entropy, generalised_entropy, gini, per_group

ALPHAS = (-1.0, 0.0, 0.5, 1.0, 2.0)


@pytest.mark.parametrize("alpha", ALPHAS)
@given(data=st.data(), x=holdings(positive=True, moderate=True))
def test_between_and_within_add_up(alpha, data, x):
    split = decompose_entropy(x, data.draw(group_labels(x.size)), alpha)
    assert split.total == pytest.approx(split.between + split.within, rel=1e-8, abs=1e-12)
    assert split.total == generalised_entropy(x, alpha)
    assert split.population_shares.sum() == pytest.approx(1.0)
    assert split.holding_shares.sum() == pytest.approx(1.0)
    assert split.between >= 0.0
    assert split.within >= 0.0


@given(data=st.data(), x=holdings(moderate=True), alpha=st.sampled_from([0.5, 1.0, 2.0]))
def test_also_with_weights_and_zeros(data, x, alpha):
    counts = data.draw(whole_weights(x.size)) + 1.0
    labels = data.draw(group_labels(x.size))
    split = decompose_entropy(x, labels, alpha, counts)
    assert split.total == pytest.approx(split.between + split.within, rel=1e-8, abs=1e-12)
    repeated = decompose_entropy(np.repeat(x, counts.astype(int)), np.repeat(labels, counts.astype(int)), alpha)
    np.testing.assert_allclose(split.group_entropies, repeated.group_entropies, rtol=1e-9, atol=1e-12)
    assert split.between == pytest.approx(repeated.between, rel=1e-9, abs=1e-12)


def test_by_hand():
    split = decompose_entropy([1.0, 3.0, 4.0, 4.0], ["b", "b", "a", "a"], 2.0)
    assert split.groups == ("a", "b")
    assert split.group_entropies.tolist() == pytest.approx([0.0, 0.125])
    assert split.population_shares.tolist() == [0.5, 0.5]
    assert split.holding_shares.tolist() == pytest.approx([2.0 / 3.0, 1.0 / 3.0])
    assert split.between == pytest.approx(1.0 / 18.0)
    assert split.within == pytest.approx(1.0 / 36.0)


def test_infinite_inequality_shows_where_it_is():
    within = decompose_entropy([0.0, 2.0, 1.0, 1.0], [1, 1, 2, 2], 0.0)
    assert (within.total, within.between, within.within) == (math.inf, 0.0, math.inf)
    between = decompose_entropy([0.0, 0.0, 1.0, 1.0], [1, 1, 2, 2], -1.0)
    assert (between.total, between.between, between.within) == (math.inf, math.inf, 0.0)
    nobody = decompose_entropy([0.0, 0.0], [1, 2], 1.0)
    assert (nobody.total, nobody.between, nobody.within) == (0.0, 0.0, 0.0)


def test_each_group_by_itself():
    assert per_group(gini, [0.0, 3.0, 4.0, 4.0], ["north", "north", "south", "south"]) == {"north": 0.5, "south": 0.0}
    weighted = per_group(gini, [0.0, 9.0, 4.0], [2, 2, 1], weights=[3.0, 1.0, 1.0])
    assert weighted == {1: 0.0, 2: pytest.approx(0.75)}
    assert list(weighted) == [1, 2]
    assert per_group(lambda x: float(x.sum()), [-1.0, 2.0], ["a", "a"]) == {"a": 1.0}
