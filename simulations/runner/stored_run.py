"""A run that is stored: its scenario, its tables, and the figures, anchors and report that are made from them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import pandas as pd
import pyarrow as pa

from walras.market.errors import InvalidInputError
from walras.simulations.experiments import Anchor, Experiment
from walras.simulations.run_folder import RunFolder
from walras.simulations.runner.cell import CELLS
from walras.simulations.runner.scenario import Scenario, find_experiment

__all__ = ["StoredRun", "resuming_command"]


@final
class StoredTables(Mapping[str, pd.DataFrame]):
    """The tables of a run, each read when it is first asked for."""

    def __init__(self, folder: Path, tuples: Sequence[str]) -> None:
        self._paths = {path.stem: path for path in sorted(folder.glob("*.parquet"))}
        self._tuples = tuples
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            try:
                table = pd.read_parquet(self._paths[name])
            except (OSError, pa.ArrowException) as error:
                raise InvalidInputError(
                    f"{self._paths[name]} cannot be read ({error}): it was changed after the run wrote it. Run the "
                    "scenario again into another folder."
                ) from None
            if name == CELLS:  # tuples come back as arrays; fields newer than the run are not there
                there = [column for column in self._tuples if column in table]
                table = table.assign(**{column: table[column].map(_as_tuple) for column in there})
            self._read[name] = table
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


@final
class StoredRun:
    """A run of a scenario that came to its end.

    Parameters
    ----------
    path
        Its folder.

    Attributes
    ----------
    path : Path
        The folder.
    scenario : Scenario
        What was run.
    tables : Mapping[str, pandas.DataFrame]
        Rows of all cells by table, `cell` and `replication` in front, in order of the cells; and `cells`, with `cell`,
        `point`, `replication`, every field of the configuration, and the `seconds` that the cell took. Each is read
        when it is asked for.

    Raises
    ------
    InvalidInputError
        If there is no run in the folder, or it is not complete.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.folder = RunFolder.opened(self.path)
        config = self.folder.manifest["config"]
        if "scenario" not in config:
            raise InvalidInputError(f"{path} holds a run of another kind, without a scenario.")
        self.scenario = Scenario.read(config["scenario"], where=f"{path}/manifest.json")
        if not self.folder.is_complete:
            raise InvalidInputError(f"The run in {path} is not complete. Go on with: {resuming_command(self.path)}")
        tuples = [field.name for field in self.scenario.fields if field.is_tuple]
        self.tables: Mapping[str, pd.DataFrame] = StoredTables(self.path, tuples)

    @property
    def experiment(self) -> Experiment[Any]:
        """The experiment that was run."""
        return find_experiment(self.scenario.experiment)

    def anchors(self) -> Sequence[Anchor]:
        """Give what the tables are measured against."""
        return tuple(self.experiment.anchors(self.tables))


def resuming_command(path: Path) -> str:
    """Give the command that goes on with the run in a folder."""
    return f"walras simulate {path / 'scenario.toml'} --out {path}"


def _as_tuple(values: Any) -> tuple[Any, ...]:
    return tuple(values.tolist())
