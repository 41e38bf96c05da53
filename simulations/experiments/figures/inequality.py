"""Figures of the experiment on inequality: how wealth taxes stop condensation, and what they collect."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from walras.agents.wealth import YardSaleLaw
from walras.simulations.experiments.experiment import Tables
from walras.simulations.experiments.inequality import Config, stationary_law
from walras.simulations.plot_style import PALETTE, panels

__all__ = ["figures"]

_MARKERS = ("o", "s", "D", "^", "v", "P")


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give the figures `paths` (Gini paths and Lorenz curves) and `rates` (the long run against the tax)."""
    return {"paths": _paths(tables), "rates": _rates(tables)}


def _paths(tables: Tables) -> Figure:
    cells = tables["cells"]
    shown = cells[cells["exemption"] == cells["exemption"].min()]
    figure, (left, right) = panels(2, height=4.0)
    rates = sorted(shown["tax_rate"].unique())
    for rate, colour in zip(rates, _shades(len(rates)), strict=True):
        chosen = shown.loc[shown["tax_rate"] == rate, "cell"]
        _draw_path(left, tables, chosen, rate, colour)
        lorenz = tables["lorenz"][tables["lorenz"]["cell"].isin(chosen)].groupby("population_share").mean()
        right.plot(
            lorenz.index,
            lorenz["holding_share"],
            color=colour,
            linewidth=1.6,
            label="none" if rate == 0 else _percent(rate),
        )
        right.plot(lorenz.index, lorenz["holding_share_law"], color="black", linewidth=0.9, linestyle=(0, (1, 2)))
    first = _config_of(shown.iloc[0])
    left.set(
        xlabel="period (each agent meets another once)",
        ylabel="Gini coefficient of wealth",
        ylim=(0, 1.02),
        xscale="log",
        xlim=(1, first.periods * 2.2),
        title="A wealth tax stops condensation ...",
    )
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))  # after the scale, which sets one
    right.plot([0, 1], [0, 1], color=PALETTE[5], linewidth=0.8)
    right.annotate("equality", (0.44, 0.47), rotation=38, color=PALETTE[5], fontsize=8)
    right.plot([], [], color="black", linewidth=0.9, linestyle=(0, (1, 2)), label="theory")
    right.set(
        xlabel="share of agents, poorest first",
        ylabel="share of all wealth",
        xlim=(0, 1),
        ylim=(0, 1),
        title="... and leaves these Lorenz curves",
    )
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    right.legend(title="tax a period", frameon=False, fontsize=8, title_fontsize=8, loc="upper left")
    free = "" if first.exemption == 0 else f" above {first.exemption:g} times the mean"
    figure.suptitle(
        f"Fair bets of {_percent(first.fraction_at_stake)} of the poorer's wealth, under a flat tax on wealth{free}, "
        f"rebated in equal parts ({int(first.agents):,} agents)",
        fontsize=10,
    )
    return figure


def _draw_path(axes: Axes, tables: Tables, chosen: "pd.Series[int]", rate: float, colour: str) -> None:
    paths = tables["paths"][tables["paths"]["cell"].isin(chosen)].groupby("period")["gini"]
    mean, low, high = paths.mean(), paths.min(), paths.max()
    axes.plot(mean.index, mean, color=colour, linewidth=1.6)
    axes.fill_between(mean.index, low, high, color=colour, alpha=0.25, linewidth=0)
    law = tables["stationary"].loc[tables["stationary"]["cell"].isin(chosen), "gini_law"].iloc[0]
    if np.isfinite(law):
        axes.plot(mean.index[[0, -1]], [law, law], color="black", linewidth=0.9, linestyle=(0, (1, 2)), zorder=3)
    text = "no tax" if rate == 0 else _percent(rate)
    axes.annotate(
        text,
        (mean.index[-1], mean.iloc[-1]),
        xytext=(4, 0),
        textcoords="offset points",
        color=colour,
        fontsize=8,
        va="center",
    )


def _rates(tables: Tables) -> Figure:
    rows = tables["stationary"].join(tables["cells"].drop(columns="replication").set_index("cell"), on="cell")
    taxed = rows[rows["tax_rate"] > 0.0]
    figure, axes = panels(3, width=12.0, height=4.0)
    for number, (exemption, group) in enumerate(taxed.groupby("exemption")):
        colour, marker = PALETTE[number % len(PALETTE)], _MARKERS[number % len(_MARKERS)]
        label = "no exemption" if exemption == 0 else f"exempt: {exemption:g} times the mean"
        rates, laws = _law_over_rates(group)
        columns = {
            "gini": [law.gini for law in laws],
            "top_1_share": [law.lorenz.share_of_richest(0.01) for law in laws],
        }
        for axis, (column, theory) in zip(axes[:2], columns.items(), strict=True):
            axis.plot(rates, theory, color=colour, linewidth=1.2)
            _points(axis, group, "tax_rate", column, colour, marker, label)
        axes[2].plot([law.revenue for law in laws], columns["gini"], color=colour, linewidth=1.2)
        _points(axes[2], group, "revenue", "gini", colour, marker, label)
    untaxed = rows.loc[rows["tax_rate"] == 0.0, "gini"]
    if len(untaxed):
        axes[0].axhline(untaxed.mean(), color=PALETTE[5], linewidth=0.9, linestyle="--")
        axes[0].annotate(
            "no tax, still rising",
            (0.97, untaxed.mean()),
            xycoords=("axes fraction", "data"),
            ha="right",
            xytext=(0, -10),
            textcoords="offset points",
            color=PALETTE[5],
            fontsize=8,
        )
    axes[0].set(
        xlabel="tax rate a period", ylabel="Gini coefficient", ylim=(0, 1.02), title="Inequality in the long run"
    )
    axes[1].set(xlabel="tax rate a period", ylabel="their share of all wealth", ylim=(0, None), title="The richest 1 %")
    axes[2].set(
        xlabel="collected a period, share of all wealth",
        ylabel="Gini coefficient",
        ylim=(0, 1.02),
        title="Inequality by what the tax collects",
    )
    for axis in axes:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axes[1].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    if len(taxed):
        axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    stake = _percent(rows["fraction_at_stake"].iloc[0])
    figure.suptitle(
        f"Fair bets of {stake} of the poorer's wealth, and a wealth tax rebated in equal parts. "
        "Points: simulation, mean and range over replications. Lines: the stationary law.",
        fontsize=10,
    )
    return figure


def _points(axis: Axes, group: pd.DataFrame, across: str, column: str, colour: str, marker: str, label: str) -> None:
    """Mean and range over replications, by rate."""
    by_rate = group.groupby("tax_rate")
    mean, where = by_rate[column].mean(), by_rate[across].mean()
    reach = np.array([mean - by_rate[column].min(), by_rate[column].max() - mean])
    axis.errorbar(
        where,
        mean,
        yerr=reach.clip(min=0.0),
        fmt=marker,
        markersize=5,
        color=colour,
        capsize=2,
        elinewidth=0.9,
        label=label,
    )


def _law_over_rates(group: pd.DataFrame) -> tuple[np.ndarray, list[YardSaleLaw]]:
    """Rates between the least and the highest of a group, and the law of each."""
    rates = np.geomspace(group["tax_rate"].min(), group["tax_rate"].max(), 25)
    template = group.iloc[0]
    laws = [stationary_law(_config_of(template, tax_rate=max(round(float(rate), 6), 1e-6))) for rate in rates]
    return rates, [law for law in laws if law is not None]


def _config_of(row: "pd.Series[float]", **changes: float) -> Config:
    """The configuration of a row of cells, with changes; whole numbers may have become floats on the way."""
    values: dict[str, Any] = {field.name: row[field.name] for field in fields(Config)}
    return Config(**{**values, **changes})


def _shades(count: int) -> list[str]:
    """Colours for rising rates, the first for none."""
    return [PALETTE[number % len(PALETTE)] for number in (1, 3, 2, 0, 4, 5)[: min(count, 6)]] + [PALETTE[5]] * (
        count - 6
    )


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"
