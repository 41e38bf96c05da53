"""Whether the ranking of mechanisms in isolation predicts their ranking in training.

For each budget, mechanisms are ranked by a measure's mean over seeds, in isolation and in training, and the two
rankings are correlated. Seeds are drawn again with replacement, the same for both, for an interval: all draws where
they are few.
"""

from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from walras.market.errors import InvalidInputError

__all__ = ["MEASURES", "rank_correlations"]

MEASURES = ("kept", "gini_agents", "gini_layers")
_MOST_DRAWS = 4000
_DIGITS = 12  # what differs in later ones is the same to all but rounding

Array = NDArray[np.float64]


def rank_correlations(outcomes: pd.DataFrame, measures: tuple[str, ...] = MEASURES, *, seed: int = 0) -> pd.DataFrame:
    """Correlate the two rankings at each budget and over all budgets.

    Parameters
    ----------
    outcomes
        The table `outcomes` of a run, of one task and two or more mechanisms, all at the same budgets and seeds.
    measures
        Columns by which mechanisms are ranked.
    seed
        Of the bootstrap's draws, where not all of them are taken.

    Returns
    -------
    DataFrame
        Columns: measure; budget (NaN: the mean of the budgets' correlations); kendall (tau-b) and spearman; low and
        high (95 % percentile interval of tau-b over draws of seeds; draws without a ranking, all mechanisms alike, are
        left out); between_seeds: mean tau-b of each seed's ranking in training with that of the other seeds' means, a
        ceiling for what anything can predict. Correlations are NaN where all mechanisms are alike.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for measure in measures:
        isolated, trained, budgets = _tables(outcomes, measure)
        draws = _draws(isolated.shape[-1], rng)
        of_draws = np.array([_taus(isolated, trained, draw) for draw in draws])  # (draws, budgets)
        kendall = _taus(isolated, trained, np.arange(isolated.shape[-1]))
        spearman = np.array([_spearman(x.mean(-1), y.mean(-1)) for x, y in zip(isolated, trained, strict=True)])
        ceiling = _between_seeds(trained)
        for number, budget in enumerate(budgets):
            low, high = _interval(of_draws[:, number])
            rows.append((measure, budget, kendall[number], spearman[number], low, high, ceiling[number]))
        low, high = _interval(_mean(of_draws))
        rows.append(
            (
                measure,
                np.nan,
                *(_mean(each[None])[0] for each in (kendall, spearman)),
                low,
                high,
                _mean(ceiling[None])[0],
            )
        )
    columns = ["measure", "budget", "kendall", "spearman", "low", "high", "between_seeds"]
    return pd.DataFrame(rows, columns=columns)


def _tables(outcomes: pd.DataFrame, measure: str) -> tuple[Array, Array, list[float]]:
    """Give the measure in isolation and in training, shape (budgets, mechanisms, seeds), and the budgets."""
    found = []
    for part in ("isolated", "trained"):
        rows = outcomes[outcomes["part"] == part]
        table = rows.pivot_table(index=["budget", "mechanism"], columns="seed", values=measure, sort=True)
        budgets = sorted(rows["budget"].unique())
        if table.isna().any(axis=None) or len(table) != len(budgets) * rows["mechanism"].nunique():
            raise InvalidInputError(f"outcomes must have every mechanism at every budget and seed, {part}.")
        found.append(table.to_numpy().reshape(len(budgets), -1, table.shape[1]))
    if found[0].shape != found[1].shape or found[0].shape[1] < 2:
        raise InvalidInputError(
            f"outcomes must hold two or more mechanisms, isolated and trained alike; got {found[0].shape} and "
            f"{found[1].shape} (budgets, mechanisms, seeds)."
        )
    return found[0], found[1], budgets


def _draws(seeds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give draws of seeds with replacement, shape (draws, seeds): all of them if they are few."""
    if seeds**seeds <= _MOST_DRAWS:
        return np.array(list(product(range(seeds), repeat=seeds)))
    return rng.integers(seeds, size=(_MOST_DRAWS, seeds))


def _taus(isolated: Array, trained: Array, draw: NDArray[np.int64]) -> Array:
    """Give tau-b at each budget, of means over the seeds that were drawn."""
    return _tau_b(isolated[..., draw].mean(-1), trained[..., draw].mean(-1))


def _tau_b(x: Array, y: Array) -> Array:
    """Kendall's tau-b along the last axis; NaN where a side is all ties."""
    signs = [np.sign(np.round(each[..., :, None] - each[..., None, :], _DIGITS)) for each in (x, y)]
    agreement = (signs[0] * signs[1]).sum((-2, -1))
    pairs = np.sqrt(np.square(signs[0]).sum((-2, -1)) * np.square(signs[1]).sum((-2, -1)))
    return np.divide(agreement, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0.0)


def _spearman(x: Array, y: Array) -> float:
    ranks = [stats.rankdata(np.round(each, _DIGITS)) for each in (x, y)]
    if any(np.ptp(each) == 0.0 for each in ranks):
        return float("nan")
    return float(stats.pearsonr(*ranks).statistic)


def _between_seeds(trained: Array) -> Array:
    seeds = trained.shape[-1]
    if seeds < 2:
        return np.full(len(trained), np.nan)
    others = [np.delete(trained, seed, axis=-1).mean(-1) for seed in range(seeds)]
    return _mean(np.array([_tau_b(trained[..., seed], others[seed]) for seed in range(seeds)]).T)


def _mean(values: Array) -> Array:
    """Mean over the last axis of what is not NaN."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(-1)
    count = known.sum(-1)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _interval(values: Array) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if known.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
