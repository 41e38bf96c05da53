"""Laws of wealth: closed forms, identities they satisfy, and simulations that obey them."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import beta

from walras.agents.wealth import (
    ColumnarWealthEconomy,
    SavingExchange,
    YardSale,
    gamma_gini,
    saving_exchange_shape,
    yard_sale_law,
)
from walras.market import InvalidInputError, NotConvergedError, PerUnitTax, gini
from walras.market.taxation import WealthTax


def stationary(rule, *, tax=None, agents=4000, warm_up, periods, every, seed=0):
    """Give wealth over its mean in a stationary economy, of several periods, shape (k, n)."""
    economy = ColumnarWealthEconomy(
        np.full(agents, 1_000_000), rule, rng=seed, tax=tax, record_every=10**9, use_numba=True
    )
    economy.run(warm_up)
    samples = []
    for _ in range(periods // every):
        economy.run(every)
        samples.append(economy.wealth / 1e6)
    return np.array(samples)


# ---------------------------------------------------------------- saving


@pytest.mark.parametrize("saving", [0.0, 0.2, 0.5, 0.9])
def test_variance_under_saving_exchange_is_that_of_the_gamma_law(saving):
    """Patriarca, Chakraborti and Kaski 2004: shape 1, 1.75, 4 and 28."""
    wealth = stationary(SavingExchange(saving=saving), warm_up=60, periods=400, every=10)
    shape = 1.0 + 3.0 * saving / (1.0 - saving)
    assert saving_exchange_shape(saving) == pytest.approx(shape, rel=1e-15)
    assert saving_exchange_shape(saving) == pytest.approx((1.0 + 2.0 * saving) / (1.0 - saving), rel=1e-12)
    # 160,000 values; the standard error of a variance of 1 / shape is below 1.2 % of it.
    assert wealth.var() == pytest.approx(1.0 / shape, rel=0.03)
    assert np.mean([gini(sample) for sample in wealth]) == pytest.approx(gamma_gini(shape), abs=0.005)


@given(shape=st.floats(0.05, 1e5))
def test_gini_of_gamma_laws(shape):
    assert gamma_gini(shape) == pytest.approx(1.0 / (shape * beta(0.5, shape)), rel=1e-8)


def test_gini_of_known_gamma_laws():
    assert gamma_gini(1.0) == pytest.approx(0.5, rel=1e-14)
    assert gamma_gini(2.0) == pytest.approx(3.0 / 8.0, rel=1e-14)
    assert gamma_gini(1e-12) == pytest.approx(1.0, rel=1e-9)


# ---------------------------------------------------------------- yard sale


def test_without_a_tax_wealth_condenses():
    """Boghosian, Johnson and Marcq 2015: somebody ends up with everything; the Gini coefficient goes to 1 - 1/n."""
    economy = ColumnarWealthEconomy(np.full(200, 100_000), YardSale(fraction=0.5), rng=0, record_every=100)
    rows = economy.run(4000)
    assert rows["gini"].iloc[-1] > 0.98
    assert rows["top_1_share"].iloc[-1] > 0.9
    assert np.all(np.diff(rows["gini"].iloc[:4]) > 0.0)
    taxed = ColumnarWealthEconomy(
        np.full(200, 100_000), YardSale(fraction=0.5), rng=0, tax=WealthTax(0.0, 0.01), record_every=100
    ).run(4000)
    assert taxed["gini"].iloc[5:].max() < 0.9


@pytest.mark.parametrize(
    ("thresholds", "rates"),
    [(0.0, 0.0005), (0.0, 0.003), (0.0, 0.02), (10_000.0, 0.02), (50_000.0, 0.05), ([5_000.0, 30_000.0], [0.01, 0.1])],
    ids=["weak", "middle", "strong", "exempt to the mean", "exempt to 5 means", "two brackets"],
)
def test_simulated_wealth_obeys_the_law(thresholds, rates):
    tax = WealthTax(thresholds, rates)
    law = yard_sale_law(0.1, tax, mean_wealth=10_000.0)
    # The slowest mode decays within about the inverse of the average tax rate.
    relaxation = int(1.0 / law.revenue)
    wealth = stationary(YardSale(fraction=0.1), tax=tax, warm_up=2 * relaxation, periods=3 * relaxation, every=50)
    ginis = [gini(sample) for sample in wealth]
    assert np.mean(ginis) == pytest.approx(law.gini, abs=0.01)
    top = np.mean([np.sort(sample)[-40:].sum() / sample.sum() for sample in wealth])
    assert top == pytest.approx(law.lorenz.share_of_richest(0.01), rel=0.05)
    assert np.mean([np.sort(sample)[:2000].sum() / sample.sum() for sample in wealth]) == pytest.approx(
        law.lorenz.share_of_poorest(0.5), abs=0.01
    )


def test_the_moment_identity_holds_in_every_stationary_economy():
    """With rates that are not small: (1 - chi)^2 (V + f^2 E min(x, y)^2) = V for a flat tax, exactly."""
    wealth = stationary(YardSale(fraction=0.4), tax=WealthTax(0.0, 0.1), warm_up=100, periods=600, every=5)
    variance = np.mean([sample.var() for sample in wealth])
    half = wealth.shape[1] // 2
    least = np.mean([np.minimum(sample[:half], sample[half:]) ** 2 for sample in wealth])
    assert variance * (1.0 / 0.9**2 - 1.0) == pytest.approx(0.16 * least, rel=0.02)


@settings(max_examples=15, deadline=None)
@given(rate=st.floats(1e-5, 0.1), fraction=st.floats(0.05, 0.3), scale=st.floats(0.5, 3.0))
def test_a_flat_tax_acts_through_its_ratio_to_the_squared_fraction(rate, fraction, scale):
    one = yard_sale_law(fraction, WealthTax(0.0, rate))
    other = yard_sale_law(fraction * scale, WealthTax(0.0, rate * scale**2), mean_wealth=123.0)
    assert one.gini == pytest.approx(other.gini, abs=1e-7)
    assert one.revenue == pytest.approx(rate, rel=1e-5)
    assert abs(one.residual) < 1e-4


@settings(max_examples=15, deadline=None)
@given(first=st.floats(1e-5, 0.05), second=st.floats(1e-5, 0.05))
def test_a_higher_rate_leaves_less_inequality(first, second):
    low, high = sorted([first, second])
    assert yard_sale_law(0.1, WealthTax(0.0, low)).gini >= yard_sale_law(0.1, WealthTax(0.0, high)).gini - 1e-7


def test_the_density_has_unit_mass_and_mean_and_the_stated_tails():
    law = yard_sale_law(0.1, WealthTax(0.0, 0.005))
    widths = np.gradient(np.log(law.wealth))
    moments = [np.sum(law.density * law.wealth ** (power + 1) * widths) for power in (0, 1, 2)]
    assert moments[:2] == pytest.approx([1.0, 1.0], rel=1e-6)
    assert moments[2] - 1.0 == pytest.approx(law.variance, rel=1e-6)
    assert law.gini == pytest.approx(
        1.0
        - 2.0
        * np.sum(
            np.diff(law.lorenz.population_shares)
            * 0.5
            * (law.lorenz.holding_shares[1:] + law.lorenz.holding_shares[:-1])
        )
    )
    # far down, log(x^2 p) falls with 1/x at the rate 2 chi / f^2 = 1
    low = np.searchsorted(law.wealth, [0.005, 0.01])
    x, logs = law.wealth[low], np.log(law.wealth[low] ** 2 * law.density[low])
    assert (logs[0] - logs[1]) / (1.0 / x[0] - 1.0 / x[1]) == pytest.approx(-1.0, rel=0.02)


def test_the_certificate_can_fail(monkeypatch):
    """A density that is not the solution does not pass: here the exponential law, and one of half the tax."""
    module = sys.modules["walras.agents.wealth.taxed_yard_sale"]
    honest = module._fixed_point
    for wrong in (
        lambda x, due: (module._with_mean_1(x, np.exp(-x)), 1),
        lambda x, due: honest(x, 0.5 * due),
        lambda x, due: honest(x, 1.01 * due),
    ):
        monkeypatch.setattr(module, "_fixed_point", wrong)
        with pytest.raises(NotConvergedError, match="does not fit on a grid"):
            yard_sale_law(0.1, WealthTax(0.0, 0.02))
    monkeypatch.setattr(module, "_fixed_point", honest)
    assert abs(yard_sale_law(0.1, WealthTax(0.0, 0.02)).residual) < 1e-4


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda: saving_exchange_shape(1.0), InvalidInputError, ("saving must be below 1", "1.0")),
        (lambda: saving_exchange_shape(-0.5), InvalidInputError, ("saving must lie in [0, 1]", "-0.5")),
        (lambda: gamma_gini(0.0), InvalidInputError, ("shape must be above 0", "0.0")),
        (lambda: gamma_gini(math.inf), InvalidInputError, ("shape must be finite",)),
        (lambda: yard_sale_law(0.0, WealthTax(0.0, 0.1)), InvalidInputError, ("fraction_at_stake must be above 0",)),
        (lambda: yard_sale_law(1.5, WealthTax(0.0, 0.1)), InvalidInputError, ("fraction_at_stake must lie in [0, 1]",)),
        (lambda: yard_sale_law(0.1, PerUnitTax(0.1)), InvalidInputError, ("tax must be a WealthTax", "PerUnitTax")),
        (
            lambda: yard_sale_law(0.1, WealthTax(0.0, 0.0)),
            InvalidInputError,
            ("tax.rates", "the last above 0", "[0.0]"),
        ),
        (lambda: yard_sale_law(0.1, WealthTax(0.0, 1.5)), InvalidInputError, ("tax.rates must lie in [0, 1]", "1.5")),
        (lambda: yard_sale_law(0.1, WealthTax(0.0, 0.1), 0.0), InvalidInputError, ("mean_wealth must be above 0",)),
        (lambda: yard_sale_law(1.0, WealthTax(0.0, 1e-12)), NotConvergedError, ("does not fit", "raise the tax rate")),
    ],
)
def test_bad_input(call, error, parts):
    with pytest.raises(error) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []
