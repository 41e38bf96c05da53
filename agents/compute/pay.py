"""How the principal pays agents: for what they produced, or so that each is left with what it contributed.

In a period agent i uses `u_i` units of compute, produces the value `v_i u_i`, and pays `p u_i` to the principal (and
its tax). Two rules for its income:

- `ValueProduced`: `v_i u_i`. It keeps the surplus `(v_i - p) u_i`. A large agent then gains by bidding less than its
  valuation, since its bid moves the price that it pays.
- `MarginalContribution`: `v_i u_i + p u_i - pivot_i`, with `pivot_i` what the others would have made of its compute, by
  their bids (`walras.agents.compute.contributions`). It keeps `v_i u_i - pivot_i`, which is what welfare would lose
  without it if the others bid truthfully: the Vickrey-Clarke-Groves mechanism. Whatever the others bid, no bid earns an
  agent more than its valuation; a per-unit tax changes nothing in that, if bids are net of it. Since `pivot_i <= p u_i`
  at a price of 0 or more, the principal pays more than under the other rule: that is what truth costs it.
"""

from dataclasses import dataclass
from typing import Protocol, final

from walras.agents.compute.contributions import pivot_of_shares
from walras.agents.errors import SettlementError
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, StepDemand
from walras.market.taxation import BracketTax
from walras.market.validation import FloatArray

__all__ = ["MarginalContribution", "PaymentRule", "Production", "ValueProduced"]


@final
@dataclass(frozen=True, eq=False)
class Production:
    """What a period's compute made, arrays of shape (n,).

    Attributes
    ----------
    values
        What each agent produced, valuation times units (money).
    units, costs, shares
        Units of compute that each got, units when fully served, and the ratio of the two.
    entries
        Seller's price at which each enters the market: its bid, less the taxes on a unit (money per unit).
    price
        What the seller received (money per unit).
    """

    values: FloatArray
    units: FloatArray
    costs: FloatArray
    shares: FloatArray
    entries: FloatArray
    price: float


class PaymentRule(Protocol):
    """A rule by which the principal pays agents."""

    def check(self, market: CapacityMarket, use_tax: BracketTax | None) -> None:
        """Raise `InvalidInputError` if agents cannot be paid by this rule under the market's rules."""
        ...

    def incomes(self, production: Production) -> FloatArray:
        """Give what the principal pays each agent (money, 0 or more), shape (n,)."""
        ...


@final
@dataclass(frozen=True)
class ValueProduced:
    """Pays the value that each agent's compute produced, in any market."""

    def check(self, market: CapacityMarket, use_tax: BracketTax | None) -> None:
        """Accept every market."""

    def incomes(self, production: Production) -> FloatArray:
        """Give the values produced (money), shape (n,)."""
        return production.values


@final
@dataclass(frozen=True)
class MarginalContribution:
    """Pays so much that each agent, having paid for its compute, is left with its marginal contribution to welfare.

    Notes
    -----
    It needs a fixed supply and divisible step demand: otherwise what the others would do without an agent has no closed
    form. *Cost*: O(n log n) for all agents together.
    *Source*: Clarke 1971; Groves 1973 (docs/reference/bibliography.md).
    """

    def check(self, market: CapacityMarket, use_tax: BracketTax | None) -> None:
        """Accept a fixed supply with divisible step demand, and no progressive tax on use."""
        if use_tax is not None:
            raise InvalidInputError(
                "MarginalContribution() has no closed form under a use_tax: pay by ValueProduced()."
            )
        divisible = isinstance(market.demand, StepDemand) and market.demand.divisible
        if not isinstance(market.supply, FixedSupply) or not divisible:
            raise InvalidInputError(
                "MarginalContribution() needs a FixedSupply and StepDemand(divisible=True), got "
                f"{market.supply!r} and {market.demand!r}: change the market, or pay by ValueProduced()."
            )

    def incomes(self, production: Production) -> FloatArray:
        """Give value produced plus payment less pivot payment (money), shape (n,)."""
        if production.price < 0.0:
            raise SettlementError(
                f"MarginalContribution() cannot pay at a price of {production.price:.6g}, below 0: let supply be left "
                "unsold, FixedSupply(quantity, free_disposal=True)."
            )
        pivots = pivot_of_shares(production.entries, production.costs, production.shares)
        discounts = production.price * production.units - pivots
        return production.values + discounts.clip(min=0.0)  # below 0 only by rounding
