"""Time of exported models beside the dense one, at several batch sizes.

    python benchmarks/exported_latency.py --model MODEL_FOLDER --run runs/cola-0 --batches 1,32,256,1024 --tokens 128

What is exported follows the valuations of a finished `walras study` (its `agents.parquet`); the weights are those of
the model folder, since time does not depend on them. All models take turns in one run; medians and quartiles of
`--repeats`.
"""

import argparse
import platform
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForSequenceClassification

from walras.llm import EconomyConfig, attach, count_flops
from walras.llm.latency import measure_latency


def exported_models(model_folder: str, run: Path, tokens: int) -> dict[str, torch.nn.Module]:
    """Give the dense model and one exported model per budget of the run."""
    model = AutoModelForSequenceClassification.from_pretrained(model_folder, dtype=torch.float32)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    economy = attach(model, EconomyConfig(sequence_length=tokens))
    agents = pd.read_parquet(run / "agents.parquet")
    budgets = sorted(agents["budget"].unique(), reverse=True)
    economy.set_valuations(agents.loc[agents["budget"] == budgets[0], "valuation"].to_numpy())
    return {"dense": economy.export(1.0)} | {
        f"{budget:g}": economy.export(budget) for budget in budgets if budget < 1.0
    }


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder or hub name of the pretrained encoder")
    parser.add_argument("--run", required=True, type=Path, help="folder of a finished study of that model")
    parser.add_argument("--batches", default="1,32,256", help="sequences in a batch")
    parser.add_argument("--tokens", type=int, default=128, help="tokens in a sequence")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()

    models = exported_models(arguments.model, arguments.run, arguments.tokens)
    flops = [count_flops(model, sequence_length=arguments.tokens) for model in models.values()]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    table = Table(title=f"{device}; torch {torch.__version__}, Python {platform.python_version()}; float32, eager")
    for column in ("budget", "FLOPs / dense", "batch", "median (ms)", "quartiles (ms)", "speed-up", "of FLOPs ratio"):
        table.add_column(column, justify="right")
    for batch in (int(text) for text in arguments.batches.split(",")):
        timed = measure_latency(
            list(models.values()), batch_size=batch, sequence_length=arguments.tokens, repeats=arguments.repeats
        )
        for (budget, count), latency in zip(zip(models, flops, strict=True), timed, strict=True):
            speed_up, ratio = timed[0].median / latency.median, count / flops[0]
            table.add_row(
                budget,
                f"{ratio:.3f}",
                str(batch),
                f"{latency.median * 1e3:.2f}",
                f"{latency.lower_quartile * 1e3:.2f} to {latency.upper_quartile * 1e3:.2f}",
                f"{speed_up:.2f}",
                f"{speed_up * ratio:.2f}",
            )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
