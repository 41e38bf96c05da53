"""Fisher markets and exchange economies in batches: prices at which what is spent on each good buys what there is.

Consumers split their money by one formula (`walras.market.operators.equilibria.form`): on good j goes the share `s_ij =
softmax_j(c_i log v_ij - kappa_i log p_j)`. Equilibrium prices are the roots of

    F_j(y) = sum_i w_i s_ij(y) - S_j exp(y_j),       y = log p,

with `w_i` the budgets of a Fisher market, or the worth of what consumers own in an exchange economy, and S the
supplies. They are found without a graph and attached to one by the implicit function theorem.

*Which equilibrium.* A Fisher market has one price vector. An exchange economy may have several: the one is found to
which a damped Newton search leads from the start (equal prices by default), and the gradient is that of this one. Where
it is singular the gradient is that of the pseudo-inverse.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from walras.market.errors import InvalidInputError, NotDifferentiableError
from walras.market.exchange import CES, CobbDouglas, ExchangeEconomy, Leontief, Utility
from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherMarket, FisherUtility, LinearUtility
from walras.market.operators.inputs import check_amounts, floating, number_like
from walras.market.operators.price_search import ROUGH, attached, damped_newton, minimise, spread_batch
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import common_dtype

__all__ = ["ExchangeOperator", "FisherOperator", "MarketEquilibria"]

_STEPS = 200
# Excess demand, as a fraction of the supply, above which an exchange economy counts as not solved.
_SOLVED = 1e-9


class MarketEquilibria(NamedTuple):
    """What a compiled Fisher market or exchange economy gives: units bought (..., n, m) and prices (..., m)."""

    allocation: Tensor
    prices: Tensor


class FisherOperator(nn.Module):
    """A compiled `FisherMarket`; made by `compile_mechanism`.

    Linear buyers jump between goods of equal value for money, so they need a temperature tau (in logs of value for
    money): a buyer then spends the share `softmax_j((log v_ij - log p_j) / tau)` on good j, the choice of a buyer whose
    value for money is shaken by Gumbel shocks; the limit is the exact market.

    Examples
    --------
    >>> import torch
    >>> from walras.market.fisher import FisherMarket
    >>> from walras.market.operators import compile_mechanism
    >>> market = compile_mechanism(FisherMarket([60.0, 40.0]), temperature=0.001)
    >>> found = market(torch.tensor([[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]]))
    >>> (23.0 * found.prices).round(decimals=0)
    tensor([1199.,  601.,  500.])
    """

    def __init__(
        self, mechanism: FisherMarket, *, temperature: float | None = None, check_values: bool = False
    ) -> None:
        super().__init__()
        linear = isinstance(mechanism.utility, LinearUtility)
        if linear and temperature is None:
            raise NotDifferentiableError(
                f"{mechanism!r} does not compile without a temperature: linear buyers jump between goods of equal "
                "value for money. Give temperature=, or use CESUtility."
            )
        if not linear and temperature is not None:
            raise InvalidInputError(f"{mechanism.utility!r} is smooth as it is: leave temperature out.")
        self.mechanism, self.temperature, self.check_values = mechanism, temperature, check_values
        self._form = _fisher_form(mechanism.utility, len(mechanism.budgets), temperature)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return f"{self.mechanism!r}, temperature={self.temperature}"

    def forward(
        self,
        valuations: Tensor,
        *,
        budgets: Tensor | None = None,
        supplies: Tensor | None = None,
        temperature: Tensor | float | None = None,
    ) -> MarketEquilibria:
        """Find the equilibrium of every market of the batch.

        Parameters
        ----------
        valuations
            `v_ij >= 0` in the sense of the utility, shape (..., n, m).
        budgets, supplies
            In place of the specification's: money, 0 or more (0: the buyer stays away), shape (..., n); units above 0,
            shape (..., m) or a number.
        temperature
            Of linear buyers, in place of the operator's; a number.

        Raises
        ------
        InvalidInputError
            Shapes that do not fit, integer tensors, other devices; with `check_values` also bad numbers.

        Notes
        -----
        Solved in float64. A good that nobody with money values has the price 0 and is left over. A market without an
        answer (numbers that are not finite or below 0, a buyer with money who values nothing) is NaN in its own row.
        *Differentiable in* valuations above 0, budgets and supplies, once. *Cost*: some tens of Newton steps, each
        O(n m^2 + m^3); waits for the device. *Source*: Eisenberg and Gale 1959; Cole et al. 2017.
        """
        dtype = common_dtype(floating("valuations", valuations), budgets, supplies)
        values = valuations.double()
        buyers = len(self.mechanism.budgets)  # type: ignore[arg-type]
        if values.ndim < 2 or values.shape[-2] != buyers or values.shape[-1] == 0:
            raise InvalidInputError(f"valuations must have shape (..., {buyers}, m), got {tuple(values.shape)}.")
        money = number_like("budgets", self.mechanism.budgets if budgets is None else budgets, values)
        units = number_like("supplies", self.mechanism.supplies if supplies is None else supplies, values)
        if self.check_values:
            for name, tensor in (("valuations", values), ("budgets", money), ("supplies", units)):
                check_amounts(name, tensor)
        kappa, c = self._form
        if temperature is not None:
            if self.temperature is None:
                raise InvalidInputError("temperature is that of linear buyers: leave it out.")
            kappa = c = np.full((buyers, 1), 1.0 / float(temperature))
        rows = [torch.as_tensor(each, dtype=torch.float64, device=values.device) for each in (kappa, c)]
        with torch.autocast(values.device.type, enabled=False):
            found = _fisher(values, money, units, *rows)
        return MarketEquilibria(*(tensor.to(dtype) for tensor in found))


class ExchangeOperator(nn.Module):
    """A compiled `ExchangeEconomy` of Cobb-Douglas, CES and Leontief consumers; made by `compile_mechanism`.

    Examples
    --------
    >>> import torch
    >>> from walras.market.exchange import CobbDouglas, ExchangeEconomy
    >>> from walras.market.operators import compile_mechanism
    >>> economy = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), endowments=[[1.0, 2.0], [2.0, 1.0]])
    >>> compile_mechanism(economy)().prices
    tensor([0.2500, 0.7500], dtype=torch.float64)
    """

    def __init__(self, mechanism: ExchangeEconomy, *, check_values: bool = False) -> None:
        super().__init__()
        utilities = mechanism.utilities if isinstance(mechanism.utilities, tuple) else (mechanism.utilities,)
        forms = [_exchange_form(each) for each in utilities]
        self.mechanism, self.check_values = mechanism, check_values
        self._weights, self._kappa, self._c = (np.concatenate(part) for part in zip(*forms, strict=True))

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        consumers, goods = self.mechanism.shape
        return f"{consumers} consumers, {goods} goods"

    def forward(
        self,
        *,
        endowments: Tensor | None = None,
        weights: Tensor | None = None,
        start: Tensor | None = None,
    ) -> MarketEquilibria:
        """Find an equilibrium of every economy of the batch; prices add up to 1.

        Parameters
        ----------
        endowments
            In place of the economy's (transfers included): units, 0 or more, shape (..., n, m).
        weights
            In place of its utilities' weights (Leontief: requirements), shape (..., n, m).
        start
            Prices to start the search from, above 0, shape (..., m); equal ones by default.

        Raises
        ------
        InvalidInputError
            Shapes that do not fit, integer tensors, other devices; with `check_values` also bad numbers.

        Notes
        -----
        Solved in float64, which is also the answer's type where no tensor is given. An economy whose search did not
        end, or whose numbers are no economy (a good that nobody wants or owns, numbers that are not finite), is NaN in
        its own row. *Differentiable in* endowments and weights above 0, once. *Cost*: some tens of Newton steps, each
        O(n m^2 + m^3); waits for the device. *Source*: Arrow and Hahn 1971.
        """
        given = [tensor for tensor in (endowments, weights, start) if tensor is not None]
        dtype = common_dtype(*given) if given else torch.float64
        like = floating("endowments, weights or start", given[0]).double() if given else torch.zeros(0).double()
        owned = number_like("endowments", np.array(self.mechanism.claims) if endowments is None else endowments, like)
        tastes = number_like("weights", self._weights if weights is None else weights, like)
        shape = self.mechanism.shape
        first = number_like("start", np.ones(shape[1]) if start is None else start, like)
        for name, tensor, ending in (
            ("endowments", owned, shape),
            ("weights", tastes, shape),
            ("start", first, shape[1:]),
        ):
            if tuple(tensor.shape[-len(ending) :]) != ending:
                raise InvalidInputError(
                    f"{name} must have shape (..., {', '.join(map(str, ending))}), got {tuple(tensor.shape)}."
                )
            if self.check_values:
                check_amounts(name, tensor)
        rows = [torch.as_tensor(each, dtype=torch.float64, device=owned.device) for each in (self._kappa, self._c)]
        with torch.autocast(owned.device.type, enabled=False):
            found = _exchange(tastes, owned, first, *rows)
        return MarketEquilibria(*(tensor.to(dtype) for tensor in found))


def _fisher_form(utility: FisherUtility, buyers: int, temperature: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Kappa and c of each buyer, shape (n, 1)."""
    match utility:
        case LinearUtility():
            kappa = c = np.full(buyers, 1.0 / (temperature or 1.0))
        case CESUtility():
            rho = utility.each_rho(buyers)
            kappa, c = rho / (1.0 - rho), 1.0 / (1.0 - rho)
        case CobbDouglasUtility():
            kappa, c = np.zeros(buyers), np.ones(buyers)
        case _:
            raise NotDifferentiableError(
                f"{utility!r} does not compile: Leontief buyers leave goods over, whose prices jump to 0, and prices "
                "need not be unique. Use CESUtility(rho) with a rho far below 0."
            )
    return np.asarray(kappa)[:, np.newaxis], np.asarray(c)[:, np.newaxis]


def _exchange_form(utility: Utility) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (n, m), and kappa and c of each consumer, shape (n, 1)."""
    consumers = utility.shape[0]
    match utility:
        case CobbDouglas(weights=weights):
            kappa, c = np.zeros(consumers), np.ones(consumers)
        case CES(weights=weights, rho=rho) if np.all(np.isfinite(rho)) and np.all(np.asarray(rho) < 1.0):
            exponents = np.broadcast_to(np.asarray(rho, dtype=np.float64), (consumers,))
            kappa, c = exponents / (1.0 - exponents), 1.0 / (1.0 - exponents)
        case Leontief(requirements=weights):
            kappa, c = -np.ones(consumers), np.ones(consumers)
        case _:
            raise NotDifferentiableError(
                f"An exchange economy with {type(utility).__name__} consumers does not compile: demand that jumps "
                "(linear utility), or that may end at a corner or is known as a function only, has no formula in "
                "prices and weights with useful derivatives. Use CobbDouglas, CES with rho < 1 or Leontief, or solve "
                "it with walras.market.exchange."
            )
    return np.array(weights, dtype=np.float64), kappa[:, np.newaxis], c[:, np.newaxis]


def _logs(values: Tensor) -> Tensor:
    """Logarithms; minus infinity, without a gradient, where nothing is valued."""
    positive = values > 0.0
    return torch.where(positive, torch.where(positive, values, 1.0).log(), -torch.inf)


def _shares(logs: Tensor, log_prices: Tensor, kappa: Tensor, c: Tensor) -> Tensor:
    """Shares of spending (..., n, m); 0 for who values nothing."""
    valued = logs > -torch.inf
    z = c * torch.where(valued, logs, 0.0) - kappa * log_prices.unsqueeze(-2)
    z = torch.where(valued, z, -torch.inf)
    highest = z.amax(-1, keepdim=True)
    powers = torch.where(valued, (z - torch.where(highest.isfinite(), highest, 0.0)).exp(), 0.0)
    total = powers.sum(-1, keepdim=True)
    return powers / torch.where(total > 0.0, total, 1.0)


def _curvature(shares: Tensor, money: Tensor, kappa: Tensor) -> Tensor:
    """`sum_i w_i ((1 + kappa_i) diag(s_i) - kappa_i s_i s_i')`, positive semi-definite, shape (..., m, m)."""
    weighted = money.unsqueeze(-1) * shares
    diagonal = ((1.0 + kappa) * weighted).sum(-2)
    return torch.diag_embed(diagonal) - (kappa * weighted).mT @ shares


def _fisher(values: Tensor, money: Tensor, supplies: Tensor, kappa: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    buyers, goods = values.shape[-2:]
    batch = broadcast_shape(values.shape[:-2], money.shape[:-1], supplies.shape[:-1])
    values, money = values.expand(*batch, buyers, goods), money.expand(*batch, buyers)
    supplies = supplies.expand(*batch, goods)
    wanting = (values > 0.0).any(-1) | (money == 0.0)
    good = (values.isfinite() & (values >= 0.0)).all(-1).all(-1) & (money.isfinite() & (money >= 0.0)).all(-1)
    good = good & (supplies.isfinite() & (supplies > 0.0)).all(-1) & wanting.all(-1) & (money > 0.0).any(-1)
    values = torch.where(good[..., None, None], values, 1.0)
    money, supplies = torch.where(good[..., None], money, 1.0), torch.where(good[..., None], supplies, 1.0)
    sold = ((values > 0.0) & (money > 0.0).unsqueeze(-1)).any(-2)  # (..., m)
    logs = _logs(values)
    with torch.no_grad():
        log_prices = fisher_log_prices(*(t.detach() for t in (logs, money, supplies)), kappa, c)
    shares = _shares(logs, log_prices, kappa, c)
    spent, worth = (money.unsqueeze(-1) * shares).sum(-2), supplies * log_prices.exp()
    residual = torch.where(sold, worth - spent, 0.0)
    solved = good & (residual.detach().abs() <= _SOLVED * worth.detach()).all(-1)
    both = sold.unsqueeze(-1) & sold.unsqueeze(-2)
    log_prices = attached(log_prices, residual, torch.where(both, _curvature(shares, money, kappa), 0.0))
    shares = _shares(logs, log_prices, kappa, c)
    broken = torch.where(solved, 1.0, torch.nan)[..., None]
    prices = torch.where(sold, log_prices.exp(), 0.0) * broken
    allocation = money.unsqueeze(-1) * shares * torch.where(sold, (-log_prices).exp(), 0.0).unsqueeze(-2)
    return allocation * broken.unsqueeze(-1), prices


@torch.library.custom_op("walras::fisher_log_prices", mutates_args=())
def fisher_log_prices(logs: Tensor, money: Tensor, supplies: Tensor, kappa: Tensor, c: Tensor) -> Tensor:
    """Logarithms of prices (..., m) from logs of valuations; goods that nobody buys get 0.

    Strong substitutes are approached through weaker ones, whose prices are easy to find.
    """
    total = money.sum(-1, keepdim=True)
    bought = ((logs > -torch.inf) & (money > 0.0).unsqueeze(-1)).any(-2)
    even = _shares(logs, torch.zeros_like(supplies), torch.zeros_like(kappa), torch.ones_like(c))
    spent = (money.unsqueeze(-1) * even).sum(-2)
    log_prices = torch.where(bought, torch.where(bought, spent, 1.0).log() - supplies.log(), 0.0)
    strongest = float(kappa.amax())
    levels = [strongest]
    while levels[-1] > 3.0:
        levels.append(levels[-1] / 3.0)
    for level in reversed(levels) if strongest > 0.0 else ():
        now = kappa.clamp(max=level)
        exponents = torch.where(kappa > level, c * (level / kappa), c)  # valuations as strong as prices

        def convex(at: Tensor, now: Tensor = now, exponents: Tensor = exponents) -> tuple[Tensor, Tensor]:
            shares = _shares(logs, at, now, exponents)
            excess = supplies * at.exp() - (money.unsqueeze(-1) * shares).sum(-2)
            gradient = torch.where(bought, excess / total, 0.0)
            return gradient, _curvature(shares, money, now) / total.unsqueeze(-1)

        log_prices = minimise(convex, log_prices, accuracy=ROUGH if level < strongest else 1e-6)
    identity = torch.eye(supplies.shape[-1], dtype=supplies.dtype, device=supplies.device)

    def relative(at: Tensor, kappa: Tensor = kappa, c: Tensor = c) -> tuple[Tensor, Tensor]:
        """Log of demand over supply: money says little about goods that are cheap."""
        shares = _shares(logs, at, kappa, c)
        spent = (money.unsqueeze(-1) * shares).sum(-2)
        worth = torch.where(bought, supplies * at.exp(), 1.0)
        spent = torch.where(bought, spent, 1.0)
        jacobian = (torch.diag_embed(spent) - _curvature(shares, money, kappa)) / spent.unsqueeze(-1) - identity
        jacobian = torch.where(bought.unsqueeze(-1) & bought.unsqueeze(-2), jacobian, -identity)
        return spent.log() - worth.log(), jacobian

    # Strong complements, too, are approached through weaker ones.
    weakest, gap = 1.0 + float(kappa.amin()), 0.5
    while gap > weakest:
        now = kappa.clamp(min=gap - 1.0)
        milder = torch.where(now > kappa, 1.0 + now, c)
        log_prices = damped_newton(partial(relative, kappa=now, c=milder), log_prices, homogeneous=False)
        gap *= 0.5
    return damped_newton(relative, log_prices, homogeneous=False)


@fisher_log_prices.register_fake
def _(logs: Tensor, money: Tensor, supplies: Tensor, kappa: Tensor, c: Tensor) -> Tensor:
    return torch.empty_like(supplies)


@fisher_log_prices.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *arguments: Tensor) -> tuple[Tensor, int]:
    return fisher_log_prices(*spread_batch(info.batch_size, in_dims, *arguments)), 0


def _exchange(tastes: Tensor, owned: Tensor, start: Tensor, kappa: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    consumers, goods = tastes.shape[-2:]
    batch = broadcast_shape(tastes.shape[:-2], owned.shape[:-2], start.shape[:-1])
    tastes, owned = tastes.expand(*batch, consumers, goods), owned.expand(*batch, consumers, goods)
    start = start.expand(*batch, goods)
    good = (tastes.isfinite() & (tastes >= 0.0)).all(-1).all(-1) & owned.isfinite().all(-1).all(-1)
    good = good & (tastes > 0.0).any(-1).all(-1) & (tastes > 0.0).any(-2).all(-1) & (owned.sum(-2) > 0.0).all(-1)
    good = good & (start.isfinite() & (start > 0.0)).all(-1)
    wide = good[..., None, None]
    tastes, owned = torch.where(wide, tastes, 1.0), torch.where(wide, owned, 1.0)
    logs = _logs(tastes)
    first = torch.where(good[..., None], start, 1.0).log()
    with torch.no_grad():
        log_prices = exchange_log_prices(*(t.detach() for t in (logs, owned, first)), kappa, c)
    excess, jacobian, _ = _excess(logs, owned, log_prices, kappa, c)
    solved = good & (excess.detach().abs().amax(-1) <= _SOLVED)
    log_prices = attached(log_prices, -excess, -jacobian, symmetric=False)
    log_prices = log_prices - log_prices.logsumexp(-1, keepdim=True)  # prices add up to 1
    _, _, bundles = _excess(logs, owned, log_prices, kappa, c)
    broken = torch.where(solved, 1.0, torch.nan)[..., None]
    return bundles * broken.unsqueeze(-1), log_prices.exp() * broken


def _excess(logs: Tensor, owned: Tensor, log_prices: Tensor, kappa: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log of demand over supply (..., m), its derivative in log prices (..., m, m), and bundles (..., n, m).

    Of units, not of money: where a price falls to 0 the worth of what nobody buys does so as well.
    """
    prices = log_prices.exp()
    claims = owned * prices.unsqueeze(-2)
    incomes = claims.sum(-1)
    shares = _shares(logs, log_prices, kappa, c)
    spent = incomes.unsqueeze(-1) * shares
    demanded = spent.sum(-2)
    jacobian = shares.mT @ claims + (kappa * spent).mT @ shares - torch.diag_embed((kappa * spent).sum(-2))
    jacobian = jacobian / demanded.unsqueeze(-1) - torch.eye(prices.shape[-1], dtype=prices.dtype, device=prices.device)
    return demanded.log() - claims.sum(-2).log(), jacobian, spent / prices.unsqueeze(-2)


@torch.library.custom_op("walras::exchange_log_prices", mutates_args=())
def exchange_log_prices(logs: Tensor, owned: Tensor, start: Tensor, kappa: Tensor, c: Tensor) -> Tensor:
    """Logarithms of equilibrium prices (..., m): Newton's method, damped until excess demand falls."""
    log_prices = damped_newton(lambda at: _excess(logs, owned, at, kappa, c)[:2], start, homogeneous=True)
    return log_prices - log_prices.logsumexp(-1, keepdim=True)


@exchange_log_prices.register_fake
def _(logs: Tensor, owned: Tensor, start: Tensor, kappa: Tensor, c: Tensor) -> Tensor:
    return torch.empty_like(start)


@exchange_log_prices.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *arguments: Tensor) -> tuple[Tensor, int]:
    return exchange_log_prices(*spread_batch(info.batch_size, in_dims, *arguments)), 0
