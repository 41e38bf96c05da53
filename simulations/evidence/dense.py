"""The dense models of a frontier, one for each seed: every method begins with them and has them as teachers."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from transformers import PreTrainedModel

from walras.llm.ensemble import GivenShares, ModelStack, TensorExamples, train_together
from walras.llm.tasks import Task
from walras.simulations.evidence.config import FrontierConfig

__all__ = ["dense_models"]

# What dense models depend on; the rest of a configuration is the methods'.
_FIELDS = (
    *("task", "model", "data_dir", "limit", "window", "stride", "train_tokens"),
    *("steps", "epochs", "learning_rate", "batch_size", "bf16", "seeds"),
)


def dense_models(config: FrontierConfig, seeds: Sequence[int]) -> tuple[list[PreTrainedModel], Task]:
    """Give the fine-tuned dense model of each seed, and the task.

    They are those in `config.dense_models`, or trained now, side by side, and kept there. Cells that need them at the
    same time wait for the first of them. A folder is renamed into its place when it is whole, so that a killed training
    leaves nothing that could be taken for models.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    first, task = config.load(seeds[0])
    models = [first.to(device), *(config.load(seed, task=task)[0].to(device) for seed in seeds[1:])]
    if not config.dense_models:
        return _trained(config, models, task, seeds), task
    folder = Path(config.dense_models) / _key(config, seeds)
    with _locked(folder):
        if not folder.is_dir():
            _keep(_trained(config, models, task, seeds), folder)
    names = [str(number) for number in range(len(seeds))]
    return [
        type(model).from_pretrained(folder / name, dtype=torch.float32).to(device)
        for name, model in zip(names, models, strict=True)
    ], task


def _trained(
    config: FrontierConfig, models: list[PreTrainedModel], task: Task, seeds: Sequence[int]
) -> list[PreTrainedModel]:
    stack = ModelStack(models)
    everyone = np.ones((stack.size, len(stack.economy.population)), dtype=bool)
    examples = TensorExamples(task.train, task.collate, stack.model.device)
    settings = config.settings(task, seeds[0])
    train_together(stack, examples, settings, seeds=seeds, shares=GivenShares(stack, everyone))
    return [stack.write_member(number, model).eval() for number, model in enumerate(models)]


def _key(config: FrontierConfig, seeds: Sequence[int]) -> str:
    facts = {name: value for name, value in asdict(config).items() if name in _FIELDS}
    digest = hashlib.sha256(json.dumps([facts, list(seeds)], sort_keys=True).encode()).hexdigest()
    return f"{config.task}-{digest[:16]}"


def _keep(models: list[PreTrainedModel], folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    for number, model in enumerate(models):
        model.save_pretrained(unfinished / str(number))
    unfinished.rename(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        yield
