"""The dense model of a seed: every method of a frontier begins with it and has it as a teacher."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from filelock import FileLock
from transformers import PreTrainedModel

from walras.llm.tasks import Task
from walras.llm.training import fine_tune
from walras.simulations.evidence.config import FrontierConfig

__all__ = ["dense_model"]

# What the dense model depends on; the rest of a configuration is the methods'.
_FIELDS = ("task", "model", "data_dir", "limit", "steps", "epochs", "learning_rate", "batch_size", "bf16")


def dense_model(config: FrontierConfig, model: PreTrainedModel, task: Task, seed: int) -> PreTrainedModel:
    """Give the fine-tuned dense model of a seed: the one in `config.dense_models`, or trained now, and kept there.

    Cells that need the same one at the same time wait for the first of them. A folder is renamed into its place when it
    is whole, so that a killed training leaves nothing that could be taken for a model.

    Parameters
    ----------
    model
        The pretrained model with its new head; trained in place if none is kept.
    """
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    if not config.dense_models:
        fine_tune(model, task, config.settings(task, seed))
        return model
    folder = Path(config.dense_models) / _key(config, seed)
    with _locked(folder):
        if not folder.is_dir():
            fine_tune(model, task, config.settings(task, seed))
            _keep(model, folder)
    return type(model).from_pretrained(folder, dtype=torch.float32).to(model.device)


def _key(config: FrontierConfig, seed: int) -> str:
    facts = {name: value for name, value in asdict(config).items() if name in _FIELDS}
    digest = hashlib.sha256(json.dumps([facts, seed], sort_keys=True).encode()).hexdigest()
    return f"{config.task}-{digest[:16]}"


def _keep(model: PreTrainedModel, folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished)
    unfinished.rename(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        yield
