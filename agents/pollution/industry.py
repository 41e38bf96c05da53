"""Firms that gain by polluting, and what they gain is uncertain to everybody but them.

Firm i's marginal benefit of emissions falls along a straight line that a shock moves up or down:

    MB_i(e) = alpha_i + theta_i - b_i e,        theta_i = common + own_i,

where the shocks are normal, drawn afresh each period, seen by the firm and not by the regulator. At the price p of
emissions a firm emits what makes its marginal benefit p, `e_i(p) = max(alpha_i + theta_i - p, 0) / b_i`. Left alone
(p = 0) it emits `u_i`; to emit less is to abate, and costs the benefit that is lost, `b_i (u_i - e_i)^2 / 2`: along an
abatement the marginal cost rises with the slope `b_i`, and the shock moves it.

While all firms emit, they are together one firm with

    1 / b = sum_i 1 / b_i,    alpha = b sum_i alpha_i / b_i,    theta = b sum_i theta_i / b_i,

so that the price at which they emit E in all is `alpha + theta - b E`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import (
    FloatArray,
    finite_matrix,
    instance_of,
    nonnegative_number,
    positive_vector,
    whole_number,
)

__all__ = ["Industry"]


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Industry:
    """The firms, and how uncertain their benefits are.

    Parameters
    ----------
    intercepts
        alpha, each firm's expected benefit of its first unit of emissions (money per unit), above 0, shape (n,).
    slopes
        b, how fast the marginal benefit falls (money per unit, per unit), above 0, shape (n,) or a number for all.
    common_deviation
        Standard deviation of the shock that all firms share (money per unit), 0 or more.
    own_deviation
        Standard deviation of each firm's own shock (money per unit), 0 or more.

    Raises
    ------
    InvalidInputError
        Entries that are not finite or not above 0, shapes that do not fit, a negative deviation.

    Examples
    --------
    >>> from walras.agents.pollution import Industry
    >>> firms = Industry(intercepts=[90.0, 110.0], slopes=2.0, common_deviation=3.0)
    >>> firms.intercept, firms.slope, firms.shock_variance
    (100.0, 1.0, 9.0)
    """

    intercepts: ArrayLike
    slopes: ArrayLike
    common_deviation: float = 0.0
    own_deviation: float = 0.0

    def __post_init__(self) -> None:
        intercepts = positive_vector("Industry.intercepts", self.intercepts, of="firm")
        slopes = positive_vector("Industry.slopes", self.slopes, length=intercepts.size, of="firm")
        for name, vector in (("intercepts", intercepts), ("slopes", slopes)):
            vector.setflags(write=False)
            object.__setattr__(self, name, vector)
        for name in ("common_deviation", "own_deviation"):
            object.__setattr__(self, name, nonnegative_number(f"Industry.{name}", getattr(self, name)))

    @property
    def firms(self) -> int:
        """Number of firms n."""
        return int(np.size(self.intercepts))

    @cached_property
    def weights(self) -> FloatArray:
        """`1 / b_i`: by how much each firm's emissions fall when the price rises by one, shape (n,)."""
        return np.asarray(1.0 / np.asarray(self.slopes))

    @cached_property
    def slope(self) -> float:
        """b, the slope of the industry's marginal benefit (money per unit, per unit)."""
        return float(1.0 / self.weights.sum())

    @cached_property
    def intercept(self) -> float:
        """alpha, the intercept of the industry's expected marginal benefit (money per unit)."""
        return self.slope * float(np.asarray(self.intercepts) @ self.weights)

    @cached_property
    def shock_variance(self) -> float:
        """Variance of theta, the industry's shock (money per unit, squared)."""
        own = self.slope**2 * float(self.weights @ self.weights)
        return self.common_deviation**2 + own * self.own_deviation**2

    def shocks(self, periods: int, rng: Generator) -> FloatArray:
        """Draw the shock of each firm in each period (money per unit), shape (periods, n).

        Parameters
        ----------
        periods
            0 or more.
        rng
            n + 1 standard normal draws a period are taken: drawing period by period gives the same numbers.
        """
        periods = whole_number("periods", periods)
        draws = instance_of("rng", rng, Generator).standard_normal((periods, self.firms + 1))
        return np.asarray(self.common_deviation * draws[:, :1] + self.own_deviation * draws[:, 1:])

    def marginal_benefits(self, shocks: ArrayLike) -> FloatArray:
        """Give `alpha_i + theta_i`, each firm's benefit of its first unit (money per unit), shape (t, n).

        Parameters
        ----------
        shocks
            Money per unit, shape (t, n), as `shocks` gives them.

        Raises
        ------
        InvalidInputError
            A shape that does not fit, or entries that are not finite.
        """
        given = np.asarray(shocks, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != self.firms:
            raise InvalidInputError(f"shocks must have shape (periods, {self.firms} firms), got {given.shape}.")
        matrix = finite_matrix("shocks", given, of=("period", "firm")) if given.size else given
        return np.asarray(np.asarray(self.intercepts) + matrix)
