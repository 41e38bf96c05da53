"""Experiments, runs, reports and the `walras` command line."""

from walras.simulations.report import Section, render_report
from walras.simulations.run_folder import RunFolder
from walras.simulations.study import StudyConfig, run_study

__all__ = ["RunFolder", "Section", "StudyConfig", "render_report", "run_study"]
