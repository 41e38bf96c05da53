"""The figure of exported models' speed: speed-up over the dense model, against how many times fewer FLOPs are left.

    python benchmarks/exported_figure.py h200.csv --out h200.png --parts graph:bfloat16:128x128 eager:bfloat16:128x128

From the rows that `exported_latency.py --out` wrote: a panel per mode, precision and shape, a line per cut. Where time
falls as FLOPs do, a point is on the dotted line; the dashed one is the aim, 0.85 of that.
"""

import argparse
from pathlib import Path

import pandas as pd
from exported_tables import TARGET
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from walras.simulations.plot_style import PALETTE, panels

MARKERS = "osD^vP"
TICKS = (1, 2, 3, 5, 8)


def figure_of(rows: pd.DataFrame, parts: list[str]) -> Figure:
    """Give the figure: a panel for each of `parts`, as exported_latency.py writes them, with one shape each."""
    names = rows["mode"] + ":" + rows["precision"] + ":" + rows["batch"].astype(str) + "x" + rows["tokens"].astype(str)
    missing = [part for part in parts if part not in set(names)]
    if missing:
        raise SystemExit(f"Not in the rows: {', '.join(missing)}; there are {', '.join(names.unique())}.")
    parts = parts or list(names.unique())
    figure, axes = panels(len(parts), width=3.6 * len(parts) + 1.6, height=3.9)
    cuts = list(rows.loc[rows["budget"].notna(), "cut"].unique())
    for part, axis in zip(parts, axes, strict=True):
        draw(axis, rows[names == part], cuts)
        axis.set_title(part.replace(":", ", ").replace("x", " x "))
    axes[0].set_ylabel("speed-up over the dense model")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
    return figure


def draw(axis: Axes, rows: pd.DataFrame, cuts: list[str]) -> None:
    """Draw one panel."""
    ends = (1.0, 1.08 / rows["flops"].min())
    axis.plot(ends, ends, color="black", linewidth=1.0, linestyle=":", label="as FLOPs fall")
    axis.plot(
        ends, [TARGET * end for end in ends], color="black", linewidth=1.0, linestyle="--", label=f"{TARGET} of that"
    )
    for number, cut in enumerate(cuts):
        line = rows[(rows["cut"] == cut) & rows["budget"].notna()].sort_values("flops")
        style = {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[number % len(MARKERS)], "markersize": 5}
        axis.plot(1.0 / line["flops"], line["speed_up"], label=cut, linewidth=1.4, **style)
    axis.set(xscale="log", yscale="log", ylim=(0.75, ends[1]), xlabel="FLOPs of the dense model / FLOPs")
    for one in (axis.xaxis, axis.yaxis):
        one.set_ticks(TICKS, labels=[str(tick) for tick in TICKS])
        one.set_minor_locator(NullLocator())


def main() -> None:
    """Write the figure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("rows", type=Path, help="rows of exported_latency.py")
    arguments.add_argument("--parts", nargs="*", default=[], help="mode:precision:BATCHxTOKENS; all, if not said")
    arguments.add_argument("--out", type=Path, required=True)
    options = arguments.parse_args()
    figure_of(pd.read_csv(options.rows), options.parts).savefig(options.out, dpi=120)


if __name__ == "__main__":
    main()
