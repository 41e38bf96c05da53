"""Equilibrium prices of exchange economies with up to millions of consumers, on one device.

Consumer i owns the endowment `e_i`, has the income `b_i = p.e_i`, and spends it in the form of module `form`. In
relative changes of prices, excess demand in money, `r_j = spending_j - p_j sum_i e_ij`, has the Jacobian

    J = kappa (C - diag(spending)) + (sum_i s_i e_i^T) diag(p) - diag(p_j sum_i e_ij),

whose rows add up to 0: only relative prices matter. Newton's method with a line search on the size of `r` finds its
root; where a step gets nowhere, prices move in proportion to excess demand instead (tatonnement). With complements (rho
below 0) there may be several equilibria, and none need be found: the status then says so.

Linear utilities are approached through falling temperatures, as in a Fisher market. Leontief economies may have free
goods, whose log price has no end: at first everyone spends a fraction of its income on all goods alike, which keeps
prices away from 0, and that fraction falls.
"""

from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor

from walras.market.errors import InvalidInputError, NotConvergedError
from walras.market.fisher import FisherUtility, LeontiefUtility, LinearUtility
from walras.market.operators.equilibria.buyers import Buyers, read_buyers
from walras.market.operators.equilibria.fisher import cooling, last_temperature
from walras.market.operators.equilibria.form import SpendingForm, spending_form

__all__ = ["LargeExchangeEquilibrium", "LargeExchangeStatus", "exchange_prices"]

_LEAST_STEP = 1e-3
_LONGEST_STEP = 3.0  # of a log price


class LargeExchangeStatus(Enum):
    """How the search ended; each value tells the reader what it means for them."""

    SOLVED = "excess demand and forgone utility are within the tolerance"
    NOT_CONVERGED = "the tolerance was not met: allow more steps; with complements, there may be no path to equilibrium"


@final
@dataclass(frozen=True, eq=False)
class LargeExchangeEquilibrium:
    """Prices of an exchange economy, and how far they are from an equilibrium.

    Attributes
    ----------
    prices
        Prices of the goods, adding up to 1, float64, shape (m,).
    form
        By which a consumer's spending follows from prices: `s_i = softmax(c log v_i - kappa log p)`.
    excess_demand
        Largest worth of excess demand for a good, of either sign, as a fraction of all incomes.
    forgone
        Mean over incomes of the log of the utility that consumers could afford over what they buy: 0 but for linear
        utilities.
    steps
        Steps made.
    status
        How the search ended.
    """

    prices: Tensor
    form: SpendingForm
    excess_demand: float
    forgone: float
    steps: int
    status: LargeExchangeStatus

    def require(self) -> "LargeExchangeEquilibrium":
        """Give it back, or raise `NotConvergedError`."""
        if self.status is not LargeExchangeStatus.SOLVED:
            raise NotConvergedError(
                f"Exchange economy: {self.status.value}; excess demand is {self.excess_demand:.3g} of all incomes."
            )
        return self


def exchange_prices(
    valuations: Tensor,
    endowments: Tensor,
    *,
    utility: FisherUtility,
    tolerance: float = 1e-6,
    most_steps: int = 400,
    block: int | None = None,
) -> LargeExchangeEquilibrium:
    """Find equilibrium prices of one large exchange economy.

    Parameters
    ----------
    valuations
        `v_ij >= 0` in the sense of the utility, shape (n, m), dense or sparse.
    endowments
        Units that each consumer owns, 0 or more, dense, shape (n, m); some of each good, and something for each
        consumer.
    utility
        `LinearUtility()`, `CESUtility(rho)`, `CobbDouglasUtility()` or `LeontiefUtility()`, as in a Fisher market.
    tolerance
        Of excess demand (fraction of all incomes) and of forgone utility.
    most_steps
        Steps that may be made in all.
    block
        Consumers that are worked on at a time, if valuations are dense.

    Raises
    ------
    InvalidInputError
        Malformed valuations or endowments; a good that nobody values or owns; a tolerance that is not above 0.

    Notes
    -----
    *Cost*: each step one pass over valuations and endowments, and two products of (m, n) with (n, m).
    *Source*: Arrow and Hahn 1971.

    Examples
    --------
    >>> import torch
    >>> from walras.market.fisher import CobbDouglasUtility
    >>> from walras.market.operators.equilibria import exchange_prices
    >>> shares = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64)
    >>> owned = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    >>> exchange_prices(shares, owned, utility=CobbDouglasUtility()).require().prices.round(decimals=6)
    tensor([0.4000, 0.6000], dtype=torch.float64)
    """
    if not (isinstance(tolerance, float) and tolerance > 0.0):
        raise InvalidInputError(f"tolerance must be a number above 0, got {tolerance!r}.")
    consumers = read_buyers(valuations, block=block)
    owned = _checked_endowments(endowments, consumers)
    _, valued_by = consumers.least_and_most()
    if bool((valued_by == 0).any()):
        raise InvalidInputError(f"Nobody values good {int((valued_by == 0).nonzero()[0])}: leave it out.")
    return _Economy(consumers, endowments, owned, utility).solve(tolerance, most_steps)


@final
class _Economy:
    """A checked economy; prices are logarithms inside."""

    def __init__(self, consumers: Buyers, endowments: Tensor, owned: Tensor, utility: FisherUtility) -> None:
        self.consumers, self.endowments, self.owned, self.utility = consumers, endowments, owned, utility
        self.spread, self.steps = 0.0, 0

    def solve(self, tolerance: float, most_steps: int) -> LargeExchangeEquilibrium:
        goods = self.consumers.shape[1]
        log_prices = -self.owned.log()
        last = last_temperature(tolerance, goods)
        stages = self._stages(tolerance, last)
        for number, (temperature, spread) in enumerate(stages, 1):
            form, self.spread = spending_form(self.utility, temperature), spread
            accuracy = 0.5 * tolerance
            if number < len(stages):
                accuracy = max(0.1 * max(temperature, spread) / goods, accuracy)
            log_prices = self._find(log_prices, form, accuracy, most_steps)
            self.spread = 0.0
            answer = self._answer(log_prices, form, tolerance)
            if answer.status is LargeExchangeStatus.SOLVED:
                break
        return answer

    def _stages(self, tolerance: float, last: float) -> list[tuple[float, float]]:
        """Pairs of temperature and of the fraction of incomes that is spread over all goods, from easy to final."""
        if isinstance(self.utility, LinearUtility):
            return [(temperature, 0.0) for temperature in cooling(last)]
        if isinstance(self.utility, LeontiefUtility):
            return [(last, spread) for spread in cooling(0.5 * tolerance)]
        return [(last, 0.0)]

    def _incomes(self, log_prices: Tensor) -> Tensor:
        return (self.endowments @ log_prices.exp().to(self.endowments.dtype)).double()

    def _excess(self, log_prices: Tensor, form: SpendingForm) -> tuple[Tensor, Tensor, Tensor]:
        """Give excess demand in money as a fraction of all incomes (m,), spending (m,) and incomes (n,)."""
        incomes = self._incomes(log_prices)
        spent, _ = self.consumers.spending(incomes, log_prices, form)
        spread = self.spread * incomes.sum() / spent.numel()
        bought = (1.0 - self.spread) * spent + spread
        return (bought - log_prices.exp() * self.owned) / incomes.sum(), spent, incomes

    def _find(self, log_prices: Tensor, form: SpendingForm, accuracy: float, most_steps: int) -> Tensor:
        excess, spent, incomes = self._excess(log_prices, form)
        while self.steps < most_steps and float(excess.abs().max()) > accuracy:
            self.steps += 1
            step = self._newton_step(log_prices, excess, spent, incomes, form)
            size, length = float(excess.norm()), 1.0
            while True:
                trial = _normalised(log_prices + length * step)
                trial_excess, trial_spent, trial_incomes = self._excess(trial, form)
                if float(trial_excess.norm()) <= (1.0 - 0.25 * length) * size:
                    break
                if length < _LEAST_STEP:  # no descent along Newton's direction: move with excess demand
                    share = spent / incomes.sum()
                    trial = _normalised(log_prices + 0.5 / (1.0 + max(form.kappa, 0.0)) * excess / share)
                    trial_excess, trial_spent, trial_incomes = self._excess(trial, form)
                    break
                length *= 0.5
            log_prices, excess, spent, incomes = trial, trial_excess, trial_spent, trial_incomes
        return log_prices

    def _newton_step(
        self, log_prices: Tensor, excess: Tensor, spent: Tensor, incomes: Tensor, form: SpendingForm
    ) -> Tensor:
        prices, money = log_prices.exp(), incomes.sum()
        jacobian = form.kappa * self.consumers.curvature(incomes, log_prices, form)
        jacobian.diagonal().add_(-form.kappa * spent)
        jacobian += self.consumers.mixing(log_prices, form, self.endowments) * prices
        goods, worth = prices.numel(), prices * self.owned
        jacobian = (1.0 - self.spread) * jacobian + self.spread / goods * worth
        jacobian.diagonal().sub_(worth)
        # Rows add up to 0 (only relative prices matter), columns too (Walras' law); the constant settles the level.
        system = jacobian / money - torch.full_like(jacobian, 1.0 / goods**2)
        solved, _ = torch.linalg.solve_ex(system, excess)
        step = torch.where(solved.isfinite().all(), -solved, excess / (spent / money))
        return step * (_LONGEST_STEP / step.abs().max()).clamp(max=1.0)

    def _answer(self, log_prices: Tensor, form: SpendingForm, tolerance: float) -> LargeExchangeEquilibrium:
        excess, _, incomes = self._excess(log_prices, form)
        forgone = self.consumers.shortfall(incomes, log_prices, form, torch.zeros_like(log_prices), self.utility)
        largest, mean_forgone = float(excess.abs().max()), float(forgone / incomes.sum())
        solved = largest <= tolerance and mean_forgone <= tolerance
        return LargeExchangeEquilibrium(
            prices=log_prices.softmax(-1),
            form=form,
            excess_demand=largest,
            forgone=mean_forgone,
            steps=self.steps,
            status=LargeExchangeStatus.SOLVED if solved else LargeExchangeStatus.NOT_CONVERGED,
        )


def _normalised(log_prices: Tensor) -> Tensor:
    return log_prices - log_prices.mean()


def _checked_endowments(endowments: Tensor, consumers: Buyers) -> Tensor:
    """Give the units of each good that there are (m,), float64."""
    if not isinstance(endowments, Tensor) or not endowments.is_floating_point() or endowments.layout != torch.strided:
        raise InvalidInputError("endowments must be a dense floating-point tensor of shape (consumers, goods).")
    if tuple(endowments.shape) != consumers.shape or endowments.device != consumers.device:
        raise InvalidInputError(
            f"endowments must have the shape and device of the valuations, {consumers.shape} on {consumers.device}; "
            f"got {tuple(endowments.shape)} on {endowments.device}."
        )
    if not bool((endowments.isfinite() & (endowments >= 0.0)).all()):
        raise InvalidInputError("endowments must be finite, and 0 or more.")
    owned = endowments.sum(0, dtype=torch.float64)
    if not bool((owned > 0.0).all()):
        raise InvalidInputError(f"Nobody owns good {int((owned <= 0.0).nonzero()[0])}: leave it out.")
    if not bool((endowments.amax(1) > 0.0).all()):
        poor = int((endowments.amax(1) <= 0.0).nonzero()[0])
        raise InvalidInputError(f"Each consumer must own something: consumer {poor} owns nothing.")
    return owned
