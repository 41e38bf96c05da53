"""Tiny models of the architectures whose tokens can have a market, and a reference that computes them in full."""

from collections.abc import Callable, Mapping

import torch
from tests.llm.models import PADDING, SPECIAL, VOCABULARY, bert, llama, randomised
from torch import Tensor
from transformers import (
    ElectraConfig,
    ElectraForSequenceClassification,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from walras.llm.resources import is_causal
from walras.llm.tokens import TokenConfig, TokenEconomy, attach_tokens

__all__ = ["EVERY_MODEL", "MODELS", "VISIBLE", "attached", "masked_reference", "prompts", "whole_tokens"]

VISIBLE = ("everyone", "buyers")
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "pad_token_id": PADDING}
GROUPED = {"num_key_value_heads": 2, **SPECIAL}


def electra() -> PreTrainedModel:
    """An encoder whose embeddings are smaller than its hidden states."""
    return randomised(ElectraForSequenceClassification(ElectraConfig(**SIZES, **NO_DROPOUT, embedding_size=12)))


def roberta() -> PreTrainedModel:
    """An encoder whose positions start after padding's."""
    return randomised(RobertaForSequenceClassification(RobertaConfig(**SIZES, **NO_DROPOUT)))


def mistral() -> PreTrainedModel:
    """A decoder whose queries see a window of 6 tokens, with eager attention."""
    config = MistralConfig(**SIZES, **GROUPED, sliding_window=6, attn_implementation="eager")
    return randomised(MistralForCausalLM(config))


def qwen2() -> PreTrainedModel:
    """A decoder with biases of queries, keys and values."""
    return randomised(Qwen2ForCausalLM(Qwen2Config(**SIZES, **GROUPED)))


def qwen3() -> PreTrainedModel:
    """A decoder with normalised queries and keys, and heads of a size of their own."""
    return randomised(Qwen3ForCausalLM(Qwen3Config(**SIZES, **GROUPED, head_dim=8)))


MODELS: Mapping[str, Callable[[], PreTrainedModel]] = {"bert": bert, "llama": llama}
EVERY_MODEL = MODELS | {
    "electra": electra,
    "roberta": roberta,
    "mistral": mistral,
    "qwen2": qwen2,
    "qwen3": qwen3,
}


def prompts(*, batch: int = 3, length: int = 11, seed: int = 3, padded: tuple[int, ...] = ()) -> dict[str, Tensor]:
    """Give random tokens; the first sequences have some padding on their left."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (batch, length), generator=generator)
    mask = torch.ones_like(ids)
    for sequence, count in enumerate(padded):
        ids[sequence, :count], mask[sequence, :count] = PADDING, 0
    return {"input_ids": ids, "attention_mask": mask}


def attached(model: PreTrainedModel, seed: int = 0, **rules: object) -> TokenEconomy:
    """Attach a market at every layer, with reproducible bidders; a causal model posts calibrated prices."""
    torch.manual_seed(seed)
    economy = attach_tokens(model, TokenConfig(**{"layers": (0, 1, 2), **rules}))  # type: ignore[arg-type]
    if economy.causal and any(0.0 < capacity < 1.0 for capacity in economy.capacities.values()):
        economy.calibrate([prompts(batch=6, seed=8)])
    return economy


def whole_tokens(economy: TokenEconomy, batch: Mapping[str, Tensor]) -> dict[int, Tensor]:
    """Say who bought in the last pass, by layer, from its table; shape (sequences, tokens)."""
    table = economy.purchases()
    bought = {layer: torch.zeros_like(batch["input_ids"], dtype=torch.bool) for layer in economy.layers}
    for row in table[table["bought"]].itertuples():
        bought[row.layer][row.sequence, row.position] = True
    return bought


@torch.no_grad()
def masked_reference(
    model: PreTrainedModel,
    layers: Mapping[int, torch.nn.Module],
    bought: Mapping[int, Tensor],
    batch: dict,
    visible: str,
) -> Tensor:
    """Logits of a model without a market that runs all tokens through, and drops what those did not buy.

    Where buyers see buyers only, keys of the others are closed in an additive mask.
    """

    def close(number: int) -> Callable:
        def hook(module: torch.nn.Module, arguments: tuple, named: dict) -> tuple[tuple, dict]:
            hidden = arguments[0]
            count = hidden.shape[1]
            mask = named.get("attention_mask") if len(arguments) == 1 else arguments[1]
            if mask is None:
                mask = torch.ones((1, 1, count, count), dtype=torch.bool)
                mask = mask.tril() if is_causal(model) else mask
            assert mask.dtype == torch.bool
            closed = mask & bought[number][:, None, None, :]
            # A row without keys is nobody's that buys.
            closed = closed | ~closed.any(-1, keepdim=True)
            if len(arguments) > 1:
                return (hidden, closed, *arguments[2:]), named
            return arguments, named | {"attention_mask": closed}

        return hook

    def drop(number: int) -> Callable:
        def hook(module: torch.nn.Module, arguments: tuple, output: Tensor) -> Tensor:
            return torch.where(bought[number].unsqueeze(-1), output, arguments[0])

        return hook

    handles = []
    for number, layer in layers.items():
        handles.append(layer.register_forward_hook(drop(number)))
        if visible == "buyers":
            handles.append(layer.register_forward_pre_hook(close(number), with_kwargs=True))
    try:
        return model(**batch).logits
    finally:
        for handle in handles:
            handle.remove()
