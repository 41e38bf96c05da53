"""The architectures that come with walras, by `model_type`; names are those of transformers 5."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from walras.llm.architectures.description import Architecture, Attention, FeedForward, Stack

__all__ = ["ARCHITECTURES"]


def _one_stack(layers: str, attention: Attention, feed_forward: FeedForward) -> Architecture:
    return Architecture((Stack(layers, (attention, feed_forward)),))


_BERT = _one_stack(
    "encoder.layer",
    Attention(
        module="attention.self",
        inputs=("attention.self.query", "attention.self.key", "attention.self.value"),
        output="attention.output.dense",
    ),
    FeedForward(inputs=("intermediate.dense",), output="output.dense"),
)

_DISTILBERT = _one_stack(
    "transformer.layer",
    Attention(
        module="attention",
        inputs=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        output="attention.out_lin",
    ),
    FeedForward(inputs=("ffn.lin1",), output="ffn.lin2"),
)

_MODERNBERT = _one_stack(
    "layers",
    Attention(module="attn", inputs=("attn.Wqkv",), output="attn.Wo", dropout="attn.out_drop", pre_norm="attn_norm"),
    FeedForward(inputs=("mlp.Wi",), output="mlp.Wo", pre_norm="mlp_norm"),  # Wi holds value and gate: 2 F rows
)

_GPT2 = _one_stack(
    "h",
    Attention(
        module="attn", inputs=("attn.c_attn",), output="attn.c_proj", dropout="attn.resid_dropout", pre_norm="ln_1"
    ),
    FeedForward(inputs=("mlp.c_fc",), output="mlp.c_proj", pre_norm="ln_2"),
)

# The normalisations of OPT stand before or after the sub-layer, as its config says: they are left alone.
_OPT = _one_stack(
    "decoder.layers",
    Attention(
        module="self_attn",
        inputs=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        output="self_attn.out_proj",
    ),
    FeedForward(inputs=("fc1",), output="fc2"),
)

_LLAMA_ATTENTION = Attention(
    module="self_attn",
    inputs=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    output="self_attn.o_proj",
    pre_norm="input_layernorm",
)
_LLAMA_FFN = FeedForward(
    inputs=("mlp.gate_proj", "mlp.up_proj"), output="mlp.down_proj", pre_norm="post_attention_layernorm"
)
_LLAMA = _one_stack("layers", _LLAMA_ATTENTION, _LLAMA_FFN)

_GEMMA2 = _one_stack(
    "layers",
    replace(_LLAMA_ATTENTION, post_norm="post_attention_layernorm"),
    replace(_LLAMA_FFN, pre_norm="pre_feedforward_layernorm", post_norm="post_feedforward_layernorm"),
)


def _t5_attention(module: str, norm: str, *, cross: bool) -> Attention:
    return Attention(
        module=module,
        inputs=(f"{module}.q", f"{module}.k", f"{module}.v"),
        output=f"{module}.o",
        pre_norm=norm,
        cross=cross,
        shared_bias=True,
    )


def _t5(*, gated: bool) -> Architecture:
    def feed_forward(number: int) -> FeedForward:
        dense = f"layer.{number}.DenseReluDense"
        return FeedForward(
            inputs=(f"{dense}.wi_0", f"{dense}.wi_1") if gated else (f"{dense}.wi",),
            output=f"{dense}.wo",
            pre_norm=f"layer.{number}.layer_norm",
        )

    self_attention = _t5_attention("layer.0.SelfAttention", "layer.0.layer_norm", cross=False)
    cross_attention = _t5_attention("layer.1.EncDecAttention", "layer.1.layer_norm", cross=True)
    return Architecture(
        (
            # Generation runs the encoder on its own, and then the whole model with what it gave, token by token.
            Stack("encoder.block", (self_attention, feed_forward(1))),
            Stack("decoder.block", (self_attention, cross_attention, feed_forward(2)), entry=""),
        )
    )


# A key is a model_type; T5 1.1 and its kin gate their neurons, which the config says (`is_gated_act`).
ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "bert": _BERT,
        "distilbert": _DISTILBERT,
        "electra": _BERT,
        "gemma2": _GEMMA2,
        "gemma3_text": _GEMMA2,
        "gpt2": _GPT2,
        "llama": _LLAMA,
        "mistral": _LLAMA,
        "modernbert": _MODERNBERT,
        "opt": _OPT,
        "qwen2": _LLAMA,
        "qwen3": _LLAMA,
        "roberta": _BERT,
        "t5": _t5(gated=False),
        "t5-gated": _t5(gated=True),
    }
)
