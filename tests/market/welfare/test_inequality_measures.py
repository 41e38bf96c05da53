"""Inequality measures: values by hand, the axioms they share, and weights as repetition."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import InvalidInputError
from walras.market.testing.strategies.welfare import holdings, weights, whole_weights
from walras.market.welfare import (
    LorenzCurve,
    atkinson_index,
    atkinson_welfare,
    generalised_entropy,
    gini,
    lorenz_curve,
    theil_l,
    theil_t,
)

ALPHAS = (-2.0, -1.0, 0.0, 0.3, 0.5, 1.0, 1.5, 1.6, 2.0, 3.0)
MEASURES = {
    "gini": gini,
    "theil_t": theil_t,
    "theil_l": theil_l,
    **{f"entropy{alpha}": lambda x, w=None, a=alpha: generalised_entropy(x, a, w) for alpha in (-1.0, 0.3, 2.0)},
    **{
        f"atkinson{aversion}": lambda x, w=None, e=aversion: atkinson_index(x, e, w)
        for aversion in (0.5, 1.0, math.inf)
    },
}
STRICT = [name for name in MEASURES if name != "atkinsoninf"]
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


# ---------------------------------------------------------------- values by hand and by definition


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda: generalised_entropy([1.0, 3.0], 2.0), 0.125),
        (lambda: generalised_entropy([1.0, 3.0], 0.0), -0.5 * math.log(0.75)),
        (lambda: generalised_entropy([1.0, 3.0], 1.0), 0.25 * math.log(0.5) + 0.75 * math.log(1.5)),
        (lambda: generalised_entropy([1.0, 3.0], -1.0), (0.5 * (2.0 + 2.0 / 3.0) - 1.0) / 2.0),
        (lambda: generalised_entropy([1.0, 3.0], 0.5), (0.5 * (0.5**0.5 + 1.5**0.5) - 1.0) / -0.25),
        (lambda: theil_t([0.0, 0.0, 0.0, 5.0]), math.log(4.0)),
        (lambda: theil_t([0.0, 5.0], [3.0, 1.0]), math.log(4.0)),
        (lambda: generalised_entropy([0.0, 1.0], 2.0), 0.5),
        (lambda: generalised_entropy([0.0, 1.0], 0.5), 4.0 - 2.0 * 2.0**0.5),
        (lambda: theil_l([1.0, 3.0]), -0.5 * math.log(0.75)),
        (lambda: atkinson_index([1.0, 4.0], 1.0), 0.2),
        (lambda: atkinson_index([1.0, 4.0], 2.0), 1.0 - 1.6 / 2.5),
        (lambda: atkinson_index([1.0, 4.0], 0.5), 1.0 - 2.25 / 2.5),
        (lambda: atkinson_index([1.0, 4.0], math.inf), 0.6),
        (lambda: gini([0.0, 0.0, 9.0], normalisation="sample"), 1.0),
        (lambda: gini([1.0, 3.0], normalisation="sample"), 0.5),
        (lambda: gini([1.0, 3.0], [2.0, 2.0], normalisation="sample"), 1.0 / 3.0),
        (lambda: gini([1.0, 3.0], normalisation="population"), 0.25),
        (lambda: gini([3.0, 1.0], [1.0, 3.0]), 0.25),
        (lambda: lorenz_curve([1.0, 3.0], [3.0, 1.0]).gini, 0.25),
    ],
)
def test_values_by_hand(value, expected):
    assert value() == pytest.approx(expected, rel=1e-14, abs=0.0)


@pytest.mark.parametrize("owners", [29, 30, 31])
def test_the_normalisation_is_the_callers_and_not_the_sizes(owners):
    one_owner = [0.0] * (owners - 1) + [1.0]
    assert gini(one_owner) == pytest.approx(1.0 - 1.0 / owners, rel=1e-14)
    assert gini(one_owner, normalisation="sample") == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("alpha", ALPHAS)
@given(x=holdings(positive=True, moderate=True))
def test_entropy_is_its_definition(alpha, x):
    r = x / x.mean()
    if alpha == 0.0:
        by_definition = -np.log(r).mean()
    elif alpha == 1.0:
        by_definition = (r * np.log(r)).mean()
    else:
        by_definition = ((r**alpha).mean() - 1.0) / (alpha * (alpha - 1.0))
    assert generalised_entropy(x, alpha) == pytest.approx(by_definition, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("aversion", [0.0, 0.3, 0.5, 1.0, 2.0, 5.0])
@given(x=holdings(positive=True, moderate=True))
def test_the_equivalent_is_its_definition(aversion, x):
    power = 1.0 - aversion
    mean = np.exp(np.log(x).mean()) if power == 0.0 else (x**power).mean() ** (1.0 / power)
    assert atkinson_welfare(x, aversion) == pytest.approx(mean, rel=1e-9)
    assert atkinson_index(x, aversion) == pytest.approx(1.0 - mean / x.mean(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("step", [-1e-9, 1e-9])
def test_entropy_nears_its_limits(alpha, step):
    x = [1.0, 2.0, 7.0]
    assert generalised_entropy(x, alpha + step) == pytest.approx(generalised_entropy(x, alpha), rel=1e-8)


@pytest.mark.parametrize("step", [-1e-9, 1e-9])
def test_the_atkinson_index_nears_its_limits(step):
    x = [1.0, 2.0, 7.0]
    assert atkinson_index(x, 1.0 + step) == pytest.approx(atkinson_index(x, 1.0), rel=1e-8)
    assert atkinson_index(x, 1e5) == pytest.approx(atkinson_index(x, math.inf), rel=1e-4)
    assert atkinson_index(x, 0.0) == pytest.approx(0.0, abs=1e-15)


@given(x=holdings(positive=True, moderate=True), aversion=st.sampled_from([0.25, 0.5, 2.0, 3.0]))
def test_the_atkinson_index_follows_from_entropy(x, aversion):
    alpha = 1.0 - aversion
    mean_power = 1.0 + alpha * (alpha - 1.0) * generalised_entropy(x, alpha)
    assert atkinson_index(x, aversion) == pytest.approx(1.0 - mean_power ** (1.0 / alpha), rel=1e-7, abs=1e-9)


# ---------------------------------------------------------------- axioms


@every_measure
@given(data=st.data(), x=holdings(moderate=True))
def test_whole_weights_are_repetition(measure, data, x):
    counts = data.draw(whole_weights(x.size))
    repeated = np.repeat(x, counts.astype(int))
    assert measure(x, counts) == pytest.approx(measure(repeated), rel=1e-9, abs=1e-12)


@given(data=st.data(), x=holdings(moderate=True))
def test_whole_weights_are_repetition_in_samples(data, x):
    counts = data.draw(whole_weights(x.size))
    assume(counts.sum() > 1)
    repeated = np.repeat(x, counts.astype(int))
    ours = gini(x, counts, normalisation="sample")
    assert ours == pytest.approx(gini(repeated, normalisation="sample"), rel=1e-9, abs=1e-12)
    assert ours == pytest.approx(gini(repeated) * repeated.size / (repeated.size - 1), rel=1e-9, abs=1e-12)


@every_measure
@given(x=holdings(moderate=True), factor=st.sampled_from([1e-9, 3.0, 1e200]), copies=st.integers(2, 3))
def test_has_no_unit_and_no_size(measure, x, factor, copies):
    assert measure(np.tile(factor * x, copies)) == pytest.approx(measure(x), rel=1e-8, abs=1e-12)


@every_measure
@given(data=st.data(), x=holdings(moderate=True))
def test_neither_names_nor_the_weights_unit_matter(measure, data, x):
    w = data.draw(weights(x.size))
    order = np.array(data.draw(st.permutations(range(x.size))))
    assert measure(x[order], 1e3 * w[order]) == pytest.approx(measure(x, w), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("name", STRICT)
@given(x=holdings(positive=True, moderate=True), fraction=st.floats(0.1, 0.9))
def test_falls_when_the_rich_give_to_the_poor(name, x, fraction):
    x = np.sort(x)
    gap = x[-1] - x[0]
    assume(gap > 1e-2 * x[-1])
    after = x.copy()
    after[0] += 0.5 * fraction * gap
    after[-1] -= 0.5 * fraction * gap
    assert MEASURES[name](after) < MEASURES[name](x)


@every_measure
@pytest.mark.parametrize("x", [[4.0], [0.0, 0.0], [0.1, 0.1, 0.1], [1e300] * 5, [5e-324, 5e-324]])
def test_equal_holdings_are_no_inequality(measure, x):
    assert measure(x) == pytest.approx(0.0, abs=1e-15)
    assert measure(x) >= 0.0


@every_measure
@given(x=holdings())
def test_is_a_number_of_0_or_more_at_every_scale(measure, x):
    value = measure(x)
    assert value >= -1e-15


@pytest.mark.parametrize("alpha", [0.0, -1e-9, -1.0])
def test_entropy_is_infinite_where_somebody_has_nothing(alpha):
    assert generalised_entropy([0.0, 1.0], alpha) == math.inf
    assert math.isfinite(generalised_entropy([0.0, 1.0], alpha, [0.0, 1.0]))
    assert theil_l([0.0, 1.0]) == math.inf


@pytest.mark.parametrize("aversion", [1.0, 1.5, math.inf])
def test_an_averse_society_would_give_all_for_those_with_nothing(aversion):
    assert atkinson_index([0.0, 1.0], aversion) == 1.0
    assert atkinson_index([0.0, 1.0], 0.5) == pytest.approx(0.5, rel=1e-14)


# ---------------------------------------------------------------- Lorenz curves


@given(data=st.data(), x=holdings(moderate=True))
def test_the_curve_gives_the_gini_coefficient(data, x):
    w = data.draw(weights(x.size))
    curve = lorenz_curve(x, w)
    assert curve.gini == pytest.approx(gini(x, w), rel=1e-9, abs=1e-12)
    assert curve.population_shares.shape == (x.size + 1,)
    assert np.all(curve.holding_shares <= curve.population_shares + 1e-12)


def test_shares_of_the_poorest_and_the_richest():
    curve = lorenz_curve([5.0, 1.0, 2.0, 2.0])
    assert curve.population_shares.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert curve.holding_shares.tolist() == [0.0, 0.1, 0.3, 0.5, 1.0]
    assert curve.share_of_poorest(0.5) == pytest.approx(0.3)
    assert curve.share_of_poorest(0.125) == pytest.approx(0.05)
    assert curve.share_of_richest(0.25) == pytest.approx(0.5)
    assert (curve.share_of_richest(1.0), curve.share_of_richest(0.0)) == (1.0, 0.0)
    with pytest.raises(ValueError, match="read-only"):
        curve.holding_shares[0] = 1.0


@given(data=st.data(), x=holdings(moderate=True))
def test_grouped_data_give_a_lower_bound(data, x):
    x = np.sort(x)
    cut = data.draw(st.integers(0, x.size))
    points = sorted({0, cut, x.size})
    curve = lorenz_curve(x)
    grouped = LorenzCurve(curve.population_shares[points], curve.holding_shares[points])
    assert grouped.gini <= curve.gini + 1e-12


@pytest.mark.parametrize(
    ("population", "holding", "message"),
    [
        ([0.0, 1.0], [0.0, 0.9], "holding_shares must run from 0 to 1, got 2 points, 0.0 to 0.9"),
        ([0.1, 1.0], [0.0, 1.0], "population_shares must run from 0 to 1"),
        ([0.0], [0.0], "population_shares must run from 0 to 1, got 1 points"),
        ([0.0, 0.6, 0.5, 1.0], [0.0, 0.1, 0.2, 1.0], "population_shares must not fall: entry 2 is 0.5, after 0.6"),
        ([0.0, 0.5, 1.0], [0.0, 0.6, 1.0], r"must be convex.*after point 1 \(0.5, 0.6\)"),
        ([0.0, 1.0], [0.0, 0.5, 1.0], "holding_shares must have one entry per point: expected 2, got 3"),
        ([0.0, math.nan, 1.0], [0.0, 0.5, 1.0], "population_shares must be finite"),
    ],
)
def test_points_that_are_no_lorenz_curve(population, holding, message):
    with pytest.raises(InvalidInputError, match=message):
        LorenzCurve(population, holding)


@pytest.mark.parametrize("method", ["share_of_poorest", "share_of_richest"])
@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, "half"])
def test_shares_are_fractions(method, bad):
    with pytest.raises(InvalidInputError, match="population_share"):
        getattr(lorenz_curve([1.0, 2.0]), method)(bad)
