"""The report of a calibration: question, answer and figure, from its stored rows alone."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from walras.simulations.calibration.stored import StoredCalibration
from walras.simulations.plot_style import PALETTE, half_width_95, panels
from walras.simulations.report import Section, render_report
from walras.simulations.runner.scenario import find_experiment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["calibration_figure", "shown_answer", "write_calibration_report"]


def write_calibration_report(run: StoredCalibration) -> Path:
    """Make the figure and `report.html` of a calibration anew; give the report's path."""
    figure = run.folder.write_figure("calibration", calibration_figure(run))
    facts = run.folder.manifest["facts"]
    text = " ".join([_value_text(run), *run.warnings])
    effort = (
        f"{facts['cells']} cells, {facts['seconds']:.1f} s of computing, by {_method_text(run)}. Replication r "
        "draws the same numbers at every point. The standard error is the standard deviation of the answers for each "
        "replication alone, over the square root of their number."
    )
    caption = "Means over replications that the search tried; lines: single replications; band: 95 % interval."
    sections = [
        Section("The question", run.calibration.question, figures=[(figure, caption)]),
        Section("The answer", text, table=shown_answer(run)),
        Section("How it was found", effort),
    ]
    title = f"Calibration: {find_experiment(run.calibration.scenario.experiment).title}"
    return run.folder.write_text("report.html", render_report(title, sections, run.folder.manifest))


def shown_answer(run: StoredCalibration) -> pd.DataFrame:
    """Give the answer as a table for reading; all cells are text."""
    answer = run.answer
    return pd.DataFrame(
        {
            "field": answer["field"],
            "answer": answer["answer"].map("{:.5g}".format),
            "standard error": answer["standard_error"].map(_digits),
            "95 % interval": [
                "not known" if np.isnan(low) else f"{low:.5g} to {high:.5g}"
                for low, high in zip(answer["low_95"], answer["high_95"], strict=True)
            ],
        }
    )


def calibration_figure(run: StoredCalibration) -> "Figure":
    """Draw the measure against each free field, with the answer and its interval."""
    names = list(run.calibration.ranges)
    figure, axes = panels(len(names), width=6.4 if len(names) == 1 else 3.6 * min(len(names), 4))
    together = run.evaluations[run.evaluations["stage"] == "together"]
    for axis, name, answer in zip(axes, names, run.answer.to_dict("records"), strict=True):
        if len(names) == 1:
            _draw_replications(axis, run.evaluations, name)
        grouped = together.groupby("evaluation")["value"]
        places = together.groupby("evaluation")[name].first()
        bars = half_width_95(grouped) if len(names) == 1 else 0.0 * places
        axis.errorbar(places, grouped.mean(), bars, fmt="o", color=PALETTE[0], markersize=4, linewidth=1, label="mean")
        axis.axvline(answer["answer"], color=PALETTE[1], linewidth=1.2, label=f"answer: {answer['answer']:.4g}")
        if not np.isnan(answer["standard_error"]):
            axis.axvspan(answer["low_95"], answer["high_95"], color=PALETTE[1], alpha=0.18, linewidth=0)
        if run.calibration.goal.kind == "target":
            axis.axhline(run.calibration.goal.target, color=PALETTE[2], linestyle="--", linewidth=1, label="target")
        if run.calibration.ranges[name].log:
            axis.set_xscale("log")
        axis.set_xlabel(name)
    axes[0].set_ylabel(str(run.calibration.measure))
    axes[0].legend(frameon=False)
    return figure


def _draw_replications(axis: "Axes", evaluations: pd.DataFrame, name: str) -> None:
    """Draw the replications as thin lines; at most twenty, or they hide the rest."""
    for _, rows in list(evaluations.groupby("replication"))[:20]:
        ordered = rows.sort_values(name)
        axis.plot(ordered[name], ordered["value"], color=PALETTE[5], linewidth=0.6, alpha=0.5)


def _value_text(run: StoredCalibration) -> str:
    error = run.value_standard_error
    beside = "" if np.isnan(error) else f" (standard error {_digits(error)})"
    return f"The {run.calibration.measure} is {run.value:.5g}{beside} there."


def _method_text(run: StoredCalibration) -> str:
    if run.calibration.method == "global":
        return "differential evolution"
    if len(run.calibration.ranges) > 1:
        return "a Sobol sample and the Nelder-Mead simplex"
    return "a scan and Brent's method"


def _digits(error: float) -> str:
    return "not known" if np.isnan(error) else f"{error:.2g}"
