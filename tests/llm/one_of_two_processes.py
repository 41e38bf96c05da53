"""Trains a small economy, with data in parallel where it is one of two processes; started by test_resume.py."""

import json
import sys
from pathlib import Path

import torch
from transformers import TrainingArguments

if __name__ == "__main__":  # a script finds the packages beside it, not the tests
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.llm.models import bert
from tests.llm.tasks_at_hand import collate, memory_task

from walras.llm import EconomyConfig, EconomyTrainer, ElasticBudget, attach

__all__ = ["train"]


def train(folder: Path, *, batch: int, backend: str | None = None) -> dict[str, object]:
    """Give what two processes must agree on; `batch` examples a process."""
    seen: list[list[int]] = []

    def watched(rows: list[dict[str, object]]) -> dict[str, torch.Tensor]:
        inputs = collate(rows)
        seen.append(inputs["input_ids"].sum(1).tolist())
        return inputs

    model = bert()
    economy = attach(model, EconomyConfig(budget=0.5))
    market = economy.callback(ElasticBudget(lowest=0.3, warm_up=0.34, final_temperature=0.1))
    arguments = TrainingArguments(
        str(folder),
        use_cpu=True,
        ddp_backend=backend,
        max_steps=6,
        per_device_train_batch_size=batch,
        learning_rate=1e-3,
        max_grad_norm=1e9,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        train_sampling_strategy="sequential",
    )
    trainer = EconomyTrainer(
        model, arguments, market=market, train_dataset=memory_task(lengths=(5,)).train, data_collator=watched
    )
    trainer.train()
    return {
        "valuations": economy.valuations.tolist(),
        "prices": [row["price"] for row in market.rows if row["budget"] < 1.0],
        "weights": sum(p.detach().double().abs().sum().item() for p in model.parameters()),
        "examples": seen,
    }


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.write_text(json.dumps(train(out.parent, batch=2, backend="gloo")))
    torch.distributed.destroy_process_group()
