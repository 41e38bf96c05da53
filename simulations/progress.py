"""Progress on the terminal: one bar a stage, with the time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["StageProgress"]


@final
class StageProgress:
    """Shows the stages of a run, one bar each.

    Parameters
    ----------
    console
        Where to show them.
    quiet
        Show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet,
        )

    @contextmanager
    def running(self) -> Iterator["StageProgress"]:
        """Show the bars while the run lasts."""
        with self._progress:
            yield self

    def stage(self, description: str, total: int) -> Callable[[], None]:
        """Start a stage of `total` parts; give what to call after each part."""
        task = self._progress.add_task(description, total=total)
        return lambda: self._progress.advance(task)

    def stage_to(self, description: str, total: int) -> Callable[[int], None]:
        """Start a stage of `total` parts; give what to call with the number of parts done."""
        task = self._progress.add_task(description, total=total)
        return lambda done: self._progress.update(task, completed=done)
