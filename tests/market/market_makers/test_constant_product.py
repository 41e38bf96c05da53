"""Constant-product pools of floats and of whole units: test vectors, invariant, round trips, liquidity, certificate."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.market_makers import ConstantProduct, IntegerConstantProduct, LiquidityStatus, SwapStatus
from walras.market.market_makers.swap import certify_liquidity, certify_swap
from walras.market.testing.strategies.market_makers import integer_pools, pools

UNIT = 10**18
assets = st.sampled_from([0, 1])


# ---------------------------------------------------------------- whole units


@pytest.mark.parametrize(
    ("amount", "reserve_in", "reserve_out", "expected"),
    [
        (1, 5, 10, 1662497915624478906),
        (1, 10, 5, 453305446940074565),
        (2, 5, 10, 2851015155847869602),
        (2, 10, 5, 831248957812239453),
        (1, 10, 10, 906610893880149131),
        (1, 100, 100, 987158034397061298),
        (1, 1000, 1000, 996006981039903216),
    ],
)
@pytest.mark.parametrize("sold", [0, 1])
def test_vectors_of_uniswap_v2(amount, reserve_in, reserve_out, expected, sold):
    reserves = (reserve_in * UNIT, reserve_out * UNIT)
    pool = IntegerConstantProduct(reserves if sold == 0 else reserves[::-1])
    swap = pool.swap_exact_in(amount * UNIT, sold=sold).require(0.0)
    assert swap.amount_out == expected
    assert (swap.sold, swap.bought) == (sold, 1 - sold)
    assert swap.pool.reserves[sold] == (reserve_in + amount) * UNIT
    assert swap.pool.reserves[1 - sold] == reserve_out * UNIT - expected
    assert swap.fee == 3 * amount * UNIT // 1000


@given(pool=integer_pools(), sold=assets, data=st.data())
def test_whole_swaps_take_no_more_and_give_no_less_than_they_must(pool, sold, data):
    amount = data.draw(st.integers(0, 3 * pool.reserves[sold]))
    swap = pool.swap_exact_in(amount, sold=sold).require(0.0)
    exact = pool.reserves[1 - sold] - Fraction(pool.reserves[0] * pool.reserves[1]) / (
        pool.reserves[sold] + amount * (1 - pool.fee)
    )
    assert swap.amount_out == exact.__floor__()
    assert swap.status is (SwapStatus.SWAPPED if swap.amount_out else SwapStatus.NOTHING)
    assert swap.fee == -((-amount * pool.fee).__floor__())
    assert swap.pool.reserves[0] * swap.pool.reserves[1] >= pool.reserves[0] * pool.reserves[1]


@given(pool=integer_pools(), sold=assets, data=st.data())
def test_whole_exact_out_is_the_least_that_is_enough(pool, sold, data):
    amount = data.draw(st.integers(0, pool.reserves[1 - sold] - 1))
    swap = pool.swap_exact_out(amount, sold=sold).require(0.0)
    assert swap.amount_out == amount
    assert pool.swap_exact_in(swap.amount_in, sold=sold).amount_out >= amount
    if swap.amount_in:
        assert pool.swap_exact_in(swap.amount_in - 1, sold=sold).amount_out < amount


def test_whole_exact_out_adds_nothing_to_a_whole_amount():
    assert IntegerConstantProduct((100, 100), Fraction(0)).swap_exact_out(50, sold=0).amount_in == 100


@given(pool=integer_pools(), sold=assets, data=st.data())
def test_no_free_round_trip_in_whole_units(pool, sold, data):
    amount = data.draw(st.integers(1, 3 * pool.reserves[sold]))
    there = pool.swap_exact_in(amount, sold=sold)
    back = there.pool.swap_exact_in(there.amount_out, sold=1 - sold)
    assert back.amount_out <= amount
    if pool.fee and there.amount_out:
        assert back.amount_out < amount


@given(pool=integer_pools(), data=st.data())
def test_liquidity_in_whole_units_dilutes_nobody(pool, data):
    offered = tuple(data.draw(st.integers(0, 3 * reserve)) for reserve in pool.reserves)
    added = pool.add_liquidity(offered).require(0.0)
    assert all(0 <= paid <= most for paid, most in zip(added.amounts, offered, strict=True))
    assert added.status is (LiquidityStatus.ADDED if added.shares else LiquidityStatus.NOTHING)
    assert added.pool.shares == pool.shares + added.shares
    removed = added.pool.remove_liquidity(added.shares).require(0.0)
    assert removed.status is (LiquidityStatus.REMOVED if added.shares else LiquidityStatus.NOTHING)
    assert removed.shares == -added.shares
    assert all(paid + returned >= 0 for paid, returned in zip(added.amounts, removed.amounts, strict=True))
    for before, after in zip(pool.reserves, removed.pool.reserves, strict=True):
        assert before <= after <= before + 1


def test_whole_shares():
    pool = IntegerConstantProduct((100, 400))
    assert pool.shares == 200
    assert IntegerConstantProduct((1, 3)).shares == 1
    added = pool.add_liquidity((11, 40))
    assert (added.amounts, added.shares, added.pool.reserves) == ((10, 40), 20, (110, 440))
    odd = IntegerConstantProduct((100, 400), shares=3).add_liquidity((70, 280))
    assert (odd.amounts, odd.shares) == ((67, 267), 2)
    removed = IntegerConstantProduct((100, 400), shares=3).remove_liquidity(1)
    assert (removed.amounts, removed.pool.reserves, removed.pool.shares) == ((-33, -133), (67, 267), 2)


def test_whole_price_is_a_fraction():
    pool = IntegerConstantProduct((3, 7))
    assert (pool.price(0), pool.price(1)) == (Fraction(7, 3), Fraction(3, 7))


# ---------------------------------------------------------------- floats


@given(pool=pools(), sold=assets, part=st.floats(0.0, 10.0))
def test_float_swaps(pool, sold, part):
    swap = pool.swap_exact_in(part * pool.reserves[sold], sold=sold).require(1e-12)
    net = part * (1.0 - pool.fee)
    assert swap.amount_out == pytest.approx(pool.reserves[1 - sold] * net / (1.0 + net), rel=1e-12)
    assert swap.fee == swap.amount_in * pool.fee
    assert swap.status is (SwapStatus.SWAPPED if swap.amount_out > 0.0 else SwapStatus.NOTHING)
    assert swap.pool.shares == pool.shares
    assert swap.pool.fee == pool.fee


@given(pool=pools(), sold=assets, part=st.floats(0.0, 0.9))
def test_exact_out_undoes_exact_in(pool, sold, part):
    amount = part * pool.reserves[1 - sold]
    asked = pool.swap_exact_out(amount, sold=sold).require(1e-12)
    assert asked.amount_out == amount
    assert pool.swap_exact_in(asked.amount_in, sold=sold).amount_out == pytest.approx(amount, rel=1e-12)


@given(pool=pools(), sold=assets, part=st.floats(1e-6, 10.0))
def test_no_free_round_trip(pool, sold, part):
    amount = part * pool.reserves[sold]
    there = pool.swap_exact_in(amount, sold=sold)
    back = there.pool.swap_exact_in(there.amount_out, sold=1 - sold)
    assert back.amount_out <= amount + 1e-12 * (amount + pool.reserves[sold])


@given(pool=pools(), data=st.data())
def test_liquidity_in_floats(pool, data):
    parts = data.draw(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 5.0)))
    offered = tuple(part * reserve for part, reserve in zip(parts, pool.reserves, strict=True))
    added = pool.add_liquidity(offered).require(1e-12)
    for paid, reserve in zip(added.amounts, pool.reserves, strict=True):
        assert paid == pytest.approx(min(parts) * reserve, rel=1e-9, abs=0.0)
    assert added.shares == pytest.approx(min(parts) * pool.shares, rel=1e-9)
    assert added.pool.price(0) == pytest.approx(pool.price(0), rel=1e-12)
    removed = added.pool.remove_liquidity(added.shares).require(1e-12)
    for before, after in zip(pool.reserves, removed.pool.reserves, strict=True):
        assert after == pytest.approx(before, rel=1e-12)


def test_prices_and_shares():
    pool = ConstantProduct((100.0, 400.0))
    assert (pool.price(0), pool.price(1), pool.shares, pool.fee) == (4.0, 0.25, 200.0, 0.003)
    assert ConstantProduct((1e-100, 1e100)).shares == pytest.approx(1.0)
    assert ConstantProduct((1.0, 4.0), shares=7).shares == 7.0


def test_fee_stays_in_the_pool():
    swap = ConstantProduct((100.0, 100.0), fee=0.5).swap_exact_in(200.0, sold=1)
    assert (swap.amount_out, swap.fee, swap.pool.reserves, swap.average_price) == (50.0, 100.0, (50.0, 300.0), 4.0)


def test_a_payment_far_beyond_the_reserves_empties_the_pool_but_for_a_rest():
    swap = ConstantProduct((1.0, 1.0), fee=0.0).swap_exact_in(1e20, sold=0).require(1e-12)
    assert swap.amount_out == 1.0
    assert swap.pool.reserves == (1e20, pytest.approx(1e-20))


def test_nothing_for_nothing():
    swap = ConstantProduct((1.0, 1.0)).swap_exact_in(0.0, sold=0)
    assert swap.status is SwapStatus.NOTHING
    assert swap.average_price != swap.average_price
    assert ConstantProduct((1.0, 1.0)).add_liquidity((0.0, 1.0)).status is LiquidityStatus.NOTHING
    assert ConstantProduct((1.0, 1.0)).remove_liquidity(0.0).status is LiquidityStatus.NOTHING


def test_pools_are_left_as_they_are():
    pool = ConstantProduct((10.0, 20.0))
    pool.swap_exact_in(1.0, sold=0)
    pool.remove_liquidity(1.0)
    assert pool == ConstantProduct((10.0, 20.0))


# ---------------------------------------------------------------- certificate

BEFORE = ConstantProduct((100.0, 100.0), fee=0.5)


def swapped(reserves, amount_in=200.0, amount_out=50.0, unit=0):
    return certify_swap(BEFORE, ConstantProduct(reserves, 0.5), 0, amount_in, amount_out, unit)


def test_the_answer_is_right():
    assert swapped((300.0, 50.0)).violations(0.0) == {}
    assert swapped((300.0, 50.0), unit=1).violations(0.0) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reserves": (250.0, 50.0)}, {"conservation": 0.2}),
        ({"reserves": (300.0, 40.0)}, {"conservation": 0.1}),
        ({"reserves": (300.0, 20.0), "amount_out": 80.0}, {"invariant": 0.4, "fee": 0.6, "conservation": 0.0}),
        ({"reserves": (300.0, 40.0), "amount_out": 60.0}, {"invariant": 0.0, "fee": 0.2}),
        ({"reserves": (300.0, 60.0), "amount_out": 40.0}, {"generosity": 0.2, "fee": 0.0}),
        ({"reserves": (300.0, 60.0), "amount_out": 40.0, "unit": 1}, {"generosity": 0.18}),
        ({"reserves": (302.0, 50.0), "amount_in": 202.0, "unit": 1}, {"generosity": 0.0}),
        ({"reserves": (400.0, 50.0), "amount_in": 300.0, "unit": 1}, {"generosity": 0.225}),
    ],
)
def test_certificate_of_a_swap_convicts(changes, expected):
    certificate = swapped(**changes)
    for name, residual in expected.items():
        assert getattr(certificate, name) == pytest.approx(residual), name


@pytest.mark.parametrize(
    ("reserves", "shares", "amounts", "unit", "expected"),
    [
        ((150.0, 150.0), 150.0, (50.0, 50.0), 0, (0.0, 0.0, 0.0)),
        ((150.0, 150.0), 150.0, (50.0, 35.0), 0, (0.1, 0.0, 0.1)),
        ((150.0, 120.0), 150.0, (50.0, 20.0), 0, (0.0, 0.2, 0.25)),
        ((150.0, 150.0), 160.0, (50.0, 50.0), 0, (0.0, 0.0625, 10 / 150)),
        ((150.0, 150.0), 149.0, (50.0, 50.0), 1, (0.0, 0.0, 0.0)),
        ((50.0, 40.0), 50.0, (-50.0, -60.0), 0, (0.0, 0.2, 0.1)),
    ],
)
def test_certificate_of_liquidity_convicts(reserves, shares, amounts, unit, expected):
    before = ConstantProduct((100.0, 100.0), shares=100.0)
    certificate = certify_liquidity(before, ConstantProduct(reserves, shares=shares), amounts, unit)
    assert certificate.conservation == pytest.approx(expected[0])
    assert certificate.dilution == pytest.approx(expected[1])
    assert certificate.proportion == pytest.approx(expected[2])


def test_promises():
    assert BEFORE.declared_properties == {Property.FEASIBLE, Property.CONSERVES, Property.SCALE_FREE}
    assert IntegerConstantProduct((1, 1)).declared_properties == {Property.FEASIBLE, Property.CONSERVES}
