"""Market makers: test vectors of the constant product, and closed forms of the logarithmic scoring rule."""

import math
from collections.abc import Sequence

import numpy as np

from walras.market.market_makers import IntegerConstantProduct, LogarithmicScoringRule
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_UNIT = 10**18
_VECTORS = (
    (1, 5, 10, 1662497915624478906),
    (1, 10, 5, 453305446940074565),
    (1, 10, 10, 906610893880149131),
)


def _cpmm() -> Sequence[Comparison]:
    rows = []
    for paid, reserve_in, reserve_out, expected in _VECTORS:
        pool = IntegerConstantProduct((reserve_in * _UNIT, reserve_out * _UNIT))
        got = pool.swap_exact_in(paid * _UNIT, sold=0).require(0.0).amount_out
        case = f"{paid} in, reserves {reserve_in} and {reserve_out}"
        rows.append(Comparison(f"{case}: units out", expected / _UNIT, got / _UNIT, 1e-15))
        # Floats do not hold 18 decimals: the difference in units of 10^-18 is counted in integers.
        rows.append(Comparison(f"{case}: difference, in 10^-18", 0.0, float(got - expected), 0.0))
    return rows


def _lmsr() -> Sequence[Comparison]:
    rows = []
    for outcomes, liquidity in ((2, 100.0), (4, 7.0)):
        rule = LogarithmicScoringRule(outcomes, liquidity)
        quantities = liquidity * np.linspace(-1.0, 2.0, outcomes)
        weights = np.exp(quantities / liquidity)
        off = float(np.max(np.abs(rule.prices(quantities) - weights / np.sum(weights))))
        bound = liquidity * math.log(outcomes)
        certain = np.zeros(outcomes)
        certain[0] = 100.0 * liquidity
        case = f"n = {outcomes}, b = {liquidity:g}"
        rows += [
            Comparison(f"{case}: largest difference of prices and softmax(q/b)", 0.0, off, 1e-14),
            Comparison(f"{case}: worst-case loss", bound, rule.worst_case_loss, 1e-12 * bound),
            Comparison(f"{case}: loss when a winner is bought up", bound, float(rule.losses(certain)[0]), 1e-9 * bound),
        ]
    return rows


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "cpmm",
        "constant product with a fee of 0.3 %, in integers of 18 decimals: what (in, reserve in, reserve out) = (1, 5, "
        "10), (1, 10, 5), (1, 10, 10) pay",
        "Uniswap v2 core test vectors",
        _cpmm,
    ),
    PublishedResult(
        "lmsr",
        "logarithmic market scoring rule: prices are softmax(q/b), and the market maker loses at most b log n",
        "Hanson 2003; closed form",
        _lmsr,
    ),
)
