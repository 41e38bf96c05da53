"""Equilibrium prices of Fisher markets with up to millions of buyers, on one device, with a duality gap.

The dual of the Eisenberg-Gale programme (`walras.market.fisher.certificate`) is a convex problem in the prices of the
goods alone,

    min over p > 0 of  D(p) = sum_j s_j p_j + sum_i b_i log V_i(p) - mu sum_j b log p_j,

however many buyers there are. Newton's method needs two sums over buyers in each step, the spending on each good and
`C = sum_i b_i s_i s_i^T`; in relative changes of prices its equations are

    ((1 + kappa) diag(spending) - kappa C + mu b I) delta = spending + mu b - s p.

Two continuations lead to it. *Linear* utilities are approached through their smooth form (module `form`), whose
temperature falls until it costs less than half of the tolerated gap. *Leontief* buyers leave goods unsold, at a price
of 0: the term in mu, a spender who wants a little of every good, keeps prices above 0, and falls likewise. With many
buyers both are nearly smooth problems, and a few steps suffice at each stage.

The answer is certified by numbers that do not depend on how it was found: the allocation in which buyers spend by the
smooth form, scaled down to supplies where goods are oversold, is feasible, and its distance from the dual bounds the
distance from the optimum.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor

from walras.market.errors import InvalidInputError, NotConvergedError
from walras.market.fisher import FisherUtility, LeontiefUtility, LinearUtility
from walras.market.operators.equilibria.buyers import Buyers, read_buyers
from walras.market.operators.equilibria.form import SpendingForm, spending_form

__all__ = ["LargeFisherEquilibrium", "LargeFisherStatus", "cooling", "fisher_prices", "last_temperature", "positive"]

# Temperature (in units of log prices) and barrier (as a fraction of all money) fall by these factors at each stage.
_COOLING, _LOWERING = 3.0, 10.0
_LEAST_STEP = 1e-10


class LargeFisherStatus(Enum):
    """How the search ended; each value tells the reader what it means for them."""

    SOLVED = "the duality gap is within the tolerance"
    NOT_CONVERGED = "the duality gap is above the tolerance: allow more steps, or valuations in float64"


@final
@dataclass(frozen=True, eq=False)
class LargeFisherEquilibrium:
    """Prices of a Fisher market, and how far they are from an equilibrium.

    Attributes
    ----------
    prices
        Money per unit of each good, float64, shape (m,).
    spending
        Money that buyers spend on each good at these prices, shape (m,).
    form
        By which a buyer's spending follows from prices: `s_i = softmax(c log v_i - kappa log p)`.
    duality_gap
        Of prices and that allocation, scaled down to supplies, as a fraction of all money.
    market_clearing
        The larger of two: units bought beyond the supply, as a fraction of the supply of that good, and the worth of
        the units of a good that nobody buys, as a fraction of all money.
    steps
        Newton steps made.
    status
        How the search ended.
    """

    prices: Tensor
    spending: Tensor
    form: SpendingForm
    duality_gap: float
    market_clearing: float
    steps: int
    status: LargeFisherStatus

    def require(self) -> "LargeFisherEquilibrium":
        """Give it back, or raise `NotConvergedError` if the gap is above the tolerance."""
        if self.status is not LargeFisherStatus.SOLVED:
            raise NotConvergedError(f"Fisher market: {self.status.value}; the gap is {self.duality_gap:.3g}.")
        return self


def fisher_prices(
    valuations: Tensor,
    budgets: Tensor,
    *,
    supplies: Tensor | float = 1.0,
    utility: FisherUtility | None = None,
    tolerance: float = 1e-4,
    most_steps: int = 400,
    block: int | None = None,
) -> LargeFisherEquilibrium:
    """Find equilibrium prices of one large Fisher market.

    Parameters
    ----------
    valuations
        `v_ij >= 0` in the sense of the utility, shape (n, m), dense or sparse. Dense ones are worked on in their own
        precision; float32 serves for gaps down to about 1e-6.
    budgets
        Money of each buyer, above 0, shape (n,).
    supplies
        Units of each good, above 0: shape (m,), or one number for all.
    utility
        `LinearUtility()` (the default), `CESUtility(rho)`, `CobbDouglasUtility()` or `LeontiefUtility()`.
    tolerance
        Duality gap that counts as solved, as a fraction of all money.
    most_steps
        Newton steps that may be made in all.
    block
        Buyers that are worked on at a time, if valuations are dense.

    Raises
    ------
    InvalidInputError
        Malformed valuations, budgets or supplies; a good that nobody values; a tolerance that is not above 0.

    Notes
    -----
    *Ties*: a linear buyer spends alike on goods of equal value for money.
    *Differentiable in* nothing: `compile_mechanism` compiles Fisher markets of a size that fits in memory.
    *Cost*: each step one pass over the valuations and one product of (m, n) with (n, m).
    *Source*: Eisenberg and Gale 1959; the dual: Cole et al. 2017.

    Examples
    --------
    >>> import torch
    >>> from walras.market.operators.equilibria import fisher_prices
    >>> valuations = torch.tensor([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]], dtype=torch.float64)
    >>> answer = fisher_prices(valuations, torch.tensor([60.0, 40.0]), tolerance=1e-6).require()
    >>> (23 * answer.prices).round(decimals=2)
    tensor([1200.,  600.,  500.], dtype=torch.float64)
    """
    utility = LinearUtility() if utility is None else utility
    if not (isinstance(tolerance, float) and tolerance > 0.0):
        raise InvalidInputError(f"tolerance must be a number above 0, got {tolerance!r}.")
    buyers = read_buyers(valuations, block=block)
    money = positive("budgets", budgets, buyers.shape[0], "buyer", buyers.device)
    supply = positive("supplies", torch.as_tensor(supplies), buyers.shape[1], "good", buyers.device)
    _, valued_by = buyers.least_and_most()
    if bool((valued_by == 0).any()):
        first = int((valued_by == 0).nonzero()[0])
        raise InvalidInputError(f"Nobody values good {first}: leave it out, its price is 0.")
    problem = _Problem(buyers, money, supply, utility)
    return problem.solve(tolerance, most_steps)


@final
class _Problem:
    """A checked market; prices are logarithms inside."""

    def __init__(self, buyers: Buyers, budgets: Tensor, supplies: Tensor, utility: FisherUtility) -> None:
        self.buyers, self.budgets, self.utility = buyers, budgets, utility
        self.log_supplies = supplies.log()
        self.money = float(budgets.sum())
        self.steps = 0

    def solve(self, tolerance: float, most_steps: int) -> LargeFisherEquilibrium:
        goods = self.buyers.shape[1]
        # Every good starts with the same revenue.
        log_prices = math.log(self.money / goods) - self.log_supplies
        stages = self._stages(tolerance, goods)
        for number, (temperature, barrier) in enumerate(stages, 1):
            form = spending_form(self.utility, temperature)
            accuracy = 0.1 * tolerance if number == len(stages) else 1e-2
            log_prices = self._newton(log_prices, form, barrier, accuracy, most_steps)
            answer = self._certified(log_prices, form, tolerance)
            if answer.status is LargeFisherStatus.SOLVED:  # often long before the last stage
                break
        return answer

    def _stages(self, tolerance: float, goods: int) -> list[tuple[float, float]]:
        """Pairs of temperature and barrier, from easy to final."""
        last = last_temperature(tolerance, goods)
        if isinstance(self.utility, LinearUtility):
            return [(temperature, 0.0) for temperature in cooling(last)]
        if isinstance(self.utility, LeontiefUtility):
            least = 0.25 * tolerance / goods
            count = math.ceil(math.log(1.0 / (goods * least), _LOWERING))
            return [(last, least * self.money * _LOWERING**power) for power in range(count, -1, -1)]
        return [(last, 0.0)]

    def _objective(self, log_prices: Tensor, form: SpendingForm, barrier: float) -> tuple[float, Tensor]:
        """Give the dual objective, less a constant, and what is spent on each good, the barrier's spender included."""
        spent, log_sum = self.buyers.spending(self.budgets, log_prices, form)
        revenue = (log_prices + self.log_supplies).exp().sum()
        # With kappa = 0 shares are constant, and the sum of b_i log V_i is linear in log prices.
        log_best = log_sum / form.kappa if form.kappa != 0.0 else -(spent @ log_prices)
        return float(revenue - barrier * log_prices.sum() + log_best), spent + barrier

    def _newton(
        self, log_prices: Tensor, form: SpendingForm, barrier: float, tolerance: float, most_steps: int
    ) -> Tensor:
        """Damped Newton steps until a step is below `tolerance` in units of the form's own smoothness."""
        value, spent = self._objective(log_prices, form, barrier)
        noise = 4.0 * self.buyers.rounding * self.money  # in the last digits of the objective
        while self.steps < most_steps:
            self.steps += 1
            step, decrement = self._direction(log_prices, spent, form, barrier)
            # What the smoothing leaves undetermined: less of a decrease than that says nothing about the answer.
            scale = barrier or self.money / max(form.kappa, 1.0)
            # A barrier falls below the noise, too, and there a decrease can no longer be told.
            if decrement <= max(tolerance * tolerance * scale, noise if barrier else 0.0):
                break
            length = 1.0
            while True:
                trial = log_prices + length * step
                trial_value, trial_spent = self._objective(trial, form, barrier)
                if trial_value <= value - 0.25 * length * decrement + noise or length < _LEAST_STEP:
                    break
                length *= 0.5
            log_prices, value, spent = trial, trial_value, trial_spent
        return log_prices

    def _direction(self, log_prices: Tensor, spent: Tensor, form: SpendingForm, barrier: float) -> tuple[Tensor, float]:
        """Give the Newton step in log prices, and the decrease of the objective that its slope promises."""
        revenue = (log_prices + self.log_supplies).exp()
        slope = revenue - spent
        hessian = -form.kappa * self.buyers.curvature(self.budgets, log_prices, form)
        hessian.diagonal().add_((1.0 + form.kappa) * (spent - barrier) + barrier)
        # Leontief buyers may have fewer needs than goods; and where float32 rounds C, keep what is left positive.
        hessian.diagonal().add_(1e-7 * spent * max(abs(form.kappa), 1.0))
        factor, failed = torch.linalg.cholesky_ex(hessian)
        if int(failed):
            step = -slope / ((1.0 + max(form.kappa, 0.0)) * spent)
        else:
            step = -torch.cholesky_solve(slope.unsqueeze(-1), factor).squeeze(-1)
        # A relative change of prices in p; in logarithms no price can turn negative.
        return step.clamp(-3.0, 3.0), float(-(slope @ step.clamp(-3.0, 3.0)))

    def _certified(self, log_prices: Tensor, form: SpendingForm, tolerance: float) -> LargeFisherEquilibrium:
        """Measure the gap of prices and of the allocation that they lead to."""
        spent, _ = self.buyers.spending(self.budgets, log_prices, form)
        prices = log_prices.exp()
        revenue = prices * self.log_supplies.exp()
        excess = spent / revenue - 1.0
        scale = -torch.log1p(excess.clamp(min=0.0))
        shortfall = self.buyers.shortfall(self.budgets, log_prices, form, scale, self.utility)
        gap = max(float((revenue.sum() - self.money + shortfall) / self.money), 0.0)
        # Beyond the supply nothing may be bought; what is left over must be worth nothing.
        clearing = torch.maximum(excess.max(), (-excess * revenue).max() / self.money)
        return LargeFisherEquilibrium(
            prices=prices,
            spending=spent,
            form=form,
            duality_gap=gap,
            market_clearing=float(clearing),
            steps=self.steps,
            status=LargeFisherStatus.SOLVED if gap <= tolerance else LargeFisherStatus.NOT_CONVERGED,
        )


def last_temperature(tolerance: float, goods: int) -> float:
    """Give the temperature at which smoothing costs half of the tolerated gap."""
    return 0.5 * tolerance / max(math.log(goods), 1.0)


def cooling(last: float) -> list[float]:
    """Give temperatures from about 1 down to the last."""
    count = math.ceil(math.log(1.0 / last, _COOLING))
    return [last * _COOLING**power for power in range(count, -1, -1)]


def positive(name: str, values: Tensor, length: int, of: str, device: torch.device) -> Tensor:
    """Give one number above 0 for each buyer or good, in float64 on the device; a single number serves all."""
    if not isinstance(values, Tensor) or values.ndim > 1 or (values.ndim == 1 and values.numel() != length):
        raise InvalidInputError(f"{name} must be a tensor with one number for each {of}, shape ({length},).")
    values = values.to(device=device, dtype=torch.float64).expand(length)
    if not bool((values.isfinite() & (values > 0.0)).all()):
        raise InvalidInputError(f"{name} must be finite and above 0.")
    return values
