"""`walras check`: what a user reads, and the exit status that a script needs."""

import json
import sys

import pytest

from walras.simulations.cli import main

SOURCE = """
from types import SimpleNamespace
import numpy as np
from walras.market import Property
from walras.market.testing import SealedBids

class FirstPrice:
    domain = SealedBids()
    declared_properties = {Property.EFFICIENT}

    def clear(self, bids):
        won = np.zeros(bids.size)
        won[np.argmax(bids)] = 1.0
        return SimpleNamespace(allocation=won, payments=won * bids)

class Boasting(FirstPrice):
    declared_properties = {Property.STRATEGY_PROOF}

class Homeless:
    def clear(self, bids):
        return FirstPrice().clear(bids)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "mine.py").write_text(SOURCE, encoding="utf-8")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["walras", "check", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    yield call
    sys.modules.pop("mine", None)


def test_an_honest_mechanism_passes_and_its_failings_are_shown(run):
    code, out, _ = run("mine.py:FirstPrice", "--examples", "100")
    assert code == 0
    assert "FirstPrice, asked as SealedBids" in out
    assert "strategy proof" in out
    assert "agent 0 gains 1 by reporting 0.0 instead of 1.0" in out


def test_a_false_claim_fails_with_the_counterexample(run):
    code, out, err = run("mine.py:Boasting", "--examples", "100", "--quiet")
    assert code == 2
    assert out == ""
    assert "does not keep what it declares" in err
    assert "agent 0 gains 1" in err
    assert "Traceback" not in err


def test_json_for_scripts(run):
    code, out, _ = run("mine.py:FirstPrice", "--json", "--examples", "50", "--seed", "3")
    assert code == 0
    findings = {finding["property"]: finding for finding in json.loads(out)["findings"]}
    assert findings["EFFICIENT"]["verdict"] == "HOLDS"
    assert findings["EFFICIENT"]["counterexample"] is None
    assert findings["STRATEGY_PROOF"]["counterexample"].startswith("reports (")


def test_the_domain_can_be_named(run):
    assert run("mine.py:Homeless", "--domain", "sealed-bids", "--examples", "20")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("mine.py:Homeless",), "No domain is known for Homeless"),
        (("mine.py:Homeless", "--domain", "lottery"), "No domain is called 'lottery'; known: sealed-bids, positions"),
        (("nowhere.py:Homeless",), "There is no file nowhere.py"),
    ],
)
def test_errors_are_one_sentence(run, arguments, part):
    code, _, err = run(*arguments)
    assert code == 2
    assert part in " ".join(err.split())
    assert "Traceback" not in err
