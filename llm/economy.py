"""`attach`: make a transformers model an economy that runs at any compute budget."""

import copy
from typing import Any, final

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from walras.llm.architectures import layers_of
from walras.llm.config import EconomyConfig, checked_budget
from walras.llm.errors import CouplingError, UnsupportedModelError
from walras.llm.gate import MarketGate
from walras.llm.population import HEAD, Population, Site
from walras.llm.schedule import EconomyCallback, ElasticBudget
from walras.llm.structure import shrink, structure_of
from walras.market import InvalidInputError
from walras.market.validation import finite_vector, positive_number

__all__ = ["ModelEconomy", "attach"]

GATE_NAME = "walras_economy"


def attach(model: PreTrainedModel, config: EconomyConfig | None = None) -> "ModelEconomy":
    """Make the heads and neuron blocks of a model compete for its compute.

    The model is changed in place, by hooks and one small submodule. Train it with the ordinary `Trainer`: in training
    mode demand is smooth, in evaluation mode whole agents are served. `detach` takes all of it away again.

    Parameters
    ----------
    model
        A BERT, GPT-2 or Llama model of any transformers class, in memory and whole.
    config
        How compute is rationed; the default grants the whole budget.

    Raises
    ------
    UnsupportedModelError
        Another architecture, cross-attention, quantised or weightless layers.
    CouplingError
        An economy is attached already, or the model was exported before.
    """
    return ModelEconomy(model, config or EconomyConfig())


@final
class ModelEconomy:
    """A model whose compute is rationed by a market. Made by `attach`.

    Attributes
    ----------
    model
        The model, gated in place.
    config
        How it was attached.
    population
        Its agents and their costs.
    gate
        The market's module inside the model.
    """

    def __init__(self, model: PreTrainedModel, config: EconomyConfig) -> None:
        if hasattr(model, GATE_NAME):
            raise CouplingError("The model has an economy already: detach() it first, or use set_budget().")
        if getattr(getattr(model, "config", None), "walras", None):
            raise CouplingError("The model was exported by walras: attach to the whole model that it came from.")
        length = config.sequence_length
        if length is None:
            length = min(128, _longest_sequence(model))
        self.model = model
        self.config = config
        self.population = Population.of(model, sequence_length=length, block_width=config.block_width)
        if any(parameter.is_meta for parameter in model.parameters()):
            raise UnsupportedModelError("The model has no weights (meta device): load it onto a device first.")
        gate = MarketGate(self.population, config.mechanism, valuation_gain=config.valuation_gain)
        self.gate = gate.to(model.device).train(model.training)
        model.add_module(GATE_NAME, self.gate)
        self._hooks = self._register_hooks()

    def _register_hooks(self) -> list[RemovableHandle]:
        hooks = [self.model.base_model.register_forward_pre_hook(_ClearMarket(self.gate))]
        layers = layers_of(self.model)
        for site in self.population.sites:
            layer = layers[site.layer]
            projection = layer.attention_output if site.kind == HEAD else layer.ffn_output
            hooks.append(projection.register_forward_pre_hook(_ScaleFeatures(self.gate, site)))
        return hooks

    def detach(self) -> PreTrainedModel:
        """Take gates and valuations away, and give the model back as it computes without them."""
        self._require_attached()
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        delattr(self.model, GATE_NAME)
        return self.model

    def set_budget(self, budget: float) -> None:
        """Set the fraction of the agents' FLOPs that may be used, in [0, 1], from the next forward pass on."""
        self._require_attached()
        self.gate.budget.fill_(checked_budget(budget))

    @property
    def budget(self) -> float:
        """Fraction of the agents' FLOPs that may be used."""
        return float(self.gate.budget)

    def set_temperature(self, temperature: float) -> None:
        """Set the scale of the demand rule (money per unit), above 0, from the next forward pass on."""
        self._require_attached()
        self.gate.temperature.fill_(positive_number("temperature", temperature))

    def set_mode(self, mode: str | None) -> None:
        """Clear `"soft"`, `"hard"`, or serve everyone (`"open"`), in every mode of the model.

        None follows the model: soft in training, hard in evaluation.
        """
        if mode not in ("soft", "hard", "open", None):
            raise InvalidInputError(f"mode must be 'soft', 'hard', 'open' or None, got {mode!r}.")
        self.gate.mode = mode

    @property
    def valuations(self) -> NDArray[np.float64]:
        """Valuations of the agents (money per unit of the agents' FLOPs), shape (n,)."""
        return self.gate.valuations.detach().double().cpu().numpy()

    def set_valuations(self, valuations: ArrayLike) -> None:
        """Replace the valuations, shape (n,), by a ranking of your own; raise `InvalidInputError` if not finite."""
        self._require_attached()
        values = finite_vector("valuations", valuations, length=len(self.population))
        self.gate.set_valuations(torch.from_numpy(values).to(self.gate.raw_valuations))

    def hard_allocation(self, budget: float | None = None) -> NDArray[np.bool_]:
        """Which agents are served at a budget (the present one by default), whole agents only, shape (n,)."""
        fraction = self.budget if budget is None else checked_budget(budget)
        with torch.no_grad():
            supply = self.gate.budget.new_tensor(fraction)
            shares = self.gate.hard_market(self.gate.valuations, self.gate.costs, supply=supply).allocation
        return shares.cpu().numpy() > 0.5

    def frame(self, budget: float | None = None) -> pd.DataFrame:
        """Give one row per agent: its place, costs, valuation, and whether it is served at a budget.

        Columns: kind, layer, index, width (input features), cost_flops (one sequence), cost (share of all agents'
        FLOPs), valuation (money per unit), served. It is the population that
        `walras.agents.compute.ComputeEconomy` loads.
        """
        return self.population.frame().assign(valuation=self.valuations, served=self.hard_allocation(budget))

    def callback(self, schedule: ElasticBudget | None = None) -> EconomyCallback:
        """Give the Trainer callback that sets the budget and the temperature of each training step."""
        self._require_attached()
        return EconomyCallback(self, schedule or ElasticBudget())

    def export(self, budget: float | None = None) -> PreTrainedModel:
        """Give a copy of the model from which closed heads and blocks are physically removed.

        Parameters
        ----------
        budget
            Fraction of the agents' FLOPs; the present one by default.

        Returns
        -------
        PreTrainedModel
            Of the model's class, in evaluation mode; its logits equal the hard-gated model's. `save_pretrained` writes
            its structure into the config; load it with `EconomizedModel.from_pretrained`.
        """
        self._require_attached()
        open_agents = self.hard_allocation(budget)
        exported = copy.deepcopy(self.model)
        delattr(exported, GATE_NAME)
        for module in exported.modules():
            for hook in self._hooks:  # a copied module has its hooks under the numbers of the original's
                module._forward_pre_hooks.pop(hook.id, None)
        return shrink(exported, structure_of(self.population, open_agents)).eval()

    def _require_attached(self) -> None:
        if not self._hooks:
            raise CouplingError("The economy is detached from its model: attach() a new one.")


class _ClearMarket:
    """Hook that clears the market before a forward pass.

    Hooks are objects, not closures: a copy or pickle of the model takes its own gate along.
    """

    def __init__(self, gate: MarketGate) -> None:
        self.gate = gate

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        self.gate.clear()


class _ScaleFeatures:
    """Hook that scales each agent's features by its share."""

    def __init__(self, gate: MarketGate, site: Site) -> None:
        self.gate = gate
        self.agents = site.agents
        self.width = site.widths[0] if len(set(site.widths)) == 1 else None
        self.widths = torch.tensor(site.widths)

    def __call__(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        features, *rest = arguments  # (..., features of the site)
        shares = self.gate.shares(self.agents).to(features.dtype)  # (agents of the site,) or (lanes, agents)
        if self.width is not None:
            gates = shares.unsqueeze(-1).expand(*shares.shape, self.width).flatten(-2)  # (..., agents * width)
        else:
            widths = self.widths.to(shares.device)
            gates = shares.repeat_interleave(widths, dim=-1, output_size=features.shape[-1])
        if gates.ndim == 1:
            return (features * gates, *rest)
        # One part of the batch per lane: (lanes * part, ..., features) -> (lanes, part, ..., features)
        parts = features.unflatten(0, (gates.shape[0], -1))
        gates = gates.view(gates.shape[0], *(1,) * (features.ndim - 1), -1)
        return ((parts * gates).flatten(0, 1), *rest)


def _longest_sequence(model: PreTrainedModel) -> int:
    config = getattr(model, "config", None)
    return int(getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 128)
