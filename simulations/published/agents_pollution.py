"""Published results about instruments against pollution."""

import math
from collections.abc import Sequence

import numpy as np

from walras.agents.pollution import (
    Damage,
    EmissionsTax,
    Industry,
    PermitCap,
    PollutionEconomy,
    best_cap,
    best_collar,
    best_tax,
    expected_loss,
    pollution_outcomes,
    price_advantage,
)
from walras.market.validation import FloatArray
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_DRAWS = 100_000
_FIRMS = Industry(
    intercepts=np.linspace(90.0, 110.0, 10),
    slopes=np.geomspace(5.0, 20.0, 10),
    common_deviation=3.0,
    own_deviation=3.0,
)


def _mean(quantity: str, expected: float, draws: FloatArray) -> Comparison:
    """A mean of independent draws, within four standard errors."""
    error = float(draws.std(ddof=1)) / math.sqrt(draws.size)
    return Comparison(quantity, expected, float(draws.mean()), max(4.0 * error, 1e-9))


def _weitzman() -> Sequence[Comparison]:
    rows, shocks = [], _FIRMS.shocks(_DRAWS, np.random.default_rng(0))
    for ratio in (0.5, 1.0, 2.0):
        damage = Damage(slope=ratio * _FIRMS.slope)
        taxed, capped = (
            pollution_outcomes(_FIRMS, damage, rule(_FIRMS, damage), shocks).losses for rule in (best_tax, best_cap)
        )
        delta = price_advantage(_FIRMS.shock_variance, damage.slope, _FIRMS.slope)
        rows.append(_mean(f"loss under the cap less loss under the tax, |B''|/C'' = {ratio}", delta, capped - taxed))
    return rows


def _collar() -> Sequence[Comparison]:
    rows, shocks = [], _FIRMS.shocks(_DRAWS, np.random.default_rng(1))
    for ratio in (0.5, 2.0):
        damage = Damage(slope=ratio * _FIRMS.slope)
        collar = best_collar(_FIRMS, damage)
        found = pollution_outcomes(_FIRMS, damage, collar, shocks)
        rows.append(_mean(f"loss, |B''|/C'' = {ratio}", expected_loss(_FIRMS, damage, collar), found.losses))
        bound = damage.marginal(found.emissions[found.prices >= collar.ceiling])
        rows.append(_mean(f"marginal damage where the ceiling binds, |B''|/C'' = {ratio}", collar.ceiling, bound))
        least = min(expected_loss(_FIRMS, damage, rule(_FIRMS, damage)) for rule in (best_tax, best_cap))
        rows.append(Comparison("loses less than tax and cap (1: yes)", 1.0, float(found.losses.mean() < least), 0.0))
    return rows


def _pigou() -> Sequence[Comparison]:
    certain = Industry(intercepts=[90.0, 110.0], slopes=2.0)
    damage = Damage(intercept=10.0, slope=0.8)
    economy = PollutionEconomy(certain, damage, best_tax(certain, damage), rng=0)
    period = economy.run(1).iloc[0]
    return [
        Comparison("emissions", 50.0, float(period["emissions"]), 1e-9),
        Comparison("tax, the marginal damage there", 50.0, float(period["price"]), 1e-9),
        Comparison("loss against the first best", 0.0, float(period["loss"]), 1e-9),
        Comparison("revenue (cents)", 250_000.0, float(period["revenue_cents"]), 0.0),
    ]


def _free_permits() -> Sequence[Comparison]:
    damage = Damage(slope=1.0)
    sold, given = (PollutionEconomy(_FIRMS, damage, PermitCap(40.0, free_share=share), rng=2) for share in (0.0, 1.0))
    periods, others = sold.run(100), given.run(100)
    emissions = float(np.abs(sold.rows["emissions"] - given.rows["emissions"]).max())
    return [
        Comparison("largest difference of prices", 0.0, float(np.abs(periods["price"] - others["price"]).max()), 0.0),
        Comparison("largest difference of a firm's emissions", 0.0, emissions, 0.0),
        Comparison("revenue when all are given away (cents)", 0.0, float(others["revenue_cents"].sum()), 0.0),
    ]


def _equal_instruments() -> Sequence[Comparison]:
    shocks = _FIRMS.shocks(1000, np.random.default_rng(3))
    capped = pollution_outcomes(_FIRMS, Damage(), PermitCap(40.0), shocks)
    worst = 0.0
    for period in range(0, 1000, 100):
        tax = EmissionsTax(float(capped.prices[period]))
        taxed = pollution_outcomes(_FIRMS, Damage(), tax, shocks[period : period + 1])
        worst = max(worst, abs(float(taxed.emissions[0] - 40.0)))
    return [Comparison("largest difference of emissions from the cap", 0.0, worst, 1e-9)]


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "prices-quantities",
        "ten firms with uncertain costs of abatement: the best tax loses less than the best cap by "
        "Delta = s^2 (B'' + C'') / (2 C''^2), which is 0 where |B''| = C''",
        "Weitzman 1974",
        _weitzman,
    ),
    PublishedResult(
        "collar-dominates",
        "the best floor and ceiling: the ceiling is the expected marginal damage where it binds, and less is lost than "
        "under the best tax and the best cap",
        "Roberts and Spence 1976; closed form for normal shocks",
        _collar,
    ),
    PublishedResult(
        "pigouvian-tax",
        "marginal benefits 90 - 2 e and 110 - 2 e, marginal damage 10 + 0.8 E: the tax at marginal damage is efficient",
        "Pigou 1920; closed form",
        _pigou,
    ),
    PublishedResult(
        "free-permits",
        "permits sold, or given to firms: prices and emissions are the same",
        "Montgomery 1972",
        _free_permits,
    ),
    PublishedResult(
        "tax-equals-cap",
        "taxing emissions at the price of permits, the shocks being known, brings about the cap's emissions",
        "Weitzman 1974; closed form",
        _equal_instruments,
    ),
)
