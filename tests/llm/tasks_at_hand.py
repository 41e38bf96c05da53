"""A task in memory that a tiny model can learn: which class the first token names."""

from typing import Any

import torch

from walras.llm.tasks import Examples, Task

__all__ = ["memory_task"]


def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pad a batch on the right."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.tensor([row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows])
    labels = torch.tensor([row["labels"] for row in rows])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def memory_task(*, examples: int = 24, lengths: tuple[int, ...] = (5, 8)) -> Task:
    """Give a task of 3 classes for `bert()`; training and evaluation examples are the same."""
    generator = torch.Generator().manual_seed(2)
    rows = []
    for number in range(examples):
        rest = torch.randint(6, 40, (lengths[number % len(lengths)] - 1,), generator=generator)
        rows.append({"input_ids": [3 + number % 3, *rest.tolist()], "labels": number % 3})
    return Task(
        name="memory",
        train=Examples(rows),
        evaluation=Examples(rows),
        outputs=3,
        metric="accuracy",
        collate=collate,
        words=lambda numbers: [str(number) for number in numbers],
    )
