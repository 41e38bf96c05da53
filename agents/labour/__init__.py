"""A labour market under a tax code: households choose how much to work."""

__all__: list[str] = []
