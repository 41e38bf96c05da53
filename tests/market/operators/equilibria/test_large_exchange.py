"""Large exchange economies: excess demand of the engine at the prices found, and closed forms."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.market import InvalidInputError
from walras.market.errors import NotConvergedError
from walras.market.exchange import CES, CobbDouglas, ExchangeEconomy, Leontief
from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherUtility, LeontiefUtility, LinearUtility
from walras.market.operators.equilibria import LargeExchangeStatus, exchange_prices


def economy(consumers: int, goods: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(consumers, goods, generator=generator, dtype=torch.float64) + 0.05
    return values, torch.rand(consumers, goods, generator=generator, dtype=torch.float64) ** 2 + 0.01


@pytest.mark.parametrize(
    ("utility", "engine"),
    [
        (CobbDouglasUtility(), lambda v: CobbDouglas(v / v.sum(1, keepdims=True))),
        (CESUtility(0.5), lambda v: CES(v, 0.5)),
        (CESUtility(-1.0), lambda v: CES(v, -1.0)),
        (LeontiefUtility(), Leontief),
    ],
    ids=["Cobb-Douglas", "CES 0.5", "CES -1", "Leontief"],
)
def test_the_engine_finds_no_excess_demand_at_these_prices(utility: FisherUtility, engine: Any) -> None:
    values, owned = economy(80, 4)
    answer = exchange_prices(values, owned, utility=utility, tolerance=1e-8).require()
    explicit = ExchangeEconomy(engine(values.numpy()), owned.numpy())
    excess = explicit.excess_demand(answer.prices.numpy())
    worth = float(answer.prices.numpy() @ owned.sum(0).numpy())
    assert np.abs(excess * answer.prices.numpy()).max() <= 2e-8 * worth
    assert answer.excess_demand <= 1e-8


def test_linear_consumers_buy_nearly_the_best() -> None:
    values, owned = economy(200, 5)
    answer = exchange_prices(values, owned, utility=LinearUtility(), tolerance=1e-4).require()
    assert 0.0 < answer.forgone <= 1e-4
    assert answer.prices.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("utility", [CESUtility(0.5), LinearUtility()], ids=repr)
def test_sparse_and_blocks_change_nothing(utility: FisherUtility) -> None:
    values, owned = economy(60, 6)
    values[:, 1:] *= (torch.arange(60).unsqueeze(-1) + torch.arange(5)) % 3 > 0
    whole = exchange_prices(values, owned, utility=utility, tolerance=1e-5)
    in_blocks = exchange_prices(values, owned, utility=utility, tolerance=1e-5, block=11)
    sparse = exchange_prices(values.to_sparse_coo(), owned, utility=utility, tolerance=1e-5)
    torch.testing.assert_close(in_blocks.prices, whole.prices, rtol=1e-9, atol=0.0)
    torch.testing.assert_close(sparse.prices, whole.prices, rtol=1e-3, atol=0.0)
    assert whole.status is sparse.status is LargeExchangeStatus.SOLVED


def test_a_search_that_is_cut_short_says_so() -> None:
    values, owned = economy(60, 6)
    answer = exchange_prices(values, owned, utility=LinearUtility(), tolerance=1e-5, most_steps=1)
    assert answer.status is LargeExchangeStatus.NOT_CONVERGED
    with pytest.raises(NotConvergedError, match="excess demand is"):
        answer.require()


GOOD = torch.ones(3, 2)
SHARES = CobbDouglasUtility()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exchange_prices(GOOD, [[1.0]], utility=SHARES), "endowments must be a dense"),
        (lambda: exchange_prices(GOOD, torch.ones(2, 2), utility=SHARES), "shape and device of the valuations"),
        (lambda: exchange_prices(GOOD, -GOOD, utility=SHARES), "endowments must be finite"),
        (lambda: exchange_prices(GOOD, GOOD * torch.nan, utility=SHARES), "endowments must be finite"),
        (lambda: exchange_prices(GOOD, GOOD * torch.tensor([1.0, 0.0]), utility=SHARES), "Nobody owns good 1"),
        (lambda: exchange_prices(GOOD * torch.tensor([1.0, 0.0]), GOOD, utility=SHARES), "Nobody values good 1"),
        (lambda: exchange_prices(GOOD, GOOD * torch.tensor([[1.0], [0.0], [1.0]]), utility=SHARES), "owns nothing"),
        (lambda: exchange_prices(GOOD, GOOD, utility=SHARES, tolerance=-1.0), "tolerance must be"),
        (lambda: exchange_prices(-GOOD, GOOD, utility=SHARES), "valuations must be finite, and 0 or more"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        call()
