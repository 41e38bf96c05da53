"""Populations recorded elsewhere, above all valuations learned by a Transformer: read, checked, and shifted to be paid.

A table has the columns kind, layer, index, valuation and cost of `walras.agents.compute.population`, and wealth_cents
if it likes; further columns are not used. `walras.llm.ModelEconomy.frame()` is such a table; written to a CSV or
Parquet file it needs nothing of the coupling here. With a further column `step` it holds the agents once for each of
several moments, such as steps of a training run, and their valuations become a process.

**The shift.** Learned valuations may be negative, but agents earn valuation times use, and cannot earn less than
nothing. If the lowest valuation v is negative, -v is added to all valuations, of all steps. Under a fixed supply and
truthful bids that leaves the allocation as it is and raises the price by -v, since only differences between valuations
decide who is served. It does change money: every unit of compute earns -v more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from walras.agents.compute.valuations import ConstantValuations, RecordedValuations, ValuationProcess
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_vector, nonnegative_number

__all__ = ["RecordedPopulation", "load_population"]

_WHO = ["kind", "layer", "index"]
_REQUIRED = [*_WHO, "valuation", "cost"]
_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


@final
@dataclass(frozen=True, eq=False)
class RecordedPopulation:
    """Agents with recorded valuations.

    Attributes
    ----------
    agents
        A row per agent, as `ComputeEconomy` takes it: kind, layer, index, valuation (the mean over steps), cost, and
        wealth_cents if the table has them.
    process
        `ConstantValuations()`, or the recorded steps.
    shift
        What was added to every valuation (money per unit), 0 or more.
    """

    agents: pd.DataFrame
    process: ValuationProcess
    shift: float


def load_population(source: pd.DataFrame | str | Path, *, shift: float | None = None) -> RecordedPopulation:
    """Give the population that a table or a file holds.

    Parameters
    ----------
    source
        A table, or the path of a `.csv` or `.parquet` file; the module's header has the columns.
    shift
        What to add to every valuation (money per unit, 0 or more); by default what makes the lowest 0 if it is
        negative, and else nothing.

    Raises
    ------
    InvalidInputError
        No such file, a file of another kind, missing columns, valuations that are not finite or negative after the
        shift, steps that do not hold the same agents once each or give them other costs.

    Examples
    --------
    >>> import pandas as pd
    >>> from walras.agents.compute import load_population
    >>> table = pd.DataFrame(
    ...     {"kind": "head", "layer": 0, "index": [0, 1], "valuation": [-0.5, 1.5], "cost": [2.0, 2.0]}
    ... )
    >>> recorded = load_population(table)
    >>> recorded.agents["valuation"].tolist(), recorded.shift
    ([0.0, 2.0], 0.5)
    """
    table = _read(source)
    missing = [column for column in _REQUIRED if column not in table.columns]
    if missing:
        raise InvalidInputError(f"source lacks the columns {missing}; it needs {_REQUIRED}.")
    if table.empty:
        raise InvalidInputError("source has no rows: an economy needs at least one agent.")
    valuations = finite_vector("source['valuation']", table["valuation"].to_numpy())
    added = _shift(valuations, shift)
    shifted = table[[column for column in (*_REQUIRED, "wealth_cents") if column in table.columns]].copy()
    shifted["valuation"] = valuations + added
    if "step" not in table.columns:
        return RecordedPopulation(shifted.reset_index(drop=True), ConstantValuations(), added)
    agents, record = _by_step(shifted, finite_vector("source['step']", table["step"].to_numpy()))
    return RecordedPopulation(agents, RecordedValuations(record), added)


def _read(source: pd.DataFrame | str | Path) -> pd.DataFrame:
    if isinstance(source, pd.DataFrame):
        return source
    if not isinstance(source, str | Path):
        raise InvalidInputError(f"source must be a DataFrame or the path of a file, got {type(source).__name__}.")
    path = Path(source)
    if path.suffix not in _READERS:
        raise InvalidInputError(f"source must be a {' or '.join(_READERS)} file, got {str(path)!r}.")
    if not path.is_file():
        raise InvalidInputError(f"source: there is no file {str(path)!r}.")
    try:
        return _READERS[path.suffix](path)
    except (ValueError, OSError) as error:  # what pandas and pyarrow raise for a file that is not what its name says
        raise InvalidInputError(f"source: {str(path)!r} cannot be read as a table: {error}") from error


def _shift(valuations: FloatArray, shift: float | None) -> float:
    lowest = float(valuations.min())
    if shift is None:
        return max(-lowest, 0.0)
    added = nonnegative_number("shift", shift)
    if lowest + added < 0.0:
        raise InvalidInputError(
            f"shift must be at least {-lowest}, so that no valuation is negative; got {added}, and the lowest is "
            f"{lowest} (row {int(valuations.argmin())})."
        )
    return added


def _by_step(table: pd.DataFrame, steps: FloatArray) -> tuple[pd.DataFrame, FloatArray]:
    """Give the agents of the first step, with mean valuations, and the valuations of all steps, shape (steps, n)."""
    parts = [table[steps == step].reset_index(drop=True) for step in np.unique(steps)]
    agents = parts[0]
    twice = agents.duplicated(_WHO)
    if twice.any():
        raise InvalidInputError(
            f"source holds {_name(agents[twice].iloc[0])} twice in step {steps.min():g}: each agent must stand once in "
            "each step."
        )
    order = pd.MultiIndex.from_frame(agents[_WHO].astype({"kind": str}))
    record = np.empty((len(parts), len(agents)))
    for row, (step, part) in enumerate(zip(np.unique(steps), parts, strict=True)):
        indexed = part.set_index(pd.MultiIndex.from_frame(part[_WHO].astype({"kind": str})))
        if len(part) != len(agents) or not indexed.index.is_unique or not order.isin(indexed.index).all():
            raise InvalidInputError(
                f"source: step {step:g} has other agents than step {steps.min():g} ({len(part)} rows against "
                f"{len(agents)}); each agent must stand once in each step."
            )
        same = indexed.loc[order]
        if not np.array_equal(same["cost"].to_numpy(), agents["cost"].to_numpy()):
            raise InvalidInputError(f"source: step {step:g} gives agents other costs than step {steps.min():g}.")
        record[row] = same["valuation"].to_numpy()
    return agents.assign(valuation=record.mean(axis=0)), record


def _name(agent: pd.Series) -> str:
    return f"{agent['kind']} {agent['index']} of layer {agent['layer']}"
