"""Several resources at once: by hand, against the planner's program, with one resource only; and the certificate."""

import math
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize
from tests.support.ids import steady
from tests.support.oracles import assert_same_allocation

from walras.market import (
    CapacityMarket,
    FixedSupply,
    LinearDemand,
    LogitDemand,
    NotConvergedError,
    PerUnitTax,
    ResourceCertificate,
    ResourceClearing,
    ResourceMarket,
    ResourceStatus,
    StepDemand,
)
from walras.market.capacity.resource_clearing import certify_resources
from walras.market.testing.strategies.capacity import ResourceCase, capacity_cases, resource_cases

RULES = ("step", "linear", "logit")
INF = math.inf
# Two agents need a unit of each of two resources, the third two of the first only.
NEEDS = [[1.0, 1.0], [1.0, 1.0], [2.0, 0.0]]


def test_step_demand_by_hand() -> None:
    clearing = ResourceMarket((2.0, 1.0)).clear([5.0, 4.0, 2.0], NEEDS).require(0.0)
    assert clearing.prices.tolist() == [1.0, 3.0]
    assert clearing.allocation.tolist() == [1.0, 0.0, 0.5]
    assert clearing.quantities.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    assert clearing.quantities_sold.tolist() == [2.0, 1.0]
    assert clearing.payments.tolist() == [4.0, 0.0, 1.0]
    assert clearing.surplus.tolist() == [1.0, 0.0, 0.0]
    assert (clearing.seller_revenue, clearing.tax_revenue) == (5.0, 0.0)
    assert clearing.status is ResourceStatus.CLEARED


def test_a_resource_that_is_left_over_is_free() -> None:
    clearing = ResourceMarket((2.0, 9.0)).clear([5.0, 4.0, 2.5], NEEDS).require(0.0)
    assert clearing.prices[1] == 0.0
    assert 1.25 <= clearing.prices[0] <= 4.0
    assert clearing.allocation.tolist() == [1.0, 1.0, 0.0]


def test_taxes_on_resources_by_hand() -> None:
    """The tax of 1 on the first resource takes 1, 1 and 2 off the agents' valuations."""
    market = ResourceMarket((2.0, 1.0), tax=PerUnitTax([0.5, 1.0]))
    clearing = market.clear([5.0, 4.0, 2.0], NEEDS).require(1e-15)
    assert clearing.prices == pytest.approx([0.5, 2.0])
    assert clearing.allocation.tolist() == [1.0, 0.0, 0.5]
    assert clearing.payments.tolist() == [4.0, 0.0, 1.0]
    assert (clearing.seller_revenue, clearing.tax_revenue) == (3.0, 2.0)


def test_linear_demand_by_hand() -> None:
    """Shares (6 - p1 - p2) / 4, (3 - 2 p1) / 4: with p1 = 1/2 and p2 = 7/2 both resources sell out."""
    market = ResourceMarket((1.5, 0.5), LinearDemand(4.0))
    clearing = market.clear([6.0, 3.0], [[1.0, 1.0], [2.0, 0.0]]).require(1e-14)
    assert clearing.prices == pytest.approx([0.5, 3.5], rel=1e-12)
    assert clearing.allocation == pytest.approx([0.5, 0.5], rel=1e-13)
    assert clearing.surplus == pytest.approx([0.5, 0.5], rel=1e-12)  # width * share^2 / 2


def test_logit_demand_by_hand() -> None:
    """Margins log 3 and 0 at prices 1 and 2."""
    market = ResourceMarket((1.75, 0.75), LogitDemand(1.0))
    clearing = market.clear([3.0 + math.log(3.0), 2.0], [[1.0, 1.0], [2.0, 0.0]]).require(1e-13)
    assert clearing.prices == pytest.approx([1.0, 2.0], rel=1e-12)
    assert clearing.allocation == pytest.approx([0.75, 0.5], rel=1e-12)


def test_a_resource_that_is_left_over_is_free_under_logit_demand() -> None:
    market = ResourceMarket((9.0, 0.75), LogitDemand(1.0))
    clearing = market.clear([3.0 + math.log(3.0), 0.0], [[1.0, 1.0], [2.0, 0.0]]).require(1e-13)
    assert clearing.prices == pytest.approx([0.0, 3.0], rel=1e-12)
    assert clearing.quantities_sold == pytest.approx([1.75, 0.75], rel=1e-12)


@pytest.mark.parametrize("demand", [StepDemand(), LinearDemand(1.0), LogitDemand(1.0)], ids=repr)
def test_an_agent_that_needs_nothing_answers_its_valuation_alone(demand: StepDemand) -> None:
    market = ResourceMarket((1.0,), demand)
    clearing = market.clear([0.25, 5.0, -1.0], [[0.0], [2.0], [0.0]]).require(1e-12)
    expected = demand.share(np.array([0.25, -1.0]))
    assert clearing.allocation[[0, 2]] == pytest.approx(expected)
    assert clearing.payments[[0, 2]].tolist() == [0.0, 0.0]
    alone = market.clear([0.25], [[0.0]])
    assert alone.prices.tolist() == [0.0]
    assert alone.allocation == pytest.approx(expected[:1])


def test_nothing_of_a_resource() -> None:
    costs = [[1.0, 1.0], [2.0, 0.0], [0.0, 4.0]]
    step = ResourceMarket((2.0, 0.0)).clear([5.0, 2.0, 8.0], costs).require(1e-15)
    assert step.allocation.tolist() == [0.0, 1.0, 0.0]
    assert step.prices[1] == max(5.0 - step.prices[0], 2.0)  # the least that keeps both who need it away
    logit = ResourceMarket((2.0, 0.0), LogitDemand(1.0)).clear([5.0, 2.0, 8.0], costs).require(1e-12)
    assert logit.prices[1] == INF
    assert logit.allocation[[0, 2]].tolist() == [0.0, 0.0]
    assert logit.status is ResourceStatus.NO_FINITE_PRICE
    assert (logit.seller_revenue, logit.tax_revenue) == (0.0, 0.0)
    unneeded = ResourceMarket((1.0, 0.0), LogitDemand(1.0)).clear([5.0], [[2.0, 0.0]]).require(1e-12)
    assert unneeded.prices[1] == 0.0
    assert unneeded.status is ResourceStatus.CLEARED
    nobody = ResourceMarket((0.0,), LinearDemand(1.0)).clear([3.0, -3.0], [[2.0], [1.0]]).require(0.0)
    assert nobody.prices.tolist() == [1.5]


def test_ties_are_reported_where_shares_are_not_unique() -> None:
    tied = ResourceMarket((1.0,)).clear([3.0, 3.0], [[1.0], [1.0]]).require(1e-12)
    assert tied.status is ResourceStatus.SHARES_NOT_UNIQUE
    assert tied.prices.tolist() == [3.0]
    assert ResourceMarket((2.0,)).clear([3.0, 3.0], [[1.0], [1.0]]).status is ResourceStatus.CLEARED
    assert ResourceMarket((1.0,)).clear([3.0, 2.0], [[1.0], [1.0]]).status is ResourceStatus.CLEARED
    # each bundle is worth 2, and each agent can be had in place of the other two
    rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    assert ResourceMarket((1.0, 1.0)).clear([1.0, 1.0, 2.0], rows).status is ResourceStatus.SHARES_NOT_UNIQUE
    assert ResourceMarket((1.0, 1.0)).clear([1.0, 1.0, 3.0], rows).status is ResourceStatus.CLEARED
    # at a price of 0 an agent that is worth nothing may have any share
    idle = ResourceMarket((5.0,)).clear([3.0, 0.0], [[1.0], [1.0]])
    assert idle.status is ResourceStatus.SHARES_NOT_UNIQUE


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
def test_clears_as_the_planner_would(data: st.DataObject, rule: str) -> None:
    case = data.draw(resource_cases(rule), label="case")
    clearing = case.clear().require(1e-9)
    assert clearing.status is not ResourceStatus.NOT_CONVERGED
    assert np.all((clearing.allocation >= 0.0) & (clearing.allocation <= 1.0))
    assert np.all(clearing.prices >= 0.0)
    assert np.all(clearing.quantities_sold <= np.array(case.market.quantities) * (1.0 + 1e-9))
    if clearing.status is not ResourceStatus.NO_FINITE_PRICE:
        money = 1e-9 * (1.0 + float(np.abs(case.valuations).sum()))
        worth, bound = planners_worth(case, clearing), dual_value(case, clearing.prices)
        assert worth <= bound + money
        assert worth >= bound - money * (1.0 + scale_of(case))


def scale_of(case: ResourceCase) -> float:
    return float(getattr(case.market.demand, "width", getattr(case.market.demand, "temperature", 0.0)))


def taxed_valuations(case: ResourceCase) -> np.ndarray:
    return case.valuations - case.costs @ np.broadcast_to(case.market.tax.rate, len(case.market.quantities))


def planners_worth(case: ResourceCase, clearing: ResourceClearing) -> float:
    """Worth of the allocation, from the convex functions of the explanation's table."""
    x, scale = clearing.allocation, scale_of(case)
    if isinstance(case.market.demand, LinearDemand):
        lost = 0.5 * x**2
    elif isinstance(case.market.demand, LogitDemand):
        lost = np.array([sum(a * math.log(a) for a in (share, 1.0 - share) if a > 0.0) for share in x])
    else:
        lost = np.zeros_like(x)
    return math.fsum(taxed_valuations(case) * x - scale * case.sizes * lost)


def dual_value(case: ResourceCase, prices: np.ndarray) -> float:
    """No allocation can be worth more (weak duality)."""
    margins, scale = taxed_valuations(case) - case.costs @ prices, scale_of(case)
    tau = scale * case.sizes
    match case.market.demand:
        case LinearDemand():
            rents = np.where(margins < 0.0, 0.0, np.where(margins < tau, margins**2 / (2 * tau), margins - tau / 2))
        case LogitDemand():
            rents = tau * np.logaddexp(0.0, margins / tau)
        case _:
            rents = margins.clip(min=0.0)
    return float(prices @ np.array(case.market.quantities)) + math.fsum(rents)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rule", ["linear", "logit"])
def test_agrees_with_a_general_solver_of_the_primal_problem(rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    valuations, costs, sizes = rng.normal(1.0, 1.0, 5), rng.uniform(0.0, 1.0, (5, 2)), rng.uniform(0.5, 2.0, 5)
    for_sale = rng.uniform(0.2, 0.7, 2) * costs.sum(axis=0)

    def negative_worth(x: np.ndarray) -> float:
        lost = 0.5 * x**2 if rule == "linear" else x * np.log(x) + (1 - x) * np.log1p(-x)
        return float(-(valuations @ x) + 0.5 * (sizes @ lost))

    room = {"type": "ineq", "fun": lambda x: for_sale - x @ costs}
    solved = minimize(
        negative_worth, np.full(5, 0.1), bounds=[(1e-9, 1 - 1e-9)] * 5, constraints=[room], options={"ftol": 1e-14}
    )
    demand = LinearDemand(0.5) if rule == "linear" else LogitDemand(0.5)
    clearing = ResourceMarket(for_sale, demand).clear(valuations, costs, sizes=sizes).require(1e-10)
    assert clearing.allocation == pytest.approx(solved.x, abs=2e-5)


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
def test_with_one_resource_it_is_the_capacity_market_with_free_disposal(data: st.DataObject, rule: str) -> None:
    case = data.draw(capacity_cases(rule, exact=True))
    assume(case.quantity > 0.0)
    tax = PerUnitTax(float(case.tax_rates[0]))
    one = CapacityMarket(FixedSupply(case.quantity, free_disposal=True), case.demand, tax)
    expected = one.clear(case.valuations, case.costs)
    several = ResourceMarket((case.quantity,), case.demand, tax)
    clearing = several.clear(case.costs * case.valuations, case.costs[:, np.newaxis], sizes=case.costs).require(1e-9)
    assert expected.price_interval[0] - 1e-7 <= clearing.prices[0] <= expected.price_interval[1] + 1e-7
    if clearing.status is not ResourceStatus.SHARES_NOT_UNIQUE:
        assert_same_allocation(clearing.allocation, expected.allocation, case.costs, case.quantity, 1e-7)


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data(), exponent=st.integers(-8, 8))
def test_units_of_money_and_of_each_resource_are_free(data: st.DataObject, rule: str, exponent: int) -> None:
    case, factor = data.draw(resource_cases(rule)), 2.0**exponent
    demand = case.market.demand if rule == "step" else type(case.market.demand)(factor * scale_of(case))
    rates = np.broadcast_to(case.market.tax.rate, len(case.market.quantities))
    units = np.ones(rates.size)
    units[0] = 4.0
    scaled = case.but(
        market=ResourceMarket(units * case.market.quantities, demand, PerUnitTax(factor * rates / units)),
        valuations=factor * case.valuations,
        costs=case.costs * units,
    )
    before, after = case.clear(), scaled.clear()
    assume(before.status in (ResourceStatus.CLEARED, ResourceStatus.NO_FINITE_PRICE))
    np.testing.assert_allclose(after.allocation, before.allocation, rtol=0.0, atol=1e-8)


@pytest.mark.parametrize("rule", ["linear", "logit"])
@given(data=st.data())
def test_smooth_demand_serves_agents_alike_whatever_their_order(data: st.DataObject, rule: str) -> None:
    case = data.draw(resource_cases(rule))
    order = np.array(data.draw(st.permutations(range(case.valuations.size))))
    permuted = case.but(valuations=case.valuations[order], costs=case.costs[order], sizes=case.sizes[order])
    np.testing.assert_allclose(permuted.clear().allocation, case.clear().allocation[order], rtol=0.0, atol=1e-8)


@pytest.mark.parametrize("demand", [LinearDemand, LogitDemand])
def test_sharp_demand_tends_to_step_demand(demand: type[LinearDemand]) -> None:
    exact = ResourceMarket((2.0, 1.0)).clear([5.0, 4.0, 2.0], NEEDS)
    for scale in (1e-3, 1e-6, 1e-9):
        smooth = ResourceMarket((2.0, 1.0), demand(scale)).clear([5.0, 4.0, 2.0], NEEDS).require(1e-9)
        np.testing.assert_allclose(smooth.allocation, exact.allocation, rtol=0.0, atol=1e-6)
        np.testing.assert_allclose(smooth.prices[:1], exact.prices[:1], rtol=0.0, atol=5 * scale)


def test_many_agents() -> None:
    rng = np.random.default_rng(1)
    costs = rng.uniform(size=(20_000, 4))
    market = ResourceMarket(0.3 * costs.sum(axis=0), LogitDemand(0.1))
    clearing = market.clear(2.0 * rng.uniform(size=20_000), costs).require(1e-12)
    assert clearing.quantities_sold == pytest.approx(market.quantities, rel=1e-12)


# ---------------------------------------------------------------- the certificate

VALUATIONS, COSTS = np.array([5.0, 4.0, 2.0]), np.array(NEEDS)
EXACT = ResourceCertificate(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def certificate_of(clearing: ResourceClearing, **changes: object) -> ResourceCertificate:
    changed = replace(clearing, **changes)
    return certify_resources(
        StepDemand(),
        VALUATIONS,
        COSTS,
        np.array([2.0, 1.0]),
        np.ones(3),
        np.zeros(2),
        changed.prices,
        changed.allocation,
        payments=changed.payments,
        tax_revenue=changed.tax_revenue,
        seller_revenue=changed.seller_revenue,
    )


@pytest.mark.parametrize(
    ("changes", "seen_by"),
    [
        ({"allocation": np.array([1.0, 0.0, 0.75])}, {"feasibility", "duality_gap"}),
        ({"allocation": np.array([1.25, 0.0, 0.0])}, {"feasibility"}),
        ({"allocation": np.array([1.0, -0.25, 0.5])}, {"feasibility"}),
        ({"allocation": np.array([1.0, np.nan, 0.5])}, {"feasibility", "duality_gap"}),
        ({"allocation": np.array([1.0, 0.0, 0.25])}, {"resource_slackness", "duality_gap"}),
        ({"allocation": np.array([0.0, 1.0, 0.5])}, {"agent_slackness", "duality_gap"}),
        ({"prices": np.array([1.0, 3.5])}, {"budget_balance"}),
        ({"prices": np.array([1.0, 4.5])}, {"agent_slackness", "individual_rationality", "duality_gap"}),
        ({"prices": np.array([0.5, 3.0])}, {"agent_slackness", "duality_gap"}),
        ({"prices": np.array([-1.0, 5.0])}, {"feasibility"}),
        ({"prices": np.array([1.0, INF])}, {"feasibility"}),
        ({"payments": np.array([4.001, 0.0, 0.999])}, {"budget_balance"}),
        ({"seller_revenue": 5.001}, {"budget_balance"}),
        ({"tax_revenue": 0.001}, {"budget_balance"}),
    ],
    ids=steady,
)
def test_a_tampered_answer_is_rejected(changes: dict[str, object], seen_by: set[str]) -> None:
    clearing = ResourceMarket((2.0, 1.0)).clear(VALUATIONS, COSTS)
    assert certificate_of(clearing) == clearing.certificate == EXACT
    bad = certificate_of(clearing, **changes)
    assert seen_by <= set(bad.violations(1e-5))
    with pytest.raises(NotConvergedError):
        replace(clearing, certificate=bad).require()


def test_residuals_are_fractions_of_what_they_compare() -> None:
    clearing = ResourceMarket((2.0, 1.0)).clear(VALUATIONS, COSTS)
    over = certificate_of(clearing, allocation=np.array([1.0, 0.25, 0.5]))
    assert over.feasibility == pytest.approx(0.25)  # 1.25 of the 1 unit of the second
    idle = certificate_of(clearing, allocation=np.array([1.0, 0.0, 0.25]))
    # at stake: revenue of at most 5, and agents' 5, 4 and 2
    assert idle.resource_slackness == idle.duality_gap == pytest.approx(0.5 / 16.0)
    served_at_a_loss = certificate_of(clearing, prices=np.array([1.0, 4.5]))
    assert served_at_a_loss.individual_rationality == served_at_a_loss.agent_slackness == pytest.approx(0.5 / 5.5)
    assert certificate_of(clearing, payments=np.array([4.5, 0.0, 1.0])).budget_balance == pytest.approx(0.5 / 10.5)


def test_the_answer_is_frozen_and_statuses_differ() -> None:
    clearing = ResourceMarket((2.0, 1.0)).clear(VALUATIONS, COSTS)
    with pytest.raises(FrozenInstanceError):
        clearing.prices = np.zeros(2)  # type: ignore[misc]
    assert len({status.value for status in ResourceStatus}) == len(ResourceStatus) == 4
    assert {field.name for field in fields(ResourceCertificate)} == set(vars(EXACT))


def test_rules_are_stored_and_compared() -> None:
    assert ResourceMarket([1, 2]) == ResourceMarket(np.array([1.0, 2.0])) != ResourceMarket((1.0, 3.0))
    assert hash(ResourceMarket([1, 2])) == hash(ResourceMarket((1.0, 2.0)))
    assert ResourceMarket([1.0]).demand == StepDemand()
    assert ResourceMarket([1.0]).tax == PerUnitTax(0.0)


def test_bids_are_left_alone() -> None:
    valuations, costs = VALUATIONS.copy(), COSTS.copy()
    for array in (valuations, costs):
        array.setflags(write=False)
    for demand in (StepDemand(), LinearDemand(), LogitDemand()):
        ResourceMarket((2.0, 1.0), demand).clear(valuations, costs)
    np.testing.assert_array_equal(valuations, VALUATIONS)


def test_an_early_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("walras.market.capacity.resource_dual._STEPS", 1)
    clearing = ResourceMarket((2.0, 1.0), LogitDemand(0.01)).clear(VALUATIONS, COSTS)
    assert clearing.status is ResourceStatus.NOT_CONVERGED
    with pytest.raises(NotConvergedError):
        clearing.require()


@pytest.mark.parametrize("demand", [LinearDemand, LogitDemand])
def test_a_size_multiplies_the_scale_of_demand(demand: type[LinearDemand]) -> None:
    bids = ([6.0, 3.0], [[1.0, 1.0], [2.0, 0.0]])
    wide = ResourceMarket((1.5, 0.5), demand(4.0)).clear(*bids)
    sized = ResourceMarket((1.5, 0.5), demand(2.0)).clear(*bids, sizes=2.0).require(1e-12)
    assert sized.allocation == pytest.approx(wide.allocation, rel=1e-12)
    assert sized.prices == pytest.approx(wide.prices, rel=1e-10)
    assert sized.surplus == pytest.approx(wide.surplus, rel=1e-10)
    assert sized.certificate.duality_gap <= 1e-14
