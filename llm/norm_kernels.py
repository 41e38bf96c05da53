"""Triton kernel of a sum over the residual stream and the normalisations that follow it."""

import triton
import triton.language as tl

__all__ = ["sum_and_norms_kernel"]


@triton.jit(do_not_specialize=["added_rows", "norms"])
def sum_and_norms_kernel(
    added, residual, weights, biases, out, added_rows, norms, features, epsilon,
    HAS_SUM: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program takes one token: it is read once and written once, however many normalisations there are.

    Token t gets row `t % added_rows` of what is added.
    """
    start = tl.program_id(0).to(tl.int64) * features
    columns = tl.arange(0, BLOCK)
    inside = columns < features
    token = tl.load(residual + start + columns, mask=inside, other=0.0).to(tl.float32)
    if HAS_SUM:
        token += tl.load(
            added + (tl.program_id(0) % added_rows).to(tl.int64) * features + columns, mask=inside, other=0.0
        ).to(tl.float32)
    for number in range(norms):
        mean = tl.sum(token, axis=0) / features
        centred = tl.where(inside, token - mean, 0.0)
        variance = tl.sum(centred * centred, axis=0) / features
        weight = tl.load(weights + number * features + columns, mask=inside, other=0.0).to(tl.float32)
        bias = tl.load(biases + number * features + columns, mask=inside, other=0.0).to(tl.float32)
        token = centred * (1.0 / tl.sqrt(variance + epsilon)) * weight + bias
    tl.store(out + start + columns, token.to(out.dtype.element_ty), mask=inside)
