"""Bad input to taxes raises one class of error, and the message names the argument and what was got."""

from collections.abc import Callable

import numpy as np
import pytest

from walras.market import InfeasibleError, InvalidInputError, MarketError
from walras.market.partial_equilibrium import LinearCurve
from walras.market.taxation import (
    BasicIncome,
    BracketTax,
    EqualRebate,
    LumpSum,
    PigouvianTax,
    RamseyProblem,
    SmoothedBracketTax,
    TargetedTransfer,
    TaxCode,
    TransactionTax,
    ValueAddedTax,
    WealthTax,
    laffer_rate,
    pareto_parameter,
    top_tax_rate,
)

NAN, INF = float("nan"), float("inf")
TAX = BracketTax([10.0, 40.0], [0.1, 0.25, 0.5])
SMOOTH = TAX.smoothed(2.0)
TRADES, VAT, WEALTH = TransactionTax(0.1), ValueAddedTax(0.2), WealthTax(100.0, 0.1)
MEANS = TargetedTransfer(10.0, 5.0, 0.5)
CODE = TaxCode([TAX], [EqualRebate()])
RAMSEY = RamseyProblem([0.5, 2.0], [1.0, 1.0], [1.0, 1.0])
DEMAND, SUPPLY = LinearCurve(10.0, -1.0), LinearCurve(1.0, 0.5)

NO_NUMBERS = [(NAN, "nan"), (INF, "inf"), ("4", "'4'"), (None, "None"), (1j, "1j"), ([1.0, 2.0], "[1.0, 2.0]")]
NUMBERS: list[tuple[Callable[[object], object], str]] = [
    (lambda bad: SmoothedBracketTax([10.0], [0.1, 0.2], bad), "SmoothedBracketTax.width"),
    (TransactionTax, "TransactionTax.rate"),
    (lambda bad: TransactionTax(0.1, bad), "TransactionTax.buyer_share"),
    (ValueAddedTax, "ValueAddedTax.rate"),
    (BasicIncome, "BasicIncome.amount"),
    (lambda bad: TargetedTransfer(bad, 1.0, 0.5), "TargetedTransfer.maximum"),
    (lambda bad: TargetedTransfer(1.0, bad, 0.5), "TargetedTransfer.phase_out_start"),
    (lambda bad: TargetedTransfer(1.0, 1.0, bad), "TargetedTransfer.phase_out_rate"),
    (PigouvianTax, "PigouvianTax.marginal_damage"),
    (lambda bad: top_tax_rate(bad, 0.5), "pareto"),
    (lambda bad: top_tax_rate(1.5, bad), "elasticity"),
    (lambda bad: top_tax_rate(1.5, 0.5, bad), "social_weight"),
    (laffer_rate, "elasticity"),
    (lambda bad: pareto_parameter([1.0, 2.0], bad), "threshold"),
    (RAMSEY.solve, "revenue"),
    (lambda bad: LumpSum(1.0).tax_due(bad), "agents"),
    (lambda bad: BasicIncome(1.0).amounts(bad), "agents"),
]

NO_VECTORS = [
    ([1.0, NAN], "entry 1 is nan"),
    ([INF, 1.0], "entry 0 is inf"),
    ([[1.0, 2.0]], "shape (1, 2)"),
    ([], "empty"),
    ("many", "'many'"),
    (["1", "2"], "['1', '2']"),
    (np.array([1j, 1.0]), "1.j"),
]
VECTORS: list[tuple[Callable[[object], object], str]] = [
    (TAX.tax_due, "income"),
    (TAX.net_income, "income"),
    (TAX.marginal_rate, "income"),
    (TAX.average_rate, "income"),
    (TAX.gross_income, "net_income"),
    (SMOOTH.tax_due, "income"),
    (SMOOTH.net_income, "income"),
    (SMOOTH.marginal_rate, "income"),
    (WEALTH.tax_due, "wealth"),
    (lambda bad: TRADES.tax_due(bad, [1.0, 1.0]), "bought"),
    (lambda bad: TRADES.tax_due([1.0, 1.0], bad), "sold"),
    (VAT.tax_due, "consumption"),
    (VAT.production_chain, "sales"),
    (lambda bad: VAT.returns(np.zeros((2, 2)), bad), "to_consumers"),
    (MEANS.amounts, "income"),
    (CODE.settle, "income"),
    (lambda bad: CODE.settle([1.0, 1.0], wealth=bad), "wealth"),
    (lambda bad: CODE.settle([1.0, 1.0], consumption=bad), "consumption"),
    (lambda bad: CODE.settle([1.0, 1.0], bought=bad), "bought"),
    (lambda bad: CODE.settle([1.0, 1.0], sold=bad), "sold"),
    (lambda bad: pareto_parameter(bad, 1.0), "income"),
    (lambda bad: RamseyProblem(bad, 1.0, 1.0), "RamseyProblem.elasticities"),
    (lambda bad: RamseyProblem([1.0, 1.0], bad, 1.0), "RamseyProblem.producer_prices"),
    (lambda bad: RamseyProblem([1.0, 1.0], 1.0, bad), "RamseyProblem.untaxed_quantities"),
    (lambda bad: BracketTax([1.0], bad), "BracketTax.rates"),
    (lambda bad: WealthTax([1.0, 2.0], bad), "WealthTax.rates"),
]
# Where debts and grants make sense a negative entry is fine; everywhere else it is not.
SIGNED = {"wealth", "BracketTax.rates", "WealthTax.rates"}

NO_CENTS = [
    ([1.5, 2.0], "whole numbers of cents"),
    ([1.0, 2.0], "whole numbers of cents"),
    ([True, False], "whole numbers of cents"),
    ("12", "whole numbers of cents"),
    ([None], "whole numbers of cents"),
    ([], "whole numbers of cents"),
    (5, "shape ()"),
    ([[1, 2]], "shape (1, 2)"),
    ([1, 10**15 + 1], "entry 1 is 1000000000000001"),
    ([10**30, 1], "entry 0 is 1000000000000000000000000000000"),
]
CENTS: list[tuple[Callable[[object], object], str]] = [
    (TAX.tax_due_cents, "income_cents"),
    (WEALTH.tax_due_cents, "wealth_cents"),
    (lambda bad: TRADES.tax_due_cents(bad, [1, 1]), "bought_cents"),
    (lambda bad: TRADES.tax_due_cents([1, 1], bad), "sold_cents"),
    (VAT.tax_due_cents, "consumption_cents"),
    (lambda bad: VAT.remitted_cents([[0, 0], [0, 0]], bad), "to_consumers_cents"),
    (MEANS.amounts_cents, "income_cents"),
    (CODE.settle_cents, "income_cents"),
    (lambda bad: CODE.settle_cents([1, 1], wealth_cents=bad), "wealth_cents"),
    (lambda bad: CODE.settle_cents([1, 1], consumption_cents=bad), "consumption_cents"),
    (lambda bad: CODE.settle_cents([1, 1], bought_cents=bad), "bought_cents"),
    (lambda bad: CODE.settle_cents([1, 1], sold_cents=bad), "sold_cents"),
]

CASES: list[tuple[Callable[[], object], type[MarketError], tuple[str, ...]]] = [
    (lambda: BracketTax([0.0], [0.1, 0.2]), InvalidInputError, ("BracketTax.thresholds", "above 0", "entry 0 is 0.0")),
    (lambda: BracketTax([-1.0], [0.1, 0.2]), InvalidInputError, ("BracketTax.thresholds", "above 0", "-1.0")),
    (lambda: BracketTax([2.0, 2.0], [0.1] * 3), InvalidInputError, ("rise strictly", "entry 1 is 2.0, after 2.0")),
    (lambda: BracketTax([1.0, 3.0, 2.0], [0.1] * 4), InvalidInputError, ("rise strictly", "entry 2 is 2.0, after 3.0")),
    (lambda: BracketTax([1.0], [0.1]), InvalidInputError, ("BracketTax.rates", "expected 2, got 1")),
    (lambda: BracketTax([], [0.1, 0.2]), InvalidInputError, ("BracketTax.rates", "expected 1, got 2")),
    (lambda: BracketTax([NAN], [0.1, 0.2]), InvalidInputError, ("BracketTax.thresholds", "nan")),
    (lambda: BracketTax("x", [0.1, 0.2]), InvalidInputError, ("BracketTax.thresholds", "'x'")),
    (lambda: TAX.tax_due([1.0, -1.0]), InvalidInputError, ("income", "0 or more", "entry 1 is -1.0")),
    (lambda: TAX.tax_due_cents([1, -1]), InvalidInputError, ("income_cents", "between 0 and", "entry 1 is -1")),
    (lambda: TAX.tax_due_cents([1], "up"), InvalidInputError, ("rounding", "Rounding", "'up'")),
    (
        lambda: BracketTax([0.001], [0, 1]).tax_due_cents([1]),
        InvalidInputError,
        ("thresholds", "whole number", "0.001"),
    ),
    (
        lambda: BracketTax([1e14], [0, 1]).tax_due_cents([1]),
        InvalidInputError,
        ("BracketTax.thresholds", "1000000000000000"),
    ),
    (lambda: TAX.smoothed(0.0), InvalidInputError, ("SmoothedBracketTax.width", "above 0", "0.0")),
    (lambda: TAX.smoothed(20.1), InvalidInputError, ("SmoothedBracketTax.width", "first threshold, 20,", "20.1")),
    (lambda: SmoothedBracketTax([1.0], [0.1], 0.1), InvalidInputError, ("SmoothedBracketTax.rates", "expected 2")),
    (lambda: WealthTax(-1.0, 0.1), InvalidInputError, ("WealthTax.thresholds", "0 or more", "-1.0")),
    (lambda: WealthTax([1.0, 2.0], [0.1]), InvalidInputError, ("WealthTax.rates", "expected 2, got 1")),
    (lambda: WealthTax([], []), InvalidInputError, ("WealthTax.rates", "empty")),
    (lambda: WealthTax([], 0.1), InvalidInputError, ("WealthTax.rates", "expected 0, got 1")),
    (lambda: WEALTH.tax_due_cents([-(10**15) - 1]), InvalidInputError, ("wealth_cents", "-1000000000000001")),
    (lambda: TransactionTax(-0.1), InvalidInputError, ("TransactionTax.rate", "0 or more", "-0.1")),
    (lambda: TransactionTax(0.1, 1.1), InvalidInputError, ("TransactionTax.buyer_share", "[0, 1]", "1.1")),
    (lambda: TRADES.tax_due([1.0], [1.0, 2.0]), InvalidInputError, ("sold", "expected 1, got 2")),
    (lambda: TRADES.tax_due_cents([1], [1, 2]), InvalidInputError, ("sold_cents", "expected 1, got 2")),
    (lambda: TRADES.tax_due_cents([1], [1], 1), InvalidInputError, ("rounding", "1")),
    (lambda: ValueAddedTax(-0.1), InvalidInputError, ("ValueAddedTax.rate", "0 or more", "-0.1")),
    (lambda: VAT.returns([[1.0]], [1.0, 2.0]), InvalidInputError, ("between_firms", "(2, 2)", "(1, 1)")),
    (lambda: VAT.returns([[-1.0]], [1.0]), InvalidInputError, ("between_firms", "0 or more", "-1.0")),
    (lambda: VAT.returns([[1.0]], [-1.0]), InvalidInputError, ("to_consumers", "0 or more", "-1.0")),
    (lambda: VAT.remitted_cents([[1]], [1, 2]), InvalidInputError, ("between_firms_cents", "(2, 2)", "(1, 1)")),
    (lambda: VAT.remitted_cents([[1.5]], [1]), InvalidInputError, ("between_firms_cents", "1.5")),
    (lambda: VAT.tax_due_cents([1], None), InvalidInputError, ("rounding", "None")),
    (lambda: LumpSum(NAN), InvalidInputError, ("LumpSum.amount", "nan")),
    (lambda: LumpSum([1.0, INF]), InvalidInputError, ("LumpSum.amount", "entry 1 is inf")),
    (lambda: LumpSum([1.0, 2.0]).tax_due(3), InvalidInputError, ("LumpSum.amount", "expected 3, got 2")),
    (lambda: LumpSum(1.0).tax_due(0), InvalidInputError, ("agents", "1 or more", "0")),
    (lambda: LumpSum(0.001).tax_due_cents(1), InvalidInputError, ("LumpSum.amount", "whole number of cents", "0.001")),
    (lambda: BasicIncome(-1.0), InvalidInputError, ("BasicIncome.amount", "0 or more", "-1.0")),
    (lambda: BasicIncome(1.0).amounts(0), InvalidInputError, ("agents", "1 or more", "0")),
    (lambda: BasicIncome(1.0).amounts_cents(0), InvalidInputError, ("agents", "1 or more", "0")),
    (lambda: BasicIncome(0.125).amounts_cents(1), InvalidInputError, ("BasicIncome.amount", "0.125")),
    (lambda: TargetedTransfer(1.0, 1.0, 0.0), InvalidInputError, ("phase_out_rate", "above 0", "BasicIncome")),
    (lambda: TargetedTransfer(1.0, 1.0, 1.5), InvalidInputError, ("phase_out_rate", "[0, 1]", "1.5")),
    (lambda: TargetedTransfer(-1.0, 1.0, 0.5), InvalidInputError, ("maximum", "0 or more", "-1.0")),
    (lambda: TargetedTransfer(1.0, -1.0, 0.5), InvalidInputError, ("phase_out_start", "0 or more", "-1.0")),
    (lambda: MEANS.amounts_cents([1], "x"), InvalidInputError, ("rounding", "'x'")),
    (lambda: TargetedTransfer(0.001, 1.0, 0.5).amounts_cents([1]), InvalidInputError, ("maximum", "0.001")),
    (lambda: TargetedTransfer(1.0, 0.001, 0.5).amounts_cents([1]), InvalidInputError, ("phase_out_start", "0.001")),
    (lambda: TaxCode(TAX), InvalidInputError, ("TaxCode.taxes", "list of", "BracketTax(")),
    (lambda: TaxCode("taxes"), InvalidInputError, ("TaxCode.taxes", "list of", "'taxes'")),
    (lambda: TaxCode([0.3]), InvalidInputError, ("TaxCode.taxes", "only BracketTax", "0.3")),
    (lambda: TaxCode([], [TAX]), InvalidInputError, ("TaxCode.transfers", "only EqualRebate", "BracketTax(")),
    (
        lambda: TaxCode([], [EqualRebate(), BasicIncome(1.0)]),
        InvalidInputError,
        ("TaxCode.transfers", "last, and once"),
    ),
    (lambda: TaxCode([], [EqualRebate(), EqualRebate()]), InvalidInputError, ("TaxCode.transfers", "last, and once")),
    (lambda: CODE.settle([-1.0]), InvalidInputError, ("income", "0 or more", "-1.0")),
    (lambda: CODE.settle([1.0], wealth=[1.0, 2.0]), InvalidInputError, ("wealth", "expected 1, got 2")),
    (lambda: CODE.settle([1.0], consumption=[-1.0]), InvalidInputError, ("consumption", "0 or more", "-1.0")),
    (lambda: TaxCode([WEALTH]).settle([1.0]), InvalidInputError, ("wealth is missing", "WealthTax", "net wealth")),
    (lambda: TaxCode([VAT]).settle([1.0]), InvalidInputError, ("consumption is missing", "ValueAddedTax", "spent")),
    (
        lambda: TaxCode([TRADES]).settle([1.0]),
        InvalidInputError,
        ("bought is missing", "TransactionTax", "bought and sold"),
    ),
    (lambda: TaxCode([TRADES]).settle([1.0], bought=[1.0]), InvalidInputError, ("sold is missing", "TransactionTax")),
    (lambda: TaxCode([WEALTH]).settle_cents([1]), InvalidInputError, ("wealth is missing",)),
    (lambda: TaxCode([VAT]).settle_cents([1]), InvalidInputError, ("consumption is missing",)),
    (lambda: TaxCode([TRADES]).settle_cents([1], sold_cents=[1]), InvalidInputError, ("bought is missing",)),
    (lambda: CODE.settle_cents([1], wealth_cents=[1, 2]), InvalidInputError, ("wealth_cents", "expected 1, got 2")),
    (lambda: CODE.settle_cents([1], rounding=0.5), InvalidInputError, ("rounding", "0.5")),
    (lambda: TaxCode([SMOOTH]).settle_cents([1]), InvalidInputError, ("SmoothedBracketTax", "no exact cents")),
    (lambda: top_tax_rate(0.0, 0.5), InvalidInputError, ("pareto", "above 0", "0.0")),
    (lambda: top_tax_rate(1.5, -0.5), InvalidInputError, ("elasticity", "0 or more", "-0.5")),
    (lambda: top_tax_rate(1.5, 0.5, 1.5), InvalidInputError, ("social_weight", "[0, 1]", "1.5")),
    (lambda: laffer_rate(-0.5), InvalidInputError, ("elasticity", "0 or more", "-0.5")),
    (lambda: pareto_parameter([1.0, 2.0], 2.0), InvalidInputError, ("threshold", "got 2", "highest is 2")),
    (lambda: pareto_parameter([1.0], 0.0), InvalidInputError, ("threshold", "above 0", "0.0")),
    (lambda: RamseyProblem([0.0], [1.0], [1.0]), InvalidInputError, ("elasticities", "above 0", "0.0")),
    (lambda: RamseyProblem([1.0], [1.0, 2.0], [1.0]), InvalidInputError, ("producer_prices", "expected 1, got 2")),
    (lambda: RAMSEY.solve(-1.0), InvalidInputError, ("revenue", "0 or more", "-1.0")),
    (lambda: RamseyProblem([2.0], [1.0], [1.0]).solve(0.26), InfeasibleError, ("revenue", "at most 0.25", "0.26")),
    (lambda: PigouvianTax(1.0).optimum(SUPPLY, SUPPLY), InvalidInputError, ("demand", "BUYERS")),
    (lambda: PigouvianTax(1.0).optimum(DEMAND, 1.0), InvalidInputError, ("supply", "1.0")),
    (lambda: PigouvianTax(lambda q: NAN).optimum(DEMAND, SUPPLY), InvalidInputError, ("marginal_damage", "nan")),
]


def assert_raises(call: Callable[[], object], error: type[MarketError], parts: tuple[str, ...]) -> None:
    with pytest.raises(MarketError) as raised:
        call()
    assert raised.type is error
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(("make", "name"), NUMBERS, ids=[f"{index}-{name}" for index, (_, name) in enumerate(NUMBERS)])
@pytest.mark.parametrize(("bad", "got"), NO_NUMBERS, ids=[got for _, got in NO_NUMBERS])
def test_not_a_number(make: Callable[[object], object], name: str, bad: object, got: str) -> None:
    assert_raises(lambda: make(bad), InvalidInputError, (name, got))


@pytest.mark.parametrize(("make", "name"), VECTORS, ids=[f"{index}-{name}" for index, (_, name) in enumerate(VECTORS)])
@pytest.mark.parametrize(("bad", "got"), NO_VECTORS, ids=[got for _, got in NO_VECTORS])
def test_not_a_vector(make: Callable[[object], object], name: str, bad: object, got: str) -> None:
    assert_raises(lambda: make(bad), InvalidInputError, (name, got) if bad is not None else (name,))


@pytest.mark.parametrize(("make", "name"), VECTORS, ids=[f"{index}-{name}" for index, (_, name) in enumerate(VECTORS)])
def test_negative_entries(make: Callable[[object], object], name: str) -> None:
    if name not in SIGNED:
        assert_raises(lambda: make([1.0, -2.0]), InvalidInputError, (name, "entry 1 is -2.0"))


@pytest.mark.parametrize(("make", "name"), CENTS, ids=[f"{index}-{name}" for index, (_, name) in enumerate(CENTS)])
@pytest.mark.parametrize(("bad", "got"), NO_CENTS, ids=[f"{index}-{got}" for index, (_, got) in enumerate(NO_CENTS)])
def test_not_cents(make: Callable[[object], object], name: str, bad: object, got: str) -> None:
    assert_raises(lambda: make(bad), InvalidInputError, (name, got))


@pytest.mark.parametrize(
    ("call", "error", "parts"), CASES, ids=[f"{index}-{parts[0]}" for index, (_, _, parts) in enumerate(CASES)]
)
def test_bad_input(call: Callable[[], object], error: type[MarketError], parts: tuple[str, ...]) -> None:
    assert_raises(call, error, parts)
