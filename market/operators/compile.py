"""`compile_mechanism`: from a specification to a torch module that clears batches of markets by the same rules."""

from collections.abc import Callable
from typing import Any, TypeAlias, overload

from walras.market.assignment import AssignmentMarket
from walras.market.auctions import SealedBidAuction
from walras.market.capacity import CapacityMarket, ResourceMarket
from walras.market.demand import StepDemand
from walras.market.double_auctions import CallAuction
from walras.market.errors import InvalidInputError, NotDifferentiableError
from walras.market.exchange import ExchangeEconomy
from walras.market.fisher import FisherMarket
from walras.market.market_makers import ConstantProduct, LogarithmicScoringRule
from walras.market.operators.assignment import AssignmentOperator
from walras.market.operators.auctions import SealedBidOperator
from walras.market.operators.call_auction import CallAuctionOperator
from walras.market.operators.capacity_operator import CapacityOperator
from walras.market.operators.market_makers import ConstantProductOperator, ScoringRuleOperator
from walras.market.operators.refusals import refusal_of
from walras.market.operators.resources import ResourceOperator
from walras.market.operators.spending import ExchangeOperator, FisherOperator
from walras.market.operators.taxes import ScheduleTax, TaxOperator
from walras.market.taxation import BracketTax, SmoothedBracketTax, WealthTax
from walras.market.validation import boolean, positive_number

__all__ = ["Compilable", "compile_mechanism"]

Compilable: TypeAlias = (
    CapacityMarket
    | ResourceMarket
    | SealedBidAuction
    | CallAuction
    | FisherMarket
    | ExchangeEconomy
    | AssignmentMarket
    | ScheduleTax
    | LogarithmicScoringRule
    | ConstantProduct
)
Operator: TypeAlias = (
    CapacityOperator
    | ResourceOperator
    | SealedBidOperator
    | CallAuctionOperator
    | FisherOperator
    | ExchangeOperator
    | AssignmentOperator
    | TaxOperator
    | ScoringRuleOperator
    | ConstantProductOperator
)

Builder: TypeAlias = Callable[[Any, float | None, bool, bool], Operator]


def _capacity(mechanism: CapacityMarket, temperature: float | None, hard: bool, check_values: bool) -> Operator:  # noqa: FBT001
    if temperature is not None:
        raise InvalidInputError("A capacity market has its temperature in its demand rule: leave it out here.")
    if hard and isinstance(mechanism.demand, StepDemand):
        raise InvalidInputError("hard=True uses the gradients of a smooth demand rule, and this is StepDemand.")
    return CapacityOperator(mechanism, hard=hard, check_values=check_values)


def _auction(operator: Callable[..., Operator]) -> Builder:
    """Build what is exact without a temperature, and smooth at one."""

    def build(mechanism: Any, temperature: float | None, hard: bool, check_values: bool) -> Operator:  # noqa: FBT001
        if hard and temperature is None:
            raise InvalidInputError("hard=True needs a temperature, for the gradients of the smooth form.")
        return operator(mechanism, temperature=temperature, hard=hard, check_values=check_values)

    return build


def _smooth(operator: Callable[..., Operator]) -> Builder:
    """Build what has no jump, and needs no temperature."""

    def build(mechanism: Any, temperature: float | None, hard: bool, check_values: bool) -> Operator:  # noqa: FBT001
        if temperature is not None or hard:
            raise InvalidInputError(f"{mechanism!r} takes no temperature and no hard here: leave them out.")
        return operator(mechanism, check_values=check_values)

    return build


def _fisher(mechanism: FisherMarket, temperature: float | None, hard: bool, check_values: bool) -> Operator:  # noqa: FBT001
    if hard:
        raise InvalidInputError(
            "hard=True is for auctions and capacity markets: a Fisher market has no outcome to round."
        )
    return FisherOperator(mechanism, temperature=temperature, check_values=check_values)


def _assignment(mechanism: AssignmentMarket, temperature: float | None, hard: bool, check_values: bool) -> Operator:  # noqa: FBT001
    if hard:
        raise InvalidInputError("hard=True is for auctions and capacity markets: lower the temperature, or use clear.")
    if temperature is None:
        raise NotDifferentiableError(
            f"{mechanism!r} does not compile without a temperature: who gets what jumps between assignments, which one "
            "market at a time AssignmentMarket.clear finds exactly. Give temperature=, of which it is the limit."
        )
    return AssignmentOperator(mechanism, temperature=temperature, check_values=check_values)


_BUILDERS: tuple[tuple[Any, Builder], ...] = (
    (CapacityMarket, _capacity),
    (ResourceMarket, _smooth(ResourceOperator)),
    (FisherMarket, _fisher),
    (ExchangeEconomy, _smooth(ExchangeOperator)),
    (AssignmentMarket, _assignment),
    (SealedBidAuction, _auction(SealedBidOperator)),
    (CallAuction, _auction(CallAuctionOperator)),
    ((BracketTax, SmoothedBracketTax, WealthTax), _smooth(TaxOperator)),
    (LogarithmicScoringRule, _smooth(ScoringRuleOperator)),
    (ConstantProduct, _smooth(ConstantProductOperator)),
)


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
@overload
def compile_mechanism(
    mechanism: ResourceMarket, *, temperature: None = None, hard: bool = False, check_values: bool = False
) -> ResourceOperator: ...
@overload
def compile_mechanism(
    mechanism: FisherMarket, *, temperature: float | None = None, hard: bool = False, check_values: bool = False
) -> FisherOperator: ...
@overload
def compile_mechanism(
    mechanism: ExchangeEconomy, *, temperature: None = None, hard: bool = False, check_values: bool = False
) -> ExchangeOperator: ...
@overload
def compile_mechanism(
    mechanism: AssignmentMarket, *, temperature: float | None = None, hard: bool = False, check_values: bool = False
) -> AssignmentOperator: ...
@overload
def compile_mechanism(
    mechanism: ScheduleTax, *, temperature: None = None, hard: bool = False, check_values: bool = False
) -> TaxOperator: ...
@overload
def compile_mechanism(
    mechanism: LogarithmicScoringRule, *, temperature: None = None, hard: bool = False, check_values: bool = False
) -> ScoringRuleOperator: ...
@overload
def compile_mechanism(
    mechanism: ConstantProduct, *, temperature: None = None, hard: bool = False, check_values: bool = False
) -> ConstantProductOperator: ...
def compile_mechanism(
    mechanism: Compilable, *, temperature: float | None = None, hard: bool = False, check_values: bool = False
) -> Operator:
    """Compile a mechanism's specification into a `torch.nn.Module` over batches of markets.

    Parameters
    ----------
    mechanism
        The rules. Their numbers (quantity, price, rates, reserve) become the module's defaults, each of which can be
        replaced by a tensor at the call, and differentiated in.
    temperature
        Of the smooth form of an auction (money per unit), above 0; without it the outcome is exact, and refuses
        gradients. An assignment market (money), and a Fisher market of linear buyers (logs of value for money), need
        one. Capacity and resource markets have it in their demand rule.
    hard
        Straight-through: the values of the exact outcome with the gradients of the smooth one. The pair is biased, so
        it has to be asked for. A capacity market then serves whole agents only, and never more than the supply.
    check_values
        A debug switch. If True every call checks the values too (finite, positive, feasible) and raises as the engine
        does, at the price of a device synchronisation; if False a market without an answer is NaN in its own row.

    Raises
    ------
    InvalidInputError
        If `mechanism` is no mechanism, or an option does not apply to it.
    NotDifferentiableError
        If it is one that has no useful derivative; the message gives the reason.
    """
    boolean("hard", hard)
    if temperature is not None:
        temperature = positive_number("temperature", temperature)
    for kinds, build in _BUILDERS:
        if isinstance(mechanism, kinds):
            return build(mechanism, temperature, hard, check_values)
    raise refusal_of(mechanism)
