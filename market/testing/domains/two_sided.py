"""Two sides: buyers and sellers of single units; `clear(bids, asks)` says who trades and for how much."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.testing.domains.money import amounts_of_money
from walras.market.testing.quasilinear import Outcome, QuasiLinearDomain
from walras.market.validation import whole_number

__all__ = ["Buyer", "Seller", "TwoSided"]


@final
@dataclass(frozen=True)
class Buyer:
    """Someone who wants one unit, worth `value` (money) to them."""

    value: float


@final
@dataclass(frozen=True)
class Seller:
    """Someone who owns one unit, worth `cost` (money) to them."""

    cost: float


Trader: TypeAlias = Buyer | Seller


@final
@dataclass(frozen=True)
class TwoSided(QuasiLinearDomain):
    """Buyers and sellers of one unit each.

    The mechanism's `clear(bids, asks)` gets two vectors. Its result has `buyer_allocation` and `seller_allocation`
    (units bought and sold), `buyer_payments` and `seller_receipts` (money), each with one entry per trader of its side.
    Agents are numbered in the order of the reports, in which the sides may be mixed.

    Parameters
    ----------
    most_on_a_side
        Up to so many buyers, and as many sellers, are drawn; at least one of each.
    """

    most_on_a_side: int = 3

    def __post_init__(self) -> None:
        most = whole_number("TwoSided.most_on_a_side", self.most_on_a_side, minimum=1)
        object.__setattr__(self, "most_on_a_side", most)

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Values of some buyers, then costs of some sellers."""
        most = self.most_on_a_side
        buyers = st.lists(amounts_of_money().map(Buyer), min_size=1, max_size=most)
        sellers = st.lists(amounts_of_money().map(Seller), min_size=1, max_size=most)
        return st.tuples(buyers, sellers).map(lambda sides: (*sides[0], *sides[1]))

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other amount on the same side; often another trader's, or between two."""
        amounts = [_amount(trader) for trader in profile]
        between = [(first + second) / 2 for first, second in combinations(amounts, 2)]
        said = st.one_of(st.sampled_from([*amounts, *between]), amounts_of_money())
        return said.map(type(profile[agent]))

    def raised(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """A higher amount: a seller who values its unit more keeps it rather."""
        trader = profile[agent]
        return amounts_of_money().map(lambda more: type(trader)(_amount(trader) + more))

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> Outcome:
        """Clear bids and asks."""
        buying = [place for place, trader in enumerate(reports) if isinstance(trader, Buyer)]
        selling = [place for place, trader in enumerate(reports) if isinstance(trader, Seller)]
        bids = np.array([reports[place].value for place in buying])
        asks = np.array([reports[place].cost for place in selling])
        result = mechanism.clear(bids, asks)
        traded, payments = np.zeros(len(reports)), np.zeros(len(reports))
        traded[buying], traded[selling] = result.buyer_allocation, result.seller_allocation
        payments[buying], payments[selling] = result.buyer_payments, -np.asarray(result.seller_receipts)
        kept = traded.copy()
        kept[selling] = 1.0 - traded[selling]  # a seller starts with a unit
        return Outcome(traded.tolist(), kept, payments)

    def value(self, report: Any, bundle: Any) -> float:
        """Worth of the units bought, or minus the worth of those sold."""
        return float(report.value * bundle if isinstance(report, Buyer) else -report.cost * bundle)

    def scaled(self, report: Any, factor: float) -> Any:
        """Give the amount in another unit of money."""
        return type(report)(_amount(report) * factor)

    def best_welfare(self, mechanism: Any, profile: tuple[Any, ...]) -> float:
        """Gains of the best pairs: the highest value with the lowest cost, while it exceeds it."""
        values = sorted((trader.value for trader in profile if isinstance(trader, Buyer)), reverse=True)
        costs = sorted(trader.cost for trader in profile if isinstance(trader, Seller))
        return sum(max(value - cost, 0.0) for value, cost in zip(values, costs, strict=False))

    def overuse(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """Compare units bought with units sold, and each trader with its one unit."""
        if np.any(outcome.amounts > 1.0 + 1e-9):
            return "a trader holds more than one unit"
        bought, sold = _totals(reports, outcome)
        return f"{bought:g} units are bought, {sold:g} sold" if bought > sold + 1e-9 else None

    def imbalance(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """Compare units bought with units sold."""
        bought, sold = _totals(reports, outcome)
        return f"{bought:g} units are bought, {sold:g} sold" if abs(bought - sold) > 1e-9 else None

    def may_envy(self, profile: tuple[Any, ...], agent: int, other: int) -> bool:
        """Traders envy those of their own side."""
        return type(profile[agent]) is type(profile[other])

    def is_tied(self, profile: tuple[Any, ...]) -> bool:
        """Whether two traders name one amount, on whichever side."""
        amounts = [_amount(trader) for trader in profile]
        return len(set(amounts)) < len(amounts)


def _amount(trader: Trader) -> float:
    return trader.value if isinstance(trader, Buyer) else trader.cost


def _totals(reports: tuple[Any, ...], outcome: Outcome) -> tuple[float, float]:
    """Units bought and units sold."""
    pairs = list(zip(reports, outcome.bundles, strict=True))
    bought = sum(units for trader, units in pairs if isinstance(trader, Buyer))
    return float(bought), float(sum(units for trader, units in pairs if isinstance(trader, Seller)))
