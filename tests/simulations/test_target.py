"""Mechanisms named on the command line: found, made, or refused with a reason."""

import sys

import pytest

from walras.market import InvalidInputError
from walras.simulations.target import load_target

SOURCE = """
class Made:
    domain = None

class Needy:
    def __init__(self, units): ...

class Outer:
    inner = 7

def make():
    return "made by a function"

instance = Made()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "mechanisms_of_mine.py"
    path.write_text(SOURCE, encoding="utf-8")
    yield path
    sys.modules.pop("mechanisms_of_mine", None)


@pytest.mark.parametrize("place", ["mechanisms_of_mine", "mechanisms_of_mine.py"])
def test_classes_are_made_functions_called_and_instances_taken(module, place):
    assert type(load_target(f"{place}:Made")).__name__ == "Made"
    assert load_target(f"{place}:make") == "made by a function"
    assert type(load_target(f"{place}:instance")).__name__ == "Made"
    assert load_target(f"{place}:Outer.inner") == 7


def test_a_full_path_with_a_colon_free_name(module):
    assert load_target(f"{module}:make") == "made by a function"


def test_our_own_mechanisms_can_be_named():
    assert load_target("walras.market:CapacityMarket.__name__") == "CapacityMarket"


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("mechanisms_of_mine", "module:Name or file.py:Name, got 'mechanisms_of_mine'"),
        (":Made", "got ':Made'"),
        ("mechanisms_of_mine:", "got 'mechanisms_of_mine:'"),
        ("mechanisms_of_mine:Absent", "mechanisms_of_mine has no 'Absent'; it has Made, Needy, Outer, instance, make"),
        ("mechanisms_of_mine:Needy", "mechanisms_of_mine:Needy needs arguments (missing a required argument: 'units')"),
        ("absent.py:Made", "There is no file absent.py"),
        ("absent_module:Made", "There is no module 'absent_module'"),
        ("walras.absent:Made", "There is no module 'walras.absent'"),
    ],
)
def test_bad_targets(module, target, part):
    with pytest.raises(InvalidInputError) as raised:
        load_target(target)
    assert part in str(raised.value)
