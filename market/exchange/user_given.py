"""Consumers that are given by functions: of demand, or of utility."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError, NotDifferentiableError
from walras.market.exchange.best_bundle import best_bundle
from walras.market.exchange.utility import Utility, first_order_waste, income_share
from walras.market.validation import FloatArray, finite_matrix, finite_number, finite_vector, whole_number

__all__ = ["DemandFunction", "GivenUtility"]

BundleFunction: TypeAlias = Callable[[FloatArray], object]


@final
@dataclass(frozen=True, eq=False)
class DemandFunction(Utility):
    """Consumers that are known by their demand alone.

    Parameters
    ----------
    function
        Takes prices (m,) and incomes (n,), gives the bundles (n, m). It should spend each income, and not change when
        prices and incomes are multiplied by one number: `ExchangeEconomy` can measure both.
    consumers, goods
        n and m.

    Notes
    -----
    There is no utility to be measured (`utility` gives NaN), and a certificate can only say how far bundles are from
    what the function gives. *Cost*: one call of the function.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.market.exchange import DemandFunction
    >>> halves = DemandFunction(lambda prices, incomes: np.outer(incomes, 0.5 / prices), consumers=1, goods=2)
    >>> halves.demand(prices=[1.0, 2.0], incomes=4.0).tolist()
    [[2.0, 1.0]]
    """

    function: Callable[[FloatArray, FloatArray], ArrayLike]
    consumers: int
    goods: int

    def __post_init__(self) -> None:
        _check_callable("DemandFunction.function", self.function)
        for name in ("consumers", "goods"):
            whole_number(f"DemandFunction.{name}", getattr(self, name), minimum=1)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        return self.consumers, self.goods

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        given = self.function(prices.copy(), incomes.copy())
        return finite_matrix(
            "What DemandFunction.function gives",
            given,
            rows=self.consumers,
            columns=self.goods,
            of=("consumer", "good"),
        )

    def _utility(self, bundles: FloatArray) -> FloatArray:
        return np.full(self.consumers, np.nan)

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        return income_share(np.abs(bundles - self._demand(prices, incomes)) @ prices, incomes)


@final
@dataclass(frozen=True, eq=False)
class GivenUtility(Utility):
    """Consumers with a utility function of one's own, maximised numerically.

    Parameters
    ----------
    functions
        One function per consumer: a bundle (m,) to a number. It must be concave, or at least quasi-concave, and finite
        wherever all quantities are above 0.
    goods
        m.
    gradients
        Marginal utilities of each consumer: a bundle (m,) to a vector (m,), in the same form as `functions`. None:
        central differences, which cost 2 m calls and half of the digits.

    Notes
    -----
    Demand is found by `best_bundle`, to about 1e-9 of the income with gradients. *Cost*: some hundred calls of each
    function for each demand: for small economies. The waste is a bound to first order, exact for concave utility.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.market.exchange import GivenUtility
    >>> own = GivenUtility([lambda x: np.sqrt(x[0]) + x[1] ** 0.5], goods=2, gradients=[lambda x: 0.5 / np.sqrt(x)])
    >>> own.demand(prices=[1.0, 2.0], incomes=6.0).round(6).tolist()
    [[4.0, 1.0]]
    """

    takes_free_goods: ClassVar[bool] = False

    functions: tuple[BundleFunction, ...] | list[BundleFunction]
    goods: int
    gradients: tuple[BundleFunction, ...] | list[BundleFunction] | None = None

    def __post_init__(self) -> None:
        functions = _callables("GivenUtility.functions", self.functions)
        whole_number("GivenUtility.goods", self.goods, minimum=1)
        object.__setattr__(self, "functions", functions)
        if self.gradients is not None:
            gradients = _callables("GivenUtility.gradients", self.gradients)
            if len(gradients) != len(functions):
                raise InvalidInputError(
                    f"GivenUtility.gradients must have one entry per consumer: expected {len(functions)}, got "
                    f"{len(gradients)}."
                )
            object.__setattr__(self, "gradients", gradients)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        return len(self.functions), self.goods

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        if not prices.all():
            raise InvalidInputError("prices must be above 0 where utility is maximised numerically.")
        rows = [
            best_bundle(partial(self._value, consumer), partial(self._slope, consumer), prices, float(income))
            for consumer, income in enumerate(incomes)
        ]
        return np.stack(rows)  # n vectors (m,) -> (n, m)

    def _utility(self, bundles: FloatArray) -> FloatArray:
        return np.array([self._value(consumer, bundle) for consumer, bundle in enumerate(bundles)])

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        return np.stack([self._slope(consumer, bundle) for consumer, bundle in enumerate(bundles)])

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        return first_order_waste(self._gradient(bundles), prices, incomes, bundles)

    def _value(self, consumer: int, bundle: FloatArray) -> float:
        with np.errstate(all="ignore"):
            value = self.functions[consumer](bundle.copy())
        number = np.asarray(value, dtype=np.float64) if not isinstance(value, str) else np.asarray(np.nan)
        if number.ndim != 0 or np.isnan(number):
            finite_number("What GivenUtility.functions gives", value)
            raise InvalidInputError(f"What GivenUtility.functions gives must be a number, got {value!r}.")
        return float(number)

    def _slope(self, consumer: int, bundle: FloatArray) -> FloatArray:
        if self.gradients is None:
            return self._differences(consumer, bundle)
        with np.errstate(all="ignore"):
            given = np.asarray(self.gradients[consumer](bundle.copy()), dtype=np.float64)
        # At quantity 0 marginal utility may be infinite; anything else must be a number.
        checked = np.where(np.isposinf(given) & (bundle == 0.0), 0.0, given) if given.shape == bundle.shape else given
        finite_vector("What GivenUtility.gradients gives", checked, length=self.goods, of="good")
        return given

    def _differences(self, consumer: int, bundle: FloatArray) -> FloatArray:
        slopes = np.empty(self.goods)
        for good in range(self.goods):
            step = 6e-6 * max(float(bundle[good]), 1e-3 * float(bundle.max()), 1e-300)
            up, down = bundle.copy(), bundle.copy()
            up[good], down[good] = bundle[good] + step, max(bundle[good] - step, 0.0)
            rise = self._value(consumer, up) - self._value(consumer, down)
            slopes[good] = rise / (up[good] - down[good])
        if np.isnan(slopes).any():
            raise NotDifferentiableError(f"GivenUtility.functions[{consumer}] has no slope at {bundle.tolist()}.")
        return slopes


def _check_callable(name: str, function: object) -> None:
    if not callable(function):
        raise InvalidInputError(f"{name} must be a function, got {function!r}.")


def _callables(name: str, functions: object) -> tuple[BundleFunction, ...]:
    if not isinstance(functions, tuple | list) or not functions:
        raise InvalidInputError(f"{name} must be a tuple or list of functions, one per consumer, got {functions!r}.")
    for place, function in enumerate(functions):
        _check_callable(f"{name}[{place}]", function)
    return tuple(functions)
