"""Bad input raises one class of error, and the message names the argument and what was got."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from walras.market import InfeasibleError, InvalidInputError, MarketError
from walras.market.partial_equilibrium import (
    AdaptiveExpectations,
    Cobweb,
    CompetitiveMarket,
    ConstantElasticityCurve,
    CustomExpectations,
    DirectCurve,
    InverseCurve,
    LinearCurve,
    NonlinearMarket,
    StepDemandCurve,
    StepSupplyCurve,
)
from walras.market.taxation import AdValoremTax, BracketTax, PerUnitTax

NAN, INF = float("nan"), float("inf")
DEMAND, SUPPLY = LinearCurve(10.0, -1.0), LinearCurve(1.0, 0.5)
MARKET = CompetitiveMarket(DEMAND, SUPPLY)
COBWEB = Cobweb(DEMAND, SUPPLY)
GOODS = NonlinearMarket(lambda prices: 2.0 - prices, lambda prices: prices)

NO_NUMBERS = [(NAN, "nan"), (INF, "inf"), ("4", "'4'"), (None, "None"), (1j, "1j"), ([1.0, 2.0], "[1.0, 2.0]")]
NUMBERS: list[tuple[Callable[[object], object], str]] = [
    (lambda bad: LinearCurve(bad, 1.0), "LinearCurve.intercept"),
    (lambda bad: LinearCurve(1.0, bad), "LinearCurve.slope"),
    (ConstantElasticityCurve, "ConstantElasticityCurve.elasticity"),
    (lambda bad: ConstantElasticityCurve(1.0, bad), "ConstantElasticityCurve.quantity"),
    (lambda bad: ConstantElasticityCurve(1.0, 1.0, bad), "ConstantElasticityCurve.price"),
    (lambda bad: InverseCurve(lambda q: q, bad), "InverseCurve.capacity"),
    (lambda bad: DirectCurve(lambda p: p, bad, 1.0), "DirectCurve.lowest_price"),
    (lambda bad: DirectCurve(lambda p: p, 0.0, bad), "DirectCurve.highest_price"),
    (MARKET.with_price_ceiling, "ceiling"),
    (MARKET.with_price_floor, "floor"),
    (MARKET.with_quota, "quota"),
    (AdaptiveExpectations, "AdaptiveExpectations.weight"),
    (lambda bad: COBWEB.simulate(bad, 3), "start_price"),
    (lambda bad: COBWEB.simulate(1.0, bad), "periods"),
    (lambda bad: COBWEB.simulate(1.0, 3, bad), "longest_period"),
    (lambda bad: COBWEB.simulate(1.0, 3, 3, bad), "tolerance"),
    (lambda bad: CustomExpectations(lambda past: past[0], bad), "CustomExpectations.memory"),
    (lambda bad: GOODS.equilibrium([1.0], bad), "tolerance"),
    (lambda bad: GOODS.equilibrium([1.0], 1e-9, bad), "max_iterations"),
]

NO_VECTORS = [
    ([1.0, NAN], "entry 1 is nan"),
    ([INF, 1.0], "entry 0 is inf"),
    ([[1.0, 2.0]], "shape (1, 2)"),
    ([], "empty"),
    ("many", "'many'"),
    (np.array([1j, 1.0]), "1.j"),
]
VECTORS: list[tuple[Callable[[object], object], str]] = [
    (StepDemandCurve, "StepDemandCurve.values"),
    (StepSupplyCurve, "StepSupplyCurve.costs"),
    (lambda bad: StepDemandCurve([1.0, 2.0], bad), "StepDemandCurve.quantities"),
    (lambda bad: StepSupplyCurve([1.0, 2.0], bad), "StepSupplyCurve.quantities"),
    (GOODS.equilibrium, "start_prices"),
    (GOODS.excess_demand, "prices"),
]

CASES: list[tuple[Callable[[], object], type[MarketError], tuple[str, ...]]] = [
    (lambda: ConstantElasticityCurve(0.0), InvalidInputError, ("elasticity must not be 0", "StepDemandCurve")),
    (lambda: ConstantElasticityCurve(1.0, 0.0), InvalidInputError, ("quantity", "above 0", "0.0")),
    (lambda: ConstantElasticityCurve(1.0, 1.0, -1.0), InvalidInputError, ("price", "above 0", "-1.0")),
    (lambda: StepDemandCurve([1.0, 2.0], [1.0, 0.0]), InvalidInputError, ("quantities", "above 0", "entry 1 is 0.0")),
    (lambda: StepDemandCurve([1.0, 2.0], [1.0]), InvalidInputError, ("quantities", "expected 2, got 1")),
    (
        lambda: StepSupplyCurve([1.0, 2.0], 1e308),
        InvalidInputError,
        ("StepSupplyCurve.quantities", "finite sum", "1e+308"),
    ),
    (lambda: InverseCurve(3.0, 1.0), InvalidInputError, ("InverseCurve.function", "function of one number", "3.0")),
    (lambda: InverseCurve(lambda q: q, 0.0), InvalidInputError, ("InverseCurve.capacity", "above 0", "0.0")),
    (lambda: InverseCurve(lambda q: NAN, 1.0).price_before(1.0), InvalidInputError, ("InverseCurve.function", "nan")),
    (lambda: DirectCurve("x", 0.0, 1.0), InvalidInputError, ("DirectCurve.function", "'x'")),
    (
        lambda: DirectCurve(lambda p: p, 1.0, 1.0),
        InvalidInputError,
        ("highest_price", "above lowest_price, 1;", "got 1"),
    ),
    (lambda: DirectCurve(lambda p: 0.0, 0.0, 1.0), InvalidInputError, ("DirectCurve.function", "got 0 at both")),
    (
        lambda: DirectCurve(lambda p: p - 0.5, 0.0, 1.0),
        InvalidInputError,
        ("DirectCurve.function", "0 or more", "-0.5"),
    ),
    (lambda: CompetitiveMarket(SUPPLY, SUPPLY), InvalidInputError, ("CompetitiveMarket.demand", "BUYERS", "falls")),
    (lambda: CompetitiveMarket(DEMAND, DEMAND), InvalidInputError, ("CompetitiveMarket.supply", "SELLERS", "rises")),
    (
        lambda: CompetitiveMarket(1.0, SUPPLY),
        InvalidInputError,
        ("CompetitiveMarket.demand", "one of LinearCurve", "1.0"),
    ),
    (lambda: CompetitiveMarket(StepSupplyCurve([1.0]), SUPPLY), InvalidInputError, ("CompetitiveMarket.demand",)),
    (
        lambda: CompetitiveMarket(InverseCurve(lambda q: math.sin(9 * q), 1.0), SUPPLY),
        InvalidInputError,
        ("CompetitiveMarket.demand", "InverseCurve("),
    ),
    (
        lambda: CompetitiveMarket(DEMAND, DirectCurve(lambda p: 1.0 + math.sin(9 * p), 0.0, 1.0)),
        InvalidInputError,
        ("CompetitiveMarket.supply", "DirectCurve("),
    ),
    (lambda: MARKET.equilibrium(0.1), InvalidInputError, ("tax must be a PerUnitTax", "0.1")),
    (lambda: MARKET.equilibrium(BracketTax([], [0.1])), InvalidInputError, ("tax must be a PerUnitTax", "BracketTax")),
    (lambda: MARKET.equilibrium(PerUnitTax([0.1, 0.2])), InvalidInputError, ("tax must have one rate", "(0.1, 0.2)")),
    (lambda: MARKET.equilibrium(AdValoremTax([0.1])), InvalidInputError, ("tax must have one rate", "(0.1,)")),
    (lambda: MARKET.equilibrium(None, "buyers"), InvalidInputError, ("levied_on", "Side", "'buyers'")),
    (lambda: MARKET.with_price_ceiling(1.0, "lot"), InvalidInputError, ("rationing", "Rationing", "'lot'")),
    (lambda: MARKET.with_price_floor(1.0, None), InvalidInputError, ("rationing", "Rationing", "None")),
    (lambda: MARKET.with_quota(-1.0), InvalidInputError, ("quota", "0 or more", "-1.0")),
    (lambda: MARKET.revenue_curve([]), InvalidInputError, ("taxes", "at least one", "[]")),
    (lambda: MARKET.revenue_curve(PerUnitTax(0.1)), InvalidInputError, ("taxes", "list of taxes", "PerUnitTax")),
    (lambda: MARKET.revenue_curve([0.1]), InvalidInputError, ("tax", "0.1")),
    (
        lambda: CompetitiveMarket(LinearCurve(2.0, 0.0), LinearCurve(1.0, 0.0)).equilibrium(),
        InfeasibleError,
        ("Demand stays above supply", "do not meet"),
    ),
    (lambda: AdaptiveExpectations(0.0), InvalidInputError, ("weight", "above 0", "nothing would be learned")),
    (lambda: AdaptiveExpectations(1.5), InvalidInputError, ("weight", "[0, 1]", "1.5")),
    (lambda: CustomExpectations(3.0), InvalidInputError, ("CustomExpectations.rule", "3.0")),
    (lambda: CustomExpectations(max, 0), InvalidInputError, ("CustomExpectations.memory", "1 or more", "0")),
    (lambda: Cobweb(SUPPLY, SUPPLY), InvalidInputError, ("Cobweb.demand", "BUYERS")),
    (lambda: Cobweb(DEMAND, DEMAND), InvalidInputError, ("Cobweb.supply", "SELLERS")),
    (lambda: Cobweb(StepDemandCurve([1.0]), SUPPLY), InvalidInputError, ("Cobweb.demand", "without jumps")),
    (lambda: Cobweb(DEMAND, StepSupplyCurve([1.0])), InvalidInputError, ("Cobweb.supply", "without jumps")),
    (
        lambda: Cobweb(DEMAND, SUPPLY, "naive"),
        InvalidInputError,
        ("Cobweb.expectations", "NaiveExpectations", "'naive'"),
    ),
    (lambda: COBWEB.simulate(1.0, 0), InvalidInputError, ("periods", "1 or more", "0")),
    (lambda: COBWEB.simulate(1.0, 3, 0), InvalidInputError, ("longest_period", "1 or more", "0")),
    (lambda: COBWEB.simulate(1.0, 3, 3, 0.0), InvalidInputError, ("tolerance", "above 0", "0.0")),
    (
        lambda: Cobweb(DEMAND, SUPPLY, CustomExpectations(max, 2)).simulate([1.0] * 3, 3),
        InvalidInputError,
        ("start_price", "expected 2, got 3"),
    ),
    (
        lambda: Cobweb(DEMAND, SUPPLY, CustomExpectations(lambda past: NAN)).simulate(1.0, 3),
        InvalidInputError,
        ("CustomExpectations.rule", "nan"),
    ),
    (
        lambda: Cobweb(DEMAND, SUPPLY, CustomExpectations(lambda past: 2.0 * past[0])).stability(),
        InvalidInputError,
        ("CustomExpectations.rule", "to stay as it is", "of 4 it expects 8"),
    ),
    (lambda: Cobweb(DEMAND, LinearCurve(1.0, 0.0)).simulate(2.0, 1), InvalidInputError, ("expect 2 supply inf",)),
    (
        lambda: Cobweb(InverseCurve(lambda q: 9.0 - q, 2.0), SUPPLY).simulate(5.0, 1),
        InvalidInputError,
        ("expect 5 supply 8", "more than 2 units"),
    ),
    (
        lambda: Cobweb(ConstantElasticityCurve(-1.0), SUPPLY).simulate(0.5, 1),
        InvalidInputError,
        ("The price that 0 units fetch", "inf"),
    ),
    (lambda: NonlinearMarket(3.0, np.sqrt), InvalidInputError, ("NonlinearMarket.demand", "3.0")),
    (lambda: NonlinearMarket(np.sqrt, None), InvalidInputError, ("NonlinearMarket.supply", "None")),
    (lambda: NonlinearMarket(np.sqrt, np.sqrt, 1.0), InvalidInputError, ("NonlinearMarket.jacobian", "1.0")),
    (lambda: GOODS.equilibrium([1.0, 0.0]), InvalidInputError, ("start_prices", "above 0", "entry 1 is 0.0")),
    (lambda: GOODS.excess_demand([-1.0]), InvalidInputError, ("prices", "above 0", "-1.0")),
    (lambda: GOODS.equilibrium([1.0], 0.0), InvalidInputError, ("tolerance", "above 0", "0.0")),
    (lambda: GOODS.equilibrium([1.0], 1e-9, 0), InvalidInputError, ("max_iterations", "1 or more", "0")),
    (
        lambda: NonlinearMarket(lambda prices: [1.0, 2.0], np.sqrt).equilibrium([1.0]),
        InvalidInputError,
        ("What NonlinearMarket.demand gives", "expected 1, got 2"),
    ),
    (
        lambda: NonlinearMarket(np.sqrt, lambda prices: prices * NAN).excess_demand([1.0]),
        InvalidInputError,
        ("What NonlinearMarket.supply gives", "nan"),
    ),
    (
        lambda: NonlinearMarket(lambda p: 2.0 - p, np.sqrt, lambda p: [[1.0, 2.0]]).equilibrium([0.5]),
        InvalidInputError,
        ("What NonlinearMarket.jacobian gives", "(1, 1)"),
    ),
]


def assert_raises(call: Callable[[], object], error: type[MarketError], parts: tuple[str, ...]) -> None:
    with pytest.raises(MarketError) as raised:
        call()
    assert raised.type is error
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(("make", "name"), NUMBERS, ids=[f"{index}-{name}" for index, (_, name) in enumerate(NUMBERS)])
@pytest.mark.parametrize(("bad", "got"), NO_NUMBERS, ids=[got for _, got in NO_NUMBERS])
def test_not_a_number(make: Callable[[object], object], name: str, bad: object, got: str) -> None:
    assert_raises(lambda: make(bad), InvalidInputError, (name, got))


@pytest.mark.parametrize(("make", "name"), VECTORS, ids=[f"{index}-{name}" for index, (_, name) in enumerate(VECTORS)])
@pytest.mark.parametrize(("bad", "got"), NO_VECTORS, ids=[got for _, got in NO_VECTORS])
def test_not_a_vector(make: Callable[[object], object], name: str, bad: object, got: str) -> None:
    assert_raises(lambda: make(bad), InvalidInputError, (name, got))


@pytest.mark.parametrize(
    ("call", "error", "parts"), CASES, ids=[f"{index}-{parts[0]}" for index, (_, _, parts) in enumerate(CASES)]
)
def test_bad_input(call: Callable[[], object], error: type[MarketError], parts: tuple[str, ...]) -> None:
    assert_raises(call, error, parts)
