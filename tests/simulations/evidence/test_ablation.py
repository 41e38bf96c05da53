"""The ablation's variants, its cells and its table, and `walras ablation`, on the embedded task and a few steps."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from walras.llm import Distillation, attach
from walras.llm.baselines.methods import Market
from walras.llm.ensemble import ModelStack
from walras.llm.tasks import Task, make_roles_task, small_bert
from walras.market import InvalidInputError
from walras.market.errors import MarketError
from walras.simulations import evidence
from walras.simulations.cli import app
from walras.simulations.commands.ablation import ALL_VARIANTS
from walras.simulations.evidence import cell as cell_module
from walras.simulations.evidence import config as configuration
from walras.simulations.evidence.ablation import (
    AS_IT_IS,
    EXPERIMENT,
    VARIANTS,
    AblationConfig,
    effects_markdown,
    variant_effects,
)
from walras.simulations.evidence.cell import Cell
from walras.simulations.evidence.design import Design
from walras.simulations.evidence.methods import smaller_models


@pytest.fixture(scope="module")
def few() -> Task:
    """The embedded task with few examples: what is tested does not depend on how many there are."""
    whole = make_roles_task(seed=0)
    return replace(whole, train=whole.train.head(64), evaluation=whole.evaluation.head(40))


@pytest.fixture(autouse=True)
def small_task(few: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "load_model_and_task", lambda *_, seed, **__: (small_bert(seed=seed), few))


def cell_of(variant: str, task: Task, steps: int = 10) -> Cell:
    config = AblationConfig(variant=variant, budgets=(0.4,), seeds=1, steps=steps, batch_size=8).frontier()
    chosen = VARIANTS[variant]
    return Cell(chosen.config(config), task, (3,), [small_bert(seed=0)], chosen.design)


@dataclass
class Seen:
    """What a cell does: the valuations by which it serves, and each training's steps and distillation."""

    valuations: list[np.ndarray] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    distillations: list[Distillation] = field(default_factory=list)


def run(cell: Cell, monkeypatch: pytest.MonkeyPatch, *, trains: bool) -> Seen:
    seen = Seen()
    serve, train = cell_module.served_by, cell_module.train_together

    def served_by(stack: Any, valuations: np.ndarray, budgets: Any) -> Any:
        seen.valuations.append(valuations)
        return serve(stack, valuations, budgets)

    def train_together(*arguments: Any, distillation: Distillation, **options: Any) -> None:
        seen.steps.append(arguments[2].steps)
        seen.distillations.append(distillation)
        if trains:
            train(*arguments, distillation=distillation, **options)

    with monkeypatch.context() as patched:
        patched.setattr(cell_module, "served_by", served_by)
        patched.setattr(cell_module, "train_together", train_together)
        assert len(list(smaller_models(cell))) == 1
    return seen


def test_as_it_is_is_the_frontiers_market() -> None:
    config = AblationConfig(budgets=(0.5, 0.3), seeds=2, steps=4, batch_size=8)
    ours = EXPERIMENT.run(config, np.random.default_rng(0))["scores"]
    market = evidence.EXPERIMENT.run(config.frontier(), np.random.default_rng(0))["scores"]
    assert (ours.pop("variant") == AS_IT_IS).all()
    pd.testing.assert_frame_equal(ours, market.drop(columns="method"))


def test_each_variant_changes_one_thing() -> None:
    def changed(one: object, other: object, names: tuple[str, ...]) -> list[str]:
        found = []
        for name in names:
            mine, its = getattr(one, name), getattr(other, name)
            if mine != its:
                is_group = type(mine).__name__ in ("Design", "Market", "EconomyConfig")
                found += changed(mine, its, tuple(each.name for each in fields(mine))) if is_group else [name]
        return found

    as_it_is = VARIANTS[AS_IT_IS]
    assert as_it_is.design == Design()
    for name, variant in VARIANTS.items():
        found = changed(variant, as_it_is, ("design", "search", "distils"))
        if name in ("hot", "cold"):
            assert found == ["temperature", "final_temperature"]
        else:
            assert len(found) == (name != AS_IT_IS), name
    assert tuple(ALL_VARIANTS.split(",")) == tuple(VARIANTS)


def test_frozen_valuations_do_not_move(few: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, learned = (
        run(cell_of(name, few, steps=5), monkeypatch, trains=True).valuations[0] for name in ("frozen", AS_IT_IS)
    )
    cell = cell_of("frozen", few)
    economy = attach(small_bert(seed=0), cell.economy_config)
    first = Market().first_valuations(economy, cell.comparison(1.0, 3))
    np.testing.assert_allclose(frozen[0], first, atol=1e-6)
    assert (np.abs(learned[0] - first) > 1e-4).all()


def test_designs_reach_the_training(few: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(name: str) -> Seen:
        return run(cell_of(name, few), monkeypatch, trains=False)

    steps = {name: of(name).steps for name in (AS_IT_IS, "no-recovery", "short-search", "long-search")}
    assert steps == {AS_IT_IS: [6, 4], "no-recovery": [10], "short-search": [3, 7], "long-search": [8, 2]}
    assert of(AS_IT_IS).distillations == [Distillation()] * 2
    assert of("no-distillation").distillations == [Distillation(logits_weight=0.0)] * 2
    assert of("distillation-only").distillations == [Distillation(task_weight=0.0)] * 2
    assert (of("equal-start").valuations[0] == 0.0).all()
    sizes = {
        name: len(ModelStack([small_bert(seed=0)], cell_of(name, few).economy_config).economy.population)
        for name in (AS_IT_IS, "narrow-blocks", "wide-blocks", "sublayers")
    }
    assert sizes == {AS_IT_IS: 48, "narrow-blocks": 80, "wide-blocks": 32, "sublayers": 8}
    at_once = VARIANTS["no-schedule"].design.market.schedule(0.4)
    assert at_once.budgets_at(0, 0.0) == (0.4,)


def test_first_valuations(few: Task) -> None:
    cell = cell_of(AS_IT_IS, few)
    economy = attach(small_bert(seed=0), cell.economy_config)
    comparison = cell.comparison(1.0, 3)
    found = {
        start: Market(start=start).first_valuations(economy, comparison)
        for start in ("contribution per cost", "contribution", "equal", "lot")
    }
    assert (found["equal"] == 0.0).all()
    # Costs of one kind are alike: among heads, and among blocks, the order is that of contributions.
    blind, aware = found["contribution"], found["contribution per cost"]
    heads = (economy.population.frame()["kind"] == "head").to_numpy()
    assert (blind != aware).any()
    for kind in (heads, ~heads):
        np.testing.assert_array_equal(blind[kind].argsort(), aware[kind].argsort())
    np.testing.assert_allclose(np.sort(found["lot"]), np.sort(aware), atol=1e-12)
    other = Market(start="lot").first_valuations(economy, cell.comparison(1.0, 4))
    assert (other != found["lot"]).any()
    with pytest.raises(InvalidInputError, match="rumour"):
        Market(start="rumour")


def rows(metric: str) -> pd.DataFrame:
    values = {AS_IT_IS: (0.5, 0.9, 0.7), "hot": (0.4, 0.81, 0.59), "cold": (0.6, 0.9, 0.75)}
    return pd.DataFrame(
        {
            "variant": name,
            "task": "t",
            "seed": seed,
            "budget": 0.5,
            "metric": metric,
            "score": score,
            "dense_score": 1.0,
        }
        for name, scores in values.items()
        for seed, score in enumerate(scores)
    )


def test_effects_are_paired_by_seed_and_point_upwards() -> None:
    effects = variant_effects(rows("accuracy")).set_index("variant")
    hot = effects.loc["hot"]
    assert hot["effect"] == pytest.approx(-0.1)
    assert hot["half_width"] == pytest.approx(stats.t.ppf(0.975, 2) * 0.01 / np.sqrt(3))
    assert (hot["seeds"], hot["worse"], hot["better"]) == (3, True, False)
    assert not effects.loc["cold", ["better", "worse"]].any()
    assert effects.loc[AS_IT_IS, "effect"] == 0.0
    perplexities = variant_effects(rows("perplexity")).set_index("variant")
    assert perplexities.loc["hot", "effect"] == pytest.approx(0.1)
    assert perplexities.loc["hot", "better"]
    alone = variant_effects(rows("accuracy").query("variant == 'hot'"))
    assert alone["effect"].isna().all()
    assert "| `hot` | temperature | temperature times 4 | 0.6000 | 60.0 % | -0.1000 ± 0.0248 | 3 | worse |" in (
        effects_markdown(rows("accuracy"))
    )


def test_the_command_adds_the_method_as_it_stands_and_resumes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    changed = "no-schedule,lot-start,frozen,whole,wide-blocks,sublayers,distillation-only,one-rate,no-recovery"
    arguments = ["ablation", "--budgets", "0.4", "--seeds", "2", "--steps", "2", "--batch-size", "8", "--out", str(out)]
    arguments += ["--variants", changed, "--dense-models", str(tmp_path / "dense")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "no-recovery" in result.output
    scores = pd.read_parquet(out / "scores.parquet")
    assert scores["variant"].tolist() == [name for name in (AS_IT_IS, *changed.split(",")) for _ in range(2)]
    assert (scores["used"] <= scores["budget"] + 1e-9).all()
    assert (scores["used"] > 0.2).all()
    assert scores.groupby("variant")["seed"].apply(tuple).nunique() == 1
    assert scores.groupby("seed")["dense_score"].nunique().eq(1).all()  # all begin with the same dense models
    assert (out / "figures" / "ablation.png").is_file()
    written = (out / "effects.md").read_text(encoding="utf-8")
    (out / "effects.md").unlink()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output
    pd.testing.assert_frame_equal(pd.read_parquet(out / "scores.parquet"), scores)
    assert (out / "effects.md").read_text(encoding="utf-8") == written


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--variants", "barter"], "barter"),
        (["--budgets", "1.0"], "below 1"),
        (["--search", "1.2"], "search"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["ablation", *arguments])
    assert isinstance(result.exception, MarketError)
    assert named in str(result.exception)
    assert not list(tmp_path.iterdir())
