"""The divergence of a student's probabilities from a teacher's, over vocabularies too large for copies in float32.

With `p = softmax(teacher / T)` and `q = softmax(student / T)` of one row of logits,

    D = T^2 KL(p || q) = T^2 sum_j p_j (log p_j - log q_j)        dD / dstudent_j = T (q_j - p_j)

The gradient is made of what the value is made of. So both are found in one go over the logits, part by part, and of all
this only `q - p` is kept until the backward pass, in the student's precision.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from walras.market import InvalidInputError

__all__ = ["softened_divergence"]

# As many logits have their probabilities formed at once, in at most five copies in float32: enough of them that a
# device is busy for longer than a step of it takes to start, and on a CPU few enough for its caches.
MOST_AT_ONCE = 2**24
MOST_IN_CACHES = 2**22


def softened_divergence(student: Tensor, teacher: Tensor, temperature: float, *, compiled: bool = False) -> Tensor:
    """Give `T^2 KL(softmax(teacher / T) || softmax(student / T))` in nats, shape of the leading dimensions.

    Parameters
    ----------
    student, teacher
        Logits of one shape, (..., classes); the teacher's without a gradient. Along dimensions over which the teacher's
        are expanded (`Tensor.expand`), its probabilities are formed once where they fit, and no copy is made.
    temperature
        T, above 0.
    compiled
        Whether the arithmetic of a part is compiled by `torch.compile`, which reads and writes the logits a fraction
        as often. The first call of a shape then takes seconds.

    Raises
    ------
    InvalidInputError
        The teacher's logits need a gradient, which is not given here.

    Notes
    -----
    *Precision*: float32, or that of the student if it is higher.

    *Differentiable in* the student's logits, once: to a second derivative, the first is a constant.

    *Cost*: memory for the gradient, in the student's precision, and for `MOST_AT_ONCE` logits five times in float32.
    """
    if torch.is_grad_enabled() and teacher.requires_grad:
        raise InvalidInputError("A teacher's logits have no gradient in softened_divergence: detach() them.")
    once = teacher[tuple(slice(1 if step == 0 else None) for step in teacher.stride()[:-1])]
    arithmetic = _compiled() if compiled else _divergence
    if torch.is_grad_enabled() and student.requires_grad:
        return cast(Tensor, _Divergence.apply(student, once, temperature, arithmetic))
    return _by_parts(student.detach(), once, temperature, arithmetic, None)


# Student, teacher, 1 / T, and where `q - p` goes -> KL(p || q)
_Arithmetic = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, temperature: float, arithmetic: _Arithmetic) -> Tensor:
        gradient = torch.empty_like(student)
        values = _by_parts(student, teacher, temperature, arithmetic, gradient)
        ctx.save_for_backward(gradient)
        ctx.temperature = temperature
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        # Multiplied in the precision of the factors, and rounded once, on its way out.
        factors = ctx.temperature * grad_output.unsqueeze(-1)
        return torch.mul(gradient, factors, out=torch.empty_like(gradient)), None, None, None


def _by_parts(
    student: Tensor, teacher: Tensor, temperature: float, arithmetic: _Arithmetic, gradient: Tensor | None
) -> Tensor:
    precision = torch.promote_types(student.dtype, torch.float32)
    values = student.new_empty(student.shape[:-1], dtype=precision)
    # A tensor of one number, not a number: so logits are read in their precision and written in the higher one at once,
    # and what is compiled is so for every temperature.
    scale = student.new_full((1,), 1.0 / temperature, dtype=precision)
    most = min(MOST_AT_ONCE, MOST_IN_CACHES) if student.device.type == "cpu" else MOST_AT_ONCE
    for part in _parts(student.shape, teacher.shape, most):
        # Dimensions over which the teacher is the same have size 1 there, and all parts have all of it.
        its = tuple(place if size > 1 else slice(None) for place, size in zip(part, teacher.shape, strict=False))
        into = None if gradient is None else gradient[part]
        values[part] = arithmetic(student[part], teacher[its], scale, into)
    return values.mul_(temperature**2)


def _parts(student: torch.Size, teacher: torch.Size, most: int) -> Iterator[tuple[slice, ...]]:
    """Cut the leading dimensions so that a part has few enough logits: first those that the teacher has too."""
    size = student.numel()
    parts: list[tuple[slice, ...]] = [tuple(slice(0, n) for n in student[:-1])]
    for dimension in sorted(range(len(student) - 1), key=lambda d: (teacher[d] == 1, d)):
        if size <= most:
            break
        length = student[dimension]
        rest = size // length
        step = min(max(most // rest, 1), length)
        cuts = [slice(first, min(first + step, length)) for first in range(0, length, step)]
        parts = [(*part[:dimension], cut, *part[dimension + 1 :]) for part in parts for cut in cuts]
        size = rest * step
    return iter(parts)


def _divergence(student: Tensor, teacher: Tensor, scale: Tensor, gradient: Tensor | None) -> Tensor:
    """Give `KL(p || q)` of a part, and write `q - p` where the gradient goes."""
    log_q, log_p = ((logits * scale).log_softmax(-1) for logits in (student, teacher))
    p = log_p.exp()
    values = (log_p - log_q).mul_(p).sum(-1)
    if gradient is None:
        return values
    if torch.compiler.is_compiling():  # one kernel, but only into the whole of a tensor could it be `out`
        gradient.copy_(log_q.exp() - p)
    else:
        torch.sub(log_q.exp_(), p, out=gradient)
    return values


@functools.cache
def _compiled() -> _Arithmetic:
    return cast(_Arithmetic, torch.compile(_divergence))
