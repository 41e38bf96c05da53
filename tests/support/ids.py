"""Names of parametrized tests: the same in every process, which the printed form of a set is not."""

__all__ = ["steady"]


def steady(value: object) -> str:
    """Name a parameter; sets in the order of their entries' names."""
    if isinstance(value, set | frozenset):
        return ",".join(sorted(str(getattr(entry, "name", entry)) for entry in value)) or "none"
    return repr(value)
