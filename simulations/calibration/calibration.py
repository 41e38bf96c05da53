"""What a calibration is: a scenario, the fields that are free, what is measured, and what is wanted of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from walras.market.errors import InvalidInputError, MarketError
from walras.market.validation import whole_number
from walras.simulations.calibration.measure import Goal, Measure
from walras.simulations.calibration.search import METHODS
from walras.simulations.runner.points import value_in_range
from walras.simulations.runner.scenario import Range, Scenario, find_experiment

__all__ = ["Calibration"]


@final
@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Find the fields of a scenario with which the mean of a measure over replications is best.

    Parameters
    ----------
    scenario
        Says experiment, seed, replications and the fields that stay as they are. It has no grid beside the fields that
        are free.
    ranges
        The fields that are free, each a number, and where it may lie: `Range`, or (low, high).
    measure
        What is looked at in the tables of a cell.
    goal
        What is wanted of its mean over replications: `Goal("maximise")`, `Goal("minimise")` or `Goal("target", 0.3)`.
    method
        "local": a scan of the ranges, then a local search from its best point. "global": differential evolution, for
        measures with several optima.
    evaluations
        The most points that each search tries after the scan.

    Raises
    ------
    InvalidInputError
        If a field is not there or is no number, or the experiment refuses a corner of the ranges.

    Notes
    -----
    Replication r draws the same numbers at every point (common random numbers), so that the mean is a smooth function
    of the fields where a cell's measure is, and a search is not misled by chance. How much chance there is in the
    answer shows when the search is done for each replication alone: the answers scatter, and the standard error of the
    answer for the mean is their standard deviation over the square root of their number, exactly where the answer is
    linear in the measure's curve, to first order elsewhere.
    """

    scenario: Scenario
    ranges: Mapping[str, Any]
    measure: Measure
    goal: Goal
    method: str = "local"
    evaluations: int = 60

    def __post_init__(self) -> None:
        if not self.ranges:
            raise InvalidInputError("A calibration needs one or more ranges: fields that are free.")
        if self.method not in METHODS:
            raise InvalidInputError(f"There is no method {self.method!r}; there are: {', '.join(METHODS)}.")
        whole_number("evaluations", self.evaluations, minimum=1)
        ranged = self.scenario.changed(sobol=self.ranges, samples=1)
        other = [*ranged.grid, *(name for name in ranged.sobol if name not in self.ranges)]
        if other:
            raise InvalidInputError(
                f"A calibration has one value of each field that is not free: set {', '.join(other)} to one of those "
                "that the scenario goes through."
            )
        object.__setattr__(self, "ranges", dict(ranged.sobol))
        object.__setattr__(self, "scenario", ranged)
        self._check_corners()

    @property
    def base(self) -> dict[str, Any]:
        """The fields that stay as they are."""
        fields = {field.name: field.default for field in self.scenario.fields} | dict(self.scenario.config)
        return {name: value for name, value in fields.items() if name not in self.ranges}

    @property
    def question(self) -> str:
        """What is asked, in a sentence."""
        ranges = " and ".join(
            f"{name} (from {ends.low:g} to {ends.high:g}{', in the logarithm' if ends.log else ''})"
            for name, ends in self.ranges.items()
        )
        wanted = {
            "maximise": f"makes {self.measure} largest",
            "minimise": f"makes {self.measure} smallest",
            "target": f"brings {self.measure} to {self.goal.target:g}",
        }[self.goal.kind]
        return f"Which {ranges} {wanted}?"

    def as_plain_values(self) -> dict[str, Any]:
        """Give all of it as values that JSON can hold."""
        return {
            "experiment": self.scenario.experiment,
            "seed": self.scenario.seed,
            "replications": self.scenario.replications,
            "base": {name: list(value) if isinstance(value, tuple) else value for name, value in self.base.items()},
            "ranges": {name: {"low": r.low, "high": r.high, "log": r.log} for name, r in self.ranges.items()},
            "measure": {
                "table": self.measure.table,
                "column": self.measure.column,
                "statistic": self.measure.statistic,
                "where": dict(self.measure.where),
            },
            "goal": {"kind": self.goal.kind, "target": self.goal.target},
            "method": self.method,
            "evaluations": self.evaluations,
        }

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> "Calibration":
        """Give the calibration that plain values describe."""
        scenario = Scenario(
            experiment=plain["experiment"],
            seed=plain["seed"],
            replications=plain["replications"],
            config=plain["base"],
        )
        return cls(
            scenario=scenario,
            ranges={name: Range(**ends) for name, ends in plain["ranges"].items()},
            measure=Measure(**plain["measure"]),
            goal=Goal(**plain["goal"]),
            method=plain["method"],
            evaluations=plain["evaluations"],
        )

    def _check_corners(self) -> None:
        """Let the experiment refuse ends of ranges now, not after an hour."""
        config = find_experiment(self.scenario.experiment).config
        known = {field.name: field for field in self.scenario.fields}
        for share, end in ((0.0, "lower"), (1.0, "upper")):
            values = {name: value_in_range(known[name], ends, share) for name, ends in self.ranges.items()}
            try:
                config(**self.base, **values)
            except MarketError as error:
                raise InvalidInputError(
                    f"{self.scenario.experiment} refuses the {end} ends of the ranges ({_listed(values)}): {error}"
                ) from None


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
