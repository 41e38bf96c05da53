"""numba, where it is installed: the kernel compiled once, at its first use, and kept on disk."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

__all__ = ["compiled", "is_compiler_installed"]


def is_compiler_installed() -> bool:
    """Whether numba can be imported (`pip install walras[fast]`)."""
    return find_spec("numba") is not None


@cache
def compiled(function: Callable[..., Any], helpers: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    """Give `function` compiled by numba; the function itself where numba is not installed.

    Parameters
    ----------
    function
        What to compile. Its source file must hold all helpers, since numba's cache on disk looks at that file alone.
    helpers
        The plain functions that it calls; they stay plain Python for whoever calls them from Python.
    """
    if not is_compiler_installed():
        return function
    import numba
    from numba.extending import register_jitable

    # The functions make no arrays, so nothing has to count references to them: that counting takes half of the time.
    for helper in helpers:
        register_jitable(_nrt=False)(helper)
    try:
        return numba.njit(cache=True, _nrt=False)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder to keep it in: compile in each process
        return numba.njit(_nrt=False)(function)  # type: ignore[no-any-return]
