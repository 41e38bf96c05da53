"""The Fisher market: buyers with budgets, goods in fixed supply, and prices at which the money buys it all.

Buyer i has the budget `B_i` and no other use for money; good j has the supply `s_j`. Prices p and an allocation x are
an *equilibrium* if each `x_i` maximises `u_i` among the bundles that cost at most `B_i`, and all goods are sold (those
of price 0 may be left over). For the utilities of `utility.py`, equilibria are the solutions of the convex programme of
Eisenberg and Gale,

    max sum_i B_i log u_i(x_i)    subject to    sum_i x_ij <= s_j,    x >= 0,

and prices are its multipliers: equilibrium maximises the product of utilities to the power of budgets (Nash welfare).
With equal budgets nobody prefers another's bundle: competitive equilibrium from equal incomes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.errors import InvalidInputError
from walras.market.fisher.certificate import FisherCertificate, certify_equilibrium
from walras.market.fisher.equilibrium import FisherEquilibrium, FisherStatus
from walras.market.fisher.interior_point import linear_equilibrium
from walras.market.fisher.leontief import leontief_equilibrium
from walras.market.fisher.newton import log_or_lowest, newton_equilibrium, spend
from walras.market.fisher.proportional_response import complements_round, substitutes_round
from walras.market.fisher.table import Table, is_sparse, read_valuations
from walras.market.fisher.utility import (
    CESUtility,
    CobbDouglasUtility,
    FisherUtility,
    LeontiefUtility,
    LinearUtility,
    log_utilities,
)
from walras.market.properties import Property
from walras.market.validation import (
    FloatArray,
    finite_matrix,
    finite_vector,
    nonnegative_number,
    positive_number,
    positive_vector,
    whole_number,
)

__all__ = ["FisherMarket"]

_ALWAYS = frozenset(
    {
        Property.FEASIBLE,
        Property.CONSERVES,
        Property.INDIVIDUALLY_RATIONAL,
        Property.WEAKLY_BUDGET_BALANCED,
        Property.SCALE_FREE,
        Property.PARETO_EFFICIENT,
        Property.COMPLEMENTARY_SLACKNESS,
    }
)

# Share of all money below which what is spent on a good cannot be told from nothing.
_LEAST_REVENUE = 1e-300


@final
@dataclass(frozen=True)
class FisherMarket:
    """The rules of a Fisher market: who has how much money, what is for sale, and which utility bids are read as.

    Parameters
    ----------
    budgets
        Money of each buyer, above 0, shape (n,).
    supplies
        Units of each good, above 0: one number for every good (1 by default), or one per good, shape (m,).
    utility
        `LinearUtility()` (the default), `CESUtility(rho)`, `CobbDouglasUtility()` or `LeontiefUtility()`.

    Examples
    --------
    >>> from walras.market.fisher import FisherMarket
    >>> market = FisherMarket(budgets=[60.0, 40.0])
    >>> equilibrium = market.equilibrium([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]]).require()
    >>> (23 * equilibrium.prices).round(9).tolist()
    [1200.0, 600.0, 500.0]
    >>> equilibrium.allocation.round(9).tolist()
    [[1.0, 0.3, 0.0], [0.0, 0.7, 1.0]]
    """

    budgets: tuple[float, ...] | ArrayLike
    supplies: float | tuple[float, ...] | ArrayLike = 1.0
    utility: FisherUtility = field(default_factory=LinearUtility)

    def __post_init__(self) -> None:
        # Stored as tuples (a float), so that two equal markets compare and hash as equal.
        budgets = positive_vector("FisherMarket.budgets", self.budgets, of="buyer")
        if np.asarray(self.supplies, dtype=object).ndim == 0:
            supplies: float | tuple[float, ...] = positive_number("FisherMarket.supplies", self.supplies)
        else:
            supplies = tuple(positive_vector("FisherMarket.supplies", self.supplies, of="good").tolist())
        if not isinstance(self.utility, FisherUtility):
            raise InvalidInputError(f"FisherMarket.utility must be one of {FisherUtility}, got {self.utility!r}.")
        if isinstance(self.utility, CESUtility):
            self.utility.each_rho(budgets.size)
        with np.errstate(over="ignore"):
            largest = float(np.sum(budgets)) / float(np.min(supplies))
        if not math.isfinite(largest):
            raise InvalidInputError(
                "FisherMarket.budgets and FisherMarket.supplies must keep prices within the range of floats: all the "
                f"money for the scarcest good would be {largest} per unit. Choose other units."
            )
        object.__setattr__(self, "budgets", tuple(budgets.tolist()))
        object.__setattr__(self, "supplies", supplies)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What the mechanism has, valuations being the bids.

        With equal budgets it is also free of envy, and anonymous (unless buyers differ in `CESUtility.rho`). It is not
        strategy-proof: a buyer can gain by hiding what it values. Efficiency in the sense of the largest *sum* of
        utilities is not claimed either: they have no common unit. It maximises Nash welfare.
        """
        budgets = np.asarray(self.budgets)
        alike = bool(np.all(budgets == budgets[0]))
        same_kind = not (isinstance(self.utility, CESUtility) and isinstance(self.utility.rho, tuple))
        extra = {Property.ENVY_FREE} if alike else set()
        return _ALWAYS | extra | ({Property.ANONYMOUS} if alike and same_kind else set())

    def equilibrium(
        self, valuations: ArrayLike | Any, *, tolerance: float = 1e-9, max_iterations: int = 1000
    ) -> FisherEquilibrium:
        """Find the equilibrium: exactly where finitely many steps can, else to rounding.

        Parameters
        ----------
        valuations
            `v_ij >= 0` of buyer i for good j in the sense of the utility, shape (n, m), dense or SciPy sparse. Each
            buyer's own scale is irrelevant to prices and allocation (with CES and linear utilities, to spending shares
            too).
        tolerance
            Duality gap, as a fraction of all money, above which the status says `NOT_CONVERGED`.
        max_iterations
            Most Newton steps.

        Returns
        -------
        FisherEquilibrium
            Prices, allocation, spending, utilities, status and certificate.

        Raises
        ------
        InvalidInputError
            Entries that are negative, NaN or infinite, shapes that do not fit, or a buyer that values nothing; or CES
            buyers so near to Leontief that what is spent on some good leaves the range of floats.

        Notes
        -----
        A good that nobody values has the price 0 and is left over.

        *Ties*: where linear buyers are indifferent and the allocation is not unique, the one with the largest entropy
        of spending is given (the limit of CES utilities as rho -> 1), so that equals are treated equally. Bangs per
        buck that agree to 1e-11 count as equal. Leontief buyers get no more of a good than they use; where prices are
        not unique, those given are above 0 wherever some equilibrium's are.

        *Cost*: closed form for Cobb-Douglas; otherwise O(n m^2 + m^3) for each of some ten to forty steps, or with
        sparse valuations the sum of squares of goods per buyer in place of n m^2; memory O(n m + m^2), sparse O(number
        of pairs + m^2).

        *Source*: Eisenberg and Gale 1959; Eisenberg 1961 for homogeneous utilities.
        """
        table, budgets, supplies = self._read(valuations)
        tolerance = nonnegative_number("tolerance", tolerance)
        max_iterations = whole_number("max_iterations", max_iterations, minimum=1)
        sold = table.good_maxima(table.values) > 0.0
        answer = self._solve(table.restricted(sold), supplies[sold], budgets / math.fsum(budgets), max_iterations)
        return self._settle((table, budgets, supplies), sold, answer, tolerance)

    def proportional_response(
        self, valuations: ArrayLike | Any, *, tolerance: float = 1e-6, max_rounds: int = 100_000
    ) -> FisherEquilibrium:
        """Let buyers respond to what they got, round after round, until the duality gap is at most `tolerance`.

        Each round costs a few passes over the valuations and no more memory than they take. The formulas are in
        the header of `walras.market.fisher.proportional_response`. The gap is computed in rounds 1, 2, 4, 8, ... and
        every 256th from there on.

        Parameters
        ----------
        valuations
            As in `equilibrium`.
        tolerance
            Duality gap, as a fraction of all money, at which to stop.
        max_rounds
            Most rounds.

        Returns
        -------
        FisherEquilibrium
            With the status `APPROXIMATE`, or `NOT_CONVERGED` after `max_rounds`. Prices are the money bid for each good
            over its supply, so that goods are sold and budgets spent exactly, whatever the round.

        Raises
        ------
        InvalidInputError
            As in `equilibrium`.

        Notes
        -----
        *Ties*: from the start, budgets spread in proportion to valuations, equals stay equal; where the allocation is
        not unique, the one reached depends on the start.

        *Cost*: O(n m) a round (sparse: O(number of pairs)). Some hundreds of rounds for a gap of 1e-4; linear
        buyers need the more rounds the nearer they are to indifference.

        *Source*: Zhang 2011; Birnbaum, Devanur and Xiao 2011; Cheung, Cole and Tao 2018.
        """
        table, budgets, supplies = self._read(valuations)
        tolerance = nonnegative_number("tolerance", tolerance)
        max_rounds = whole_number("max_rounds", max_rounds, minimum=1)
        sold = table.good_maxima(table.values) > 0.0
        active = table.restricted(sold)
        bids, respond = self._response(active, supplies[sold], budgets / math.fsum(budgets))
        rounds, check = 0, 1
        while True:
            bids = respond(bids)
            rounds += 1
            if rounds < check and rounds < max_rounds:
                continue
            check = rounds + min(rounds, 256)
            revenue = active.good_sums(bids)
            answer = revenue, bids / active.by_good(revenue), rounds, FisherStatus.APPROXIMATE
            found = self._settle((table, budgets, supplies), sold, answer, tolerance)
            if found.status is FisherStatus.APPROXIMATE or rounds >= max_rounds:
                return found

    def certify(self, valuations: ArrayLike | Any, prices: ArrayLike, allocation: ArrayLike | Any) -> FisherCertificate:
        """Certify prices and an allocation from anywhere: another solver, a guess, an experiment.

        Parameters
        ----------
        valuations
            As in `equilibrium`.
        prices
            Money per unit, shape (m,).
        allocation
            Units, shape (n, m), dense or SciPy sparse.

        Returns
        -------
        FisherCertificate
            Duality gap and residuals, computed from the arguments alone.

        Raises
        ------
        InvalidInputError
            NaN or infinite entries, or shapes that do not fit. Negative ones are measured, not refused.
        """
        table, budgets, supplies = self._read(valuations)
        price_vector = finite_vector("prices", prices, length=table.shape[1], of="good")
        given = _read_allocation(allocation, table.shape)
        return certify_equilibrium(self.utility, table, budgets, supplies, price_vector, given)

    def _read(self, valuations: Any) -> tuple[Table, FloatArray, FloatArray]:
        """Check valuations against budgets and supplies; give the table and both as vectors."""
        goods = len(self.supplies) if isinstance(self.supplies, tuple) else None
        budgets = np.asarray(self.budgets, dtype=np.float64)
        table = read_valuations(valuations, budgets.size, goods)
        supplies = np.broadcast_to(np.asarray(self.supplies, dtype=np.float64), (table.shape[1],)).copy()
        return table, budgets, supplies

    def _worth(self, table: Table, supplies: FloatArray) -> FloatArray:
        """Valuations for goods counted in shares of their supply, the largest of each buyer 1 (entries).

        Linear: utility of all of the good; Leontief: share of the supply that is needed; Cobb-Douglas: no matter.
        """
        worth = table.values / table.by_buyer(table.buyer_maxima(table.values))
        if isinstance(self.utility, LinearUtility):
            worth = worth * table.by_good(supplies / supplies.max())
        elif isinstance(self.utility, LeontiefUtility):
            worth = worth / table.by_good(supplies / supplies.min())
        with np.errstate(divide="ignore", invalid="ignore"):
            worth = worth / table.by_buyer(table.buyer_maxima(worth))
        if not np.array_equal(worth > 0.0, table.values > 0.0):
            raise InvalidInputError(
                "valuations of one buyer, counted per supply, must lie within a factor of 1e300 of each other: in "
                "float64 a good that is valued would count as worthless. Set such valuations to 0, or choose other "
                "units."
            )
        return np.asarray(worth)

    def _log_worth(self, utility: CESUtility, table: Table, supplies: FloatArray) -> FloatArray:
        """`log(v_ij s_j^rho_i)`, the largest of each buyer 0 (entries)."""
        exponents = utility.each_rho(table.shape[0])
        logs = log_or_lowest(table.values) + table.by_buyer(exponents) * table.by_good(np.log(supplies))
        return np.asarray(logs - table.by_buyer(table.buyer_maxima(logs)))

    def _solve(
        self, table: Table, supplies: FloatArray, money: FloatArray, max_iterations: int
    ) -> tuple[FloatArray, FloatArray, int, FisherStatus]:
        """Give revenues (shares of all money), shares of each supply (entries), steps, and the status if converged."""
        status = FisherStatus.UNIQUE
        match self.utility:
            case LinearUtility():
                worth = self._worth(table, supplies)
                found = linear_equilibrium(table, worth, money, max_iterations=max_iterations)
                revenue, spending, steps = found.revenue, found.spending, found.steps
                if found.unique is not True:
                    status = FisherStatus.APPROXIMATE if found.unique is None else FisherStatus.MANY_ALLOCATIONS
            case CESUtility():
                rho = self.utility.each_rho(table.shape[0])
                revenue, spending, steps, exact = newton_equilibrium(
                    table,
                    self._log_worth(self.utility, table, supplies),
                    money,
                    rho / (1.0 - rho),
                    max_iterations=max_iterations,
                )
                if revenue.min() < _LEAST_REVENUE:
                    raise InvalidInputError(
                        f"CESUtility.rho as low as {rho.min():g} with these supplies, budgets and valuations makes a "
                        f"good worth less than {_LEAST_REVENUE:g} of all money: prices leave the range of floats. Use "
                        "LeontiefUtility(), a rho nearer to 0, or supplies nearer to what is wanted."
                    )
                status = status if exact else FisherStatus.APPROXIMATE
            case CobbDouglasUtility():
                worth = self._worth(table, supplies)
                spending, steps = worth * table.by_buyer(money / table.buyer_sums(worth)), 0
                revenue = table.good_sums(spending)
            case LeontiefUtility():
                worth = self._worth(table, supplies)
                revenue, utilities, steps, unique = leontief_equilibrium(
                    table, worth, money, max_iterations=max_iterations
                )
                status = status if unique else FisherStatus.MANY_PRICES
                return revenue, worth * table.by_buyer(utilities), steps, status
        return revenue, np.asarray(spending / table.by_good(revenue)), steps, status

    def _response(
        self, table: Table, supplies: FloatArray, money: FloatArray
    ) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
        """The first bids, and the rule that turns the bids of one round into those of the next."""
        if isinstance(self.utility, CESUtility):
            logs = self._log_worth(self.utility, table, supplies)
            rho = self.utility.each_rho(money.size)
            worth, spread = np.exp(logs), spend(table, logs, money).shares * table.by_buyer(money)
            if np.all(rho > 0.0):
                return spread, lambda bids: substitutes_round(table, worth, money, bids, rho)
            if np.any(rho > 0.0):
                raise InvalidInputError(
                    "CESUtility.rho must be above 0 for all buyers, or below 0 for all, for proportional response (it "
                    f"is not proven to converge otherwise), got {rho.min()} and {rho.max()}: use equilibrium."
                )
            power = 1.0 / (1.0 - rho)
            base = logs * table.by_buyer(power)
            return spread, lambda bids: complements_round(table, base, money, bids, 1.0 - power)
        worth = self._worth(table, supplies)
        spread = worth * table.by_buyer(money / table.buyer_sums(worth))
        match self.utility:
            case LinearUtility():
                return spread, lambda bids: substitutes_round(table, worth, money, bids)
            case CobbDouglasUtility():
                return spread, lambda bids: bids
            case LeontiefUtility():
                base, powers = log_or_lowest(worth), np.ones(money.size)
                return spread, lambda bids: complements_round(table, base, money, bids, powers)

    def _settle(
        self,
        market: tuple[Table, FloatArray, FloatArray],
        sold: NDArray[np.bool_],
        answer: tuple[FloatArray, FloatArray, int, FisherStatus],
        tolerance: float,
    ) -> FisherEquilibrium:
        """Turn revenues and shares of the goods that are sold into prices and units of all goods, and certify them."""
        table, budgets, supplies = market
        revenue, shares, steps, status = answer
        prices = np.zeros(supplies.size)
        prices[sold] = math.fsum(budgets) * revenue / supplies[sold]
        quantities = table.widened(shares, sold) * table.by_good(supplies)
        allocation = table.matrix(quantities)
        certificate = certify_equilibrium(self.utility, table, budgets, supplies, prices, allocation)
        with np.errstate(over="ignore"):
            utilities = np.exp(log_utilities(self.utility, table, quantities))
        return FisherEquilibrium(
            prices=prices,
            allocation=allocation,
            spending=table.matrix(quantities * table.by_good(prices)),
            utilities=utilities,
            iterations=steps,
            status=status if certificate.duality_gap <= tolerance else FisherStatus.NOT_CONVERGED,
            certificate=certificate,
        )


def _read_allocation(allocation: Any, shape: tuple[int, int]) -> Any:
    """Give an allocation, dense or sparse, as a checked matrix of floats."""
    if not is_sparse(allocation):
        return finite_matrix("allocation", allocation, rows=shape[0], columns=shape[1], of=("buyer", "good"))
    if allocation.shape != shape:
        raise InvalidInputError(f"allocation must have shape {shape}, got shape {allocation.shape}.")
    matrix = allocation.tocsr()
    matrix.sum_duplicates()
    bad = ~np.isfinite(matrix.data)
    if bad.any():
        raise InvalidInputError(f"allocation must be finite: got {matrix.data[bad][0]} ({int(bad.sum())} bad in all).")
    return matrix
