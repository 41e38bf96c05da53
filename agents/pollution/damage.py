"""What pollution costs everybody: a damage that grows faster than emissions.

D(E) = d E + D'' E^2 / 2,        marginal damage    D'(E) = d + D'' E.
"""

from dataclasses import dataclass
from typing import final

from walras.market.validation import FloatArray, nonnegative_number

__all__ = ["Damage"]


@final
@dataclass(frozen=True, kw_only=True)
class Damage:
    """Quadratic damage of the industry's emissions.

    Parameters
    ----------
    intercept
        Damage of the first unit (money per unit), 0 or more.
    slope
        By how much each further unit does more (money per unit, per unit), 0 or more. It is Weitzman's -B'', the
        curvature of the benefit of abatement.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.pollution import Damage
    >>> damage = Damage(intercept=10.0, slope=2.0)
    >>> damage.marginal(np.array([5.0])).tolist(), damage.total(np.array([5.0])).tolist()
    ([20.0], [75.0])
    """

    intercept: float = 0.0
    slope: float = 0.0

    def __post_init__(self) -> None:
        for name in ("intercept", "slope"):
            object.__setattr__(self, name, nonnegative_number(f"Damage.{name}", getattr(self, name)))

    def total(self, emissions: FloatArray) -> FloatArray:
        """Damage of emissions (money), of the shape of `emissions` (units)."""
        return self.intercept * emissions + 0.5 * self.slope * emissions**2

    def marginal(self, emissions: FloatArray) -> FloatArray:
        """Damage of one more unit (money per unit), of the shape of `emissions` (units)."""
        return self.intercept + self.slope * emissions
