"""One good, a demand and a supply curve: prices, incidence, revenue, deadweight loss."""

__all__: list[str] = []
