"""A tax code: several taxes, several transfers, one treasury.

Agent i has an income `y_i` and perhaps net wealth, consumption and trades. Each tax is computed from its own base, each
transfer from income or from nothing, and the treasury keeps the difference:

    net_i = y_i - sum_k T_ki + sum_m B_mi,    balance = sum_i (sum_k T_ki - sum_m B_mi).

Taxes do not deduct one another. Wealth is a stock: it is a base here, and not part of net income.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.taxation.brackets import BracketTax
from walras.market.taxation.cents import Rounding, cents_vector, equal_shares
from walras.market.taxation.lump_sum import LumpSum
from walras.market.taxation.smoothed import SmoothedBracketTax
from walras.market.taxation.transaction import TransactionTax
from walras.market.taxation.transfers import BasicIncome, EqualRebate, TargetedTransfer, Transfer
from walras.market.taxation.value_added import ValueAddedTax
from walras.market.taxation.wealth import WealthTax
from walras.market.validation import FloatArray, IntArray, finite_vector, instance_of, nonnegative_vector

__all__ = ["CentsSettlement", "Levy", "TaxCertificate", "TaxCode", "TaxSettlement", "TreasuryStatus"]

Levy: TypeAlias = BracketTax | SmoothedBracketTax | WealthTax | TransactionTax | ValueAddedTax | LumpSum

# A balance below this fraction of what passed through the treasury is rounding.
_ROUNDING = 1e-12


class TreasuryStatus(Enum):
    """How the treasury stands; each value tells the reader what it means."""

    BALANCED = "transfers equal revenue"
    SURPLUS = "revenue exceeds transfers: add an EqualRebate to give it back"
    DEFICIT = "transfers exceed revenue: somebody has to lend the difference, or taxes have to rise"


@final
@dataclass(frozen=True)
class TaxCertificate(Residuals):
    """Residuals of a settlement, as fractions of the money that passes (incomes, taxes, transfers).

    Attributes
    ----------
    accounts
        How far each agent's net income is from income less taxes plus transfers.
    treasury
        How far balance is from taxes less transfers, summed over agents.
    conservation
        How far net incomes and balance together are from incomes.
    """

    accounts: float
    treasury: float
    conservation: float


@final
@dataclass(frozen=True, eq=False)
class TaxSettlement(Certified):
    """What n agents pay and receive under a code of k taxes and m transfers, in money (float64).

    Attributes
    ----------
    tax_by_levy, transfer_by_rule
        Per rule and agent, shapes (k, n) and (m, n), in the code's order.
    tax, transfer, net_income
        Per agent, shape (n,) each.
    revenue, spending, balance
        Of the treasury: taxes, transfers, and their difference.
    status, certificate
        How the treasury stands, and the residuals that prove the accounts.
    """

    tax_by_levy: FloatArray
    transfer_by_rule: FloatArray
    tax: FloatArray
    transfer: FloatArray
    net_income: FloatArray
    revenue: float
    spending: float
    balance: float
    status: TreasuryStatus
    certificate: TaxCertificate


@final
@dataclass(frozen=True, eq=False)
class CentsSettlement(Certified):
    """The same in whole cents: int64 arrays and Python integers, exact to the cent.

    Attributes
    ----------
    tax_by_levy, transfer_by_rule
        Per rule and agent (cents), shapes (k, n) and (m, n), in the code's order.
    tax, transfer, net_income
        Per agent (cents), shape (n,) each.
    revenue, spending, balance
        Of the treasury (cents).
    status, certificate
        How the treasury stands, and the residuals, which are exactly 0.
    """

    tax_by_levy: IntArray
    transfer_by_rule: IntArray
    tax: IntArray
    transfer: IntArray
    net_income: IntArray
    revenue: int
    spending: int
    balance: int
    status: TreasuryStatus
    certificate: TaxCertificate


@final
@dataclass(frozen=True)
class TaxCode:
    """A list of taxes and a list of transfers.

    Parameters
    ----------
    taxes
        Any of `BracketTax`, `SmoothedBracketTax`, `WealthTax`, `TransactionTax`, `ValueAddedTax`, `LumpSum`.
    transfers
        Any of `BasicIncome`, `TargetedTransfer`, and at most one `EqualRebate`, which comes last, since it pays out
        what the others leave.

    Examples
    --------
    >>> from walras.market.taxation import BracketTax, EqualRebate, TaxCode
    >>> code = TaxCode([BracketTax([10_000.0], [0.0, 0.4])], [EqualRebate()])
    >>> settled = code.settle([5_000.0, 20_000.0, 50_000.0]).require()
    >>> settled.tax.tolist(), settled.net_income.round(2).tolist()
    ([0.0, 4000.0, 16000.0], [11666.67, 22666.67, 40666.67])
    >>> settled.status.name
    'BALANCED'
    """

    taxes: Sequence[Levy] = ()
    transfers: Sequence[Transfer] = ()

    def __post_init__(self) -> None:
        taxes = _rules("TaxCode.taxes", self.taxes, Levy.__args__)
        transfers = _rules("TaxCode.transfers", self.transfers, Transfer.__args__)
        if any(isinstance(transfer, EqualRebate) for transfer in transfers[:-1]):
            raise InvalidInputError(
                "TaxCode.transfers must hold EqualRebate last, and once: it pays out all that the others leave."
            )
        object.__setattr__(self, "taxes", taxes)
        object.__setattr__(self, "transfers", transfers)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What every settlement under this code has.

        Anonymity is that of `settle`; in whole cents a rebate's odd cents go to the first agents. Monotone: who earns
        more keeps no less, since marginal and phase-out rates sum to 1 at most. Scale-free: no amount of money is
        written into the code.
        """
        properties = {Property.CONSERVES}
        if self._highest_marginal_rate <= 1.0:
            properties.add(Property.MONOTONE)
        if all(not isinstance(tax, LumpSum) or isinstance(tax.amount, float) for tax in self.taxes):
            properties.add(Property.ANONYMOUS)
        if all(_is_scale_free(rule) for rule in (*self.taxes, *self.transfers)):
            properties.add(Property.SCALE_FREE)
        rebates = any(isinstance(transfer, EqualRebate) for transfer in self.transfers)
        if all(_never_pays(tax) for tax in self.taxes) and len(self.transfers) == int(rebates):
            properties.add(Property.WEAKLY_BUDGET_BALANCED)
            if rebates or not self.taxes:
                properties.add(Property.STRONGLY_BUDGET_BALANCED)
        return frozenset(properties)

    def settle(
        self,
        income: ArrayLike,
        wealth: ArrayLike | None = None,
        consumption: ArrayLike | None = None,
        bought: ArrayLike | None = None,
        sold: ArrayLike | None = None,
    ) -> TaxSettlement:
        """Give each agent's taxes, transfers and net income, and the treasury's balance, in float64.

        Parameters
        ----------
        income
            Money of 0 or more, shape (n,).
        wealth
            Net wealth (money, of either sign), shape (n,); needed if the code has a `WealthTax`.
        consumption
            Spending before tax (money, 0 or more), shape (n,); needed if the code has a `ValueAddedTax`.
        bought, sold
            Values traded (money, 0 or more), shape (n,) each; both needed if the code has a `TransactionTax`.

        Raises
        ------
        InvalidInputError
            A base that is missing, not finite, negative where it may not be, or of another length.

        Notes
        -----
        *Cost*: O(n) for each rule. What is given and not taxed is checked, and changes nothing.
        """
        incomes = nonnegative_vector("income", income)
        agents = incomes.size
        bases: dict[str, FloatArray] = {"income": incomes}
        if wealth is not None:
            bases["wealth"] = finite_vector("wealth", wealth, length=agents)
        for name, values in (("consumption", consumption), ("bought", bought), ("sold", sold)):
            if values is not None:
                bases[name] = nonnegative_vector(name, values, length=agents)

        taxes = [self._tax_due(tax, bases) for tax in self.taxes]
        tax_by_levy = np.array(taxes).reshape(len(taxes), agents)  # (k, n), also for k = 0
        revenue = math.fsum(tax_by_levy.ravel())
        paid: list[FloatArray] = []
        for transfer in self.transfers:
            match transfer:
                case BasicIncome():
                    paid.append(transfer.amounts(agents))
                case TargetedTransfer():
                    paid.append(transfer.amounts(incomes))
                case EqualRebate():
                    left = revenue - math.fsum(amount for amounts in paid for amount in amounts)
                    paid.append(np.full(agents, max(left, 0.0) / agents))
        transfer_by_rule = np.array(paid).reshape(len(paid), agents)  # (m, n), also for m = 0
        spending = math.fsum(transfer_by_rule.ravel())
        tax, received = tax_by_levy.sum(axis=0), transfer_by_rule.sum(axis=0)
        net_income = incomes - tax + received
        balance = revenue - spending
        return TaxSettlement(
            tax_by_levy=tax_by_levy,
            transfer_by_rule=transfer_by_rule,
            tax=tax,
            transfer=received,
            net_income=net_income,
            revenue=revenue,
            spending=spending,
            balance=balance,
            status=_status(balance, _ROUNDING * (math.fsum(np.abs(tax_by_levy).ravel()) + spending)),
            certificate=certify_settlement(incomes, tax_by_levy, transfer_by_rule, net_income, balance),
        )

    def settle_cents(
        self,
        income_cents: ArrayLike,
        wealth_cents: ArrayLike | None = None,
        consumption_cents: ArrayLike | None = None,
        bought_cents: ArrayLike | None = None,
        sold_cents: ArrayLike | None = None,
        rounding: Rounding = Rounding.HALF_UP,
    ) -> CentsSettlement:
        """Give the same in whole cents: each tax and transfer of each agent is exact, and rounded once.

        Parameters
        ----------
        income_cents, wealth_cents, consumption_cents, bought_cents, sold_cents
            As in `settle`, integers of cents, shape (n,) each.
        rounding
            What becomes of fractions of a cent of each tax and targeted transfer.

        Raises
        ------
        InvalidInputError
            As in `settle`; amounts that are no integers; an amount in the code that is no whole number of cents; a
            `SmoothedBracketTax`, which has no exact cents.

        Notes
        -----
        *Ties*: an `EqualRebate` pays all it has; the cents left over go one each to the first agents in the order
        given. *Cost*: O(n) for each rule.
        """
        instance_of("rounding", rounding, Rounding)
        incomes = cents_vector("income_cents", income_cents)
        agents = incomes.size
        bases: dict[str, IntArray] = {"income": incomes}
        if wealth_cents is not None:
            bases["wealth"] = cents_vector("wealth_cents", wealth_cents, length=agents, minimum=None)
        given = (("consumption", consumption_cents), ("bought", bought_cents), ("sold", sold_cents))
        for name, values in given:
            if values is not None:
                bases[name] = cents_vector(f"{name}_cents", values, length=agents)

        taxes = [self._tax_due_cents(tax, bases, rounding) for tax in self.taxes]
        tax_by_levy = np.array(taxes, dtype=np.int64).reshape(len(taxes), agents)  # (k, n), also for k = 0
        revenue = sum(tax_by_levy.ravel().tolist())
        paid: list[IntArray] = []
        for transfer in self.transfers:
            match transfer:
                case BasicIncome():
                    paid.append(transfer.amounts_cents(agents))
                case TargetedTransfer():
                    paid.append(transfer.amounts_cents(incomes, rounding))
                case EqualRebate():
                    left = revenue - sum(sum(amounts.tolist()) for amounts in paid)
                    paid.append(equal_shares(max(left, 0), agents))
        transfer_by_rule = np.array(paid, dtype=np.int64).reshape(len(paid), agents)  # (m, n), also for m = 0
        spending = sum(transfer_by_rule.ravel().tolist())
        tax, received = tax_by_levy.sum(axis=0), transfer_by_rule.sum(axis=0)
        net_income = incomes - tax + received
        balance = revenue - spending
        return CentsSettlement(
            tax_by_levy=tax_by_levy,
            transfer_by_rule=transfer_by_rule,
            tax=tax,
            transfer=received,
            net_income=net_income,
            revenue=revenue,
            spending=spending,
            balance=balance,
            status=_status(balance, 0.0),
            certificate=certify_settlement(incomes, tax_by_levy, transfer_by_rule, net_income, balance),
        )

    @property
    def _highest_marginal_rate(self) -> float:
        """A bound on what taxes and withdrawn transfers together take of a further unit of income."""
        rates = [max(np.asarray(tax.rates)) for tax in self.taxes if isinstance(tax, BracketTax | SmoothedBracketTax)]
        withdrawn = [rule.phase_out_rate for rule in self.transfers if isinstance(rule, TargetedTransfer)]
        return math.fsum([*rates, *withdrawn])

    def _tax_due(self, tax: Levy, bases: dict[str, FloatArray]) -> FloatArray:
        match tax:
            case LumpSum():
                return tax.tax_due(bases["income"].size)
            case TransactionTax():
                return tax.tax_due(_base(tax, bases, "bought"), _base(tax, bases, "sold"))
            case WealthTax():
                return tax.tax_due(_base(tax, bases, "wealth"))
            case ValueAddedTax():
                return tax.tax_due(_base(tax, bases, "consumption"))
            case BracketTax() | SmoothedBracketTax():
                return tax.tax_due(bases["income"])

    def _tax_due_cents(self, tax: Levy, bases: dict[str, IntArray], rounding: Rounding) -> IntArray:
        match tax:
            case LumpSum():
                return tax.tax_due_cents(bases["income"].size)
            case TransactionTax():
                return tax.tax_due_cents(_base(tax, bases, "bought"), _base(tax, bases, "sold"), rounding)
            case WealthTax():
                return tax.tax_due_cents(_base(tax, bases, "wealth"), rounding)
            case ValueAddedTax():
                return tax.tax_due_cents(_base(tax, bases, "consumption"), rounding)
            case BracketTax():
                return tax.tax_due_cents(bases["income"], rounding)
            case SmoothedBracketTax():
                raise InvalidInputError(
                    "TaxCode.taxes holds a SmoothedBracketTax, which has no exact cents: settle a BracketTax instead."
                )


def certify_settlement(
    income: FloatArray | IntArray,
    tax_by_levy: FloatArray | IntArray,
    transfer_by_rule: FloatArray | IntArray,
    net_income: FloatArray | IntArray,
    balance: float,
) -> TaxCertificate:
    """Compute the residuals of a settlement, from incomes and answer alone."""
    gross = (
        math.fsum(np.abs(income)) + math.fsum(np.abs(tax_by_levy).ravel()) + math.fsum(abs(transfer_by_rule).ravel())
    )
    scale = gross or 1.0
    misstated = np.abs(net_income + tax_by_levy.sum(axis=0) - transfer_by_rule.sum(axis=0) - income)
    misbalanced = math.fsum([*tax_by_levy.ravel(), *(-transfer_by_rule).ravel(), -balance])
    unaccounted = math.fsum([*net_income, balance, *(-income)])
    return TaxCertificate(
        accounts=float(misstated.max()) / scale,
        treasury=abs(misbalanced) / scale,
        conservation=abs(unaccounted) / scale,
    )


def _rules(name: str, rules: object, kinds: tuple[type, ...]) -> tuple[Levy, ...]:
    expected = ", ".join(kind.__name__ for kind in kinds)
    if isinstance(rules, str) or not isinstance(rules, Sequence):
        raise InvalidInputError(f"{name} must be a list of {expected}, got {rules!r}.")
    for rule in rules:
        if not isinstance(rule, kinds):
            raise InvalidInputError(f"{name} must hold only {expected}; got {rule!r}.")
    return tuple(rules)


def _base(tax: Levy, bases: dict[str, FloatArray] | dict[str, IntArray], name: str) -> FloatArray:
    if name not in bases:
        raise InvalidInputError(f"{name} is missing: the code's {type(tax).__name__} is levied on {tax.base.value}.")
    return bases[name]  # type: ignore[return-value]


def _is_scale_free(rule: Levy | Transfer) -> bool:
    match rule:
        case BracketTax() | SmoothedBracketTax():
            return len(rule.thresholds) == 0  # type: ignore[arg-type]
        case WealthTax():
            return tuple(rule.thresholds) == (0.0,)  # type: ignore[arg-type]
        case TransactionTax() | ValueAddedTax() | EqualRebate():
            return True
        case LumpSum():
            return not np.any(rule.amount)
        case BasicIncome(amount=amount) | TargetedTransfer(maximum=amount):
            return amount == 0.0


def _never_pays(tax: Levy) -> bool:
    match tax:
        case BracketTax() | SmoothedBracketTax() | WealthTax():
            return bool(np.min(np.asarray(tax.rates)) >= 0.0)
        case LumpSum():
            return bool(np.min(np.asarray(tax.amount)) >= 0.0)
        case TransactionTax() | ValueAddedTax():
            return True


def _status(balance: float, rounding: float) -> TreasuryStatus:
    if abs(balance) <= rounding:
        return TreasuryStatus.BALANCED
    return TreasuryStatus.SURPLUS if balance > 0 else TreasuryStatus.DEFICIT
