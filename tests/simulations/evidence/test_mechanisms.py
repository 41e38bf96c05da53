"""Mechanisms in training and in isolation: rules on recorded agents, rankings, and `walras mechanisms`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from walras.agents.compute import ComputeEconomy, RecordedValuations, Truthful
from walras.llm import EconomyConfig, attach
from walras.llm.baselines import Comparison
from walras.llm.tasks import Task, make_roles_task, small_bert
from walras.llm.training import TrainingSettings
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, PostedPrice
from walras.market.errors import MarketError
from walras.market.taxation import BracketTax
from walras.simulations.cli import app
from walras.simulations.commands.mechanisms import ALL_MECHANISMS
from walras.simulations.evidence import config as configuration
from walras.simulations.evidence.mechanisms import (
    EXPERIMENT,
    MECHANISMS,
    Isolated,
    MechanismsConfig,
    Recorded,
    isolated_market,
    mechanism_summary,
    rank_correlations,
    record_agents,
)
from walras.simulations.evidence.mechanisms.isolated import split_by_brackets
from walras.simulations.evidence.mechanisms.measures import concentration, dead_agents

BUDGET = 0.4


@pytest.fixture(scope="module")
def few() -> Task:
    """The embedded task with few examples."""
    whole = make_roles_task(seed=0)
    examples = (whole.train.head(64), whole.evaluation.head(40))
    return Task(whole.name, *examples, whole.outputs, whole.metric, whole.collate, whole.words)


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Agents by lot: 3 layers of 2 heads and 3 blocks, whose valuations move in 6 periods."""
    rng = np.random.default_rng(1)
    kinds = (["head"] * 2 + ["neuron_block"] * 3) * 3
    cost = np.tile([3.0, 3.0, 2.0, 2.0, 2.0], 3)
    agents = pd.DataFrame({"kind": kinds, "layer": np.repeat([0, 1, 2], 5), "index": [0, 1, 0, 1, 2] * 3})
    agents = agents.assign(cost=cost / cost.sum())
    values = rng.lognormal(0.0, 1.0, 15) * rng.lognormal(0.0, 0.4, (6, 15))
    values /= float((values.mean(0) * agents["cost"]).sum())
    return Recorded(agents.assign(valuation=values.mean(0)), values, stats.zscore(values.mean(0)))


def sold(recorded: Recorded, mechanism: str, tax_rate: float = 0.5) -> Isolated:
    return isolated_market(mechanism, recorded, BUDGET, collar=0.05, tax_rate=tax_rate)


def value(recorded: Recorded, sale: Isolated) -> float:
    return float((recorded.valuations * sale.use).sum(1).mean())


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_recorded_agents_use_the_budget_in_the_mean(recorded: Recorded, mechanism: str) -> None:
    use = sold(recorded, mechanism).use
    assert use.shape == recorded.valuations.shape
    assert (use >= 0.0).all()
    assert (use <= recorded.costs + 1e-12).all()
    assert use.sum(1).mean() == pytest.approx(BUDGET)
    if mechanism in ("cap", "progressive", "layers", "vickrey"):
        np.testing.assert_allclose(use.sum(1), BUDGET)


def test_a_posted_price_serves_the_most_value_and_constraints_cost_some(recorded: Recorded) -> None:
    """Where valuations move and the mean is what counts, quantities should answer them; Weitzman 1974."""
    values = {mechanism: value(recorded, sold(recorded, mechanism)) for mechanism in MECHANISMS}
    assert values["tax"] > max(values["collar"], values["cap"])
    assert values["cap"] == values["vickrey"]
    assert values["cap"] > values["progressive"] > values["layers"]


def test_the_tax_is_a_posted_price(recorded: Recorded) -> None:
    sale = sold(recorded, "tax")
    market = CapacityMarket(PostedPrice(sale.price))
    posted = [market.clear(values, recorded.costs) for values in recorded.valuations]
    indifferent = np.isclose(recorded.valuations, sale.price)
    np.testing.assert_allclose(
        np.where(indifferent, 0.0, sale.use), np.where(indifferent, 0.0, [each.quantities for each in posted])
    )
    assert indifferent.sum() <= 1


def test_the_cap_is_the_compute_economy(recorded: Recorded) -> None:
    """The same agents, with enough money, buy the same in the economy that settles in cents."""
    sale = sold(recorded, "cap")
    economy = ComputeEconomy(
        recorded.agents,
        CapacityMarket(FixedSupply(BUDGET)),
        Truthful(),
        rng=0,
        valuations=RecordedValuations(recorded.valuations),
        cents_per_money=1_000_000,
    )
    rows = economy.run(len(recorded.valuations))
    np.testing.assert_allclose(rows["units"].to_numpy().reshape(sale.use.shape), sale.use, atol=1e-12)
    np.testing.assert_allclose(rows["payment_cents"].to_numpy().reshape(sale.use.shape), 1e6 * sale.payments, atol=1.0)


def test_vickrey_changes_payments_alone(recorded: Recorded) -> None:
    cap, vickrey = sold(recorded, "cap"), sold(recorded, "vickrey")
    np.testing.assert_array_equal(cap.use, vickrey.use)
    assert (vickrey.payments <= cap.payments + 1e-12).all()
    assert vickrey.payments.sum() < cap.payments.sum() - 1e-3


def test_a_progressive_tax_is_exact(recorded: Recorded) -> None:
    """No unit can move to another agent and gain, its layer's marginal rate taken off what it is worth."""
    layers, costs = recorded.agents["layer"].to_numpy(), recorded.costs
    tax = BracketTax([1.0, 1.5], [0.0, 0.2, 0.4])
    sale = sold(recorded, "progressive", tax_rate=0.2)
    for values, use in zip(recorded.valuations, sale.use, strict=True):
        of_layer = np.bincount(layers, weights=use)
        part = np.bincount(layers, weights=costs)
        base = of_layer / BUDGET / part
        below, above = (tax.marginal_rate((base + shift).clip(0.0)) / BUDGET for shift in (-1e-6, 1e-6))
        gains = np.where(use < costs - 1e-9, values - above[layers], -np.inf)  # of one unit more
        losses = np.where(use > 1e-9, values - below[layers], np.inf)  # of one less
        assert gains.max() <= losses.min() + 1e-6
    assert value(recorded, sold(recorded, "progressive", tax_rate=1e-9)) == pytest.approx(
        value(recorded, sold(recorded, "cap")), abs=1e-6
    )
    owners, sizes, _ = split_by_brackets(recorded.valuations[0], costs, layers, BUDGET, tax)
    np.testing.assert_allclose(np.bincount(owners, weights=sizes), costs)


def test_recording_goes_through_a_population_and_keeps_the_model(few: Task) -> None:
    model = small_bert(seed=0)
    economy = attach(model, EconomyConfig(sequence_length=few.longest))
    comparison = Comparison(few, 1.0, TrainingSettings(steps=1, learning_rate=1e-3, batch_size=8), calibration=32)
    found = record_agents(economy, comparison, periods=4)
    assert found.valuations.shape == (4, len(economy.population))
    assert (found.valuations.mean(0) * found.costs).sum() == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(found.agents["valuation"], found.valuations.mean(0))
    assert stats.spearmanr(found.agents["valuation"], found.normal_scores).statistic == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(InvalidInputError, match="periods"):
        record_agents(economy, comparison, periods=33)


def test_measures_of_concentration() -> None:
    agents = pd.DataFrame({"kind": ["head", "neuron_block"] * 2, "layer": [0, 0, 1, 1], "cost": 0.25})
    found = concentration(np.array([0.0, 0.25, 0.25, 0.0]), agents)
    assert found["layers_without_heads"] == 1.0
    assert found["herfindahl_agents"] == pytest.approx(0.5)
    assert found["gini_layers"] == pytest.approx(0.0)
    assert found["herfindahl_layers"] == pytest.approx(0.5)
    assert dead_agents(np.array([[0.0, 0.1], [0.0, 0.0]]), np.array([0.5, 0.5])) == 1


def outcomes(trained: dict[str, list[float]], isolated: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"part": part, "mechanism": name, "seed": seed, "budget": 0.5, "kept": kept}
        for part, table in (("trained", trained), ("isolated", isolated))
        for name, values in table.items()
        for seed, kept in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_rank_correlations_are_those_of_scipy_and_their_interval_covers_draws_of_seeds() -> None:
    isolated = {"a": [1.0, 1.0], "b": [2.0, 2.0], "c": [2.0, 2.0], "d": [3.0, 3.0]}
    trained = {"a": [0.1, 0.4], "b": [0.3, 0.3], "c": [0.2, 0.2], "d": [0.4, 0.1]}
    found = rank_correlations(outcomes(trained, isolated), ("kept",)).iloc[0]
    means = [[np.mean(each) for each in table.values()] for table in (isolated, trained)]
    assert found["kendall"] == pytest.approx(stats.kendalltau(*means).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(*means).statistic)
    alone = [stats.kendalltau(means[0], [each[seed] for each in trained.values()]).statistic for seed in (0, 1)]
    assert (found["low"], found["high"]) == pytest.approx((min(alone), max(alone)), abs=0.1)
    second = stats.kendalltau([t[0] for t in trained.values()], [t[1] for t in trained.values()]).statistic
    assert found["between_seeds"] == pytest.approx(second)
    alike = rank_correlations(outcomes(trained, {name: [1.0, 1.0] for name in isolated}), ("kept",))
    assert alike["kendall"].isna().all()
    with pytest.raises(InvalidInputError, match="every mechanism"):
        rank_correlations(outcomes(trained, isolated).iloc[1:], ("kept",))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"mechanism": "barter"}, "barter"),
        ({"collar": 1.0}, "collar"),
        ({"tax_rate": 0.0}, "tax_rate"),
        ({"periods": 0}, "periods"),
        ({"budgets": (1.0,)}, "below 1"),
        ({"steps": 0}, "steps"),
    ],
)
def test_bad_configurations_are_refused(fields: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        MechanismsConfig(**fields)


def test_the_cap_is_the_frontiers_market(few: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    from walras.simulations import evidence

    monkeypatch.setattr(configuration, "load_model_and_task", lambda *_, seed, **__: (small_bert(seed=seed), few))
    config = MechanismsConfig(budgets=(0.5, 0.3), seeds=2, steps=4, batch_size=8, periods=4)
    ours = EXPERIMENT.run(config, np.random.default_rng(0))["outcomes"].query("part == 'trained'")
    market = evidence.EXPERIMENT.run(config.frontier(), np.random.default_rng(0))["scores"]
    assert ours["score"].tolist() == market["score"].tolist()
    np.testing.assert_allclose(ours["used"], market["used"])
    np.testing.assert_allclose(ours["gini_agents"], market["gini"])
    np.testing.assert_allclose(ours["sold"], ours["budget"], atol=0.05)
    assert replace(config, mechanism="tax").frontier() == config.frontier()


def test_the_command_prints_both_parts_and_resumes(few: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "load_model_and_task", lambda *_, seed, **__: (small_bert(seed=seed), few))
    out = tmp_path / "run"
    arguments = ["mechanisms", "--budgets", "0.4", "--seeds", "2", "--steps", "2", "--batch-size", "8"]
    arguments += ["--periods", "4", "--out", str(out), "--dense-models", str(tmp_path / "dense")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "isolated and trained rankings" in result.output
    outcomes = pd.read_parquet(out / "outcomes.parquet")
    assert len(outcomes) == 2 * len(MECHANISMS) * 2
    trained = outcomes[outcomes["part"] == "trained"]
    assert (trained["used"] <= trained["budget"] + 1e-9).all()
    assert (trained["used"] > 0.0).all()
    assert (out / "figures" / "mechanisms.png").is_file()
    summary = mechanism_summary(outcomes)
    assert (summary.loc[summary["mechanism"] == "cap", "against_cap"] == 0.0).all()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output
    pd.testing.assert_frame_equal(pd.read_parquet(out / "outcomes.parquet"), outcomes)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--mechanisms", ","], "--mechanisms is empty"),
        (["--mechanisms", "barter"], "barter"),
        (["--task", "cola"], "needs --model"),
        (["--steps", "2", "--epochs", "1"], "not both"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["mechanisms", *arguments])
    assert isinstance(result.exception, MarketError)
    assert named in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_every_mechanism_of_the_command_exists() -> None:
    assert tuple(ALL_MECHANISMS.split(",")) == MECHANISMS
