"""Processes are pure, and follow the laws that they state."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.compute import (
    AfterLast,
    AutoregressiveValuations,
    ComputeEconomy,
    ConstantValuations,
    IndependentValuations,
    RecordedValuations,
    Truthful,
    ValuationProcess,
    synthetic_population,
)
from walras.market import CapacityMarket, FixedSupply, InvalidInputError
from walras.market.validation import FloatArray

PROCESSES = [
    ConstantValuations(),
    IndependentValuations(0.7),
    AutoregressiveValuations(0.8, 0.5),
    RecordedValuations(np.arange(12.0).reshape(3, 4)),
]
every_process = pytest.mark.parametrize("process", PROCESSES, ids=lambda process: type(process).__name__)
BASE = np.array([3.0, 0.0, 1.0, 40.0])


def path(process: ValuationProcess, base: FloatArray, periods: int, seed: int = 0) -> FloatArray:
    """Valuations of some periods, shape (periods, n)."""
    rng = np.random.default_rng(seed)
    rows: list[FloatArray] = []
    for period in range(1, periods + 1):
        rows.append(process.valuations(period, base, rows[-1] if rows else None, rng))
    return np.array(rows)


@every_process
def test_gives_the_same_values_for_the_same_state_and_changes_nothing(process: ValuationProcess) -> None:
    base = BASE.copy()
    base.flags.writeable = False
    first, second = path(process, base, 5), path(process, base, 5)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (5, 4)
    assert np.all(np.isfinite(first))
    assert np.all(first >= 0.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        process.log_spread = 3.0  # type: ignore[union-attr]


@every_process
def test_an_economy_under_it_repeats_itself(process: ValuationProcess) -> None:
    population = synthetic_population(1, 1, 3, rng=0)
    first, second = (
        ComputeEconomy(population, CapacityMarket(FixedSupply(2.0)), Truthful(), rng=1, valuations=process)
        for _ in range(2)
    )
    rows = first.run(6)
    pd.testing.assert_frame_equal(rows, second.run(6), check_exact=True)
    played = rows["valuation"].to_numpy().reshape(6, 4)
    np.testing.assert_array_equal([agent.valuation for agent in first.compute_agents], played[-1])
    if isinstance(process, ConstantValuations):
        np.testing.assert_array_equal(played, np.tile(population["valuation"], (6, 1)))
    if isinstance(process, RecordedValuations):
        np.testing.assert_array_equal(played, np.tile(np.arange(12.0).reshape(3, 4), (2, 1)))


def test_independent_valuations_are_lognormal_around_the_base() -> None:
    valuations = path(IndependentValuations(0.6), np.full(20_000, 5.0), 3)
    logs = np.log(valuations / 5.0)
    draws = logs.size
    assert abs(logs.mean() + 0.18) < 5 * 0.6 / np.sqrt(draws)
    assert abs(logs.std() - 0.6) < 5 * 0.6 / np.sqrt(2 * draws)
    deviation = np.sqrt(np.expm1(0.36))
    assert abs(valuations.mean() / 5.0 - 1.0) < 5 * deviation / np.sqrt(draws)
    assert abs(np.corrcoef(logs[0], logs[1])[0, 1]) < 5 / np.sqrt(20_000)


@pytest.mark.parametrize("persistence", [-0.5, 0.0, 0.9])
def test_the_autoregression_is_stationary_from_the_first_period_and_remembers(persistence: float) -> None:
    logs = np.log(path(AutoregressiveValuations(persistence, 0.4), np.full(20_000, 2.0), 6) / 2.0)
    for period in (0, 1, 5):
        assert abs(logs[period].mean() + 0.08) < 5 * 0.4 / np.sqrt(20_000)
        assert abs(logs[period].std() - 0.4) < 5 * 0.4 / np.sqrt(2 * 20_000)
    for lag in (1, 3):
        measured = np.corrcoef(logs[2], logs[2 + lag])[0, 1]
        assert abs(measured - persistence**lag) < 5 / np.sqrt(20_000)


def test_who_values_nothing_never_does() -> None:
    for process in (IndependentValuations(1.0), AutoregressiveValuations(0.9, 1.0)):
        assert np.all(path(process, BASE, 20)[:, 1] == 0.0)


@given(steps=st.integers(1, 4), period=st.integers(1, 20))
def test_a_record_begins_anew_or_lasts(steps: int, period: int) -> None:
    record = np.arange(2.0 * steps).reshape(steps, 2)
    rng = np.random.default_rng(0)
    repeated = RecordedValuations(record).valuations(period, np.zeros(2), None, rng)
    held = RecordedValuations(record, AfterLast.HOLD).valuations(period, np.zeros(2), None, rng)
    np.testing.assert_array_equal(repeated, np.tile(record, (20, 1))[period - 1])
    np.testing.assert_array_equal(held, record[min(period, steps) - 1])


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (IndependentValuations, (-0.1,), r"log_spread must be 0 or more"),
        (IndependentValuations, (np.nan,), r"log_spread must be finite"),
        (AutoregressiveValuations, (1.0, 0.5), r"persistence must lie inside \(-1, 1\), got 1.0"),
        (AutoregressiveValuations, (0.5, -1.0), r"log_spread must be 0 or more"),
        (RecordedValuations, ([[1.0, -1.0]],), r"record must be 0 or more: entry \(0, 1\)"),
        (RecordedValuations, ([1.0, 2.0],), r"record must have shape \(n, m\), one row per step"),
        (RecordedValuations, (np.empty((0, 3)),), r"record is empty"),
        (RecordedValuations, ([[1.0]], "repeat"), r"after_last must be a AfterLast"),
    ],
)
def test_refuses_malformed_processes(kind: type, arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        kind(*arguments)


class Wrong:
    """A process of the user's."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def valuations(self, *arguments: object) -> object:
        return self.answer


@pytest.mark.parametrize(
    ("process", "message"),
    [
        (RecordedValuations([[1.0, 2.0]]), "has 2 agents, the population 4"),
        (Wrong([1.0, np.nan, 3.0, 1.0]), "Valuations of .* must be finite: entry 1"),
        (Wrong([1.0, 2.0, 3.0, -1.0]), "Valuations of .* must be 0 or more: entry 3"),
        (Wrong([1.0]), "expected 4, got 1"),
    ],
)
def test_an_economy_refuses_wrong_valuations(process: ValuationProcess, message: str) -> None:
    population = synthetic_population(1, 1, 3, rng=0)
    economy = ComputeEconomy(population, CapacityMarket(FixedSupply(2.0)), Truthful(), rng=1, valuations=process)
    with pytest.raises(InvalidInputError, match=message):
        economy.run(1)


def test_refuses_what_is_no_process() -> None:
    for wrong in (ConstantValuations, "random", 3.0):
        with pytest.raises(InvalidInputError, match="A rule with a method valuations is needed"):
            ComputeEconomy(
                synthetic_population(1, 1, 3, rng=0),
                CapacityMarket(FixedSupply(2.0)),
                Truthful(),
                rng=1,
                valuations=wrong,  # type: ignore[arg-type]
            )


def test_in_an_economy_valuations_remember_and_efficiency_is_measured_against_those_of_the_period() -> None:
    population = synthetic_population(10, 10, 20, rng=0)
    market = CapacityMarket(FixedSupply(0.5 * float(population["cost"].sum())))
    process = AutoregressiveValuations(0.95, 0.5)
    economy = ComputeEconomy(population, market, Truthful(), rng=1, valuations=process)
    rows = economy.run(4)
    logs = np.log(rows["valuation"].to_numpy().reshape(4, -1) / population["valuation"].to_numpy())
    assert np.corrcoef(logs[2], logs[3])[0, 1] > 0.9
    assert np.abs(logs[3] - logs[2]).min() > 0.0
    np.testing.assert_allclose(economy.periods["efficiency"], 1.0, rtol=1e-12)
