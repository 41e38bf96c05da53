"""The recovery phase: what is left of a model after export is trained on, at its full use."""

from typing import Any

from transformers import PreTrainedModel

from walras.llm.distillation import Distillation
from walras.llm.errors import CouplingError
from walras.llm.tasks import Task
from walras.llm.training import TrainingSettings, fine_tune

__all__ = ["recover"]


def recover(
    exported: PreTrainedModel,
    task: Task,
    settings: TrainingSettings,
    *,
    teacher: PreTrainedModel | None = None,
    distillation: Distillation | None = None,
    **others: Any,
) -> PreTrainedModel:
    """Fine-tune an exported model, in place, and give it back.

    What the market closed is gone, and what it served is whole: training now costs only what the smaller model costs,
    and fills the features that rounding to the hardware's tiles left open. The structure in the config stays, so that
    the model is saved and loaded as before.

    Parameters
    ----------
    exported
        From `ModelEconomy.export`, or loaded by `EconomizedModel`.
    teacher
        The dense model that it came from, as a rule.
    **others
        As for `walras.llm.training.fine_tune`.

    Raises
    ------
    CouplingError
        The model was not exported.

    Notes
    -----
    *Source*: "filled" fine-tuning of block-pruned models, Lagunas et al. 2021 (docs/reference/bibliography.md).
    """
    if not getattr(exported.config, "walras", None):
        raise CouplingError("The model was not exported by an economy: recover(economy.export(...), ...).")
    fine_tune(exported, task, settings, teacher=teacher, distillation=distillation, **others)
    return exported.eval()
