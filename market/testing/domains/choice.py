"""Which domain fits a mechanism."""

from collections.abc import Callable
from typing import Any

from walras.market.capacity import CapacityMarket
from walras.market.errors import InvalidInputError
from walras.market.testing.domain import Domain
from walras.market.testing.domains.capacity import CapacityBids
from walras.market.testing.domains.matching import Matching
from walras.market.testing.domains.sealed_bids import SealedBids
from walras.market.testing.domains.two_sided import TwoSided

__all__ = ["DOMAINS", "domain_of"]

DOMAINS: dict[str, Callable[[], Domain]] = {
    "sealed-bids": SealedBids,
    "two-sided": TwoSided,
    "matching": Matching,
    "capacity": CapacityBids,
}


def domain_of(mechanism: Any) -> Domain:
    """Give the domain of one of our mechanisms, or of one with an attribute `domain`.

    Raises
    ------
    InvalidInputError
        If the mechanism is neither.
    """
    named = getattr(mechanism, "domain", None)
    if isinstance(named, Domain):
        return named
    match mechanism:
        case CapacityMarket():
            return CapacityBids.of(mechanism)
    raise InvalidInputError(
        f"No domain is known for {type(mechanism).__name__}: pass domain=, or give the class an attribute `domain`. "
        f"The domains are {', '.join(DOMAINS)}."
    )
