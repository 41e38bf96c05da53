"""Which domain fits a mechanism."""

from collections.abc import Callable
from typing import Any

from walras.market.assignment import AssignmentMarket, BertsekasAuction
from walras.market.auctions import (
    CombinatorialAuction,
    PositionAuction,
    SealedBidAuction,
    TwoSidedVCG,
    UnitDemandAuction,
)
from walras.market.capacity import CapacityMarket
from walras.market.double_auctions import BilateralTrade, CallAuction, McAfeeAuction
from walras.market.errors import InvalidInputError
from walras.market.exchange import ExchangeEconomy, Extragradient, Newton, Tatonnement, TatonnementFlow
from walras.market.fisher import FisherMarket
from walras.market.market_makers import TradingPost
from walras.market.order_book import ContinuousDoubleAuction
from walras.market.taxation import TaxCode
from walras.market.testing.domain import Domain
from walras.market.testing.domains.capacity import CapacityBids
from walras.market.testing.domains.economies import Economies, PriceTaking
from walras.market.testing.domains.fisher import FisherBids
from walras.market.testing.domains.matching import Matching
from walras.market.testing.domains.order_flow import OrderFlow
from walras.market.testing.domains.packages import Packages
from walras.market.testing.domains.positions import Positions
from walras.market.testing.domains.posts import Posts
from walras.market.testing.domains.sealed_bids import SealedBids
from walras.market.testing.domains.tax_codes import Incomes
from walras.market.testing.domains.two_sided import TwoSided

__all__ = ["DOMAINS", "domain_of"]

DOMAINS: dict[str, Callable[[], Domain]] = {
    "sealed-bids": SealedBids,
    "positions": Positions,
    "packages": Packages,
    "two-sided": TwoSided,
    "order-flow": OrderFlow,
    "posts": Posts,
    "matching": Matching,
    "capacity": CapacityBids,
    "fisher": FisherBids,
    "economies": Economies,
    "price-taking": PriceTaking,
    "incomes": Incomes,
}

# How to make the domain of each of our mechanisms.
_MAKERS: dict[type, Callable[[Any], Domain]] = {
    SealedBidAuction: lambda auction: SealedBids(auction.units, auction.demand),
    PositionAuction: Positions.of,
    CombinatorialAuction: Packages.of,
    UnitDemandAuction: lambda auction: Matching(),
    AssignmentMarket: lambda market: Matching(),
    BertsekasAuction: lambda auction: Matching(),
    TwoSidedVCG: lambda auction: TwoSided(),
    CapacityMarket: CapacityBids.of,
    FisherMarket: FisherBids.of,
    Tatonnement: lambda rule: Economies(),
    TatonnementFlow: lambda rule: Economies(),
    Extragradient: lambda rule: Economies(),
    Newton: lambda rule: Economies(),
    ExchangeEconomy: lambda economy: PriceTaking(economy.shape[1]),
    CallAuction: lambda auction: TwoSided(),
    McAfeeAuction: lambda auction: TwoSided(),
    BilateralTrade: lambda auction: TwoSided(1),
    ContinuousDoubleAuction: lambda auction: OrderFlow(),
    TradingPost: lambda post: Posts(),
    TaxCode: lambda code: Incomes(),
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
    if type(mechanism) in _MAKERS:
        return _MAKERS[type(mechanism)](mechanism)
    raise InvalidInputError(
        f"No domain is known for {type(mechanism).__name__}: pass domain=, or give the class an attribute `domain`. "
        f"The domains are {', '.join(DOMAINS)}."
    )
