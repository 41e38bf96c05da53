"""Taxes and transfers: what stands between the price received and the price paid."""

from walras.market.taxation.per_unit import PerUnitTax

__all__ = ["PerUnitTax"]
