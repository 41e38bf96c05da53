"""What follows Kwon's mask search: rearrangement within sub-layers, and repair of what is left by least squares.

With the empirical Fisher information F = mean_e g_e g_e^T of the mask (`walras.llm.baselines.gradients`), closing a set
of agents C costs about `sum_{i, j in C} F_ij / 2`. The search minimises the diagonal part; *rearrangement* then swaps
agents within each sub-layer, where costs are equal, as long as the whole sum over the sub-layer falls. *Repair* keeps
the set and scales what is left: sub-layer by sub-layer, from the first to the last,

    minimise over m   sum_tokens | sum_i m_i o_i(x) - o(x') |^2 + damping |m - 1|^2

where o_i(x) is what agent i adds to the sub-layer's output in the pruned model, and o(x') the dense model's output. The
scales are then folded into the output projection.

Source: Kwon et al. 2022, sections 4.2 and 4.3 (docs/reference/bibliography.md). Theirs adds the residual stream to both
outputs; ours does not, since where it runs depends on the architecture.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from walras.llm.architectures import Projection, sublayers_of
from walras.llm.baselines.gradients import given_shares
from walras.llm.economy import ModelEconomy
from walras.llm.flops import evaluating
from walras.llm.population import Population, Site

__all__ = ["closing_cost", "rearranged", "repair"]

LARGEST_SCALE = 10.0  # beyond it the paper keeps the sub-layer as it is
DAMPING = 1e-3  # of the mean square of what one agent adds


def closing_cost(gradients: NDArray[np.float64], closed: NDArray[np.bool_], population: Population) -> float:
    """Give `sum F_ij` over pairs of closed agents of the same sub-layer, summed over sub-layers."""
    sums = [gradients[:, site.agents][:, closed[site.agents]].sum(1) for site in population.sites]
    return float(sum(np.square(total).mean() for total in sums))


def rearranged(gradients: NDArray[np.float64], served: NDArray[np.bool_], population: Population) -> NDArray[np.bool_]:
    """Swap served and closed agents of equal cost within each sub-layer, the best swap first, until none helps.

    Parameters
    ----------
    gradients
        Shape (examples, n).
    served
        Whom the search serves, shape (n,).
    """
    result = served.copy()
    for site in population.sites:
        result[site.agents] = _rearranged_site(gradients[:, site.agents], served[site.agents], site)
    return result


def _rearranged_site(gradients: NDArray[np.float64], served: NDArray[np.bool_], site: Site) -> NDArray[np.bool_]:
    fisher = gradients.T @ gradients / len(gradients)
    kept, costs = served.copy(), np.array(site.costs)
    while True:
        closed, opened = np.flatnonzero(~kept), np.flatnonzero(kept)
        if closed.size == 0 or opened.size == 0:
            return kept
        with_closed = fisher[:, closed].sum(1)  # of each agent with all that are closed
        # Opening i and closing j: sum over pairs of C - i + j, less that over C.
        gain = (
            -2.0 * with_closed[closed, None] + fisher[closed, closed][:, None]
            + 2.0 * with_closed[None, opened] + fisher[opened, opened][None]
            - 2.0 * fisher[np.ix_(closed, opened)]
        )  # fmt: skip
        gain[costs[closed, None] != costs[None, opened]] = np.inf
        best = np.unravel_index(gain.argmin(), gain.shape)
        if gain[best] >= -1e-12 * max(float(np.trace(fisher)), 1e-300):
            return kept
        kept[closed[best[0]]], kept[opened[best[1]]] = True, False


def repair(economy: ModelEconomy, served: NDArray[np.bool_], batches: list[dict[str, Tensor]]) -> NDArray[np.float64]:
    """Scale served agents so that each sub-layer gives nearly what it gives in the dense model; the model is changed.

    Returns
    -------
    array
        The scales, shape (n,); 0 for closed agents.

    Notes
    -----
    *Cost*: a forward pass over the batches for each sub-layer, and the dense outputs of all sub-layers in memory.
    """
    model, population = economy.model, economy.population
    sublayers = sublayers_of(model, population.architecture)
    sites = [site for site in population.sites if len(site.widths) > 1]
    projections = [sublayers[site.sublayer].output for site in sites]
    scales = torch.from_numpy(served.astype(np.float32)).to(model.device)
    with torch.no_grad(), evaluating(model):
        with given_shares(economy, lambda: torch.ones_like(scales)):
            dense = [_inputs_of(economy, projections, batch) for batch in batches]
        targets = [[_linear(p, seen) for p, seen in zip(projections, of_batch, strict=True)] for of_batch in dense]
        del dense
        for number, (site, projection) in enumerate(zip(sites, projections, strict=True)):
            kept = torch.from_numpy(np.flatnonzero(served[site.agents])).to(model.device)
            if 0 < len(kept) < len(site.widths):
                with given_shares(economy, lambda: scales):
                    seen = [_inputs_of(economy, [projection], batch)[0] for batch in batches]
                outputs = [target[number] for target in targets]
                scales[site.first + kept] = _least_squares(projection, site, kept, seen, outputs)
        for site, projection in zip(sites, projections, strict=True):
            _fold(projection, site, scales[site.agents], served[site.agents])
    return scales.double().cpu().numpy()


def _least_squares(
    projection: Projection, site: Site, kept: Tensor, seen: list[Tensor], outputs: list[Tensor]
) -> Tensor:
    """Give the scales of a sub-layer's kept agents, shape (kept,)."""
    count = len(kept)
    products = torch.zeros((count, count), dtype=torch.float64, device=kept.device)
    right = torch.zeros(count, dtype=torch.float64, device=kept.device)
    for features, target in zip(seen, outputs, strict=True):
        added = torch.stack([_linear(projection, features, _columns(site, int(agent))) for agent in kept], 1)
        rest = target - added.sum(1)  # what is missing at scales of 1, (tokens, width)
        products += torch.einsum("tid,tjd->ij", added, added).double()
        right += torch.einsum("tid,td->i", added, rest).double()
    damping = DAMPING * products.diagonal().mean()
    eye = torch.eye(count, dtype=torch.float64, device=kept.device)
    scales = 1.0 + torch.linalg.solve(products + damping * eye, right)
    is_usable = scales.isfinite().all() and scales.abs().max() <= LARGEST_SCALE
    return scales.float() if is_usable else torch.ones_like(scales).float()


def _inputs_of(economy: ModelEconomy, projections: list[Any], batch: dict[str, Tensor]) -> list[Tensor]:
    """Give the inputs of projections, gates included, at real tokens: shapes (tokens, features)."""
    model = economy.model
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"}
    mask = inputs.get("attention_mask")
    real = None if mask is None else mask.bool().flatten()
    with _watched(projections) as seen:
        model(**inputs)
    flat = [features.flatten(0, -2) for features in seen]
    return [tokens if real is None or len(tokens) != len(real) else tokens[real] for tokens in flat]


@contextmanager
def _watched(projections: list[nn.Module]) -> Iterator[list[Tensor]]:
    seen: dict[int, Tensor] = {}
    # Registered after the economy's own hooks, and so called with what these give.
    hooks = [
        projection.register_forward_pre_hook(lambda _, arguments, number=number: seen.update({number: arguments[0]}))
        for number, projection in enumerate(projections)
    ]
    ordered: list[Tensor] = []
    try:
        yield ordered
    finally:
        for hook in hooks:
            hook.remove()
        ordered += [seen[number] for number in range(len(projections))]


def _columns(site: Site, agent: int) -> slice:
    first = sum(site.widths[:agent])
    return slice(first, first + site.widths[agent])


def _linear(projection: Projection, features: Tensor, columns: slice | None = None) -> Tensor:
    """Give a projection's output without its bias, of some of its input features, shape (tokens, width)."""
    weight = projection.weight.T if isinstance(projection, Conv1D) else projection.weight  # (width, features)
    if columns is not None:
        features, weight = features[:, columns], weight[:, columns]
    return features.to(weight.dtype) @ weight.T


def _fold(projection: Projection, site: Site, scales: Tensor, served: NDArray[np.bool_]) -> None:
    for agent in np.flatnonzero(served):
        columns = _columns(site, int(agent))
        if isinstance(projection, Conv1D):
            projection.weight[columns] *= scales[agent]
        else:
            projection.weight[:, columns] *= scales[agent]
