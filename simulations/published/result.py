"""One published result: an identifier, its source, and a computation that sets obtained beside expected numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

__all__ = ["Comparison", "PublishedResult"]


@final
@dataclass(frozen=True)
class Comparison:
    """One number: published, and obtained from the engine.

    Parameters
    ----------
    quantity
        What is compared, with its unit or parameters, in a few words.
    expected, obtained
        The published number and ours.
    tolerance
        The largest absolute difference that still agrees: for a simulated number, four standard errors; for a
        published one, half a unit of its last digit; for a closed form, the solver's tolerance.
    """

    quantity: str
    expected: float
    obtained: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the two differ by at most the tolerance; NaN never agrees."""
        return math.isclose(self.expected, self.obtained, rel_tol=0.0, abs_tol=self.tolerance)


@final
@dataclass(frozen=True)
class PublishedResult:
    """A result that the engine must reproduce.

    Parameters
    ----------
    id
        Short name, as in the table of results.
    claim
        What is claimed, in a sentence, with its parameters.
    source
        Author, year and place, as in docs/reference/bibliography.md; or "closed form".
    compute
        Runs the engine and gives the comparisons; deterministic (seeds are fixed inside).
    """

    id: str
    claim: str
    source: str
    compute: Callable[[], Sequence[Comparison]]
