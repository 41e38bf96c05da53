"""Whether attention moved to the tokens that are worth most, text by text.

All shares are of the attention that a set of tokens receives together, so they add up to 1: a change is a movement
between tokens.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from walras.market import InvalidInputError, gini

__all__ = ["PARTS", "changes_of", "concentration", "movement_to_value"]

PARTS: Final = ("total", "composition", "reallocation")

# Changes of a share below this are rounding of float32, and no movement.
_NOISE = 1e-7


def changes_of(stages: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the changes of the parts in `PARTS`, shape (3, tokens), of three stages (whole, cut by itself, cut)."""
    if stages.ndim != 2 or len(stages) != len(PARTS):
        raise InvalidInputError(f"stages must have shape (3, tokens), got {stages.shape}.")
    shares = stages / stages.sum(1, keepdims=True)
    changes = np.stack([shares[2] - shares[0], shares[1] - shares[0], shares[2] - shares[1]])
    return np.where(np.abs(changes) < _NOISE, 0.0, changes)


def movement_to_value(
    changes: NDArray[np.float64], values: NDArray[np.float64], covariates: NDArray[np.float64], *, top: float = 0.2
) -> dict[str, NDArray[np.float64]]:
    """Set changes of shares against values.

    Parameters
    ----------
    changes
        Shape (parts, tokens).
    values
        Shape (kinds of values, tokens).
    covariates
        What else may move attention, shape (covariates, tokens): a token's place, what it received before.
    top
        Fraction of the tokens that counts as high in value, rounded up.

    Returns
    -------
    dict of arrays
        Each of shape (parts, kinds of values). *top_share*: change of the share of the tokens highest in value;
        *rank_correlation*: Spearman's, of change and value; *adjusted_correlation*: the same of what is left of both
        ranks after a linear regression on the ranks of the covariates. Correlations are 0 where nothing moves.

    Notes
    -----
    *Ties*: of tokens of equal value the first count as the highest; equal values share their mean rank.
    """
    count = int(np.ceil(top * values.shape[1]))
    highest = np.argsort(-values, axis=1, kind="stable")[:, :count]  # (kinds, count)
    change_ranks, value_ranks = rankdata(changes, axis=1), rankdata(values, axis=1)
    design = np.vstack([np.ones(values.shape[1]), rankdata(covariates, axis=1)])
    base, _ = np.linalg.qr(design.T)
    return {
        "top_share": changes[:, highest].sum(-1),
        "rank_correlation": _correlations(_centred(change_ranks), _centred(value_ranks)),
        "adjusted_correlation": _correlations(_without(change_ranks, base), _without(value_ranks, base)),
    }


def concentration(stages: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Give Gini (0 is even) and entropy (bits) of each stage's shares, shape (stages,)."""
    shares = stages / stages.sum(1, keepdims=True)
    logs = np.log2(shares, where=shares > 0.0, out=np.zeros_like(shares))
    return {"gini": np.array([float(gini(row)) for row in shares]), "entropy": -(shares * logs).sum(1)}


def _centred(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    return ranks - ranks.mean(1, keepdims=True)


def _without(ranks: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
    return ranks - ranks @ base @ base.T


def _correlations(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations of the rows of two sets of centred numbers; 0 where a row does not vary."""
    sizes = np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1))
    return np.where(sizes > 1e-9, left @ right.T / np.maximum(sizes, 1e-9), 0.0)
