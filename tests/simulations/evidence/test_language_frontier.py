"""The frontier's cells on a small decoder with grouped queries, a tokenizer of bytes and a few articles."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.llm.language_at_hand import byte_tokenizer, small_llama, write_wikitext
from transformers import GPT2Config, GPT2LMHeadModel, set_seed
from typer.testing import CliRunner

from walras.llm import EconomyConfig, attach
from walras.llm.ensemble import ModelStack, TensorExamples, nats_of_members
from walras.llm.ensemble import training as ensemble_training
from walras.llm.training import predict, score
from walras.market.errors import MarketError
from walras.simulations.cli import app
from walras.simulations.evidence import EXPERIMENT, METHODS, FrontierConfig, frontier_summary
from walras.simulations.evidence.figures import frontier_figures
from walras.simulations.models import load_model_and_task

BUDGETS = (1.0, 0.4)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Model and data."""
    model = tmp_path_factory.mktemp("decoder")
    small_llama().save_pretrained(model)
    byte_tokenizer().save_pretrained(model)
    return str(model), str(write_wikitext(tmp_path_factory.mktemp("wikitext")))


def configured(folders: tuple[str, str], method: str, **fields: object) -> FrontierConfig:
    model, data = folders
    settings = {"budgets": BUDGETS, "seeds": 2, "steps": 2, "batch_size": 4, "window": 16, "stride": 8, **fields}
    return FrontierConfig(task="wikitext", model=model, data_dir=data, method=method, **settings)


def cell(folders: tuple[str, str], method: str, **fields: object) -> pd.DataFrame:
    return EXPERIMENT.run(configured(folders, method, **fields), np.random.default_rng(0))["scores"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_with_a_causal_model(folders: tuple[str, str], method: str) -> None:
    scores = cell(folders, method)
    budgets = (1.0,) if method == "dense" else BUDGETS
    assert scores["budget"].tolist() == [budget for budget in budgets for _ in range(2)]
    assert (scores["used"] <= scores["budget"] + 1e-9).all()
    assert scores["real_flops"].equals(scores["padded_flops"])  # no window is padded
    assert (scores["metric"] == "perplexity").all()
    assert np.isfinite(scores["score"]).all()
    assert (scores["score"] > 1.0).all()
    bits = scores["bits_per_byte"]
    ratio = np.log2(scores["score"]) / bits  # bytes a word, of any model
    assert ratio.to_numpy() == pytest.approx(np.full(len(scores), ratio[0]))
    assert scores["spearman"].isna().all()


def test_a_model_that_looks_positions_up_runs_too(folders: tuple[str, str], tmp_path: Path) -> None:
    set_seed(0)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 128, "n_positions": 64}
    GPT2LMHeadModel(GPT2Config(vocab_size=257, bos_token_id=0, eos_token_id=0, **sizes)).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    scores = cell((str(tmp_path), folders[1]), "elastic")
    assert len(scores) == 4
    assert np.isfinite(scores["score"]).all()


def test_nats_of_members_are_those_of_each_model_alone(
    folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = configured(folders, "dense").load(0)
    other = small_llama()
    economies = [attach(each, EconomyConfig(sequence_length=16)) for each in (model, other)]
    rng = np.random.default_rng(0)
    for economy in economies:
        economy.set_valuations(rng.standard_normal(len(economy.population)))
    allocation = np.array([economies[0].hard_allocation(0.4), economies[1].hard_allocation(0.7)])
    alone = [predict(economy.export(budget), task) for economy, budget in zip(economies, (0.4, 0.7), strict=True)]
    for economy in economies:
        economy.detach()
    monkeypatch.setattr(ensemble_training, "MOST_LOGITS", 3 * 2 * 16 * 257 // 4)  # three windows of both in a pass
    stack = ModelStack([model, other], EconomyConfig(sequence_length=16))
    rows = []
    stack.model.register_forward_pre_hook(lambda _, __, inputs: rows.append(len(inputs["input_ids"])), with_kwargs=True)
    nats = nats_of_members(stack, TensorExamples(task.evaluation, task.collate), allocation)
    assert max(rows) == 3 * 2
    for member, (observed, counts) in zip(nats, alone, strict=True):
        assert member == pytest.approx(observed[:, 0], rel=1e-4)
        assert counts.sum() == sum((row["labels"] != -100).sum() for row in task.evaluation.rows)


def test_a_configuration_says_how_the_text_is_read(folders: tuple[str, str]) -> None:
    def examples(**fields: object) -> tuple[int, int]:
        _, task = configured(folders, "dense", **fields).load(0)
        return len(task.train), len(task.evaluation)

    train, evaluation = examples()
    assert examples(stride=4)[1] == pytest.approx(2 * evaluation, rel=0.1)
    assert examples(train_tokens=60)[0] < train == examples(train_tokens=0)[0]
    assert examples(limit=2)[1] < evaluation


def test_what_is_kept_of_the_dense_perplexity_falls_as_it_rises(folders: tuple[str, str]) -> None:
    scores = pd.concat([cell(folders, "dense", steps=6), cell(folders, "random-post-hoc", steps=6)])
    summary = frontier_summary(scores).set_index(["method", "budget"])
    assert summary.loc[("dense", 1.0), "kept"] == pytest.approx(1.0)
    cut, dense = (
        scores[(scores["method"] == m) & (scores["budget"] == b)] for m, b in (("random-post-hoc", 0.4), ("dense", 1.0))
    )
    expected = (dense["score"].to_numpy() / cut["score"].to_numpy()).mean()
    assert summary.loc[("random-post-hoc", 0.4), "kept"] == pytest.approx(expected)
    axis = frontier_figures({"scores": scores})["frontier"].axes[0]
    assert axis.get_ylabel() == "perplexity (lower is better)"


def test_the_dense_score_is_that_of_the_model_trained_for_the_task(folders: tuple[str, str], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    kept = tmp_path / "models"
    scores = cell(folders, "uniform-post-hoc", dense_models=str(kept))
    (models,) = (path for path in kept.iterdir() if path.is_dir())
    _, task = configured(folders, "dense").load(0)
    for number, expected in enumerate(scores["dense_score"][:2]):
        model = AutoModelForCausalLM.from_pretrained(models / str(number))
        assert score(model, task) == pytest.approx(expected, rel=1e-4)
    assert len(list(kept.glob("tokens-*.npy"))) == 1  # of WikiText, for the other methods


def test_the_command_takes_wikitext(folders: tuple[str, str], tmp_path: Path) -> None:
    model, data = folders
    arguments = ["frontier", "--task", "wikitext-test", "--model", model, "--data-dir", data, "--window", "16"]
    arguments += [
        "--stride",
        "8",
        "--methods",
        "magnitude-post-hoc",
        "--budgets",
        "0.6",
        "--seeds",
        "1",
        "--steps",
        "2",
    ]
    arguments += ["--batch-size", "4", "--limit", "8", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*arguments, "--dense-models", str(tmp_path / "dense")])
    assert result.exit_code == 0, result.output
    assert "perplexity" in result.output
    assert pd.read_parquet(tmp_path / "run" / "scores.parquet")["task"].tolist() == ["wikitext-test"]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"model": None}, "such as gpt2"), ({"wikitext": {"window": 65}}, "64 positions"), ({"task": "wiki"}, "wikitext")],
)
def test_models_and_texts_that_do_not_go_together(
    folders: tuple[str, str], options: dict[str, object], named: str
) -> None:
    arguments = {"task": "wikitext", "model": folders[0], "data_dir": Path(folders[1]), "seed": 0, **options}
    with pytest.raises(MarketError, match=named):
        load_model_and_task(**arguments)
