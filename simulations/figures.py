"""The figures of a study, each from stored rows alone."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from walras.simulations.plot_style import panels

__all__ = [
    "allocation_figure",
    "cost_figure",
    "economy_figure",
    "frontier_figure",
    "isolation_figure",
    "training_figure",
]

_COLOURS = {"market": "#0b6e4f", "magnitude": "#c8553d", "random": "#6c757d", "dense": "#1d3557"}
_DEMAND_COLOURS = {"step": "#1d3557", "linear": "#c8553d", "logit": "#0b6e4f"}
_METRICS = {"matthews": "Matthews correlation", "pearson": "Pearson correlation"}
_LABELS = {"market": "trained under the market", "magnitude": "pruned by magnitude", "random": "pruned at random"}


def isolation_figure(rows: pd.DataFrame) -> Figure:
    """Price, efficiency and concentration against the budget, by demand rule; bands span the seeds."""
    figure, axes = panels(3)
    contents = (
        ("price", "price (money per unit)"),
        ("efficiency", "welfare / largest welfare"),
        ("gini", "Gini of units served"),
    )
    for axis, (column, label) in zip(axes, contents, strict=True):
        for demand, group in rows.groupby("demand", sort=False):
            spread = group.groupby("budget")[column].quantile(np.array([0.1, 0.5, 0.9])).unstack()
            colour = _DEMAND_COLOURS[str(demand)]
            axis.plot(spread.index, spread[0.5], color=colour, label=f"{demand} demand")
            axis.fill_between(spread.index, spread[0.1], spread[0.9], color=colour, alpha=0.15, linewidth=0)
        axis.set(xlabel="budget (fraction of all units)", ylabel=label)
    axes[0].legend(frameon=False)
    figure.suptitle(
        f"The capacity market in isolation: median of {rows['seed'].nunique()} populations, band from 10 to 90 %"
    )
    return figure


def economy_figure(periods: pd.DataFrame) -> Figure:
    """Price, efficiency and wealth inequality over time, by bidding policy."""
    figure, axes = panels(3)
    contents = (
        ("price", "price (money per unit)"),
        ("efficiency", "welfare / largest welfare"),
        ("gini_wealth", "Gini of wealth"),
    )
    for axis, (column, label) in zip(axes, contents, strict=True):
        for number, (policy, group) in enumerate(periods.groupby("policy", sort=False)):
            axis.plot(group["period"], group[column], color=f"C{number}", label=str(policy), linewidth=1.2)
        axis.set(xlabel="period", ylabel=label)
    axes[0].legend(frameon=False)
    figure.suptitle("The compute economy: heads and blocks bid each period, are paid, taxed and rebated")
    return figure


def frontier_figure(rows: pd.DataFrame, *, metric: str) -> Figure:
    """Score against counted FLOPs, by method; the band of random pruning spans its draws."""
    figure, (axis,) = panels(1, width=6.4)
    dense_score = float(rows.loc[rows["method"] == "dense", "score"].iloc[0])
    axis.axhline(dense_score, color=_COLOURS["dense"], linestyle=":", label=f"dense model ({dense_score:.3f})")
    for method, group in rows[rows["method"] != "dense"].groupby("method", sort=False):
        name, colour = str(method), _COLOURS[str(method)]
        by_budget = group.groupby("budget").agg(
            flops=("flops_ratio", "mean"), score=("score", "mean"), low=("score", "min"), high=("score", "max")
        )
        axis.plot(by_budget["flops"], by_budget["score"], "o-", color=colour, label=_LABELS[name], markersize=4)
        if group["draw"].nunique() > 1:
            axis.fill_between(
                by_budget["flops"], by_budget["low"], by_budget["high"], color=colour, alpha=0.15, linewidth=0
            )
    axis.set(xlabel="FLOPs / dense model's FLOPs (counted on the exported model)", ylabel=_METRICS.get(metric, metric))
    axis.set_title("One model, every budget", loc="left")
    axis.legend(frameon=False)
    return figure


def cost_figure(rows: pd.DataFrame) -> Figure:
    """What the market's models cost and how they are concentrated, against the budget."""
    market = rows[rows["method"] == "market"].sort_values("flops_ratio")
    figure, axes = panels(3)
    speed, inequality, attention = axes
    ratio = market["flops_ratio"]
    speed.plot(ratio, market["speed_up"], "o-", color=_COLOURS["market"], label="measured (median)")
    speed.plot(ratio, 1.0 / ratio, ":", color=_COLOURS["dense"], label="if time went with FLOPs")
    speed.set(xlabel="FLOPs / dense model's", ylabel="speed-up over the dense model")
    speed.legend(frameon=False)
    inequality.plot(ratio, market["gini"], "o-", color=_COLOURS["market"])
    inequality.set(xlabel="FLOPs / dense model's", ylabel="Gini of FLOPs over agents", ylim=(0, 1))
    attention.plot(ratio, market["entropy_bits"], "o-", color=_COLOURS["market"])
    attention.set(xlabel="FLOPs / dense model's", ylabel="attention entropy (bits)")
    attention.set_ylim(0.0, 1.15 * market["entropy_bits"].max())
    figure.suptitle("The exported models")
    return figure


def allocation_figure(agents: pd.DataFrame) -> Figure:
    """Share of each layer's heads and neuron blocks that is served, by budget."""
    budgets = sorted(agents["budget"].unique(), reverse=True)
    figure, axes = panels(2, height=3.6)
    for axis, (kind, title) in zip(axes, (("head", "heads"), ("neuron_block", "neuron blocks")), strict=True):
        served = agents[agents["kind"] == kind].groupby(["budget", "layer"])["served"].mean().unstack().loc[budgets]
        image = axis.imshow(served, cmap="Greens", vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(range(served.shape[1]), [str(layer) for layer in served.columns])
        axis.set_yticks(range(len(budgets)), [f"{budget:g}" for budget in budgets])
        axis.set(xlabel="layer", ylabel="budget", title=title)
        axis.spines[:].set_visible(False)
        axis.grid(visible=False)
    figure.colorbar(image, ax=axes, label="share served")
    figure.suptitle("Where the compute goes")
    return figure


def training_figure(training: pd.DataFrame) -> Figure:
    """Temperature of demand, price and shadow price while the market was learned."""
    figure, axes = panels(3)
    for axis, column, label in (
        (axes[0], "temperature", "temperature (money per unit)"),
        (axes[1], "price", "price (money per unit)"),
        (axes[2], "shadow_price", "loss per unit of budget"),
    ):
        rationed = training[np.isfinite(training[column])]
        points = axis.scatter(rationed["step"], rationed[column], c=rationed["budget"], cmap="viridis", s=14)
        axis.set(xlabel="step", ylabel=label)
    axes[0].set_yscale("log")
    figure.colorbar(points, ax=axes, label="budget of the step")
    figure.suptitle("The market while the model was trained (steps that grant the whole budget have no finite price)")
    return figure
