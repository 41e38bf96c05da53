"""Tax incidence and the Laffer curve: who bears a tax, whoever pays it by law, and which rate brings the most.

**Incidence.** Buyers and sellers of one unit each, with values and costs along straight curves of elasticities e_D and
e_S at the untaxed price P. A tax T per unit is levied on buyers, who then bid T less, or on sellers, who ask T more.
Theory: the price on the tag moves, what buyers pay and sellers keep does not depend on who is taxed, and buyers bear

    e_S / (e_S + e_D)       of the tax, while       T^2 Q / (2 P (1 / e_D + 1 / e_S))       is lost.

No trader knows a curve. In the *call auction* they bid what the unit is worth to them, and clear at one price; in the
*double auction* zero-intelligence traders quote at random, as in `walras.agents.trading`.

**The Laffer curve.** Households of lognormal skill work under a flat tax in `walras.agents.labour`. At a fixed wage the
revenue is `t (1 - t)^e` of what they would earn untaxed, largest at `1 / (1 + e)`. Where labour's returns fall, with a
labour share b, the wage rises as less is worked; households learn it from period to period, and the elasticity is
`b e / (1 + (1 - b) e)` instead of e.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.optimize import minimize_scalar

from walras.agents.labour import (
    CobbDouglasTechnology,
    ColumnarLabourEconomy,
    LabourRules,
    LinearTechnology,
    LognormalSkills,
    QuasiLinearPreferences,
    Technology,
    flat_tax_revenue,
    income_elasticity_in_equilibrium,
)
from walras.agents.trading import DoubleAuctionPeriod
from walras.market.double_auctions import CallAuction
from walras.market.errors import InvalidInputError
from walras.market.taxation import BracketTax, laffer_rate
from walras.market.validation import FloatArray, fraction, positive_number, whole_number
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BUYERS",
    "CALL",
    "DOUBLE",
    "EXPERIMENT",
    "FALLING",
    "FIXED",
    "SELLERS",
    "Config",
    "buyers_share",
    "config_of",
]

CALL, DOUBLE = "call auction", "double auction"
BUYERS, SELLERS = "buyers", "sellers"
FIXED, FALLING = "fixed wage", "falling wage"
_PRICE = 10_000  # ticks: the untaxed price of theory
_CEILING = 2 * _PRICE  # the highest quote in the double auction


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """The two markets and their taxes.

    Parameters
    ----------
    demand_elasticities
        Of the markets that are tried, each above 0, without sign.
    supply_elasticity
        The same in all of them, above 0.
    traders
        Buyers of the call auction, and as many sellers; half of them trade without a tax.
    zero_intelligence_traders
        The same in the double auction, where every quote costs time.
    tax
        Per unit, as a fraction of the untaxed price, above 0 and at most 0.5.
    sessions
        Periods of the double auction in each market and regime.
    labour_elasticities
        Of taxable income, each above 0.
    labour_share
        Of output, where the wage falls with labour.
    log_spread
        Of skills: standard deviation of their logarithm.
    households
        Number of households.
    tax_rates
        Number of flat rates that are tried, evenly spaced over (0, 1).
    periods
        That households have to learn the wage.
    """

    demand_elasticities: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    supply_elasticity: float = 1.0
    traders: int = 4000
    zero_intelligence_traders: int = 60
    tax: float = 0.2
    sessions: int = 2
    labour_elasticities: tuple[float, ...] = (0.25, 0.5, 1.0)
    labour_share: float = 0.6
    log_spread: float = 0.6
    households: int = 2000
    tax_rates: int = 19
    periods: int = 15

    def __post_init__(self) -> None:
        for name in ("demand_elasticities", "labour_elasticities"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values:
                raise InvalidInputError(f"Config.{name} must be a tuple of one or more elasticities, got {values!r}.")
            for value in values:
                positive_number(f"Config.{name}", value)
        for name in ("supply_elasticity", "log_spread"):
            positive_number(f"Config.{name}", getattr(self, name))
        for name in ("traders", "zero_intelligence_traders"):
            whole_number(f"Config.{name}", getattr(self, name), minimum=10)
        for name, least in (("sessions", 1), ("households", 2), ("tax_rates", 3), ("periods", 1)):
            whole_number(f"Config.{name}", getattr(self, name), minimum=least)
        fraction("Config.labour_share", self.labour_share)
        if not 0.0 < positive_number("Config.tax", self.tax) <= 0.5:
            raise InvalidInputError(f"Config.tax must be above 0 and at most 0.5 of the untaxed price, got {self.tax}.")
        CobbDouglasTechnology(labour_share=self.labour_share)  # raises unless it is one


def buyers_share(demand_elasticity: float, supply_elasticity: float) -> float:
    """Give the share of a tax that buyers bear, `e_S / (e_S + e_D)`."""
    return supply_elasticity / (supply_elasticity + demand_elasticity)


def run(config: Config, rng: Generator) -> Tables:
    """Give `market` (a row per elasticity, institution and side that is taxed), `revenue` and `peaks` of labour."""
    market = [row for elasticity in config.demand_elasticities for row in _market_rows(config, elasticity, rng)]
    revenue: list[dict[str, Any]] = []
    peaks: list[dict[str, Any]] = []
    law = LognormalSkills(log_spread=config.log_spread)
    skills = 1000.0 * law.draw(config.households, rng)
    for elasticity in config.labour_elasticities:
        for wages in (FIXED, FALLING):
            labour = _Labour(config, elasticity, wages, skills)
            revenue += labour.curve()
            peaks.append(labour.peak())
    return {"market": pd.DataFrame(market), "revenue": pd.DataFrame(revenue), "peaks": pd.DataFrame(peaks)}


# ---------------------------------------------------------------- who bears a tax


def _market_rows(config: Config, elasticity: float, rng: Generator) -> list[dict[str, Any]]:
    """Give the rows of one market: the same traders without a tax, and with it on either side."""
    tax = round(_PRICE * config.tax)
    rows = []
    for institution, trade, count in (
        (CALL, _call, config.traders),
        (DOUBLE, _double, config.zero_intelligence_traders),
    ):
        # Traders are scattered over the curves up to twice the quantity that is traded without a tax, Q = 1.
        demanded, supplied = 2.0 * rng.random(count), 2.0 * rng.random(count)
        values = _ticks(1.0 + (1.0 - demanded) / elasticity)
        costs = _ticks(1.0 - (1.0 - supplied) / config.supply_elasticity)
        free_price, free_quantity, free_gains = trade(values, costs, config.sessions, rng)
        for side in (BUYERS, SELLERS):
            on_buyers, on_sellers = (tax, 0) if side == BUYERS else (0, tax)
            tag, quantity, gains = trade(values - on_buyers, costs + on_sellers, config.sessions, rng)
            rows.append(
                {
                    "demand_elasticity": elasticity,
                    "institution": institution,
                    "levied_on": side,
                    "free_price": free_price / _PRICE,
                    "tag_price": tag / _PRICE,
                    "consumer_price": (tag + on_buyers) / _PRICE,
                    "producer_price": (tag - on_sellers) / _PRICE,
                    "buyers_share": (tag + on_buyers - free_price) / tax,
                    "quantity": 2.0 * quantity / count,
                    "free_quantity": 2.0 * free_quantity / count,
                    "loss": (free_gains - gains - tax * quantity) / (_PRICE * count / 2.0),
                }
            )
    return rows


def _ticks(prices: FloatArray) -> FloatArray:
    """Give prices in whole ticks from 0 to the ceiling; who is beyond would trade anyway, or never."""
    return np.clip(np.rint(_PRICE * prices), 0.0, _CEILING)


def _call(values: FloatArray, costs: FloatArray, sessions: int, rng: Generator) -> tuple[float, float, float]:
    """Give price, quantity and gains from trade where all bid what the unit is worth to them, tax included."""
    clearing = CallAuction().clear(values, costs)
    return clearing.price, clearing.volume, clearing.gains


def _double(values: FloatArray, costs: FloatArray, sessions: int, rng: Generator) -> tuple[float, float, float]:
    """Give mean price, quantity and gains of zero-intelligence traders; who could only lose stays away."""
    buyers = values[values >= 0.0].astype(int).tolist()
    sellers = costs[costs <= _CEILING].astype(int).tolist()
    market = DoubleAuctionPeriod(values=buyers, costs=sellers, ceiling=_CEILING)
    played = [market.run(rng) for _ in range(sessions)]
    price = float(np.mean(np.concatenate([period.prices for period in played])))
    return (
        price,
        float(np.mean([period.prices.size for period in played])),
        float(np.mean([period.surplus for period in played])),
    )


# ---------------------------------------------------------------- what a tax on labour brings


class _Labour:
    """Households under flat taxes, with revenue as a share of what a population of their law would earn untaxed."""

    def __init__(self, config: Config, elasticity: float, wages: str, skills: FloatArray) -> None:
        self._config, self._elasticity, self._wages, self._skills = config, elasticity, wages, skills
        law = LognormalSkills(median=1000.0, log_spread=config.log_spread)
        self._potential = skills.size * law.moment(1.0 + elasticity)
        # With as much productivity the wage of the untaxed population would be 1 in both technologies.
        share = config.labour_share
        self._technology: Technology = LinearTechnology()
        self._response = elasticity
        if wages == FALLING:
            self._technology = CobbDouglasTechnology(
                productivity=self._potential ** (1.0 - share) / share, labour_share=share
            )
            self._response = income_elasticity_in_equilibrium(elasticity, share)

    def revenue(self, rate: float) -> float:
        """Give the revenue (share of untaxed pay) when households have learned the wage."""
        rules = LabourRules(
            preferences=QuasiLinearPreferences(elasticity=self._elasticity),
            tax=BracketTax([], [round(rate, 9)]),
            technology=self._technology,
        )
        periods = self._config.periods if self._wages == FALLING else 1
        economy = ColumnarLabourEconomy(self._skills, rules, rng=0, record_every=periods)
        return float(economy.run(periods)["tax_cents"].iloc[-1]) / (100.0 * self._potential)

    def curve(self) -> list[dict[str, Any]]:
        """Give a row for each rate."""
        count = self._config.tax_rates
        return [
            {
                "elasticity": self._elasticity,
                "wages": self._wages,
                "tax_rate": rate,
                "revenue": self.revenue(rate),
                "theory": flat_tax_revenue(rate, self._response),
            }
            for rate in ((np.arange(count) + 1.0) / (count + 1.0)).tolist()
        ]

    def peak(self) -> dict[str, Any]:
        """Give the rate that brings the most, found by trying rates, and theory's."""
        found = minimize_scalar(
            lambda rate: -self.revenue(float(rate)), bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-5}
        )
        return {
            "elasticity": self._elasticity,
            "wages": self._wages,
            "rate": float(found.x),
            "theory": laffer_rate(self._response),
        }


# ---------------------------------------------------------------- anchors


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give the burdens and losses, the equivalence of the two sides, and the peaks of the Laffer curves.

    Simulated means may be four standard errors of the cells away. A peak is flat: rates within 1e-3 of it bring the
    same to one part in 10^5, which is what cents and searches leave open.
    """
    config = config_of(tables["cells"].iloc[0])
    market = tables["market"]
    call = market[market["institution"] == CALL]
    found = []
    for elasticity in config.demand_elasticities:
        taxed = call[(call["demand_elasticity"] == elasticity) & (call["levied_on"] == BUYERS)]
        share, label = buyers_share(elasticity, config.supply_elasticity), f"e_D = {elasticity:g}"
        found.append(_mean_anchor(f"share that buyers bear, {label}", share, taxed["buyers_share"], "closed form"))
        loss = config.tax**2 / (2.0 * (1.0 / elasticity + 1.0 / config.supply_elasticity))
        found.append(_mean_anchor(f"deadweight loss, {label}", loss, taxed["loss"], "Harberger 1964"))
    sides = call.pivot_table(index=["cell", "demand_elasticity"], columns="levied_on", values="consumer_price")
    gap = float((sides[BUYERS] - sides[SELLERS]).abs().max())
    found.append(Anchor("consumer prices, tax on buyers less on sellers, at most", 0.0, gap, 1e-12, "Ruffle 2005"))
    found.append(_zero_intelligence(market, config))
    for elasticity in config.labour_elasticities:
        for wages in (FIXED, FALLING):
            peaks, curve = (
                rows[(rows["elasticity"] == elasticity) & (rows["wages"] == wages)]
                for rows in (tables["peaks"], tables["revenue"])
            )
            label = f"e = {elasticity:g}, {wages}"
            expected, obtained = float(peaks["theory"].iloc[0]), float(peaks["rate"].mean())
            source = "Saez, Slemrod and Giertz 2012"
            found.append(Anchor(f"rate of largest revenue, {label}", expected, obtained, 1e-3, source))
            most = curve[curve["theory"] == curve["theory"].max()]
            expected = float(most["theory"].iloc[0])
            found.append(_mean_anchor(f"revenue near its peak, {label}", expected, most["revenue"], "closed form"))
    return found


def _zero_intelligence(market: pd.DataFrame, config: Config) -> Anchor:
    """Traders who quote at random follow the formula roughly: their mean distance to it, over the markets."""
    double = market[market["institution"] == DOUBLE].groupby("demand_elasticity")["buyers_share"].mean()
    theory = np.array([buyers_share(float(value), config.supply_elasticity) for value in double.index])
    distance = float(np.abs(double.to_numpy() - theory).mean())
    statement = "mean distance of zero-intelligence traders' burden to the formula"
    return Anchor(statement, 0.0, distance, 0.15, "Gode and Sunder 1993")


def _mean_anchor(statement: str, expected: float, cells: "pd.Series[float]", source: str) -> Anchor:
    """Compare a mean over cells, within four of its standard errors (from their spread; a tenth with one cell)."""
    if len(cells) == 1:
        return Anchor(statement, expected, float(cells.mean()), 0.1 * abs(expected), source)
    error = float(cells.std(ddof=1)) / math.sqrt(len(cells))
    return Anchor(statement, expected, float(cells.mean()), max(4.0 * error, 1e-9), source)


def config_of(row: "pd.Series[Any]") -> Config:
    """Give the configuration that a row of cells holds."""
    values = {name: row[name] for name in Config.__dataclass_fields__}
    for name in ("demand_elasticities", "labour_elasticities"):
        values[name] = tuple(float(value) for value in values[name])
    return Config(**values)


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.tax_incidence import figures

    return figures(tables)


EXPERIMENT = Experiment(
    name="tax-incidence",
    title="Tax incidence and the Laffer curve",
    question="Who bears a tax, whoever pays it by law; and at which rate does a tax on labour bring the most?",
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
