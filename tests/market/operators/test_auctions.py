"""Compiled auctions: the exact form against the engine, the smooth form against its limit and its theory."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from walras.market import InvalidInputError
from walras.market.auctions import PaymentRule, SealedBidAuction
from walras.market.errors import NotDifferentiableError
from walras.market.operators import compile_mechanism

RULES = list(PaymentRule)
rules = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
amounts = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 2.5]), st.floats(1e-3, 1e6))


@st.composite
def auctions(draw: st.DrawFn) -> tuple[SealedBidAuction, np.ndarray]:
    """Rules, and bids of two auctions at once, with ties and bids of 0."""
    demand, bidders = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    rule, units = draw(st.sampled_from(RULES)), draw(st.integers(1, 7))
    reserve = draw(st.one_of(amounts, st.lists(amounts, min_size=bidders, max_size=bidders).map(tuple)))
    count = 2 * bidders * demand
    bids = np.array(draw(st.lists(amounts, min_size=count, max_size=count))).reshape(2, bidders, demand)
    bids = -np.sort(-bids, axis=-1)
    return SealedBidAuction(rule, units, demand, reserve), bids[..., 0] if demand == 1 else bids


@given(auctions())
def test_the_exact_form_is_the_engine(case: tuple[SealedBidAuction, np.ndarray]) -> None:
    auction, bids = case
    engine = auction.clear_many(bids)
    ours = compile_mechanism(auction)(torch.from_numpy(bids.copy()))
    np.testing.assert_array_equal(ours.allocation, engine.allocation)
    np.testing.assert_allclose(ours.payments, engine.payments, rtol=1e-12)
    np.testing.assert_allclose(ours.revenue, engine.revenue, rtol=1e-12)


def some_bids(demand: int = 1) -> Tensor:
    """Bids well apart, three auctions of five bidders."""
    generator = torch.Generator().manual_seed(5)
    bids = 1.0 + torch.stack([torch.randperm(5 * demand, generator=generator) for _ in range(3)]).double()
    bids = bids.unflatten(-1, (5, demand)).sort(dim=-1, descending=True).values
    return bids.squeeze(-1) if demand == 1 else bids


@rules
@pytest.mark.parametrize("demand", [1, 2])
@pytest.mark.parametrize(("units", "reserve"), [(2, 0.0), (3, 2.4), (2, 4.6), (20, 0.5), (1, 100.0)])
def test_the_smooth_form_tends_to_the_engine(rule: PaymentRule, demand: int, units: int, reserve: float) -> None:
    bids = some_bids(demand)
    auction = SealedBidAuction(rule, units, demand, reserve)
    engine = auction.clear_many(bids.numpy())
    smooth = compile_mechanism(auction, temperature=1e-3)(bids)
    np.testing.assert_allclose(smooth.allocation, engine.allocation, atol=1e-9)
    np.testing.assert_allclose(smooth.payments, engine.payments, atol=1e-5)


@rules
def test_gradients_of_the_smooth_form_are_right(rule: PaymentRule) -> None:
    operator = compile_mechanism(SealedBidAuction(rule, 2, 2, 0.5), temperature=0.7)
    bids = some_bids(2).requires_grad_()
    reserve = torch.tensor([0.5, 4.2, 7.5], dtype=torch.float64, requires_grad=True)

    def outcome(bids: Tensor, reserve: Tensor) -> tuple[Tensor, ...]:
        clearing = operator(bids, reserve=reserve)
        return clearing.allocation, clearing.payments, clearing.price

    torch.autograd.gradcheck(outcome, (bids, reserve), atol=1e-6)


def test_smooth_vickrey_is_truthful() -> None:
    """At the truth, no change of its own bid raises what a bidder gets, its taste for chance (entropy) included."""
    temperature = 0.8
    values = some_bids()
    operator = compile_mechanism(SealedBidAuction(PaymentRule.VICKREY, 2, reserve=1.5), temperature=temperature)
    for bidder in range(5):
        report = values.clone().requires_grad_()
        outcome = operator(report)
        share = outcome.allocation[:, bidder]
        entropy = torch.special.entr(share) + torch.special.entr(1.0 - share)
        gain = values[:, bidder] * share + temperature * entropy - outcome.payments[:, bidder]
        (slope,) = torch.autograd.grad(gain.sum(), report)
        assert slope[:, bidder].abs().max() < 1e-9
        shaded = values.clone()
        shaded[:, bidder] *= 0.6
        worse = operator(shaded)
        share = worse.allocation[:, bidder]
        entropy = torch.special.entr(share) + torch.special.entr(1.0 - share)
        assert bool((values[:, bidder] * share + temperature * entropy - worse.payments[:, bidder] < gain).all())


def test_smooth_first_price_is_not() -> None:
    values = some_bids().requires_grad_()
    operator = compile_mechanism(SealedBidAuction(PaymentRule.DISCRIMINATORY, 2), temperature=0.8)
    outcome = operator(values)
    gain = (values.detach() * outcome.allocation - outcome.payments)[:, 0]
    (slope,) = torch.autograd.grad(gain.sum(), values)
    assert slope[:, 0].abs().max() > 1e-3


@rules
def test_hard_values_come_with_soft_gradients(rule: PaymentRule) -> None:
    auction = SealedBidAuction(rule, 2)
    bids = some_bids().requires_grad_()
    hard = compile_mechanism(auction, temperature=0.5, hard=True)(bids)
    exact = compile_mechanism(auction)(bids.detach())
    soft_bids = some_bids().requires_grad_()
    soft = compile_mechanism(auction, temperature=0.5)(soft_bids)
    for ours, theirs in zip(hard, exact, strict=True):
        torch.testing.assert_close(ours.detach(), theirs)
    weights = torch.arange(5.0, dtype=torch.float64)
    (hard.payments * weights).sum().backward()
    (soft.payments * weights).sum().backward()
    torch.testing.assert_close(bids.grad, soft_bids.grad)


@rules
def test_the_smooth_form_goes_through_vmap_and_single_precision(rule: PaymentRule) -> None:
    operator = compile_mechanism(SealedBidAuction(rule, 2), temperature=0.5)
    together = operator(some_bids().float())
    apart = torch.func.vmap(lambda bids: operator(bids).payments)(some_bids().float())
    assert together.payments.dtype == torch.float32
    torch.testing.assert_close(together.payments, apart)


def test_a_bid_of_nothing_wins_nothing() -> None:
    operator = compile_mechanism(SealedBidAuction(PaymentRule.VICKREY, 2), temperature=0.5)
    outcome = operator(torch.tensor([3.0, 0.0, 1.0], dtype=torch.float64))
    assert outcome.allocation[1] == outcome.payments[1] == 0.0
    assert outcome.allocation[0] > 0.9


ONE = SealedBidAuction(PaymentRule.VICKREY)
TWO = SealedBidAuction(PaymentRule.VICKREY, demand=2)
EACH = SealedBidAuction(PaymentRule.VICKREY, reserve=(1.0, 2.0))
CHECKED = compile_mechanism(ONE, check_values=True)
WANTED = torch.ones(3).requires_grad_()
JUMPS = NotDifferentiableError


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compile_mechanism(ONE)(WANTED), JUMPS, "who wins jumps"),
        (lambda: compile_mechanism(ONE)(torch.ones(3), reserve=WANTED.sum()), JUMPS, "reserve requires"),
        (lambda: compile_mechanism(ONE)(torch.ones(3, dtype=torch.long)), InvalidInputError, "floating-point"),
        (lambda: compile_mechanism(ONE)([1.0]), InvalidInputError, "got list"),
        (lambda: compile_mechanism(ONE)(torch.ones(2, 0)), InvalidInputError, "n >= 1"),
        (lambda: compile_mechanism(TWO)(torch.ones(3)), InvalidInputError, r"\(..., n, 2\)"),
        (lambda: compile_mechanism(ONE, temperature=0.0), InvalidInputError, "temperature must be"),
        (lambda: compile_mechanism(ONE, hard=True), InvalidInputError, "hard=True needs a temperature"),
        (lambda: compile_mechanism(ONE, hard="yes", temperature=1.0), InvalidInputError, "hard"),
        (lambda: compile_mechanism(EACH, temperature=1.0)(torch.ones(2)), InvalidInputError, "one reserve"),
        (lambda: CHECKED(torch.tensor([1.0, -1.0])), InvalidInputError, "bids must be finite and 0 or more, got -1"),
        (lambda: CHECKED(torch.tensor([torch.nan])), InvalidInputError, "got nan"),
        (lambda: compile_mechanism("auction"), InvalidInputError, "compile_mechanism takes"),
    ],
)
def test_bad_input_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
