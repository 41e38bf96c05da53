"""Tiny models with random weights, one for each supported architecture, and batches for them.

Three layers; 160 neurons, so that the last of a layer's blocks of 64 is smaller; every parameter is random, biases and
norms too, so that nothing vanishes by chance; no dropout, so that training mode is deterministic.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from walras.llm import ModelEconomy

__all__ = [
    "DECODERS",
    "MODELS",
    "bert",
    "bids_that_close",
    "gpt2",
    "llama",
    "logits_of",
    "loss_of",
    "random_bids",
    "randomised",
    "tokens",
]

VOCABULARY = 40
PADDING = 0
SPECIAL = {"pad_token_id": PADDING, "bos_token_id": 1, "eos_token_id": 2}


def bert() -> PreTrainedModel:
    """4 heads, 3 classes."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=160,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=PADDING,
        num_labels=3,
    )
    return randomised(BertForSequenceClassification(config))


def gpt2() -> PreTrainedModel:
    """4 heads, fused query, key and value, Conv1D projections."""
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=48,
        n_layer=3,
        n_head=4,
        n_inner=160,
        n_positions=32,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        **SPECIAL,
    )
    return randomised(GPT2LMHeadModel(config))


def llama() -> PreTrainedModel:
    """4 query heads in 2 groups, gated activation, no biases."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=160,
        max_position_embeddings=32,
        **SPECIAL,
    )
    return randomised(LlamaForCausalLM(config))


MODELS: Mapping[str, Callable[[], PreTrainedModel]] = {"bert": bert, "gpt2": gpt2, "llama": llama}
DECODERS = ("gpt2", "llama")


def randomised(model: PreTrainedModel) -> PreTrainedModel:
    """Give every parameter random values, in place, and put the model into evaluation mode."""
    generator = torch.Generator().manual_seed(17)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm_scale = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1.0 + 0.1 * noise if is_norm_scale else 0.2 * noise)
    return model.eval()


def tokens(*, batch: int = 3, length: int = 11, padded: int = 0) -> dict[str, Tensor]:
    """Give a batch of random tokens whose first sequence has some padding on its left."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(3, VOCABULARY, (batch, length), generator=generator)
    mask = torch.ones_like(ids)
    ids[0, :padded] = PADDING
    mask[0, :padded] = 0
    return {"input_ids": ids, "attention_mask": mask}


def loss_of(model: PreTrainedModel) -> Tensor:
    """Give a loss on a fixed batch, in float64 if the model is (transformers' own loss of decoders is float32)."""
    logits = model(**tokens()).logits
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)).flatten(0, -2)
    return nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 3)


def logits_of(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Tensor:
    """Give logits without a graph."""
    with torch.no_grad():
        return model(**batch).logits


def random_bids(economy: ModelEconomy, *, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Set random valuations and give them."""
    values = scale * np.random.default_rng(seed).standard_normal(len(economy.population))
    economy.set_valuations(values)
    return economy.valuations


def bids_that_close(economy: ModelEconomy, *, layer: int, kind: str | None = None) -> float:
    """Rank the agents of a layer (of one kind, or all) last; give the budget at which they and no others are closed."""
    frame = economy.population.frame()
    last = (frame["layer"] == layer) & ((frame["kind"] == kind) if kind else True)
    economy.set_valuations(np.where(last, -1.0, 1.0) * (1.0 + np.random.default_rng(1).random(len(frame))))
    return float(frame["cost"][~last].sum()) + 1e-9
