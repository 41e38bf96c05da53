"""Firms that pollute, and the instruments against it: a Pigouvian tax, a cap with permits, or both."""

__all__: list[str] = []
