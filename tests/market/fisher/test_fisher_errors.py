"""Bad input raises the promised error, and the message names the argument and what was got."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_array

from walras.market.errors import InvalidInputError, MarketError
from walras.market.fisher import CESUtility, FisherMarket, FisherUtility, LeontiefUtility, LinearUtility

NAN, INF = float("nan"), float("inf")
MARKET = FisherMarket([1.0, 2.0])
SPARSE = csr_array(np.array([[1.0, 2.0], [3.0, 4.0]]))
EYE = [[1.0, 0.0], [0.0, 1.0]]

MATRICES = [
    ([[1.0, NAN], [1.0, 1.0]], "entry (0, 1) is nan"),
    ([[1.0, 1.0], [INF, 1.0]], "entry (1, 0) is inf"),
    ([1.0, 2.0], "shape (2,)"),
    ([[1.0, 2.0]], "shape (1, 2)"),
    ([[], []], "empty"),
    ([["1", "2"], ["3", "4"]], "[['1', '2'], ['3', '4']]"),
    ([[1j, 1.0], [1.0, 1.0]], "1j"),
    (None, "shape ()"),
    ("many", "'many'"),
]
NUMBERS = [(NAN, "nan"), (INF, "inf"), ("4", "'4'"), (None, "None"), ([1.0, 2.0], "[1.0, 2.0]"), (-1.0, "-1.0")]
WHOLE = [(0, "0"), (-3, "-3"), (2.5, "2.5"), (True, "True"), (NAN, "nan"), ("4", "'4'")]


def with_entry(value: float) -> csr_array:
    matrix = SPARSE.copy()
    matrix.data[2] = value
    return matrix


CASES: list[tuple[Callable[[], object], tuple[str, ...]]] = [
    (lambda: FisherMarket([]), ("FisherMarket.budgets", "empty")),
    (lambda: FisherMarket(3.0), ("FisherMarket.budgets", "one entry per buyer", "shape ()")),
    (lambda: FisherMarket([1.0, 0.0]), ("FisherMarket.budgets", "above 0", "entry 1 is 0.0")),
    (lambda: FisherMarket([1.0, -2.0]), ("FisherMarket.budgets", "above 0", "entry 1 is -2.0")),
    (lambda: FisherMarket([NAN]), ("FisherMarket.budgets", "finite", "entry 0 is nan")),
    (lambda: FisherMarket(["1"]), ("FisherMarket.budgets", "['1']")),
    (lambda: FisherMarket([1.0], 0.0), ("FisherMarket.supplies", "above 0", "0.0")),
    (lambda: FisherMarket([1.0], INF), ("FisherMarket.supplies", "finite", "inf")),
    (lambda: FisherMarket([1.0], "one"), ("FisherMarket.supplies", "'one'")),
    (lambda: FisherMarket([1.0], []), ("FisherMarket.supplies", "empty", "good")),
    (lambda: FisherMarket([1.0], [1.0, 0.0]), ("FisherMarket.supplies", "above 0", "entry 1 is 0.0")),
    (lambda: FisherMarket([1.0], [[1.0]]), ("FisherMarket.supplies", "one entry per good", "shape (1, 1)")),
    (lambda: FisherMarket([1e300], 1e-300), ("FisherMarket.budgets", "FisherMarket.supplies", "inf per unit")),
    (lambda: FisherMarket([1.0], utility="linear"), ("FisherMarket.utility", "LinearUtility", "'linear'")),
    (lambda: FisherMarket([1.0], utility=LinearUtility), ("FisherMarket.utility",)),
    (
        lambda: FisherMarket([1.0, 2.0], utility=CESUtility((0.5, 0.5, 0.5))),
        ("CESUtility.rho", "expected 2", "got 3", "buyer"),
    ),
    (lambda: CESUtility(1.0), ("CESUtility.rho", "below 1 and not 0", "got 1.0", "LinearUtility")),
    (lambda: CESUtility(0.0), ("CESUtility.rho", "got 0.0", "CobbDouglasUtility")),
    (lambda: CESUtility([0.5, 2.0]), ("CESUtility.rho", "got 2.0")),
    (lambda: CESUtility([0.5, 0.0]), ("CESUtility.rho", "got 0.0")),
    (lambda: CESUtility(NAN), ("CESUtility.rho", "nan")),
    (lambda: CESUtility([0.5, -INF]), ("CESUtility.rho", "entry 1 is -inf")),
    (lambda: CESUtility("half"), ("CESUtility.rho", "'half'")),
    (lambda: CESUtility([]), ("CESUtility.rho", "empty", "buyer")),
    (
        lambda: MARKET.equilibrium([[1.0, 2.0], [0.0, 0.0]]),
        ("valuations", "buyer 1 values nothing", "1 such in all", "Leave such buyers out"),
    ),
    (lambda: MARKET.equilibrium([[1.0, -2.0], [1.0, 1.0]]), ("valuations", "0 or more", "entry (0, 1) is -2.0")),
    (
        lambda: FisherMarket([1.0, 2.0], [1.0, 1.0, 1.0]).equilibrium([[1.0, 2.0], [1.0, 1.0]]),
        ("valuations", "shape (2, 3)", "buyer", "good", "got shape (2, 2)"),
    ),
    (
        lambda: MARKET.equilibrium(csr_array((2, 3))),
        ("valuations", "buyer 0 values nothing", "2 such in all"),
    ),
    (lambda: MARKET.equilibrium(csr_array((2, 0))), ("valuations", "empty", "(2, 0)", "at least one good")),
    (lambda: MARKET.equilibrium(csr_array((3, 2))), ("valuations", "shape (2, m)", "got shape (3, 2)")),
    (
        lambda: FisherMarket([1.0, 2.0], [1.0, 1.0, 1.0]).equilibrium(SPARSE),
        ("valuations", "shape (2, 3)", "got shape (2, 2)"),
    ),
    (lambda: MARKET.equilibrium(with_entry(NAN)), ("valuations", "finite", "entry (1, 0) is nan", "1 bad in all")),
    (lambda: MARKET.equilibrium(with_entry(-1.0)), ("valuations", "0 or more", "entry (1, 0) is -1.0")),
    (lambda: MARKET.equilibrium(SPARSE.astype(complex)), ("valuations", "real numbers", "complex128")),
    (
        lambda: MARKET.equilibrium([[1e-300, 1e300], [1.0, 1.0]]),
        ("valuations", "factor of 1e300", "Set such valuations to 0"),
    ),
    (
        lambda: FisherMarket([1.0, 1.0], utility=LeontiefUtility()).equilibrium([[1e-300, 1e300], [1.0, 1.0]]),
        ("valuations", "factor of 1e300"),
    ),
    (lambda: MARKET.certify(EYE, [1.0], EYE), ("prices", "expected 2", "got 1", "good")),
    (lambda: MARKET.certify(EYE, [1.0, NAN], EYE), ("prices", "entry 1 is nan")),
    (lambda: MARKET.certify(EYE, [1.0, 1.0], csr_array((3, 2))), ("allocation", "(2, 2)", "(3, 2)")),
    (lambda: MARKET.certify(EYE, [1.0, 1.0], with_entry(INF)), ("allocation", "finite", "inf", "1 bad in all")),
    (lambda: MARKET.certify(EYE, [1.0, 1.0], [[1.0, 1.0]]), ("allocation", "shape (2, 2)", "(1, 2)", "buyer")),
]


def assert_raises(call: Callable[[], object], parts: tuple[str, ...]) -> None:
    with pytest.raises(MarketError) as raised:
        call()
    assert raised.type is InvalidInputError
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(("call", "parts"), CASES, ids=["/".join(parts) for _, parts in CASES])
def test_bad_input(call: Callable[[], object], parts: tuple[str, ...]) -> None:
    assert_raises(call, parts)


@pytest.mark.parametrize("method", ["equilibrium", "proportional_response", "certify"])
@pytest.mark.parametrize(("bad", "got"), MATRICES, ids=[got for _, got in MATRICES])
def test_not_valuations(method: str, bad: object, got: str) -> None:
    extra = ([1.0, 1.0], EYE) if method == "certify" else ()
    assert_raises(lambda: getattr(MARKET, method)(bad, *extra), ("valuations", got))


@pytest.mark.parametrize(("bad", "got"), MATRICES, ids=[got for _, got in MATRICES])
def test_not_an_allocation(bad: object, got: str) -> None:
    assert_raises(lambda: MARKET.certify(EYE, [1.0, 1.0], bad), ("allocation", got))


@pytest.mark.parametrize("method", ["equilibrium", "proportional_response"])
@pytest.mark.parametrize(("bad", "got"), NUMBERS, ids=[got for _, got in NUMBERS])
def test_not_a_tolerance(method: str, bad: object, got: str) -> None:
    assert_raises(lambda: getattr(MARKET, method)(EYE, tolerance=bad), ("tolerance", got))


@pytest.mark.parametrize(
    ("method", "name"), [("equilibrium", "max_iterations"), ("proportional_response", "max_rounds")]
)
@pytest.mark.parametrize(("bad", "got"), WHOLE, ids=[got for _, got in WHOLE])
def test_not_a_number_of_rounds(method: str, name: str, bad: object, got: str) -> None:
    assert_raises(lambda: getattr(MARKET, method)(EYE, **{name: bad}), (name, got))


def test_utilities_are_an_alias_of_four() -> None:
    assert len(FisherUtility.__args__) == 4


def test_prices_beyond_the_range_of_floats() -> None:
    # Prices in proportion to supplies^(rho - 1): 1e-558 beside 1.
    market = FisherMarket([1.0], [1.0, 1e9, 1e-9], utility=CESUtility(-30.0))
    assert_raises(lambda: market.equilibrium(np.ones((1, 3))), ("CESUtility.rho as low as -30", "LeontiefUtility"))
