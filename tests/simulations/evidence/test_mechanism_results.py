"""Tables of the page on mechanisms: cells of a run are merged, and each line says what its rows do."""

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

MEASURES = (
    *("used", "sold", "price", "gini_agents", "herfindahl_agents", "gini_layers", "herfindahl_layers"),
    *("layers_without_heads", "dead", "paid", "surplus", "gini_surplus"),
)
SCORES = {"cap": (0.80, 0.82, 0.84), "layers": (0.60, 0.61, 0.62), "tax": (0.79, 0.84, 0.83)}


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import mechanism_results

    return mechanism_results


def outcomes(mechanism: str, task: str = "cola") -> pd.DataFrame:
    """Both parts of a mechanism at two budgets and three seeds; the smaller budget scores a tenth less."""
    rows = []
    for part in ("trained", "isolated"):
        for budget in (0.6, 0.3):
            for seed, score in enumerate(SCORES[mechanism]):
                found = score - (0.1 if budget == 0.3 else 0.0)
                named = {"part": part, "mechanism": mechanism, "task": task, "seed": seed, "budget": budget}
                measured = dict.fromkeys(MEASURES, found)
                rows.append({**named, "metric": "matthews", "score": found, "kept": found, **measured})
    return pd.DataFrame(rows)


def unfinished(folder: Path, *mechanisms: str) -> Path:
    for number, mechanism in enumerate(mechanisms):
        place = folder / "cells" / f"{number:08d}"
        place.mkdir(parents=True)
        outcomes(mechanism).to_parquet(place / "outcomes.parquet")
    return folder


def test_differences_to_the_cap_are_paired_and_marked(results: ModuleType, tmp_path: Path) -> None:
    rows = results.merged([unfinished(tmp_path, "cap", "layers", "tax")])
    lines = results.outcome_table(rows, "trained").splitlines()
    found = {tuple(cell.strip() for cell in line.split("|")[1:3]): line.split("|")[4].strip() for line in lines[2:]}
    assert next(iter(found)) == ("0.6", "`cap`")
    assert found["0.3", "`layers`"] == "_-0.2100_ ± 0.0248"  # -0.20, -0.21, -0.22
    assert found["0.3", "`tax`"] == "+0.0000 ± 0.0430"  # -0.01, +0.02, -0.01
    assert "value served" in results.outcome_table(rows, "isolated")


def test_alike_rankings_have_a_correlation_of_one(results: ModuleType, tmp_path: Path) -> None:
    rows = results.merged([unfinished(tmp_path, "cap", "layers", "tax")])
    line = next(line for line in results.ranking_table(rows).splitlines() if line.startswith("| kept | all |"))
    assert line.split("|")[3].strip() == "+1.00"


def test_runs_that_do_not_go_together_are_refused(results: ModuleType, tmp_path: Path) -> None:
    run = unfinished(tmp_path / "run", "cap")
    with pytest.raises(SystemExit, match="No rows"):
        results.merged([tmp_path / "nowhere"])
    with pytest.raises(SystemExit, match="more than one run"):
        results.merged([run, run])
    other = tmp_path / "other"
    other.mkdir()
    outcomes("tax", task="mnli").to_parquet(other / "outcomes.parquet")
    with pytest.raises(SystemExit, match="several tasks"):
        results.merged([run, other])
