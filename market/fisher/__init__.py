"""Fisher markets: buyers with budgets, certified equilibrium prices."""

__all__: list[str] = []
