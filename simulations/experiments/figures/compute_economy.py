"""Figures of `walras.simulations.experiments.compute_economy`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from walras.simulations.experiments.compute_economy import TAX_CODES, config_of, frictionless_price
from walras.simulations.experiments.experiment import Tables
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["figures"]

_COLOURS = dict(zip(TAX_CODES, ("#222222", PALETTE[0], PALETTE[4], PALETTE[3], PALETTE[1], PALETTE[2]), strict=True))
_MARKERS = dict(zip(TAX_CODES, ("o", "s", "D", "^", "v", "P"), strict=True))
_LABELS = {code: code if code == "none" else f"on {code}" for code in TAX_CODES} | {
    "none": "no tax",
    "per unit": "per unit",
    "ad valorem": "ad valorem",
}
_BIDDERS = {"truthful": "truthful bids", "zi-c": "random bids (ZI-C)", "zi-u": "random bids (ZI-U)"}


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `efficiency`: price path and efficiency by tax code; and `inequality`: Lorenz curves, and both Ginis."""
    cells = tables["cells"]
    first = str(cells["policy"].iloc[0])
    outcomes = tables["outcomes"].merge(cells[["cell", "policy", "tax_code"]], on="cell")
    return {
        "efficiency": _efficiency_figure(tables, outcomes, first),
        "inequality": _inequality_figure(tables, outcomes, first),
    }


def _efficiency_figure(tables: Tables, outcomes: pd.DataFrame, first: str) -> Figure:
    figure, (left, right) = panels(2, width=11.5, height=4.4)
    paths = tables["paths"].merge(tables["cells"][["cell", "policy", "tax_code"]], on="cell")
    paths = paths[paths["policy"] == first]
    for code in _present(paths):
        grouped = paths[paths["tax_code"] == code].groupby("period")["price"]
        mean, error = grouped.mean(), _error(grouped)
        left.plot(mean.index, mean, color=_COLOURS[code], linewidth=1.6, label=_LABELS[code])
        left.fill_between(mean.index, mean - error, mean + error, color=_COLOURS[code], alpha=0.12, linewidth=0)
    _frictionless(left, tables["cells"], float(paths["period"].max()))
    left.set_xlabel("period")
    left.set_ylabel("price that the seller receives (money per unit)")
    left.set_title(f"Price path, {_BIDDERS[first]}: whoever can pay bids it up")
    left.set_ylim(bottom=0.0)
    left.legend(frameon=False, fontsize=8, ncols=2)
    _efficiencies(right, outcomes)
    return figure


def _frictionless(axis: Axes, cells: pd.DataFrame, end: float) -> None:
    """Mark the price in a large population that never lacks money, and under each tax of which it is known."""
    for code in _present(cells):
        price = frictionless_price(config_of(cells[cells["tax_code"] == code].iloc[0]))
        if price is not None:
            axis.plot([end, 1.06 * end], [price, price], color=_COLOURS[code], linewidth=2.4)
            if code == "none":
                axis.axhline(
                    price,
                    color="black",
                    linewidth=0.9,
                    linestyle="--",
                    label="theory: nobody lacks money\n(bars: under each tax)",
                )


def _efficiencies(axis: Axes, outcomes: pd.DataFrame) -> None:
    codes = _present(outcomes)
    policies = list(dict.fromkeys(outcomes["policy"]))
    for number, policy in enumerate(policies):
        shift = 0.24 * (number - (len(policies) - 1) / 2)
        for place, code in enumerate(codes):
            rows = outcomes[(outcomes["policy"] == policy) & (outcomes["tax_code"] == code)]
            if rows.empty:
                continue
            mean, error = _mean_and_error(100.0 * rows["efficiency"])
            axis.errorbar(
                mean,
                place + shift,
                xerr=error,
                fmt=("o", "s", "D")[number % 3],
                color=_COLOURS[code],
                markerfacecolor=_COLOURS[code] if number == 0 else "white",
                markersize=6,
                capsize=3,
                linewidth=1.2,
            )
            taxes = 100.0 * float(rows["taxes_of_value"].mean())
            if code != "none":
                axis.annotate(
                    f"{taxes:.0f} %",
                    (mean + error, place + shift),
                    xytext=(5, -3),
                    textcoords="offset points",
                    fontsize=7,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                )
    for number, policy in enumerate(policies):
        axis.plot(
            [],
            [],
            ("o", "s", "D")[number % 3],
            color="black",
            markerfacecolor="black" if number == 0 else "white",
            label=_BIDDERS[policy],
        )
    axis.axvline(100.0, color="black", linewidth=0.9, linestyle="--", label="agents that never lack money, truthful")
    axis.set_yticks(range(len(codes)), [_LABELS[code] for code in codes])
    axis.set_ylim(len(codes) + 0.7, -0.6)  # room for the legend below
    axis.set_xlim(right=102.0)
    axis.set_xlabel(
        "efficiency: value produced (% of the most possible)\nat each point: taxes in % of the value produced"
    )
    axis.set_title("A rebated tax lets the able poor bid")
    axis.legend(frameon=False, fontsize=8, loc="lower left")


def _inequality_figure(tables: Tables, outcomes: pd.DataFrame, first: str) -> Figure:
    figure, (left, middle, right) = panels(3, width=14.0, height=4.6)
    lorenz = tables["lorenz"].merge(tables["cells"][["cell", "policy", "tax_code"]], on="cell")
    lorenz = lorenz[lorenz["policy"] == first]
    for axis, held in ((left, "wealth"), (middle, "compute")):
        for code in _present(lorenz):
            grouped = lorenz[lorenz["tax_code"] == code].groupby("agents")[held]
            mean, error = 100.0 * grouped.mean(), 100.0 * _error(grouped)
            axis.plot(100.0 * mean.index, mean, color=_COLOURS[code], linewidth=1.6, label=_LABELS[code])
            axis.fill_between(
                100.0 * mean.index, mean - error, mean + error, color=_COLOURS[code], alpha=0.12, linewidth=0
            )
        axis.plot([0, 100], [0, 100], color="black", linewidth=0.8, linestyle="--")
        axis.set_aspect("equal")
        axis.set_xlabel(f"agents, poorest in {held} first (%)")
        axis.set_ylabel(f"share of all {held} (%)")
    left.set_title(f"Lorenz curves of wealth, {_BIDDERS[first]}")
    middle.set_title("and of compute (mean share of full use)")
    left.legend(frameon=False, fontsize=8)
    _ginis(right, outcomes)
    return figure


def _ginis(axis: Axes, outcomes: pd.DataFrame) -> None:
    policies = list(dict.fromkeys(outcomes["policy"]))
    for (policy, code), rows in outcomes.groupby(["policy", "tax_code"], sort=False):
        (across, across_error), (up, up_error) = (
            _mean_and_error(rows[name]) for name in ("gini_wealth", "gini_compute")
        )
        filled = policies.index(str(policy)) == 0
        axis.errorbar(
            across,
            up,
            xerr=across_error,
            yerr=up_error,
            fmt=_MARKERS[str(code)],
            color=_COLOURS[str(code)],
            markerfacecolor=_COLOURS[str(code)] if filled else "white",
            markersize=7,
            capsize=2,
            linewidth=0.9,
            label=_LABELS[str(code)] if filled else None,
        )
    for number, policy in enumerate(policies):
        rows = outcomes[outcomes["policy"] == policy].groupby("tax_code")[["gini_wealth", "gini_compute"]].mean()
        lowest = number > 0
        place = rows.iloc[int(rows["gini_compute"].argmin() if lowest else rows["gini_compute"].argmax())]
        axis.annotate(
            _BIDDERS[policy] + (" (filled)" if number == 0 else " (open)"),
            (float(place["gini_wealth"]), float(place["gini_compute"])),
            xytext=(-8, -22 if lowest else 10),
            textcoords="offset points",
            ha="left" if lowest else "right",
            fontsize=8,
        )
    axis.margins(0.12)
    axis.set_xlabel("Gini of wealth")
    axis.set_ylabel("Gini of compute")
    axis.set_title("Who owns the wealth gets the compute")
    axis.legend(frameon=False, fontsize=8, loc="lower right")


def _present(rows: pd.DataFrame) -> list[str]:
    return [code for code in TAX_CODES if (rows["tax_code"] == code).any()]


def _error(grouped: "pd.api.typing.SeriesGroupBy") -> "pd.Series[float]":
    """Half the width of a 95 % interval for the mean, over replications."""
    spread = grouped.std(ddof=1).fillna(0.0)
    return 1.96 * spread / np.sqrt(grouped.count())


def _mean_and_error(values: "pd.Series[float]") -> tuple[float, float]:
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()), 1.96 * spread / np.sqrt(len(values))
