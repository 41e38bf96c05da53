"""The best of each instrument, and what it is expected to lose: the theory beside the simulation.

The industry is one firm with the marginal benefit `alpha + theta - b E` (`walras.agents.pollution.industry`), theta has
mean 0 and variance s^2, and marginal damage is `d + D'' E`. A regulator who knew theta would let

    E*(theta) = (alpha + theta - d) / (b + D'')

be emitted; missing it by x loses `(b + D'') x^2 / 2`. A regulator who does not know it sets, at best, the permits
`Q = E*(0)` or the tax `t = d + D'' Q`, and expects to lose

    cap:   s^2 / (2 (b + D'')),        tax:   (D'' / b)^2 s^2 / (2 (b + D'')).

The tax loses less by `Delta = s^2 (b - D'') / (2 b^2)`: Weitzman's formula with C'' = b and B'' = -D''. A collar of Q
permits with the bounds t - h and t + h, and a normal theta, expects to lose least where the ceiling is the expected
marginal damage given that it binds,

    h = D'' / (b + D'') E[theta | theta > h],

which has exactly one solution. It loses less than either: the cap is h = infinity, the tax h = 0.

All of it holds while every firm emits and the price is above 0; where shocks are so large that firms stop, it is an
approximation.
"""

import math

from walras.agents.pollution.damage import Damage
from walras.agents.pollution.industry import Industry
from walras.agents.pollution.instruments import EmissionsTax, Instrument, NoRegulation, PermitCap, PermitCollar
from walras.agents.pollution.outcomes import checked_instrument
from walras.market.errors import InfeasibleError
from walras.market.validation import instance_of, nonnegative_number, positive_number

__all__ = ["best_cap", "best_collar", "best_tax", "expected_loss", "price_advantage"]


def price_advantage(shock_variance: float, benefit_curvature: float, cost_curvature: float) -> float:
    """Weitzman's Delta: what the best tax is expected to lose less than the best cap (money).

    `Delta = s^2 (B'' + C'') / (2 C''^2)`: positive where the marginal cost of abatement is steeper than its marginal
    benefit, and 0 where both are equally steep.

    Parameters
    ----------
    shock_variance
        s^2, the variance of the shock to the marginal cost of abatement (money per unit, squared), 0 or more.
    benefit_curvature
        -B'', the slope of marginal damage (money per unit, per unit), 0 or more.
    cost_curvature
        C'', the slope of the marginal cost of abatement (money per unit, per unit), above 0.

    Raises
    ------
    InvalidInputError
        Numbers outside these ranges.

    Notes
    -----
    *Source*: Weitzman 1974, equation 20.

    Examples
    --------
    >>> from walras.agents.pollution import price_advantage
    >>> price_advantage(9.0, 0.5, 1.0), price_advantage(9.0, 1.0, 1.0), price_advantage(9.0, 2.0, 1.0)
    (2.25, 0.0, -4.5)
    """
    variance = nonnegative_number("shock_variance", shock_variance)
    damage_slope = nonnegative_number("benefit_curvature", benefit_curvature)
    slope = positive_number("cost_curvature", cost_curvature)
    return variance * (slope - damage_slope) / (2.0 * slope**2)


def best_cap(industry: Industry, damage: Damage) -> PermitCap:
    """The number of permits that is expected to lose least: where expected marginal benefit is marginal damage.

    Raises
    ------
    InfeasibleError
        The first unit does more damage than the industry is expected to gain by it: nothing should be emitted.

    Notes
    -----
    *Source*: Weitzman 1974.
    """
    return PermitCap(_expected_optimum(industry, damage))


def best_tax(industry: Industry, damage: Damage) -> EmissionsTax:
    """The tax that is expected to lose least: marginal damage at the emissions of `best_cap`; errors as there.

    Notes
    -----
    *Source*: Pigou 1920; Weitzman 1974.
    """
    emissions = _expected_optimum(industry, damage)
    return EmissionsTax(damage.intercept + damage.slope * emissions)


def best_collar(industry: Industry, damage: Damage) -> PermitCollar:
    """The permits of `best_cap` with the floor and ceiling that are expected to lose least; errors as there.

    A floor below 0 is 0.

    Notes
    -----
    *Source*: Roberts and Spence 1976; the header derives the bounds for normal shocks.
    """
    tax = best_tax(industry, damage).rate
    half_width = _half_width(industry, damage)
    return PermitCollar(_expected_optimum(industry, damage), max(tax - half_width, 0.0), tax + half_width)


def expected_loss(industry: Industry, damage: Damage, instrument: Instrument) -> float:
    """What an instrument is expected to lose against a regulator who sees the shocks (money per period).

    Parameters
    ----------
    industry, damage
        As before; shocks normal.
    instrument
        Any, not only the best of its kind.

    Returns
    -------
    float
        `(b + D'') / 2 E[(E - E*)^2]`, in closed form: a collar's emissions are linear in theta in three pieces.

    Notes
    -----
    It holds while every firm emits (see the header).

    Examples
    --------
    >>> from walras.agents.pollution import Damage, Industry, best_cap, best_collar, best_tax, expected_loss
    >>> firms, damage = Industry(intercepts=[90.0, 110.0], slopes=2.0, common_deviation=3.0), Damage(slope=1.0)
    >>> rules = best_tax(firms, damage), best_cap(firms, damage), best_collar(firms, damage)
    >>> [round(expected_loss(firms, damage, rule), 6) for rule in rules]
    [2.25, 2.25, 0.427892]
    """
    instance_of("industry", industry, Industry)
    instance_of("damage", damage, Damage)
    permits, floor, ceiling = checked_instrument(instrument).bounds
    b, curvature = industry.slope, industry.slope + damage.slope
    surplus = industry.intercept - damage.intercept
    deviation = math.sqrt(industry.shock_variance)

    def missed(price: float, low: float, high: float) -> float:
        """The piece at a price bound: E - E* = (alpha + theta - price) / b - (alpha - d + theta) / (b + D'')."""
        constant = (industry.intercept - price) / b - surplus / curvature
        return _squared(constant, 1.0 / b - 1.0 / curvature, low, high, deviation)

    if isinstance(instrument, NoRegulation | EmissionsTax):
        return 0.5 * curvature * missed(floor, -math.inf, math.inf)
    low, high = (bound - industry.intercept + b * permits for bound in (floor, ceiling))
    between = _squared(permits - surplus / curvature, -1.0 / curvature, low, high, deviation)
    above = missed(ceiling, high, math.inf) if math.isfinite(ceiling) else 0.0
    return 0.5 * curvature * (missed(floor, -math.inf, low) + between + above)


def _expected_optimum(industry: Industry, damage: Damage) -> float:
    instance_of("industry", industry, Industry)
    instance_of("damage", damage, Damage)
    if damage.intercept >= industry.intercept:
        raise InfeasibleError(
            f"The first unit does a damage of {damage.intercept:g} and is expected to be worth {industry.intercept:g}: "
            "no permits and no finite tax is best. Lower Damage.intercept."
        )
    return (industry.intercept - damage.intercept) / (industry.slope + damage.slope)


def _half_width(industry: Industry, damage: Damage) -> float:
    """Give h of the header by bisection on h / s, since h - r E[theta | theta > h] rises in h from below 0."""
    deviation = math.sqrt(industry.shock_variance)
    ratio = damage.slope / (industry.slope + damage.slope)
    if deviation == 0.0 or ratio == 0.0:
        return 0.0
    low, high = 0.0, 1.0
    while ratio * _tail_mean(high) > high:
        low, high = high, 2.0 * high
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if ratio * _tail_mean(middle) > middle else (low, middle)
    return deviation * 0.5 * (low + high)


def _tail_mean(z: float) -> float:
    """`E[Z | Z > z]` of a standard normal Z; far out by its continued fraction, where the tail leaves float64."""
    if z > 30.0:
        return z + 1.0 / (z + 2.0 / (z + 3.0 / z))
    return _density(z) / (0.5 * math.erfc(z / math.sqrt(2.0)))


def _density(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _squared(constant: float, factor: float, low: float, high: float, deviation: float) -> float:
    """`E[(constant + factor theta)^2; low < theta < high]` for a normal theta of mean 0."""
    if deviation == 0.0:
        return constant**2 if low <= 0.0 < high else 0.0
    a, c = low / deviation, high / deviation
    zeroth = 0.5 * (math.erfc(-c / math.sqrt(2.0)) - math.erfc(-a / math.sqrt(2.0)))
    first = _density(a) - _density(c)
    second = zeroth + (a * _density(a) if math.isfinite(a) else 0.0) - (c * _density(c) if math.isfinite(c) else 0.0)
    slope = factor * deviation
    return constant**2 * zeroth + 2.0 * constant * slope * first + slope**2 * second
