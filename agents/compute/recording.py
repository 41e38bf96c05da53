"""What is kept of the periods, so that memory stays bounded however long an economy runs.

The tables of agents and of periods are kept apart. Each holds the recorded periods that are multiples of a *stride*;
when it is full, every other of them is dropped and its stride doubles. So a long run leaves between half and all of the
rows allowed, evenly spaced; a run of at most `most_agent_rows / n` periods, and `most_period_rows`, is kept in full.
Whoever needs every period of a longer run gives a *sink*, which receives each recorded period as it ends, to write it
to a file, say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from walras.agents.compute.tables import PeriodRecord
from walras.market.errors import InvalidInputError
from walras.market.validation import boolean, whole_number

__all__ = ["Recorder", "Recording"]


@final
@dataclass(frozen=True, kw_only=True)
class Recording:
    """Which periods of an economy are recorded, and how much of them is kept.

    Parameters
    ----------
    every
        Every so many periods one is recorded, 1 or more: periods `every`, `2 * every`, ...
    agents
        Whether rows of agents are kept too; if not, only rows of periods.
    most_agent_rows, most_period_rows
        The most rows of each table that are kept, 2 or more; of agents, at least those of two periods, and at most
        those of `most_period_rows` periods. A row of agents takes about 110 bytes, and a period 4 kilobytes more, so
        that the defaults come to 220 and 130 megabytes.
    sink
        Called with the record of each recorded period, when it ends. The arrays in it are not used again.

    Examples
    --------
    >>> from walras.agents.compute import Recording
    >>> summaries = Recording(agents=False, every=100)
    >>> prices = []
    >>> watched = Recording(sink=lambda record: prices.append(record.totals["price"]))
    """

    every: int = 1
    agents: bool = True
    most_agent_rows: int = 2_000_000
    most_period_rows: int = 32_768
    sink: Callable[[PeriodRecord], object] | None = None

    def __post_init__(self) -> None:
        for name, least in (("every", 1), ("most_agent_rows", 2), ("most_period_rows", 2)):
            object.__setattr__(self, name, whole_number(f"Recording.{name}", getattr(self, name), minimum=least))
        object.__setattr__(self, "agents", boolean("Recording.agents", self.agents))
        if self.sink is not None and not callable(self.sink):
            raise InvalidInputError(f"Recording.sink must be None or a function of a PeriodRecord, got {self.sink!r}.")


@final
class Recorder:
    """Keeps records as a `Recording` says.

    Parameters
    ----------
    recording
        What is to be kept.
    agents
        Number of agents.
    """

    def __init__(self, recording: Recording, agents: int) -> None:
        self._recording = recording
        most = min(max(2, recording.most_agent_rows // agents), recording.most_period_rows) if recording.agents else 0
        self._of_agents = _Thinned(recording.every, most)
        self._of_periods = _Thinned(recording.every, recording.most_period_rows)

    def wants(self, period: int) -> bool:
        """Whether a period is recorded."""
        return period % self._recording.every == 0

    def add(self, record: PeriodRecord) -> None:
        """Take the record of a period that is wanted."""
        if self._recording.sink is not None:
            self._recording.sink(record)
        period = int(record.totals["period"])
        self._of_agents.add(period, record)
        self._of_periods.add(period, PeriodRecord({}, record.totals))

    def of_agents(self, after: int = 0) -> list[PeriodRecord]:
        """Records with rows of agents, of the periods after one."""
        return self._of_agents.after(after)

    def of_periods(self) -> list[PeriodRecord]:
        """Records with totals."""
        return self._of_periods.after(0)


@final
class _Thinned:
    """Records of periods that are multiples of a stride, which doubles when there are more than `most`."""

    def __init__(self, stride: int, most: int) -> None:
        self._stride = stride
        self._most = most
        self._items: list[tuple[int, PeriodRecord]] = []

    def add(self, period: int, item: PeriodRecord) -> None:
        if self._most == 0 or period % self._stride:
            return
        self._items.append((period, item))
        if len(self._items) > self._most:
            self._stride *= 2
            self._items = [kept for kept in self._items if kept[0] % self._stride == 0]

    def after(self, period: int) -> list[PeriodRecord]:
        return [item for played, item in self._items if played > period]
