"""Outcomes, intervals and verdicts on data whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from walras.llm.scarcity.inference import bootstrap_means, effects, holm, overall_verdict
from walras.llm.scarcity.outcomes import changes_of, concentration, movement_to_value
from walras.market import InvalidInputError


def test_attention_that_moves_to_the_highest_value():
    stages = np.array([[0.25, 0.25, 0.25, 0.25], [0.2, 0.2, 0.2, 0.4], [0.1, 0.1, 0.2, 0.6]])
    values = np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    found = movement_to_value(changes_of(stages), values, np.ones((1, 4)), top=0.2)
    np.testing.assert_allclose(found["top_share"], [[0.35, -0.15], [0.15, -0.05], [0.2, -0.1]])
    np.testing.assert_allclose(found["top_share"][0], found["top_share"][1] + found["top_share"][2])
    np.testing.assert_allclose(found["rank_correlation"][:, 0], [3 / np.sqrt(10), 0.7745966692, 3 / np.sqrt(10)])
    np.testing.assert_allclose(found["rank_correlation"][:, 1], -found["rank_correlation"][:, 0])


@given(seed=st.integers(0, 10_000), tokens=st.integers(4, 30), levels=st.integers(2, 6))
def test_rank_correlations_are_spearmans_with_ties(seed, tokens, levels):
    rng = np.random.default_rng(seed)
    values, stages = rng.integers(0, levels, (2, tokens)).astype(float), rng.random((3, tokens)) + 0.1
    changes = changes_of(stages)
    found = movement_to_value(changes, values, np.ones((1, tokens)))["rank_correlation"]
    for part in range(3):
        for kind in range(2):
            varies = np.ptp(values[kind]) > 0.0
            expected = spearmanr(changes[part], values[kind]).statistic if varies else 0.0
            assert found[part, kind] == pytest.approx(expected, abs=1e-9)


def test_a_movement_by_place_is_not_mistaken_for_one_by_value():
    rng = np.random.default_rng(0)
    plain, adjusted = [], []
    for _ in range(200):
        place = np.arange(20.0)
        values = place + rng.normal(0, 6, 20)  # value rises with place, and so does the change
        stages = np.stack([np.ones(20), np.ones(20), 1.0 + 0.01 * place + rng.normal(0, 0.05, 20)])
        found = movement_to_value(changes_of(stages), values[None], place[None])
        plain.append(found["rank_correlation"][0, 0])
        adjusted.append(found["adjusted_correlation"][0, 0])
    assert np.mean(plain) > 0.3
    assert abs(np.mean(adjusted)) < 0.06


def test_concentration_of_even_and_of_single_shares():
    found = concentration(np.array([[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(found["entropy"], [2.0, 0.0])
    np.testing.assert_allclose(found["gini"], [0.0, 0.75])


def test_holm_on_an_example_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1.0, 1.0])


def test_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(1)
    samples = rng.exponential(1.0, (60, 400))  # 400 columns, each a sample of 60 texts with mean 1
    low, high = bootstrap_means(samples, rng, resamples=500)
    assert 0.88 < np.mean((low < 1.0) & (high > 1.0)) < 0.98


def _rows(rng: np.random.Generator, *, real: float, shuffled: float, adjusted: float) -> pd.DataFrame:
    rows = []
    for layers in ("in order", "shuffled"):
        for value in ("gradient x input", "random"):
            mean = 0.0 if value == "random" else real if layers == "in order" else shuffled
            for text in range(80):
                numbers = {
                    "top_share": mean + rng.normal(0, 0.02),
                    "rank_correlation": 5 * mean + rng.normal(0, 0.2),
                    "adjusted_correlation": adjusted + rng.normal(0, 0.2),
                }
                keys = {"cut": "temperature", "level": 0.5, "draw": 0, "layers": layers, "tokens": "ordinary"}
                rows.append({"text": text, **keys, "value": value, "part": "total", **numbers})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("case", "verdict", "overall"),
    [
        ({"real": 0.02, "shuffled": 0.0, "adjusted": 0.2}, "towards", "reproduced"),
        ({"real": 0.02, "shuffled": 0.02, "adjusted": 0.2}, "as controls", "not reproduced"),  # a control does as much
        ({"real": 0.02, "shuffled": 0.0, "adjusted": 0.0}, "as controls", "not reproduced"),  # place explains it
        ({"real": 0.0, "shuffled": 0.0, "adjusted": 0.0}, "neither", "not reproduced"),
        ({"real": -0.02, "shuffled": 0.0, "adjusted": -0.2}, "away", "not reproduced"),
        ({"real": -0.02, "shuffled": -0.02, "adjusted": -0.2}, "as controls", "not reproduced"),
    ],
)
def test_verdicts(case, verdict, overall):
    rng = np.random.default_rng(2)
    table = effects(_rows(rng, **case), rng, resamples=500)
    row = table.query("outcome == 'top_share' and value == 'gradient x input'").iloc[0]
    assert row["verdict"] == verdict
    assert overall_verdict(table, part="total") == overall
    assert row["low"] <= row["mean"] <= row["high"]
    assert row["effect_size"] == pytest.approx(case["real"] / 0.02, abs=0.35)


def test_effects_want_all_rows():
    rng = np.random.default_rng(3)
    rows = _rows(rng, real=0.0, shuffled=0.0, adjusted=0.0)
    with pytest.raises(InvalidInputError, match="lacks some texts"):
        effects(rows.iloc[:-1], rng)
    with pytest.raises(InvalidInputError, match="top_share"):
        effects(rows.drop(columns="top_share"), rng)
    with pytest.raises(InvalidInputError, match="No effects"):
        overall_verdict(effects(rows, rng, resamples=50), part="price")
