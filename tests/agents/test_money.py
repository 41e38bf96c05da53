from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from walras.agents import Ledger, SettlementError, apportion
from walras.agents.money import MOST_CENTS, IntArray, equal_split, whole_cents
from walras.market import InvalidInputError
from walras.market.validation import FloatArray

fractional_cents = st.one_of(
    st.floats(-1e9, 1e9), st.floats(-2.0, 2.0), st.integers(-8, 8).map(lambda quarters: quarters / 4)
)
amount_vectors = st.lists(fractional_cents, min_size=1, max_size=12).map(np.array)


def assert_apportioned(amounts: FloatArray, cents: IntArray) -> None:
    """Each amount goes to a neighbouring cent, and the sum to the nearest cent, in exact arithmetic."""
    exact = [Fraction(amount) for amount in amounts.tolist()]
    assert cents.dtype == np.int64
    assert all(abs(cent - amount) < 1 for cent, amount in zip(cents.tolist(), exact, strict=True)), (amounts, cents)
    rounding = Fraction(float(np.spacing(np.abs(amounts).sum())))  # of the float sum, which is what is rounded
    assert abs(sum(cents.tolist()) - sum(exact)) <= Fraction(1, 2) + rounding, (amounts, cents)


@given(amounts=amount_vectors)
@example(amounts=np.array([0.5]))
@example(amounts=np.array([-1e-20, 0.5, 0.5]))
@example(amounts=np.full(3, 1 / 3))
def test_apportioned_amounts_are_neighbouring_cents_that_sum_to_the_nearest_cent(amounts: FloatArray) -> None:
    assert_apportioned(amounts, apportion(amounts))


@given(amounts=amount_vectors)
def test_a_larger_amount_never_gets_fewer_cents(amounts: FloatArray) -> None:
    in_order = np.argsort(amounts, kind="stable")
    cents, floors = apportion(amounts)[in_order], np.floor(amounts[in_order])
    # within one whole cent the larger remainder comes first; equal ones may differ by the cent that is left
    assert np.all((np.diff(cents) >= 0) | (np.diff(amounts[in_order]) == 0.0) | (np.diff(floors) > 0.0))


@pytest.mark.parametrize("rounding", [np.rint, np.floor, np.ceil, np.trunc])
def test_the_check_of_apportioned_amounts_finds_naive_rounding(rounding: np.ufunc) -> None:
    thirds = np.full(3, 1 / 3)
    with pytest.raises(AssertionError):
        assert_apportioned(thirds, rounding(thirds).astype(np.int64))


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ([0.4, 0.4, 0.2], [1, 0, 0]),  # equal remainders: the first given
        ([1.5, 1.5], [2, 1]),
        ([-0.5, -0.5], [0, -1]),
        ([0.5], [0]),  # half a cent to even
        ([1.5], [2]),
        ([7.0, -7.0], [7, -7]),
    ],
)
def test_apportions_by_largest_remainder(amounts: list[float], expected: list[int]) -> None:
    assert apportion(np.array(amounts)).tolist() == expected


def test_rounds_nobody_up_above_a_limit_and_gives_the_cent_to_the_next() -> None:
    assert apportion(np.array([2.9, 1.1, 1.0]), limits=np.array([2, 5, 5])).tolist() == [2, 2, 1]
    assert apportion(np.array([2.9, 1.1]), limits=np.array([2, 1])).tolist() == [2, 1]


@given(data=st.data(), amounts=amount_vectors)
def test_limits_hold(data: st.DataObject, amounts: FloatArray) -> None:
    room = data.draw(st.lists(st.integers(0, 1), min_size=amounts.size, max_size=amounts.size))
    limits = np.floor(amounts).astype(np.int64) + room
    cents = apportion(amounts, limits)
    assert np.all(cents <= limits)
    assert np.all(np.abs(cents - amounts) <= 1.0)
    assert cents.sum() <= apportion(amounts).sum()


@pytest.mark.parametrize("amount", [np.nan, np.inf, -np.inf, 1.1 * MOST_CENTS])
def test_refuses_amounts_that_cents_cannot_hold(amount: float) -> None:
    with pytest.raises(SettlementError, match="finite and at most"):
        apportion(np.array([1.0, amount]))


def test_refuses_a_limit_that_is_passed_by_a_cent() -> None:
    with pytest.raises(SettlementError, match=r"Agent 1 owes 3\.5 cents, but has only 2"):
        apportion(np.array([1.0, 3.5]), limits=np.array([9, 2]))


@given(cents=st.integers(-(10**6), 10**6), heads=st.integers(1, 500))
def test_an_equal_split_leaves_less_than_a_cent_each(cents: int, heads: int) -> None:
    each = equal_split(cents, heads)
    assert 0 <= cents - each * heads < heads if cents >= 0 else each == 0


@pytest.mark.parametrize("value", [-1, 1.0, True, "1", MOST_CENTS + 1, None])
def test_whole_cents_are_whole(value: object) -> None:
    with pytest.raises(InvalidInputError, match="purse must be a whole number of cents"):
        whole_cents("purse", value)


def ledger() -> Ledger:
    return Ledger(np.array([5, 0, 7]), principal=3, treasury=0)


def test_an_entry_moves_money_and_keeps_the_total() -> None:
    accounts = ledger()
    before = accounts.wealth
    accounts.post(np.array([-5, 1, 0]), principal=6, treasury=-2)
    assert (accounts.wealth.tolist(), accounts.balance("principal"), accounts.balance("treasury")) == ([0, 1, 7], 9, -2)
    assert accounts.total == 15
    assert before.tolist() == [5, 0, 7]
    accounts.wealth[0] = 100  # of a copy
    assert accounts.total == 15


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"agents": np.array([1, 0, 0])}, "must sum to 0 cents, this one sums to 1"),
        ({"agents": np.array([0, 0, 0]), "principal": 1, "treasury": -2}, "sums to -1"),
        ({"agents": np.array([0, -1, 1])}, "Agent 1 has 0 cents and cannot pay 1"),
        ({"agents": np.array([0.0, 0.0, 0.0])}, "int64 cents"),
        ({"agents": np.array([0, 0])}, r"shape \(3,\)"),
        ({"agents": np.array([0, 0, 4 * MOST_CENTS]), "treasury": -4 * MOST_CENTS}, "A debt of"),
    ],
)
def test_a_wrong_entry_is_refused_and_nothing_is_booked(entry: dict[str, object], message: str) -> None:
    accounts = ledger()
    with pytest.raises(SettlementError, match=message):
        accounts.post(**entry)
    assert (accounts.wealth.tolist(), accounts.balance("principal"), accounts.balance("treasury")) == ([5, 0, 7], 3, 0)


def test_the_ledger_keeps_no_hold_on_its_callers_array() -> None:
    wealth = np.array([1, 2])
    accounts = Ledger(wealth, principal=0, treasury=0)
    wealth[0] = 100
    assert accounts.total == 3


def test_a_transfer_moves_money_between_agents_and_institutions() -> None:
    accounts = ledger()
    accounts.transfer(2, 1, 4)
    accounts.transfer(0, "treasury", 5)
    accounts.transfer("principal", 0, 10)
    accounts.transfer("treasury", "principal", 1)
    assert accounts.wealth.tolist() == [10, 4, 3]
    assert (accounts.balance("principal"), accounts.balance("treasury"), accounts.total) == (-6, 4, 15)
    assert (accounts.balance(1), accounts.agents) == (4, 3)


@pytest.mark.parametrize(
    ("payment", "error", "message"),
    [
        ((0, 1, 6), SettlementError, "Agent 0 has 5 cents and cannot pay 6"),
        ((0, 1, -1), SettlementError, "0 cents or more, got -1"),
        ((0, "bank", 1), InvalidInputError, r"no account 'bank'; its institutions: \['principal', 'treasury'\]"),
        (("bank", 0, 1), InvalidInputError, "no account 'bank'"),
        (("treasury", 0, 2 * MOST_CENTS), SettlementError, "A debt of"),
    ],
)
def test_a_wrong_transfer_is_refused_and_nothing_is_booked(
    payment: tuple[int | str, int | str, int], error: type[Exception], message: str
) -> None:
    accounts = ledger()
    with pytest.raises(error, match=message):
        accounts.transfer(*payment)
    assert (accounts.wealth.tolist(), accounts.total) == ([5, 0, 7], 15)


def test_an_entry_for_an_unknown_institution_is_refused() -> None:
    accounts = ledger()
    with pytest.raises(InvalidInputError, match="no account 'bank'"):
        accounts.post(np.array([0, 0, 0]), bank=1, treasury=-1)
    assert accounts.total == 15
