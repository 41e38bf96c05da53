"""Pictures of an economy: who is served, by layer and number, and prices by layer."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from walras.llm.analysis.use import allocation_map

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["allocation_figure", "price_figure"]

# Dark blue, brick, green, ochre, violet, grey: told apart by lightness as well.
_PALETTE = ("#1d3557", "#c8553d", "#0b6e4f", "#d9a441", "#7b4b94", "#6c757d")


def allocation_figure(economy: "ModelEconomy", budgets: tuple[float, ...]) -> Figure:
    """Draw for each kind of agent a map of layer and number: the smallest of the budgets at which each is served.

    Allocations are nested in the budget, so one map shows them all.
    """
    table = economy.population.frame()
    kinds = list(dict.fromkeys(table["kind"]))
    ascending = sorted(budgets)
    first = np.full(len(table), np.nan)
    for budget in reversed(ascending):
        first[economy.hard_allocation(budget)] = budget
    widths = [int(table.loc[table["kind"] == kind, "index"].max()) + 1 for kind in kinds]
    layers = table["layer"].nunique()
    # Cells are about a quarter of an inch, in a figure of reasonable size.
    width = min(max(0.28 * sum(widths) + 2.5, 6.0), 13.0)
    figure = Figure(figsize=(width, min(max(0.28 * layers + 1.4, 2.4), 9.0)), layout="constrained")
    axes = figure.subplots(1, len(kinds), squeeze=False, width_ratios=[max(count, 4) for count in widths])[0]
    image = None
    for axis, kind in zip(axes, kinds, strict=True):
        cells = allocation_map(economy, kind, first)
        axis.set_facecolor("#e9ecef")  # of agents that no budget serves
        image = axis.imshow(
            cells.to_numpy(), cmap="viridis_r", vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest"
        )
        axis.set(xlabel=f"{kind.replace('_', ' ')} number", ylabel="layer")
        axis.set_xticks(_ticks(cells.shape[1]))
        axis.set_yticks(range(len(cells)), cells.index.tolist())
    if image is not None:
        figure.colorbar(image, ax=list(axes), label="smallest budget that serves it", ticks=ascending)
    figure.suptitle("Who is served, at the budgets on the scale; grey: at none of them", fontsize=10)
    return figure


def price_figure(prices: pd.DataFrame) -> Figure:
    """Draw prices and shadow prices of layers, a line per budget, from `shadow_prices`."""
    figure = Figure(figsize=(10.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    known = prices[np.isfinite(prices["price"])]  # the whole is sold at any low enough price
    of_layers, of_all = known[known["layer"] >= 0], known[known["layer"] < 0].set_index("budget")
    for number, (budget, rows) in enumerate(of_layers.groupby("budget")):
        colour = _PALETTE[number % len(_PALETTE)]
        left.plot(rows["layer"], rows["price"], "o-", color=colour, label=f"budget {budget:g}", markersize=4)
        right.plot(rows["layer"], rows["shadow_price"], "o-", color=colour, markersize=4)
        right.axhline(of_all.loc[budget, "shadow_price"], color=colour, linewidth=0.8, linestyle="--")
    left.set(xlabel="layer", ylabel="price (money per unit)")
    right.set(xlabel="layer", ylabel="shadow price (loss per unit)", title="dashed: all layers together")
    right.title.set_fontsize(9)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(visible=True, alpha=0.25, linewidth=0.6)
        axis.set_xticks(_ticks(of_layers["layer"].nunique()))
    figure.legend(loc="outside lower center", ncols=max(len(of_all), 1), frameon=False, fontsize=8)
    return figure


def _ticks(count: int) -> list[int]:
    return list(range(0, count, max(1, count // 12)))
