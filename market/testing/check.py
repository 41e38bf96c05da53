"""`check_mechanism`: try a mechanism against every property that has a meaning for it."""

from collections.abc import Iterable
from typing import Any

from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.testing.domain import Domain
from walras.market.testing.domains import domain_of
from walras.market.testing.report import Counterexample, Finding, MechanismReport, Verdict
from walras.market.testing.search import PropertyTest, search
from walras.market.validation import whole_number

__all__ = ["check_mechanism"]


def check_mechanism(
    mechanism: Any,
    domain: Domain | None = None,
    *,
    declared: Iterable[Property] | None = None,
    examples: int = 300,
    seed: int = 0,
) -> MechanismReport:
    """Report which properties a mechanism has, with a minimal counterexample of each that fails.

    Parameters
    ----------
    mechanism
        One of ours, or any object with the method that its domain calls (for example `clear(bids)`).
    domain
        How the mechanism is asked. Not needed for ours, nor for a mechanism with an attribute `domain`.
    declared
        The properties that it claims; by default its attribute `declared_properties`, or none.
    examples
        How many inputs are drawn for each property.
    seed
        Of the search: the same seed gives the same report in the same program. (Hypothesis also tries constants that
        it finds in the source of the local modules loaded so far.)

    Raises
    ------
    InvalidInputError
        If the domain is not known, or `declared` holds something else than properties, or one without a meaning here.

    Notes
    -----
    A verdict `HOLDS` is evidence, not proof: no counterexample was found among `examples` inputs, which are drawn with
    many ties, zeros and small numbers. A counterexample is a proof, up to the kit's tolerance of 1e-7.

    *Cost*: a few times `examples` calls of the mechanism for each property, more where a counterexample is shrunk.
    *Source*: search and shrinking, MacIver and Hatfield-Dodds 2019 (docs/reference/bibliography.md).
    """
    examples = whole_number("examples", examples, minimum=1)
    seed = whole_number("seed", seed)
    chosen = domain if domain is not None else domain_of(mechanism)
    if not isinstance(chosen, Domain):
        raise InvalidInputError(f"domain must be a Domain, for example SealedBids(), got {chosen!r}.")
    tests = chosen.tests()
    claims = _claims(mechanism, declared, tests)
    findings = (_finding(test, mechanism, claims, examples, seed) for test in tests)
    order = list(Property)
    return MechanismReport(
        mechanism=_name(mechanism),
        domain=chosen.name,
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.tested))),
    )


def _finding(test: PropertyTest, mechanism: Any, claims: frozenset[Property], examples: int, seed: int) -> Finding:
    trials, counterexample = search(test, mechanism, examples=examples, seed=seed)
    return Finding(test.tested, _verdict(test.tested in claims, trials, counterexample), trials, counterexample)


def _verdict(is_declared: bool, trials: int, counterexample: Counterexample | None) -> Verdict:  # noqa: FBT001
    if trials == 0:
        return Verdict.UNTESTED
    if counterexample is None:
        return Verdict.HOLDS if is_declared else Verdict.UNREFUTED
    return Verdict.VIOLATED if is_declared else Verdict.FAILS


def _claims(
    mechanism: Any, declared: Iterable[Property] | None, tests: tuple[PropertyTest, ...]
) -> frozenset[Property]:
    claims = list(getattr(mechanism, "declared_properties", ()) if declared is None else declared)
    strangers = [claim for claim in claims if not isinstance(claim, Property)]
    if strangers:
        raise InvalidInputError(f"declared must hold members of Property, got {strangers[0]!r}.")
    if declared is not None:
        known = {test.tested for test in tests}
        unknown = [claim.name for claim in claims if claim not in known]
        if unknown:
            raise InvalidInputError(f"declared holds {', '.join(unknown)}, which this domain cannot test.")
    return frozenset(claims)


def _name(mechanism: Any) -> str:
    text = repr(mechanism)
    return type(mechanism).__name__ if " object at 0x" in text else text
