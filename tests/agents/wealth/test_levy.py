"""The prepared wealth tax takes what `WealthTax` says, to the cent, in arrays and in the kernel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.money import MOST_CENTS
from walras.agents.wealth.compiled import compiled_collect
from walras.agents.wealth.kernel import collect
from walras.agents.wealth.levy import levy_of
from walras.market import InvalidInputError
from walras.market.taxation import PerUnitTax, WealthTax

rates = st.one_of(st.sampled_from([0.0, 0.005, 0.02, 0.5, 1.0]), st.integers(0, 10**6).map(lambda part: part / 10**6))
wealth = st.lists(
    st.one_of(st.integers(0, 300), st.integers(0, 10**7), st.just(MOST_CENTS)), min_size=1, max_size=12
).map(np.array)


@st.composite
def taxes(draw):
    thresholds = sorted(draw(st.sets(st.integers(0, 10**6), min_size=1, max_size=4)))
    return WealthTax(
        [cents / 100 for cents in thresholds],
        draw(st.lists(rates, min_size=len(thresholds), max_size=len(thresholds))),
    )


@given(tax=taxes(), owned=wealth)
def test_dues_are_those_of_the_tax(tax, owned):
    levy = levy_of(tax)
    expected = tax.tax_due_cents(owned)
    assert levy.dues(owned).tolist() == expected.tolist()
    assert np.all(expected <= owned)


@pytest.mark.parametrize("kernel", [pytest.param(collect, id="plain"), pytest.param(None, id="compiled")])
@given(tax=taxes(), owned=wealth)
def test_the_kernel_takes_what_is_due(kernel, tax, owned):
    levy = levy_of(tax)
    if not levy.fits(int(owned.max())):
        owned = np.minimum(owned, 10**7)
        assert levy.fits(10**7)
    left = owned.astype(np.int64)
    revenue = (kernel or compiled_collect())(left, levy.thresholds, levy.numerators, levy.denominator)
    dues = tax.tax_due_cents(owned)
    assert left.tolist() == (owned - dues).tolist()
    assert revenue == dues.sum()


def test_amounts_beyond_int64_are_taxed_exactly():
    levy = levy_of(WealthTax(0.0, 0.123456789012345))
    assert not levy.fits(MOST_CENTS)
    assert levy.dues(np.array([MOST_CENTS])).tolist() == [1234567890123]  # ... .45 of a cent
    assert levy.fits(1000)


def test_half_a_cent_is_rounded_up():
    assert levy_of(WealthTax(1.0, 0.5)).dues(np.array([100, 101, 102, 103])).tolist() == [0, 1, 1, 2]


def test_no_tax_is_no_levy():
    assert levy_of(None) is None


@pytest.mark.parametrize(
    ("tax", "parts"),
    [
        (PerUnitTax(0.1), ("tax must be a WealthTax or None", "PerUnitTax")),
        (0.1, ("tax must be a WealthTax or None", "0.1")),
        (WealthTax(0.0, 1.5), ("tax.rates must lie in [0, 1]", "1.5")),
        (WealthTax([0.0, 5.0], [0.1, -0.2]), ("tax.rates must lie in [0, 1]", "-0.2")),
        (WealthTax(0.001, 0.5), ("tax.thresholds must be a whole number of cents", "0.001")),
        (WealthTax(0.0, 1e-20), ("tax.rates must have 18 decimals at most", "1e-20")),
    ],
)
def test_bad_taxes(tax, parts):
    with pytest.raises(InvalidInputError) as raised:
        levy_of(tax)
    assert [part for part in parts if part not in str(raised.value)] == []
