"""The constant-product market maker in whole units, as it runs where money is counted in integers.

The same rule as `ConstantProduct`, with every rounding in the pool's favour: what it pays is rounded down, what it asks
is rounded up. Amounts are Python integers of any size (18 decimals are a factor of 10^18), and the fee is a fraction:
nothing is rounded on the way. The product of the reserves then never falls, by no amount.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import ClassVar, TypeAlias, final

from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.market_makers.constant_product import asset_number, pair_of
from walras.market.market_makers.swap import (
    LiquidityChange,
    LiquidityStatus,
    Swap,
    SwapStatus,
    certify_liquidity,
    certify_swap,
)
from walras.market.properties import Property
from walras.market.validation import whole_number

__all__ = ["IntegerConstantProduct"]


@final
@dataclass(frozen=True)
class IntegerConstantProduct:
    """A constant-product pool in whole units. Methods give a new pool and leave this one as it is.

    Parameters
    ----------
    reserves
        Units of asset 0 and of asset 1 in the pool, whole and above 0.
    fee
        Fraction of what is paid in that is kept for the pool's owners, 0 or more and below 1.
    shares
        Shares outstanding, whole and above 0; the whole square root of the product of the reserves if not given.

    Examples
    --------
    >>> from walras.market.market_makers import IntegerConstantProduct
    >>> pool = IntegerConstantProduct((5 * 10**18, 10 * 10**18))
    >>> pool.swap_exact_in(10**18, sold=0).amount_out
    1662497915624478906
    """

    declared_properties: ClassVar[frozenset[Property]] = frozenset({Property.FEASIBLE, Property.CONSERVES})

    reserves: tuple[int, int]
    fee: Fraction = Fraction(3, 1000)
    shares: int | None = None

    def __post_init__(self) -> None:
        first, second = pair_of("IntegerConstantProduct.reserves", self.reserves)
        name = "IntegerConstantProduct.reserves"
        reserves = _units(f"{name}[0]", first, minimum=1), _units(f"{name}[1]", second, minimum=1)
        object.__setattr__(self, "reserves", reserves)
        if type(self.fee) not in (Fraction, int) or not 0 <= self.fee < 1:
            raise InvalidInputError(
                f"IntegerConstantProduct.fee must be a fractions.Fraction in [0, 1), got {self.fee!r}."
            )
        object.__setattr__(self, "fee", Fraction(self.fee))
        given = isqrt(reserves[0] * reserves[1]) if self.shares is None else self.shares
        object.__setattr__(self, "shares", _units("IntegerConstantProduct.shares", given, minimum=1))

    def price(self, asset: int) -> Fraction:
        """Give the price of the first bit of `asset`, before the fee, in units of the other asset.

        Raises
        ------
        InvalidInputError
            If `asset` is neither 0 nor 1.
        """
        asset = asset_number("asset", asset)
        return Fraction(self.reserves[1 - asset], self.reserves[asset])

    def swap_exact_in(self, amount: int, *, sold: int) -> "Quote":
        """Give what the pool pays for `amount` units of asset `sold`, rounded down.

        Parameters
        ----------
        amount
            Units paid in, whole, 0 or more.
        sold
            Which asset is paid in: 0 or 1.

        Returns
        -------
        Swap
            Amounts, fee (rounded up), the pool afterwards, status and certificate. A swap that is not gone on with is a
            quote.

        Raises
        ------
        InvalidInputError
            If the amount is negative or not whole, or the asset is neither 0 nor 1.

        Notes
        -----
        *Cost*: O(1) operations on integers. *Source*: Angeris and Chitra 2020.
        """
        amount, sold = _units("amount", amount), asset_number("sold", sold)
        kept, of = self._kept
        net = amount * kept
        return self._swap(sold, amount, self.reserves[1 - sold] * net // (self.reserves[sold] * of + net))

    def swap_exact_out(self, amount: int, *, sold: int) -> "Quote":
        """Give the least that the pool takes, in asset `sold`, for `amount` units of the other.

        Parameters
        ----------
        amount
            Units paid out, whole, 0 or more and less than the reserve.
        sold
            Which asset is paid in: 0 or 1.

        Returns
        -------
        Swap
            As `swap_exact_in` gives it. Where the exact amount is whole, it is asked as it is (some implementations add
            a unit then too).

        Raises
        ------
        InvalidInputError
            If the amount is negative or not whole, or the asset is neither 0 nor 1.
        InfeasibleError
            If the pool does not hold more than `amount`.
        """
        amount, sold = _units("amount", amount), asset_number("sold", sold)
        held = self.reserves[1 - sold]
        if amount >= held:
            raise InfeasibleError(f"amount must be below the reserve of asset {1 - sold}, {held}, got {amount}.")
        kept, of = self._kept
        return self._swap(sold, _rounded_up(self.reserves[sold] * amount * of, (held - amount) * kept), amount)

    def add_liquidity(self, amounts: tuple[int, int]) -> "Deposit":
        """Pay in both assets for new shares: as many as both amounts allow, at the least that they cost.

        Parameters
        ----------
        amounts
            The most units of asset 0 and of asset 1 to pay in, whole, 0 or more.

        Returns
        -------
        LiquidityChange
            Units paid in (the rest stays with the owner), shares, the pool afterwards, status and certificate.

        Raises
        ------
        InvalidInputError
            If there are not two whole amounts, 0 or more.
        """
        first, second = pair_of("amounts", amounts)
        most = _units("amounts[0]", first), _units("amounts[1]", second)
        made = min(most[0] * self._shares // self.reserves[0], most[1] * self._shares // self.reserves[1])
        paid = tuple(_rounded_up(made * reserve, self._shares) for reserve in self.reserves)
        return self._resize((paid[0], paid[1]), made, LiquidityStatus.ADDED)

    def remove_liquidity(self, shares: int) -> "Deposit":
        """Give back `shares` (whole, 0 or more, fewer than all) for their part of both reserves, rounded down.

        Returns
        -------
        LiquidityChange
            Units paid out (as negative amounts), shares, the pool afterwards, status and certificate.

        Raises
        ------
        InvalidInputError
            If `shares` is negative or not whole.
        InfeasibleError
            If there are not more than `shares`: a pool without reserves quotes no price.
        """
        shares = _units("shares", shares)
        if shares >= self._shares:
            raise InfeasibleError(f"shares must be below the shares outstanding, {self._shares}, got {shares}.")
        paid = tuple(-(shares * reserve // self._shares) for reserve in self.reserves)
        return self._resize((paid[0], paid[1]), -shares, LiquidityStatus.REMOVED)

    @property
    def _shares(self) -> int:
        assert self.shares is not None  # set in __post_init__
        return self.shares

    @property
    def _kept(self) -> tuple[int, int]:
        """The part of a payment that is left after the fee, as numerator and denominator."""
        return self.fee.denominator - self.fee.numerator, self.fee.denominator

    def _swap(self, sold: int, amount_in: int, amount_out: int) -> "Quote":
        reserves = [0, 0]
        reserves[sold] = self.reserves[sold] + amount_in
        reserves[1 - sold] = self.reserves[1 - sold] - amount_out
        pool = IntegerConstantProduct((reserves[0], reserves[1]), self.fee, self.shares)
        return Swap(
            sold=sold,
            bought=1 - sold,
            amount_in=amount_in,
            amount_out=amount_out,
            fee=_rounded_up(amount_in * self.fee.numerator, self.fee.denominator),
            pool=pool,
            status=SwapStatus.SWAPPED if amount_out > 0 else SwapStatus.NOTHING,
            certificate=certify_swap(self, pool, sold, amount_in, amount_out, unit=1),
        )

    def _resize(self, amounts: tuple[int, int], shares: int, status: LiquidityStatus) -> "Deposit":
        reserves = (self.reserves[0] + amounts[0], self.reserves[1] + amounts[1])
        pool = IntegerConstantProduct(reserves, self.fee, self._shares + shares)
        return LiquidityChange(
            amounts=amounts,
            shares=shares,
            pool=pool,
            status=status if shares else LiquidityStatus.NOTHING,
            certificate=certify_liquidity(self, pool, amounts, unit=1),
        )


Quote: TypeAlias = Swap[int, IntegerConstantProduct]
Deposit: TypeAlias = LiquidityChange[int, IntegerConstantProduct]


def _units(name: str, value: object, *, minimum: int = 0) -> int:
    """Give whole units; floats are refused, since they cannot count beyond 2^53."""
    if isinstance(value, float):
        raise InvalidInputError(
            f"{name} must be an int, of whole units, got {value!r}: use ConstantProduct for floats."
        )
    return whole_number(name, value, minimum=minimum)


def _rounded_up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
