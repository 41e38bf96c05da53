"""A domain: how a kind of mechanism is asked, how its answer is read, and which properties make sense for it."""

from abc import ABC, abstractmethod

from walras.market.testing.search import PropertyTest

__all__ = ["Domain", "describe_number"]


class Domain(ABC):
    """Base of domains. A domain gives one `PropertyTest` for each property that has a meaning in it."""

    @property
    def name(self) -> str:
        """How the domain is called on the command line and in reports."""
        return type(self).__name__

    @abstractmethod
    def tests(self) -> tuple[PropertyTest, ...]:
        """Give one test for each property that has a meaning in this domain."""


def describe_number(value: float) -> str:
    """Give a number as a person would write it: 3, 0.5, 1e-12."""
    return f"{value:.6g}"
