"""The attention of a frontier's models: what is measured is what is scored, and the rule of the verdict."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from walras.llm import attach
from walras.llm.analysis.attention_measures import MEASURES
from walras.llm.tasks import Task, make_roles_task, small_bert
from walras.market import InvalidInputError
from walras.simulations.cli import app
from walras.simulations.commands.attention import print_attention
from walras.simulations.evidence import (
    EXPERIMENT,
    FrontierConfig,
    attention_differences,
    attention_verdict,
    attention_verdicts,
)
from walras.simulations.evidence import config as configuration
from walras.simulations.evidence.attention import attention_row, looked_at
from walras.simulations.evidence.attention_figures import attention_figures
from walras.simulations.evidence.cell import Cell
from walras.simulations.evidence.dense import dense_models
from walras.simulations.evidence.methods import smaller_models

BUDGETS = (1.0, 0.4)
T_OF_3 = 4.302653  # Student's t, 2 degrees of freedom


@pytest.fixture
def small_task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """The embedded task with few examples."""
    task = make_roles_task(train=64, evaluation=40)
    monkeypatch.setattr(configuration, "load_model_and_task", lambda *_, seed, **__: (small_bert(seed=seed), task))
    return task


def configured(method: str) -> FrontierConfig:
    return FrontierConfig(
        method=method, budgets=BUDGETS, seeds=2, steps=2, batch_size=8, attention=True, attention_sentences=12
    )


@pytest.mark.parametrize("method", ["market", "fisher", "small_dense"])
def test_the_model_that_is_measured_is_the_one_that_is_scored(method: str, small_task: Task) -> None:
    config = configured(method)
    dense, task = dense_models(config, (1, 2))
    batch = task.collate(task.evaluation.rows)
    batch.pop("labels")
    budgets = []
    for smaller in smaller_models(cell := Cell(config, task, (1, 2), dense)):
        economy = attach(smaller.trained(), cell.economy_config)
        served = np.ones(len(economy.population)) if smaller.open_agents is None else smaller.open_agents
        shares = torch.from_numpy(served.astype(np.float32))
        economy.gate.given = lambda shares=shares: shares
        with torch.no_grad():
            logits = economy.model(**batch).logits
        np.testing.assert_allclose(logits.numpy(), smaller.observed, atol=1e-5)
        budgets.append(attention_row(cell, smaller)["budget"])
    assert budgets == [1.0, 1.0, 0.4, 0.4]


def test_a_cell_has_a_row_of_attention_for_each_row_of_scores(small_task: Task) -> None:
    tables = EXPERIMENT.run(configured("random"), np.random.default_rng(0))
    scores, attention = tables["scores"], tables["attention"]
    keys = ["method", "task", "seed", "budget", "heads"]
    pd.testing.assert_frame_equal(scores[keys], attention[keys], check_dtype=False)
    assert (attention["sentences"] == 12).all()
    assert attention[list(MEASURES)].notna().all(axis=None)


def test_all_methods_of_a_seed_look_at_the_same_sentences(small_task: Task) -> None:
    def found(seed: int) -> list[tuple[int, ...]]:
        return [tuple(row["input_ids"]) for row in looked_at(small_task, seed, 12).rows]

    assert found(3) == found(3)
    assert found(3) != found(4)
    assert len(looked_at(small_task, 3, 1000)) == 40
    assert len(set(found(3))) == 12


def test_a_task_of_short_texts_is_refused(small_task: Task) -> None:
    short = Task(
        "short", small_task.train, small_task.evaluation, 2, "accuracy", small_task.collate, small_task.words,
        special=frozenset(range(100)),
    )  # fmt: skip
    with pytest.raises(InvalidInputError, match="No evaluation example of short"):
        looked_at(short, 0, 10)


def rows(method: str, budget: float, entropy: list[float], agreement: list[float]) -> list[dict[str, object]]:
    """Rows of seeds 0, 1, ...; measures of all tokens are those of ordinary ones, with the signs turned."""
    table = []
    for seed, (low, high) in enumerate(zip(entropy, agreement, strict=True)):
        measures = dict.fromkeys(MEASURES, 0.5)
        measures |= {"ordinary_entropy": low, "ordinary_agreement": high, "entropy": -low, "agreement": -high}
        table.append({"method": method, "task": "a task", "seed": seed, "budget": budget, **measures})
    return table


DENSE = rows("dense", 1.0, [3.0, 4.0, 5.0], [0.1, 0.3, 0.2])
CLEARER = ([2.0, 2.9, 4.1], [0.2, 0.41, 0.29])  # than dense by 1 bit and 0.1, with every seed near the mean


def test_differences_are_paired_by_seed() -> None:
    table = pd.DataFrame([*DENSE, *rows("market", 0.5, *CLEARER)])
    found = attention_differences(table, "market").set_index("measure")
    assert found.loc["ordinary_entropy", "difference"] == pytest.approx(-1.0)
    half_width = T_OF_3 * 0.1 / np.sqrt(3)
    assert found.loc["ordinary_entropy", "half_width"] == pytest.approx(half_width, rel=1e-5)
    assert found.loc["ordinary_entropy", "mean"] == pytest.approx(3.0)
    assert found.loc["gini", "difference"] == 0.0
    assert (found["seeds"] == 3).all()
    assert (found["budget"] == 0.5).all()


def test_models_without_heads_have_no_part_in_a_difference() -> None:
    table = pd.DataFrame([*DENSE, *rows("market", 0.5, *CLEARER)])
    table.loc[(table["method"] == "market") & (table["seed"] > 0), list(MEASURES)] = np.nan
    found = attention_differences(table, "market").set_index("measure")
    assert found.loc["ordinary_entropy", "difference"] == pytest.approx(-1.0)
    assert (found["seeds"] == 1).all()
    assert found["half_width"].isna().all()


AS_DENSE = ([3.0, 4.0, 5.0], [0.1, 0.3, 0.2])
NOISY = ([2.0, 2.9, 5.5], [0.2, 0.41, 0.29])  # lower entropy on the mean, but not beyond the interval
NO_AGREEMENT = ([2.0, 2.9, 4.1], [0.1, 0.31, 0.19])


@pytest.mark.parametrize(
    ("market", "random", "verdict", "whole"),
    [
        (CLEARER, AS_DENSE, "by the market", "reproduced"),
        (CLEARER, CLEARER, "by any cut", "partly"),
        (NOISY, AS_DENSE, "no", "not reproduced"),
        (NO_AGREEMENT, AS_DENSE, "no", "not reproduced"),
        (AS_DENSE, AS_DENSE, "no", "not reproduced"),
    ],
)
def test_the_rule_at_one_budget(market, random, verdict: str, whole: str) -> None:
    table = pd.DataFrame([*DENSE, *rows("market", 0.5, *market), *rows("random", 0.5, *random)])
    found = attention_verdicts(table, "market")
    assert found["verdict"].tolist() == [verdict]
    assert found["baselines"].tolist() == [1]
    assert attention_verdict(found) == whole
    assert attention_verdict(attention_verdicts(table, "market", special=True)) == "not reproduced"


def test_every_baseline_and_every_budget_must_be_beaten() -> None:
    table = pd.DataFrame(
        [
            *DENSE,
            *rows("market", 1.0, *AS_DENSE),
            *rows("market", 0.5, *CLEARER),
            *rows("market", 0.25, *CLEARER),
            *rows("market", 0.1, *CLEARER),
            *rows("random", 0.5, *AS_DENSE),
            *rows("taylor", 0.5, *AS_DENSE),
            *rows("random", 0.25, *AS_DENSE),
            *rows("taylor", 0.25, *CLEARER),
            *rows("taylor-post-hoc", 0.5, *CLEARER),
            *rows("elastic", 0.5, *CLEARER),
        ]
    )
    found = attention_verdicts(table, "market")  # no baseline has the budget 0.1, and nothing is cut at 1
    assert found["budget"].tolist() == [0.5, 0.25]
    assert found["verdict"].tolist() == ["by the market", "by any cut"]
    assert found["beaten"].tolist() == [2, 1]
    assert attention_verdict(found) == "partly"
    assert attention_verdict(attention_verdicts(table, "market", baselines=["random"])) == "reproduced"


def test_what_cannot_be_compared_is_said() -> None:
    market = rows("market", 0.5, *CLEARER)
    with pytest.raises(InvalidInputError, match="no rows of 'dense'"):
        attention_verdicts(pd.DataFrame([*market, *rows("random", 0.5, *CLEARER)]), "market")
    with pytest.raises(InvalidInputError, match="There is no baseline"):
        attention_verdicts(pd.DataFrame([*DENSE, *market]), "market")
    with pytest.raises(InvalidInputError, match="At no budget below 1"):
        attention_verdicts(pd.DataFrame([*DENSE, *market, *rows("random", 0.25, *CLEARER)]), "market")


def test_a_figure_for_each_task_that_has_the_dense_model() -> None:
    table = pd.DataFrame([*DENSE, *rows("market", 0.5, *CLEARER)])
    figures = attention_figures(table)
    assert list(figures) == ["attention"]
    line = figures["attention"].axes[0].containers[0].lines[0]
    assert line.get_ydata() == pytest.approx([-1.0])
    both = pd.concat([table, table.assign(task="another")])
    assert list(attention_figures(both)) == ["attention_a task", "attention_another"]
    assert not attention_figures(table[table["method"] != "dense"])


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (
            rows("random", 0.5, *CLEARER),
            "elastic, more interpretable attention: not reproduced (all tokens: not reproduced)",
        ),
        ([], "No verdict on elastic. There is no baseline"),
    ],
)
def test_the_command_prints_differences_and_a_verdict(others: list, said: str) -> None:
    printed = Console(width=200, record=True, file=io.StringIO())
    print_attention(pd.DataFrame([*DENSE, *rows("elastic", 0.5, *NOISY), *others]), printed)
    text = printed.export_text()
    assert said in text
    assert "-0.533 ± 2.227" in text


def test_the_command_says_what_is_missing() -> None:
    printed = Console(width=200, record=True, file=io.StringIO())
    print_attention(pd.DataFrame(rows("elastic", 0.5, *NOISY)), printed)
    assert "dense, which was not run" in printed.export_text()


def test_the_command_measures_attention_if_asked(small_task: Task, tmp_path: Path) -> None:
    arguments = ["frontier", "--methods", "dense,random", "--budgets", "0.5", "--seeds", "2", "--steps", "2"]
    arguments += ["--batch-size", "8", "--out", str(tmp_path / "run"), "--dense-models", str(tmp_path / "dense")]
    result = CliRunner().invoke(app, [*arguments, "--attention", "--attention-sentences", "10"])
    assert result.exit_code == 0, result.output
    assert "special tokens left out" in result.output
    attention = pd.read_parquet(tmp_path / "run" / "attention.parquet")
    assert attention["method"].tolist() == ["dense", "dense", "random", "random"]
    assert (attention["sentences"] == 10).all()
    assert (tmp_path / "run" / "figures" / "attention.png").is_file()
