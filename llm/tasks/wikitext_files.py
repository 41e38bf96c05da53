"""The files of WikiText-103, or its rows on the hub, as lines and articles.

The files of the benchmark (`wiki.valid.tokens`, `wiki.test.tokens`, `wiki.train.tokens`) hold one line a paragraph or
heading, with words and punctuation set apart by spaces; models read lines put back together as they are usually
written. The benchmark's words are what stands between spaces, and one for the end of each line, empty lines included.

Source: Merity et al. 2017 (docs/reference/bibliography.md).
"""

import lzma
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

from walras.llm.errors import DataError

__all__ = ["RULES", "WIKITEXT", "articles_of", "as_running_text", "evaluation_lines", "train_file"]

# Names of tasks, and the part of the data that they are scored on: the file, and the split on the hub.
WIKITEXT: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"wikitext": ("wiki.valid.tokens", "validation"), "wikitext-test": ("wiki.test.tokens", "test")}
)

TRAIN_TOKENS: Final = "wiki.train.tokens"
TRAIN_ARTICLES: Final = ("articles.train.txt.xz", "articles.train.txt")  # running text, an empty line between articles

_TITLE = re.compile(r"^ = [^=\n]+ = $", re.MULTILINE)
_HEADING = re.compile(r"(=(?: =)*) (.+?) (=(?: =)*)")
# How words are put back together: what is found, and what stands in its place, one after the other.
RULES: Final = (
    (re.compile(r" @([-,.])@ "), r"\1"),  # inside numbers and words
    (re.compile(r" ([,.;:!?%)\]])"), r"\1"),
    (re.compile(r"([(\[$£€]) "), r"\1"),
    (re.compile(r" ('(?:s|t|m|d|ve|re|ll)\b)"), r"\1"),
    (re.compile(r'" ([^"]*?) "'), r'"\1"'),
    (re.compile(r"(?<!s) ' ([^']+?) '(?= |$|\W)"), r" '\1'"),
    (re.compile(r"s ' "), "s' "),
    (re.compile("(\\d) (\N{EN DASH}) (?=\\d)"), r"\1\2"),
    (re.compile(r" / "), "/"),
    (re.compile(r" +"), " "),
)


def as_running_text(line: str) -> str:
    r"""Give a line of WikiText, a heading or a paragraph, as it is usually written.

    Examples
    --------
    >>> from walras.llm.tasks.wikitext_files import as_running_text
    >>> as_running_text(' The " big " one ( 1 @,@ 200 m ) , a well @-@ known boat , isn \'t here . ')
    'The "big" one (1,200 m), a well-known boat, isn\'t here.'
    >>> as_running_text(" = = Life cycle = = ")
    '== Life cycle =='
    """
    text = line.strip()
    heading = _HEADING.fullmatch(text)
    if heading:
        return " ".join((heading[1].replace(" ", ""), as_running_text(heading[2]), heading[3].replace(" ", "")))
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text


def evaluation_lines(name: str, data_dir: Path | None) -> list[str]:
    """Give the lines that a task is scored on, as they are stored, empty ones included."""
    file, split = WIKITEXT[name]
    if data_dir is None:
        lines = list(_from_hub(split))
    else:
        path = data_dir / file
        if not path.is_file():
            raise DataError(f"No file {path}: --data-dir must hold WikiText-103's {file}.")
        lines = _read(path).removesuffix("\n").split("\n")
    if not any(line.strip() for line in lines):
        raise DataError(f"The evaluation text of {name} is empty: {file} must hold WikiText-103's text.")
    return lines


def train_file(data_dir: Path) -> Path:
    """Give the file of a folder that holds the text to train on: the benchmark's own, if it is there."""
    names = (TRAIN_TOKENS, *TRAIN_ARTICLES)
    found = next((data_dir / name for name in names if (data_dir / name).is_file()), None)
    if found is None:
        raise DataError(f"{data_dir} holds no text to train on: --data-dir must have {' or '.join(names)}.")
    return found


def articles_of(path: Path | None) -> tuple[list[str], Callable[[str], str]]:
    """Give articles as they are stored, and what makes running text of one."""
    if path is None:
        return _split_at_titles("".join(line or "\n" for line in _from_hub("train"))), _running_lines
    whole = _read(path)
    if path.name == TRAIN_TOKENS:
        found, as_text = _split_at_titles(whole), _running_lines
    else:
        found, as_text = [part.strip() for part in whole.split("\n\n")], lambda article: article + "\n"
    found = [article for article in found if article.strip()]
    if not found:
        raise DataError(f"{path} is empty: it must hold articles to train on.")
    return found, as_text


def _split_at_titles(text: str) -> list[str]:
    starts = [0, *(match.start() for match in _TITLE.finditer(text)), len(text)]
    return [text[first:last] for first, last in pairwise(starts) if text[first:last].strip()]


def _running_lines(article: str) -> str:
    return "".join(as_running_text(line) + "\n" for line in article.removesuffix("\n").split("\n"))


def _read(path: Path) -> str:
    try:
        if path.suffix == ".xz":
            with lzma.open(path, "rt", encoding="utf-8", newline="\n") as file:
                return file.read()
        return path.read_text(encoding="utf-8")
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} could not be read: {error}") from error


def _from_hub(split: str) -> Iterator[str]:
    from datasets import load_dataset  # a second to import, and only needed here

    try:
        dataset = load_dataset("Salesforce/wikitext", "wikitext-103-v1", split=split)
    except (OSError, ValueError) as error:
        raise DataError(
            f"WikiText-103 could not be had from the hub ({type(error).__name__}: {error}). Without a network give "
            "--data-dir, a folder that holds its files."
        ) from error
    return iter(dataset["text"])
