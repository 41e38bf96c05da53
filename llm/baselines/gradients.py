"""Rankings by the loss's gradient in each agent's share: head importance, Taylor, Fisher.

With all agents served (x = 1), g_e = dL_e/dx is the gradient of example e's loss, shape (n,). To first order closing
agent i changes the loss by -g_i. The importances that follow, all per agent:

    Michel    mean_e |g_ei|, divided by its root mean square over the agents of the sub-layer
    Taylor    mean over batches of (mean_e g_ei)^2: the squared first-order change of a batch's loss
    Fisher    mean_e g_ei^2: the diagonal of the empirical Fisher information of the mask

Sources: Michel et al. 2019, section 5; Molchanov et al. 2019, equations 8 and 9; Kwon et al. 2022, section 4.1
(docs/reference/bibliography.md).
"""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from walras.llm.economy import ModelEconomy
from walras.llm.flops import evaluating
from walras.llm.population import Population
from walras.llm.tasks import Examples, Task
from walras.market import InvalidInputError

__all__ = [
    "calibration_batches",
    "fisher_importance",
    "given_shares",
    "michel_importance",
    "share_gradients",
    "taylor_importance",
]

CALIBRATION_BATCH = 32


@contextlib.contextmanager
def given_shares(economy: ModelEconomy, source: Callable[[], Tensor]) -> Iterator[None]:
    """Let a model's shares come from `source`, once a forward pass, in place of its market."""
    economy.gate.given = source
    try:
        yield
    finally:
        economy.gate.given = None


def calibration_batches(task: Task, *, examples: int, seed: int) -> list[dict[str, Tensor]]:
    """Draw training examples without replacement, and give them in batches of about the same length."""
    if not isinstance(examples, int) or examples < 1:
        raise InvalidInputError(f"examples must be a whole number of 1 or more, got {examples!r}.")
    rows = task.train.rows
    drawn = np.random.default_rng(seed).permutation(len(rows))[:examples]
    chosen = Examples(sorted((rows[number] for number in drawn), key=lambda row: len(row["input_ids"])))
    return list(DataLoader(chosen, batch_size=min(CALIBRATION_BATCH, task.evaluation_batch), collate_fn=task.collate))


def share_gradients(economy: ModelEconomy, batches: list[dict[str, Tensor]]) -> NDArray[np.float64]:
    """Give each example's gradient of the loss in each agent's share, all agents served, shape (examples, n).

    Notes
    -----
    *Cost*: one forward and one backward pass for each batch: shares are given example by example, so that one pass
    has the gradients of all. A loss that is a mean over tokens weighs an example by its tokens.
    """
    model, gradients = economy.model, []
    with evaluating(model):
        for batch in batches:
            inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
            examples = len(inputs["input_ids"])
            shares = torch.ones((examples, len(economy.population)), device=model.device, requires_grad=True)
            with given_shares(economy, _constant(shares)):
                loss = model(**inputs).loss
            (gradient,) = torch.autograd.grad(loss * examples, shares)  # of the sum: an example's is its own loss's
            gradients.append(gradient.double().cpu().numpy())
    return np.concatenate(gradients)


def _constant(shares: Tensor) -> Callable[[], Tensor]:
    return lambda: shares


def michel_importance(gradients: NDArray[np.float64], population: Population) -> NDArray[np.float64]:
    """Mean absolute gradient, normalised within each sub-layer; shape (n,) of gradients (examples, n)."""
    importance = np.abs(gradients).mean(0)
    for site in population.sites:
        size = float(np.sqrt(np.square(importance[site.agents]).mean()))
        if size > 0.0:
            importance[site.agents] /= size
    return importance


def taylor_importance(gradients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over batches of the squared mean gradient; shape (n,) of gradients (examples, n)."""
    batches = np.array_split(gradients, -(-len(gradients) // CALIBRATION_BATCH))
    return np.mean([np.square(batch.mean(0)) for batch in batches], axis=0)


def fisher_importance(gradients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean squared gradient; shape (n,) of gradients (examples, n)."""
    return np.square(gradients).mean(0)
