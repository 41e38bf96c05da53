"""The same computation in fewer steps, for models that are to run fast rather than to be cut or saved.

Cutting makes matrix products smaller, and leaves their number, and the work between them, as it was. Where neither
changes what the model computes,

- projections of one input are joined into one product: query, key and value; gate and value of a gated activation.
  Products that were cut are narrow, and three narrow ones waste more of a GPU than one that is three times as wide;
- in a model that normalises after the sum (BERT and its kin) the sum over the residual stream and its normalisation are
  one step, and so are the normalisations that are left of sub-layers closed altogether behind it: these pass on what
  they get. BERT's sum of embeddings is such a step as well.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.models.bert.modeling_bert import BertEmbeddings, BertOutput, BertSelfOutput
from transformers.models.electra.modeling_electra import ElectraOutput, ElectraSelfOutput
from transformers.models.roberta.modeling_roberta import RobertaOutput, RobertaSelfOutput

from walras.llm.architectures import Architecture, Attention, architecture_of, named_layers
from walras.llm.architectures.description import SublayerNames
from walras.llm.closed import ClosedProjection
from walras.llm.errors import CouplingError
from walras.llm.guards import GATE_NAME
from walras.llm.norm_chains import EmbeddingsAndNorms, NormChain, SumAndNorms

__all__ = ["streamline"]

# forward(output of the sub-layer, residual) = LayerNorm(dense(output of the sub-layer) + residual)
_SUM_AND_NORM = (BertSelfOutput, BertOutput, ElectraSelfOutput, ElectraOutput, RobertaSelfOutput, RobertaOutput)


@torch.no_grad()
def streamline(model: PreTrainedModel) -> PreTrainedModel:
    """Rewrite a model, in place, so that it computes the same in fewer steps; call it last, before it is put to use.

    Parameters
    ----------
    model
        An exported model, or a whole one of a supported architecture.

    Returns
    -------
    PreTrainedModel
        The same object: its outputs are the same up to rounding. Hidden states between layers, where they are asked
        for, may be those behind closed sub-layers already. It cannot be saved: save it before, and streamline after
        `EconomizedModel.from_pretrained`.

    Raises
    ------
    CouplingError
        An economy is attached.
    UnsupportedModelError
        Neither exported nor in the table of architectures.
    """
    if any(hasattr(module, GATE_NAME) for module in model.modules()):
        raise CouplingError("The model has an economy attached: streamline what export() gives.")
    structure = getattr(getattr(model, "config", None), "walras", None)
    architecture = Architecture.from_dict(structure["architecture"]) if structure else architecture_of(model)
    layers = named_layers(model, architecture)
    # Sub-layers that nobody named would stand between the normalisations.
    all_named = len(architecture.stacks) == 1 and not getattr(model.config, "add_cross_attention", False)
    all_named = all_named and all(len(sublayers) == 2 for _, sublayers in layers)
    cached = bool(getattr(model.config, "is_decoder", False))
    before = _embeddings(model)  # what the residual stream comes from
    for layer, sublayers in layers:
        for names in sublayers:
            _join_inputs(layer, names)
            before = _sum_and_norm(layer, names, before if all_named else None, cached=cached)
    model.save_pretrained = _Unsaved()
    return model


def _join_inputs(layer: nn.Module, names: SublayerNames) -> None:
    """Put one product in the place of several of one input."""
    if len(names.inputs) == 1 or (isinstance(names, Attention) and names.cross):
        return
    projections = [_find(layer, name) for name in names.inputs]
    plain = [each for each in projections if type(each) is nn.Linear]
    if len(plain) < len(projections) or len({each.bias is None for each in plain}) > 1:
        return
    joined = _Joined(plain)
    for number, name in enumerate(names.inputs):
        layer.set_submodule(name, _Part(joined, number))


def _embeddings(model: PreTrainedModel) -> NormChain | None:
    """Make the sum of embeddings and its normalisation one step, and give it where it is what the first layer gets."""
    found = [(name, module) for name, module in model.named_modules() if type(module) is BertEmbeddings]
    if len(found) != 1:
        return None
    name, embeddings = found[0]
    mine = EmbeddingsAndNorms(embeddings).train(embeddings.training)
    model.set_submodule(name, mine)
    return mine


def _sum_and_norm(
    layer: nn.Module, names: SublayerNames, before: NormChain | None, *, cached: bool
) -> NormChain | None:
    """Make a sub-layer's sum and normalisation one step, or a part of the step before; give the one it is part of."""
    path = names.output.rpartition(".")[0]
    block = _find(layer, path) if path else None
    if not isinstance(block, _SUM_AND_NORM):
        return None
    closed = isinstance(block.dense, ClosedProjection)
    if closed and before is not None and before.epsilon == block.LayerNorm.eps:
        # Nothing reads the input of a closed sub-layer but its own sum, so that may happen where the input is made.
        before.go_on(block.LayerNorm, block.dense.bias)
        layer.set_submodule(path, _PassOn())
        if isinstance(names, Attention):
            if not cached:  # otherwise it counts the tokens that the cache holds
                layer.set_submodule(path.rpartition(".")[0], _PassOnAttention())
        else:
            layer.set_submodule(names.inputs[0].rpartition(".")[0], nn.Identity())
        return before
    mine = SumAndNorms(block, closed=closed).train(block.training)
    layer.set_submodule(path, mine)
    return mine


class _Joined(nn.Module):
    """Several projections of one input, computed at once when the first of them is asked for."""

    def __init__(self, projections: Sequence[nn.Linear]) -> None:
        super().__init__()
        first = projections[0]
        trained = any(each.weight.requires_grad for each in projections)
        self.sizes = [each.out_features for each in projections]
        self.weight = nn.Parameter(torch.cat([each.weight.detach() for each in projections]), requires_grad=trained)
        biases = [each.bias.detach() for each in projections if each.bias is not None]
        self.bias = nn.Parameter(torch.cat(biases), requires_grad=trained) if first.bias is not None else None
        self.source: Tensor | None = None
        self.waiting: dict[int, Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what a pass that was cut short may have left waiting."""
        return {**self.__dict__, "source": None, "waiting": {}}

    def part(self, number: int, hidden_states: Tensor) -> Tensor:
        """Give one projection of the input, (..., its size)."""
        if self.source is not hidden_states or number not in self.waiting:
            parts = functional.linear(hidden_states, self.weight, self.bias).split(self.sizes, -1)
            self.source, self.waiting = hidden_states, dict(enumerate(parts))
        part = self.waiting.pop(number)
        if not self.waiting:
            self.source = None  # the pass must not be kept in memory
        return part


class _Part(nn.Module):
    """One of several projections that are computed together."""

    def __init__(self, joined: _Joined, number: int) -> None:
        super().__init__()
        self.joined = joined
        self.number = number

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.joined.part(self.number, hidden_states)


class _PassOn(nn.Module):
    """A closed sub-layer whose normalisation is done already."""

    def forward(self, nothing: Tensor, residual: Tensor) -> Tensor:
        return residual


class _PassOnAttention(nn.Module):
    """The same of a whole attention, which gives attention weights as well."""

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        return hidden_states, None


class _Unsaved:
    """Stands for a streamlined model's `save_pretrained`."""

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        raise CouplingError(
            "A streamlined model cannot be saved, since its projections are joined: save what export() gives, and "
            "streamline() it after EconomizedModel.from_pretrained()."
        )


def _find(module: nn.Module, name: str) -> nn.Module | None:
    try:
        return module.get_submodule(name)
    except AttributeError:
        return None
