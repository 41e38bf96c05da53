import numpy as np
import pandas as pd
import pytest

from walras.agents.compute import synthetic_population
from walras.agents.compute.population import checked_population
from walras.agents.money import MOST_CENTS
from walras.market import InvalidInputError, gini


def table(**changes: object) -> pd.DataFrame:
    columns = {
        "kind": ["head", "head", "neuron_block"],
        "layer": [0, 0, 0],
        "index": [0, 1, 0],
        "valuation": [3.0, 0.0, 1.0],
        "cost": [2.0, 2.0, 0.123],
    }
    return pd.DataFrame(columns | changes)


def test_gives_the_documented_columns_and_dtypes() -> None:
    checked = checked_population(table(width=[64, 64, 64]))
    assert {name: str(dtype) for name, dtype in checked.dtypes.items()} == {
        "kind": "category",
        "layer": "int64",
        "index": "int64",
        "valuation": "float64",
        "cost": "float64",
        "wealth_cents": "int64",
    }
    assert checked["wealth_cents"].tolist() == [6000, 0, 123]  # ten times 100 * valuation * cost


def test_keeps_the_wealth_that_is_given_and_numbers_rows_from_0() -> None:
    population = table(wealth_cents=[1, 0, 5]).set_axis([7, 7, 9])
    checked = checked_population(population)
    assert checked["wealth_cents"].tolist() == [1, 0, 5]
    assert checked.index.tolist() == [0, 1, 2]
    assert "wealth_cents" not in table()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": ["head", "mlp", "head"]}, "must be one of .* row 1 is 'mlp'"),
        ({"kind": ["head", None, "head"]}, "must be one of .* row 1"),
        ({"layer": [0, 0.5, 0]}, r"\['layer'\] must hold whole numbers .* row 1 is 0.5"),
        ({"layer": ["a", "b", "c"]}, r"\['layer'\] must be a vector of real numbers"),
        ({"index": [0, -1, 0]}, r"\['index'\] must hold whole numbers"),
        ({"index": [0, 0, 0]}, "holds head 0 of layer 0 twice"),
        ({"valuation": [1.0, np.nan, 1.0]}, r"\['valuation'\] must be finite: entry 1"),
        ({"valuation": [1.0, -0.5, 1.0]}, "row 1 is -0.5. Subtract the lowest"),
        ({"valuation": [1e300, 1.0, 1.0]}, "too much to be settled"),
        ({"valuation": [1e-6, 1e-6, 1e-6]}, "Raise cents_per_money"),
        ({"cost": [1.0, 0.0, 1.0]}, r"\['cost'\] must be above 0"),
        ({"wealth_cents": [1, -1, 0]}, r"\['wealth_cents'\] must hold whole numbers from 0 to 1e\+13: row 1 is -1"),
        ({"wealth_cents": [1, 0.5, 0]}, r"\['wealth_cents'\] must hold whole numbers"),
        ({"wealth_cents": [1, np.nan, 0]}, r"\['wealth_cents'\] must be finite"),
        ({"wealth_cents": [1, 2 * MOST_CENTS, 0]}, r"\['wealth_cents'\] must hold whole numbers"),
        ({"wealth_cents": [MOST_CENTS, MOST_CENTS, 0]}, "The wealth of all agents must be"),
    ],
)
def test_refuses_malformed_populations(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        checked_population(table(**changes))


def test_refuses_what_is_no_population() -> None:
    with pytest.raises(InvalidInputError, match=r"lacks the columns \['valuation', 'cost'\]"):
        checked_population(table().drop(columns=["valuation", "cost"]))
    with pytest.raises(InvalidInputError, match="has no rows"):
        checked_population(table().iloc[:0])
    with pytest.raises(InvalidInputError, match="must be a pandas DataFrame, got list"):
        checked_population([1, 2])  # type: ignore[arg-type]


def test_costs_that_are_shares_need_a_finer_cent() -> None:
    shares = synthetic_population(12, 12, 24, rng=0, median_valuation=0.01)
    shares["cost"] /= shares["cost"].sum()
    with pytest.raises(InvalidInputError, match="cents_per_money"):
        checked_population(shares)
    finer = checked_population(shares, cents_per_money=1_000_000)["wealth_cents"]
    np.testing.assert_allclose(finer, 1e7 * shares["valuation"] * shares["cost"], atol=1.0)


def test_draws_layer_by_layer_heads_before_blocks() -> None:
    population = synthetic_population(2, 1, 2, rng=0, head_cost=3.0, block_cost=0.5)
    assert population[["kind", "layer", "index"]].to_numpy().tolist() == [
        ["head", 0, 0],
        ["neuron_block", 0, 0],
        ["neuron_block", 0, 1],
        ["head", 1, 0],
        ["neuron_block", 1, 0],
        ["neuron_block", 1, 1],
    ]
    assert population["cost"].tolist() == [3.0, 0.5, 0.5] * 2
    pd.testing.assert_frame_equal(population, synthetic_population(2, 1, 2, rng=0, head_cost=3.0, block_cost=0.5))
    pd.testing.assert_frame_equal(checked_population(population).drop(columns="wealth_cents"), population)


def test_valuations_are_lognormal() -> None:
    valuations = synthetic_population(100, 200, 200, np.random.default_rng(1))["valuation"].to_numpy()
    logs = np.log(valuations / 10.0)
    assert abs(logs.mean()) < 5 / np.sqrt(logs.size)
    assert abs(logs.std() - 1.0) < 5 / np.sqrt(2 * logs.size)
    assert gini(valuations) == pytest.approx(0.5205, abs=0.02)  # 2 Phi(1 / sqrt 2) - 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 0}, "layers must be a whole number of 1 or more"),
        ({"heads": -1}, "heads must be a whole number of 0 or more"),
        ({"blocks": 1.5}, "blocks must be a whole number"),
        ({"heads": 0, "blocks": 0}, "both 0"),
        ({"head_cost": 0.0}, "head_cost must be above 0"),
        ({"median_valuation": np.nan}, "median_valuation must be finite"),
        ({"log_spread": -1.0}, "log_spread must be 0 or more"),
        ({"log_spread": 1e6}, "The valuations drawn must be finite"),
    ],
)
def test_refuses_malformed_requests(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        synthetic_population(**({"layers": 2, "heads": 2, "blocks": 2, "rng": 0} | changes))
