"""The capacity economy as tensors: agents whose valuations move buy a scarce resource, period after period.

A period, for each replica of n agents:

1. *Valuations.* `v_i = b_i exp(a_i - s^2 / 2)`, with b_i what a unit is worth on the whole, and the deviation a_i a
   stationary autoregression, `a_t = r a_(t-1) + s sqrt(1 - r^2) z`, z standard normal.
2. *Market.* All bid the truth, and a compiled capacity market clears.
3. *Money.* Agents pay for their units, tax included, and are paid what their units are worth; the tax is paid back in
   equal parts; and of what they own above their wealth at first they pay the fraction d as dividends.

This is the law of `walras.agents.compute` with truthful bids, payment by value and an equal rebate, in money that is
finely divided, where no agent's bid is limited by what it owns: there, agents have no credit. Shocks do not depend on
any parameter, so under smooth demand gradients go through a whole run.
"""

from typing import NamedTuple, final

import torch
from torch import Generator, Tensor

from walras.market.capacity import CapacityMarket
from walras.market.errors import InvalidInputError
from walras.market.operators.capacity_operator import CapacityOperator
from walras.market.operators.inputs import floating, number_like
from walras.market.operators.solve import common_dtype
from walras.market.operators.welfare import gini
from walras.market.validation import finite_number, fraction, instance_of, nonnegative_number, whole_number

__all__ = ["CapacityRun", "simulate_capacity"]


@final
class CapacityRun(NamedTuple):
    """What a simulation gives.

    Wealth above that at first (money) at the end, shape (replicas, n); and of each period the seller's price, units
    sold, value produced (money) and the Gini coefficient of shares, each (periods, replicas).
    """

    savings: Tensor
    price: Tensor
    quantity_sold: Tensor
    welfare: Tensor
    gini_allocation: Tensor


def simulate_capacity(
    valuations: Tensor,
    costs: Tensor,
    periods: int,
    *,
    market: CapacityMarket,
    generator: Generator,
    log_spread: Tensor | float = 0.0,
    persistence: float = 0.0,
    dividend_rate: float = 0.1,
    supply: Tensor | float | None = None,
    tax: Tensor | float | None = None,
) -> CapacityRun:
    """Let agents buy the resource for some periods.

    Parameters
    ----------
    valuations, costs
        What a unit is worth to each agent on the whole (money per unit), and its units when fully served, above 0:
        shapes (replicas, n), and the same or (n,).
    periods
        How many, 1 or more.
    market
        The rules of the market; those of its per-unit taxes are paid back.
    generator
        Draws the shocks, on the device of `valuations`.
    log_spread, persistence
        Standard deviation s of the logarithm of valuations, 0 or more, and its correlation r between periods, inside
        (-1, 1).
    dividend_rate
        d, in [0, 1].
    supply, tax
        In place of the market's number and per-unit rates, as in the compiled market; to be differentiated in.

    Raises
    ------
    InvalidInputError
        Tensors of the wrong shape or type, numbers out of range.
    NotDifferentiableError
        Step demand, when an input requires a gradient.

    Notes
    -----
    *Differentiable in* valuations, costs, log_spread, supply and tax, under smooth demand. *Cost*: that of a clearing
    for each period.

    Examples
    --------
    >>> import torch
    >>> from walras.market import CapacityMarket, FixedSupply, LogitDemand
    >>> from walras.market.operators.simulation import simulate_capacity
    >>> base = torch.full((100, 50), 10.0)
    >>> market, draw = CapacityMarket(FixedSupply(25.0), LogitDemand(0.1)), torch.Generator().manual_seed(0)
    >>> run = simulate_capacity(base, torch.ones(50), 20, market=market, generator=draw, log_spread=0.5)
    >>> run.price.shape, round(float(run.price.mean()), 1)  # about the median, 10 exp(-1/8)
    (torch.Size([20, 100]), 8.9)
    """
    floating("valuations", valuations)
    if valuations.ndim != 2 or valuations.shape[1] == 0:
        raise InvalidInputError(f"valuations must have shape (replicas, n), n >= 1; got {tuple(valuations.shape)}.")
    operator = CapacityOperator(instance_of("market", market, CapacityMarket))
    instance_of("generator", generator, Generator)
    periods = whole_number("periods", periods, minimum=1)
    memory = finite_number("persistence", persistence)
    if not -1.0 < memory < 1.0:
        raise InvalidInputError(f"persistence must lie inside (-1, 1), got {persistence}.")
    paid_out = fraction("dividend_rate", dividend_rate)
    if not isinstance(log_spread, Tensor):
        nonnegative_number("log_spread", log_spread)
    dtype = common_dtype(valuations, costs, log_spread, supply, tax)
    base = valuations.to(dtype)
    spread = number_like("log_spread", log_spread, base)
    units, savings = number_like("costs", costs, base), torch.zeros_like(base)
    innovation = (1.0 - memory**2) ** 0.5
    deviation, records = torch.zeros_like(base), []
    for period in range(periods):
        draws = torch.randn(base.shape, generator=generator, device=base.device, dtype=dtype)
        deviation = draws if period == 0 else memory * deviation + innovation * draws  # in units of the spread
        worth = base * (spread * deviation - 0.5 * spread.square()).exp()
        cleared = operator(worth, units, supply=supply, tax=tax)
        bought = units * cleared.allocation
        value = worth * bought
        # What the tax takes comes back in equal parts; agents pay both price and tax.
        savings = savings + value - _payments(operator, cleared.price, bought, tax)
        savings = savings - paid_out * savings.clamp(min=0.0)
        records.append((cleared.price, cleared.quantity_sold, value.sum(-1), gini(cleared.allocation)))
    return CapacityRun(savings, *(torch.stack(each) for each in zip(*records, strict=True)))


def _payments(operator: CapacityOperator, price: Tensor, bought: Tensor, tax: Tensor | float | None) -> Tensor:
    """What each agent pays for its units, less its part of the tax that is paid back (replicas, n)."""
    per_unit, on_price = operator.rates(bought, tax=tax)
    due = (per_unit + on_price * price.unsqueeze(-1)) * bought
    return price.unsqueeze(-1) * bought + due - due.mean(-1, keepdim=True)
