"""Induced values, their equilibrium, and the measures of a day, against slow oracles and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.trading.test_engines import SMITH, markets

from walras.agents.trading import ColumnarLaboratory, InducedMarket, Truthful, ZeroIntelligenceQuotes
from walras.agents.trading.kernel import highest_affordable, tax_on
from walras.agents.trading.tables import DAY_COLUMNS, TRADE_COLUMNS, TRADER_COLUMNS
from walras.market import InvalidInputError
from walras.market.order_book import Side


@given(market=markets())
def test_the_equilibrium_is_where_as_much_is_wanted_as_offered(market):
    equilibrium = market.equilibrium()
    values, costs = sorted(np.ravel(market.values), reverse=True), sorted(np.ravel(market.costs))
    pairs = list(zip(values, costs, strict=False))
    assert equilibrium.surplus == sum(max(value - cost, 0) for value, cost in pairs)
    assert sum(value > cost for value, cost in pairs) <= equilibrium.quantity <= sum(v >= c for v, c in pairs)
    for price in {equilibrium.lowest_price, equilibrium.price, equilibrium.highest_price}:
        surely_wanted, surely_offered = sum(v > price for v in values), sum(c < price for c in costs)
        assert surely_wanted <= sum(c <= price for c in costs)
        assert surely_offered <= sum(v >= price for v in values)


@given(market=markets(), rate=st.sampled_from([0.0, 0.07, 0.25, 1.0]))
def test_a_tax_shifts_demand_down_by_itself(market, rate):
    """What is left of a value net of tax is the highest price that can be paid out of it, and the next one cannot."""
    for value, net in zip(np.ravel(market.values), market.worths(Side.BUY, tax_rate=rate).ravel(), strict=True):
        assert net + tax_on(net, rate) <= value < net + 1 + tax_on(net + 1, rate)
    assert market.worths(Side.SELL, tax_rate=rate).tolist() == [list(units) for units in market.costs]
    assert market.equilibrium(tax_rate=rate).quantity <= market.equilibrium().quantity


@given(cents=st.integers(0, 10**13), rate=st.floats(0.0, 1.0))
def test_the_highest_affordable_price(cents, rate):
    price = highest_affordable(cents, rate)
    assert price + tax_on(price, rate) <= cents < price + 1 + tax_on(price + 1, rate)


def test_measures_of_days_by_hand():
    policy = ZeroIntelligenceQuotes(constrained=False)
    market = InducedMarket(values=[[9, 5], [7, 1]], costs=[[2, 4], [3, 8]], ceiling=10)
    laboratory = ColumnarLaboratory(market, policy, rng=2, tax_rate=0.2, most_quotes=12)
    days, trades = laboratory.run(30), laboratory.trades
    fair = market.equilibrium(tax_rate=0.2).price
    # Net of tax the values are 7 (taxed 1.4: 8.4), 4, 6, 1; costs 2, 4, 3, 8. Two units below 4, three up to 4.
    assert fair == 4.0
    assert market.equilibrium().surplus == 9 - 2 + 7 - 3 + 5 - 4
    at_equilibrium = [
        max(9 - 1.2 * fair, 0) + max(5 - 1.2 * fair, 0),
        max(7 - 1.2 * fair, 0) + max(1 - 1.2 * fair, 0),
        (fair - 2) + (fair - 4),
        (fair - 3) + max(fair - 8, 0),
    ]
    for day in days.to_dict("records"):
        of_day = trades[trades["day"] == day["day"]].to_dict("records")
        assert day["trades"] == len(of_day)
        assert day["surplus_cents"] == sum(row["value_cents"] - row["cost_cents"] for row in of_day)
        assert day["efficiency"] == day["surplus_cents"] / 12
        assert day["tax_cents"] == sum(int(0.2 * row["price_cents"] + 0.5) for row in of_day)
        if not of_day:
            assert math.isnan(day["mean_price_cents"])
            assert math.isnan(day["smith_alpha"])
            continue
        prices = [row["price_cents"] for row in of_day]
        assert day["mean_price_cents"] == pytest.approx(np.mean(prices))
        assert day["smith_alpha"] == pytest.approx(math.sqrt(np.mean([(p - fair) ** 2 for p in prices])) / fair)
        profits = np.zeros(4)
        for row in of_day:
            profits[row["buyer"]] += row["value_cents"] - row["price_cents"] - row["tax_cents"]
            profits[row["seller"]] += row["price_cents"] - row["cost_cents"]
        dispersion = math.sqrt(np.mean((profits - at_equilibrium) ** 2))
        assert day["profit_dispersion_cents"] == pytest.approx(dispersion)
    assert days["trades"].min() == 0 or days["trades"].nunique() > 1  # days differ


def test_efficiency_where_nothing_can_be_gained():
    none = InducedMarket(values=[1], costs=[5], ceiling=9)
    quiet = ColumnarLaboratory(none, Truthful(), rng=0).run(2)
    assert quiet["efficiency"].tolist() == [1.0, 1.0]
    assert quiet["quotes"].tolist() == [0, 0]
    assert quiet["exhausted"].all()


def test_tables_have_their_columns():
    laboratory = ColumnarLaboratory(SMITH, Truthful(), rng=0)
    for table, columns in (
        (laboratory.days, DAY_COLUMNS),
        (laboratory.trades, TRADE_COLUMNS),
        (laboratory.trader_rows, TRADER_COLUMNS),
    ):
        assert {name: str(dtype) for name, dtype in table.dtypes.items()} == dict(columns)
    assert len(laboratory.days) == len(laboratory.trades) == 0
    assert laboratory.run(1)["day"].dtype == "int64"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"values": []}, ("InducedMarket.values", "one or more", "[]")),
        ({"values": [1.5]}, ("InducedMarket.values", "whole cents", "1.5")),
        ({"values": 3}, ("InducedMarket.values", "3")),
        ({"values": [[2, 1], [3]]}, ("InducedMarket.values", "as many for each trader")),
        ({"values": [11]}, ("InducedMarket.values must lie in 0 ... 10", "11")),
        ({"costs": [-1]}, ("InducedMarket.costs must lie in 0 ... 10", "-1")),
        ({"values": [[1, 2]]}, ("InducedMarket.values of one trader must fall", "[1, 2]")),
        ({"costs": [[2, 1]]}, ("InducedMarket.costs of one trader must rise", "[2, 1]")),
        ({"ceiling": 0}, ("InducedMarket.ceiling must be 1 or more", "0")),
        ({"ceiling": 2 * 10**9}, ("InducedMarket.ceiling must be at most 1e+09", "2000000000")),
    ],
)
def test_bad_markets(change, parts):
    with pytest.raises(InvalidInputError) as raised:
        InducedMarket(**{"values": [5], "costs": [3], "ceiling": 10, **change})
    assert [part for part in parts if part not in str(raised.value)] == []


def test_bad_tax_rates():
    with pytest.raises(InvalidInputError, match="tax_rate"):
        SMITH.equilibrium(tax_rate=1.5)
