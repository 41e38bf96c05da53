"""The kernels compiled by numba, where it is installed: once, at their first use, and kept on disk."""

from collections.abc import Callable
from functools import cache
from typing import Any

from walras.agents.wealth.kernel import FLOWS, collect, meet
from walras.market.order_book.compiled import compiled, is_compiler_installed

__all__ = ["compiled_collect", "compiled_meet", "is_compiler_installed"]


@cache
def compiled_meet() -> Callable[..., Any]:
    """Give `kernel.meet`, compiled; plain Python where numba is not installed."""
    return compiled(meet, FLOWS)


@cache
def compiled_collect() -> Callable[..., Any]:
    """Give `kernel.collect`, compiled; plain Python where numba is not installed."""
    return compiled(collect, ())
