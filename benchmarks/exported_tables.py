"""The tables that `exported_latency.py` prints, as Markdown."""

from collections.abc import Sequence

import pandas as pd

__all__ = ["fastest", "printed", "printed_headline", "printed_summary"]

TARGET = 0.85  # of the FLOPs ratio
_WHERE = ["precision", "batch", "tokens"]


def printed(rows: Sequence[dict[str, object]]) -> None:
    """Print the rows of one mode, precision and shape."""
    first = rows[0]
    print(f"\n{first['mode']}, {first['precision']}, batch {first['batch']} x {first['tokens']} tokens\n")
    print("| cut | budget | FLOPs / dense | ms (quartiles) | speed-up | of ratio | beside streamlined |")
    print("|---|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: -(row["budget"] or 2.0)):  # stable: cuts stay in order within a budget
        of_ratio = "" if row["cut"] == "dense" else f"{row['of_ratio']:.2f}"
        if row["budget"] and row["of_ratio"] >= TARGET:
            of_ratio = f"**{of_ratio}**"
        print(
            f"| {row['cut']} | {row['budget'] or ''} | {row['flops']:.3f} "
            f"| {row['median_ms']:.2f} ({row['lower_ms']:.2f} to {row['upper_ms']:.2f}) | {row['speed_up']:.2f}x "
            f"| {of_ratio} | {row['of_ratio_streamlined']:.2f} |",
            flush=True,
        )


def printed_summary(rows: Sequence[dict[str, object]]) -> None:
    """Print of-ratio of all that was measured: a row per cut and budget, a column per mode, precision and shape."""
    table = pd.DataFrame(rows)
    table["where"] = [f"{row.mode} {row.precision} {row.batch}x{row.tokens}" for row in table.itertuples()]
    table["cell"] = [_bold(row.of_ratio) for row in table.itertuples()]
    print("\nEach mode by itself: speed-up over the dense model in the same mode, as a part of the FLOPs ratio\n")
    _print_wide(table[table["budget"].notna()])


def fastest(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Give each model in its fastest mode, beside the dense one in its own, for each precision and shape.

    A model has no mode in which the dense one was not measured. Of each: its mode, milliseconds, FLOPs over the dense
    model's, speed-up, and speed-up times FLOPs ratio.
    """
    table = pd.DataFrame(rows)
    table["budget"] = table["budget"].astype(float)
    best = table.loc[table.groupby([*_WHERE, "cut", "budget"], sort=False, dropna=False)["median_ms"].idxmin()]
    dense = best[best["cut"] == "dense"].set_index(_WHERE)["median_ms"].rename("dense_ms")
    best = best.join(dense, on=_WHERE)
    best["speed_up"] = best["dense_ms"] / best["median_ms"]
    best["of_ratio"] = best["speed_up"] * best["flops"]
    return best[[*_WHERE, "cut", "budget", "mode", "median_ms", "flops", "speed_up", "of_ratio"]].reset_index(drop=True)


def printed_headline(rows: Sequence[dict[str, object]]) -> None:
    """Print what somebody gains who takes the fastest mode of each model, the dense one included."""
    best = fastest(rows)
    modes = pd.DataFrame(rows).groupby(_WHERE, sort=False)["mode"].unique()
    print(
        "\nEach model in its fastest mode, over the dense model in its fastest: part of the FLOPs ratio, speed-up, mode"
    )
    for (precision, batch, tokens), measured in modes.items():
        dense = best[(best[_WHERE] == (precision, batch, tokens)).all(axis=1) & (best["cut"] == "dense")].iloc[0]
        where, of = f"{precision} {batch}x{tokens}", ", ".join(measured)
        print(f"- {where}: dense {dense['median_ms']:.2f} ms, {dense['mode']}; of {of}")
    best["where"] = [f"{row.precision} {row.batch}x{row.tokens}" for row in best.itertuples()]
    best["cell"] = [f"{_bold(row.of_ratio)} ({row.speed_up:.2f}x, {row.mode})" for row in best.itertuples()]
    print()
    _print_wide(best[best["budget"].notna()])


def _bold(of_ratio: float) -> str:
    return f"**{of_ratio:.2f}**" if of_ratio >= TARGET else f"{of_ratio:.2f}"


def _print_wide(table: pd.DataFrame) -> None:
    """Print cells: a row per budget and cut, a column per `where`, in the order in which they come."""
    if table.empty:
        return
    wide = table.pivot_table(index=["budget", "cut"], columns="where", values="cell", sort=False, aggfunc="first")
    wide = wide[[where for where in table["where"].unique() if where in wide]]
    wide = wide.sort_index(level=0, ascending=False, sort_remaining=False)
    print("| budget | cut | " + " | ".join(wide.columns) + " |")
    print("|---" * (2 + len(wide.columns)) + "|")
    for (budget, cut), cells in wide.iterrows():
        print(f"| {budget:g} | {cut} | " + " | ".join("" if cell != cell else cell for cell in cells) + " |")
