"""Two who meet: prices between the two rates of substitution, whole units, both better off; and who meets whom."""

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents import SettlementError
from walras.agents.exchange import GeometricMeanBargaining, Warehouse, draw_meetings
from walras.agents.exchange.goods import whole_endowments
from walras.agents.exchange.meetings import links_of
from walras.market import InvalidInputError
from walras.market.exchange import CES, CobbDouglas, ExchangeEconomy, Leontief, PowerUtility

weights = st.sampled_from([0.0, 0.3, 1.0, 2.0])
amounts = st.one_of(st.sampled_from([0, 1, 2]), st.integers(0, 300))


@st.composite
def populations(draw: st.DrawFn):
    """A utility of units, whole holdings, and disjoint pairs."""
    consumers, goods = draw(st.integers(2, 5)), draw(st.integers(2, 3))
    wants = np.array(
        draw(st.lists(st.lists(weights, min_size=goods, max_size=goods), min_size=consumers, max_size=consumers))
    )
    wants[~wants.any(axis=1), 0] = 1.0
    kind = draw(st.sampled_from(["cobb-douglas", "ces", "power", "leontief"]))
    utility = {
        "cobb-douglas": lambda: CobbDouglas(wants),
        "ces": lambda: CES.with_elasticity(wants, 0.5),
        "power": lambda: PowerUtility(wants, 0.5),
        "leontief": lambda: Leontief(wants),
    }[kind]()
    units = np.array(
        draw(st.lists(st.lists(amounts, min_size=goods, max_size=goods), min_size=consumers, max_size=consumers))
    )
    order = np.array(draw(st.permutations(range(consumers))))
    half = consumers // 2
    pairs = np.stack([order[:half], order[half : 2 * half]], axis=1)

    def of_units(held: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return utility._utility(held)

    return of_units, units, pairs


@given(population=populations(), most=st.sampled_from([None, 1, 7]))
def test_trades_conserve_units_and_make_both_better_off(population, most):
    utility, units, pairs = population
    trades = GeometricMeanBargaining(most_units=most).trade(utility, units, pairs)
    after = units + trades.changes(*units.shape)
    assert after.min() >= 0
    assert after.sum(axis=0).tolist() == units.sum(axis=0).tolist()
    traders = np.concatenate([trades.buyers, trades.sellers])
    assert len(set(traders.tolist())) == traders.size
    met = {frozenset(pair) for pair in pairs.tolist()}
    assert {frozenset(pair) for pair in zip(trades.buyers.tolist(), trades.sellers.tolist(), strict=True)} <= met
    assert (utility(after.astype(float))[traders] > utility(units.astype(float))[traders]).all()
    idle = np.setdiff1d(np.arange(len(units)), traders)
    assert (after[idle] == units[idle]).all()
    assert (trades.bought != trades.paid).all()
    assert (trades.units_bought > 0).all()
    assert (trades.units_paid > 0).all()
    dear, cheap = np.maximum(trades.prices, 1 / trades.prices), np.maximum(trades.units_bought, trades.units_paid)
    fewer = np.minimum(trades.units_bought, trades.units_paid)
    assert (np.abs(cheap - dear * fewer) <= 0.5 + 1e-9).all(), "the cheaper good is not what the dearer costs, rounded"
    if most is not None:
        assert (fewer <= most).all()


@given(population=populations())
def test_prices_are_geometric_means_of_the_two_rates(population):
    """Against rates worked out one pair and one couple of goods at a time."""
    utility, units, pairs = population
    trades = GeometricMeanBargaining().trade(utility, units, pairs)
    for place in range(trades.prices.size):
        buyer, seller = trades.buyers[place], trades.sellers[place]
        best = 0.0
        for bought in range(units.shape[1]):
            for paid in range(units.shape[1]):
                bid, ask = rates(utility, units, buyer, seller, bought, paid)
                if bought != paid and 0.0 < ask < bid < math.inf:
                    best = max(best, bid / ask)
        bid, ask = rates(utility, units, buyer, seller, trades.bought[place], trades.paid[place])
        if 0.0 < ask < bid < math.inf:
            assert trades.prices[place] == pytest.approx(math.sqrt(bid * ask), rel=1e-9)
            assert bid / ask >= best * (1 - 1e-9)
        elif ask > 0.0:
            assert trades.prices[place] == pytest.approx(10.0 * ask, rel=1e-9)
        elif bid < math.inf:
            assert trades.prices[place] == pytest.approx(bid / 10.0, rel=1e-9)
        else:
            everything = units[buyer, trades.paid[place]] / units[seller, trades.bought[place]]
            assert trades.prices[place] == pytest.approx(everything, rel=1e-9)


def rates(utility, units, buyer, seller, bought, paid) -> tuple[float, float]:
    """What the buyer would pay at most, and the seller asks at least (paid per bought)."""

    def worth(consumer: int, good: int, change: int) -> float:
        moved = units.astype(float)
        moved[consumer, good] += change
        if moved[consumer, good] < 0.0:
            return math.inf
        return abs(float(utility(moved)[consumer] - utility(units.astype(float))[consumer]))

    gains, losses = worth(buyer, bought, 1), worth(buyer, paid, -1)
    costs, earns = worth(seller, bought, -1), worth(seller, paid, 1)
    if gains == 0.0 or earns == 0.0:
        return 0.0, math.inf
    return (gains / losses if losses > 0.0 else math.inf), costs / earns


@pytest.mark.parametrize("first", [[100, 20], [37, 81], [5, 160]])
def test_no_other_whole_quantity_at_the_price_suits_both_better(first):
    """They trade until the first of the two has enough: one dear unit more would make one of them worse off."""
    units = np.array([first, [60, 60]])

    def utility(held: np.ndarray) -> np.ndarray:
        return np.sqrt(held[:, 0]) * held[:, 1]

    trade = GeometricMeanBargaining().trade(utility, units, np.array([[0, 1]]))
    assert trade.prices.size == 1
    change = trade.changes(2, 2)
    dear = int(np.argmin(np.abs(change[0])))
    ratio = max(float(trade.prices[0]), 1.0 / float(trade.prices[0]))

    def after(count: float) -> np.ndarray:
        moved = np.zeros((2, 2))
        moved[0, dear], moved[0, 1 - dear] = np.sign(change[0, dear]) * np.array([count, -ratio * count])
        moved[1] = -moved[0]
        return utility(units + moved)

    count = abs(int(change[0, dear]))
    assert (after(count) > after(count - 1)).all()
    assert not (after(count + 1) > after(count)).all()


def test_of_many_small_trades_none_makes_a_partner_worse_off():
    """Holdings of few units near the contract curve, where rounding the payment decides who gains."""
    rng = np.random.default_rng(0)
    units = rng.integers(1, 30, size=(4000, 2))
    weights = rng.uniform(0.5, 1.0, size=units.shape)

    def utility(held: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return (weights * np.log(held)).sum(axis=1)

    trades = GeometricMeanBargaining().trade(utility, units, np.arange(4000).reshape(-1, 2))
    assert trades.prices.size > 1000
    gained = utility((units + trades.changes(4000, 2)).astype(float)) - utility(units.astype(float))
    assert (gained[trades.buyers] > 0.0).all()
    assert (gained[trades.sellers] > 0.0).all()


def test_of_several_goods_the_two_that_are_worth_most_change_hands():
    def utility(held: np.ndarray) -> np.ndarray:
        return (held * [[3.0, 2.0, 1.0], [1.0, 2.0, 9.0]]).sum(axis=1)

    trade = GeometricMeanBargaining().trade(utility, np.full((2, 3), 10), np.array([[0, 1]]))
    # bid / ask is 27 for the first good against the third, 3 for the first against the second, 9 for the second
    assert (trade.bought.tolist(), trade.paid.tolist()) == ([0], [2])
    assert trade.prices.tolist() == pytest.approx([np.sqrt(3.0 * (1.0 / 9.0))])


def test_a_pair_on_the_contract_curve_does_not_trade():
    trades = GeometricMeanBargaining().trade(
        lambda held: np.sqrt(held[:, 0] * held[:, 1]), np.array([[30, 60], [10, 20]]), np.array([[0, 1]])
    )
    assert trades.prices.size == 0
    assert trades.changes(2, 2).tolist() == [[0, 0], [0, 0]]


def test_two_who_have_nothing_the_other_wants_do_not_trade():
    """Scarf's endowments: the first wants the second's good, the second wants nothing of the first's."""
    scarf = Leontief([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    units = 100 * np.eye(3, dtype=np.int64)
    for pair in ([0, 1], [1, 2], [2, 0], [1, 0]):
        assert GeometricMeanBargaining().trade(scarf._utility, units, np.array([pair])).prices.size == 0


def test_nobody_who_meets_nobody_trades():
    none = GeometricMeanBargaining().trade(lambda held: held.sum(axis=1), np.ones((3, 2), int), np.zeros((0, 2), int))
    assert none.prices.size == 0


# ---------------------------------------------------------------- who meets whom


@given(
    consumers=st.integers(2, 12),
    density=st.floats(0.1, 1.0),
    seed=st.integers(0, 999),
)
def test_nobody_is_in_two_meetings_and_only_the_linked_meet(consumers, density, seed):
    network = nx.gnp_random_graph(consumers, density, seed=seed)
    network.add_edge(0, 1)
    links = links_of(network, consumers)
    pairs = draw_meetings(links, consumers, np.random.default_rng(seed))
    assert len(set(pairs.ravel().tolist())) == pairs.size
    assert len(pairs) >= 1
    assert all(network.has_edge(*pair) for pair in pairs.tolist())


def test_every_link_is_used_and_as_often_as_its_lots_say():
    """On a path of three links the middle one has two rivals: a third of the time its lot is the lowest of three.

    An outer link meets if its lot is below that of the middle one: half of the time.
    """
    links = links_of(nx.path_graph(4), 4)
    rng = np.random.default_rng(0)
    draws = 20_000
    counts = np.zeros(3)
    for _ in range(draws):
        for pair in draw_meetings(links, 4, rng).tolist():
            counts[min(pair)] += 1
    shares = np.array([1 / 2, 1 / 3, 1 / 2])
    assert (np.abs(counts / draws - shares) <= 4.0 * np.sqrt(shares * (1 - shares) / draws)).all()


def test_where_all_know_all_everybody_meets_somebody():
    rng = np.random.default_rng(0)
    met = {frozenset(pair) for _ in range(200) for pair in draw_meetings(None, 5, rng).tolist()}
    assert len(met) == 10
    assert draw_meetings(None, 5, rng).shape == (2, 2)


# ---------------------------------------------------------------- goods in whole units


@given(
    rows=st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=4),
    seed=st.integers(0, 99),
)
def test_a_warehouse_keeps_every_unit(rows, seed):
    warehouse = Warehouse(np.array(rows))
    change = np.random.default_rng(seed).integers(-5, 6, size=(len(rows), 2))
    if seed % 2:
        change[0] -= change.sum(axis=0)
    balanced = not change.sum(axis=0).any()
    covered = (np.array(rows) + change).min() >= 0
    if balanced and covered:
        warehouse.post(change)
        assert warehouse.units.tolist() == (np.array(rows) + change).tolist()
    else:
        with pytest.raises(SettlementError):
            warehouse.post(change)
        assert warehouse.units.tolist() == rows  # nothing is booked, of no good
    assert warehouse.totals.tolist() == np.sum(rows, axis=0).tolist()
    assert warehouse.balance(1, 0) == warehouse.units[1, 0]


ECONOMY = ExchangeEconomy(CobbDouglas([[1.0, 1.0]] * 2), [[0.5, 0.0], [0.25, 2.0]])


def test_endowments_become_whole_units_that_add_up():
    units, per_good = whole_endowments(ECONOMY, [3, 1])
    assert per_good.tolist() == [3.0, 1.0]
    assert units.tolist() == [[1, 0], [1, 2]]  # 1.5 and 0.75 of the first good: 2.25 in all, so two


BAD = [
    (lambda: Warehouse(np.array([1, 2])), "units must be whole numbers of shape"),
    (lambda: Warehouse(np.array([[1.0, 2.0]])), "units must be whole numbers of shape"),
    (lambda: Warehouse(np.array([[1, -2]])), r"entry \(0, 1\) is -2"),
    (lambda: whole_endowments(ECONOMY, 0.5), "units_per_good must be whole numbers of 1 or more"),
    (lambda: whole_endowments(ECONOMY, 2.5), "units_per_good must be whole numbers"),
    (lambda: whole_endowments(ECONOMY, [1, 1e14]), "at most 1e.13 units"),
    (lambda: whole_endowments(ECONOMY, [1, 2, 3]), "units_per_good must have one entry per good"),
    (lambda: links_of("graph", 2), "network must be a networkx Graph"),
    (lambda: links_of(nx.path_graph(3), 2), "network must have the consumers 0 .. 1"),
    (lambda: links_of(nx.empty_graph(2), 2), "at least one link"),
    (lambda: GeometricMeanBargaining(most_units=0), "most_units must be 1 or more"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_refused_with_reasons(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


def test_units_too_coarse_for_a_good_are_refused():
    tiny = ExchangeEconomy(CobbDouglas([[1.0, 1.0]] * 2), [[0.1, 1.0], [0.1, 1.0]])
    with pytest.raises(InvalidInputError, match="at least one whole unit"):
        whole_endowments(tiny, 1)
