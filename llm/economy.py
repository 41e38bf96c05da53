"""`attach`: make a transformers model an economy that runs at any compute budget."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from walras.llm.architectures import entry_points, sublayers_of
from walras.llm.bidders import Bidder, pooled_embeddings
from walras.llm.callback import EconomyCallback
from walras.llm.config import EconomyConfig, checked_budget
from walras.llm.errors import CouplingError
from walras.llm.folding import Folding
from walras.llm.gate import MarketGate
from walras.llm.guards import GATE_NAME, SaveGated, require_attachable
from walras.llm.hooks import AddLevy, ClearMarket, RestoreWeight, ScaleFeatures, ScaleOutput
from walras.llm.importance import first_order_valuations
from walras.llm.population import Population
from walras.llm.resources import RESOURCES, amounts_of
from walras.llm.rounding import fill_up, rounded_allocation
from walras.llm.schedule import BudgetSchedule, ElasticBudget
from walras.llm.shutdown import shutdown_allocation
from walras.llm.site_latency import SiteLatency
from walras.llm.structure import shrink, structure_of
from walras.market import InvalidInputError
from walras.market.validation import finite_number, finite_vector, positive_number

if TYPE_CHECKING:
    from walras.llm.analysis import EconomyReport

__all__ = ["ModelEconomy", "attach"]


def attach(model: PreTrainedModel, config: EconomyConfig | None = None) -> "ModelEconomy":
    """Make the heads and neuron blocks of a model compete for its compute.

    The model is changed in place, by hooks and one small submodule. Train it with the ordinary `Trainer`: in training
    mode demand is smooth, in evaluation mode whole agents are served (with `EconomyConfig(straight_through=True)` in
    both). `detach` takes all of it away again.

    Parameters
    ----------
    model
        A transformers model of any class of a supported architecture, in memory and whole.
    config
        How compute is rationed; the default grants the whole budget.

    Raises
    ------
    UnsupportedModelError
        An architecture that is neither in the table nor described in the config; weights that are missing, quantised,
        distributed, spread over devices or shared by sub-layers.
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
    amounts
        What each agent uses of the scarce resource, in its unit, shape (n,).
    limited
        The same of each further resource that `config.limits` names.
    """

    def __init__(self, model: PreTrainedModel, config: EconomyConfig) -> None:
        require_attachable(model, config.architecture)
        length = config.sequence_length
        if length is None:
            length = min(128, _longest_sequence(model))
        self.model = model
        self.config = config
        self.population = Population.of(
            model,
            sequence_length=length,
            block_width=config.block_width,
            agents=config.agents,
            architecture=config.architecture,
        )
        self.amounts = amounts_of(config.resource, model, self.population)  # type: ignore[arg-type]
        bidder = Bidder(config.bids, model, self.population) if config.bids else None
        self.limited = {name: amounts_of(RESOURCES[name], model, self.population) for name in config.limits}
        costs = self.amounts / self.amounts.sum()
        gate = MarketGate(self.population, config, costs=costs, bidder=bidder, amounts=self.limited)
        self.gate = gate.to(model.device).train(model.training)
        model.add_module(GATE_NAME, self.gate)
        model.save_pretrained = SaveGated(model)
        self._hooks = self._register_hooks()

    def _register_hooks(self) -> list[RemovableHandle]:
        architecture = self.population.architecture
        # Bids that depend on the input need what the base model is called with.
        reads_input = self.gate.bidder is not None
        entries = (self.model.base_model,) if reads_input else entry_points(self.model, architecture)
        sublayers = sublayers_of(self.model, architecture)
        sites = self.population.sites
        outputs = [sublayers[site.sublayer].output for site in sites]
        folds = all(map(Folding.possible, sites, outputs))
        clear = ClearMarket(self.gate, outputs[0], Folding(sites, outputs) if folds else None)
        hooks = [module.register_forward_pre_hook(clear, with_kwargs=True) for module in entries]
        if self.gate.is_priced:
            hooks.append(self.model.register_forward_hook(AddLevy(self.gate), with_kwargs=True))
        for number, (site, output) in enumerate(zip(sites, outputs, strict=True)):
            scale, post_norm = ScaleFeatures(self.gate, number), sublayers[site.sublayer].post_norm
            if site.is_whole and post_norm is not None:
                # One share for all features would be normalised away: it scales what joins the residual stream.
                hooks.append(post_norm.register_forward_hook(ScaleOutput(scale)))
                continue
            hooks.append(output.register_forward_pre_hook(scale))
            if folds:
                hooks.append(output.register_forward_hook(RestoreWeight(self.gate), always_call=True))
        return hooks

    def detach(self) -> PreTrainedModel:
        """Take gates and valuations away, and give the model back as it computes without them."""
        self._require_attached()
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        delattr(self.model, GATE_NAME)
        del self.model.save_pretrained  # the class's own comes to light again
        return self.model

    def set_budget(self, budget: float) -> None:
        """Set the fraction of the agents' resource that may be used, in [0, 1], from the next forward pass on."""
        self._require_attached()
        self._require_budgets("set_price() sets the price, and hard_allocation() and export() take a budget")
        self.gate.budget.fill_(checked_budget(budget))

    @property
    def budget(self) -> float:
        """Fraction of the agents' resource (FLOPs by default) that may be used."""
        self._require_budgets("economy.price is the price")
        return float(self.gate.budget)

    def set_price(self, price: float) -> None:
        """Set the posted price (money per unit), from the next forward pass on."""
        self._require_attached()
        if not self.config.posts_a_price:
            raise CouplingError("The economy has a budget, and the market finds its price: set_budget() instead.")
        self.gate.budget.fill_(finite_number("price", price))

    def set_limit(self, resource: str, limit: float) -> None:
        """Set the fraction, in (0, 1], of one of `config.limits` that may be used, from the next forward pass on."""
        self._require_attached()
        limits = self.gate.limits
        if limits is None or resource not in limits.names:
            raise CouplingError(f"The economy limits {list(self.config.limits)}, not {resource!r}: name it in limits=.")
        if not 0.0 < finite_number("limit", limit) <= 1.0:
            raise InvalidInputError(f"limit must lie in (0, 1], got {limit}.")
        limits.fractions[limits.names.index(resource)] = limit

    @property
    def resource_prices(self) -> dict[str, float]:
        """Price of each resource at the last forward pass (money per fraction of what all agents use), by name.

        Money above that at which nobody stays idle for nothing; 0 where a resource is not used up. Empty without
        limits, or before a forward pass.
        """
        limits = self.gate.limits
        if limits is None or limits.prices is None:
            return {}
        names = (self.config.resource.name, *limits.names)  # type: ignore[union-attr]
        return dict(zip(names, limits.prices.reshape(-1, len(names)).mean(0).tolist(), strict=True))

    @property
    def price(self) -> float:
        """The posted price, or else what the last forward pass cleared at: the mean of all markets (money per unit)."""
        if self.config.posts_a_price:
            return float(self.gate.budget)
        return float("nan") if self.gate.clearing is None else float(self.gate.clearing.price.detach().mean())

    def set_temperature(self, temperature: float) -> None:
        """Set the scale of the demand rule (money per unit), above 0, from the next forward pass on."""
        self._require_attached()
        self.gate.temperature.fill_(positive_number("temperature", temperature))

    def set_mode(self, mode: str | None) -> None:
        """Clear `"soft"`, `"hard"`, or serve everyone (`"open"`), in every mode of the model.

        None follows the model: hard in evaluation, soft in training, or there whole agents with the soft market's
        gradient (`EconomyConfig.straight_through`), which is never so in mode `"soft"`.
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

    def initialise_valuations(self, batches: Iterable[Mapping[str, Tensor]]) -> NDArray[np.float64]:
        """Set each agent's valuation to its first-order importance per unit of cost, and give them, shape (n,).

        Parameters
        ----------
        batches
            What the model is called with, labels included: some dozens of batches of the task.

        Notes
        -----
        *Source*: `walras.llm.importance`.
        """
        self._require_attached()
        self.set_valuations(first_order_valuations(self.model, self.gate, batches))
        return self.valuations

    @property
    def bids(self) -> NDArray[np.float64]:
        """What agents bid (money per unit): their valuations, as far as their wealth reaches; shape (n,)."""
        return self.gate.bids.double().cpu().numpy()

    @property
    def wealth(self) -> NDArray[np.float64] | None:
        """What each agent owns (money), shape (n,); None without wealth."""
        return None if self.gate.purse is None else self.gate.purse.wealth.cpu().numpy().copy()

    def levy(self) -> Tensor | None:
        """What agents owe at the last soft forward pass, as a differentiable term of the loss.

        A model that is called with labels in training mode adds it to its loss by itself. Whoever makes a loss of the
        logits adds it there. None where nothing is owed, or no longer.
        """
        return self.gate.levy

    def hard_allocation(
        self, budget: float | None = None, *, inputs: Mapping[str, Tensor] | None = None
    ) -> NDArray[np.bool_]:
        """Which agents are served at a budget (the present budget or price by default), whole agents only.

        Parameters
        ----------
        inputs
            What the model is called with, where bids depend on the sequence.

        Returns
        -------
        array
            Shape (n,); (sequences, n) with `inputs`.
        """
        pooled = None
        if self.gate.bidder is not None:
            if inputs is None:
                raise CouplingError(
                    "Bids depend on the sequence, so no one set of agents is served: give inputs=, or fix the "
                    "valuations at their mean with fix_valuations()."
                )
            with torch.no_grad():
                pooled = pooled_embeddings(self.model, (), dict(inputs))
        level, posted = self.gate.budget, None
        if budget is not None:
            level, posted = level.new_tensor(checked_budget(budget)), False
        return self.gate.serve(level, pooled=pooled, posted=posted).allocation.cpu().numpy() > 0.5

    def fix_valuations(self, batches: Iterable[Mapping[str, Tensor]]) -> NDArray[np.float64]:
        """Replace valuations that depend on the sequence by their mean over some sequences, for good.

        The bidder and its cost are gone; `export` works then.

        Parameters
        ----------
        batches
            What the model is called with.

        Returns
        -------
        array
            The mean valuations, shape (n,).
        """
        self._require_attached()
        if self.gate.bidder is None:
            raise CouplingError("The valuations do not depend on the sequence: there is nothing to fix.")
        added, sequences = torch.zeros_like(self.gate.raw_valuations, dtype=torch.float64), 0
        with torch.no_grad():
            for batch in batches:
                pooled = pooled_embeddings(self.model, (), {k: v.to(self.model.device) for k, v in batch.items()})
                added += self.gate.bidder(pooled).double().sum(0)
                sequences += len(pooled)
            if sequences == 0:
                raise InvalidInputError("batches is empty: the mean needs at least one sequence.")
            self.gate.raw_valuations.add_((added / sequences).to(self.gate.raw_valuations))
        self.gate.bidder, self.gate.overhead = None, 0.0
        return self.valuations

    def frame(self, budget: float | None = None) -> pd.DataFrame:
        """Give one row per agent: its place, costs, valuation, and whether it is served at a budget.

        Columns: kind, layer, index, width (input features), cost_flops (one sequence), cost (share of what all agents
        use of the scarce resource), valuation (what it bids, money per unit), served; with another resource than FLOPs
        a column `cost_<resource>` in its unit; with wealth, a column wealth (money). It is the population that
        `walras.agents.compute.load_population` reads.
        """
        table = self.population.frame().assign(cost=self.gate.costs.cpu().numpy())
        if self.config.resource.name != "flops":  # type: ignore[union-attr]
            table[f"cost_{self.config.resource.name}"] = self.amounts  # type: ignore[union-attr]
        for name, amounts in self.limited.items():
            table[f"cost_{name}"] = amounts
        table = table.assign(valuation=self.bids, served=self.hard_allocation(budget))
        return table if self.wealth is None else table.assign(wealth=self.wealth)

    def save_population(self, path: str | Path, budget: float | None = None) -> None:
        """Write `frame(budget)` to a `.csv` or `.parquet` file, for a simulation of the same agents without the model.

        Agents that use nothing of the scarce resource are not for sale, and are left out.
        """
        path, table = Path(path), self.frame(budget)
        if path.suffix not in (".csv", ".parquet"):
            raise InvalidInputError(f"path must end in .csv or .parquet, got {str(path)!r}.")
        table = table[table["cost"] > 0.0]
        if path.suffix == ".csv":
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path, index=False)

    def report(
        self,
        batches: Iterable[Mapping[str, Tensor]] = (),
        *,
        budgets: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
        temperature: float | None = None,
    ) -> "EconomyReport":
        """Give a report of use, prices, concentration and FLOPs at some budgets: print it, or `save("page.html")`.

        Parameters
        ----------
        batches
            What the model is called with, labels included, for shadow prices and attention entropy; without any, those
            are left out.
        budgets
            Fractions in [0, 1].
        temperature
            Scale of demand (money per unit) at which shadow prices are taken; the present one by default.
        """
        from walras.llm.analysis import make_report  # here: it brings in matplotlib

        self._require_attached()
        return make_report(self, batches, budgets=budgets, temperature=temperature)

    def callback(self, schedule: BudgetSchedule | None = None) -> EconomyCallback:
        """Give the Trainer callback that sets the budget and the temperature of each training step."""
        self._require_attached()
        return EconomyCallback(self, schedule or ElasticBudget())

    def export(
        self, budget: float | None = None, *, round_to: int | None = None, latency: SiteLatency | None = None
    ) -> PreTrainedModel:
        """Give a copy of the model from which closed heads and blocks are physically removed.

        Parameters
        ----------
        budget
            Fraction of the agents' FLOPs; the present one by default.
        round_to
            Keep features in multiples of this in each sub-layer, as the hardware's tiles want it (64, 128): further
            agents are served in it, and others elsewhere are not, within the same budget and limits. The gated model
            then serves somewhat different agents.
        latency
            Let agents pay in these seconds instead: `budget` is then a fraction of the time that all agents and their
            sub-layers take, and sub-layers whose agents do not pay for the seconds that being open costs are closed
            (`walras.llm.shutdown`). The gated model serves other agents then.

        Returns
        -------
        PreTrainedModel
            Of the model's class, in evaluation mode; its logits equal the hard-gated model's. `save_pretrained` writes
            its structure into the config; load it with `EconomizedModel.from_pretrained`.
        """
        self._require_attached()
        if latency is not None:
            open_agents = self._paid_in_seconds(budget, latency, round_to)
        else:
            open_agents = self.hard_allocation(budget)
        if round_to is not None:
            open_agents = self._rounded_allocation(open_agents, budget, round_to)
        exported = copy.deepcopy(self.model)
        delattr(exported, GATE_NAME)
        del exported.save_pretrained
        for module in exported.modules():
            for hook in self._hooks:  # a copied module has its hooks under the numbers of the original's
                module._forward_pre_hooks.pop(hook.id, None)
                module._forward_pre_hooks_with_kwargs.pop(hook.id, None)
                module._forward_hooks_with_kwargs.pop(hook.id, None)
                module._forward_hooks.pop(hook.id, None)
                module._forward_hooks_always_called.pop(hook.id, None)
        return shrink(exported, structure_of(self.population, open_agents)).eval()

    def _rounded_allocation(self, served: NDArray[np.bool_], budget: float | None, multiple: int) -> NDArray[np.bool_]:
        valuations = self.valuations
        if budget is None and self.config.posts_a_price:
            return fill_up(self.population, served, valuations, multiple)  # there is no budget to keep
        limits, budget = self.gate.limits, self.budget if budget is None else checked_budget(budget)
        return rounded_allocation(
            self.hard_allocation,
            self.population,
            valuations,
            (self.gate.costs if limits is None else limits.shares).cpu().numpy(),
            budget=budget if limits is None else np.array([budget, *limits.fractions.tolist()]),
            multiple=multiple,
        )

    def _paid_in_seconds(self, budget: float | None, table: SiteLatency, round_to: int | None) -> NDArray[np.bool_]:
        if round_to is not None:
            raise InvalidInputError("export takes round_to= or latency=: what is rounded up would exceed the seconds.")
        if self.gate.bidder is not None or (budget is None and self.config.posts_a_price):
            raise CouplingError(
                "Seconds are shared out once, at a budget: fix_valuations() where bids depend on the sequence, and "
                "give a budget where a price is posted."
            )
        bids, costs = self.bids, self.gate.costs.cpu().numpy()
        if (costs <= 0.0).any():
            raise CouplingError("Agents that use nothing of the economy's resource have no bid to pay seconds with.")
        # Valuations are learned up to a constant: nobody stays idle for nothing (see `walras.llm.limits`).
        level = self.budget if budget is None else checked_budget(budget)
        return shutdown_allocation(self.population, (bids - bids.min()) * costs, table, budget=level)

    def _require_attached(self) -> None:
        if not self._hooks:
            raise CouplingError("The economy is detached from its model: attach() a new one.")

    def _require_budgets(self, instead: str) -> None:
        if self.config.posts_a_price:
            raise CouplingError(f"The economy posts a price, and has no budget: {instead}.")


def _longest_sequence(model: PreTrainedModel) -> int:
    config = getattr(model, "config", None)
    return int(getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 128)
