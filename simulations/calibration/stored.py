"""A calibration that is stored: what was asked, the answer with its uncertainty, and every evaluation."""

from functools import cached_property
from pathlib import Path
from typing import final

import pandas as pd
import pyarrow as pa

from walras.market.errors import InvalidInputError
from walras.simulations.calibration.calibration import Calibration
from walras.simulations.run_folder import RunFolder

__all__ = ["StoredCalibration"]


@final
class StoredCalibration:
    """A calibration that came to its end.

    Parameters
    ----------
    path
        Its folder.

    Attributes
    ----------
    path : Path
        The folder.
    calibration : Calibration
        What was asked.

    Raises
    ------
    InvalidInputError
        If there is no calibration in the folder, or it is not complete.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.folder = RunFolder.opened(self.path)
        config = self.folder.manifest["config"]
        if "calibration" not in config:
            raise InvalidInputError(f"{path} holds a run of another kind, no calibration.")
        if not self.folder.is_complete:
            raise InvalidInputError(
                f"The calibration in {path} is not complete. Run the same command again with --out {path}."
            )
        self.calibration = Calibration.read(config["calibration"])

    @cached_property
    def answer(self) -> pd.DataFrame:
        """A row per field: answer, standard_error, low_95, high_95, spread_of_replications, at_end of its range.

        The interval is Student's over replications, wider by what the search leaves open (a ten-thousandth of the
        range; a thousandth with several fields).
        """
        return self._table("answer")

    @cached_property
    def replications(self) -> pd.DataFrame:
        """A row per replication: the best fields for it alone, and the measure's value there."""
        return self._table("replications")

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """A row per cell that was run: stage, evaluation, replication, fields, value and seconds."""
        return self._table("evaluations")

    @property
    def value(self) -> float:
        """The mean measure at the answer."""
        return float(self.folder.manifest["facts"]["value"])

    @property
    def value_standard_error(self) -> float:
        """Its standard error over replications; NaN for one."""
        error = self.folder.manifest["facts"]["value_standard_error"]
        return float("nan") if error is None else float(error)

    @property
    def is_met(self) -> bool:
        """Whether a target was reached, to a hundredth of the span of values seen; True without a target."""
        return bool(self.folder.manifest["facts"]["is_met"])

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before the answer is used."""
        found = []
        if not self.is_met:
            target = self.calibration.goal.target
            found.append(f"The target {target:g} was not reached within the ranges; nearest: {self.value:g}.")
        found += [
            f"{row['field']} lies at the {row['at_end']} end of its range: look beyond it."
            for row in self.answer.to_dict("records")
            if row["at_end"]
        ]
        if len(self.replications) == 1:
            found.append("With one replication nothing is known of the uncertainty: use --replications.")
        return found

    def _table(self, name: str) -> pd.DataFrame:
        path = self.path / f"{name}.parquet"
        try:
            return pd.read_parquet(path)
        except (OSError, pa.ArrowException) as error:
            raise InvalidInputError(f"{path} cannot be read ({error}): run the calibration again.") from None
