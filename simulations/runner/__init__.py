"""Scenarios and their runs: points, seeds, executors, the store, and reports from stored rows.

`run_scenario` is the front door; its parts stand in the modules beside it.
"""

from collections.abc import Callable
from pathlib import Path

from walras.simulations.runner.executors import open_executor
from walras.simulations.runner.run import CellError, manifest_config, open_run_folder, run_cells
from walras.simulations.runner.run_report import anchor_rows, write_report
from walras.simulations.runner.scenario import Range, Scenario, find_experiment, load_scenario, scenario_files
from walras.simulations.runner.stored_run import StoredRun

__all__ = [
    "CellError",
    "Range",
    "Scenario",
    "StoredRun",
    "anchor_rows",
    "find_experiment",
    "load_scenario",
    "run_scenario",
    "scenario_files",
    "write_report",
]


def run_scenario(
    scenario: Scenario,
    out: Path | str | None = None,
    *,
    executor: str | None = None,
    jobs: int | None = None,
    on_start: Callable[[int, int], Callable[[], None]] = lambda _stored, _left: lambda: None,
) -> StoredRun:
    """Run the cells of a scenario into a folder, or go on with a run that was killed there, and give the stored run.

    Parameters
    ----------
    scenario
        What to run.
    out
        The folder; None makes a new one, `runs/EXPERIMENT-TIME`.
    executor
        "serial", "local" (worker processes of this machine) or "ray"; None takes "serial" for one job, else "local".
    jobs
        Cells at a time; None takes one without an executor, and as many as there are CPUs with one.
    on_start
        Called with the numbers of cells that are stored and left; gives what is called after each cell.

    Returns
    -------
    StoredRun
        Its rows are the same whatever the executor, the number of jobs, and how often the run was killed, but for the
        seconds that cells took.

    Raises
    ------
    CellError
        If a cell failed. The others are stored: run the same again when the cause is gone.
    InvalidInputError
        If something else is in the folder, or the executor is not there.

    Notes
    -----
    Scripts that use "local" need the usual `if __name__ == "__main__":`, since workers are started by "spawn".

    Examples
    --------
    >>> import tempfile
    >>> from walras.simulations import Scenario, run_scenario
    >>> scenario = Scenario(experiment="prices-against-quantities", replications=2, config={"periods": 5, "draws": 100})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = run_scenario(scenario, folder)
    ...     cells = run.tables["cells"]
    >>> cells[["cell", "point", "replication", "periods"]].to_numpy().tolist()
    [[0, 0, 0, 5], [1, 0, 1, 5]]
    """
    opened = open_executor(executor, jobs)
    name = find_experiment(scenario.experiment).name
    folder = open_run_folder(None if out is None else Path(out), name, manifest_config(scenario))
    folder.write_text("scenario.toml", scenario.as_toml())
    run_cells(scenario, folder, opened, on_start)
    return StoredRun(folder.path)
