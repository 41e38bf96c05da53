"""Time of a forward pass over long sequences when tokens buy their processing, beside the dense model.

    python benchmarks/token_market.py
    python benchmarks/token_market.py --device cuda --size full --out token_market.json

Models have random weights and read random tokens without padding; every layer but the first is for sale. The encoder
(BERT's shape) clears a market in each sequence. The decoder (Llama's shape) posts prices that were calibrated on the
same kind of tokens, and reads its prompt without a cache. `visible` says whether buyers see the keys and values of
everyone or of buyers only.

All variants of a model take turns in one run, so that a change in the machine's speed meets all alike. Times are
medians; the speed-up is the median over turns of the dense model's time over the variant's in the same turn. FLOPs are
those of the whole model, counted by torch; `reached` is the speed-up times the FLOPs ratio: 1 where time falls as FLOPs
do.
"""

import argparse
import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedModel

from walras.llm.tokens import TokenConfig, attach_tokens

VISIBLE = ("everyone", "buyers")
# Layers, features, heads, key-value heads, neurons; then sequences and tokens.
SIZES = {
    "small": {"bert": (4, 256, 4, 4, 1024, 2, 512), "llama": (4, 256, 4, 1, 704, 1, 1024)},
    "full": {"bert": (12, 768, 12, 12, 3072, 32, 512), "llama": (12, 2048, 32, 4, 5632, 4, 2048)},
}
VOCABULARY = 8192


def build(kind: str, shape: tuple[int, ...], device: str, dtype: torch.dtype) -> PreTrainedModel:
    """Make a model with random weights, in evaluation mode."""
    layers, hidden, heads, key_value_heads, neurons, _, tokens = shape
    common: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": neurons,
        "max_position_embeddings": tokens,
    }
    with torch.device(device):
        model: PreTrainedModel
        if kind == "bert":
            model = BertModel(BertConfig(**common), add_pooling_layer=False)
        else:
            model = LlamaModel(LlamaConfig(**common, num_key_value_heads=key_value_heads, use_cache=False))
    return model.to(dtype).eval()


class Variants:
    """One model that computes dense, or with a market under one of several rules."""

    def __init__(self, kind: str, shape: tuple[int, ...], capacities: list[float], device: str, dtype: Any) -> None:
        self.model = build(kind, shape, device, dtype)
        self.layers = tuple(range(1, shape[0]))
        self.device = device
        generator = torch.Generator().manual_seed(0)
        self.batch, other = (
            {"input_ids": torch.randint(VOCABULARY, shape[-2:], generator=generator).to(device)} for _ in range(2)
        )
        self.rules: dict[str, tuple[TokenConfig | None, dict[str, torch.Tensor]]] = {"dense": (None, {})}
        self.flops: dict[str, float] = {"dense": 1.0}
        for visible in VISIBLE:
            for capacity in capacities:
                config = TokenConfig(layers=self.layers, capacity=capacity, visible=visible)
                torch.manual_seed(1)
                economy = attach_tokens(self.model, config)
                if economy.causal:
                    economy.calibrate([other])
                name = f"{visible} {capacity}"
                self.flops[name] = economy.report(self.batch).model_ratio
                self.rules[name] = (config, {key: t.clone() for key, t in economy.markets.state_dict().items()})
                economy.detach()

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Attach the market of one variant for a while."""
        config, state = self.rules[name]
        if config is None:
            yield
            return
        economy = attach_tokens(self.model, config)
        economy.markets.load_state_dict(state)
        try:
            yield
        finally:
            economy.detach()

    @torch.no_grad()
    def seconds(self) -> float:
        """Time one forward pass."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        self.model(**self.batch)
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def measure(variants: Variants, turns: int) -> list[dict[str, Any]]:
    """Time all variants in turns."""
    times: dict[str, list[float]] = {name: [] for name in variants.rules}
    for turn in range(turns + 2):  # the first two warm up
        for name, of_variant in times.items():
            with variants.at(name):
                variants.seconds() if turn == 0 else None
                seconds = variants.seconds()
            if turn > 1:
                of_variant.append(seconds)
    dense = np.array(times["dense"])
    rows = []
    for name, of_variant in times.items():
        seconds = np.array(of_variant)
        speedup, ratio = float(np.median(dense / seconds)), variants.flops[name]
        rows.append(
            {
                "variant": name,
                "ms": 1e3 * float(np.median(seconds)),
                "flops_ratio": ratio,
                "speedup": speedup,
                "reached": speedup * ratio,
            }
        )
    return rows


def main() -> None:
    """Print a table for each model, and save the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", default="small", choices=tuple(SIZES))
    parser.add_argument("--models", default="bert,llama")
    parser.add_argument("--capacities", default="0.5,0.25")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--out", help="write the rows to this JSON file")
    options = parser.parse_args()
    capacities = [float(each) for each in options.capacities.split(",")]
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    device = torch.cuda.get_device_name() if options.device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    head = f"{device}, {dtype}, torch {torch.__version__}, transformers {transformers.__version__}"
    results: dict[str, Any] = {"environment": head, "python": platform.python_version(), "models": {}}
    console = Console(width=110)
    for kind in options.models.split(","):
        shape = SIZES[options.size][kind]
        rows = measure(Variants(kind, shape, capacities, options.device, dtype), options.turns)
        results["models"][kind] = {"shape": shape, "rows": rows}
        table = Table(title=f"{kind} {shape[0]} x {shape[1]}, {shape[-2]} x {shape[-1]} tokens; {head}")
        for column in ("visible, capacity", "ms", "FLOPs ratio", "speed-up", "reached"):
            table.add_column(column, justify="left" if column.startswith("visible") else "right")
        for row in rows:
            numbers = (f"{row['ms']:.2f}", *(f"{row[key]:.2f}" for key in ("flops_ratio", "speedup", "reached")))
            table.add_row(row["variant"], *numbers)
        console.print(table)
        if options.out:
            Path(options.out).write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
