"""Labour under a tax, for thousands of populations at once: households choose how much to work, and are taxed.

A period, for each replica of n households with skill w (money per hour):

1. *Shocks.* Skills are multiplied by `exp(s x - s^2 / 2)`, x standard normal.
2. *Choice.* Each earns the income that is best for it under the brackets. On bracket k, where a fraction `1 - r_k` of
   the next unit is left, that is `(1 - r_k)^e w^(1 + e)`, cut to the bracket; of these candidates it takes the one of
   the largest utility `u = c - l^(1 + 1/e) / (1 + 1/e)`, `l = z / w` its hours.
3. *Tax.* The revenue is paid back in equal parts.

This is the law of `walras.agents.labour` with quasi-linear preferences, linear technology and a rebate, in money that
is finely divided: there, incomes and taxes are whole cents. Shocks do not depend on any parameter, so gradients go
through a whole run. Where rates rise an income moves continuously with them, and the mean of the gradients is the
gradient of the mean. Where they fall some households jump over a bracket's end, which the gradient of a path does not
see: a temperature (money) lets them choose between the candidates by a logit rule, whose gradient does.
"""

from typing import NamedTuple, final

import numpy as np
import torch
from torch import Generator, Tensor

from walras.market.errors import InvalidInputError
from walras.market.operators.inputs import floating, number_like
from walras.market.operators.welfare import atkinson_welfare
from walras.market.taxation import BracketTax
from walras.market.validation import instance_of, nonnegative_number, positive_number, whole_number

__all__ = ["LabourRun", "simulate_labour"]


@final
class LabourRun(NamedTuple):
    """What a simulation gives.

    Gross incomes, taxes and utilities of the last period (money), each (replicas, n); of each period the revenue a
    household, and the equally distributed equivalent of utilities (money), each (periods, replicas).
    """

    income: Tensor
    tax: Tensor
    utility: Tensor
    revenue: Tensor
    welfare: Tensor


def simulate_labour(
    skills: Tensor,
    periods: int = 1,
    *,
    tax: BracketTax,
    elasticity: Tensor | float,
    rates: Tensor | None = None,
    shock_deviation: float = 0.0,
    generator: Generator | None = None,
    aversion: float = 1.0,
    temperature: float | None = None,
) -> LabourRun:
    """Let households work and be taxed for some periods.

    Parameters
    ----------
    skills
        What an hour of each household's work is worth (money), above 0, shape (replicas, n).
    periods
        How many, 1 or more.
    tax
        The brackets.
    elasticity
        e, of taxable income to the net-of-tax rate, above 0: a number or a tensor without dimensions.
    rates
        In place of the tax's rates, below 1: shape (K,), or (replicas, K) for a schedule in each replica.
    shock_deviation
        Standard deviation s of the logarithm of shocks to skill, drawn anew in each period; 0 for none.
    generator
        Draws the shocks, on the device of `skills`; needed where there are some.
    aversion
        Of social welfare to inequality of utilities, 0 or more.
    temperature
        Of the choice between brackets (money), above 0; without it each takes the best.

    Raises
    ------
    InvalidInputError
        Skills of the wrong shape or type, rates that do not fit the brackets, shocks without a generator.

    Notes
    -----
    Utilities must come out above 0 for an aversion of 1 or more, or welfare is 0 or NaN. *Differentiable in* skills,
    rates and elasticity. *Cost*: O(n K) a period and replica.
    *Source*: Diamond 1998; Saez 2001 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import torch
    >>> from walras.market.operators.simulation import simulate_labour
    >>> from walras.market.taxation import BracketTax
    >>> rates = torch.tensor([0.0, 0.5], requires_grad=True)
    >>> tax = BracketTax([1.0], [0.0, 0.5])
    >>> run = simulate_labour(torch.tensor([[0.5, 1.2, 2.0]]), tax=tax, elasticity=1.0, rates=rates)
    >>> run.income.detach()  # the second stops at the kink
    tensor([[0.2500, 1.0000, 2.0000]])
    >>> torch.autograd.grad(run.revenue.sum(), rates)[0][1]  # (1 - 4 / 2) / 3: beyond the peak of revenue
    tensor(-0.3333)
    """
    floating("skills", skills)
    if skills.ndim != 2 or skills.shape[1] == 0:
        raise InvalidInputError(f"skills must have shape (replicas, n) with n >= 1, got {tuple(skills.shape)}.")
    instance_of("tax", tax, BracketTax)
    periods = whole_number("periods", periods, minimum=1)
    deviation = nonnegative_number("shock_deviation", shock_deviation)
    if temperature is not None:
        temperature = positive_number("temperature", temperature)
    if deviation > 0.0 and generator is None:
        raise InvalidInputError("generator must be given where shock_deviation is above 0: it draws the shocks.")
    starts = number_like("thresholds", np.array([0.0, *np.ravel(tax.thresholds)]), skills)
    schedule = number_like("rates", np.array(tax.rates) if rates is None else rates, skills)
    if schedule.shape not in (starts.shape, (skills.shape[0], *starts.shape)):
        raise InvalidInputError(
            f"rates must have shape {tuple(starts.shape)}, as the tax has, or {(skills.shape[0], *starts.shape)}; got "
            f"{tuple(schedule.shape)}."
        )
    exponent = number_like("elasticity", elasticity, skills)
    revenues, welfares = [], []
    for _ in range(periods):
        able = skills
        if deviation > 0.0:
            draws = torch.randn(skills.shape, generator=generator, device=skills.device, dtype=skills.dtype)
            able = skills * (deviation * draws - 0.5 * deviation**2).exp()
        income, due, utility = _chosen(able, starts, schedule, exponent, temperature)
        revenue = due.mean(-1)
        utility = utility + revenue.unsqueeze(-1)
        revenues.append(revenue)
        welfares.append(atkinson_welfare(utility, aversion))
    return LabourRun(income, due, utility, torch.stack(revenues), torch.stack(welfares))


def _chosen(
    skills: Tensor, starts: Tensor, rates: Tensor, elasticity: Tensor, temperature: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Incomes, taxes, and utilities before any rebate (replicas, n)."""
    potential = skills.pow(1.0 + elasticity)
    # Tax due at the start of each bracket, (..., K).
    due_before = torch.cat([torch.zeros_like(rates[..., :1]), (rates[..., :-1] * starts.diff()).cumsum(-1)], -1)
    options = []
    for bracket in range(starts.shape[0]):
        rate, before = rates[..., bracket, None], due_before[..., bracket, None]
        income = (1.0 - rate).clamp(min=1e-12).pow(elasticity) * potential
        end = starts[bracket + 1] if bracket + 1 < starts.shape[0] else None
        income = income.clamp(min=starts[bracket], max=end)
        due = before + rate * (income - starts[bracket])
        hours = income / skills
        cost = hours.pow(1.0 + 1.0 / elasticity) / (1.0 + 1.0 / elasticity)
        options.append((income, due, income - due - cost))
    if temperature is None:
        best = options[0]
        for option in options[1:]:
            better = option[2] > best[2]
            best = tuple(torch.where(better, new, old) for new, old in zip(option, best, strict=True))  # type: ignore[assignment]
        return best
    incomes, dues, utilities = (torch.stack(each, -1) for each in zip(*options, strict=True))
    chances = (utilities / temperature).softmax(-1)
    return (chances * incomes).sum(-1), (chances * dues).sum(-1), temperature * (utilities / temperature).logsumexp(-1)
