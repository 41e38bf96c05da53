"""Transaction tax: a fraction of the value of each trade."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, final

from numpy.typing import ArrayLike

from walras.market.taxation.base import Base
from walras.market.taxation.cents import Rounding, cents_vector, decimal_fraction, share_in_cents
from walras.market.validation import FloatArray, IntArray, fraction, instance_of, nonnegative_number, nonnegative_vector

__all__ = ["TransactionTax"]


@final
@dataclass(frozen=True)
class TransactionTax:
    """A tax of `rate` times the value traded, of which the buyer owes a stated share and the seller the rest.

    An agent that bought for B and sold for S owes `rate * (buyer_share * B + (1 - buyer_share) * S)`. Since everything
    bought is sold, the treasury receives `rate` times turnover whatever the share.

    Parameters
    ----------
    rate
        Fraction of the value traded, 0 or more.
    buyer_share
        Fraction of the tax that the buyer owes by law, in [0, 1]: 1 (the default) a stamp duty on buyers, 0 a levy on
        sellers, 0.5 half each. Who bears it is another matter: `walras.market.partial_equilibrium`.

    Notes
    -----
    *Cost*: O(n). *Source*: Tobin 1978 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.taxation import TransactionTax
    >>> TransactionTax(0.01, buyer_share=0.5).tax_due(bought=[100.0, 0.0], sold=[0.0, 100.0]).tolist()
    [0.5, 0.5]
    """

    rate: float
    buyer_share: float = 1.0
    base: ClassVar[Base] = Base.TRADES

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", nonnegative_number("TransactionTax.rate", self.rate))
        object.__setattr__(self, "buyer_share", fraction("TransactionTax.buyer_share", self.buyer_share))

    def tax_due(self, bought: ArrayLike, sold: ArrayLike) -> FloatArray:
        """Give what each agent owes (money), shape (n,).

        Parameters
        ----------
        bought, sold
            Values that each agent bought and sold (money, 0 or more), shape (n,) each.
        """
        purchases = nonnegative_vector("bought", bought)
        sales = nonnegative_vector("sold", sold, length=purchases.size)
        return self.rate * (self.buyer_share * purchases + (1.0 - self.buyer_share) * sales)

    def tax_due_cents(
        self, bought_cents: ArrayLike, sold_cents: ArrayLike, rounding: Rounding = Rounding.HALF_UP
    ) -> IntArray:
        """Give what each agent owes in whole cents, each agent's exact sum rounded once, shape (n,)."""
        purchases = cents_vector("bought_cents", bought_cents)
        sales = cents_vector("sold_cents", sold_cents, length=purchases.size)
        instance_of("rounding", rounding, Rounding)
        rate, share = decimal_fraction(self.rate), decimal_fraction(self.buyer_share)
        return share_in_cents([(purchases, rate * share), (sales, rate * (Fraction(1) - share))], rounding)
