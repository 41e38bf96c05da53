"""Firms under instruments: the columnar engine, the theory, and where both come from, each against a slow oracle."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from walras.agents.pollution import (
    Damage,
    EmissionsTax,
    Industry,
    NoRegulation,
    PermitCap,
    PermitCollar,
    PollutionEconomy,
    best_cap,
    best_collar,
    best_tax,
    expected_loss,
    first_best_welfare,
    pollution_outcomes,
    price_advantage,
)
from walras.market import InfeasibleError, InvalidInputError

numbers = st.floats(0.1, 50.0)
shock_sizes = st.one_of(st.just(0.0), st.floats(0.01, 60.0))


@st.composite
def industries(draw: st.DrawFn) -> Industry:
    firms = draw(st.integers(1, 5))
    return Industry(
        intercepts=draw(st.lists(numbers, min_size=firms, max_size=firms)),
        slopes=draw(st.lists(numbers, min_size=firms, max_size=firms)),
        common_deviation=draw(shock_sizes),
        own_deviation=draw(shock_sizes),
    )


@st.composite
def collars(draw: st.DrawFn) -> PermitCollar:
    low, high = sorted([draw(st.floats(0.0, 40.0)), draw(st.floats(0.0, 40.0))])
    return PermitCollar(draw(numbers), low, high, free_share=draw(st.sampled_from([0.0, 0.3, 1.0])))


damages = st.builds(Damage, intercept=st.sampled_from([0.0, 1.0, 30.0]), slope=st.sampled_from([0.0, 0.2, 1.0, 20.0]))
instruments = st.one_of(
    st.just(NoRegulation()),
    st.builds(EmissionsTax, st.floats(0.0, 60.0)),
    st.builds(PermitCap, numbers, free_share=st.sampled_from([0.0, 0.5, 1.0])),
    collars(),
)


def emissions_at(price: float, entries: np.ndarray, slopes: np.ndarray) -> float:
    return float(np.maximum(entries - price, 0.0) @ (1.0 / slopes))


def unused(price: float, entries: np.ndarray, slopes: np.ndarray, permits: float) -> float:
    return emissions_at(price, entries, slopes) - permits


@given(industry=industries(), damage=damages, instrument=instruments, seed=st.integers(0, 99))
def test_outcomes_are_those_of_a_slow_oracle(industry, damage, instrument, seed):
    """Price by bisection on the excess demand, one period and one firm at a time; the best welfare by search."""
    shocks = industry.shocks(3, np.random.default_rng(seed))
    found = pollution_outcomes(industry, damage, instrument, shocks)
    permits, floor, ceiling = instrument.bounds
    for period, entries in enumerate(np.asarray(industry.intercepts) + shocks):
        price = floor
        if emissions_at(floor, entries, industry.slopes) > permits:
            top = min(ceiling, float(entries.max()))
            price = top
            if emissions_at(top, entries, industry.slopes) <= permits:
                price = optimize.bisect(
                    unused, floor, top, args=(entries, industry.slopes, permits), xtol=1e-13, rtol=1e-14
                )
        size = 1.0 + abs(price)
        assert found.prices[period] == pytest.approx(price, abs=1e-9 * size)
        units = np.maximum(entries - price, 0.0) / industry.slopes
        assert found.emissions[period] == pytest.approx(units.sum(), rel=1e-7, abs=1e-7)
        benefits = sum(v * e - b * e * e / 2 for v, e, b in zip(entries, units, industry.slopes, strict=True))
        free = sum(max(v, 0.0) ** 2 / (2 * b) for v, b in zip(entries, industry.slopes, strict=True))
        scale = 1.0 + free
        assert found.abatement_costs[period] == pytest.approx(free - benefits, abs=1e-7 * scale)
        harm = damage.intercept * units.sum() + damage.slope * units.sum() ** 2 / 2
        assert found.damages[period] == pytest.approx(harm, rel=1e-7, abs=1e-7)
        assert found.welfare[period] == pytest.approx(benefits - harm, abs=1e-7 * (scale + harm))
        assert found.losses[period] >= -1e-9 * (scale + harm)
        bought = units.sum() - instrument.free_permits
        assert found.revenues[period] == pytest.approx(price * bought, abs=1e-7 * size * (1.0 + abs(bought)))


@given(industry=industries(), damage=damages, seed=st.integers(0, 99))
def test_no_price_of_emissions_does_better_than_the_first_best(industry, damage, seed):
    shocks = industry.shocks(1, np.random.default_rng(seed))
    best = float(first_best_welfare(industry, damage, shocks)[0])
    highest = float((np.asarray(industry.intercepts) + shocks).max())
    grid = np.linspace(0.0, max(highest, 1.0), 400)
    tried = [
        float(pollution_outcomes(industry, damage, EmissionsTax(float(rate)), shocks).welfare[0]) for rate in grid[::8]
    ]
    slack = 1e-9 * (1.0 + abs(best))
    assert max(tried) <= best + slack

    def worse(rate: float) -> float:
        return -float(pollution_outcomes(industry, damage, EmissionsTax(max(rate, 0.0)), shocks).welfare[0])

    searched = optimize.minimize_scalar(
        worse, bounds=(0.0, max(highest, 1.0)), method="bounded", options={"xatol": 1e-10}
    )
    # A quadratic piece with kinks: the search is rough, but comes near.
    assert best <= max(-searched.fun, *tried) + 1e-3 * (1.0 + abs(best))


@given(industry=industries(), damage=damages, instrument=instruments, seed=st.integers(0, 99))
def test_both_engines_give_the_same_numbers_from_the_same_seed(industry, damage, instrument, seed):
    economy = PollutionEconomy(industry, damage, instrument, rng=seed)
    periods, rows = economy.run(4), economy.rows
    shocks = industry.shocks(4, np.random.default_rng(seed))
    np.testing.assert_array_equal(rows["shock"].to_numpy().reshape(4, -1), shocks)  # bit for bit
    found = pollution_outcomes(industry, damage, instrument, shocks)
    pairs = {
        "price": found.prices,
        "emissions": found.emissions,
        "unregulated_emissions": found.unregulated_emissions,
        "abatement_cost": found.abatement_costs,
        "damage": found.damages,
        "welfare": found.welfare,
        "loss": found.losses,
    }
    size = 1.0 + float(np.abs(found.welfare).max() + found.damages.max() + found.unregulated_emissions.max())
    for column, expected in pairs.items():
        np.testing.assert_allclose(periods[column], expected, rtol=1e-9, atol=1e-9 * size, err_msg=column)


def test_shocks_drawn_together_are_those_drawn_one_by_one():
    industry = Industry(intercepts=[10.0, 20.0, 30.0], slopes=2.0, common_deviation=1.0, own_deviation=2.0)
    together, one_by_one = np.random.default_rng(5), np.random.default_rng(5)
    rows = np.concatenate([industry.shocks(1, one_by_one) for _ in range(7)])
    np.testing.assert_array_equal(industry.shocks(7, together), rows)


def test_many_draws_are_worked_on_in_parts(monkeypatch):
    industry = Industry(intercepts=[10.0, 20.0, 30.0], slopes=2.0, common_deviation=5.0, own_deviation=2.0)
    shocks = industry.shocks(1000, np.random.default_rng(0))
    whole = pollution_outcomes(industry, Damage(slope=1.0), PermitCap(9.0), shocks)
    monkeypatch.setattr("walras.agents.pollution.outcomes._ENTRIES", 50)
    parts = pollution_outcomes(industry, Damage(slope=1.0), PermitCap(9.0), shocks)
    np.testing.assert_array_equal(whole.welfare, parts.welfare)
    assert pollution_outcomes(industry, Damage(), NoRegulation(), shocks[:0]).prices.shape == (0,)


# ---------------------------------------------------------------- theory


FIRMS = Industry(intercepts=[90.0, 105.0, 110.0], slopes=[1.0, 1.5, 3.0], common_deviation=2.5, own_deviation=1.5)


def test_the_aggregate_is_what_the_firms_do_together():
    assert 1.0 / FIRMS.slope == pytest.approx(1 + 1 / 1.5 + 1 / 3)
    price, shocks = 60.0, np.array([1.0, -2.0, 3.0])
    units = (np.asarray(FIRMS.intercepts) + shocks - price) / np.asarray(FIRMS.slopes)
    theta = FIRMS.slope * float(shocks @ FIRMS.weights)
    assert FIRMS.intercept + theta - FIRMS.slope * units.sum() == pytest.approx(price)
    drawn = FIRMS.slope * FIRMS.shocks(200_000, np.random.default_rng(1)) @ FIRMS.weights
    # four standard errors of a variance of normal draws
    assert drawn.var() == pytest.approx(FIRMS.shock_variance, rel=4 * math.sqrt(2 / 200_000))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0, 2.5])
def test_weitzmans_formula_is_the_difference_of_the_losses(ratio):
    damage = Damage(intercept=20.0, slope=ratio * FIRMS.slope)
    by_loss = expected_loss(FIRMS, damage, best_cap(FIRMS, damage)) - expected_loss(
        FIRMS, damage, best_tax(FIRMS, damage)
    )
    by_formula = price_advantage(FIRMS.shock_variance, damage.slope, FIRMS.slope)
    assert by_loss == pytest.approx(by_formula, abs=1e-9)
    # Written out from the paper, with B'' < 0: sigma^2 (B'' + C'') / (2 C''^2).
    assert by_formula == pytest.approx(FIRMS.shock_variance * (FIRMS.slope - damage.slope) / (2 * FIRMS.slope**2))


def loss_by_integration(industry: Industry, damage: Damage, instrument) -> float:
    b, curvature = industry.slope, industry.slope + damage.slope
    deviation = math.sqrt(industry.shock_variance)
    permits, floor, ceiling = instrument.bounds

    def loss(theta: float) -> float:
        price = floor if math.isinf(permits) else min(max(industry.intercept + theta - b * permits, floor), ceiling)
        emitted = (industry.intercept + theta - price) / b
        wanted = (industry.intercept - damage.intercept + theta) / curvature
        return 0.5 * curvature * (emitted - wanted) ** 2 * stats.norm.pdf(theta, scale=deviation)

    kinks = [] if math.isinf(permits) else [bound - industry.intercept + b * permits for bound in (floor, ceiling)]
    span = 12.0 * deviation
    inside = sorted(kink for kink in kinks if abs(kink) < span)
    edges = [-span, *inside, span]
    return sum(integrate.quad(loss, low, high)[0] for low, high in pairwise(edges))


@pytest.mark.parametrize(
    "instrument",
    [
        NoRegulation(),
        EmissionsTax(55.0),
        PermitCap(45.0),
        PermitCollar(48.0, 40.0, 58.0),
        PermitCollar(48.0, 50.0, 52.0),
        PermitCollar(48.0, 50.0, 50.0),
    ],
    ids=repr,
)
def test_expected_losses_are_integrals_over_the_shock(instrument):
    damage = Damage(intercept=5.0, slope=0.8)
    expected = loss_by_integration(FIRMS, damage, instrument)
    assert expected_loss(FIRMS, damage, instrument) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 5.0, 20.0])
def test_no_other_bounds_of_a_collar_are_expected_to_lose_less(ratio):
    damage = Damage(slope=ratio * FIRMS.slope)
    collar = best_collar(FIRMS, damage)
    least = expected_loss(FIRMS, damage, collar)

    def loss(wider: np.ndarray) -> float:
        floor, ceiling = collar.floor - wider[0], collar.ceiling + wider[1]
        return expected_loss(FIRMS, damage, PermitCollar(collar.permits, min(floor, ceiling), max(floor, ceiling)))

    for wider in ([0.1, 0.1], [-0.1, -0.1], [0.1, -0.1], [0.3, 0.0], [0.0, 0.3]):
        assert loss(np.array(wider)) > least
    assert least < min(expected_loss(FIRMS, damage, rule(FIRMS, damage)) for rule in (best_tax, best_cap))


@pytest.mark.parametrize("ratio", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("rule", [best_tax, best_cap, best_collar])
def test_simulated_losses_are_the_expected_ones(ratio, rule):
    damage = Damage(slope=ratio * FIRMS.slope)
    instrument = rule(FIRMS, damage)
    losses = pollution_outcomes(FIRMS, damage, instrument, FIRMS.shocks(100_000, np.random.default_rng(2))).losses
    error = losses.std(ddof=1) / math.sqrt(losses.size)
    assert losses.mean() == pytest.approx(expected_loss(FIRMS, damage, instrument), abs=4.0 * error)


def test_without_uncertainty_all_three_reach_the_first_best():
    certain, damage = Industry(intercepts=[90.0, 110.0], slopes=2.0), Damage(intercept=3.0, slope=0.7)
    for rule in (best_tax, best_cap, best_collar):
        instrument = rule(certain, damage)
        found = pollution_outcomes(certain, damage, instrument, np.zeros((1, 2)))
        assert abs(found.losses[0]) < 1e-9
        assert expected_loss(certain, damage, instrument) == pytest.approx(0.0, abs=1e-12)
        assert found.prices[0] == pytest.approx(damage.marginal(found.emissions)[0])  # Pigou: the price is the damage


def test_what_is_given_away_changes_who_pays_and_nothing_else():
    """Montgomery 1972: prices and emissions do not depend on the endowment of permits."""
    damage = Damage(slope=1.0)
    sold, given_away = (
        PollutionEconomy(FIRMS, damage, PermitCap(40.0, free_share=share), rng=3, wealth_cents=100)
        for share in (0.0, 1.0)
    )
    periods, others = sold.run(20), given_away.run(20)
    same = ["price", "emissions", "abatement_cost", "welfare", "loss"]
    assert periods[same].equals(others[same])
    assert (periods["revenue_cents"] > 0).all()
    assert (others["revenue_cents"].abs() <= 1).all()
    assert (given_away.rows["payment_cents"] < 0).any()


def test_the_tax_at_the_caps_price_brings_about_the_caps_emissions():
    shocks = FIRMS.shocks(1, np.random.default_rng(0))
    capped = pollution_outcomes(FIRMS, Damage(), PermitCap(40.0), shocks)
    taxed = pollution_outcomes(FIRMS, Damage(), EmissionsTax(float(capped.prices[0])), shocks)
    np.testing.assert_allclose(taxed.emissions, capped.emissions, rtol=1e-12)


# ---------------------------------------------------------------- bad input


GOOD = Industry(intercepts=[1.0], slopes=1.0)
BAD = [
    (lambda: Industry(intercepts=[], slopes=1.0), "Industry.intercepts is empty"),
    (lambda: Industry(intercepts=[1.0, 0.0], slopes=1.0), "Industry.intercepts must be above 0"),
    (lambda: Industry(intercepts=[1.0, 2.0], slopes=[1.0]), "Industry.slopes must have one entry per firm"),
    (lambda: Industry(intercepts=[1.0], slopes=[math.nan]), "Industry.slopes must be finite"),
    (lambda: Industry(intercepts=[1.0], slopes=1.0, common_deviation=-1.0), "Industry.common_deviation"),
    (lambda: Industry(intercepts=[1.0], slopes=1.0, own_deviation="x"), "Industry.own_deviation"),
    (lambda: GOOD.shocks(-1, np.random.default_rng(0)), "periods must be 0 or more"),
    (lambda: GOOD.shocks(1, 0), "rng must be a Generator"),
    (lambda: GOOD.marginal_benefits([[1.0, 2.0]]), r"shocks must have shape \(periods, 1 firms\)"),
    (lambda: GOOD.marginal_benefits([[math.inf]]), "shocks must be finite"),
    (lambda: Damage(intercept=-1.0), "Damage.intercept must be 0 or more"),
    (lambda: Damage(slope=math.inf), "Damage.slope must be finite"),
    (lambda: EmissionsTax(-0.1), "EmissionsTax.rate must be 0 or more"),
    (lambda: PermitCap(0.0), "PermitCap.permits must be above 0"),
    (lambda: PermitCap(1.0, free_share=1.1), r"PermitCap.free_share must lie in \[0, 1\]"),
    (lambda: PermitCollar(0.0, 1.0, 2.0), "PermitCollar.permits must be above 0"),
    (lambda: PermitCollar(1.0, 3.0, 2.0), "PermitCollar.floor must not exceed the ceiling"),
    (lambda: PermitCollar(1.0, -3.0, 2.0), "PermitCollar.floor must be 0 or more"),
    (lambda: PermitCollar(1.0, 1.0, math.inf), "PermitCollar.ceiling must be finite"),
    (lambda: PermitCollar(1.0, 1.0, 2.0, free_share=-1), "PermitCollar.free_share"),
    (lambda: pollution_outcomes(1, Damage(), NoRegulation(), [[0.0]]), "industry must be a Industry"),
    (lambda: pollution_outcomes(GOOD, 1, NoRegulation(), [[0.0]]), "damage must be a Damage"),
    (lambda: pollution_outcomes(GOOD, Damage(), 1, [[0.0]]), "instrument must be NoRegulation"),
    (lambda: first_best_welfare(1, Damage(), [[0.0]]), "industry must be a Industry"),
    (lambda: first_best_welfare(GOOD, 1, [[0.0]]), "damage must be a Damage"),
    (lambda: price_advantage(-1.0, 1.0, 1.0), "shock_variance must be 0 or more"),
    (lambda: price_advantage(1.0, -1.0, 1.0), "benefit_curvature must be 0 or more"),
    (lambda: price_advantage(1.0, 1.0, 0.0), "cost_curvature must be above 0"),
    (lambda: best_cap(1, Damage()), "industry must be a Industry"),
    (lambda: best_tax(GOOD, 1), "damage must be a Damage"),
    (lambda: best_collar(GOOD, 1), "damage must be a Damage"),
    (lambda: expected_loss(GOOD, Damage(), "tax"), "instrument must be NoRegulation"),
    (lambda: expected_loss(1, Damage(), NoRegulation()), "industry must be a Industry"),
    (lambda: PollutionEconomy(1, Damage(), NoRegulation(), rng=0), "industry must be a Industry"),
    (lambda: PollutionEconomy(GOOD, 1, NoRegulation(), rng=0), "damage must be a Damage"),
    (lambda: PollutionEconomy(GOOD, Damage(), None, rng=0), "instrument must be NoRegulation"),
    (lambda: PollutionEconomy(GOOD, Damage(), NoRegulation(), rng=True), "rng must be"),
    (lambda: PollutionEconomy(GOOD, Damage(), NoRegulation(), rng=0, wealth_cents=-1), "wealth_cents"),
    (lambda: PollutionEconomy(GOOD, Damage(), NoRegulation(), rng=0, cents_per_money=0), "cents_per_money"),
    (lambda: PollutionEconomy(GOOD, Damage(), NoRegulation(), rng=0, record_every=0), "record_every"),
    (lambda: PollutionEconomy(GOOD, Damage(), NoRegulation(), rng=0, most_records=0), "most_records"),
    (lambda: PollutionEconomy(GOOD, Damage(), NoRegulation(), rng=0).run(0), "periods must be 1 or more"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_refused_with_reasons(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


def test_a_damage_that_no_emission_is_worth_has_no_best_instrument():
    for rule in (best_cap, best_tax, best_collar):
        with pytest.raises(InfeasibleError, match=r"Lower Damage\.intercept"):
            rule(GOOD, Damage(intercept=1.0))
