"""What is lost between the smooth shares of training and the whole tokens of evaluation.

    python benchmarks/token_gap.py --out token_gap.json

A small encoder classifies the sentences of the embedded task (accuracy, more is better), and a small decoder of the
same size predicts their words (loss in nats a token, less is better). Each is trained dense, then goes on with a market
of tokens at the last three of its four layers, annealed by `TokenCallback`. The table has the evaluation set's score
with whole tokens, as the model is served, and with smooth shares at the last temperature of training; the score of the
dense model that was trained for as many steps stands above. `sold` is the share of tokens that bought.
"""

import argparse
import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.data import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from walras.llm.tasks import make_roles_task, small_bert
from walras.llm.tasks.task import Task
from walras.llm.tokens import TokenCallback, TokenConfig, TokenEconomy, attach_tokens
from walras.llm.training import TrainingSettings, fine_tune

LAYERS = (1, 2, 3)
FIRST_RATE = {"encoder": 1e-3, "decoder": 2e-3}
RULES = [(visible, straight) for visible in ("everyone", "buyers") for straight in (False, True)]


class NextWords(Dataset[dict[str, Any]]):
    """Rows of a task, without its labels."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Any:
        return self.rows[number]


class Language:
    """The task's sentences, whose words are to be predicted."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.train = NextWords(task.train.rows)

    def collate(self, rows: Sequence[Any]) -> dict[str, Tensor]:
        """Make a batch with each word as a label, padding left out."""
        batch = self.task.collate(rows)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}


def small_llama(seed: int) -> PreTrainedModel:
    """Give a decoder of the small BERT's size."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=256,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config)


def batches(task: Any, rows: Sequence[Any], size: int = 250) -> Iterator[dict[str, Tensor]]:
    """Cut rows into batches."""
    for first in range(0, len(rows), size):
        yield task.collate([rows[number] for number in range(first, min(first + size, len(rows)))])


@torch.no_grad()
def scored(model: PreTrainedModel, task: Any, rows: Sequence[Any], economy: TokenEconomy | None) -> tuple[float, float]:
    """Give accuracy or loss, and the share of tokens that bought."""
    model.eval()
    scores, sold = [], [1.0]
    for batch in batches(task, rows):
        output = model(**batch)
        right = (output.logits.argmax(-1) == batch["labels"]).float().mean() if output.logits.ndim == 2 else output.loss
        scores.append(float(right))
        if economy is not None:
            sold.append(float(economy.flops()["bought"].mean()))
    return float(np.mean(scores)), float(np.mean(sold[1:] or sold))


def study(kind: str, options: argparse.Namespace, seed: int) -> list[dict[str, Any]]:
    """Train one model dense and under every rule."""
    roles = make_roles_task(train=8000, evaluation=1000, seed=seed)
    task: Any = roles if kind == "encoder" else Language(roles)
    model = small_bert(seed=seed) if kind == "encoder" else small_llama(seed)
    rows = roles.evaluation.rows
    fine_tune(model, task, TrainingSettings(steps=options.steps, learning_rate=FIRST_RATE[kind], seed=seed))
    more = TrainingSettings(steps=options.steps, learning_rate=1e-3, seed=seed + 1)
    longer = copy.deepcopy(model)
    fine_tune(longer, task, more)
    dense, _ = scored(longer, task, rows, None)
    results = [{"model": kind, "seed": seed, "rule": "dense", "whole": dense, "smooth": dense, "sold": 1.0}]
    print(json.dumps(results[0]), flush=True)
    for capacity in (0.5, 0.25):
        for visible, straight in RULES:
            rationed = copy.deepcopy(model)
            torch.manual_seed(seed)
            config = TokenConfig(layers=LAYERS, capacity=capacity, visible=visible, straight_through=straight)
            economy = attach_tokens(rationed, config)
            fine_tune(rationed, task, more, callbacks=[TokenCallback(economy)])
            whole, sold = scored(rationed, task, rows, economy)
            economy.set_mode("soft")
            smooth, _ = scored(rationed, task, rows, economy)
            rule = f"{visible}, {capacity}" + (", straight-through" if straight else "")
            row = {"model": kind, "seed": seed, "rule": rule, "whole": whole, "smooth": smooth, "sold": sold}
            results.append(row)
            print(json.dumps(row), flush=True)
    return results


def main() -> None:
    """Print a table, and save the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="encoder,decoder")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", help="write the rows to this JSON file")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for kind in options.models.split(","):
        for seed in range(options.seeds):
            rows += study(kind, options, seed)
            if options.out:
                Path(options.out).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    table = Table(title=f"{options.steps} steps dense, and as many more; torch {torch.__version__}")
    for column in ("model", "seed", "visible, capacity", "whole tokens", "smooth shares", "sold"):
        table.add_column(column)
    for row in rows:
        numbers = (f"{row[key]:.3f}" for key in ("whole", "smooth", "sold"))
        table.add_row(row["model"], str(row["seed"]), row["rule"], *numbers)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
