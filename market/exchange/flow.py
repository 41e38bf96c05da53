"""Tâtonnement in continuous time: `dp/dt = z(p)`, with prices that are 0 held there while the good is in excess supply.

By Walras' law the flow keeps `sum_j p_j^2` as it is: `d/dt sum p_j^2 / 2 = p.z(p) = 0`. In Scarf's economy it keeps the
product of the prices too, so that prices circle for ever on the curve on which both are constant.
"""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.exchange.economy import ExchangeEconomy
from walras.market.exchange.equilibrium import ExchangeEquilibrium, ExchangeStatus
from walras.market.exchange.orbit import Motion, orbit_of
from walras.market.exchange.settle import clearing_residual, settle, start_at
from walras.market.properties import Property
from walras.market.validation import FloatArray, instance_of, positive_number, whole_number

__all__ = ["TatonnementFlow"]

# How closely a sampled orbit must return: points of the path lie a little apart.
_RETURN, _SIZE = 0.05, 1e-3


@final
@dataclass(frozen=True)
class TatonnementFlow:
    """The rules of the price adjustment in continuous time. It only says them: `solve` is a pure function.

    Parameters
    ----------
    horizon
        Time at which the flow ends, above 0 (prices per unit of excess demand).
    points
        How many points of the path are given, equally spaced in time, start and end included; 2 or more.
    accuracy
        Relative error that the integration allows itself in each step.
    tolerance
        Largest excess demand of a good, as a fraction of its supply, at which prices have settled.

    Notes
    -----
    `CYCLES` is said if the path comes back to within 5 per cent of its size and excess demand is as large (to 0.1 per
    cent) in the last turn as in the one before; the period is then known to the spacing of the points. *Cost*: about 12
    excess demands a step of the integration (Dormand and Prince, order 8).
    *Source*: Samuelson 1941; Scarf 1960.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.market.exchange import ExchangeEconomy, Leontief, TatonnementFlow
    >>> scarf = ExchangeEconomy(Leontief([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]), np.eye(3))
    >>> found = TatonnementFlow(horizon=60.0).solve(scarf, [1.2, 1.0, 0.7])
    >>> found.status.name, bool(np.ptp((found.path**2).sum(axis=1)) < 1e-9)
    ('CYCLES', True)
    """

    horizon: float
    points: int = field(default=2001, kw_only=True)
    accuracy: float = field(default=1e-11, kw_only=True)
    tolerance: float = field(default=1e-8, kw_only=True)

    def __post_init__(self) -> None:
        positive_number("TatonnementFlow.horizon", self.horizon)
        whole_number("TatonnementFlow.points", self.points, minimum=2)
        positive_number("TatonnementFlow.accuracy", self.accuracy)
        positive_number("TatonnementFlow.tolerance", self.tolerance)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """Nothing: in particular not `Property.CONVERGES`, which Scarf's economy refutes."""
        return frozenset()

    def solve(self, economy: ExchangeEconomy, start_prices: ArrayLike | None = None) -> ExchangeEquilibrium:
        """Follow the flow from a start to the horizon.

        Parameters
        ----------
        economy
            Whose excess demand moves the prices.
        start_prices
            Where to begin, 0 or more and not all 0, shape (m,). None: all supplies worth the same, adding up to 1.

        Returns
        -------
        ExchangeEquilibrium
            At the horizon; the path has one row per point in time.
        """
        from scipy.integrate import solve_ivp

        instance_of("economy", economy, ExchangeEconomy)
        start = start_at(economy, start_prices)
        times = np.linspace(0.0, self.horizon, int(self.points))

        def speed(_: float, prices: FloatArray) -> FloatArray:
            excess = economy._trial_excess(np.maximum(prices, 0.0))
            return np.where((prices <= 0.0) & (excess < 0.0), 0.0, excess)

        with np.errstate(all="ignore"):  # where excess demand is infinite the path ends, which the status tells
            solved = solve_ivp(
                speed,
                (0.0, float(self.horizon)),
                start,
                method="DOP853",
                t_eval=times,
                rtol=max(self.accuracy, 3e-14),
                atol=self.accuracy * float(start.max()),
            )
        path = np.maximum(np.reshape(solved.y, (start.size, -1)).T, 0.0)  # (m, t) -> (t, m)
        if not solved.success or len(path) < times.size or not np.isfinite(path).all():
            kept = path if len(path) else start[None, :]
            return settle(economy, kept[-1], kept, ExchangeStatus.DIVERGES)
        residuals = np.array([clearing_residual(economy, prices, economy._trial_excess(prices)) for prices in path])
        status, period = self._status(path, residuals, float(times[1]))
        return settle(economy, path[-1], path, status, period=period)

    def _status(self, path: FloatArray, residuals: FloatArray, spacing: float) -> tuple[ExchangeStatus, float | None]:
        if residuals[-1] <= self.tolerance:
            return ExchangeStatus.CONVERGED, None
        orbit = orbit_of(path, residuals, _RETURN, size_tolerance=_SIZE)
        if orbit.motion is Motion.RETURNS:
            return ExchangeStatus.CYCLES, (orbit.period or 0) * spacing
        moves_away = orbit.motion is Motion.MOVES_AWAY
        return (ExchangeStatus.DIVERGES if moves_away else ExchangeStatus.ITERATION_LIMIT), None
