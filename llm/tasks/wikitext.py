"""WikiText-103 as a task of language modelling, from a folder of files or from the hub.

The files of the benchmark (`wiki.valid.tokens`, `wiki.test.tokens`, `wiki.train.tokens`) hold one line a paragraph or
heading, with words and punctuation set apart by spaces. Models read running text, and so lines are put back together as
they are usually written; perplexity is a word's all the same, by the benchmark's count: words between spaces, and one
for the end of each line, empty lines included (217,646 in valid, 245,569 in test).

Source: Merity et al. 2017 (docs/reference/bibliography.md).
"""

import lzma
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from walras.llm.errors import DataError
from walras.llm.tasks.language import ScoredText, sliding_windows, stacked, training_blocks
from walras.llm.tasks.task import Examples, Task
from walras.llm.tasks.token_cache import cached
from walras.market import InvalidInputError
from walras.market.validation import whole_number

__all__ = ["WIKITEXT", "as_running_text", "load_wikitext"]

# Names of tasks, and the part of the data that they are scored on: the file, and the split on the hub.
WIKITEXT: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"wikitext": ("wiki.valid.tokens", "validation"), "wikitext-test": ("wiki.test.tokens", "test")}
)

TRAIN_TOKENS: Final = "wiki.train.tokens"
TRAIN_ARTICLES: Final = ("articles.train.txt.xz", "articles.train.txt")  # running text, an empty line between articles

EVALUATION_BATCH: Final = 16  # windows; the logits of 16 windows of 512 and 16,384 words of a vocabulary take 0.5 GiB
ARTICLES_AT_ONCE: Final = 128

_TITLE = re.compile(r"^ = [^=\n]+ = $", re.MULTILINE)
_HEADING = re.compile(r"(=(?: =)*) (.+?) (=(?: =)*)")
_RULES: Final = (
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
    >>> from walras.llm.tasks.wikitext import as_running_text
    >>> as_running_text(' The " big " one ( 1 @,@ 200 m ) , a well @-@ known boat , isn \'t here . ')
    'The "big" one (1,200 m), a well-known boat, isn\'t here.'
    >>> as_running_text(" = = Life cycle = = ")
    '== Life cycle =='
    """
    text = line.strip()
    heading = _HEADING.fullmatch(text)
    if heading:
        return " ".join((heading[1].replace(" ", ""), as_running_text(heading[2]), heading[3].replace(" ", "")))
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def load_wikitext(
    name: str,
    tokenizer: PreTrainedTokenizerBase,
    config: PretrainedConfig,
    *,
    data_dir: Path | None,
    window: int = 512,
    stride: int = 256,
    train_tokens: int | None = 4_000_000,
    limit: int | None = None,
    cache: Path | None = None,
) -> Task:
    """Load and tokenise WikiText-103 for a causal language model.

    Parameters
    ----------
    name
        Key of `WIKITEXT`: scored on the validation or on the test text.
    tokenizer, config
        The model's.
    data_dir
        Folder that holds `wiki.valid.tokens` or `wiki.test.tokens`, and to train on `wiki.train.tokens`, or
        `articles.train.txt.xz` (or `.txt`): running text, an empty line between articles. None loads from the hub.
    window, stride
        Tokens of a block of training and of a window of evaluation, and how far the latter moves.
    train_tokens
        Tokens of training text to read, at least, in whole articles; None reads all. Articles are in an order by lot,
        always the same.
    limit
        Read only about as many training blocks and evaluation windows, for a quick look; lines of the evaluation text
        stay whole, so that its words can be counted.
    cache
        Folder in which training tokens are kept, so that they are made once; None makes them anew.

    Returns
    -------
    Task
        `train`: blocks; `evaluation`: windows. The metric is `perplexity`, a word's: lower is better.

    Raises
    ------
    InvalidInputError
        A window that the model has no positions for; a stride that leaves no context.
    DataError
        Missing, unreadable or empty file; hub not reachable; a tokenizer that is not the model's.

    Notes
    -----
    The text begins behind the tokenizer's start token (or that of an end), which is not scored; in training it stands
    before each article.

    *Cost*: about 0.5 million tokens a second of one core.
    """
    if name not in WIKITEXT:
        raise DataError(f"Unknown task {name!r}; known: {', '.join(WIKITEXT)}.")
    _check(tokenizer, config, window, stride)
    if limit is not None:
        whole_number("limit", limit, minimum=1)
        train_tokens = min(limit * window, train_tokens or limit * window)
    if train_tokens is not None:
        whole_number("train_tokens", train_tokens, minimum=1)
    start = [] if (token := _start(tokenizer)) is None else [token]
    lines = _evaluation_lines(name, data_dir)
    evaluated, text = _evaluation(lines, tokenizer, start, None if limit is None else window + (limit - 1) * stride)
    trained = _training(data_dir, tokenizer, start, train_tokens, cache)
    return Task(
        name=name,
        train=Examples(training_blocks(trained, window)),
        evaluation=Examples(sliding_windows(evaluated, window, stride)),
        outputs=config.vocab_size,
        metric="perplexity",
        collate=stacked,
        words=lambda tokens: tokenizer.convert_ids_to_tokens([int(token) for token in tokens]),
        text=text,
        evaluation_batch=EVALUATION_BATCH,
    )


def _check(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, window: int, stride: int) -> None:
    whole_number("window", window, minimum=2)
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and window > positions:
        raise InvalidInputError(f"window is {window} tokens, but the model has {positions} positions: lower it.")
    if whole_number("stride", stride, minimum=1) >= window:
        raise InvalidInputError(
            f"stride must be less than the window, {window}, so that every token has a context; got {stride}."
        )
    # Models may have some rows of embeddings more than there are tokens, to round their number up.
    if not 0.9 * config.vocab_size <= len(tokenizer) <= config.vocab_size:
        raise DataError(
            f"The tokenizer has {len(tokenizer)} tokens and the model a vocabulary of {config.vocab_size}: they do not "
            "belong together."
        )


def _start(tokenizer: PreTrainedTokenizerBase) -> int | None:
    found: int | None = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return found


def _evaluation(
    lines: Sequence[str], tokenizer: PreTrainedTokenizerBase, start: list[int], tokens: int | None
) -> tuple[NDArray[np.int64], ScoredText]:
    """Give the tokens of the lines behind the start, of as many whole lines as have `tokens`, and how long they are."""
    texts = [as_running_text(line) + "\n" for line in lines]
    if tokens is not None:
        lengths = np.cumsum([len(found) for found in _tokenised(tokenizer, texts)])
        texts = texts[: int(np.searchsorted(lengths, tokens)) + 1]
    whole = "".join(texts)  # tokenised in one piece, as it is read: ends of lines may join
    (found,) = _tokenised(tokenizer, [whole])
    words = sum(len(line.split()) + 1 for line in lines[: len(texts)])
    return np.array([*start, *found], dtype=np.int64), ScoredText(words, len(whole.encode()))


def _training(
    data_dir: Path | None,
    tokenizer: PreTrainedTokenizerBase,
    start: list[int],
    wanted: int | None,
    cache: Path | None,
) -> NDArray[np.int64]:
    """Give the tokens of whole articles, each behind the start, until there are `wanted`."""
    path = None if data_dir is None else _train_file(data_dir)

    def tokens() -> NDArray[np.int64]:
        articles, as_text = _articles(path)
        order = np.random.default_rng(0).permutation(len(articles))
        parts: list[NDArray[np.int64]] = []
        have = 0
        for first in range(0, len(order), ARTICLES_AT_ONCE):
            texts = [as_text(articles[number]) for number in order[first : first + ARTICLES_AT_ONCE]]
            for found in _tokenised(tokenizer, texts):
                parts.append(np.array([*start, *found], dtype=np.int64))
                have += len(parts[-1])
                if wanted is not None and have >= wanted:
                    return np.concatenate(parts)
        return np.concatenate(parts)

    if cache is None:
        return tokens()
    source = "hub" if path is None else (path.name, path.stat().st_size, path.stat().st_mtime_ns)
    return cached(cache, tokens, source, start, wanted, _identity(tokenizer))


def _identity(tokenizer: Any) -> str:
    """What the tokens depend on: the whole of a fast tokenizer, or the vocabulary of a slow one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))


def _tokenised(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    found: list[list[int]] = tokenizer(
        list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
    )["input_ids"]
    return found


def _train_file(data_dir: Path) -> Path:
    names = (TRAIN_TOKENS, *TRAIN_ARTICLES)
    found = next((data_dir / name for name in names if (data_dir / name).is_file()), None)
    if found is None:
        raise DataError(f"{data_dir} holds no text to train on: --data-dir must have {' or '.join(names)}.")
    return found


def _articles(path: Path | None) -> tuple[list[str], Callable[[str], str]]:
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
    return "".join(as_running_text(line) + "\n" for line in article.splitlines())


def _evaluation_lines(name: str, data_dir: Path | None) -> list[str]:
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
