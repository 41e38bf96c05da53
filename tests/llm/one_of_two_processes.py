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

from walras.llm import EconomyConfig, EconomyTrainer, ElasticBudget, WealthDynamics, attach

__all__ = ["ECONOMIES", "train"]

# Agents that are short of money from the first, so that what they bid is what they own.
WEALTH = WealthDynamics(endowment=0.5, pace=0.5, wealth_tax=0.3)
ECONOMIES = {
    "credit": EconomyConfig(budget=0.5),
    "wealth": EconomyConfig(budget=0.5, wealth=WEALTH),
    "straight through": EconomyConfig(budget=0.5, straight_through=True),
}


def train(
    folder: Path, *, batch: int, config: EconomyConfig = ECONOMIES["credit"], backend: str | None = None
) -> dict[str, object]:
    """Give what two processes must agree on; `batch` examples a process."""
    seen: list[list[int]] = []

    def watched(rows: list[dict[str, object]]) -> dict[str, torch.Tensor]:
        inputs = collate(rows)
        seen.append(inputs["input_ids"].sum(1).tolist())
        return inputs

    model = bert()
    economy = attach(model, config)
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
        "wealth": None if economy.wealth is None else economy.wealth.tolist(),
        "weights": sum(p.detach().double().abs().sum().item() for p in model.parameters()),
        "examples": seen,
    }


if __name__ == "__main__":
    out = Path(sys.argv[1])
    found = {name: train(out.parent, batch=2, config=each, backend="gloo") for name, each in ECONOMIES.items()}
    out.write_text(json.dumps(found))
    torch.distributed.destroy_process_group()
