"""Texts of the files that a scarcity study reads, one a line."""

import csv
import re
from pathlib import Path
from typing import Final

import pandas as pd

from walras.llm.errors import DataError

__all__ = ["FILES", "as_written", "text_lines"]

# Where the texts of each kind of data lie below its folder.
FILES: Final = {"cola": "CoLA/dev.tsv", "stsb": "STS-B/dev.tsv", "wikitext": "wiki.valid.tokens"}

# WikiText sets marks apart by spaces, and those inside numbers and words by @ as well.
_JOINED: Final = (
    (re.compile(r" @([-,.])@ "), r"\1"),
    (re.compile(r" ([,.;:!?%)\]]|'s\b|n't\b)"), r"\1"),
    (re.compile(r"([(\[$£]) "), r"\1"),
    (re.compile(r'" ([^"]*?) "'), r'"\1"'),
    (re.compile(r" +"), " "),
)


def text_lines(data: str, folder: Path) -> list[str]:
    """Give the texts of a file, each once, in the file's order: sentences, or the paragraphs of articles.

    Raises
    ------
    DataError
        If the file is not there, or not what it should be.
    """
    path = folder / FILES[data]
    if not path.is_file():
        raise DataError(f"No file {path}: --data-dir must hold {FILES[data]}.")
    if data == "wikitext":
        lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
        return [as_written(line) for line in lines if line and not line.startswith("=")]
    columns = ["source", "label", "mark", "sentence"] if data == "cola" else None
    try:
        table = pd.read_csv(
            path,
            sep="\t",
            quoting=csv.QUOTE_NONE,
            names=columns,
            header=None if columns else 0,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8",
        )
        return list(dict.fromkeys(table["sentence" if data == "cola" else "sentence1"].tolist()))
    except (ValueError, KeyError) as error:
        raise DataError(f"{path} could not be read as {data}: {error}") from error


def as_written(text: str) -> str:
    r"""Give a line of WikiText as it is usually written.

    Examples
    --------
    >>> from walras.simulations.scarcity.lines import as_written
    >>> as_written('The " big " one ( 1 @,@ 200 m ) , a well @-@ known boat , is n\'t here .')
    'The "big" one (1,200 m), a well-known boat, isn\'t here.'
    """
    for pattern, replacement in _JOINED:
        text = pattern.sub(replacement, text)
    return text
