"""Wealth: agents earn what they contribute, pay for what they use, are taxed, and may bid only what they own.

A training step is a fraction `pace` of a period. In a period agent i pays `p w_i x_i` for the share x_i of its full use
w_i at the price p, and what all pay together comes back to them:

    wages    in proportion to contributions `c_i = max(-x_i dL/dx_i, 0)`, what the loss would rise by without the agent
             (to first order), as far as the payments and the taxes that are not rebated reach;
    tax      a fraction of wealth above `exempt` times the even part `w_i M`, M being all money;
    rebate   the tax, in proportion to the agents' costs.

So money is never made or lost. An agent has no credit: it bids its valuation or, if that is less, the highest bid
that it can pay for whatever the price, `b = m + tau (1 + log(m / tau))` under logit demand of scale tau, and m under
linear demand, with m what it owns per unit of its full use (derived in `walras.agents.compute.bidding`, which plays the
same rules without a Transformer). Learned valuations may be negative: bids are measured from the lowest of them.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from walras.market.validation import boolean, fraction, nonnegative_number, positive_number

__all__ = ["Purse", "WealthDynamics", "mean_of_processes"]

_SMALLEST = 1e-12


@final
@dataclass(frozen=True)
class WealthDynamics:
    """How agents earn, pay, and are taxed.

    Parameters
    ----------
    endowment
        What each agent owns at first: money per unit of its full use, above 0. It can bid about so much above the
        lowest valuation.
    pace
        Fraction of a period that a training step lasts, in (0, 1].
    wealth_tax
        Fraction of the wealth above `exempt` times the even part that is due each period, in [0, 1].
    exempt
        In even parts, 0 or more.
    rebate
        Whether the tax comes back evenly; otherwise it goes where wages go.
    """

    endowment: float = 4.0
    pace: float = 0.05
    wealth_tax: float = 0.0
    exempt: float = 1.0
    rebate: bool = True

    def __post_init__(self) -> None:
        positive_number("WealthDynamics.endowment", self.endowment)
        positive_number("WealthDynamics.pace", self.pace)
        fraction("WealthDynamics.pace", self.pace)
        fraction("WealthDynamics.wealth_tax", self.wealth_tax)
        nonnegative_number("WealthDynamics.exempt", self.exempt)
        boolean("WealthDynamics.rebate", self.rebate)


def mean_of_processes(tensor: Tensor) -> Tensor:
    """Give the mean over all processes that train in parallel; the tensor itself if there is one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return tensor
    total = tensor.clone()
    torch.distributed.all_reduce(total)
    return total / torch.distributed.get_world_size()


class Purse(nn.Module):
    """What agents own, a buffer that is saved with the model."""

    wealth: Tensor

    def __init__(self, rules: WealthDynamics, costs: Tensor) -> None:
        super().__init__()
        self.rules = rules
        self.register_buffer("wealth", rules.endowment * costs.double().clone())

    def limited(self, valuations: Tensor, costs: Tensor, temperature: Tensor | None) -> Tensor:
        """Give bids (money per unit above the lowest valuation), shape (..., n).

        Parameters
        ----------
        temperature
            Of logit demand; None where payment never exceeds the bid (linear demand, whole agents).
        """
        above = valuations - valuations.detach().amin(-1, keepdim=True)
        owned = (self.wealth / costs.clamp(min=_SMALLEST)).to(above.dtype)
        if temperature is not None:
            scale = temperature.to(above.dtype)
            owned = owned + scale * (1.0 + (owned.clamp(min=_SMALLEST) / scale).log())
        return torch.minimum(above, owned)

    @torch.no_grad()
    def settle(self, shares: Tensor, gradient: Tensor, prices: Tensor, costs: Tensor) -> None:
        """Play a step's part of a period.

        Parameters
        ----------
        shares, gradient, prices
            What each agent got, the loss's derivative in it, and the price that it faced; shape (..., n), averaged over
            the leading dimensions, and over processes with data in parallel.
        """
        rules, costs = self.rules, costs.double()
        use = costs * shares.double()
        due = prices.double().nan_to_num(0.0, 0.0, 0.0).clamp(min=0.0) * use
        earned = (-gradient.double() * shares.double()).clamp(min=0.0).nan_to_num(0.0, 0.0, 0.0)
        due, earned = mean_of_processes(
            torch.stack([each.reshape(-1, costs.numel()).mean(0) for each in (due, earned)])
        )
        total, even = self.wealth.sum(), costs / costs.sum()
        payments = torch.minimum(rules.pace * due, self.wealth)
        left = self.wealth - payments
        taxed = rules.pace * rules.wealth_tax * (left - rules.exempt * even * total).clamp(min=0.0)
        wages = payments.sum() + (0.0 if rules.rebate else taxed.sum())
        everything = earned.sum()
        part = torch.where(everything > 0.0, earned / everything.clamp(min=1e-300), even)
        after = left - taxed + wages * part + (taxed.sum() * even if rules.rebate else 0.0)
        self.wealth.copy_(after * (total / after.sum()))  # rounding, too, makes and loses no money
