"""What an economy refuses to be attached to, and the warning when a gated model is saved as if it were whole."""

import warnings
from collections import Counter
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from walras.llm.architectures import Architecture, sublayers_of
from walras.llm.errors import CouplingError, UnsupportedModelError

__all__ = ["GATE_NAME", "GatedModelWarning", "SaveGated", "require_attachable"]

GATE_NAME = "walras_economy"


class GatedModelWarning(UserWarning):
    """A model is saved with its economy attached, and transformers alone will load it as if nothing were rationed."""


class SaveGated:
    """Stands for a gated model's `save_pretrained`: warns, and saves.

    The Trainer, which gives the state that it saves, is not warned: its checkpoints are loaded into the gated model.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Save as the model's class does."""
        if "state_dict" not in named and len(arguments) < 3:
            warnings.warn(
                "The model is saved with its economy attached: loaded by transformers alone it is the dense model, "
                "without gates or budget. Save economy.export() for a model that computes what this one does, or "
                "economy.detach() for the dense one; to go on with this one, attach() after loading, and "
                "load_state_dict().",
                GatedModelWarning,
                stacklevel=2,
            )
        return type(self.model).save_pretrained(self.model, *arguments, **named)


def require_attachable(model: PreTrainedModel, architecture: Architecture | None) -> None:
    """Raise if an economy cannot be attached to a model, before anything is changed.

    Raises
    ------
    UnsupportedModelError
        No transformers model, an architecture that is not described, weights that are not there (meta device or
        offloaded), quantised, distributed, on several devices, or shared by several sub-layers.
    CouplingError
        An economy is attached already, or the model was exported before.
    """
    if not isinstance(model, PreTrainedModel):
        wrapped = [
            name for name, child in getattr(model, "named_children", list)() if isinstance(child, PreTrainedModel)
        ]
        hint = f" Attach to what it wraps, its {wrapped[0]!r}, before wrapping." if wrapped else ""
        raise UnsupportedModelError(f"Expected a transformers PreTrainedModel, got {type(model).__name__}.{hint}")
    if hasattr(model, GATE_NAME):
        raise CouplingError("The model has an economy already: detach() it first, or use set_budget().")
    if getattr(model.config, "walras", None):
        raise CouplingError("The model was exported by walras: attach to the whole model that it came from.")
    for name, module in model.named_modules():
        if hasattr(module, GATE_NAME) or any(hasattr(hook, "gate") for hook in module._forward_pre_hooks.values()):
            raise CouplingError(
                f"{name!r} belongs to another economy, of a part of the model or of its whole: detach() it."
            )
    _require_weights(model)
    _require_own_weights(model, architecture)


def _require_weights(model: PreTrainedModel) -> None:
    if getattr(model, "is_quantized", False):
        raise UnsupportedModelError(
            f"{type(model).__name__} is quantised ({getattr(model.config, 'quantization_config', None)}): columns "
            "cannot be cut from packed weights. Load it unquantised, and quantise what you export."
        )
    missing = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if missing:
        offloaded = " They were offloaded: load the model without a device_map." if _offloaded(model) else ""
        raise UnsupportedModelError(
            f"The model has no weights (meta device) for {missing[0]!r} and {len(missing) - 1} others: load it onto a "
            f"device first.{offloaded}"
        )
    devices = Counter(str(parameter.device) for parameter in model.parameters())
    if len(devices) > 1:
        raise UnsupportedModelError(
            f"The model is spread over several devices {dict(devices)}, and one market clears on one device: load it "
            "onto one, without device_map."
        )


def _offloaded(model: nn.Module) -> bool:
    return any(hasattr(module, "_hf_hook") for module in model.modules())


def _require_own_weights(model: PreTrainedModel, architecture: Architecture | None) -> None:
    """Raise if two sub-layers share a weight: what is cut for one would be missing in the other.

    Tied embeddings are no concern, since they are not cut.
    """
    owners: dict[int, str] = {}
    for number, sublayer in enumerate(sublayers_of(model, architecture)):
        for name, projection in zip(
            (*sublayer.names.inputs, sublayer.names.output), (*sublayer.inputs, sublayer.output), strict=True
        ):
            me = f"{name} of sub-layer {number}"
            for tensor in projection.parameters(recurse=False):
                owner = owners.setdefault(id(tensor), me)
                if owner != me:
                    raise UnsupportedModelError(
                        f"{owner} and {me} share a weight: each sub-layer needs its own, since they may lose different "
                        "heads and neurons. Copy it: projection.weight = torch.nn.Parameter(projection.weight.clone())."
                    )
