"""GLUE tasks, from a folder of TSV files (the form in which GLUE is distributed) or from the hub.

Sources: Wang et al. 2019 (GLUE); Warstadt et al. 2018 (CoLA); Cer et al. 2017 (STS-B); Williams et al. 2018 (MNLI).
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import pandas as pd
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from walras.llm.errors import DataError
from walras.llm.tasks.task import Examples, Task

__all__ = ["GLUE", "GlueTable", "load_glue"]


@final
@dataclass(frozen=True)
class GlueTable:
    """How one GLUE task is stored.

    Parameters
    ----------
    folder, train, evaluation
        Folder and files, without `.tsv`.
    columns
        Names to give to a file without a header; None if it has one.
    sentences, label
        The columns read.
    classes
        Label words or digits, in the order of their numbers; empty for regression.
    metric
        Key of `walras.llm.tasks.task.METRICS`.
    hub_name, hub_evaluation, hub_sentences
        Configuration, evaluation split and columns of `nyu-mll/glue` on the hub.
    """

    folder: str
    evaluation: str
    sentences: tuple[str, ...]
    label: str
    classes: tuple[str, ...]
    metric: str
    hub_name: str
    hub_evaluation: str
    hub_sentences: tuple[str, ...]
    columns: tuple[str, ...] | None = None
    train: str = "train"


GLUE: Mapping[str, GlueTable] = MappingProxyType(
    {
        "cola": GlueTable(
            folder="CoLA",
            evaluation="dev",
            columns=("source", "label", "mark", "sentence"),
            sentences=("sentence",),
            label="label",
            classes=("0", "1"),
            metric="matthews",
            hub_name="cola",
            hub_evaluation="validation",
            hub_sentences=("sentence",),
        ),
        "stsb": GlueTable(
            folder="STS-B",
            evaluation="dev",
            sentences=("sentence1", "sentence2"),
            label="score",
            classes=(),
            metric="pearson",
            hub_name="stsb",
            hub_evaluation="validation",
            hub_sentences=("sentence1", "sentence2"),
        ),
        "mnli": GlueTable(
            folder="MNLI",
            evaluation="dev_matched",
            sentences=("sentence1", "sentence2"),
            label="label",
            classes=("entailment", "neutral", "contradiction"),
            metric="accuracy",
            hub_name="mnli",
            hub_evaluation="validation_matched",
            hub_sentences=("premise", "hypothesis"),
        ),
    }
)


def load_glue(
    name: str, tokenizer: PreTrainedTokenizerBase, *, data_dir: Path | None, longest: int, limit: int | None = None
) -> Task:
    """Load and tokenise a GLUE task.

    Parameters
    ----------
    name
        Key of `GLUE`.
    tokenizer
        The model's.
    data_dir
        Folder that holds GLUE's folders (`CoLA/train.tsv` and so on); None loads from the hub.
    longest
        Tokens at which texts are cut.
    limit
        Read only the first examples of each file, for a quick look.

    Raises
    ------
    DataError
        Unknown task; missing file or column; unknown label; hub not reachable.
    """
    if name not in GLUE:
        raise DataError(f"Unknown task {name!r}; known: {', '.join(GLUE)}.")
    table = GLUE[name]
    frames = [
        _from_folder(table, file, data_dir) if data_dir is not None else _from_hub(table, split)
        for file, split in ((table.train, "train"), (table.evaluation, table.hub_evaluation))
    ]
    train, evaluation = (_tokenised(frame.iloc[:limit], tokenizer, longest) for frame in frames)
    return Task(
        name=name,
        train=train,
        evaluation=evaluation,
        outputs=len(table.classes) or 1,
        metric=table.metric,
        collate=DataCollatorWithPadding(tokenizer),
        words=tokenizer.convert_ids_to_tokens,
        special=frozenset(tokenizer.all_special_ids),
    )


def _from_folder(table: GlueTable, file: str, data_dir: Path) -> pd.DataFrame:
    """Give a frame of text columns `text_0`, `text_1` and a column `labels`."""
    path = data_dir / table.folder / f"{file}.tsv"
    if not path.is_file():
        raise DataError(f"No file {path}: --data-dir must hold GLUE's folders, such as {table.folder}/{file}.tsv.")
    names = list(table.columns) if table.columns else None
    try:
        raw = pd.read_csv(
            path,
            sep="\t",
            quoting=csv.QUOTE_NONE,
            names=names,
            header=None if names else 0,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8",
        )
    except ValueError as error:  # an empty file, a row with too many columns, bytes that are not UTF-8
        raise DataError(f"{path} could not be read: {error}") from error
    missing = {*table.sentences, table.label} - set(raw.columns)
    if missing:
        has = ", ".join(map(str, raw.columns))
        raise DataError(f"{path} has no column {', '.join(sorted(missing))}; it has {has}.")
    if raw.empty:
        raise DataError(f"{path} has no rows.")
    labels = [_label(table, text, path, row) for row, text in enumerate(raw[table.label], start=1)]
    texts = {f"text_{number}": raw[column].tolist() for number, column in enumerate(table.sentences)}
    return pd.DataFrame({**texts, "labels": labels})


def _label(table: GlueTable, text: str, path: Path, row: int) -> float | int:
    if table.classes:
        if text not in table.classes:
            raise DataError(f"{path}, row {row}: label {text!r} is none of {', '.join(table.classes)}.")
        return table.classes.index(text)
    try:
        score = float(text)
    except ValueError as error:
        raise DataError(f"{path}, row {row}: score {text!r} is not a number.") from error
    if not math.isfinite(score):
        raise DataError(f"{path}, row {row}: score {text!r} is not finite.")
    return score


def _from_hub(table: GlueTable, split: str) -> pd.DataFrame:
    from datasets import load_dataset  # a second to import, and only needed here

    try:
        dataset = load_dataset("nyu-mll/glue", table.hub_name, split=split)
    except (OSError, ValueError) as error:
        raise DataError(
            f"GLUE's {table.hub_name!r} could not be had from the hub ({type(error).__name__}: {error}). Without a "
            "network give --data-dir, a folder that holds GLUE's TSV files."
        ) from error
    texts = {f"text_{number}": list(dataset[column]) for number, column in enumerate(table.hub_sentences)}
    return pd.DataFrame({**texts, "labels": list(dataset["label"])})


def _tokenised(frame: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, longest: int) -> Examples:
    columns = [frame[name].tolist() for name in frame.columns if name.startswith("text_")]
    encoded: Mapping[str, Any] = tokenizer(*columns, truncation=True, max_length=longest)
    rows = [
        {**dict(zip(encoded, values, strict=True)), "labels": label}
        for values, label in zip(zip(*encoded.values(), strict=True), frame["labels"].tolist(), strict=True)
    ]
    return Examples(rows)
