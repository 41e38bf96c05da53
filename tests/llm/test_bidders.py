"""Bids that depend on the sequence: a market for each, the bidder's own cost, and how to make them static again."""

import numpy as np
import pytest
import torch
from tests.llm.models import bert, gpt2, logits_of, loss_of, random_bids, tokens
from torch.utils.flop_counter import FlopCounterMode

from walras.llm import CouplingError, EconomyConfig, ModelEconomy, SequenceBids, UnsupportedModelError, attach
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LogitDemand


def economy_of(budget: float = 0.5, *, speaks: bool = True, **options: object) -> ModelEconomy:
    market = CapacityMarket(FixedSupply(1.0), LogitDemand(0.3))
    economy = attach(bert().train(), EconomyConfig(market, budget, bids=SequenceBids(width=5), **options))
    random_bids(economy)
    if speaks:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(3)
            weight = economy.gate.bidder.bids.weight
            weight.copy_(0.02 * torch.randn(weight.shape, generator=generator))
    return economy


def test_an_untrained_bidder_says_nothing() -> None:
    economy, static = economy_of(speaks=False), attach(bert().train(), EconomyConfig(economy_market(), 0.5))
    random_bids(static)
    static.set_budget(0.5 - economy.gate.overhead)  # what is left after the bidder's own cost
    batch = tokens(padded=3)
    torch.testing.assert_close(logits_of(economy.model, batch), logits_of(static.model, batch), rtol=1e-4, atol=1e-4)


def economy_market() -> CapacityMarket:
    return CapacityMarket(FixedSupply(1.0), LogitDemand(0.3))


def test_every_sequence_has_a_market_of_its_own_and_pays_for_the_bidder() -> None:
    economy = economy_of()
    loss_of(economy.model)
    shares, costs = economy.gate.clearing.allocation.detach().double().numpy(), economy.gate.costs.numpy()
    assert shares.shape == (3, 21)
    flops = economy.population.costs_flops.sum()
    assert economy.gate.overhead == economy.gate.bidder.flops / flops
    np.testing.assert_allclose(shares @ costs + economy.gate.overhead, 0.5, atol=1e-5)
    assert np.abs(shares[0] - shares[1]).max() > 1e-3
    assert economy.gate.clearing.price.shape == ()
    # A sequence's gates do not depend on its neighbours, nor on padding.
    batch = tokens(padded=3)
    alone = {name: tensor[:1, 3:] for name, tensor in batch.items()}
    logits_of(economy.model, batch)
    together = economy.gate.clearing.allocation[0]
    logits_of(economy.model, alone)
    torch.testing.assert_close(economy.gate.clearing.allocation[0], together, rtol=1e-4, atol=1e-5)


def test_lanes_of_budgets_hold_sequences_side_by_side() -> None:
    economy = economy_of()
    economy.gate.lanes = torch.tensor([0.3, 0.6, 1.0], dtype=torch.float64)
    loss_of(economy.model)
    shares = economy.gate.clearing.allocation.detach().double()
    overhead = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64) * economy.gate.overhead
    torch.testing.assert_close(shares @ economy.gate.costs + overhead, economy.gate.lanes, rtol=0.0, atol=1e-5)
    assert economy.gate.clearing.price.shape == (3,)


def test_whole_agents_are_served_by_sequence_within_the_budget() -> None:
    economy = economy_of()
    economy.model.eval()
    batch = tokens()
    logits_of(economy.model, batch)
    served = economy.gate.clearing.allocation.numpy() > 0.5
    assert (economy.hard_allocation(inputs=batch) == served).all()
    used = served @ economy.gate.costs.numpy()
    assert (used + economy.gate.overhead <= 0.5 + 1e-9).all()
    assert (served[0] != served[1]).any()
    whole = logits_of(attach(bert()).model, batch)
    economy.set_budget(1.0)  # nobody needs to bid for the whole
    assert torch.equal(logits_of(economy.model, batch), whole)


def test_the_bidder_learns_and_its_flops_are_those_counted() -> None:
    economy = economy_of()
    loss_of(economy.model).backward()
    for parameter in economy.gate.bidder.parameters():
        assert parameter.grad.abs().max() > 0.0
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        economy.gate.bidder(torch.randn(1, 48))
    assert counter.get_total_flops() == economy.gate.bidder.flops


def test_gradients_are_slopes_of_the_loss() -> None:
    economy = economy_of()
    model = economy.model.double()
    loss_of(model).backward()
    weight = economy.gate.bidder.bids.weight
    gradient, largest = weight.grad.clone(), float(weight.grad.abs().max())
    gain = economy.gate.valuation_gain  # a step of the weight moves bids by as many times as much
    for place in ((0, 0), (7, 2), (20, 4)):
        losses = []
        for sign in (-1.0, 1.0):
            with torch.no_grad():
                weight[place] += sign * 1e-5
                losses.append(float(loss_of(model)))
                weight[place] -= sign * 1e-5
        assert float(gradient[place]) == pytest.approx((losses[1] - losses[0]) / (2e-5 * gain), abs=2e-2 * largest)


def test_export_needs_valuations_that_do_not_depend_on_the_sequence() -> None:
    economy = economy_of()
    for refused in (economy.export, economy.frame, economy.hard_allocation):
        with pytest.raises(CouplingError, match=r"fix_valuations\(\)"):
            refused()
    batch = tokens()
    with pytest.raises(InvalidInputError, match="empty"):
        economy.fix_valuations([])
    before = economy.valuations
    with torch.no_grad():
        pooled = economy.model.get_input_embeddings()(batch["input_ids"]).mean(1)
        added = economy.gate.bidder(pooled).double().mean(0).numpy() * economy.gate.valuation_gain
    mean = economy.fix_valuations([{name: tensor[rows] for name, tensor in batch.items()} for rows in ([0, 1], [2])])
    np.testing.assert_allclose(mean, before + added, atol=1e-4)
    assert economy.gate.overhead == 0.0
    economy.model.eval()
    exported = economy.export()
    torch.testing.assert_close(logits_of(exported, batch), logits_of(economy.model, batch), rtol=1e-4, atol=1e-4)
    with pytest.raises(CouplingError, match="nothing to fix"):
        economy.fix_valuations([batch])


def test_a_causal_model_must_not_look_ahead() -> None:
    with pytest.raises(UnsupportedModelError, match="GPT2LMHeadModel is causal"):
        attach(gpt2(), EconomyConfig(bids=SequenceBids()))
    with pytest.raises(InvalidInputError, match="width"):
        SequenceBids(width=0)
    with pytest.raises(InvalidInputError, match=r"EconomyConfig\.bids"):
        EconomyConfig(bids=5)


def test_embeddings_serve_as_input() -> None:
    economy = economy_of()
    batch = tokens()
    embedded = economy.model.get_input_embeddings()(batch["input_ids"]).detach()
    expected = logits_of(economy.model, batch)
    given = {"inputs_embeds": embedded, "attention_mask": batch["attention_mask"]}
    torch.testing.assert_close(logits_of(economy.model, given), expected)
