"""The points and cells of a scenario, in their order, and the seed of each cell.

Points: the combinations of the grid, in the order of its fields, the last one changing fastest; within each
combination the samples of the Sobol sequence, in its order. Cells: by point, then by replication. Replication r draws
from the r-th spawn of the scenario's seed at *every* point: what differs between two points is not chance.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, final

import numpy as np
from scipy.stats import qmc

from walras.market.errors import MarketError
from walras.market.validation import FloatArray
from walras.simulations.runner.fields import Field, PlainValue, field_named
from walras.simulations.runner.scenario import Range, Scenario, find_experiment

__all__ = ["CellTask", "Point", "cell_seed", "cell_tasks", "points_of", "value_in_range"]


@final
@dataclass(frozen=True)
class Point:
    """A configuration of a scenario.

    Parameters
    ----------
    number
        Its place, from 0.
    values
        Every field of the configuration.
    varied
        The fields that differ between points.
    """

    number: int
    values: dict[str, PlainValue]
    varied: tuple[str, ...]

    def __str__(self) -> str:
        named = ", ".join(f"{name}={self.values[name]!r}" for name in self.varied)
        return f"point {self.number} ({named})" if named else f"point {self.number}"


@final
@dataclass(frozen=True)
class CellTask:
    """One run of an experiment, as plain values that any worker can be sent.

    Parameters
    ----------
    experiment
        As in a scenario.
    cell, replication
        Their numbers, from 0.
    point
        The configuration.
    seed
        Of the scenario.
    """

    experiment: str
    cell: int
    point: Point
    replication: int
    seed: int

    def __str__(self) -> str:
        return (
            f"Cell {self.cell}: {self.point}, replication {self.replication}, "
            f"seed SeedSequence({self.seed}, spawn_key=({self.replication},))"
        )


def cell_seed(seed: int, replication: int) -> np.random.SeedSequence:
    """Give `SeedSequence(seed).spawn(n)[replication]`, the same for every n: more replications change none."""
    return np.random.SeedSequence(seed, spawn_key=(replication,))


def points_of(scenario: Scenario) -> list[Point]:
    """Give the points of a scenario.

    Raises
    ------
    MarketError
        If a configuration does not accept its values; says at which point.
    """
    base = {field.name: field.default for field in scenario.fields} | dict(scenario.config)
    samples = _sobol_points(scenario)
    varied = (*scenario.grid, *scenario.sobol)
    points: list[Point] = []
    for combination in product(*scenario.grid.values()):
        chosen = dict(zip(scenario.grid, combination, strict=True))
        for sample in samples:
            points.append(Point(len(points), {**base, **chosen, **sample}, varied))
    config = find_experiment(scenario.experiment).config
    for point in points:
        try:
            config(**point.values)
        except MarketError as error:
            raise type(error)(f"{scenario.experiment}, {point}: {error}") from None
    return points


def cell_tasks(scenario: Scenario, points: Sequence[Point]) -> Iterator[CellTask]:
    """Give the cells of a scenario, one after the other."""
    pairs = product(points, range(scenario.replications))
    for cell, (point, replication) in enumerate(pairs):
        yield CellTask(scenario.experiment, cell, point, replication, scenario.seed)


def _sobol_points(scenario: Scenario) -> list[dict[str, Any]]:
    """Give the sampled fields of each sample; one without fields if nothing is sampled."""
    if not scenario.sobol:
        return [{}]
    assert scenario.samples is not None
    sequence = qmc.Sobol(len(scenario.sobol), scramble=True, rng=np.random.default_rng(scenario.seed))
    # The sequence is drawn in powers of two; any number of its first points will do, if less evenly spread.
    unit: FloatArray = sequence.random_base2(math.ceil(math.log2(scenario.samples)))[: scenario.samples]
    ranges = [(field_named(scenario.fields, name, "sobol"), ends) for name, ends in scenario.sobol.items()]
    return [
        {
            known.name: value_in_range(known, ends, float(share))
            for (known, ends), share in zip(ranges, row, strict=True)
        }
        for row in unit
    ]


def value_in_range(known: Field, ends: Range, share: float) -> PlainValue:
    """Give the number that lies at `share`, in [0, 1), of the way from low to high."""
    low, high = ends.low, ends.high + (1.0 if known.kind is int else 0.0)  # each whole number has a stretch of length 1
    number = low * (high / low) ** share if ends.log else low + (high - low) * share
    # Rounding may lead out of the range by a hair.
    return min(math.floor(number), int(ends.high)) if known.kind is int else min(max(number, low), ends.high)
