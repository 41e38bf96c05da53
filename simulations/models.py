"""Loading the model and the task that a study is about."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from walras.llm.errors import DataError
from walras.llm.tasks import GLUE, WIKITEXT, Task, load_glue, load_wikitext, make_roles_task, small_bert
from walras.market import InvalidInputError

__all__ = ["EMBEDDED_TASK", "load_model_and_task"]

EMBEDDED_TASK = "roles"


def load_model_and_task(
    task: str,
    model: str | None,
    data_dir: Path | None,
    *,
    seed: int,
    limit: int | None = None,
    loaded: Task | None = None,
    wikitext: Mapping[str, Any] | None = None,
) -> tuple[PreTrainedModel, Task]:
    """Load a model for a task (of GLUE, with a new head), and the task tokenised for it.

    Parameters
    ----------
    task
        `"roles"` (the embedded task, with its own small model), or a key of `walras.llm.tasks.GLUE` or, for causal
        language models, of `walras.llm.tasks.WIKITEXT`.
    model
        A folder that `save_pretrained` wrote, tokenizer included, or a name on the hub; None with the embedded task.
    data_dir
        A folder that holds GLUE's TSV files, or WikiText's; None takes them from the hub.
    seed
        Of the new head's weights.
    limit
        Read only the first examples of each GLUE file, or so many windows of WikiText, for a quick look; None reads
        all.
    loaded
        The task, if it was loaded before for the same model: another seed needs a new head, not new data.
    wikitext
        Options of `load_wikitext`: window, stride, train_tokens, cache.

    Raises
    ------
    InvalidInputError
        Arguments that do not go together.
    DataError
        Model or data cannot be had.
    """
    if task == EMBEDDED_TASK:
        if model is not None or data_dir is not None or limit is not None:
            raise InvalidInputError(
                f"The embedded task {task!r} brings its own model and data: leave these options out."
            )
        return small_bert(seed=seed), loaded or make_roles_task(seed=seed)
    if task not in GLUE and task not in WIKITEXT:
        raise InvalidInputError(f"Unknown task {task!r}; known: {', '.join((EMBEDDED_TASK, *GLUE, *WIKITEXT))}.")
    if model is None:
        raise InvalidInputError(
            f"Task {task!r} needs --model: a folder, or a name on the hub such as "
            f"{'gpt2' if task in WIKITEXT else 'bert-base-uncased'}."
        )
    if task in WIKITEXT:
        return _language_model(task, model, data_dir, limit, loaded, wikitext or {})
    examples = loaded or _load_glue(task, model, data_dir, limit)
    set_seed(seed)
    try:
        network = AutoModelForSequenceClassification.from_pretrained(
            model,
            num_labels=examples.outputs,
            problem_type="regression" if examples.outputs == 1 else "single_label_classification",
            dtype=torch.float32,
        )
    except (OSError, ValueError) as error:
        raise _not_loaded(model, error) from error
    return network, examples


def _load_glue(task: str, model: str, data_dir: Path | None, limit: int | None) -> Task:
    tokenizer, config = _tokenizer_and_config(model)
    longest = min(128, getattr(config, "max_position_embeddings", 128))
    return load_glue(task, tokenizer, data_dir=data_dir, longest=longest, limit=limit)


def _language_model(
    task: str, model: str, data_dir: Path | None, limit: int | None, loaded: Task | None, options: Mapping[str, Any]
) -> tuple[PreTrainedModel, Task]:
    tokenizer, config = _tokenizer_and_config(model)
    text = loaded or load_wikitext(task, tokenizer, config, data_dir=data_dir, limit=limit, **options)
    try:
        return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), text
    except (OSError, ValueError) as error:
        raise _not_loaded(model, error) from error


def _tokenizer_and_config(model: str) -> tuple[PreTrainedTokenizerBase, PretrainedConfig]:
    try:
        return AutoTokenizer.from_pretrained(model), AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise _not_loaded(model, error) from error


def _not_loaded(model: str, error: Exception) -> DataError:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return DataError(
        f"Model {model!r} could not be loaded: {first_line} Give a folder that holds config.json, weights and "
        "tokenizer, or, with a network, a name on the hub."
    )
