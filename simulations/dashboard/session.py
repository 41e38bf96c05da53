"""One visitor's economy: started, stepped, run in the background, paused, closed.

Each browser tab has a session of its own, so no two share an economy. While it runs, a thread plays periods at the
speed asked for, and a few times a second tells the view that there is something new; the server stays free. The thread
ends when the session is paused, restarted or closed, and when the economy raises.

Two locks, never held while the view is told, so that a view which asks the session back cannot wait for itself:
`_playing` is held while a period is played, `_changing` while the state is exchanged.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np

from walras.market.errors import InvalidInputError, MarketError
from walras.simulations.dashboard.controls import Settings
from walras.simulations.dashboard.live_economy import LiveEconomy, LiveRun
from walras.simulations.dashboard.snapshot import Snapshot

__all__ = ["FASTEST", "Session", "SessionState"]

FASTEST = float("inf")
THREAD_NAME = "walras-live-economy"

_FRAME = 0.3  # seconds between two pictures of an economy that runs

_Told: TypeAlias = Callable[[], object]


@final
@dataclass(frozen=True, eq=False)
class SessionState:
    """What a session is at.

    Parameters
    ----------
    snapshot
        What there is to see; None if no economy could be started.
    is_running
        Whether periods are played in the background.
    problem
        Why the economy did not start, or stopped; empty if all is well.
    """

    snapshot: Snapshot | None = None
    is_running: bool = False
    problem: str = ""


@final
class Session:
    """One visitor's economy.

    Parameters
    ----------
    tell
        Called, from whatever thread, after each change of `state`; not after `close`.

    Notes
    -----
    All methods may be called from any thread, and none waits for more than one period of the economy.
    """

    def __init__(self, tell: _Told = lambda: None) -> None:
        self._tell = tell
        self._playing = threading.Lock()
        self._changing = threading.Lock()
        self._run: LiveRun | None = None
        self._halt = threading.Event()  # of the thread that runs now; each has its own
        self._state = SessionState()
        self._periods_per_second = FASTEST
        self._is_closed = False
        self._again: Callable[[], None] = lambda: None

    @property
    def state(self) -> SessionState:
        """What the session is at."""
        return self._state

    def start(self, economy: LiveEconomy, settings: Settings, seed: int) -> None:
        """Start an economy afresh, in place of the one before; it stands at period 0 and does not run yet."""
        self._again = lambda: self.start(economy, settings, seed)
        self._halt.set()
        with self._playing:
            run: LiveRun | None = None
            snapshot, problem = None, ""
            try:
                run = economy.start(settings, np.random.default_rng(seed))
                snapshot = run.snapshot()
            except Exception as error:
                run, problem = None, _told_plainly(error)
            self._run = None if self._is_closed else run
            self._change(snapshot=snapshot, is_running=False, problem=problem)
        self._notify()

    def reset(self) -> None:
        """Start the same economy again, from the same seed."""
        self._again()

    def step(self) -> None:
        """Play one period; an economy that runs is paused."""
        self.pause()
        self._play(periods=1, halt=threading.Event(), deadline=None)
        self._notify()

    def run(self) -> None:
        """Play periods in the background until paused."""
        with self._changing:
            if self._is_closed or self._run is None or self._state.is_running:
                return
            self._halt = halt = threading.Event()
            self._state = replace(self._state, is_running=True)
        threading.Thread(target=self._keep_playing, args=(halt,), name=THREAD_NAME, daemon=True).start()
        self._notify()

    def pause(self) -> None:
        """Stop playing, after the period that is under way."""
        self._halt.set()
        self._change(is_running=False)
        self._notify()

    def set_speed(self, periods_per_second: float) -> None:
        """Set how many periods a second are played while the economy runs; `FASTEST` for as many as can be."""
        if not periods_per_second > 0:
            raise InvalidInputError(f"periods_per_second must be above 0, got {periods_per_second!r}.")
        self._periods_per_second = periods_per_second

    def close(self) -> None:
        """End the session for good: its thread ends, and nobody is told any more."""
        with self._changing:
            self._is_closed = True
            self._halt.set()
            self._run = None
            self._state = SessionState()

    def _keep_playing(self, halt: threading.Event) -> None:
        """Play what is due frame by frame, until told to halt; periods that are late are not made up for."""
        due = 0.0
        while not halt.is_set():
            begin = time.monotonic()
            due += min(self._periods_per_second * _FRAME, 1e9)
            self._play(periods=int(due), halt=halt, deadline=begin + _FRAME)
            due -= int(due)
            self._notify()
            halt.wait(max(0.02, begin + _FRAME - time.monotonic()))  # at least a breath for other threads

    def _play(self, *, periods: int, halt: threading.Event, deadline: float | None) -> None:
        """Play some periods, fewer if halted or past the deadline, and take a snapshot if there were any."""
        with self._playing:
            run = self._run
            if run is None or halt.is_set() or periods == 0:
                return
            try:
                for _ in range(periods):
                    run.step()
                    if halt.is_set() or (deadline is not None and time.monotonic() > deadline):
                        break
                snapshot = run.snapshot()
            except Exception as error:
                halt.set()
                self._run = None
                self._change(is_running=False, problem=_told_plainly(error))
            else:
                self._change(snapshot=snapshot)

    def _change(self, **changes: Any) -> None:
        with self._changing:
            if not self._is_closed:
                self._state = replace(self._state, **changes)

    def _notify(self) -> None:
        if not self._is_closed:
            self._tell()


def _told_plainly(error: Exception) -> str:
    """Give a sentence for the visitor; what walras did not raise on purpose goes to the log too, with its traceback."""
    if isinstance(error, MarketError):
        return str(error)
    logging.getLogger(__name__).error("An economy stopped.", exc_info=error)
    return f"The economy stopped by an unexpected {type(error).__name__}: {error}"
