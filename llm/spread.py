"""From shares of agents to factors of features, for all sites of a model at once.

Done site by site, it would take a handful of small kernels for each, forward and backward, in every pass: on a GPU
their launches, not their work, would be most of what a market costs in training.
"""

from collections import defaultdict
from typing import cast

import torch
from torch import Tensor, nn

from walras.llm.population import Population, Site

__all__ = ["Spread"]


class Spread(nn.Module):
    """Repeats each agent's share over the features that it owns.

    Sites whose agents all own equally many features are done together, by that number; a site with agents of different
    widths (a last block that is smaller) on its own.
    """

    def __init__(self, population: Population) -> None:
        super().__init__()
        groups: dict[int, list[int]] = defaultdict(list)
        self.mixed: list[tuple[int, slice, int]] = []
        for number, site in enumerate(population.sites):
            width = _common_width(site)
            if width is None:
                self.mixed.append((number, site.agents, sum(site.widths)))
                self.register_buffer(f"widths_{number}", torch.tensor(site.widths), persistent=False)
            else:
                groups[width].append(number)
        self.sites = len(population.sites)
        self.groups: list[tuple[int, list[int], list[int], bool]] = []
        for width, numbers in groups.items():
            agents = [agent for number in numbers for agent in _agents(population.sites[number])]
            features = [width * len(population.sites[number].widths) for number in numbers]
            self.groups.append((width, numbers, features, agents == list(range(len(population)))))
            self.register_buffer(f"agents_{width}", torch.tensor(agents), persistent=False)

    def forward(self, shares: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """Give the factors of each site's features, shape (..., features), of shares (..., n).

        A site of one agent has one factor, to be broadcast.
        """
        factors: list[Tensor | None] = [None] * self.sites
        for width, numbers, features, is_everyone in self.groups:
            # Repeated before it is rounded: gradients are then summed over features in full precision.
            mine = shares if is_everyone else shares.index_select(-1, cast(Tensor, getattr(self, f"agents_{width}")))
            wide = mine.unsqueeze(-1).expand(*mine.shape, width).to(dtype).flatten(-2)  # (..., agents * width)
            for number, factor in zip(numbers, wide.split(features, -1), strict=True):
                factors[number] = factor
        for number, agents, features_of_site in self.mixed:
            widths = cast(Tensor, getattr(self, f"widths_{number}"))
            wide = shares[..., agents].repeat_interleave(widths, dim=-1, output_size=features_of_site)
            factors[number] = wide.to(dtype)
        return cast(tuple[Tensor, ...], tuple(factors))


def _common_width(site: Site) -> int | None:
    """How many features each agent of a site owns: 1 for a lone agent, whose share is broadcast."""
    if len(site.widths) == 1:
        return 1
    return site.widths[0] if len(set(site.widths)) == 1 else None


def _agents(site: Site) -> range:
    return range(site.agents.start, site.agents.stop)
