"""Memory is bounded: what is kept is a choice, and however long the run, there is a most of it."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.compute import (
    ComputeEconomy,
    PeriodRecord,
    Recording,
    ZeroIntelligenceConstrained,
    synthetic_population,
)
from walras.market import CapacityMarket, FixedSupply, InvalidInputError

POPULATION = synthetic_population(1, 2, 3, rng=0)


def found(**options: object) -> ComputeEconomy:
    recording = Recording(**options)  # type: ignore[arg-type]
    market = CapacityMarket(FixedSupply(3.0))
    return ComputeEconomy(POPULATION, market, ZeroIntelligenceConstrained(), rng=4, recording=recording)


@pytest.fixture(scope="module")
def every_period() -> tuple[pd.DataFrame, pd.DataFrame]:
    economy = found()
    return economy.run(60), economy.periods


@pytest.mark.parametrize("every", [1, 2, 7, 61])
def test_every_so_many_periods_are_recorded_and_the_others_play_alike(
    every: int, every_period: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    economy = found(every=every)
    rows = economy.run(60)
    for got, full in ((rows, every_period[0]), (economy.rows, every_period[0]), (economy.periods, every_period[1])):
        expected = full[full["period"] % every == 0].reset_index(drop=True)
        pd.testing.assert_frame_equal(got, expected, check_exact=True)


def test_summaries_only(every_period: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    economy = found(agents=False)
    rows = economy.run(60)
    assert len(rows) == len(economy.rows) == 0
    assert rows.dtypes.tolist() == every_period[0].dtypes.tolist()
    pd.testing.assert_frame_equal(economy.periods, every_period[1], check_exact=True)


@given(most=st.integers(2, 40), every=st.integers(1, 3), periods=st.integers(1, 60))
def test_a_full_table_keeps_every_other_row_evenly_spaced(most: int, every: int, periods: int) -> None:
    economy = found(every=every, most_agent_rows=5 * most, most_period_rows=most)
    economy.run(periods)
    kept = economy.periods["period"].to_numpy()
    recorded = periods // every
    assert len(kept) <= most
    assert len(kept) >= min(recorded, most // 2)
    if recorded <= most:
        assert len(kept) == recorded
    if len(kept) > 1:
        assert np.ptp(np.diff(kept)) == 0
        assert kept[0] == kept[1] - kept[0]
    assert economy.rows["period"].unique().tolist() == kept.tolist()


def test_the_two_tables_are_thinned_apart(every_period: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    economy = found(most_agent_rows=50)
    rows = economy.run(60)
    assert rows["period"].unique().tolist() == [8, 16, 24, 32, 40, 48, 56]
    pd.testing.assert_frame_equal(economy.periods, every_period[1], check_exact=True)
    expected = every_period[0][every_period[0]["period"] % 8 == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, expected, check_exact=True)


def test_the_sink_receives_every_recorded_period_even_those_that_are_not_kept(
    every_period: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    records: list[PeriodRecord] = []
    economy = found(every=3, agents=False, most_period_rows=2, sink=records.append)
    economy.run(60)
    assert [record.totals["period"] for record in records] == list(range(3, 61, 3))
    third = every_period[0][every_period[0]["period"] == 3]
    for name, column in records[0].by_agent.items():
        np.testing.assert_array_equal(column, third[name])
    assert dict(records[0].totals) == every_period[1].iloc[2].to_dict()


def test_memory_does_not_grow_with_the_periods() -> None:
    economy = found(most_agent_rows=100, most_period_rows=20)
    economy.run(200)
    tracemalloc.start()
    economy.run(100)
    before = tracemalloc.get_traced_memory()[0]
    economy.run(500)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 70_000  # 500 periods kept in full take ten times as much


def test_memory_of_a_run_that_keeps_all_is_seen_to_grow() -> None:
    economy = found()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    economy.run(300)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown > 200_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, r"Recording\.every must be 1 or more"),
        ({"every": 1.5}, r"Recording\.every must be a whole number"),
        ({"agents": 1}, r"Recording\.agents must be True or False"),
        ({"most_agent_rows": 1}, r"Recording\.most_agent_rows must be 2 or more"),
        ({"most_period_rows": True}, r"Recording\.most_period_rows must be a whole number"),
        ({"sink": 3}, r"Recording\.sink must be None or a function"),
    ],
)
def test_refuses_malformed_recordings(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Recording(**options)  # type: ignore[arg-type]


def test_an_economy_refuses_what_is_no_recording() -> None:
    with pytest.raises(InvalidInputError, match="recording must be a Recording"):
        ComputeEconomy(
            POPULATION,
            CapacityMarket(FixedSupply(3.0)),
            ZeroIntelligenceConstrained(),
            rng=0,
            recording=10,  # type: ignore[arg-type]
        )
