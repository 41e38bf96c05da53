"""Exchange economies: utilities, excess demand, equilibria and the paths that lead there."""

from walras.market.exchange.all_equilibria import EquilibriumSet, EquilibriumSetStatus, all_equilibria
from walras.market.exchange.certificate import ExchangeCertificate
from walras.market.exchange.ces import CES, PowerUtility
from walras.market.exchange.cobb_douglas import CobbDouglas
from walras.market.exchange.core import BlockingCoalition, blocking_coalition, in_the_core
from walras.market.exchange.economy import ExchangeEconomy
from walras.market.exchange.efficiency import (
    SupportingTransfers,
    SupportStatus,
    is_pareto_efficient,
    pareto_waste,
    supporting_transfers,
)
from walras.market.exchange.equilibrium import ExchangeEquilibrium, ExchangeStatus
from walras.market.exchange.extragradient import Extragradient
from walras.market.exchange.flow import TatonnementFlow
from walras.market.exchange.index import Stability, tatonnement_eigenvalues
from walras.market.exchange.leontief import Leontief
from walras.market.exchange.linear import Linear
from walras.market.exchange.linear_quadratic import LinearQuadratic
from walras.market.exchange.newton import Newton
from walras.market.exchange.quasi_linear import QuasiLinearPower, QuasiLinearQuadratic
from walras.market.exchange.tatonnement import (
    Adjustment,
    ConstantStep,
    DiminishingStep,
    NormalisedStep,
    StepRule,
    Tatonnement,
)
from walras.market.exchange.user_given import DemandFunction, GivenUtility
from walras.market.exchange.utility import Utility

__all__ = [
    "CES",
    "Adjustment",
    "BlockingCoalition",
    "CobbDouglas",
    "ConstantStep",
    "DemandFunction",
    "DiminishingStep",
    "EquilibriumSet",
    "EquilibriumSetStatus",
    "ExchangeCertificate",
    "ExchangeEconomy",
    "ExchangeEquilibrium",
    "ExchangeStatus",
    "Extragradient",
    "GivenUtility",
    "Leontief",
    "Linear",
    "LinearQuadratic",
    "Newton",
    "NormalisedStep",
    "PowerUtility",
    "QuasiLinearPower",
    "QuasiLinearQuadratic",
    "Stability",
    "StepRule",
    "SupportStatus",
    "SupportingTransfers",
    "Tatonnement",
    "TatonnementFlow",
    "Utility",
    "all_equilibria",
    "blocking_coalition",
    "in_the_core",
    "is_pareto_efficient",
    "pareto_waste",
    "supporting_transfers",
    "tatonnement_eigenvalues",
]
