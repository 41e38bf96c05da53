"""Equilibrium bids and revenue when values are private, independent, and drawn from one law.

n bidders want one of K identical units each. Values are independent draws from F, on [low, high], known to their owners
alone. In the symmetric equilibrium of any format the K highest values of r or more win, and a bidder of value v wins
with probability

    G(v) = P(fewer than K of the n - 1 others are above v).

*Revenue equivalence*: formats that serve the same bidders collect the same on average. A bidder of value v pays on
average `v G(v) - integral from r to v of G`, so its bid is

==========================================  =============================================================
`VICKREY`, `UNIFORM_HIGHEST_LOSING`         v
`DISCRIMINATORY`                            v - I(v), I(v) = integral from r to v of G(x) / G(v) dx
`UNIFORM_LOWEST_WINNING` of one unit        the same
`ALL_PAY`                                   G(v) (v - I(v))
==========================================  =============================================================

and expected revenue is `n r G(r) (1 - F(r)) + K E[Y; Y > r]`, Y being the (K + 1)-th highest of the n values.

*Optimal reserve*. Expected revenue is that of selling to the highest *virtual values* `psi(v) = v - (1 - F(v)) / f(v)`.
If psi rises, the best auction of all is any of these with the reserve r at which `psi(r)` is the seller's own value; it
does not depend on n. If it does not rise, it is ironed first (`walras.market.auctions.ironing`).
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.auctions.ironing import revenue_hull
from walras.market.auctions.laws import UniformValues, ValueLaw, check_law
from walras.market.auctions.payment_rule import PaymentRule
from walras.market.auctions.sealed_bid import SealedBidAuction
from walras.market.auctions.shading import shading
from walras.market.errors import InfeasibleError, InvalidInputError, NotConvergedError
from walras.market.validation import FloatArray, finite_vector, instance_of, nonnegative_number, whole_number

__all__ = ["IndependentPrivateValues"]

_TRUTHFUL = frozenset({PaymentRule.VICKREY, PaymentRule.UNIFORM_HIGHEST_LOSING})


@final
@dataclass(frozen=True)
class IndependentPrivateValues:
    """Bidders with independent private values from one law, who want one unit each.

    Parameters
    ----------
    law
        Law of a value: `UniformValues(low, high)`, a frozen SciPy distribution, or anything with the methods of
        `ValueLaw`; values of 0 or more, without atoms.
    bidders
        Number of bidders, n.
    units
        Units for sale, K.

    Examples
    --------
    Two bidders with values spread evenly over [0, 1]: in a first-price auction they bid half of them.

    >>> from walras.market.auctions import IndependentPrivateValues, PaymentRule, UniformValues
    >>> setting = IndependentPrivateValues(UniformValues(), bidders=2)
    >>> setting.bids(PaymentRule.DISCRIMINATORY, [0.4, 0.8]).tolist()
    [0.2, 0.4]
    >>> reserve = setting.optimal_reserve()
    >>> round(reserve, 9), round(setting.expected_revenue(reserve), 9)
    (0.5, 0.416666667)
    """

    law: ValueLaw
    bidders: int
    units: int = 1

    def __post_init__(self) -> None:
        check_law("IndependentPrivateValues.law", self.law)
        for name in ("bidders", "units"):
            number = whole_number(f"IndependentPrivateValues.{name}", getattr(self, name), minimum=1)
            object.__setattr__(self, name, number)

    def auction(self, payment_rule: PaymentRule, reserve: float = 0.0) -> SealedBidAuction:
        """Give the auction that serves values of `reserve` or more in equilibrium.

        Its own reserve, which is the least bid, is `reserve`; but if all pay, `reserve * G(reserve)`: who may lose its
        bid comes in only from a higher value on.
        """
        instance_of("payment_rule", payment_rule, PaymentRule)
        reserve = nonnegative_number("reserve", reserve)
        least = reserve
        if payment_rule is PaymentRule.ALL_PAY:
            least = reserve * float(np.exp(self._log_winning(np.array([reserve])))[0])
        return SealedBidAuction(payment_rule, self.units, reserve=least)

    def winning_probability(self, values: ArrayLike) -> FloatArray:
        """Give G at `values`, shape (m,): the probability that fewer than K of the others have a higher value."""
        return np.exp(self._log_winning(self._values(values)))

    def bids(self, payment_rule: PaymentRule, values: ArrayLike, reserve: float = 0.0) -> FloatArray:
        """Give the bids of the symmetric equilibrium.

        Parameters
        ----------
        payment_rule
            What bidders pay.
        values
            Values to give the bid at (money), in the law's support, shape (m,).
        reserve
            Lowest value that is served (money); see `auction`.

        Returns
        -------
        FloatArray
            Bids, shape (m,); 0 for values below the reserve, which stay out.

        Raises
        ------
        InvalidInputError
            Values that are NaN or outside the law's support, a negative reserve, the lowest winning bid as the price of
            more than one unit (its equilibrium has no closed form).
        NotConvergedError
            A law for which quadrature fails, for example one with atoms.

        Notes
        -----
        Exact for `UniformValues` and one unit; otherwise by quadrature, to about 1e-12 for smooth laws. *Cost*:
        O(m) evaluations of the distribution function, with K terms each.
        *Source*: Krishna 2010, chapters 2, 3 and 13; Riley and Samuelson 1981.
        """
        instance_of("payment_rule", payment_rule, PaymentRule)
        values, reserve = self._values(values), nonnegative_number("reserve", reserve)
        served = values >= reserve
        if payment_rule in _TRUTHFUL:
            return np.where(served, values, 0.0)
        if payment_rule is PaymentRule.UNIFORM_LOWEST_WINNING and self.units > 1:
            raise InvalidInputError(
                f"payment_rule {payment_rule.name} has no equilibrium in closed form for {self.units} units: use one "
                "unit or another rule."
            )
        bids = np.zeros_like(values)
        if np.any(served):
            bids[served] = np.maximum(self._own_price_bids(values[served], reserve), reserve)
        if payment_rule is PaymentRule.ALL_PAY:
            least = np.exp(self._log_winning(np.array([reserve])))[0] * reserve
            bids = np.where(served, np.maximum(bids * np.exp(self._log_winning(values)), least), 0.0)
        return bids

    def expected_revenue(self, reserve: float = 0.0) -> float:
        """Give the expected revenue of every format that serves the K highest values of `reserve` or more.

        Raises
        ------
        InvalidInputError
            A reserve that is negative or not finite.
        NotConvergedError
            An expected revenue that is infinite, or that quadrature does not find.

        Notes
        -----
        *Source*: revenue equivalence, Myerson 1981; Riley and Samuelson 1981.
        """
        reserve = nonnegative_number("reserve", reserve)
        below = float(self.law.cdf(reserve))
        if self.units >= self.bidders:  # each bidder faces a posted price
            return self.bidders * reserve * (1.0 - below)
        from scipy.integrate import quad
        from scipy.special import betainc, betaincinv

        # Y lies below v with probability I_F(v)(n - K, K + 1): integrate over that probability.
        shape = (self.bidders - self.units, self.units + 1)
        start = float(betainc(*shape, below))
        answer = quad(
            lambda level: float(self.law.ppf(betaincinv(*shape, level))),
            start,
            1.0,
            epsabs=0.0,
            epsrel=1e-10,
            limit=200,
            full_output=1,
        )
        mean, error = float(answer[0]), float(answer[1])
        # The mean exists only if Q(u) (1 - u)^(K + 1) vanishes as u goes to 1.
        tail = np.array([2.0**-20, 2.0**-40])
        ends = np.asarray(self.law.ppf(1.0 - tail), dtype=np.float64) * tail ** (self.units + 1)
        if not (math.isfinite(mean) and error <= 1e-6 * abs(mean) and ends[1] < ends[0]):
            raise NotConvergedError(
                f"Expected revenue is known only as {mean:.6g} to within {error:.2g}: the law's tail may be so heavy "
                "that it is infinite."
            )
        at_reserve = float(np.exp(self._log_winning(np.array([reserve])))[0])
        return self.units * mean + self.bidders * reserve * at_reserve * (1.0 - below)

    def virtual_value(self, values: ArrayLike) -> FloatArray:
        """Give `psi(v) = v - (1 - F(v)) / f(v)`, shape (m,); minus infinity where the density is 0.

        *Source*: Myerson 1981.
        """
        values = self._values(values)
        above = 1.0 - np.asarray(self.law.cdf(values), dtype=np.float64)
        density = np.asarray(self.law.pdf(values), dtype=np.float64)
        discount = np.divide(above, density, out=np.full_like(values, np.inf), where=density > 0.0)
        return values - np.where(above > 0.0, discount, 0.0)

    def ironed_virtual_value(self, values: ArrayLike) -> FloatArray:
        """Give the virtual value after ironing, shape (m,): nowhere falling, and equal to it where it need not be.

        Intervals that are ironed are found on a grid of 4,096 quantiles. *Source*: Myerson 1981, section 6.
        """
        values = self._values(values)
        hull = revenue_hull(self.law)
        quantiles = np.asarray(self.law.cdf(values), dtype=np.float64)
        piece = np.clip(np.searchsorted(hull.quantiles, quantiles, side="right") - 1, 0, hull.slopes.size - 1)
        return np.where(hull.is_ironed[piece], hull.slopes[piece], self.virtual_value(values))

    @property
    def is_regular(self) -> bool:
        """Whether the virtual value rises with the value, as far as a grid of 4,096 quantiles shows."""
        return not np.any(revenue_hull(self.law).is_ironed)

    def optimal_reserve(self, seller_value: float = 0.0) -> float:
        """Give the reserve that maximises what the seller expects: revenue, plus `seller_value` for each unit kept.

        Raises
        ------
        InvalidInputError
            A seller's value that is negative or not finite.
        InfeasibleError
            If every reserve is beaten by a higher one (a law without a mean).

        Notes
        -----
        The reserve is the price that maximises `(p - seller_value) (1 - F(p))`, whatever the number of bidders; for a
        regular law, the root of `psi(r) = seller_value`. If several do, the lowest. *Source*: Myerson 1981.
        """
        seller_value = nonnegative_number("seller_value", seller_value)
        low, high = (float(end) for end in self.law.support())
        if seller_value >= high:
            return seller_value
        grid = np.concatenate([np.linspace(0.0, 1.0, 4097)[:-1], 1.0 - 0.5 ** np.arange(13.0, 41.0)])
        prices = np.asarray(self.law.ppf(grid), dtype=np.float64)
        profits = (prices - seller_value) * (1.0 - grid)
        best = int(np.argmax(profits))
        if best == 0:
            return low
        if best == grid.size - 1 and math.isinf(high):
            raise InfeasibleError("No reserve is optimal: the law's tail is so heavy that every higher one earns more.")
        upper = float(prices[best + 1]) if best + 1 < grid.size else high
        return self._polished(float(prices[best - 1]), upper, seller_value)

    def optimal_revenue(self) -> float:
        """Give the expected revenue of the best mechanism of all, for a seller who does not value the units.

        If the virtual value rises wherever it is above 0, this is any format with the optimal reserve; otherwise
        bidders whose virtual values were ironed to one number are served by lot, and the figure is exact to about 1e-6.
        *Source*: Myerson 1981.
        """
        hull = revenue_hull(self.law)
        if not np.any(hull.is_ironed & (hull.slopes > 0.0)):  # who is served is never decided by lot
            return self.expected_revenue(self.optimal_reserve())
        wins = np.diff(self._winners_below(hull.quantiles))
        return float(np.sum(np.maximum(hull.slopes, 0.0) * wins))

    def _winners_below(self, quantiles: FloatArray) -> FloatArray:
        """Expected number of winners below each quantile: n times the integral of G up to it."""
        if self.units >= self.bidders:
            return self.bidders * quantiles
        from scipy.special import betainc

        others = self.bidders - self.units
        all_below = self.bidders * quantiles * betainc(others, self.units, quantiles)
        winners: FloatArray = all_below - others * betainc(others + 1, self.units, quantiles)
        return winners

    def _polished(self, lower: float, upper: float, seller_value: float) -> float:
        """Give the best price between two neighbours on the grid."""
        from scipy.optimize import brentq, minimize_scalar

        def excess(price: float) -> float:
            return float(self.virtual_value([price])[0]) - seller_value

        if excess(lower) < 0.0 < excess(upper):
            return float(brentq(excess, lower, upper, xtol=1e-15 * upper, rtol=1e-14))
        found = minimize_scalar(
            lambda price: -(price - seller_value) * (1.0 - float(self.law.cdf(price))),
            bounds=(lower, upper),
            method="bounded",
        )
        return float(found.x)

    def _own_price_bids(self, values: FloatArray, reserve: float) -> FloatArray:
        """Give v - I(v) for values of the reserve or more."""
        if self.units >= self.bidders:
            return np.full_like(values, reserve)
        start = max(reserve, float(self.law.support()[0]))
        if isinstance(self.law, UniformValues) and self.units == 1:
            above, first = values - self.law.low, start - self.law.low
            ratio = np.divide(first, above, out=np.zeros_like(values), where=above > 0.0)
            return values - (above - first * ratio ** (self.bidders - 1)) / self.bidders
        return values - shading(self.law, self._log_winning, self.bidders, start, values)

    def _log_winning(self, values: FloatArray) -> FloatArray:
        """Log of G: the sum over j < K of C(n - 1, j) (1 - F)^j F^(n - 1 - j)."""
        others = self.bidders - 1
        if self.units > others:
            return np.zeros_like(values)
        below = np.asarray(self.law.cdf(values), dtype=np.float64)
        with np.errstate(divide="ignore"):
            log_below, log_above = np.log(below), np.log1p(-below)
        logs = others * log_below
        for above in range(1, self.units):  # j of the others above; F = 1 leaves the first term alone
            ways = math.lgamma(others + 1) - math.lgamma(above + 1) - math.lgamma(others - above + 1)
            logs = np.logaddexp(logs, ways + above * log_above + (others - above) * log_below)
        capped: FloatArray = np.minimum(logs, 0.0)
        return capped

    def _values(self, values: ArrayLike) -> FloatArray:
        """Give values in the law's support, shape (m,)."""
        vector = finite_vector("values", values, of="bidder")
        low, high = (float(end) for end in self.law.support())
        outside = np.flatnonzero((vector < low) | (vector > high))
        if outside.size:
            raise InvalidInputError(
                f"values must lie in the law's support [{low:g}, {high:g}]: entry {outside[0]} is {vector[outside[0]]}."
            )
        return vector
