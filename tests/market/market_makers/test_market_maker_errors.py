"""Bad input raises one error, and the message names the argument and what was got."""

from fractions import Fraction

import pytest

from walras.market import InfeasibleError, InvalidInputError
from walras.market.market_makers import ConstantProduct, IntegerConstantProduct, LogarithmicScoringRule, TradingPost

NAN, INF = float("nan"), float("inf")
POOL, WHOLE = ConstantProduct((10.0, 20.0)), IntegerConstantProduct((10, 20))
RULE, POST = LogarithmicScoringRule(2, 1.0), TradingPost()
ONES = [[1.0], [1.0]]

INVALID = [
    (lambda: ConstantProduct((1.0,)), ("ConstantProduct.reserves", "pair", "(1.0,)")),
    (lambda: ConstantProduct(3.0), ("ConstantProduct.reserves", "pair", "3.0")),
    (lambda: ConstantProduct((1.0, 0.0)), ("ConstantProduct.reserves", "above 0", "entry 1 is 0.0")),
    (lambda: ConstantProduct((NAN, 1.0)), ("ConstantProduct.reserves", "nan")),
    (lambda: ConstantProduct((1e101, 1.0)), ("ConstantProduct.reserves", "[1e-100, 1e+100]", "1e+101")),
    (lambda: ConstantProduct((1.0, 1e-101)), ("ConstantProduct.reserves", "1e-101", "another unit")),
    (lambda: ConstantProduct((1.0, 1.0), 1.0), ("ConstantProduct.fee", "[0, 1)", "1.0")),
    (lambda: ConstantProduct((1.0, 1.0), -0.1), ("ConstantProduct.fee", "-0.1")),
    (lambda: ConstantProduct((1.0, 1.0), NAN), ("ConstantProduct.fee", "nan")),
    (lambda: ConstantProduct((1.0, 1.0), shares=0.0), ("ConstantProduct.shares", "above 0", "0.0")),
    (lambda: POOL.price(2), ("asset", "0 or 1", "2")),
    (lambda: POOL.price(0.5), ("asset", "0.5")),
    (lambda: POOL.swap_exact_in(-1.0, sold=0), ("amount", "0 or more", "-1.0")),
    (lambda: POOL.swap_exact_in(INF, sold=0), ("amount", "inf")),
    (lambda: POOL.swap_exact_in(1e101, sold=0), ("ConstantProduct.reserves", "1e+101")),
    (lambda: POOL.swap_exact_in(1.0, sold=3), ("sold", "0 or 1", "3")),
    (lambda: POOL.swap_exact_out(-1.0, sold=0), ("amount", "0 or more", "-1.0")),
    (lambda: POOL.swap_exact_out(1.0, sold=-1), ("sold", "-1")),
    (lambda: POOL.add_liquidity((1.0, -1.0)), ("amounts[1]", "0 or more", "-1.0")),
    (lambda: POOL.add_liquidity((NAN, 1.0)), ("amounts[0]", "nan")),
    (lambda: POOL.add_liquidity(1.0), ("amounts", "pair", "1.0")),
    (lambda: POOL.remove_liquidity(-1.0), ("shares", "-1.0")),
    (lambda: IntegerConstantProduct((1, 0)), ("IntegerConstantProduct.reserves[1]", "1 or more", "0")),
    (lambda: IntegerConstantProduct((1.0, 2)), ("IntegerConstantProduct.reserves[0]", "int", "1.0", "ConstantProduct")),
    (lambda: IntegerConstantProduct([1]), ("IntegerConstantProduct.reserves", "pair", "[1]")),
    (lambda: IntegerConstantProduct((1, 2), 0.003), ("IntegerConstantProduct.fee", "Fraction", "0.003")),
    (lambda: IntegerConstantProduct((1, 2), True), ("IntegerConstantProduct.fee", "True")),
    (lambda: IntegerConstantProduct((1, 2), Fraction(1)), ("IntegerConstantProduct.fee", "Fraction(1, 1)")),
    (lambda: IntegerConstantProduct((1, 2), Fraction(-1, 2)), ("IntegerConstantProduct.fee", "Fraction(-1, 2)")),
    (lambda: IntegerConstantProduct((1, 2), shares=0), ("IntegerConstantProduct.shares", "1 or more", "0")),
    (lambda: WHOLE.price(2), ("asset", "2")),
    (lambda: WHOLE.swap_exact_in(1.0, sold=0), ("amount", "int", "1.0")),
    (lambda: WHOLE.swap_exact_in(-1, sold=0), ("amount", "0 or more", "-1")),
    (lambda: WHOLE.swap_exact_in(1, sold=2), ("sold", "2")),
    (lambda: WHOLE.swap_exact_out(-1, sold=0), ("amount", "-1")),
    (lambda: WHOLE.swap_exact_out(1, sold=2), ("sold", "2")),
    (lambda: WHOLE.add_liquidity((1, -2)), ("amounts[1]", "-2")),
    (lambda: WHOLE.add_liquidity((0.5, 2)), ("amounts[0]", "0.5")),
    (lambda: WHOLE.add_liquidity((1, 2, 3)), ("amounts", "pair", "(1, 2, 3)")),
    (lambda: WHOLE.remove_liquidity(-1), ("shares", "-1")),
    (lambda: WHOLE.remove_liquidity("all"), ("shares", "'all'")),
    (lambda: LogarithmicScoringRule(1, 1.0), ("LogarithmicScoringRule.outcomes", "2 or more", "1")),
    (lambda: LogarithmicScoringRule(2.5, 1.0), ("LogarithmicScoringRule.outcomes", "2.5")),
    (lambda: LogarithmicScoringRule(2, 0.0), ("LogarithmicScoringRule.liquidity", "above 0", "0.0")),
    (lambda: LogarithmicScoringRule(2, NAN), ("LogarithmicScoringRule.liquidity", "nan")),
    (lambda: RULE.prices([1.0]), ("quantities", "outcome", "expected 2, got 1")),
    (lambda: RULE.prices([1.0, NAN]), ("quantities", "entry 1 is nan")),
    (lambda: RULE.prices([1.1e150, 0.0]), ("quantities", "1e+150 times the liquidity", "1.1e+150")),
    (lambda: RULE.cost([[1.0, 2.0]]), ("quantities", "shape (1, 2)")),
    (lambda: RULE.losses([]), ("quantities", "empty")),
    (lambda: RULE.trade([1.0, 2.0], [1.0]), ("purchase", "expected 2, got 1")),
    (lambda: RULE.trade([1.0], [1.0, 2.0]), ("quantities", "expected 2, got 1")),
    (lambda: RULE.trade([9e149, 0.0], [9e149, 0.0]), ("quantities + purchase", "1.8e+150")),
    (lambda: LogarithmicScoringRule(2, 1e-10).prices([0.0, 1.1e140]), ("quantities", "1e-10", "1.1e+140")),
    (lambda: RULE.trade_to_price([0.0, 0.0], 2, 0.5), ("outcome", "number of outcomes, 2", "got 2")),
    (lambda: RULE.trade_to_price([0.0, 0.0], -1, 0.5), ("outcome", "-1")),
    (lambda: RULE.trade_to_price([0.0, 0.0], 0, 1.0), ("price", "between 0 and 1", "1.0")),
    (lambda: RULE.trade_to_price([0.0, 0.0], 0, 0.0), ("price", "between 0 and 1", "0.0")),
    (lambda: RULE.trade_to_price([0.0], 0, 0.5), ("quantities", "expected 2, got 1")),
    (lambda: RULE.trade_to_prices([0.0, 0.0], [0.5, 0.6]), ("prices", "add up to 1", "[0.5, 0.6]")),
    (lambda: RULE.trade_to_prices([0.0, 0.0], [1.0, 0.0]), ("prices", "above 0", "[1.0, 0.0]")),
    (lambda: RULE.trade_to_prices([0.0, 0.0], [1.0]), ("prices", "expected 2, got 1")),
    (lambda: POST.clear([[NAN]], [[1.0]]), ("bids", "entry (0, 0) is nan")),
    (lambda: POST.clear([[1.0]], [[-1.0]]), ("offers", "0 or more", "entry (0, 0) is -1.0")),
    (lambda: POST.clear([1.0], [[1.0]]), ("bids", "one row per trader", "one column per post", "shape (1,)")),
    (lambda: POST.clear([[1.0]], ONES), ("offers", "shape (1, 1)", "(2, 1)")),
    (lambda: POST.clear([[]], [[]]), ("bids", "empty")),
    (lambda: POST.clear([[1e-76]], [[1.0]]), ("bids", "at least 1e-75", "1e-76", "another unit")),
    (lambda: POST.clear([[1.0], [1.0]], [[6e74], [6e74]]), ("offers", "less than 1e+75", "1.2e+75")),
    (lambda: POST.pool_facing(ONES, ONES, 2, 0), ("trader", "number of traders, 2", "got 2")),
    (lambda: POST.pool_facing(ONES, ONES, 0, 1), ("post", "number of posts, 1", "got 1")),
    (lambda: POST.pool_facing(ONES, ONES, -1, 0), ("trader", "-1")),
    (lambda: POST.pool_facing([["a"]], ONES, 0, 0), ("bids", "real numbers")),
]

INFEASIBLE = [
    (lambda: POOL.swap_exact_out(20.0, sold=0), ("amount", "asset 1", "20")),
    (lambda: POOL.swap_exact_out(10.5, sold=1), ("amount", "asset 0", "10.5")),
    (lambda: POOL.remove_liquidity(POOL.shares), ("shares", "outstanding", "14.1421")),
    (lambda: WHOLE.swap_exact_out(20, sold=0), ("amount", "asset 1, 20", "got 20")),
    (lambda: WHOLE.remove_liquidity(14), ("shares", "outstanding, 14", "got 14")),
]


@pytest.mark.parametrize(("call", "parts"), INVALID, ids=["/".join(parts) for _, parts in INVALID])
def test_invalid_input(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(("call", "parts"), INFEASIBLE, ids=["/".join(parts) for _, parts in INFEASIBLE])
def test_more_than_there_is(call, parts):
    with pytest.raises(InfeasibleError) as raised:
        call()
    for part in parts:
        assert part in str(raised.value)
