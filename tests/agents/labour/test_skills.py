"""Laws of skill: quantiles, draws and means agree with each other and with their closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import erf

from walras.agents.labour import (
    EmpiricalSkills,
    LognormalParetoSkills,
    LognormalSkills,
    ParetoLognormalSkills,
    ParetoSkills,
)
from walras.market import InvalidInputError, gini

LAWS = {
    "lognormal": LognormalSkills(median=15.0, log_spread=0.6),
    "pareto": ParetoSkills(minimum=8.0, shape=3.0),
    "lognormal with Pareto tail": LognormalParetoSkills(median=15.0, log_spread=0.5, top_share=0.1, shape=3.0),
    "Pareto-lognormal": ParetoLognormalSkills(median=10.0, log_spread=0.5, shape=3.0),
    "empirical": EmpiricalSkills([3.0, 30.0, 7.0, 12.0, 12.0]),
}
law_ids = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


@law_ids
def test_draws_follow_the_quantiles(law):
    draws = law.draw(40_000, np.random.default_rng(0))
    assert draws.shape == (40_000,)
    assert draws.min() > 0.0
    for probability in (0.05, 0.5, 0.95):
        quantile = law.quantile([probability])[0]
        # Four standard errors of a share. Of a law with atoms, the share below is less and that up to it more.
        slack = 4.0 * math.sqrt(probability * (1.0 - probability) / draws.size)
        assert np.mean(draws < quantile) <= probability + slack
        assert np.mean(draws <= quantile) >= probability - slack


def integral(law, power):
    """Integral of quantile^power over probabilities p = 1 - (1 - v)^4: v spreads the tail, which has no bound."""
    left = 1.0 - (np.arange(20_000) + 0.5) / 20_000
    return float(np.mean(law.quantile(np.minimum(1.0 - left**4, 1.0 - 1e-16)) ** power * 4.0 * left**3))


@law_ids
def test_the_mean_is_that_of_the_quantiles(law):
    assert integral(law, 1.0) == pytest.approx(law.mean, rel=1e-4)


@law_ids
def test_quantiles_rise(law):
    quantiles = law.quantile(np.linspace(0.001, 0.999, 500))
    assert np.all(np.diff(quantiles) >= 0.0)


@law_ids
def test_the_same_seed_gives_the_same_skills(law):
    first, second = (law.draw(20, np.random.default_rng(3)) for _ in range(2))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("name", ["lognormal", "pareto", "lognormal with Pareto tail", "Pareto-lognormal"])
def test_moments_are_integrals(name):
    law = LAWS[name]
    for power in (0.5, 1.25):
        assert law.moment(power) == pytest.approx(integral(law, power), rel=2e-4)
    assert law.moment(1.0) == law.mean


@given(shape=st.floats(0.2, 6.0), power=st.floats(0.1, 6.0))
def test_moments_beyond_the_tail_are_infinite(shape, power):
    for law in (
        ParetoSkills(shape=shape),
        LognormalParetoSkills(log_spread=0.5, top_share=0.1, shape=shape),
        ParetoLognormalSkills(log_spread=0.5, shape=shape),
    ):
        assert math.isinf(law.moment(power)) == (shape <= power)


@pytest.mark.parametrize("spread", [0.2, 0.7])
def test_gini_of_the_lognormal_is_erf(spread):
    law = LognormalSkills(log_spread=spread)
    grid = law.quantile((np.arange(100_000) + 0.5) / 100_000)
    assert gini(grid) == pytest.approx(erf(spread / 2.0), abs=2e-4)


def test_the_tail_is_exactly_pareto():
    law = LAWS["lognormal with Pareto tail"]
    assert law.quantile([0.9])[0] == pytest.approx(law.tail_start)
    above = law.quantile(1.0 - 0.1 * np.array([0.5, 0.1, 0.001]))
    np.testing.assert_allclose(above / law.tail_start, np.array([0.5, 0.1, 0.001]) ** (-1.0 / 3.0), rtol=1e-10)


@settings(deadline=None)
@given(
    spread=st.floats(0.05, 2.0),
    shape=st.floats(0.3, 8.0),
    probability=st.floats(1e-6, 1.0 - 1e-6),
)
def test_quantiles_of_the_pareto_lognormal_invert_its_distribution(spread, shape, probability):
    law = ParetoLognormalSkills(median=2.0, log_spread=spread, shape=shape)
    assert law.distribution(law.quantile([probability]))[0] == pytest.approx(probability, abs=1e-12, rel=1e-7)


def test_draws_of_the_pareto_lognormal_follow_its_distribution():
    law = LAWS["Pareto-lognormal"]
    draws = law.draw(5_000, np.random.default_rng(1))
    assert stats.kstest(draws, lambda values: law.distribution(np.asarray(values))).pvalue > 0.001
    # and the test can tell: the lognormal factor alone is another law
    other = LognormalSkills(median=10.0, log_spread=0.5).draw(5_000, np.random.default_rng(1))
    assert stats.kstest(other, lambda values: law.distribution(np.asarray(values))).pvalue < 1e-9


def test_an_empirical_law_gives_only_its_sample():
    sample = np.array([4.0, 2.0, 9.0])
    law = EmpiricalSkills(sample)
    sample[:] = 1.0
    assert set(law.draw(200, np.random.default_rng(0)).tolist()) == {2.0, 4.0, 9.0}
    assert law.quantile([1.0 / 3.0, 0.34, 0.99]).tolist() == [2.0, 4.0, 9.0]
    with pytest.raises(ValueError, match="read-only"):
        law.sample[0] = 1.0


LAW = LAWS["lognormal"]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: LognormalSkills(median=0.0, log_spread=1.0), ("LognormalSkills.median must be above 0", "0.0")),
        (lambda: LognormalSkills(log_spread=-1.0), ("LognormalSkills.log_spread must be 0 or more", "-1.0")),
        (lambda: ParetoSkills(shape=0.0), ("ParetoSkills.shape must be above 0",)),
        (lambda: ParetoSkills(minimum="1", shape=1.0), ("ParetoSkills.minimum must be a real number",)),
        (lambda: LognormalParetoSkills(log_spread=1.0, top_share=0.0, shape=2.0), ("top_share must lie above 0",)),
        (lambda: LognormalParetoSkills(log_spread=1.0, top_share=1.0, shape=2.0), ("top_share", "1.0")),
        (lambda: LognormalParetoSkills(log_spread=0.0, top_share=0.5, shape=2.0), ("log_spread must be above 0",)),
        (lambda: LognormalParetoSkills(log_spread=1.0, top_share=0.5, shape=math.nan), ("shape must be finite",)),
        (lambda: ParetoLognormalSkills(log_spread=1.0, shape=-2.0), ("ParetoLognormalSkills.shape must be above 0",)),
        (lambda: EmpiricalSkills([1.0, 0.0]), ("EmpiricalSkills.sample must be above 0", "entry 1 is 0.0")),
        (lambda: EmpiricalSkills([]), ("EmpiricalSkills.sample is empty",)),
        (lambda: LAW.draw(0, RNG), ("n must be 1 or more, got 0",)),
        (lambda: LAW.draw(5, 0), ("rng must be a Generator", "0")),
        (lambda: LAWS["Pareto-lognormal"].draw(0, RNG), ("n must be 1 or more, got 0",)),
        (lambda: LAWS["Pareto-lognormal"].distribution([0.0]), ("skills must be above 0",)),
        (lambda: LAW.quantile([0.5, 1.0]), ("probabilities must lie above 0 and below 1", "entry 1 is 1.0")),
        (lambda: LAW.quantile(0.5), ("probabilities must have shape (n,)",)),
    ],
)
def test_bad_input(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []
