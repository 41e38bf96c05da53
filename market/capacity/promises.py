"""Which properties the rules of a capacity market have, whatever agents bid.

Agents take the price as given, and all pay it for each unit: nobody loses by taking part, and while no net price can be
negative nobody wants another's units at what they cost. A cap is sold where it is worth most. But an agent moves the
price by its bid, so the truth is best only where the price is posted.
"""

from walras.market.capacity.levies import CapacityTax
from walras.market.demand import Demand, StepDemand
from walras.market.properties import Property
from walras.market.supply import ElasticSupply, FixedSupply, LinearSupply, PostedPrice, PriceCollar, Supply
from walras.market.taxation.per_unit import PerUnitTax

__all__ = ["promised_properties"]


def promised_properties(supply: Supply, demand: Demand, tax: CapacityTax) -> frozenset[Property]:
    """Give the properties that hold for every vector of bids."""
    taxes = tax if isinstance(tax, tuple) else (tax,)
    per_unit = [each.rate for each in taxes if isinstance(each, PerUnitTax)]
    uniform = not any(isinstance(each.rate, tuple) and len(set(each.rate)) > 1 for each in taxes)
    free_of_unit_taxes = not any(_rates(rate) != {0.0} for rate in per_unit)
    never_pays_agents = _lowest_price(supply) >= 0.0 and all(min(_rates(rate)) >= 0.0 for rate in per_unit)
    divisible = not isinstance(demand, StepDemand) or demand.divisible
    capped = isinstance(supply, FixedSupply)

    held = {Property.FEASIBLE, Property.INDIVIDUALLY_RATIONAL, Property.MONOTONE}
    if never_pays_agents:
        held.add(Property.WEAKLY_BUDGET_BALANCED)
    if never_pays_agents and uniform:
        held.add(Property.ENVY_FREE)
    if uniform and (divisible or isinstance(supply, PostedPrice)):
        held.add(Property.ANONYMOUS)
    if capped and isinstance(demand, StepDemand) and free_of_unit_taxes:
        held.add(Property.SCALE_FREE)
    if isinstance(supply, PostedPrice):
        held.add(Property.STRATEGY_PROOF)
    # A tax alike for all leaves their order as it is; but one on units drives some away where units may be left.
    if isinstance(supply, FixedSupply) and divisible and uniform and (free_of_unit_taxes or not supply.free_disposal):
        held |= {Property.COMPLEMENTARY_SLACKNESS, Property.EFFICIENT}
    return frozenset(held)


def _rates(rate: object) -> set[float]:
    return set(rate) if isinstance(rate, tuple) else {float(rate)}  # type: ignore[arg-type]


def _lowest_price(supply: Supply) -> float:
    """Lowest price that the rule admits (money per unit)."""
    match supply:
        case FixedSupply(free_disposal=disposable):
            return 0.0 if disposable else -float("inf")
        case PostedPrice(price=price) | PriceCollar(floor=price) | LinearSupply(intercept=price):
            return price
        case ElasticSupply():
            return 0.0
