"""Clearings changed by hand, with the certificate that the changed answer deserves."""

from dataclasses import replace

from tests.support.strategies import CapacityCase

from walras.market import Certificate, Clearing
from walras.market.clearing import certify


def tampered(case: CapacityCase, clearing: Clearing, **changes: object) -> Clearing:
    """Give `clearing` with fields replaced, certified anew: an honest solver that had come to a wrong answer."""
    changed = replace(clearing, **changes)
    return replace(changed, certificate=certificate_of(case, changed))


def certificate_of(case: CapacityCase, clearing: Clearing) -> Certificate:
    """Certify an answer to a case at fixed supply."""
    return certify(
        case.market.supply,
        case.demand,
        case.valuations,
        case.costs,
        case.tax_rates,
        clearing.price,
        clearing.allocation,
        clearing.payments,
        tax_revenue=clearing.tax_revenue,
        seller_revenue=clearing.seller_revenue,
    )
