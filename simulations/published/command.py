"""`walras published`: the table of published results on the terminal and as a page."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from walras.simulations.published.table import ComputedResult, as_page, choose, compute

__all__ = ["recompute"]


def recompute(console: Console, only: Sequence[str], markdown: Path | None, *, quiet: bool) -> bool:
    """Compute the results, show them, and write them to `markdown`; whether all agree."""
    chosen = choose(only)
    steps = track(chosen, "recomputing", console=console, transient=True, disable=quiet or not console.is_terminal)
    computed = [compute(result) for result in steps]
    shown = [row for row in computed if not (quiet and row.agrees)]
    if shown:
        console.print(_table(shown))
    if not quiet:
        console.print(f"{sum(row.agrees for row in computed)} of {len(computed)} results agree.")
    if markdown is not None:
        markdown.write_text(as_page(computed), encoding="utf-8")
    return all(row.agrees for row in computed)


def _table(computed: Sequence[ComputedResult]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("result")
    table.add_column("quantity")
    table.add_column("expected", justify="right")
    table.add_column("obtained", justify="right")
    table.add_column("agrees")
    for row in computed:
        for place, comparison in enumerate(row.comparisons):
            table.add_row(
                row.result.id if place == 0 else "",
                comparison.quantity,
                f"{comparison.expected:.8g}",
                f"{comparison.obtained:.8g}",
                "[green]yes[/]" if comparison.agrees else "[bold red]no[/]",
            )
    return table
