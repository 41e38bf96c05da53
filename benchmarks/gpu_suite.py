"""Everything that is claimed of a GPU, in one command: tables of the operators, and the tests that need a device.

    PYTHONPATH=src python benchmarks/gpu_suite.py --out gpu-results

Each part runs in a process of its own under a limit of time, and what it printed is kept in the folder as it comes:
`PART.txt`, `PART.jsonl` with the numbers, and `summary.md` with all of it. A part that fails or runs out of time leaves
the others alone; `--seconds` limits all of them together. `--only capacity,tests` chooses parts, `--small` tries the
whole on a CPU in about two minutes. Peers that are not installed (Mesa, entmax) are left out of their tables.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent


class Part(NamedTuple):
    """A command and the seconds that it may take."""

    command: list[str]
    limit: int


def parts(folder: Path, *, small: bool) -> dict[str, Part]:
    """The parts by name, the most important first."""
    device = [] if small else ["--device", "cuda"]

    def script(part: str, file: str, *options: object, limit: int) -> Part:
        command = [sys.executable, str(HERE / file), *device, *map(str, options)]
        return Part([*command, "--json", str(folder / f"{part}.jsonl")], limit)

    rows, agents = (64, 128) if small else (65_536, 1_024)
    market = (
        ("--buyers", 2_000, "--goods", 50, "--density", 0.1) if small else ("--buyers", 1_000_000, "--goods", 1_000)
    )
    economies = ("--replicas", 4, "--markets", 10, "--periods", 3, "--repeats", 1) if small else ()
    timing = ("--seconds", 0.02, "--rounds", 1) if small else ("--seconds", 0.1, "--rounds", 3)
    # Without conftest.py, and so without what it imports: a machine with a GPU may have pytest and little else.
    tests = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", "-o", "addopts="]
    tests += [
        "-o",
        "filterwarnings=",
        "--import-mode=importlib",
        "--continue-on-collection-errors",
        "-m",
        "gpu",
        "tests/market/operators",
    ]
    return {
        "capacity": script("capacity", "capacity_operator.py", "--rows", rows, "--agents", agents, *timing, limit=120),
        "simulation": script("simulation", "batched_simulation.py", *economies, limit=90),
        "fisher-sparse": script(
            "fisher-sparse", "large_equilibria.py", *market, "--repeats", 1, "--only", "sparse", limit=120
        ),
        "tests": Part([*tests, "-k", "not compiled"], 120),
        "exchange": script("exchange", "large_equilibria.py", *market, "--repeats", 1, "--only", "exchange", limit=90),
        "fisher-dense": script(
            "fisher-dense", "large_equilibria.py", *market, "--repeats", 1, "--only", "Fisher, dense", limit=90
        ),
        "compiled": Part([*tests, "-k", "compiled"], 100),
        "kernels": script(
            "kernels", "capacity_operator.py", "--rows", 64, "--agents", 128, *timing, "--kernels", limit=60
        ),
    }


def run(name: str, part: Part, folder: Path) -> str:
    """Run one part, keep what it prints, and tell how it ended."""
    root = HERE.parent
    found = os.environ.get("PYTHONPATH", "")
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}{os.pathsep}{found}"}
    environment |= {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    start = time.perf_counter()
    with (folder / f"{name}.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            part.command, cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(timeout=part.limit)
            ending = "finished" if code == 0 else f"failed with exit status {code}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it started as well
            process.wait()
            ending = f"stopped at its limit of {part.limit} s"
    return f"{ending} after {time.perf_counter() - start:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for what is measured; made if need be")
    parser.add_argument("--only", default="", help="parts, separated by commas; all by default")
    parser.add_argument("--seconds", type=float, default=540.0, help="for all parts together; what is left is skipped")
    parser.add_argument("--small", action="store_true", help="small sizes on a CPU, to see that it runs")
    options = parser.parse_args()
    folder = Path(options.out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = parts(folder, small=options.small)
    if options.only:
        chosen = {name: chosen[name] for name in options.only.split(",")}
    summary = folder / "summary.md"
    summary.write_text("# Operators on a GPU\n", encoding="utf-8")
    start = time.perf_counter()
    for name, part in chosen.items():
        left = options.seconds - (time.perf_counter() - start)
        if left < 10.0:
            print(f"{name} is skipped: no time is left.", flush=True)
            continue
        ending = run(name, part._replace(limit=min(part.limit, int(left))), folder)
        printed = (folder / f"{name}.txt").read_text(encoding="utf-8", errors="replace").strip()
        text = f"\n## {name}\n\n{ending}; `{' '.join(part.command[1:])}`\n\n```text\n{printed[-6000:]}\n```\n"
        text = text.replace(f"{HERE.parent}/", "")
        with summary.open("a", encoding="utf-8") as file:
            file.write(text)
        print(text, flush=True)


if __name__ == "__main__":
    main()
