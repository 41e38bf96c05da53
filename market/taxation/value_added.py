"""Value-added tax by the invoice-credit method.

Firm f sells goods worth `s_fg` (before tax) to firm g and `c_f` to consumers. At the rate r it charges output tax on
all it sells and deducts the tax on the invoices of what it bought:

    remitted_f = r * (sum_g s_fg + c_f) - r * sum_g s_gf.

Summed over firms, every invoice between firms is charged once and deducted once, so the treasury receives
`r * sum_f c_f`: what a retail sales tax on final value would bring.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.errors import InvalidInputError
from walras.market.taxation.base import Base
from walras.market.taxation.cents import Rounding, cents_vector, decimal_fraction, share_in_cents
from walras.market.validation import (
    FloatArray,
    IntArray,
    instance_of,
    nonnegative_matrix,
    nonnegative_number,
    nonnegative_vector,
)

__all__ = ["ValueAddedTax", "ValueAddedTaxCertificate", "ValueAddedTaxReturns", "ValueAddedTaxStatus"]


class ValueAddedTaxStatus(Enum):
    """How the returns came out; each value tells the reader what it means."""

    COLLECTED = "every firm remits 0 or more"
    REFUNDS = "some firms bought more than they sold: the treasury owes them the difference"


@final
@dataclass(frozen=True)
class ValueAddedTaxCertificate(Residuals):
    """Residuals of the returns, as fractions of the output tax.

    Attributes
    ----------
    credits_are_charges
        Input credits against the tax on the invoices between firms.
    retail_equivalence
        Revenue against the rate times the value sold to consumers.
    """

    credits_are_charges: float
    retail_equivalence: float


@final
@dataclass(frozen=True, eq=False)
class ValueAddedTaxReturns(Certified):
    """The returns of n firms.

    Attributes
    ----------
    output_tax, input_credit, remitted
        Tax charged, tax deducted, and their difference (money), shape (n,) each.
    revenue
        What the treasury receives (money).
    status, certificate
        How it came out, and the residuals that prove it.
    """

    output_tax: FloatArray
    input_credit: FloatArray
    remitted: FloatArray
    revenue: float
    status: ValueAddedTaxStatus
    certificate: ValueAddedTaxCertificate


@final
@dataclass(frozen=True)
class ValueAddedTax:
    """A tax of `rate` on value added, that is, on final value.

    Parameters
    ----------
    rate
        Fraction of the value before tax, 0 or more.

    Notes
    -----
    *Source*: Salanié 2011 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.taxation import ValueAddedTax
    >>> returns = ValueAddedTax(0.2).production_chain([100.0, 250.0, 400.0])  # farmer, mill, baker
    >>> returns.remitted.tolist(), returns.revenue
    ([20.0, 30.0, 30.0], 80.0)
    """

    rate: float
    base: ClassVar[Base] = Base.CONSUMPTION

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", nonnegative_number("ValueAddedTax.rate", self.rate))

    def returns(self, between_firms: ArrayLike, to_consumers: ArrayLike) -> ValueAddedTaxReturns:
        """Give what each firm charges, deducts and remits.

        Parameters
        ----------
        between_firms
            Value before tax that the row's firm sells to the column's firm (money, 0 or more), shape (n, n).
        to_consumers
            Value before tax that each firm sells to consumers (money, 0 or more), shape (n,).

        Raises
        ------
        InvalidInputError
            Entries that are negative or not finite, a matrix that is not square, shapes that do not fit.

        Notes
        -----
        *Cost*: O(n^2).
        """
        final_sales = nonnegative_vector("to_consumers", to_consumers, of="firm")
        firms = final_sales.size
        sales = nonnegative_matrix("between_firms", between_firms, rows=firms, columns=firms, of=("seller", "buyer"))
        output_tax = self.rate * (sales.sum(axis=1) + final_sales)
        input_credit = self.rate * sales.sum(axis=0)
        remitted = output_tax - input_credit
        revenue = math.fsum(remitted)
        return ValueAddedTaxReturns(
            output_tax=output_tax,
            input_credit=input_credit,
            remitted=remitted,
            revenue=revenue,
            status=ValueAddedTaxStatus.REFUNDS if np.any(remitted < 0.0) else ValueAddedTaxStatus.COLLECTED,
            certificate=certify_returns(self.rate, sales, final_sales, output_tax, input_credit, remitted, revenue),
        )

    def production_chain(self, sales: ArrayLike) -> ValueAddedTaxReturns:
        """Give the returns of a chain: each firm sells all to the next, the last one to consumers.

        Parameters
        ----------
        sales
            Value before tax of what each firm sells (money, 0 or more), first producer first, shape (n,).
        """
        values = nonnegative_vector("sales", sales, of="firm")
        between_firms = np.diag(values[:-1], k=1)
        to_consumers = np.zeros(values.size)
        to_consumers[-1] = values[-1]
        return self.returns(between_firms, to_consumers)

    def tax_due(self, consumption: ArrayLike) -> FloatArray:
        """Give the tax in what each consumer spends (money before tax, 0 or more), shape (n,)."""
        return self.rate * nonnegative_vector("consumption", consumption)

    def tax_due_cents(self, consumption_cents: ArrayLike, rounding: Rounding = Rounding.HALF_UP) -> IntArray:
        """Give the tax on each amount or invoice in whole cents, each rounded once, shape (n,).

        A firm that deducts these very integers leaves no cent between what is charged and what is credited.
        """
        instance_of("rounding", rounding, Rounding)
        return share_in_cents(
            [(cents_vector("consumption_cents", consumption_cents), decimal_fraction(self.rate))], rounding
        )

    def remitted_cents(
        self, between_firms_cents: ArrayLike, to_consumers_cents: ArrayLike, rounding: Rounding = Rounding.HALF_UP
    ) -> IntArray:
        """Give what each firm remits in whole cents, shape (n,).

        The tax of each invoice is rounded once, charged and credited as that integer; so the sum over firms equals the
        sum of the taxes on sales to consumers exactly.

        Parameters
        ----------
        between_firms_cents
            As `between_firms`, one invoice for each pair of firms, integers of cents, shape (n, n).
        to_consumers_cents
            As `to_consumers`, one invoice for each firm, integers of cents, shape (n,).
        rounding
            What becomes of fractions of a cent on an invoice.
        """
        final_tax = self.tax_due_cents(cents_vector("to_consumers_cents", to_consumers_cents), rounding)
        invoices = np.asarray(between_firms_cents)
        firms = final_tax.size
        if invoices.shape != (firms, firms):
            raise InvalidInputError(
                f"between_firms_cents must have shape {(firms, firms)}, one row per seller, one column per buyer; got "
                f"shape {invoices.shape}."
            )
        flat = cents_vector("between_firms_cents", invoices.ravel())  # (n, n) -> (n * n,)
        charged = self.tax_due_cents(flat, rounding).reshape(firms, firms)  # (n * n,) -> (n, n)
        return np.asarray(charged.sum(axis=1) + final_tax - charged.sum(axis=0), dtype=np.int64)


def certify_returns(
    rate: float,
    between_firms: FloatArray,
    to_consumers: FloatArray,
    output_tax: FloatArray,
    input_credit: FloatArray,
    remitted: FloatArray,
    revenue: float,
) -> ValueAddedTaxCertificate:
    """Compute the residuals of returns, invoice by invoice."""
    on_invoices = rate * math.fsum(between_firms.ravel())
    on_consumers = rate * math.fsum(to_consumers)
    scale = max(on_invoices + on_consumers, float(np.finfo(np.float64).tiny))
    misfiled = float(np.abs(output_tax - input_credit - remitted).max())
    uncredited = abs(math.fsum(input_credit) - on_invoices)
    return ValueAddedTaxCertificate(
        credits_are_charges=max(uncredited, misfiled) / scale,
        retail_equivalence=max(abs(revenue - on_consumers), abs(math.fsum(remitted) - revenue)) / scale,
    )
