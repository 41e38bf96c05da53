"""What the dashboard asks of an economy: which settings it has, how it starts, steps, and what there is to see.

An economy joins by a module in `walras.simulations.dashboard.economies` that describes it as a `LiveEconomy`, and whose
`create` gives a `LiveRun`. Neither knows the dashboard, a widget or a thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.validation import instance_of
from walras.simulations.dashboard.controls import Control, Setting, Settings, checked_settings, defaults_of
from walras.simulations.dashboard.snapshot import Snapshot

__all__ = ["LiveEconomy", "LiveRun"]


class LiveRun(Protocol):
    """An economy that is under way."""

    def step(self) -> None:
        """Play one period."""
        ...

    def snapshot(self) -> Snapshot:
        """Give what there is to see now. Later periods leave it as it is."""
        ...


@final
@dataclass(frozen=True, kw_only=True)
class LiveEconomy:
    """An economy that can be watched.

    Parameters
    ----------
    name
        In lower case, with hyphens.
    title
        A heading.
    about
        What happens in it, in a sentence or two.
    period_name
        What one step is called: a day, a period.
    controls
        What can be set, in the order shown. Each name once.
    create
        Gives a new run under settings, one for each control and in its range, that draws from the generator.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.simulations.dashboard import ECONOMIES
    >>> exchange = ECONOMIES["wealth-exchange"]
    >>> run = exchange.start({**exchange.defaults, "agents": 100}, np.random.default_rng(0))
    >>> run.step()
    >>> run.snapshot().period
    1
    """

    name: str
    title: str
    about: str
    controls: tuple[Control, ...]
    create: Callable[[Settings, np.random.Generator], LiveRun]
    period_name: str = "period"

    def __post_init__(self) -> None:
        names = [control.name for control in self.controls]
        if len(set(names)) != len(names) or "seed" in names:
            raise InvalidInputError(f"Controls of {self.name!r} need names that differ, none of them seed: {names}.")

    @property
    def defaults(self) -> dict[str, Setting]:
        """The default of each control, by name."""
        return defaults_of(self.controls)

    def start(self, settings: Settings, rng: np.random.Generator) -> LiveRun:
        """Give a new run.

        Parameters
        ----------
        settings
            One for each control, by name.
        rng
            What the run draws from.

        Raises
        ------
        InvalidInputError
            A setting that is missing, out of range, or of no control, or settings that do not fit together.
        InfeasibleError
            A market that cannot clear under these settings.
        """
        checked = checked_settings(self.controls, settings)
        return self.create(checked, instance_of("rng", rng, np.random.Generator))
