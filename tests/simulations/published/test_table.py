"""The table of published results: it says so when a number does not agree."""

from types import SimpleNamespace

import pytest
from rich.console import Console

from walras.market import InvalidInputError
from walras.simulations.published import Comparison, PublishedResult, table
from walras.simulations.published.command import recompute

RIGHT = PublishedResult("right", "Two is two.", "closed form", lambda: [Comparison("two", 2.0, 2.0 + 1e-9, 1e-8)])
WRONG = PublishedResult(
    "wrong", "Two is a|b.", "nobody", lambda: [Comparison("two", 2.0, 2.0, 0.0), Comparison("three", 3.0, 3.1, 0.05)]
)
EMPTY = PublishedResult("empty", "Nothing.", "nobody", list)


@pytest.fixture(autouse=True)
def rows(monkeypatch):
    monkeypatch.setattr(table, "FAMILIES", ("one", "two"))
    modules = {"one": SimpleNamespace(ROWS=(RIGHT,)), "two": SimpleNamespace(ROWS=(WRONG, EMPTY))}
    monkeypatch.setattr(table, "import_module", lambda name: modules[name.rpartition(".")[2]])


@pytest.mark.parametrize(
    ("expected", "obtained", "tolerance", "agrees"),
    [(1.0, 1.5, 0.5, True), (1.0, 1.5, 0.4999, False), (1.0, float("nan"), 9.0, False), (0.0, 0.0, 0.0, True)],
)
def test_numbers_agree_within_the_tolerance(expected, obtained, tolerance, agrees):
    assert Comparison("x", expected, obtained, tolerance).agrees is agrees


def test_one_number_that_does_not_agree_or_none_at_all_is_a_failure():
    assert [table.compute(result).agrees for result in table.all_results()] == [True, False, False]


def test_markdown():
    lines = table.as_markdown(map(table.compute, table.all_results())).splitlines()
    assert lines[0] == "| id | claim and source | quantity | expected | obtained | tolerance | agrees |"
    assert lines[2] == "| `right` | Two is two. *closed form* | two | 2 | 2.000000001 | 1e-08 | yes |"
    assert lines[3].startswith("| `wrong` | Two is a\\|b. *nobody* | two |")
    assert lines[4] == "|  |  | three | 3 | 3.1 | 0.05 | **no** |"


def test_the_command_says_whether_all_agree(tmp_path, capsys):
    console = Console(width=120)
    assert recompute(console, ["right"], tmp_path / "table.md", quiet=True)
    assert capsys.readouterr().out == ""
    page = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert page.startswith("# Published results\n")
    assert page.endswith(table.as_markdown([table.compute(RIGHT)]))
    assert not recompute(console, [], None, quiet=False)
    shown = capsys.readouterr().out
    assert "1 of 3 results agree." in shown
    assert "3.1" in shown


def test_unknown_results():
    with pytest.raises(InvalidInputError, match="No published result is called 'rihgt'; known: right, wrong, empty"):
        table.choose(["rihgt"])
