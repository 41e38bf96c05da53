"""Figures of `walras.simulations.experiments.market_power`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from walras.simulations.experiments.experiment import Tables
from walras.simulations.experiments.market_power import CARTEL, COURNOT, PRICES, merger_gain
from walras.simulations.plot_style import PALETTE, half_width_95, panels

__all__ = ["figures"]

_COLOURS = {COURNOT: PALETTE[0], PRICES: PALETTE[2], CARTEL: PALETTE[1]}
_MARKERS = {COURNOT: "o", PRICES: "^", CARTEL: "s"}
_LABELS = {COURNOT: "firms choose quantities", PRICES: "firms undercut prices", CARTEL: "cartel"}
_PUBLISHED_GAIN = (0.7, 0.9)


def figures(tables: Tables) -> Mapping[str, Figure]:
    """Give `concentration` (margins, losses, mergers), and `algorithms` if there were sessions."""
    figure, (left, middle, right) = panels(3, width=14.0, height=4.5)
    _margins(left, tables["unequal"])
    _losses(middle, tables["equal"], tables["unequal"])
    _mergers(right, tables["equal"])
    found = {"concentration": figure}
    if len(tables["sessions"]):
        found["algorithms"] = _algorithms(tables["sessions"], tables["responses"])
    return found


def _margins(axis: Axes, unequal: pd.DataFrame) -> None:
    axis.plot([0.0, 1.0], [0.0, 1.0], color="black", linewidth=1.2, label="theory of quantities: $L E = H$")
    for conduct, label in _LABELS.items():
        rows = unequal[unequal["conduct"] == conduct]
        axis.scatter(
            rows["herfindahl"],
            rows["lerner"] * rows["elasticity"],
            marker=_MARKERS[conduct],
            s=20,
            facecolors="none",
            edgecolors=_COLOURS[conduct],
            linewidths=1.0,
            label=label,
        )
    axis.set_xlim(0.0, 1.05)
    axis.set_ylim(0.0, 1.05)
    axis.set_xlabel("Herfindahl index $H$ (1: one firm sells all)")
    axis.set_ylabel("margin over price times elasticity, $L E$")
    axis.set_title("Margins follow concentration, or do not")
    axis.legend(frameon=False, fontsize=8, loc="upper left")


def _losses(axis: Axes, equal: pd.DataFrame, unequal: pd.DataFrame) -> None:
    numbers = np.arange(1, int(equal["firms"].max()) + 1)
    axis.plot(numbers, 100.0 / (numbers + 1.0) ** 2, color="black", linewidth=1.2, label="theory: $1 / (n + 1)^2$")
    simulated = 100.0 * equal.groupby("firms")["deadweight_loss"].mean()
    axis.plot(
        simulated.index, simulated, "o", color=_COLOURS[COURNOT], markersize=5, label=f"{_LABELS[COURNOT]}, equal costs"
    )
    for conduct, label in _LABELS.items():
        grouped = unequal[unequal["conduct"] == conduct].groupby("firms")["deadweight_loss"]
        mean = 100.0 * grouped.mean()
        axis.errorbar(
            mean.index,
            mean,
            yerr=100.0 * half_width_95(grouped),
            fmt=_MARKERS[conduct],
            color=_COLOURS[conduct],
            markerfacecolor="white",
            markersize=5,
            capsize=2.5,
            linewidth=1.0,
            label=f"{label}, unequal costs (95 %)",
        )
    axis.set_xticks(numbers)
    axis.set_ylim(0.0, 36.0)
    axis.set_xlabel("number of firms")
    axis.set_ylabel("deadweight loss (% of the most welfare)")
    axis.set_title("What few firms cost society")
    axis.legend(frameon=False, fontsize=8, loc="upper right", bbox_to_anchor=(1.0, 1.0))


def _mergers(axis: Axes, equal: pd.DataFrame) -> None:
    profits = equal.groupby("firms")["profit_of_each"].mean()
    most = int(profits.index.max())
    for firms, colour in ((most, PALETTE[0]), (max(3, most // 2), PALETTE[1])):
        insiders = np.arange(2, firms + 1)
        gains = [float(profits[firms - number + 1] / (number * profits[firms])) - 1.0 for number in insiders.tolist()]
        theory = [merger_gain(firms, number) for number in insiders.tolist()]
        axis.plot(insiders, 100.0 * np.array(theory), color=colour, linewidth=1.2)
        axis.plot(insiders, 100.0 * np.array(gains), "o", color=colour, markersize=5, label=f"of {firms} equal firms")
    axis.axhline(0.0, color="black", linewidth=0.8)
    axis.set_yscale("symlog", linthresh=50.0)
    axis.set_yticks([-50, -25, 0, 25, 50, 100, 200], ["-50", "-25", "0", "25", "50", "100", "200"])
    axis.minorticks_off()
    axis.set_xticks(np.arange(2, most + 1))
    axis.set_xlabel("firms that merge")
    axis.set_ylabel("change of the insiders' profit (%)")
    axis.set_title("Mergers: most of them pay outsiders")
    axis.legend(
        frameon=False,
        fontsize=8,
        loc="upper left",
        title="points: firms that learn, lines: theory",
        title_fontsize=8,
        alignment="left",
    )


def _algorithms(sessions: pd.DataFrame, responses: pd.DataFrame) -> Figure:
    figure, (left, right) = panels(2, width=11.5, height=4.4)
    grouped = sessions.groupby("discount")["profit_gain"]
    mean = grouped.mean()
    places = {discount: place for place, discount in enumerate(mean.index)}
    rng = np.random.default_rng(0)  # points beside one another
    left.scatter(
        sessions["discount"].map(places) + 0.16 * (rng.random(len(sessions)) - 0.5),
        sessions["profit_gain"],
        s=14,
        color=PALETTE[5],
        alpha=0.6,
        linewidths=0,
        label="a session",
    )
    left.errorbar(
        [places[discount] + 0.2 for discount in mean.index],
        mean,
        yerr=half_width_95(grouped),
        fmt="o",
        color=PALETTE[1],
        markersize=6,
        capsize=3,
        label="mean (95 %)",
    )
    if 0.95 in places:
        middle = 0.5 * sum(_PUBLISHED_GAIN)
        left.errorbar(
            [places[0.95] - 0.25],
            [middle],
            yerr=[middle - _PUBLISHED_GAIN[0]],
            fmt="none",
            color="black",
            linewidth=3.0,
            alpha=0.6,
            label="published means (Calvano et al. 2020)",
        )
    for height, text in ((0.0, "equilibrium of one period"), (1.0, "cartel")):
        left.axhline(height, color="black", linewidth=0.8, linestyle="--")
        left.text(-0.45, height - 0.02, text, fontsize=8, va="top")
    left.set_xticks(list(places.values()), [f"{discount:g}" for discount in places])
    left.set_xlim(-0.5, len(places) - 0.5)
    left.set_ylim(-0.15, 1.25)
    left.set_xlabel("weight of the next period's profit (discount factor)")
    left.set_ylabel("profit gain (0: equilibrium, 1: cartel)")
    left.set_title("Algorithms that care for the future collude")
    left.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.0, 0.78))
    _response(right, responses[responses["discount"] == responses["discount"].max()])
    return figure


def _response(axis: Axes, responses: pd.DataFrame) -> None:
    for name, colour, label in (
        ("deviator", PALETTE[1], "is made to cut its price"),
        ("rival", PALETTE[0], "its rival"),
    ):
        grouped = responses.groupby("period")[name]
        mean, error = grouped.mean(), half_width_95(grouped)
        periods = mean.index.to_numpy() - 1
        axis.plot(periods, mean, "o-", color=colour, markersize=4, linewidth=1.4, label=label)
        axis.fill_between(periods, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0)
    for height, text in ((0.0, "equilibrium of one period"), (1.0, "cartel")):
        axis.axhline(height, color="black", linewidth=0.8, linestyle="--")
        axis.text(float(responses["period"].max()) - 1.0, height - 0.02, text, fontsize=8, va="top", ha="right")
    axis.set_ylim(-0.15, 1.25)
    axis.set_xticks([-1, 0, *range(2, int(responses["period"].max()), 2)])
    axis.set_xlabel("period (0: the cut)")
    axis.set_ylabel("price (0: equilibrium, 1: cartel)")
    axis.set_title(f"A price cut is punished (discount {float(responses['discount'].iloc[0]):g}, 95 %)")
    axis.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 0.14))
