"""The wealth economy as tensors: conservation, the engine's taxes and Gini, closed laws, gradients through a run."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from walras.market import InvalidInputError
from walras.market.operators.simulation import Exchange, Matching, simulate_wealth
from walras.market.operators.welfare import gini as gini_of
from walras.market.taxation import WealthTax
from walras.market.welfare import gini

EXCHANGES, MATCHINGS = list(Exchange), list(Matching)
TAX = WealthTax((1.0, 3.0), (0.05, 0.2))


def draw(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def equal_start(replicas: int = 4, agents: int = 500) -> Tensor:
    return torch.ones(replicas, agents, dtype=torch.float64)


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("matching", MATCHINGS)
@pytest.mark.parametrize("agents", [2, 7, 100])
def test_money_is_conserved_and_nobody_owes(exchange: Exchange, matching: Matching, agents: int) -> None:
    start = equal_start(agents=agents)
    run = simulate_wealth(start, 200, fraction=0.9, generator=draw(), exchange=exchange, matching=matching, tax=TAX)
    torch.testing.assert_close(run.wealth.sum(-1), start.sum(-1))
    assert run.wealth.min() >= 0.0
    assert bool((run.wealth != 1.0).any())
    assert bool((start == 1.0).all())


@pytest.mark.parametrize("matching", MATCHINGS)
def test_a_seed_repeats_a_run_and_replicas_differ(matching: Matching) -> None:
    runs = [simulate_wealth(equal_start(), 20, fraction=0.3, generator=draw(s), matching=matching) for s in (1, 1, 2)]
    assert torch.equal(runs[0].wealth, runs[1].wealth)
    assert not torch.equal(runs[0].wealth, runs[2].wealth)
    assert not torch.equal(runs[0].wealth[0], runs[0].wealth[1])


@pytest.mark.parametrize("matching", MATCHINGS)
def test_random_splits_lead_to_the_exponential_law(matching: Matching) -> None:
    """Gini 1/2, and P(w > m) = 1/e: Drăgulescu and Yakovenko 2000."""
    run = simulate_wealth(
        equal_start(20, 1000), 60, fraction=1.0, generator=draw(), exchange=Exchange.RANDOM_SPLIT, matching=matching
    )
    assert gini_of(run.wealth).mean().item() == pytest.approx(0.5, abs=0.01)
    assert (run.wealth > 1.0).double().mean().item() == pytest.approx(np.exp(-1.0), abs=0.01)


@pytest.mark.parametrize("matching", MATCHINGS)
def test_the_law_is_that_of_the_object_engine(matching: Matching) -> None:
    """Mean Gini of taxed yard sales, against the economy of agents with whole cents; within four standard errors."""
    from walras.agents.wealth import WealthEconomy, YardSale

    periods, agents, replicas = 40, 60, 40
    tax = WealthTax((0.0,), (0.05,))
    finals = []
    for seed in range(replicas):
        economy = WealthEconomy(np.full(agents, 10_000), YardSale(fraction=0.3), tax=tax, rng=seed)
        economy.run(periods)
        finals.append(gini(economy.ledger.wealth))
    run = simulate_wealth(
        torch.full((replicas, agents), 100.0), periods, fraction=0.3, generator=draw(3), tax=tax, matching=matching
    )
    ours, theirs = gini_of(run.wealth).double().numpy(), np.array(finals)
    error = np.hypot(ours.std() / np.sqrt(replicas), theirs.std() / np.sqrt(replicas))
    assert abs(ours.mean() - theirs.mean()) < 4.0 * error
    assert error < 0.02


def test_an_untaxed_yard_sale_condenses_and_a_tax_stops_it() -> None:
    free = simulate_wealth(equal_start(), 3000, fraction=0.5, generator=draw(), record_every=1000)
    taxed = simulate_wealth(
        equal_start(), 3000, fraction=0.5, generator=draw(), record_every=1000, tax=WealthTax((0.0,), (0.05,))
    )
    assert free.gini.shape == (3, 4)
    assert bool((free.gini[-1] > 0.97).all())
    assert bool((taxed.gini[-1] < 0.9).all())


def test_dues_are_those_of_the_tax() -> None:
    """With nothing at stake only the tax moves money."""
    start = torch.tensor([[0.5, 1.0, 2.0, 10.0]], dtype=torch.float64)
    run = simulate_wealth(start, 1, fraction=0.0, generator=draw(), tax=TAX)
    dues = TAX.tax_due(start[0].numpy())
    np.testing.assert_allclose(run.wealth[0], start[0].numpy() - dues + dues.mean())


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("matching", MATCHINGS)
def test_gradients_go_through_the_whole_run(exchange: Exchange, matching: Matching) -> None:
    def final_gini(stake: Tensor, rates: Tensor) -> Tensor:
        run = simulate_wealth(
            equal_start(2, 30), 15, fraction=stake, rates=rates, tax=TAX, exchange=exchange, matching=matching,
            generator=draw(4),
        )  # fmt: skip
        return gini_of(run.wealth).mean()

    stake = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    rates = torch.tensor([0.05, 0.2], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(final_gini, (stake, rates))
    to_stake, to_rates = torch.autograd.grad(final_gini(stake, rates), (stake, rates))
    assert to_stake > 0.0
    assert to_rates[0] < 0.0


ONE = torch.ones(1, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate_wealth(torch.ones(4), 1, fraction=0.1, generator=draw()), r"shape \(replicas, n\)"),
        (lambda: simulate_wealth(torch.ones(4, 1), 1, fraction=0.1, generator=draw()), "n >= 2"),
        (lambda: simulate_wealth(ONE.long(), 1, fraction=0.1, generator=draw()), "floating-point"),
        (lambda: simulate_wealth(ONE, -1, fraction=0.1, generator=draw()), "periods"),
        (lambda: simulate_wealth(ONE, 1, fraction=0.1, generator=0), "generator"),
        (lambda: simulate_wealth(ONE, 1, fraction=0.1, generator=draw(), record_every=0), "record_every"),
        (lambda: simulate_wealth(ONE, 1, fraction=0.1, generator=draw(), exchange="yard"), "exchange"),
        (lambda: simulate_wealth(ONE, 1, fraction=0.1, generator=draw(), matching="all"), "matching"),
        (lambda: simulate_wealth(ONE, 1, fraction=0.1, generator=draw(), tax=0.1), "tax"),
        (lambda: simulate_wealth(ONE, 1, fraction=0.1, generator=draw(), rates=torch.ones(2)), "without a tax"),
        (
            lambda: simulate_wealth(ONE, 1, fraction=0.1, generator=draw(), tax=TAX, rates=torch.ones(3)),
            "rates must",
        ),
        (lambda: simulate_wealth(ONE.to("meta"), 1, fraction=0.1, generator=draw()), "The generator is on cpu"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        call()
