"""Time of the kernel that sums and normalises, by the features that one warp of its program takes.

    python benchmarks/norm_kernel.py --out norm_kernel.csv

Needs CUDA. Tokens of bfloat16, in a CUDA graph of 20 launches; microseconds of one, the median of 15 replays, beside
what reading and writing the tokens once would take at the memory's speed (`--bandwidth`, in TB/s).
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from walras.llm import norms
from walras.llm.latency import as_graph, measure_turns

LAUNCHES = 20


def microseconds(tokens: int, features: int, chain: int) -> float:
    """Time one launch: a sum, and `chain` normalisations."""
    device = torch.device("cuda")
    added, residual = torch.randn(2, tokens, features, dtype=torch.bfloat16, device=device)
    weights, biases = torch.randn(2, chain, features, dtype=torch.bfloat16, device=device)

    def compute() -> None:
        for _ in range(LAUNCHES):
            norms.sum_and_norms(added, residual, weights, biases, 1e-12)

    (latency,) = measure_turns([as_graph(compute, device)], devices=[device], repeats=15)
    return 1e6 * latency.median / LAUNCHES


@torch.no_grad()
def main() -> None:
    """Print a row per shape and chain, a column per number of features that one warp takes."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bandwidth", type=float, default=4.8, help="of the memory, in TB/s")
    arguments.add_argument("--out", type=Path, help="write the rows there, as CSV")
    options = arguments.parse_args()
    rows = []
    for tokens, features in ((4096, 768), (16384, 768), (16384, 1024), (16384, 4096)):
        for chain in (1, 2, 6):
            row: dict[str, float] = {"tokens": tokens, "features": features, "norms": chain}
            for of_a_warp in (128, 256, 512, 1024):
                norms._FEATURES_OF_A_WARP = norms._FEATURES_OF_A_WARP_IN_LONG_CHAINS = of_a_warp
                row[f"{of_a_warp} a warp"] = microseconds(tokens, features, chain)
            row["memory alone"] = 3 * 2 * tokens * features / (1e6 * options.bandwidth)
            rows.append(row)
    table = pd.DataFrame(rows)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; microseconds a launch")
    print(table.round(1).to_string(index=False))
    if options.out:
        table.to_csv(options.out, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
