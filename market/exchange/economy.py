"""The exchange economy: consumers who own goods and trade them at common prices.

Consumer i owns the endowment `e_i` and, at prices p, has the income `w_i = p.e_i`, which buys its demand `x_i(p, w_i)`.
*Excess demand* is

    z(p) = sum_i x_i(p, p.e_i) - sum_i e_i.

It does not change when all prices are multiplied by one number (homogeneity of degree 0), and its value is 0 at all
prices (Walras' law: `p.z(p) = 0`, as each consumer spends its income). An *equilibrium* is a price vector with
`z_j(p) <= 0` for each good, and `p_j = 0` if the inequality is strict.

*Transfers* T (units of a good, the numeraire, adding up to 0) change incomes to `w_i = p.e_i + T_i p_numeraire`, and
leave the rest as it is.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.exchange.certificate import ExchangeCertificate, certify_exchange
from walras.market.exchange.user_given import DemandFunction
from walras.market.exchange.utility import Utility, checked_prices, read_only
from walras.market.properties import Property
from walras.market.validation import (
    FloatArray,
    finite_matrix,
    finite_vector,
    nonnegative_matrix,
    nonnegative_number,
    positive_number,
    positive_vector,
    whole_number,
)

__all__ = ["ExchangeEconomy"]

# Money and goods must stay between these, so that sums and ratios of them are numbers.
_LARGEST, _SMALLEST = 1e150, 1e-150


@final
@dataclass(frozen=True, eq=False)
class ExchangeEconomy:
    """Consumers with utilities and endowments.

    Parameters
    ----------
    utilities
        A `Utility` for all consumers, or a tuple of them for consumers of several kinds, in the order of the rows of
        `endowments`.
    endowments
        Units of each good that each consumer owns, 0 or more, some of each good, shape (n, m).
    transfers
        Lump-sum transfers to consumers (units of the numeraire, of either sign, adding up to 0), shape (n,). None: 0.
    numeraire
        The good in whose units transfers are paid (the first by default).

    Notes
    -----
    Arrays are copied and read-only. *Cost*: total demand of n consumers for m goods is O(n m).

    Examples
    --------
    >>> from walras.market.exchange import CobbDouglas, ExchangeEconomy, Newton
    >>> economy = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), endowments=[[1.0, 2.0], [2.0, 1.0]])
    >>> Newton().solve(economy).require().prices.round(12).tolist()
    [0.25, 0.75]
    """

    utilities: Utility | tuple[Utility, ...]
    endowments: ArrayLike
    transfers: ArrayLike | None = None
    numeraire: int = 0

    def __post_init__(self) -> None:
        utilities = _checked_utilities(self.utilities)
        consumers, goods = sum(each.shape[0] for each in utilities), utilities[0].shape[1]
        name = "ExchangeEconomy.endowments"
        of = ("consumer", "good")
        check = finite_matrix if all(each.signed for each in utilities) else nonnegative_matrix
        endowments = check(name, self.endowments, rows=consumers, columns=goods, of=of)
        with np.errstate(over="ignore"):
            supplies = endowments.sum(axis=0)
        if not ((supplies > _SMALLEST) & (supplies < _LARGEST)).all():
            good = int(np.flatnonzero(~((supplies > _SMALLEST) & (supplies < _LARGEST)))[0])
            raise InvalidInputError(
                f"{name} must add up, for each good, to something above 0 (between {_SMALLEST:g} and {_LARGEST:g}): of "
                f"good {good} there is {supplies[good]:g}."
            )
        numeraire = whole_number("ExchangeEconomy.numeraire", self.numeraire)
        if numeraire >= goods:
            raise InvalidInputError(
                f"ExchangeEconomy.numeraire must be below the number of goods, {goods}, got {numeraire}."
            )
        object.__setattr__(self, "utilities", utilities)
        object.__setattr__(self, "endowments", read_only(endowments))
        object.__setattr__(self, "numeraire", numeraire)
        object.__setattr__(self, "transfers", self._checked_transfers(consumers, float(supplies[numeraire])))

    def _checked_transfers(self, consumers: int, supply: float) -> FloatArray:
        given = 0.0 if self.transfers is None else self.transfers
        transfers = finite_vector("ExchangeEconomy.transfers", given, length=consumers, of="consumer")
        total = math.fsum(transfers)
        if abs(total) > 1e-9 * max(supply, float(np.abs(transfers).max())):
            raise InvalidInputError(
                f"ExchangeEconomy.transfers must add up to 0, got {total:g}: what some receive, others pay."
            )
        return read_only(transfers)

    # -- what there is ---------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        consumers, goods = np.shape(self.endowments)
        return consumers, goods

    @cached_property
    def supplies(self) -> FloatArray:
        """Units of each good that there are, shape (m,)."""
        return read_only(np.asarray(self.endowments).sum(axis=0))

    @cached_property
    def claims(self) -> FloatArray:
        """Endowments with transfers added in the numeraire: incomes are `claims @ prices`, shape (n, m)."""
        claims = np.array(self.endowments)
        claims[:, self.numeraire] += np.asarray(self.transfers)
        return read_only(claims)

    @cached_property
    def groups(self) -> tuple[tuple[Utility, slice], ...]:
        """Each utility with the rows of its consumers."""
        ends = np.cumsum([each.shape[0] for each in self._utilities]).tolist()
        return tuple((each, slice(end - each.shape[0], end)) for each, end in zip(self._utilities, ends, strict=True))

    @property
    def _utilities(self) -> tuple[Utility, ...]:
        return self.utilities if isinstance(self.utilities, tuple) else (self.utilities,)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What the Walrasian mechanism has: each consumer reports its utility and gets its bundle in an equilibrium.

        It is not strategy-proof: who reports to want less of what others own can turn prices in its favour. Consumers
        who pay transfers may be worse off than without trade. Who may have enough of everything need not spend its
        income, so that Walras' law, and what rests on it, is not claimed; nor is anything that needs a utility where
        consumers are known by their demand only.
        """
        always = {Property.HOMOGENEOUS, Property.COMPLEMENTARY_SLACKNESS}
        if not any(each.signed for each in self._utilities):
            always.add(Property.FEASIBLE)
        if any(isinstance(each, DemandFunction) for each in self._utilities):
            return frozenset({Property.FEASIBLE, Property.COMPLEMENTARY_SLACKNESS} & always)
        if any(each.satiable for each in self._utilities):
            return frozenset(always)
        always |= {Property.WALRAS_LAW, Property.PARETO_EFFICIENT}
        if not np.asarray(self.transfers).any():
            always |= {Property.INDIVIDUALLY_RATIONAL, Property.IN_THE_CORE}
        return frozenset(always)

    # -- functions of prices ---------------------------------------------------------------------------------------

    def incomes(self, prices: ArrayLike) -> FloatArray:
        """Give each consumer's income (money), transfers included, shape (n,).

        Parameters
        ----------
        prices
            Money per unit, 0 or more and not all 0, shape (m,).
        """
        return np.asarray(self.claims @ checked_prices(prices, self.shape[1]))

    def demand(self, prices: ArrayLike) -> FloatArray:
        """Give each consumer's demand (units) at prices as in `incomes`, shape (n, m).

        Returns
        -------
        FloatArray
            Infinite where a free good is wanted without bound.

        Raises
        ------
        InvalidInputError
            Bad prices.
        InfeasibleError
            A consumer who cannot pay its transfer at these prices.
        """
        vector = checked_prices(prices, self.shape[1])
        return self._demand(vector, self._affordable(vector))

    def excess_demand(self, prices: ArrayLike) -> FloatArray:
        """Give total demand less what there is (units), shape (m,), at prices as in `incomes`.

        Raises
        ------
        InvalidInputError, InfeasibleError
            As in `demand`.

        Notes
        -----
        *Cost*: O(n m), without forming the matrix of demands where the utility allows it.
        """
        vector = checked_prices(prices, self.shape[1])
        return self._excess(vector, self._affordable(vector))

    def indirect_utility(self, prices: ArrayLike) -> FloatArray:
        """Give the utility that each consumer reaches at prices as in `incomes`, shape (n,)."""
        return self.utility(self.demand(prices))

    def utility(self, allocation: ArrayLike) -> FloatArray:
        """Give each consumer's utility of its bundle, shape (n,).

        Parameters
        ----------
        allocation
            Units of each good for each consumer, shape (n, m); infinite entries will do.
        """
        consumers, goods = self.shape
        array = np.asarray(allocation)
        unbounded = array.dtype.kind == "f" and np.isposinf(array).any()
        if not unbounded:
            array = finite_matrix("allocation", allocation, rows=consumers, columns=goods, of=("consumer", "good"))
            self._check_signs(array)
        with np.errstate(all="ignore"):
            return np.concatenate([utility._utility(array[rows]) for utility, rows in self.groups])

    def jacobian(self, prices: ArrayLike) -> FloatArray:
        """Give the derivative of each good's excess demand (rows) by each price (columns), shape (m, m).

        Closed form for Cobb-Douglas, CES, Leontief and linear-quadratic consumers; central differences for others.

        Parameters
        ----------
        prices
            Money per unit, above 0, shape (m,).

        Raises
        ------
        NotDifferentiableError
            For linear consumers.
        """
        vector = positive_vector("prices", prices, length=self.shape[1], of="good")
        self._affordable(vector)
        return self._jacobian(vector)

    # -- checks ----------------------------------------------------------------------------------------------------

    def walras_residual(self, prices: ArrayLike) -> float:
        """Give `|p.z(p)| / p.e`, which Walras' law says is 0, at prices above 0, shape (m,)."""
        vector = positive_vector("prices", prices, length=self.shape[1], of="good")
        return float(abs(vector @ self.excess_demand(vector)) / (vector @ self.supplies))

    def homogeneity_residual(self, prices: ArrayLike, factor: float = 2.0) -> float:
        """Give the largest change of excess demand, as a fraction of what there is, if prices are multiplied.

        Parameters
        ----------
        prices
            Money per unit, above 0, shape (m,).
        factor
            By which all prices are multiplied, above 0.
        """
        vector = positive_vector("prices", prices, length=self.shape[1], of="good")
        factor = positive_number("factor", factor)
        change = self.excess_demand(factor * vector) - self.excess_demand(vector)
        return float((np.abs(change) / self.supplies).max())

    def gross_substitutes(self, prices: ArrayLike, tolerance: float = 1e-9) -> bool:
        """Tell whether, at these prices, no good's excess demand falls when another's price rises.

        If that holds at all prices, the equilibrium is unique and tâtonnement finds it.

        Parameters
        ----------
        prices
            Money per unit, above 0, shape (m,).
        tolerance
            Largest fall that counts as 0: a fraction of the supply, per unit of the logarithm of the price.

        Notes
        -----
        *Source*: Arrow, Block and Hurwicz 1959.
        """
        vector = positive_vector("prices", prices, length=self.shape[1], of="good")
        tolerance = nonnegative_number("tolerance", tolerance)
        elastic = self.jacobian(vector) * vector / self.supplies[:, None]
        np.fill_diagonal(elastic, 0.0)
        return bool(elastic.min() >= -tolerance)

    def certify(self, prices: ArrayLike, allocation: ArrayLike) -> ExchangeCertificate:
        """Certify prices and an allocation from anywhere: another solver, a guess, an experiment.

        Parameters
        ----------
        prices
            Money per unit, shape (m,).
        allocation
            Units, shape (n, m).

        Raises
        ------
        InvalidInputError
            NaN or infinite entries, or shapes that do not fit. Negative ones are measured, not refused.
        """
        consumers, goods = self.shape
        vector = finite_vector("prices", prices, length=goods, of="good")
        matrix = finite_matrix("allocation", allocation, rows=consumers, columns=goods, of=("consumer", "good"))
        return certify_exchange(self, vector, matrix)

    # -- kernels, which solvers call -------------------------------------------------------------------------------

    def _affordable(self, prices: FloatArray) -> FloatArray:
        """Incomes; an error if one is negative whose consumption cannot be."""
        incomes = np.asarray(self.claims @ prices)
        bad = self._insolvent(incomes)
        if bad is not None:
            raise InfeasibleError(
                f"prices must let each consumer pay its transfer: at {prices.tolist()} consumer {bad} has the income "
                f"{incomes[bad]:g}."
            )
        return incomes

    def _insolvent(self, incomes: FloatArray) -> int | None:
        """The first consumer with a negative income who may not consume negative amounts."""
        if incomes.min() >= 0.0:
            return None
        for utility, rows in self.groups:
            if not utility.signed and incomes[rows].min() < 0.0:
                return int(rows.start) + int(np.argmin(incomes[rows]))
        return None

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        return np.concatenate([utility._demand(prices, incomes[rows]) for utility, rows in self.groups])

    def _excess(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        total = -self.supplies
        for utility, rows in self.groups:
            total = total + utility._total_demand(prices, incomes[rows])
        return np.asarray(total)

    def _jacobian(self, prices: FloatArray) -> FloatArray:
        total = np.zeros((prices.size, prices.size))
        for utility, rows in self.groups:
            total += utility._jacobian(prices, self.claims[rows])
        return total

    def _trial_excess(self, prices: FloatArray) -> FloatArray:
        """Excess demand, NaN where it does not exist: what a solver needs while it searches."""
        with np.errstate(all="ignore"):
            incomes = np.asarray(self.claims @ prices)
            if not np.isfinite(incomes).all() or self._insolvent(incomes) is not None or not (prices > 0.0).any():
                return np.full(prices.size, np.nan)
            if not prices.all() and not all(utility.takes_free_goods for utility, _ in self.groups):
                return np.full(prices.size, np.nan)
            return self._excess(prices, incomes)

    def _check_signs(self, allocation: FloatArray) -> None:
        for utility, rows in self.groups:
            if not utility.signed and allocation[rows].min() < 0.0:
                consumer, good = np.argwhere(allocation[rows] < 0.0)[0].tolist()
                raise InvalidInputError(
                    f"allocation must be 0 or more: entry {(consumer + rows.start, good)} is "
                    f"{allocation[rows][consumer, good]}."
                )


def _checked_utilities(utilities: object) -> tuple[Utility, ...]:
    given = utilities if isinstance(utilities, tuple | list) else (utilities,)
    if not given or not all(isinstance(each, Utility) for each in given):
        raise InvalidInputError(
            "ExchangeEconomy.utilities must be a Utility, for example CobbDouglas(weights), or a tuple of them; got "
            f"{utilities!r}."
        )
    goods = [each.shape[1] for each in given]
    if len(set(goods)) > 1:
        raise InvalidInputError(f"ExchangeEconomy.utilities must agree on the number of goods, got {goods}.")
    return tuple(given)
