"""What agents owe for their compute, as a term of the loss: prices, taxes on a unit, and a tax on concentration.

Under a cap the market's price is all there is: the loss needs no term, since the compute used is given. Under a *price
instrument* the quantity answers the price, and what agents pay must be felt by whoever sets their valuations: the
task's gradient. So the loss becomes

    L = L_task + sum_i (p + t_i) w_i x_i + C(x),

with p the posted price (the paper's lambda: loss per fraction of the agents' resource), or the bound at which a collar
binds, w_i x_i what agent i uses, t_i its tax per unit and C the tax on concentration. A uniform t_i under a cap adds
a constant, and changes nothing, as theory has it. A lump-sum *rebate* gives the revenue back in equal parts: the loss's
value is then that of the task alone, and its gradient, which is what incentives are, stays.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from walras.llm.population import Population
from walras.market import InvalidInputError
from walras.market.operators import compile_mechanism
from walras.market.taxation import BracketTax
from walras.market.validation import instance_of

__all__ = ["ConcentrationTax", "GroupTax", "group_of_agents"]

GROUPS = ("layer", "site")


@final
@dataclass(frozen=True)
class ConcentrationTax:
    """A progressive tax on layers (or sites) that use more than their part of the compute.

    A group's base is `r = (its share of all compute used) / (its share of all compute that agents can use)`: 1 where
    compute is spread as the model spreads it. It owes its share of what agents can use, times the schedule's `T(r)`.

    Parameters
    ----------
    schedule
        Marginal rates (loss per unit) that rise with r: `BracketTax([1.0, 1.5], [0.0, 0.5, 1.0])` exempts groups up to
        their part.
    by
        `"layer"`, or `"site"`: the attention, or the feed-forward network, of a layer.

    Notes
    -----
    It acts on what agents learn to bid, not on the order in which given bids are served.
    """

    schedule: BracketTax
    by: str = "layer"

    def __post_init__(self) -> None:
        instance_of("ConcentrationTax.schedule", self.schedule, BracketTax)
        if self.by not in GROUPS:
            raise InvalidInputError(f"ConcentrationTax.by must be one of {list(GROUPS)}, got {self.by!r}.")
        rates = np.atleast_1d(np.asarray(self.schedule.rates, dtype=np.float64))
        if (np.diff(rates) < 0.0).any():
            raise InvalidInputError(
                f"ConcentrationTax.schedule must have rates that do not fall, got {rates.tolist()}: a regressive tax "
                "would reward concentration."
            )


class GroupTax(nn.Module):
    """A `ConcentrationTax`, compiled for a population."""

    group: Tensor
    part: Tensor

    def __init__(self, tax: ConcentrationTax, population: Population, costs: Tensor) -> None:
        super().__init__()
        self.due = compile_mechanism(tax.schedule)
        group = torch.from_numpy(group_of_agents(population, tax.by))
        part = torch.zeros(int(group.max()) + 1, dtype=torch.float64).index_add_(0, group, costs.double())
        self.register_buffer("group", group, persistent=False)
        self.register_buffer("part", part.float(), persistent=False)

    def relative_use(self, use: Tensor) -> Tensor:
        """Give each group's share of what is used, in units of its part, shape (..., groups); `use` is (..., n)."""
        totals = use.new_zeros((*use.shape[:-1], self.part.numel())).index_add(-1, self.group, use)
        part = self.part.to(use.dtype)
        # A group without a part (its agents use none of the resource) has no share either.
        share = totals / totals.sum(-1, keepdim=True).clamp(min=torch.finfo(use.dtype).tiny)
        return torch.where(part > 0.0, share / part.clamp(min=torch.finfo(use.dtype).tiny), 0.0)

    def forward(self, use: Tensor) -> Tensor:
        """Give what all groups owe together, shape (...)."""
        relative = self.relative_use(use)
        return (self.part.to(use.dtype) * self.due(relative)).sum(-1)


def group_of_agents(population: Population, by: str) -> np.ndarray:
    """Give the number of each agent's layer or site, from 0, shape (n,)."""
    numbers = [
        np.full(len(site.widths), site.layer if by == "layer" else number)
        for number, site in enumerate(population.sites)
    ]
    return np.unique(np.concatenate(numbers), return_inverse=True)[1]
