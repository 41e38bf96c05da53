"""The dashboard's page, in Solara: settings at the left, the economy at the right. The only module that knows Solara.

Plain Solara components and ECharts rather than Mesa's SolaraViz: that one shows Mesa models with a data collector, and
the columnar economies are none; it draws by Matplotlib in the server, ten times the work of sending numbers; and its
interface changes from one version of Mesa to the next.

All state belongs to the components of one visitor: nothing is shared between browser tabs.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import solara
from reacton import ipyvuetify as v
from reacton.ipyvue import use_event

from walras.market.errors import InvalidInputError
from walras.simulations.dashboard.charts import chart_option
from walras.simulations.dashboard.controls import SEED, Choice, Control, Number, Setting, matters
from walras.simulations.dashboard.economies import ECONOMIES
from walras.simulations.dashboard.live_economy import LiveEconomy
from walras.simulations.dashboard.session import FASTEST, Session
from walras.simulations.dashboard.snapshot import Panel, Reading
from walras.simulations.dashboard.style import STYLE

# ruff: noqa: N802 - components bear names like those of classes, as everywhere in Solara
# mypy: disable-error-code="untyped-decorator"
__all__ = ["Layout", "Page"]

_Typed: TypeAlias = Mapping[tuple[str, str], str]  # what was typed, by economy and control

_SPEEDS = {
    "1 a second": 1.0,
    "5 a second": 5.0,
    "20 a second": 20.0,
    "100 a second": 100.0,
    "as fast as can be": FASTEST,
}
_DEFAULT_SPEED = "20 a second"
_MOST_NOTCHES = 1000  # numbers with more get no slider


@solara.component
def Layout(children: Any) -> None:
    """Take the page as it is, without Solara's own frame."""
    solara.Div(children=children)


@solara.component
def Page() -> None:
    """Show the dashboard."""
    name, set_name = solara.use_state(next(iter(ECONOMIES)))
    typed, set_typed = solara.use_state({})
    economy = ECONOMIES[name]
    settings, problems = read_settings(economy, typed)
    titles = {one.title: one.name for one in ECONOMIES.values()}

    def set_text(control: Control, text: str) -> None:
        set_typed(lambda before: {**before, (name, control.name): text})

    solara.Title("walras")
    solara.Style(STYLE)
    with solara.Div(classes=["w-app"]):
        solara.HTML(tag="div", unsafe_innerHTML="walras<span>economies, live</span>", classes=["w-bar"])
        with solara.Div(classes=["w-side"]):
            solara.Select(
                label="Economy",
                value=economy.title,
                values=list(titles),
                on_value=lambda title: set_name(titles[title]),
                dense=True,
            )
            for control in (*economy.controls, SEED):
                if matters(control, settings):
                    _Setting(
                        control,
                        typed.get((name, control.name), str(control.default)),
                        problems.get(control.name, ""),
                        lambda text, control=control: set_text(control, text),
                    ).key(f"{name} {control.name}")
        _Economy(economy, settings, problems)


def read_settings(economy: LiveEconomy, typed: _Typed) -> tuple[dict[str, Setting], dict[str, str]]:
    """Give the settings of an economy and of the seed, and what is wrong, by control; where it is, the default."""
    settings: dict[str, Setting] = {}
    problems: dict[str, str] = {}
    for control in (*economy.controls, SEED):
        settings[control.name] = control.default
        text = typed.get((economy.name, control.name))
        if text is not None:
            try:
                settings[control.name] = control.read(text)
            except InvalidInputError as error:
                problems[control.name] = str(error)
    return settings, problems


@solara.component
def _Setting(control: Control, text: str, problem: str, on_text: Callable[[str], None]) -> None:
    match control:
        case Choice():
            with solara.Div(classes=["w-choice"]):
                solara.Select(
                    label=control.label, value=text, values=list(control.options), on_value=on_text, dense=True
                )
        case Number():
            _NumberField(control, text, problem, on_text)


@solara.component
def _NumberField(control: Number, text: str, problem: str, on_text: Callable[[str], None]) -> None:
    slides = (control.maximum - control.minimum) / control.step <= _MOST_NOTCHES
    with solara.Div(classes=["w-number"]):
        solara.HTML(tag="div", unsafe_innerHTML=f"{control.label} <span>({control.unit})</span>", classes=["w-label"])
        with solara.Div(classes=["w-fields"] if slides else ["w-fields", "w-alone"]):
            if slides:
                _Slider(control, float(control.default if problem else text), on_text)
            solara.InputText(label="", value=text, on_value=on_text, error=bool(problem), dense=True, hide_details=True)
        if problem:
            solara.Text(problem, classes=["w-wrong"])


@solara.component
def _Slider(control: Number, value: float, on_text: Callable[[str], None]) -> None:
    slider = v.Slider(
        v_model=value,
        min=control.minimum,
        max=control.maximum,
        step=control.step,
        thumb_label=True,
        thumb_size=26,
        hide_details=True,
        dense=True,
    )
    # The economy starts afresh when the thumb is let go, not at every place that it passes.
    use_event(slider, "change", lambda *event: on_text(f"{event[-1]:.6g}"))


@solara.component
def _Economy(economy: LiveEconomy, settings: Mapping[str, Setting], problems: Mapping[str, str]) -> None:
    _, redraw = solara.use_state(0)
    speed, set_speed = solara.use_state(_DEFAULT_SPEED)
    session = solara.use_memo(lambda: Session(lambda: redraw(lambda count: count + 1)), [])
    is_wrong = bool(problems)

    def start() -> None:
        if is_wrong:
            session.pause()
        else:
            chosen = {name: setting for name, setting in settings.items() if name != "seed"}
            session.start(economy, chosen, int(settings["seed"]))

    solara.use_effect(start, [economy.name, tuple(settings.items()), is_wrong])
    solara.use_effect(lambda: session.set_speed(_SPEEDS[speed]), [speed])
    solara.use_effect(lambda: session.close, [])

    state = session.state
    snapshot = state.snapshot
    is_idle = is_wrong or snapshot is None or bool(state.problem)
    with solara.Div(classes=["w-main"]):
        with solara.Div(classes=["w-head"]):
            solara.HTML(
                tag="div",
                unsafe_innerHTML=f"<h1>{economy.title}</h1><p>{economy.about}</p>",
                classes=["w-title"],
            )
            with solara.Div(classes=["w-tools"]):
                if state.is_running:
                    solara.Button("Pause", on_click=session.pause, icon_name="mdi-pause", color="primary")
                else:
                    solara.Button("Run", on_click=session.run, icon_name="mdi-play", color="primary", disabled=is_idle)
                solara.Button("Step", on_click=session.step, icon_name="mdi-skip-next", outlined=True, disabled=is_idle)
                solara.Button(
                    "Reset", on_click=session.reset, icon_name="mdi-restore", outlined=True, disabled=is_wrong
                )
                solara.Select(label="Speed", value=speed, values=list(_SPEEDS), on_value=set_speed, dense=True)
        if is_wrong:
            solara.Warning("A setting at the left cannot be used; the economy below is the one before.", dense=True)
        if state.problem:
            solara.Error(state.problem, dense=True)
        if snapshot is not None:
            period = Reading(label=f"{economy.period_name.capitalize()}s played", value=snapshot.period, digits=0)
            _Tiles((period, *snapshot.readings))
            if snapshot.panels and snapshot.period > 0:
                _Panels(snapshot.panels)
            else:
                solara.HTML(tag="div", unsafe_innerHTML="Press Run, or Step.", classes=["w-hint"])


@solara.component
def _Tiles(readings: tuple[Reading, ...]) -> None:
    with solara.Div(classes=["w-tiles"]):
        for reading in readings:
            solara.HTML(
                tag="div",
                unsafe_innerHTML=f"<div>{reading.label}</div><div>{reading.text}</div>",
                classes=["w-tile"],
            )


@solara.component
def _Panels(panels: tuple[Panel, ...]) -> None:
    with solara.Div(classes=["w-panels", "w-three"] if len(panels) > 4 else ["w-panels"]):
        for number, panel in enumerate(panels):
            with solara.Div(classes=["w-panel"]).key(f"{number}"):
                solara.HTML(tag="h2", unsafe_innerHTML=panel.title)
                solara.FigureEcharts(option=chart_option(panel), responsive=True, attributes={"style": ""})
