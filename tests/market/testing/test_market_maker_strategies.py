"""The strategies for market makers reach the corners that they promise."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, settings

from walras.market.market_makers import ScoringStatus, TradingPost, TradingPostStatus
from walras.market.testing.strategies.market_makers import integer_pools, pools, post_orders, scoring_rules

# What is found is not made smaller: only that it is found counts.
PATIENT = settings(
    max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate]
)


@pytest.mark.parametrize(
    "corner",
    [
        lambda pool: pool.fee == 0.0,
        lambda pool: pool.fee == 0.3,
        lambda pool: max(pool.reserves) > 1e6 and min(pool.reserves) < 1e-6,
        lambda pool: pool.reserves[0] == pool.reserves[1],
    ],
    ids=["no fee", "a high fee", "one scarce asset", "equal reserves"],
)
def test_pools(corner):
    find(pools(), corner, settings=PATIENT)


@pytest.mark.parametrize(
    "corner",
    [lambda pool: pool.reserves == (1, 1), lambda pool: min(pool.reserves) > 10**20, lambda pool: pool.fee == 0],
    ids=["single units", "beyond 64 bits", "no fee"],
)
def test_integer_pools(corner):
    find(integer_pools(), corner, settings=PATIENT)


@pytest.mark.parametrize("status", TradingPostStatus)
def test_every_status_of_trading_posts(status):
    find(post_orders(), lambda orders: TradingPost().clear(*orders).status is status, settings=PATIENT)


def test_money_and_goods_over_decades_and_traders_on_both_sides():
    find(post_orders(), lambda orders: 0.0 < orders[0][orders[0] > 0].min(initial=1.0) < 1e-6, settings=PATIENT)
    find(post_orders(), lambda orders: orders[1].max() > 1e6, settings=PATIENT)
    find(post_orders(), lambda orders: ((orders[0] > 0.0) & (orders[1] > 0.0)).any(), settings=PATIENT)


@pytest.mark.parametrize("status", ScoringStatus)
def test_every_status_of_a_scoring_rule(status):
    find(scoring_rules(), lambda case: case[0].trade(case[1], case[2]).status is status, settings=PATIENT)


def test_purchases_far_beyond_the_liquidity_and_within_it():
    find(scoring_rules(), lambda case: np.max(np.abs(case[2])) > 1e3 * case[0].liquidity, settings=PATIENT)
    find(scoring_rules(), lambda case: 0.0 < np.max(np.abs(case[2])) < case[0].liquidity, settings=PATIENT)
