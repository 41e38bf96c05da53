"""Every economy of the dashboard runs under every setting, and what there is to see can be sent to a browser."""

import json
import threading
import time

import numpy as np
import pytest

from walras.market import InvalidInputError
from walras.simulations.dashboard import ECONOMIES, Choice, LiveEconomy, Number, Session, Snapshot
from walras.simulations.dashboard.charts import chart_option
from walras.simulations.dashboard.controls import SEED, matters
from walras.simulations.dashboard.curves import percent_range
from walras.simulations.dashboard.session import THREAD_NAME
from walras.simulations.dashboard.snapshot import Crossing, Distribution, Line, Network, Reading, TimeSeries

SMALL = {"agents": 30, "buyers": 4, "firms": 5, "layers": 2}


def cases(economy):
    """Each option of each choice, and both ends of each number that is not a size."""
    found = [{}]
    for control in economy.controls:
        if isinstance(control, Choice):
            found += [{control.name: option} for option in control.options]
        elif control.name not in SMALL:
            found += [{control.name: control.minimum}, {control.name: control.maximum}]
    return found


def small(economy, **changes):
    kept = {name: value for name, value in SMALL.items() if name in economy.defaults}
    return {**economy.defaults, **kept, **changes}


def options(snapshot):
    return [json.dumps(chart_option(panel), allow_nan=False) for panel in snapshot.panels]


@pytest.mark.parametrize("name", ECONOMIES)
def test_every_setting_gives_pictures_of_finite_numbers(name):
    economy = ECONOMIES[name]
    for case in cases(economy):
        run = economy.start(small(economy, **case), np.random.default_rng(0))
        options(run.snapshot())
        for _ in range(5):
            run.step()
        snapshot = run.snapshot()
        assert snapshot.period == 5, case
        assert len(snapshot.panels) >= 4
        assert all(len(text) < 30_000 for text in options(snapshot)), case


@pytest.mark.parametrize("name", ECONOMIES)
def test_a_seed_repeats_a_run_and_pictures_of_the_past_stay(name):
    economy = ECONOMIES[name]
    first, again, other = (economy.start(small(economy), np.random.default_rng(seed)) for seed in (1, 1, 2))
    for run in (first, again, other):
        for _ in range(3):
            run.step()
    seen = first.snapshot()
    shown = options(seen)
    assert shown == options(again.snapshot())
    assert shown != options(other.snapshot())
    first.step()
    assert options(seen) == shown


def test_what_the_dashboard_promises_is_there():
    kinds = set()
    for economy in ECONOMIES.values():
        run = economy.start(small(economy), np.random.default_rng(0))
        run.step()
        panels = run.snapshot().panels
        assert any(isinstance(panel, Distribution) for panel in panels), economy.name
        kinds |= {type(panel) for panel in panels}
    assert {TimeSeries, Crossing, Network, Distribution} <= kinds


def test_the_network_shows_who_traded():
    economy = ECONOMIES["exchange"]
    for network in ("ring", "everybody meets everybody"):
        run = economy.start(small(economy, network=network), np.random.default_rng(0))
        run.step()
        panels = run.snapshot().panels
        shown = next(panel for panel in panels if isinstance(panel, Network))
        trades = next(panel for panel in panels if panel.title == "Volume").lines[0].values[-1]
        assert shown.active.sum() == trades > 0
        assert len(shown.edges) == (30 if network == "ring" else trades)
        lines = chart_option(shown)["series"][0]["data"]
        assert sum(line["lineStyle"]["width"] == 3.0 for line in lines) == trades


def test_settings_are_checked():
    economy = ECONOMIES["pollution"]
    rng = np.random.default_rng(0)
    for changes, message in (
        ({"firms": 0}, r"Firms must lie from 1 to 200 \(number\), got 0"),
        ({"firms": 2.5}, "Firms must be a whole number, got 2.5"),
        ({"instrument": "wish"}, "Instrument must be one of tax on emissions, .*; got 'wish'"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            economy.start({**economy.defaults, **changes}, rng)
    with pytest.raises(InvalidInputError, match="Settings are needed for"):
        economy.start({}, rng)
    with pytest.raises(InvalidInputError, match="Seed must be a number, got 'x'"):
        SEED.read("x")


def test_a_setting_without_meaning_is_hidden():
    economy = ECONOMIES["wealth-exchange"]
    shown = {control.name for control in economy.controls if matters(control, economy.defaults)}
    assert "stake" in shown
    assert not {"gift", "saving"} & shown


def test_axes_of_percentages():
    assert percent_range(np.array([83.0, np.nan, 100.0])) == (50.0, 100.0)
    assert percent_range(np.array([-12.0, 97.0])) == (-20.0, 100.0)
    assert percent_range(np.array([np.nan])) == (50.0, 100.0)


def test_readings_and_panels():
    assert Reading(label="Money", value=1234567.891, unit="cents", digits=1).text == "1\u202f234\u202f567.9 cents"
    assert Reading(label="Price", value=float("nan"), unit="cents").text == "-"
    with pytest.raises(InvalidInputError, match="Price: price must hold 2 values, got 1"):
        TimeSeries(title="Price", unit="money", periods=np.arange(2), lines=(Line("price", np.zeros(1)),))


class Clock:
    """An economy that counts, and breaks when it is told to."""

    def __init__(self, breaks_at=None):
        self.period, self.breaks_at = 0, breaks_at

    def step(self):
        self.period += 1
        if self.period == self.breaks_at:
            raise ZeroDivisionError("a spring broke")

    def snapshot(self):
        return Snapshot(period=self.period, readings=(), panels=())


def clock(breaks_at=None):
    number = Number(name="size", label="Size", unit="number", minimum=1, maximum=5, default=2, whole=True)
    return LiveEconomy(
        name="clock",
        title="A clock",
        about="It ticks.",
        controls=(number,),
        create=lambda settings, rng: Clock(breaks_at),
    )


@pytest.fixture
def session():
    told = threading.Event()
    made = Session(told.set)
    made.told = told
    yield made
    made.close()


def wait_until(holds, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_playing():
    return any(thread.name == THREAD_NAME for thread in threading.enumerate())


def test_a_session_steps_runs_pauses_and_starts_again(session):
    session.start(clock(), {"size": 2}, seed=0)
    assert (session.state.snapshot.period, session.state.is_running) == (0, False)
    session.step()
    assert session.state.snapshot.period == 1
    session.run()
    wait_until(lambda: session.state.snapshot.period > 100)
    session.pause()
    wait_until(lambda: not is_playing())
    assert not session.state.is_running
    session.reset()
    assert session.state.snapshot.period == 0
    assert session.told.is_set()


def test_a_session_keeps_to_its_speed(session):
    session.start(clock(), {"size": 2}, seed=0)
    session.set_speed(20.0)
    begin = time.monotonic()
    session.run()
    wait_until(lambda: session.state.snapshot.period >= 18)
    assert time.monotonic() - begin >= 0.5  # six periods a frame of 0.3 s, the first at once
    with pytest.raises(InvalidInputError, match="must be above 0"):
        session.set_speed(0.0)


def test_what_goes_wrong_is_told(session, caplog):
    session.start(clock(breaks_at=3), {"size": 2}, seed=0)
    session.run()
    wait_until(lambda: session.state.problem)
    assert session.state.problem == "The economy stopped by an unexpected ZeroDivisionError: a spring broke"
    assert not session.state.is_running
    session.start(clock(), {"size": 9}, seed=0)
    assert session.state.problem == "Size must lie from 1 to 5 (number), got 9."
    assert session.state.snapshot is None
    session.step()  # there is nothing to play
    session.run()
    assert not session.state.is_running


def test_a_closed_session_leaves_no_thread(session):
    session.start(clock(), {"size": 2}, seed=0)
    session.run()
    session.close()
    wait_until(lambda: not is_playing())
    session.start(clock(), {"size": 2}, seed=0)
    session.run()
    assert session.state.snapshot is None
