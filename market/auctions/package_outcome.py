"""The result of a package auction, and its proof."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.auctions.package_bids import PackageTable
from walras.market.certificate import Certified, Residuals
from walras.market.validation import FloatArray, IntArray

__all__ = ["PackageCertificate", "PackageOutcome", "PackageStatus", "certify_packages"]

_TINY = float(np.finfo(np.float64).tiny)


class PackageStatus(Enum):
    """How the choice of packages is proved; each value tells the reader what it means for them."""

    PROVED_BY_PRICES = "the shadow prices prove that no other packages are worth more: whoever wins likes its own best"
    PROVED_BY_SEARCH = "no prices of goods support the packages sold; that none are worth more, the search proves"
    NOTHING_SOLD = "no package is worth more to a bidder than to the seller; lower the seller's values to sell"
    NOT_PROVED = (
        "the search stopped before its proof: better packages may exist, and payments may be wrong; raise node_limit"
    )


@final
@dataclass(frozen=True)
class PackageCertificate(Residuals):
    """Residuals of a package auction, 0 for an exact answer; money as a fraction of the welfare.

    Attributes
    ----------
    feasibility
        1 if a bidder gets what it did not bid for; else units sold beyond the supply, as a fraction of it.
    optimality
        How far the welfare falls short of the lower of two bounds: that of the shadow prices, which is computed anew,
        and that of the search.
    optimality_without
        The largest gap between the welfare found without a winner and the search's bound of it.
    payment_rule
        How far a payment is from Clarke's, given the welfare without the bidder.
    within_bids
        How far a payment is below the seller's value of the package, or above the bidder's.
    budget_balance
        Payments against revenue.
    """

    feasibility: float
    optimality: float
    optimality_without: float
    payment_rule: float
    within_bids: float
    budget_balance: float


@final
@dataclass(frozen=True, eq=False)
class PackageOutcome(Certified):
    """Who gets which package, and for how much; n bidders and g goods.

    Attributes
    ----------
    allocation
        Units of each good that each bidder gets, shape (n, g).
    packages
        Place of the accepted bid among the bidder's bids, -1 for none, shape (n,).
    payments
        Money that each bidder pays, shape (n,).
    welfare
        Sum of the accepted values, less the seller's values of what is sold.
    welfare_without
        The same for the best packages without the bidder, shape (n,).
    shadow_prices
        Prices of the goods (money per unit), from the linear relaxation, shape (g,). If the status is
        `PROVED_BY_PRICES`, each bidder gets what it likes best at these prices. They are not what bidders pay.
    revenue
        Sum of the payments.
    status, certificate
        How the choice is proved, and the residuals that prove it.
    """

    allocation: IntArray
    packages: IntArray
    payments: FloatArray
    welfare: float
    welfare_without: FloatArray
    shadow_prices: FloatArray
    revenue: float
    status: PackageStatus
    certificate: PackageCertificate

    @property
    def winners(self) -> IntArray:
        """Bidders who get a package, ascending."""
        return np.flatnonzero(self.packages >= 0)


def certify_packages(
    table: PackageTable,
    supply: FloatArray,
    seller_values: FloatArray,
    outcome: PackageOutcome,
    search_bound: float,
    bounds_without: FloatArray,
) -> PackageCertificate:
    """Compute the residuals of an answer: from the bids, the answer and the bounds that the search claims.

    Parameters
    ----------
    table, supply, seller_values
        Bids and rules.
    outcome
        The answer; its own certificate is not read.
    search_bound, bounds_without
        Upper bounds of the welfare of all bidders, and without each, shape (n,).
    """
    costs = table.units @ seller_values
    rows = _rows_of(table, outcome.packages)
    if rows is None or not np.array_equal(_units(table, rows), outcome.allocation):
        return PackageCertificate(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    sold = np.sum(outcome.allocation, axis=0)
    oversold = np.max((sold - supply) / np.maximum(supply, 1.0)).clip(min=0.0)

    values, floors = np.zeros(table.count), np.zeros(table.count)
    values[table.bidders[rows]], floors[table.bidders[rows]] = table.values[rows], costs[rows]
    welfare = float(np.sum(values - floors))
    scale = max(welfare, _TINY)
    profits = np.zeros(table.count)
    np.maximum.at(profits, table.bidders, table.values - table.units @ outcome.shadow_prices)
    markups = np.maximum(outcome.shadow_prices - seller_values, 0.0)
    lowest_bound = min(float(np.sum(markups * supply) + np.sum(profits)), search_bound)
    owed = np.where(outcome.packages >= 0, values - (welfare - outcome.welfare_without), 0.0)
    outside = np.maximum(outcome.payments - values, floors - outcome.payments)
    turnover = max(float(np.sum(np.abs(outcome.payments))), abs(outcome.revenue), _TINY)
    return PackageCertificate(
        feasibility=float(oversold),
        optimality=max(abs(outcome.welfare - welfare), lowest_bound - welfare) / scale,
        optimality_without=max(float(np.max(bounds_without - outcome.welfare_without)), 0.0) / scale,
        payment_rule=float(np.max(np.abs(outcome.payments - owed))) / scale,
        within_bids=max(float(np.max(outside)), 0.0) / scale,
        budget_balance=abs(float(np.sum(outcome.payments)) - outcome.revenue) / turnover,
    )


def _rows_of(table: PackageTable, packages: IntArray) -> IntArray | None:
    """Rows of the accepted bids in the table; None if a bidder made no such bid."""
    rows = np.flatnonzero(table.ranks == packages[table.bidders])
    return rows if rows.size == np.count_nonzero(packages != -1) else None


def _units(table: PackageTable, rows: IntArray) -> FloatArray:
    """Units that each bidder gets if these bids are accepted, shape (n, g)."""
    units = np.zeros((table.count, table.units.shape[1]))
    units[table.bidders[rows]] = table.units[rows]
    return units
