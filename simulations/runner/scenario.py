"""A scenario: which configurations of an experiment are run, how often, and from which seed.

In TOML:

    experiment = "inequality"        # or "my_experiment.py:EXPERIMENT", or "module:EXPERIMENT"
    seed = 0
    replications = 20                # cells per point
    samples = 64                     # of the Sobol sequence, if there is one

    [config]                         # fields that differ from the configuration's defaults
    agents = 2000

    [grid]                           # every combination of the values is a point
    exemption = [0.0, 2.0]

    [sobol]                          # ranges that the Sobol sequence fills evenly
    tax_rate = [0.0, 0.05]
    mean_wealth = { low = 100.0, high = 1e6, scale = "log" }
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, final

from walras.market.errors import InvalidInputError
from walras.market.validation import finite_number, whole_number
from walras.simulations.experiments import EXPERIMENTS, Experiment, load_experiment
from walras.simulations.runner.fields import Field, PlainValue, configuration_fields, field_named, nearest
from walras.simulations.target import load_target

__all__ = ["Range", "Scenario", "find_experiment", "load_scenario", "scenario_files"]

_KEYS = ("experiment", "seed", "replications", "samples", "config", "grid", "sobol")


@final
@dataclass(frozen=True)
class Range:
    """An interval that a Sobol sequence fills evenly.

    Parameters
    ----------
    low, high
        Its ends, low < high. A field of whole numbers takes each whole number from low to high equally often.
    log
        Whether it is filled evenly in the logarithm; low is then above 0.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        low, high = finite_number("Range.low", self.low), finite_number("Range.high", self.high)
        if low >= high:
            raise InvalidInputError(f"A range must go from a lower to a higher number, got {low:g}..{high:g}.")
        if self.log and low <= 0.0:
            raise InvalidInputError(f"A logarithmic range must lie above 0, got {low:g}..{high:g}.")

    @classmethod
    def parsed(cls, text: str) -> "Range":
        """Read `low..high`, or `low..high:log`.

        Raises
        ------
        InvalidInputError
            If the text is something else.
        """
        ends, _, scale = text.partition(":")
        low, separator, high = ends.partition("..")
        try:
            if not separator or scale.strip() not in ("", "log", "linear"):
                raise ValueError
            return cls(float(low), float(high), scale.strip() == "log")
        except InvalidInputError:
            raise
        except ValueError:
            raise InvalidInputError(f"A range is written low..high or low..high:log, got {text!r}.") from None

    @classmethod
    def read(cls, name: str, given: object) -> "Range":
        """Give the range that stands in a TOML file: `[low, high]`, or a table with `low`, `high` and `scale`."""
        if isinstance(given, Range):
            return given
        if isinstance(given, list | tuple) and len(given) == 2:
            return cls(finite_number(name, given[0]), finite_number(name, given[1]))
        if isinstance(given, Mapping) and {"low", "high"} <= set(given) <= {"low", "high", "scale"}:
            scale = given.get("scale", "linear")
            if scale in ("linear", "log"):
                return cls(finite_number(name, given["low"]), finite_number(name, given["high"]), scale == "log")
        raise InvalidInputError(
            f'The range of {name} must be [low, high] or {{ low = ..., high = ..., scale = "log" }}; got {given!r}.'
        )


@final
@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Which configurations of an experiment are run, how often, and from which seed.

    Parameters
    ----------
    experiment
        A name that `walras experiments` lists, or `module:NAME` or `path/to/file.py:NAME` for an `Experiment` of yours.
    seed
        Of everything that is drawn.
    replications
        Cells per point. Replication r has the same generator at each point (common random numbers).
    config
        Fields that differ from the configuration's defaults.
    grid
        Values of fields; every combination is a point.
    sobol
        Ranges of fields (`Range`, or (low, high)), filled by a scrambled Sobol sequence.
    samples
        Points of that sequence for each combination of the grid; needed if there is a range.

    Raises
    ------
    InvalidInputError
        If there is no such experiment or field, a value has the wrong type, or a field is set twice.

    Examples
    --------
    >>> from walras.simulations import Scenario
    >>> scenario = Scenario(experiment="scarf", replications=3, grid={"step": [0.05, 0.1]})
    >>> scenario.grid
    {'step': (0.05, 0.1)}
    """

    experiment: str
    seed: int = 0
    replications: int = 1
    config: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Any] = field(default_factory=dict)
    sobol: Mapping[str, Any] = field(default_factory=dict)
    samples: int | None = None

    def __post_init__(self) -> None:
        whole_number("seed", self.seed)
        whole_number("replications", self.replications, minimum=1)
        known, where = self.fields, f"Scenario of {self.experiment}"
        config = {name: field_named(known, name, where).value(given) for name, given in self.config.items()}
        grid = {name: _choices(field_named(known, name, where), given) for name, given in self.grid.items()}
        sobol = {name: _range(field_named(known, name, where), given) for name, given in self.sobol.items()}
        twice = (set(config) & set(grid)) | (set(config) & set(sobol)) | (set(grid) & set(sobol))
        if twice:
            raise InvalidInputError(f"{where}: {', '.join(sorted(twice))} is set twice, in config, grid or sobol.")
        if sobol and self.samples is None:
            raise InvalidInputError(f"{where}: ranges need a number of samples.")
        if self.samples is not None:
            whole_number("samples", self.samples, minimum=1)
            if not sobol:
                raise InvalidInputError(f"{where}: samples = {self.samples}, but there is no range to sample from.")
        for name, checked in (("config", config), ("grid", grid), ("sobol", sobol)):
            object.__setattr__(self, name, checked)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the experiment's configuration."""
        return configuration_fields(find_experiment(self.experiment).config)

    def changed(
        self,
        *,
        seed: int | None = None,
        replications: int | None = None,
        config: Mapping[str, Any] | None = None,
        grid: Mapping[str, Any] | None = None,
        sobol: Mapping[str, Any] | None = None,
        samples: int | None = None,
    ) -> "Scenario":
        """Give the scenario with changes; what is said of a field takes the place of all that was said of it."""
        new = {"config": dict(config or {}), "grid": dict(grid or {}), "sobol": dict(sobol or {})}
        mentioned = {name for part in new.values() for name in part}
        parts: dict[str, Any] = {
            part: {**{name: value for name, value in getattr(self, part).items() if name not in mentioned}, **values}
            for part, values in new.items()
        }
        kept_samples = self.samples if parts["sobol"] else None
        return replace(
            self,
            seed=self.seed if seed is None else seed,
            replications=self.replications if replications is None else replications,
            samples=kept_samples if samples is None else samples,
            **parts,
        )

    def as_plain_values(self) -> dict[str, Any]:
        """Give the scenario as values that JSON and TOML can hold; `read` takes them back."""
        plain: dict[str, Any] = {
            "experiment": self.experiment,
            "seed": self.seed,
            "replications": self.replications,
            "samples": self.samples,
            "config": {name: _plain(value) for name, value in self.config.items()},
            "grid": {name: [_plain(value) for value in values] for name, values in self.grid.items()},
            "sobol": {
                name: {"low": ends.low, "high": ends.high, "scale": "log" if ends.log else "linear"}
                for name, ends in self.sobol.items()
            },
        }
        return {name: value for name, value in plain.items() if value not in (None, {})}

    def as_toml(self) -> str:
        """Give the scenario as a TOML file, which `load_scenario` reads back."""
        plain = self.as_plain_values()
        lines = [f"{name} = {_toml(value)}" for name, value in plain.items() if not isinstance(value, dict)]
        for name, table in plain.items():
            if isinstance(table, dict):
                lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"

    @classmethod
    def read(cls, plain: Mapping[str, Any], *, where: str = "scenario", folder: Path | None = None) -> "Scenario":
        """Give the scenario that plain values describe.

        Parameters
        ----------
        plain
            As in a TOML file.
        where
            What they are, for messages.
        folder
            From which the path of an experiment's file is taken.

        Raises
        ------
        InvalidInputError
            As the class does, and if there are other keys.
        """
        for key in plain:
            if key not in _KEYS:
                raise InvalidInputError(f"{where}: there is no {key!r}{nearest(key, _KEYS)}. Keys: {', '.join(_KEYS)}.")
        if not isinstance(plain.get("experiment"), str):
            raise InvalidInputError(f'{where} must name its experiment: experiment = "NAME".')
        for part in ("config", "grid", "sobol"):
            if not isinstance(plain.get(part, {}), Mapping):
                raise InvalidInputError(f"{where}: [{part}] must be a table of fields, got {plain[part]!r}.")
        try:
            return cls(**{**plain, "experiment": _from_folder(plain["experiment"], folder)})
        except InvalidInputError as error:
            raise InvalidInputError(f"{where}: {error}") from None


def load_scenario(name: str | Path) -> Scenario:
    """Give the scenario of that name, or in that TOML file.

    Raises
    ------
    InvalidInputError
        If there is none of that name, or the file cannot be read as a scenario.
    """
    known = scenario_files()
    path = Path(name) if str(name).endswith(".toml") else known.get(str(name))
    if path is None:
        raise InvalidInputError(
            f"There is no scenario {str(name)!r}{nearest(str(name), known)}. "
            f"Scenarios: {', '.join(known)}; or the path of a file that ends in .toml."
        )
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not TOML: {error}.") from None
    return Scenario.read(plain, where=str(path), folder=path.parent)


def scenario_files() -> dict[str, Path]:
    """Give the TOML files that come with walras, by name."""
    folder = Path(str(files("walras.simulations"))) / "scenarios"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


@lru_cache(maxsize=64)
def find_experiment(reference: str) -> Experiment[Any]:
    """Give the experiment that a scenario names.

    Raises
    ------
    InvalidInputError
        If there is none of that name, or the object named is no `Experiment`.
    """
    if reference in EXPERIMENTS:
        return load_experiment(reference)
    place, _, name = reference.rpartition(":")
    if not place or not name:
        raise InvalidInputError(
            f"There is no experiment {reference!r}{nearest(reference, EXPERIMENTS)}. Experiments: "
            f"{', '.join(EXPERIMENTS)}; or module:NAME or file.py:NAME for one of your own."
        )
    found = load_target(reference)
    if not isinstance(found, Experiment):
        raise InvalidInputError(f"{reference} must be an Experiment, got {found!r}.")
    return found


def _from_folder(reference: str, folder: Path | None) -> str:
    """Give `file.py:NAME` with the file's whole path, so that workers and later commands find it."""
    place, separator, name = reference.rpartition(":")
    return f"{((folder or Path()) / place).resolve()}:{name}" if separator and place.endswith(".py") else reference


def _choices(known: Field, given: object) -> tuple[PlainValue, ...]:
    if isinstance(given, str) or not isinstance(given, list | tuple):
        raise InvalidInputError(f"The grid of {known.name} must be a list of values, got {given!r}.")
    values = tuple(known.value(value) for value in given)
    if not values or len(set(values)) < len(values):
        raise InvalidInputError(f"The grid of {known.name} must hold one or more values that differ, got {given!r}.")
    return values


def _range(known: Field, given: object) -> Range:
    if known.is_tuple or known.kind not in (int, float):
        raise InvalidInputError(f"{known.name} is a {known.type_name}: only numbers can be sampled from a range.")
    ends = Range.read(known.name, given)
    if known.kind is int and not (ends.low.is_integer() and ends.high.is_integer()):
        raise InvalidInputError(f"The range of {known.name} must have whole ends, got {ends.low:g}..{ends.high:g}.")
    return ends


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(entry)}" for name, entry in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # Strings of JSON are strings of TOML, once the one control character that JSON leaves alone is written out.
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(value: PlainValue) -> Any:
    return list(value) if isinstance(value, tuple) else value
