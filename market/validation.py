"""Checks at the border: public functions convert and check here, private kernels then assume clean arrays."""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.errors import InvalidInputError, NotDifferentiableError

__all__ = ["FloatArray", "boolean", "finite_number", "finite_vector", "positive_number", "positive_vector"]

FloatArray: TypeAlias = NDArray[np.float64]


def boolean(name: str, value: object) -> bool:
    """Give `value` as a bool, or raise `InvalidInputError` if it is not one (1 is not)."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidInputError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def finite_number(name: str, value: object) -> float:
    """Give `value` as a finite float.

    Raises
    ------
    InvalidInputError
        If `value` is not a real number, or is NaN or infinite.
    """
    try:
        _as_real(value)
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{name} must be a real number, got {value!r}.") from error
    if not math.isfinite(number):
        raise InvalidInputError(f"{name} must be finite, got {number}.")
    return number


def positive_number(name: str, value: object) -> float:
    """Give `value` as a finite float above zero, or raise `InvalidInputError`."""
    number = finite_number(name, value)
    if number <= 0.0:
        raise InvalidInputError(f"{name} must be above 0, got {number}.")
    return number


def finite_vector(name: str, values: ArrayLike, *, length: int | None = None) -> FloatArray:
    """Give `values` as a new float64 vector of shape (n,), n >= 1.

    Parameters
    ----------
    name
        The argument's name, for the message.
    values
        Anything NumPy reads as a vector of numbers. A scalar is not spread unless `length` is given.
    length
        The length that the other arguments imply; a scalar is then spread to it.

    Raises
    ------
    InvalidInputError
        If there are no agents, an entry is NaN or infinite, or the shape does not fit.
    NotDifferentiableError
        If `values` is a tensor that requires a gradient: the engine has none.
    """
    if getattr(values, "requires_grad", False):
        raise NotDifferentiableError(
            f"{name} is a tensor that requires a gradient, which the engine cannot give: call compile_mechanism (in "
            "walras.market.operators), or detach the tensor."
        )
    try:
        vector = np.array(_as_real(values), dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{name} must be a vector of real numbers, got {values!r}.") from error
    if vector.ndim == 0 and length is not None:
        vector = np.full(length, vector)
    if vector.ndim != 1:
        raise InvalidInputError(f"{name} must have shape (n,), one entry per agent; got shape {vector.shape}.")
    if vector.size == 0:
        raise InvalidInputError(f"{name} is empty: a market needs at least one agent.")
    if length is not None and vector.size != length:
        raise InvalidInputError(f"{name} must have one entry per agent: expected {length}, got {vector.size}.")
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise InvalidInputError(f"{name} must be finite: entry {bad[0]} is {vector[bad[0]]} ({bad.size} bad in all).")
    return vector


def positive_vector(name: str, values: ArrayLike, *, length: int | None = None) -> FloatArray:
    """Give `values` as `finite_vector` does, every entry above zero."""
    vector = finite_vector(name, values, length=length)
    bad = np.flatnonzero(vector <= 0.0)
    if bad.size:
        raise InvalidInputError(f"{name} must be above 0: entry {bad[0]} is {vector[bad[0]]} ({bad.size} bad in all).")
    return vector


def _as_real(values: Any) -> NDArray[Any]:
    """Give `values` as an array; raise `TypeError` for text, dates and complex numbers, which NumPy would convert."""
    array = np.asarray(values)
    if array.dtype.kind in "cmMSU":
        raise TypeError(f"{array.dtype} is not a type of real numbers")
    return array
