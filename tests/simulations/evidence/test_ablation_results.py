"""Tables of the page on what the method is made of: runs are merged, and each cell says what its rows do."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy import stats

T_OF_3 = 4.302653  # Student's t, 2 degrees of freedom
AS_IT_IS = [0.50, 0.60, 0.70]


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import ablation_results

    return ablation_results


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import settings_results

    return settings_results


def scores(
    variant: str, found: Sequence[float], *, task: str = "mnli", budget: float = 0.6, column: str = "variant"
) -> pd.DataFrame:
    """Rows of seeds 0, 1, ... with these scores; of a perplexity bits a byte are its logarithm over 5."""
    perplexity = task == "wikitext"
    table = {
        column: variant,
        "task": task,
        "seed": range(len(found)),
        "budget": budget,
        "metric": "perplexity" if perplexity else "accuracy",
        "score": list(found),
        "dense_score": 40.0 if perplexity else 0.8,
        "bits_per_byte": np.log2(found) / 5 if perplexity else np.nan,
    }
    return pd.DataFrame(table)


def written(folder: Path, *tables: pd.DataFrame, cells: bool = False) -> Path:
    """A run that is finished, or one with cells alone."""
    for number, table in enumerate(tables if cells else [pd.concat(tables)]):
        place = folder / "cells" / f"{number:08d}" if cells else folder
        place.mkdir(parents=True)
        table.to_parquet(place / "scores.parquet")
    return folder


def line(table: str, first: str) -> list[str]:
    """Cells of the line that begins with this one."""
    (found,) = [row for row in table.splitlines() if row.startswith(f"| {first} |")]
    return [cell.strip() for cell in found.split("|")[2:-1]]


def test_effects_are_beside_the_mean_of_the_reruns(ablation: ModuleType, tmp_path: Path) -> None:
    again = [0.52, 0.58, 0.70]
    one = written(tmp_path / "1", scores("as-it-is", AS_IT_IS), scores("hot", [0.52, 0.60, 0.71]))
    two = written(tmp_path / "2", scores("as-it-is", again), scores("whole", [0.40, 0.47, 0.60]), cells=True)
    rows = ablation.compared(ablation.merged([one, two]))
    assert rows["run"].value_counts().to_dict() == {"1": 6, "2": 6}
    table = ablation.effects_table(rows, ablation.effects_of(rows))
    assert line(table, "`as-it-is`") == ["nothing", "", "0.6000"]
    mean = np.array([0.51, 0.59, 0.70])
    assert line(table, "`hot`")[1] == "**+0.0100** ± 0.0000"  # 0.01 above the mean at every seed
    behind = np.array([0.40, 0.47, 0.60]) - mean
    half_width = T_OF_3 * behind.std(ddof=1) / np.sqrt(3)
    assert line(table, "`whole`")[1] == f"_{behind.mean():+.4f}_ ± {half_width:.4f}"
    # Reruns: two seeds 0.02 apart, one not at all; each has one degree of freedom.
    deviation = np.sqrt(2 * 0.02**2 / 2 / 3)
    alone = deviation * np.sqrt(1.5 / 3)
    reruns = ablation.reruns_table(rows)
    assert line(reruns, "60 %") == ["2", f"{deviation:.4f}", "0.0200", f"{alone:.4f}"]


def test_nothing_is_said_of_reruns_without_any(ablation: ModuleType, tmp_path: Path) -> None:
    rows = ablation.merged([written(tmp_path / "1", scores("as-it-is", AS_IT_IS))])
    assert ablation.reruns_table(rows) == ""


def test_runs_of_other_dense_models_and_other_commands_are_told(ablation: ModuleType, tmp_path: Path) -> None:
    one = written(tmp_path / "1", scores("as-it-is", AS_IT_IS))
    other = written(tmp_path / "2", scores("hot", AS_IT_IS).assign(dense_score=0.81))
    with pytest.raises(SystemExit, match="mnli: runs of several dense models"):
        ablation.merged([one, other])
    with pytest.raises(SystemExit, match=r"No rows of walras ablation: .*none"):
        ablation.merged([tmp_path / "none"])
    frontier = written(tmp_path / "3", scores("market", AS_IT_IS, column="method"))
    with pytest.raises(SystemExit, match="rows of no variant"):
        ablation.merged([one, frontier])


def test_effects_on_perplexity_are_bits_saved_and_are_counted_with_holms_correction(
    ablation: ModuleType, tmp_path: Path
) -> None:
    perplexities = [64.0, 66.0, 62.0]
    folder = written(
        tmp_path / "1",
        scores("as-it-is", perplexities, task="wikitext"),
        scores("no-recovery", [130.0, 128.0, 126.0], task="wikitext"),
        scores("whole", [62.0, 63.0, 58.0], task="wikitext"),
        scores("hot", [64.1, 66.5, 61.0], task="wikitext"),
    )
    rows = ablation.merged([folder])
    effects = ablation.effects_of(ablation.compared(rows))
    table = ablation.effects_table(rows, effects)
    saved = np.log2(np.divide(perplexities, [62.0, 63.0, 58.0])) / 5
    assert line(table, "`whole`")[1].startswith(f"**{saved.mean():+.4f}** ± ")
    assert line(table, "`whole`")[2] == f"{np.mean([62.0, 63.0, 58.0]):.2f}"
    p = stats.ttest_1samp(saved, 0.0).pvalue
    assert effects.set_index("variant")["p"]["whole"] == pytest.approx(p)
    assert 0.025 < p < 0.05  # beyond its interval, and not once there are three
    counted = ablation.counts_line(effects)
    assert counted.startswith("3 effects: 1 ahead, 1 behind")
    assert counted.endswith("After Holm's correction: 1 (no-recovery on wikitext at 60 %).")


def test_the_script_writes_its_files(
    ablation: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = written(tmp_path / "1", scores("as-it-is", AS_IT_IS), scores("hot", [0.52, 0.59, 0.71]))
    far = {"no-recovery": [640.0, 600.0, 610.0], "whole": [62.0, 63.0, 58.0], "hot": [64.1, 66.5, 61.0]}
    tables = [scores(name, found, task="wikitext") for name, found in far.items()]
    two = written(tmp_path / "2", scores("as-it-is", [64.0, 66.0, 62.0], task="wikitext"), *tables)
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["ablation_results.py", str(one), str(two), "--out", str(out)])
    ablation.main()
    assert {file.name for file in out.iterdir()} == {"rows.csv", "mnli.png", "wikitext.png"}
    assert len(pd.read_csv(out / "rows.csv")) == 18
    printed = capsys.readouterr().out
    assert "mnli: 3 seeds" in printed
    assert "bits a byte saved" in printed


def with_setting(folder: Path, search: float, *tables: pd.DataFrame) -> Path:
    written(folder, *tables)
    (folder / "scenario.toml").write_text(f"[config]\nsearch = {search}\n")
    return folder


def test_a_setting_is_compared_seed_by_seed(settings: ModuleType, tmp_path: Path) -> None:
    longer = np.array([0.49, 0.57, 0.69])
    one = with_setting(tmp_path / "1", 0.5, scores("market", AS_IT_IS, column="method"))
    two = with_setting(tmp_path / "2", 1.0, scores("market", longer, column="method"))
    rows = settings.merged("search", [one, two])
    table = settings.markdown(rows, "search", 0.5)
    effect = longer - AS_IT_IS
    half_width = T_OF_3 * effect.std(ddof=1) / np.sqrt(3)
    assert half_width > abs(effect.mean())
    found = [line.split("|")[1:-1] for line in table.splitlines()[2:]]
    cells = [[cell.strip() for cell in cells] for cells in found]
    spread = T_OF_3 * 0.1 / np.sqrt(3)
    ratio = f"0.750 ± {spread / 0.8:.3f}"
    assert cells[0] == ["mnli", "market", "60 %", "0.5", f"0.6000 ± {spread:.4f}", ratio, "3", ""]
    assert cells[1][-1] == f"{effect.mean():+.4f} ± {half_width:.4f}"
    with pytest.raises(SystemExit, match=r"There is no setting steps in .*; there are: search"):
        settings.merged("steps", [one])
    with pytest.raises(SystemExit, match="same search"):
        settings.merged("search", [one, one])


def test_fewer_bits_are_better_and_one_seed_has_no_interval(settings: ModuleType, tmp_path: Path) -> None:
    one = with_setting(tmp_path / "1", 0.5, scores("market", [64.0], task="wikitext", column="method"))
    two = with_setting(tmp_path / "2", 1.0, scores("market", [32.0], task="wikitext", column="method"))
    table = settings.markdown(settings.merged("search", [one, two]), "search", 0.5)
    assert table.splitlines()[-1] == "| wikitext | market | 60 % | 1 | 32.00 | 0.800 | 1 | +0.2000 |"
