"""The gallery's page: made from stored runs, with the command of each; and the page in the documentation."""

import re
from pathlib import Path

import pytest

from walras.market import InvalidInputError
from walras.simulations.experiments import EXPERIMENTS
from walras.simulations.experiments.gallery import command_of, write_gallery
from walras.simulations.runner import load_scenario, run_scenario, scenario_files

PAGE = Path(__file__).parents[3] / "docs" / "results" / "gallery.md"


def test_a_page_from_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = {"market": ["smith-1962"], "policy": ["zip"]}
    small = load_scenario("double-auction").changed(config={"sessions": 2, "days": 3}, grid=grid, replications=1)
    monkeypatch.setattr("walras.simulations.experiments.gallery.load_scenario", lambda name: small)
    run = run_scenario(small, tmp_path / "run", executor="serial")
    write_gallery(tmp_path / "gallery.md", [run])
    text = (tmp_path / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[.*\]\((.*)\)", text)
    assert len(shown) == 2
    for name in shown:
        content = (tmp_path / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 200_000
    assert "equilibrium quantity, smith-1962 | 6 | 6 |" in text


def test_a_changed_scenario_has_no_short_command() -> None:
    assert command_of(load_scenario("scarf")) == "walras simulate scarf"
    with pytest.raises(InvalidInputError, match="of no scenario that comes with walras"):
        command_of(load_scenario("scarf").changed(seed=7))


def test_the_documentation_shows_each_scenario_with_its_figures() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert sorted(re.findall(r"^walras simulate (\S+)$", text, flags=re.MULTILINE)) == sorted(scenario_files())
    assert set(EXPERIMENTS) <= set(scenario_files())
    for name in re.findall(r"!\[.*\]\((.*)\)", text):
        assert 5_000 < (PAGE.parent / name).stat().st_size < 200_000
    assert "**(no)**" not in text
