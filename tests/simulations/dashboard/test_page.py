"""The page is rendered without a browser, and used: economies are chosen, played, and told wrong settings."""

import re
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from walras.market import InvalidInputError
from walras.simulations.cli import main
from walras.simulations.dashboard import ECONOMIES, command

solara = pytest.importorskip("solara", reason="The live view needs an extra: pip install 'walras[viz]'")


@pytest.fixture
def page():
    """The page, and what finds its widgets."""
    from walras.simulations.dashboard.page import Page

    _, rendered = solara.render(Page(), handle_error=False)
    yield rendered
    rendered.close()


def widgets(page, name):
    import ipyvuetify

    return page.find(getattr(ipyvuetify, name)).widgets


def text(page):
    """All text of the page, tags included."""
    parts = []

    def walk(widget):
        if isinstance(widget, str):
            parts.append(widget)
            return
        for trait in ("children", "unsafe_innerHTML", "v_slots"):
            value = getattr(widget, trait, None)
            for each in value if isinstance(value, list | tuple) else [value]:
                if isinstance(each, dict):
                    walk(each.get("children", ""))
                elif each is not None:
                    walk(each)
        template = getattr(widget, "template", None)
        if isinstance(template, str):
            parts.append(template)

    walk(page.container)
    return " ".join(parts)


def button(page, label):
    return next(each for each in widgets(page, "Btn") if label in each.children)


def select(page, label):
    return next(each for each in widgets(page, "Select") if each.label == label)


def until(holds, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_economy_is_shown_and_played(page):
    for economy in ECONOMIES.values():
        select(page, "Economy").v_model = economy.title
        assert economy.about in text(page)
        assert "Press Run, or Step." in text(page)
        button(page, "Step").click()
        until(lambda: "Press Run, or Step." not in text(page))
        assert "Lorenz" in text(page)


def test_run_and_pause(page):
    button(page, "Run").click()
    until(lambda: any("Pause" in each.children for each in widgets(page, "Btn")))
    button(page, "Pause").click()
    until(lambda: any("Run" in each.children for each in widgets(page, "Btn")))


def test_a_setting_that_cannot_be_used_is_told(page):
    select(page, "Economy").v_model = ECONOMIES["pollution"].title
    field = next(each for each in widgets(page, "TextField") if each.v_model == "20")
    field.v_model = "5000"
    field.fire_event("keyup.enter", None)
    until(lambda: "Firms must lie from 1 to 200" in text(page))
    assert [each.v_model for each in widgets(page, "TextField") if each.error] == ["5000"]
    assert button(page, "Step").disabled


def test_the_command_serves_the_page():
    arguments = [sys.executable, "-m", "walras.simulations", "app", "--port", "0", "--no-browser"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as serving:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+", serving.stdout.readline()).group()
            with urllib.request.urlopen(address, timeout=60) as answer:
                page = answer.read().decode()
        finally:
            serving.terminate()
    assert answer.status == 200
    assert "<title>walras</title>" in page


def test_without_the_extra_the_command_says_what_to_install(monkeypatch, capsys):
    found = command.find_spec
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "solara" else found(name))
    monkeypatch.setattr(sys, "argv", ["walras", "app", "--no-browser"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "MissingExtraError: The live view needs packages that are not there (solara)" in said
    assert "pip install 'walras[viz]'" in said


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(
            InvalidInputError, match=r"Port \d+ cannot be had \(Address already in use\): choose another"
        ):
            command.launch(taken.getsockname()[1], open_browser=False)
