"""The VCG auction of packages: Clarke by brute force, seller's values, both kinds of proof, and their honesty."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.market import Property
from walras.market.auctions import CombinatorialAuction, PackageBid, PackageOutcome, PackageStatus
from walras.market.auctions.package_bids import tabulate
from walras.market.auctions.package_outcome import certify_packages
from walras.market.auctions.winner_determination import determine_winners, price_bound, shadow_prices
from walras.market.testing.strategies.auctions import PackageCase, package_cases

APPLES = [[PackageBid([1], 5.0)], [PackageBid([1], 2.0)], [PackageBid([2], 6.0)]]
# Complements: one wants both goods, the others one each; no prices support the sale of a third of each.
COMPLEMENTS = [
    [PackageBid([1, 1, 0], 6.0)],
    [PackageBid([0, 1, 1], 6.0)],
    [PackageBid([1, 0, 1], 6.0)],
]


def best(case: PackageCase, absent: int | None = None) -> float:
    """Largest gain over all ways to accept one bid or none of each bidder."""
    supply, seller = np.array(case.auction.supply), np.array(case.auction.seller_values)
    choices = [[None] if bidder == absent else [None, *own] for bidder, own in enumerate(case.bids)]
    most = 0.0
    for chosen in product(*choices):
        accepted = [bid for bid in chosen if bid is not None]
        units = sum((np.array(bid.units) for bid in accepted), np.zeros(supply.size))
        if np.all(units <= supply):
            most = max(most, sum(bid.value - float(seller @ np.array(bid.units)) for bid in accepted))
    return most


def test_apples() -> None:
    outcome = CombinatorialAuction([2]).clear(APPLES).require()
    assert outcome.allocation.tolist() == [[1], [1], [0]]
    assert outcome.packages.tolist() == [0, 0, -1]
    assert outcome.winners.tolist() == [0, 1]
    assert outcome.payments.tolist() == [4.0, 1.0, 0.0]
    assert outcome.revenue == 5.0
    assert outcome.welfare == 7.0
    assert outcome.welfare_without.tolist() == [6.0, 6.0, 7.0]


def test_prices_prove_it_where_goods_are_substitutes() -> None:
    bids = [[PackageBid([1, 0], 5.0), PackageBid([0, 1], 4.0)], [PackageBid([1, 0], 3.0)], [PackageBid([1, 0], 1.0)]]
    outcome = CombinatorialAuction([1, 1]).clear(bids).require()
    assert outcome.status is PackageStatus.PROVED_BY_PRICES
    assert outcome.packages.tolist() == [1, 0, -1]
    assert outcome.payments.tolist() == [0.0, 1.0, 0.0]
    first, second = outcome.shadow_prices
    assert 4.0 - second >= 5.0 - first - 1e-9
    assert 1.0 - 1e-9 <= first <= 3.0 + 1e-9


def test_the_search_proves_it_where_goods_are_complements() -> None:
    outcome = CombinatorialAuction([1, 1, 1]).clear(COMPLEMENTS).require()
    assert outcome.status is PackageStatus.PROVED_BY_SEARCH
    assert outcome.welfare == 6.0
    assert outcome.payments.sum() == 6.0
    assert outcome.winners.size == 1


def test_sellers_values_are_least_prices() -> None:
    auction = CombinatorialAuction([2], 1.5)
    outcome = auction.clear(APPLES).require()
    assert outcome.payments.tolist() == [2.5 + 1.5, 1.5, 0.0]
    assert outcome.welfare == 4.0
    assert auction.clear([[PackageBid([2], 3.0)]]).status is PackageStatus.NOTHING_SOLD
    alone = auction.clear([[PackageBid([2], 4.0)]]).require()
    assert alone.payments.tolist() == [3.0]
    assert alone.shadow_prices[0] >= 1.5


def test_nothing_is_sold_without_bids_or_goods() -> None:
    outcome = CombinatorialAuction([0, 3]).clear([[], [PackageBid([1, 1], 4.0)]]).require()
    assert outcome.status is PackageStatus.NOTHING_SOLD
    assert outcome.packages.tolist() == [-1, -1]
    assert outcome.allocation.shape == (2, 2)
    assert outcome.welfare == outcome.revenue == 0.0
    assert outcome.shadow_prices.tolist() == [0.0, 0.0]
    assert CombinatorialAuction([1]).clear([[], []]).require().status is PackageStatus.NOTHING_SOLD


def test_rules_are_values() -> None:
    auction = CombinatorialAuction([2, 1], 1.0)
    assert auction == CombinatorialAuction((2, 1), [1.0, 1.0], None)
    assert hash(auction) == hash(CombinatorialAuction([2.0, 1.0], 1))
    assert PackageBid(np.array([1, 0]), 2) == PackageBid((1, 0), 2.0)
    assert hash(PackageBid([1, 0], 2.0)) == hash(PackageBid((1, 0), 2.0))
    assert CombinatorialAuction([1_000_000]).supply == (1_000_000,)


@given(case=package_cases())
@settings(max_examples=50)
def test_payments_are_clarkes(case: PackageCase) -> None:
    outcome = case.auction.clear(case.bids).require()
    welfare = best(case)
    assert outcome.welfare == pytest.approx(welfare, abs=1e-9)
    for bidder, place in enumerate(outcome.packages):
        assert outcome.welfare_without[bidder] == pytest.approx(best(case, bidder), abs=1e-9)
        if place >= 0:
            own = case.bids[bidder][place]
            assert outcome.payments[bidder] == pytest.approx(own.value - (welfare - best(case, bidder)), abs=1e-9)
            assert outcome.allocation[bidder].tolist() == list(own.units)
        else:
            assert outcome.payments[bidder] == 0.0
            assert not outcome.allocation[bidder].any()


@given(case=package_cases(), lie=st.integers(0, 20).map(lambda halves: halves / 2))
@settings(max_examples=40)
def test_the_truth_is_the_best_report(case: PackageCase, lie: float) -> None:
    if not case.bids[0]:
        return
    told = [[PackageBid(case.bids[0][0].units, lie), *case.bids[0][1:]], *case.bids[1:]]

    def utility(bids: list[list[PackageBid]]) -> float:
        outcome = case.auction.clear(bids)
        place = outcome.packages[0]
        return (case.bids[0][place].value if place >= 0 else 0.0) - float(outcome.payments[0])

    assert utility(told) <= utility(case.bids) + 1e-9


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40])
def test_the_unit_of_money_is_free(factor: float) -> None:
    scaled = [[PackageBid(bid.units, bid.value * factor) for bid in own] for own in APPLES]
    outcome = CombinatorialAuction([2]).clear(scaled).require()
    assert (outcome.payments / factor).tolist() == [4.0, 1.0, 0.0]


def test_declares() -> None:
    always = {
        Property.FEASIBLE,
        Property.INDIVIDUALLY_RATIONAL,
        Property.WEAKLY_BUDGET_BALANCED,
        Property.ANONYMOUS,
        Property.STRATEGY_PROOF,
    }
    free = {Property.EFFICIENT, Property.SCALE_FREE}
    assert CombinatorialAuction([2]).declared_properties == always | free
    assert CombinatorialAuction([2], 1.0).declared_properties == always
    assert CombinatorialAuction([2], node_limit=5).declared_properties == {Property.FEASIBLE}


def hard_bids() -> list[list[PackageBid]]:
    generator = np.random.default_rng(1)
    packages = [[tuple(generator.multivariate_hypergeometric([2] * 8, 5)) for _ in range(4)] for _ in range(25)]
    return [[PackageBid(units, float(generator.random())) for units in sorted(set(own))] for own in packages]


def test_a_search_that_is_cut_short_says_so() -> None:
    bids = hard_bids()
    outcome = CombinatorialAuction([3] * 8, node_limit=1).clear(bids)
    full = CombinatorialAuction([3] * 8).clear(bids).require()
    assert full.status is PackageStatus.PROVED_BY_SEARCH
    assert np.all(outcome.allocation.sum(axis=0) <= 3)
    assert outcome.welfare <= full.welfare + 1e-9
    proved = outcome.status is PackageStatus.PROVED_BY_SEARCH
    assert proved == (outcome.certificate.violations(1e-9) == {})


# ---------------------------------------------------------------- the certificate is honest


def violations(
    outcome: PackageOutcome, search_bound: float = 7.0, bounds: tuple[float, ...] = (6.0, 6.0, 7.0), **changes: object
) -> dict[str, float]:
    certificate = certify_packages(
        tabulate(APPLES, 1), np.array([2.0]), np.zeros(1), replace(outcome, **changes), search_bound, np.array(bounds)
    )
    return certificate.violations(1e-9)


def test_certificate() -> None:
    outcome = CombinatorialAuction([2]).clear(APPLES)
    assert violations(outcome) == {}
    assert violations(outcome, search_bound=np.inf, shadow_prices=np.array([2.0])) == {
        "optimality": pytest.approx(2.0 / 7.0)
    }
    assert violations(outcome, search_bound=np.inf, shadow_prices=np.array([10.0]))["optimality"] > 1.0
    assert violations(outcome, search_bound=7.7) == {"optimality": pytest.approx(0.1)}
    assert violations(outcome, welfare=8.0) == {"optimality": pytest.approx(1.0 / 7.0)}
    assert violations(outcome, bounds=(6.0, 6.7, 7.0)) == {"optimality_without": pytest.approx(0.1)}
    assert violations(outcome, payments=np.array([3.3, 1.7, 0.0])) == {"payment_rule": pytest.approx(0.1)}
    over = violations(outcome, payments=np.array([4.0, 2.7, 0.0]), revenue=6.7)
    assert over == {"payment_rule": pytest.approx(1.7 / 7.0), "within_bids": pytest.approx(0.1)}
    under = violations(outcome, payments=np.array([4.7, 1.0, -0.7]))
    assert under == {"payment_rule": pytest.approx(0.1), "within_bids": pytest.approx(0.1)}
    assert violations(outcome, revenue=4.0) == {"budget_balance": pytest.approx(0.2)}
    everything = {"packages": np.array([0, 0, 0]), "allocation": np.array([[1], [1], [2]])}
    assert violations(outcome, **everything)["feasibility"] == 1.0
    none = violations(outcome, packages=np.array([5, 0, -1]))
    assert set(none.values()) == {1.0}
    assert len(none) == 6
    assert violations(outcome, allocation=np.array([[2], [0], [0]]))["feasibility"] == 1.0


def test_prices_bound_every_allocation() -> None:
    table, supply = tabulate(COMPLEMENTS, 3), np.ones(3)
    prices = shadow_prices(table, table.values, supply)
    assert price_bound(table, table.values, supply, prices) == pytest.approx(9.0)
    assert price_bound(table, table.values, supply, np.zeros(3)) == 18.0
    assert price_bound(table, table.values, supply, np.full(3, 2.0)) == 6.0 + 3 * 2.0
    winners = determine_winners(table, table.values, supply, np.array([True, False, True]), None)
    assert winners.gain == winners.search_bound == 6.0
    assert not winners.accepted[1]
