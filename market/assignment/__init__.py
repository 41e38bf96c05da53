"""The assignment market: who gets what, and the lattice of competitive prices."""

__all__: list[str] = []
