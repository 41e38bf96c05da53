"""Which models can have a market of tokens, and their layers."""

from transformers import PreTrainedModel

from walras.llm.architectures import ATTENTION, Sublayer, sublayers_of
from walras.llm.errors import CouplingError, UnsupportedModelError
from walras.llm.tokens.hall import MARKETS_NAME
from walras.llm.tokens.skipping import SkippingForward

__all__ = ["SUPPORTED", "layers_of"]

# Layers that take and give hidden states alone, with query, key and value projections of their own, and a cache that
# attention is handed. Keys turn by their module's `apply_rotary_pos_emb`, if they turn at all.
SUPPORTED = ("bert", "electra", "llama", "mistral", "qwen2", "qwen3", "roberta")


def layers_of(model: PreTrainedModel) -> list[tuple[Sublayer, Sublayer]]:
    """Give attention and feed-forward network of each layer of a model that can be attached to."""
    if not isinstance(model, PreTrainedModel):
        raise UnsupportedModelError(f"Expected a transformers PreTrainedModel, got {type(model).__name__}.")
    if hasattr(model, MARKETS_NAME):
        raise CouplingError("The model's tokens have a market already: detach() it first, or use set_capacity().")
    if getattr(model.config, "walras", None):
        raise CouplingError("The model was exported by walras: attach to the whole model that it came from.")
    if any(isinstance(module.__dict__.get("forward"), SkippingForward) for module in model.modules()):
        raise CouplingError("Layers belong to a market of tokens of a part of the model, or its whole: detach() it.")
    model_type = model.config.model_type
    if model_type not in SUPPORTED:
        raise UnsupportedModelError(
            f"model_type {model_type!r} has no market of tokens; supported: {', '.join(SUPPORTED)}. Heads and neuron "
            "blocks of other models can be rationed with walras.llm.attach."
        )
    if model.config._attn_implementation not in ("sdpa", "eager"):
        raise UnsupportedModelError(
            f"attn_implementation {model.config._attn_implementation!r} takes no mask of some tokens' rows: load the "
            "model with attn_implementation='sdpa' or 'eager'."
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise UnsupportedModelError("The model has no weights (meta device): load it onto a device first.")
    sublayers = sublayers_of(model)
    if getattr(model.config, "add_cross_attention", False):
        raise UnsupportedModelError(f"{type(model).__name__} has cross-attention, which a market of tokens lacks.")
    attentions = [each for each in sublayers if each.kind == ATTENTION]
    return list(zip(attentions, (each for each in sublayers if each.kind != ATTENTION), strict=True))
