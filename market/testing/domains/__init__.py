"""The kinds of mechanisms that the kit knows how to ask."""

from walras.market.testing.domains.capacity import CapacityBids, User
from walras.market.testing.domains.choice import DOMAINS, domain_of
from walras.market.testing.domains.economies import Consumer, Economies, PriceTaking, StartedEconomy
from walras.market.testing.domains.fisher import FisherBids
from walras.market.testing.domains.matching import Matching
from walras.market.testing.domains.order_flow import OrderFlow
from walras.market.testing.domains.packages import Packages
from walras.market.testing.domains.positions import Positions
from walras.market.testing.domains.posts import PostOrder, Posts
from walras.market.testing.domains.sealed_bids import SealedBids
from walras.market.testing.domains.tax_codes import Incomes
from walras.market.testing.domains.two_sided import Buyer, Seller, TwoSided

__all__ = [
    "DOMAINS",
    "Buyer",
    "CapacityBids",
    "Consumer",
    "Economies",
    "FisherBids",
    "Incomes",
    "Matching",
    "OrderFlow",
    "Packages",
    "Positions",
    "PostOrder",
    "Posts",
    "PriceTaking",
    "SealedBids",
    "Seller",
    "StartedEconomy",
    "TwoSided",
    "User",
    "domain_of",
]
