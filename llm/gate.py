"""The market inside the model: learned valuations in, one gate per agent out, cleared once per forward pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from walras.llm.population import Population
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LinearDemand, LogitDemand, StepDemand
from walras.market.operators import OperatorClearing, compile_mechanism

__all__ = ["MarketGate"]


class MarketGate(nn.Module):
    """A compiled market over a model's agents, a submodule that is trained, moved and saved with the model.

    In training mode it clears the mechanism's smooth demand (every gate between 0 and 1, the budget used exactly); in
    evaluation mode whole agents only, in descending order of valuation (the budget never exceeded). `mode` overrides
    this: `"soft"`, `"hard"`, or `"open"`, in which all agents are served and the loss's gradient in each share can be
    observed.

    Parameters
    ----------
    population
        The agents, whose costs are shares of all agents' FLOPs.
    mechanism
        A capacity market with smooth demand and fixed supply; its quantity is the budget, a fraction of those FLOPs.
    valuation_gain
        By how much the valuations learn faster than the weights. It acts on the step of optimisers that normalise the
        gradient (Adam and its like), as a learning rate of its own would.

    Attributes
    ----------
    raw_valuations
        Parameter of shape (n,); valuations are this times the gain.
    costs
        Buffer of shape (n,), float64, adding up to 1.
    budget, temperature
        Scalar buffers: fraction of the agents' FLOPs, and scale of the demand rule (money per unit).
    lanes
        Budgets of several models side by side in one soft forward pass, shape (lanes,), in place of `budget`; the
        batch holds as many equal parts, one behind the other. None outside of such a pass.
    given
        Called once a forward pass for shares from elsewhere, shape (n,) or (lanes, n), in place of the market's: other
        methods' gates. None for the market.
    """

    raw_valuations: nn.Parameter
    costs: Tensor
    budget: Tensor
    temperature: Tensor

    def __init__(self, population: Population, mechanism: CapacityMarket, *, valuation_gain: float) -> None:
        super().__init__()
        self.valuation_gain = valuation_gain
        self.soft_market = compile_mechanism(mechanism)
        self.hard_market = compile_mechanism(replace(mechanism, demand=StepDemand(divisible=False)))
        self.raw_valuations = nn.Parameter(torch.zeros(len(population)))
        self.register_buffer("costs", torch.from_numpy(population.costs))
        self.register_buffer("budget", torch.tensor(_quantity(mechanism), dtype=torch.float64))
        self.register_buffer("temperature", torch.tensor(_scale(mechanism), dtype=torch.float64))
        self.mode: str | None = None
        self.lanes: Tensor | None = None
        self.given: Callable[[], Tensor] | None = None
        self.clearing: OperatorClearing | None = None
        self._supply: Tensor | None = None
        self._open: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the tensors of the last forward pass behind when the module is copied or pickled."""
        return {**self.__dict__, "clearing": None, "_supply": None, "_open": None, "lanes": None, "given": None}

    def _apply(self, fn: Any, recurse: bool = True) -> "MarketGate":  # noqa: FBT001, FBT002 (torch's signature)
        """Follow the model to another device, but not to a lower precision: rounded costs do not add up to 1."""
        exact = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)
        for name, buffer in exact.items():
            setattr(self, name, buffer.to(getattr(self, name).device))
        return self

    @property
    def valuations(self) -> Tensor:
        """Valuations (money per unit of the agents' FLOPs), shape (n,), float32."""
        # The value is raw * gain, its gradient that of raw: gradient clipping then sees the market's true gradient.
        raw = self.raw_valuations.float()
        return raw + (self.valuation_gain - 1.0) * raw.detach()

    @torch.no_grad()
    def set_valuations(self, valuations: Tensor) -> None:
        """Replace the valuations, shape (n,)."""
        self.raw_valuations.copy_(valuations / self.valuation_gain)

    @property
    def is_soft(self) -> bool:
        """Whether the next forward pass clears smooth demand."""
        return self.training if self.mode is None else self.mode == "soft"

    def clear(self) -> OperatorClearing:
        """Clear the market at the present budget and remember the outcome for the gates of this forward pass."""
        self._supply = self._open = None
        if self.given is not None:
            shares = self.given()
            sold = (shares.detach() * self.costs).sum(-1)
            self.clearing = OperatorClearing(shares, torch.full_like(sold, torch.nan), sold)
        elif self.mode == "open":
            self._open = torch.ones_like(self.raw_valuations, requires_grad=torch.is_grad_enabled())
            # Valuations have no say, but must be in the graph: data parallel training waits for each gradient.
            shares = self._open + 0.0 * self.raw_valuations
            self.clearing = OperatorClearing(shares, shares.new_tensor(float("nan")), self.costs.sum())
        elif self.is_soft:
            # A leaf of its own: after the backward pass its gradient is the loss's derivative in the budget.
            budget = self.budget if self.lanes is None else self.lanes
            self._supply = budget.float().clone().requires_grad_(torch.is_grad_enabled())
            self.clearing = self.soft_market(
                self.valuations, self.costs.float(), supply=self._supply, temperature=self.temperature.float()
            )
        else:
            with torch.no_grad():
                self.clearing = self.hard_market(self.valuations, self.costs, supply=self.budget)
        return self.clearing

    def shares(self, agents: slice) -> Tensor:
        """Shares of some agents in the present forward pass, shape (agents,) or (lanes, agents)."""
        clearing = self.clearing if self.clearing is not None else self.clear()
        return clearing.allocation[..., agents]

    @property
    def marginal_contributions(self) -> Tensor | None:
        """How far the last loss falls as each agent's share rises, in absolute value, shape (n,).

        Known after a backward pass in mode `"open"`; None otherwise.
        """
        if self._open is None or self._open.grad is None:
            return None
        return self._open.grad.abs()

    @property
    def shadow_price(self) -> float | None:
        """What one more unit of budget would lower the loss by, at the last soft forward and backward pass.

        In loss per fraction of the agents' FLOPs, all lanes together; None before a backward pass.
        """
        if self._supply is None or self._supply.grad is None:
            return None
        return -float(self._supply.grad.sum())


def _quantity(mechanism: CapacityMarket) -> float:
    match mechanism.supply:
        case FixedSupply(quantity=quantity):
            return quantity
    raise InvalidInputError(f"A gate needs a FixedSupply, got {mechanism.supply!r}.")


def _scale(mechanism: CapacityMarket) -> float:
    match mechanism.demand:
        case LogitDemand(temperature=scale) | LinearDemand(width=scale):
            return scale
    raise InvalidInputError(f"A gate needs smooth demand, got {mechanism.demand!r}.")
