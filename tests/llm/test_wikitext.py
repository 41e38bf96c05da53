"""Language modelling on WikiText-103: blocks, windows, perplexity, and its files."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.llm.language_at_hand import END, TRAIN, VALID, byte_tokenizer, small_llama, write_wikitext
from transformers import PreTrainedTokenizerFast

from walras.llm import DataError
from walras.llm.tasks import ScoredText, Task, kept_of_dense, load_wikitext
from walras.llm.tasks import wikitext as module
from walras.llm.tasks.language import NOT_SCORED, sliding_windows, token_nats
from walras.llm.training import TrainingSettings, fine_tune, predict, score
from walras.market import InvalidInputError

AS_WRITTEN = (
    '\n= The sea =\n\nThe "old" sea (1,200 m), a well-known one, isn\'t near.\n'
    "The river runs to the sea; the sea is <unk>.\n\n== Life ==\n\nFish live in the sea.\n"
)
TOKENIZER = byte_tokenizer()


def load(folder: Path | None, name: str = "wikitext", **options: Any) -> Task:
    settings = {"window": 16, "stride": 8, **options}
    tokenizer = settings.pop("tokenizer", TOKENIZER)
    return load_wikitext(name, tokenizer, small_llama(layers=0).config, data_dir=folder, **settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_wikitext(tmp_path / "data")


def scored_text(task: Task) -> str:
    rows = task.evaluation.rows
    return TOKENIZER.decode([t for row in rows for t in row["labels"].tolist() if t != NOT_SCORED])


# ---------------------------------------------------------------- windows and blocks


@given(st.integers(2, 60), st.integers(2, 20), st.data())
def test_windows_score_every_token_once_with_its_context(count: int, window: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, window - 1))
    tokens = np.arange(100, 100 + count)
    rows = sliding_windows(tokens, window, stride)
    assert {len(row["input_ids"]) for row in rows} == {min(window, count)}  # no padding in any batch
    scored = [label for row in rows for label in row["labels"].tolist() if label != NOT_SCORED]
    assert scored == tokens[1:].tolist()
    for row in rows:
        assert row["labels"][0] == NOT_SCORED
        inside = row["labels"] != NOT_SCORED
        assert (row["labels"][inside] == row["input_ids"][inside]).all()
        first = int(row["input_ids"][0])
        assert (np.diff(row["input_ids"]) == 1).all()
        assert first == 100 or inside.argmax() >= window - stride  # tokens of context, but at the text's beginning


def test_training_blocks_follow_one_another_and_articles_begin_with_the_start(folder: Path) -> None:
    task = load(folder)
    blocks = [row["input_ids"] for row in task.train.rows]
    assert all(len(block) == 16 for block in blocks)
    assert all((row["labels"] == row["input_ids"]).all() for row in task.train.rows)
    text = TOKENIZER.decode(np.concatenate(blocks).tolist())
    first, *articles = text.split(END)
    assert not first
    assert len(articles) == len(TRAIN)
    assert set(articles[:-1]) < set(TRAIN)
    assert any(article.startswith(articles[-1]) for article in TRAIN)  # cut at a whole block
    assert articles[:-1] != TRAIN[:-1]  # in an order by lot


def test_no_more_articles_are_read_than_are_asked_for(folder: Path) -> None:
    few, whole = load(folder, train_tokens=60), load(folder, train_tokens=None)
    assert 60 - 16 < 16 * len(few.train) <= 60 + max(map(len, TRAIN))
    assert len(few.train) < len(whole.train)
    assert (few.train[0]["input_ids"] == whole.train[0]["input_ids"]).all()


# ---------------------------------------------------------------- the score


def test_the_text_is_scored_as_it_is_usually_written_and_words_are_the_benchmarks(folder: Path) -> None:
    task = load(folder)
    assert scored_text(task) == AS_WRITTEN
    assert task.text == ScoredText(sum(len(line.split()) for line in VALID) + len(VALID), len(AS_WRITTEN.encode()))
    assert (task.metric, task.lower_is_better, task.outputs) == ("perplexity", True, 257)
    assert scored_text(load(folder, "wikitext-test")) == AS_WRITTEN.split("\n\n==")[0].removesuffix("\n") + "\n"


def test_perplexity_is_that_of_one_pass_over_the_text(folder: Path) -> None:
    model = small_llama(positions=512)
    task = load_wikitext("wikitext", TOKENIZER, model.config, data_dir=folder, window=400, stride=8, train_tokens=None)
    tokens = torch.tensor([0, *TOKENIZER(AS_WRITTEN)["input_ids"]])
    with torch.no_grad():
        log_probabilities = model(tokens[None]).logits[0].double().log_softmax(-1)
    nats = -sum(float(log_probabilities[place, token]) for place, token in enumerate(tokens[1:]))
    observed, counts = predict(model, task)
    assert counts.sum() == len(tokens) - 1
    measures = task.measures(observed, counts)
    assert measures["perplexity"] == pytest.approx(math.exp(nats / task.text.words), rel=1e-5)
    assert measures["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(AS_WRITTEN.encode()), rel=1e-5)
    assert score(model, task) == task.score(observed, counts) == measures["perplexity"]
    rows = []
    model.register_forward_pre_hook(lambda _, __, inputs: rows.append(len(inputs["input_ids"])), with_kwargs=True)
    assert score(model, replace(load(folder), evaluation_batch=3)) == pytest.approx(score(model, load(folder)))
    assert rows[0] == 3  # no batch is larger than the task allows: its logits would not fit


@pytest.mark.parametrize(("window", "stride"), [(16, 8), (7, 1), (7, 6), (2, 1), (64, 63)])
def test_a_model_that_sees_only_the_last_token_has_one_perplexity_for_all_windows(
    folder: Path, window: int, stride: int
) -> None:
    model = small_llama(layers=0)
    whole = score(model, load(folder, window=64, stride=32))
    assert score(model, load(folder, window=window, stride=stride)) == pytest.approx(whole, rel=1e-6)


def test_a_longer_context_makes_the_perplexity_that_of_more_context(folder: Path) -> None:
    model = small_llama()
    assert score(model, load(folder, window=64, stride=8)) != pytest.approx(score(model, load(folder)), rel=1e-3)


def test_sums_of_nats_are_taken_in_float64() -> None:
    tokens = 4000
    logits = torch.zeros(1, tokens, 2)
    logits[..., 1] = -1e-4  # log 2 and a little: in float32 the sum would lose it
    nats, counts = token_nats(logits, torch.zeros(1, tokens, dtype=torch.long))
    each = float(torch.nn.functional.cross_entropy(logits[0, :1], torch.zeros(1, dtype=torch.long)))
    assert counts.tolist() == [tokens - 1]
    assert nats.item() == pytest.approx((tokens - 1) * each, rel=1e-12)


def test_a_model_beyond_all_floats_is_infinitely_bad() -> None:
    assert ScoredText(1, 1).measures(1e4)["perplexity"] == math.inf


def test_what_is_kept_of_the_dense_score_is_more_for_better_models() -> None:
    assert kept_of_dense("perplexity", 50.0, 55.0) > 1.0 > kept_of_dense("perplexity", 60.0, 55.0)
    assert kept_of_dense("accuracy", 0.9, 0.8) > 1.0 > kept_of_dense("accuracy", 0.7, 0.8)
    assert kept_of_dense("perplexity", math.inf, 55.0) == 0.0
    assert math.isnan(kept_of_dense("matthews", 0.5, 0.0))


def test_training_lowers_the_perplexity(folder: Path) -> None:
    model, task = small_llama(), load(folder, train_tokens=None)
    before = score(model, task)
    fine_tune(model, task, TrainingSettings(steps=20, learning_rate=1e-2, batch_size=8, by_length=True))
    assert score(model, task) < before


def test_a_limit_leaves_whole_lines_and_their_words(folder: Path) -> None:
    task = load(folder, limit=2)
    assert len(task.train) <= 2 + max(map(len, TRAIN)) // 16
    text = scored_text(task)
    assert AS_WRITTEN.startswith(text)
    lines = text.count("\n")
    assert lines < len(VALID)
    assert task.text == ScoredText(sum(len(line.split()) + 1 for line in VALID[:lines]), len(text))


# ---------------------------------------------------------------- files, cache, hub


def test_tokens_are_made_once_if_there_is_a_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Counter()
    articles = module.articles_of
    monkeypatch.setattr(module, "articles_of", lambda path: (read.update([path]), articles(path))[1])
    first, second = (load(folder, cache=tmp_path / "cache") for _ in range(2))
    assert read.total() == 1
    for row, again in zip(first.train.rows, second.train.rows, strict=True):
        assert (row["input_ids"] == again["input_ids"]).all()
    load(folder, cache=tmp_path / "cache", train_tokens=60)  # other tokens
    write_wikitext(folder, compressed=False)
    (folder / "articles.train.txt.xz").unlink()
    load(folder, cache=tmp_path / "cache")  # another file
    assert read.total() == 3
    assert len(list((tmp_path / "cache").iterdir())) == 3  # nothing unfinished


def test_the_benchmarks_own_training_text_is_read_if_it_is_there(folder: Path) -> None:
    lines = [" ", " = One = ", " ", " A , b . ", " ", " = = Part = = ", " ", " = Two = ", " ", " C @-@ d . " * 3]
    (folder / "wiki.train.tokens").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = TOKENIZER.decode(np.concatenate([row["input_ids"] for row in load(folder, window=2, stride=1).train.rows]))
    assert sorted(text.split(END))[-2:] == ["= One =\n\nA, b.\n\n== Part ==\n\n", "= Two =\n\nC-d. C-d. C-d.\n"]


def test_the_hub_has_the_same_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(*names: str, split: str) -> dict[str, list[str]]:
        asked.append((*names, split))
        return {"text": ["" if not line.strip() else f"{line}\n" for line in VALID]}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    task = load(None)
    assert scored_text(task) == AS_WRITTEN
    assert task.text == load(folder).text
    assert asked == [("Salesforce/wikitext", "wikitext-103-v1", split) for split in ("validation", "train")]

    def unreachable(*_: str, **__: str) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError, match="data-dir"):
        load(None)


def test_words_of_tokens_can_be_read(folder: Path) -> None:
    task = load(folder)
    assert "".join(task.words(task.evaluation[0]["input_ids"][1:4])) == "Ċ=Ġ"


# ---------------------------------------------------------------- errors


def one_token_more() -> PreTrainedTokenizerFast:
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(["one more"])
    return tokenizer


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"window": 65}, InvalidInputError, "64 positions"),
        ({"window": 1}, InvalidInputError, "window"),
        ({"stride": 16}, InvalidInputError, "stride must be less than the window"),
        ({"stride": 0}, InvalidInputError, "stride"),
        ({"train_tokens": 0}, InvalidInputError, "train_tokens"),
        ({"limit": 0}, InvalidInputError, "limit"),
        ({"name": "wiki"}, DataError, "Unknown task 'wiki'"),
        ({"tokenizer": one_token_more()}, DataError, "258 tokens and the model a vocabulary of 257"),
    ],
)
def test_bad_options_are_refused(folder: Path, options: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        load(folder, **options)


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("wiki.valid.tokens", None, "No file .*wiki.valid.tokens"),
        ("wiki.valid.tokens", b" \n \n", "is empty"),
        ("wiki.valid.tokens", b"\xff\xfe", "could not be read"),
        ("articles.train.txt.xz", None, "no text to train on"),
        ("articles.train.txt.xz", b"not compressed", "could not be read"),
        ("articles.train.txt", b"\n\n", "is empty"),
        ("articles.train.txt", b"Few.", "less than a block of 16"),
    ],
)
def test_missing_and_broken_files_are_named(folder: Path, file: str, content: bytes | None, named: str) -> None:
    if file.startswith("articles"):
        (folder / "articles.train.txt.xz").unlink()
    (folder / file).unlink(missing_ok=True)
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=named):
        load(folder)
