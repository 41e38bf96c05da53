"""Bracket and wealth taxes as operators: what is owed, differentiable in incomes, thresholds and rates.

A schedule is a sum of hinges, `T(y) = r_0 y + sum_k (r_k - r_(k-1)) h(y - b_k)`, with `h(x) = max(x, 0)` in the exact
form and `walras.market.taxation.smoothed`'s parabola in the smooth one. The derivative at a threshold of the exact form
is that on the next unit of income, which is the engine's marginal rate there.
"""

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from walras.market.errors import InvalidInputError
from walras.market.operators.inputs import check_amounts, floating, number_like
from walras.market.operators.solve import common_dtype
from walras.market.taxation import BracketTax, SmoothedBracketTax, WealthTax

__all__ = ["ScheduleTax", "TaxOperator"]

ScheduleTax: TypeAlias = BracketTax | SmoothedBracketTax | WealthTax


class TaxOperator(nn.Module):
    """A compiled tax schedule; made by `compile_mechanism`.

    Examples
    --------
    >>> import torch
    >>> from walras.market.operators import compile_mechanism
    >>> from walras.market.taxation import BracketTax
    >>> tax = compile_mechanism(BracketTax([100.0], [0.1, 0.3]))
    >>> income = torch.tensor([50.0, 200.0], requires_grad=True)
    >>> due = tax(income)
    >>> due.detach(), torch.autograd.grad(due.sum(), income)[0]  # the tax, and marginal rates
    (tensor([ 5., 40.]), tensor([0.1000, 0.3000]))
    """

    def __init__(self, mechanism: ScheduleTax, *, check_values: bool = False) -> None:
        super().__init__()
        self.mechanism, self.check_values = mechanism, check_values

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return repr(self.mechanism)

    def forward(self, amounts: Tensor, *, rates: Tensor | None = None, thresholds: Tensor | None = None) -> Tensor:
        """Give the tax on each amount (money), in the shape of `amounts`.

        Parameters
        ----------
        amounts
            Incomes, or net wealth of either sign (wealth below 0 owes nothing); any shape.
        rates, thresholds
            In place of the schedule's own, with the same lengths.

        Raises
        ------
        InvalidInputError
            Integer tensors, tensors on another device, rates or thresholds of another length; with `check_values`, also
            amounts that are not finite, or negative incomes.

        Notes
        -----
        *Differentiable in* amounts, rates and thresholds. *Cost*: O(K) for each amount.
        """
        floating("amounts", amounts)
        dtype = common_dtype(amounts, rates, thresholds)
        amounts = amounts.to(dtype)
        marginal = _replaced("rates", rates, self.mechanism.rates, amounts)
        starts = _replaced("thresholds", thresholds, self.mechanism.thresholds, amounts)
        wealth = isinstance(self.mechanism, WealthTax)
        if self.check_values:
            check_amounts("amounts", amounts.abs() if wealth else amounts)
        if wealth:  # nothing is owed below the first threshold
            steps, due = torch.diff(marginal, prepend=torch.zeros_like(marginal[:1])), torch.zeros_like(amounts)
        else:
            steps, due = torch.diff(marginal), marginal[0] * amounts
        for threshold, step in zip(starts.unbind(), steps.unbind(), strict=True):
            due = due + step * self._hinge(amounts - threshold)
        return due

    def _hinge(self, beyond: Tensor) -> Tensor:
        if not isinstance(self.mechanism, SmoothedBracketTax):
            return beyond.clamp(min=0.0)  # whose derivative at 0 is 1: the next unit of income is taxed
        width = self.mechanism.width
        inside = (beyond / width + 0.5).clamp(0.0, 1.0)
        return torch.where(inside < 1.0, 0.5 * width * inside.square(), beyond)


def _replaced(name: str, given: Tensor | None, of_the_schedule: ArrayLike, like: Tensor) -> Tensor:
    own = np.atleast_1d(np.asarray(of_the_schedule, dtype=np.float64))
    if given is None:
        return number_like(name, own, like)
    tensor = number_like(name, given, like)
    if tensor.shape != own.shape:
        raise InvalidInputError(f"{name} must have shape {own.shape}, as the schedule has; got {tuple(tensor.shape)}.")
    return tensor
