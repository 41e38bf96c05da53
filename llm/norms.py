"""A sum over the residual stream and several normalisations, one after the other, as one step.

A model that normalises after the sum keeps, of a sub-layer without agents, `norm(x + bias)`. Each such step reads and
writes the whole stream, which does not shrink with the budget; in a chain behind the last sum they cost nothing that
can be measured, since a token stays in registers from the sum to the last normalisation. A constant that is added
between two of them joins the bias of the first.
"""

import importlib.util
import os

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["sum_and_norms"]

_HAS_TRITON = importlib.util.find_spec("triton") is not None
_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
_LARGEST_ROW = 16384  # what the registers of one program hold
# Few warps for a token sum within themselves; more pay only where reading the token is what takes the time.
_FEATURES_OF_A_WARP = 512
_FEATURES_OF_A_WARP_IN_LONG_CHAINS = 1024  # of normalisations, each of which sums twice
_LONG_CHAIN = 3
# Below, a kernel of torch is launched faster than one of Triton, and launching is what takes the time.
_WORTH_A_KERNEL = 2**20


def sum_and_norms(added: Tensor | None, residual: Tensor, weights: Tensor, biases: Tensor, epsilon: float) -> Tensor:
    """Give `norm_k(... norm_1(added + residual))`.

    Parameters
    ----------
    added, residual
        Shape (..., features); None for nothing to add. `added` may have less than the residual's dimensions, and is
        then the same along the others.
    weights, biases
        Of the k normalisations, shape (k, features).
    epsilon
        Added to the variance.

    Notes
    -----
    *Differentiable in* all; without gradients, on CUDA, one Triton kernel does it, in float32 from the sum to the end.
    Compilers get plain torch, which they fuse by themselves.
    """
    if _fits(residual, weights):
        return _by_kernel(added, residual, weights, biases, epsilon)
    stream = residual if added is None else added + residual
    for weight, bias in zip(weights.unbind(0), biases.unbind(0), strict=True):
        stream = functional.layer_norm(stream, weight.shape, weight, bias, epsilon)
    return stream


def _fits(residual: Tensor, weights: Tensor) -> bool:
    """Whether the kernel can take the stream, and is worth its launch."""
    return (
        _HAS_TRITON
        and (residual.is_cuda or _INTERPRETED)
        and not torch.compiler.is_compiling()
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled(residual.device.type)
        and residual.dtype != torch.float64
        and 0 < residual.shape[-1] <= _LARGEST_ROW
        and (_INTERPRETED or residual.numel() >= _WORTH_A_KERNEL or (residual.numel() > 0 and len(weights) > 2))
    )


def _by_kernel(added: Tensor | None, residual: Tensor, weights: Tensor, biases: Tensor, epsilon: float) -> Tensor:
    import triton

    from walras.llm.norm_kernels import sum_and_norms_kernel

    features = residual.shape[-1]
    residual = residual.contiguous()
    other = residual if added is None else _rows_that_repeat(added, residual)
    out = torch.empty_like(residual)
    block = triton.next_power_of_2(features)
    if out.numel():
        sum_and_norms_kernel[(out.numel() // features,)](
            other,
            residual,
            weights,
            biases,
            out,
            other.numel() // features,
            len(weights),
            features,
            epsilon,
            HAS_SUM=added is not None,
            BLOCK=block,
            num_warps=_warps(block, len(weights)),
        )
    return out


def _warps(block: int, norms: int) -> int:
    of_a_warp = _FEATURES_OF_A_WARP if norms < _LONG_CHAIN else _FEATURES_OF_A_WARP_IN_LONG_CHAINS
    return min(max(block // of_a_warp, 1), 8)


def _rows_that_repeat(added: Tensor, residual: Tensor) -> Tensor:
    """Give what is added so that the kernel can go through its rows again and again."""
    while added.ndim > 1 and added.shape[0] == 1:
        added = added[0]
    if added.shape != residual.shape[residual.ndim - added.ndim :]:
        added = added.expand(residual.shape)
    return added.contiguous()
