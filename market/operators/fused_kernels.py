"""Triton kernels of the capacity market: one program clears one market, and reads its bids once.

The price is found by a safeguarded Newton search (third order: the curvature costs a few multiplications, an evaluation
less costs two special functions for each agent) from a start that is exact for normally distributed valuations. Vectors
are float32 whatever the bids are stored as; the price is a float64 scalar, split into two float32 numbers, so that
`a_i - p` keeps its digits when the scale is tiny beside the valuations.

A market that is larger than one block has its bids read again in every step, block by block, from the cache.
"""

import triton
import triton.language as tl

__all__ = ["backward_kernel", "forward_in_blocks_kernel", "forward_kernel"]


@triton.jit
def _two_sums(a0, a1, b0, b1):
    return a0 + b0, a1 + b1


@triton.jit
def _three_sums(a0, a1, a2, b0, b1, b2):
    return a0 + b0, a1 + b1, a2 + b2


@triton.jit
def _four_sums(a0, a1, a2, a3, b0, b1, b2, b3):
    return a0 + b0, a1 + b1, a2 + b2, a3 + b3


@triton.jit
def _reciprocal(x, FAST: tl.constexpr):
    """`1 / x` to one unit in the last place, in one instruction where there is one."""
    if FAST:
        inverse = tl.inline_asm_elementwise(
            "rcp.approx.ftz.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1
        )
    else:
        inverse = 1.0 / x
    return inverse


@triton.jit
def _root_of_cubic(residual, first, second, third, FAST: tl.constexpr):
    """Small root d of `residual - first d + second d^2 / 2 - third d^3 / 6`, from the linear one; scalars."""
    linear = residual * _reciprocal(first, FAST)
    root = linear
    for _ in tl.static_range(2):
        value = residual - root * (first - root * (0.5 * second - root * third * 0.16666667))
        fall = first - root * (second - 0.5 * root * third)
        root += value * _reciprocal(fall, FAST)
    # Further away the expansion may turn; there the linear root is the safer step.
    return tl.where(tl.abs(root - linear) <= 0.5 * tl.abs(linear), root, linear)


@triton.jit
def _share(z, LOGIT: tl.constexpr, FAST: tl.constexpr):
    """Share at the margin z: in units of the width, or for the logit rule of the temperature times log 2."""
    if LOGIT:
        share = _reciprocal(1.0 + tl.exp2(-z), FAST)
    else:
        share = tl.minimum(tl.maximum(z, 0.0), 1.0)
    return share


@triton.jit
def _slope(z, share, LOGIT: tl.constexpr):
    """Derivative of the share (logit: in z log 2); linear kinks count as inside, so that a search leaves them."""
    if LOGIT:
        slope = share - share * share
    else:
        slope = tl.where(tl.abs(z - 0.5) <= 0.5, 1.0, 0.0)
    return slope


@triton.jit
def _start(mean, variance, scale, filled_logit, LOGIT: tl.constexpr):
    """The price if valuations were normal: the rule's own spread and theirs add up, and quantiles are logistic."""
    if LOGIT:
        start = mean - tl.sqrt(scale * scale + 0.3926991 * variance) * filled_logit  # pi / 8: MacKay 1992
    else:
        # sqrt(3) / pi: the logistic law's quantiles, scaled to unit variance
        start = mean - 0.5 * scale - 0.5513289 * tl.sqrt(variance + scale * scale / 12.0) * filled_logit
    return start


@triton.jit
def _newton_step(residual, steepness, bends, twists, LOGIT: tl.constexpr, FAST: tl.constexpr):
    """The step to the root (logit: in units of the temperature), and whether it is so small that it ends the search."""
    if LOGIT:
        newton = _root_of_cubic(residual, steepness, bends, twists, FAST)
        # So near, the third-order expansion is as exact as another evaluation: its error is below newton^4 / 192.
        near = tl.abs(newton) <= 0.05
    else:
        newton = residual / steepness
        near = newton != newton  # the linear rule ends only when the sum is right
    return newton, near


@triton.jit
def _safeguarded(newton, residual, steepness, offset, low, high, last, LOGIT: tl.constexpr):
    """Move the bracket and the offset: Newton's step where it is trusted, else to the bracket's middle."""
    low = tl.where(residual >= 0.0, offset, low)
    high = tl.where(residual <= 0.0, offset, high)
    if LOGIT:
        newton *= 1.4426951
    step = tl.minimum(tl.maximum(newton, low - offset), high - offset)
    trusted = (steepness > 0.0) & (2.0 * tl.abs(step) <= last)
    step = tl.where(trusted, step, 0.5 * (low + high) - offset)
    return offset + step, low, high, tl.abs(step)


@triton.jit
def _expanded(share, correction):
    """Logit shares at a price higher by `correction` temperatures, to third order."""
    slope = share - share * share
    bend = slope * (1.0 - 2.0 * share)
    twist = slope * (1.0 - 6.0 * slope)
    return share - correction * (slope - correction * (0.5 * bend - correction * 0.16666667 * twist))


@triton.jit
def _next_agent(a, z, here, LOGIT: tl.constexpr):
    """The valuation next to the price: below it, or of the last agent that is in a linear market."""
    if LOGIT:
        neighbour = tl.max(tl.where(here & (z <= 0.0), a, -float("inf")), 0)
    else:
        neighbour = tl.min(tl.where(here & (z >= 0.0), a, float("inf")), 0)
    return neighbour


@triton.jit
def _only(x, here, other, EVEN: tl.constexpr):
    """The entries of agents; `other` in the block's empty places."""
    if EVEN:
        kept = x
    else:
        kept = tl.where(here, x, other)
    return kept


@triton.jit
def _present(mask_ptr, column, agents, HAS_MASK: tl.constexpr):
    """Which places of the block hold an agent that takes part."""
    here = column < agents
    if HAS_MASK:
        here = here & (tl.load(mask_ptr + column, mask=here, other=0) != 0)
    return here


@triton.jit
def _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX: tl.constexpr, EVEN: tl.constexpr):
    if EVEN:
        a = tl.load(values_ptr + column).to(tl.float32)
    else:
        a = tl.load(values_ptr + column, mask=here, other=0.0).to(tl.float32)
    if HAS_TAX:
        a -= tl.load(tax_ptr + column, mask=here, other=0.0).to(tl.float32)
    return a


@triton.jit
def forward_kernel(
    values_ptr,
    tax_ptr,
    mask_ptr,
    costs_ptr,
    supply_ptr,
    scale_ptr,
    share_ptr,
    price_ptr,
    sold_ptr,
    agents,
    tax_stride,
    mask_stride,
    costs_stride,
    supply_stride,
    scale_stride,
    HAS_TAX: tl.constexpr,
    HAS_MASK: tl.constexpr,
    UNIFORM: tl.constexpr,
    LOGIT: tl.constexpr,
    FAST: tl.constexpr,
    EVEN: tl.constexpr,
    STEPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Clear one market that fits in a block."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    here = _present(mask_ptr + row * mask_stride, column, agents, HAS_MASK)
    values_ptr += row * agents
    tax_ptr += row * tax_stride
    a = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, EVEN)
    count = 0.0 + agents
    if HAS_MASK:  # the first place may be empty
        count = tl.sum(here.to(tl.float32), 0)
        pivot = tl.where(count > 0.0, tl.max(tl.where(here, a, -float("inf")), 0), 0.0)
    else:
        pivot = tl.load(values_ptr).to(tl.float32)
        if HAS_TAX:
            pivot -= tl.load(tax_ptr).to(tl.float32)
    if UNIFORM:
        w = tl.load(costs_ptr + row * costs_stride).to(tl.float32)
    else:
        w = tl.load(costs_ptr + row * costs_stride + column, mask=here, other=0.0).to(tl.float32)
    supply = tl.load(supply_ptr + row * supply_stride).to(tl.float32)
    scale = tl.load(scale_ptr + row * scale_stride).to(tl.float32)

    # Mean and variance, from a pivot that keeps the sum of squares from cancelling.
    centred = _only(a - pivot, here, 0.0, EVEN)
    if UNIFORM:
        first, second = tl.reduce((centred, centred * centred), 0, _two_sums)
        first *= w
        second *= w
        total = w * count
        least_cost = w
    else:
        total, first, second = tl.reduce((w, w * centred, w * centred * centred), 0, _three_sums)
        least_cost = tl.min(_only(w, here, float("inf"), EVEN), 0)
    mean = first / total
    second /= total
    variance = tl.maximum(second - mean * mean, 0.0)

    # A market without an answer is NaN in its own row. A NaN anywhere makes a sum NaN, and comparisons with it false.
    slack = 1e-6 * total
    answerable = (least_cost > 0.0) & (total < float("inf")) & (tl.abs(first) < float("inf"))
    answerable = answerable & (supply >= 0.0) & (supply <= total + slack) & (scale > 0.0) & (scale < float("inf"))
    inside = answerable & (supply > 0.0) & (supply < total - slack)

    filled = tl.minimum(tl.maximum(supply / total, 1e-37), 0.99999994)
    filled_logit = tl.log(filled) - tl.log(1.0 - filled)
    if LOGIT:
        unit = 0.6931472 * scale
    else:
        unit = scale
    inverse_unit = 1.0 / unit
    center = _start(pivot + mean, variance, scale, filled_logit, LOGIT)
    z_center = (a - center) * inverse_unit
    # Nobody's valuation is further from the mean than this (Samuelson 1968), so that the price lies between the ends.
    reach = tl.sqrt((variance + 1e-5 * second) * (total / least_cost)) * inverse_unit
    low = (pivot + mean - center) * inverse_unit - reach
    high = low + 2.0 * reach
    if LOGIT:
        low -= 1.4426951 * filled_logit + 1.0
        high -= 1.4426951 * filled_logit - 1.0
    else:
        low -= 1.0
    offset = tl.minimum(tl.maximum(0.0, low), high)
    last = high - low
    rounding = 2.5e-7 * supply  # two units in the last place of the sum
    share = tl.zeros([BLOCK], tl.float32)
    steepness = 1.0
    bends = 0.0
    twists = 0.0
    correction = 0.0
    step_number = 0
    searching = inside
    while searching:
        z = z_center - offset
        share = _share(z, LOGIT, FAST)
        slope = _slope(z, share, LOGIT)
        if LOGIT:
            bend = slope * (1.0 - 2.0 * share)
            twist = slope * (1.0 - 6.0 * slope)
            sold, steepness, bends, twists = tl.reduce(
                (
                    _only(w * share, here, 0.0, EVEN or not UNIFORM),
                    _only(w * slope, here, 0.0, EVEN or not UNIFORM),
                    _only(w * bend, here, 0.0, EVEN or not UNIFORM),
                    _only(w * twist, here, 0.0, EVEN or not UNIFORM),
                ),
                0,
                _four_sums,
            )
        else:
            sold, steepness = tl.reduce(
                (_only(w * share, here, 0.0, EVEN or not UNIFORM), _only(w * slope, here, 0.0, EVEN or not UNIFORM)),
                0,
                _two_sums,
            )
        residual = sold - supply
        step_number += 1
        newton, near = _newton_step(residual, steepness, bends, twists, LOGIT, FAST)
        correction = tl.where(near, newton, 0.0)
        searching = (tl.abs(residual) > rounding) & (near == 0) & (step_number < STEPS)
        if searching:
            offset, low, high, last = _safeguarded(newton, residual, steepness, offset, low, high, last, LOGIT)
            # Far from the centre digits are lost, and beside it, too, once the steps are no longer than their rounding:
            # centre on the next agent. (Bids are read again, not kept: registers limit how many markets are cleared at
            # a time.)
            if (tl.abs(offset) > 8.0) | (last <= 4e-6 * tl.abs(offset)):
                b = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, EVEN)
                neighbour = _next_agent(b, z_center - offset, here, LOGIT)
                shift = (neighbour - center) * inverse_unit
                if tl.abs(offset - shift) < 0.5 * tl.abs(offset):
                    center = neighbour
                    z_center = (b - center) * inverse_unit
                    low -= shift
                    high -= shift
                    offset -= shift
                    last = high - low
    if LOGIT:
        share = _expanded(share, correction)
        offset += 1.4426951 * correction

    price = center + unit * offset
    if inside:
        if not LOGIT:
            steepness = tl.sum(_only(w * (share - share * share), here, 0.0, EVEN), 0)
        if steepness <= 1e-5 * supply:
            b = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, EVEN)
            # Where no agent is at the margin an interval of prices clears: its middle, as in the reference.
            lower = tl.max(tl.where(here & (share < 0.5), b, -float("inf")), 0)
            upper = tl.min(tl.where(here & (share >= 0.5), b, float("inf")), 0)
            if LOGIT:
                apart = upper - lower > 2.0 * scale
            else:
                upper -= scale
                apart = upper > lower
            if apart & (upper < float("inf")) & (lower > -float("inf")):
                middle = lower + 0.5 * (upper - lower)
                there = _share((b - middle) * inverse_unit, LOGIT, FAST)
                if tl.abs(tl.sum(_only(w * there, here, 0.0, EVEN), 0) - supply) <= 1e-6 * supply:
                    price = middle
                    share = there
    else:
        corner = tl.where(supply <= 0.0, 0.0, 1.0)
        share = share * 0.0 + tl.where(answerable, corner, float("nan"))
        if LOGIT:
            price = tl.where(supply <= 0.0, float("inf"), -float("inf"))
        else:
            b = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, EVEN)
            highest = tl.max(_only(b, here, -float("inf"), EVEN), 0)
            lowest = tl.min(_only(b, here, float("inf"), EVEN), 0)
            price = tl.where(supply <= 0.0, highest, lowest - scale)
        price = tl.where(answerable & (count > 0.0), price, float("nan"))

    if EVEN:
        tl.store(share_ptr + row * agents + column, share)
    else:
        tl.store(share_ptr + row * agents + column, tl.where(here, share, 0.0), mask=column < agents)
    tl.store(price_ptr + row, price)
    tl.store(sold_ptr + row, tl.sum(_only(w * share, here, 0.0, EVEN), 0))


@triton.jit
def _costs(costs_ptr, column, here, UNIFORM: tl.constexpr):
    if UNIFORM:
        w = tl.where(here, tl.load(costs_ptr).to(tl.float32), 0.0)
    else:
        w = tl.load(costs_ptr + column, mask=here, other=0.0).to(tl.float32)
    return w


@triton.jit
def forward_in_blocks_kernel(
    values_ptr,
    tax_ptr,
    mask_ptr,
    costs_ptr,
    supply_ptr,
    scale_ptr,
    share_ptr,
    price_ptr,
    sold_ptr,
    agents,
    tax_stride,
    mask_stride,
    costs_stride,
    supply_stride,
    scale_stride,
    HAS_TAX: tl.constexpr,
    HAS_MASK: tl.constexpr,
    UNIFORM: tl.constexpr,
    LOGIT: tl.constexpr,
    FAST: tl.constexpr,
    STEPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Clear one market of any size: each pass reads its bids again, block by block."""
    row = tl.program_id(0).to(tl.int64)
    values_ptr += row * agents
    tax_ptr += row * tax_stride
    mask_ptr += row * mask_stride
    costs_ptr += row * costs_stride
    supply = tl.load(supply_ptr + row * supply_stride).to(tl.float32)
    scale = tl.load(scale_ptr + row * scale_stride).to(tl.float32)
    if LOGIT:
        unit = 0.6931472 * scale
    else:
        unit = scale
    inverse_unit = 1.0 / unit

    total = 0.0
    first = 0.0
    second = 0.0
    least_cost = float("inf")
    highest = -float("inf")
    lowest = float("inf")
    count = 0.0 + agents
    if HAS_MASK:  # the first place may be empty
        count = 0.0
        pivot = -float("inf")
        for start in range(0, agents, BLOCK):
            column = start + tl.arange(0, BLOCK)
            here = _present(mask_ptr, column, agents, HAS_MASK)
            a = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, False)
            count += tl.sum(here.to(tl.float32), 0)
            pivot = tl.maximum(pivot, tl.max(tl.where(here, a, -float("inf")), 0))
        pivot = tl.where(count > 0.0, pivot, 0.0)
    else:
        pivot = tl.load(values_ptr).to(tl.float32)
        if HAS_TAX:
            pivot -= tl.load(tax_ptr).to(tl.float32)
    for start in range(0, agents, BLOCK):
        column = start + tl.arange(0, BLOCK)
        here = _present(mask_ptr, column, agents, HAS_MASK)
        a = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, False)
        w = _costs(costs_ptr, column, here, UNIFORM)
        centred = tl.where(here, a - pivot, 0.0)
        total += tl.sum(w, 0)
        first += tl.sum(w * centred, 0)
        second += tl.sum(w * centred * centred, 0)
        least_cost = tl.minimum(least_cost, tl.min(tl.where(here, w, float("inf")), 0))
        highest = tl.maximum(highest, tl.max(tl.where(here, a, -float("inf")), 0))
        lowest = tl.minimum(lowest, tl.min(tl.where(here, a, float("inf")), 0))
    mean = first / total
    variance = tl.maximum(second / total - mean * mean, 0.0)
    slack = 1e-6 * total
    answerable = (least_cost > 0.0) & (total < float("inf")) & (tl.abs(first) < float("inf"))
    answerable = answerable & (supply >= 0.0) & (supply <= total + slack) & (scale > 0.0) & (scale < float("inf"))
    inside = answerable & (supply > 0.0) & (supply < total - slack)

    filled = tl.minimum(tl.maximum(supply / total, 1e-37), 0.99999994)
    filled_logit = tl.log(filled) - tl.log(1.0 - filled)
    center = tl.minimum(tl.maximum(_start(pivot + mean, variance, scale, filled_logit, LOGIT), lowest), highest)
    low = (lowest - center) * inverse_unit - 1.0
    high = (highest - center) * inverse_unit
    if LOGIT:
        low -= 1.4426951 * filled_logit
        high -= 1.4426951 * filled_logit - 1.0
    offset = tl.minimum(tl.maximum(0.0, low), high)
    last = high - low
    rounding = 5e-7 * supply  # sums of sums
    steepness = 1.0
    correction = 0.0
    step_number = 0
    searching = inside
    while searching:
        sold = 0.0
        steepness = 0.0
        bends = 0.0
        twists = 0.0
        if LOGIT:
            neighbour = -float("inf")
        else:
            neighbour = float("inf")
        for start in range(0, agents, BLOCK):
            column = start + tl.arange(0, BLOCK)
            here = _present(mask_ptr, column, agents, HAS_MASK)
            a = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, False)
            w = _costs(costs_ptr, column, here, UNIFORM)
            z = (a - center) * inverse_unit - offset
            share = _share(z, LOGIT, FAST)
            slope = _slope(z, share, LOGIT)
            sold += tl.sum(w * share, 0)
            steepness += tl.sum(w * slope, 0)
            bends += tl.sum(w * slope * (1.0 - 2.0 * share), 0)
            twists += tl.sum(w * slope * (1.0 - 6.0 * slope), 0)
            if LOGIT:
                neighbour = tl.maximum(neighbour, _next_agent(a, z, here, LOGIT))
            else:
                neighbour = tl.minimum(neighbour, _next_agent(a, z, here, LOGIT))
        residual = sold - supply
        step_number += 1
        newton, near = _newton_step(residual, steepness, bends, twists, LOGIT, FAST)
        correction = tl.where(near, newton, 0.0)
        searching = (tl.abs(residual) > rounding) & (near == 0) & (step_number < STEPS)
        if searching:
            offset, low, high, last = _safeguarded(newton, residual, steepness, offset, low, high, last, LOGIT)
            shift = (neighbour - center) * inverse_unit
            poor = (tl.abs(offset) > 8.0) | (last <= 4e-6 * tl.abs(offset))
            if poor & (tl.abs(offset - shift) < 0.5 * tl.abs(offset)):  # as in the other kernel
                center = neighbour
                low -= shift
                high -= shift
                offset -= shift
                last = high - low

    price = center + unit * (offset + 1.4426951 * correction)
    center_of_shares = center
    offset_of_shares = offset
    if inside & (steepness <= 1e-5 * supply):
        # Where no agent is at the margin an interval of prices clears: its middle, as in the reference.
        lower = -float("inf")
        upper = float("inf")
        for start in range(0, agents, BLOCK):
            column = start + tl.arange(0, BLOCK)
            here = _present(mask_ptr, column, agents, HAS_MASK)
            a = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, False)
            share = _share((a - center) * inverse_unit - offset, LOGIT, FAST)
            lower = tl.maximum(lower, tl.max(tl.where(here & (share < 0.5), a, -float("inf")), 0))
            upper = tl.minimum(upper, tl.min(tl.where(here & (share >= 0.5), a, float("inf")), 0))
        if LOGIT:
            apart = upper - lower > 2.0 * scale
        else:
            upper -= scale
            apart = upper > lower
        if apart & (upper < float("inf")) & (lower > -float("inf")):
            middle = lower + 0.5 * (upper - lower)
            there = 0.0
            for start in range(0, agents, BLOCK):
                column = start + tl.arange(0, BLOCK)
                here = _present(mask_ptr, column, agents, HAS_MASK)
                a = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, False)
                there += tl.sum(
                    _costs(costs_ptr, column, here, UNIFORM) * _share((a - middle) * inverse_unit, LOGIT, FAST), 0
                )
            if tl.abs(there - supply) <= 1e-6 * supply:
                price = middle
                center_of_shares = middle
                offset_of_shares = 0.0
                correction = 0.0
    if LOGIT:
        infinite = tl.where(supply <= 0.0, float("inf"), -float("inf"))
        price = tl.where(inside, price, infinite)
    else:
        price = tl.where(inside, price, tl.where(supply <= 0.0, highest, lowest - scale))
        correction = 0.0

    sold = 0.0
    for start in range(0, agents, BLOCK):
        column = start + tl.arange(0, BLOCK)
        here = _present(mask_ptr, column, agents, HAS_MASK)
        a = _net_valuations(values_ptr, tax_ptr, column, here, HAS_TAX, False)
        share = _share((a - center_of_shares) * inverse_unit - offset_of_shares, LOGIT, FAST)
        share = _expanded(share, correction)
        share = tl.where(inside, share, tl.where(supply <= 0.0, 0.0, 1.0))
        share = tl.where(here, tl.where(answerable, share, float("nan")), 0.0)
        tl.store(share_ptr + row * agents + column, share, mask=column < agents)
        sold += tl.sum(_costs(costs_ptr, column, here, UNIFORM) * tl.where(here, share, 0.0), 0)
    tl.store(price_ptr + row, tl.where(answerable & (count > 0.0), price, float("nan")))
    tl.store(sold_ptr + row, sold)


@triton.jit
def backward_kernel(
    share_ptr,
    upstream_ptr,
    upstream_price_ptr,
    costs_ptr,
    scale_ptr,
    to_values_ptr,
    to_costs_ptr,
    to_supply_ptr,
    to_scale_ptr,
    agents,
    upstream_stride,
    costs_stride,
    scale_stride,
    HAS_PRICE: tl.constexpr,
    WITH_COSTS: tl.constexpr,
    WITH_SCALE: tl.constexpr,
    LOGIT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Gradients of one market, from its shares (formulas in `walras.market.operators.capacity`)."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    here = column < agents
    x = tl.load(share_ptr + row * agents + column, mask=here, other=0.0)
    u = tl.load(upstream_ptr + row * upstream_stride + column, mask=here, other=0.0).to(tl.float32)
    w = tl.load(costs_ptr + row * costs_stride + column, mask=here, other=0.0).to(tl.float32)
    scale = tl.load(scale_ptr + row * scale_stride).to(tl.float32)
    interior = (x > 0.0) & (x < 1.0)
    if LOGIT:
        response = tl.where(interior, x * (1.0 - x), 0.0)
    else:
        response = tl.where(interior, 1.0, 0.0)
    sold, at_margin, pressure = tl.reduce((w * x, w * response, u * response), 0, _three_sums)
    if HAS_PRICE:
        pressure -= scale * tl.load(upstream_price_ptr + row).to(tl.float32)
    # Units at the margin below the rounding of the units sold are noise: no price is read off them.
    marginal = at_margin > 1.1920929e-07 * sold
    shadow_price = tl.where(marginal, pressure / tl.where(marginal, at_margin, 1.0), 0.0)
    shadow_price = tl.where(sold == sold, shadow_price, float("nan"))  # a row of NaN stays one
    slope = tl.where(marginal, response, 0.0) / scale
    to_values = slope * (u - w * shadow_price)
    to_values = tl.where(sold == sold, to_values, float("nan"))
    tl.store(to_values_ptr + row * agents + column, to_values, mask=here)
    tl.store(to_supply_ptr + row, shadow_price)
    if WITH_COSTS:
        tl.store(to_costs_ptr + row * agents + column, -shadow_price * x, mask=here)
    if WITH_SCALE:
        if LOGIT:
            inside = tl.where(interior, x, 0.5)
            z = tl.log(inside) - tl.log(1.0 - inside)
        else:
            z = x
        tl.store(to_scale_ptr + row, -tl.sum(tl.where(here, z * to_values, 0.0), 0))
