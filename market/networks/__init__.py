"""Local markets: who may trade with whom, and the prices that follow."""

__all__: list[str] = []
