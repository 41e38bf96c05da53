"""Positive definite systems, factored once and solved for several right-hand sides."""

from typing import final

import numpy as np

from walras.market.validation import FloatArray

__all__ = ["PositiveFactor", "solve_positive"]

# Added to a unit diagonal, in turn, where rounding has made the matrix singular.
_RIDGES = (0.0, 1e-15, 1e-13, 1e-10, 1e-7, 1e-4)


@final
class PositiveFactor:
    """Cholesky factor of a symmetric positive definite matrix, scaled to a unit diagonal (the matrix is overwritten).

    The scaling makes rounding relative to each row: the matrices here have rows of very different size.
    """

    def __init__(self, matrix: FloatArray) -> None:
        from scipy.linalg.lapack import dpotrf

        self._scale = 1.0 / np.sqrt(np.maximum(matrix.diagonal(), 1e-300))
        matrix *= self._scale[:, None]
        matrix *= self._scale
        for ridge in _RIDGES:
            shifted = matrix.copy() if ridge else matrix
            shifted.flat[:: shifted.shape[0] + 1] += ridge
            # The transpose of a row-major matrix is column-major, as LAPACK wants it; the matrix is symmetric.
            self._factor, failed = dpotrf(shifted.T, lower=True, overwrite_a=bool(ridge))
            if not failed:
                return
        self._factor = np.eye(matrix.shape[0], order="F")  # the diagonal alone

    def solve(self, right_hand_side: FloatArray) -> FloatArray:
        """The solution for one right-hand side."""
        from scipy.linalg.lapack import dpotrs

        solution, _ = dpotrs(self._factor, self._scale * right_hand_side, lower=True)
        return np.asarray(self._scale * solution)


def solve_positive(matrix: FloatArray, right_hand_side: FloatArray) -> FloatArray:
    """Solve one positive definite system (the matrix is overwritten)."""
    return PositiveFactor(matrix).solve(right_hand_side)
