"""Exchange economies: utilities, excess demand, equilibria and the paths that lead there."""

__all__: list[str] = []
