"""Ramsey's problem: raise a given revenue from taxes on goods at the least loss.

Good i is supplied at the constant price `c_i` and demanded without cross effects, `x_i = X_i (q_i / c_i)^(-e_i)`, at
the consumer price `q_i = c_i + t_i`. Minimise the sum of deadweight losses subject to `sum_i t_i x_i = R`. The
first-order conditions are the inverse-elasticity rule

    t_i / q_i = theta / e_i,    theta = 1 - 1 / mu,

with mu the multiplier: what a further unit of revenue costs consumers. Revenue rises with theta as long as theta < 1
(each term's derivative has the sign of 1 - theta), so one monotone equation gives theta. It is written in
`L = log(q_m / c_m)` for the least elastic good m, `theta = e_m (1 - exp(-L))`, which keeps its accuracy however high
that good's price.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.errors import InfeasibleError
from walras.market.validation import FloatArray, nonnegative_number, positive_vector

__all__ = ["RamseyCertificate", "RamseyProblem", "RamseyStatus", "RamseyTaxes"]

_EPSILON = float(np.finfo(np.float64).eps)
_HIGHEST_LOG_PRICE = 600.0  # a price e^600 times the cost; beyond it quantities underflow


class RamseyStatus(Enum):
    """What kind of optimum it is; each value tells the reader what it means."""

    OPTIMAL = "the revenue is raised at the least loss"
    UNTAXED = "no revenue is asked for, and no good is taxed"
    PEAK = "the revenue is the most that these goods can bring: a further unit of it has no price"


@final
@dataclass(frozen=True)
class RamseyCertificate(Residuals):
    """Residuals of an answer, as fractions of what they compare.

    Attributes
    ----------
    revenue
        Taxes collected against the revenue asked for.
    inverse_elasticity
        How far the goods' `(t_i / q_i) e_i` are from one number, 1 - 1 / multiplier.
    demand
        How far quantities are from what consumers buy at the consumer prices.
    """

    revenue: float
    inverse_elasticity: float
    demand: float


@final
@dataclass(frozen=True, eq=False)
class RamseyTaxes(Certified):
    """The taxes that raise a revenue at the least loss, for n goods.

    Attributes
    ----------
    tax_shares
        Tax as a fraction of the consumer price, shape (n,): inversely proportional to elasticity.
    ad_valorem_rates
        Tax as a fraction of the producer price, shape (n,), as `AdValoremTax` takes it.
    consumer_prices, quantities
        Money per unit, and units, shape (n,) each.
    multiplier
        What a further unit of revenue costs consumers (money); 1 without taxes, infinite at the peak.
    revenue, deadweight_loss
        Money collected, and money that consumers lose beyond it.
    status, certificate
        What kind of optimum, and the residuals that prove it.
    """

    tax_shares: FloatArray
    ad_valorem_rates: FloatArray
    consumer_prices: FloatArray
    quantities: FloatArray
    multiplier: float
    revenue: float
    deadweight_loss: float
    status: RamseyStatus
    certificate: RamseyCertificate


@final
@dataclass(frozen=True)
class RamseyProblem:
    """Goods that may be taxed: constant elasticities, constant producer prices, no cross effects.

    Parameters
    ----------
    elasticities
        Own-price elasticities of demand, without their sign, above 0, shape (n,).
    producer_prices
        Money per unit, above 0, shape (n,).
    untaxed_quantities
        Units bought at the producer prices, above 0, shape (n,).

    Notes
    -----
    *Source*: Ramsey 1927 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.taxation import RamseyProblem
    >>> taxes = RamseyProblem([0.5, 2.0], [1.0, 1.0], [100.0, 100.0]).solve(revenue=30.0).require()
    >>> (taxes.tax_shares[0] / taxes.tax_shares[1]).round(9)  # inverse to the elasticities
    np.float64(4.0)
    """

    elasticities: ArrayLike
    producer_prices: ArrayLike
    untaxed_quantities: ArrayLike

    def __post_init__(self) -> None:
        elasticities = positive_vector("RamseyProblem.elasticities", self.elasticities, of="good")
        object.__setattr__(self, "elasticities", tuple(elasticities.tolist()))
        for name in ("producer_prices", "untaxed_quantities"):
            values = positive_vector(f"RamseyProblem.{name}", getattr(self, name), length=elasticities.size, of="good")
            object.__setattr__(self, name, tuple(values.tolist()))

    @property
    def largest_revenue(self) -> float:
        """The most that taxes on these goods can bring (money); infinite if some elasticity is below 1."""
        e = np.asarray(self.elasticities)
        if e.min() < 1.0:
            return math.inf
        # theta = 1; at e = 1 the price is infinite there, and the good brings all that is spent on it
        shares = 1.0 / e
        return math.fsum(self._spending * shares * (1.0 - shares) ** (e - 1.0))

    def solve(self, revenue: float) -> RamseyTaxes:
        """Give the taxes that raise `revenue` (money, 0 or more) at the least deadweight loss.

        Raises
        ------
        InvalidInputError
            If `revenue` is negative or not finite.
        InfeasibleError
            If no taxes raise that much; where some elasticity is below 1, none that keep prices below e^600 times cost.

        Notes
        -----
        *Cost*: O(n) for each of some tens of iterations.
        """
        target = nonnegative_number("revenue", revenue)
        log_price = self._solved(target)
        theta, complements = self._shares(log_price)
        e, c = np.asarray(self.elasticities), np.asarray(self.producer_prices)
        log_ratios = -np.log(complements)
        ad_valorem_rates = np.expm1(log_ratios)
        quantities = np.asarray(self.untaxed_quantities) * np.exp(-e * log_ratios)
        taxes = ad_valorem_rates * c
        at_peak = theta >= 1.0
        status = RamseyStatus.PEAK if at_peak else RamseyStatus.OPTIMAL if target > 0.0 else RamseyStatus.UNTAXED
        multiplier = math.inf if at_peak else 1.0 / (1.0 - theta)
        return RamseyTaxes(
            tax_shares=theta / e,
            ad_valorem_rates=ad_valorem_rates,
            consumer_prices=c + taxes,
            quantities=quantities,
            multiplier=multiplier,
            revenue=math.fsum(taxes * quantities),
            deadweight_loss=math.fsum(self._spending * _lost_per_spending(e, log_ratios)),
            status=status,
            certificate=certify_ramsey(self, target, c + taxes, quantities, multiplier),
        )

    @property
    def _spending(self) -> FloatArray:
        """What is spent on each good without taxes (money)."""
        return np.asarray(np.asarray(self.producer_prices) * np.asarray(self.untaxed_quantities), dtype=np.float64)

    def _shares(self, log_price: float) -> tuple[float, FloatArray]:
        """Give theta and each good's `c_i / q_i = 1 - theta / e_i`, when the least elastic good costs e^L of cost."""
        e = np.asarray(self.elasticities)
        relative = e.min() / e
        return float(-e.min() * np.expm1(-log_price)), (1.0 - relative) + relative * np.exp(-log_price)

    def _revenue_at(self, log_price: float) -> float:
        e = np.asarray(self.elasticities)
        theta, complements = self._shares(log_price)
        return math.fsum(self._spending * (theta / e) * np.exp((e - 1.0) * np.log(complements)))

    def _solved(self, target: float) -> float:
        """Give the log price of the least elastic good at which `target` is raised."""
        from scipy.optimize import brentq  # here, since it alone takes as long to import as all of walras.market may

        least = float(np.min(np.asarray(self.elasticities)))
        highest = -math.log1p(-1.0 / least) if least > 1.0 else _HIGHEST_LOG_PRICE
        most = self._revenue_at(highest)
        if target > most * (1.0 + 8 * _EPSILON):
            limit = "the most that these goods can bring" if least >= 1.0 else "what prices e^600 times the cost bring"
            raise InfeasibleError(f"revenue must be at most {most:g}, {limit}; got {target:g}.")
        if target == 0.0:
            return 0.0
        if target >= most:
            return highest
        return float(brentq(lambda at: self._revenue_at(at) - target, 0.0, highest, xtol=1e-300, rtol=4 * _EPSILON))


def certify_ramsey(
    problem: RamseyProblem, revenue: float, consumer_prices: FloatArray, quantities: FloatArray, multiplier: float
) -> RamseyCertificate:
    """Compute the residuals of an answer, from prices and quantities."""
    e, c = np.asarray(problem.elasticities), np.asarray(problem.producer_prices)
    collected = math.fsum((consumer_prices - c) * quantities)
    bought = np.asarray(problem.untaxed_quantities) * (c / consumer_prices) ** e
    theta = (consumer_prices - c) / consumer_prices * e
    return RamseyCertificate(
        revenue=abs(collected - revenue) / (revenue or 1.0),
        inverse_elasticity=float(np.abs(theta - (1.0 - 1.0 / multiplier)).max()),
        demand=float((np.abs(quantities - bought) / np.asarray(problem.untaxed_quantities)).max()),
    )


def _lost_per_spending(elasticities: FloatArray, log_ratios: FloatArray) -> FloatArray:
    """Deadweight loss over untaxed spending, shape (n,).

    `integral of (q - c) (-dx)` is, with u = log(q / c), `e * integral from 0 to L of (exp(u) - 1) exp(-e u) du`. The
    integrand is nowhere negative, so quadrature loses nothing where the loss is tiny; panels of length 1 / (1 + e) or
    less make sixteen nodes exact to rounding.
    """
    nodes, weights = np.polynomial.legendre.leggauss(16)
    losses = np.empty_like(elasticities)
    for good, (e, end) in enumerate(zip(elasticities, log_ratios, strict=True)):  # goods are few
        edges = np.linspace(0.0, end, 1 + math.ceil(min(max(end * (1.0 + e), 1.0), 10_000.0)))
        half = 0.5 * np.diff(edges)[:, None]
        u = edges[:-1, None] + half * (nodes + 1.0)  # (panels, nodes)
        integrand = -np.expm1(-u) * np.exp((1.0 - e) * u)
        losses[good] = e * math.fsum((half * weights * integrand).ravel())
    return losses
