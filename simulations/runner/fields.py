"""Fields of a configuration: their types, and values for them from TOML, Python or the command line.

A configuration is a dataclass whose fields are bool, int, float, str, or tuples of one of these: `tuple[float, ...]`.
"""

import difflib
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, TypeAlias, final, get_args, get_origin, get_type_hints

from walras.market.errors import InvalidInputError

__all__ = ["Field", "PlainValue", "configuration_fields", "field_named", "nearest"]

Atom: TypeAlias = bool | int | float | str
PlainValue: TypeAlias = Atom | tuple[Atom, ...]

_ATOMS: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_TRUTH = {"true": True, "false": False}


@final
@dataclass(frozen=True)
class Field:
    """A field of a configuration.

    Parameters
    ----------
    name
        Its name.
    kind
        bool, int, float or str.
    is_tuple
        Whether it holds a tuple of that kind.
    default
        What it is if nothing is said.
    """

    name: str
    kind: type[Atom]
    is_tuple: bool
    default: PlainValue

    @property
    def type_name(self) -> str:
        """The type, as it is shown."""
        return f"tuple of {self.kind.__name__}" if self.is_tuple else self.kind.__name__

    def value(self, given: object) -> PlainValue:
        """Give a value of the field's type: a whole number will do for a float, a list for a tuple.

        Raises
        ------
        InvalidInputError
            If `given` is of another type.
        """
        if self.is_tuple:
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise InvalidInputError(f"{self.name} must be a list, each {_ATOMS[self.kind]}; got {given!r}.")
            return tuple(self._atom(entry) for entry in given)
        return self._atom(given)

    def parsed(self, text: str) -> PlainValue:
        """Give the value that a text on the command line stands for; entries of a tuple are parted by commas."""
        if self.is_tuple:
            return tuple(self._parsed_atom(part.strip()) for part in text.split(",") if part.strip())
        return self._parsed_atom(text.strip())

    def parsed_choices(self, text: str) -> tuple[PlainValue, ...]:
        """Give the values that a list on the command line stands for, parted by commas; tuples by semicolons."""
        parts = [part for part in text.split(";" if self.is_tuple else ",") if part.strip()]
        return tuple(self.parsed(part) for part in parts)

    def _atom(self, given: object) -> Atom:
        if self.kind is float and isinstance(given, int) and not isinstance(given, bool):
            return float(given)
        if type(given) is self.kind:
            return given
        raise InvalidInputError(f"{self.name} must be {_ATOMS[self.kind]}; got {given!r}.")

    def _parsed_atom(self, text: str) -> Atom:
        try:
            return _TRUTH[text.lower()] if self.kind is bool else self.kind(text)
        except (KeyError, ValueError):
            raise InvalidInputError(f"{self.name} must be {_ATOMS[self.kind]}; got {text!r}.") from None


def configuration_fields(config: type) -> tuple[Field, ...]:
    """Give the fields of a configuration, in order.

    Raises
    ------
    InvalidInputError
        If `config` is no dataclass, or a field has another type or no default.
    """
    if not is_dataclass(config):
        raise InvalidInputError(f"A configuration must be a dataclass, got {config!r}.")
    hints = get_type_hints(config)
    return tuple(_field(config, field.name, hints[field.name], field.default) for field in fields(config))


def field_named(known: Sequence[Field], name: str, where: str) -> Field:
    """Give the field of that name.

    Raises
    ------
    InvalidInputError
        If there is none; names the nearest, and lists all.
    """
    for field in known:
        if field.name == name:
            return field
    listed = ", ".join(f"{field.name} ({field.type_name})" for field in known)
    suggestion = nearest(name, [field.name for field in known])
    raise InvalidInputError(f"{where}: there is no field {name!r}{suggestion}. Fields: {listed}.")


def nearest(name: str, known: Iterable[str]) -> str:
    """Give " (did you mean 'x'?)" with the nearest known name, or nothing if none is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _field(config: type, name: str, hint: Any, default: Any) -> Field:
    is_tuple = get_origin(hint) is tuple
    kinds = {kind for kind in get_args(hint) if kind is not Ellipsis} if is_tuple else {hint}
    if isinstance(hint, types.UnionType) or len(kinds) != 1 or not kinds <= set(_ATOMS):
        raise InvalidInputError(
            f"{config.__name__}.{name} is of type {hint}; fields must be bool, int, float, str or tuples of one."
        )
    if default is MISSING:
        raise InvalidInputError(f"{config.__name__}.{name} needs a default.")
    return Field(name, kinds.pop(), is_tuple, default)
