"""Price discovery on few sessions: anchors that can fail, traders that learn or do not, figures."""

import numpy as np
import pandas as pd
import pytest
from tests.simulations.experiments.stored import points_of_scenario, stored_tables

from walras.market import InvalidInputError
from walras.simulations.experiments import load_experiment
from walras.simulations.experiments.double_auction import (
    EXPERIMENT,
    GD,
    MARKETS,
    POLICIES,
    ZI_C,
    ZI_U,
    ZIP,
    Config,
    induced_market,
    run,
)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    points = [
        Config(market=market, policy=policy, sessions=30 if policy == ZI_C else 6)
        for market in MARKETS
        for policy in (ZI_U, ZI_C, ZIP)
    ] + [Config(market="smith-1962", policy=GD, sessions=1, days=4)]
    return stored_tables(EXPERIMENT, points)


def test_the_experiment_and_its_scenario() -> None:
    assert load_experiment("double-auction") is EXPERIMENT
    assert {(point.market, point.policy) for point in points_of_scenario(EXPERIMENT)} == {
        (market, policy) for market in MARKETS for policy in POLICIES
    }


def test_anchors_agree(tables: dict[str, pd.DataFrame]) -> None:
    found = EXPERIMENT.anchors(tables)
    assert len(found) == 2 * (4 + 2 + 2) + 1
    assert [anchor for anchor in found if not anchor.agrees] == []


@pytest.mark.parametrize(
    ("policy", "change"),
    [
        (ZI_C, lambda rows: rows.assign(efficiency=rows["efficiency"] - 0.02)),
        (ZI_C, lambda rows: rows.assign(alpha=rows["alpha"] / rows["day"])),
        (ZIP, lambda rows: rows.assign(efficiency=rows["efficiency"] - 0.05)),
        (ZIP, lambda rows: rows.assign(alpha=0.1)),
    ],
)
def test_anchors_can_fail(tables: dict[str, pd.DataFrame], policy: str, change: object) -> None:
    cells = tables["cells"].set_index("cell")["policy"]
    chosen = tables["days"]["cell"].map(cells) == policy
    days = pd.concat([tables["days"][~chosen], change(tables["days"][chosen])])
    wrong = [anchor for anchor in EXPERIMENT.anchors({**tables, "days": days}) if not anchor.agrees]
    assert len(wrong) == 2  # one of each market


def test_a_wrong_equilibrium_is_noticed(tables: dict[str, pd.DataFrame]) -> None:
    wrong = tables["equilibrium"].assign(surplus=7.0)
    assert not all(anchor.agrees for anchor in EXPERIMENT.anchors({**tables, "equilibrium": wrong}))


def test_the_more_traders_know_the_more_surplus_they_find(tables: dict[str, pd.DataFrame]) -> None:
    days = tables["days"].merge(tables["cells"][["cell", "market", "policy"]], on="cell")
    late = days[days["day"] > 5].groupby(["market", "policy"])[["efficiency", "alpha"]].mean()
    for market in MARKETS:
        means = late.loc[market].loc[[ZI_U, ZI_C, ZIP]]
        assert means["efficiency"].is_monotonic_increasing
        assert means["alpha"].is_monotonic_decreasing


def test_sessions_are_those_of_the_generator() -> None:
    chosen = Config(policy=ZIP, sessions=2, days=3)
    first, again = (run(chosen, np.random.default_rng(4)) for _ in range(2))
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, again[name])
    days = first["days"]
    assert days.groupby("session")["mean_price"].apply(list).map(tuple).nunique() == 2
    assert len(first["trades"]) == days[days["session"] == 0]["trades"].sum()
    means = first["trades"].groupby("day")["price"].mean()
    np.testing.assert_allclose(means, days.loc[days["session"] == 0, "mean_price"])


def test_markets_are_within_their_ceiling() -> None:
    for name, known in MARKETS.items():
        market = induced_market(name)
        assert market.equilibrium().surplus == round(known.ticks * known.surplus)
        assert max(known.values) <= known.highest_quote


def test_figures_are_drawn_from_stored_tables(tables: dict[str, pd.DataFrame]) -> None:
    figures = EXPERIMENT.figures(tables)
    assert list(figures) == ["prices", "efficiency"]
    for figure in figures.values():
        figure.canvas.draw()
        assert all(axis.get_xlabel() for axis in figure.axes)
    one = {name: table[table["cell"] == 2] for name, table in tables.items()}
    assert len(EXPERIMENT.figures(one)["prices"].axes) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"market": "bazaar"}, "Config.market must be one of"),
        ({"policy": "human"}, "Config.policy must be one of"),
        ({"days": 1}, "Config.days must be 2 or more"),
        ({"sessions": 0}, "Config.sessions must be 1 or more"),
    ],
)
def test_refuses_malformed_configurations(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Config(**change)
