"""The market inside the model: learned valuations in, one gate per agent out, cleared once per forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from walras.llm.bidders import Bidder
from walras.llm.capped import CappedMarket, clear_capped
from walras.llm.config import EconomyConfig
from walras.llm.incentives import GroupTax, group_of_agents
from walras.llm.limits import ResourceLimits
from walras.llm.marketplace import Marketplace, Sale, scale_of
from walras.llm.outcome import Outcome
from walras.llm.population import Population
from walras.llm.spread import Spread
from walras.llm.wealth import Purse, mean_of_processes
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LogitDemand, PostedPrice, PriceCollar
from walras.market.operators import OperatorClearing
from walras.market.operators.capacity import transforms_are_active
from walras.market.operators.solve import LINEAR, LOGIT
from walras.market.operators.straight_through import with_gradient_of

__all__ = ["MarketGate"]


class MarketGate(nn.Module):
    """A compiled market over a model's agents, a submodule that is trained, moved and saved with the model.

    In training mode it clears the mechanism's smooth demand (every gate between 0 and 1, the budget used exactly); in
    evaluation mode whole agents only, in descending order of valuation (the budget never exceeded). With
    `config.straight_through` whole agents are served in training mode too, with the gradient of smooth demand. `mode`
    overrides this: `"soft"` (smooth demand, and never straight through), `"hard"`, or `"open"`, in which all agents are
    served and the loss's gradient in each share can be observed.

    Parameters
    ----------
    population
        The agents.
    config
        The rules. `valuation_gain` acts on the step of optimisers that normalise the gradient (Adam and its like), as a
        learning rate of its own would.
    costs
        What each agent uses of the scarce resource, as a share of what all use, shape (n,); by default the population's
        shares of FLOPs.
    amounts
        What each agent uses of the resources that `config.limits` names.
    bidder
        The network that adds to valuations what a sequence says, if there is one.

    Attributes
    ----------
    raw_valuations
        Parameter of shape (n,); valuations are this times the gain.
    costs, costs_single
        Buffers of shape (n,), float64 and float32, adding up to 1.
    budget, temperature
        Scalar buffers: fraction of the agents' resource (under a posted price, the price), and scale of the demand rule
        (money per unit).
    outcome
        Of the last forward pass.
    levies_itself
        Whether a model that gives a loss adds the levy to it; a trainer that adds it elsewhere says False.
    lanes
        Budgets of several models side by side in one soft forward pass, shape (lanes,), in place of `budget`; the
        batch holds as many equal parts, one behind the other. None outside of such a pass. If it requires a gradient,
        it collects the derivative of the loss in each budget.
    folds
        Whether gates of one budget are folded into the weights that read the features, in training and where that
        can be (`walras.llm.folding`); None for wherever it is quicker.
    given
        Called once a forward pass for shares from elsewhere, shape (n,) or (lanes, n), in place of the market's: other
        methods' gates. None for the market.
    observed
        Ones of shape (n,) that require a gradient, to stand for the shares of open passes and collect the loss's
        gradient over several of them. None makes new ones in each pass (which torch.compile does not take).
    """

    raw_valuations: nn.Parameter
    costs: Tensor
    costs_single: Tensor
    budget: Tensor
    temperature: Tensor

    def __init__(
        self,
        population: Population,
        config: EconomyConfig,
        *,
        costs: ArrayLike | None = None,
        bidder: Bidder | None = None,
        amounts: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        super().__init__()
        shares = np.array(population.costs if costs is None else costs, dtype=np.float64)
        mechanism = config.mechanism
        self.valuation_gain = config.valuation_gain
        self.rebate = config.rebate
        self.straight_through = config.straight_through
        self.marketplace = Marketplace(mechanism, shares, _market_of_agent(population, config.scope))
        self.limits = ResourceLimits(mechanism.demand, shares, amounts or {}, config.limits) if config.limits else None  # type: ignore[arg-type]
        self.spread = Spread(population)
        self.raw_valuations = nn.Parameter(torch.zeros(len(population)))
        self.register_buffer("costs", torch.from_numpy(shares))
        self.register_buffer("costs_single", self.costs.float(), persistent=False)
        self.register_load_state_dict_post_hook(_follow_costs)
        self.register_buffer("budget", torch.tensor(_level(mechanism), dtype=torch.float64))
        self.register_buffer("temperature", torch.tensor(scale_of(mechanism), dtype=torch.float64))
        self.bidder = bidder
        self.overhead = 0.0 if bidder is None else bidder.flops / float(population.costs_flops.sum())
        self.group_tax = GroupTax(config.concentration, population, self.costs) if config.concentration else None
        self.purse = Purse(config.wealth, self.costs) if config.wealth else None
        self._limits_by_temperature = isinstance(mechanism.demand, LogitDemand)
        self._rule = LOGIT if isinstance(mechanism.demand, LogitDemand) else LINEAR
        has_one_price = self.marketplace.is_one and self.limits is None and not self.is_priced
        self._is_capped = has_one_price and self.purse is None
        self.levies_itself = True
        self.mode: str | None = None
        self.lanes: Tensor | None = None
        self.folds: bool | None = None
        self.given: Callable[[], Tensor] | None = None
        self.observed: Tensor | None = None
        self.outcome = Outcome()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the tensors of the last forward pass behind when the module is copied or pickled."""
        forgotten = dict.fromkeys(("lanes", "given", "observed"))
        return {**self.__dict__, **forgotten, "outcome": Outcome()}

    def _apply(self, fn: Any, recurse: bool = True) -> "MarketGate":  # noqa: FBT001, FBT002 (torch's signature)
        """Follow the model to another device, but not to a lower precision: rounded costs do not add up to 1."""
        exact = dict(self.named_buffers())
        super()._apply(fn, recurse)
        for name, buffer in exact.items():
            owner, _, leaf = name.rpartition(".")
            module = self.get_submodule(owner)
            setattr(module, leaf, buffer.to(getattr(module, leaf).device))
        return self

    @property
    def clearing(self) -> OperatorClearing | None:
        """What the last forward pass sold; None before one."""
        return self.outcome.clearing

    @property
    def prices(self) -> Tensor | None:
        """Prices of the last forward pass, shape (..., markets): one, or one for each layer."""
        return self.outcome.prices

    @property
    def levy(self) -> Tensor | None:
        """What agents owe, as a term of the loss (`walras.llm.incentives`); None where the last pass had none."""
        return self.outcome.levy

    @property
    def valuations(self) -> Tensor:
        """Valuations (money per unit of the agents' FLOPs), shape (n,), float32."""
        # The value is raw * gain, its gradient that of raw: gradient clipping then sees the market's true gradient.
        raw = self.raw_valuations.float()
        return torch.add(raw, raw.detach(), alpha=self.valuation_gain - 1.0)

    @torch.no_grad()
    def set_valuations(self, valuations: Tensor) -> None:
        """Replace the valuations, shape (n,)."""
        self.raw_valuations.copy_(valuations / self.valuation_gain)

    @property
    def is_soft(self) -> bool:
        """Whether the next forward pass clears smooth demand."""
        return self.training if self.mode is None else self.mode == "soft"

    @property
    def is_straight_through(self) -> bool:
        """Whether the next forward pass serves whole agents, with the gradient of smooth demand at the same budget."""
        return self.straight_through and self.training and self.mode is None

    @property
    def bids(self) -> Tensor:
        """What agents bid whatever the sequence (money per unit): valuations, as far as wealth reaches; shape (n,)."""
        return self._limited(self.valuations.detach(), None)

    @property
    def is_priced(self) -> bool:
        """Whether agents owe anything beside the price of a cap, so that the loss has a levy."""
        supply = self.marketplace.supply
        cap = isinstance(supply, FixedSupply) and not supply.free_disposal
        return not cap or self.marketplace.has_taxes or self.group_tax is not None

    def clear(self, pooled: Tensor | None = None) -> OperatorClearing:
        """Clear the market at the present budget and remember the outcome for the gates of this forward pass.

        Parameters
        ----------
        pooled
            What the bidder reads, shape (sequences, features); None for bids that do not depend on sequences.
        """
        now = self.outcome
        now.supply = now.open = now.factors = now.weights = now.prices = now.levy = None
        if self.given is not None:
            shares = self.given()
            sold = (shares.detach() * self.costs).sum(-1)
            now.clearing = OperatorClearing(shares, torch.full_like(sold, torch.nan), sold)
        elif self.mode == "open":
            now.open = self.observed
            if now.open is None:
                now.open = torch.ones_like(self.raw_valuations, requires_grad=torch.is_grad_enabled())
            # Valuations have no say, but must be in the graph: data parallel training waits for each gradient.
            shares = now.open + 0.0 * self._all_parameters()
            now.clearing = OperatorClearing(shares, shares.new_tensor(float("nan")), self.costs.sum())
        elif self.is_soft:
            # Whole agents first: prices, levies and accounts that are left behind are those of the soft market.
            served = self._served(pooled) if self.is_straight_through else None
            soft = self._clear_softly(pooled)
            now.clearing = soft if served is None else _straight_through(served, soft)
        else:
            now.clearing = self._clear_whole(pooled)
        return now.clearing

    @torch.no_grad()
    def _served(self, pooled: Tensor | None) -> OperatorClearing:
        level = self.lanes.detach() if self.training and self.lanes is not None else self.budget
        return self._summarised(self.serve(_of_one_lane(level), pooled=pooled), level.numel())

    def _clear_whole(self, pooled: Tensor | None) -> OperatorClearing:
        clearing = self._served(pooled)
        if not (self.training and torch.is_grad_enabled()):
            return clearing
        # As in mode "open": bids have no say, but are in the graph.
        in_graph = clearing.allocation.to(self.raw_valuations.dtype) + 0.0 * self._all_parameters()
        return clearing._replace(allocation=in_graph)

    def _clear_softly(self, pooled: Tensor | None) -> OperatorClearing:
        supply = level = self.budget if self.lanes is None else self.lanes
        if supply.requires_grad:
            self.outcome.supply = supply
        elif not self.marketplace.posts_a_price and not torch.compiler.is_compiling():
            # A leaf of its own: after the backward pass its gradient is the loss's derivative in the budget. The
            # compiler wants leaves made outside, such as `lanes` that require a gradient.
            level = self.outcome.supply = level.detach().clone().requires_grad_(torch.is_grad_enabled())
        temperature, costs = self.temperature.float(), self.costs_single
        is_watched = torch.compiler.is_compiling() or transforms_are_active()
        if self._is_capped and pooled is None and not is_watched:
            market = CappedMarket(costs, temperature, self._rule, self.valuation_gain)
            clearing = clear_capped(self.raw_valuations, level, market)
            self.outcome.prices = clearing.price.unsqueeze(-1)
            return clearing
        level = _of_one_lane(level).float()
        bids, level = self._bids(self.valuations, pooled, temperature, level)
        if self.limits is not None:
            sale = self.limits(bids, level=level, temperature=temperature)
        else:
            posted = self.marketplace.posts_a_price
            sale = self.marketplace(bids, costs, level=level, temperature=temperature, posted=posted)
        if torch.is_grad_enabled():
            if self.is_priced:
                self.outcome.levy = self.owed(sale, costs, level).mean()
            if self.purse is not None and self.training and sale.allocation.requires_grad:
                sale.allocation.register_hook(_SettleAccounts(self, sale))
        return self._summarised(sale, supply.numel())

    @torch.no_grad()
    def serve(self, budget: Tensor, *, pooled: Tensor | None = None, posted: bool | None = None) -> Sale:
        """Serve whole agents, in descending order of bid, at a budget (or `posted` price); exact.

        Parameters
        ----------
        posted
            Whether `budget` is a price; by default it is if the supply rule posts one.
        """
        posted = self.marketplace.posts_a_price if posted is None else posted
        bids, level = self._bids(self.valuations, pooled, None, budget)
        if self.limits is not None:
            return self.limits(bids, level=level, temperature=self.temperature.float(), whole=True)
        return self.marketplace(bids, self.costs, level=level, temperature=None, posted=posted)

    def _bids(
        self, valuations: Tensor, pooled: Tensor | None, temperature: Tensor | None, level: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give bids, shape (..., n), and what is left for the agents of each budget, shape (...)."""
        if pooled is not None and self.bidder is not None:
            added = self.bidder(pooled)  # (sequences, n)
            valuations = valuations + added + (self.valuation_gain - 1.0) * added.detach()
            if not self.marketplace.posts_a_price:  # the bidder's own cost; nobody needs to bid for the whole
                level = torch.where(level < 1.0, (level - self.overhead).clamp(min=0.0), level)
            level = level.reshape(-1)
            level = level.repeat_interleave(len(pooled) // len(level))  # one lane's sequences side by side
        return self._limited(valuations, temperature), level

    def _limited(self, valuations: Tensor, temperature: Tensor | None) -> Tensor:
        if self.purse is None:
            return valuations
        return self.purse.limited(valuations, self.costs, temperature if self._limits_by_temperature else None)

    def owed(self, sale: Sale, costs: Tensor, level: Tensor) -> Tensor:
        """Give what agents owe in each lane or sequence, shape (...), as a term of the loss."""
        use = costs * sale.allocation
        prices = sale.prices.detach().nan_to_num(0.0, 0.0, 0.0)
        owed = torch.zeros_like(use[..., 0])
        if isinstance(self.marketplace.supply, PostedPrice):
            owed = owed + (self.marketplace.prices_of_agents(prices) * use).sum(-1)
        elif self.marketplace.is_held:
            # Less the price of the cap: 0 while it binds, as if there were no bounds.
            excess = use - costs * level.detach().unsqueeze(-1)
            owed = owed + (self.marketplace.prices_of_agents(prices) * excess).sum(-1)
        if self.marketplace.has_taxes:
            owed = owed + (self.marketplace.taxes.float() * use).sum(-1)
        if self.group_tax is not None:
            owed = owed + self.group_tax(use)
        return owed - owed.detach() if self.rebate else owed

    def _all_parameters(self) -> Tensor:
        """Something of shape (n,) that every parameter has a part in."""
        return self.raw_valuations + sum(p.sum() for p in self.parameters() if p is not self.raw_valuations)

    def _summarised(self, sale: Sale, lanes: int) -> OperatorClearing:
        """Keep the prices of all markets; give the mean price and quantity of each lane (a number without lanes)."""
        self.outcome.prices = sale.prices
        price = sale.prices.squeeze(-1) if sale.prices.shape[-1] == 1 else sale.prices.mean(-1)
        sold = sale.quantity_sold
        if price.ndim > 0 and (self.lanes is None or self.bidder is not None):
            shape = (lanes, -1) if self.lanes is not None else (-1,)
            price, sold = price.reshape(shape).mean(-1), sold.reshape(shape).mean(-1)
        return OperatorClearing(sale.allocation, price, sold)

    def factors(self, site: int, dtype: torch.dtype) -> Tensor:
        """Factors of a site's features in the present forward pass, shape (features,) or (lanes, features).

        A site of one agent has one factor.
        """
        now = self.outcome
        if now.factors is None or now.factors[0].dtype != dtype:
            clearing = now.clearing if now.clearing is not None else self.clear()
            now.factors = self.spread(clearing.allocation, dtype)
        return now.factors[site]

    @property
    def marginal_contributions(self) -> Tensor | None:
        """How far the last loss falls as each agent's share rises, in absolute value, shape (n,).

        Known after a backward pass in mode `"open"`; None otherwise.
        """
        observed = self.outcome.open
        return None if observed is None or observed.grad is None else observed.grad.abs()

    @property
    def shadow_price(self) -> float | None:
        """What one more unit of budget would lower the loss by, at the last soft forward and backward pass.

        In loss per fraction of the agents' FLOPs, all lanes together; None before a backward pass. Straight through,
        it is the soft market's answer to the loss's gradient where whole agents are served.
        """
        supply = self.outcome.supply
        return None if supply is None or supply.grad is None else -float(supply.grad.sum())


class _SettleAccounts:
    """Called with the loss's gradient in the shares: agents pay, and are paid for what they contributed."""

    def __init__(self, gate: MarketGate, sale: Sale) -> None:
        self.gate = gate
        self.shares = sale.allocation.detach()
        self.prices = gate.marketplace.prices_of_agents(sale.prices.detach())

    def __call__(self, gradient: Tensor) -> None:
        purse = self.gate.purse
        if purse is None:
            return
        if self.gate.bidder is None:  # one market for the data of all processes, and so one contribution
            gradient = mean_of_processes(gradient)
        purse.settle(self.shares, gradient, self.prices, self.gate.costs)


def _straight_through(served: OperatorClearing, soft: OperatorClearing) -> OperatorClearing:
    """Give what whole agents use, with the gradients of the soft market, and that market's price."""
    return OperatorClearing(
        with_gradient_of(served.allocation.to(soft.allocation), soft.allocation),
        soft.price,
        with_gradient_of(served.quantity_sold.to(soft.quantity_sold), soft.quantity_sold),
    )


def _follow_costs(gate: MarketGate, _: Any) -> None:
    gate.costs_single.copy_(gate.costs)


def _of_one_lane(level: Tensor) -> Tensor:
    """Spare the market, and every gate, a dimension that has one entry."""
    return level.reshape(()) if level.numel() == 1 else level


def _market_of_agent(population: Population, scope: str) -> np.ndarray:
    return group_of_agents(population, "layer") if scope == "layer" else np.zeros(len(population), dtype=np.int64)


def _level(mechanism: CapacityMarket) -> float:
    """The budget, or the posted price."""
    match mechanism.supply:
        case PostedPrice(price=level) | FixedSupply(quantity=level) | PriceCollar(quantity=level):
            return level
    raise InvalidInputError(f"A gate needs a FixedSupply, a PostedPrice or a PriceCollar, got {mechanism.supply!r}.")
