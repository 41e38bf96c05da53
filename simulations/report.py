"""The report of a study: one HTML file that carries its figures."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

__all__ = ["Section", "render_report"]


@final
@dataclass(frozen=True)
class Section:
    """A part of the report: a title, a sentence or two, and what it shows.

    Parameters
    ----------
    title, text
        Plain text.
    table
        Rows to show as they are, formatted already.
    figures
        PNG files, each with its caption.
    """

    title: str
    text: str
    table: pd.DataFrame | None = None
    figures: Sequence[tuple[Path, str]] = ()

    @property
    def table_rows(self) -> list[list[str]]:
        """The table's cells as text."""
        return [] if self.table is None else self.table.astype(str).to_numpy().tolist()

    @property
    def images(self) -> list[tuple[str, str]]:
        """Each figure as base64 text, with its caption."""
        return [(base64.b64encode(path.read_bytes()).decode("ascii"), caption) for path, caption in self.figures]


def render_report(title: str, sections: Sequence[Section], manifest: Mapping[str, Any]) -> str:
    """Give the report as one HTML page without outside files."""
    environment = Environment(
        loader=PackageLoader("walras.simulations"), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    return environment.get_template("report.html.j2").render(title=title, sections=sections, manifest=manifest)
