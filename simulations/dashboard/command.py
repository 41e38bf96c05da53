"""`walras app`: serve the dashboard to a browser on this computer."""

import os
import socket
import threading
import time
import warnings
import webbrowser
from importlib.util import find_spec
from typing import Any

from walras.market.errors import InvalidInputError, MarketError
from walras.market.validation import whole_number

__all__ = ["MissingExtraError", "launch"]

_HOST = "127.0.0.1"
_PAGE = "walras.simulations.dashboard.page:Page"
_NEEDED = ("solara", "ipyvuetify", "ipyvue")

# Set before Solara is imported, which reads them then. Nothing is reported to anybody, and nothing is fetched: scripts
# and fonts come with `solara[assets]`. An economy whose browser has gone without a word is closed after two minutes.
_SETTINGS = {
    "SOLARA_APP": _PAGE,
    "SOLARA_MODE": "production",
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",
    "SOLARA_KERNEL_CULL_TIMEOUT": "2m",
    "SOLARA_THEME_TITLE": "walras",
    "SOLARA_THEME_SHOW_BANNER": "False",
}


class MissingExtraError(MarketError, ImportError):
    """A part of walras needs packages that come with an extra, and they are not installed."""


def launch(port: int, *, open_browser: bool) -> None:
    """Serve the dashboard until interrupted.

    Parameters
    ----------
    port
        Where it is served, on this computer only; 0 for any that is free.
    open_browser
        Whether the page is opened in the default browser.

    Raises
    ------
    MissingExtraError
        The extra `walras[viz]` is not installed.
    InvalidInputError
        A port that is not from 0 to 65535.
    """
    require_extra()
    os.environ.update(_SETTINGS)
    with _bound(port) as listening:
        address = f"http://{_HOST}:{listening.getsockname()[1]}"
        server = _server()
        print(f"The dashboard is at {address}; press Ctrl+C to stop it.", flush=True)
        if open_browser:
            threading.Thread(target=_open_when_ready, args=(server, address), daemon=True).start()
        server.run(sockets=[listening])


def require_extra() -> None:
    """Raise `MissingExtraError` unless all packages of the extra are there."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"The live view needs packages that are not there ({', '.join(missing)}). They come with an extra: "
            "pip install 'walras[viz]'."
        )


def _bound(port: int) -> socket.socket:
    """Give a socket that has the port, or raise."""
    number = whole_number("port", port)
    if number > 65_535:
        raise InvalidInputError(f"port must be from 0 to 65535, got {number}.")
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, number))
        listening.listen()  # who comes before the server has started waits
    except OSError as error:
        listening.close()
        raise InvalidInputError(f"Port {number} cannot be had ({error.strerror}): choose another, or 0.") from error
    return listening


def _server() -> Any:
    """Give a server of the page, not started."""
    # Imported here: Solara reads its settings, and loads the page, when it is imported.
    import uvicorn
    from solara.server.starlette import app

    # The page is served without https, to this computer alone.
    warnings.filterwarnings("ignore", message="Cookies with samesite=none require https")
    return uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))


def _open_when_ready(server: Any, address: str) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.05)
    webbrowser.open(address)
