"""Bad input raises one error, and the message names the argument and what was got."""

import numpy as np
import pytest

from walras.market import InvalidInputError
from walras.market.double_auctions import BilateralTrade, CallAuction, LinearEquilibrium, McAfeeAuction, Rationing

NAN, INF = float("nan"), float("inf")
ONE = [1.0]

VECTORS = [
    ([], ("empty",)),
    ([1.0, NAN], ("finite", "entry 1 is nan")),
    ([-INF], ("finite", "entry 0 is -inf")),
    (3.0, ("shape ()",)),
    ([[1.0]], ("shape (1, 1)",)),
    (["a"], ("real numbers", "['a']")),
    ([1j], ("real numbers",)),
    ([6e149, -6e149], ("less than 1e+150", "1.2e+150", "money in a larger unit")),
]


@pytest.mark.parametrize(
    "mechanism", [CallAuction(), McAfeeAuction(), BilateralTrade()], ids=lambda each: str(each)[:8]
)
@pytest.mark.parametrize(("bad", "parts"), VECTORS)
@pytest.mark.parametrize("side", ["bids", "asks"])
def test_not_prices(mechanism, bad, parts, side):
    sides = {"bids": [1.0, 2.0], "asks": [1.0, 2.0]} | {side: bad}
    with pytest.raises(InvalidInputError) as raised:
        mechanism.clear(**sides)
    for part in (side, *parts):
        assert part in str(raised.value)


QUANTITIES = [
    ([1.0, 0.0], ("above 0", "entry 1 is 0.0")),
    ([-1.0, 1.0], ("above 0", "entry 0 is -1.0")),
    ([1.0, NAN], ("finite", "nan")),
    ([1.0], ("expected 2, got 1",)),
    (0.0, ("above 0",)),
    ([6e149, 6e149], ("1.2e+150", "goods in a larger unit")),
]


@pytest.mark.parametrize(("bad", "parts"), QUANTITIES)
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_not_quantities(bad, parts, side):
    with pytest.raises(InvalidInputError) as raised:
        CallAuction().clear([1.0, 2.0], [1.0, 2.0], **{f"{side}_quantities": bad})
    for part in (f"{side}_quantities", *parts):
        assert part in str(raised.value)


WHOLE = CallAuction(rationing=Rationing.WHOLE_PRO_RATA)

CASES = [
    (lambda: CallAuction(1.1), ("CallAuction.k", "[0, 1]", "1.1")),
    (lambda: CallAuction(NAN), ("CallAuction.k", "nan")),
    (lambda: CallAuction("half"), ("CallAuction.k", "'half'")),
    (lambda: CallAuction(rationing="time"), ("CallAuction.rationing", "Rationing", "'time'")),
    (lambda: CallAuction(0.5, Rationing.LOT).clear(ONE, ONE), ("generator", "numpy.random.Generator", "None")),
    (lambda: CallAuction(0.5, Rationing.LOT).clear(ONE, ONE, generator=3), ("generator", "3")),
    (lambda: WHOLE.clear(ONE, ONE, 1.5), ("bid_quantities", "whole", "entry 0 is 1.5", "1 bad")),
    (lambda: WHOLE.clear(ONE, [1.0, 1.0], 1.0, [1.0, 2.5]), ("ask_quantities", "entry 1 is 2.5")),
    (lambda: WHOLE.clear(ONE, ONE, 2.0**53), ("bid_quantities", "2^53", "9.0072e+15", "larger units")),
    (lambda: BilateralTrade(-0.5), ("BilateralTrade.k", "-0.5")),
    (lambda: BilateralTrade().clear([1.0, 2.0], ONE), ("asks", "expected 2, got 1", "pair")),
    (lambda: LinearEquilibrium(2.0), ("LinearEquilibrium.k", "2.0")),
    (lambda: LinearEquilibrium(0.5, NAN), ("LinearEquilibrium.low", "nan")),
    (lambda: LinearEquilibrium(0.5, 0.0, INF), ("LinearEquilibrium.high", "inf")),
    (lambda: LinearEquilibrium(0.5, 1.0, 1.0), ("LinearEquilibrium.high", "above low", "low 1.0, high 1.0")),
    (lambda: LinearEquilibrium(0.5, -1e308, 1e308), ("LinearEquilibrium.high", "finite amount")),
    (lambda: BilateralTrade().linear_equilibrium(2.0, 1.0), ("LinearEquilibrium.high", "low 2.0, high 1.0")),
    (lambda: LinearEquilibrium().bid([0.5, 1.5]), ("values", "[0, 1]", "entry 1 is 1.5", "1 bad in all")),
    (lambda: LinearEquilibrium().bid([-0.5]), ("values", "entry 0 is -0.5")),
    (lambda: LinearEquilibrium().ask([-0.1, 2.0]), ("costs", "entry 0 is -0.1", "2 bad in all")),
    (lambda: LinearEquilibrium().ask([]), ("costs", "empty")),
]


@pytest.mark.parametrize(("call", "parts"), CASES, ids=["/".join(parts) for _, parts in CASES])
def test_bad_input(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    for part in parts:
        assert part in str(raised.value)


def test_the_largest_count_that_is_whole():
    clearing = WHOLE.clear(ONE, ONE, 2.0**53 - 1.0, 2.0)
    assert clearing.buyer_allocation.tolist() == [2.0]
    assert np.isfinite(clearing.certificate.largest)
