"""The structure of an exported model: what is kept of each sub-layer, written into its config and read again.

Open agents keep their rows and columns; closed ones lose them. The structure stands in the model's config, so that a
saved model can be rebuilt with the right shapes before its weights are loaded.
"""

from pathlib import Path
from typing import Any

import numpy as np
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoConfig, PreTrainedModel

from walras.llm.architectures import FFN, Architecture, sublayers_of
from walras.llm.closed import runs
from walras.llm.cutting import keep_heads, keep_neurons
from walras.llm.errors import DataError, UnsupportedModelError
from walras.llm.population import Population

__all__ = ["EconomizedModel", "shrink", "structure_of"]


def structure_of(population: Population, open_agents: NDArray[np.bool_]) -> dict[str, Any]:
    """Describe what is kept of each sub-layer that has agents, as plain lists that a config can hold.

    Returns
    -------
    dict
        `architecture`: the names of the layers; `sublayers`: numbers of the sub-layers, as
        `walras.llm.architectures.sublayers_of` counts them; `kept`: for each of them what is kept, as a list of
        [first, last + 1] runs of features of its output projection.
    """
    kept = [runs(site.kept_features(open_agents[site.agents]).tolist()) for site in population.sites]
    return {
        "architecture": population.architecture.as_dict(),
        "sublayers": [site.sublayer for site in population.sites],
        "kept": kept,
    }


def shrink(model: PreTrainedModel, structure: dict[str, Any]) -> PreTrainedModel:
    """Remove, in place, all heads and neurons of a whole model that `structure` does not keep.

    A sub-layer that loses all of them keeps its output projection's bias, as the gated model does.
    """
    sublayers = sublayers_of(model, Architecture.from_dict(structure["architecture"]))
    for number, kept in zip(structure["sublayers"], structure["kept"], strict=True):
        sublayer = sublayers[number]
        features = [feature for first, stop in kept for feature in range(first, stop)]
        if len(features) == sublayer.width:
            continue
        if sublayer.kind == FFN:
            keep_neurons(sublayer, features)
        else:
            width = sublayer.queries_per_group * sublayer.head_dim
            keep_heads(sublayer, sorted({feature // width for feature in features}))
    model.config.walras = {"base_class": type(model).__name__, **structure}
    return model


class EconomizedModel:
    """Loads models that an economy exported."""

    @staticmethod
    def from_pretrained(folder: str | Path, *, model_class: type[PreTrainedModel] | None = None, **kwargs: Any) -> Any:
        """Load an exported model, in its own transformers class.

        Parameters
        ----------
        folder
            Where `save_pretrained` wrote it (or a hub name).
        model_class
            The model's class, where it is not one of transformers' own.
        **kwargs
            Passed on to transformers' `from_pretrained`.

        Returns
        -------
        PreTrainedModel
            In evaluation mode; with `output_loading_info=True` a pair of it and of what transformers says.

        Raises
        ------
        DataError
            No model there, files missing, or not one that walras exported.
        """
        try:
            config = (model_class.config_class if model_class else AutoConfig).from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise DataError(f"No model could be read from {str(folder)!r}: {error}") from error
        structure = getattr(config, "walras", None)
        if not structure:
            raise DataError(
                f"{str(folder)!r} is not an exported model (no 'walras' in its config): load it with transformers. "
                "If it was saved with its economy attached, attach() again and load its state."
            )
        base = model_class or _base_class(structure, folder)
        wants_info = kwargs.pop("output_loading_info", False)
        try:
            model, info = _shrinking(base).from_pretrained(folder, config=config, output_loading_info=True, **kwargs)
        except (OSError, SafetensorError) as error:
            raise DataError(f"The weights in {str(folder)!r} could not be read: {error}") from error
        except (KeyError, IndexError, ValueError, UnsupportedModelError) as error:
            raise DataError(
                f"The structure in the config of {str(folder)!r} does not fit a {base.__name__}: {error}"
            ) from error
        except RuntimeError as error:
            raise DataError(
                f"The weights in {str(folder)!r} do not fit the structure in its config: {error}"
            ) from error
        if info["missing_keys"]:  # transformers has made up random ones
            raise DataError(f"{str(folder)!r} lacks the weights {sorted(info['missing_keys'])}.")
        model.__class__ = base  # the shapes are set; what remains is an ordinary model of its class
        return (model, info) if wants_info else model


def _base_class(structure: Any, folder: str | Path) -> type[PreTrainedModel]:
    name = structure.get("base_class") if isinstance(structure, dict) else None
    base = getattr(transformers, name, None) if isinstance(name, str) else None
    if not (isinstance(base, type) and issubclass(base, PreTrainedModel)):
        raise DataError(f"{str(folder)!r} was exported from {name!r}, unknown to transformers.")
    return base


def _shrinking(base: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """Give a subclass that cuts itself to its config's structure before weights are loaded."""

    class Shrinking(base):
        def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(config, *args, **kwargs)
            structure = dict(config.walras)
            shrink(self, structure)
            self.config.walras = structure  # keeps the base class's name, not this one's

    return Shrinking
