"""Two operations of the market of tokens as one kernel each, where a Triton device is at hand.

`fused_bids` reads hidden states once; `attention_at` lets queries that stand anywhere in a text see all keys up to
their own, for which torch has no kernel but with a mask. With `TRITON_INTERPRET=1` in the environment the kernels
run on CPU tensors too, slowly: that is how they are tested without a device. They are operators of torch, so that
compilers and its FLOP counter see through them; neither has a gradient.
"""

import importlib.util
import math
import os

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

__all__ = ["attention_at", "fits", "fused_bids"]

_HAS_TRITON = importlib.util.find_spec("triton") is not None
_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
# What the registers and the shared memory of one program hold.
_LARGEST_HEAD_BYTES = 512
_LARGEST_ROW = 16384


def fits(hidden: Tensor, head_dim: int = 0) -> bool:
    """Tell whether the kernels can take these hidden states, shape (..., features), and heads of this size."""
    return (
        _HAS_TRITON
        and (hidden.is_cuda or _INTERPRETED)
        and hidden.dtype != torch.float64
        and not torch.is_grad_enabled()
        and head_dim * hidden.element_size() <= _LARGEST_HEAD_BYTES
        and hidden.shape[-1] <= _LARGEST_ROW
    )


def fused_bids(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Give `weight . LayerNorm(hidden) + bias`, float32, shape (...), from (..., features), (1, features) and (1,)."""
    return torch.ops.walras.token_bids.default(hidden, weight, bias)  # the operator's Python wrapper takes its time


@torch.library.custom_op("walras::token_bids", mutates_args=())
def _bids(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    import triton

    from walras.llm.tokens.kernels import bids_kernel

    features = hidden.shape[-1]
    hidden = hidden.contiguous()
    bids = torch.empty(hidden.shape[:-1], dtype=torch.float32, device=hidden.device)
    block = triton.next_power_of_2(features)
    if bids.numel():
        bids_kernel[(bids.numel(),)](
            hidden,
            weight.contiguous(),
            hidden if bias is None else bias,
            bids,
            bids.numel(),
            features,
            1e-5,
            HAS_BIAS=bias is not None,
            BLOCK=block,
            num_warps=min(max(block // 512, 1), 8),
        )
    return bids


@_bids.register_fake
def _(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return hidden.new_empty(hidden.shape[:-1], dtype=torch.float32)


def attention_at(queries: Tensor, keys: Tensor, values: Tensor, places: Tensor, scale: float) -> Tensor:
    """Attend to the keys up to each query's own.

    Parameters
    ----------
    queries
        Shape (sequences, heads, queries, features of a head).
    keys, values
        Shape (sequences, key-value heads, tokens, features of a head); heads are a multiple of theirs.
    places
        Where each query stands among the tokens, shape (sequences, queries).
    scale
        Of the scores.

    Returns
    -------
    Tensor
        Shape (sequences, queries, heads, features of a head).
    """
    return torch.ops.walras.attention_at.default(queries, keys, values, places, scale)


@torch.library.custom_op("walras::attention_at", mutates_args=())
def _attention(queries: Tensor, keys: Tensor, values: Tensor, places: Tensor, scale: float) -> Tensor:
    import triton

    from walras.llm.tokens.kernels import attention_kernel

    queries, keys, values = (
        tensor if tensor.stride(-1) == 1 else tensor.contiguous() for tensor in (queries, keys, values)
    )
    sequences, heads, number, head_dim = queries.shape
    out = torch.empty((sequences, number, heads, head_dim), dtype=queries.dtype, device=queries.device)
    rows = 128 if number > 64 and queries.element_size() < 4 else 64
    width = max(triton.next_power_of_2(head_dim), 16)
    row_bytes = width * queries.element_size()
    if out.numel():
        attention_kernel[(triton.cdiv(number, rows), sequences * heads)](
            queries,
            keys,
            values,
            places.contiguous(),
            out,
            scale * math.log2(math.e),
            heads,
            heads // keys.shape[1],
            number,
            keys.shape[2],
            *queries.stride()[:3],
            *keys.stride()[:3],
            *values.stride()[:3],
            HEAD=head_dim,
            WIDTH=width,
            ROWS=rows,
            BLOCK=64 if row_bytes <= 256 and queries.element_size() < 4 else 32,
            PRECISION="ieee" if queries.dtype == torch.float32 else "tf32",
            num_warps=8,
            num_stages=3 if row_bytes <= 128 else 2,
        )
    return out


@_attention.register_fake
def _(queries: Tensor, keys: Tensor, values: Tensor, places: Tensor, scale: float) -> Tensor:
    sequences, heads, number, head_dim = queries.shape
    return queries.new_empty((sequences, number, heads, head_dim))


@register_flop_formula(torch.ops.walras.token_bids)
def _flops_of_bids(hidden: tuple[int, ...], *rest: object, **named: object) -> int:
    return 2 * math.prod(hidden)


@register_flop_formula(torch.ops.walras.attention_at)
def _flops_of_attention(queries: tuple[int, ...], keys: tuple[int, ...], *rest: object, **named: object) -> int:
    # Scores in full, as torch counts causal attention.
    return 4 * math.prod(queries) * keys[2]
