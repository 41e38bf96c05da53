"""The certificate: what it accepts, and that each of its residuals rejects the fault that it is there for."""

import math
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.strategies import RULES, SMOOTH_RULES, CapacityCase, capacity_cases
from tests.support.tampering import certificate_of, tampered

from walras.market import Certificate, FixedSupply, LinearDemand, LogitDemand, NotConvergedError, Status, StepDemand
from walras.market.clearing import certify

EXACT = Certificate(0.0, 0.0, 0.0, 0.0, 0.0)
RESIDUALS = [field.name for field in fields(Certificate)]


def market(demand: object, quantity: float = 4.0) -> CapacityCase:
    return CapacityCase(np.array([5.0, 3.0, 1.0]), np.array([2.0, 4.0, 4.0]), quantity, demand, np.full(3, 0.5))


STEP = market(StepDemand())  # price 2.5, shares 1, 1/2, 0
WHOLE = market(StepDemand(divisible=False), 7.0)  # price 1.5, shares 1, 1, 0
LARGE_LAST = WHOLE.but(costs=np.array([2.0, 1.0, 4.0]), quantity=4.0)  # the same prices and shares
LINEAR = market(LinearDemand(4.0), 3.0)  # price 7/6, shares 5/6, 1/3, 0


@pytest.mark.parametrize("residual", RESIDUALS)
def test_each_residual_is_held_to_the_tolerance(residual: str) -> None:
    assert EXACT.violations(0.0) == {}
    assert replace(EXACT, **{residual: 1e-6}).violations(1e-6) == {}
    assert replace(EXACT, **{residual: 2e-6}).violations(1e-6) == {residual: 2e-6}


@pytest.mark.parametrize("residual", RESIDUALS)
def test_a_residual_that_is_no_number_is_a_violation(residual: str) -> None:
    assert list(replace(EXACT, **{residual: math.nan}).violations(1.0)) == [residual]


@pytest.mark.parametrize("residual", RESIDUALS)
def test_require_raises_on_a_bad_certificate_and_says_which_residual(residual: str) -> None:
    clearing = STEP.clear()
    assert clearing.require() is clearing
    bad = replace(clearing, certificate=replace(clearing.certificate, **{residual: 3e-7}))
    with pytest.raises(NotConvergedError, match=f"tolerance 1e-09: {residual} = 3e-07") as raised:
        bad.require()
    assert raised.type is NotConvergedError
    assert bad.require(1e-6) is bad


TAMPERED = [
    # (fault, case, changes, the residuals that must see it)
    ("sells too little", STEP, {"allocation": np.array([1.0, 0.4, 0.0])}, {"conservation"}),
    ("sells too much", STEP, {"allocation": np.array([1.0, 0.6, 0.0])}, {"conservation"}),
    ("serves the wrong agent", STEP, {"allocation": np.array([1.0, 0.0, 0.5])}, {"complementary_slackness"}),
    ("serves at a loss", STEP, {"allocation": np.array([1.0, 0.0, 0.5])}, {"individual_rationality"}),
    ("rations the best agent", STEP, {"allocation": np.array([0.0, 1.0, 0.0])}, {"complementary_slackness"}),
    ("more than all", STEP, {"allocation": np.array([2.0, 0.0, 0.0])}, {"feasibility"}),
    ("less than nothing", STEP, {"allocation": np.array([1.0, 1.0, -0.5])}, {"feasibility"}),
    ("no number", STEP, {"allocation": np.array([1.0, np.nan, 0.0])}, {"feasibility", "conservation"}),
    ("price too high", STEP, {"price": 2.5 + 1e-6}, {"complementary_slackness"}),
    ("price too low", STEP, {"price": 2.5 - 1e-6}, {"complementary_slackness"}),
    ("one payment", STEP, {"payments": np.array([6.0, 6.001, 0.0])}, {"budget_balance"}),
    ("seller's money", STEP, {"seller_revenue": 10.001}, {"budget_balance"}),
    ("treasury's money", STEP, {"tax_revenue": 1.999}, {"budget_balance"}),
    ("leaves out one who fits", WHOLE, {"allocation": np.array([1.0, 0.0, 0.0])}, {"conservation"}),
    ("makes one who fits wait with a larger", LARGE_LAST, {"allocation": np.array([1.0, 0.0, 0.0])}, {"conservation"}),
    ("serves one who does not fit", WHOLE, {"allocation": np.array([1.0, 1.0, 1.0])}, {"conservation"}),
    ("splits an agent", WHOLE, {"allocation": np.array([1.0, 1.0, 0.25])}, {"feasibility"}),
    ("another's share", LINEAR, {"allocation": np.array([2 / 3, 5 / 12, 0.0])}, {"complementary_slackness"}),
    ("linear price", LINEAR, {"price": 7 / 6 + 1e-6}, {"complementary_slackness"}),
]


@pytest.mark.parametrize(("fault", "case", "changes", "seen_by"), TAMPERED, ids=[row[0] for row in TAMPERED])
def test_a_tampered_answer_is_rejected(
    fault: str, case: CapacityCase, changes: dict[str, object], seen_by: set[str]
) -> None:
    clearing = case.clear()
    assert tampered(case, clearing).require(1e-12)
    bad = tampered(case, clearing, **changes)
    assert seen_by <= set(bad.certificate.violations(1e-9))
    with pytest.raises(NotConvergedError):
        bad.require()


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data(), error=st.floats(1e-6, 0.5))
def test_selling_another_quantity_is_rejected(data: st.DataObject, rule: str, error: float) -> None:
    case = data.draw(capacity_cases(rule))
    assume(case.quantity > 0.0)
    clearing = case.clear()
    oversold = tampered(case.but(quantity=case.quantity * (1.0 - error)), clearing)
    if rule != "indivisible" or clearing.status is Status.CLEARED:
        assert "conservation" in oversold.certificate.violations(0.5e-6)
    if rule != "indivisible":
        undersold = tampered(case.but(quantity=case.quantity * (1.0 + error)), clearing)
        assert "conservation" in undersold.certificate.violations(0.5e-6)


@pytest.mark.parametrize("rule", SMOOTH_RULES)
@given(data=st.data(), error=st.floats(1e-6, 1.0))
def test_passing_units_from_one_agent_to_another_is_rejected(data: st.DataObject, rule: str, error: float) -> None:
    """It conserves the quantity, so only the agents' best responses can tell."""
    case = data.draw(capacity_cases(rule, exact=True))
    clearing = case.clear()
    giver, taker = int(np.argmax(clearing.quantities)), int(np.argmax(case.costs - clearing.quantities))
    assume(giver != taker and clearing.status is not Status.NO_FINITE_PRICE)
    units = error * min(clearing.quantities[giver], case.costs[taker] - clearing.quantities[taker])
    assume(units > 1e-6)
    quantities = clearing.quantities.copy()
    quantities[[giver, taker]] += [-units, units]
    bad = tampered(case, clearing, allocation=quantities / case.costs)
    assert bad.certificate.conservation < 1e-12
    assert "complementary_slackness" in bad.certificate.violations(1e-9)


@pytest.mark.parametrize("rule", SMOOTH_RULES)
@given(data=st.data(), error=st.sampled_from([-1e-3, 1e-3]))
def test_another_price_is_rejected(data: st.DataObject, rule: str, error: float) -> None:
    case = data.draw(capacity_cases(rule, exact=True))
    clearing = case.clear()
    inner = (clearing.allocation > 1e-6) & (clearing.allocation < 1.0 - 1e-6)
    assume(inner.any())
    bad = tampered(case, clearing, price=clearing.price + error)
    assert "complementary_slackness" in bad.certificate.violations(1e-9)


@given(case=capacity_cases("step", exact=True))
def test_a_price_outside_the_interval_is_rejected_and_one_inside_is_not(case: CapacityCase) -> None:
    clearing = case.clear()
    low, high = clearing.price_interval
    for price, clears in ((low - 0.01, False), (low, True), (high, True), (high + 0.01, False)):
        if math.isfinite(price):
            violations = tampered(case, clearing, price=price).certificate.violations(1e-9)
            assert ("complementary_slackness" not in violations) is clears


@given(case=capacity_cases("step"))
def test_indifferent_agents_may_share_otherwise(case: CapacityCase) -> None:
    """The certificate checks the market, not the tie rule: at the margin any split of the same units clears."""
    clearing = case.clear()
    at_margin = np.flatnonzero((clearing.allocation > 0.0) & (clearing.allocation < 1.0))
    assume(at_margin.size >= 2)
    giver, taker = at_margin[:2]
    units = 0.5 * min(clearing.quantities[giver], case.costs[taker] - clearing.quantities[taker])
    quantities = clearing.quantities.copy()
    quantities[[giver, taker]] += [-units, units]
    billed = {
        "allocation": quantities / case.costs,
        "payments": (clearing.price + case.tax_rates) * quantities,
        "tax_revenue": float(case.tax_rates @ quantities),
    }
    assert tampered(case, clearing, **billed).certificate.violations(1e-9) == {}


def test_residuals_are_fractions_of_what_they_compare() -> None:
    clearing = STEP.clear()
    undersold = tampered(STEP, clearing, allocation=np.array([1.0, 0.4, 0.0])).certificate
    assert undersold.conservation == pytest.approx(0.1)  # 0.4 of 4 units
    too_high = tampered(STEP, clearing, price=3.0).certificate
    assert too_high.complementary_slackness == pytest.approx(0.5 / 3.0)  # 0.5 too high, on a valuation of 3
    assert too_high.individual_rationality == pytest.approx(0.25 / 3.0)  # half served
    cheated = tampered(STEP, clearing, payments=clearing.payments + np.array([0.0, 0.0, 1.2])).certificate
    assert cheated.budget_balance == pytest.approx(1.2 / 25.2)  # of 13.2 paid and 12 received


def test_nothing_for_sale_is_conserved_as_a_fraction_of_all_costs() -> None:
    case = market(StepDemand(), 0.0)
    oversold = tampered(case, case.clear(), allocation=np.array([0.5, 0.0, 0.0]))
    assert oversold.certificate.conservation == pytest.approx(0.1)  # 1 of 10 units


def test_money_is_not_certified_at_an_infinite_price_but_units_are() -> None:
    case = market(LogitDemand(), 10.0)
    assert case.clear().certificate == EXACT
    bad = tampered(case, case.clear(), allocation=np.array([1.0, 1.0, 0.5])).certificate
    assert bad.violations(1e-9) == {"conservation": pytest.approx(0.2)}


def test_a_clearing_is_frozen() -> None:
    clearing = STEP.clear()
    with pytest.raises(FrozenInstanceError):
        clearing.price = 3.0  # type: ignore[misc]
    assert certificate_of(STEP, clearing) == clearing.certificate


def test_money_moved_from_one_agent_to_another_breaks_the_budget() -> None:
    """Totals still balance; only the comparison agent by agent can tell."""
    valuations, costs, tax_rates = np.array([5.0, 4.0]), np.ones(2), np.zeros(2)
    residuals = [
        certify(
            FixedSupply(2.0),
            StepDemand(),
            valuations,
            costs,
            tax_rates,
            3.0,
            np.ones(2),
            payments,
            tax_revenue=0.0,
            seller_revenue=6.0,
        ).budget_balance
        for payments in (np.array([3.0, 3.0]), np.array([4.0, 2.0]))
    ]
    assert residuals[0] == 0.0
    assert residuals[1] > 0.05
