"""A tiny model with random weights of every supported architecture, and one that users would describe themselves.

Two layers if not said otherwise, hidden size 32, 40 neurons, so that the last of a layer's blocks of 16 is smaller;
heads whose features side by side are more than the hidden size where the architecture allows it; no dropout.
"""

from collections.abc import Callable, Mapping

import torch
from tests.llm.models import PADDING, SPECIAL, VOCABULARY, randomised, tokens
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ElectraConfig,
    ElectraForPreTraining,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    OPTConfig,
    OPTForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from walras.llm import Architecture, Attention, FeedForward, Stack

__all__ = ["GENERATORS", "PHI", "ZOO", "batch_of", "phi"]

_ENCODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "pad_token_id": PADDING,
}
_BERT = {**_ENCODER, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_labels": 3}
_DECODER = {**_ENCODER, **SPECIAL, "num_key_value_heads": 2}


def _bert(layers: int) -> PreTrainedModel:
    return BertForSequenceClassification(BertConfig(**_BERT, num_hidden_layers=layers))


def _roberta(layers: int) -> PreTrainedModel:
    return RobertaForSequenceClassification(
        RobertaConfig(**_BERT, num_hidden_layers=layers, bos_token_id=1, eos_token_id=2)
    )


def _electra(layers: int) -> PreTrainedModel:
    return ElectraForPreTraining(ElectraConfig(**_BERT, num_hidden_layers=layers, embedding_size=16))


def _distilbert(layers: int) -> PreTrainedModel:
    config = DistilBertConfig(
        vocab_size=VOCABULARY,
        dim=32,
        n_layers=layers,
        n_heads=4,
        hidden_dim=40,
        max_position_embeddings=64,
        dropout=0.0,
        attention_dropout=0.0,
        pad_token_id=PADDING,
    )
    return DistilBertForMaskedLM(config)


def _modernbert(layers: int) -> PreTrainedModel:
    config = ModernBertConfig(
        **_ENCODER,
        num_hidden_layers=layers,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
        local_attention=8,
        global_attn_every_n_layers=layers,
        mlp_bias=True,
        attention_bias=True,
    )
    return ModernBertForMaskedLM(config)


def _gpt2(layers: int) -> PreTrainedModel:
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=32,
        n_layer=layers,
        n_head=4,
        n_inner=40,
        n_positions=64,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        **SPECIAL,
    )
    return GPT2LMHeadModel(config)


def _opt(layers: int) -> PreTrainedModel:
    sizes = {name: value for name, value in _ENCODER.items() if name not in ("intermediate_size", "pad_token_id")}
    return OPTForCausalLM(
        OPTConfig(**sizes, **SPECIAL, num_hidden_layers=layers, ffn_dim=40, word_embed_proj_dim=32, dropout=0.0)
    )


def _llama(layers: int) -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(**_DECODER, num_hidden_layers=layers))


def _mistral(layers: int) -> PreTrainedModel:
    return MistralForCausalLM(MistralConfig(**_DECODER, num_hidden_layers=layers, sliding_window=6, head_dim=12))


def _qwen2(layers: int) -> PreTrainedModel:
    return Qwen2ForCausalLM(Qwen2Config(**_DECODER, num_hidden_layers=layers))


def _qwen3(layers: int) -> PreTrainedModel:
    return Qwen3ForCausalLM(Qwen3Config(**_DECODER, num_hidden_layers=layers, head_dim=12))


def _gemma2(layers: int) -> PreTrainedModel:
    return Gemma2ForCausalLM(Gemma2Config(**_DECODER, num_hidden_layers=layers, head_dim=12, sliding_window=6))


def _gemma3(layers: int) -> PreTrainedModel:
    config = Gemma3TextConfig(
        **_DECODER,
        num_hidden_layers=layers,
        head_dim=12,
        sliding_window=6,
        layer_types=["full_attention", "sliding_attention"][-layers:],
    )
    return Gemma3ForCausalLM(config)


def _t5(layers: int, activation: str) -> PreTrainedModel:
    config = T5Config(
        vocab_size=VOCABULARY,
        d_model=32,
        d_kv=12,
        num_heads=4,
        d_ff=40,
        num_layers=layers,
        num_decoder_layers=layers,
        dropout_rate=0.0,
        feed_forward_proj=activation,
        pad_token_id=PADDING,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    return T5ForConditionalGeneration(config)


ZOO: Mapping[str, Callable[..., PreTrainedModel]] = {
    name: (lambda layers=2, make=make: randomised(make(layers)))
    for name, make in {
        "bert": _bert,
        "distilbert": _distilbert,
        "electra": _electra,
        "gemma2": _gemma2,
        "gemma3_text": _gemma3,
        "gpt2": _gpt2,
        "llama": _llama,
        "mistral": _mistral,
        "modernbert": _modernbert,
        "opt": _opt,
        "qwen2": _qwen2,
        "qwen3": _qwen3,
        "roberta": _roberta,
        "t5": lambda layers: _t5(layers, "relu"),
        "t5-gated": lambda layers: _t5(layers, "gated-gelu"),
    }.items()
}
GENERATORS = tuple(name for name in ZOO if name not in ("bert", "distilbert", "electra", "modernbert", "roberta"))

# Phi is not in the table: this is all that a user has to write for it.
PHI = Architecture(
    (
        Stack(
            "layers",
            (
                Attention(
                    module="self_attn",
                    inputs=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                    output="self_attn.dense",
                ),
                FeedForward(inputs=("mlp.fc1",), output="mlp.fc2"),
            ),
        ),
    )
)


def phi(layers: int = 2) -> PreTrainedModel:
    """Attention and feed-forward network side by side in each layer, behind one normalisation."""
    return randomised(PhiForCausalLM(PhiConfig(**_DECODER, num_hidden_layers=layers, resid_pdrop=0.0, embd_pdrop=0.0)))


def gpt_neox() -> PreTrainedModel:
    """Query, key and value of one head behind those of another in one projection: cannot be described."""
    return GPTNeoXForCausalLM(GPTNeoXConfig(**_ENCODER, num_hidden_layers=1, bos_token_id=1, eos_token_id=2))


def batch_of(model: PreTrainedModel, *, padded: int = 0) -> dict[str, Tensor]:
    """Give a batch of random tokens, with those that a decoder beside an encoder reads."""
    batch = tokens(length=9, padded=padded)
    if model.config.is_encoder_decoder:
        generator = torch.Generator().manual_seed(6)
        batch["decoder_input_ids"] = torch.randint(3, VOCABULARY, (3, 7), generator=generator)
    return batch
