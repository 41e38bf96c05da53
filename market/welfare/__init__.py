"""Measures of an outcome: surplus, social welfare, inequality, concentration."""

from walras.market.welfare.concentration import (
    concentration_ratio,
    effective_number,
    herfindahl_index,
    shannon_entropy,
    shannon_evenness,
)
from walras.market.welfare.entropy import atkinson_index, generalised_entropy, theil_l, theil_t
from walras.market.welfare.groups import EntropyDecomposition, decompose_entropy, per_group
from walras.market.welfare.inequality import gini
from walras.market.welfare.lorenz import LorenzCurve, lorenz_curve
from walras.market.welfare.social import (
    atkinson_welfare,
    log_nash_welfare,
    nash_welfare,
    rawlsian_welfare,
    utilitarian_welfare,
)
from walras.market.welfare.surplus import QuasiLinearSurplus, deadweight_loss, efficiency, quasi_linear_surplus

__all__ = [
    "EntropyDecomposition",
    "LorenzCurve",
    "QuasiLinearSurplus",
    "atkinson_index",
    "atkinson_welfare",
    "concentration_ratio",
    "deadweight_loss",
    "decompose_entropy",
    "effective_number",
    "efficiency",
    "generalised_entropy",
    "gini",
    "herfindahl_index",
    "log_nash_welfare",
    "lorenz_curve",
    "nash_welfare",
    "per_group",
    "quasi_linear_surplus",
    "rawlsian_welfare",
    "shannon_entropy",
    "shannon_evenness",
    "theil_l",
    "theil_t",
    "utilitarian_welfare",
]
