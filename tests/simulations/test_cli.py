"""The command line: what users see when something is wrong, and the help."""

import json
import sys

import pytest
from tests.simulations.conftest import load_tiny
from typer.testing import CliRunner

from walras import __version__
from walras.market import InvalidInputError
from walras.simulations import study
from walras.simulations.cli import app, main


def _run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["walras", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    captured = capsys.readouterr()
    # Rich wraps lines at the terminal's width.
    return stopped.value.code, " ".join((captured.out + captured.err).split())


def test_help_and_version():
    help_page = CliRunner().invoke(app, ["study", "--help"])
    assert help_page.exit_code == 0
    assert "--data-dir" in help_page.output
    assert __version__ in CliRunner().invoke(app, ["--version"]).output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--task", "sst"), "Unknown task 'sst'; known: roles, cola, stsb, mnli"),
        (("--task", "cola"), "needs --model"),
        (("--model", "bert-base-uncased"), "brings its own model"),
        (("--limit", "5"), "brings its own model"),
        (("--task", "cola", "--model", "bert-base-uncased"), "could not be loaded"),
        (("--task", "cola", "--model", "no/such/folder"), "could not be loaded"),
        (("--budgets", "2"), "[0, 1]"),
        (("--steps", "3", "--epochs", "1"), "not both"),
    ],
)
def test_errors_are_one_sentence_and_leave_no_folder_of_results(monkeypatch, capsys, tmp_path, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    code, output = _run(monkeypatch, capsys, "study", *arguments)
    assert code == 2
    assert complaint in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())


def test_budgets_that_are_not_numbers():
    result = CliRunner().invoke(app, ["study", "--budgets", "half"])
    assert isinstance(result.exception, InvalidInputError)
    assert "--budgets must be numbers" in str(result.exception)


def test_an_occupied_folder_is_refused(monkeypatch, capsys, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    code, output = _run(monkeypatch, capsys, "study", "--out", str(tmp_path))
    assert code == 2
    assert "not an empty folder" in output


def test_json_rows_on_standard_output(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "load_model_and_task", load_tiny)
    monkeypatch.setattr(study, "ISOLATION_SEEDS", 1)
    monkeypatch.setattr(study, "ECONOMY_PERIODS", 2)
    monkeypatch.setattr(study, "LATENCY_REPEATS", 1)
    arguments = [
        "study",
        "--steps",
        "4",
        "--batch-size",
        "4",
        "--budgets",
        "0.5",
        "--json",
        "--out",
        str(tmp_path / "run"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert {row["method"] for row in rows} == {"dense", "market", "magnitude", "random"}
