"""What a unit more of compute would be worth, layer by layer and budget by budget, from the loss itself.

With `u_i = dL/dx_i` the loss's derivative in an agent's share, `s_i` the slope of its demand and `w_i` its cost, a unit
more for a group G of agents, spent as its own demand would spend it, lowers the loss by

    - sum_G u_i s_i / sum_G w_i s_i.

For all agents this is the shadow price of the budget, dLoss/dBudget with the sign turned; for the agents of a layer it
is the shadow price that a market of this layer alone would have. Where it differs between layers, compute is worth
moving; a market of all agents makes it equal in valuations, not in loss, as long as valuations are still learning.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from walras.llm.analysis.use import at_budget, checked_budgets
from walras.llm.errors import CouplingError
from walras.llm.flops import evaluating
from walras.market import InvalidInputError, LogitDemand

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["shadow_prices"]

WHOLE = -1


def shadow_prices(
    economy: "ModelEconomy",
    batches: Iterable[Mapping[str, Tensor]],
    budgets: Sequence[float],
    *,
    temperature: float | None = None,
) -> pd.DataFrame:
    """Give prices and shadow prices by budget and layer, from soft forward and backward passes in evaluation mode.

    Parameters
    ----------
    batches
        What the model is called with, labels included.
    budgets
        Fractions in [0, 1].
    temperature
        Scale of demand (money per unit); the present one by default. At a low one few agents are at the margin, and the
        shadow price is theirs alone.

    Returns
    -------
    DataFrame
        A row per budget and layer, and one of layer -1 for all agents together: budget, layer, price (money per unit of
        valuations), shadow_price (loss per fraction of the agents' resource; NaN where no agent is at the margin), loss
        (mean of the batches).

    Raises
    ------
    CouplingError
        The model gives no loss; the economy posts a price, which is what a unit is worth then; or several resources
        are scarce.
    InvalidInputError
        No batches, or a budget outside [0, 1].

    Notes
    -----
    *Cost*: a forward and a backward pass for each batch and budget.
    """
    if economy.config.posts_a_price:
        raise CouplingError("The economy posts a price: a unit more is bought at that price, and has no shadow price.")
    if economy.gate.limits is not None:
        raise CouplingError(
            "Several resources are scarce: what a unit of one is worth depends on the others. Read gate.shadow_price "
            "after a backward pass, and economy.resource_prices."
        )
    examples = [{name: tensor.to(economy.model.device) for name, tensor in batch.items()} for batch in batches]
    if not examples:
        raise InvalidInputError("batches is empty: shadow prices need at least one batch with labels.")
    scale = economy.gate.temperature.clone()
    if temperature is not None:
        economy.set_temperature(temperature)
    try:
        with evaluating(economy.model):
            rows = [row for budget in checked_budgets(budgets) for row in _of_budget(economy, examples, budget)]
    finally:
        economy.gate.temperature.copy_(scale)
    return pd.DataFrame(rows)


def _of_budget(economy: "ModelEconomy", examples: list[dict[str, Tensor]], budget: float) -> list[dict[str, float]]:
    gate, layer = economy.gate, economy.population.frame()["layer"].to_numpy()
    gained, units, prices = np.zeros(len(layer)), np.zeros(len(layer)), np.zeros(len(layer))
    losses = []
    with at_budget(economy, budget, "soft"):
        for batch in examples:
            loss = economy.model(**batch).loss
            if loss is None or gate.clearing is None or gate.prices is None:
                raise CouplingError(f"{type(economy.model).__name__} gave no loss: the batches must hold labels.")
            shares = gate.clearing.allocation
            (gradient,) = torch.autograd.grad(loss, shares)
            slopes = _slopes(economy, shares.detach())
            gained += _total(-gradient * slopes)
            units += _total(gate.costs * slopes) / max(shares.numel() // len(layer), 1)
            prices += _mean(gate.marketplace.prices_of_agents(gate.prices.detach()))
            losses.append(float(loss.detach()))
    rows = []
    for number in (WHOLE, *np.unique(layer).tolist()):
        mine = np.ones(len(layer), dtype=bool) if number == WHOLE else layer == number
        at_margin = units[mine].sum()
        rows.append(
            {
                "budget": budget,
                "layer": number,
                "price": float(prices[mine].mean() / len(examples)),
                "shadow_price": float(gained[mine].sum() / at_margin) if at_margin > 0.0 else float("nan"),
                "loss": float(np.mean(losses)),
            }
        )
    return rows


def _slopes(economy: "ModelEconomy", shares: Tensor) -> Tensor:
    """Slopes of demand up to their scale, which cancels."""
    if isinstance(economy.config.mechanism.demand, LogitDemand):
        return shares * (1.0 - shares)
    return ((shares > 0.0) & (shares < 1.0)).to(shares.dtype)


def _total(tensor: Tensor) -> NDArray[np.float64]:
    """Sum over sequences, if there are markets of sequences, shape (n,)."""
    return tensor.detach().double().reshape(-1, tensor.shape[-1]).sum(0).cpu().numpy()


def _mean(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.double().reshape(-1, tensor.shape[-1]).mean(0).cpu().numpy()
