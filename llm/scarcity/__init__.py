"""The scarcity study: where the attention of a standard model goes when its compute is cut, without training."""

from walras.llm.scarcity.cuts import CUTS, Cut
from walras.llm.scarcity.inference import effects, overall_verdict
from walras.llm.scarcity.study import ScarcityTables, cuts_of, scarcity_study
from walras.llm.scarcity.texts import Texts
from walras.llm.scarcity.values import TokenValues, token_values

__all__ = [
    "CUTS",
    "Cut",
    "ScarcityTables",
    "Texts",
    "TokenValues",
    "cuts_of",
    "effects",
    "overall_verdict",
    "scarcity_study",
    "token_values",
]
