"""`walras check`: the testing kit on the command line."""

import json

from rich.table import Table
from rich.text import Text

from walras.market import InvalidInputError
from walras.simulations.target import load_target

try:
    from walras.market.testing import DOMAINS, Finding, MechanismReport, Verdict, check_mechanism
except ModuleNotFoundError as error:  # pragma: no cover - the kit's library is missing
    raise InvalidInputError(
        f"`walras check` needs the library {error.name}: install it with `pip install 'walras[testing]'`."
    ) from None

__all__ = ["check_target", "findings_as_json", "findings_table"]

_COLOURS = {
    Verdict.HOLDS: "green",
    Verdict.VIOLATED: "bold red",
    Verdict.FAILS: "yellow",
    Verdict.UNREFUTED: "dim",
    Verdict.UNTESTED: "bold red",
}


def check_target(target: str, domain: str | None, *, examples: int, seed: int) -> MechanismReport:
    """Check the mechanism that `target` names, asked as `domain` says, or as it says itself."""
    if domain is not None and domain not in DOMAINS:
        raise InvalidInputError(f"No domain is called {domain!r}; known: {', '.join(DOMAINS)}.")
    mechanism = load_target(target)
    chosen = None if domain is None else DOMAINS[domain]()
    return check_mechanism(mechanism, chosen, examples=examples, seed=seed)


def findings_as_json(report: MechanismReport) -> str:
    """Give the report as a JSON object."""
    return json.dumps(
        {
            "mechanism": report.mechanism,
            "domain": report.domain,
            "findings": [_as_plain(finding) for finding in report],
        },
        indent=2,
    )


def findings_table(report: MechanismReport) -> Table:
    """Give the report as a table for the terminal."""
    table = Table(title=f"{report.mechanism}, asked as {report.domain}", title_justify="left", box=None, pad_edge=False)
    table.add_column("property", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("inputs", justify="right")
    table.add_column("smallest counterexample")
    for finding in report:
        name, verdict = finding.tested.name.lower().replace("_", " "), finding.verdict
        broken = finding.counterexample
        reason = Text("" if broken is None else f"{broken.reason}: {broken.trial}")
        table.add_row(name, Text(verdict.name.lower(), style=_COLOURS[verdict]), str(finding.trials), reason)
    return table


def _as_plain(finding: Finding) -> dict[str, object]:
    broken = finding.counterexample
    return {
        "property": finding.tested.name,
        "verdict": finding.verdict.name,
        "inputs": finding.trials,
        "reason": None if broken is None else broken.reason,
        "counterexample": None if broken is None else repr(broken.trial),
    }
