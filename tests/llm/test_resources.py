"""What is scarce: parameters, key-value bytes and seconds per agent, and a market for each of them."""

import numpy as np
import pytest
from tests.llm.models import MODELS, bert, gpt2, llama, logits_of, loss_of, random_bids, tokens
from transformers import PreTrainedModel

from walras.llm import (
    EconomyConfig,
    Flops,
    KeyValueCache,
    MeasuredLatency,
    Parameters,
    Population,
    SiteLatency,
    UnsupportedModelError,
    attach,
)
from walras.llm.resources import amounts_of
from walras.market import InvalidInputError


def parameters_of(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", sorted({"bert", "gpt2", "llama"} & set(MODELS)))
def test_parameters_are_those_that_export_removes(name: str) -> None:
    model = MODELS[name]()
    whole = parameters_of(model)
    economy = attach(model, EconomyConfig(resource="parameters"))
    bids = random_bids(economy)
    bids[[site.first for site in economy.population.sites]] += 9.0  # a closed sub-layer would lose its norm as well
    economy.set_valuations(bids)
    for budget in (0.6, 0.8):
        served = economy.hard_allocation(budget)
        assert 0 < served.sum() < len(served)
        assert whole - parameters_of(economy.export(budget)) == economy.amounts[~served].sum()
        used = economy.amounts[served].sum() / economy.amounts.sum()
        assert used <= budget + 1e-9
    frame = economy.frame()
    np.testing.assert_allclose(frame["cost"], economy.amounts / economy.amounts.sum())
    assert (frame["cost_parameters"] == economy.amounts).all()
    economy.set_budget(0.4)
    loss_of(model.train())
    shares = economy.gate.clearing.allocation.detach().double().numpy()
    assert shares @ economy.gate.costs.numpy() == pytest.approx(0.4, abs=1e-5)


# float32, heads of 12, key and value, 32 tokens: one key-value head of GPT-2 or Llama.
@pytest.mark.parametrize(("make", "heads"), [(gpt2, 4), (llama, 2)], ids=["gpt2", "llama"])
def test_a_key_value_cache_is_bought_by_heads_alone(make: object, heads: int) -> None:
    model = make()
    economy = attach(model, EconomyConfig(resource="kv_cache", budget=0.5))
    frame = economy.frame()
    assert frame.loc[frame["kind"] == "head", "cost_kv_cache"].tolist() == [2 * 32 * 12 * 4] * heads * 3
    assert (frame.loc[frame["kind"] == "neuron_block", "cost_kv_cache"] == 0.0).all()
    random_bids(economy)
    loss_of(model.train())
    shares = economy.gate.clearing.allocation.detach().numpy()
    is_head = (frame["kind"] == "head").to_numpy()
    assert (shares[~is_head] == 1.0).all()
    assert shares[is_head].mean() == pytest.approx(0.5, abs=1e-5)
    served = economy.hard_allocation()
    assert served[~is_head].all()
    assert served[is_head].sum() == heads * 3 // 2


def test_an_encoder_has_no_cache() -> None:
    model = bert()
    with pytest.raises(UnsupportedModelError, match="BertForSequenceClassification has no causal attention"):
        attach(model, EconomyConfig(resource="kv_cache"))
    assert not hasattr(model, "walras_economy")


def test_latency_is_measured_for_each_site(model: PreTrainedModel) -> None:
    population = Population.of(model, sequence_length=16)
    table = SiteLatency.measure(model, population, batch_size=1, repeats=2)
    seconds = table.seconds(population)
    assert (seconds > 0.0).all()
    assert seconds.sum() < 20 * table.whole
    frame = table.frame(population)
    assert len(frame) == len(population.sites)
    assert "batch 1 x 16 tokens" in table.conditions
    blocks = population.frame().query("kind == 'neuron_block' and layer == 0").index
    assert seconds[blocks[2]] == pytest.approx(seconds[blocks[0]] / 2)  # 32 neurons beside 64


def test_a_table_of_seconds_prices_agents() -> None:
    model = bert()
    sites = len(Population.of(model, sequence_length=16).sites)
    table = SiteLatency(tuple([3.0, 1.0] * (sites // 2)), whole=60.0)
    economy = attach(model, EconomyConfig(resource=MeasuredLatency(table=table), budget=0.5))
    random_bids(economy)
    frame = economy.frame()
    assert frame.loc[frame["kind"] == "head", "cost_latency"].eq(3.0).all()
    assert frame.loc[frame["served"], "cost_latency"].sum() <= 0.5 * frame["cost_latency"].sum()
    other = SiteLatency((1.0,), whole=1.0)
    with pytest.raises(InvalidInputError, match=f"1 sites, the population {sites}"):
        attach(bert(), EconomyConfig(resource=MeasuredLatency(table=other)))


class Weird:
    """A resource of a user's own."""

    name, unit = "weird", "units"

    def __init__(self, amounts: list[float]) -> None:
        self._amounts = amounts

    def amounts(self, model: PreTrainedModel, population: Population) -> np.ndarray:
        return np.array(self._amounts)


@pytest.mark.parametrize(
    ("amounts", "message"),
    [([1.0] * 20, "21"), ([-1.0] + [1.0] * 20, "0 or more"), ([0.0] * 21, "above 0"), ([np.nan] * 21, "finite")],
)
def test_amounts_that_make_no_sense_are_refused(amounts: list[float], message: str) -> None:
    model = bert()
    population = Population.of(model, sequence_length=16)
    with pytest.raises(InvalidInputError, match=message):
        amounts_of(Weird(amounts), model, population)


@pytest.mark.parametrize("resource", ["watts", Flops, 3.0], ids=str)
def test_what_is_no_resource_is_refused(resource: object) -> None:
    with pytest.raises(InvalidInputError, match=r"EconomyConfig\.resource must"):
        EconomyConfig(resource=resource)


def test_the_default_resource_is_flops() -> None:
    economy = attach(bert())
    np.testing.assert_array_equal(economy.amounts, economy.population.costs_flops)
    assert [Parameters().name, KeyValueCache().name, MeasuredLatency().name] == ["parameters", "kv_cache", "latency"]
    assert logits_of(economy.model, tokens()).isfinite().all()
