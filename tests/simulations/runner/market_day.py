"""A quick experiment for tests: households and firms, each class with a table, and cells that can be slow or fail."""

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from walras.market import InvalidInputError
from walras.simulations.experiments import Anchor, Experiment, Tables


@dataclass(frozen=True, kw_only=True)
class Config:
    households: int = 3
    tax_rate: float = 0.0
    season: str = "spring"
    open_late: bool = False
    prices: tuple[float, ...] = ()
    pause: float = 0.0
    trouble: str = ""

    def __post_init__(self) -> None:
        if self.tax_rate > 1.0:
            raise InvalidInputError(f"Config.tax_rate must be at most 1, got {self.tax_rate}.")


def run(config: Config, rng: np.random.Generator) -> Tables:
    time.sleep(config.pause)
    draws = rng.random(config.households)
    households = pd.DataFrame(
        {
            "household": np.arange(config.households),
            "income": draws * (1.0 - config.tax_rate),
            "trade": pd.Categorical(np.where(draws < 0.5, "baker", "smith")),
        }
    )
    firms = pd.DataFrame({"firm": ["mill"], "output": [float(np.linalg.norm(rng.random((64, 64)) @ rng.random(64)))]})
    if config.trouble == "raises" and config.tax_rate > 0.4:
        raise ZeroDivisionError("the mill burnt down")
    if config.trouble == "dies" and config.tax_rate == 0.25 and multiprocessing.parent_process():
        os.kill(os.getpid(), signal.SIGKILL)
    if config.trouble == "other columns" and config.tax_rate > 0.4:
        firms["debt"] = 1.0
    if config.trouble == "other tables" and config.tax_rate > 0.4:
        return {"households": households}
    if config.trouble == "no type":
        firms["owner"] = None
    if config.trouble == "taken":
        return {"cells": households}
    if config.trouble == "no tables":
        return [households]  # type: ignore[return-value]
    return {"households": households, "firms": firms}


def figures(tables: Tables) -> dict[str, Figure]:
    figure = Figure()
    figure.subplots().plot(tables["households"]["income"])
    return {"incomes": figure}


def anchors(tables: Tables) -> Sequence[Anchor]:
    rates = tables["cells"].set_index("cell")["tax_rate"]
    left = tables["households"].groupby("cell")["income"].max() + rates
    return [Anchor("income and tax, at most", 1.0, float(left.max()), 1.0, "closed form")]


EXPERIMENT = Experiment(
    name="market-day",
    title="A day at the market",
    question="Who earns what?",
    config=Config,
    run=run,
    figures=figures,
    anchors=anchors,
)
