"""What the market method is made of: one part at a time is changed, all else being equal."""

from walras.simulations.evidence.ablation.config import AblationConfig
from walras.simulations.evidence.ablation.experiment import EXPERIMENT
from walras.simulations.evidence.ablation.table import effects_markdown, variant_effects
from walras.simulations.evidence.ablation.variants import AS_IT_IS, VARIANTS, Variant

__all__ = [
    "AS_IT_IS",
    "EXPERIMENT",
    "VARIANTS",
    "AblationConfig",
    "Variant",
    "effects_markdown",
    "variant_effects",
]
