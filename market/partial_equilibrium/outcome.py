"""The outcome of a market for one good, with its certificate."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

from walras.market.certificate import Certified, Residuals

__all__ = ["MarketOutcome", "MarketStatus", "OutcomeCertificate", "Rationing"]


class MarketStatus(Enum):
    """How the market ended up; each value tells the reader what it means."""

    CLEARED = "demand equals supply at the prices"
    NOT_UNIQUE = "demand equals supply for an interval of quantities: traders at the margin are indifferent"
    NO_TRADE = "no unit is worth to any buyer what it costs a seller and the tax: prices are an interval of quotes"
    SHORTAGE = "the ceiling binds: buyers want more than sellers offer, and some are turned away"
    EXCESS_SUPPLY = "the floor binds: sellers offer more than buyers want, and some are turned away"
    QUOTA_BINDS = "the quota binds: the gap between the two prices is its holders' rent"


class Rationing(Enum):
    """Who trades when a price control turns traders away; the value says it."""

    EFFICIENT = "those who gain most from trading come first"
    BY_LOT = "every unit whose trader would gain has the same chance"


@final
@dataclass(frozen=True)
class OutcomeCertificate(Residuals):
    """Residuals of an outcome: each is 0 for an exact one, and a fraction of what it compares.

    Attributes
    ----------
    demand
        How far quantity and consumer price are from the demand curve (in price or in quantity, whichever is less);
        where buyers are rationed, how much more is bought than they want.
    supply
        The same for the supply curve, at the producer price.
    wedge
        How far the consumer price is from producer price and tax; without a tax or a quota, from the producer price.
    budget_balance
        Spending against receipts, tax revenue and quota rent.
    surplus
        Surpluses, revenue and rent against the area between the curves, less what rationing by lot loses.
    deadweight_loss
        Deadweight loss against what the equilibrium without intervention is worth more.
    """

    demand: float
    supply: float
    wedge: float
    budget_balance: float
    surplus: float
    deadweight_loss: float


@final
@dataclass(frozen=True, eq=False)
class MarketOutcome(Certified):
    """Quantity, prices, and who gains what, in a market for one good.

    Attributes
    ----------
    quantity
        Units traded: where several quantities clear, the largest.
    quantity_interval
        Least and largest quantity that clears.
    consumer_price, producer_price
        What buyers pay and sellers receive for a unit (money). Where an interval of prices clears, its midpoint, or its
        finite end.
    consumer_price_interval, producer_price_interval
        Lowest and highest clearing price.
    tag_price
        The price agreed between the two: before the tax if it is levied on buyers, after it if on sellers.
    quantity_demanded, quantity_supplied
        Units that buyers and sellers want to trade at their prices; larger than `quantity` for those who are rationed.
    consumer_surplus, producer_surplus
        Gains from trade (money).
    tax_revenue, quota_rent
        Money to the treasury (from it, under a subsidy), and to the quota's holders.
    deadweight_loss
        Gains from trade that are lost against the equilibrium without intervention (money), Harberger's triangle.
    free_price, free_quantity
        Price and quantity of the equilibrium without intervention.
    status, certificate
        How the market ended up, and the residuals that prove it.
    """

    quantity: float
    quantity_interval: tuple[float, float]
    consumer_price: float
    producer_price: float
    consumer_price_interval: tuple[float, float]
    producer_price_interval: tuple[float, float]
    tag_price: float
    quantity_demanded: float
    quantity_supplied: float
    consumer_surplus: float
    producer_surplus: float
    tax_revenue: float
    quota_rent: float
    deadweight_loss: float
    free_price: float
    free_quantity: float
    status: MarketStatus
    certificate: OutcomeCertificate

    @property
    def welfare(self) -> float:
        """Consumer and producer surplus, tax revenue and quota rent (money)."""
        return self.consumer_surplus + self.producer_surplus + self.tax_revenue + self.quota_rent

    @property
    def buyers_share(self) -> float:
        """Share of the gap between the two prices that buyers bear: their price above the free one, over the gap.

        NaN where there is no gap. With a subsidy it is the share of it that buyers receive.
        """
        gap = self.consumer_price - self.producer_price
        return (self.consumer_price - self.free_price) / gap if gap != 0.0 else math.nan

    @property
    def sellers_share(self) -> float:
        """Share of the gap between the two prices that sellers bear; with `buyers_share` it makes 1."""
        return 1.0 - self.buyers_share
