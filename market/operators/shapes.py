"""Shapes of batches of markets: how they broadcast, found quickly.

`torch.broadcast_shapes` costs 20 microseconds of Python a call; next to kernels that run for a few of them, that shows.
"""

from collections.abc import Sequence

import torch

__all__ = ["broadcast_shape"]


def broadcast_shape(*shapes: Sequence[int]) -> tuple[int, ...]:
    """Give the shape to which all of `shapes` broadcast, by torch's rule.

    Raises
    ------
    RuntimeError
        If they do not fit, as `torch.broadcast_shapes` does.
    """
    if torch.compiler.is_compiling():  # sizes may be symbols, and the call costs nothing at run time
        return tuple(torch.broadcast_shapes(*(tuple(shape) for shape in shapes)))
    longest = max(shapes, key=len)
    sizes = list(longest)
    for shape in shapes:
        if shape is longest:
            continue
        offset = len(sizes) - len(shape)
        for place, size in enumerate(shape, offset):
            if sizes[place] == 1:
                sizes[place] = size
            elif size not in (1, sizes[place]):
                return tuple(torch.broadcast_shapes(*shapes))  # raises, and says which
    return tuple(sizes)
