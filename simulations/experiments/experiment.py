"""What an experiment is: a typed function from a configuration and a generator to tables, with figures and anchors.

An experiment knows no folder, no command line and no clock. `walras.simulations.runner` runs its cells, one for each
point of a scenario and replication, and stores their tables; figures and anchors are made from stored tables alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, final

import pandas as pd
from numpy.random import Generator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Anchor", "Experiment", "Tables"]

Tables: TypeAlias = Mapping[str, pd.DataFrame]

ConfigT = TypeVar("ConfigT")


@final
@dataclass(frozen=True)
class Anchor:
    """A number that the experiment must come near: published, or known in closed form.

    Parameters
    ----------
    statement
        What is compared, in a few words.
    expected, obtained
        The number it should be, and the one that came out.
    tolerance
        How far apart they may be, in the same unit; for a simulated mean, say how it follows from its standard error.
    source
        Author and year (docs/reference/bibliography.md), or "closed form".
    """

    statement: str
    expected: float
    obtained: float
    tolerance: float
    source: str

    @property
    def agrees(self) -> bool:
        """Whether the two are as near as they must be."""
        return abs(self.obtained - self.expected) <= self.tolerance


@final
@dataclass(frozen=True)
class Experiment(Generic[ConfigT]):
    """An experiment that scenarios can name.

    Parameters
    ----------
    name
        As on the command line, in lower case with hyphens.
    title
        A heading.
    question
        What it asks, in a sentence or two.
    config
        A frozen dataclass of plain values (bool, int, float, str, and tuples of one of them), each with a default;
        it checks itself when it is made.
    run
        Gives the tables of one cell, by name: rows of the configuration under the generator. A table has the same
        columns and dtypes in every cell; the names `cells` and `cell` are taken.
    figures
        Gives the figures, by name, from the stored tables of all cells. Each table then has the columns `cell` and
        `replication` in front; the table `cells` has a row per cell with `cell`, `replication` and every field of the
        configuration.
    anchors
        Gives what the stored tables of all cells are measured against; nothing where a run has nothing to compare.
    """

    name: str
    title: str
    question: str
    config: type[ConfigT]
    run: Callable[[ConfigT, Generator], Tables]
    figures: Callable[[Tables], Mapping[str, "Figure"]]
    anchors: Callable[[Tables], Sequence[Anchor]]
