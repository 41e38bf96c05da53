"""`walras scarcity` on the embedded model: complete rows, figures and a summary; errors before anything is written."""

import json
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from walras.llm.errors import DataError
from walras.simulations.cli import app, main
from walras.simulations.scarcity.lines import as_written, text_lines

TINY = ["--texts", "16", "--steps", "5", "--heads", "0.5", "--temperatures", "0.5", "--tokens", "0.5", "--draws", "1"]


def test_a_small_run_is_complete(tmp_path):
    folder = tmp_path / "run"
    result = CliRunner().invoke(app, ["scarcity", *TINY, "--out", str(folder)])
    assert result.exit_code == 0, result.output
    assert "total:" in result.output
    assert "reallocation:" in result.output
    effects = pd.read_parquet(folder / "effects.parquet")
    # 5 cuts, 2 sets of tokens, gradient and random values, 3 parts, 3 outcomes
    assert len(effects) == 5 * 2 * 2 * 3 * 3
    assert set(effects["texts"]) == {16}
    assert {path.stem for path in (folder / "figures").iterdir()} == {"shift", "concentration"}
    assert (folder / "report.html").is_file()
    again = CliRunner().invoke(app, ["scarcity", *TINY, "--out", str(folder), "--json"])  # goes on: nothing is left
    assert json.loads(again.stdout)["agree"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--data", "sst"), "There are no texts 'sst'"),
        (("--data", "cola"), "need a model"),
        (("--model", "bert-base-uncased"), "bring their own model"),
        (("--heads", "half"), "must be numbers"),
        (("--heads", "1.5"), "below 1"),
        (("--heads", "", "--temperatures", "", "--tokens", ""), "nothing to cut"),
    ],
)
def test_errors_are_one_sentence_and_leave_no_folder(monkeypatch, capsys, tmp_path, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["walras", "scarcity", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert complaint in " ".join((captured.out + captured.err).split())
    assert not list(tmp_path.iterdir())


def test_lines_of_each_file(tmp_path):
    (tmp_path / "CoLA").mkdir()
    (tmp_path / "CoLA" / "dev.tsv").write_text('gj04\t1\t\tThey drank.\ngj04\t0\t*\tThey "drank\n', encoding="utf-8")
    assert text_lines("cola", tmp_path) == ["They drank.", 'They "drank']
    (tmp_path / "wiki.valid.tokens").write_text(" \n = Ship = \n \n It cost 1 @,@ 200 £ . \n", encoding="utf-8")
    assert text_lines("wikitext", tmp_path) == ["It cost 1,200 £."]
    assert as_written('a " quoted word " ( x @-@ y )') == 'a "quoted word" (x-y)'
    with pytest.raises(DataError, match=r"STS-B/dev\.tsv"):
        text_lines("stsb", tmp_path)
