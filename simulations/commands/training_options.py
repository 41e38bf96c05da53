"""Options and configuration of the commands that train models: which model, which data, for how long."""

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from walras.market.errors import InvalidInputError

__all__ = [
    "BatchSize",
    "Bf16",
    "Compiled",
    "DataDir",
    "DenseModels",
    "Epochs",
    "LearningRate",
    "Limit",
    "Model",
    "Search",
    "Steps",
    "Stride",
    "TaskName",
    "TrainTokens",
    "Window",
    "training_config",
]

TaskName: TypeAlias = Annotated[
    str, typer.Option(help="roles (embedded), cola, stsb, mnli, wikitext or wikitext-test.")
]
Model: TypeAlias = Annotated[str | None, typer.Option(help="Folder of a pretrained model, or its name on the hub.")]
DataDir: TypeAlias = Annotated[Path | None, typer.Option(help="Folder with the task's files; without it, the hub.")]
Steps: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Steps of the dense model, and again of each other.")]
Epochs: TypeAlias = Annotated[float | None, typer.Option(help="Or their length in passes over the data.")]
LearningRate: TypeAlias = Annotated[float | None, typer.Option(help="Of the weights.")]
BatchSize: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Examples a step.")]
Search: TypeAlias = Annotated[
    float | None, typer.Option(help="Fraction of steps in which it is learned whom to serve; the rest is recovery.")
]
Limit: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="First examples of each GLUE file, or so many windows, only.")
]
Window: TypeAlias = Annotated[int, typer.Option(min=2, help="Tokens of a window of WikiText.")]
Stride: TypeAlias = Annotated[int, typer.Option(min=1, help="How far the window moves in evaluation.")]
TrainTokens: TypeAlias = Annotated[int, typer.Option(min=0, help="Of WikiText to train on; 0: all.")]
DenseModels: TypeAlias = Annotated[
    Path, typer.Option(help="Where dense models are kept, so that all that is compared begins with the same ones.")
]
Bf16: TypeAlias = Annotated[bool, typer.Option("--bf16", help="Matrix products in bfloat16.")]
Compiled: TypeAlias = Annotated[bool, typer.Option("--compiled", help="Compile the models (torch.compile).")]


def training_config(
    *,
    task: str,
    model: str | None,
    data_dir: Path | None,
    limit: int | None,
    learning_rate: float | None,
    batch_size: int | None,
    steps: int | None,
    epochs: float | None,
    dense_models: Path,
    **others: Any,
) -> dict[str, Any]:
    """Give what these options say as fields of a configuration; a field that is None in `others` keeps its default."""
    embedded = task == "roles"
    return {
        "task": task,
        "model": model or "",
        "data_dir": str(data_dir) if data_dir else "",
        "limit": limit or 0,
        "learning_rate": learning_rate or (1e-3 if embedded else 1e-4),
        "batch_size": batch_size or (64 if embedded else 32),
        "dense_models": str(dense_models),
        **{name: value for name, value in others.items() if value is not None},
        **_length(task, steps, epochs),
    }


def _length(task: str, steps: int | None, epochs: float | None) -> dict[str, Any]:
    """Give the steps, or the epochs, of each training: by default those of the task."""
    if steps and epochs:
        raise InvalidInputError("Give --steps or --epochs, not both.")
    if not steps and not epochs:
        if task == "roles":
            steps = 300
        else:
            epochs = 1.0 if task.startswith("wikitext") else 5.0
    return {"steps": steps or 0, "epochs": epochs or 0.0}
