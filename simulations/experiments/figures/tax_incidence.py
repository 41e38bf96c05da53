"""Figures of `walras.simulations.experiments.tax_incidence`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from walras.agents.labour import flat_tax_revenue, income_elasticity_in_equilibrium
from walras.market.taxation import laffer_rate
from walras.simulations.experiments.experiment import Tables
from walras.simulations.experiments.tax_incidence import (
    BUYERS,
    CALL,
    DOUBLE,
    FALLING,
    FIXED,
    SELLERS,
    Config,
    buyers_share,
    config_of,
)
from walras.simulations.plot_style import PALETTE, half_width_95, panels

__all__ = ["figures"]


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `incidence` (burden and prices against the elasticity of demand) and `laffer` (revenue against the rate)."""
    config = config_of(tables["cells"].iloc[0])
    return {"incidence": _incidence(tables["market"], config), "laffer": _laffer(tables, config)}


def _incidence(market: pd.DataFrame, config: Config) -> Figure:
    figure, (left, right) = panels(2, height=4.4)
    _burden(left, market, config)
    _prices(right, market[market["institution"] == CALL], config)
    for axis in (left, right):
        axis.set_xscale("log", base=2)
        axis.set_xticks(config.demand_elasticities, [f"{value:g}" for value in config.demand_elasticities])
        axis.set_xlabel(f"elasticity of demand (of supply: {config.supply_elasticity:g})")
    return figure


def _burden(axis: Axes, market: pd.DataFrame, config: Config) -> None:
    elasticities = np.geomspace(*_range(config.demand_elasticities), 100)
    theory = [100.0 * buyers_share(value, config.supply_elasticity) for value in elasticities]
    axis.plot(elasticities, theory, color="black", linewidth=1.4, label="theory, $e_S / (e_S + e_D)$")
    styles = (
        (CALL, BUYERS, PALETTE[0], "o", 0.955, "call auction, tax on buyers"),
        (CALL, SELLERS, PALETTE[1], "s", 1.045, "call auction, tax on sellers"),
        (DOUBLE, BUYERS, PALETTE[0], "^", 0.87, "random quotes, tax on buyers"),
        (DOUBLE, SELLERS, PALETTE[1], "v", 1.15, "random quotes, tax on sellers"),
    )
    for institution, side, colour, marker, offset, label in styles:
        rows = market[(market["institution"] == institution) & (market["levied_on"] == side)]
        grouped = rows.groupby("demand_elasticity")["buyers_share"]
        mean, error = grouped.mean(), half_width_95(grouped)
        axis.errorbar(
            offset * mean.index.to_numpy(),
            100.0 * mean,
            yerr=100.0 * error,
            fmt=marker,
            color=colour,
            alpha=1.0 if institution == CALL else 0.45,
            markersize=5,
            capsize=2.5,
            linewidth=1.0,
            label=label,
        )
    axis.set_ylim(0.0, 100.0)
    axis.set_ylabel("share of the tax that buyers bear (%)")
    axis.set_title("Elasticities decide who bears it, not the law")
    axis.legend(frameon=False, fontsize=8, title="means and 95 % intervals", title_fontsize=8)


def _prices(axis: Axes, call: pd.DataFrame, config: Config) -> None:
    x = np.array(config.demand_elasticities)
    columns = (
        (BUYERS, "consumer_price", "", PALETTE[5], "-", "buyers pay"),
        (SELLERS, "producer_price", "", PALETTE[5], "--", "sellers keep"),
    )
    for side, column, _, colour, line, label in columns:
        means = call[call["levied_on"] == side].groupby("demand_elasticity")[column].mean()
        axis.plot(x, 100.0 * means.loc[x], color=colour, linestyle=line, linewidth=2.2, label=label)
    for side, colour, marker in ((BUYERS, PALETTE[0], "o"), (SELLERS, PALETTE[1], "s")):
        means = call[call["levied_on"] == side].groupby("demand_elasticity")["tag_price"].mean()
        axis.plot(x, 100.0 * means.loc[x], marker, color=colour, markersize=6, label=f"on the tag, tax on {side}")
    axis.axhline(100.0, color="black", linewidth=0.8, linestyle=":")
    axis.text(x[-1], 100.6, "price without a tax", ha="right", va="bottom", fontsize=8)
    axis.set_ylabel("price (% of the untaxed price)")
    axis.set_title("The law moves the tag by the whole tax,\nand nothing else", fontsize=11)
    axis.legend(frameon=False, fontsize=8, loc="lower left", ncols=2)
    axis.set_ylim(76.0, 122.0)


def _laffer(tables: Tables, config: Config) -> Figure:
    figure, (left, right) = panels(2, height=4.4)
    for number, elasticity in enumerate(config.labour_elasticities):
        _curve(left, tables, elasticity, FIXED, PALETTE[number % len(PALETTE)], f"$e$ = {elasticity:g}")
    left.set_title("Revenue of a flat tax peaks at $1 / (1 + e)$", fontsize=11)
    middle = config.labour_elasticities[len(config.labour_elasticities) // 2]
    _curve(right, tables, middle, FIXED, PALETTE[0], "wage fixed")
    _curve(right, tables, middle, FALLING, PALETTE[3], "wage falls as more is worked", config.labour_share)
    right.set_title(f"The wage rises with the tax: a later, higher peak ($e$ = {middle:g})", fontsize=11)
    top = 118.0 * float(tables["revenue"]["revenue"].max())
    for axis in (left, right):
        axis.set_xlabel("tax rate (%)")
        axis.set_xlim(0.0, 100.0)
        axis.set_ylim(0.0, top)
        axis.legend(
            frameon=False,
            fontsize=8,
            loc="upper left",
            title="points: households (95 %), lines: theory",
            title_fontsize=8,
            alignment="left",
        )
        axis.set_ylabel("revenue (% of untaxed pay)")
    return figure


def _curve(
    axis: Axes,
    tables: Tables,
    elasticity: float,
    wages: str,
    colour: str,
    label: str,
    labour_share: float | None = None,
) -> None:
    """Draw a closed form with its peak, and the simulated points with theirs."""
    response = elasticity if labour_share is None else income_elasticity_in_equilibrium(elasticity, labour_share)
    rates = 1.0 - np.linspace(1.0, 0.0, 300) ** 3  # close together near 1, where revenue falls steeply
    axis.plot(
        100.0 * rates,
        [100.0 * flat_tax_revenue(rate, response) for rate in rates.tolist()],
        color=colour,
        linewidth=1.3,
    )
    chosen = (tables["revenue"]["elasticity"] == elasticity) & (tables["revenue"]["wages"] == wages)
    grouped = tables["revenue"][chosen].groupby("tax_rate")["revenue"]
    mean, error = grouped.mean(), half_width_95(grouped)
    axis.errorbar(
        100.0 * mean.index.to_numpy(),
        100.0 * mean,
        yerr=100.0 * error,
        fmt="o",
        color=colour,
        markersize=3.5,
        linewidth=1.0,
        label=label,
    )
    best = laffer_rate(response)
    height = 100.0 * flat_tax_revenue(best, response)
    axis.plot([100.0 * best, 100.0 * best], [0.0, height], color=colour, linewidth=0.9, linestyle=":")
    peaks = tables["peaks"]
    found = 100.0 * peaks[(peaks["elasticity"] == elasticity) & (peaks["wages"] == wages)]["rate"].mean()
    axis.annotate(
        f"{found:.1f} %",
        (found, height),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=colour,
    )


def _range(values: tuple[float, ...]) -> tuple[float, float]:
    return min(values) * 0.9, max(values) * 1.1
