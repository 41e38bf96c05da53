"""Utilities of consumers, and what an exchange economy asks of them.

A *utility* here stands for n consumers and m goods at once: its parameters are arrays with one row per consumer. At
prices p (money per unit) and incomes w (money) it gives the demand

    x_i(p, w_i) = argmax u_i(x)    subject to    p.x <= w_i,  x >= 0,

the utility of bundles, and a proof of optimality that does not use the demand: the *waste*,

    waste_i = 1 - e_i(p, u_i(x_i)) / w_i,

where `e_i(p, u)` is the least money that buys the utility u at prices p (the expenditure function). It is the share of
its income with which consumer i could do as well as it does; 0 if and only if its bundle is the best that it can
afford, whatever numbers measure utility. Where there is no closed form for `e`, a bound to first order stands for it,
which for concave utility is exact at the optimum: with marginal utilities g and `best = max_j g_j / p_j`,

    waste_i <= 1 - g.x_i / (best * w_i).

A kind of one's own is a subclass of `Utility` that gives `shape`, `_demand`, `_utility` and `_waste`.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InfeasibleError, InvalidInputError, NotDifferentiableError
from walras.market.validation import FloatArray, finite_matrix, finite_vector, nonnegative_matrix, nonnegative_vector

__all__ = ["Utility", "checked_prices", "checked_weights", "first_order_waste", "income_share", "read_only"]

_DIFFERENCE = 6e-6  # cube root of the rounding error: balances it against the error of central differences


class Utility(ABC):
    """Base of utilities: what n consumers want of m goods."""

    #: Whether consumption may be of either sign (it may not, except in linear-quadratic models).
    signed: ClassVar[bool] = False
    #: Whether a consumer may have enough of everything, and leave income unspent.
    satiable: ClassVar[bool] = False
    #: Whether demand is a function of prices; linear utility has a set of best bundles instead.
    single_valued: ClassVar[bool] = True
    #: Whether demand is known where some good is free.
    takes_free_goods: ClassVar[bool] = True

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""

    def demand(self, prices: ArrayLike, incomes: ArrayLike) -> FloatArray:
        """Give the best bundle that each consumer can afford, shape (n, m).

        Parameters
        ----------
        prices
            Money per unit, 0 or more and not all 0, shape (m,).
        incomes
            Money of each consumer, 0 or more (of either sign where consumption is), shape (n,) or a number for all.

        Returns
        -------
        FloatArray
            Units; infinite where a free good is wanted without bound.

        Raises
        ------
        InvalidInputError
            Bad prices or incomes.
        InfeasibleError
            A negative income where consumption cannot be negative: nothing is affordable.
        """
        consumers, goods = self.shape
        return self._demand(checked_prices(prices, goods), self._incomes(incomes, consumers))

    def utility(self, bundles: ArrayLike) -> FloatArray:
        """Give each consumer's utility of its bundle, shape (n,).

        Parameters
        ----------
        bundles
            Units of each good, shape (n, m); 0 or more, unless consumption may be of either sign.
        """
        return self._utility(self._bundles(bundles))

    def indirect_utility(self, prices: ArrayLike, incomes: ArrayLike) -> FloatArray:
        """Give the utility of the best affordable bundles, shape (n,), for prices and incomes as in `demand`."""
        with np.errstate(all="ignore"):
            return self._utility(self.demand(prices, incomes))

    def marginal_utilities(self, bundles: ArrayLike) -> FloatArray:
        """Give the derivative of each consumer's utility by each good, shape (n, m), at bundles as in `utility`.

        Raises
        ------
        NotDifferentiableError
            For Leontief utility, which has kinks wherever it matters, and for consumers known by their demand only.
        """
        return self._gradient(self._bundles(bundles))

    def waste(self, prices: ArrayLike, incomes: ArrayLike, bundles: ArrayLike) -> FloatArray:
        """Give the share of each income with which the consumer could do as well, shape (n,); the header defines it.

        Parameters
        ----------
        prices, incomes
            As in `demand`.
        bundles
            Units of each good, shape (n, m), whether affordable or not.
        """
        consumers, goods = self.shape
        return self._waste(checked_prices(prices, goods), self._incomes(incomes, consumers), self._bundles(bundles))

    @abstractmethod
    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        """Demand, from checked arrays."""

    @abstractmethod
    def _utility(self, bundles: FloatArray) -> FloatArray:
        """Utility, from checked arrays."""

    @abstractmethod
    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        """Waste, from checked arrays; by other means than `_demand`."""

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        """Marginal utilities, from checked arrays."""
        raise NotDifferentiableError(f"{type(self).__name__} has no marginal utilities.")

    def _total_demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        """Sum of demands over consumers, shape (m,)."""
        return np.asarray(self._demand(prices, incomes).sum(axis=0))

    def _jacobian(self, prices: FloatArray, claims: FloatArray) -> FloatArray:
        """Derivative of total demand (rows) by prices (columns), incomes being `claims @ prices`, shape (m, m)."""
        columns = []
        for good, price in enumerate(prices):
            step = _DIFFERENCE * (price if price > 0.0 else float(prices.max()))
            up, down = prices.copy(), prices.copy()
            up[good], down[good] = price + step, max(price - step, 0.0)
            difference = self._total_demand(up, claims @ up) - self._total_demand(down, claims @ down)
            columns.append(difference / (up[good] - down[good]))
        return np.stack(columns, axis=1)  # m vectors (m,) -> (m, m), one column per price

    def _bundles(self, bundles: ArrayLike) -> FloatArray:
        consumers, goods = self.shape
        check = finite_matrix if self.signed else nonnegative_matrix
        return check("bundles", bundles, rows=consumers, columns=goods, of=("consumer", "good"))

    def _incomes(self, incomes: ArrayLike, consumers: int) -> FloatArray:
        vector = finite_vector("incomes", incomes, length=consumers, of="consumer")
        if not self.signed and vector.min() < 0.0:
            poorest = int(np.argmin(vector))
            raise InfeasibleError(
                f"incomes must be 0 or more, or nothing is affordable: consumer {poorest} has {vector[poorest]:g}."
            )
        return vector


def checked_prices(prices: ArrayLike, goods: int) -> FloatArray:
    """Give prices as a vector, 0 or more and not all 0; raise `InvalidInputError` if they are not."""
    vector = nonnegative_vector("prices", prices, length=goods, of="good")
    if not vector.any():
        raise InvalidInputError("prices must not all be 0: relative prices are what matters.")
    return vector


def checked_weights(name: str, weights: ArrayLike) -> FloatArray:
    """Give a read-only matrix of weights, 0 or more, each consumer wanting some good."""
    matrix = nonnegative_matrix(name, weights, of=("consumer", "good"))
    idle = np.flatnonzero(~matrix.any(axis=1))
    if idle.size:
        raise InvalidInputError(f"{name} must have an entry above 0 in each row: row {idle[0]} is all 0.")
    return read_only(matrix)


def read_only(array: FloatArray) -> FloatArray:
    """Give `array`, from now on not to be written to."""
    array.setflags(write=False)
    return array


def income_share(money: FloatArray, incomes: FloatArray) -> FloatArray:
    """`money / incomes`; 0 for consumers without income."""
    return np.asarray(np.where(incomes > 0.0, money / np.where(incomes > 0.0, incomes, 1.0), 0.0))


def first_order_waste(gradient: FloatArray, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
    """Bound the waste by marginal utilities; the module's header says how. 1 where something wanted is not had."""
    with np.errstate(all="ignore"):
        best = (gradient / prices).max(axis=1)
        worth = np.where(bundles > 0.0, gradient * bundles, 0.0).sum(axis=1) / best
    worth = np.where(np.isfinite(worth) & np.isfinite(best), worth, 0.0)
    # Who wants nothing more of anything (no marginal utility above 0) has the best of all bundles.
    return np.asarray(np.where(best > 0.0, np.maximum(income_share(incomes - worth, incomes), 0.0), 0.0))
