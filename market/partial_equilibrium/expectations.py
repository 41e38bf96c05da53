"""Price expectations of producers who must decide before they know the price."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, fraction, whole_number

__all__ = ["AdaptiveExpectations", "CustomExpectations", "Expectations", "NaiveExpectations"]


@final
@dataclass(frozen=True)
class NaiveExpectations:
    """The next price will be the last one."""


@final
@dataclass(frozen=True)
class AdaptiveExpectations:
    """What was expected, corrected by a fraction of the last error: `e' = e + weight * (p - e)`.

    Parameters
    ----------
    weight
        Fraction of the error that is corrected, above 0 and at most 1; at 1 expectations are naive.

    Notes
    -----
    *Source*: Nerlove 1958 (docs/reference/bibliography.md).
    """

    weight: float

    def __post_init__(self) -> None:
        weight = fraction("AdaptiveExpectations.weight", self.weight)
        if weight == 0.0:
            raise InvalidInputError("AdaptiveExpectations.weight must be above 0, got 0.0: nothing would be learned.")
        object.__setattr__(self, "weight", weight)


@final
@dataclass(frozen=True)
class CustomExpectations:
    """A rule of the user's: the last few prices to the price expected next.

    Parameters
    ----------
    rule
        Takes the last `memory` prices (money per unit), the latest first, shape (memory,); gives a price.
    memory
        How many prices it takes, 1 or more.

    Examples
    --------
    >>> from walras.market.partial_equilibrium import CustomExpectations
    >>> CustomExpectations(lambda prices: 0.7 * prices[0] + 0.3 * prices[1], memory=2).memory
    2
    """

    rule: Callable[[FloatArray], float]
    memory: int = 1

    def __post_init__(self) -> None:
        if not callable(self.rule):
            raise InvalidInputError(f"CustomExpectations.rule must be a function of past prices, got {self.rule!r}.")
        object.__setattr__(self, "memory", whole_number("CustomExpectations.memory", self.memory, minimum=1))

    def expected(self, latest_first: FloatArray) -> float:
        """Give the price that the rule expects, checked to be finite."""
        return finite_number("What CustomExpectations.rule gives", self.rule(latest_first.copy()))


Expectations: TypeAlias = NaiveExpectations | AdaptiveExpectations | CustomExpectations
