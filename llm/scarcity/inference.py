"""From rows of texts to effects with intervals, and to a verdict by a rule that was fixed before the numbers were seen.

The unit is a text: draws of heads or tokens are averaged within it first, and intervals say how far the mean would move
with other texts, not with other draws or models.
"""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from walras.llm.scarcity.study import GRADIENT, IN_ORDER, ORDINARY, RANDOM, SHUFFLED
from walras.market import InvalidInputError

__all__ = ["bootstrap_means", "effects", "holm", "overall_verdict"]

OUTCOMES: Final = ("top_share", "rank_correlation", "adjusted_correlation")
TOWARDS, AWAY, AS_CONTROLS, NEITHER = "towards", "away", "as controls", "neither"
RESAMPLES = 4000
_CELL = ["cut", "level", "tokens", "value", "part"]


def bootstrap_means(
    samples: NDArray[np.float64], rng: Generator, *, resamples: int = RESAMPLES
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the ends of 95 % percentile intervals of means over texts.

    Parameters
    ----------
    samples
        Shape (texts, columns); all columns are resampled alike.

    Returns
    -------
    low, high
        Each of shape (columns,).

    Notes
    -----
    *Source*: Efron and Tibshirani 1993, section 13.3 (docs/reference/bibliography.md).
    """
    texts = len(samples)
    weights = rng.multinomial(texts, np.full(texts, 1.0 / texts), size=resamples) / texts
    low, high = np.quantile(weights @ samples, [0.025, 0.975], axis=0)
    return low, high


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Give p-values adjusted for the whole family, shape (tests,): any below 0.05 is a false alarm in 5 % of families.

    Notes
    -----
    *Source*: Holm 1979 (docs/reference/bibliography.md).
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def effects(shifts: pd.DataFrame, rng: Generator, *, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Give a row per cut, level, set of tokens, kind of value, part and outcome.

    Parameters
    ----------
    shifts
        As in `ScarcityTables`.
    rng
        For the bootstrap.

    Returns
    -------
    DataFrame
        cut, level, tokens, value, part, outcome; texts; mean with its 95 % interval low, high; effect_size (Cohen's d
        of the paired change: mean over standard deviation); p (Student's t, two sides) and p_holm (adjusted over all
        rows of the same outcome with values that are not random); above_random and above_shuffled with their intervals:
        by how much the mean exceeds that with random values, and that with shuffled layers, paired by text; draws_low,
        draws_high (smallest and largest mean of a draw); verdict, for top_share with values that are not random:

        - "towards", if the mean is above 0 with p_holm < 0.05, above both controls (their intervals lie above 0), and
          the adjusted correlation's interval lies above 0: not just the place of the tokens or what they had before;
        - "away", if all of this holds with "below" for "above";
        - "as controls", if p_holm < 0.05 and neither of them;
        - "neither" otherwise.

    Notes
    -----
    *Source*: Cohen 1988, chapter 2, for the effect size.
    """
    missing = {*_CELL, "text", "draw", "layers", *OUTCOMES} - set(shifts.columns)
    if missing:
        raise InvalidInputError(f"shifts lacks the columns {sorted(missing)}.")
    by_draw = shifts[shifts["layers"] == IN_ORDER].groupby([*_CELL, "draw"], sort=False)[list(OUTCOMES)].mean()
    by_text = shifts.groupby(["layers", *_CELL, "text"], sort=False)[list(OUTCOMES)].mean()
    rows = []
    for outcome in OUTCOMES:
        wide = by_text[outcome].unstack("text")
        if wide.isna().any(axis=None):
            raise InvalidInputError("shifts lacks some texts under some cuts: give all rows of the study.")
        samples = dict(zip(wide.index, wide.to_numpy(dtype=np.float64), strict=True))
        draws = by_draw[outcome].groupby(level=_CELL, sort=False).agg(["min", "max"])
        for cell, (lowest, highest) in zip(draws.index, draws.to_numpy(dtype=np.float64), strict=True):
            facts = dict(zip(_CELL, cell, strict=True))
            effect = _effect(samples, cell, rng, resamples)
            rows.append({**facts, "outcome": outcome, **effect, "draws_low": lowest, "draws_high": highest})
    table = pd.DataFrame(rows)
    real = table["value"] != RANDOM
    table["p_holm"] = np.nan
    for outcome in OUTCOMES:
        family = real & (table["outcome"] == outcome)
        table.loc[family, "p_holm"] = holm(table.loc[family, "p"])
    table["verdict"] = _verdicts(table)
    return table


def overall_verdict(table: pd.DataFrame, *, part: str, tokens: str = ORDINARY, value: str = GRADIENT) -> str:
    """Give "reproduced" if all cuts move attention towards value, "not reproduced" if none does, else "partly"."""
    chosen = table[
        (table["outcome"] == "top_share")
        & (table["part"] == part)
        & (table["tokens"] == tokens)
        & (table["value"] == value)
    ]
    if chosen.empty:
        raise InvalidInputError(f"No effects of part {part!r}, tokens {tokens!r} and value {value!r}.")
    towards = chosen["verdict"] == TOWARDS
    return "reproduced" if towards.all() else "partly" if towards.any() else "not reproduced"


def _effect(
    by_text: dict[Any, NDArray[np.float64]], cell: tuple[Any, ...], rng: Generator, resamples: int
) -> dict[str, float]:
    cut, level, tokens, _, part = cell
    changes = by_text[(IN_ORDER, *cell)]
    at_random = by_text[(IN_ORDER, cut, level, tokens, RANDOM, part)]
    samples = np.stack([changes, changes - at_random, changes - by_text[(SHUFFLED, *cell)]], axis=1)
    low, high = bootstrap_means(samples, rng, resamples=resamples)
    spread = float(changes.std(ddof=1))
    moves = spread > 0.0
    return {
        "texts": len(changes),
        "mean": float(changes.mean()),
        "low": low[0],
        "high": high[0],
        "effect_size": float(changes.mean()) / spread if moves else 0.0,
        "p": float(stats.ttest_1samp(changes, 0.0).pvalue) if moves else 1.0,
        "above_random": samples[:, 1].mean(),
        "above_random_low": low[1],
        "above_random_high": high[1],
        "above_shuffled": samples[:, 2].mean(),
        "above_shuffled_low": low[2],
        "above_shuffled_high": high[2],
    }


def _verdicts(table: pd.DataFrame) -> pd.Series:
    cells = table.set_index(_CELL).index
    adjusted = table[table["outcome"] == "adjusted_correlation"].set_index(_CELL)
    lows, highs = adjusted["low"].to_dict(), adjusted["high"].to_dict()
    lower = [table["mean"], table["above_random_low"], table["above_shuffled_low"], [lows[cell] for cell in cells]]
    upper = [table["mean"], table["above_random_high"], table["above_shuffled_high"], [highs[cell] for cell in cells]]
    significant = table["p_holm"].to_numpy() < 0.05
    towards = significant & np.all(np.asarray(lower, dtype=np.float64) > 0.0, axis=0)
    away = significant & np.all(np.asarray(upper, dtype=np.float64) < 0.0, axis=0)
    verdict = np.select([towards, away, significant], [TOWARDS, AWAY, AS_CONTROLS], NEITHER)
    judged = (table["outcome"] == "top_share") & (table["value"] != RANDOM)
    return pd.Series(np.where(judged, verdict, ""), index=table.index, dtype="str")
