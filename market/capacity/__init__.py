"""The capacity market: its rules, and one exact solver for each demand rule; and several resources at once."""

from walras.market.capacity.market import CapacityMarket
from walras.market.capacity.resource_clearing import ResourceCertificate, ResourceClearing, ResourceStatus
from walras.market.capacity.resources import ResourceMarket

__all__ = ["CapacityMarket", "ResourceCertificate", "ResourceClearing", "ResourceMarket", "ResourceStatus"]
