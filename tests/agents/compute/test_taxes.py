"""Taxes on compute, on use, on surplus and wealth, and transfers: theory, and every cent recomputed from the tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.compute.audit import audit

from walras.agents.compute import ComputeEconomy, Truthful, ZeroIntelligenceConstrained, synthetic_population
from walras.agents.compute.marketplace import Marketplace
from walras.market import (
    AdValoremTax,
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    StepDemand,
    gini,
)
from walras.market.taxation import (
    BasicIncome,
    BracketTax,
    EqualRebate,
    LumpSum,
    SmoothedBracketTax,
    TargetedTransfer,
    TaxCode,
    TransactionTax,
    ValueAddedTax,
    WealthTax,
)
from walras.market.validation import FloatArray

POPULATION = synthetic_population(layers=3, heads=4, blocks=6, rng=5)
COSTS = POPULATION["cost"].to_numpy()
HALF = FixedSupply(0.5 * float(COSTS.sum()))
REBATE = EqualRebate()


def found(tax: object = PerUnitTax(), **options: object) -> ComputeEconomy:
    demand = options.pop("demand", StepDemand())
    market = CapacityMarket(options.pop("supply", HALF), demand, tax)
    policy = options.pop("policy", Truthful())
    return ComputeEconomy(options.pop("population", POPULATION), market, policy, **({"rng": 0} | options))


# ---------------------------------------------------------------- on a unit

DEMANDS = [StepDemand(), LinearDemand(5.0), LogitDemand(2.0)]


def test_the_seller_bears_a_uniform_ad_valorem_tax() -> None:
    untaxed, taxed = found(), found(AdValoremTax(0.25))
    rows, taxed_rows = untaxed.run(20), taxed.run(20)
    np.testing.assert_array_equal(rows["share"], taxed_rows["share"])
    np.testing.assert_allclose(taxed.periods["price"], untaxed.periods["price"] / 1.25, rtol=1e-12)
    np.testing.assert_allclose(taxed_rows["tax_cents"], 0.2 * taxed_rows["payment_cents"], atol=1.0)
    audit(taxed, taxed_rows, taxed.periods)


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
def test_taxes_on_a_unit_add_up(demand: object) -> None:
    economy = found((PerUnitTax(0.5), AdValoremTax(0.1), AdValoremTax(0.2)), demand=demand)
    rows = economy.run(10)
    price = rows["period"].map(economy.periods.set_index("period")["price"])
    np.testing.assert_allclose(rows["tax_cents"], 100.0 * rows["units"] * (0.5 + 0.3 * price), atol=1.0)
    np.testing.assert_allclose(rows["payment_cents"], 100.0 * rows["units"] * (0.5 + 1.3 * price), atol=1.0)
    audit(economy, rows, economy.periods)


# ---------------------------------------------------------------- on own use

vectors = st.integers(2, 7).flatmap(
    lambda agents: st.tuples(
        st.lists(st.integers(0, 40), min_size=agents, max_size=agents).map(lambda quarters: np.array(quarters) / 4.0),
        st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.5]), min_size=agents, max_size=agents).map(np.array),
    )
)


@given(agents=vectors, sold=st.floats(0.02, 0.98), ad_valorem=st.sampled_from([0.0, 0.25]))
def test_a_tax_on_use_clears_where_nobody_wants_more_or_less(
    agents: tuple[FloatArray, FloatArray], sold: float, ad_valorem: float
) -> None:
    valuations, costs = agents
    tax = BracketTax([1.0, 2.0], [0.25, 1.5, 4.0])
    market = CapacityMarket(FixedSupply(sold * float(costs.sum())), tax=(PerUnitTax(0.5), AdValoremTax(ad_valorem)))
    sale = Marketplace(market, tax, costs).sell(valuations)
    units = sale.units
    assert units.sum() == pytest.approx(sold * costs.sum(), rel=1e-12)
    # Marginal worth after tax of the next unit and of the last, in the agent's own money per unit.
    next_rate, last_rate = tax.marginal_rate(units + 1e-9), tax.marginal_rate((units - 1e-9).clip(min=0.0))
    net = valuations - 0.5 - (1.0 + ad_valorem) * sale.price
    assert np.all((net - next_rate <= 1e-9) | (units >= costs - 1e-9))
    assert np.all((net - last_rate >= -1e-9) | (units <= 1e-9))
    due = tax.tax_due(units) + 0.5 * units + ad_valorem * sale.price * units
    np.testing.assert_allclose(sale.taxes, due, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(sale.payments, due + sale.price * units, rtol=1e-9, atol=1e-9)
    assert np.all(sale.shares <= 1.0)


def test_a_flat_tax_on_use_is_a_tax_per_unit() -> None:
    flat, per_unit = found(use_tax=BracketTax([], [1.5])), found(PerUnitTax(1.5))
    columns = ["share", "payment_cents", "tax_cents", "wealth_cents"]
    pd.testing.assert_frame_equal(flat.run(20)[columns], per_unit.run(20)[columns])


def test_a_progressive_tax_on_use_makes_use_more_equal_and_costs_welfare() -> None:
    untaxed, taxed = found(), found(use_tax=BracketTax([0.5, 1.0], [0.0, 8.0, 30.0]))
    rows, taxed_rows = untaxed.run(10), taxed.run(10)
    assert taxed.periods["efficiency"].iloc[-1] < untaxed.periods["efficiency"].iloc[-1]
    assert gini(taxed_rows["units"]) < gini(rows["units"])
    audit(taxed, taxed_rows, taxed.periods)


# ---------------------------------------------------------------- on surplus and wealth, and transfers

BRACKETS = BracketTax([5.0, 20.0], [0.1, 0.3, 0.5])
FORTUNES = WealthTax([50.0, 200.0], [0.01, 0.03])
POOR_RELIEF = TargetedTransfer(2.0, 1.0, 0.5)


def test_every_levy_and_transfer_is_what_the_code_says_to_the_cent() -> None:
    code = TaxCode([BRACKETS, FORTUNES, LumpSum(0.07)], [BasicIncome(0.11), POOR_RELIEF, REBATE])
    economy = found(policy=ZeroIntelligenceConstrained(), tax_code=code)
    rows = economy.run(25)
    audit(economy, rows, economy.periods)
    opening = economy.population["wealth_cents"].to_numpy()
    for _, row in rows.groupby("period"):
        surplus = (row["income_cents"] - row["payment_cents"]).to_numpy()
        income_tax = BRACKETS.tax_due_cents(surplus.clip(min=0))
        wealth_tax = FORTUNES.tax_due_cents(opening + surplus - income_tax)
        left = opening + surplus - income_tax - wealth_tax
        np.testing.assert_array_equal(row["levy_cents"], income_tax + wealth_tax + np.minimum(left, 7))
        np.testing.assert_array_equal(row["transfer_cents"], 11 + POOR_RELIEF.amounts_cents(surplus.clip(min=0)))
        opening = row["wealth_cents"].to_numpy()
    assert (rows["levy_cents"] > 100).any()
    assert rows["transfer_cents"].nunique() > 3


def test_a_tax_on_surplus_leaves_truthful_agents_where_they_are() -> None:
    untaxed, taxed = found(), found(tax_code=TaxCode([BRACKETS], [REBATE]))
    rows, taxed_rows = untaxed.run(30), taxed.run(30)
    np.testing.assert_array_equal(rows["share"], taxed_rows["share"])
    np.testing.assert_array_equal(untaxed.periods["price"], taxed.periods["price"])
    assert taxed.periods["gini_wealth"].iloc[-1] < untaxed.periods["gini_wealth"].iloc[-1]


def test_a_wealth_tax_with_a_rebate_makes_wealth_more_equal() -> None:
    untaxed, taxed = found(), found(tax_code=TaxCode([WealthTax([0.0], [0.05])], [REBATE]))
    untaxed.run(40)
    taxed.run(40)
    assert taxed.periods["gini_wealth"].iloc[-1] < untaxed.periods["gini_wealth"].iloc[-1] - 0.05


def test_without_a_rebate_the_treasury_keeps_the_tax() -> None:
    economy = found(PerUnitTax(1.0), tax_code=TaxCode())
    rows = economy.run(5)
    assert (rows["rebate_cents"] == 0).all()
    assert economy.treasury.balance_cents == rows["tax_cents"].sum() > 0
    audit(economy, rows, economy.periods)


def test_promised_transfers_make_debt() -> None:
    economy = found(tax_code=TaxCode((), [BasicIncome(1.0)]))
    economy.run(4)
    assert economy.treasury.balance_cents == -4 * 100 * len(POPULATION)


def test_a_lump_sum_beyond_what_is_owned_is_waived() -> None:
    poor = POPULATION.assign(wealth_cents=[0] * 12 + [10**6] * 18)
    economy = found(population=poor, tax_code=TaxCode([LumpSum(3.0)]))
    rows = economy.run(1)
    assert rows["levy_cents"].between(0, 300).all()
    assert (rows["levy_cents"] == 0).any()
    assert (rows["levy_cents"] == 300).any()
    audit(economy, rows, economy.periods)


def test_amounts_are_in_the_unit_of_money_whatever_the_cents() -> None:
    code = TaxCode([BRACKETS, FORTUNES, LumpSum(0.5)], [POOR_RELIEF, REBATE])
    coarse, fine = found(tax_code=code), found(tax_code=code, cents_per_money=10_000)
    rows, fine_rows = coarse.run(1), fine.run(1)
    for name in ("levy_cents", "transfer_cents"):
        np.testing.assert_allclose(fine_rows[name], 100.0 * rows[name], atol=200.0)
    half_cent = TaxCode([WealthTax([0.005], [0.01])])
    found(tax_code=half_cent, cents_per_money=10_000).run(1)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tax_code": REBATE}, "tax_code must be a TaxCode"),
        ({"tax_code": TaxCode([ValueAddedTax(0.2)])}, "may hold BracketTax, WealthTax and LumpSum here.*market.tax"),
        ({"tax_code": TaxCode([TransactionTax(0.1, 0.1)])}, "may hold BracketTax, WealthTax and LumpSum here"),
        (
            {"tax_code": TaxCode([SmoothedBracketTax([1.0], [0.0, 0.1], 0.5)])},
            "may hold BracketTax, WealthTax and LumpSum here",
        ),
        ({"tax_code": TaxCode([BracketTax([], [1.5])])}, r"BracketTax\.rates must be at most 1"),
        ({"tax_code": TaxCode([WealthTax([0.0], [2.0])])}, r"WealthTax\.rates must be at most 1"),
        ({"tax_code": TaxCode([BracketTax([0.005], [0.0, 0.1])])}, "must be a whole number of cents, of which 100"),
        ({"tax_code": TaxCode((), [BasicIncome(0.001)])}, r"BasicIncome\.amount must be a whole number of cents"),
        ({"tax_code": TaxCode([LumpSum([1.0, 2.0])])}, r"LumpSum\.amount must have one entry per agent"),
        ({"use_tax": PerUnitTax(1.0)}, "use_tax must be a BracketTax"),
        ({"use_tax": BracketTax([1.0], [2.0, 1.0])}, r"use_tax\.rates must not fall"),
        (
            {"use_tax": BracketTax([1.0], [1.0, 2.0]), "demand": LinearDemand()},
            r"use_tax needs StepDemand\(divisible=True\)",
        ),
        (
            {"use_tax": BracketTax([1.0], [1.0, 2.0]), "demand": StepDemand(divisible=False)},
            r"use_tax needs StepDemand\(divisible=True\)",
        ),
        ({"tax": AdValoremTax([0.1, 0.2])}, r"AdValoremTax\.rate must have one entry per agent"),
    ],
)
def test_refuses_codes_that_it_cannot_settle(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        found(**options)  # type: ignore[arg-type]
