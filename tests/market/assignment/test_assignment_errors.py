"""Bad input raises one error, and the message names the argument and what was got."""

import numpy as np
import pytest

from walras.market import InvalidInputError
from walras.market.assignment import AssignmentMarket, BertsekasAuction, efficient_assignment

NAN, INF = float("nan"), float("inf")

MATRICES = [
    ([[1.0, NAN]], ("finite", "entry (0, 1) is nan")),
    ([[1.0], [-INF]], ("finite", "entry (1, 0) is -inf")),
    ([1.0, 2.0], ("one row per buyer", "one column per object", "shape (2,)")),
    ([], ("shape (0,)",)),
    ([[]], ("empty", "(1, 0)")),
    ("many", ("'many'",)),
    ([["a"]], ("real numbers",)),
    ([[1j]], ("real numbers",)),
    (None, ("shape ()",)),
    ([[1e150, 0.0]], ("below 1e+150", "1e+150", "1 buyers", "2 objects", "larger unit")),
    ([[0.0], [-4e149]], ("4e+149", "2 buyers", "1 objects")),
]


@pytest.mark.parametrize(
    "call",
    [AssignmentMarket().clear, BertsekasAuction().clear, efficient_assignment],
    ids=["market", "auction", "efficient"],
)
@pytest.mark.parametrize(("bad", "parts"), MATRICES)
def test_not_valuations(call, bad, parts):
    with pytest.raises(InvalidInputError) as raised:
        call(bad)
    for part in ("valuations", *parts):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: AssignmentMarket(1.5), ("AssignmentMarket.k", "[0, 1]", "1.5")),
        (lambda: AssignmentMarket(-0.1), ("AssignmentMarket.k", "-0.1")),
        (lambda: AssignmentMarket(NAN), ("AssignmentMarket.k", "nan")),
        (lambda: AssignmentMarket("half"), ("AssignmentMarket.k", "'half'")),
        (lambda: BertsekasAuction(0.0), ("BertsekasAuction.epsilon", "above 0", "0.0")),
        (lambda: BertsekasAuction(-1.0), ("BertsekasAuction.epsilon", "-1.0")),
        (lambda: BertsekasAuction(INF), ("BertsekasAuction.epsilon", "inf")),
        (lambda: BertsekasAuction(scaling_factor=1.0), ("BertsekasAuction.scaling_factor", "above 1", "None", "1.0")),
        (lambda: BertsekasAuction(scaling_factor=NAN), ("BertsekasAuction.scaling_factor", "nan")),
        (lambda: BertsekasAuction(order="jacobi"), ("BertsekasAuction.order", "BiddingOrder", "'jacobi'")),
        (lambda: BertsekasAuction(max_bids=0), ("BertsekasAuction.max_bids", "1 or more", "0")),
        (lambda: BertsekasAuction(max_bids=2.5), ("BertsekasAuction.max_bids", "2.5")),
        (
            lambda: BertsekasAuction(1e-12).clear([[1e6, 2.0]]),
            ("BertsekasAuction.epsilon", "at least 1.42e-08", "1e+06", "1e-12"),
        ),
    ],
)
def test_bad_rules(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    for part in parts:
        assert part in str(raised.value)


def test_the_largest_valuations_that_are_taken():
    assert AssignmentMarket().clear([[4.9e149]]).assignment.tolist() == [0]
    assert np.isfinite(AssignmentMarket().clear(np.full((2, 2), 2.4e149)).welfare)
