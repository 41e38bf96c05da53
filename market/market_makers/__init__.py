"""Rules that quote a price by themselves: trading post, constant product, LMSR."""

__all__: list[str] = []
