"""Tables of an experiment as a runner stores them, and scenarios that come with it."""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from walras.simulations.experiments import Experiment

__all__ = ["points_of_scenario", "stored_tables"]

_SCENARIOS = Path(__file__).parents[3] / "simulations" / "scenarios"


def stored_tables(
    experiment: Experiment[Any], configs: Sequence[Any], *, replications: int = 2, seed: int = 1
) -> dict[str, pd.DataFrame]:
    """Run each configuration so often; replication r has the same generator in each."""
    generators = np.random.SeedSequence(seed).spawn(replications)
    cells: list[dict[str, Any]] = []
    parts: dict[str, list[pd.DataFrame]] = {}
    for config in configs:
        for replication, generator in enumerate(generators):
            keys = {"cell": len(cells), "replication": replication}
            cells.append({**keys, **asdict(config)})
            for name, table in experiment.run(config, np.random.default_rng(generator)).items():
                assert not {"cell", "replication"} & set(table.columns)
                parts.setdefault(name, []).append(pd.concat([pd.DataFrame(keys, index=table.index), table], axis=1))
    for name, tables in parts.items():
        assert all(table.dtypes.equals(tables[0].dtypes) for table in tables), f"{name} differs between cells"
    return {"cells": pd.DataFrame(cells), **{name: pd.concat(tables) for name, tables in parts.items()}}


def points_of_scenario(experiment: Experiment[Any]) -> list[Any]:
    """Give the configurations of the scenario that bears the experiment's name."""
    scenario = tomllib.loads((_SCENARIOS / f"{experiment.name}.toml").read_text(encoding="utf-8"))
    assert scenario["experiment"] == experiment.name
    grid = scenario.get("grid", {})
    return [
        experiment.config(**scenario.get("config", {}), **dict(zip(grid, values, strict=True)))
        for values in product(*grid.values())
    ]
