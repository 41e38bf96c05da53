"""Taxes on a unit of the resource, agent by agent: what stands between the price received and the price paid.

Agent i pays `q_i = k_i p + t_i` for a unit, with `k_i` one plus its ad valorem rates and `t_i` the sum of its per-unit
rates. Its margin is then

    m_i = v_i - q_i = k_i (e_i - p),      e_i = (v_i - t_i) / k_i,

so that to the seller it looks like an untaxed agent that enters the market at `e_i`, and whose share answers the price
`k_i` times as steeply.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.taxation.ad_valorem import AdValoremTax
from walras.market.taxation.per_unit import PerUnitTax
from walras.market.validation import FloatArray

__all__ = ["CapacityTax", "Levies", "checked_taxes", "levies_of"]

UnitTax: TypeAlias = PerUnitTax | AdValoremTax
CapacityTax: TypeAlias = PerUnitTax | AdValoremTax | tuple[PerUnitTax | AdValoremTax, ...]


@final
@dataclass(frozen=True, eq=False)
class Levies:
    """Rates of all taxes together: per unit (money per unit) and ad valorem (fraction of the price), each (n,)."""

    per_unit: FloatArray
    ad_valorem: FloatArray

    @property
    def steepness(self) -> FloatArray:
        """What an agent pays more when the price rises by 1, `k_i`, shape (n,)."""
        return 1.0 + self.ad_valorem

    def entries(self, valuations: FloatArray) -> FloatArray:
        """Price at which each agent enters the market, `e_i` (money per unit), shape (n,)."""
        return (valuations - self.per_unit) / self.steepness

    def net_prices(self, price: float) -> FloatArray:
        """What each agent pays for a unit at the seller's `price`, `q_i`, shape (n,)."""
        return price * self.steepness + self.per_unit

    def due(self, price: float, quantities: FloatArray) -> FloatArray:
        """Tax that each agent owes for its units (money), shape (n,)."""
        # At an infinite price nobody who gets nothing pays, nor who bears no ad valorem tax: 0, not 0 * inf.
        on_price = np.where((quantities > 0.0) & (self.ad_valorem != 0.0), price, 0.0) * self.ad_valorem * quantities
        return on_price + self.per_unit * quantities


def checked_taxes(tax: object) -> CapacityTax:
    """Give `tax` with lists turned into tuples, or raise `InvalidInputError` if it is no tax on a unit."""
    taxes = tuple(tax) if isinstance(tax, list | tuple) else (tax,)
    if not all(isinstance(each, PerUnitTax | AdValoremTax) for each in taxes):
        raise InvalidInputError(
            f"CapacityMarket.tax must be a PerUnitTax, an AdValoremTax, or a tuple of them, got {tax!r}."
        )
    return taxes if isinstance(tax, list | tuple) else taxes[0]


def levies_of(tax: CapacityTax, agents: int) -> Levies:
    """Add up the rates of each kind, spread over `agents`.

    Raises
    ------
    InvalidInputError
        If a tax has another number of rates, or ad valorem rates add up to -1 or less.
    """
    taxes = tax if isinstance(tax, tuple) else (tax,)
    per_unit, ad_valorem = np.zeros(agents), np.zeros(agents)
    for each in taxes:
        if isinstance(each, PerUnitTax):
            per_unit = per_unit + each.rates(agents)
        else:
            ad_valorem = ad_valorem + each.rates(agents)
    if np.any(ad_valorem <= -1.0):
        raise InvalidInputError(
            f"AdValoremTax.rate must add up to more than -1 for each agent: agent {int(np.argmin(ad_valorem))} has "
            f"{ad_valorem.min()}."
        )
    return Levies(per_unit, ad_valorem)
