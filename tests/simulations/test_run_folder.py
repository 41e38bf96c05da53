"""The run folder: whole files or none."""

import json

import pandas as pd
import pytest

from walras.market import InvalidInputError
from walras.simulations import RunFolder


def test_manifest_is_there_from_the_start(tmp_path):
    folder = RunFolder(tmp_path / "run", {"seed": 3})
    manifest = json.loads((folder.path / "manifest.json").read_text())
    assert manifest["status"] == "running"
    assert manifest["config"] == {"seed": 3}
    folder.record(score=0.5)
    folder.record(steps=7)
    folder.complete()
    manifest = json.loads((folder.path / "manifest.json").read_text())
    assert manifest["facts"] == {"score": 0.5, "steps": 7}
    assert manifest["status"] == "complete"


def test_rows_come_back_as_they_went(tmp_path):
    rows = pd.DataFrame({"budget": [0.5, 1.0], "method": ["market", "random"]})
    path = RunFolder(tmp_path / "run", {}).write_rows("frontier", rows)
    pd.testing.assert_frame_equal(pd.read_parquet(path), rows, check_dtype=False)


def test_a_failed_write_leaves_the_old_file_and_no_half_one(tmp_path):
    folder = RunFolder(tmp_path / "run", {})
    folder.write_text("note.txt", "old")

    def interrupted(path):
        path.write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write("note.txt", interrupted)
    assert (folder.path / "note.txt").read_text() == "old"
    assert {path.name for path in folder.path.iterdir()} == {"manifest.json", "note.txt"}


def test_results_are_never_mixed(tmp_path):
    (tmp_path / "other.txt").write_text("somebody's")
    with pytest.raises(InvalidInputError, match="not an empty folder"):
        RunFolder(tmp_path, {})
    with pytest.raises(InvalidInputError, match="not an empty folder"):
        RunFolder(tmp_path / "other.txt", {})


def test_two_runs_in_one_second_get_two_folders(tmp_path):
    folders = {RunFolder.named(tmp_path, "study", {}).path for _ in range(3)}
    assert len(folders) == 3
