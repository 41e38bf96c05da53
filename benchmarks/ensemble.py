"""Training steps a second of stacks of models, beside one model alone.

    python benchmarks/ensemble.py --members 1,5,20,40 --tokens 14

BERT of 12 layers of 384 with random weights, random tokens, batches of 32 a member; forward, backward, clipping and
AdamW, bf16 on a GPU. The peer is one model trained by the Hugging Face Trainer (`fine_tune`), as a user would train
models one after the other. Medians over repeats; the device is named.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import logging

from walras.llm.ensemble import GivenShares, ModelStack, TensorExamples, train_together
from walras.llm.tasks import Examples, Task
from walras.llm.training import TrainingSettings, fine_tune


def random_task(count: int, tokens: int) -> Task:
    """Give a task of random tokens, all of one length."""
    rng = np.random.default_rng(0)
    rows = [
        {"input_ids": rng.integers(5, 16_000, tokens).tolist(), "attention_mask": [1] * tokens, "labels": number % 2}
        for number in range(count)
    ]
    examples = Examples(rows)
    return Task(
        name="random",
        train=examples,
        evaluation=examples,
        outputs=2,
        metric="accuracy",
        collate=lambda batch: {name: torch.tensor([row[name] for row in batch]) for name in batch[0]},
        words=lambda numbers: [str(number) for number in numbers],
    )


def per_step(run: Callable[[int], None], few: int, more: int, repeats: int) -> float:
    """Give the median seconds of a step, as differences of a longer and a shorter training."""
    run(few)
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run(few)
        middle = time.perf_counter()
        run(more)
        times.append((time.perf_counter() - middle - (middle - begin)) / (more - few))
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", default="1,5,20,40")
    parser.add_argument("--tokens", type=int, default=14, help="of each text")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bf16 = device == "cuda"
    task = random_task(2_048, arguments.tokens)
    config = BertConfig(
        vocab_size=16_384, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1_536
    )
    model = BertForSequenceClassification(config).to(device)
    name = torch.cuda.get_device_name() if bf16 else "CPU"
    print(
        f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads; {arguments.tokens} tokens, batch 32\n"
    )
    print("| trained | ms a step | member-steps a second | of one by the Trainer |\n|---|---|---|---|")

    def settings(steps: int) -> TrainingSettings:
        return TrainingSettings(steps=steps, batch_size=32, bf16=bf16)

    alone = per_step(lambda steps: fine_tune(model, task, settings(steps)), 3, 3 + arguments.steps, arguments.repeats)
    print(f"| one model, Trainer | {1e3 * alone:.1f} | {1 / alone:.0f} | 1.0 |", flush=True)
    examples = TensorExamples(task.train, task.collate, device)
    for members in map(int, arguments.members.split(",")):
        stack = ModelStack([model] * members)
        shares = GivenShares(stack, np.ones((members, len(stack.economy.population)), dtype=bool))

        def run(steps: int, stack: ModelStack = stack, shares: GivenShares = shares) -> None:
            train_together(stack, examples, settings(steps), seeds=range(len(shares.shares())), shares=shares)
            stack.model.get_input_embeddings().weight.flatten()[0].item()  # the device is done

        each = per_step(run, 3, 3 + arguments.steps, arguments.repeats)
        print(
            f"| stack of {members} | {1e3 * each:.1f} | {members / each:.0f} | {members * alone / each:.1f} |",
            flush=True,
        )
        del stack, shares, run


if __name__ == "__main__":
    main()
