"""The testing kit: strategies, properties as objects, and `check_mechanism`. Needs hypothesis."""

__all__: list[str] = []
