"""Where the shares of a stack's agents come from in training: given, or bought in a market for each member.

A stack of E members with L lanes each (budgets side by side) has rows of shares: member by member, lane by lane.
"""

from collections.abc import Sequence
from typing import Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from walras.llm.appraisal import normal_scores
from walras.llm.ensemble.instruments import Instrument
from walras.llm.ensemble.stack import ModelStack
from walras.llm.gate import MarketGate
from walras.llm.marketplace import Sale
from walras.llm.schedule import AnnealedBudget, ElasticBudget
from walras.market import InvalidInputError
from walras.market.operators.straight_through import with_gradient_of

__all__ = ["ElasticShares", "GivenShares", "MarketShares", "Shares", "Valued", "served_by"]


class Shares(Protocol):
    """How open each agent is in each forward pass of a training."""

    @property
    def lanes(self) -> int:
        """Rows of each member in the present step."""

    def parameters(self) -> list[nn.Parameter]:
        """What is trained together with the weights, each of shape (members, ...)."""

    def begin_step(self, step: int, steps: int) -> None:
        """Prepare one of `steps` steps, counted from 0."""

    def shares(self) -> Tensor:
        """Give the shares of a forward pass, shape (members * lanes, n)."""

    def penalty(self) -> Tensor | None:
        """Give a term of each member's loss, shape (members,), or None."""

    def end_step(self) -> None:
        """Look at weights and gradients after the optimiser's step."""


@final
class GivenShares:
    """Shares that stay as they are: a cut model before it is cut.

    Parameters
    ----------
    allocation
        Shape (members, n).
    """

    lanes = 1

    def __init__(self, stack: ModelStack, allocation: NDArray[np.bool_]) -> None:
        self._shares = _checked(stack, allocation, "allocation")

    def parameters(self) -> list[nn.Parameter]:
        """Nothing is learned."""
        return []

    def begin_step(self, step: int, steps: int) -> None:
        """Do nothing."""

    def shares(self) -> Tensor:
        """Give them."""
        return self._shares

    def penalty(self) -> Tensor | None:
        """There is none."""
        return None

    def end_step(self) -> None:
        """Do nothing."""


class Valued:
    """One number for each agent of each member, that is trained with the weights.

    Parameters
    ----------
    first
        Its value to begin with, shape (members, n), float32.
    gain
        What the optimiser's step acts on is divided by it, as in `MarketGate.valuations`.
    """

    def __init__(self, first: Tensor, gain: float) -> None:
        self.gain = gain
        self.raw = nn.Parameter(first / gain)

    @property
    def valuations(self) -> Tensor:
        """The numbers, shape (members, n): valuations, or what another method has in their place."""
        return self.raw + (self.gain - 1.0) * self.raw.detach()

    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser acts on: nothing, if the numbers are to stay as they are."""
        return [self.raw] if self.raw.requires_grad else []


class _Learned(Valued):
    """Valuations of all members (money per unit), and the market in which they are bid.

    Parameters
    ----------
    whole
        Whether whole agents are served in the forward pass, with the gradient of the soft market (straight through): no
        agent is ever half open, but the gradient is that of another allocation. They are too if the stack's economy has
        `EconomyConfig.straight_through`.
    """

    def __init__(self, stack: ModelStack, valuations: NDArray[np.float64], *, whole: bool) -> None:
        self.gate = stack.economy.gate
        if self.gate.bidder is not None or self.gate.limits is not None or self.gate.purse is not None:
            raise InvalidInputError("A stack's markets have one resource, valuations that are learned, and no wealth.")
        super().__init__(_checked(stack, valuations, "valuations"), self.gate.valuation_gain)
        self.whole = whole or self.gate.straight_through
        self.temperature = 1.0
        self.instrument: Instrument | None = None
        self.sale: Sale | None = None

    def penalty(self) -> Tensor | None:
        """What agents owe, under rules that have them pay."""
        return self._levy

    _levy: Tensor | None = None

    def _bought(self, levels: Tensor) -> Tensor:
        """Shares bought in soft markets, shape (members * lanes, n), at budgets of shape (members, lanes)."""
        members, lanes = levels.shape
        bids = self.valuations.unsqueeze(1).expand(-1, lanes, -1).reshape(members * lanes, -1)
        temperature = bids.new_tensor(self.temperature)
        sale, owed = self._sold(bids, levels.flatten(), temperature)
        if owed is not None:
            self._levy = owed.view(members, lanes).mean(1)
        self.sale = Sale(*(part.detach() for part in sale))
        if not self.whole:
            return sale.allocation
        served = _served(self.gate, bids.detach(), levels.flatten()).to(sale.allocation)
        return with_gradient_of(served, sale.allocation)

    def _sold(self, bids: Tensor, level: Tensor, temperature: Tensor) -> tuple[Sale, Tensor | None]:
        if self.instrument is not None:
            return self.instrument.sell(self.gate, bids, level, temperature)
        market, costs = self.gate.marketplace, self.gate.costs.float()
        sale = market(bids, costs, level=level, temperature=temperature, posted=market.posts_a_price)
        return sale, self.gate.owed(sale, costs, level) if self.gate.is_priced else None


@final
class MarketShares(_Learned):
    """Shares bought in one market for each member, each on its own way to its own budget.

    Parameters
    ----------
    valuations
        To begin with, shape (members, n).
    schedules
        How the budget of each member falls; without warm-up, and with equal temperatures.
    instrument
        By which rules the budget is sold, in place of the gate's own; for one untaxed market under a cap.
    learned
        Whether valuations are trained with the weights, or stay as they are while weights follow the market.
    whole
        Whether whole agents are served in the forward pass, with the gradient of the soft market.

    Attributes
    ----------
    sale
        Of the last forward pass's soft markets: shares (members, n), prices (members, markets) and units sold
        (members,), detached; None before one.
    """

    lanes = 1

    def __init__(
        self,
        stack: ModelStack,
        valuations: NDArray[np.float64],
        schedules: Sequence[AnnealedBudget],
        *,
        instrument: Instrument | None = None,
        learned: bool = True,
        whole: bool = False,
    ) -> None:
        super().__init__(stack, valuations, whole=whole)
        self.raw.requires_grad_(learned)
        if instrument is not None and (self.gate.is_priced or not self.gate.marketplace.is_one):
            raise InvalidInputError("An instrument needs one untaxed market of all agents under a FixedSupply.")
        self.instrument = instrument
        if len(schedules) != stack.size or any(schedule.warm_up > 0.0 for schedule in schedules):
            raise InvalidInputError("schedules must be one for each member, each with warm_up=0.")
        self.schedules = schedules
        self._levels = self.raw.new_ones((stack.size, 1))

    def begin_step(self, step: int, steps: int) -> None:
        """Move budgets and temperature."""
        if self.instrument is not None:
            self.instrument.begin_step()
        progress = step / steps
        self.temperature = self.schedules[0].temperature_at(progress)
        self._levels = self.raw.new_tensor([each.budgets_at(step, progress) for each in self.schedules])

    def shares(self) -> Tensor:
        """Clear all markets."""
        return self._bought(self._levels)

    def end_step(self) -> None:
        """Do nothing."""


@final
class ElasticShares(_Learned):
    """Shares bought at several budgets in each step, side by side.

    In the schedule's warm-up everyone is served, and what each agent contributes makes its first valuation. Once it is
    settled, whole agents are served, in the order of the valuations that they have then.

    Parameters
    ----------
    schedule
        Of all members; each draws budgets of its own.
    valuations
        To begin with, shape (members, n), where the schedule has no warm-up; by default 0.
    whole
        Whether whole agents are served in every forward pass, with the gradient of the soft market until it is settled.
    """

    def __init__(
        self,
        stack: ModelStack,
        schedule: ElasticBudget,
        valuations: NDArray[np.float64] | None = None,
        *,
        whole: bool = False,
    ) -> None:
        agents = len(stack.economy.population)
        super().__init__(stack, np.zeros((stack.size, agents)) if valuations is None else valuations, whole=whole)
        self.schedule = schedule
        self._levels = self.raw.new_ones((stack.size, 1))
        self._open: Tensor | None = None
        self._contributions: Tensor | None = None
        self._settled: Tensor | None = None

    @property
    def lanes(self) -> int:
        """One in the warm-up; then the whole, the smallest, and those drawn."""
        return 1 if self._open is not None else self._levels.shape[1]

    def begin_step(self, step: int, steps: int) -> None:
        """Serve everyone in the warm-up; then draw budgets, and at first set the valuations."""
        progress = step / steps
        self._settled = None
        if progress < self.schedule.warm_up:
            self._open = torch.ones_like(self.raw).requires_grad_()
            return
        self._open = None
        if self._contributions is not None:
            self._value(self._contributions)
            self._contributions = None
        self.temperature = self.schedule.temperature_at(progress)
        members = self.raw.shape[0]
        drawn = np.random.default_rng((self.schedule.seed, step)).uniform(
            self.schedule.lowest, 1.0, (members, self.schedule.draws)
        )
        ends = np.tile([1.0, self.schedule.lowest], (members, 1))
        levels = np.concatenate([ends, drawn], 1)
        self._levels = self.raw.new_tensor(levels)
        if progress >= self.schedule.settled:
            valuations = self.valuations.detach().repeat_interleave(levels.shape[1], 0)
            self._settled = _served(self.gate, valuations, self._levels.flatten()).float()

    def shares(self) -> Tensor:
        """Clear all markets, or serve everyone, or whole agents."""
        if self._settled is not None:
            return self._settled
        # As in the gate: valuations have a gradient of 0 in the warm-up, which the optimiser counts as steps.
        return self._bought(self._levels) if self._open is None else self._open + 0.0 * self.raw

    @torch.no_grad()
    def end_step(self) -> None:
        """Add up what agents contributed in the warm-up."""
        if self._open is not None and self._open.grad is not None:
            earlier = 0.0 if self._contributions is None else self._contributions
            self._contributions = earlier + self._open.grad.abs().double()

    @torch.no_grad()
    def _value(self, contributions: Tensor) -> None:
        costs = self.gate.costs.clamp(min=torch.finfo(torch.float64).tiny)
        per_cost = (contributions / costs).cpu().numpy()
        scores = np.stack([normal_scores(row) for row in per_cost])
        self.raw.copy_(torch.from_numpy(scores) / self.gain)


def served_by(stack: ModelStack, valuations: NDArray[np.float64], budgets: Sequence[float]) -> NDArray[np.bool_]:
    """Give whom each member serves at its budget, shape (members, n): whole agents, in order of valuation.

    Parameters
    ----------
    valuations
        Shape (members, n).
    budgets
        Fractions of the agents' FLOPs, one for each member.
    """
    gate = stack.economy.gate
    level = gate.costs.new_tensor(budgets)
    return _served(gate, _checked(stack, valuations, "valuations"), level).cpu().numpy()


@torch.no_grad()
def _served(gate: MarketGate, bids: Tensor, level: Tensor) -> Tensor:
    sale = gate.marketplace(bids, gate.costs, level=level.to(gate.costs.dtype), temperature=None)
    return sale.allocation > 0.5


def _checked(stack: ModelStack, values: NDArray[np.float64] | NDArray[np.bool_], name: str) -> Tensor:
    wanted = (stack.size, len(stack.economy.population))
    if values.shape != wanted or not np.isfinite(values).all():
        raise InvalidInputError(
            f"{name} must be finite numbers of shape {wanted} (members, agents), got {values.shape}."
        )
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(stack.model.device)
