"""Temperatures that fall during training without starving the gradient, or blowing it up.

Only agents near the price answer it: the marginal part of a market's units,

    m(tau) = 4 sum_i w_i x_i (1 - x_i) / sum_i w_i,

and each of them with a slope of at most `1 / (4 tau)`. Their product `m / (4 tau)`, the slope of demand as a fraction
of all units, is what carries gradients. While many agents lie within tau of the price, m falls with tau and the product
stays where it is. Once about one is left it does not: either that agent's slope is `1 / (4 tau)`, without bound, or
nobody is near the price, and the gradient is 0. So the temperature may fall only as far as a given part of the units
stays marginal, which depends on the bids and is found from them.

A few agents that tie at the margin, or nearly so, stay marginal at any temperature: let the part be that of several
agents, more than are likely to tie.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from walras.market.errors import InvalidInputError
from walras.market.operators.capacity import capacity_allocation
from walras.market.operators.inputs import floating
from walras.market.validation import fraction, positive_number, whole_number

__all__ = ["TemperatureSchedule", "marginal_part"]

_HALVINGS = 20


def marginal_part(allocation: Tensor, costs: Tensor) -> Tensor:
    """Give the marginal part of each market's units, in [0, 1]: `4 sum w x (1 - x) / sum w`, shape (...).

    Parameters
    ----------
    allocation, costs
        Shares and units, shape (..., n), broadcast against each other.
    """
    units = costs.expand(torch.broadcast_shapes(allocation.shape, costs.shape))
    return 4.0 * (units * allocation * (1.0 - allocation)).sum(-1) / units.sum(-1)


@final
@dataclass(frozen=True, kw_only=True)
class TemperatureSchedule:
    """Temperatures of logit demand that fall geometrically, but no further than the market can bear.

    Parameters
    ----------
    first, last
        Temperatures (money per unit) at the first and at the last step, first >= last > 0.
    steps
        Number of steps, 2 or more.
    least_marginal
        Part of the units that must stay marginal, in [0, 1): with n like agents `k / n` is about k of them. 0 lets
        the temperature fall all the way.

    Examples
    --------
    >>> import torch
    >>> from walras.market.operators import TemperatureSchedule
    >>> schedule = TemperatureSchedule(first=1.0, last=1e-6, steps=10, least_marginal=0.05)
    >>> bids = torch.linspace(0.0, 1.0, 101)
    >>> [round(float(schedule.at(step, bids, torch.ones(101), torch.tensor(50.0))), 3) for step in (0, 2, 9)]
    [1.0, 0.046, 0.013]
    """

    first: float
    last: float
    steps: int
    least_marginal: float = 0.0

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            object.__setattr__(self, name, positive_number(f"TemperatureSchedule.{name}", getattr(self, name)))
        if self.last > self.first:
            raise InvalidInputError(
                f"TemperatureSchedule.last must not exceed first, got first {self.first} and last {self.last}."
            )
        whole_number("TemperatureSchedule.steps", self.steps, minimum=2)
        if fraction("TemperatureSchedule.least_marginal", self.least_marginal) >= 1.0:
            raise InvalidInputError(f"TemperatureSchedule.least_marginal must be below 1, got {self.least_marginal}.")

    @torch.no_grad()
    def at(self, step: int, valuations: Tensor, costs: Tensor, supply: Tensor) -> Tensor:
        """Give the temperature of each market at a step (from 0), shape (...), without a gradient.

        Parameters
        ----------
        step
            From 0; beyond the last step it stays there.
        valuations, costs, supply
            Net valuations (..., n), units (..., n) and units for sale (...), as in `capacity_allocation`.

        Notes
        -----
        The geometric fall, or the temperature at which `least_marginal` of the units are marginal if that is higher (at
        most `first`). *Cost*: 20 clearings where `least_marginal` is above 0.
        """
        part = min(whole_number("step", step), self.steps - 1) / (self.steps - 1)
        planned = self.first * (self.last / self.first) ** part
        markets = torch.broadcast_shapes(floating("valuations", valuations).shape[:-1], costs.shape[:-1], supply.shape)
        low = valuations.new_full(markets, planned, dtype=torch.promote_types(valuations.dtype, torch.float32))
        if self.least_marginal == 0.0:
            return low
        high = torch.full_like(low, self.first)
        for _ in range(_HALVINGS):  # of the logarithm; m rises with the temperature
            middle = (low * high).sqrt()
            shares = capacity_allocation(valuations, costs, supply, middle).allocation
            enough = marginal_part(shares, costs) >= self.least_marginal
            low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
        shares = capacity_allocation(valuations, costs, supply, torch.full_like(low, planned)).allocation
        return torch.where(marginal_part(shares, costs) >= self.least_marginal, planned, high)
