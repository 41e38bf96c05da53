"""The continuous double auction: a price-time-priority order book, replayed from its log."""

__all__: list[str] = []
