"""Reading an economy: report, shadow prices, tokens and attention, each number against what it means."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.llm.models import bert, gpt2, llama, loss_of, random_bids, tokens
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm import CouplingError, EconomyConfig, ModelEconomy, SequenceBids, WealthDynamics, attach, count_flops
from walras.llm.analysis import allocation_map, attention_maps, shadow_prices, token_table, tokens_by
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LinearDemand, LogitDemand, PostedPrice, gini

BUDGETS = (0.3, 0.7, 1.0)


def economy_of(model: PreTrainedModel, **options: object) -> ModelEconomy:
    demand = options.pop("demand", LogitDemand(0.5))
    economy = attach(model, EconomyConfig(CapacityMarket(FixedSupply(0.6), demand), **options))
    random_bids(economy)
    return economy


def batches() -> list[dict[str, Tensor]]:
    return [
        {**tokens(batch=3, padded=2), "labels": torch.tensor([0, 1, 2])},
        {**tokens(batch=2, length=7), "labels": torch.tensor([2, 0])},
    ]


def state_of(economy: ModelEconomy) -> tuple[object, ...]:
    gate = economy.gate
    return (
        gate.mode,
        economy.budget,
        float(gate.temperature),
        economy.model.training,
        economy.model.config._attn_implementation,
        tuple(economy.valuations),
    )


# ---------------------------------------------------------------- the report


@pytest.mark.parametrize("make", [bert, llama], ids=["bert", "llama"])
def test_flops_of_the_report_are_those_of_exported_models(make: object) -> None:
    economy = economy_of(make())
    report = economy.report(budgets=BUDGETS)
    agents = economy.population.costs_flops.sum()
    for row in report.budgets.itertuples():
        exported = economy.export(row.budget)
        assert row.model_flops == count_flops(exported, sequence_length=economy.population.sequence_length)
        served = economy.hard_allocation(row.budget)
        assert row.served == served.sum()
        assert row.agents_flops == economy.population.costs_flops[served].sum()
        assert row.agents_flops_fraction == pytest.approx(row.agents_flops / agents)
        assert row.model_flops_fraction > row.agents_flops_fraction or row.budget == 1.0
        assert row.gini_agents == pytest.approx(gini(served.astype(float)))
    assert report.budgets["model_flops_fraction"].iloc[-1] == 1.0
    layers = report.layers.query("budget == 0.3")
    assert layers["share_used"].sum() == pytest.approx(1.0)
    assert layers[["served_attention", "served_ffn"]].to_numpy().sum() == report.budgets["served"].iloc[0]
    assert report.prices is None
    assert report.entropy is None


def test_the_report_is_text_tables_and_a_page_and_changes_nothing(tmp_path: Path) -> None:
    economy = economy_of(bert().train(), wealth=WealthDynamics())
    before = state_of(economy)
    report = economy.report(batches(), budgets=(0.05, 1.0), temperature=0.7)
    assert state_of(economy) == before
    text = str(report)
    for expected in ("21: 12 heads, 9 neuron blocks", "embeddings and head included", "Gini", "Prices by layer"):
        assert expected in text
    frame = report.frame()
    assert {"budget", "layer", "fraction_used", "price", "shadow_price"} <= set(frame.columns)
    assert len(frame) == 2 * 3
    page = report.save(tmp_path / "page.html").read_text()
    assert page.count("<img alt=") == 2
    assert page.count("<table") == 5
    assert "src='http" not in page
    # Entropy lies between nothing and that of looking at all tokens alike; a layer without open heads has none.
    entropy = report.entropy
    assert entropy["all heads"].between(0.0, np.log2(11)).all()
    np.testing.assert_allclose(entropy["at 1"], entropy["all heads"])
    closed = report.layers.query("budget == 0.05 and served_attention == 0")["layer"]
    assert len(closed) > 0
    assert entropy.set_index("layer").loc[closed, "at 0.05"].isna().all()


def test_reports_of_other_economies() -> None:
    posted = attach(bert(), EconomyConfig(CapacityMarket(PostedPrice(0.1), LogitDemand(0.5))))
    random_bids(posted)
    assert posted.report(batches(), budgets=(0.5,)).prices is None
    with pytest.raises(CouplingError, match="posts a price"):
        shadow_prices(posted, batches(), (0.5,))
    speaking = economy_of(bert(), bids=SequenceBids(width=4))
    with pytest.raises(CouplingError, match=r"fix_valuations\(\)"):
        speaking.report()
    with pytest.raises(InvalidInputError, match=r"\[0, 1\]; got 1.5"):
        economy_of(bert()).report(budgets=(1.5,))
    with pytest.raises(InvalidInputError, match="empty"):
        economy_of(bert()).report(budgets=())


def test_maps_have_layers_as_rows() -> None:
    economy = economy_of(bert())
    table = economy.frame()
    cells = allocation_map(economy, "neuron_block", table["cost_flops"].to_numpy())
    assert cells.shape == (3, 3)
    first = table.query("kind == 'neuron_block' and layer == 1")["cost_flops"].tolist()
    assert cells.loc[1].tolist() == first
    with pytest.raises(InvalidInputError, match="'head', 'neuron_block'"):
        allocation_map(economy, "token", table["cost"].to_numpy())
    with pytest.raises(InvalidInputError, match=r"shape \(21,\)"):
        allocation_map(economy, "head", np.ones(3))


# ---------------------------------------------------------------- shadow prices


@pytest.mark.parametrize("demand", [LogitDemand(0.5), LinearDemand(4.0)], ids=str)
def test_the_shadow_price_of_all_is_the_slope_of_the_loss_in_the_budget(demand: LogitDemand | LinearDemand) -> None:
    economy = economy_of(bert().double(), demand=demand)
    step = 1e-3
    table = shadow_prices(economy, batches(), (0.6, 0.6 - step, 0.6 + step)).query("layer == -1").set_index("budget")
    slope = (table.loc[0.6 - step, "loss"] - table.loc[0.6 + step, "loss"]) / (2.0 * step)
    assert table.loc[0.6, "shadow_price"] == pytest.approx(slope, rel=1e-2)


def test_shadow_prices_of_layers_are_those_of_their_own_markets() -> None:
    economy = economy_of(bert().double(), scope="layer")
    table = shadow_prices(economy, batches()[:1], (0.6,)).set_index("layer")
    # What moves one layer's budget alone: its part of the supply, by hand.
    costs = economy.population.frame().groupby("layer")["cost"].sum()
    economy.set_mode("soft")
    gate, step = economy.gate, 1e-3

    def loss_at(layer: int, moved: float) -> float:
        level = torch.full((3,), 0.6, dtype=torch.float64)
        level[layer] += moved / costs[layer]
        clear = gate.marketplace._clear_rows
        gate.marketplace._clear_rows = lambda rows, units, _, scale, mask, posted: clear(
            rows, units, level, scale, mask, posted=posted
        )
        try:
            with torch.no_grad():
                return float(economy.model(**batches()[0]).loss)
        finally:
            del gate.marketplace._clear_rows

    for layer in range(3):
        slope = (loss_at(layer, -step) - loss_at(layer, step)) / (2.0 * step)
        assert table.loc[layer, "shadow_price"] == pytest.approx(slope, rel=2e-2, abs=1e-4)
    assert table.loc[[0, 1, 2], "price"].nunique() == 3
    with pytest.raises(InvalidInputError, match="empty"):
        shadow_prices(economy, [], (0.5,))
    with pytest.raises(CouplingError, match="labels"):
        shadow_prices(economy, [tokens()], (0.5,))


# ---------------------------------------------------------------- tokens


def test_surprisal_is_that_of_the_language_model() -> None:
    model = gpt2()
    economy = economy_of(model)
    batch = tokens(batch=2, length=6)
    table = token_table(economy, batch, budget=0.5, words=lambda numbers: [f"w{number}" for number in numbers])
    assert list(table["word"][:2]) == [f"w{number}" for number in batch["input_ids"][0, :2].tolist()]
    economy.detach()
    with torch.no_grad():
        loss = model(**batch, labels=batch["input_ids"]).loss
    assert table["surprisal"].isna().sum() == 2  # the first of each sequence
    assert table["surprisal"].mean() * np.log(2.0) == pytest.approx(float(loss), rel=1e-5)


def test_gradient_times_input_is_the_slope_in_a_tokens_embedding() -> None:
    economy = economy_of(bert())
    batch = batches()[0]
    table = token_table(economy, batch, budget=0.5)
    assert len(table) == int(batch["attention_mask"].sum())  # padding is no token
    assert table["surprisal"].isna().all()
    embedded = economy.model.get_input_embeddings()(batch["input_ids"]).detach()
    economy.set_mode("open")
    losses = []
    for sign in (-1.0, 1.0):
        scaled = embedded.clone()
        scaled[1, 4] *= 1.0 + sign * 1e-2
        with torch.no_grad():
            given = {name: value for name, value in batch.items() if name != "input_ids"}
            losses.append(float(economy.model(inputs_embeds=scaled, **given).loss))
    slope = abs(losses[1] - losses[0]) / 2e-2
    row = table.query("sequence == 1 and position == 4").iloc[0]
    assert row["gradient_x_input"] == pytest.approx(slope, rel=5e-2, abs=1e-4)


def test_attention_received_adds_up_to_the_open_heads() -> None:
    economy = economy_of(llama())
    batch = tokens(batch=2, length=6)
    table = token_table(economy, batch, budget=0.4)
    full = table.groupby("sequence")["attention_full"].sum()
    np.testing.assert_allclose(full, 1.0, rtol=1e-5)
    frame = economy.frame(0.4).query("kind == 'head'")
    part = table.groupby("sequence")["attention_budget"].sum()
    np.testing.assert_allclose(part, frame["served"].mean(), rtol=1e-5)


def test_tokens_are_grouped_by_what_they_are_worth() -> None:
    economy = economy_of(gpt2())
    batch = tokens(batch=3, length=8)
    bought = np.zeros((3, 3, 8))
    plain = token_table(economy, batch, budget=0.5)
    assert "compute" not in plain
    worth = plain["surprisal"].fillna(0.0).to_numpy().reshape(3, 8)
    bought[:] = worth / worth.max()
    table = token_table(economy, batch, budget=0.5, bought=bought)
    groups = tokens_by(table, "surprisal", "compute", groups=3)
    assert groups["tokens"].tolist() == [7, 7, 7]
    assert groups["compute"].is_monotonic_increasing
    assert groups.attrs["spearman"] == pytest.approx(1.0)
    with pytest.raises(InvalidInputError, match=r"bought must have shape \(layers, 3, 8\)"):
        token_table(economy, batch, budget=0.5, bought=bought[0])
    with pytest.raises(InvalidInputError, match="no column 'wealth'"):
        tokens_by(table, "surprisal", "wealth")
    with pytest.raises(InvalidInputError, match="0 tokens have both"):
        tokens_by(token_table(economy_of(bert()), tokens(), budget=0.5), "surprisal", "attention_full")


# ---------------------------------------------------------------- attention of a sentence


@pytest.mark.parametrize("make", [bert, llama], ids=["bert", "llama"])
def test_attention_before_and_after(make: object) -> None:
    economy = economy_of(make())
    before = state_of(economy)
    sentence = {"input_ids": tokens(batch=1, length=6)["input_ids"]}
    maps = attention_maps(economy, sentence, budget=0.4, words=list("abcdef"))
    assert state_of(economy) == before
    assert [layer.shape for layer in maps.before] == [(4, 6, 6)] * 3
    for layer in (*maps.before, *maps.after):
        np.testing.assert_allclose(layer.sum(-1), 1.0, rtol=1e-5)
    frame = economy.frame(0.4).query("kind == 'head'")
    repeat = 4 // frame["index"].nunique()
    assert np.concatenate(maps.served).tolist() == frame["served"].repeat(repeat).tolist()
    assert (maps.moved[0] == 0.0).all()  # the first layer sees the same input
    assert maps.moved[2].max() > 0.0
    same = attention_maps(economy, sentence, budget=1.0)
    assert max(moved.max() for moved in same.moved) == 0.0
    assert maps.words == tuple("abcdef")
    full, budgeted = maps.received()
    assert full.sum() == pytest.approx(1.0)
    assert budgeted.sum() == pytest.approx(1.0)
    assert len(maps.figure(2).axes) == 8
    for wrong, message in (
        (lambda: maps.figure(3), "0 to 2"),
        (lambda: attention_maps(economy, tokens(), budget=0.4), "one sequence"),
        (lambda: attention_maps(economy, sentence, budget=0.4, words=["a"]), "1 entries for 6"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            wrong()


# ---------------------------------------------------------------- the same agents, without the model


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_simulation_of_the_saved_population_allocates_as_the_model_does(tmp_path: Path, suffix: str) -> None:
    from walras.agents.compute import ComputeEconomy, Truthful, load_population
    from walras.market import StepDemand

    economy = economy_of(bert())
    loss_of(economy.model.train())  # the soft market, too
    path = tmp_path / f"agents{suffix}"
    economy.save_population(path)
    recorded = load_population(path)
    for demand, expected in (
        (StepDemand(divisible=False), economy.hard_allocation(0.6).astype(float)),
        (LogitDemand(0.5), economy.gate.clearing.allocation.detach().numpy()),
    ):
        agents = recorded.agents.assign(wealth_cents=10**9)
        simulation = ComputeEconomy(agents, CapacityMarket(FixedSupply(0.6), demand), Truthful(), rng=0)
        rows = simulation.run(1)
        np.testing.assert_allclose(rows["share"], expected, atol=1e-5)
        price = float(simulation.periods["price"].iloc[0]) - recorded.shift
        if isinstance(demand, LogitDemand):
            assert price == pytest.approx(economy.price, abs=1e-5)
    with pytest.raises(InvalidInputError, match=r"\.csv or \.parquet"):
        economy.save_population(tmp_path / "agents.json")
    assert isinstance(recorded.agents, pd.DataFrame)


def test_several_prices_are_not_one_shadow_price() -> None:
    economy = economy_of(bert(), limits={"parameters": 0.3})
    report = economy.report(batches(), budgets=(0.5,))
    assert report.prices is None
    assert report.facts["limits"] == "parameters 0.3"
    with pytest.raises(CouplingError, match="Several resources"):
        shadow_prices(economy, batches(), (0.5,))
