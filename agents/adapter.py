"""The only door to Mesa: base classes for models and agents, without the side effects that Mesa 3.3 has.

Mesa keeps what it is for: the model owns time (`steps`), agents (`agents`, `agents_by_type`) and the generator (`rng`).
Two habits of it are undone here:

- `import mesa` sets the start method of multiprocessing for the whole process; it is put back.
- `mesa.Agent` counts the agents of each model in a table that holds every model for ever, so that a long sweep runs out
  of memory; here the table holds them weakly.
"""

import itertools
import multiprocessing
from collections.abc import Iterator
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from walras.market.errors import InvalidInputError

_start_method = multiprocessing.get_start_method(allow_none=True)

import mesa  # noqa: E402  (between the two lines that read and restore the start method)

multiprocessing.set_start_method(_start_method, force=True)

__all__ = ["Agent", "Model"]


class _Counters:
    """For each living model, the numbers 1, 2, ... that its agents get."""

    def __init__(self) -> None:
        self._counters: WeakKeyDictionary[Any, Iterator[int]] = WeakKeyDictionary()

    def __getitem__(self, model: Any) -> Iterator[int]:
        return self._counters.setdefault(model, itertools.count(1))

    def __len__(self) -> int:
        return len(self._counters)


class Agent(mesa.Agent):
    """A Mesa agent that does not keep its model alive."""

    _ids: ClassVar[_Counters] = _Counters()


class Model(mesa.Model):
    """A Mesa model with an explicit source of randomness.

    Parameters
    ----------
    rng
        A generator, used and advanced, or an integer that seeds one. There is no default: a run without a seed cannot
        be repeated.
    """

    def __init__(self, rng: np.random.Generator | int) -> None:
        if isinstance(rng, bool) or not isinstance(rng, np.random.Generator | int | np.integer):
            raise InvalidInputError(f"rng must be a numpy Generator or an integer seed, got {rng!r}.")
        super().__init__(rng=np.random.default_rng(rng))
