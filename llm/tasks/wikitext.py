"""WikiText-103 as a task of language modelling, from a folder of files or from the hub.

Models read running text; perplexity is a word's all the same, by the benchmark's count (217,646 in valid, 245,569 in
test), as `walras.llm.tasks.wikitext_files` says.

Source: Merity et al. 2017 (docs/reference/bibliography.md).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from walras.llm.errors import DataError
from walras.llm.tasks.language import ScoredText, sliding_windows, stacked, training_blocks
from walras.llm.tasks.task import Examples, Task
from walras.llm.tasks.token_cache import cached
from walras.llm.tasks.wikitext_files import RULES, WIKITEXT, articles_of, as_running_text, evaluation_lines, train_file
from walras.market import InvalidInputError
from walras.market.validation import whole_number

__all__ = ["load_wikitext"]

EVALUATION_BATCH: Final = 16  # windows; the logits of 16 windows of 512 and 16,384 words of a vocabulary take 0.5 GiB
ARTICLES_AT_ONCE: Final = 128


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
    lines = evaluation_lines(name, data_dir)
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
        special=frozenset(tokenizer.all_special_ids),
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
    path = None if data_dir is None else train_file(data_dir)

    def tokens() -> NDArray[np.int64]:
        articles, as_text = articles_of(path)
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
    return cached(cache, tokens, source, RULES, start, wanted, _identity(tokenizer))


def _identity(tokenizer: Any) -> str:
    """What the tokens depend on: the whole of a fast tokenizer, or the vocabulary of a slow one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))


def _tokenised(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    found: list[list[int]] = tokenizer(
        list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
    )["input_ids"]
    return found
