"""How many deliberate faults in the engine do its tests notice? A sample of mutants, made and run by mutmut.

Makes a copy of the sources without links, lets mutmut make every mutant of `market/` (operators and testing kit left
out), draws a sample with a seed, and runs for each the tests that touch the changed function. Prints the share that is
killed for each package, and lists the survivors.

    python benchmarks/mutation_test.py --sample 400 --seed 0
"""

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = ("operators", "testing")
# numba compiles the order book's kernel, and cannot see through what mutmut wraps around functions.
COMPILED = ("market/order_book/kernel.py",)

SETTINGS = """
[project]
name = "walras"
version = "0"

[tool.mutmut]
source_paths = ["src"]
only_mutate = [{mutated}]
also_copy = ["tests", "conftest.py"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-m", "not thorough and not gpu"]
pytest_add_cli_args_test_selection = [{tests}]

[tool.pytest.ini_options]
addopts = ["--import-mode=importlib"]
pythonpath = ["src", "."]
filterwarnings = ["error"]
markers = ["gpu: needs a CUDA device", "thorough: many more examples"]
"""

# Exit codes that mutmut records: a failed test, an error in pytest, a timeout, a crash.
KILLED = {1, 3, -24, -11, -9, 24, 36, 152, 255}


def main(
    sample: Annotated[int, typer.Option(min=1, help="How many mutants are tried.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    only: Annotated[str, typer.Option(help="Only modules, and tests, whose path has this in it.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Mutants tried at a time.")] = 2,
    folder: Annotated[Path, typer.Option(help="Where the copy is made; emptied first.")] = ROOT / "build" / "mutation",
    diffs: Annotated[bool, typer.Option("--diffs", help="Show each survivor's change.")] = False,  # noqa: FBT002
) -> None:
    """Sample mutants of the engine, and say how many the tests kill."""
    modules = _copy_sources(folder, only)
    _mutmut(folder, "run", "--max-children", str(jobs), "no.such.mutant")  # makes them all, and runs none
    mutants = _outcomes(folder, modules)
    chosen = random.Random(seed).sample(sorted(mutants), min(sample, len(mutants)))
    _mutmut(folder, "run", "--max-children", str(jobs), *chosen)
    outcomes = {name: code for name, code in _outcomes(folder, modules).items() if name in set(chosen)}
    if all(code is None for code in outcomes.values()):
        raise SystemExit(f"No mutant was run, perhaps since a test fails without one: see {folder / 'mutmut-run.log'}.")
    console = Console()
    console.print(_summary(outcomes, total=len(mutants), seed=seed))
    for name in sorted(name for name, code in outcomes.items() if code not in KILLED):
        console.print(f"survived: {name}", highlight=False, soft_wrap=True)
        if diffs:
            console.print(_mutmut(folder, "show", name), markup=False, highlight=False)


def _copy_sources(folder: Path, only: str) -> list[str]:
    """Copy what the tests need, and give the modules to be mutated, as paths in the copy."""
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)  # follows the links
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=ignored)
    shutil.copy(ROOT / "conftest.py", folder)
    engine = folder / "src" / "walras" / "market"
    modules = [
        path.relative_to(folder).as_posix()
        for path in sorted(engine.rglob("*.py"))
        if path.relative_to(engine).parts[0] not in LEFT_OUT
        and only in path.as_posix()
        and not path.as_posix().endswith(COMPILED)
    ]
    tests = [
        path.relative_to(folder).as_posix()
        for path in sorted((folder / "tests" / "market").iterdir())
        if path.name not in LEFT_OUT and not path.name.startswith("__") and (only in path.as_posix() or only == "")
    ]
    quoted = {"mutated": ", ".join(f'"{path}"' for path in modules), "tests": ", ".join(f'"{path}"' for path in tests)}
    (folder / "pyproject.toml").write_text(SETTINGS.format(**quoted), encoding="utf-8")
    return modules


def _mutmut(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "mutants" / "src")}
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    (folder / f"mutmut-{arguments[0]}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    return done.stdout


def _outcomes(folder: Path, modules: list[str]) -> dict[str, int | None]:
    """Exit code of the tests for each mutant; None if it was not run."""
    outcomes: dict[str, int | None] = {}
    for module in modules:
        meta = folder / "mutants" / f"{module}.meta"
        if meta.exists():
            outcomes.update(json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"])
    return outcomes


def _summary(outcomes: dict[str, int | None], *, total: int, seed: int) -> Table:
    table = Table(title=f"{len(outcomes)} of {total} mutants, seed {seed}", title_justify="left", box=None)
    for title in ("package", "mutants", "killed", "share"):
        table.add_column(title, justify="left" if title == "package" else "right")
    packages = {name: name.split(".")[2] for name in outcomes}
    tried, killed = Counter(packages.values()), Counter(packages[name] for name in outcomes if outcomes[name] in KILLED)
    for package in sorted(tried):
        table.add_row(package, str(tried[package]), str(killed[package]), f"{killed[package] / tried[package]:.0%}")
    everything, dead = sum(tried.values()), sum(killed.values())
    table.add_row("all", str(everything), str(dead), f"{dead / max(everything, 1):.1%}", style="bold")
    return table


if __name__ == "__main__":
    typer.run(main)
