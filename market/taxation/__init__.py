"""Taxes and transfers: what stands between the price received and the price paid, and what the treasury gives back."""

from walras.market.taxation.ad_valorem import AdValoremTax
from walras.market.taxation.base import Base
from walras.market.taxation.brackets import BracketTax
from walras.market.taxation.cents import Rounding
from walras.market.taxation.lump_sum import LumpSum
from walras.market.taxation.optimal import laffer_rate, pareto_parameter, top_tax_rate
from walras.market.taxation.per_unit import PerUnitTax
from walras.market.taxation.pigouvian import PigouvianCertificate, PigouvianOptimum, PigouvianStatus, PigouvianTax
from walras.market.taxation.presets import (
    US_FEDERAL_2018_MARRIED_JOINTLY,
    US_FEDERAL_2018_SINGLE,
    US_FEDERAL_2019_MARRIED_JOINTLY,
    US_FEDERAL_2019_SINGLE,
)
from walras.market.taxation.ramsey import RamseyCertificate, RamseyProblem, RamseyStatus, RamseyTaxes
from walras.market.taxation.smoothed import SmoothedBracketTax
from walras.market.taxation.tax_code import (
    CentsSettlement,
    Levy,
    TaxCertificate,
    TaxCode,
    TaxSettlement,
    TreasuryStatus,
)
from walras.market.taxation.transaction import TransactionTax
from walras.market.taxation.transfers import BasicIncome, EqualRebate, TargetedTransfer, Transfer
from walras.market.taxation.value_added import (
    ValueAddedTax,
    ValueAddedTaxCertificate,
    ValueAddedTaxReturns,
    ValueAddedTaxStatus,
)
from walras.market.taxation.wealth import WealthTax

__all__ = [
    "US_FEDERAL_2018_MARRIED_JOINTLY",
    "US_FEDERAL_2018_SINGLE",
    "US_FEDERAL_2019_MARRIED_JOINTLY",
    "US_FEDERAL_2019_SINGLE",
    "AdValoremTax",
    "Base",
    "BasicIncome",
    "BracketTax",
    "CentsSettlement",
    "EqualRebate",
    "Levy",
    "LumpSum",
    "PerUnitTax",
    "PigouvianCertificate",
    "PigouvianOptimum",
    "PigouvianStatus",
    "PigouvianTax",
    "RamseyCertificate",
    "RamseyProblem",
    "RamseyStatus",
    "RamseyTaxes",
    "Rounding",
    "SmoothedBracketTax",
    "TargetedTransfer",
    "TaxCertificate",
    "TaxCode",
    "TaxSettlement",
    "TransactionTax",
    "Transfer",
    "TreasuryStatus",
    "ValueAddedTax",
    "ValueAddedTaxCertificate",
    "ValueAddedTaxReturns",
    "ValueAddedTaxStatus",
    "WealthTax",
    "laffer_rate",
    "pareto_parameter",
    "top_tax_rate",
]
