"""First valuations from a first-order importance pass: what the loss would rise by if an agent were closed, per unit.

With all agents served, the gate of agent i on an example is `x_i = 1`, and closing it changes the loss by about
`-dL/dx_i`. The mean of `|dL/dx_i|` over batches, divided by the agent's cost, is its importance per unit; as a normal
score it is a bid of the scale that the market's temperatures are made for. (The sign is dropped: to first order an
agent whose closing lowers the loss on a batch is not useless, but at work.)

Source: the importance of a gated head, Michel et al. 2019 (docs/reference/bibliography.md).
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm.appraisal import normal_scores
from walras.llm.errors import CouplingError
from walras.llm.flops import evaluating
from walras.llm.gate import MarketGate
from walras.market import InvalidInputError

__all__ = ["first_order_valuations"]


def first_order_valuations(
    model: PreTrainedModel, gate: MarketGate, batches: Iterable[Mapping[str, Tensor]]
) -> NDArray[np.float64]:
    """Give the normal score of each agent's mean absolute contribution per unit of cost, shape (n,).

    Parameters
    ----------
    batches
        What the model is called with, labels included; the model itself stays as it is, gradients included.

    Raises
    ------
    CouplingError
        The model gives no loss.
    InvalidInputError
        No batches.

    Notes
    -----
    *Ties*: equal contributions get their mean score. *Cost*: a forward and a backward pass for each batch.
    """
    contributions = torch.zeros_like(gate.costs)
    mode, seen = gate.mode, 0
    gate.mode = "open"
    try:
        with evaluating(model), torch.enable_grad():
            for batch in batches:
                contributions += _contributions(model, gate, batch)
                seen += 1
    finally:
        gate.mode, gate.outcome.clearing = mode, None
    if seen == 0:
        raise InvalidInputError("batches is empty: an importance pass needs at least one batch with labels.")
    costs = gate.costs.clamp(min=torch.finfo(torch.float64).tiny)
    return normal_scores((contributions / costs).cpu().numpy())


def _contributions(model: PreTrainedModel, gate: MarketGate, batch: Mapping[str, Tensor]) -> Tensor:
    loss = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).loss
    if loss is None or gate.clearing is None:
        raise CouplingError(f"{type(model).__name__} gave no loss: the batches must hold labels.")
    (gradient,) = torch.autograd.grad(loss, gate.clearing.allocation)
    return gradient.abs().double()
