"""`walras app`: watch economies in a browser."""

from typing import Annotated

import typer

__all__ = ["app"]


def app(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On this computer; 0 for any that is free.")] = 8765,
    *,
    browser: Annotated[bool, typer.Option(help="Open the page in the default browser.")] = True,
) -> None:
    """Watch economies while they run: choose mechanism, tax and agents in a page of the browser."""
    from walras.simulations.dashboard.command import launch

    launch(port, open_browser=browser)
