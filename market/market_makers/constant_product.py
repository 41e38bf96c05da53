"""The constant-product market maker: a pool of two assets that quotes prices by keeping `x * y` from falling.

A trader who gives `d` of an asset of which the pool holds x gets e of the other, of which it holds y:

    (x + (1 - f) d) (y - e) = x y,    so    e = y (1 - f) d / (x + (1 - f) d).

The fee `f d` stays in the pool. The first unit costs `y / x` units of the other asset each way, up to the fee; the more
one buys, the dearer. The pool belongs to those who hold its shares.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, final

from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.market_makers.swap import (
    LiquidityChange,
    LiquidityStatus,
    Swap,
    SwapStatus,
    certify_liquidity,
    certify_swap,
)
from walras.market.properties import Property
from walras.market.validation import finite_number, nonnegative_number, positive_number, positive_vector, whole_number

__all__ = ["ConstantProduct", "asset_number"]

# Reserves stay between these, so that ratios and products of two of them are normal numbers.
_LEAST, _MOST = 1e-100, 1e100


@final
@dataclass(frozen=True)
class ConstantProduct:
    """A constant-product pool: its rules and its reserves. Methods give a new pool and leave this one as it is.

    Parameters
    ----------
    reserves
        Units of asset 0 and of asset 1 in the pool, above 0.
    fee
        Fraction of what is paid in that is kept for the pool's owners, 0 or more and below 1.
    shares
        Shares outstanding; the square root of the product of the reserves if not given.

    Examples
    --------
    >>> from walras.market.market_makers import ConstantProduct
    >>> pool = ConstantProduct((100.0, 400.0), fee=0.0)
    >>> swap = pool.swap_exact_in(25.0, sold=0)
    >>> pool.price(0), swap.amount_out, swap.pool.reserves
    (4.0, 80.0, (125.0, 320.0))
    """

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {Property.FEASIBLE, Property.CONSERVES, Property.SCALE_FREE}
    )

    reserves: tuple[float, float]
    fee: float = 0.003
    shares: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "reserves", _checked_reserves(self.reserves))
        fee = finite_number("ConstantProduct.fee", self.fee)
        if not 0.0 <= fee < 1.0:
            raise InvalidInputError(f"ConstantProduct.fee must lie in [0, 1), got {fee}.")
        object.__setattr__(self, "fee", fee)
        first, second = self.reserves
        given = math.sqrt(first) * math.sqrt(second) if self.shares is None else self.shares
        object.__setattr__(self, "shares", positive_number("ConstantProduct.shares", given))

    def price(self, asset: int) -> float:
        """Give the price of the first bit of `asset`, before the fee, in units of the other asset.

        Raises
        ------
        InvalidInputError
            If `asset` is neither 0 nor 1.
        """
        asset = asset_number("asset", asset)
        return self.reserves[1 - asset] / self.reserves[asset]

    def swap_exact_in(self, amount: float, *, sold: int) -> "Quote":
        """Give what the pool pays for `amount` units of asset `sold`.

        Parameters
        ----------
        amount
            Units paid in, 0 or more.
        sold
            Which asset is paid in: 0 or 1.

        Returns
        -------
        Swap
            Amounts, fee, the pool afterwards, status and certificate. A swap that is not gone on with is a quote.

        Raises
        ------
        InvalidInputError
            If the amount is negative or not finite, the asset is neither 0 nor 1, or reserves would leave their range.

        Notes
        -----
        *Cost*: O(1). *Source*: Angeris and Chitra 2020.
        """
        amount, sold = nonnegative_number("amount", amount), asset_number("sold", sold)
        net = amount * (1.0 - self.fee)
        held, other = self.reserves[sold], self.reserves[1 - sold]
        # What is left, without a difference: of a payment far beyond the reserves next to nothing is left.
        return self._swap(sold, amount, other * (net / (held + net)), left=other * (held / (held + net)))

    def swap_exact_out(self, amount: float, *, sold: int) -> "Quote":
        """Give what the pool asks, in asset `sold`, for `amount` units of the other.

        Parameters
        ----------
        amount
            Units paid out, 0 or more and less than the reserve.
        sold
            Which asset is paid in: 0 or 1.

        Returns
        -------
        Swap
            As `swap_exact_in` gives it.

        Raises
        ------
        InvalidInputError
            If the amount is negative or not finite, the asset is neither 0 nor 1, or reserves would leave their range.
        InfeasibleError
            If the pool does not hold more than `amount`.
        """
        amount, sold = nonnegative_number("amount", amount), asset_number("sold", sold)
        held = self.reserves[1 - sold]
        if amount >= held:
            raise InfeasibleError(f"amount must be below the reserve of asset {1 - sold}, {held:g}, got {amount:g}.")
        amount_in = self.reserves[sold] * (amount / (held - amount)) / (1.0 - self.fee)
        return self._swap(sold, amount_in, amount, left=held - amount)

    def add_liquidity(self, amounts: tuple[float, float]) -> "Deposit":
        """Pay in both assets for new shares: as much as both amounts allow in the proportion of the reserves.

        Parameters
        ----------
        amounts
            The most units of asset 0 and of asset 1 to pay in, 0 or more.

        Returns
        -------
        LiquidityChange
            Units paid in (the rest stays with the owner), shares, the pool afterwards, status and certificate.

        Raises
        ------
        InvalidInputError
            If there are not two amounts, 0 or more and finite, or reserves would leave their range.
        """
        first, second = pair_of("amounts", amounts)
        most = nonnegative_number("amounts[0]", first), nonnegative_number("amounts[1]", second)
        growth = min(most[0] / self.reserves[0], most[1] / self.reserves[1])
        return self._resize(growth, LiquidityStatus.ADDED)

    def remove_liquidity(self, shares: float) -> "Deposit":
        """Give back `shares` (0 or more, fewer than all) for their part of both reserves.

        Returns
        -------
        LiquidityChange
            Units paid out (as negative amounts), shares, the pool afterwards, status and certificate.

        Raises
        ------
        InvalidInputError
            If `shares` is negative or not finite, or reserves would leave their range.
        InfeasibleError
            If there are not more than `shares`: a pool without reserves quotes no price.
        """
        shares = nonnegative_number("shares", shares)
        if shares >= self._shares:
            raise InfeasibleError(f"shares must be below the shares outstanding, {self._shares:g}, got {shares:g}.")
        return self._resize(-shares / self._shares, LiquidityStatus.REMOVED)

    @property
    def _shares(self) -> float:
        assert self.shares is not None  # set in __post_init__
        return self.shares

    def _swap(self, sold: int, amount_in: float, amount_out: float, *, left: float) -> "Quote":
        reserves = [0.0, 0.0]
        reserves[sold] = self.reserves[sold] + amount_in
        reserves[1 - sold] = left
        pool = ConstantProduct((reserves[0], reserves[1]), self.fee, self.shares)
        return Swap(
            sold=sold,
            bought=1 - sold,
            amount_in=amount_in,
            amount_out=amount_out,
            fee=amount_in * self.fee,
            pool=pool,
            status=SwapStatus.SWAPPED if amount_out > 0.0 else SwapStatus.NOTHING,
            certificate=certify_swap(self, pool, sold, amount_in, amount_out, unit=0),
        )

    def _resize(self, growth: float, status: LiquidityStatus) -> "Deposit":
        amounts = (self.reserves[0] * growth, self.reserves[1] * growth)
        shares = self._shares * growth
        reserves = (self.reserves[0] + amounts[0], self.reserves[1] + amounts[1])
        pool = ConstantProduct(reserves, self.fee, self._shares + shares)
        return LiquidityChange(
            amounts=amounts,
            shares=shares,
            pool=pool,
            status=status if shares else LiquidityStatus.NOTHING,
            certificate=certify_liquidity(self, pool, amounts, unit=0),
        )


Quote: TypeAlias = Swap[float, ConstantProduct]
Deposit: TypeAlias = LiquidityChange[float, ConstantProduct]


def asset_number(name: str, asset: object) -> int:
    """Give 0 or 1, or raise `InvalidInputError`."""
    number = whole_number(name, asset)
    if number > 1:
        raise InvalidInputError(f"{name} must be 0 or 1, the number of an asset; got {number}.")
    return number


def pair_of(name: str, values: object) -> tuple[object, object]:
    """Give two things, one for each asset, or raise `InvalidInputError`."""
    if not isinstance(values, tuple | list) or len(values) != 2:
        raise InvalidInputError(f"{name} must be a pair, one entry for each asset; got {values!r}.")
    return values[0], values[1]


def _checked_reserves(reserves: object) -> tuple[float, float]:
    first, second = pair_of("ConstantProduct.reserves", reserves)
    given: Any = [first, second]
    both = positive_vector("ConstantProduct.reserves", given, of="asset").tolist()
    if not _LEAST <= min(both) <= max(both) <= _MOST:
        raise InvalidInputError(
            f"ConstantProduct.reserves must lie in [{_LEAST:g}, {_MOST:g}], got {both}: measure in another unit."
        )
    return both[0], both[1]
