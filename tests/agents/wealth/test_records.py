"""What is kept: summaries by hand, evenly spaced rows, and memory that does not grow."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.wealth import (
    PERIOD_COLUMNS,
    Activation,
    ColumnarWealthEconomy,
    MoneyExchange,
    SavingExchange,
    WealthEconomy,
)
from walras.agents.wealth.records import PeriodRecorder, wealth_summary
from walras.market import gini
from walras.market.taxation import WealthTax

ROW = dict.fromkeys(PERIOD_COLUMNS, 0)


def test_a_summary_by_hand():
    summary = wealth_summary(np.array([0] * 50 + [1] * 40 + [4] * 9 + [24]))
    assert summary["top_1_share"] == pytest.approx(0.24)
    assert summary["top_10_share"] == pytest.approx(0.6)
    assert summary["bottom_50_share"] == pytest.approx(0.0, abs=1e-15)
    assert summary["median_cents"] == 0.5
    assert summary["p90_cents"] == pytest.approx(1.3)  # a tenth of the way from the 90th to the 91st
    assert summary["p99_cents"] == pytest.approx(4.2)
    assert summary["richest_cents"] == 24
    assert summary["poor_share"] == 0.5
    assert summary["gini"] == pytest.approx(gini([0] * 50 + [1] * 40 + [4] * 9 + [24]))
    assert summary["theil"] == pytest.approx(0.36 * np.log(4) + 0.24 * np.log(24))
    assert list(summary) == [name for name in PERIOD_COLUMNS if name in summary]


def test_nobody_owns_anything():
    summary = wealth_summary(np.zeros(10, dtype=np.int64))
    assert summary["gini"] == summary["theil"] == 0.0
    assert summary["poor_share"] == 1.0
    assert summary["top_10_share"] == pytest.approx(0.1)


@given(periods=st.integers(0, 300), every=st.integers(1, 7), most=st.integers(2, 20))
def test_rows_are_evenly_spaced_and_bounded(periods, every, most):
    recorder = PeriodRecorder(every, most)
    for period in range(periods + 1):
        if recorder.wants(period):
            recorder.add({**ROW, "period": period})
    kept = recorder.table()["period"].tolist()
    assert kept == list(range(0, periods + 1, recorder.stride))
    assert len(kept) <= most
    assert recorder.stride == every or len(kept) >= most // 2
    assert recorder.stride % every == 0


@pytest.mark.parametrize("engine", [WealthEconomy, ColumnarWealthEconomy])
def test_the_table_has_the_columns_and_dtypes_that_are_documented(engine):
    economy = engine([100, 300, 50], SavingExchange(), rng=0, tax=WealthTax(0.0, 0.1), record_every=3)
    assert economy.periods["period"].tolist() == [0]
    table = economy.run(7)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == dict(PERIOD_COLUMNS)
    assert table["period"].tolist() == [0, 3, 6]
    assert table["total_cents"].tolist() == [450] * 3
    assert table["tax_cents"].tolist()[0] == 0
    assert 43 <= table["tax_cents"].tolist()[1] <= 47
    assert table["rebate_cents"].tolist()[1:] == [15, 15]


def peak(economy, periods):
    """Bytes that a run held at most, beyond what there was before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        economy.run(periods)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_memory_stays_bounded_in_long_runs():
    """A hundred thousand periods hold no more than the first few hundred: the rows are at most 32 all the time."""
    economy = ColumnarWealthEconomy([5, 5, 5, 5], MoneyExchange(), rng=0, most_rows=32)
    short = peak(economy, 500)
    long = peak(economy, 100_000)
    assert long <= short + 20_000
    assert len(economy.periods) <= 32
    assert economy.steps == 100_500
    by_object = WealthEconomy([5, 5, 5, 5], MoneyExchange(), rng=0, most_rows=32, activation=Activation.SEQUENCE)
    short = peak(by_object, 500)
    assert peak(by_object, 10_000) <= short + 20_000
    # With all rows kept it grows: the bounds above can fail.
    everything = ColumnarWealthEconomy([5, 5, 5, 5], MoneyExchange(), rng=0, most_rows=10**9)
    assert peak(everything, 3_000) > short + 200_000
