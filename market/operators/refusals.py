"""Why a mechanism does not compile: each that has no useful derivative says so, with the reason and what to do."""

from walras.market.auctions import CombinatorialAuction, PositionAuction, TwoSidedVCG, UnitDemandAuction
from walras.market.double_auctions import BilateralTrade, McAfeeAuction
from walras.market.errors import InvalidInputError, MarketError, NotDifferentiableError
from walras.market.market_makers import IntegerConstantProduct
from walras.market.order_book import ColumnarBook, ObjectBook

__all__ = ["refusal_of"]

# Kinds of mechanisms, and why what they give has no useful derivative.
_REASONS: tuple[tuple[tuple[type, ...], str], ...] = (
    (
        (ColumnarBook, ObjectBook),
        "an order book is path-dependent: what an order gets depends on the sequence of all before it, in whole units, "
        "and its derivative is 0 or a jump. Simulate it, or use a CallAuction, which clears the same orders at once",
    ),
    (
        (CombinatorialAuction, TwoSidedVCG),
        "winners are the solution of an integer programme, which jumps between packages. Use a SealedBidAuction, or an "
        "AssignmentMarket",
    ),
    ((IntegerConstantProduct,), "it rounds to whole units. Use ConstantProduct, of which it is the rounded form"),
    (
        (PositionAuction,),
        "who gets which place jumps with the ranks of bids. Use a SealedBidAuction for one kind of place",
    ),
    ((UnitDemandAuction,), "it is compiled as the assignment market whose lowest prices it finds: AssignmentMarket(0)"),
    ((McAfeeAuction, BilateralTrade), "who trades jumps with the order of bids. Use a CallAuction at a temperature"),
)


def refusal_of(mechanism: object) -> MarketError:
    """Give the error to raise for something that does not compile."""
    for kinds, reason in _REASONS:
        if isinstance(mechanism, kinds) or (isinstance(mechanism, type) and issubclass(mechanism, kinds)):
            name = mechanism.__name__ if isinstance(mechanism, type) else repr(mechanism)
            return NotDifferentiableError(f"{name} does not compile: {reason}.")
    return InvalidInputError(
        "compile_mechanism takes a CapacityMarket, ResourceMarket, SealedBidAuction, CallAuction, FisherMarket, "
        "ExchangeEconomy, AssignmentMarket, tax schedule, LogarithmicScoringRule or ConstantProduct, got "
        f"{mechanism!r}."
    )
