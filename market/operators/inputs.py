"""Checks that operators share: types, devices, and numbers as tensors like the main input."""

import torch
from torch import Tensor

from walras.market.errors import InvalidInputError

__all__ = ["check_amounts", "floating", "number_like"]


def floating(name: str, tensor: object) -> Tensor:
    """Give `tensor` back if it is a floating-point tensor, or raise `InvalidInputError`."""
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise InvalidInputError(f"{name} must be a floating-point tensor, got {got}.")
    return tensor


def number_like(name: str, value: object, like: Tensor, *, of: str = "the other input is") -> Tensor:
    """Give a number, or numbers, as a tensor of the type and on the device of `like`, which is called `of` in errors.

    Raises
    ------
    InvalidInputError
        A tensor of integers, or one on another device.
    """
    if isinstance(value, Tensor):
        floating(name, value)
        if value.device != like.device and value.ndim > 0:
            raise InvalidInputError(f"{name} is on {value.device}, {of} on {like.device}: move one of them.")
        return value.to(device=like.device, dtype=like.dtype)
    if isinstance(value, float):  # filled on the device: a copy to it could not be captured in a CUDA graph
        return torch.full((), value, dtype=like.dtype, device=like.device)
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)


def check_amounts(name: str, tensor: Tensor) -> None:
    """Raise `InvalidInputError` unless all are finite and 0 or more; this waits for the device."""
    bad = tensor[~(tensor.isfinite() & (tensor >= 0.0))]
    if bad.numel():
        raise InvalidInputError(f"{name} must be finite and 0 or more, got {bad[0].item()} ({bad.numel()} bad in all).")
