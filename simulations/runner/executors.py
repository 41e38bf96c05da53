"""Who runs the cells: this process, worker processes on this machine, or a Ray cluster.

An executor is asked for one cell at a time and gives a future. It is a context: its workers live as long as it is
open. None of them decides what a cell draws or where its rows stand, so all give the same tables.

A worker process holds the only other end of its pipe. If the process that asks is killed, even with SIGKILL, workers
read the end of the pipe and stop; none is left behind. If a worker is killed, its cell fails and a new one takes over.
"""

import multiprocessing
import os
import queue
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, final

from walras.market.errors import InvalidInputError
from walras.market.validation import whole_number
from walras.simulations.runner.cell import CellOutcome, run_cell
from walras.simulations.runner.points import CellTask

__all__ = ["EXECUTORS", "Executor", "LocalExecutor", "RayExecutor", "SerialExecutor", "completed", "open_executor"]

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Executor(ABC):
    """Runs cells.

    Attributes
    ----------
    slots
        Cells that may be asked for at a time, so that no worker waits and memory stays bounded.
    """

    slots: int = 1

    @abstractmethod
    def submit(self, task: CellTask) -> "Future[CellOutcome]":
        """Give the future of a cell."""

    def __enter__(self) -> "Executor":
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - there may be no workers
        """Stop the workers, in mid-cell if need be."""


@final
class SerialExecutor(Executor):
    """Runs each cell at once, in this process."""

    def submit(self, task: CellTask) -> "Future[CellOutcome]":
        """Give the future of a cell: it is done."""
        done: Future[CellOutcome] = Future()
        done.set_result(run_cell(task))
        return done


@final
class LocalExecutor(Executor):
    """Runs cells in worker processes of this machine.

    Parameters
    ----------
    jobs
        Workers.
    """

    def __init__(self, jobs: int) -> None:
        self.slots = 2 * jobs
        self._jobs = jobs

    def __enter__(self) -> "LocalExecutor":
        self._workers = [_Worker() for _ in range(self._jobs)]  # at once: they start up side by side
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(self._jobs)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    _closing = False

    def submit(self, task: CellTask) -> "Future[CellOutcome]":
        """Give the future of a cell."""
        return self._threads.submit(self._run, task)

    def _run(self, task: CellTask) -> CellOutcome:
        worker = self._idle.get()
        try:
            return worker.run(task)
        except (EOFError, OSError):
            reason = f"{task}: its worker process ended ({worker.ending()}); was it short of memory?"
            if not self._closing:
                self._workers.remove(worker)
                worker = _Worker()
                self._workers.append(worker)
            return CellOutcome(task, 0.0, error=reason)
        finally:
            self._idle.put(worker)


@final
class _Worker:
    """A process that runs the cells that it is sent."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _environment(dict.fromkeys(_THREADS, "1")):
            self._process.start()
        theirs.close()  # the worker's death is then the end of the pipe

    def run(self, task: CellTask) -> CellOutcome:
        """Give what became of the cell; raises `EOFError` or `OSError` if the process ends."""
        self._pipe.send(task)
        outcome: CellOutcome = self._pipe.recv()
        return outcome

    def ending(self) -> str:
        """Say how the process ended."""
        self._process.join(5.0)
        code = self._process.exitcode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()


def _serve(pipe: Connection) -> None:
    """Run cells until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks; it stops its workers
    while True:
        try:
            task = pipe.recv()
            pipe.send(run_cell(task))
        except (EOFError, OSError):
            return


@final
class RayExecutor(Executor):
    """Runs cells on a Ray cluster: the one that RAY_ADDRESS names, or one made of this machine.

    Parameters
    ----------
    jobs
        Cells at a time; None takes all CPUs of the cluster.

    Raises
    ------
    InvalidInputError
        If Ray is not installed.

    Notes
    -----
    walras, and the file of an experiment of your own, must be installed on the machines of the cluster. Rows come back
    over the network: the run's folder is on this machine alone.
    """

    def __init__(self, jobs: int | None = None) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise InvalidInputError(
                "The executor 'ray' needs Ray: install it with `pip install 'walras[ray]'`, or use --executor local."
            ) from None
        self._ray = ray
        self._jobs = jobs

    def __enter__(self) -> "RayExecutor":
        self._started = not self._ray.is_initialized()
        if self._started:
            # A cluster that runs already has its own number of CPUs.
            cpus = None if "RAY_ADDRESS" in os.environ else self._jobs
            with _environment({"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}):
                self._ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="error")
        self.slots = 2 * (self._jobs or int(self._ray.cluster_resources().get("CPU", 1)))
        self._remote: Any = self._ray.remote(num_cpus=1, max_retries=0)(run_cell)
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            self._ray.shutdown()

    def submit(self, task: CellTask) -> "Future[CellOutcome]":
        """Give the future of a cell."""
        outcome: Future[CellOutcome] = Future()

        def settle(done: "Future[CellOutcome]") -> None:
            error = done.exception()
            if error is None:
                outcome.set_result(done.result())
            else:  # `run_cell` raises nothing: this is a worker's or a machine's end
                outcome.set_result(CellOutcome(task, 0.0, error=f"{task}: {type(error).__name__}: {error}"))

        self._remote.remote(task).future().add_done_callback(settle)
        return outcome


EXECUTORS: dict[str, Callable[[int | None], Executor]] = {
    "serial": lambda jobs: SerialExecutor(),
    "local": lambda jobs: LocalExecutor(jobs or os.cpu_count() or 1),
    "ray": RayExecutor,
}


def open_executor(name: str | None, jobs: int | None) -> Executor:
    """Give the executor of that name; without one, this process for one job, and worker processes for more.

    Raises
    ------
    InvalidInputError
        If there is none of that name, `jobs` is not 1 or more, or its library is missing.
    """
    if jobs is not None:
        whole_number("jobs", jobs, minimum=1)
    chosen = name or ("serial" if jobs in (None, 1) else "local")
    if chosen not in EXECUTORS:
        raise InvalidInputError(f"There is no executor {chosen!r}; there are: {', '.join(EXECUTORS)}.")
    if chosen == "serial" and jobs not in (None, 1):
        raise InvalidInputError(f"The executor 'serial' runs one cell at a time: leave out jobs, got {jobs}.")
    return EXECUTORS[chosen](jobs)


def completed(executor: Executor, tasks: Iterable[CellTask]) -> Iterator[CellOutcome]:
    """Give what becomes of cells, in the order in which they end; asks for no more than the executor's slots."""
    pending: set[Future[CellOutcome]] = set()
    for task in tasks:
        if len(pending) >= executor.slots:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)
        pending.add(executor.submit(task))
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        yield from (each.result() for each in done)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables that a process started meanwhile inherits."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
