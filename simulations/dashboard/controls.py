"""What a user may set before an economy starts: choices and numbers, each with its range and default.

A control knows no widget. It reads what a user typed, and says in one sentence what is wrong with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from walras.market.errors import InvalidInputError
from walras.market.validation import finite_number

__all__ = ["SEED", "Choice", "Control", "Number", "Setting", "Settings", "checked_settings", "defaults_of", "matters"]

Setting: TypeAlias = str | int | float
Settings: TypeAlias = Mapping[str, Setting]


@final
@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several named options.

    Parameters
    ----------
    name
        Key of the setting.
    label
        What the user reads.
    options
        One or more, each once.
    default
        One of them.
    only_if
        The name of a choice, and the options of it with which this setting matters; None if it always does. A view
        hides it otherwise.
    """

    name: str
    label: str
    options: tuple[str, ...]
    default: str
    only_if: tuple[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        if len(set(self.options)) != len(self.options):
            raise InvalidInputError(f"The options of {self.name!r} must differ, got {self.options}.")
        self.checked(self.default)

    def checked(self, value: object) -> str:
        """Give the option, or raise `InvalidInputError`."""
        if value not in self.options:
            raise InvalidInputError(f"{self.label} must be one of {', '.join(self.options)}; got {value!r}.")
        return str(value)

    def read(self, text: str) -> str:
        """Give what the user chose, or raise `InvalidInputError`."""
        return self.checked(text)


@final
@dataclass(frozen=True, kw_only=True)
class Number:
    """A number in a range.

    Parameters
    ----------
    name
        Key of the setting.
    label
        What the user reads.
    unit
        Its unit, or what it is a fraction of.
    minimum, maximum
        The range, ends included.
    default
        In it.
    step
        How far one notch of a slider goes, above 0.
    whole
        Whether it is a whole number.
    only_if
        The name of a choice, and the options of it with which this setting matters; None if it always does. A view
        hides it otherwise.
    """

    name: str
    label: str
    unit: str
    minimum: float
    maximum: float
    default: float
    step: float = 1.0
    whole: bool = False
    only_if: tuple[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        if not (self.minimum < self.maximum and self.step > 0):
            raise InvalidInputError(f"{self.name!r} needs minimum < maximum and a step above 0, got {self!r}.")
        object.__setattr__(self, "default", self.checked(self.default))

    def checked(self, value: object) -> int | float:
        """Give the number, an int if it is a whole one, or raise `InvalidInputError`."""
        number = finite_number(self.label, value)
        if self.whole and not number.is_integer():
            raise InvalidInputError(f"{self.label} must be a whole number, got {number:g}.")
        if not self.minimum <= number <= self.maximum:
            raise InvalidInputError(
                f"{self.label} must lie from {self.minimum:g} to {self.maximum:g} ({self.unit}), got {number:g}."
            )
        return int(number) if self.whole else number

    def read(self, text: str) -> int | float:
        """Give what the user typed, or raise `InvalidInputError`."""
        try:
            number = float(text)
        except ValueError:
            raise InvalidInputError(f"{self.label} must be a number, got {text!r}.") from None
        return self.checked(number)


Control: TypeAlias = Choice | Number

SEED = Number(
    name="seed",
    label="Seed",
    unit="of everything that is drawn",
    minimum=0,
    maximum=2**31 - 1,
    default=0,
    whole=True,
)


def matters(control: Control, settings: Settings) -> bool:
    """Give whether a setting has a meaning beside the others."""
    if control.only_if is None:
        return True
    choice, options = control.only_if
    return settings[choice] in options


def defaults_of(controls: Sequence[Control]) -> dict[str, Setting]:
    """Give the default of each control, by name."""
    return {control.name: control.default for control in controls}


def checked_settings(controls: Sequence[Control], settings: Settings) -> dict[str, Setting]:
    """Give a setting for each control, or raise.

    Raises
    ------
    InvalidInputError
        A setting that is missing, out of range, or of no control.
    """
    names = {control.name for control in controls}
    if names != set(settings):
        raise InvalidInputError(f"Settings are needed for {sorted(names)}, got them for {sorted(settings)}.")
    return {control.name: control.checked(settings[control.name]) for control in controls}
