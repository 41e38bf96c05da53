"""How our figures look: panels side by side, muted axes, and a palette that prints in grey too."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

__all__ = ["PALETTE", "half_width_95", "panels"]

# Dark blue, brick, green, ochre, violet, grey: told apart by lightness as well.
PALETTE = ("#1d3557", "#c8553d", "#0b6e4f", "#d9a441", "#7b4b94", "#6c757d")


def panels(count: int, *, width: float = 10.5, height: float | None = None) -> tuple[Figure, list[Axes]]:
    """Give a figure with `count` panels side by side; made without pyplot, which keeps global state.

    Parameters
    ----------
    count
        Number of panels.
    width, height
        Of the figure (inches); a single panel is taller than several if no height is given.
    """
    figure = Figure(figsize=(width, height or (3.4 if count > 1 else 4.2)), layout="constrained")
    axes = list(figure.subplots(1, count, squeeze=False)[0])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(visible=True, alpha=0.25, linewidth=0.6)
    return figure, axes


def half_width_95(grouped: Any) -> Any:
    """Give half the width of a 95 % interval for the mean of each group, by Student's t; 0 for groups of one.

    Parameters
    ----------
    grouped
        A column of a table, grouped (pandas' `SeriesGroupBy`); its entries are taken as independent.

    Returns
    -------
    Series
        Indexed by group.

    Examples
    --------
    >>> import pandas as pd
    >>> from walras.simulations.plot_style import half_width_95
    >>> runs = pd.DataFrame({"tax": [0.1, 0.1, 0.2], "price": [1.0, 3.0, 5.0]})
    >>> half_width_95(runs.groupby("tax")["price"]).round(2).tolist()
    [12.71, 0.0]
    """
    count = grouped.count()
    students_t = stats.t.ppf(0.975, np.maximum(count.to_numpy() - 1, 1))
    return grouped.std(ddof=1).fillna(0.0) * students_t / np.sqrt(count)
