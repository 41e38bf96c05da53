"""The result of a Fisher market: prices, allocation, and the proof that they are an equilibrium."""

from dataclasses import dataclass
from enum import Enum
from typing import final

from walras.market.certificate import Certified
from walras.market.fisher.certificate import FisherCertificate
from walras.market.fisher.table import Matrix
from walras.market.validation import FloatArray

__all__ = ["FisherEquilibrium", "FisherStatus"]


class FisherStatus(Enum):
    """What was found; each value tells the reader what it means for them."""

    UNIQUE = "prices and allocation are the only ones in equilibrium"
    MANY_ALLOCATIONS = (
        "prices and utilities are the only ones in equilibrium, the allocation is not: buyers are indifferent between "
        "goods; the one given spreads spending most evenly (largest entropy)"
    )
    MANY_PRICES = (
        "allocation and utilities are the only ones in equilibrium, prices are not: goods are used in fixed "
        "combinations, of which only the total cost is settled"
    )
    APPROXIMATE = (
        "the duality gap is within the tolerance, but no exact equilibrium was found, and whether there are others was "
        "not decided"
    )
    NOT_CONVERGED = (
        "the duality gap is still above the tolerance: allow more iterations (or rounds), or a larger tolerance"
    )


@final
@dataclass(frozen=True, eq=False)
class FisherEquilibrium(Certified):
    """Prices and an allocation for n buyers and m goods.

    Attributes
    ----------
    prices
        Money per unit of each good, shape (m,); 0 for goods that nobody values.
    allocation
        Units of each good that each buyer gets, shape (n, m): an array, or a SciPy CSR array if the valuations were
        sparse.
    spending
        Money that each buyer pays for each good, of the same kind and shape.
    utilities
        Utility of each buyer, shape (n,), in the unit of its valuations; infinite beyond the range of floats.
    iterations
        Newton steps, or rounds of proportional response, that were taken.
    status, certificate
        What was found, and the residuals that prove it.
    """

    prices: FloatArray
    allocation: Matrix
    spending: Matrix
    utilities: FloatArray
    iterations: int
    status: FisherStatus
    certificate: FisherCertificate
