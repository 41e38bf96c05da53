"""The law of wealth under saving exchange: exact variance, and the Gamma law near it.

In the long run, among many agents, wealth x in units of its mean satisfies `x' = s x + u (1 - s) (x + y)` in law, with
y an independent copy and u uniform on [0, 1). Squaring and taking means gives, with c = 1 - s,

    E x^2 = (s + 2 c / 3) / (1 - 2 c / 3),    so    Var x = (1 - s) / (1 + 2 s).

A Gamma law of mean 1 and shape n has variance 1 / n; it fits with `n = (1 + 2 s) / (1 - s) = 1 + 3 s / (1 - s)`. At
s = 0 this is the exponential law, and exact; with saving the first three moments agree and the rest nearly.
"""

import math

from walras.market.errors import InvalidInputError
from walras.market.validation import fraction, positive_number

__all__ = ["gamma_gini", "saving_exchange_shape"]


def saving_exchange_shape(saving: float) -> float:
    """Shape of the Gamma law of wealth under `SavingExchange`: `n = 1 + 3 s / (1 - s)`.

    Also exactly, the squared mean over the variance of wealth in the long run, among many agents.

    Parameters
    ----------
    saving
        The saving propensity s, in [0, 1).

    Raises
    ------
    InvalidInputError
        A propensity outside [0, 1).

    Notes
    -----
    *Source*: Patriarca, Chakraborti and Kaski 2004 (docs/reference/bibliography.md); derived in the module.

    Examples
    --------
    >>> from walras.agents.wealth import saving_exchange_shape
    >>> saving_exchange_shape(0.0), saving_exchange_shape(0.5)
    (1.0, 4.0)
    """
    kept = fraction("saving", saving)
    if kept == 1.0:
        raise InvalidInputError("saving must be below 1, got 1.0: nothing would change hands.")
    return 1.0 + 3.0 * kept / (1.0 - kept)


def gamma_gini(shape: float) -> float:
    """Gini coefficient of a Gamma law: `Gamma(n + 1/2) / (sqrt(pi) Gamma(n + 1))`.

    Parameters
    ----------
    shape
        Shape n of the law, above 0; 1 is the exponential law.

    Raises
    ------
    InvalidInputError
        A shape that is not above 0.

    Notes
    -----
    *Source*: closed form.

    Examples
    --------
    >>> from walras.agents.wealth import gamma_gini
    >>> round(gamma_gini(1.0), 12), round(gamma_gini(4.0), 4)
    (0.5, 0.2734)
    """
    n = positive_number("shape", shape)
    return math.exp(math.lgamma(n + 0.5) - math.lgamma(n + 1.0)) / math.sqrt(math.pi)
