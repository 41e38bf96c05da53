"""`walras simulate`, `sweep`, `report` and `experiments`, as a user calls them."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from walras.simulations.cli import main
from walras.simulations.commands.options import shown_progress
from walras.simulations.experiments import EXPERIMENTS

MARKET_DAY = f"{Path(__file__).with_name('market_day.py')}:EXPERIMENT"


@pytest.fixture
def walras(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty folder with a scenario; gives exit code, standard output, and what is said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day.toml").write_text(f'experiment = "{MARKET_DAY}"\nreplications = 2\n')

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["walras", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, " ".join((captured.out + captured.err).split())

    return call


def test_simulate_runs_compares_and_draws(walras, tmp_path):
    code, _, said = walras("simulate", "day.toml", "--set", "households=5", "--seed", "9", "--out", "run")
    assert code == 0
    assert "A day at the market" in said
    assert "1 of 1 agree" in said
    assert "Report: run/report.html" in said
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == {
        *("cells.parquet", "firms.parquet", "households.parquet", "anchors.csv", "report.html"),
        *("figures", "manifest.json", "scenario.toml"),
    }
    assert len(pd.read_parquet(run / "households.parquet")) == 10
    assert pd.read_csv(run / "anchors.csv")["agrees"].all()


def test_sweep_over_a_grid_and_a_sample(walras):
    arguments = ("--grid", "season=spring,autumn", "--sobol", "tax_rate=0..0.5", "--samples", "3", "--out", "run")
    code, out, _ = walras("sweep", "day.toml", *arguments, "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["agree"]
    assert facts["anchors"][0]["statement"] == "income and tax, at most"
    cells = pd.read_parquet("run/cells.parquet")
    assert len(cells) == 2 * 3 * 2
    assert cells.groupby("season")["tax_rate"].nunique().to_dict() == {"autumn": 3, "spring": 3}


def test_a_run_goes_on_from_its_own_scenario_file(walras):
    walras("sweep", "day.toml", "--grid", "tax_rate=0,0.5", "--out", "run", "--quiet")
    rows = Path("run/households.parquet").read_bytes()
    code, _, said = walras("simulate", "run/scenario.toml", "--out", "run", "--quiet")
    assert (code, said) == (0, "Report: run/report.html")
    assert Path("run/households.parquet").read_bytes() == rows


def test_report_makes_figures_anew(walras):
    walras("simulate", "day.toml", "--out", "run", "--quiet")
    Path("run/figures/incomes.png").unlink()
    Path("run/report.html").unlink()
    code, _, said = walras("report", "run")
    assert code == 0
    assert "1 of 1 agree" in said
    assert Path("run/figures/incomes.png").exists()
    assert Path("run/report.html").exists()


def test_a_number_that_disagrees_fails_a_simulation(walras, monkeypatch):
    from walras.simulations.runner import find_experiment

    class Off:
        agrees, statement, expected, obtained, tolerance, source = False, "wages", 1.0, 2.0, 0.1, "closed form"

    monkeypatch.setattr(
        type(find_experiment(MARKET_DAY)), "anchors", property(lambda _: lambda _: [Off()]), raising=False
    )
    code, _, said = walras("simulate", "day.toml", "--out", "run")
    assert code == 1
    assert "0 of 1 agree" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("simulate", "scraf"), "There is no scenario 'scraf' (did you mean 'scarf'?)"),
        (
            ("simulate", "day.toml", "--set", "houses=3"),
            "--set: there is no field 'houses' (did you mean 'households'?)",
        ),
        (("simulate", "day.toml", "--set", "households=few"), "households must be a whole number; got 'few'"),
        (("simulate", "day.toml", "--set", "households"), "--set must be written field=..., got 'households'"),
        (("sweep", "day.toml"), "There is nothing to sweep over"),
        (("sweep", "day.toml", "--sobol", "tax_rate=0-1", "--samples", "4"), "A range is written low..high"),
        (("sweep", "day.toml", "--sobol", "tax_rate=0..1"), "ranges need a number of samples"),
        (
            ("sweep", "day.toml", "--grid", "tax_rate=0.5,1.5"),
            "point 1 (tax_rate=1.5): Config.tax_rate must be at most 1",
        ),
        (("simulate", "day.toml", "--executor", "slurm"), "There is no executor 'slurm'"),
        (("report", "."), "is not the folder of a run"),
        (("experiments", "scraf"), "There is no experiment 'scraf' (did you mean 'scarf'?)"),
    ],
)
def test_errors_are_sentences_and_leave_nothing_behind(walras, tmp_path, arguments, complaint):
    code, _, said = walras(*arguments)
    assert code == 2
    assert complaint in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["day.toml"]


def test_cells_that_fail_say_how_to_go_on(walras):
    code, _, said = walras("simulate", "day.toml", "--set", "trouble=taken", "--out", "run")
    assert code == 2
    assert "CellError: 2 of the cells failed" in said
    assert "run the same again with --out run" in said


def test_all_experiments_are_listed_with_their_scenarios(walras):
    code, out, _ = walras("experiments", "--json")
    assert code == 0
    listed = {fact["experiment"]: fact for fact in json.loads(out)}
    assert set(listed) == set(EXPERIMENTS)
    assert all(fact["question"].endswith(("?", ".")) and fact["scenarios"] for fact in listed.values())


def test_the_fields_of_an_experiment_of_ones_own(walras):
    code, _, said = walras("experiments", MARKET_DAY)
    assert code == 0
    assert "tax_rate float 0.0" in said
    assert "prices tuple of float" in said


def test_progress_shows_the_time_left():
    console = Console(record=True, force_terminal=True, width=120)
    with shown_progress(console, quiet=False) as on_start:
        advance = on_start(3, 2)
        advance()
    shown = console.export_text()
    assert "cells (3 stored before)" in shown
    assert "1/2" in shown
