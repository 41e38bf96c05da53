"""Bad input to auctions raises the promised error, and the message names the argument and what was got."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from walras.market import InvalidInputError
from walras.market.auctions import (
    CombinatorialAuction,
    IndependentPrivateValues,
    PackageBid,
    PaymentRule,
    PositionAuction,
    SealedBidAuction,
    TwoSidedVCG,
    UniformValues,
    UnitDemandAuction,
    locally_envy_free_bids,
)

NAN, INF = float("nan"), float("inf")
VICKREY = PaymentRule.VICKREY
ONE, PAIRS = SealedBidAuction(VICKREY), SealedBidAuction(VICKREY, 2, 2)
POSITIONS = PositionAuction([2.0, 1.0])
PACKAGES = CombinatorialAuction([1, 2])
SETTING = IndependentPrivateValues(UniformValues(), 2)
BID = PackageBid([1, 1], 2.0)

NO_VECTORS = [
    ([1.0, NAN], "nan"),
    ([INF, 1.0], "inf"),
    ([1.0, -2.0], "-2.0"),
    ([], "empty"),
    ("many", "many"),
    (["1", "2"], "'1'"),
    ([1j, 1.0], "1j"),
    (None, "shape ()"),
    ([[1.0], [1.0, 2.0]], "[[1.0], [1.0, 2.0]]"),
]
VECTORS: list[tuple[Callable[[object], object], str]] = [
    (ONE.clear, "bids"),
    (ONE.clear_many, "bids"),
    (POSITIONS.clear, "bids"),
    (lambda bad: TwoSidedVCG().clear(bad, [1.0]), "bids"),
    (lambda bad: TwoSidedVCG().clear([1.0], bad), "asks"),
    (lambda bad: locally_envy_free_bids(POSITIONS, bad), "values"),
    (lambda bad: SETTING.bids(VICKREY, bad), "values"),
    (SETTING.virtual_value, "values"),
    (SETTING.ironed_virtual_value, "values"),
    (SETTING.winning_probability, "values"),
    (lambda bad: SealedBidAuction(VICKREY, reserve=bad), "SealedBidAuction.reserve"),
    (lambda bad: UnitDemandAuction(bad), "UnitDemandAuction.reserve"),
    (lambda bad: PositionAuction(bad), "PositionAuction.click_rates"),
    (lambda bad: CombinatorialAuction(bad), "CombinatorialAuction.supply"),
    (lambda bad: PackageBid(bad, 1.0), "PackageBid.units"),
]
NO_NUMBERS = [(NAN, "nan"), (INF, "inf"), (-1.0, "-1"), ("4", "'4'"), (None, "None"), (1j, "1j"), ([1.0], "[1.0]")]
NUMBERS: list[tuple[Callable[[object], object], str]] = [
    (lambda bad: PositionAuction([1.0], reserve=bad), "PositionAuction.reserve"),
    (lambda bad: PackageBid([1], bad), "PackageBid.value"),
    (lambda bad: UniformValues(bad, 9.0), "UniformValues.low"),
    (lambda bad: UniformValues(0.0, bad), "UniformValues.high"),
    (lambda bad: SETTING.bids(VICKREY, [0.5], bad), "reserve"),
    (lambda bad: SETTING.auction(VICKREY, bad), "reserve"),
    (SETTING.expected_revenue, "reserve"),
    (SETTING.optimal_reserve, "seller_value"),
    (lambda bad: SealedBidAuction(VICKREY, bad), "SealedBidAuction.units"),
    (lambda bad: SealedBidAuction(VICKREY, 1, bad), "SealedBidAuction.demand"),
    (lambda bad: CombinatorialAuction([1], node_limit=bad), "CombinatorialAuction.node_limit"),
    (lambda bad: IndependentPrivateValues(UniformValues(), bad), "IndependentPrivateValues.bidders"),
    (lambda bad: IndependentPrivateValues(UniformValues(), 2, bad), "IndependentPrivateValues.units"),
]

CASES: list[tuple[Callable[[], object], tuple[str, ...]]] = [
    (lambda: SealedBidAuction("vickrey"), ("SealedBidAuction.payment_rule", "PaymentRule", "'vickrey'")),
    (lambda: SealedBidAuction(VICKREY, 0), ("SealedBidAuction.units", "1 or more", "0")),
    (lambda: SealedBidAuction(VICKREY, 1.5), ("SealedBidAuction.units", "whole number", "1.5")),
    (lambda: SealedBidAuction(VICKREY, 1, 0), ("SealedBidAuction.demand", "1 or more", "0")),
    (lambda: SealedBidAuction(VICKREY, reserve=-1.0), ("SealedBidAuction.reserve", "0 or more", "-1.0")),
    (lambda: SealedBidAuction(VICKREY, reserve=[]), ("SealedBidAuction.reserve", "bidder")),
    (lambda: SealedBidAuction(VICKREY, reserve=[1.0]).clear([1.0, 2.0]), ("reserve", "expected 2", "got 1")),
    (lambda: ONE.clear([[1.0]]), ("bids", "one entry per bidder", "shape (1, 1)")),
    (lambda: ONE.clear([1.0], generator=3), ("generator", "Generator", "3")),
    (lambda: ONE.clear([1e300]), ("bids", "add up to less than 1e+300", "1e+300")),
    (lambda: ONE.clear([1e308, 1e308]), ("bids", "add up", "inf")),
    (lambda: ONE.clear_many(3.0), ("bids", "(..., n)", "shape ()")),
    (lambda: ONE.clear_many(np.zeros((2, 0))), ("bids", "empty", "(2, 0)")),
    (lambda: PAIRS.clear([1.0, 2.0]), ("bids", "one column per unit", "shape (2,)")),
    (lambda: PAIRS.clear([[1.0, 2.0, 3.0]]), ("bids", "(1, 2)", "(1, 3)")),
    (lambda: PAIRS.clear([[2.0, 1.0], [3.0, 4.0]]), ("bids", "must not rise", "(0, 1, 1) is 4.0", "after 3.0")),
    (lambda: PAIRS.clear_many([1.0]), ("bids", "(..., n, 2)", "(1,)")),
    (lambda: PAIRS.clear_many([[1.0, 0.5, 0.2]]), ("bids", "(..., n, 2)", "demand is 2", "(1, 3)")),
    (lambda: PositionAuction([1.0, 2.0]), ("click_rates", "must not rise", "entry 1 is 2.0", "after 1.0")),
    (lambda: PositionAuction([1e300]), ("PositionAuction.click_rates", "add up", "1e+300")),
    (lambda: PositionAuction([1.0], "gsp"), ("PositionAuction.payment_rule", "PositionPaymentRule", "'gsp'")),
    (lambda: POSITIONS.clear([1.0, 2.0], [1.0, 0.0]), ("quality", "above 0", "entry 1 is 0.0")),
    (lambda: POSITIONS.clear([1.0, 2.0], [1.0]), ("quality", "expected 2", "got 1")),
    (lambda: POSITIONS.clear([1.0], generator=1), ("generator", "1")),
    (lambda: POSITIONS.clear([1e200], 1e100), ("bids times quality times click rates", "add up")),
    (lambda: locally_envy_free_bids("gsp", [1.0]), ("auction", "PositionAuction", "'gsp'")),
    (lambda: locally_envy_free_bids(PositionAuction([1.0], reserve=2.0), [1.0]), ("auction.reserve", "0", "2.0")),
    (lambda: locally_envy_free_bids(POSITIONS, [1.0], highest_revenue=1), ("highest_revenue", "1")),
    (lambda: locally_envy_free_bids(POSITIONS, [1.0], [-1.0]), ("quality", "above 0", "-1.0")),
    (lambda: UnitDemandAuction().clear([1.0]), ("valuations", "one row per bidder", "(1,)")),
    (lambda: UnitDemandAuction().clear([[NAN]]), ("valuations", "finite", "nan")),
    (lambda: UnitDemandAuction().clear(np.zeros((0, 2))), ("valuations", "empty", "(0, 2)")),
    (lambda: UnitDemandAuction().clear([[-1e300]]), ("valuations", "add up", "1e+300")),
    (lambda: UnitDemandAuction([1.0]).clear([[1.0, 2.0]]), ("UnitDemandAuction.reserve", "per object", "got 1")),
    (lambda: UnitDemandAuction(1e300).clear([[1.0]]), ("UnitDemandAuction.reserve", "add up")),
    (lambda: UnitDemandAuction([]), ("UnitDemandAuction.reserve", "object")),
    (lambda: TwoSidedVCG().clear([1e300], [1.0]), ("bids", "add up")),
    (lambda: TwoSidedVCG().clear([1.0], [1e300]), ("asks", "add up")),
    (lambda: PackageBid([0, 0], 1.0), ("PackageBid.units", "at least one unit", "[0.0, 0.0]")),
    (lambda: PackageBid([0.5], 1.0), ("PackageBid.units", "whole numbers", "[0.5]")),
    (lambda: PackageBid([1e16], 1.0), ("PackageBid.units", "whole numbers", "1e+16")),
    (lambda: CombinatorialAuction([1.5]), ("CombinatorialAuction.supply", "whole numbers", "[1.5]")),
    (lambda: CombinatorialAuction([1_000_001]), ("CombinatorialAuction.supply", "up to 1000000", "1000001")),
    (lambda: CombinatorialAuction([1], [1.0, 2.0]), ("CombinatorialAuction.seller_values", "expected 1", "got 2")),
    (lambda: CombinatorialAuction([1], -1.0), ("CombinatorialAuction.seller_values", "0 or more", "-1.0")),
    (lambda: CombinatorialAuction([1], 1e300), ("CombinatorialAuction.seller_values", "add up")),
    (lambda: CombinatorialAuction([1], node_limit=0), ("CombinatorialAuction.node_limit", "1 or more", "0")),
    (lambda: PACKAGES.clear([]), ("bids", "empty", "bidder")),
    (lambda: PACKAGES.clear(3), ("bids", "PackageBid", "3")),
    (lambda: PACKAGES.clear([BID]), ("bids", "sequence of PackageBid", "of bidder 0")),
    (lambda: PACKAGES.clear([[], [3.0]]), ("bids", "[3.0]", "of bidder 1")),
    (lambda: PACKAGES.clear("many"), ("bids", "'m'", "of bidder 0")),
    (lambda: PACKAGES.clear([[BID], [PackageBid([1], 2.0)]]), ("2 goods", "bid 0 of bidder 1", "(1,)")),
    (lambda: PACKAGES.clear([[BID, BID]]), ("bids must differ", "0 and 1 of bidder 0", "(1, 1)")),
    (lambda: PACKAGES.clear([[PackageBid([1, 1], 1e300)]]), ("values of bids", "add up")),
    (lambda: UniformValues(1.0, 1.0), ("UniformValues.high", "above low = 1.0", "1.0")),
    (lambda: IndependentPrivateValues(3.0, 2), ("IndependentPrivateValues.law", "cdf, pdf, ppf", "3.0")),
    (lambda: IndependentPrivateValues(UniformValues, 2), ("IndependentPrivateValues.law", "cdf")),
    (lambda: IndependentPrivateValues(stats.norm(), 2), ("IndependentPrivateValues.law", "0 or more", "[-inf, inf]")),
    (lambda: IndependentPrivateValues(stats.uniform(-1, 2), 2), ("IndependentPrivateValues.law", "[-1.0, 1.0]")),
    (lambda: IndependentPrivateValues(UniformValues(), 0), ("IndependentPrivateValues.bidders", "1 or more", "0")),
    (lambda: IndependentPrivateValues(UniformValues(), 2, 0), ("IndependentPrivateValues.units", "1 or more", "0")),
    (lambda: SETTING.bids("vickrey", [0.5]), ("payment_rule", "PaymentRule", "'vickrey'")),
    (lambda: SETTING.auction("vickrey"), ("payment_rule", "PaymentRule", "'vickrey'")),
    (lambda: SETTING.bids(VICKREY, [0.5, 1.5]), ("values", "support [0, 1]", "entry 1 is 1.5")),
    (
        lambda: IndependentPrivateValues(UniformValues(1.0, 2.0), 2).bids(VICKREY, [0.5]),
        ("values", "support [1, 2]", "entry 0 is 0.5"),
    ),
    (
        lambda: IndependentPrivateValues(UniformValues(), 3, 2).bids(PaymentRule.UNIFORM_LOWEST_WINNING, [0.5]),
        ("payment_rule UNIFORM_LOWEST_WINNING", "2 units"),
    ),
]


def assert_raises(call: Callable[[], object], parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError) as raised:
        call()
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(("call", "name"), VECTORS)
@pytest.mark.parametrize(("bad", "got"), NO_VECTORS, ids=[got for _, got in NO_VECTORS])
def test_not_a_vector(call: Callable[[object], object], name: str, bad: object, got: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        call(bad)
    assert name in str(raised.value)


@pytest.mark.parametrize(("call", "name"), NUMBERS)
@pytest.mark.parametrize(("bad", "got"), NO_NUMBERS, ids=[got for _, got in NO_NUMBERS])
def test_not_a_number(call: Callable[[object], object], name: str, bad: object, got: str) -> None:
    if name == "CombinatorialAuction.node_limit" and bad is None:
        pytest.skip("None is no limit")
    assert_raises(lambda: call(bad), (name, got))


@pytest.mark.parametrize(("call", "parts"), CASES, ids=["/".join(parts) for _, parts in CASES])
def test_bad_input(call: Callable[[], object], parts: tuple[str, ...]) -> None:
    assert_raises(call, parts)
