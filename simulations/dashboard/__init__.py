"""The live view: `walras app` shows economies while they run.

Economies know nothing of the view. Each is described by a `LiveEconomy`; its runs give snapshots, which hold data and
labels; `Session` plays one run for one visitor; and only `walras.simulations.dashboard.page` knows Solara, which comes
with the extra `walras[viz]`.
"""

from walras.simulations.dashboard.controls import Choice, Control, Number, Setting, Settings
from walras.simulations.dashboard.economies import ECONOMIES
from walras.simulations.dashboard.live_economy import LiveEconomy, LiveRun
from walras.simulations.dashboard.session import Session, SessionState
from walras.simulations.dashboard.snapshot import (
    Crossing,
    Distribution,
    Histogram,
    Holdings,
    Line,
    Network,
    Panel,
    Reading,
    Reference,
    Scatter,
    Snapshot,
    TimeSeries,
)

__all__ = [
    "ECONOMIES",
    "Choice",
    "Control",
    "Crossing",
    "Distribution",
    "Histogram",
    "Holdings",
    "Line",
    "LiveEconomy",
    "LiveRun",
    "Network",
    "Number",
    "Panel",
    "Reading",
    "Reference",
    "Scatter",
    "Session",
    "SessionState",
    "Setting",
    "Settings",
    "Snapshot",
    "TimeSeries",
]
