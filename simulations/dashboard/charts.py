"""Panels as options of ECharts: plain dictionaries, made by pure functions.

Solara ships ECharts, so a page loads nothing from elsewhere. The browser draws, which keeps the server free and lets a
reader point at a curve and read its numbers.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from walras.market.validation import FloatArray, IntArray
from walras.market.welfare import gini, lorenz_curve
from walras.simulations.dashboard.snapshot import (
    Crossing,
    Distribution,
    Histogram,
    Network,
    Panel,
    Scatter,
    TimeSeries,
)
from walras.simulations.plot_style import PALETTE

__all__ = ["ChartOption", "chart_option"]

ChartOption: TypeAlias = dict[str, Any]

_INK, _FAINT = "#4a4f57", "#e3e6ea"
_REFERENCE = PALETTE[5]
_SMALL = 11  # points of axis labels
_MOST_POINTS = 200  # of a Lorenz curve or a stair that is sent to a browser
_LOW_TO_HIGH = ("#d6e2ee", "#5b84ad", "#1d3557")


def chart_option(panel: Panel) -> ChartOption:
    """Give the option that draws a panel. Its title is not in it: the page writes that above."""
    match panel:
        case TimeSeries():
            return _time_series(panel)
        case Distribution():
            return _distribution(panel)
        case Crossing():
            return _crossing(panel)
        case Histogram():
            return _histogram(panel)
        case Scatter():
            return _scatter(panel)
        case Network():
            return _network(panel)


def _time_series(panel: TimeSeries) -> ChartOption:
    series = [
        _line(line.label, panel.periods, line.values, PALETTE[number % len(PALETTE)], dots=panel.periods.size == 1)
        for number, line in enumerate(panel.lines)
    ]
    low, high = panel.value_range or (None, None)
    last = int(panel.periods[-1]) if panel.periods.size else 1
    for reference in panel.references:
        level = np.full(2, reference.value)
        series.append(_dashed(_line(reference.label, np.array([0, max(last, 1)]), level, _REFERENCE)))
    y_axis = _axis(panel.unit, low=low, high=high, scale=low is None, whole=panel.is_whole)
    periods = _axis(panel.period_name, low=0, high=max(last, 1), whole=True)
    periods["axisLabel"]["showMaxLabel"] = False  # the last period is at no round number
    return _chart(series, periods, y_axis)


def _distribution(panel: Distribution) -> ChartOption:
    series = []
    for number, holdings in enumerate(panel.holdings):
        curve = lorenz_curve(holdings.amounts)
        name = f"{holdings.label}: Gini {gini(holdings.amounts):.2f}"
        shares = _thinned(100.0 * curve.population_shares, 100.0 * curve.holding_shares)
        series.append(_line(name, *shares, PALETTE[number]))
    if panel.theory is not None:
        name, population, held = panel.theory
        theory = _line(name, *_thinned(100.0 * population, 100.0 * held), PALETTE[3])
        series.append(_dashed(theory))
    equality = _line("equality", np.array([0.0, 100.0]), np.array([0.0, 100.0]), "#b4b9c0", legend=False)
    series.append(_dashed(equality))
    x_axis = _axis("poorest agents (%)", low=0, high=100)
    return _chart(series, x_axis, _axis("share of all (%)", low=0, high=100))


def _crossing(panel: Crossing) -> ChartOption:
    series = [
        _line(panel.demand_label, *_thinned(*panel.demand), PALETTE[0]),
        _line(panel.supply_label, *_thinned(*panel.supply), PALETTE[1]),
        _points(panel.trades_label, *panel.trades, PALETTE[3], size=8),
    ]
    return _chart(series, _axis(panel.quantity_unit, low=0), _axis(panel.price_unit, low=0))


def _histogram(panel: Histogram) -> ChartOption:
    # A stair rather than bars: bars on an axis of numbers have no width of their own.
    stair = _line("agents", panel.edges, 100.0 * np.append(panel.shares, panel.shares[-1]), PALETTE[0])
    series = [stair | {"step": "end", "areaStyle": {"color": PALETTE[0], "opacity": 0.25}}]
    if panel.theory is not None:
        name, shares = panel.theory
        middles = 0.5 * (panel.edges[1:] + panel.edges[:-1])
        series.append(_dashed(_line(name, middles, 100.0 * shares, PALETTE[1])))
    low, high = float(panel.edges[0]), float(panel.edges[-1])
    return _chart(series, _axis(panel.unit, low=low, high=high), _axis("agents (%)", low=0))


def _scatter(panel: Scatter) -> ChartOption:
    series = [
        _points(name, x, y, PALETTE[number % len(PALETTE)], size=6) for number, (name, x, y) in enumerate(panel.groups)
    ]
    low, high = panel.y_range or (None, None)
    y_axis = _axis(panel.y_label, low=low, high=high, scale=panel.y_range is None)
    return _chart(series, _axis(panel.x_label, scale=True), y_axis)


def _network(panel: Network) -> ChartOption:
    # Lines and points on axes that are not shown: the series for graphs stretches symbols with the panel.
    finite = panel.values[np.isfinite(panel.values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    active = panel.active if panel.active is not None else np.zeros(len(panel.edges))
    size = float(np.clip(130.0 / np.sqrt(max(len(panel.places), 1)), 5.0, 20.0))
    places = [_plain(place) for place in panel.places]
    links = [
        {
            "coords": [places[first], places[second]],
            "lineStyle": {
                "color": PALETTE[1] if traded else "#c3c8cf",
                "width": 3.0 if traded else 1.0,
                "opacity": 1.0,
            },
        }
        for (first, second), traded in zip(panel.edges.tolist(), active.tolist(), strict=True)
    ]
    series: list[ChartOption] = [
        {"type": "lines", "coordinateSystem": "cartesian2d", "data": links, "silent": True, "z": 1},
        {
            "type": "scatter",
            "data": [[*place, value] for place, value in zip(places, _plain(panel.values), strict=True)],
            "symbolSize": size,
            "itemStyle": {"borderColor": "#ffffff", "borderWidth": 1},
            "z": 2,
        },
    ]
    hidden: ChartOption = {"type": "value", "show": False, "scale": True}
    colours: ChartOption = {
        "type": "continuous",
        "seriesIndex": 1,
        "dimension": 2,
        "min": low,
        "max": high if high > low else low + 1.0,
        "calculable": False,
        "right": 4,
        "top": "middle",
        "itemHeight": 110,
        "itemWidth": 10,
        "precision": 2,
        "text": [f"{high:,.2f}", f"{low:,.2f}"],
        "textStyle": {"color": _INK, "fontSize": _SMALL},
        "inRange": {"color": list(_LOW_TO_HIGH)},
        "outOfRange": {"color": "#ffffff"},
    }
    grid = {"left": 16, "right": 64, "top": 12, "bottom": 16}
    return {"animation": False, "grid": grid, "xAxis": hidden, "yAxis": hidden, "series": series, "visualMap": colours}


def _chart(series: Sequence[ChartOption], x_axis: ChartOption, y_axis: ChartOption) -> ChartOption:
    named = [one["name"] for one in series if one.get("name")]
    return {
        "animation": False,
        "grid": {"left": 58, "right": 18, "top": 30, "bottom": 40},
        "legend": {
            "data": named,
            "top": 0,
            "left": 8,
            "itemWidth": 16,
            "itemHeight": 8,
            "textStyle": {"fontSize": _SMALL, "color": _INK},
        },
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "line"}, "confine": True},
        "xAxis": x_axis | {"nameGap": 24},
        "yAxis": y_axis | {"nameGap": 42},
        "series": list(series),
    }


def _axis(
    name: str, *, low: float | None = None, high: float | None = None, scale: bool = False, whole: bool = False
) -> ChartOption:
    axis: ChartOption = {
        "type": "value",
        "name": name,
        "nameLocation": "middle",
        "nameTextStyle": {"fontSize": _SMALL, "color": _INK},
        "axisLabel": {"fontSize": _SMALL, "color": _INK, "hideOverlap": True},
        "axisLine": {"show": True, "onZero": False, "lineStyle": {"color": "#9aa0a8"}},
        "splitLine": {"lineStyle": {"color": _FAINT}},
        "splitNumber": 4,
        "scale": scale,
        "min": low,
        "max": high,
    }
    if whole:
        axis["minInterval"] = 1
    elif low is not None and high is not None:
        axis["interval"] = (high - low) / 5.0  # or the last stretch is shorter than the others
    return axis


def _line(
    name: str,
    x: FloatArray | IntArray,
    y: FloatArray,
    colour: str,
    *,
    dots: bool = False,
    legend: bool = True,
) -> ChartOption:
    return {
        "type": "line",
        "name": name if legend else "",
        "data": _pairs(x, y),
        "showSymbol": dots,
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "width": 1.8},
    }


def _dashed(line: ChartOption) -> ChartOption:
    return line | {"lineStyle": line["lineStyle"] | {"type": "dashed", "width": 1.3}}


def _points(name: str, x: FloatArray, y: FloatArray, colour: str, *, size: int) -> ChartOption:
    return {
        "type": "scatter",
        "name": name,
        "data": _pairs(x, y),
        "symbolSize": size,
        "itemStyle": {"color": colour, "opacity": 0.85},
    }


def _pairs(x: FloatArray | IntArray, y: FloatArray | IntArray) -> list[list[float | None]]:
    return [list(pair) for pair in zip(_plain(x), _plain(y), strict=True)]


def _plain(values: FloatArray | IntArray) -> list[float | None]:
    """Give whole numbers as they are, others to six digits; None for what is not finite, which JSON cannot hold."""
    if values.dtype.kind in "iu":
        return values.tolist()
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]


def _thinned(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the ends and at most `_MOST_POINTS` points evenly spaced between."""
    if x.size <= _MOST_POINTS:
        return x, y
    kept = np.unique(np.linspace(0, x.size - 1, _MOST_POINTS).round().astype(np.int64))
    return x[kept], y[kept]
