"""Loading the model and the task that a study is about."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, set_seed

from walras.llm.errors import DataError
from walras.llm.tasks import GLUE, Task, load_glue, make_roles_task, small_bert
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
) -> tuple[PreTrainedModel, Task]:
    """Load a model with a new head for a task, and the task tokenised for it.

    Parameters
    ----------
    task
        `"roles"` (the embedded task, with its own small model) or a key of `walras.llm.tasks.GLUE`.
    model
        A folder that `save_pretrained` wrote, tokenizer included, or a name on the hub; None with the embedded task.
    data_dir
        A folder that holds GLUE's TSV files; None takes them from the hub.
    seed
        Of the new head's weights.
    limit
        Read only the first examples of each GLUE file, for a quick look; None reads all.
    loaded
        The task, if it was loaded before for the same model: another seed needs a new head, not new data.

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
    if task not in GLUE:
        raise InvalidInputError(f"Unknown task {task!r}; known: {', '.join((EMBEDDED_TASK, *GLUE))}.")
    if model is None:
        raise InvalidInputError(
            f"Task {task!r} needs --model: a folder, or a name on the hub such as bert-base-uncased."
        )
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
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        config = AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise _not_loaded(model, error) from error
    longest = min(128, getattr(config, "max_position_embeddings", 128))
    return load_glue(task, tokenizer, data_dir=data_dir, longest=longest, limit=limit)


def _not_loaded(model: str, error: Exception) -> DataError:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return DataError(
        f"Model {model!r} could not be loaded: {first_line} Give a folder that holds config.json, weights and "
        "tokenizer, or, with a network, a name on the hub."
    )
