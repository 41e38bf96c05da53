"""What every cell that trains models on a task says: which model, which data, for how long."""

from dataclasses import dataclass

from walras.simulations.models import EMBEDDED_TASK

__all__ = ["TaskTraining"]


@dataclass(frozen=True, kw_only=True)
class TaskTraining:
    """One model on one task, trained for several seeds; plain values, as scenarios hold them.

    Parameters
    ----------
    task
        "roles" (embedded), or a key of `walras.llm.tasks.GLUE` or, for causal language models, of
        `walras.llm.tasks.WIKITEXT`.
    model, data_dir, limit
        As in `load_model_and_task`; "" and 0 stand for none.
    window, stride, train_tokens
        Of WikiText, as in `load_wikitext`; 0 reads all text to train on.
    seeds
        Replications: of new heads, batches and draws.
    steps
        Optimiser steps of the dense model, and again of each other; or 0, and then their length is `epochs`.
    epochs
        Passes over the data, if `steps` is 0.
    learning_rate, batch_size
        Of the weights, for every training.
    logits_weight
        Of distillation from the dense model (see `Distillation`).
    search
        Fraction of its steps, in (0, 1], in which a method that learns whom to serve does so; the rest is recovery,
        after the model has been cut; 1 leaves none. Methods that only rank have all steps for recovery.
    bf16, compiled
        As in `TrainingSettings`.
    dense_models
        Folder in which dense models are kept, so that all that is compared begins with the same ones, and the tokens of
        WikiText; "" makes them in each cell.
    """

    task: str = EMBEDDED_TASK
    model: str = ""
    data_dir: str = ""
    limit: int = 0
    window: int = 512
    stride: int = 256
    train_tokens: int = 4_000_000
    seeds: int = 3
    steps: int = 300
    epochs: float = 0.0
    learning_rate: float = 1e-3
    batch_size: int = 64
    logits_weight: float = 1.0
    search: float = 0.6
    bf16: bool = False
    compiled: bool = False
    dense_models: str = ""
