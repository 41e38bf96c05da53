"""Order flow: traders come one after another, each with one limit order; an order book says who trades with whom."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.order_book import Event, EventLog, Side
from walras.market.properties import Property
from walras.market.testing.domains.two_sided import Buyer, Seller, TwoSided
from walras.market.testing.quasilinear import Outcome, QuasiLinearDomain
from walras.market.validation import whole_number

__all__ = ["OrderFlow"]

Trader: TypeAlias = Buyer | Seller

_SIDES = TwoSided()


@final
@dataclass(frozen=True)
class OrderFlow(QuasiLinearDomain):
    """Buyers and sellers of one unit each, in the order in which their limit orders reach the book.

    The mechanism's `run(log)` gets an `EventLog` of limit orders for one unit; order k is that of trader k. Its result
    has `trades`, rows with the fields `taker`, `taker_side`, `maker`, `price` and `quantity`. Amounts of money are
    whole ticks, since books know no others, so that *scale-free* has no meaning here.

    Parameters
    ----------
    most_traders
        Up to so many are drawn, at least one, of either side.
    """

    omitted: ClassVar[frozenset[Property]] = frozenset({Property.SCALE_FREE})

    most_traders: int = 5

    def __post_init__(self) -> None:
        most = whole_number("OrderFlow.most_traders", self.most_traders, minimum=1)
        object.__setattr__(self, "most_traders", most)

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Values of buyers and costs of sellers, mixed."""
        sides: list[Callable[[float], Trader]] = [Buyer, Seller]
        trader = st.builds(lambda side, ticks: side(ticks), st.sampled_from(sides), _ticks())
        return st.lists(trader, min_size=1, max_size=self.most_traders).map(tuple)

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other limit on the same side; often another trader's, or a tick beside it."""
        near = [_limit(trader) + step for trader in profile for step in (-1.0, 0.0, 1.0)]
        return st.one_of(st.sampled_from([max(limit, 0.0) for limit in near]), _ticks()).map(type(profile[agent]))

    def raised(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """A higher amount: a seller who values its unit more keeps it rather."""
        return _ticks().map(lambda more: type(profile[agent])(_limit(profile[agent]) + more))

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> Outcome:
        """Let the orders come, one at a time, and settle what is traded."""
        sides = [Side.BUY if isinstance(trader, Buyer) else Side.SELL for trader in reports]
        orders = [
            Event.limit(place, side, 1, round(_limit(trader)), trader=place, time=place)
            for place, (trader, side) in enumerate(zip(reports, sides, strict=True))
        ]
        traded, payments = np.zeros(len(reports)), np.zeros(len(reports))
        for trade in mechanism.run(EventLog.of(orders)).trades:
            units, price = float(trade["quantity"]), float(trade["price"])
            for trader, side in ((trade["taker"], trade["taker_side"]), (trade["maker"], -trade["taker_side"])):
                traded[trader] += units if side == sides[trader] else -units
                payments[trader] += price * units if side == Side.BUY else -price * units
        kept = np.array(
            [1.0 - units if side is Side.SELL else units for side, units in zip(sides, traded, strict=True)]
        )
        return Outcome(traded.tolist(), kept, payments)

    def value(self, report: Any, bundle: Any) -> float:
        """Worth of the units bought, or minus the worth of those sold."""
        return _SIDES.value(report, bundle)

    def scaled(self, report: Any, factor: float) -> Any:
        """Give the amount in another unit of money."""
        return _SIDES.scaled(report, factor)

    def best_welfare(self, mechanism: Any, profile: tuple[Any, ...]) -> float:
        """Gains of the best pairs: the highest value with the lowest cost, while it exceeds it."""
        return _SIDES.best_welfare(mechanism, profile)

    def overuse(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """Compare units bought with units sold, and each trader with its one unit."""
        if max(outcome.bundles) > 1.0:
            return "a trader trades more than one unit"
        return _SIDES.overuse(mechanism, reports, outcome)

    def imbalance(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """Compare units bought with units sold."""
        return _SIDES.imbalance(mechanism, reports, outcome)

    def may_envy(self, profile: tuple[Any, ...], agent: int, other: int) -> bool:
        """Traders envy those of their own side."""
        return _SIDES.may_envy(profile, agent, other)

    def is_tied(self, profile: tuple[Any, ...]) -> bool:
        """Whether two traders name one amount, on whichever side."""
        return _SIDES.is_tied(profile)


def _ticks() -> SearchStrategy[float]:
    """Whole ticks: mostly few, so that limits cross and tie."""
    return st.one_of(st.integers(0, 10), st.integers(0, 10), st.integers(0, 10**6)).map(float)


def _limit(trader: Trader) -> float:
    return trader.value if isinstance(trader, Buyer) else trader.cost
