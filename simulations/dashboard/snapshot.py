"""What there is to see of an economy at one moment: numbers and panels that later periods leave as they are.

A snapshot holds data and labels, no drawing. A run makes it, a view shows it, maybe in another thread; so whatever is
in it is never changed.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, IntArray

__all__ = [
    "Crossing",
    "Distribution",
    "Histogram",
    "Holdings",
    "Line",
    "Network",
    "Panel",
    "Reading",
    "Reference",
    "Scatter",
    "Snapshot",
    "TimeSeries",
]


@final
@dataclass(frozen=True, kw_only=True)
class Reading:
    """A number of the last period, shown in large type.

    Parameters
    ----------
    label
        What it is.
    value
        NaN where there is none.
    unit
        Its unit; empty for a ratio.
    digits
        Digits after the point.
    """

    label: str
    value: float
    unit: str = ""
    digits: int = 2

    @property
    def text(self) -> str:
        """The number with its unit; a dash where there is none."""
        if np.isnan(self.value):
            return "-"
        number = f"{self.value:,.{self.digits}f}".replace(",", "\u202f")  # a thin space between thousands
        return f"{number} {self.unit}".rstrip()


@final
@dataclass(frozen=True, eq=False)
class Line:
    """A named line: values (NaN where there are none), as many as the panel has places."""

    label: str
    values: FloatArray


@final
@dataclass(frozen=True)
class Reference:
    """A horizontal line: what theory says, say."""

    label: str
    value: float


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class TimeSeries:
    """Lines over time.

    Parameters
    ----------
    title
        What is shown.
    unit
        Of the values, at the axis.
    periods
        The periods shown, ascending, shape (t,).
    lines
        One or more, of t values each.
    references
        Horizontal lines.
    value_range
        Ends of the axis of values; None, for both or for one, for as much as is needed.
    period_name
        What a period is called.
    is_whole
        Whether values are whole numbers.
    """

    title: str
    unit: str
    periods: IntArray
    lines: tuple[Line, ...]
    references: tuple[Reference, ...] = ()
    value_range: tuple[float | None, float | None] | None = None
    period_name: str = "period"
    is_whole: bool = False

    def __post_init__(self) -> None:
        for line in self.lines:
            _require_length(f"{self.title}: {line.label}", line.values, self.periods.size)


@final
@dataclass(frozen=True, eq=False)
class Holdings:
    """What each agent holds, of one thing: amounts of 0 or more, shape (n,)."""

    label: str
    amounts: FloatArray | IntArray


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Distribution:
    """Holdings to be shown as Lorenz curves, with their Gini coefficients.

    Parameters
    ----------
    title
        What is shown.
    holdings
        One or more.
    theory
        A Lorenz curve to compare with: its name, shares of agents and shares of holdings, both from 0 to 1.
    """

    title: str
    holdings: tuple[Holdings, ...]
    theory: tuple[str, FloatArray, FloatArray] | None = None


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Crossing:
    """Demand and supply, as stairs, and where the market was.

    Parameters
    ----------
    title
        What is shown.
    quantity_unit, price_unit
        At the axes.
    demand, supply
        Quantities and prices at the corners of each curve, in ascending order of quantity, two arrays of one length.
    trades
        Quantities and prices that came about.
    trades_label, demand_label, supply_label
        What these are called.
    """

    title: str
    quantity_unit: str
    price_unit: str
    demand: tuple[FloatArray, FloatArray]
    supply: tuple[FloatArray, FloatArray]
    trades: tuple[FloatArray, FloatArray]
    trades_label: str = "trades"
    demand_label: str = "demand"
    supply_label: str = "supply"

    def __post_init__(self) -> None:
        for name in ("demand", "supply", "trades"):
            quantities, prices = getattr(self, name)
            _require_length(f"{self.title}: {name}", prices, quantities.size)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Histogram:
    """Shares of agents by what they hold.

    Parameters
    ----------
    title
        What is shown.
    unit
        Of what is held.
    edges
        Ends of the bins, ascending, shape (b + 1,).
    shares
        Fraction of the agents in each bin, shape (b,).
    theory
        A name and the fractions that theory says, shape (b,); or None.
    """

    title: str
    unit: str
    edges: FloatArray
    shares: FloatArray
    theory: tuple[str, FloatArray] | None = None

    def __post_init__(self) -> None:
        _require_length(f"{self.title}: shares", self.shares, self.edges.size - 1)
        if self.theory is not None:
            _require_length(f"{self.title}: {self.theory[0]}", self.theory[1], self.shares.size)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Scatter:
    """A point for each agent, in named groups.

    Parameters
    ----------
    title
        What is shown.
    x_label, y_label
        What the axes measure, with units.
    groups
        A name, and the places of its points, two arrays of one length.
    y_range
        Ends of the upright axis; None for as much as is needed.
    """

    title: str
    x_label: str
    y_label: str
    groups: tuple[tuple[str, FloatArray, FloatArray], ...]
    y_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name, x, y in self.groups:
            _require_length(f"{self.title}: {name}", y, x.size)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """Who may trade with whom.

    Parameters
    ----------
    title
        What is shown.
    places
        Where each of n agents stands, shape (n, 2).
    edges
        Pairs of agents, shape (m, 2).
    values
        A number for each agent, shown by colour, shape (n,).
    value_label
        What it is, with its unit.
    active
        Which pairs traded in the last period, shape (m,).
    """

    title: str
    places: FloatArray
    edges: IntArray
    values: FloatArray
    value_label: str
    active: FloatArray | None = None

    def __post_init__(self) -> None:
        _require_length(f"{self.title}: values", self.values, len(self.places))
        if self.active is not None:
            _require_length(f"{self.title}: active", self.active, len(self.edges))


Panel: TypeAlias = TimeSeries | Distribution | Crossing | Histogram | Scatter | Network


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Snapshot:
    """An economy at one moment.

    Parameters
    ----------
    period
        Periods played.
    readings
        Numbers of the last period.
    panels
        Pictures.
    """

    period: int
    readings: tuple[Reading, ...]
    panels: tuple[Panel, ...]


def _require_length(name: str, values: FloatArray | IntArray, length: int) -> None:
    if len(values) != length:
        raise InvalidInputError(f"{name} must hold {length} values, got {len(values)}.")
