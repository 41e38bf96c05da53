"""Tables of one number for each pair of a buyer and a good, dense or sparse, behind one interface.

Solvers and certificates are written once, on *entries*: an array of shape (n, m) for a dense table, and of shape
(number of stored pairs,) for a sparse one. A dense table holds every pair; a sparse table holds the pairs that the
buyer values, row by row (CSR), and every row holds at least one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, nonnegative_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["DenseTable", "Matrix", "SparseTable", "Table", "is_sparse", "read_valuations"]

Matrix: TypeAlias = "FloatArray | csr_array[Any, tuple[int, int]]"

# Shares of a budget below this change no sum of float64 money, whatever the budgets; left out of sparse products.
_NEGLIGIBLE_SHARE = 1e-40


@final
@dataclass(frozen=True, eq=False)
class DenseTable:
    """Entries of shape (n, m)."""

    values: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Number of buyers and of goods."""
        buyers, goods = self.values.shape
        return buyers, goods

    def by_buyer(self, vector: FloatArray) -> FloatArray:
        """Spread one number per buyer over the entries (to be broadcast)."""
        return vector[:, None]

    def by_good(self, vector: FloatArray) -> FloatArray:
        """Spread one number per good over the entries (to be broadcast)."""
        return vector[None, :]

    def buyer_sums(self, entries: FloatArray) -> FloatArray:
        """Sum of each buyer's entries, shape (n,)."""
        return np.asarray(entries.sum(axis=1))

    def good_sums(self, entries: FloatArray) -> FloatArray:
        """Sum of each good's entries, shape (m,)."""
        return np.asarray(entries.sum(axis=0))

    def buyer_maxima(self, entries: FloatArray) -> FloatArray:
        """Largest entry of each buyer, shape (n,)."""
        return np.asarray(entries.max(axis=1))

    def good_maxima(self, entries: FloatArray) -> FloatArray:
        """Largest entry of each good, shape (m,), entries being 0 or more."""
        return np.asarray(entries.max(axis=0))

    def buyer_dots(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Sum of each buyer's products of entries, shape (n,)."""
        return np.asarray(np.vecdot(left, right))

    def over_goods(self, entries: FloatArray, vector: FloatArray) -> FloatArray:
        """Sum over goods of entries times a number per good, shape (n,)."""
        return np.asarray(entries @ vector)

    def over_buyers(self, entries: FloatArray, vector: FloatArray) -> FloatArray:
        """Sum over buyers of entries times a number per buyer, shape (m,)."""
        return np.asarray(vector @ entries)

    def gram(self, shares: FloatArray, weights: FloatArray) -> FloatArray:
        """`Q^T diag(weights) Q` for the entries Q, shape (m, m)."""
        return np.asarray(shares.T @ (weights[:, None] * shares))

    def pairs(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Buyer and good of each chosen entry."""
        buyers, goods = np.nonzero(chosen)
        return buyers, goods

    def matrix(self, entries: FloatArray) -> Matrix:
        """The entries as a matrix of the kind that the valuations were given in."""
        return np.broadcast_to(entries, self.values.shape).copy()

    def entries_of(self, matrix: Any) -> FloatArray:
        """The entries of a dense or sparse matrix of this table's shape."""
        return np.asarray(matrix.toarray() if is_sparse(matrix) else matrix, dtype=np.float64)

    def restricted(self, goods: NDArray[np.bool_]) -> "DenseTable":
        """The table of some of the goods."""
        return self if goods.all() else DenseTable(np.ascontiguousarray(self.values[:, goods]))

    def widened(self, entries: FloatArray, goods: NDArray[np.bool_]) -> FloatArray:
        """Entries of the restricted table as entries of this one, 0 elsewhere."""
        if goods.all():
            return entries
        wide = np.zeros(self.values.shape)
        wide[:, goods] = entries
        return wide

    def with_values(self, values: FloatArray) -> "DenseTable":
        """A table of the same pairs with other values."""
        return DenseTable(values)


@final
@dataclass(frozen=True, eq=False)
class SparseTable:
    """Entries of shape (number of stored pairs,), in the order of the rows (CSR)."""

    values: FloatArray
    goods: NDArray[np.intp]  # good of each entry
    starts: NDArray[np.intp]  # first entry of each buyer, and the number of entries at the end: shape (n + 1,)
    n_goods: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of buyers and of goods."""
        return self.starts.size - 1, self.n_goods

    @property
    def buyers(self) -> NDArray[np.intp]:
        """Buyer of each entry."""
        return np.repeat(np.arange(self.starts.size - 1), np.diff(self.starts))

    def by_buyer(self, vector: FloatArray) -> FloatArray:
        """Spread one number per buyer over the entries."""
        return np.repeat(vector, np.diff(self.starts))

    def by_good(self, vector: FloatArray) -> FloatArray:
        """Spread one number per good over the entries."""
        return vector[self.goods]

    def buyer_sums(self, entries: FloatArray) -> FloatArray:
        """Sum of each buyer's entries, shape (n,)."""
        return np.asarray(np.add.reduceat(entries, self.starts[:-1]))

    def good_sums(self, entries: FloatArray) -> FloatArray:
        """Sum of each good's entries, shape (m,)."""
        return np.asarray(np.bincount(self.goods, weights=entries, minlength=self.n_goods), dtype=np.float64)

    def buyer_maxima(self, entries: FloatArray) -> FloatArray:
        """Largest entry of each buyer, shape (n,)."""
        return np.asarray(np.maximum.reduceat(entries, self.starts[:-1]))

    def good_maxima(self, entries: FloatArray) -> FloatArray:
        """Largest entry of each good, shape (m,), entries being 0 or more."""
        maxima = np.zeros(self.n_goods)
        np.maximum.at(maxima, self.goods, entries)
        return maxima

    def buyer_dots(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Sum of each buyer's products of entries, shape (n,)."""
        return self.buyer_sums(left * right)

    def over_goods(self, entries: FloatArray, vector: FloatArray) -> FloatArray:
        """Sum over goods of entries times a number per good, shape (n,)."""
        return self.buyer_sums(entries * self.by_good(vector))

    def over_buyers(self, entries: FloatArray, vector: FloatArray) -> FloatArray:
        """Sum over buyers of entries times a number per buyer, shape (m,)."""
        return self.good_sums(entries * self.by_buyer(vector))

    def gram(self, shares: FloatArray, weights: FloatArray) -> FloatArray:
        """`Q^T diag(weights) Q` for the entries Q, shape (m, m), dense."""
        kept = shares > _NEGLIGIBLE_SHARE
        starts = np.concatenate([[0], np.cumsum(kept)])[self.starts]
        table = SparseTable(shares[kept], self.goods[kept], starts, self.n_goods)
        left = table.matrix(table.values)
        right = table.matrix(table.values * table.by_buyer(weights))
        return np.asarray((left.T @ right).toarray())

    def pairs(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Buyer and good of each chosen entry."""
        return self.buyers[chosen], self.goods[chosen]

    def matrix(self, entries: FloatArray) -> Any:
        """The entries as a CSR array."""
        from scipy.sparse import csr_array

        return csr_array((entries, self.goods, self.starts), shape=self.shape)

    def entries_of(self, matrix: Any) -> FloatArray:
        """The entries of a dense or sparse matrix of this table's shape, at this table's pairs."""
        buyers, goods = self.buyers, self.goods
        if not is_sparse(matrix):
            return np.asarray(matrix[buyers, goods], dtype=np.float64)
        same = np.array_equal(matrix.indptr, self.starts) and np.array_equal(matrix.indices, goods)
        return np.asarray(matrix.data if same else matrix[buyers, goods], dtype=np.float64).ravel()

    def restricted(self, goods: NDArray[np.bool_]) -> "SparseTable":
        """The table of some of the goods, which include every good that is stored."""
        if goods.all():
            return self
        return SparseTable(self.values, (np.cumsum(goods) - 1)[self.goods], self.starts, int(goods.sum()))

    def widened(self, entries: FloatArray, goods: NDArray[np.bool_]) -> FloatArray:
        """Entries of the restricted table as entries of this one: the same pairs."""
        return entries

    def with_values(self, values: FloatArray) -> "SparseTable":
        """A table of the same pairs with other values."""
        return SparseTable(values, self.goods, self.starts, self.n_goods)


Table: TypeAlias = DenseTable | SparseTable


def is_sparse(matrix: object) -> bool:
    """Whether `matrix` is one of SciPy's sparse matrices or arrays (without importing them)."""
    return type(matrix).__module__.startswith("scipy.sparse")


def read_valuations(valuations: Any, buyers: int, goods: int | None) -> Table:
    """Give valuations, dense or sparse, as a checked table.

    Raises
    ------
    InvalidInputError
        Entries that are negative, NaN or infinite; a shape that does not fit; a buyer that values nothing.
    """
    name = "valuations"
    table: Table
    values_something: NDArray[np.bool_]
    if is_sparse(valuations):
        table = _read_sparse(name, valuations, buyers, goods)
        values_something = np.diff(table.starts) > 0
    else:
        table = DenseTable(nonnegative_matrix(name, valuations, rows=buyers, columns=goods, of=("buyer", "good")))
        values_something = np.asarray(table.values.any(axis=1))
    if not values_something.all():
        idle = np.flatnonzero(~values_something)
        raise InvalidInputError(
            f"{name} must be above 0 for some good of each buyer: buyer {idle[0]} values nothing ({idle.size} such in "
            "all), and would keep its money. Leave such buyers out."
        )
    return table


def _read_sparse(name: str, valuations: Any, buyers: int, goods: int | None) -> SparseTable:
    """Give a sparse matrix as a table of its positive entries; entries stored twice are added, as SciPy does."""
    if valuations.ndim != 2 or valuations.shape[0] != buyers or goods not in (None, valuations.shape[1]):
        expected = (buyers, "m" if goods is None else goods)
        raise InvalidInputError(
            f"{name} must have shape ({expected[0]}, {expected[1]}), one row per buyer, one column per good; got shape "
            f"{valuations.shape}."
        )
    if valuations.shape[1] == 0:
        raise InvalidInputError(f"{name} is empty, of shape {valuations.shape}: a market needs at least one good.")
    if valuations.dtype.kind not in "biuf":
        raise InvalidInputError(f"{name} must be a matrix of real numbers, got {valuations.dtype}.")
    matrix = valuations.tocsr().astype(np.float64)  # a copy
    matrix.sum_duplicates()
    bad = ~(np.isfinite(matrix.data) & (matrix.data >= 0.0))
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        buyer = int(np.searchsorted(matrix.indptr, at, side="right")) - 1
        raise InvalidInputError(
            f"{name} must be finite and 0 or more: entry {(buyer, int(matrix.indices[at]))} is {matrix.data[at]} "
            f"({int(bad.sum())} bad in all)."
        )
    matrix.eliminate_zeros()
    return SparseTable(matrix.data, matrix.indices.astype(np.intp), matrix.indptr.astype(np.intp), matrix.shape[1])
