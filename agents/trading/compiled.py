"""The kernel compiled by numba, where it is installed: once, at its first use, and kept on disk."""

from collections.abc import Callable
from functools import cache
from typing import Any

from walras.agents.trading.kernel import HELPERS, play
from walras.market.order_book.compiled import compiled, is_compiler_installed

__all__ = ["compiled_play", "is_compiler_installed"]


@cache
def compiled_play() -> Callable[..., Any]:
    """Give `kernel.play`, compiled; plain Python where numba is not installed."""
    return compiled(play, HELPERS)
