"""Valuations that do not come from learning: by chance, by magnitude, and what a ranking is worth as a bid.

Each gives one number per agent, of which only the order matters to a hard allocation. They serve as first bids, and as
the rankings of post-hoc pruning, which then goes through the very market that our own allocations go through.
"""

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from walras.llm.architectures import Projection, Sublayer, output_features, sublayers_of
from walras.llm.population import Population, Site
from walras.market.validation import finite_vector

__all__ = ["magnitude_valuations", "normal_scores", "random_valuations"]


def normal_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Give values as standard normal quantiles of their ranks, shape (n,): the order is kept, the scale is fixed.

    *Ties*: equal values get their mean rank. *Source*: Blom 1958 (docs/reference/bibliography.md).
    """
    ranks = rankdata(finite_vector("values", values))
    return np.asarray(norm.ppf((ranks - 0.375) / (ranks.size + 0.25)))


def random_valuations(population: Population, rng: Generator) -> NDArray[np.float64]:
    """Give an order by lot, shape (n,)."""
    return rng.standard_normal(len(population))


@torch.no_grad()
def magnitude_valuations(model: PreTrainedModel, population: Population) -> NDArray[np.float64]:
    """Give each agent's mean absolute weight, shape (n,): its rows of the input and columns of the output projections.

    *Source*: Han et al. 2015, taken over structures (docs/reference/bibliography.md).
    """
    sublayers = sublayers_of(model, population.architecture)
    values = [_site_magnitudes(sublayers[site.sublayer], site) for site in population.sites]
    return torch.cat(values).double().cpu().numpy()


def _site_magnitudes(sublayer: Sublayer, site: Site) -> Tensor:
    """Mean absolute weight of each agent of a site, shape (agents of the site,)."""
    parts = [_weight(sublayer.output).T]  # rows are features that an agent owns, here and below
    for projection in sublayer.inputs:
        # One projection may hold several parts, one behind the other: query, key and value, or gate and value.
        parts += _weight(projection).chunk(max(output_features(projection) // sublayer.width, 1))
    totals = parts[0].new_zeros(len(site.widths), dtype=torch.float64)
    counts = torch.zeros_like(totals)
    for part in parts:
        # Keys and values have fewer rows than queries under grouped queries, in the same proportion for every agent.
        widths = torch.tensor(site.widths, device=part.device) * part.shape[0] // sum(site.widths)
        owner = torch.arange(len(site.widths), device=part.device).repeat_interleave(widths)
        totals.index_add_(0, owner, part.abs().sum(1, dtype=torch.float64))
        counts.index_add_(0, owner, torch.full_like(owner, part.shape[1], dtype=torch.float64))
    return totals / counts


def _weight(projection: Projection) -> Tensor:
    """Weight of shape (output features, input features)."""
    return projection.weight.T if isinstance(projection, Conv1D) else projection.weight
