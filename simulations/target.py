"""Find the mechanism that a command line names: `module:Name` or `path/to/file.py:Name`."""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from walras.market import InvalidInputError

__all__ = ["load_target"]


def load_target(target: str) -> Any:
    """Give the object that `target` names; a class, or a function without parameters, is called first.

    Parameters
    ----------
    target
        `module:Name`, with the module found as Python finds it from the current folder, or `path/to/file.py:Name`. The
        name may have dots.

    Raises
    ------
    InvalidInputError
        If there is no such module, file or name, or the class cannot be made without arguments.
    """
    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise InvalidInputError(f"The mechanism must be named as module:Name or file.py:Name, got {target!r}.")
    found: Any = _file_module(Path(place)) if place.endswith(".py") else _named_module(place)
    for part in name.split("."):
        if not hasattr(found, part):
            known = ", ".join(sorted(key for key in vars(found) if not key.startswith("_"))[:20])
            raise InvalidInputError(f"{place} has no {part!r}; it has {known}.")
        found = getattr(found, part)
    return _made(target, found) if inspect.isclass(found) or inspect.isfunction(found) else found


def _made(target: str, maker: Any) -> Any:
    try:
        inspect.signature(maker).bind()
    except TypeError as error:
        raise InvalidInputError(
            f"{target} needs arguments ({error}): name an instance, or a function without parameters that makes one."
        ) from None
    return maker()


def _named_module(name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:  # as `python -m` does
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InvalidInputError(f"There is no module {error.name!r} (looked for {name}, also from {folder}).") from None


def _file_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise InvalidInputError(f"There is no file {path}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
