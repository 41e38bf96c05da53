"""Budget sets: what each gross income leaves, under a tax and transfers, as pieces between points where rates change.

On the piece that begins at the income b_k, with `d = z - b_k`,

    c(z) = net_k + slope_k * d + curvature_k * d^2 / 2,

the net income, and `c'(z) = slope_k + curvature_k * d` the *net-of-tax rate*: one minus the marginal rate, phase-out of
transfers included. Bracket taxes have curvature 0, smoothed ones a curvature where the rate moves. Where rates rise the
set is convex, with kinks; where they fall, or c jumps (a notch), it is not, and a household must compare pieces.

Where c jumps, the better of the two sides counts: a benefit with an income limit is still paid at the limit. So a best
income always exists.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.labour.benefits import MeansTestedBenefit
from walras.market.errors import InvalidInputError
from walras.market.taxation import BasicIncome, BracketTax, SmoothedBracketTax, TargetedTransfer
from walras.market.validation import FloatArray, nonnegative_vector

__all__ = ["Benefit", "BudgetSet", "IncomeTax", "Piece", "budget_set"]

IncomeTax: TypeAlias = BracketTax | SmoothedBracketTax
Benefit: TypeAlias = BasicIncome | TargetedTransfer | MeansTestedBenefit


@final
@dataclass(frozen=True)
class Piece:
    """Net income between two gross incomes, where no rate jumps.

    Attributes
    ----------
    start, end
        Gross incomes (money); the last piece has no end (infinite).
    net
        Net income at the start, approached from above (money).
    slope, curvature
        Net-of-tax rate at the start, and how it moves with income (per money).
    """

    start: float
    end: float
    net: float
    slope: float
    curvature: float

    def net_income(self, income: FloatArray) -> FloatArray:
        """Give the net income (money) of incomes from start to end, shape (n,)."""
        beyond = income - self.start
        return self.net + (self.slope + 0.5 * self.curvature * beyond) * beyond

    def net_of_tax_rate(self, income: FloatArray) -> FloatArray:
        """Give what is left of the next unit of income, shape (n,)."""
        return self.slope + self.curvature * (income - self.start)


@final
@dataclass(frozen=True)
class BudgetSet:
    """Net income at every gross income, as pieces; `budget_set` makes it from a tax and transfers.

    Attributes
    ----------
    pieces
        In order of income, the first from 0, each up to the next.

    Examples
    --------
    >>> from walras.agents.labour import MeansTestedBenefit, budget_set
    >>> from walras.market.taxation import BracketTax
    >>> budget = budget_set(BracketTax([100.0], [0.0, 0.5]), [MeansTestedBenefit(10.0, 60.0)])
    >>> budget.net_income([0.0, 60.0, 61.0, 200.0]).tolist()
    [10.0, 70.0, 61.0, 150.0]
    >>> budget.is_convex
    False
    """

    pieces: tuple[Piece, ...]

    def __post_init__(self) -> None:
        pieces = tuple(self.pieces)
        if not pieces or not all(isinstance(piece, Piece) for piece in pieces):
            raise InvalidInputError(f"BudgetSet.pieces must hold pieces, one or more; got {self.pieces!r}.")
        ends = [0.0, *(piece.end for piece in pieces)]
        if [piece.start for piece in pieces] != ends[:-1] or ends[-1] != math.inf:
            raise InvalidInputError("BudgetSet.pieces must begin at 0, each where the last one ends, without end.")
        object.__setattr__(self, "pieces", pieces)

    def net_income(self, income: ArrayLike) -> FloatArray:
        """Give the net income (money) of gross incomes (money, 0 or more), shape (n,)."""
        incomes = nonnegative_vector("income", income, of="household")
        net = np.full(incomes.shape, -np.inf)
        for piece in self.pieces:
            inside = (incomes >= piece.start) & (incomes <= piece.end)
            net[inside] = np.maximum(net[inside], piece.net_income(incomes[inside]))
        return net

    def net_of_tax_rate(self, income: ArrayLike) -> FloatArray:
        """Give what is left of the next unit of income, at incomes (money, 0 or more), shape (n,)."""
        incomes = nonnegative_vector("income", income, of="household")
        rate = np.empty_like(incomes)
        for piece in self.pieces:
            inside = incomes >= piece.start  # later pieces write over it
            rate[inside] = piece.net_of_tax_rate(incomes[inside])
        return rate

    @cached_property
    def is_convex(self) -> bool:
        """Whether net income is a concave function of income: no rate falls, and there is no jump."""
        if any(piece.curvature > 0.0 for piece in self.pieces):
            return False
        for piece, after in zip(self.pieces, self.pieces[1:], strict=False):
            end = np.array([piece.end])
            jump = abs(float(piece.net_income(end)[0]) - after.net)
            if jump > 1e-9 * max(piece.end, 1.0) or after.slope > float(piece.net_of_tax_rate(end)[0]) + 1e-12:
                return False
        return True


def budget_set(tax: IncomeTax, benefits: Sequence[Benefit] = ()) -> BudgetSet:
    """Give the budget set of a household under an income tax and transfers.

    Parameters
    ----------
    tax
        Bracket tax, or its smoothed form.
    benefits
        What households receive by law: basic incomes, and transfers that depend on income.

    Raises
    ------
    InvalidInputError
        A tax or a transfer of another kind.

    Notes
    -----
    *Cost*: O(K^2) for K points where a rate changes.
    """
    if not isinstance(tax, BracketTax | SmoothedBracketTax):
        raise InvalidInputError(f"tax must be a BracketTax or a SmoothedBracketTax, got {tax!r}.")
    paid = checked_benefits("benefits", benefits)
    thresholds = np.asarray(tax.thresholds, dtype=np.float64)
    points = [np.zeros(1), thresholds]
    if isinstance(tax, SmoothedBracketTax):
        points = [np.zeros(1), thresholds - 0.5 * tax.width, thresholds + 0.5 * tax.width]
    points += [np.array(_changes(benefit)) for benefit in paid]
    starts = np.unique(np.concatenate(points))
    starts = starts[starts >= 0.0]

    rates = tax.marginal_rate(starts)
    net, slopes = starts - tax.tax_due(starts), 1.0 - rates
    curvatures = np.zeros_like(starts)
    if isinstance(tax, SmoothedBracketTax):
        curvatures[:-1] = -np.diff(rates) / np.diff(starts)
    for benefit in paid:
        amounts, withdrawn = _from_above(benefit, starts)
        net, slopes = net + amounts, slopes - withdrawn
    ends = [*starts[1:].tolist(), math.inf]
    columns = (starts.tolist(), ends, net.tolist(), slopes.tolist(), curvatures.tolist())
    return BudgetSet(tuple(Piece(*values) for values in zip(*columns, strict=True)))


def checked_benefits(name: str, benefits: object) -> tuple[Benefit, ...]:
    """Give transfers as a tuple, or raise `InvalidInputError`."""
    if not isinstance(benefits, list | tuple):
        raise InvalidInputError(f"{name} must be a list of transfers, got {benefits!r}.")
    for benefit in benefits:
        if not isinstance(benefit, BasicIncome | TargetedTransfer | MeansTestedBenefit):
            raise InvalidInputError(
                f"{name} must hold BasicIncome, TargetedTransfer or MeansTestedBenefit, got {benefit!r}."
            )
    return tuple(benefits)


def _changes(benefit: Benefit) -> list[float]:
    """Incomes at which a transfer jumps or is withdrawn at another rate."""
    match benefit:
        case BasicIncome():
            return []
        case TargetedTransfer():
            return [benefit.phase_out_start, benefit.phase_out_end]
        case MeansTestedBenefit():
            return [benefit.income_limit]


def _from_above(benefit: Benefit, starts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give amount and rate of withdrawal just above each income, each of shape (k,)."""
    match benefit:
        case BasicIncome():
            return benefit.amounts(starts.size), np.zeros_like(starts)
        case TargetedTransfer():
            inside = (starts >= benefit.phase_out_start) & (starts < benefit.phase_out_end)
            return benefit.amounts(starts), np.where(inside, benefit.phase_out_rate, 0.0)
        case MeansTestedBenefit():
            return np.where(starts < benefit.income_limit, benefit.amount, 0.0), np.zeros_like(starts)
