"""Equilibrium bids and revenue: closed forms, best responses, simulation through the auctions, ironing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from walras.market import InfeasibleError, InvalidInputError, NotConvergedError
from walras.market.auctions import IndependentPrivateValues, PaymentRule, UniformValues, shading
from walras.market.auctions.laws import ValueLaw
from walras.market.validation import FloatArray

R = PaymentRule
SIMULATED = (R.VICKREY, R.UNIFORM_HIGHEST_LOSING, R.DISCRIMINATORY, R.ALL_PAY)


class TwoHumps:
    """Half of the values even over [0, 1], half over [2, 3], a thin bridge between: an irregular law."""

    corners = np.array([0.0, 1.0, 2.0, 3.0])
    levels = np.array([0.0, 0.5, 0.51, 1.0])

    def cdf(self, x: FloatArray) -> FloatArray:
        return np.interp(x, self.corners, self.levels)

    def ppf(self, q: FloatArray) -> FloatArray:
        return np.interp(q, self.levels, self.corners)

    def pdf(self, x: FloatArray) -> FloatArray:
        piece = np.clip(np.searchsorted(self.corners, x, side="right") - 1, 0, 2)
        return (np.diff(self.levels) / np.diff(self.corners))[piece]

    def support(self) -> tuple[float, float]:
        return 0.0, 3.0


LAWS: dict[str, ValueLaw] = {
    "uniform": UniformValues(),
    "uniform from 1 to 3": UniformValues(1.0, 3.0),
    "exponential": stats.expon(),
    "beta": stats.beta(2.0, 3.0),
    "pareto": stats.pareto(3.0),
    "two humps": TwoHumps(),
}
every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)

# ---------------------------------------------------------------- closed forms


@given(bidders=st.integers(1, 12), value=st.floats(0.0, 1.0))
def test_uniform_values(bidders: int, value: float) -> None:
    setting = IndependentPrivateValues(UniformValues(), bidders)
    fraction = (bidders - 1) / bidders
    assert setting.bids(R.VICKREY, [value]).tolist() == [value]
    assert setting.bids(R.DISCRIMINATORY, [value])[0] == pytest.approx(fraction * value, abs=1e-15)
    assert setting.bids(R.UNIFORM_LOWEST_WINNING, [value])[0] == pytest.approx(fraction * value, abs=1e-15)
    assert setting.bids(R.ALL_PAY, [value])[0] == pytest.approx(fraction * value**bidders, abs=1e-15)
    assert setting.winning_probability([value])[0] == pytest.approx(value ** (bidders - 1))
    assert setting.expected_revenue() == pytest.approx((bidders - 1) / (bidders + 1), abs=1e-10)


def test_bids_with_a_reserve() -> None:
    setting = IndependentPrivateValues(UniformValues(), 2)
    # b(v) = v / 2 + r^2 / (2 v)
    bids = setting.bids(R.DISCRIMINATORY, [0.4, 0.5, 0.8, 1.0], reserve=0.5)
    np.testing.assert_allclose(bids, [0.0, 0.5, 0.4 + 0.125 / 0.8, 0.625], atol=1e-15)
    np.testing.assert_allclose(setting.bids(R.ALL_PAY, [0.4, 0.5, 0.8], 0.5), [0.0, 0.25, 0.32 + 0.125], atol=1e-15)
    assert setting.bids(R.VICKREY, [0.4, 0.5, 0.8], 0.5).tolist() == [0.0, 0.5, 0.8]


@pytest.mark.parametrize("bidders", [2, 5, 1000])
@pytest.mark.parametrize("reserve", [0.0, 0.3])
def test_quadrature_agrees_with_the_closed_form(bidders: int, reserve: float) -> None:
    values = np.linspace(0.0, 1.0, 41)
    closed = IndependentPrivateValues(UniformValues(), bidders).bids(R.DISCRIMINATORY, values, reserve)
    numeric = IndependentPrivateValues(stats.uniform(), bidders).bids(R.DISCRIMINATORY, values, reserve)
    np.testing.assert_allclose(numeric, closed, atol=1e-13)


def test_many_units_for_exponential_values() -> None:
    # The (K + 1)-th highest of n exponential values has mean 1/n + ... + 1/(K + 1).
    setting = IndependentPrivateValues(stats.expon(), 6, 2)
    assert setting.expected_revenue() == pytest.approx(2.0 * (1 / 6 + 1 / 5 + 1 / 4 + 1 / 3), rel=1e-9)


@pytest.mark.parametrize(("bidders", "units"), [(5, 1), (5, 3), (40, 7)])
@every_law
def test_bids_are_the_integral(law: ValueLaw, bidders: int, units: int) -> None:
    setting = IndependentPrivateValues(law, bidders, units)
    reserve = float(law.ppf(0.2))
    for value in np.asarray(law.ppf(np.array([0.35, 0.7, 0.95]))):
        shading = quad(
            lambda x: float(setting.winning_probability([x])[0]), reserve, value, epsabs=1e-13, epsrel=1e-10, limit=200
        )[0]
        chance = setting.winning_probability([value])[0]
        assert setting.bids(R.DISCRIMINATORY, [value], reserve)[0] == pytest.approx(value - shading / chance, rel=1e-5)
        assert setting.bids(R.ALL_PAY, [value], reserve)[0] == pytest.approx(value * chance - shading, rel=1e-5)


def test_winning_probability_counts_the_others_above() -> None:
    setting = IndependentPrivateValues(UniformValues(), 5, 3)
    np.testing.assert_allclose(setting.winning_probability([0.3, 0.0, 1.0]), [stats.binom.cdf(2, 4, 0.7), 0.0, 1.0])
    assert IndependentPrivateValues(UniformValues(), 3, 3).winning_probability([0.0]).tolist() == [1.0]


def test_units_for_all_are_sold_at_the_reserve() -> None:
    setting = IndependentPrivateValues(UniformValues(1.0, 2.0), 3, 3)
    for rule in (R.DISCRIMINATORY, R.ALL_PAY):
        assert setting.bids(rule, [1.2, 1.5, 2.0], 1.5).tolist() == [0.0, 1.5, 1.5]
    assert setting.expected_revenue(1.5) == pytest.approx(3 * 1.5 * 0.5)
    assert setting.expected_revenue(0.5) == 1.5


# ---------------------------------------------------------------- equilibrium, and revenue through the auctions


@pytest.mark.parametrize("rule", [R.DISCRIMINATORY, R.ALL_PAY])
@pytest.mark.parametrize("units", [1, 2])
@every_law
def test_nobody_gains_by_the_bid_of_another_value(law: ValueLaw, units: int, rule: PaymentRule) -> None:
    setting, reserve = IndependentPrivateValues(law, 4, units), float(law.ppf(0.3))
    values = np.asarray(law.ppf(np.linspace(0.3, 0.99, 30)))
    bids, chances = setting.bids(rule, values, reserve), setting.winning_probability(values)
    paid = bids if rule is R.ALL_PAY else bids * chances
    utilities = values[:, None] * chances - paid  # of each value (row) with the bid of each other (column)
    assert np.all(np.diag(utilities) >= utilities.max(axis=1) - 1e-6)
    assert np.all(np.diag(utilities) >= -1e-9)
    assert np.all(np.diff(bids) > 0.0)
    assert np.all(np.argmax(utilities, axis=1) == np.arange(values.size))


@pytest.mark.parametrize("rule", SIMULATED, ids=[rule.name for rule in SIMULATED])
@pytest.mark.parametrize(("bidders", "units"), [(3, 1), (5, 2), (2, 3)])
@every_law
def test_revenue_equivalence(law: ValueLaw, bidders: int, units: int, rule: PaymentRule) -> None:
    setting = IndependentPrivateValues(law, bidders, units)
    values = np.asarray(law.ppf(np.random.default_rng(5).random((4000, bidders))))
    for reserve in (0.0, float(law.ppf(0.4))):
        bids = setting.bids(rule, values.ravel(), reserve).reshape(values.shape)
        revenue = setting.auction(rule, reserve).clear_many(bids).require().revenue
        error = 4.0 * revenue.std() / np.sqrt(len(revenue))
        assert revenue.mean() == pytest.approx(setting.expected_revenue(reserve), abs=error + 1e-9)


def test_the_auction_has_the_rules_of_the_setting() -> None:
    setting = IndependentPrivateValues(UniformValues(), 2, 1)
    assert setting.auction(R.DISCRIMINATORY, 0.5).reserve == 0.5
    assert setting.auction(R.ALL_PAY, 0.5).reserve == 0.25
    assert setting.auction(R.ALL_PAY).reserve == 0.0
    assert IndependentPrivateValues(UniformValues(), 3, 2).auction(R.VICKREY).units == 2


# ---------------------------------------------------------------- reserves


@pytest.mark.parametrize(
    ("law", "seller_value", "reserve"),
    [
        (UniformValues(), 0.0, 0.5),
        (UniformValues(), 0.4, 0.7),
        (UniformValues(0.0, 8.0), 2.0, 5.0),
        (UniformValues(2.0, 3.0), 0.0, 2.0),
        (UniformValues(), 1.0, 1.0),
        (UniformValues(), 7.0, 7.0),
        (stats.expon(), 0.0, 1.0),
        (stats.expon(), 2.0, 3.0),
        (stats.pareto(2.0), 1.0, 2.0),
        (TwoHumps(), 0.0, 2.0),
    ],
)
def test_optimal_reserve(law: ValueLaw, seller_value: float, reserve: float) -> None:
    for bidders in (1, 5):
        setting = IndependentPrivateValues(law, bidders)
        assert setting.optimal_reserve(seller_value) == pytest.approx(reserve, rel=1e-6)


@every_law
def test_no_reserve_earns_more(law: ValueLaw) -> None:
    setting = IndependentPrivateValues(law, 2)
    best = setting.expected_revenue(setting.optimal_reserve())
    for quantile in np.linspace(0.0, 0.99, 34):
        assert setting.expected_revenue(float(law.ppf(quantile))) <= best + 1e-6
    assert setting.optimal_revenue() >= best - 1e-6


def test_a_reserve_above_all_values_sells_nothing() -> None:
    assert IndependentPrivateValues(UniformValues(), 3).expected_revenue(1.0) == pytest.approx(0.0, abs=1e-12)
    assert IndependentPrivateValues(UniformValues(), 3).expected_revenue(9.0) == 0.0


def test_a_law_without_a_mean_has_no_optimal_reserve() -> None:
    with pytest.raises(InfeasibleError, match="No reserve is optimal"):
        IndependentPrivateValues(stats.pareto(0.5), 2).optimal_reserve()
    with pytest.raises(NotConvergedError, match="infinite"):
        IndependentPrivateValues(stats.pareto(0.25), 2).expected_revenue()


def test_a_law_with_an_atom_is_refused() -> None:
    class Capped(TwoHumps):
        def ppf(self, q: FloatArray) -> FloatArray:
            return np.minimum(super().ppf(q), 2.5)

    with pytest.raises(InvalidInputError, match=r"IndependentPrivateValues.law must be a law without atoms.* by 0\.23"):
        IndependentPrivateValues(Capped(), 2)


def test_a_law_that_is_not_smooth_needs_smaller_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = IndependentPrivateValues(TwoHumps(), 2)
    fine = setting.bids(R.DISCRIMINATORY, [2.5], 0.25)
    for rounds in (6, 10):
        monkeypatch.setattr(shading, "_ROUNDS", rounds)
        assert setting.bids(R.DISCRIMINATORY, [2.5], 0.25) == pytest.approx(fine, abs=1e-6)
    monkeypatch.setattr(shading, "_ROUNDS", 1)
    with pytest.raises(NotConvergedError, match=r"known only to within .*: the law's distribution function must be"):
        setting.bids(R.DISCRIMINATORY, [2.5], 0.25)


# ---------------------------------------------------------------- virtual values


def test_virtual_values() -> None:
    uniform = IndependentPrivateValues(UniformValues(), 2)
    np.testing.assert_allclose(uniform.virtual_value([0.0, 0.5, 1.0]), [-1.0, 0.0, 1.0])
    np.testing.assert_allclose(uniform.ironed_virtual_value([0.0, 0.5, 1.0]), [-1.0, 0.0, 1.0])
    exponential = IndependentPrivateValues(stats.expon(), 2)
    np.testing.assert_allclose(exponential.virtual_value([0.0, 3.0]), [-1.0, 2.0])
    assert uniform.is_regular
    assert exponential.is_regular
    assert IndependentPrivateValues(stats.beta(2.0, 1.0), 2).virtual_value([0.0]).tolist() == [-np.inf]


def test_ironing_two_humps() -> None:
    setting = IndependentPrivateValues(TwoHumps(), 2)
    assert not setting.is_regular
    values = np.array([0.2, 0.8, 0.95, 1.0, 1.5, 2.0, 2.4])
    plain, ironed = setting.virtual_value(values), setting.ironed_virtual_value(values)
    assert np.any(np.diff(plain) < 0.0)
    assert np.all(np.diff(ironed) >= 0.0)
    # The hull leaves R(u) = 2 u (1 - u) where its tangent reaches the peak R(0.51) = 0.98: at u = 0.51 - sqrt(0.51
    # 0.51 - 0.51 + 0.49) ... all values from there to 2 have one ironed virtual value.
    touch = 0.51 - np.sqrt(0.51**2 - 0.02)
    slope = -(2.0 - 4.0 * touch)
    np.testing.assert_allclose(ironed[3:5], slope, atol=1e-3)
    assert ironed[0] == plain[0] if values[0] / 2 < touch else ironed[0] == pytest.approx(slope, abs=1e-3)
    assert ironed[-1] == plain[-1] == pytest.approx(1.8)


def test_optimal_revenue_serves_by_lot_where_virtual_values_are_ironed() -> None:
    class TwoPeaks(TwoHumps):
        """Two thin peaks, at 2 and near 3: one would like to sell at the lower price to all, or by lot."""

        corners = np.array([2.0, 2.1, 2.9, 3.0])
        levels = np.array([0.0, 0.79, 0.81, 1.0])

        def support(self) -> tuple[float, float]:
            return 2.0, 3.0

    setting = IndependentPrivateValues(TwoPeaks(), 2)
    assert not setting.is_regular
    assert setting.optimal_revenue() > setting.expected_revenue(setting.optimal_reserve()) + 1e-3
    quantiles = (np.arange(400) + 0.5) / 400
    ironed = setting.ironed_virtual_value(TwoPeaks().ppf(quantiles))
    highest = np.maximum(ironed[:, None], ironed).clip(min=0.0).mean()
    assert setting.optimal_revenue() == pytest.approx(highest, abs=5e-3)
    assert IndependentPrivateValues(TwoPeaks(), 2, 2).optimal_revenue() == pytest.approx(
        2.0 * ironed.clip(min=0.0).mean(), abs=5e-3
    )


def test_optimal_revenue_of_a_regular_law() -> None:
    assert IndependentPrivateValues(UniformValues(), 2).optimal_revenue() == pytest.approx(5.0 / 12.0)
    assert IndependentPrivateValues(UniformValues(), 2, 2).optimal_revenue() == pytest.approx(0.5)


# ---------------------------------------------------------------- the uniform law


def test_uniform_law() -> None:
    law, same = UniformValues(1.0, 3.0), stats.uniform(1.0, 2.0)
    points = np.array([0.0, 1.0, 1.5, 3.0, 4.0])
    np.testing.assert_allclose(law.cdf(points), same.cdf(points))
    np.testing.assert_allclose(law.pdf(points), same.pdf(points))
    np.testing.assert_allclose(law.ppf([0.0, 0.25, 1.0]), same.ppf([0.0, 0.25, 1.0]))
    assert law.support() == same.support()
    assert UniformValues() == UniformValues(0.0, 1.0)
    assert IndependentPrivateValues(UniformValues(), 2) == IndependentPrivateValues(UniformValues(), 2, 1)
