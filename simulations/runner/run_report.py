"""Figures, anchors and the report of a run, from its stored rows alone."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from walras.simulations.experiments import Anchor
from walras.simulations.report import Section, render_report
from walras.simulations.runner.fields import PlainValue
from walras.simulations.runner.scenario import Scenario
from walras.simulations.runner.stored_run import StoredRun

__all__ = ["anchor_rows", "write_report"]


def write_report(run: StoredRun) -> Path:
    """Make the figures, `anchors.csv` and `report.html` of a run anew; give the report's path."""
    anchors = run.anchors()
    figures = {
        name: run.folder.write_figure(name, figure) for name, figure in run.experiment.figures(run.tables).items()
    }
    rows = anchor_rows(anchors)
    run.folder.write("anchors.csv", lambda path: rows.to_csv(path, index=False))
    sections = [_question(run, figures), _anchors_section(anchors), _points_section(run), _tables_section(run)]
    return run.folder.write_text("report.html", render_report(run.experiment.title, sections, run.folder.manifest))


def anchor_rows(anchors: Sequence[Anchor]) -> pd.DataFrame:
    """Give a row per anchor: statement, expected, obtained, tolerance, agrees, source."""
    columns = ["statement", "expected", "obtained", "tolerance", "agrees", "source"]
    return pd.DataFrame([{name: getattr(anchor, name) for name in columns} for anchor in anchors], columns=columns)


def _question(run: StoredRun, figures: dict[str, Path]) -> Section:
    captions = [(path, name.replace("-", " ").replace("_", " ")) for name, path in figures.items()]
    return Section("The question", run.experiment.question, figures=captions)


def _anchors_section(anchors: Sequence[Anchor]) -> Section:
    if not anchors:
        return Section("Against what is known", "Nothing published or in closed form speaks of this scenario.")
    agree = sum(anchor.agrees for anchor in anchors)
    rows = anchor_rows(anchors)
    shown = rows.assign(
        **{name: rows[name].map("{:.6g}".format) for name in ("expected", "obtained", "tolerance")},
        agrees=rows["agrees"].map({True: "yes", False: "NO"}),
    )
    text = f"{agree} of {len(anchors)} numbers agree with what is published or known in closed form."
    return Section("Against what is known", text, table=shown)


def _points_section(run: StoredRun) -> Section:
    scenario, cells = run.scenario, run.tables["cells"]
    text = (
        f"Points: {cells['point'].nunique()}. Replications of each: {scenario.replications}. Cells: {len(cells)}, "
        f"{cells['seconds'].sum():.1f} s of computing. Replication r draws the same numbers at every point."
    )
    varied = {**scenario.grid, **scenario.sobol}
    if not varied:
        return Section("The scenario", text)
    table = pd.DataFrame([{"field": name, "values": _shown(scenario, name)} for name in varied])
    return Section("The scenario", text, table=table)


def _shown(scenario: Scenario, name: str) -> str:
    if name in scenario.grid:
        return ", ".join(_text(value) for value in scenario.grid[name])
    ends = scenario.sobol[name]
    return f"{ends.low:g} to {ends.high:g}{', even in the logarithm' if ends.log else ''} ({scenario.samples} samples)"


def _text(value: PlainValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tables_section(run: StoredRun) -> Section:
    import pyarrow.parquet as pq

    rows = []
    for name in run.tables:
        facts = pq.ParquetFile(run.path / f"{name}.parquet")
        columns = ", ".join(f"{column.name}: {column.type}" for column in facts.schema_arrow)
        rows.append({"table": name, "rows": facts.metadata.num_rows, "columns": columns})
    return Section("The rows", "Each table is a Parquet file beside this report.", table=pd.DataFrame(rows))
