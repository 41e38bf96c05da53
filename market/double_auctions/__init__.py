"""Buyers and sellers at once: call auction, trade reduction, bilateral trade."""

__all__: list[str] = []
