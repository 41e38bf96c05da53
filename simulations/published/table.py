"""The table of published results: every row computed now, as text and as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import final

from walras.market import InvalidInputError
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ComputedResult", "all_results", "as_markdown", "as_page", "choose", "compute"]

# One module for each family of mechanisms or of agents, in the order of the page.
FAMILIES = (
    "capacity",
    "exchange",
    "fisher",
    "partial_equilibrium",
    "taxation",
    "auctions",
    "double_auctions",
    "order_book",
    "assignment",
    "market_makers",
    "welfare",
    "agents_trading",
    "agents_learning",
    "agents_labour",
    "agents_wealth",
    "agents_exchange_economy",
    "agents_pollution",
    "agents_compute",
)


@final
@dataclass(frozen=True)
class ComputedResult:
    """A published result together with its comparisons."""

    result: PublishedResult
    comparisons: tuple[Comparison, ...]

    @property
    def agrees(self) -> bool:
        """Whether every number agrees, and there is one."""
        return bool(self.comparisons) and all(comparison.agrees for comparison in self.comparisons)


def all_results() -> tuple[PublishedResult, ...]:
    """Every result, in the order of the page."""
    modules = (import_module(f"walras.simulations.published.{family}") for family in FAMILIES)
    return tuple(result for module in modules for result in module.ROWS)


def choose(only: Sequence[str] = ()) -> tuple[PublishedResult, ...]:
    """Give the results with the given identifiers, or all of them.

    Raises
    ------
    InvalidInputError
        If an identifier is unknown.
    """
    results = all_results()
    known = [result.id for result in results]
    unknown = [name for name in only if name not in known]
    if unknown:
        raise InvalidInputError(f"No published result is called {unknown[0]!r}; known: {', '.join(known)}.")
    return tuple(result for result in results if not only or result.id in only)


def compute(result: PublishedResult) -> ComputedResult:
    """Compute one result now."""
    return ComputedResult(result, tuple(result.compute()))


def as_markdown(computed: Iterable[ComputedResult]) -> str:
    """Give one table: a line for each comparison, the claim and its source on the first line of each result."""
    titles = ("id", "claim and source", "quantity", "expected", "obtained", "tolerance", "agrees")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in computed:
        claim = f"{row.result.claim} *{row.result.source}*"
        for place, comparison in enumerate(row.comparisons):
            first = (f"`{row.result.id}`", claim) if place == 0 else ("", "")
            numbers = (f"{comparison.expected:.10g}", f"{comparison.obtained:.10g}", f"{comparison.tolerance:.1g}")
            cells = (*first, comparison.quantity, *numbers, "yes" if comparison.agrees else "**no**")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


_PAGE = """# Published results

Results that are published or have a closed form, recomputed by walras. This page is made by

```text
walras published --markdown docs/results/published.md
```

and each result is a test, called by its id. *Expected* is the published number, *obtained* is what the engine gives,
and the tolerance is the largest difference that counts as agreement: half a unit of the last published digit, four
standard errors of a simulation, or the solver's tolerance. Keys of sources are those of the
[bibliography](../reference/bibliography.md).

"""


def as_page(computed: Iterable[ComputedResult]) -> str:
    """Give the page of the documentation: what the table is, and the table."""
    return _PAGE + as_markdown(computed)
