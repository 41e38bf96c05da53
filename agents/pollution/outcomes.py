"""The columnar engine: what instruments bring about in many periods at once, by arrays over draws and firms.

With `v_i = alpha_i + theta_i` the firms' demand for emissions, `E(p) = sum_i max(v_i - p, 0) / b_i`, is the largest of
the straight lines that belong to the k firms with the highest v,

    E(p) = max_k (A_k - B_k p),        A_k = sum of v_i / b_i,    B_k = sum of 1 / b_i over these k firms,

because a firm that would emit less than nothing only lowers a line. So the price at which E(p) meets a supply curve
that rises is the highest of the prices at which the lines do: `max_k (A_k - Q) / B_k` for Q permits, and
`max_k (d + D'' A_k) / (1 + D'' B_k)` for the curve of marginal damage, where welfare is largest. No firm is asked in a
loop, and no equation solved by iteration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.pollution.damage import Damage
from walras.agents.pollution.industry import Industry
from walras.agents.pollution.instruments import EmissionsTax, Instrument, NoRegulation, PermitCap, PermitCollar
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, instance_of

__all__ = ["PollutionOutcomes", "checked_instrument", "first_best_welfare", "pollution_outcomes"]

_ENTRIES = 1 << 20  # draws times firms that are worked on at a time: memory stays bounded


@final
@dataclass(frozen=True, eq=False)
class PollutionOutcomes:
    """What happened in each of t periods: arrays of shape (t,).

    Attributes
    ----------
    prices
        What a unit of emissions costs (money).
    emissions, unregulated_emissions
        Units emitted by all firms, and what they would emit at no price.
    abatement_costs
        Benefits that firms forgo by emitting less than without regulation (money).
    damages
        Of the emissions (money).
    welfare
        Benefits of emissions less damage (money); taxes and permits only change hands.
    losses
        By how much welfare falls short of the most that a regulator who sees the shocks could reach (money), 0 or more
        up to rounding.
    revenues
        What the treasury receives, negative where it pays (money).
    """

    prices: FloatArray
    emissions: FloatArray
    unregulated_emissions: FloatArray
    abatement_costs: FloatArray
    damages: FloatArray
    welfare: FloatArray
    losses: FloatArray
    revenues: FloatArray


class _Lines(NamedTuple):
    """A_k (t, n) and B_k (t, n) for k = 1 .. n."""

    A: FloatArray
    B: FloatArray


def pollution_outcomes(
    industry: Industry, damage: Damage, instrument: Instrument, shocks: ArrayLike
) -> PollutionOutcomes:
    """Outcomes of an instrument in many periods, each with its own shocks.

    Parameters
    ----------
    industry, damage, instrument
        Who pollutes, what it costs, and what is done about it.
    shocks
        Of each firm in each period (money per unit), shape (t, n); `Industry.shocks` draws them.

    Returns
    -------
    PollutionOutcomes
        The numbers that `PollutionEconomy` gives in the same periods, up to 1e-9 of their size.

    Raises
    ------
    InvalidInputError
        Something else than an industry, damage or instrument; shocks of another shape or not finite.

    Notes
    -----
    *Cost*: O(t n log n), in arrays; a million numbers of each kind at a time. *Source*: Weitzman 1974 for the problem.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.pollution import Damage, EmissionsTax, Industry, pollution_outcomes
    >>> firms = Industry(intercepts=[90.0, 110.0], slopes=2.0, common_deviation=3.0)
    >>> shocks = firms.shocks(100_000, np.random.default_rng(0))
    >>> found = pollution_outcomes(firms, Damage(slope=1.0), EmissionsTax(50.0), shocks)
    >>> found.prices[:2].tolist(), round(float(found.emissions.mean()), 1), round(float(found.losses.mean()), 2)
    ([50.0, 50.0], 50.0, 2.26)
    """
    instance_of("industry", industry, Industry)
    instance_of("damage", damage, Damage)
    checked_instrument(instrument)
    parts = [_outcomes(industry, damage, instrument, entries) for entries in _chunks(industry, shocks)]
    return PollutionOutcomes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def first_best_welfare(industry: Industry, damage: Damage, shocks: ArrayLike) -> FloatArray:
    """Give the most welfare that a regulator who sees the shocks could reach in each period (money), shape (t,).

    Parameters
    ----------
    industry, damage, shocks
        As in `pollution_outcomes`.
    """
    instance_of("industry", industry, Industry)
    instance_of("damage", damage, Damage)
    return np.concatenate([_best_welfare(industry, damage, entries) for entries in _chunks(industry, shocks)])


def checked_instrument(instrument: object) -> Instrument:
    """Give the instrument, or raise `InvalidInputError` if it is none."""
    if not isinstance(instrument, NoRegulation | EmissionsTax | PermitCap | PermitCollar):
        raise InvalidInputError(
            f"instrument must be NoRegulation, EmissionsTax, PermitCap or PermitCollar, got {instrument!r}."
        )
    return instrument


def _outcomes(
    industry: Industry, damage: Damage, instrument: Instrument, entries: FloatArray
) -> tuple[FloatArray, ...]:
    lines = _lines(entries, industry.weights)
    permits, floor, ceiling = instrument.bounds
    if np.isinf(permits):
        prices = np.full(len(entries), floor)
    else:
        prices = np.clip(((lines.A - permits) / lines.B).max(axis=1), floor, ceiling)
    emissions, benefits = _use(entries, industry, prices)
    free, free_benefits = _use(entries, industry, np.zeros(len(entries)))
    welfare = benefits - damage.total(emissions)
    return (
        prices,
        emissions,
        free,
        free_benefits - benefits,
        damage.total(emissions),
        welfare,
        _best_welfare(industry, damage, entries) - welfare,
        prices * (emissions - instrument.free_permits),
    )


def _best_welfare(industry: Industry, damage: Damage, entries: FloatArray) -> FloatArray:
    lines = _lines(entries, industry.weights)
    prices = ((damage.intercept + damage.slope * lines.A) / (1.0 + damage.slope * lines.B)).max(axis=1)
    emissions, benefits = _use(entries, industry, prices)
    return benefits - damage.total(emissions)


def _chunks(industry: Industry, shocks: ArrayLike) -> Iterator[FloatArray]:
    """Give marginal benefits of the first unit, some periods at a time; at least one part, which may be empty."""
    given = np.asarray(shocks, dtype=np.float64)
    if given.ndim != 2:
        industry.marginal_benefits(given)  # raises
    draws = max(_ENTRIES // industry.firms, 1)
    for first in range(0, max(len(given), 1), draws):
        yield industry.marginal_benefits(given[first : first + draws])


def _lines(entries: FloatArray, weights: FloatArray) -> _Lines:
    order = np.argsort(-entries, axis=1, kind="stable")
    sorted_weights = weights[order]  # (t, n)
    values = np.take_along_axis(entries, order, axis=1) * sorted_weights
    return _Lines(np.cumsum(values, axis=1), np.cumsum(sorted_weights, axis=1))


def _use(entries: FloatArray, industry: Industry, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Emissions of all firms at each price, and their benefits: the area under marginal benefits; each (t,)."""
    units = np.maximum(entries - prices[:, None], 0.0) * industry.weights
    benefits = (units * (entries - 0.5 * np.asarray(industry.slopes) * units)).sum(axis=1)
    return units.sum(axis=1), benefits
