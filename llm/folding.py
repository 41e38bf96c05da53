"""Gates folded into weights: a projection with its columns scaled, in place of its inputs scaled.

`(x * g) W^T = x (W * g)^T`. Scaling features takes a kernel for each projection forward, and three backward: the
gradient in x, and a product and a sum over tokens for the gradient in g. Weights of one shape are scaled together, in a
handful of kernels however many they are. Under mixed precision these take the place of those that round each weight and
widen its gradient, so that a gated model may launch fewer kernels than a dense one.

For that, weights are copied side by side, and kept so until the backward pass. Where they are large this is more work
than scaling features, and launches do not count: then it is not done.
"""

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from walras.llm.population import Site

__all__ = ["Folding"]

# Entries of the largest weight that is folded: a kernel on so many takes hardly longer than its launch.
LARGEST = 2**22


class _Alike(NamedTuple):
    """Sites whose weights have one shape, and agents one width; the shape with features told apart by agent."""

    sites: tuple[int, ...]
    shape: tuple[int, ...]
    gates: tuple[int, ...]


@final
class Folding:
    """The weights that read the features of each site of a model.

    Parameters
    ----------
    sites, projections
        All sites, and the output projection of each; such as are `possible`.
    """

    def __init__(self, sites: Sequence[Site], projections: Sequence[nn.Module]) -> None:
        self.projections = tuple(projections)
        alike: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
        for number, (site, projection) in enumerate(zip(sites, projections, strict=True)):
            agents, width = len(site.widths), site.widths[0]
            weight: Tensor = projection.weight  # type: ignore[assignment]
            if type(projection) is Conv1D:  # (features, out)
                shapes = (agents, width, weight.shape[1]), (agents, 1, 1)
            else:
                shapes = (weight.shape[0], agents, width), (1, agents, 1)
            alike.setdefault(shapes, []).append(number)
        self.groups = [_Alike(tuple(numbers), *shapes) for shapes, numbers in alike.items()]
        members = [
            np.arange(sites[number].agents.start, sites[number].agents.stop)
            for group in self.groups
            for number in group.sites
        ]
        self._order = torch.from_numpy(np.concatenate(members))  # of all agents, group by group
        self._sizes = [sum(len(sites[number].widths) for number in group.sites) for group in self.groups]

    @staticmethod
    def possible(site: Site, projection: nn.Module) -> bool:
        """Whether a site's agents own equally many inputs of one plain weight that is not too large."""
        is_plain = type(projection) in (nn.Linear, Conv1D) and projection.weight.numel() <= LARGEST  # type: ignore[operator]
        return is_plain and not site.is_whole and len(set(site.widths)) == 1

    def gated(self, shares: Tensor, dtype: torch.dtype) -> list[Tensor] | None:
        """Give each site's weight times the shares (n,) of its features, rounded to `dtype`.

        None if a weight is not trained: without gradients of their own, those of the shares would cost a product of
        matrices more.
        """
        found = [projection._parameters.get("weight") for projection in self.projections]
        weights = [weight for weight in found if weight is not None and weight.requires_grad]
        if len(weights) < len(found):
            return None
        if self._order.device != shares.device:
            self._order = self._order.to(shares.device)
        of_groups = shares.index_select(0, self._order).split(self._sizes)
        gated: list[Tensor] = list(weights)
        for (sites, shape, beside), mine in zip(self.groups, of_groups, strict=True):
            together = torch.stack([weights[site] for site in sites])
            scaled = together.view(len(sites), *shape) * mine.view(len(sites), *beside)
            for site, weight in zip(sites, scaled.view(together.shape).to(dtype).unbind(), strict=True):
                gated[site] = weight
        return gated
