"""Figures of `walras.simulations.experiments.double_auction`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from walras.simulations.experiments.double_auction import (
    GD,
    HUMAN_EFFICIENCIES,
    MARKETS,
    POLICIES,
    ZI_C,
    ZI_U,
    ZIP,
    LaboratoryMarket,
)
from walras.simulations.experiments.experiment import Tables
from walras.simulations.plot_style import PALETTE, half_width_95, panels

__all__ = ["figures"]

_COLOURS = {ZI_U: PALETTE[3], ZI_C: PALETTE[0], ZIP: PALETTE[1], GD: PALETTE[4]}
_NAMES = {
    ZI_U: "random quotes (ZI-U)",
    ZI_C: "random, at no loss (ZI-C)",
    ZIP: "learned margins (ZIP)",
    GD: "beliefs from quotes (GD)",
}
_LOWEST = 85.0  # per cent: where the axis of efficiency begins


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `prices`: the prices of a session under each policy; and `efficiency`, with alpha, by day."""
    cells = tables["cells"]
    market = str(cells["market"].iloc[0])
    return {"prices": _prices_figure(tables, market), "efficiency": _efficiency_figure(tables, market)}


def _prices_figure(tables: Tables, market: str) -> Figure:
    cells = tables["cells"]
    of_market = cells[cells["market"] == market]
    policies = [policy for policy in POLICIES if (of_market["policy"] == policy).any()]
    figure, axes = panels(1 + len(policies), width=14.0, height=4.0)
    known = MARKETS[market]
    _supply_and_demand(axes[0], known)
    for axis, policy in zip(axes[1:], policies, strict=True):
        cell = of_market.loc[of_market["policy"] == policy, "cell"].iloc[0]
        _price_path(axis, tables["trades"][tables["trades"]["cell"] == cell], known, policy)
    for axis in axes:
        axis.set_ylim(0.0, known.highest_quote)
        axis.axhspan(*_band(known), color=PALETTE[2], alpha=0.5, linewidth=0)
    axes[0].set_ylabel("price (money)")
    return figure


def _band(known: LaboratoryMarket) -> tuple[float, float]:
    """Equilibrium prices, drawn so wide that they can be seen."""
    low, high = known.price_interval
    least = 0.004 * known.highest_quote
    return low - least, high + least


def _supply_and_demand(axis: Axes, known: LaboratoryMarket) -> None:
    for worths, colour, label in (
        (sorted(known.values, reverse=True), PALETTE[1], "demand: buyers' values"),
        (sorted(known.costs), PALETTE[0], "supply: sellers' costs"),
    ):
        axis.stairs(worths, np.arange(len(worths) + 1), baseline=None, color=colour, linewidth=1.8, label=label)
    axis.set_xticks(range(0, max(len(known.values), len(known.costs)) + 1, 2))
    axis.set_xlabel("units")
    low, high = known.price_interval
    price = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    axis.set_title(f"Induced values: {known.quantity} units at {price}", fontsize=11)
    axis.legend(frameon=False, fontsize=8, loc="upper right")


def _price_path(axis: Axes, trades: pd.DataFrame, known: LaboratoryMarket, policy: str) -> None:
    start = 0
    for day, rows in trades.groupby("day"):
        places = start + np.arange(len(rows))
        axis.plot(places, rows["price"], "o-", color=_COLOURS[policy], markersize=3.0, linewidth=1.1)
        start += len(rows)
        axis.axvline(start - 0.5, color="black", linewidth=0.5, alpha=0.4)
        axis.text(
            places.mean(), 0.98 * known.highest_quote, f"day {day}", ha="center", va="top", fontsize=7, color=PALETTE[5]
        )
    axis.set_xlim(-0.5, max(start, 1) - 0.5)
    axis.set_xlabel("trade")
    axis.set_title(_NAMES[policy], fontsize=11, color=_COLOURS[policy])


def _efficiency_figure(tables: Tables, first: str) -> Figure:
    days = tables["days"].merge(tables["cells"][["cell", "market", "policy"]], on="cell")
    markets = [first, *(name for name in MARKETS if name != first and (days["market"] == name).any())]
    figure, axes = panels(len(markets) + 1, width=14.0, height=4.4)
    for axis, market in zip(axes, markets, strict=False):
        _efficiency(axis, days[days["market"] == market], market)
    _alpha(axes[-1], days[days["market"] == first], first)
    return figure


def _efficiency(axis: Axes, days: pd.DataFrame, market: str) -> None:
    known, last = MARKETS[market], int(days["day"].max())
    for policy in POLICIES:
        rows = days[days["policy"] == policy]
        if rows.empty:
            continue
        grouped = rows.groupby("day")["efficiency"]
        mean, error = 100.0 * grouped.mean(), 100.0 * half_width_95(grouped)
        axis.errorbar(
            mean.index, mean, yerr=error, fmt="o-", color=_COLOURS[policy], markersize=3.5, linewidth=1.3, capsize=2.0
        )
        overall = float(mean.mean())
        if overall < _LOWEST:
            axis.annotate(
                f"{_NAMES[policy]}: {overall:.0f} %",
                (2.0, _LOWEST),
                xytext=(2.0, _LOWEST + 1.2),
                ha="left",
                fontsize=8,
                color=_COLOURS[policy],
                arrowprops={"arrowstyle": "->", "color": _COLOURS[policy]},
            )
    if (days["policy"] == ZI_C).any():
        axis.axhline(
            100.0 * known.zi_c_efficiency,
            color=_COLOURS[ZI_C],
            linewidth=1.0,
            linestyle="--",
            label=f"ZI-C, published rule: {100.0 * known.zi_c_efficiency:.2f} %",
        )
    people = 100.0 * np.array(HUMAN_EFFICIENCIES)
    axis.plot(
        np.full(people.size, last + 1.0),
        people,
        "D",
        color="black",
        markerfacecolor="white",
        markersize=5,
        label="people, in five markets (Gode and Sunder 1993)",
    )
    axis.set_xlim(0.5, last + 1.5)
    axis.set_ylim(_LOWEST, 101.0)
    axis.set_xticks([*range(1, last + 1), last + 1], [*map(str, range(1, last + 1)), "people"], fontsize=8)
    axis.set_xlabel("day of trade")
    axis.set_ylabel("efficiency (% of the largest surplus)")
    axis.set_title(f"Surplus found, {market}")
    axis.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.02, 0.33))


def _alpha(axis: Axes, days: pd.DataFrame, market: str) -> None:
    for policy in POLICIES:
        rows = days[days["policy"] == policy]
        if rows.empty:
            continue
        grouped = rows.groupby("day")["alpha"]
        mean, error = 100.0 * grouped.mean(), 100.0 * half_width_95(grouped)
        axis.errorbar(
            mean.index,
            mean,
            yerr=error,
            fmt="o-",
            color=_COLOURS[policy],
            markersize=3.5,
            linewidth=1.3,
            capsize=2.0,
            label=_NAMES[policy],
        )
    axis.set_yscale("log")
    axis.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axis.minorticks_off()
    axis.set_xticks(range(1, int(days["day"].max()) + 1))
    axis.set_xlabel("day of trade")
    axis.set_ylabel("alpha: distance of prices from equilibrium (%)")
    axis.set_title(f"Who learns finds the price, {market}")
    axis.legend(frameon=False, fontsize=8, loc="center right")
