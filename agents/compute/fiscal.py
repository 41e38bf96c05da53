"""What the treasury takes from incomes and wealth, and what it pays out: a `TaxCode`, in whole cents.

Agents have no credit, so a tax is collected as far as the agent can pay; what it cannot is waived. With rates of at
most 1 only lump sums, and several taxes together, can come to that. The bases:

- `BracketTax`: the *surplus* of the period, income less what was paid for compute, or 0 if that was a loss. What an
  agent pays for its inputs is deducted, so the tax is one on profits: it takes a part of what a truthful agent
  maximises, and leaves its best bid as it is.
- `WealthTax`: what the agent owns when it is levied, after income and the taxes before it in the code.
- `LumpSum`: nothing. The same is due whatever the agent does.

Transfers follow: `BasicIncome` and `TargetedTransfer` (by surplus) are promised amounts, for which the treasury goes
into debt if need be; `EqualRebate` then pays out all that the treasury holds, taxes on compute included.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TypeAlias, final

import numpy as np

from walras.agents.ledger import Ledger
from walras.agents.money import IntArray
from walras.agents.treasury import Treasury
from walras.market.errors import InvalidInputError
from walras.market.taxation import (
    BasicIncome,
    BracketTax,
    EqualRebate,
    LumpSum,
    TargetedTransfer,
    TaxCode,
    WealthTax,
)
from walras.market.taxation.cents import decimal_fraction
from walras.market.validation import instance_of

__all__ = ["REBATE", "Fisc"]

REBATE = TaxCode((), (EqualRebate(),))

_Levy: TypeAlias = BracketTax | WealthTax | LumpSum
_Promise: TypeAlias = BasicIncome | TargetedTransfer


@final
class Fisc:
    """A tax code made ready for n agents.

    Parameters
    ----------
    code
        Taxes among `BracketTax`, `WealthTax` and `LumpSum`; any transfers.
    agents
        Number of agents.
    cents_per_money
        Cents in the unit of money of the code.

    Raises
    ------
    InvalidInputError
        A tax that is not settled here, a rate above 1, an amount of fractions of a cent, a wrong number of amounts.
    """

    def __init__(self, code: TaxCode, agents: int, cents_per_money: int) -> None:
        self.code = instance_of("tax_code", code, TaxCode)

        def scaled(name: str, amount: float) -> float:
            return _of_hundred_cents(name, amount, cents_per_money)

        self._taxes = [_prepared_tax(tax, agents, scaled) for tax in code.taxes]
        self._promises = [
            _prepared_promise(transfer, scaled) for transfer in code.transfers if not isinstance(transfer, EqualRebate)
        ]
        self._rebates = len(self._promises) < len(code.transfers)

    def collect(self, ledger: Ledger, surplus: IntArray) -> IntArray:
        """Collect the taxes one after the other, as far as agents can pay; give what each paid (cents), shape (n,).

        Parameters
        ----------
        ledger
            The accounts, incomes already in them.
        surplus
            Income less what was paid for compute (cents), shape (n,).
        """
        paid = np.zeros_like(surplus)
        for tax in self._taxes:
            wealth = ledger.wealth
            dues = np.minimum(_due(tax, surplus.clip(min=0), wealth), wealth)
            ledger.post(-dues, treasury=int(dues.sum()))
            paid += dues
        return paid

    def pay_transfers(self, ledger: Ledger, surplus: IntArray) -> IntArray:
        """Pay basic incomes and targeted transfers; give what each agent received (cents), shape (n,)."""
        received = np.zeros_like(surplus)
        for promise in self._promises:
            match promise:
                case BasicIncome():
                    amounts = promise.amounts_cents(surplus.size)
                case TargetedTransfer():
                    amounts = promise.amounts_cents(surplus.clip(min=0))
            ledger.post(amounts, treasury=-int(amounts.sum()))
            received += amounts
        return received

    def rebate(self, treasury: Treasury) -> int:
        """Share what the treasury holds if the code says so; give what each agent received (cents)."""
        return treasury.rebate() if self._rebates else 0


def _due(tax: _Levy, income: IntArray, wealth: IntArray) -> IntArray:
    match tax:
        case BracketTax():
            return tax.tax_due_cents(income)
        case WealthTax():
            return tax.tax_due_cents(wealth)
        case LumpSum():
            return tax.tax_due_cents(income.size)


def _prepared_tax(tax: object, agents: int, scaled: Callable[[str, float], float]) -> _Levy:
    match tax:
        case BracketTax():
            return replace(tax, thresholds=_thresholds(tax, scaled))
        case WealthTax():
            return replace(tax, thresholds=_thresholds(tax, scaled))
        case LumpSum():
            amounts = [scaled("LumpSum.amount", amount) for amount in tax.tax_due(agents).tolist()]
            return LumpSum(amounts)
        case _:
            raise InvalidInputError(
                f"tax_code.taxes may hold BracketTax, WealthTax and LumpSum here, got {tax!r}: write a tax on "
                "purchases as market.tax, a PerUnitTax or an AdValoremTax."
            )


def _thresholds(tax: BracketTax | WealthTax, scaled: Callable[[str, float], float]) -> list[float]:
    name = type(tax).__name__
    rates, thresholds = np.asarray(tax.rates), np.asarray(tax.thresholds)
    if rates.max() > 1.0:
        raise InvalidInputError(f"{name}.rates must be at most 1, since agents have no credit; got {rates.tolist()}.")
    return [scaled(f"{name}.thresholds", threshold) for threshold in thresholds.tolist()]


def _prepared_promise(transfer: object, scaled: Callable[[str, float], float]) -> _Promise:
    match transfer:
        case BasicIncome():
            return BasicIncome(scaled("BasicIncome.amount", transfer.amount))
        case TargetedTransfer():
            return replace(
                transfer,
                maximum=scaled("TargetedTransfer.maximum", transfer.maximum),
                phase_out_start=scaled("TargetedTransfer.phase_out_start", transfer.phase_out_start),
            )
        case _:
            raise InvalidInputError(f"tax_code.transfers: {transfer!r} is not settled here.")


def _of_hundred_cents(name: str, amount: float, cents_per_money: int) -> float:
    """Give an amount in a unit of money of 100 cents, in which the market's taxes count; it must be whole cents."""
    cents = decimal_fraction(amount) * cents_per_money
    if cents.denominator != 1:
        raise InvalidInputError(
            f"{name} must be a whole number of cents, of which {cents_per_money} make a unit of money; got {amount}."
        )
    return float(Fraction(cents, 100))
