"""What `walras frontier --attention` prints: differences, paired by seed, and the verdict."""

import math
from typing import TYPE_CHECKING

from walras.market.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

__all__ = ["print_attention"]


def print_attention(attention: "pd.DataFrame", console: "Console") -> None:
    """Print how each method's attention differs from the dense model's, and whether the market makes it clearer."""
    from walras.simulations.evidence.config import OURS
    from walras.simulations.evidence.methods import DENSE

    methods = list(attention["method"].unique())
    if DENSE not in methods:
        console.print(f"Attention is compared with the method {DENSE}, which was not run: see the table `attention`.")
        return
    _print_differences(attention, [name for name in methods if name != DENSE], console)
    for method in [name for name in OURS if name in methods]:
        try:
            _print_verdicts(attention, method, console)
        except InvalidInputError as error:
            console.print(f"No verdict on {method}. {error}", highlight=False)


def _print_differences(attention: "pd.DataFrame", methods: list[str], console: "Console") -> None:
    from walras.llm.analysis.attention_measures import ORDINARY
    from walras.simulations.evidence.attention_table import attention_differences
    from walras.simulations.evidence.methods import DENSE

    title = "Attention less that of dense, by seed; special tokens left out"
    shown = {f"{ORDINARY}entropy": "entropy, bits", f"{ORDINARY}gini": "Gini", f"{ORDINARY}agreement": "agreement"}
    columns = {**shown, "special_share": "special tokens"}
    console.print(f"\n[italic]{title}[/]", highlight=False, soft_wrap=True)
    table = _table("method", "budget", *columns.values())
    dense = attention[attention["method"] == DENSE].mean(numeric_only=True)
    table.add_row(DENSE, "1", *(f"{dense[measure]:.3f}" for measure in columns))
    for method in methods:
        differences = attention_differences(attention, method)
        for budget in sorted(differences["budget"].unique(), reverse=True):
            rows = differences[differences["budget"] == budget].set_index("measure")
            cells = (_interval(rows.loc[name, "difference"], rows.loc[name, "half_width"]) for name in columns)
            table.add_row(method, f"{budget:g}", *cells)
    console.print(table, highlight=False)


def _print_verdicts(attention: "pd.DataFrame", method: str, console: "Console") -> None:
    from walras.simulations.evidence.attention_table import attention_verdict, attention_verdicts

    verdicts = attention_verdicts(attention, method)
    with_special = attention_verdict(attention_verdicts(attention, method, special=True))
    verdict = f"{method}, more interpretable attention: {attention_verdict(verdicts)} (all tokens: {with_special})"
    console.print(f"\n[bold]{verdict}[/]", highlight=False, soft_wrap=True)
    table = _table("budget", "entropy", "agreement", "beyond dense", "beyond baselines", "is so")
    for row in verdicts.to_dict("records"):
        table.add_row(
            f"{row['budget']:g}",
            _interval(row["entropy"], row["entropy_half_width"]),
            _interval(row["agreement"], row["agreement_half_width"]),
            "yes" if row["beyond_dense"] else "no",
            f"{row['beaten']} of {row['baselines']}",
            row["verdict"],
        )
    console.print(table, highlight=False)


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column == "method" else "right")
    return table


def _interval(mean: float, half_width: float) -> str:
    return f"{mean:+.3f}" if math.isnan(half_width) else f"{mean:+.3f} ± {half_width:.3f}"
