"""A sweep that is killed with SIGKILL while cells run goes on, and loses nothing but the cells in flight."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from walras.simulations import Scenario, StoredRun, run_scenario

MARKET_DAY = f"{Path(__file__).with_name('market_day.py')}:EXPERIMENT"
SWEPT = Scenario(
    experiment=MARKET_DAY, seed=1, replications=4, config={"pause": 0.1}, grid={"tax_rate": [0.0, 0.1, 0.2, 0.3]}
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


def stored_cells(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob("[0-9]*")}


def children(process):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    return [int(text) for text in found.stdout.split()]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_real_kill(tmp_path, jobs):
    folder = tmp_path / "run"
    (tmp_path / "scenario.toml").write_text(SWEPT.as_toml())
    arguments = ["sweep", str(tmp_path / "scenario.toml"), "--out", str(folder), "--jobs", str(jobs), "--quiet"]
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    command = [sys.executable, "-m", "walras.simulations", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as sweep:
        deadline = time.monotonic() + 60.0
        while len(stored_cells(folder)) < 4:
            assert sweep.poll() is None, sweep.stdout.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        workers = children(sweep.pid) if jobs > 1 else []
        sweep.send_signal(signal.SIGKILL)
        assert sweep.wait() == -signal.SIGKILL
    before = stored_cells(folder)
    assert 4 <= len(before) < 16
    # Workers see the end of their pipe; none goes on for longer than its cell.
    deadline = time.monotonic() + 30.0
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    told = []
    run = run_scenario(SWEPT, folder, on_start=lambda stored, left: told.append((stored, left)) or (lambda: None))
    assert told == [(len(before), 16 - len(before))]  # all that was stored counts

    whole = run_scenario(SWEPT.changed(config={"pause": 0.0}), tmp_path / "whole")
    for name in ("cells", "firms", "households"):
        leave = {"columns": ["seconds", "pause"], "errors": "ignore"}
        ours, theirs = (each.tables[name].drop(**leave) for each in (run, whole))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert len(StoredRun(folder).folder.manifest["resumed"]) == 1
