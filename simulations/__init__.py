"""Experiments, runs, reports and the `walras` command line.

Names are imported when they are first asked for: studies bring in torch, and the command line must start quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from walras.simulations.report import Section, render_report
    from walras.simulations.run_folder import RunFolder
    from walras.simulations.runner import (
        CellError,
        Range,
        Scenario,
        StoredRun,
        anchor_rows,
        find_experiment,
        load_scenario,
        run_scenario,
        scenario_files,
        write_report,
    )
    from walras.simulations.study import StudyConfig, run_study

__all__ = [
    "CellError",
    "Range",
    "RunFolder",
    "Scenario",
    "Section",
    "StoredRun",
    "StudyConfig",
    "anchor_rows",
    "find_experiment",
    "load_scenario",
    "render_report",
    "run_scenario",
    "run_study",
    "scenario_files",
    "write_report",
]

_MODULES = {
    "report": ("Section", "render_report"),
    "run_folder": ("RunFolder",),
    "runner": (
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
    ),
    "study": ("StudyConfig", "run_study"),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"walras.simulations.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
