"""The kit finds what is wrong with mechanisms that are wrong on purpose, and only that."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st

from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LinearDemand,
    MarketError,
    Property,
    StepDemand,
)
from walras.market.market_makers import TradingPost
from walras.market.order_book import ContinuousDoubleAuction
from walras.market.testing import (
    Buyer,
    CapacityBids,
    Domain,
    Matching,
    OrderFlow,
    Posts,
    PropertyTest,
    PropertyViolatedError,
    SealedBids,
    Seller,
    TwoSided,
    User,
    Verdict,
    check_mechanism,
    domain_of,
)
from walras.market.testing.search import search

P = Property
check = partial(check_mechanism, examples=120)
Rule = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Sale:
    """A sealed-bid sale of one unit by some rule from bids to units and payments."""

    def __init__(self, rule: Rule, declared: frozenset[Property] = frozenset()):
        self.rule, self.declared_properties = rule, declared

    def clear(self, bids):
        units, payments = self.rule(np.asarray(bids))
        return SimpleNamespace(allocation=units, payments=payments)


def _to(winner, bids):
    units = np.zeros(bids.size)
    units[winner] = 1.0
    return units


def first_price(bids):
    units = _to(np.argmax(bids), bids)
    return units, units * bids


def second_price(bids):
    price = np.sort(bids)[-2] if bids.size > 1 else 0.0
    units = _to(np.argmax(bids), bids)
    return units, units * price


def lowest_wins(bids):
    return _to(np.argmin(bids), bids), np.zeros(bids.size)


def first_come(bids):
    return _to(0, bids), np.zeros(bids.size)


def two_sold(bids):
    return np.ones(bids.size), np.zeros(bids.size)


def taken_away(bids):
    return np.where(bids > 0.0, 0.0, -1.0), np.zeros(bids.size)


def not_a_number(bids):
    return _to(0, bids), np.full(bids.size, np.nan)


def with_fee(bids):
    units = _to(np.argmax(bids), bids)
    return units, units * (np.max(bids) + 1.0)


def flat_fee(bids):
    units = _to(np.argmax(bids), bids) * (np.max(bids) >= 1.0)
    return units, units * 1.0


def gift(bids):
    return _to(np.argmax(bids), bids), np.full(bids.size, -1.0)


def free(bids):
    return _to(np.argmax(bids), bids), np.zeros(bids.size)


def crashing(bids):
    raise ZeroDivisionError("oh")


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (second_price, {P.STRONGLY_BUDGET_BALANCED}),
        (first_price, {P.STRONGLY_BUDGET_BALANCED, P.STRATEGY_PROOF}),
        (lowest_wins, {P.MONOTONE, P.STRATEGY_PROOF, P.EFFICIENT, P.ENVY_FREE}),
        (first_come, {P.ANONYMOUS, P.EFFICIENT, P.ENVY_FREE}),
        (two_sold, {P.FEASIBLE}),
        (taken_away, {P.FEASIBLE, P.EFFICIENT}),
        (not_a_number, {P.FEASIBLE, P.EFFICIENT}),
        (with_fee, {P.INDIVIDUALLY_RATIONAL, P.STRONGLY_BUDGET_BALANCED, P.SCALE_FREE, P.STRATEGY_PROOF, P.ENVY_FREE}),
        (flat_fee, {P.STRONGLY_BUDGET_BALANCED, P.SCALE_FREE, P.STRATEGY_PROOF, P.EFFICIENT, P.ENVY_FREE}),
        (gift, {P.WEAKLY_BUDGET_BALANCED, P.STRONGLY_BUDGET_BALANCED, P.SCALE_FREE, P.STRATEGY_PROOF, P.ENVY_FREE}),
        (free, {P.STRATEGY_PROOF, P.ENVY_FREE}),
        (crashing, set(Property) - {P.CONSERVES, *list(Property)[list(Property).index(P.PARETO_EFFICIENT) :]}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_broken_is_found_and_nothing_else(rule, broken):
    report = check(Sale(rule), SealedBids())
    found = {finding.tested for finding in report if finding.counterexample is not None}
    if rule in (taken_away, not_a_number):
        assert broken <= found  # a rule that takes units away, or gives no number, breaks much else besides
    elif rule is flat_fee:
        assert found - {P.ENVY_FREE} == broken - {P.ENVY_FREE}
    else:
        assert found == broken


def test_verdicts_follow_the_declaration():
    declared = frozenset({P.EFFICIENT, P.STRATEGY_PROOF})
    report = check(Sale(first_price, declared), SealedBids())
    assert report[P.EFFICIENT].verdict is Verdict.HOLDS
    assert report[P.STRATEGY_PROOF].verdict is Verdict.VIOLATED
    assert report[P.MONOTONE].verdict is Verdict.UNREFUTED
    assert report[P.STRONGLY_BUDGET_BALANCED].verdict is Verdict.FAILS
    assert not report.is_good
    with pytest.raises(PropertyViolatedError, match="agent 0 gains 1 by reporting 0") as raised:
        report.require()
    assert isinstance(raised.value, MarketError)
    assert "efficient" not in str(raised.value).split("declares")[1]


def test_declarations_can_be_given_by_hand():
    report = check(Sale(first_price), SealedBids(), declared=[P.EFFICIENT])
    assert report[P.EFFICIENT].verdict is Verdict.HOLDS
    assert report.is_good
    assert report.require() is report


def test_the_counterexample_is_the_smallest():
    finding = check(Sale(first_price), SealedBids())[P.STRATEGY_PROOF]
    assert finding.counterexample.trial.reports == (1.0,)
    assert finding.counterexample.trial.other_report == 0.0
    assert repr(finding.counterexample.trial) == "reports (1.0,), agent 0, other_report 0.0"


def test_the_same_seed_gives_the_same_report_and_another_seed_need_not():
    texts = [str(check(Sale(flat_fee), SealedBids(), seed=seed)) for seed in (1, 1)]
    assert texts[0] == texts[1]


def test_the_report_reads_well():
    text = str(check(Sale(first_price, frozenset({P.EFFICIENT})), SealedBids()))
    lines = text.splitlines()
    assert lines[0] == "Sale, asked as SealedBids"
    assert "  holds     efficient" in lines
    assert lines[lines.index("  fails     strategy proof") + 1].startswith("      agent 0 gains 1")
    assert [finding.tested for finding in check(Sale(free), SealedBids())] == [
        tested for tested in Property if any(test.tested is tested for test in SealedBids().tests())
    ]


def test_a_mechanism_that_refuses_everything_is_untested():
    class Refusing:
        def clear(self, bids):
            raise InvalidInputError("bids must be prime.")

    report = check(Refusing(), SealedBids(), declared=[P.EFFICIENT])
    assert {finding.verdict for finding in report} == {Verdict.UNTESTED}
    assert {finding.trials for finding in report} == {0}
    assert not report.is_good


def test_a_crash_is_a_counterexample():
    counterexample = check(Sale(crashing), SealedBids())[P.FEASIBLE].counterexample
    assert counterexample.reason == "the mechanism raised ZeroDivisionError: oh"


def test_a_mechanism_that_changes_its_mind_is_told_so():
    calls = []

    def fickle(bids):
        calls.append(1)
        return second_price(bids) if len(calls) % 7 else two_sold(bids)

    finding = check(Sale(fickle), SealedBids(), declared=[P.FEASIBLE])[P.FEASIBLE]
    assert finding.verdict is Verdict.VIOLATED
    assert finding.counterexample.reason.endswith("(but not each time: the outcome varies)")


def test_a_property_that_the_domain_does_not_know_is_a_key_error():
    with pytest.raises(KeyError):
        check(Sale(free), SealedBids(), examples=1)[P.WALRAS_LAW]


class TestManyUnits:
    @staticmethod
    def discriminatory(bids):
        flat = np.argsort(-bids.ravel(), kind="stable")[:2]
        won = np.zeros(bids.size)
        won[flat] = 1.0
        won = won.reshape(bids.shape)
        return won.sum(axis=1), (won * bids).sum(axis=1)

    @staticmethod
    def uniform_highest_losing(bids):
        ranked = np.sort(bids.ravel())[::-1]
        units, _ = TestManyUnits.discriminatory(bids)
        return units, units * (ranked[2] if ranked.size > 2 else 0.0)

    def test_paying_ones_bids_is_efficient_but_not_truthful(self):
        report = check(Sale(self.discriminatory), SealedBids(units=2, demand=2))
        found = {finding.tested for finding in report if finding.counterexample is not None}
        assert found == {P.STRONGLY_BUDGET_BALANCED, P.STRATEGY_PROOF, P.ENVY_FREE}

    def test_demand_reduction_under_a_uniform_price(self):
        report = check(Sale(self.uniform_highest_losing), SealedBids(units=2, demand=2))
        assert report[P.STRATEGY_PROOF].counterexample is not None
        assert report[P.EFFICIENT].counterexample is None
        assert report[P.ENVY_FREE].counterexample is None


class TestTwoSides:
    class PostedPrice:
        def clear(self, bids, asks):
            buys, sells = bids >= 3.0, asks <= 3.0
            trades = min(buys.sum(), sells.sum())
            bought, sold = np.zeros(bids.size), np.zeros(asks.size)
            bought[np.flatnonzero(buys)[:trades]] = 1.0
            sold[np.flatnonzero(sells)[:trades]] = 1.0
            return SimpleNamespace(
                buyer_allocation=bought, seller_allocation=sold, buyer_payments=3 * bought, seller_receipts=3 * sold
            )

    class SplitTheDifference:
        def clear(self, bids, asks):
            bought, sold = np.zeros(bids.size), np.zeros(asks.size)
            buyer, seller = np.argmax(bids), np.argmin(asks)
            price = 0.5 * (bids[buyer] + asks[seller])
            bought[buyer] = sold[seller] = float(bids[buyer] > asks[seller])
            return SimpleNamespace(
                buyer_allocation=bought,
                seller_allocation=sold,
                buyer_payments=price * bought,
                seller_receipts=price * sold,
            )

    class Bilateral:
        """The pivot mechanism: the buyer pays the cost, the seller receives the value."""

        def clear(self, bids, asks):
            one = TestTwoSides.SplitTheDifference().clear(bids, asks)
            one.buyer_payments = one.buyer_allocation * np.min(asks)
            one.seller_receipts = one.seller_allocation * np.max(bids)
            return one

    class Unbalanced:
        def clear(self, bids, asks):
            return SimpleNamespace(
                buyer_allocation=np.ones(bids.size),
                seller_allocation=np.zeros(asks.size),
                buyer_payments=np.zeros(bids.size),
                seller_receipts=np.zeros(asks.size),
            )

    def test_a_posted_price_is_truthful_and_balanced_but_wastes_trades(self):
        report = check(self.PostedPrice(), TwoSided())
        found = {finding.tested for finding in report if finding.counterexample is not None}
        assert found == {P.ANONYMOUS, P.SCALE_FREE, P.EFFICIENT, P.ENVY_FREE}

    def test_splitting_the_difference_invites_shading(self):
        report = check(self.SplitTheDifference(), TwoSided(most_on_a_side=1))
        found = {finding.tested for finding in report if finding.counterexample is not None}
        assert found == {P.STRATEGY_PROOF}

    def test_the_pivot_mechanism_runs_a_deficit(self):
        report = check(self.Bilateral(), TwoSided(most_on_a_side=1))
        found = {finding.tested for finding in report if finding.counterexample is not None}
        assert found == {P.WEAKLY_BUDGET_BALANCED, P.STRONGLY_BUDGET_BALANCED}
        trial = report[P.WEAKLY_BUDGET_BALANCED].counterexample.trial
        assert trial.reports == (Buyer(1.0), Seller(0.0))

    def test_units_out_of_nowhere(self):
        report = check(self.Unbalanced(), TwoSided())
        assert report[P.CONSERVES].counterexample.reason == "1 units are bought, 0 sold"
        assert report[P.FEASIBLE].counterexample.reason == "1 units are bought, 0 sold"


class TestMatchings:
    class Priced:
        def __init__(self, choose, prices):
            self.choose, self.prices = choose, prices

        def clear(self, valuations):
            return SimpleNamespace(assignment=self.choose(valuations), prices=self.prices(valuations))

    @staticmethod
    def in_turn(valuations):
        taken = np.full(len(valuations), -1)
        for buyer, row in enumerate(valuations):
            left = [thing for thing in range(row.size) if thing not in taken]
            taken[buyer] = max(left, key=lambda thing: row[thing]) if left else -1
        return taken

    def test_serial_dictatorship_is_truthful_but_not_anonymous(self):
        dictators = self.Priced(self.in_turn, lambda valuations: np.zeros(valuations.shape[1]))
        report = check(dictators, Matching())
        found = {finding.tested for finding in report if finding.counterexample is not None}
        assert found == {P.ANONYMOUS, P.EFFICIENT, P.ENVY_FREE, P.IN_THE_CORE}

    def test_one_object_twice(self):
        report = check(
            self.Priced(lambda valuations: np.zeros(len(valuations), dtype=int), lambda valuations: np.zeros(2)),
            Matching(),
        )
        assert report[P.FEASIBLE].counterexample.reason == "an object has two owners"

    def test_a_price_on_what_nobody_buys(self):
        report = check(
            self.Priced(lambda valuations: np.full(len(valuations), -1), lambda valuations: np.ones(2)), Matching()
        )
        assert report[P.COMPLEMENTARY_SLACKNESS].counterexample.reason == "object 0 is unsold at the price 1"
        assert report[P.IN_THE_CORE].counterexample is not None

    def test_a_negative_price(self):
        report = check(self.Priced(self.in_turn, lambda valuations: -np.ones(valuations.shape[1])), Matching())
        assert report[P.COMPLEMENTARY_SLACKNESS].counterexample.reason == "object 0 has the price -1"
        assert report[P.WEAKLY_BUDGET_BALANCED].counterexample is not None


class TestOrderFlow:
    class Book:
        """A book that is wrong on purpose: trades are changed by a rule before they are told."""

        def __init__(self, change):
            self.change = change

        def run(self, log):
            trades = [
                dict(zip(row.dtype.names, row.item(), strict=True)) for row in ContinuousDoubleAuction().run(log).trades
            ]
            return SimpleNamespace(trades=[self.change(trade) for trade in trades])

    @pytest.mark.parametrize(
        ("tested", "change", "reason"),
        [
            (P.INDIVIDUALLY_RATIONAL, {"price": 11}, "agent 0 gets worth 0 and pays 11"),
            (P.FEASIBLE, {"quantity": 2}, "an agent gets -1"),
        ],
    )
    def test_a_trade_that_is_wrong_is_found(self, tested, change, reason):
        wrong = self.Book(lambda trade: trade | change)
        test = next(test for test in OrderFlow().tests() if test.tested is tested)
        assert search(test, ContinuousDoubleAuction(), examples=30, seed=0)[1] is None
        _, counterexample = search(test, wrong, examples=30, seed=0)
        assert counterexample.reason == reason
        assert len(counterexample.trial.reports) == 2


class TestPosts:
    class Post:
        """A trading post that is wrong on purpose: what is traded is changed by a rule."""

        def __init__(self, change):
            self.change = change

        def clear(self, bids, offers):
            found = TradingPost().clear(bids, offers)
            names = ("goods_bought", "goods_sold", "money_spent", "money_earned")
            return SimpleNamespace(**self.change({name: getattr(found, name).copy() for name in names}))

    @pytest.mark.parametrize(
        ("change", "broken"),
        [
            (lambda found: found, set()),
            (lambda found: {**found, "money_earned": 0.9 * found["money_earned"]}, {P.STRONGLY_BUDGET_BALANCED}),
            (
                lambda found: {**found, "money_earned": 1.1 * found["money_earned"]},
                {P.WEAKLY_BUDGET_BALANCED, P.STRONGLY_BUDGET_BALANCED},
            ),
            (lambda found: {**found, "goods_bought": 0.5 * found["goods_bought"]}, {P.CONSERVES}),
            (lambda found: {**found, "goods_bought": 2.0 * found["goods_bought"]}, {P.FEASIBLE, P.CONSERVES}),
            (lambda found: {**found, "goods_bought": found["goods_bought"][::-1]}, {P.MONOTONE, P.ANONYMOUS}),
            (
                lambda found: {**found, "goods_bought": found["goods_bought"] * (found["money_spent"].sum() < 8.0)},
                {P.CONSERVES, P.MONOTONE, P.SCALE_FREE},
            ),
            (
                lambda found: {**found, "money_spent": 2.0 * found["money_spent"]},
                {P.FEASIBLE, P.STRONGLY_BUDGET_BALANCED},
            ),
        ],
        ids=[
            "right",
            "fee",
            "gift",
            "lost goods",
            "goods from nowhere",
            "wrong buyers",
            "closed when busy",
            "overcharged",
        ],
    )
    def test_what_is_broken_is_found_and_nothing_else(self, change, broken):
        report = check(self.Post(change), Posts(), examples=40)
        assert {finding.tested for finding in report if finding.counterexample is not None} == broken


class TestCapacity:
    def test_the_capacity_market_is_asked_with_its_own_demand_and_supply(self):
        market = CapacityMarket(FixedSupply(3.0), LinearDemand(2.0))
        assert domain_of(market) == CapacityBids(LinearDemand(2.0), 3.0)

    def test_shares_for_all_are_too_many(self):
        class Generous:
            def clear(self, valuations, costs):
                return SimpleNamespace(allocation=np.ones(valuations.size), payments=np.zeros(valuations.size))

        report = check(Generous(), CapacityBids(quantity=2.0))
        assert report[P.FEASIBLE].counterexample.reason == "3 units are used, 2 were for sale"
        assert report[P.FEASIBLE].counterexample.trial.reports == (User(0.0, 3.0),)

    def test_equal_shares_are_wasteful(self):
        class Equal:
            def clear(self, valuations, costs):
                return SimpleNamespace(
                    allocation=np.full(valuations.size, 2.0 / costs.sum()), payments=np.zeros(valuations.size)
                )

        report = check(Equal(), CapacityBids(StepDemand(), 2.0))
        found = {finding.tested for finding in report if finding.counterexample is not None}
        assert found - {P.ENVY_FREE} == {P.EFFICIENT, P.COMPLEMENTARY_SLACKNESS}

    def test_more_than_full_use(self):
        class Double:
            def clear(self, valuations, costs):
                return SimpleNamespace(allocation=np.full(valuations.size, 2.0), payments=np.zeros(valuations.size))

        report = check(Double(), CapacityBids())
        assert report[P.FEASIBLE].counterexample.reason == "an agent gets 2 of its full use"


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: check(Sale(free)), "No domain is known for Sale"),
        (lambda: check(Sale(free), "sealed-bids"), "domain must be a Domain, for example SealedBids()"),
        (lambda: check(Sale(free), SealedBids(), examples=0), "examples must be 1 or more, got 0"),
        (lambda: check(Sale(free), SealedBids(), seed=-1), "seed must be 0 or more, got -1"),
        (
            lambda: check(Sale(free), SealedBids(), declared=["efficient"]),
            "members of Property, got 'efficient'",
        ),
        (
            lambda: check(Sale(free), SealedBids(), declared=[P.WALRAS_LAW]),
            "declared holds WALRAS_LAW, which this domain cannot test",
        ),
        (lambda: SealedBids(units=0), "SealedBids.units must be 1 or more, got 0"),
        (lambda: SealedBids(demand=1.5), "SealedBids.demand must be a whole number, got 1.5"),
        (lambda: TwoSided(most_on_a_side=0), "TwoSided.most_on_a_side must be 1 or more"),
        (lambda: Matching(objects=0), "Matching.objects must be 1 or more"),
        (lambda: OrderFlow(most_traders=0), "OrderFlow.most_traders must be 1 or more, got 0"),
        (lambda: Posts(posts=0), "Posts.posts must be 1 or more, got 0"),
    ],
)
def test_bad_input(call, part):
    with pytest.raises(InvalidInputError) as raised:
        call()
    assert part in str(raised.value)


def test_a_class_can_carry_its_domain_and_a_domain_its_own_property_tests():
    class Even(Domain):
        def tests(self):
            odd = PropertyTest(P.FEASIBLE, st.integers(0, 50), lambda mechanism, n: "odd" if mechanism(n) % 2 else None)
            return (odd,)

    class Doubling:
        domain = Even()

        def __call__(self, n):
            return 2 * n if n < 17 else n

    report = check(Doubling())
    assert report.domain == "Even"
    assert report[P.FEASIBLE].counterexample.trial == 17
