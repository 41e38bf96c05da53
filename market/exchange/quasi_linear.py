"""Quasi-linear utilities: a numeraire that enters linearly, and a concave part in the other goods.

    u(x) = x_0 + sum_j v_j(x_j),

with good 0 the numeraire. While income lasts, each other good is bought until its marginal worth `v_j'(x_j)` is its
price in units of the numeraire, whatever the income. A consumer who cannot afford that buys none of the numeraire, and
values money more: `v_j'(x_j) = m p_j` with the multiplier `m > 1 / p_0` at which the income is spent.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.exchange.utility import Utility, first_order_waste, read_only
from walras.market.validation import FloatArray, finite_vector, nonnegative_matrix, whole_number

__all__ = ["QuasiLinearPower", "QuasiLinearQuadratic"]


@final
@dataclass(frozen=True, eq=False)
class QuasiLinearPower(Utility):
    """Quasi-linear consumers with `v_ij(x) = weights_ij x^b_i / b_i`, or `weights_ij log x` for `b_i = 0`.

    Parameters
    ----------
    weights
        0 or more, shape (n, m); the numeraire's column must be 0.
    exponent
        b, below 1; one number for all consumers, or one for each, shape (n,). The default 0 is the logarithm.
    numeraire
        Which good enters linearly (the first by default).

    Notes
    -----
    *Corner*: a consumer whose income is short of `sum_j p_j x_j` buys each good in the same proportion less, and none
    of the numeraire. *Cost*: O(n m).

    Examples
    --------
    >>> from walras.market.exchange import QuasiLinearPower
    >>> consumers = QuasiLinearPower([[0.0, 3.0], [0.0, 3.0]])
    >>> consumers.demand(prices=[1.0, 2.0], incomes=[5.0, 2.0]).tolist()
    [[2.0, 1.5], [0.0, 1.0]]
    """

    weights: ArrayLike
    exponent: float | ArrayLike = 0.0
    numeraire: int = 0

    def __post_init__(self) -> None:
        weights = _concave_part("QuasiLinearPower", "weights", self.weights, self.numeraire)
        each = finite_vector("QuasiLinearPower.exponent", self.exponent, length=weights.shape[0], of="consumer")
        if each.max() >= 1.0:
            raise InvalidInputError(f"QuasiLinearPower.exponent must be below 1, got {each.max()}.")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "exponent", read_only(each))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        consumers, goods = np.shape(self.weights)
        return consumers, goods

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        weights, exponents = np.asarray(self.weights), np.asarray(self.exponent)[:, None]
        numeraire_price = prices[self.numeraire]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            bundles = (weights * numeraire_price / prices) ** (1.0 / (1.0 - exponents))
            bundles = np.where(weights > 0.0, bundles, 0.0)
            spent = np.where((weights > 0.0) & (prices > 0.0), bundles * prices, 0.0).sum(axis=1)
            affordable = np.where(spent > incomes, incomes / np.where(spent > 0.0, spent, 1.0), 1.0)
        finite = np.isfinite(bundles)
        bundles = np.where(finite, np.where(finite, bundles, 0.0) * affordable[:, None], bundles)
        return _with_numeraire(bundles, self.numeraire, incomes - spent, numeraire_price)

    def _utility(self, bundles: FloatArray) -> FloatArray:
        weights, exponents = np.asarray(self.weights), np.asarray(self.exponent)[:, None]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            flat = exponents == 0.0
            terms = np.where(flat, np.log(bundles), bundles**exponents / np.where(flat, 1.0, exponents))
            worth = np.where(weights > 0.0, weights * terms, 0.0).sum(axis=1)
        return np.asarray(bundles[:, self.numeraire] + worth)

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        weights, exponents = np.asarray(self.weights), np.asarray(self.exponent)[:, None]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            slopes = np.where(weights > 0.0, weights * bundles ** (exponents - 1.0), 0.0)
        slopes[:, self.numeraire] = 1.0
        return np.asarray(slopes)

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        return first_order_waste(self._gradient(bundles), prices, incomes, bundles)


@final
@dataclass(frozen=True, eq=False)
class QuasiLinearQuadratic(Utility):
    """Quasi-linear consumers with `v_ij(x) = intercepts_ij x - slopes_ij x^2 / 2`: linear demand.

    Parameters
    ----------
    intercepts
        Worth of the first unit of good j in units of the numeraire, 0 or more, shape (n, m); the numeraire's column
        must be 0.
    slopes
        How fast a unit's worth falls, above 0 for each other good, shape (n, m); the numeraire's column is ignored and
        must be 0.
    numeraire
        Which good enters linearly (the first by default).

    Notes
    -----
    Nobody wants more than `intercepts / slopes`, even of a free good. *Corner*: if income is short, goods are dropped
    in the order of `intercepts_ij / p_j`. *Cost*: O(n m log m), by sorting.

    Examples
    --------
    >>> from walras.market.exchange import QuasiLinearQuadratic
    >>> consumers = QuasiLinearQuadratic([[0.0, 10.0]], [[0.0, 2.0]])
    >>> consumers.demand(prices=[1.0, 4.0], incomes=20.0).tolist()
    [[8.0, 3.0]]
    """

    intercepts: ArrayLike
    slopes: ArrayLike
    numeraire: int = 0

    def __post_init__(self) -> None:
        intercepts = _concave_part("QuasiLinearQuadratic", "intercepts", self.intercepts, self.numeraire)
        slopes = _concave_part("QuasiLinearQuadratic", "slopes", self.slopes, self.numeraire, intercepts.shape)
        others = np.delete(slopes, self.numeraire, axis=1)
        if (others == 0.0).any():
            raise InvalidInputError("QuasiLinearQuadratic.slopes must be above 0 for each good but the numeraire.")
        object.__setattr__(self, "intercepts", intercepts)
        object.__setattr__(self, "slopes", slopes)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        consumers, goods = np.shape(self.intercepts)
        return consumers, goods

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        intercepts, slopes = self._others(np.asarray(self.intercepts)), self._others(np.asarray(self.slopes))
        other_prices = self._others(prices)
        numeraire_price = prices[self.numeraire]
        # Money is worth 1 / p_0 or more: what it buys of the numeraire (if that is free, all money is for the rest).
        multiplier = self._scarcity(intercepts, slopes, other_prices, incomes)
        if numeraire_price > 0.0:
            multiplier = np.maximum(multiplier, 1.0 / numeraire_price)
        others = np.maximum(intercepts - multiplier[:, None] * other_prices, 0.0) / slopes
        bundles = np.insert(others, self.numeraire, 0.0, axis=1)
        return _with_numeraire(bundles, self.numeraire, incomes - others @ other_prices, numeraire_price)

    @staticmethod
    def _scarcity(intercepts: FloatArray, slopes: FloatArray, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        """The multiplier m at which the other goods alone take all income, 0 if they cannot.

        Spending at m is `sum_j p_j max(intercept_j - m p_j, 0) / slope_j`: the largest of the lines that belong to sets
        of goods, here the sets of goods with the highest `intercept_j / p_j`. So its root is the largest of theirs.
        """
        dear = prices > 0.0
        if not dear.any():
            return np.zeros(incomes.shape)
        intercepts, slopes, prices = intercepts[:, dear], slopes[:, dear], prices[dear]
        order = np.argsort(-intercepts / prices, axis=1, kind="stable")
        level = np.cumsum(np.take_along_axis(prices * intercepts / slopes, order, axis=1), axis=1)
        steepness = np.cumsum(np.take_along_axis(prices * prices / slopes, order, axis=1), axis=1)
        return np.asarray(np.maximum(((level - incomes[:, None]) / steepness).max(axis=1), 0.0))

    def _others(self, array: FloatArray) -> FloatArray:
        return np.delete(array, self.numeraire, axis=-1)

    def _utility(self, bundles: FloatArray) -> FloatArray:
        intercepts, slopes = np.asarray(self.intercepts), np.asarray(self.slopes)
        worth = np.delete(intercepts * bundles - 0.5 * slopes * bundles**2, self.numeraire, axis=1).sum(axis=1)
        return np.asarray(bundles[:, self.numeraire] + worth)

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        slopes = np.asarray(self.intercepts) - np.asarray(self.slopes) * bundles
        slopes[:, self.numeraire] = 1.0
        return np.asarray(slopes)

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        free = prices == 0.0
        gradient = self._gradient(bundles)
        # Of a free good one takes until its worth is 0, which costs nothing: it does not count as money well spent.
        missed = (gradient[:, free] > 1e-9 * np.asarray(self.intercepts)[:, free].max(initial=0.0)).any(axis=1)
        if free[self.numeraire]:
            return np.ones(incomes.shape)
        kept = ~free
        bound = first_order_waste(gradient[:, kept], prices[kept], incomes, bundles[:, kept])
        return np.where(missed, 1.0, bound)


def _with_numeraire(bundles: FloatArray, numeraire: int, left: FloatArray, price: float) -> FloatArray:
    """Bundles with the income that is left spent on the numeraire."""
    bundles[:, numeraire] = np.maximum(left, 0.0) / price if price > 0.0 else np.inf
    return bundles


def _concave_part(
    owner: str, name: str, values: ArrayLike, numeraire: int, shape: tuple[int, int] | None = None
) -> FloatArray:
    """Give a matrix, 0 or more, whose column of the numeraire is 0."""
    rows, columns = shape if shape is not None else (None, None)
    matrix = nonnegative_matrix(f"{owner}.{name}", values, rows=rows, columns=columns, of=("consumer", "good"))
    good = whole_number(f"{owner}.numeraire", numeraire)
    if good >= matrix.shape[1]:
        raise InvalidInputError(f"{owner}.numeraire must be below the number of goods, {matrix.shape[1]}, got {good}.")
    if matrix[:, good].any():
        raise InvalidInputError(f"{owner}.{name} must be 0 for the numeraire, good {good}: it enters utility linearly.")
    return read_only(matrix)
