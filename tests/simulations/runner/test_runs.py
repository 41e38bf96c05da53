"""Runs: the same rows whoever computes them and however often they are stopped; what is said when a cell fails."""

import json
import shutil
import struct
import sys
from pathlib import Path

import pandas as pd
import pytest

from walras.market import InvalidInputError
from walras.simulations import CellError, Scenario, StoredRun, run_scenario, write_report
from walras.simulations.runner import executors, store
from walras.simulations.runner.run import run_cells

MARKET_DAY = f"{Path(__file__).with_name('market_day.py')}:EXPERIMENT"
SWEPT = Scenario(experiment=MARKET_DAY, seed=3, replications=2, grid={"tax_rate": [0.0, 0.25, 0.5]})


def tables(run, *, with_seconds=False):
    found = dict(run.tables)
    return found if with_seconds else {**found, "cells": found["cells"].drop(columns="seconds")}


def assert_same(run, other):
    ours, theirs = tables(run), tables(other)
    assert list(ours) == list(theirs)
    for name, table in ours.items():
        pd.testing.assert_frame_equal(table, theirs[name], check_exact=True)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The run in one go, in this process."""
    return run_scenario(SWEPT, tmp_path_factory.mktemp("reference") / "run")


def test_a_run_older_than_a_field_of_its_configuration_is_read(reference, tmp_path):
    folder = shutil.copytree(reference.path, tmp_path / "older")
    cells = pd.read_parquet(folder / "cells.parquet")
    cells.drop(columns="prices").to_parquet(folder / "cells.parquet")
    assert list(StoredRun(folder).tables["cells"]["tax_rate"]) == list(cells["tax_rate"])


class StopsAfter:
    """Counts cells, and stops the run after some, as Ctrl-C would."""

    def __init__(self, cells):
        self.left, self.told = cells, []

    def __call__(self, stored, left):
        self.told.append((stored, left))
        return self.advance

    def advance(self):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def interrupted(folder, cells):
    with pytest.raises(KeyboardInterrupt):
        run_scenario(SWEPT, folder, on_start=StopsAfter(cells))
    return folder


def test_each_class_of_agents_has_a_typed_table_with_the_cell_in_front(reference):
    assert list(reference.tables) == ["cells", "firms", "households"]
    households = reference.tables["households"]
    assert list(households.columns) == ["cell", "replication", "household", "income", "trade"]
    assert [str(kind) for kind in households.dtypes[["cell", "household", "income", "trade"]]] == [
        "int64",
        "int64",
        "float64",
        "category",
    ]
    assert households["cell"].tolist() == [cell for cell in range(6) for _ in range(3)]
    cells = reference.tables["cells"]
    assert cells[["cell", "point", "replication"]].to_numpy().tolist() == [[c, c // 2, c % 2] for c in range(6)]
    assert cells["tax_rate"].tolist() == [0.0, 0.0, 0.25, 0.25, 0.5, 0.5]
    assert all(prices == () for prices in cells["prices"])
    assert reference.folder.manifest["status"] == "complete"
    assert reference.folder.manifest["facts"]["tables"]["firms"] == {
        "cell": "int64",
        "replication": "int64",
        "firm": "large_string",
        "output": "double",
    }
    assert not (reference.path / "cells").exists()


def test_what_differs_between_points_is_not_chance(reference):
    incomes = reference.tables["households"].groupby(["cell", "household"])["income"].sum().unstack()
    assert incomes.loc[2].tolist() == pytest.approx((0.75 * incomes.loc[0]).tolist(), rel=1e-15)
    assert (incomes.loc[0] != incomes.loc[1]).all()


def test_worker_processes_give_the_same_rows(reference, tmp_path):
    assert_same(run_scenario(SWEPT, tmp_path / "run", executor="local", jobs=2), reference)


def test_ray_gives_the_same_rows(reference, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'walras[ray]'")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    assert_same(run_scenario(SWEPT, tmp_path / "run", executor="ray", jobs=2), reference)


def test_an_interrupted_run_goes_on_with_the_cells_that_are_left(reference, tmp_path):
    folder = interrupted(tmp_path / "run", 2)
    with pytest.raises(
        InvalidInputError, match=r"is not complete\. Go on with: walras simulate .*scenario\.toml --out "
    ):
        StoredRun(folder)
    told = StopsAfter(99)
    run = run_scenario(SWEPT, folder, on_start=told)
    assert told.told == [(2, 4)]
    assert told.left == 95
    assert_same(run, reference)
    assert [time["damaged_cells"] for time in run.folder.manifest["resumed"]] == [[]]


def test_a_complete_run_is_not_run_again(reference):
    told = StopsAfter(1)
    assert_same(run_scenario(SWEPT, reference.path, on_start=told), reference)
    assert told.told == []


def test_a_sweep_of_another_configuration_is_refused(tmp_path):
    folder = interrupted(tmp_path / "run", 1)
    for change, message in (
        ({"seed": 4}, r"scenario\.seed is 3 there and 4 here"),
        ({"grid": {"tax_rate": [0.0]}}, r"scenario\.grid\.tax_rate is \[0\.0, 0\.25, 0\.5\] there and \[0\.0\] here"),
        ({"config": {"season": "autumn"}}, r"scenario\.config\.season is not set there and 'autumn' here"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            run_scenario(SWEPT.changed(**change), folder)


def test_a_default_that_changed_since_is_told_apart(tmp_path):
    folder = interrupted(tmp_path / "run", 1)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["config"]["points_sha256"] = "0"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInputError, match="the same scenario, but a default of the experiment's configuration"):
        run_scenario(SWEPT, folder)


def test_leftovers_of_a_killed_write_are_removed(reference, tmp_path):
    folder = interrupted(tmp_path / "run", 3)
    half = folder / "cells" / ".00000004.99.unfinished"
    half.mkdir()
    (half / "firms.parquet").write_bytes(b"PAR1 and then the power went")
    (folder / ".households.parquet.99.unfinished").write_bytes(b"PAR1")
    (folder / "figures").mkdir()
    (folder / "figures" / ".incomes.png.99.unfinished").write_bytes(b"")
    run = run_scenario(SWEPT, folder)
    assert_same(run, reference)
    assert not [path for path in folder.rglob("*") if "unfinished" in path.name]


@pytest.mark.parametrize("step", ["compact", "remove"])
def test_a_run_that_is_stopped_while_it_tidies_up(reference, tmp_path, monkeypatch, step):
    def stopped(self):
        right(self) if step == "compact" else shutil.rmtree(self._cells / "00000002")
        raise KeyboardInterrupt

    right = getattr(store.CellStore, step)
    monkeypatch.setattr(store.CellStore, step, stopped)
    with pytest.raises(KeyboardInterrupt):
        run_scenario(SWEPT, tmp_path / "run")
    monkeypatch.undo()
    told = StopsAfter(99)
    run = run_scenario(SWEPT, tmp_path / "run", on_start=told)
    assert told.left == 99  # no cell is run again
    assert_same(run, reference)
    assert not (tmp_path / "run" / "cells").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "missing"])
def test_a_damaged_cell_is_run_again_and_named(reference, tmp_path, damage):
    folder = interrupted(tmp_path / "run", 3)
    file = folder / "cells" / "00000000" / "households.parquet"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:200] if damage == "cut" else b"")
    told = StopsAfter(99)
    run = run_scenario(SWEPT, folder, on_start=told)
    assert told.told == [(2, 4)]
    assert_same(run, reference)
    assert run.folder.manifest["resumed"][-1]["damaged_cells"] == [0]


def test_a_number_that_was_changed_in_a_file_is_found_when_the_cells_are_joined(reference, tmp_path):
    folder = interrupted(tmp_path / "run", 3)
    file = folder / "cells" / "00000001" / "firms.parquet"
    stored = pd.read_parquet(file)["output"].item()
    content, number = file.read_bytes(), struct.pack("<d", stored)
    assert number in content
    file.write_bytes(content.replace(number, struct.pack("<d", -stored), 1))
    assert pd.read_parquet(file)["output"].item() == -stored  # it reads as well as before
    with pytest.raises(InvalidInputError, match=r"firms\.parquet is damaged .* Remove the folder .*00000001 and run"):
        run_scenario(SWEPT, folder)
    shutil.rmtree(file.parent)
    assert_same(run_scenario(SWEPT, folder), reference)


def test_a_joined_table_that_was_cut_is_said_so(reference, tmp_path):
    shutil.copytree(reference.path, tmp_path / "copy")
    run = StoredRun(tmp_path / "copy")
    file = run.path / "households.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InvalidInputError, match=r"households\.parquet cannot be read"):
        run.tables["households"]


def test_joined_groups_are_the_same_rows(reference, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_GROUP_ROWS", 5)
    assert_same(run_scenario(SWEPT, tmp_path / "run"), reference)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (
            "raises",
            r"Cell 4: point 2 \(tax_rate=0\.5\), replication 0, seed SeedSequence\(3, spawn_key=\(0,\)\): ZeroDiv",
        ),
        (
            "other columns",
            "Table 'firms' must have the same columns and dtypes in every cell.*this one has debt: double",
        ),
        ("other tables", "other cells have cells, firms, households; this one has cells, households"),
    ],
)
def test_cells_that_fail_are_named_and_the_others_stored(tmp_path, trouble, message):
    failing = SWEPT.changed(config={"trouble": trouble})
    with pytest.raises(CellError, match=f"2 of the cells failed:\n.*{message}"):
        run_scenario(failing, tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run" / "cells").iterdir()) == [f"{n:08d}" for n in range(4)]
    failures = sorted((tmp_path / "run" / "failures").iterdir())
    assert [path.name for path in failures] == ["00000004.txt", "00000005.txt"]
    if trouble == "raises":
        assert "the mill burnt down" in failures[0].read_text()
        assert "Traceback" in failures[0].read_text()


def test_when_the_cause_is_gone_only_failed_cells_are_run(reference, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    right = executors.run_cell
    wrong = lambda task: executors.CellOutcome(task, 0.0, error=f"{task}: away")  # noqa: E731
    monkeypatch.setattr(executors, "run_cell", lambda task: wrong(task) if task.cell == 1 else right(task))
    with pytest.raises(CellError, match="1 of the cells failed"):
        run_scenario(SWEPT, folder)
    monkeypatch.undo()
    told = StopsAfter(99)
    assert_same(run_scenario(SWEPT, folder, on_start=told), reference)
    assert told.told == [(5, 1)]
    assert not (folder / "failures").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_that_is_killed_costs_its_cell_alone(tmp_path):
    dying = SWEPT.changed(config={"trouble": "dies"}, replications=1)
    with pytest.raises(
        CellError, match=r"1 of the cells failed:\n  Cell 1: .* its worker process ended \(signal SIGKILL\)"
    ):
        run_scenario(dying, tmp_path / "run", executor="local", jobs=1)
    assert sorted(path.name for path in (tmp_path / "run" / "cells").iterdir()) == ["00000000", "00000002"]


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("no type", "Column 'owner' of table 'firms' has no type"),
        ("taken", "A table cannot be called 'cells'"),
        ("no tables", "An experiment must give tables by name"),
    ],
)
def test_tables_that_cannot_be_stored(tmp_path, trouble, message):
    with pytest.raises(CellError, match=message):
        run_scenario(SWEPT.changed(config={"trouble": trouble}), tmp_path / "run")


def test_a_run_stops_when_everything_fails(tmp_path):
    many = SWEPT.changed(config={"trouble": "taken"}, replications=50)
    with pytest.raises(CellError, match=r"10 of the cells failed \(stopped after 10\)"):
        run_scenario(many, tmp_path / "run")


def test_two_processes_do_not_run_in_one_folder(reference):
    with (
        reference.folder.locked(),
        pytest.raises(InvalidInputError, match="Another process is running in"),
    ):
        run_cells(SWEPT, reference.folder, executors.SerialExecutor())


@pytest.mark.parametrize(
    ("name", "jobs", "message"),
    [
        ("cluster", None, "There is no executor 'cluster'; there are: serial, local, ray"),
        ("serial", 2, "runs one cell at a time"),
        ("local", 0, "jobs must be 1 or more, got 0"),
    ],
)
def test_executors_that_are_not_there(tmp_path, name, jobs, message):
    with pytest.raises(InvalidInputError, match=message):
        run_scenario(SWEPT, tmp_path / "run", executor=name, jobs=jobs)
    assert not (tmp_path / "run").exists()


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InvalidInputError, match=r"pip install 'walras\[ray\]'"):
        run_scenario(SWEPT, tmp_path / "run", executor="ray")


def test_the_report_is_made_from_stored_rows_alone(reference, tmp_path, monkeypatch):
    shutil.copytree(reference.path, tmp_path / "copy")
    run = StoredRun(tmp_path / "copy")
    first = write_report(run).read_text()
    assert "1 of 1 numbers agree" in first
    assert "tax_rate" in first
    assert "trade: dictionary" in first
    (run.path / "figures" / "incomes.png").unlink()
    monkeypatch.setattr(executors, "run_cell", None)  # nothing is computed anew
    assert write_report(StoredRun(run.path)).read_text() == first
    assert (run.path / "figures" / "incomes.png").stat().st_size > 1000
