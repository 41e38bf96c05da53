"""Wealth exchange, live: how meetings and a wealth tax shape the distribution of money, beside what theory says."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import special

from walras.agents.wealth import (
    ColumnarWealthEconomy,
    ExchangeRule,
    MoneyExchange,
    SavingExchange,
    YardSale,
    saving_exchange_shape,
    stationary_wealth_law,
    yard_sale_law,
)
from walras.market.errors import NotConvergedError
from walras.market.taxation import WealthTax
from walras.market.validation import FloatArray
from walras.market.welfare import LorenzCurve, gini, lorenz_curve
from walras.simulations.dashboard.controls import Choice, Number, Settings
from walras.simulations.dashboard.live_economy import LiveEconomy
from walras.simulations.dashboard.snapshot import (
    Distribution,
    Histogram,
    Holdings,
    Line,
    Reading,
    Reference,
    Snapshot,
    TimeSeries,
)

__all__ = ["WEALTH_EXCHANGE"]

_MEAN_CENTS = 10_000
_MEAN_MONEY = _MEAN_CENTS / 100
_GIFT, _SAVING, _YARD_SALE = "fixed gift", "pool, shared at random", "yard sale"
_EDGES = np.linspace(0.0, 5.0, 26)  # of the histogram, in multiples of mean wealth
_MOST_ROWS = 400
_SMALL_RATE = 0.05  # above it, the law for small rates is no guide


@final
@dataclass(frozen=True, eq=False)
class _Law:
    """A stationary law: wealth in multiples of the mean, and the shares of agents up to it, shape (k,) each."""

    label: str
    wealth: FloatArray
    population: FloatArray
    lorenz: LorenzCurve

    def shares(self) -> FloatArray:
        """Give the fraction of the agents in each bar of the histogram, shape (b,)."""
        below = np.interp(_EDGES, self.wealth, self.population)
        return np.diff(np.append(below[:-1], 1.0))


@final
class _Exchange:
    """A wealth economy under way."""

    def __init__(self, settings: Settings, rng: np.random.Generator) -> None:
        rule, self._tax = _rule(settings), _tax(settings)
        # NumPy's loops: numba's are the same to the cent, but its compiler would hold up the first period.
        self._economy = ColumnarWealthEconomy(
            np.full(int(settings["agents"]), _MEAN_CENTS),
            rule,
            rng=rng,
            tax=self._tax,
            most_rows=_MOST_ROWS,
            use_numba=False,
        )
        self._law = _law(rule, self._tax)
        condenses = isinstance(rule, YardSale) and self._tax is None
        self._limit = 1.0 if condenses else None if self._law is None else self._law.lorenz.gini

    def step(self) -> None:
        """Play a period."""
        self._economy.step()

    def snapshot(self) -> Snapshot:
        """Give what there is to see now."""
        wealth, rows, law = self._economy.wealth, self._economy.periods, self._law
        curve = lorenz_curve(wealth)
        periods = rows["period"].to_numpy()
        references = () if self._limit is None else (Reference(f"theory, in the end: {self._limit:.2f}", self._limit),)
        counts = np.histogram(np.minimum(wealth / _MEAN_CENTS, _EDGES[-1]), _EDGES)[0]
        readings = (
            Reading(label="Gini coefficient", value=gini(wealth)),
            Reading(label="Held by the richest 1 %", value=100.0 * curve.share_of_richest(0.01), unit="%", digits=1),
            Reading(label="Held by the poorer half", value=100.0 * curve.share_of_poorest(0.5), unit="%", digits=1),
            Reading(label="Money in all", value=self._economy.total_cents / 100, digits=2),
        )
        panels = (
            TimeSeries(
                title="Inequality of wealth",
                unit="Gini coefficient",
                periods=periods,
                lines=(Line("Gini", rows["gini"].to_numpy()),),
                references=references,
                value_range=(0.0, 1.0),
            ),
            Distribution(
                title="Lorenz curve of wealth",
                holdings=(Holdings("wealth", wealth),),
                theory=None if law is None else (law.label, law.lorenz.population_shares, law.lorenz.holding_shares),
            ),
            TimeSeries(
                title="Who owns the money",
                unit="share of all wealth (%)",
                periods=periods,
                lines=(
                    Line("richest 1 %", 100.0 * rows["top_1_share"].to_numpy()),
                    Line("richest 10 %", 100.0 * rows["top_10_share"].to_numpy()),
                    Line("poorer half", 100.0 * rows["bottom_50_share"].to_numpy()),
                ),
                value_range=(0.0, 100.0),
            ),
            Histogram(
                title="Agents by wealth",
                unit="wealth (multiples of the mean; the last bar holds all above)",
                edges=_EDGES,
                shares=counts / wealth.size,
                theory=None if law is None else (law.label, law.shares()),
            ),
        )
        return Snapshot(period=self._economy.steps, readings=readings, panels=panels)


def _rule(settings: Settings) -> ExchangeRule:
    if settings["rule"] == _GIFT:
        return MoneyExchange(cents=int(settings["gift"]) * _MEAN_CENTS // 100)
    if settings["rule"] == _SAVING:
        return SavingExchange(saving=float(settings["saving"]))
    return YardSale(fraction=float(settings["stake"]))


def _tax(settings: Settings) -> WealthTax | None:
    rate = round(float(settings["tax_rate"]), 6)
    return WealthTax(round(float(settings["exemption"]) * _MEAN_MONEY, 2), rate) if rate > 0 else None


def _law(rule: ExchangeRule, tax: WealthTax | None) -> _Law | None:
    """Give the law that many agents' wealth tends to, where one is known."""
    match rule:
        case MoneyExchange(cents=cents) if tax is None:
            units = np.arange(40 * (_MEAN_CENTS // cents + 1))
            chances = stationary_wealth_law(_MEAN_CENTS / cents, int(units[-1]))
            wealth = (units + 1) * cents / _MEAN_CENTS
            lorenz = lorenz_curve(units, chances)
            return _Law("theory (geometric law)", np.append(0.0, wealth), np.append(0.0, np.cumsum(chances)), lorenz)
        case SavingExchange(saving=saving) if tax is None:
            shape = saving_exchange_shape(saving)
            wealth = np.linspace(0.0, 40.0, 4001)
            population, held = (
                np.asarray(special.gammainc(power, shape * wealth), dtype=np.float64) for power in (shape, shape + 1)
            )
            ends = np.unique(population, return_index=True)[1][:-1]  # near 1 rounding repeats shares
            lorenz = LorenzCurve(np.append(population[ends], 1.0), np.append(held[ends], 1.0))
            return _Law("theory (Gamma law)", wealth, population, lorenz)
        case YardSale(fraction=stake) if tax is not None and float(np.max(tax.rates)) <= _SMALL_RATE:
            try:
                law = yard_sale_law(stake, tax, mean_wealth=_MEAN_MONEY)
            except NotConvergedError:  # a tax so weak that the law is beyond the solver: no theory is shown
                return None
            return _Law("theory (small stakes)", law.wealth, law.lorenz.population_shares, law.lorenz)
    return None


WEALTH_EXCHANGE = LiveEconomy(
    name="wealth-exchange",
    title="Wealth exchange",
    about=(
        "Agents meet in pairs, drawn afresh each period, and money changes hands by a rule that treats all alike. A "
        "tax on wealth is shared out equally."
    ),
    controls=(
        Choice(name="rule", label="What two agents do", options=(_GIFT, _SAVING, _YARD_SALE), default=_YARD_SALE),
        Number(
            name="gift",
            label="Gift",
            unit="% of mean wealth",
            minimum=1,
            maximum=100,
            default=20,
            whole=True,
            only_if=("rule", (_GIFT,)),
        ),
        Number(
            name="saving",
            label="Saved, not pooled",
            unit="fraction of wealth",
            minimum=0.0,
            maximum=0.95,
            default=0.0,
            step=0.05,
            only_if=("rule", (_SAVING,)),
        ),
        Number(
            name="stake",
            label="Stake",
            unit="fraction of the poorer's wealth",
            minimum=0.01,
            maximum=1.0,
            default=0.2,
            step=0.01,
            only_if=("rule", (_YARD_SALE,)),
        ),
        Number(
            name="tax_rate",
            label="Wealth tax",
            unit="fraction a period",
            minimum=0.0,
            maximum=1.0,
            default=0.01,
            step=0.005,
        ),
        Number(
            name="exemption",
            label="Free of tax",
            unit="multiples of mean wealth",
            minimum=0.0,
            maximum=10.0,
            default=0.0,
            step=0.5,
        ),
        Number(name="agents", label="Agents", unit="number", minimum=2, maximum=20_000, default=1000, whole=True),
    ),
    create=_Exchange,
)
