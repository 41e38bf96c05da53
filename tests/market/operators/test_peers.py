"""Against what users would pick instead: linear demand of width 1 and unit costs is entmax's budget projection.

    maximise  <x, v> - ||x||^2 / 2   subject to   sum x = B,  0 <= x <= 1.

Peer: entmax 1.3, `budget_bisect`. Softmax is another corner of the family: the logit shares of a small supply.
"""

from importlib.metadata import version

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from walras.market import CapacityMarket, FixedSupply, LinearDemand, LogitDemand
from walras.market.operators import compile_mechanism

entmax = pytest.importorskip("entmax", reason="the peer is an optional dependency: pip install walras[bench]")

PROJECTION = compile_mechanism(CapacityMarket(FixedSupply(0.0), LinearDemand(1.0)))


def ours(valuations: Tensor, budget: Tensor | float) -> Tensor:
    return PROJECTION(valuations, torch.ones_like(valuations), supply=budget).allocation


@st.composite
def scores_and_budgets(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    markets, agents = draw(st.integers(1, 3)), draw(st.integers(2, 6))
    score = st.one_of(st.integers(-12, 12).map(lambda fourths: fourths / 4), st.floats(-5.0, 5.0))
    scores = draw(st.lists(score, min_size=markets * agents, max_size=markets * agents))
    fractions = draw(st.lists(st.floats(0.05, 0.95), min_size=markets, max_size=markets))
    budgets = torch.tensor(fractions, dtype=torch.float64) * agents
    return torch.tensor(scores, dtype=torch.float64).reshape(markets, agents), budgets


@given(inputs=scores_and_budgets())
def test_shares_are_entmaxs_budget_projection(inputs: tuple[Tensor, Tensor]) -> None:
    scores, budgets = inputs
    theirs = entmax.budget_bisect(scores, budget=budgets[:, None], dim=-1, n_iter=60)
    torch.testing.assert_close(ours(scores, budgets), theirs, rtol=0.0, atol=1e-12)


@given(inputs=scores_and_budgets(), seed=st.integers(0, 99))
def test_gradients_are_entmaxs_away_from_kinks(inputs: tuple[Tensor, Tensor], seed: int) -> None:
    scores, budgets = inputs
    shares = ours(scores, budgets)
    # Drop markets with an agent so near a kink that rounding decides on which side it stands, or with nobody inside.
    price = PROJECTION(scores, torch.ones_like(scores), supply=budgets).price[:, None]
    clear = ((scores - price).abs() > 1e-6) & ((scores - price - 1.0).abs() > 1e-6)
    keep = clear.all(-1) & ((shares > 0.0) & (shares < 1.0)).any(-1)
    scores, budgets = scores[keep].requires_grad_(), budgets[keep]
    upstream = torch.randn(scores.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    (got,) = torch.autograd.grad(ours(scores, budgets), scores, upstream)
    theirs = entmax.budget_bisect(scores, budget=budgets[:, None], dim=-1, n_iter=60)
    (wanted,) = torch.autograd.grad(theirs, scores, upstream)
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


# Two tied agents are served in full and the rest stay out by a wide gap: nothing that anyone bids a little more or less
# changes that, so every derivative is 0. Bisection ends a rounding error short of a full share, and takes it as inside.
TIE, TIE_BUDGET = [3.3, 3.3, 0.1, 0.1], 2.0


def test_at_a_tie_that_is_served_in_full_the_derivative_is_zero() -> None:
    scores = torch.tensor(TIE, dtype=torch.float64)
    for moved in (scores, scores + torch.tensor([1e-3, -1e-3, 1e-3, 0.0])):  # no move changes the shares
        assert ours(moved, TIE_BUDGET).tolist() == [1.0, 1.0, 0.0, 0.0]
    jacobian = torch.autograd.functional.jacobian(lambda bids: ours(bids, TIE_BUDGET), scores)
    assert torch.all(jacobian == 0.0)


@pytest.mark.skipif(version("entmax") != "1.3", reason="pins what entmax 1.3 does")
def test_where_the_peer_reports_one_half() -> None:
    def theirs(bids: Tensor) -> Tensor:
        return entmax.budget_bisect(bids, budget=TIE_BUDGET, dim=-1)

    jacobian = torch.autograd.functional.jacobian(theirs, torch.tensor(TIE, dtype=torch.float64))
    wrong = torch.zeros(4, 4, dtype=torch.float64)
    wrong[:2, :2] = torch.tensor([[0.5, -0.5], [-0.5, 0.5]])
    torch.testing.assert_close(jacobian, wrong)


def test_logit_shares_of_a_small_supply_are_softmax() -> None:
    # As B -> 0, x_i -> B * softmax(v / tau)_i: shares are so small that 1 - x_i = 1.
    scores = torch.randn(8, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    operator = compile_mechanism(CapacityMarket(FixedSupply(1e-9), LogitDemand(0.7)))
    shares = operator(scores, torch.ones(16, dtype=torch.float64)).allocation
    torch.testing.assert_close(shares / 1e-9, torch.softmax(scores / 0.7, dim=-1), rtol=1e-8, atol=0.0)
