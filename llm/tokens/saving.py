"""A warning when a model is saved as if its tokens had no market."""

import warnings
from typing import Any

from transformers import PreTrainedModel

from walras.llm.guards import GatedModelWarning

__all__ = ["SaveWithMarket"]


class SaveWithMarket:
    """Stands for `save_pretrained` of a model whose tokens have a market: warns, and saves.

    The Trainer, which gives the state that it saves, is not warned: its checkpoints are loaded into the same model.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model

    @classmethod
    def put(cls, model: PreTrainedModel) -> None:
        """Warn from now on, unless an economy of heads does so already."""
        if "save_pretrained" not in model.__dict__:
            model.save_pretrained = cls(model)

    @classmethod
    def take(cls, model: PreTrainedModel) -> None:
        """Warn no longer."""
        if isinstance(model.__dict__.get("save_pretrained"), cls):
            del model.save_pretrained  # the class's own comes to light again

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Save as the model's class does."""
        if "state_dict" not in named and len(arguments) < 3:
            warnings.warn(
                "The model is saved with its market of tokens attached: loaded by transformers alone it is the dense "
                "model, in which every token runs through every layer. Keep TokenEconomy.markets.state_dict() beside "
                "it, and attach_tokens() after loading.",
                GatedModelWarning,
                stacklevel=2,
            )
        return type(self.model).save_pretrained(self.model, *arguments, **named)
