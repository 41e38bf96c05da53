"""Inequality under wealth taxes: a yard sale makes one agent own everything, unless wealth is taxed and shared.

Agents meet in pairs and bet a fraction f of what the poorer owns on a fair coin. Without a tax the Gini coefficient
rises towards 1. A tax T on wealth, rebated in equal parts each period, holds wealth in a stationary law instead, which
`walras.agents.wealth.yard_sale_law` gives. Under a flat tax of rate chi it depends on `chi / f^2` alone.

Varied are the rate and the exemption (in multiples of mean wealth); compared are the paths of the Gini coefficient, the
Lorenz curves that they lead to, and how unequal wealth is for what the tax collects.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd
from numpy.random import Generator

from walras.agents.money import IntArray
from walras.agents.wealth import ColumnarWealthEconomy, YardSale, YardSaleLaw, yard_sale_law
from walras.agents.wealth.records import wealth_summary
from walras.market.errors import InvalidInputError
from walras.market.taxation import WealthTax
from walras.market.validation import FloatArray, fraction, nonnegative_number, positive_number, whole_number
from walras.market.welfare import gini, lorenz_curve
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "Config", "stationary_law"]

_CENTS_PER_MONEY = 100
_LORENZ_POINTS = np.linspace(0.0, 1.0, 101)
_PATH_COLUMNS = ("gini", "top_1_share", "top_10_share", "bottom_50_share")


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """What is tried.

    Parameters
    ----------
    agents
        How many, 100 or more.
    mean_wealth
        Money of each agent at first (100 cents each), 100 or more, so that cents hardly show.
    fraction_at_stake
        Fraction of the poorer's wealth that a meeting is about, in (0, 1].
    tax_rate
        Fraction of wealth above the exemption that is due each period, in [0, 1].
    exemption
        Wealth that is free of tax (multiples of the mean), 0 or more.
    periods
        How many, 200 or more. Means over time are taken over the second half.
    """

    agents: int = 2000
    mean_wealth: float = 10_000.0
    fraction_at_stake: float = 0.2
    tax_rate: float = 0.01
    exemption: float = 0.0
    periods: int = 4000

    def __post_init__(self) -> None:
        whole_number("Config.agents", self.agents, minimum=100)
        if positive_number("Config.mean_wealth", self.mean_wealth) < 100.0:
            raise InvalidInputError(f"Config.mean_wealth must be 100 or more, got {self.mean_wealth}.")
        positive_number("Config.fraction_at_stake", fraction("Config.fraction_at_stake", self.fraction_at_stake))
        fraction("Config.tax_rate", self.tax_rate)
        nonnegative_number("Config.exemption", self.exemption)
        whole_number("Config.periods", self.periods, minimum=200)

    @property
    def tax(self) -> WealthTax:
        """The tax, in money of 100 cents; the exemption to the cent, the rate to a millionth."""
        return WealthTax(round(self.exemption * self.mean_wealth, 2), round(self.tax_rate, 6))


def stationary_law(config: Config) -> YardSaleLaw | None:
    """Give the law of wealth in the long run; none without a tax, when wealth condenses."""
    if np.asarray(config.tax.rates)[-1] == 0.0:
        return None
    return yard_sale_law(config.fraction_at_stake, config.tax, config.mean_wealth)


def run(config: Config, rng: Generator) -> Tables:
    """Give the tables `paths`, `lorenz` and `stationary` of one economy."""
    cents = round(config.mean_wealth * _CENTS_PER_MONEY)
    economy = ColumnarWealthEconomy(
        np.full(config.agents, cents),
        YardSale(fraction=config.fraction_at_stake),
        rng=rng,
        tax=config.tax,
        record_every=config.periods,
    )
    on_path, late = _recorded(config.periods)
    paths, samples = [], []
    for period in sorted(on_path | late):
        economy.run(period - economy.steps)
        wealth = economy.wealth
        if period in on_path:
            summary = wealth_summary(wealth)
            paths.append({"period": period, **{name: summary[name] for name in _PATH_COLUMNS}})
        if period in late:
            samples.append(wealth)
    law = stationary_law(config)
    return {
        "paths": pd.DataFrame(paths),
        "lorenz": _lorenz_rows(samples, law),
        "stationary": pd.DataFrame([_stationary_row(samples, cents, config, law)]),
    }


def _recorded(periods: int) -> tuple[set[int], set[int]]:
    """Give the periods of the path, even in their logarithm, and a hundred of the second half."""
    on_path = np.rint(np.geomspace(1, periods, 80)).astype(int)
    late = np.rint(np.linspace(periods // 2, periods, 100)).astype(int)
    return set(on_path.tolist()), set(late.tolist())


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give Gini coefficients against the law's, what a period leaves of the variance, and condensation."""
    names = [field.name for field in fields(Config)]
    rows = tables["stationary"].join(tables["cells"].set_index("cell")[names], on="cell")
    last = tables["paths"].groupby("cell")["gini"].last()
    found: list[Anchor] = []
    for _, point in rows.groupby(names, sort=True):
        config = Config(**{name: point[name].iloc[0].item() for name in names})
        name = f"rate {config.tax_rate:g}, exemption {config.exemption:g}"
        if config.tax_rate == 0.0:
            found += _anchor_of_condensation(config, name, float(last[point["cell"]].mean()))
        elif config.periods * point["revenue_law"].iloc[0] >= 3.0:  # else the law is not reached
            found += _anchors_of_the_law(config, name, point)
    return found


def _anchor_of_condensation(config: Config, name: str, last_gini: float) -> Sequence[Anchor]:
    """Give what the Gini coefficient comes to, if there was time: it rises for ever."""
    if config.fraction_at_stake**2 * config.periods < 100.0:
        return ()
    return (Anchor(f"last Gini, {name}", 1.0, last_gini, 0.05, "Boghosian, Johnson and Marcq 2015"),)


def _anchors_of_the_law(config: Config, name: str, point: pd.DataFrame) -> Sequence[Anchor]:
    """Give means over cells against the law: four standard errors, and what is known of the approximation."""
    found = []
    if config.fraction_at_stake <= 0.2 and config.tax_rate <= 0.05:
        # The law is the limit of small bets and rates: at these it is up to 0.008 above the Gini of many agents.
        tolerance = 4.0 * _standard_error(point["gini"]) + 0.012
        expected, obtained = float(point["gini_law"].iloc[0]), float(point["gini"].mean())
        found.append(Anchor(f"Gini, {name}", expected, obtained, tolerance, "Boghosian 2014"))
    if config.exemption == 0.0:
        # An identity of the stationary state, whatever the bets and the rate; a finite run ends somewhat off it.
        kept = point["variance_kept"]
        tolerance = 4.0 * _standard_error(kept) + 0.005
        statement = f"variance that a period leaves, over the variance, {name}"
        found.append(Anchor(statement, 1.0, float(kept.mean()), tolerance, "closed form"))
    return found


def _standard_error(values: pd.Series) -> float:
    """Standard error of a mean over cells; 0 of one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _lorenz_rows(samples: Sequence[IntArray], law: YardSaleLaw | None) -> pd.DataFrame:
    """Mean Lorenz curve of the second half of the run, and that of the law (NaN where there is none)."""
    curves = [_held(lorenz_curve(sample).share_of_poorest) for sample in samples]
    return pd.DataFrame(
        {
            "population_share": _LORENZ_POINTS,
            "holding_share": np.mean(curves, axis=0),
            "holding_share_law": np.nan if law is None else _held(law.lorenz.share_of_poorest),
        }
    )


def _held(share_of_poorest: Callable[[float], float]) -> FloatArray:
    return np.array([share_of_poorest(float(point)) for point in _LORENZ_POINTS])


def _stationary_row(
    samples: Sequence[IntArray], cents: int, config: Config, law: YardSaleLaw | None
) -> dict[str, float]:
    """Means over the second half of the run beside the law's numbers."""
    curves = [lorenz_curve(sample) for sample in samples]
    variance = float(np.mean([np.var(sample / cents) for sample in samples]))
    least_squared = float(np.mean([_least_squared(sample / cents) for sample in samples]))
    rate = float(np.asarray(config.tax.rates)[-1])
    kept = (1.0 - rate) ** 2 * (variance + config.fraction_at_stake**2 * least_squared)
    exempt = config.exemption * cents
    taxable = float(np.mean([np.maximum(sample - exempt, 0.0).mean() for sample in samples])) / cents
    return {
        "gini": float(np.mean([gini(sample) for sample in samples])),
        "gini_law": np.nan if law is None else law.gini,
        "top_1_share": float(np.mean([curve.share_of_richest(0.01) for curve in curves])),
        "top_1_share_law": np.nan if law is None else law.lorenz.share_of_richest(0.01),
        "bottom_50_share": float(np.mean([curve.share_of_poorest(0.5) for curve in curves])),
        "bottom_50_share_law": np.nan if law is None else law.lorenz.share_of_poorest(0.5),
        "variance": variance,
        "variance_kept": kept / variance if variance > 0.0 else 1.0,
        "revenue": rate * taxable,
        "revenue_law": 0.0 if law is None else law.revenue,
    }


def _least_squared(wealth: FloatArray) -> float:
    """Mean of min(x, y)^2 over two agents drawn with replacement."""
    ascending = np.sort(wealth)
    pairs = 2 * np.arange(wealth.size - 1, -1, -1) + 1  # ordered pairs whose poorer agent stands there
    return float(np.sum(ascending**2 * pairs)) / wealth.size**2


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.inequality import figures

    return figures(tables)


EXPERIMENT: Experiment[Config] = Experiment(
    name="inequality",
    title="Inequality under wealth taxes",
    question=(
        "Fair bets make one agent own everything. How much wealth tax, and with which exemption, holds inequality "
        "where, and what does it collect?"
    ),
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
