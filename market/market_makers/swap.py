"""What a constant-product pool answers: a swap or a change of liquidity, with its certificate.

Amounts are floats or Python integers of any size. The certificates are computed in fractions (`fractions.Fraction`
reads both exactly), so that a rounding in the pool's disfavour shows, however small.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, Generic, TypeVar, final

from walras.market.certificate import Certified, Residuals

__all__ = [
    "LiquidityCertificate",
    "LiquidityChange",
    "LiquidityStatus",
    "Swap",
    "SwapCertificate",
    "SwapStatus",
    "certify_liquidity",
    "certify_swap",
]

_Amount = TypeVar("_Amount", int, float)
_Pool = TypeVar("_Pool")


class SwapStatus(Enum):
    """Whether anything changed hands; each value tells the reader what it means for them."""

    SWAPPED = "the pool takes one asset and gives the other"
    NOTHING = "nothing is given: the amount is 0, or too small for a whole unit of the other asset"


class LiquidityStatus(Enum):
    """What became of the shares; each value tells the reader what it means for them."""

    ADDED = "both assets were paid in, in the proportion of the reserves, for new shares"
    REMOVED = "shares were given back for their part of both reserves"
    NOTHING = "no shares were made or given back: the amounts are 0, or too small for a whole share"


@final
@dataclass(frozen=True)
class SwapCertificate(Residuals):
    """Residuals of a swap, 0 for an exact one, computed in fractions.

    Attributes
    ----------
    conservation
        What enters or leaves the reserves against the amounts of the swap, as a fraction of the reserves.
    invariant
        How far the product of the reserves falls, as a fraction of it. With a fee it must rise.
    fee
        How far the product of the reserves falls if the fee is not counted as paid in: 0 if the fee was charged in
        full, as a fraction of the product.
    generosity
        How much the swap asks beyond what keeps the product, the fee not counted, up to one unit of rounding on each
        side where amounts are whole; as a fraction of the product.
    """

    conservation: float
    invariant: float
    fee: float
    generosity: float


@final
@dataclass(frozen=True, eq=False)
class Swap(Certified, Generic[_Amount, _Pool]):
    """A swap that a pool offers; it takes effect for who goes on with `pool`.

    Attributes
    ----------
    sold, bought
        Number of the asset (0 or 1) that the trader gives, and of the one it gets.
    amount_in, amount_out
        Units that the trader gives and gets.
    fee
        Part of `amount_in` that stays with the pool's owners.
    pool
        The pool afterwards.
    status, certificate
        Whether anything changed hands, and the residuals that prove the answer.
    """

    sold: int
    bought: int
    amount_in: _Amount
    amount_out: _Amount
    fee: _Amount
    pool: _Pool
    status: SwapStatus
    certificate: SwapCertificate

    @property
    def average_price(self) -> float:
        """Units given for each unit got; NaN if nothing is got."""
        return self.amount_in / self.amount_out if self.amount_out else float("nan")


@final
@dataclass(frozen=True)
class LiquidityCertificate(Residuals):
    """Residuals of a change of liquidity, 0 for an exact one, computed in fractions.

    Attributes
    ----------
    conservation
        What enters or leaves the reserves against the amounts named, as a fraction of the reserves.
    dilution
        How far a share's part of either reserve falls, as a fraction of it.
    proportion
        How far the amounts are from the proportion of the reserves, up to one unit of rounding where amounts are whole;
        as a fraction of the reserves.
    """

    conservation: float
    dilution: float
    proportion: float


@final
@dataclass(frozen=True, eq=False)
class LiquidityChange(Certified, Generic[_Amount, _Pool]):
    """Assets paid in for new shares, or paid out for old ones; it takes effect for who goes on with `pool`.

    Attributes
    ----------
    amounts
        Units of both assets that the pool receives; negative if it pays out.
    shares
        Shares made; negative if given back.
    pool
        The pool afterwards.
    status, certificate
        What became of the shares, and the residuals that prove the answer.
    """

    amounts: tuple[_Amount, _Amount]
    shares: _Amount
    pool: _Pool
    status: LiquidityStatus
    certificate: LiquidityCertificate


def certify_swap(before: Any, after: Any, sold: int, amount_in: Any, amount_out: Any, unit: int) -> SwapCertificate:
    """Compute the residuals from the reserves of two pools and the amounts, in fractions.

    Parameters
    ----------
    before, after
        Pools with `reserves` and `fee`.
    sold
        Asset that the trader gives.
    amount_in, amount_out
        Units given and got.
    unit
        The smallest amount: 1 where amounts are whole, else 0.
    """
    x, y = Fraction(before.reserves[sold]), Fraction(before.reserves[1 - sold])
    new_x, new_y = Fraction(after.reserves[sold]), Fraction(after.reserves[1 - sold])
    given, got = Fraction(amount_in), Fraction(amount_out)
    net = given * (1 - Fraction(before.fee))
    product = x * y
    kept = (x + net) * new_y
    # One unit less in, or one more out, would have been too little in the pool's eyes.
    tightest = min((x + net - unit) * new_y, (x + net) * (new_y - unit))
    return SwapCertificate(
        conservation=float(max(abs(new_x - x - given) / new_x, abs(y - new_y - got) / y)),
        invariant=float(max(1 - new_x * new_y / product, Fraction(0))),
        fee=float(max(1 - kept / product, Fraction(0))),
        generosity=float(max(tightest / product - 1, Fraction(0))),
    )


def certify_liquidity(before: Any, after: Any, amounts: tuple[Any, Any], unit: int) -> LiquidityCertificate:
    """Compute the residuals from two pools and the amounts paid in, in fractions; `unit` as for `certify_swap`."""
    old_shares, new_shares = Fraction(before.shares), Fraction(after.shares)
    growth = new_shares / old_shares - 1
    conservation, dilution, proportion = Fraction(0), Fraction(0), Fraction(0)
    for old, new, amount in zip(before.reserves, after.reserves, amounts, strict=True):
        old_units, new_units, paid = Fraction(old), Fraction(new), Fraction(amount)
        larger = max(old_units, new_units)
        conservation = max(conservation, abs(new_units - old_units - paid) / larger)
        dilution = max(dilution, 1 - (new_units / new_shares) / (old_units / old_shares))
        proportion = max(proportion, (abs(paid - growth * old_units) - unit) / larger)
    return LiquidityCertificate(float(conservation), float(dilution), float(proportion))
