"""What a check found: for each property a verdict, and for each that fails a minimal counterexample."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Self, final

from walras.market.errors import MarketError
from walras.market.properties import Property

__all__ = ["Counterexample", "Finding", "MechanismReport", "PropertyViolatedError", "Verdict"]


class PropertyViolatedError(MarketError, AssertionError):
    """A mechanism lacks a property that it declares."""


class Verdict(Enum):
    """What the search says of one property; each value tells the reader what it is worth."""

    HOLDS = "declared, and no counterexample was found"
    VIOLATED = "declared, but there is a counterexample: the mechanism or its declaration is wrong"
    FAILS = "not declared, and there is a counterexample"
    UNREFUTED = "not declared, but no counterexample was found: declare it, or search longer"
    UNTESTED = "the mechanism refused every input that was tried: the domain does not fit it"

    @property
    def is_good(self) -> bool:
        """Whether the verdict agrees with what the mechanism declares."""
        return self in (Verdict.HOLDS, Verdict.FAILS, Verdict.UNREFUTED)


@final
@dataclass(frozen=True)
class Counterexample:
    """The smallest input found that breaks a property.

    Attributes
    ----------
    trial
        The input: who reports what, and what is changed.
    reason
        What goes wrong, in a sentence with numbers.
    """

    trial: object
    reason: str


@final
@dataclass(frozen=True)
class Finding:
    """One property of one mechanism.

    Attributes
    ----------
    tested
        The property.
    verdict
        What the search says.
    trials
        Number of inputs on which the property was evaluated.
    counterexample
        Where there is one.
    """

    tested: Property
    verdict: Verdict
    trials: int
    counterexample: Counterexample | None = None


@final
@dataclass(frozen=True)
class MechanismReport:
    """All findings about one mechanism, in the order of `Property`."""

    mechanism: str
    domain: str
    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, tested: Property) -> Finding:
        """Give the finding about one property; `KeyError` if the domain does not know it."""
        for finding in self.findings:
            if finding.tested is tested:
                return finding
        raise KeyError(tested)

    @property
    def is_good(self) -> bool:
        """Whether everything that the mechanism declares survived the search."""
        return all(finding.verdict.is_good for finding in self.findings)

    def require(self) -> Self:
        """Give the report itself if every declared property survived.

        Raises
        ------
        PropertyViolatedError
            If one did not, with its counterexample.
        """
        bad = [finding for finding in self.findings if not finding.verdict.is_good]
        if bad:
            listing = "\n".join(_line(finding) for finding in bad)
            raise PropertyViolatedError(f"{self.mechanism} does not keep what it declares:\n{listing}")
        return self

    def __str__(self) -> str:
        """Show one line for each property, the counterexample below it."""
        head = f"{self.mechanism}, asked as {self.domain}"
        return "\n".join([head, *(_line(finding) for finding in self.findings)])


def _line(finding: Finding) -> str:
    name = finding.tested.name.lower().replace("_", " ")
    line = f"  {finding.verdict.name.lower():10}{name}"
    if finding.counterexample is None:
        return line
    return f"{line}\n      {finding.counterexample.reason}\n      {finding.counterexample.trial}"
