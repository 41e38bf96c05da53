"""Thousands of call auctions at once: each is the engine's auction, and zero intelligence finds what it should."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from walras.market import InvalidInputError
from walras.market.double_auctions import CallAuction
from walras.market.errors import NotDifferentiableError
from walras.market.operators.simulation import simulate_call_auctions


def draw(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def sides(markets: int = 6, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = draw(seed)
    values = torch.rand(markets, 9, generator=generator, dtype=torch.float64)
    return values, torch.rand(markets, 7, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shading", [0.0, 0.1])
def test_each_market_is_the_engines_auction(shading: float) -> None:
    values, costs = sides()
    markets = simulate_call_auctions(values, costs, generator=draw(), ceiling=1.0, shading=shading)
    for row in range(6):
        bids, asks = values[row] * (1.0 - shading), costs[row] + shading * (1.0 - costs[row])
        engine = CallAuction().clear(bids.numpy(), asks.numpy())
        truthful = CallAuction().clear(values[row].numpy(), costs[row].numpy())
        assert markets.price[row].item() == pytest.approx(engine.price)
        assert markets.volume[row].item() == engine.volume
        gains = values[row].numpy() @ engine.buyer_allocation - costs[row].numpy() @ engine.seller_allocation
        assert markets.gains[row].item() == pytest.approx(gains)
        assert markets.largest_gains[row].item() == pytest.approx(truthful.gains)


def test_bids_of_zero_intelligence_are_uniform() -> None:
    """One buyer of value 1 and one seller of cost 0: they trade with probability 1/2, at a mean price of 1/2."""
    ones = torch.ones(40_000, 1)
    markets = simulate_call_auctions(ones, 0.0 * ones, generator=draw(), ceiling=1.0)
    assert markets.volume.mean().item() == pytest.approx(0.5, abs=0.01)
    traded = markets.volume > 0.0
    assert markets.price[traded].mean().item() == pytest.approx(0.5, abs=0.01)
    assert (markets.gains == markets.volume).all()


def test_a_seed_repeats_a_run() -> None:
    values, costs = sides()
    runs = [simulate_call_auctions(values, costs, generator=draw(seed), ceiling=1.0) for seed in (0, 0, 1)]
    assert torch.equal(runs[0].price, runs[1].price)
    assert not torch.equal(runs[0].price, runs[2].price)


def test_gains_are_differentiable_at_a_temperature() -> None:
    values, costs = sides()
    shading = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)

    def gains(shading: Tensor) -> Tensor:
        return simulate_call_auctions(
            values, costs, generator=draw(), ceiling=1.0, temperature=0.05, shading=shading
        ).gains.sum()

    torch.autograd.gradcheck(gains, (shading,))
    assert torch.autograd.grad(gains(shading), shading)[0] < 0.0  # who asks for more loses trades


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v, c: simulate_call_auctions(v[0], c, generator=draw(), ceiling=1.0), InvalidInputError, "markets, n"),
        (lambda v, c: simulate_call_auctions(v[:2], c, generator=draw(), ceiling=1.0), InvalidInputError, "markets, n"),
        (lambda v, c: simulate_call_auctions(v, c, generator=3, ceiling=1.0), InvalidInputError, "generator"),
        (lambda v, c: simulate_call_auctions(v, c, generator=draw(), ceiling=0.0), InvalidInputError, "ceiling"),
        (lambda v, c: simulate_call_auctions(v.long(), c, generator=draw(), ceiling=1.0), InvalidInputError, "values"),
        (
            lambda v, c: simulate_call_auctions(v.requires_grad_(), c, generator=draw(), ceiling=1.0),
            NotDifferentiableError,
            "who trades",
        ),
    ],
)
def test_bad_input_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(*sides())
