"""A linear market for tests: demand P = 1 + shock - Q, supply P = 0.1 + Q, a tax per unit, and damage of each unit.

In closed form, for the intercept a = 1 + shock: Q = (a - 0.1 - t) / 2, revenue t Q is largest at t = (a - 0.1) / 2,
0.45 without a shock; welfare is largest at t = damage (Pigou 1920).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from walras.market import PerUnitTax
from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium import CompetitiveMarket, LinearCurve
from walras.simulations.experiments import Experiment, Tables

COST = 0.1


@dataclass(frozen=True, kw_only=True)
class Config:
    tax: float = 0.0
    second_tax: float = 0.0
    plants: int = 1
    deviation: float = 0.0
    damage: float = 0.2
    fails_at: float = 9.0

    def __post_init__(self) -> None:
        if self.tax < 0.0:
            raise InvalidInputError(f"Config.tax must be 0 or more, got {self.tax}.")


def run(config: Config, rng: np.random.Generator) -> Tables:
    if config.tax > config.fails_at:
        raise ZeroDivisionError("the market closed")
    shock = config.deviation * rng.standard_normal()
    rows = [
        _row("first", 1.0 + shock, config.tax, config.damage),
        _row("second", 0.7 + shock, config.second_tax, config.damage),
    ]
    plants = pd.DataFrame({"cost": [12.5 / config.plants + 0.25 * config.plants]})  # least at sqrt(50), about 7.07
    return {"markets": pd.DataFrame(rows), "plants": plants}


def _row(name: str, intercept: float, tax: float, damage: float) -> dict[str, object]:
    market = CompetitiveMarket(LinearCurve(intercept, -1.0), LinearCurve(COST, 1.0))
    outcome = market.equilibrium(PerUnitTax(tax))
    surplus = outcome.consumer_surplus + outcome.producer_surplus + outcome.tax_revenue
    return {"market": name, "revenue": outcome.tax_revenue, "welfare": surplus - damage * outcome.quantity}


EXPERIMENT = Experiment(
    name="linear-market",
    title="A linear market",
    question="Which tax?",
    config=Config,
    run=run,
    figures=lambda _: {},
    anchors=lambda _: [],
)
