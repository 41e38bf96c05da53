"""Calibrations against closed forms: answers, their uncertainty, resumption, and what is said when there is none."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.market import InvalidInputError
from walras.simulations import CellError, Scenario
from walras.simulations.calibration import (
    Calibration,
    Goal,
    Measure,
    StoredCalibration,
    calibrate,
    calibration_figure,
    write_calibration_report,
)
from walras.simulations.cli import main
from walras.simulations.runner.points import cell_seed

LINEAR = f"{Path(__file__).with_name('linear_market.py')}:EXPERIMENT"
REVENUE = Measure(table="markets", column="revenue", where={"market": "first"})
WELFARE = Measure(table="markets", column="welfare", where={"market": "first"})
NOISY = {"deviation": 0.05}


def asked(**parts):
    config = parts.pop("config", {})
    scenario = Scenario(experiment=LINEAR, seed=2, replications=parts.pop("replications", 1), config=config)
    return Calibration(
        **{"scenario": scenario, "ranges": {"tax": (0.0, 0.8)}, "measure": REVENUE, "goal": Goal("maximise"), **parts}
    )


def shocks(replications):
    return np.array([np.random.default_rng(cell_seed(2, r)).standard_normal() for r in range(replications)]) * 0.05


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """The revenue-maximising tax where demand is uncertain."""
    return calibrate(asked(config=NOISY, replications=6), tmp_path_factory.mktemp("noisy") / "run")


def rows_of(run):
    return [run.answer, run.replications, run.evaluations.drop(columns="seconds")]


def test_the_tax_of_largest_revenue(tmp_path):
    run = calibrate(asked(), tmp_path / "run")
    assert run.answer["answer"].item() == pytest.approx(0.45, abs=1e-4)
    assert run.value == pytest.approx(0.45**2 / 2.0, abs=1e-8)
    assert math.isnan(run.value_standard_error)
    assert run.answer["standard_error"].isna().all()
    assert run.warnings == ["With one replication nothing is known of the uncertainty: use --replications."]


def test_the_tax_of_largest_welfare_is_the_damage(tmp_path):
    run = calibrate(asked(measure=WELFARE, replications=2, config={"damage": 0.23, **NOISY}), tmp_path / "run")
    # Whatever the shock, so that nothing is uncertain but where the search stopped.
    assert run.answer["answer"].item() == pytest.approx(0.23, abs=1e-4)
    assert run.answer["standard_error"].item() < 1e-4


def test_the_least_cost_is_found_among_whole_numbers(tmp_path):
    cost = Measure(table="plants", column="cost")
    run = calibrate(asked(measure=cost, ranges={"plants": (1, 40)}, goal=Goal("minimise")), tmp_path / "run")
    assert run.answer["answer"].item() == 7


def test_uncertainty_is_that_of_the_closed_form(noisy):
    best = (0.9 + shocks(6)) / 2.0
    assert noisy.replications["tax"].tolist() == pytest.approx(best.tolist(), abs=2e-4)
    answer = noisy.answer.iloc[0]
    assert answer["answer"] == pytest.approx(best.mean(), abs=2e-4)
    assert answer["standard_error"] == pytest.approx(best.std(ddof=1) / math.sqrt(6), rel=0.02)
    # Student's t with 5 degrees of freedom, and what the search leaves open: a ten-thousandth of the range.
    half = 2.5705818 * answer["standard_error"] + 0.8e-4
    assert (answer["low_95"], answer["high_95"]) == pytest.approx(
        (answer["answer"] - half, answer["answer"] + half), rel=1e-6
    )
    assert noisy.warnings == []
    assert noisy.replications["value"].tolist() == pytest.approx((best**2 / 2.0).tolist(), abs=1e-6)


def test_a_target_is_met_at_its_lowest_crossing(tmp_path):
    run = calibrate(asked(goal=Goal("target", 0.08)), tmp_path / "run")
    assert run.answer["answer"].item() == pytest.approx((0.9 - math.sqrt(0.81 - 0.64)) / 2.0, abs=1e-4)
    assert run.is_met


def test_a_target_out_of_reach_is_said(tmp_path):
    run = calibrate(asked(goal=Goal("target", 0.2), replications=2), tmp_path / "run")
    assert not run.is_met
    assert run.value == pytest.approx(0.10125, abs=1e-6)
    assert "The target 0.2 was not reached within the ranges; nearest: 0.10125." in run.warnings


def test_an_answer_at_the_end_of_its_range_is_said(tmp_path):
    run = calibrate(asked(ranges={"tax": (0.0, 0.3)}, replications=2), tmp_path / "run")
    assert run.answer["answer"].item() == 0.3
    assert run.warnings == ["tax lies at the upper end of its range: look beyond it."]


@pytest.mark.parametrize("method", ["local", "global"])
def test_several_fields(tmp_path, method):
    both = Measure(table="markets", column="revenue", statistic="sum")
    ranges = {"tax": (0.0, 0.8), "second_tax": (0.01, 0.8)}
    run = calibrate(asked(measure=both, ranges=ranges, method=method, evaluations=300), tmp_path / "run")
    assert run.answer["answer"].tolist() == pytest.approx([0.45, 0.3], abs=5e-3)
    assert len(calibration_figure(run).axes) == 2


@pytest.mark.parametrize("cells", [1, 60])
def test_what_was_killed_goes_on_and_ends_the_same(noisy, tmp_path, cells):
    left = [cells]

    def advance():
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    question = noisy.calibration
    with pytest.raises(KeyboardInterrupt):
        calibrate(question, tmp_path / "run", on_stage=lambda _description, _most: advance)
    with pytest.raises(InvalidInputError, match=r"is not complete\. Run the same command again with --out"):
        StoredCalibration(tmp_path / "run")
    lines = tmp_path / "run" / "evaluations.jsonl"
    assert len(lines.read_text().splitlines()) == cells
    with lines.open("a") as file:
        file.write('{"key": [0.1')  # as if it had been killed while it wrote
    left[0] = 10**6
    run = calibrate(question, tmp_path / "run", on_stage=lambda _description, _most: advance)
    assert 10**6 - left[0] == len(noisy.evaluations) - cells  # no cell that was stored is run again
    for ours, theirs in zip(rows_of(run), rows_of(noisy), strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert not lines.exists()


def test_worker_processes_give_the_same_rows(noisy, tmp_path):
    run = calibrate(noisy.calibration, tmp_path / "run", executor="local", jobs=2)
    for ours, theirs in zip(rows_of(run), rows_of(noisy), strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_a_finished_calibration_is_read_and_reported_anew(noisy):
    again = calibrate(noisy.calibration, noisy.path)
    assert again.calibration == noisy.calibration
    report = write_calibration_report(StoredCalibration(noisy.path))
    text = report.read_text()
    assert "Which tax (from 0 to 0.8) makes mean of revenue (markets, market = first) largest?" in text
    assert "95 % interval" in text
    assert (noisy.path / "figures" / "calibration.png").stat().st_size > 5000


def test_another_question_in_the_same_folder_is_refused(noisy):
    with pytest.raises(InvalidInputError, match=r"calibration\.goal\.kind is 'maximise' there and 'minimise' here"):
        calibrate(asked(config=NOISY, replications=6, goal=Goal("minimise")), noisy.path)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"ranges": {}}, "needs one or more ranges"),
        ({"ranges": {"tix": (0, 1)}}, r"there is no field 'tix' \(did you mean 'tax'\?\)"),
        (
            {"ranges": {"tax": (-0.5, 1)}},
            r"refuses the lower ends of the ranges \(tax=-0.5\): Config.tax must be 0 or more",
        ),
        ({"method": "newton"}, "There is no method 'newton'; there are: local, global"),
        ({"evaluations": 0}, "evaluations must be 1 or more"),
    ],
)
def test_questions_that_cannot_be_asked(parts, message):
    with pytest.raises(InvalidInputError, match=message):
        asked(**parts)


def test_a_grid_beside_the_free_fields_is_refused():
    gridded = Scenario(experiment=LINEAR, grid={"tax": [0.1, 0.2], "damage": [0.0, 0.1]})
    with pytest.raises(InvalidInputError, match="one value of each field that is not free: set damage"):
        asked(scenario=gridded)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (Measure(table="market", column="revenue"), r"There is no table 'market' \(did you mean 'markets'\?\)"),
        (Measure(table="markets", column="revenu"), r"has no column 'revenu' \(did you mean 'revenue'\?\)"),
        (
            Measure(table="markets", column="revenue", where={"market": "third"}),
            "No row of 'markets' has market = 'third'",
        ),
        (Measure(table="markets", column="market"), "Column 'market' of 'markets' holds no numbers but"),
    ],
)
def test_measures_that_are_not_there(tmp_path, measure, message):
    with pytest.raises(CellError, match=message):
        calibrate(asked(measure=measure), tmp_path / "run")


def test_statistics():
    rows = {"rows": pd.DataFrame({"value": [1.0, 4.0, 2.0, 5.0]})}
    found = {name: Measure(table="rows", column="value", statistic=name).of(rows) for name in ("median", "last", "std")}
    assert found == {"median": 3.0, "last": 5.0, "std": pytest.approx(math.sqrt(2.5))}
    with pytest.raises(InvalidInputError, match=r"There is no statistic 'meen' \(did you mean 'mean'"):
        Measure(table="rows", column="value", statistic="meen")


def test_a_cell_that_fails_stops_the_search(tmp_path):
    with pytest.raises(CellError, match=r"point 0 \(tax=0\.8\), replication 0.*the market closed"):
        calibrate(asked(config={"fails_at": 0.75}), tmp_path / "run")


@pytest.fixture
def walras(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linear.toml").write_text(
        f'experiment = "{LINEAR}"\nreplications = 3\nconfig = {{ deviation = 0.05 }}\n'
    )

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["walras", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, " ".join((captured.out + captured.err).split())

    return call


def test_the_command_and_its_report(walras):
    arguments = ("--over", "tax=0..0.8", "--measure", "markets.revenue", "--where", "market=first", "--out", "run")
    code, _, said = walras("calibrate", "linear.toml", *arguments, "--maximise")
    assert code == 0
    assert "Which tax (from 0 to 0.8) makes mean of revenue (markets, market = first) largest?" in said
    assert "Report: run/report.html" in said
    Path("run/figures/calibration.png").unlink()
    code, out, _ = walras("report", "run", "--json")
    assert code == 0
    answer = json.loads(out)["answer"][0]
    assert answer["answer"] == pytest.approx((0.9 + np.mean(walras_shocks())) / 2.0, abs=2e-4)
    assert Path("run/figures/calibration.png").exists()


def walras_shocks():
    return np.array([np.random.default_rng(cell_seed(0, r)).standard_normal() for r in range(3)]) * 0.05


def test_a_target_out_of_reach_fails_the_command(walras):
    code, _, said = walras(
        "calibrate", "linear.toml", "--over", "tax=0..0.8", "--measure", "markets.revenue", "--target", "5"
    )
    assert code == 1
    assert "The target 5 was not reached" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--over", "tax=0..1", "--maximise"), "--measure must be written TABLE.COLUMN"),
        (("--over", "tax=0..1", "--measure", "markets.revenue"), "one of --maximise, --minimise or --target"),
        (("--over", "tax", "--measure", "markets.revenue", "--maximise"), "--over must be written name=..."),
        (("--measure", "markets.revenue", "--maximise"), "needs one or more ranges"),
    ],
)
def test_commands_that_say_too_little(walras, tmp_path, arguments, complaint):
    code, _, said = walras("calibrate", "linear.toml", *arguments)
    assert code == 2
    assert complaint in said
    assert [path.name for path in tmp_path.iterdir()] == ["linear.toml"]
