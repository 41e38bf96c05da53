"""Prices of several goods as the minimum of a convex function, for a batch of markets at once; and how to attach them.

The duals of resource, Fisher and assignment markets are smooth and convex in prices. Newton's method finds their
minimum under lower bounds (Bertsekas 1982), steps being cut where the slope along them has all but vanished. The search
looks at its own progress, and so waits for the device; it runs inside operators of `torch.library`, which compilers,
exporters and `vmap` treat as one step.

The root of `F(p, theta) = 0` is then attached to a graph: with J the derivative of F in p,

    p + d - stop_gradient(d),     d = -J^+ F(p, theta),

has the value p and the derivative of the implicit function theorem. J^+ is the pseudo-inverse: where some combination
of prices is not determined, they keep it. First derivatives only. Source: Bertsekas 1982; implicit function theorem.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["ROUGH", "attached", "damped_newton", "minimise", "spread_batch"]

# Prices (..., m) -> gradient (..., m) in units in which 1 is large, and a positive semi-definite curvature (..., m, m).
Model: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]

_STEPS = 300
_CUTS = 40
_FLAT = 0.3  # a step may end where this much of the slope is left
_RIDGE = 1e-12
_BOUND_ROUNDS = 4
_ROUNDING = 32.0 * torch.finfo(torch.float64).eps
_LONGEST = 4.0  # of a step of one price
_PATIENCE, _LONG_PATIENCE = 3, 40  # steps without progress, near the minimum and far from it
_NEAR = 1e-9
ROUGH = 1e-3  # accuracy of a stage that is only a start for the next


def minimise(model: Model, start: Tensor, *, lowest: float | None = None, accuracy: float = _ROUNDING) -> Tensor:
    """Give the minimiser, shape (..., m); rows whose model is not finite keep their start.

    Parameters
    ----------
    model
        Gradient and curvature.
    start
        Prices to start from.
    lowest
        Bound on all prices; none if not given.
    accuracy
        Of the gradient, at which a row rests; it also rests when it makes no more progress.
    """
    floor = start.new_full((), -torch.inf if lowest is None else lowest)
    prices, best = start, start
    least = torch.full_like(start[..., :1], torch.inf)
    idle = torch.zeros_like(least)
    for _ in range(_STEPS):
        gradient, curvature = model(prices)
        residual = (prices - torch.maximum(prices - gradient, floor)).abs().amax(-1, keepdim=True)
        idle = torch.where(residual < 0.9 * least, 0.0, idle + 1.0)
        better = residual < least
        best, least = torch.where(better, prices, best), torch.where(better, residual, least)
        tired = idle >= torch.where(least <= _NEAR, _PATIENCE, _LONG_PATIENCE)
        done = (least <= accuracy) | tired | ~residual.isfinite() | ~curvature.isfinite().all(-1).all(-1, keepdim=True)
        if bool(done.all()):
            break
        held = ((prices <= floor) & (gradient >= 0.0)) | done
        direction = _bounded_minimum(gradient, curvature, floor - prices, held)
        descends = (gradient * direction).sum(-1, keepdim=True) < 0.0
        steepest = torch.maximum(prices - torch.where(held, 0.0, gradient), floor) - prices
        direction = torch.where(descends & direction.isfinite().all(-1, keepdim=True), direction, steepest)
        direction = direction / (direction.abs().amax(-1, keepdim=True) / _LONGEST).clamp(min=1.0)
        direction = torch.where(done, 0.0, direction)
        following = prices + _step_size(model, prices, gradient, direction) * direction
        if bool((following == prices).all()):
            break
        prices = following
    return best


def _bounded_minimum(gradient: Tensor, curvature: Tensor, lowest: Tensor, held: Tensor) -> Tensor:
    """Give the minimum of the quadratic model over steps of `lowest` (0 or less) or more, where `held` ones are 0.

    Newton's step; prices that it would take beyond their bound go to the bound, and the others are found anew.
    """
    identity = torch.eye(gradient.shape[-1], dtype=gradient.dtype, device=gradient.device)
    size = curvature.diagonal(dim1=-2, dim2=-1).abs().amax(-1, keepdim=True).nan_to_num(1.0)
    fixed, at = held, torch.zeros_like(gradient)
    for _ in range(_BOUND_ROUNDS):
        both = ~(fixed.unsqueeze(-1) | fixed.unsqueeze(-2))
        ridge = torch.where(fixed, 1.0, _RIDGE * size + 1e-300)
        slope = gradient + (curvature @ at.unsqueeze(-1)).squeeze(-1)
        matrix = torch.where(both, curvature, 0.0) + identity * ridge.unsqueeze(-1)
        move, _ = torch.linalg.solve_ex(matrix, torch.where(fixed, 0.0, -slope))
        beyond = ~fixed & (at + move < lowest)
        if not bool(beyond.any()):
            break
        at = torch.where(beyond, lowest, at)
        fixed = fixed | beyond
    return torch.maximum(torch.where(fixed, at, at + move), lowest)


def _step_size(model: Model, prices: Tensor, gradient: Tensor, direction: Tensor) -> Tensor:
    """How far to go along a descent direction, at most 1, shape (..., 1): to where the slope has all but vanished."""
    first = (gradient * direction).sum(-1, keepdim=True)
    size = torch.ones_like(first)
    low, high = torch.zeros_like(first), torch.ones_like(first)
    for _ in range(_CUTS):
        slope = (model(prices + size * direction)[0] * direction).sum(-1, keepdim=True)
        good = (slope.abs() <= _FLAT * first.abs()) | ((slope < 0.0) & (size == 1.0)) | (first >= 0.0)
        if bool(good.all()):
            break
        rising = ~(slope < 0.0)
        low, high = torch.where(good | rising, low, size), torch.where(good | ~rising, high, size)
        size = torch.where(good, size, torch.where(low > 0.0, 0.5 * (low + high), 0.25 * high))
    return size


def damped_newton(model: Model, start: Tensor, *, homogeneous: bool) -> Tensor:
    """Give the root of an excess (..., m) that falls in its own variable, by Newton steps cut until it becomes smaller.

    Parameters
    ----------
    model
        Excess, in units in which 1 is large, and its derivative (..., m, m).
    start
        Where to start, shape (..., m).
    homogeneous
        Whether equal changes of all variables change nothing; they then keep their sum.
    """
    at = start
    excess, jacobian = model(at)
    ones = torch.full_like(jacobian, 1.0 / jacobian.shape[-1] if homogeneous else 0.0)
    best, least = at, torch.full_like(at[..., :1], torch.inf)
    idle = torch.zeros_like(least)
    for _ in range(_STEPS):
        size = excess.abs().amax(-1, keepdim=True)
        idle = torch.where(size < 0.9 * least, 0.0, idle + 1.0)
        best, least = torch.where(size < least, at, best), torch.minimum(size, least)
        done = (least <= _ROUNDING) | ((least <= _NEAR) & (idle >= _PATIENCE)) | ~size.isfinite()
        if bool(done.all()):
            break
        # Nothing determines equal changes of all: the matrix of ones holds their sum where it is.
        move, _ = torch.linalg.solve_ex(jacobian - ones, -excess)
        move = torch.where(move.isfinite().all(-1, keepdim=True), move, excess)
        move = move / (move.abs().amax(-1, keepdim=True) / 2.0).clamp(min=1.0)
        step = torch.ones_like(size)
        falls = done
        for _ in range(30):
            following, _ = model(at + step * move)
            falls = (following.abs().amax(-1, keepdim=True) < size) | done
            if bool(falls.all()):
                break
            step = torch.where(falls, step, 0.5 * step)
        # Where no length of the step helps, prices of what is scarce rise.
        move = torch.where(done, 0.0, torch.where(falls, step * move, 0.1 * excess))
        if bool((at + move == at).all()):
            break
        at = at + move
        excess, jacobian = model(at)
    return best


def attached(prices: Tensor, residual: Tensor, jacobian: Tensor, *, symmetric: bool = True) -> Tensor:
    """Give prices (..., m) with the derivatives that the residual (..., m), which has a graph, implies.

    The Jacobian (..., m, m) is scaled to a unit diagonal first, so that units of goods do not matter to its rank.
    """
    with torch.no_grad():
        matrix = torch.where(jacobian.isfinite(), jacobian, 0.0)
        diagonal = matrix.diagonal(dim1=-2, dim2=-1).abs()
        unit = torch.where(diagonal > 0.0, diagonal, 1.0).rsqrt()
        scaled = unit.unsqueeze(-1) * matrix * unit.unsqueeze(-2)
        inverse = torch.linalg.pinv(scaled, rtol=1e-11, hermitian=symmetric)
        inverse = unit.unsqueeze(-1) * inverse * unit.unsqueeze(-2)
    move = -(inverse @ residual.unsqueeze(-1)).squeeze(-1)
    return prices + (move - move.detach())


def spread_batch(size: int, in_dims: tuple[int | None, ...], *arguments: Tensor | float | bool) -> list[Tensor]:
    """Bring the mapped dimension of each tensor to the front, or spread the tensor along it; numbers stay."""
    spread: list[Any] = []
    for argument, dim in zip(arguments, in_dims, strict=True):
        if not isinstance(argument, Tensor):
            spread.append(argument)
        else:
            spread.append(argument.expand(size, *argument.shape) if dim is None else argument.movedim(dim, 0))
    return spread
