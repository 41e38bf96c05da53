"""Bad input to the supply rules, taxes and the resource market; and amounts at the ends of float64."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from walras.market import (
    AdValoremTax,
    CapacityMarket,
    Demand,
    ElasticSupply,
    FixedSupply,
    InvalidInputError,
    LinearDemand,
    LinearSupply,
    LogitDemand,
    MarketError,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    ResourceMarket,
    StepDemand,
)

NAN, INF = math.nan, math.inf
BIDS = ([1.0, 2.0], [1.0, 1.0])
RESOURCES = ResourceMarket((1.0, 2.0))
NEEDS = [[1.0, 0.0], [1.0, 1.0]]

NOT_NUMBERS = [NAN, INF, -INF, "4", None, 1j, [1.0, 2.0], 10**400]
NUMBERS: list[tuple[Callable[[object], object], str]] = [
    (lambda bad: FixedSupply(bad, free_disposal=True), "FixedSupply.quantity"),
    (lambda bad: PriceCollar(bad, 0.0, 1.0), "PriceCollar.quantity"),
    (lambda bad: ElasticSupply(bad, 1.0, 1.0), "ElasticSupply.reference_quantity"),
    (lambda bad: ElasticSupply(1.0, bad, 1.0), "ElasticSupply.reference_price"),
    (lambda bad: ElasticSupply(1.0, 1.0, bad), "ElasticSupply.elasticity"),
    (lambda bad: LinearSupply(bad, 1.0), "LinearSupply.intercept"),
    (lambda bad: LinearSupply(0.0, bad), "LinearSupply.slope"),
]
VECTORS: list[tuple[Callable[[object], object], str]] = [
    (AdValoremTax, "AdValoremTax.rate"),
    (ResourceMarket, "ResourceMarket.quantities"),
    (lambda bad: RESOURCES.clear(bad, NEEDS), "valuations"),
    (lambda bad: RESOURCES.clear([1.0, 2.0], NEEDS, sizes=bad), "sizes"),
]
NOT_VECTORS = [[1.0, NAN], [INF, 1.0], [[1.0, 2.0]], [], ["1", "2"], np.array([1j, 1.0])]
NOT_MATRICES = [[1.0, 1.0], [[1.0, NAN], [1.0, 1.0]], [[1.0, -1.0], [1.0, 1.0]], [[]], [[1.0], [1.0]], [["a", "b"]] * 2]

CASES: list[tuple[Callable[[], object], tuple[str, ...]]] = [
    (lambda: FixedSupply(-1.0, free_disposal=True), ("FixedSupply.quantity", "0 or more", "-1.0")),
    (lambda: FixedSupply(1.0, free_disposal=1), ("FixedSupply.free_disposal", "True or False", "1")),
    (lambda: PriceCollar(-1.0, 0.0, 1.0), ("PriceCollar.quantity", "0 or more", "-1.0")),
    (lambda: PriceCollar(1.0, 2.0, 1.0), ("PriceCollar.floor", "floor 2.0", "ceiling 1.0")),
    (lambda: PriceCollar(1.0, INF, INF), ("PriceCollar.floor", "finite", "inf")),
    (lambda: PriceCollar(1.0, -INF, -INF), ("PriceCollar.ceiling", "finite", "-inf")),
    (lambda: PriceCollar(1.0, NAN, 1.0), ("PriceCollar.floor", "nan")),
    (lambda: PriceCollar(1.0, 0.0, "1"), ("PriceCollar.ceiling", "'1'")),
    (lambda: ElasticSupply(0.0, 1.0, 1.0), ("ElasticSupply.reference_quantity", "above 0", "0.0")),
    (lambda: ElasticSupply(1.0, -1.0, 1.0), ("ElasticSupply.reference_price", "above 0", "-1.0")),
    (lambda: ElasticSupply(1.0, 1.0, 0.0), ("ElasticSupply.elasticity", "above 0", "0.0")),
    (lambda: LinearSupply(1.0, 0.0), ("LinearSupply.slope", "above 0", "0.0")),
    (lambda: AdValoremTax(-1.0), ("AdValoremTax.rate", "above -1", "got -1.0")),
    (lambda: AdValoremTax([0.0, -3.0]), ("AdValoremTax.rate", "above -1", "got -3.0")),
    (lambda: AdValoremTax("many"), ("AdValoremTax.rate", "'many'")),
    (lambda: AdValoremTax([0.1, 0.2, 0.3]).rates(2), ("AdValoremTax.rate", "expected 2", "got 3")),
    (
        lambda: CapacityMarket(FixedSupply(1.0), tax=(AdValoremTax(-0.6), AdValoremTax([0.0, -0.6]))).clear(*BIDS),
        ("AdValoremTax.rate", "more than -1", "agent 1 has -1.2"),
    ),
    (
        lambda: CapacityMarket(FixedSupply(1.0), tax=(AdValoremTax(-0.5), AdValoremTax(-0.5))).clear(*BIDS),
        ("AdValoremTax.rate", "more than -1", "agent 0 has -1.0"),
    ),
    (lambda: CapacityMarket(FixedSupply(1.0), tax=(0.1,)), ("CapacityMarket.tax", "(0.1,)", "AdValoremTax")),
    (lambda: CapacityMarket(FixedSupply(1.0), tax=None), ("CapacityMarket.tax", "None")),
    (lambda: CapacityMarket(FixedSupply(1.0)).clear(1.0, BIDS[1]), ("valuations", "shape ()")),
    (lambda: CapacityMarket(FixedSupply(1.0)).clear([1.0] * 3, 8e307), ("costs", "add up to less than 1e+300", "inf")),
    (lambda: CapacityMarket(FixedSupply(1.0)).clear([1.0], 1e300), ("costs", "add up", "1e+300")),
    (lambda: CapacityMarket(FixedSupply(1.0)).clear([1e200, 1.0], 1e100), ("valuations", "2e+100", "2e+300", "1e+300")),
    (lambda: CapacityMarket(FixedSupply(1.0)).clear([-1e300], 1.0), ("valuations", "1e+300")),
    (lambda: CapacityMarket(FixedSupply(1.0), LogitDemand(1e300)).clear(*BIDS), ("LogitDemand(temperature=1e+300)",)),
    (lambda: CapacityMarket(FixedSupply(1.0), LinearDemand(1e300)).clear(*BIDS), ("LinearDemand(width=1e+300)",)),
    (lambda: CapacityMarket(FixedSupply(1.0), tax=PerUnitTax(1e300)).clear(*BIDS), ("taxes", "too large")),
    (lambda: CapacityMarket(FixedSupply(1.0), tax=AdValoremTax(1e300)).clear(*BIDS), ("taxes", "too large")),
    (lambda: ResourceMarket([]), ("ResourceMarket.quantities", "empty")),
    (lambda: ResourceMarket([1.0, -1.0]), ("ResourceMarket.quantities", "0 or more", "entry 1 is -1.0")),
    (lambda: ResourceMarket(1.0), ("ResourceMarket.quantities", "one entry per resource", "shape ()")),
    (lambda: ResourceMarket([1.0], "step"), ("ResourceMarket.demand", "'step'")),
    (lambda: ResourceMarket([1.0], StepDemand(divisible=False)), ("ResourceMarket.demand", "divisible=False")),
    (lambda: ResourceMarket([1.0], tax=0.1), ("ResourceMarket.tax", "PerUnitTax", "0.1")),
    (lambda: ResourceMarket([1.0], tax=AdValoremTax(0.1)), ("ResourceMarket.tax", "AdValoremTax")),
    (lambda: RESOURCES.clear([1.0, 2.0], [[1.0], [1.0]]), ("costs", "(2, 2)", "one column per resource", "(2, 1)")),
    (lambda: RESOURCES.clear([1.0], NEEDS), ("costs", "(1, 2)", "one row per agent", "(2, 2)")),
    (lambda: RESOURCES.clear([1.0, 2.0], NEEDS, sizes=[1.0, 0.0]), ("sizes", "above 0", "entry 1 is 0.0")),
    (
        lambda: ResourceMarket((1.0, 2.0), tax=PerUnitTax([0.1, 0.1, 0.1])).clear([1.0, 2.0], NEEDS),
        ("PerUnitTax.rate", "one entry per resource", "expected 2", "got 3"),
    ),
    (lambda: RESOURCES.clear([1.0, 2.0], [[1e290, 0.0], [0.0, 0.0]]), ("costs and quantities", "1e+290")),
    (lambda: RESOURCES.clear([1e290, 2.0], NEEDS), ("valuations, taxes and scales", "1e+290")),
    (lambda: ResourceMarket((1.0, 2.0), LogitDemand(1e290)).clear([1.0, 2.0], NEEDS), ("scales", "1e+290")),
    (lambda: ResourceMarket((1.0, 2.0), tax=PerUnitTax(1e290)).clear([1.0, 2.0], NEEDS), ("taxes", "of money")),
]


def assert_invalid(call: Callable[[], object], parts: tuple[str, ...]) -> None:
    with pytest.raises(MarketError) as raised:
        call()
    assert raised.type is InvalidInputError
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(("make", "name"), NUMBERS, ids=[name for _, name in NUMBERS])
@pytest.mark.parametrize("bad", NOT_NUMBERS, ids=lambda bad: repr(bad)[:12])
def test_not_a_number(make: Callable[[object], object], name: str, bad: object) -> None:
    assert_invalid(lambda: make(bad), (name,))


@pytest.mark.parametrize(("make", "name"), VECTORS, ids=[name for _, name in VECTORS])
@pytest.mark.parametrize("bad", NOT_VECTORS, ids=repr)
def test_not_a_vector(make: Callable[[object], object], name: str, bad: object) -> None:
    assert_invalid(lambda: make(bad), (name,))


@pytest.mark.parametrize("bad", NOT_MATRICES, ids=repr)
def test_not_a_matrix(bad: object) -> None:
    assert_invalid(lambda: RESOURCES.clear([1.0, 2.0], bad), ("costs",))


@pytest.mark.parametrize(("call", "parts"), CASES, ids=["/".join(parts) for _, parts in CASES])
def test_bad_input(call: Callable[[], object], parts: tuple[str, ...]) -> None:
    assert_invalid(call, parts)


@pytest.mark.parametrize("call", [lambda: StepDemand(False), lambda: FixedSupply(1.0, True)])
def test_switches_are_given_by_name(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="positional"):
        call()


# ---------------------------------------------------------------- the ends of float64

VERY_SHARP = [LinearDemand(1e-310), LogitDemand(1e-310), LinearDemand(5e-324), LogitDemand(5e-324)]


@pytest.mark.parametrize("demand", VERY_SHARP, ids=repr)
@pytest.mark.parametrize("quantity", [0.5, 1.0, 1.5, 2.0])
def test_a_scale_near_the_smallest_number_is_step_demand(demand: Demand, quantity: float) -> None:
    bids = ([3.0, 2.0, 1.0], [1.0, 1.0, 1.0])
    step = CapacityMarket(FixedSupply(quantity)).clear(*bids)
    sharp = CapacityMarket(FixedSupply(quantity), demand).clear(*bids).require(1e-12)
    np.testing.assert_allclose(sharp.allocation, step.allocation, rtol=0.0, atol=1e-15)
    assert step.price_interval[0] <= sharp.price <= step.price_interval[1]
    for supply in (PostedPrice(1.5), PriceCollar(quantity, 1.5, 2.5), LinearSupply(0.0, 1.25)):
        exact = CapacityMarket(supply).clear(*bids)
        sharp = CapacityMarket(supply, demand).clear(*bids).require(1e-12)
        np.testing.assert_allclose(sharp.allocation, exact.allocation, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("demand", [StepDemand(), LinearDemand(1e-12), LogitDemand(1e-12)], ids=repr)
@pytest.mark.parametrize("unit", [1e-100, 1e-12, 1e12, 1e100])
def test_the_unit_of_the_resource_may_be_extreme(demand: Demand, unit: float) -> None:
    clearing = CapacityMarket(FixedSupply(1.5 * unit), demand).clear([3.0, 2.0, 1.0], unit).require(1e-12)
    assert clearing.allocation == pytest.approx([1.0, 0.5, 0.0], abs=1e-12)
    curve = CapacityMarket(ElasticSupply(1.5 * unit, 2.0, 1.0), demand).clear([3.0, 2.0, 1.0], unit).require(1e-12)
    assert curve.allocation == pytest.approx([1.0, 0.5, 0.0], abs=1e-9)


def test_the_largest_amounts_that_are_taken() -> None:
    clearing = CapacityMarket(FixedSupply(1e99)).clear([9e199], 1e99).require()
    assert clearing.payments == pytest.approx([9e298])
    assert CapacityMarket(FixedSupply(9e299)).clear([1e-3], 9e299).allocation.tolist() == [1.0]
