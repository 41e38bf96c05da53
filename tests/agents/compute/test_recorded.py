"""Populations from tables and files: what the coupling writes can be loaded, and nothing malformed passes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.compute import (
    ComputeEconomy,
    ConstantValuations,
    RecordedValuations,
    Truthful,
    load_population,
    synthetic_population,
)
from walras.market import CapacityMarket, FixedSupply, InvalidInputError
from walras.market.validation import FloatArray


def table(**changes: object) -> pd.DataFrame:
    """As `walras.llm.ModelEconomy.frame()` writes it."""
    columns = {
        "kind": ["head", "head", "neuron_block"],
        "layer": [0, 0, 0],
        "index": [0, 1, 0],
        "width": [64, 64, 256],
        "cost_flops": [400, 400, 200],
        "cost": [0.4, 0.4, 0.2],
        "valuation": [-1.5, 2.0, 0.5],
        "served": [False, True, True],
    }
    return pd.DataFrame(columns | changes)


def steps() -> pd.DataFrame:
    """Three steps, in another order of agents each."""
    parts = [
        table(valuation=[1.0, 2.0, 3.0]).assign(step=100),
        table(valuation=[4.0, -1.0, 6.0]).iloc[[2, 0, 1]].assign(step=50),
        table(valuation=[7.0, 8.0, 9.0]).iloc[::-1].assign(step=200),
    ]
    return pd.concat(parts)


def test_the_lowest_valuation_becomes_0_and_the_shift_is_told() -> None:
    recorded = load_population(table())
    assert recorded.shift == 1.5
    assert recorded.agents["valuation"].tolist() == [0.0, 3.5, 2.0]
    assert list(recorded.agents.columns) == ["kind", "layer", "index", "valuation", "cost"]
    assert isinstance(recorded.process, ConstantValuations)


def test_nothing_is_shifted_without_need() -> None:
    recorded = load_population(table(valuation=[1.5, 2.0, 0.5], wealth_cents=[5, 6, 7]))
    assert recorded.shift == 0.0
    assert recorded.agents["valuation"].tolist() == [1.5, 2.0, 0.5]
    assert recorded.agents["wealth_cents"].tolist() == [5, 6, 7]


def test_a_shift_of_ones_own() -> None:
    assert load_population(table(), shift=2.0).agents["valuation"].tolist() == [0.5, 4.0, 2.5]
    assert load_population(table(), shift=2.0).shift == 2.0


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_is_the_table_that_was_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"agents.{suffix}"
    written = steps()
    written.to_csv(path, index=False) if suffix == "csv" else written.to_parquet(path)
    for source in (path, str(path)):
        recorded, expected = load_population(source), load_population(written)
        pd.testing.assert_frame_equal(recorded.agents, expected.agents)
        np.testing.assert_array_equal(recorded.process.record, expected.process.record)  # type: ignore[union-attr]


def test_steps_become_a_process_in_the_order_of_the_steps_and_of_the_first_agents() -> None:
    recorded = load_population(steps())
    assert isinstance(recorded.process, RecordedValuations)
    assert recorded.shift == 1.0
    assert recorded.agents[["kind", "index"]].to_numpy().tolist() == [["neuron_block", 0], ["head", 0], ["head", 1]]
    np.testing.assert_array_equal(recorded.process.record, [[7.0, 5.0, 0.0], [4.0, 2.0, 3.0], [10.0, 8.0, 9.0]])
    np.testing.assert_allclose(recorded.agents["valuation"], [7.0, 5.0, 4.0])


def test_an_economy_plays_the_record() -> None:
    recorded = load_population(steps())
    economy = ComputeEconomy(
        recorded.agents,
        CapacityMarket(FixedSupply(0.5)),
        Truthful(),
        rng=0,
        valuations=recorded.process,
        cents_per_money=10_000,
    )
    rows = economy.run(4)
    assert rows[rows["agent"] == 0]["valuation"].tolist() == [7.0, 4.0, 10.0, 7.0]


@given(
    valuations=st.lists(st.integers(-400, 400), min_size=12, max_size=12).map(lambda eighths: np.array(eighths) / 8.0)
)
def test_a_shift_changes_no_allocation_at_a_fixed_supply_and_moves_the_price(valuations: FloatArray) -> None:
    population = synthetic_population(2, 2, 4, rng=0).assign(valuation=valuations)
    market = CapacityMarket(FixedSupply(7.3))
    unshifted = market.clear(valuations, population["cost"])
    recorded = load_population(population, shift=60.0)
    economy = ComputeEconomy(recorded.agents, market, Truthful(), rng=0)
    rows = economy.run(1)
    np.testing.assert_allclose(rows["share"], unshifted.allocation, rtol=0.0, atol=1e-9)
    assert economy.periods["price"][0] == pytest.approx(unshifted.price + 60.0, abs=1e-9)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ([1, 2], {}, "source must be a DataFrame or the path of a file, got list"),
        ("agents.json", {}, r"must be a .csv or .parquet file, got 'agents.json'"),
        ("missing.csv", {}, "there is no file 'missing.csv'"),
        (table().drop(columns=["cost", "kind"]), {}, r"lacks the columns \['kind', 'cost'\]"),
        (table().iloc[:0], {}, "source has no rows"),
        (table(valuation=[1.0, np.nan, 2.0]), {}, r"source\['valuation'\] must be finite: entry 1"),
        (table(valuation=["a", "b", "c"]), {}, r"source\['valuation'\] must be a vector of real numbers"),
        (table(), {"shift": 1.0}, "shift must be at least 1.5.* got 1.0, and the lowest is -1.5 .row 0."),
        (table(), {"shift": -1.0}, "shift must be 0 or more"),
        (table(step=["a", "b", "c"]), {}, r"source\['step'\] must be a vector of real numbers"),
        (table(step=1, index=[0, 0, 0]), {}, "holds head 0 of layer 0 twice in step 1"),
        (steps().iloc[:-1], {}, "step 200 has other agents than step 50 .2 rows against 3."),
        (pd.concat([steps(), steps().iloc[-1:]]), {}, "step 200 has other agents"),
        (steps().assign(layer=[0] * 6 + [0, 1, 0]), {}, "step 200 has other agents"),
        (steps().assign(cost=[0.4] * 8 + [0.2]), {}, "other costs than step 50"),
    ],
)
def test_refuses_malformed_sources(source: object, options: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        load_population(source, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["broken.parquet", "broken.csv"])
def test_refuses_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b'"\x00\xff,')
    with pytest.raises(InvalidInputError, match=r"cannot be read as a table|lacks the columns"):
        load_population(path)
