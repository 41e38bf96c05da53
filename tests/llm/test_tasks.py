"""The embedded task, GLUE from files, and the scores."""

from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import matthews_corrcoef
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from walras.llm import DataError
from walras.llm.tasks import GLUE, METRICS, Task, load_glue, make_roles_task, small_bert
from walras.llm.training import predict
from walras.market import InvalidInputError

# ---------------------------------------------------------------- who acts in a sentence

NOUNS = {
    "person": "author child farmer king lawyer nurse painter pilot singer teacher",
    "animal": "bear cat dog eagle goat horse lion mouse tiger wolf",
    "vehicle": "bicycle boat bus car lorry plane ship taxi train tram",
    "plant": "bush fern flower ivy moss oak pine reed rose vine",
}
CLASS_OF = {noun: number for number, nouns in enumerate(NOUNS.values()) for noun in nouns.split()}


def sentences(task: Task) -> list[tuple[list[str], int]]:
    rows = [*task.train.rows, *task.evaluation.rows]
    return [(task.words(row["input_ids"]), row["labels"]) for row in rows]


def actor_of(words: list[str]) -> str:
    """The first noun after `by`, or of the sentence."""
    behind = words[words.index("by") :] if "by" in words else words
    return next(word for word in behind if word in CLASS_OF)


def test_labels_are_the_classes_of_the_actors() -> None:
    seen = sentences(make_roles_task(train=1500, evaluation=500))
    for words, label in seen:
        assert (words[0], words[-1]) == ("[CLS]", "[SEP]")
        assert ("was" in words) == ("by" in words)
        assert CLASS_OF[actor_of(words)] == label
    # The other nouns distract: the last noun, or the first, does not give the label away.
    for position in (0, -1):
        guesses = [CLASS_OF[[word for word in words if word in CLASS_OF][position]] == label for words, label in seen]
        assert np.mean(guesses) < 0.7
    assert {actor_of(words) for words, _ in seen} == set(CLASS_OF)


def test_classes_and_voices_are_balanced() -> None:
    seen = sentences(make_roles_task(train=3000, evaluation=1000))
    for share in Counter(label for _, label in seen).values():
        assert share / 4000 == pytest.approx(0.25, abs=0.03)  # four standard errors
    assert np.mean(["by" in words for words, _ in seen]) == pytest.approx(0.5, abs=0.04)


def test_sentences_are_distinct_and_reproducible() -> None:
    task, again, other = (make_roles_task(train=800, evaluation=200, seed=seed) for seed in (0, 0, 1))
    assert len(task.train) == 800
    assert len(task.evaluation) == 200
    texts = {" ".join(words) for words, _ in sentences(task)}
    assert len(texts) == 1000
    assert sentences(task) == sentences(again)
    assert sentences(task) != sentences(other)


def test_batches_are_padded_and_masked_and_fit_the_small_model() -> None:
    task = make_roles_task(train=1, evaluation=40)
    batch = task.collate(task.evaluation.rows)
    lengths = [len(row["input_ids"]) for row in task.evaluation.rows]
    assert len(set(lengths)) > 1
    assert task.longest == max(lengths) <= 32
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (40, max(lengths))
    assert batch["attention_mask"].sum(1).tolist() == lengths
    for row, ids, length in zip(task.evaluation.rows, batch["input_ids"].tolist(), lengths, strict=True):
        assert ids[:length] == row["input_ids"]
        assert not any(ids[length:])
    assert batch["labels"].tolist() == [row["labels"] for row in task.evaluation.rows]
    logits, _ = predict(small_bert(), task)
    assert logits.shape == (40, 4) == (len(task.evaluation), task.outputs)


def test_the_small_model_is_reproducible_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, again, other = (small_bert(seed=seed).classifier.weight for seed in (0, 0, 1))
    assert torch.rand(1) == expected
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("sizes", [{"train": 0}, {"evaluation": 0}, {"train": -5}])
def test_a_task_needs_examples(sizes: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match="1 or more"):
        make_roles_task(**sizes)


# ---------------------------------------------------------------- GLUE from files

WORDS = ['"', "the", "cat", "sat", "dog", "ran", "NA", "null"]
FILES = {
    "cola": {
        "train": ["gj04\t1\t\tthe cat sat", 'gj04\t0\t*\t" the cat', 'gj04\t1\t\tdog ran "', "gj04\t0\t*\tNA"],
        "dev": ["gj04\t1\t\tdog sat", "gj04\t0\t*\tnull"],
    },
    "stsb": {
        "train": ["index\tsentence1\tsentence2\tscore", '0\t" the cat\tdog ran\t3.25', "1\tdog\tcat\t0.000"],
        "dev": ["index\tsentence1\tsentence2\tscore", "0\tcat\tcat sat\t5.000"],
    },
    "mnli": {
        "train": [
            "index\tsentence1\tsentence2\tlabel",
            "0\tcat sat\tcat ran\tcontradiction",
            "1\tdog\tdog\tentailment",
        ],
        "dev_matched": ["index\tsentence1\tsentence2\tlabel", "0\tthe dog\tcat\tneutral"],
    },
}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    numbers = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    words = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def write(folder: Path, name: str, **changed: list[str]) -> Path:
    for file, lines in {**FILES[name], **changed}.items():
        path = folder / GLUE[name].folder / f"{file}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return folder


def load(folder: Path, name: str, tokenizer: PreTrainedTokenizerFast, **options: int) -> Task:
    return load_glue(name, tokenizer, data_dir=folder, **{"longest": 16, **options})


def texts(task: Task) -> list[str]:
    return [" ".join(task.words(row["input_ids"])) for row in task.train.rows]


def test_cola_is_read_with_its_quotes(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    task = load(write(tmp_path, "cola"), "cola", tokenizer)
    assert texts(task) == [f"[CLS] {text} [SEP]" for text in ("the cat sat", '" the cat', 'dog ran "', "NA")]
    assert [row["labels"] for row in task.train.rows] == [1, 0, 1, 0]
    assert len(task.evaluation) == 2
    assert (task.name, task.outputs, task.metric) == ("cola", 2, "matthews")


def test_stsb_scores_are_numbers_and_its_texts_are_pairs(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    task = load(write(tmp_path, "stsb"), "stsb", tokenizer)
    assert texts(task)[0] == '[CLS] " the cat [SEP] dog ran [SEP]'
    assert [row["labels"] for row in task.train.rows] == [3.25, 0.0]
    assert (task.outputs, task.metric) == (1, "pearson")
    batch = task.collate(task.train.rows)
    assert batch["labels"].dtype == torch.float32
    assert batch["input_ids"].shape == (2, 8)


def test_mnli_labels_are_numbered_as_on_the_hub(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    task = load(write(tmp_path, "mnli"), "mnli", tokenizer)
    assert [row["labels"] for row in [*task.train.rows, *task.evaluation.rows]] == [2, 0, 1]
    assert texts(task)[0] == "[CLS] cat sat [SEP] cat ran [SEP]"
    assert (task.outputs, task.metric) == (3, "accuracy")


def test_texts_and_files_are_cut_where_asked(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    task = load(write(tmp_path, "cola"), "cola", tokenizer, longest=4, limit=1)
    assert texts(task) == ["[CLS] the cat [SEP]"]
    assert len(task.evaluation) == 1


HEADER = "index\tsentence1\tsentence2\tscore"


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("cola", {"dev": ["gj04\t1\t\tcat", "gj04\t2\t\tdog"]}, r"dev\.tsv, row 2: label '2' is none of 0, 1"),
        ("mnli", {"train": ["sentence1\tsentence2\tlabel", "cat\tdog\t-"]}, r"train\.tsv, row 1: label '-'"),
        ("stsb", {"dev": [HEADER, "0\tcat\tdog\tmuch"]}, r"dev\.tsv, row 1: score 'much' is not a number"),
        ("stsb", {"dev": [HEADER, "0\tcat\tdog\tnan"]}, r"dev\.tsv, row 1: score 'nan'"),
        ("stsb", {"dev": [HEADER, "0\tcat\tdog\t"]}, r"dev\.tsv, row 1: score ''"),
        ("stsb", {"train": ["sentence1\tscore", "cat\t1.0"]}, r"train\.tsv has no column sentence2; it has sentence1"),
        ("stsb", {"train": [HEADER]}, r"train\.tsv has no rows"),
        ("stsb", {"train": []}, r"train\.tsv"),
        ("cola", {"train": []}, r"train\.tsv"),
        ("stsb", {"train": [HEADER, "0\tcat\tdog\t1.0", "0\tcat\tdog\t1.0\tand\tmore"]}, r"train\.tsv"),
    ],
    ids=str,
)
def test_bad_files_are_named(
    name: str, changed: dict, message: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, name, **changed), name, tokenizer)


def test_a_file_that_is_no_utf8_is_named(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    (write(tmp_path, "cola") / "CoLA" / "dev.tsv").write_bytes(b"gj04\t1\t\tcaf\xe9\n")
    with pytest.raises(DataError, match=r"dev\.tsv could not be read"):
        load(tmp_path, "cola", tokenizer)


def test_a_missing_file_is_named(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(DataError, match=r"CoLA.train\.tsv"):
        load(tmp_path, "cola", tokenizer)


def test_an_unknown_task_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(DataError, match=r"'sst9'; known: cola, stsb, mnli"):
        load(tmp_path, "sst9", tokenizer)


def test_without_a_network_the_hub_is_a_data_error(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"'cola' could not be had from the hub.*--data-dir"):
        load_glue("cola", tokenizer, data_dir=None, longest=16)


# ---------------------------------------------------------------- scores


def test_scores_are_those_of_scipy_and_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((50, 3)), rng.integers(3, size=50).astype(float)
    assert METRICS["accuracy"](logits, labels) == (logits.argmax(1) == labels).mean()
    assert METRICS["matthews"](logits, labels) == pytest.approx(matthews_corrcoef(labels, logits.argmax(1)))
    scores = rng.standard_normal((50, 1))
    assert METRICS["pearson"](scores, labels) == pytest.approx(pearsonr(scores[:, 0], labels).statistic)
    assert METRICS["pearson"](2.0 * labels[:, None] + 1.0, labels) == pytest.approx(1.0)
    assert METRICS["pearson"](-labels[:, None], labels) == pytest.approx(-1.0)


def test_constant_predictions_score_nothing() -> None:
    labels = np.array([0.0, 1.0, 1.0])
    assert METRICS["pearson"](np.full((3, 1), 2.5), labels) == 0.0
    assert METRICS["matthews"](np.array([[0.0, 1.0]] * 3), labels) == 0.0


def test_a_task_scores_by_its_metric() -> None:
    task = make_roles_task(train=1, evaluation=3)
    assert task.score(np.eye(4)[:3], np.array([0.0, 1.0, 3.0])) == pytest.approx(2 / 3)
