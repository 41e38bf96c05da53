"""Bad input raises the promised error, and the message names the argument and what was got."""

from collections.abc import Callable

import numpy as np
import pytest

from walras.market import (
    CapacityMarket,
    FixedSupply,
    InfeasibleError,
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    MarketError,
    NotConvergedError,
    NotDifferentiableError,
    PerUnitTax,
    PostedPrice,
    StepDemand,
    gini,
)

NAN, INF = float("nan"), float("inf")
MARKET = CapacityMarket(FixedSupply(1.0))

# What no argument that is a number accepts, and a part of the message that says what was got.
NO_NUMBERS = [
    (NAN, "nan"),
    (INF, "inf"),
    (-INF, "-inf"),
    ("4", "'4'"),
    ("many", "'many'"),
    (None, "None"),
    (1j, "1j"),
    (np.complex128(1j), "1j"),
    ([1.0, 2.0], "[1.0, 2.0]"),
    (10**400, "1000000"),
]
NUMBERS = [
    (FixedSupply, "FixedSupply.quantity"),
    (PostedPrice, "PostedPrice.price"),
    (LinearDemand, "LinearDemand.width"),
    (LogitDemand, "LogitDemand.temperature"),
]

# The same for a vector of one number per agent; each market below has two agents.
NO_VECTORS = [
    ([1.0, NAN], "entry 1 is nan"),
    ([INF, 1.0], "entry 0 is inf"),
    ([NAN, NAN], "2 bad in all"),
    ([[1.0, 2.0]], "shape (1, 2)"),
    ([[1.0], [1.0, 2.0]], "[[1.0], [1.0, 2.0]]"),
    ([], "empty"),
    ("many", "'many'"),
    (["1", "2"], "['1', '2']"),
    ([1.0, "2"], "'2'"),
    ([None, 1.0], "entry 0 is nan"),
    (np.array([1j, 1.0]), "1.j"),
    (np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"), "2020-01-01"),
    ([10**400, 1], "1000000"),
]
VECTORS = [
    (lambda bad: MARKET.clear(bad, [1.0, 1.0]), "valuations"),
    (lambda bad: MARKET.clear([1.0, 2.0], bad), "costs"),
    (PerUnitTax, "PerUnitTax.rate"),
    (gini, "holdings"),
]

CASES: list[tuple[Callable[[], object], type[MarketError], tuple[str, ...]]] = [
    (lambda: FixedSupply(-1.0), InvalidInputError, ("FixedSupply.quantity", "0 or more", "-1.0")),
    (lambda: LinearDemand(0.0), InvalidInputError, ("LinearDemand.width", "above 0", "0.0")),
    (lambda: LinearDemand(-2.0), InvalidInputError, ("LinearDemand.width", "above 0", "-2.0")),
    (lambda: LogitDemand(0.0), InvalidInputError, ("LogitDemand.temperature", "above 0", "0.0")),
    (lambda: LogitDemand(-2.0), InvalidInputError, ("LogitDemand.temperature", "above 0", "-2.0")),
    (lambda: StepDemand(divisible=1), InvalidInputError, ("StepDemand.divisible", "True or False", "1")),
    (lambda: StepDemand(divisible="no"), InvalidInputError, ("StepDemand.divisible", "True or False", "'no'")),
    (lambda: CapacityMarket(3.0), InvalidInputError, ("CapacityMarket.supply", "FixedSupply", "3.0")),
    (lambda: CapacityMarket(FixedSupply), InvalidInputError, ("CapacityMarket.supply", "FixedSupply")),
    (lambda: CapacityMarket(FixedSupply(1.0), "step"), InvalidInputError, ("CapacityMarket.demand", "'step'")),
    (lambda: CapacityMarket(FixedSupply(1.0), tax=0.1), InvalidInputError, ("CapacityMarket.tax", "0.1")),
    (lambda: MARKET.clear(3.0, [1.0]), InvalidInputError, ("valuations", "shape (n,)", "shape ()")),
    (lambda: MARKET.clear([1.0, 2.0], [1.0, 0.0]), InvalidInputError, ("costs", "above 0", "entry 1 is 0.0")),
    (lambda: MARKET.clear([1.0, 2.0], [-3.0, 0.0]), InvalidInputError, ("costs", "entry 0 is -3.0", "2 bad")),
    (lambda: MARKET.clear([1.0, 2.0], 0.0), InvalidInputError, ("costs", "above 0", "entry 0 is 0.0")),
    (lambda: MARKET.clear([1.0, 2.0], [1.0]), InvalidInputError, ("costs", "expected 2", "got 1")),
    (lambda: MARKET.clear([1.0, 2.0], [1.0, 1.0, 1.0]), InvalidInputError, ("costs", "expected 2", "got 3")),
    (
        lambda: CapacityMarket(FixedSupply(1.0), tax=PerUnitTax([0.1, 0.1, 0.1])).clear([1.0, 2.0], 1.0),
        InvalidInputError,
        ("PerUnitTax.rate", "expected 2", "got 3"),
    ),
    (lambda: MARKET.clear([1.0, 2.0], [0.25, 0.5]), InfeasibleError, ("FixedSupply.quantity", "[0, 0.75]", "got 1")),
    (
        lambda: CapacityMarket(FixedSupply(1.0 + 1e-9), LogitDemand()).clear([1.0], [1.0]),
        InfeasibleError,
        ("FixedSupply.quantity", "[0, 1]", "got 1.000000001"),
    ),
    (lambda: gini([1.0, -2.0]), InvalidInputError, ("holdings", "0 or more", "-2.0")),
    (lambda: gini(3.0), InvalidInputError, ("holdings", "shape ()")),
]


def assert_raises(call: Callable[[], object], error: type[MarketError], parts: tuple[str, ...]) -> None:
    with pytest.raises(MarketError) as raised:
        call()
    assert raised.type is error
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(("make", "name"), NUMBERS, ids=[name for _, name in NUMBERS])
@pytest.mark.parametrize(("bad", "got"), NO_NUMBERS, ids=[f"{type(bad).__name__}-{got}" for bad, got in NO_NUMBERS])
def test_not_a_number(make: Callable[[object], object], name: str, bad: object, got: str) -> None:
    assert_raises(lambda: make(bad), InvalidInputError, (name, got))


@pytest.mark.parametrize(("make", "name"), VECTORS, ids=[name for _, name in VECTORS])
@pytest.mark.parametrize(("bad", "got"), NO_VECTORS, ids=[got for _, got in NO_VECTORS])
def test_not_a_vector(make: Callable[[object], object], name: str, bad: object, got: str) -> None:
    assert_raises(lambda: make(bad), InvalidInputError, (name, got))


@pytest.mark.parametrize("bad", [NAN, INF, "many", None, 1j], ids=repr)
def test_a_tax_rate_is_a_number_or_a_vector(bad: object) -> None:
    assert_raises(lambda: PerUnitTax(bad), InvalidInputError, ("PerUnitTax.rate", str(bad)))


@pytest.mark.parametrize(("call", "error", "parts"), CASES, ids=["/".join(parts) for _, _, parts in CASES])
def test_bad_input(call: Callable[[], object], error: type[MarketError], parts: tuple[str, ...]) -> None:
    assert_raises(call, error, parts)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidInputError, ValueError),
        (InfeasibleError, ValueError),
        (NotConvergedError, ArithmeticError),
        (NotDifferentiableError, TypeError),
    ],
)
def test_errors_can_be_caught_as_market_errors_and_as_builtin_ones(
    error: type[MarketError], builtin: type[Exception]
) -> None:
    assert issubclass(error, MarketError)
    assert issubclass(error, builtin)


def test_a_bad_number_says_where_it_came_from() -> None:
    with pytest.raises(InvalidInputError) as raised:
        FixedSupply("many")
    assert isinstance(raised.value.__cause__, TypeError)


def test_tensors_that_require_a_gradient_are_sent_to_the_operators() -> None:
    torch = pytest.importorskip("torch")
    valuations = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(NotDifferentiableError, match="valuations is a tensor that requires a gradient"):
        CapacityMarket(FixedSupply(1.0)).clear(valuations, 1.0)
