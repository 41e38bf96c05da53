"""Wealth exchange with a wealth tax, for thousands of replicas at once: the yard sale and random splits as tensors.

A period, for each replica of n agents with wealth w (money, a real number):

1. *Meetings.* Agents meet in pairs. In the yard sale both stake the fraction f of what the poorer owns on a fair coin;
   in the random split both put what they do not save into a pool, which is split at a uniform point.
2. *Tax.* Each owes `sum_k step_k max(w - t_k, 0)`, with step_k the rise of the marginal rate at the threshold t_k, and
   the revenue is paid back in equal parts.

Money is conserved up to rounding. The shocks (who meets, coins, points) do not depend on any parameter, so gradients go
through a whole run: `d wealth / d stake`, `d Gini / d rate`. They are those of the realised path, and their mean is the
derivative of the mean, since wealth is continuous in the parameters.

This is the law of the object engine (`walras.agents.wealth`) with money that is finely divided: there, stakes and taxes
are rounded to whole cents.

*Who meets whom.* `UNIFORM` draws one of all pairings of a replica alike, by sorting; of an odd number one agent stays
alone. `SHIFT` pairs agent i with agent `s - i` modulo n for one uniform s a period: every pair meets equally often, and
pairs of different periods are independent, but those of one period are not. It is several times faster, and agrees with
the uniform law in the limit of many agents.
"""

from enum import Enum
from typing import NamedTuple, final

import torch
from torch import Generator, Tensor

from walras.market.errors import InvalidInputError
from walras.market.operators.inputs import floating, number_like
from walras.market.operators.taxes import TaxOperator
from walras.market.operators.welfare import gini
from walras.market.taxation import WealthTax
from walras.market.validation import instance_of, whole_number

__all__ = ["Exchange", "Matching", "WealthRun", "simulate_wealth"]


class Exchange(Enum):
    """What happens when two agents meet; the value says it in a sentence."""

    YARD_SALE = "both stake a fraction of the poorer's wealth on a fair coin"
    RANDOM_SPLIT = "both put a fraction of their wealth into a pool, which is split at a uniform point"


class Matching(Enum):
    """Who meets whom; the value says it in a sentence."""

    UNIFORM = "all pairings alike"
    SHIFT = "agent i meets agent s - i, for one uniform s: fast, and every pair equally often"


@final
class WealthRun(NamedTuple):
    """What a simulation gives.

    Wealth at the end (replicas, n), and the Gini coefficients that were recorded (records, replicas).
    """

    wealth: Tensor
    gini: Tensor


def simulate_wealth(
    wealth: Tensor,
    periods: int,
    *,
    fraction: Tensor | float,
    generator: Generator,
    exchange: Exchange = Exchange.YARD_SALE,
    matching: Matching = Matching.UNIFORM,
    tax: WealthTax | None = None,
    rates: Tensor | None = None,
    record_every: int | None = None,
) -> WealthRun:
    """Let agents exchange wealth for some periods, and give where it went.

    Parameters
    ----------
    wealth
        What each agent owns at first (money, >= 0), shape (replicas, n), n >= 2. Left as it is.
    periods
        How many, 0 or more.
    fraction
        What is at stake in a meeting: of the poorer's wealth (yard sale), of everybody's (random split); in [0, 1]; a
        number or a tensor without dimensions.
    generator
        Draws the shocks, on the device of `wealth`: the same seed gives the same run on the same device.
    exchange, matching
        What happens in a meeting, and who meets whom.
    tax
        The wealth tax of each period, paid back in equal parts.
    rates
        In place of the tax's rates: a tensor of shape (K,), to be differentiated in.
    record_every
        Periods between two records of the Gini coefficients; none by default. Memory grows with the records, and, where
        gradients are wanted, with the periods.

    Raises
    ------
    InvalidInputError
        Wealth of the wrong shape or type, a generator on another device, rates that do not fit the tax.

    Notes
    -----
    *Differentiable in* the wealth at first, `fraction`, and `rates`. *Cost*: O(n) a period and replica under `SHIFT`,
    O(n log n) under `UNIFORM`. *Source*: Chakraborti 2002; Boghosian 2014; Chakraborti and Chakrabarti 2000
    (docs/reference/bibliography.md).

    Examples
    --------
    >>> import torch
    >>> from walras.market.operators.simulation import simulate_wealth
    >>> generator = torch.Generator().manual_seed(0)
    >>> run = simulate_wealth(torch.ones(8, 1000), 100, fraction=0.2, generator=generator, record_every=50)
    >>> run.gini.mean(-1).round(decimals=1)
    tensor([0.5000, 0.7000])
    >>> torch.allclose(run.wealth.sum(-1), torch.full((8,), 1000.0))
    True
    """
    current = _checked_wealth(wealth, generator)
    periods = whole_number("periods", periods)
    stake = number_like("fraction", fraction, current)
    if tax is None and rates is not None:
        raise InvalidInputError("rates were given without a tax, whose thresholds they belong to.")
    levy = None if tax is None else TaxOperator(instance_of("tax", tax, WealthTax))
    instance_of("exchange", exchange, Exchange)
    instance_of("matching", matching, Matching)
    every = periods + 1 if record_every is None else whole_number("record_every", record_every, minimum=1)
    records = []
    for period in range(1, periods + 1):
        current = _meet(current, stake, exchange, matching, generator)
        if levy is not None:
            dues = levy(current, rates=rates)
            current = current - dues + dues.mean(-1, keepdim=True)
        if period % every == 0:
            records.append(gini(current))
    return WealthRun(current, torch.stack(records) if records else current.new_empty((0, current.shape[0])))


def _meet(wealth: Tensor, stake: Tensor, exchange: Exchange, matching: Matching, generator: Generator) -> Tensor:
    if matching is Matching.SHIFT:
        return wealth + _gains_by_shift(wealth, stake, exchange, generator)
    replicas, agents = wealth.shape
    pairs = agents // 2
    order = torch.rand(replicas, agents, generator=generator, device=wealth.device).argsort(dim=-1)
    first, second = order[:, :pairs], order[:, pairs : 2 * pairs]
    flow = _flow(wealth.gather(-1, first), wealth.gather(-1, second), stake, exchange, generator)
    return wealth.scatter_add(-1, first, -flow).scatter_add(-1, second, flow)


def _gains_by_shift(wealth: Tensor, stake: Tensor, exchange: Exchange, generator: Generator) -> Tensor:
    """What each agent gains when i meets s - i; whoever meets itself stays alone."""
    agents = wealth.shape[-1]
    shift = torch.randint(agents, (wealth.shape[0], 1), generator=generator, device=wealth.device)
    own = torch.arange(agents, device=wealth.device)
    partner = (shift - own) % agents  # (replicas, n)
    other = wealth.gather(-1, partner)
    draws = torch.rand(wealth.shape, generator=generator, device=wealth.device, dtype=wealth.dtype)
    # Both of a pair must see the same draw: that of the one with the lower number.
    leads = own < partner
    draws = torch.where(leads, draws, draws.gather(-1, partner))
    first, second = torch.where(leads, wealth, other), torch.where(leads, other, wealth)
    flow = _flow_of(first, second, stake, exchange, draws)
    return torch.where(own == partner, 0.0, torch.where(leads, -flow, flow))


def _flow(first: Tensor, second: Tensor, stake: Tensor, exchange: Exchange, generator: Generator) -> Tensor:
    draws = torch.rand(first.shape, generator=generator, device=first.device, dtype=first.dtype)
    return _flow_of(first, second, stake, exchange, draws)


def _flow_of(first: Tensor, second: Tensor, stake: Tensor, exchange: Exchange, draws: Tensor) -> Tensor:
    """Money that passes from the first agents to the second ones, from uniform draws."""
    if exchange is Exchange.YARD_SALE:
        return stake * torch.minimum(first, second) * torch.where(draws < 0.5, -1.0, 1.0).to(first.dtype)
    return stake * first - draws * stake * (first + second)


def _checked_wealth(wealth: Tensor, generator: Generator) -> Tensor:
    floating("wealth", wealth)
    if wealth.ndim != 2 or wealth.shape[1] < 2:
        raise InvalidInputError(f"wealth must have shape (replicas, n) with n >= 2, got {tuple(wealth.shape)}.")
    instance_of("generator", generator, Generator)
    if generator.device.type != wealth.device.type:
        raise InvalidInputError(f"The generator is on {generator.device}, wealth on {wealth.device}: move one of them.")
    return wealth
