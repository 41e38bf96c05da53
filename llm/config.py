"""How a model's compute is to be rationed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

from walras.llm.architectures import Architecture
from walras.llm.bidders import SequenceBids
from walras.llm.incentives import ConcentrationTax
from walras.llm.population import HEAD, NEURON_BLOCK, checked_agents
from walras.llm.resources import RESOURCES, Flops, Resource
from walras.llm.wealth import WealthDynamics
from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    StepDemand,
)
from walras.market.validation import boolean, finite_number, positive_number

__all__ = ["SCOPES", "EconomyConfig", "checked_budget"]

SCOPES = ("global", "layer")


@final
@dataclass(frozen=True)
class EconomyConfig:
    """How a model's compute is to be rationed.

    Parameters
    ----------
    mechanism
        A capacity market with smooth demand (logit or linear). Costs are shares of what all agents use of the scarce
        resource, so its quantity is the budget, a fraction of that. The supply rule is the instrument:
        `FixedSupply(budget)`, a cap (with `free_disposal=True` the price never falls below 0, and agents that are
        worth less stay closed); `PostedPrice(price)`, the paper's lambda, in loss per unit: there is no budget, and
        agents choose; `PriceCollar(budget, floor, ceiling)`, a cap whose price is bounded. A `PerUnitTax`, one rate or
        one per agent, counts in the loss (`walras.llm.incentives`).
    budget
        In place of the mechanism's quantity, in [0, 1].
    block_width
        Neurons in one block.
    agents
        Who takes part: `"head"` (key-value groups under grouped queries) or `"attention"` (whole sub-layers), and
        `"neuron_block"` or `"ffn"`; or one of the two alone. What is not named is always served and costs nothing.
    architecture
        The names of the model's layers; by default those of walras's table, by `model_type`.
    sequence_length
        Tokens at which attention is costed; None takes 128, or the model's maximum if that is less.
    valuation_gain
        By how much valuations learn faster than weights (see `MarketGate`).
    resource
        What is scarce: `"flops"`, `"parameters"`, `"kv_cache"`, `"latency"`, or a `Resource`.
    scope
        `"global"`: all agents in one market, at one price; `"layer"`: a market and a price for each layer, each of
        which sells the same fraction.
    limits
        Further scarce resources, by name (a key of `walras.llm.resources.RESOURCES`), and the fraction of each that may
        be used, in (0, 1]: one price per resource (`walras.llm.limits`).
    bids
        `SequenceBids()` for valuations that depend on the sequence; None for static ones.
    concentration
        A progressive tax on layers or sites that use more than their part; None for none.
    rebate
        Whether what agents owe comes back in equal lump sums: the loss then keeps its value, and its incentives.
    wealth
        Whether agents earn, pay, and may bid only what they own; None for agents with credit.
    straight_through
        Whether whole agents are served in training, as in evaluation, while bids learn from the gradient of the soft
        market at the same budget. The model then trains on what it computes in evaluation, but the gradient is that of
        another allocation: it is biased. What agents owe, pay and earn is reckoned on the soft market's shares, which
        have a gradient.

    Notes
    -----
    *Source* of `straight_through`: Bengio, Léonard and Courville 2013 (docs/reference/bibliography.md).
    """

    mechanism: CapacityMarket = field(default_factory=lambda: CapacityMarket(FixedSupply(1.0), LogitDemand(1.0)))
    budget: float | None = None
    block_width: int = 64
    agents: tuple[str, ...] = (HEAD, NEURON_BLOCK)
    architecture: Architecture | None = None
    sequence_length: int | None = None
    valuation_gain: float = 100.0
    resource: Resource | str = field(default_factory=Flops)
    scope: str = "global"
    limits: Mapping[str, float] = field(default_factory=dict)
    bids: SequenceBids | None = None
    concentration: ConcentrationTax | None = None
    rebate: bool = False
    wealth: WealthDynamics | None = None
    straight_through: bool = False

    def __post_init__(self) -> None:
        _check_mechanism(self.mechanism)
        positive_number("EconomyConfig.valuation_gain", self.valuation_gain)
        object.__setattr__(self, "agents", checked_agents(self.agents))
        if not isinstance(self.architecture, Architecture | None):
            raise InvalidInputError(f"EconomyConfig.architecture must be an Architecture, got {self.architecture!r}.")
        object.__setattr__(self, "resource", _resource(self.resource))
        if self.scope not in SCOPES:
            raise InvalidInputError(f"EconomyConfig.scope must be one of {list(SCOPES)}, got {self.scope!r}.")
        for name, kind in (("bids", SequenceBids), ("concentration", ConcentrationTax), ("wealth", WealthDynamics)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise InvalidInputError(f"EconomyConfig.{name} must be None or a {kind.__name__}, got {value!r}.")
        boolean("EconomyConfig.rebate", self.rebate)
        boolean("EconomyConfig.straight_through", self.straight_through)
        object.__setattr__(self, "limits", _limits(self.limits, self.resource))  # type: ignore[arg-type]
        self._set_budget()
        self._check_together()

    def _set_budget(self) -> None:
        supply: Any = self.mechanism.supply
        if isinstance(supply, PostedPrice):
            if self.budget is not None:
                raise InvalidInputError(
                    f"EconomyConfig.budget is a quantity, and the mechanism posts a price ({supply.price}): give one "
                    "of the two. A cap whose price is bounded is a PriceCollar."
                )
            return
        budget = checked_budget(supply.quantity if self.budget is None else self.budget)
        object.__setattr__(self, "budget", budget)
        object.__setattr__(self, "mechanism", replace(self.mechanism, supply=replace(supply, quantity=budget)))

    def _check_together(self) -> None:
        if self.wealth is not None and self.posts_a_price:
            raise InvalidInputError(
                "EconomyConfig.wealth needs a cap or a collar: under a posted price the loss already pays for compute, "
                "in another money than the agents' own."
            )
        plain = self.mechanism.supply == FixedSupply(self.budget or 0.0) and self.mechanism.tax == PerUnitTax()
        if self.limits and not (plain and self.scope == "global" and self.wealth is None):
            raise InvalidInputError(
                "EconomyConfig.limits needs one untaxed market of all agents, under a FixedSupply and without wealth; "
                f"got {self.mechanism!r}, scope {self.scope!r}, wealth {self.wealth!r}."
            )
        owes = self.posts_a_price or self.concentration is not None or self.mechanism.tax != PerUnitTax()
        owes = owes or self.mechanism.supply != FixedSupply(self.budget or 0.0)
        if self.rebate and not owes:
            raise InvalidInputError("EconomyConfig.rebate has nothing to give back: there is no tax and no price rule.")

    @property
    def posts_a_price(self) -> bool:
        """Whether agents face a posted price, and there is no budget."""
        return isinstance(self.mechanism.supply, PostedPrice)


def _check_mechanism(mechanism: object) -> None:
    if not isinstance(mechanism, CapacityMarket):
        raise InvalidInputError(f"EconomyConfig.mechanism must be a CapacityMarket, got {mechanism!r}.")
    if not isinstance(mechanism.supply, FixedSupply | PostedPrice | PriceCollar):
        raise InvalidInputError(
            "EconomyConfig.mechanism must have a FixedSupply (a cap), a PostedPrice or a PriceCollar, got "
            f"{mechanism.supply!r}: a model's compute has no rising marginal cost."
        )
    if isinstance(mechanism.demand, StepDemand):
        raise InvalidInputError(
            "EconomyConfig.mechanism must have smooth demand (LogitDemand or LinearDemand): step demand has no "
            "gradient to learn from. In evaluation whole agents are served anyway."
        )
    if not isinstance(mechanism.tax, PerUnitTax):
        raise InvalidInputError(
            f"EconomyConfig.mechanism must have a PerUnitTax, got {mechanism.tax!r}: valuations are learned up to a "
            "constant, so that a fraction of the price means nothing."
        )


def _resource(resource: Resource | str) -> Resource:
    if isinstance(resource, str):
        if resource not in RESOURCES:
            raise InvalidInputError(
                f"EconomyConfig.resource must be one of {list(RESOURCES)}, or a Resource; got {resource!r}."
            )
        return RESOURCES[resource]
    if isinstance(resource, type) or not isinstance(resource, Resource):
        raise InvalidInputError(
            f"EconomyConfig.resource must have a name, a unit and amounts(model, population); got {resource!r}."
        )
    return resource


def _limits(limits: object, resource: Resource) -> dict[str, float]:
    if not isinstance(limits, Mapping):
        raise InvalidInputError(f"EconomyConfig.limits must map names of resources to fractions, got {limits!r}.")
    for name, limit in limits.items():
        if name not in RESOURCES or name == resource.name:
            others = [other for other in RESOURCES if other != resource.name]
            raise InvalidInputError(
                f"EconomyConfig.limits names resources beside the budget's, of {others}; got {name!r}."
            )
        if not 0.0 < finite_number(f"EconomyConfig.limits[{name!r}]", limit) <= 1.0:
            raise InvalidInputError(f"EconomyConfig.limits[{name!r}] must lie in (0, 1], got {limit}.")
    return {str(name): float(limit) for name, limit in limits.items()}


def checked_budget(budget: float) -> float:
    """Give `budget`, a fraction in [0, 1], or raise `InvalidInputError`."""
    number = finite_number("budget", budget)
    if not 0.0 <= number <= 1.0:
        raise InvalidInputError(f"budget is a fraction of the FLOPs that agents can use, in [0, 1]; got {number}.")
    return number
