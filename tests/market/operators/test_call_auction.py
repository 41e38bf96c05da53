"""The compiled call auction: the exact form against the engine, the smooth form against its limit."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from walras.market import InvalidInputError
from walras.market.double_auctions import CallAuction
from walras.market.errors import NotDifferentiableError
from walras.market.operators import compile_mechanism

limits = st.lists(st.one_of(st.integers(-3, 9).map(float), st.floats(-1e6, 1e6)), min_size=1, max_size=8)


@given(bids=limits, asks=limits, k=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_the_exact_form_is_the_engine(bids: list[float], asks: list[float], k: float) -> None:
    engine = CallAuction(k).clear(bids, asks)
    ours = compile_mechanism(CallAuction(k))(*(torch.tensor([side], dtype=torch.float64) for side in (bids, asks)))
    np.testing.assert_array_equal(ours.bought[0], engine.buyer_allocation)
    np.testing.assert_array_equal(ours.sold[0], engine.seller_allocation)
    assert ours.volume[0].item() == engine.volume
    assert ours.price[0].item() == pytest.approx(engine.price, rel=1e-12, abs=1e-12)


def orders() -> tuple[Tensor, Tensor]:
    """Limits well apart, four markets."""
    generator = torch.Generator().manual_seed(8)
    all_limits = torch.stack([torch.randperm(12, generator=generator) for _ in range(4)]).double()
    return all_limits[:, :7], all_limits[:, 7:]


@pytest.mark.parametrize("k", [0.0, 0.25, 0.5, 1.0])
def test_the_smooth_form_tends_to_the_engine(k: float) -> None:
    bids, asks = orders()
    smooth = compile_mechanism(CallAuction(k), temperature=1e-3)(bids, asks)
    for market in range(4):
        engine = CallAuction(k).clear(bids[market].numpy(), asks[market].numpy())
        np.testing.assert_allclose(smooth.bought[market], engine.buyer_allocation, atol=1e-9)
        np.testing.assert_allclose(smooth.sold[market], engine.seller_allocation, atol=1e-9)
        assert smooth.price[market].item() == pytest.approx(engine.price, abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_what_is_bought_is_what_is_sold(dtype: torch.dtype) -> None:
    bids, asks = (side.to(dtype) for side in orders())
    outcome = compile_mechanism(CallAuction(), temperature=2.0)(bids, asks)
    torch.testing.assert_close(outcome.sold.sum(-1), outcome.volume, rtol=1e-5, atol=1e-6)
    assert outcome.price.dtype == dtype


@pytest.mark.parametrize("k", [0.3, 0.5])
def test_gradients_of_the_smooth_form_are_right(k: float) -> None:
    operator = compile_mechanism(CallAuction(k))
    bids, asks = (side.requires_grad_() for side in orders())
    temperature = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda b, a, t: tuple(operator(b, a, temperature=t)), (bids, asks, temperature), atol=1e-6)


def test_the_price_follows_both_sides() -> None:
    """Comparative statics: better bids raise the price, better asks lower it, and all limits move it one for one."""
    bids, asks = (side.requires_grad_() for side in orders())
    price = compile_mechanism(CallAuction(), temperature=1.0)(bids, asks).price
    to_bids, to_asks = torch.autograd.grad(price.sum(), (bids, asks))
    assert bool((to_bids > 0.0).all() and (to_asks > 0.0).all())
    torch.testing.assert_close(to_bids.sum(-1) + to_asks.sum(-1), torch.ones(4, dtype=torch.float64))


def test_hard_values_come_with_soft_gradients() -> None:
    bids, asks = (side.requires_grad_() for side in orders())
    hard = compile_mechanism(CallAuction(), temperature=1.0, hard=True)(bids, asks)
    exact = compile_mechanism(CallAuction())(bids.detach(), asks.detach())
    torch.testing.assert_close(hard.bought.detach(), exact.bought)
    torch.testing.assert_close(hard.price.detach(), exact.price)
    (hard_gradient,) = torch.autograd.grad(hard.bought[:, 0].sum(), bids)
    soft = compile_mechanism(CallAuction(), temperature=1.0)(bids, asks)
    torch.testing.assert_close(hard_gradient, torch.autograd.grad(soft.bought[:, 0].sum(), bids)[0])


def test_markets_go_through_vmap() -> None:
    bids, asks = orders()
    operator = compile_mechanism(CallAuction(), temperature=0.5)
    torch.testing.assert_close(
        torch.func.vmap(lambda b, a: operator(b, a).price)(bids, asks), operator(bids, asks).price
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m(torch.ones(3).requires_grad_(), torch.ones(3)), NotDifferentiableError, "who trades jumps"),
        (lambda m: m(torch.ones(3), torch.ones(3).requires_grad_()), NotDifferentiableError, "who trades jumps"),
        (lambda m: m(torch.ones(0), torch.ones(3)), InvalidInputError, "bids must have one order"),
        (lambda m: m(torch.ones(2), torch.ones(2, 0)), InvalidInputError, "asks must have one order"),
        (lambda m: m(torch.ones(2, 3), torch.ones(3)), InvalidInputError, "must agree"),
        (lambda m: m(torch.ones(3), [1.0]), InvalidInputError, "asks must be a floating-point tensor, got list"),
        (lambda m: m(torch.ones(3), torch.tensor([torch.nan])), InvalidInputError, "got nan"),
    ],
)
def test_bad_input_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(compile_mechanism(CallAuction(), check_values=True))
