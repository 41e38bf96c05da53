"""Bracket taxes: exact to the cent against a slow oracle, published schedules, inverses, and the smoothed form."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import InfeasibleError
from walras.market.taxation import (
    US_FEDERAL_2018_MARRIED_JOINTLY,
    US_FEDERAL_2018_SINGLE,
    US_FEDERAL_2019_MARRIED_JOINTLY,
    US_FEDERAL_2019_SINGLE,
    Base,
    BracketTax,
    Rounding,
    SmoothedBracketTax,
)
from walras.market.testing.strategies.taxation import bracket_taxes, incomes, incomes_cents

TAX = BracketTax([10.0, 40.0], [0.1, 0.25, 0.5])

# What the statute's tables call "the tax on the lower end of the bracket", in cents.
SCHEDULES = {
    "26 U.S.C. 1(j)(2)(C), single 2018": (
        US_FEDERAL_2018_SINGLE,
        [9_525, 38_700, 82_500, 157_500, 200_000, 500_000],
        [952_50, 4_453_50, 14_089_50, 32_089_50, 45_689_50, 150_689_50],
    ),
    "26 U.S.C. 1(j)(2)(A), married 2018": (
        US_FEDERAL_2018_MARRIED_JOINTLY,
        [19_050, 77_400, 165_000, 315_000, 400_000, 600_000],
        [1_905_00, 8_907_00, 28_179_00, 64_179_00, 91_379_00, 161_379_00],
    ),
    "Rev. Proc. 2018-57, single 2019": (
        US_FEDERAL_2019_SINGLE,
        [9_700, 39_475, 84_200, 160_725, 204_100, 510_300],
        [970_00, 4_543_00, 14_382_50, 32_748_50, 46_628_50, 153_798_50],
    ),
    "Rev. Proc. 2018-57, married 2019": (
        US_FEDERAL_2019_MARRIED_JOINTLY,
        [19_400, 78_950, 168_400, 321_450, 408_200, 612_350],
        [1_940_00, 9_086_00, 28_765_00, 65_497_00, 93_257_00, 164_709_50],
    ),
}


def due_exactly(tax: BracketTax, cents: int) -> Fraction:
    """The tax in cents, band by band, in fractions."""
    edges = [Fraction(0), *(Fraction(repr(threshold)) * 100 for threshold in tax.thresholds)]
    rates = [Fraction(repr(rate)) for rate in tax.rates]
    total = Fraction(0)
    for index, rate in enumerate(rates):
        top = edges[index + 1] if index + 1 < len(edges) else Fraction(max(cents, 0)) + edges[index]
        total += rate * max(min(Fraction(cents), top) - edges[index], Fraction(0))
    return total


def round_exactly(amount: Fraction, rounding: Rounding) -> int:
    size = abs(amount)
    whole, rest = int(size), size - int(size)
    up = {
        Rounding.HALF_UP: rest >= Fraction(1, 2),
        Rounding.HALF_EVEN: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
        Rounding.DOWN: False,
    }[rounding]
    return (whole + up) * (-1 if amount < 0 else 1)


# ---------------------------------------------------------------- values


def test_three_brackets_by_hand() -> None:
    np.testing.assert_allclose(TAX.tax_due([0.0, 5.0, 10.0, 20.0, 40.0, 100.0]), [0, 0.5, 1.0, 3.5, 8.5, 38.5])
    np.testing.assert_allclose(TAX.net_income([20.0, 100.0]), [16.5, 61.5])
    np.testing.assert_allclose(TAX.average_rate([0.0, 20.0, 100.0]), [0.1, 0.175, 0.385])
    assert TAX.base is Base.INCOME


def test_at_a_threshold_the_marginal_rate_is_the_next_units() -> None:
    below = float(np.nextafter(10.0, 0.0))
    assert TAX.marginal_rate([0.0, below, 10.0, 39.0, 40.0, 1e9]).tolist() == [0.1, 0.1, 0.25, 0.25, 0.5, 0.5]


def test_a_flat_tax_has_no_thresholds() -> None:
    flat = BracketTax([], [0.3])
    assert flat.tax_due([10.0]).tolist() == [3.0]
    assert BracketTax((), 0.3) == flat
    assert BracketTax(10.0, [0.0, 0.5]) == BracketTax([10.0], (0.0, 0.5))
    assert hash(BracketTax(np.array([10.0]), [0.0, 0.5])) == hash(BracketTax([10], (0, 0.5)))


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_that_were_law(name: str) -> None:
    tax, thresholds, due = SCHEDULES[name]
    assert tax.thresholds == tuple(map(float, thresholds))
    assert tax.rates == (0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37)
    assert tax.tax_due_cents([100 * threshold for threshold in thresholds]).tolist() == due
    assert tax.tax_due(thresholds).tolist() == [cents / 100 for cents in due]


def test_us_2019_single_at_published_incomes() -> None:
    due = US_FEDERAL_2019_SINGLE.tax_due([50_000.0, 1_000_000.0])
    assert due.tolist() == [6_858.5, 334_987.5]


def test_the_brackets_of_2018_are_not_those_of_2019() -> None:
    assert US_FEDERAL_2018_SINGLE.tax_due([50_000.0]).tolist() == [6_939.5]
    assert US_FEDERAL_2018_SINGLE.thresholds != US_FEDERAL_2019_SINGLE.thresholds


# ---------------------------------------------------------------- cents, against fractions


@given(tax=bracket_taxes(), cents=incomes_cents(), rounding=st.sampled_from(Rounding))
def test_cents_are_exact(tax: BracketTax, cents: np.ndarray, rounding: Rounding) -> None:
    expected = [round_exactly(due_exactly(tax, income), rounding) for income in cents.tolist()]
    obtained = tax.tax_due_cents(cents, rounding)
    assert obtained.dtype == np.int64
    assert obtained.tolist() == expected


@given(cents=st.lists(st.integers(0, 10**15), min_size=1, max_size=4), digits=st.integers(3, 17))
def test_cents_are_exact_beyond_64_bits(cents: list[int], digits: int) -> None:
    tax = BracketTax([0.01, 777.77], [-0.05, round(0.12345678901234567, digits), 0.987654321])
    expected = [round_exactly(due_exactly(tax, income), Rounding.HALF_UP) for income in cents]
    assert tax.tax_due_cents(cents).tolist() == expected


def test_half_a_cent_by_each_rounding() -> None:
    tax = BracketTax([], [0.5])
    cents = [0, 1, 2, 3, 5]  # tax: 0, 0.5, 1, 1.5, 2.5 cents
    assert tax.tax_due_cents(cents).tolist() == [0, 1, 1, 2, 3]
    assert tax.tax_due_cents(cents, Rounding.HALF_EVEN).tolist() == [0, 0, 1, 2, 2]
    assert tax.tax_due_cents(cents, Rounding.DOWN).tolist() == [0, 0, 1, 1, 2]
    subsidy = BracketTax([], [-0.5])
    assert subsidy.tax_due_cents(cents).tolist() == [0, -1, -1, -2, -3]
    assert subsidy.tax_due_cents(cents, Rounding.DOWN).tolist() == [0, 0, -1, -1, -2]
    assert BracketTax([], [0.75]).tax_due_cents([1], Rounding.HALF_EVEN).tolist() == [1]
    assert BracketTax([], [0.25]).tax_due_cents([1, 2, 3]).tolist() == [0, 1, 1]


@given(tax=bracket_taxes(), cents=incomes_cents())
def test_money_agrees_with_cents(tax: BracketTax, cents: np.ndarray) -> None:
    due = tax.tax_due(cents / 100)
    exact = [float(due_exactly(tax, income) / 100) for income in cents.tolist()]
    np.testing.assert_allclose(due, exact, rtol=1e-14, atol=1e-14 * float(cents.max()))


# ---------------------------------------------------------------- shape of the schedule


@given(tax=bracket_taxes(), income=incomes())
def test_tax_is_the_integral_of_the_marginal_rate(tax: BracketTax, income: np.ndarray) -> None:
    for top, due in zip(income, tax.tax_due(income), strict=True):
        edges = np.unique([0.0, *(edge for edge in tax.thresholds if edge < top), top])
        bands = np.diff(edges)
        expected = float(np.sum(bands * tax.marginal_rate(edges[:-1]))) if bands.size else 0.0
        assert due == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(tax=bracket_taxes(), income=incomes())
def test_net_income_rises_with_income(tax: BracketTax, income: np.ndarray) -> None:
    order = np.sort(income)
    net = tax.net_income(order)
    assert np.all(np.diff(net) >= -1e-15 * order.max())
    np.testing.assert_array_equal(net, order - tax.tax_due(order))


@given(tax=bracket_taxes(progressive=True), income=incomes())
def test_rising_rates_make_the_average_rate_rise(tax: BracketTax, income: np.ndarray) -> None:
    order = np.sort(income[income >= 1e-9]) if np.any(income >= 1e-9) else np.array([1.0])
    average = tax.average_rate(order)
    assert np.all(np.diff(average) >= -1e-12)
    assert np.all(average <= tax.marginal_rate(order) + 1e-12)


@given(tax=bracket_taxes(highest_rate=0.95), income=incomes())
def test_gross_income_is_the_inverse_of_net_income(tax: BracketTax, income: np.ndarray) -> None:
    gross = tax.gross_income(tax.net_income(income))
    np.testing.assert_allclose(gross, income, rtol=1e-12, atol=1e-300)


def test_gross_income_by_hand() -> None:
    np.testing.assert_allclose(TAX.gross_income([0.0, 9.0, 16.5, 31.5, 61.5]), [0.0, 10.0, 20.0, 40.0, 100.0])


@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_no_inverse_where_everything_is_taken(rate: float) -> None:
    with pytest.raises(InfeasibleError, match=rf"every rate of BracketTax below 1, got {rate:g}"):
        BracketTax([10.0], [0.1, rate]).gross_income([5.0])


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e12, 1e300])
def test_any_unit_of_money(scale: float) -> None:
    scaled = BracketTax([10.0 * scale, 40.0 * scale], TAX.rates)
    np.testing.assert_allclose(scaled.tax_due([20.0 * scale]), [3.5 * scale], rtol=1e-14)
    np.testing.assert_allclose(scaled.gross_income([16.5 * scale]), [20.0 * scale], rtol=1e-14)


# ---------------------------------------------------------------- smoothed


@given(tax=bracket_taxes(), income=incomes(largest=1e6), share=st.floats(1e-6, 1.0))
def test_smoothed_is_within_its_bound_and_exact_away_from_thresholds(
    tax: BracketTax, income: np.ndarray, share: float
) -> None:
    width = 2.0 * share * (tax.thresholds[0] if tax.thresholds else 1.0)
    smooth = tax.smoothed(width)
    difference = np.abs(smooth.tax_due(income) - tax.tax_due(income))
    assert np.all(difference <= smooth.error_bound + 1e-9)
    distance = np.min(np.abs(income[:, None] - np.array([*tax.thresholds, np.inf])), axis=1)
    assert np.all(difference[distance >= width / 2] <= 1e-9 * max(income.max(), 1.0))
    np.testing.assert_array_equal(smooth.net_income(income), income - smooth.tax_due(income))


def test_smoothed_by_hand() -> None:
    smooth = BracketTax([10.0], [0.1, 0.5]).smoothed(4.0)
    assert smooth == SmoothedBracketTax([10.0], [0.1, 0.5], 4.0)
    assert smooth.base is Base.INCOME
    # the hinge at x = 0 is (w/2)^2 / (2 w) = w / 8 = 0.5, and at x = 1 it is 9 / 8
    np.testing.assert_allclose(smooth.tax_due([0.0, 8.0, 10.0, 11.0, 12.0, 20.0]), [0, 0.8, 1.2, 1.55, 2.0, 6.0])
    np.testing.assert_allclose(smooth.marginal_rate([0.0, 8.0, 9.0, 10.0, 12.0, 20.0]), [0.1, 0.1, 0.2, 0.3, 0.5, 0.5])
    assert smooth.error_bound == pytest.approx(0.2)


@given(tax=bracket_taxes(), point=st.floats(0.5, 3.0))
def test_smoothed_marginal_rate_is_the_derivative(tax: BracketTax, point: float) -> None:
    first = tax.thresholds[0] if tax.thresholds else 1.0
    smooth, at, step = tax.smoothed(0.7 * first), point * first, 1e-6 * first
    rise = smooth.tax_due([at + step])[0] - smooth.tax_due([at - step])[0]
    assert smooth.marginal_rate([at])[0] == pytest.approx(rise / (2 * step), abs=1e-5)


@pytest.mark.parametrize("income", [9.0, 10.0, 39.5, 40.0])
def test_smoothed_converges_in_proportion_to_the_width(income: float) -> None:
    errors = [abs(TAX.smoothed(width).tax_due([income])[0] - TAX.tax_due([income])[0]) for width in (8.0, 0.8, 0.08)]
    assert errors[0] >= errors[1] >= errors[2]
    assert errors[2] <= TAX.smoothed(0.08).error_bound == pytest.approx(0.01 * 0.4)
