"""Demand rules: which share of its full use an agent buys at a given margin.

An agent i has a valuation `v_i` (money per unit of the resource) and a cost `w_i` (units when fully served). Facing the
net price `q_i`, its *margin* is `m_i = v_i - q_i`, and it buys the share `x_i = D(m_i)` of its full use, from 0 to 1.

=============  ==========================  ================================================================
rule           share D(m)                  whose choice it is
=============  ==========================  ================================================================
StepDemand     1 if m > 0, 0 if m < 0      a risk-neutral agent with constant marginal value v
LinearDemand   clip(m / width, 0, 1)       marginal value falls from v to v - width (quadratic utility)
LogitDemand    1 / (1 + exp(-m / tau))     the mean of step agents under logistic taste shocks of scale tau
=============  ==========================  ================================================================

As `width` or `tau` falls to 0, both smooth rules tend to the step rule, equally valued agents being served alike.
Each rule also knows the agent's surplus and, for certificates, the margins that *support* a share as a best response:
this is written from the inverse of D, apart from the code that solves for prices.

Source: quantal response, McKelvey and Palfrey 1995; linear demand, any text
(docs/reference/bibliography.md).
"""

from dataclasses import dataclass, field
from typing import TypeAlias, final

import numpy as np

from walras.market.validation import FloatArray, boolean, positive_number

__all__ = ["Demand", "LinearDemand", "LogitDemand", "StepDemand", "logistic"]

# A computed share carries a rounding error of a few units in its last place, and below the normal numbers of a few
# times the smallest one.
_SHARE_ROUNDING = 8 * float(np.finfo(np.float64).eps)
_SMALLEST_SHARE = 8 * float(np.finfo(np.float64).smallest_subnormal)


@final
@dataclass(frozen=True)
class StepDemand:
    """All or nothing: an agent buys its full use when its valuation exceeds the net price.

    Parameters
    ----------
    divisible
        By keyword. If True (the default), agents exactly at the margin are rationed: all of them get the same share, so
        that the supply is sold to the last unit. If False no agent is served in part: whole agents are served in
        descending order of net valuation (equal ones in the order given) until the next does not fit; the rest stays
        unsold.

    Notes
    -----
    *Ties* at a posted price: an agent that is exactly indifferent buys.
    """

    divisible: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        # NumPy's True is not Python's: `case StepDemand(divisible=True)` would not match it.
        object.__setattr__(self, "divisible", boolean("StepDemand.divisible", self.divisible))

    def share(self, margin: FloatArray) -> FloatArray:
        """Share bought at each margin (money per unit), shape (n,)."""
        return np.where(margin >= 0.0, 1.0, 0.0)

    def surplus(self, margin: FloatArray, share: FloatArray) -> FloatArray:
        """Surplus per unit of cost (money per unit of the resource) of agents that hold `share`, shape (n,)."""
        return margin * share

    def supporting_margins(self, share: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest margin at which `share` is a best response, each of shape (n,)."""
        return np.where(share <= 0.0, -np.inf, 0.0), np.where(share >= 1.0, np.inf, 0.0)


@final
@dataclass(frozen=True)
class LinearDemand:
    """Quadratic utility: the first unit is worth `v`, the last `v - width`; demand has exact zeros and ones.

    Parameters
    ----------
    width
        How far the marginal value falls from the first to the last unit (money per unit), above 0.
    """

    width: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", positive_number("LinearDemand.width", self.width))

    def share(self, margin: FloatArray) -> FloatArray:
        """Share bought at each margin (money per unit), shape (n,)."""
        with np.errstate(over="ignore"):  # beyond the numbers that there are, the share is 0 or 1 all the same
            return np.clip(margin / self.width, 0.0, 1.0)

    def surplus(self, margin: FloatArray, share: FloatArray) -> FloatArray:
        """Surplus per unit of cost (money per unit of the resource) of agents that hold `share`, shape (n,)."""
        return margin * share - 0.5 * self.width * share**2

    def supporting_margins(self, share: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest margin at which `share` is a best response, each of shape (n,)."""
        marginal_value_lost = self.width * share
        return (
            np.where(share <= 0.0, -np.inf, marginal_value_lost),
            np.where(share >= 1.0, np.inf, marginal_value_lost),
        )


@final
@dataclass(frozen=True)
class LogitDemand:
    """Quantal response: the expected share of step agents whose valuation is shaken by a logistic shock.

    Parameters
    ----------
    temperature
        Scale of the shock (money per unit), above 0.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", positive_number("LogitDemand.temperature", self.temperature))

    def share(self, margin: FloatArray) -> FloatArray:
        """Share bought at each margin (money per unit), shape (n,)."""
        with np.errstate(over="ignore"):  # beyond the numbers that there are, the share is 0 or 1 all the same
            return logistic(margin / self.temperature)

    def surplus(self, margin: FloatArray, share: FloatArray) -> FloatArray:
        """Expected surplus per unit of cost (money per unit of the resource) at `share`, shape (n,).

        `m x + tau H(x)` with H the entropy of a coin that shows x: largest, `tau log(1 + exp(m / tau))`, at x = D(m).
        """
        return margin * share + self.temperature * (_entropy(share) + _entropy(1.0 - share))

    def supporting_margins(self, share: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest margin at which `share`, up to rounding, is a best response, each of shape (n,)."""
        low = np.maximum(share * (1.0 - _SHARE_ROUNDING) - _SMALLEST_SHARE, 0.0)
        high = np.minimum(share * (1.0 + _SHARE_ROUNDING) + _SMALLEST_SHARE, 1.0)
        with np.errstate(divide="ignore"):
            return (
                self.temperature * (np.log(low) - np.log1p(-low)),
                self.temperature * (np.log(high) - np.log1p(-high)),
            )


def logistic(z: FloatArray) -> FloatArray:
    """`1 / (1 + exp(-z))`, without overflow and with full relative accuracy in the lower tail.

    As `scipy.special.expit`, whose import would take half of the time that `import walras.market` may take.
    """
    decay = np.exp(-np.abs(z))  # in [0, 1]: cannot overflow
    return np.where(z >= 0.0, 1.0, decay) / (1.0 + decay)


def _entropy(probability: FloatArray) -> FloatArray:
    """`-x log x`, 0 at 0."""
    return -probability * np.log(np.where(probability > 0.0, probability, 1.0))


Demand: TypeAlias = StepDemand | LinearDemand | LogitDemand
