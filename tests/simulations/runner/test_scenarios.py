"""Scenarios: fields and their types, points, seeds, and what is said when something is wrong."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from walras.market import InvalidInputError
from walras.simulations import Range, Scenario, find_experiment, load_scenario, scenario_files
from walras.simulations.runner.points import cell_seed, cell_tasks, points_of, value_in_range

MARKET_DAY = f"{Path(__file__).with_name('market_day.py')}:EXPERIMENT"


def scenario(**parts):
    return Scenario(experiment=MARKET_DAY, **parts)


def test_each_scenario_that_comes_with_walras_is_valid_and_survives_toml(tmp_path):
    assert {"scarf", "inequality", "tax-incidence"} <= set(scenario_files())
    for name in scenario_files():
        loaded = load_scenario(name)
        assert points_of(loaded)
        (tmp_path / "again.toml").write_text(loaded.as_toml(), encoding="utf-8")
        assert load_scenario(tmp_path / "again.toml") == loaded


def test_every_kind_of_value_survives_toml(tmp_path):
    whole = scenario(
        seed=7,
        replications=2,
        samples=5,
        config={"season": 'a "wet" autumn\n\x7fé', "open_late": True, "prices": [1, 1e-300, 0.1]},
        grid={"trouble": ["", "flood"]},
        sobol={"tax_rate": (0.0, 0.5), "pause": Range(1e-3, 1e3, log=True), "households": (1, 9)},
    )
    (tmp_path / "again.toml").write_text(whole.as_toml(), encoding="utf-8")
    again = load_scenario(tmp_path / "again.toml")
    assert again == whole
    assert again.config["prices"] == (1.0, 1e-300, 0.1)


def test_a_scenario_finds_the_experiment_beside_it(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(Path(__file__).with_name("market_day.py").read_text(encoding="utf-8"))
    (tmp_path / "mine.toml").write_text('experiment = "mine.py:EXPERIMENT"\n')
    monkeypatch.chdir(tmp_path.parent)
    loaded = load_scenario(tmp_path / "mine.toml")
    assert find_experiment(loaded.experiment).title == "A day at the market"


def test_points_are_the_grid_in_order_each_with_the_same_samples():
    swept = scenario(
        grid={"season": ["spring", "autumn"], "open_late": [False, True]}, sobol={"tax_rate": (0.2, 0.4)}, samples=3
    )
    points = points_of(swept)
    assert [(point.values["season"], point.values["open_late"]) for point in points[::3]] == list(
        itertools.product(["spring", "autumn"], [False, True])
    )
    rates = [point.values["tax_rate"] for point in points]
    assert rates == rates[:3] * 4
    assert len(set(rates)) == 3
    assert all(0.2 <= rate <= 0.4 for rate in rates)


def test_sobol_samples_are_even_and_grow_without_changing():
    few, many = (
        np.array([point.values["tax_rate"] for point in points_of(scenario(sobol={"tax_rate": (0, 1)}, samples=count))])
        for count in (8, 16)
    )
    np.testing.assert_array_equal(few, many[:8])
    assert np.bincount((8 * few).astype(int)).tolist() == [1] * 8  # one in each eighth: no chance sample does that
    other = [point.values["tax_rate"] for point in points_of(scenario(seed=1, sobol={"tax_rate": (0, 1)}, samples=8))]
    assert other != few.tolist()


def test_whole_numbers_and_logarithms_fill_their_ranges():
    fields = {field.name: field for field in scenario().fields}
    shares = (np.arange(4000) + 0.5) / 4000
    whole = [value_in_range(fields["households"], Range(1, 4), share) for share in shares]
    assert np.bincount(whole).tolist() == [0, 1000, 1000, 1000, 1000]
    assert all(type(value) is int for value in whole)
    logarithmic = [value_in_range(fields["pause"], Range(0.01, 100.0, log=True), share) for share in (0.0, 0.5, 0.75)]
    assert logarithmic == pytest.approx([0.01, 1.0, 10.0])


def test_seeds_are_spawned_and_shared_by_the_points():
    swept = scenario(seed=11, replications=3, grid={"tax_rate": [0.0, 0.5]})
    tasks = list(cell_tasks(swept, points_of(swept)))
    assert [(task.cell, task.point.number, task.replication) for task in tasks] == [
        (cell, *pair) for cell, pair in enumerate(itertools.product(range(2), range(3)))
    ]
    for replication, spawned in enumerate(np.random.SeedSequence(11).spawn(3)):
        ours = cell_seed(11, replication)
        assert ours.generate_state(4).tolist() == spawned.generate_state(4).tolist()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"config": {"tax_rat": 0.1}},
            r"there is no field 'tax_rat' \(did you mean 'tax_rate'\?\)\. Fields: households \(int",
        ),
        ({"config": {"tax_rate": "high"}}, "tax_rate must be a number; got 'high'"),
        ({"config": {"tax_rate": True}}, "tax_rate must be a number; got True"),
        ({"config": {"households": 2.5}}, r"households must be a whole number; got 2\.5"),
        ({"config": {"open_late": 1}}, "open_late must be true or false; got 1"),
        ({"config": {"prices": 3.0}}, "prices must be a list, each a number; got 3.0"),
        ({"grid": {"tax_rate": 0.1}}, r"The grid of tax_rate must be a list of values, got 0\.1"),
        ({"grid": {"tax_rate": [0.1, 0.1]}}, "must hold one or more values that differ"),
        ({"grid": {"tax_rate": []}}, "must hold one or more values"),
        ({"sobol": {"season": (0, 1)}, "samples": 4}, "season is a str: only numbers can be sampled"),
        ({"sobol": {"tax_rate": (1, 0)}, "samples": 4}, r"from a lower to a higher number, got 1\.\.0"),
        ({"sobol": {"households": (0.5, 3)}, "samples": 4}, "must have whole ends"),
        ({"sobol": {"tax_rate": (0, 1)}}, "ranges need a number of samples"),
        ({"samples": 4}, "there is no range to sample from"),
        ({"config": {"tax_rate": 0.1}, "grid": {"tax_rate": [0.1]}}, "tax_rate is set twice"),
        ({"replications": 0}, "replications must be 1 or more, got 0"),
    ],
)
def test_what_is_wrong_is_said(parts, message):
    with pytest.raises(InvalidInputError, match=message):
        scenario(**parts)


def test_a_point_that_the_configuration_refuses_is_named():
    with pytest.raises(InvalidInputError, match=r"point 1 \(tax_rate=1\.5\): Config\.tax_rate must be at most 1"):
        points_of(scenario(grid={"tax_rate": [0.5, 1.5]}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 0", 'must name its experiment: experiment = "NAME"'),
        ('experiment = "scarf"\nrepetitions = 3', r"there is no 'repetitions' \(did you mean 'replications'"),
        ('experiment = "scraf"', r"There is no experiment 'scraf' \(did you mean 'scarf'"),
        ('experiment = "scarf"\ngrid = 3', r"\[grid\] must be a table of fields, got 3"),
        ('experiment = "pathlib:Path"', "must be an Experiment"),
        ("experiment = ", "is not TOML"),
    ],
)
def test_files_that_are_no_scenario(tmp_path, text, message):
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        load_scenario(tmp_path / "wrong.toml")


def test_scenarios_that_are_not_there(tmp_path):
    with pytest.raises(
        InvalidInputError, match=r"There is no scenario 'inequalty' \(did you mean 'inequality'\?\)\. Scenarios"
    ):
        load_scenario("inequalty")
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        load_scenario(tmp_path / "none.toml")


def test_a_changed_scenario_forgets_what_was_said_of_the_field():
    swept = scenario(grid={"tax_rate": [0.1, 0.2]}, config={"season": "summer"})
    fixed = swept.changed(config={"tax_rate": 0.3})
    assert fixed.grid == {}
    assert fixed.config == {"season": "summer", "tax_rate": 0.3}
    sampled = fixed.changed(sobol={"tax_rate": Range(0.0, 1.0)}, samples=4, seed=5)
    assert sampled.config == {"season": "summer"}
    assert (sampled.samples, sampled.seed) == (4, 5)
    assert sampled.changed(config={"tax_rate": 0.0}).samples is None
