"""What an agent contributes to welfare: what would be lost without it, and its mean share over all orders of arrival.

A quantity B of compute is divided so that it is worth most. With valuations `v_i` (money per unit) and costs `w_i`
(units when fully served), the welfare of a set S of agents is

    W(S) = max sum_(i in S) v_i u_i    subject to  0 <= u_i <= w_i,  sum u_i <= B:

serve the most valued first (a fractional knapsack, Dantzig 1957). Two ways to say what agent i adds:

- its *marginal contribution* `W(N) - W(N without i)`. Agent i's own part in W(N) is `v_i u_i`; without it, its units go
  to those next in line. What they would make of them is its *pivot payment* (Clarke): the harm that it does to others.

      W(N) - W(N without i) = v_i u_i - pivot_i.

  Sorted once, the next in line are the same for all, but that nobody is next in line after itself. So all n payments
  cost one sort, O(n log n): with G(y) the worth of y units to those below the margin (piecewise linear), R the units
  that agents at the margin, of valuation p, lack, and r_i those that i itself lacks,

      pivot_i = p a + G(u_i - a),    a = min(u_i, R - r_i).

- its *Shapley value*: the mean of `W(P and i) - W(P)` over all orders, P being those before i. These sum to W(N);
  marginal contributions sum to W(N) at most, because a unit of compute that one agent gives up is used by another.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from walras.market import CapacityMarket, FixedSupply
from walras.market.validation import (
    FloatArray,
    finite_vector,
    instance_of,
    nonnegative_number,
    positive_vector,
    whole_number,
)

__all__ = ["marginal_contributions", "pivot_of_shares", "pivot_payments", "shapley_values"]


def pivot_payments(valuations: ArrayLike, costs: ArrayLike, quantity: float) -> FloatArray:
    """Give what the others would make of each agent's compute if it were absent (money), shape (n,).

    Parameters
    ----------
    valuations
        Money per unit of compute, of either sign, shape (n,). Nobody is served who values it below 0.
    costs
        Units when fully served, above 0, shape (n,).
    quantity
        Units to be divided, 0 or more; what nobody wants is left.

    Raises
    ------
    InvalidInputError
        Entries of the wrong sign or not finite, shapes that do not fit.

    Notes
    -----
    *Ties*: equal agents at the margin share what is left alike, so each displaces the others.
    *Cost*: O(n log n). *Source*: Clarke 1971; Groves 1973 (docs/reference/bibliography.md).

    Examples
    --------
    Three units; each agent can use one. Each served agent displaces the first that is not, who values a unit at 3.

    >>> from walras.agents.compute import marginal_contributions, pivot_payments
    >>> pivot_payments([9.0, 7.0, 5.0, 3.0], [1.0, 1.0, 1.0, 1.0], quantity=3.0).tolist()
    [3.0, 3.0, 3.0, 0.0]
    >>> marginal_contributions([9.0, 7.0, 5.0, 3.0], [1.0, 1.0, 1.0, 1.0], quantity=3.0).tolist()
    [6.0, 4.0, 2.0, 0.0]
    """
    worth, units = _checked(valuations, costs)
    return pivot_of_shares(worth, units, _shares(worth, units, quantity))


def marginal_contributions(valuations: ArrayLike, costs: ArrayLike, quantity: float) -> FloatArray:
    """Give what welfare would lose without each agent, `W(N) - W(N without i)` (money), shape (n,).

    Parameters, errors and cost are those of `pivot_payments`.

    Notes
    -----
    *Source*: Clarke 1971; Groves 1973 (docs/reference/bibliography.md).
    """
    worth, units = _checked(valuations, costs)
    shares = _shares(worth, units, quantity)
    return worth * units * shares - pivot_of_shares(worth, units, shares)


def shapley_values(
    valuations: ArrayLike, costs: ArrayLike, quantity: float, *, rng: Generator, orders: int = 1000
) -> FloatArray:
    """Estimate each agent's Shapley value (money), shape (n,), from random orders of arrival.

    Parameters
    ----------
    valuations, costs, quantity
        As in `pivot_payments`.
    rng
        Draws the orders.
    orders
        Number of orders, 1 or more. Each is taken forwards and backwards, which cancels much of the noise.

    Notes
    -----
    The values sum to W(N) for any number of orders, up to rounding. Their standard errors fall as 1 / sqrt(orders).
    *Cost*: O(orders n^2); for some hundreds of agents.
    *Source*: Shapley 1953; by sampling, Castro, Gomez and Tejada 2009 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.compute import shapley_values
    >>> shapley_values([6.0, 4.0], [1.0, 1.0], quantity=1.0, rng=np.random.default_rng(0), orders=1).tolist()
    [4.0, 2.0]
    """
    worth, units = _checked(valuations, costs)
    limit = nonnegative_number("quantity", quantity)
    rng = instance_of("rng", rng, Generator)
    descending = np.argsort(-worth, kind="stable")
    positive, sizes = np.maximum(worth, 0.0)[descending], units[descending]
    count = whole_number("orders", orders, minimum=1)
    total = np.zeros(worth.size)
    for _ in range(count):
        order = rng.permutation(worth.size)
        for arrivals in (order, order[::-1]):
            place = np.empty(worth.size, dtype=np.intp)
            place[arrivals] = np.arange(worth.size)
            total[arrivals] += np.diff(_welfare_of_prefixes(positive, sizes, limit, place[descending]))
    return total / (2 * count)


def pivot_of_shares(valuations: FloatArray, costs: FloatArray, shares: FloatArray) -> FloatArray:
    """Give the pivot payments (money), shape (n,), when the shares of divisible step demand are known.

    Those with shares strictly between 0 and 1 are at the margin, and must value a unit alike.
    """
    units, lacking = costs * shares, costs * (1.0 - shares)
    worth = np.maximum(valuations, 0.0)
    at_margin = (shares > 0.0) & (shares < 1.0)
    below = np.flatnonzero(shares <= 0.0)
    below = below[np.argsort(-worth[below], kind="stable")]
    quantities = np.concatenate([[0.0], np.cumsum(costs[below])])
    values = np.concatenate([[0.0], np.cumsum((worth * costs)[below])])
    margin = float(worth[at_margin].max(initial=0.0))
    own = np.where(at_margin, lacking, 0.0)
    from_margin = np.minimum(units, np.maximum(own.sum() - own, 0.0))
    return margin * from_margin + np.interp(units - from_margin, quantities, values)


def _checked(valuations: ArrayLike, costs: ArrayLike) -> tuple[FloatArray, FloatArray]:
    worth = finite_vector("valuations", valuations)
    return worth, positive_vector("costs", costs, length=worth.size)


def _shares(worth: FloatArray, units: FloatArray, quantity: float) -> FloatArray:
    """Divide the quantity so that it is worth most."""
    supply = FixedSupply(nonnegative_number("quantity", quantity), free_disposal=True)
    return CapacityMarket(supply).clear(worth, units).require().allocation


def _welfare_of_prefixes(worth: FloatArray, sizes: FloatArray, limit: float, place: NDArray[np.intp]) -> FloatArray:
    """Welfare of the first 0, 1, ..., n to arrive (money), shape (n + 1,); agents in descending order of worth."""
    present = place < np.arange(worth.size + 1)[:, np.newaxis]  # (n + 1, n)
    wanted = np.where(present, sizes, 0.0)
    before = np.cumsum(wanted, axis=1) - wanted
    return np.clip(limit - before, 0.0, wanted) @ worth
