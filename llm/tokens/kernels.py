"""Triton kernels of the market of tokens: what each token bids, and attention of queries that stand anywhere."""

import triton
import triton.language as tl

__all__ = ["attention_kernel", "bids_kernel"]


@triton.jit
def bids_kernel(hidden, weight, bias, bids, tokens, features, epsilon, HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr):
    """Bid of one token: its normalised features times the weights; hidden states are read once."""
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    there = column < features
    state = tl.load(hidden + token * features + column, mask=there, other=0.0).to(tl.float32)
    weights = tl.load(weight + column, mask=there, other=0.0).to(tl.float32)
    mean = tl.sum(state, 0) / features
    centred = tl.where(there, state - mean, 0.0)
    deviation = tl.sqrt(tl.sum(centred * centred, 0) / features + epsilon)
    bid = tl.sum(centred * weights, 0) / deviation
    if HAS_BIAS:
        bid += tl.load(bias).to(tl.float32)
    tl.store(bids + token, bid)


@triton.jit
def _mix(
    mixed, highest, total, query, keys, values, begin, place, length, scale,
    key_step, value_step, column, HEAD: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Add a block of keys and values to the running softmax of a block of queries; WHOLE if all see all of it."""
    row = begin + tl.arange(0, BLOCK)
    there = column < HEAD
    if WHOLE:
        key = tl.load(keys + row[None, :] * key_step + column[:, None], mask=there[:, None], other=0.0)
    else:
        inside = row < length
        key = tl.load(
            keys + row[None, :] * key_step + column[:, None], mask=there[:, None] & inside[None, :], other=0.0
        )
    scores = tl.dot(query, key, input_precision=PRECISION) * scale
    if not WHOLE:
        scores = tl.where(row[None, :] <= place[:, None], scores, float("-inf"))
    risen = tl.maximum(highest, tl.max(scores, 1))
    weights = tl.exp2(scores - risen[:, None])
    fall = tl.exp2(highest - risen)
    total = total * fall + tl.sum(weights, 1)
    if WHOLE:
        value = tl.load(values + row[:, None] * value_step + column[None, :], mask=there[None, :], other=0.0)
    else:
        value = tl.load(
            values + row[:, None] * value_step + column[None, :],
            mask=(row < length)[:, None] & there[None, :],
            other=0.0,
        )
    mixed = mixed * fall[:, None]
    mixed = tl.dot(weights.to(value.dtype), value, mixed, input_precision=PRECISION)
    return mixed, risen, total


@triton.jit
def attention_kernel(
    queries, keys, values, places, out, scale, heads, group, number, length,
    query_sequence, query_head, query_step, key_sequence, key_head, key_step, value_sequence, value_head, value_step,
    HEAD: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Mix the values that one block of queries of one head sees: those of keys up to each query's own place.

    Keys before the first place of the block are seen by all of its queries and need no mask; the last blocks of
    queries, which see most, are begun first.
    """
    block = tl.num_programs(0) - 1 - tl.program_id(0)
    sequence = (tl.program_id(1) // heads).to(tl.int64)
    head = tl.program_id(1) % heads
    row = block * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    inside = row < number
    place = tl.load(places + sequence * number + row, mask=inside, other=0).to(tl.int32)
    query = tl.load(
        queries + sequence * query_sequence + head * query_head + row[:, None] * query_step + column[None, :],
        mask=inside[:, None] & (column < HEAD)[None, :],
        other=0.0,
    )
    keys += sequence * key_sequence + (head // group) * key_head
    values += sequence * value_sequence + (head // group) * value_head
    first = tl.min(tl.where(inside, place, length), 0)
    last = tl.max(place, 0)
    seen_by_all = (first + 1) // BLOCK * BLOCK

    mixed = tl.zeros([ROWS, WIDTH], dtype=tl.float32)
    highest = tl.full([ROWS], float("-inf"), dtype=tl.float32)
    total = tl.zeros([ROWS], dtype=tl.float32)
    for begin in range(0, seen_by_all, BLOCK):
        mixed, highest, total = _mix(
            mixed, highest, total, query, keys, values, begin, place, length, scale,
            key_step, value_step, column, HEAD, BLOCK, True, PRECISION,
        )  # fmt: skip
    for begin in range(seen_by_all, last + 1, BLOCK):
        mixed, highest, total = _mix(
            mixed, highest, total, query, keys, values, begin, place, length, scale,
            key_step, value_step, column, HEAD, BLOCK, False, PRECISION,
        )  # fmt: skip
    mixed = mixed / total[:, None]
    # (sequences, queries, heads, features)
    tl.store(
        out + ((sequence * number + row[:, None]) * heads + head) * HEAD + column[None, :],
        mixed.to(out.dtype.element_ty),
        mask=inside[:, None] & (column < HEAD)[None, :],
    )
