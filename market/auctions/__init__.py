"""Sealed-bid auctions: formats, reserves, positions, packages, and equilibrium bids."""

__all__: list[str] = []
