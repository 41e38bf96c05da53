"""What households expect of the next period, as an explicit value."""

from dataclasses import dataclass
from typing import final

from walras.agents.labour.rules import LabourExpectations
from walras.market.partial_equilibrium import AdaptiveExpectations

__all__ = ["Belief", "revised_belief"]


@final
@dataclass(frozen=True)
class Belief:
    """What a household expects, or has seen.

    Attributes
    ----------
    wage
        Of an efficiency unit of labour (money).
    lump_sum
        Rebate and dividend (money).
    """

    wage: float
    lump_sum: float = 0.0


def revised_belief(expectations: LabourExpectations, expected: Belief, seen: Belief) -> Belief:
    """Give what is expected next, after `expected` was, and something else was `seen`.

    Naive: what was seen. Adaptive: `e + weight * (seen - e)`, for wage and lump sum alike.

    Notes
    -----
    *Source*: Nerlove 1958 (docs/reference/bibliography.md).
    """
    match expectations:
        case AdaptiveExpectations(weight=weight):
            return Belief(
                expected.wage + weight * (seen.wage - expected.wage),
                expected.lump_sum + weight * (seen.lump_sum - expected.lump_sum),
            )
        case _:
            return seen
