"""Hard forward, soft backward: the value of an exact outcome with the gradient of its smooth form.

The pair is biased: the gradient is that of another function than the one whose value is used. It is therefore never the
default. Source: Bengio, Léonard and Courville 2013 (docs/reference/bibliography.md).
"""

from typing import TypeVar

from torch import Tensor

__all__ = ["straight_through", "with_gradient_of"]

Outcome = TypeVar("Outcome", bound=tuple[Tensor, ...])


def straight_through(hard: Outcome, soft: Outcome) -> Outcome:
    """Give an outcome with the values of `hard` and the gradients of `soft`, field by field."""
    fields = (with_gradient_of(value, smooth) for value, smooth in zip(hard, soft, strict=True))
    return type(hard)(*fields)


def with_gradient_of(value: Tensor, smooth: Tensor) -> Tensor:
    """Give a value, bit for bit, with the gradient of its smooth form; both of one shape and type."""
    # The difference is 0 in value; written so that an infinite smooth price does not make it NaN.
    return value.detach() + (smooth - smooth.detach()).nan_to_num(0.0, 0.0, 0.0)
