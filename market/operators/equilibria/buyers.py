"""The valuations of many buyers on one device, dense or sparse, and the sums over buyers that equilibria need.

Nothing of the size buyers times goods is made beside the valuations: dense ones are worked through in blocks of buyers,
and of sparse ones only the goods that a buyer values are kept. Sums over buyers are formed in float64.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, final

import torch
from torch import Tensor

from walras.market.errors import InvalidInputError
from walras.market.fisher import CESUtility, FisherUtility, LeontiefUtility, LinearUtility
from walras.market.operators.equilibria.form import SpendingForm

__all__ = ["Buyers", "DenseBuyers", "SparseBuyers", "read_buyers"]

# Entries of a dense block: large enough to keep a GPU busy, small beside its memory.
_BLOCK_ENTRIES = 1 << 26
_CPU_BLOCK_ENTRIES = 1 << 20
_LARGE_KAPPA = 50.0


class Buyers(Protocol):
    """What equilibria ask of n buyers and m goods; prices enter as logarithms, float64, shape (m,)."""

    shape: tuple[int, int]
    device: torch.device
    rounding: float  # relative, of sums over buyers

    def spending(self, budgets: Tensor, log_prices: Tensor, form: SpendingForm) -> tuple[Tensor, Tensor]:
        """Give the money spent on each good (m,), and `sum_i b_i log sum_j exp(z_ij)`; `b` are `budgets` (n,)."""
        ...

    def curvature(self, budgets: Tensor, log_prices: Tensor, form: SpendingForm) -> Tensor:
        """Give `C = sum_i b_i s_i s_i^T`, shape (m, m)."""
        ...

    def shortfall(
        self, budgets: Tensor, log_prices: Tensor, form: SpendingForm, scale: Tensor, utility: FisherUtility
    ) -> Tensor:
        """Give `sum_i b_i (log best - log achieved)`: what buyers forgo.

        `best` is what the budget buys; `achieved` is what is bought by spending in the form, the fraction
        `exp(scale_j)` of it delivered (`scale <= 0`, shape (m,)). The form is that of the utility (linear: at some
        temperature).
        """
        ...

    def mixing(self, log_prices: Tensor, form: SpendingForm, endowments: Tensor) -> Tensor:
        """Give `sum_i s_ij e_ik`, shape (m, m): what good j gains where good k earns more; endowments are (n, m)."""
        ...

    def least_and_most(self) -> tuple[Tensor, Tensor]:
        """Tell how many goods each buyer values (n,), and how many buyers value each good (m,)."""
        ...


def read_buyers(valuations: Tensor, *, block: int | None = None) -> Buyers:
    """Check valuations and take their logarithms.

    Parameters
    ----------
    valuations
        `v_ij >= 0`, shape (n, m), floating point: dense, or sparse (CSR or COO) with what is absent meaning 0.
    block
        Buyers that are worked on at a time, if dense; chosen by the device if not given.

    Raises
    ------
    InvalidInputError
        Valuations that are no such tensor, not finite, negative, or all 0 for a buyer.
    """
    if not isinstance(valuations, Tensor) or not valuations.is_floating_point() or valuations.ndim != 2:
        raise InvalidInputError("valuations must be a floating-point tensor of shape (buyers, goods).")
    sparse = valuations.layout != torch.strided
    entries = _coordinates(valuations)[2] if sparse else valuations
    if 0 in valuations.shape:
        raise InvalidInputError(f"valuations need one buyer and one good or more, got {tuple(valuations.shape)}.")
    if not bool((entries.isfinite() & (entries >= 0.0)).all()):
        raise InvalidInputError("valuations must be finite, and 0 or more.")
    buyers: Buyers = SparseBuyers(valuations) if sparse else DenseBuyers(valuations, block)
    goods_of, _ = buyers.least_and_most()
    if bool((goods_of == 0).any()):
        first = int((goods_of == 0).nonzero()[0])
        raise InvalidInputError(f"Each buyer must value a good: buyer {first} values none.")
    return buyers


@final
class DenseBuyers:
    """Buyers with a row of log valuations each, -inf for goods of no value; worked on in blocks, in their own dtype."""

    def __init__(self, valuations: Tensor, block: int | None) -> None:
        self.shape = (valuations.shape[0], valuations.shape[1])
        self.device = valuations.device
        self.rounding = torch.finfo(valuations.dtype).eps
        self._log_values = valuations.log()
        self._block = block or max(1, _block_entries(self.device) // self.shape[1])

    def _blocks(self, budgets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, self.shape[0], self._block):
            stop = start + self._block
            yield self._log_values[start:stop], budgets[start:stop].to(self._log_values.dtype)

    def spending(self, budgets: Tensor, log_prices: Tensor, form: SpendingForm) -> tuple[Tensor, Tensor]:
        """As in `Buyers`."""
        spent = torch.zeros(self.shape[1], dtype=torch.float64, device=self.device)
        log_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        for values, money in self._blocks(budgets):
            z = _margins(values, log_prices, form)
            largest = z.logsumexp(-1)
            spent += (money.to(z.dtype) @ z.sub_(largest.unsqueeze(-1)).exp_()).double()
            log_sum += money.double() @ largest.double()
        return spent, log_sum

    def curvature(self, budgets: Tensor, log_prices: Tensor, form: SpendingForm) -> Tensor:
        """As in `Buyers`."""
        total = torch.zeros((self.shape[1],) * 2, dtype=torch.float64, device=self.device)
        for values, money in self._blocks(budgets):
            shares = _margins(values, log_prices, form).softmax(-1).to(values.dtype)
            shares *= money.sqrt().unsqueeze(-1)
            total += (shares.T @ shares).double()
        return total

    def shortfall(
        self, budgets: Tensor, log_prices: Tensor, form: SpendingForm, scale: Tensor, utility: FisherUtility
    ) -> Tensor:
        """As in `Buyers`."""
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for values, money in self._blocks(budgets):
            # In float64, since differences of logarithms of size 1e-4 are looked for.
            wide = values.double()
            log_shares = _margins(wide, log_prices, form).log_softmax(-1)
            entries = _Entries(wide, log_shares, log_prices, scale, _dense_log_sum_exp, _dense_largest)
            total += money.double() @ _forgone(entries, form, utility)
        return total

    def mixing(self, log_prices: Tensor, form: SpendingForm, endowments: Tensor) -> Tensor:
        """As in `Buyers`."""
        total = torch.zeros((self.shape[1],) * 2, dtype=torch.float64, device=self.device)
        for start in range(0, self.shape[0], self._block):
            values = self._log_values[start : start + self._block]
            shares = _margins(values, log_prices, form).softmax(-1).to(values.dtype)
            total += (shares.T @ endowments[start : start + self._block].to(shares.dtype)).double()
        return total

    def least_and_most(self) -> tuple[Tensor, Tensor]:
        """As in `Buyers`."""
        valued = self._log_values > -torch.inf
        return valued.sum(1), valued.sum(0)


@final
class SparseBuyers:
    """Buyers of whom only the goods that they value are kept, in float64."""

    def __init__(self, valuations: Tensor) -> None:
        self.shape = (valuations.shape[0], valuations.shape[1])
        self.device = valuations.device
        self.rounding = torch.finfo(torch.float64).eps
        buyer, good, values = _coordinates(valuations)
        kept = values > 0.0
        self._buyer, self._good, self._log_values = buyer[kept], good[kept], values[kept].double().log()
        # Sums over buyers run along entries ordered by good: atomic additions to few addresses would queue up.
        self._by_good = torch.argsort(self._good, stable=True)
        self._lengths = torch.bincount(self._good, minlength=self.shape[1])
        self._rows_at_once = max(1, _block_entries(self.device) // self.shape[1])
        self._starts = torch.zeros(self.shape[0] + 1, dtype=torch.long, device=self.device)
        self._starts[1:] = torch.bincount(self._buyer, minlength=self.shape[0]).cumsum(0)

    def _largest(self, entries: Tensor) -> Tensor:
        empty = torch.full((self.shape[0],), -torch.inf, dtype=torch.float64, device=self.device)
        return empty.scatter_reduce_(0, self._buyer, entries, "amax")

    def _log_sum_exp(self, entries: Tensor) -> Tensor:
        largest = self._largest(entries).clamp(min=torch.finfo(torch.float64).min)
        sums = torch.zeros_like(largest).scatter_add_(0, self._buyer, (entries - largest[self._buyer]).exp_())
        return largest + sums.log()

    def _z(self, log_prices: Tensor, form: SpendingForm) -> Tensor:
        return form.c * self._log_values - form.kappa * log_prices[self._good]

    def spending(self, budgets: Tensor, log_prices: Tensor, form: SpendingForm) -> tuple[Tensor, Tensor]:
        """As in `Buyers`."""
        z = self._z(log_prices, form)
        largest = self._log_sum_exp(z)
        spent = (z - largest[self._buyer]).exp_() * budgets[self._buyer]
        return torch.segment_reduce(spent[self._by_good], "sum", lengths=self._lengths, initial=0.0), budgets @ largest

    def curvature(self, budgets: Tensor, log_prices: Tensor, form: SpendingForm) -> Tensor:
        """As in `Buyers`; the blocks are multiplied in float32, which is enough for the direction of a step."""
        total = torch.zeros((self.shape[1],) * 2, dtype=torch.float64, device=self.device)
        for _, block in self._dense_shares(log_prices, form, budgets.sqrt()):
            total += (block.T @ block).double()
        return total

    def mixing(self, log_prices: Tensor, form: SpendingForm, endowments: Tensor) -> Tensor:
        """As in `Buyers`."""
        total = torch.zeros((self.shape[1],) * 2, dtype=torch.float64, device=self.device)
        for rows, block in self._dense_shares(log_prices, form, torch.ones_like(self._starts[1:]).double()):
            total += (block.T @ endowments[rows].float()).double()
        return total

    def _dense_shares(self, log_prices: Tensor, form: SpendingForm, weights: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Give weighted shares in blocks of buyers, as dense tensors in float32."""
        z = self._z(log_prices, form)
        shares = ((z - self._log_sum_exp(z)[self._buyer]).exp_() * weights[self._buyer]).float()
        for start in range(0, self.shape[0], self._rows_at_once):
            stop = min(start + self._rows_at_once, self.shape[0])
            first, last = self._starts[start], self._starts[stop]
            dense = torch.zeros(stop - start, self.shape[1], device=self.device)
            dense[self._buyer[first:last] - start, self._good[first:last]] = shares[first:last]
            yield slice(start, stop), dense

    def shortfall(
        self, budgets: Tensor, log_prices: Tensor, form: SpendingForm, scale: Tensor, utility: FisherUtility
    ) -> Tensor:
        """As in `Buyers`."""
        z = self._z(log_prices, form)
        log_shares = z - self._log_sum_exp(z)[self._buyer]
        prices, scales = log_prices[self._good], scale[self._good]
        entries = _Entries(self._log_values, log_shares, prices, scales, self._log_sum_exp, self._largest)
        return budgets @ _forgone(entries, form, utility)

    def least_and_most(self) -> tuple[Tensor, Tensor]:
        """As in `Buyers`."""
        return self._starts.diff(), self._lengths


def _block_entries(device: torch.device) -> int:
    return _BLOCK_ENTRIES if device.type == "cuda" else _CPU_BLOCK_ENTRIES


def _coordinates(valuations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give buyer, good and value of each entry of a sparse tensor, buyer by buyer."""
    if valuations.layout == torch.sparse_csr:
        rows = torch.arange(valuations.shape[0], device=valuations.device)
        buyer = torch.repeat_interleave(rows, valuations.crow_indices().diff().long())
        return buyer, valuations.col_indices().long(), valuations.values()
    if valuations.layout != torch.sparse_coo:
        raise InvalidInputError(f"Sparse valuations must be in CSR or COO layout, got {valuations.layout}.")
    table = valuations.coalesce()
    buyer, good = table.indices()
    return buyer, good, table.values()


def _dense_log_sum_exp(entries: Tensor) -> Tensor:
    return entries.logsumexp(-1)


def _dense_largest(entries: Tensor) -> Tensor:
    return entries.amax(-1)


def _margins(log_values: Tensor, log_prices: Tensor, form: SpendingForm) -> Tensor:
    """Give z; in float64 where a large kappa would make much of the rounding of float32."""
    if form.kappa > _LARGE_KAPPA:
        log_values = log_values.double()
    return form.c * log_values - form.kappa * log_prices.to(log_values.dtype)


class _Entries(NamedTuple):
    """Entries of buyers and goods (dense: (n, m); sparse: one each), and how to sum and to compare those of a buyer."""

    log_values: Tensor
    log_shares: Tensor
    log_prices: Tensor
    scale: Tensor
    log_sum_exp: Callable[[Tensor], Tensor]
    largest: Callable[[Tensor], Tensor]


def _forgone(entries: _Entries, form: SpendingForm, utility: FisherUtility) -> Tensor:
    """Log of the best utility that each budget buys over that of the bundle that is delivered, shape (n,)."""
    values, valued = entries.log_values, entries.log_values > -torch.inf
    log_bought = entries.log_shares - entries.log_prices + entries.scale
    match utility:
        case LinearUtility():
            return entries.largest(values - entries.log_prices) - entries.log_sum_exp(values + log_bought)
        case CESUtility():
            rho = form.kappa / (1.0 + form.kappa)
            best = entries.log_sum_exp(form.c * values - form.kappa * entries.log_prices) / form.kappa
            return best - entries.log_sum_exp(torch.where(valued, values + rho * log_bought, -torch.inf)) / rho
        case LeontiefUtility():
            needed = torch.where(valued, values - log_bought, -torch.inf)
            return entries.largest(needed) - entries.log_sum_exp(values + entries.log_prices)
    # Cobb-Douglas: the bundle that is bought is the best; what is not delivered of it is `-sum_j s_ij scale_j`.
    return entries.log_sum_exp(entries.log_shares + (-entries.scale).log()).exp()
