"""Checks at the border: public functions convert and check here, private kernels then assume clean arrays."""

import math
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.errors import InvalidInputError, NotDifferentiableError

__all__ = [
    "FloatArray",
    "IntArray",
    "boolean",
    "finite_matrix",
    "finite_number",
    "finite_vector",
    "fraction",
    "instance_of",
    "nonnegative_matrix",
    "nonnegative_number",
    "nonnegative_vector",
    "positive_number",
    "positive_vector",
    "whole_number",
]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

_Kind = TypeVar("_Kind")


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


def nonnegative_number(name: str, value: object) -> float:
    """Give `value` as a finite float of 0 or more, or raise `InvalidInputError`."""
    number = finite_number(name, value)
    if number < 0.0:
        raise InvalidInputError(f"{name} must be 0 or more, got {number}.")
    return number


def fraction(name: str, value: object) -> float:
    """Give `value` as a float in [0, 1], or raise `InvalidInputError`."""
    number = finite_number(name, value)
    if not 0.0 <= number <= 1.0:
        raise InvalidInputError(f"{name} must lie in [0, 1], got {number}.")
    return number


def whole_number(name: str, value: object, *, minimum: int = 0) -> int:
    """Give `value` as an int, `minimum` or more (2.0 will do, True and 2.5 not), or raise `InvalidInputError`."""
    if isinstance(value, bool | np.bool_):
        raise InvalidInputError(f"{name} must be a whole number, got {value!r}.")
    if isinstance(value, int | np.integer):
        number = int(value)
    else:
        as_float = finite_number(name, value)
        number = int(as_float)
        if number != as_float:
            raise InvalidInputError(f"{name} must be a whole number, got {value!r}.")
    if number < minimum:
        raise InvalidInputError(f"{name} must be {minimum} or more, got {number}.")
    return number


def instance_of(name: str, value: object, kind: type[_Kind]) -> _Kind:
    """Give `value` if it is a `kind`, or raise `InvalidInputError`."""
    if not isinstance(value, kind):
        raise InvalidInputError(f"{name} must be a {kind.__name__}, got {value!r}.")
    return value


def finite_vector(name: str, values: ArrayLike, *, length: int | None = None, of: str = "agent") -> FloatArray:
    """Give `values` as a new float64 vector of shape (n,), n >= 1.

    Parameters
    ----------
    name
        The argument's name, for the message.
    values
        Anything NumPy reads as a vector of numbers. A scalar is not spread unless `length` is given.
    length
        The length that the other arguments imply; a scalar is then spread to it.
    of
        What an entry belongs to (agent, good, bid), for the message.

    Raises
    ------
    InvalidInputError
        If there are no entries, an entry is NaN or infinite, or the shape does not fit.
    NotDifferentiableError
        If `values` is a tensor that requires a gradient: the engine has none.
    """
    vector = _as_floats(name, values, "vector")
    if vector.ndim == 0 and length is not None:
        vector = np.full(length, vector)
    if vector.ndim != 1:
        raise InvalidInputError(f"{name} must have shape (n,), one entry per {of}; got shape {vector.shape}.")
    if vector.size == 0:
        raise InvalidInputError(f"{name} is empty: a market needs at least one {of}.")
    if length is not None and vector.size != length:
        raise InvalidInputError(f"{name} must have one entry per {of}: expected {length}, got {vector.size}.")
    return _all_of(name, vector, np.isfinite(vector), "finite")


def positive_vector(name: str, values: ArrayLike, *, length: int | None = None, of: str = "agent") -> FloatArray:
    """Give `values` as `finite_vector` does, every entry above zero."""
    vector = finite_vector(name, values, length=length, of=of)
    return _all_of(name, vector, vector > 0.0, "above 0")


def nonnegative_vector(name: str, values: ArrayLike, *, length: int | None = None, of: str = "agent") -> FloatArray:
    """Give `values` as `finite_vector` does, every entry 0 or more."""
    vector = finite_vector(name, values, length=length, of=of)
    return _all_of(name, vector, vector >= 0.0, "0 or more")


def finite_matrix(
    name: str,
    values: ArrayLike,
    *,
    rows: int | None = None,
    columns: int | None = None,
    of: tuple[str, str] = ("agent", "good"),
) -> FloatArray:
    """Give `values` as a new float64 matrix of shape (rows, columns), neither of them 0.

    Parameters
    ----------
    name
        The argument's name, for the message.
    values
        Anything NumPy reads as a matrix of numbers; vectors and scalars are not spread.
    rows, columns
        The numbers that the other arguments imply.
    of
        What a row and a column belong to, for the message.

    Raises
    ------
    InvalidInputError
        If a side is empty, an entry is NaN or infinite, or the shape does not fit.
    NotDifferentiableError
        If `values` is a tensor that requires a gradient: the engine has none.
    """
    matrix = _as_floats(name, values, "matrix")
    per = f"one row per {of[0]}, one column per {of[1]}"
    if matrix.ndim != 2:
        raise InvalidInputError(f"{name} must have shape (n, m), {per}; got shape {matrix.shape}.")
    if matrix.size == 0:
        raise InvalidInputError(f"{name} is empty, of shape {matrix.shape}: expected {per}, at least one of each.")
    expected = (matrix.shape[0] if rows is None else rows, matrix.shape[1] if columns is None else columns)
    if matrix.shape != expected:
        raise InvalidInputError(f"{name} must have shape {expected}, {per}; got shape {matrix.shape}.")
    return _all_of(name, matrix, np.isfinite(matrix), "finite")


def nonnegative_matrix(
    name: str,
    values: ArrayLike,
    *,
    rows: int | None = None,
    columns: int | None = None,
    of: tuple[str, str] = ("agent", "good"),
) -> FloatArray:
    """Give `values` as `finite_matrix` does, every entry 0 or more."""
    matrix = finite_matrix(name, values, rows=rows, columns=columns, of=of)
    return _all_of(name, matrix, matrix >= 0.0, "0 or more")


def _as_floats(name: str, values: Any, shape: str) -> FloatArray:
    """Give `values` as a new float64 array of any shape."""
    if getattr(values, "requires_grad", False):
        raise NotDifferentiableError(
            f"{name} is a tensor that requires a gradient, which the engine cannot give: call compile_mechanism (in "
            "walras.market.operators), or detach the tensor."
        )
    try:
        return np.array(_as_real(values), dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{name} must be a {shape} of real numbers, got {values!r}.") from error


def _all_of(name: str, array: FloatArray, good: NDArray[np.bool_], what: str) -> FloatArray:
    """Give `array` if all its entries are `good`; else name the first that is not."""
    if good.all():
        return array
    bad = np.argwhere(~good)
    first = tuple(int(index) for index in bad[0])
    entry = first[0] if array.ndim == 1 else first
    raise InvalidInputError(f"{name} must be {what}: entry {entry} is {array[first]} ({len(bad)} bad in all).")


def _as_real(values: Any) -> NDArray[Any]:
    """Give `values` as an array; raise `TypeError` for text, dates and complex numbers, which NumPy would convert."""
    array = np.asarray(values)
    if array.dtype.kind in "cmMSU":
        raise TypeError(f"{array.dtype} is not a type of real numbers")
    return array
