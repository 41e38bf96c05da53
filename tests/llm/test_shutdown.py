"""Seconds as money: the budget holds with what it costs to be open, and who stays open would not rather leave."""

from itertools import combinations

import numpy as np
import pytest
import torch
from tests.llm.models import bert, logits_of, random_bids, tokens
from transformers import PreTrainedModel

from walras.llm import CouplingError, EconomyConfig, ModelEconomy, Population, SequenceBids, SiteLatency, attach
from walras.llm.latency import measure_latency
from walras.llm.shutdown import seconds_used, shutdown_allocation
from walras.llm.streamlining import streamline
from walras.market import InvalidInputError


@pytest.fixture(scope="module")
def population() -> Population:
    """Six sites, of 4 heads or 10 blocks."""
    return Population.of(bert(), sequence_length=12, block_width=16)


def drawn(population: Population, seed: int, *, entry: float) -> tuple[np.ndarray, SiteLatency]:
    generator = np.random.default_rng(seed)
    sites = len(population.sites)
    table = SiteLatency(
        tuple(generator.uniform(0.5, 2.0, sites)), whole=100.0, entry=tuple(entry * generator.uniform(0.0, 2.0, sites))
    )
    worth = np.round(generator.exponential(size=len(population)), 1) * table.seconds(population)  # with ties and zeros
    return worth, table


def total(population: Population, table: SiteLatency) -> float:
    return seconds_used(population, np.ones(len(population), dtype=bool), table)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("budget", [0.0, 0.02, 0.15, 0.4, 0.8, 1.0])
def test_the_budget_holds_and_less_than_one_agent_is_left(population: Population, seed: int, budget: float) -> None:
    worth, table = drawn(population, seed, entry=4.0)
    served = shutdown_allocation(population, worth, table, budget=budget)
    supply = budget * total(population, table)
    used = seconds_used(population, served, table)
    assert used <= supply * (1.0 + 1e-9)
    if budget == 1.0:
        assert served.all()
    open_sites = [site for site in population.sites if served[site.agents].any()]
    idle = [agent for site in open_sites for agent in range(len(population))[site.agents] if not served[agent]]
    if idle:
        best = max(idle, key=lambda agent: worth[agent] / table.seconds(population)[agent])
        assert used + table.seconds(population)[best] > supply


@pytest.mark.parametrize("seed", range(8))
def test_no_open_sublayer_would_rather_leave(population: Population, seed: int) -> None:
    worth, table = drawn(population, seed, entry=4.0)
    served = shutdown_allocation(population, worth, table, budget=0.4)
    seconds, entry = table.seconds(population), table.entry_seconds(population)
    is_open = np.array([served[site.agents].any() for site in population.sites])
    assert is_open.any()
    assert not is_open.all()
    waiting = [a for site in population.sites if served[site.agents].any() for a in range(len(worth))[site.agents]]
    price = max((worth[agent] / seconds[agent] for agent in waiting if not served[agent]), default=0.0)
    for site, costs in zip(population.sites, entry, strict=True):
        if served[site.agents].any():
            mine = (worth - price * seconds)[site.agents][served[site.agents]]
            assert mine.sum() >= price * costs - 1e-9


def test_without_entry_it_is_the_market_of_seconds(population: Population) -> None:
    for seed in range(4):
        worth, table = drawn(population, seed, entry=0.0)
        plain = SiteLatency(table.per_agent, table.whole)
        served = shutdown_allocation(population, worth, plain, budget=0.4)
        order = np.argsort(-worth / plain.seconds(population), kind="stable")
        fits = plain.seconds(population)[order].cumsum() <= 0.4 * plain.seconds(population).sum()
        assert (served[order] == fits).all()


def test_it_comes_close_to_the_best_set_of_sublayers(population: Population) -> None:
    """Against every set of open sub-layers, each filled up in order of worth per second."""
    found, best = [], []
    for seed in range(6):
        worth, table = drawn(population, seed, entry=4.0)
        seconds, entry = table.seconds(population), table.entry_seconds(population)
        supply = 0.4 * total(population, table)
        order = np.argsort(-worth / seconds, kind="stable")
        values = []
        for size in range(len(entry) + 1):
            for chosen in combinations(range(len(entry)), size):
                is_open = np.concatenate(
                    [np.full(len(site.widths), n in chosen) for n, site in enumerate(population.sites)]
                )
                mine = order[is_open[order]]
                fits = seconds[mine].cumsum() <= supply - entry[list(chosen)].sum()
                values.append(worth[mine[fits]].sum())
        found.append(worth[shutdown_allocation(population, worth, table, budget=0.4)].sum())
        best.append(max(values))
    ratio = np.array(found) / np.array(best)
    assert (ratio <= 1.0 + 1e-9).all()
    assert ratio.min() > 0.9
    assert ratio.mean() > 0.96


def economy_of(model: PreTrainedModel) -> ModelEconomy:
    economy = attach(model, EconomyConfig(sequence_length=12, block_width=16))
    random_bids(economy)
    return economy


def test_the_exported_model_computes_what_its_agents_do() -> None:
    economy = economy_of(bert())
    sites = economy.population.sites
    table = SiteLatency((1.0,) * len(sites), whole=100.0, entry=(6.0,) * len(sites))
    exported = economy.export(0.4, latency=table)
    worth = (economy.bids - economy.bids.min()) * economy.population.costs
    served = shutdown_allocation(economy.population, worth, table, budget=0.4)
    assert (served != economy.hard_allocation(0.4)).any()
    economy.set_valuations(np.where(served, 1.0, -1.0))
    economy.set_budget(float(economy.population.costs[served].sum()) + 1e-9)
    assert (economy.hard_allocation() == served).all()
    batch = tokens(padded=3)
    torch.testing.assert_close(logits_of(exported, batch), logits_of(economy.model, batch), rtol=1e-4, atol=1e-4)


def test_entry_is_measured() -> None:
    population = Population.of(bert(), sequence_length=12, agents=("attention", "neuron_block"))
    table = SiteLatency.measure(bert(), population, batch_size=1, repeats=2, prepare=streamline)
    assert (table.entry_seconds(population) >= 0.0).all()
    assert table.frame(population)["entry_milliseconds"].shape == (len(population.sites),)
    # The one agent of a whole sub-layer takes all its time with it.
    assert (table.entry_seconds(population)[::2] == 0.0).all()


def test_what_it_refuses(population: Population) -> None:
    worth, table = drawn(population, 0, entry=1.0)
    with pytest.raises(InvalidInputError, match="worth must be 0 or more"):
        shutdown_allocation(population, -worth, table, budget=0.5)
    with pytest.raises(InvalidInputError, match=r"fraction in \[0, 1\]"):
        shutdown_allocation(population, worth, table, budget=1.5)
    with pytest.raises(InvalidInputError, match="entry has 1 sites, per_agent 2"):
        SiteLatency((1.0, 1.0), whole=2.0, entry=(1.0,))
    with pytest.raises(InvalidInputError, match="entry"):
        SiteLatency((1.0,), whole=2.0, entry=(-1.0,))
    with pytest.raises(InvalidInputError, match="round_to= or latency="):
        economy_of(bert()).export(0.5, latency=table, round_to=8)
    with pytest.raises(CouplingError, match="fix_valuations"):
        attach(bert(), EconomyConfig(bids=SequenceBids())).export(0.5, latency=table)
    with pytest.raises(InvalidInputError, match="CUDA graphs need a CUDA device"):
        measure_latency([bert()], batch_size=1, sequence_length=4, repeats=1, graphed=True)
