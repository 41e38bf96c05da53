"""Arithmetic that the homothetic utilities share: power means, spending shares, derivatives of demand.

A CES utility is a weighted power mean `M_r(x; a) = (sum_j a_j x_j^r)^(1/r)` with `sum_j a_j = 1`, and the least cost of
one unit of it is a power mean too: `M_(1-s)(p / a; a)`, with the elasticity of substitution `s = 1 / (1 - r)`. All is
computed in logarithms, and near `r = 0` by the series that makes the limit, the geometric mean, exact.
"""

import numpy as np

from walras.market.validation import FloatArray

__all__ = ["log_power_mean", "normalised", "share_jacobian", "softmax"]


def normalised(weights: FloatArray) -> FloatArray:
    """Rows divided by their sums, without overflow."""
    scaled = weights / weights.max(axis=1, keepdims=True)
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def log_power_mean(weights: FloatArray, logs: FloatArray, exponents: FloatArray) -> FloatArray:
    """Log of the power mean of each row.

    Parameters
    ----------
    weights
        Each row adds up to 1, shape (n, m); entries of weight 0 do not enter.
    logs
        Logarithms of what is averaged; may be -inf (nothing) or inf, shape (n, m).
    exponents
        The power of each row, of either sign, 0 and infinities included, shape (n,).
    """
    enters = weights > 0.0
    with np.errstate(all="ignore"):
        least = np.where(enters, logs, np.inf).min(axis=1)
        most = np.where(enters, logs, -np.inf).max(axis=1)
        geometric = np.where(enters, weights * np.where(enters, logs, 0.0), 0.0).sum(axis=1)
        centre = np.where(np.isfinite(geometric), geometric, 0.0)[:, None]
        finite = np.where(np.isfinite(exponents), exponents, 0.0)[:, None]
        powers = finite * np.where(enters, logs - centre, 0.0)  # (n, m)
        flat = np.log1p(np.where(enters, weights * np.expm1(powers), 0.0).sum(axis=1))
        top = np.where(enters, powers, -np.inf).max(axis=1, keepdims=True)
        anchor = np.where(np.isfinite(top), top, 0.0)
        steep = anchor[:, 0] + np.log(np.where(enters, weights * np.exp(powers - anchor), 0.0).sum(axis=1))
        near = np.abs(powers).max(axis=1) < 0.5
        mean = centre[:, 0] + np.where(near, flat, steep) / finite[:, 0]
    mean = np.where(exponents == 0.0, geometric, mean)
    mean = np.where(exponents == -np.inf, least, mean)
    mean = np.where(exponents == np.inf, most, mean)
    # A mean of a negative power is 0 as soon as one entry is, and one of a positive power infinite.
    mean = np.where((exponents <= 0.0) & (least == -np.inf), -np.inf, mean)
    return np.asarray(np.where((exponents >= 0.0) & (most == np.inf), np.inf, mean))


def softmax(logs: FloatArray) -> FloatArray:
    """`exp(log_ij) / sum_k exp(log_ik)`, without overflow."""
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def share_jacobian(shares: FloatArray, elasticities: FloatArray, prices: FloatArray, claims: FloatArray) -> FloatArray:
    """Derivative of total demand by prices where shares of income are `s_ij` and elasticities of substitution `e_i`.

    With `x_ij = w_i s_ij / p_j`, `ds_ij / dlog p_k = (1 - e_i) s_ij ([j = k] - s_ik)` and `w_i = claims_i . p`:

        d sum_i x_ij / dp_k = sum_i s_ij claims_ik / p_j - sum_i w_i (1 - e_i) s_ij s_ik / (p_j p_k)
                              - [j = k] sum_i w_i e_i s_ij / p_j^2.
    """
    incomes = claims @ prices
    per_money = shares / prices  # units bought per unit of money, (n, m)
    jacobian = per_money.T @ (claims - (incomes * (1.0 - elasticities))[:, None] * per_money)
    jacobian[np.diag_indices_from(jacobian)] -= (incomes * elasticities) @ per_money / prices
    return np.asarray(jacobian)
