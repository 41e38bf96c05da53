"""Welfare and inequality as differentiable functions of many populations at once; agents are the last dimension.

They are the measures of `walras.market.welfare`, on tensors:

    Gini        (1 / (n sum x)) sum_i (2 i - n - 1) x_(i), over ascending holdings x_(1) <= ... <= x_(n);
    Lorenz      share of the total that the poorest i own, i = 0 ... n;
    Atkinson    1 - (mean (x / mu)^(1 - e))^(1 / (1 - e)), the geometric mean at e = 1;
    Theil T     mean (x / mu) log (x / mu);
    Herfindahl  sum (x / sum x)^2.

Holdings must be 0 or more; rows in which nobody holds anything count as equal (Gini, Theil and Atkinson 0), with a
derivative of 0. *Kinks*: where agents hold the same, sorting puts them in the order given, and the derivative of the
Gini coefficient is that of this order: one of the one-sided ones. The mean over all orders is 0 for equal agents.
"""

import torch
from torch import Tensor

from walras.market.errors import InvalidInputError
from walras.market.operators.inputs import floating, number_like
from walras.market.validation import nonnegative_number

__all__ = [
    "atkinson_index",
    "atkinson_welfare",
    "gini",
    "herfindahl_index",
    "lorenz_shares",
    "quasi_linear_surplus",
    "theil_t",
]


def gini(holdings: Tensor) -> Tensor:
    """Gini coefficient of each population (`1 - 1/n` where one owns everything), shape (...); holdings (..., n).

    *Differentiable in* holdings. *Cost*: one sort. *Source*: Gini 1912 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import torch
    >>> from walras.market.operators.welfare import gini
    >>> gini(torch.tensor([[0.0, 0.0, 0.0, 9.0], [1.0, 1.0, 1.0, 1.0]]))
    tensor([0.7500, 0.0000])
    """
    holdings = _populations(holdings)
    agents = holdings.shape[-1]
    ranks = torch.arange(1, agents + 1, dtype=holdings.dtype, device=holdings.device)
    weighted = (holdings.sort(dim=-1).values * (2.0 * ranks - agents - 1.0)).sum(-1)
    total = holdings.sum(-1)
    return torch.where(total > 0.0, weighted / (agents * torch.where(total > 0.0, total, 1.0)), 0.0 * weighted)


def lorenz_shares(holdings: Tensor) -> Tensor:
    """Share of the total that the poorest 0, 1, ..., n own, shape (..., n + 1); holdings (..., n).

    *Differentiable in* holdings. Rows without any holdings give the shares of equals. *Source*: Lorenz 1905.
    """
    ascending = _populations(holdings).sort(dim=-1).values
    total = ascending.sum(-1, keepdim=True)
    ascending = torch.where(total > 0.0, ascending, 1.0)
    cumulated = (ascending / ascending.sum(-1, keepdim=True)).cumsum(-1)
    return torch.cat([torch.zeros_like(cumulated[..., :1]), cumulated], -1)


def atkinson_index(holdings: Tensor, aversion: float) -> Tensor:
    """Atkinson index: the fraction of the total that equality would be worth, shape (...); holdings (..., n).

    Parameters
    ----------
    holdings
        What each agent holds, 0 or more (above 0 for a finite derivative where `aversion` > 0).
    aversion
        Inequality aversion, 0 or more.

    Notes
    -----
    *Differentiable in* holdings. *Source*: Atkinson 1970 (docs/reference/bibliography.md).
    """
    holdings = _populations(holdings)
    mean = holdings.mean(-1)
    ratio = atkinson_welfare(holdings, aversion) / torch.where(mean > 0.0, mean, 1.0)
    return torch.where(mean > 0.0, 1.0 - ratio, 0.0 * mean)


def atkinson_welfare(utilities: Tensor, aversion: float) -> Tensor:
    """Equally distributed equivalent: the utility that would serve as well if all had it, shape (...).

    `(mean u^(1 - e))^(1 / (1 - e))`; the geometric mean at e = 1. In units of the row's mean inside, so that powers
    neither overflow nor vanish.

    Parameters
    ----------
    utilities
        Of each agent, 0 or more, shape (..., n).
    aversion
        Inequality aversion e, 0 or more.

    Notes
    -----
    *Differentiable in* utilities. *Source*: Atkinson 1970 (docs/reference/bibliography.md).
    """
    utilities = _populations(utilities)
    aversion = nonnegative_number("aversion", aversion)
    mean = utilities.mean(-1)
    unit = torch.where(mean > 0.0, mean, 1.0)
    # An agent with nothing: log 0 is minus infinity, and its exponential again 0 (or infinity, and the mean 0).
    logs = (utilities / unit.unsqueeze(-1)).log()
    if aversion == 1.0:
        return unit * logs.mean(-1).exp()
    power = 1.0 - aversion
    agents = torch.tensor(float(utilities.shape[-1]), dtype=logs.dtype, device=logs.device)
    return unit * (((power * logs).logsumexp(-1) - agents.log()) / power).exp()


def theil_t(holdings: Tensor) -> Tensor:
    """Theil's T index, from 0 to log n, shape (...); holdings (..., n).

    *Differentiable in* holdings above 0. *Source*: Theil 1967 (docs/reference/bibliography.md).
    """
    holdings = _populations(holdings)
    mean = holdings.mean(-1, keepdim=True)
    ratios = holdings / torch.where(mean > 0.0, mean, 1.0)
    positive = ratios > 0.0
    terms = torch.where(positive, ratios * torch.where(positive, ratios, 1.0).log(), 0.0)
    return terms.mean(-1)


def herfindahl_index(holdings: Tensor) -> Tensor:
    """Herfindahl's index of concentration, from 1/n to 1, shape (...); holdings (..., n).

    *Differentiable in* holdings. Rows without any holdings give that of equals. *Source*: Herfindahl 1950.
    """
    holdings = _populations(holdings)
    total = holdings.sum(-1, keepdim=True)
    shares = torch.where(total > 0.0, holdings / torch.where(total > 0.0, total, 1.0), 1.0 / holdings.shape[-1])
    return shares.square().sum(-1)


def quasi_linear_surplus(values: Tensor, payments: Tensor) -> Tensor:
    """Sum over agents of what they got less what they paid, shape (...); both (..., n) in money.

    *Differentiable in* both.
    """
    floating("values", values)
    return (values - number_like("payments", floating("payments", payments), values)).sum(-1)


def _populations(holdings: Tensor) -> Tensor:
    floating("holdings", holdings)
    if holdings.ndim == 0 or holdings.shape[-1] == 0:
        raise InvalidInputError(f"holdings must have shape (..., n), n >= 1; got {tuple(holdings.shape)}.")
    return holdings
