"""How our figures look: panels side by side, muted axes, and a palette that prints in grey too."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["PALETTE", "panels"]

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
