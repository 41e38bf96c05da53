"""A slow, independent order book: one list of orders, sorted anew at every event. Rows are plain tuples."""

from dataclasses import dataclass

from walras.market.order_book import Event, EventKind, RemovalReason, SelfTrade

FOREVER = 2**63 - 1


@dataclass
class Resting:
    event: Event  # as it entered: number, trader, instrument, side, price, expiry
    arrival: int
    left: int


class NaiveBook:
    """What the rules say, with no thought of speed."""

    def __init__(self, instruments: int, rule: SelfTrade) -> None:
        self.instruments, self.rule = instruments, rule
        self.resting: list[Resting] = []
        self.time, self.count = -(2**63), 0
        self.trades: list[tuple[int, ...]] = []
        self.removals: list[tuple[int, ...]] = []
        self.rejections: list[tuple[int, ...]] = []

    def apply(self, event: Event) -> None:
        reason = self.why_not(event)
        if reason:
            self.rejections.append((self.count, event.order, reason))
        else:
            self.time = event.time
            due = [one for one in self.resting if one.event.expiry <= self.time]
            for one in sorted(due, key=lambda one: (one.event.expiry, one.arrival)):
                self.remove(one, RemovalReason.EXPIRED)
            self.act(event)
        self.count += 1

    def act(self, event: Event) -> None:
        found = self.find(event.order)
        if event.kind == EventKind.CANCEL:
            assert found is not None
            self.remove(found, RemovalReason.CANCELLED)
        elif event.kind == EventKind.REPLACE:
            assert found is not None
            self.replace(found, event)
        elif event.kind != EventKind.ADVANCE:
            self.enter(event)

    def find(self, order: int) -> Resting | None:
        return next((one for one in self.resting if one.event.order == order), None)

    def why_not(self, event: Event) -> int:  # noqa: C901 (one rule after the other, as they are told)
        """The numbers are those of the documentation, and the order in which they are tried matters."""
        kind = event.kind
        if kind not in range(1, 9):
            return 1
        if event.time < self.time:
            return 2
        found = self.find(event.order)
        lives = found is not None and found.event.expiry > event.time
        is_new, bad_terms = kind <= 5, 0
        if is_new and event.instrument not in range(self.instruments):
            return 3
        if is_new and event.side not in (1, -1):
            return 4
        if is_new or kind == EventKind.REPLACE:
            if event.quantity <= 0 or event.quantity > 2**62:
                bad_terms = 5
            elif kind != EventKind.MARKET and abs(event.price) > 2**62:
                bad_terms = 6
        if bad_terms:
            return bad_terms
        if kind in (EventKind.LIMIT, EventKind.POST_ONLY) and event.expiry <= event.time:
            return 7
        if is_new:
            return 8 if lives else 0
        if kind == EventKind.ADVANCE:
            return 0
        if not lives or found is None:
            return 9
        return 0 if found.event.trader == event.trader else 10

    def remove(self, one: Resting, reason: int) -> None:
        self.resting.remove(one)
        self.tell(one.event, one.left, reason)

    def tell(self, event: Event, quantity: int, reason: int) -> None:
        self.removals.append(
            (self.count, event.order, event.trader, event.instrument, int(event.side), quantity, int(reason))
        )

    def replace(self, one: Resting, event: Event) -> None:
        if event.price == one.event.price and event.quantity <= one.left:
            if event.quantity < one.left:
                self.tell(one.event, one.left - event.quantity, RemovalReason.REDUCED)
            one.left = event.quantity
            return
        self.remove(one, RemovalReason.REPLACED)
        old = one.event
        self.enter(
            Event(
                event.time, EventKind.LIMIT, old.order, old.trader, old.instrument, old.side,
                event.price, event.quantity, old.expiry,
            )
        )  # fmt: skip

    def partners(self, event: Event) -> list[Resting]:
        """Resting orders of the other side within the limit, the first to trade first."""
        others = [
            one
            for one in self.resting
            if one.event.instrument == event.instrument
            and one.event.side == -event.side
            and (event.kind == EventKind.MARKET or event.side * (event.price - one.event.price) >= 0)
        ]
        return sorted(others, key=lambda one: (event.side * one.event.price, one.arrival))

    def fills(self, event: Event) -> bool:
        reached = 0
        for one in self.partners(event):
            if one.event.trader == event.trader and self.rule is SelfTrade.CANCEL_INCOMING:
                break
            if one.event.trader != event.trader or self.rule is SelfTrade.ALLOW:
                reached += one.left
        return reached >= event.quantity

    def enter(self, event: Event) -> None:
        if event.kind == EventKind.FILL_OR_KILL and not self.fills(event):
            self.tell(event, event.quantity, RemovalReason.KILLED)
            return
        if event.kind == EventKind.POST_ONLY and self.partners(event):
            self.tell(event, event.quantity, RemovalReason.WOULD_TRADE)
            return
        left = event.quantity
        while left and self.partners(event):
            one = self.partners(event)[0]
            if one.event.trader == event.trader and self.rule is SelfTrade.CANCEL_RESTING:
                self.remove(one, RemovalReason.SELF_TRADE)
                continue
            if one.event.trader == event.trader and self.rule is SelfTrade.CANCEL_INCOMING:
                self.tell(event, left, RemovalReason.SELF_TRADE)
                return
            units = min(left, one.left)
            self.trades.append(
                (
                    self.count, event.time, event.instrument, one.event.price, units, int(event.side),
                    one.event.order, event.order, one.event.trader, event.trader,
                )
            )  # fmt: skip
            left -= units
            one.left -= units
            if one.left == 0:
                self.resting.remove(one)
        if left and event.kind in (EventKind.LIMIT, EventKind.POST_ONLY):
            self.resting.append(Resting(event, self.count, left))
        elif left:
            self.tell(event, left, RemovalReason.UNFILLED)

    def orders(self) -> list[tuple[int, ...]]:
        """The resting orders as rows of a book's state."""
        ranked = sorted(
            self.resting,
            key=lambda one: (one.event.instrument, -one.event.side, -one.event.side * one.event.price, one.arrival),
        )
        return [
            (
                one.event.instrument, int(one.event.side), one.event.price, one.arrival,
                one.event.order, one.event.trader, one.left, one.event.expiry,
            )
            for one in ranked
        ]  # fmt: skip
