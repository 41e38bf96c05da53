"""Two views, one economy: the Mesa objects are windows on the arrays, and whether anybody looks changes nothing."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.compute.test_conservation import economies, policies

from walras.agents.compute import (
    AttentionHead,
    ComputeAgent,
    ComputeEconomy,
    NeuronBlock,
    Truthful,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    synthetic_population,
)
from walras.market import CapacityMarket, FixedSupply, InvalidInputError

POPULATION = synthetic_population(2, 2, 3, rng=0)


TRUTHFUL = Truthful()


def found(policy: Any = TRUTHFUL) -> ComputeEconomy:
    return ComputeEconomy(POPULATION, CapacityMarket(FixedSupply(5.0)), policy, rng=3)


@given(chosen=economies(), periods=st.integers(1, 4))
@settings(max_examples=40)
def test_objects_say_what_the_arrays_say(chosen: ComputeEconomy, periods: int) -> None:
    rows = chosen.run(periods).tail(len(chosen.population))
    for agent, row in zip(chosen.compute_agents, rows.to_dict("records"), strict=True):
        assert agent.number == row["agent"]
        assert isinstance(agent, AttentionHead if row["kind"] == "head" else NeuronBlock)
        assert (agent.layer, agent.index, agent.cost) == (row["layer"], row["index"], row["cost"])
        assert agent.valuation == row["valuation"]
        assert agent.wealth_cents == row["wealth_cents"] == chosen.ledger.balance(agent.number)


@given(data=st.data(), changes=st.lists(st.integers(0, 9), max_size=4))
@settings(max_examples=30)
def test_a_policy_set_through_an_object_is_a_policy_given_at_first(data: st.DataObject, changes: list[int]) -> None:
    chosen = [data.draw(policies) for _ in range(10)]
    given_at_first, set_later = found(chosen), found()
    for number in [*changes, *range(10)]:
        set_later.compute_agents[number].policy = chosen[number]
    assert [agent.policy for agent in set_later.compute_agents] == chosen
    pd.testing.assert_frame_equal(given_at_first.run(3), set_later.run(3), check_exact=True)


def test_an_economy_that_is_looked_at_plays_as_one_that_is_not() -> None:
    policy = ZeroIntelligenceConstrained()
    unseen, seen = found(policy), found(policy)
    assert len(seen.agents) == 12
    assert sum(len(seen.agents_by_type[kind]) for kind in (AttentionHead, NeuronBlock)) == 10
    pd.testing.assert_frame_equal(unseen.run(5), seen.run(5), check_exact=True)
    assert unseen.rng.random() == seen.rng.random()


def test_no_objects_are_made_before_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = ComputeAgent.__init__

    def counted(self: ComputeAgent, *arguments: Any) -> None:
        made.append(self)
        original(self, *arguments)

    monkeypatch.setattr(ComputeAgent, "__init__", counted)
    economy = found(ZeroIntelligenceUnconstrained(5.0))
    economy.run(3)
    assert made == []
    assert economy.compute_agents is economy.compute_agents
    assert len(made) == 10
    economy.run(1)
    assert len(made) == 10


def test_a_wrong_policy_is_refused_when_it_is_set() -> None:
    agent = found().compute_agents[0]
    with pytest.raises(InvalidInputError, match="A policy has a method bids"):
        agent.policy = "truthful"  # type: ignore[assignment]
    assert isinstance(agent.policy, Truthful)


def test_many_agents_and_10_000_000_flows_of_money_conserve_every_cent() -> None:
    population = synthetic_population(100, 100, 100, rng=1)  # 20,000 agents
    market = CapacityMarket(FixedSupply(0.5 * float(population["cost"].sum())))
    economy = ComputeEconomy(population, market, ZeroIntelligenceConstrained(), rng=0)
    total = economy.ledger.total
    for _ in range(100):  # five flows for each agent and period
        economy.step()
        assert economy.ledger.total == total
    assert economy.ledger.wealth.min() >= 0
    assert np.ptp(economy.periods["total_cents"]) == 0
