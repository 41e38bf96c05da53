"""`compile_mechanism`: from a specification to a torch module that clears batches of markets by the same rules."""

from typing import TypeAlias, overload

from walras.market.auctions import SealedBidAuction
from walras.market.capacity import CapacityMarket
from walras.market.demand import StepDemand
from walras.market.double_auctions import CallAuction
from walras.market.errors import InvalidInputError
from walras.market.operators.auctions import SealedBidOperator
from walras.market.operators.call_auction import CallAuctionOperator
from walras.market.operators.capacity_operator import CapacityOperator
from walras.market.validation import boolean, positive_number

__all__ = ["Compilable", "compile_mechanism"]

Compilable: TypeAlias = CapacityMarket | SealedBidAuction | CallAuction


@overload
def compile_mechanism(
    mechanism: CapacityMarket, *, temperature: None = None, hard: bool = False, check_values: bool = False
) -> CapacityOperator: ...
@overload
def compile_mechanism(
    mechanism: SealedBidAuction, *, temperature: float | None = None, hard: bool = False, check_values: bool = False
) -> SealedBidOperator: ...
@overload
def compile_mechanism(
    mechanism: CallAuction, *, temperature: float | None = None, hard: bool = False, check_values: bool = False
) -> CallAuctionOperator: ...
def compile_mechanism(
    mechanism: Compilable, *, temperature: float | None = None, hard: bool = False, check_values: bool = False
) -> CapacityOperator | SealedBidOperator | CallAuctionOperator:
    """Compile a mechanism's specification into a `torch.nn.Module` over batches of markets.

    Parameters
    ----------
    mechanism
        The rules. Their numbers (quantity, price, rates, reserve) become the module's defaults, each of which can be
        replaced by a tensor at the call, and differentiated in.
    temperature
        Of the smooth form of an auction (money per unit), above 0; without it the outcome is exact, and refuses
        gradients. A capacity market has its temperature in its demand rule.
    hard
        Straight-through: the values of the exact outcome with the gradients of the smooth one. The pair is biased, so
        it has to be asked for. A capacity market then serves whole agents only, and never more than the supply.
    check_values
        A debug switch. If True every call checks the values too (finite, positive, feasible) and raises as the engine
        does, at the price of a device synchronisation; if False a market without an answer is NaN in its own row.

    Raises
    ------
    InvalidInputError
        If `mechanism` is not one that compiles, or an option does not apply to it.
    """
    boolean("hard", hard)
    if temperature is not None:
        temperature = positive_number("temperature", temperature)
    match mechanism:
        case CapacityMarket():
            if temperature is not None:
                raise InvalidInputError("A capacity market has its temperature in its demand rule: leave it out here.")
            if hard and isinstance(mechanism.demand, StepDemand):
                raise InvalidInputError(
                    "hard=True needs a smooth demand rule, whose gradients it uses; got StepDemand."
                )
            return CapacityOperator(mechanism, hard=hard, check_values=check_values)
        case SealedBidAuction() | CallAuction():
            if hard and temperature is None:
                raise InvalidInputError("hard=True needs a temperature, for the gradients of the smooth form.")
            if isinstance(mechanism, CallAuction):
                return CallAuctionOperator(mechanism, temperature=temperature, hard=hard, check_values=check_values)
            return SealedBidOperator(mechanism, temperature=temperature, hard=hard, check_values=check_values)
    raise InvalidInputError(
        f"compile_mechanism takes a CapacityMarket, a SealedBidAuction or a CallAuction, got {mechanism!r}."
    )
