"""The compute economy under different tax codes: who gets the compute, who owns the wealth, and what is lost.

Heads and neuron blocks are born with unequal wealth, and have no credit: whoever cannot pay for compute gets none,
earns nothing, and stays poor, however much a unit is worth to it. So compute goes to the rich instead of the able, and
a tax that is shared out equally can *raise* efficiency, by letting the able poor bid (Source of the idea: Galor and
Zeira 1993, docs/reference/bibliography.md). Compared are no tax and five taxes whose revenue is rebated in equal parts:

=============  ============================================================================================
tax code       what is taxed
=============  ============================================================================================
none           nothing
per unit       every unit of compute, alike
ad valorem     the price of compute
use            own use above that of a neuron block: the second half of a head's full use
surplus        income less payment for compute: half the rate up to the mean of a frictionless economy
wealth         wealth above the mean of a frictionless economy
=============  ============================================================================================

Each rate is set so that the tax would raise the same revenue, `tax_burden` times what the seller earns in the
*frictionless* economy (agents rich enough, valuations at their base, truthful bids), if nobody behaved otherwise.

What is known in closed form of the frictionless economy (`theory`): with the supply fixed, a tax of t a unit lowers the
seller's price p to p - t, one of a rate a on the price to p / (1 + a), taxes on surplus and wealth leave it; none of
the four moves a unit of compute; the allocation is the most valuable one; and savings settle at `s (1 - d) / d`, with s
what an agent gains in a period and d the dividend rate.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.random import Generator

from walras.agents.compute import (
    AutoregressiveValuations,
    BiddingPolicy,
    ComputeEconomy,
    Recording,
    Truthful,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    load_population,
    synthetic_population,
)
from walras.market import AdValoremTax, CapacityMarket, FixedSupply, InvalidInputError, PerUnitTax, gini
from walras.market.taxation import BracketTax, EqualRebate, TaxCode, WealthTax
from walras.market.validation import fraction, nonnegative_number, positive_number, whole_number
from walras.market.welfare import lorenz_curve
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "EXPERIMENT",
    "POLICIES",
    "RECORDED",
    "SYNTHETIC",
    "TAX_CODES",
    "Config",
    "TaxRules",
    "agents_of",
    "config_of",
    "frictionless_price",
    "tax_rules",
]

NONE, PER_UNIT, AD_VALOREM, USE, SURPLUS, WEALTH = "none", "per unit", "ad valorem", "use", "surplus", "wealth"
TAX_CODES = (NONE, PER_UNIT, AD_VALOREM, USE, SURPLUS, WEALTH)

_MEDIAN_VALUATION = 10.0
POLICIES: Mapping[str, BiddingPolicy] = {
    "truthful": Truthful(),
    "zi-c": ZeroIntelligenceConstrained(),
    "zi-u": ZeroIntelligenceUnconstrained(4.0 * _MEDIAN_VALUATION),
}

SYNTHETIC = "synthetic"
RECORDED = ("roles-encoder",)
"""Populations that come with walras: valuations learned by small Transformers, in tables beside the scenarios."""

_HEAD_COST, _BLOCK_COST = 2.0, 1.0
_SHARES = np.linspace(0.0, 1.0, 41)  # of agents, where Lorenz curves are stored
_SETTLED = 1e-7  # of its savings, an agent of the frictionless economy still lacks at the end


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """What is tried.

    Parameters
    ----------
    tax_code
        One of `TAX_CODES`.
    policy
        How agents bid: one of `POLICIES`.
    budget
        Compute sold each period, as a fraction of what all can use; inside (0, 1).
    tax_burden
        Revenue aimed at, as a fraction of the seller's in the frictionless economy, in [0, 0.3].
    population
        `SYNTHETIC`, one of `RECORDED`, or the path of a table that `walras.agents.compute.load_population` reads, such
        as `ModelEconomy.save_population` writes. The units of recorded money and compute are changed so that the
        median unit is worth 10, and the smallest agent uses 1.
    layers, heads, blocks
        Of a synthetic population: layers, and heads and neuron blocks in each, 1 or more; a head uses 2 units, a
        block 1.
    periods
        4 or more; measured after the first quarter.
    median_wealth
        Opening wealth of the median agent (money), above 0; the median unit of compute is worth 10.
    wealth_spread, talent_spread
        Standard deviations of the logarithms of opening wealth, 0 or more, and of synthetic base valuations, above 0.
    shock_spread, persistence
        Of the valuations around their base: standard deviation of the logarithm, 0 or more, and its correlation from
        one period to the next, in [0, 1).
    dividend_rate
        Fraction of savings paid out each period, in (0, 1].
    """

    tax_code: str = NONE
    policy: str = "truthful"
    budget: float = 0.5
    tax_burden: float = 0.1
    population: str = SYNTHETIC
    layers: int = 6
    heads: int = 4
    blocks: int = 8
    periods: int = 160
    median_wealth: float = 5.0
    wealth_spread: float = 1.5
    talent_spread: float = 0.5
    shock_spread: float = 0.5
    persistence: float = 0.9
    dividend_rate: float = 0.1

    def __post_init__(self) -> None:
        for name, known in (("tax_code", TAX_CODES), ("policy", tuple(POLICIES))):
            if getattr(self, name) not in known:
                raise InvalidInputError(f"Config.{name} must be one of {list(known)}, got {getattr(self, name)!r}.")
        if Path(self.population).suffix == "" and self.population not in (SYNTHETIC, *RECORDED):
            raise InvalidInputError(
                f"Config.population must be one of {[SYNTHETIC, *RECORDED]}, or the path of a .csv or .parquet file; "
                f"got {self.population!r}."
            )
        for name in ("median_wealth", "talent_spread"):
            positive_number(f"Config.{name}", getattr(self, name))
        for name in ("wealth_spread", "shock_spread"):
            nonnegative_number(f"Config.{name}", getattr(self, name))
        for name in ("budget", "tax_burden", "persistence", "dividend_rate"):
            fraction(f"Config.{name}", getattr(self, name))
        for name, least in (("layers", 1), ("heads", 1), ("blocks", 1), ("periods", 4)):
            whole_number(f"Config.{name}", getattr(self, name), minimum=least)
        _check_open_ends(self)


@final
@dataclass(frozen=True, kw_only=True)
class TaxRules:
    """A tax code as `ComputeEconomy` takes it, and what it does to the seller's price where agents are rich.

    Attributes
    ----------
    tax
        On a unit of compute.
    use_tax, code
        On own use; on surplus and wealth, with the rebate.
    factor, wedge
        The seller's price in the frictionless economy is `factor * p - wedge`, p being that without a tax.
    """

    tax: PerUnitTax | AdValoremTax = PerUnitTax()  # noqa: RUF009  (frozen)
    use_tax: BracketTax | None = None
    code: TaxCode = TaxCode((), (EqualRebate(),))  # noqa: RUF009  (frozen)
    factor: float = 1.0
    wedge: float = 0.0


def tax_rules(config: Config, population: pd.DataFrame) -> TaxRules:
    """Give the rules of a configuration's tax code, each rate set on the bases of the frictionless economy."""
    valuations, costs = population["valuation"].to_numpy(), population["cost"].to_numpy()
    untaxed = _market(config, population, TaxRules()).clear(valuations, costs)
    units, burden = untaxed.quantities, config.tax_burden
    revenue = burden * untaxed.price * float(units.sum())
    surplus = (valuations - untaxed.price) * units
    match config.tax_code:
        case "per unit":
            rate = burden * untaxed.price
            return TaxRules(tax=PerUnitTax(rate), wedge=rate)
        case "ad valorem":
            rate = burden / (1.0 - burden)
            return TaxRules(tax=AdValoremTax(rate), factor=1.0 / (1.0 + rate))
        case "use":
            base = float(np.maximum(units - _BLOCK_COST, 0.0).sum())
            return TaxRules(use_tax=BracketTax([_BLOCK_COST], [0.0, revenue / base if base > 0.0 else 0.0]))
        case "surplus":
            mean = _in_cents(float(surplus.mean()))
            base = float(surplus.sum() + np.maximum(surplus - mean, 0.0).sum())
            rate = round(revenue / base, 6)
            return TaxRules(code=TaxCode([BracketTax([mean], [rate, 2.0 * rate])], [EqualRebate()]))
        case "wealth":
            savings = surplus * (1.0 - config.dividend_rate) / config.dividend_rate
            wealth = population["wealth_cents"].to_numpy() / 100.0 + savings
            exemption = _in_cents(float(wealth.mean()))
            rate = round(revenue / float(np.maximum(wealth - exemption, 0.0).sum()), 6)
            return TaxRules(code=TaxCode([WealthTax([exemption], [rate])], [EqualRebate()]))
        case _:
            return TaxRules()


def frictionless_price(config: Config) -> float | None:
    """Seller's price (money per unit) in a large population that never lacks money and bids truthfully, in closed form.

    Valuations are lognormal in each period, with the variance of talent and shocks together. The price is the valuation
    that a part `budget` of them exceeds, less the tax; None for a tax on use, which moves the allocation, and for
    recorded populations.
    """
    if config.tax_code == USE or config.population != SYNTHETIC:
        return None
    place = NormalDist().inv_cdf(1.0 - config.budget)

    def price(shock_spread: float) -> float:
        spread = math.hypot(config.talent_spread, shock_spread)
        return _MEDIAN_VALUATION * math.exp(spread * place - 0.5 * shock_spread**2)

    burden = config.tax_burden
    wedge = burden * price(0.0) if config.tax_code == PER_UNIT else 0.0  # the rate is set where there are no shocks
    factor = 1.0 - burden if config.tax_code == AD_VALOREM else 1.0
    return factor * price(config.shock_spread) - wedge


def agents_of(config: Config, seed: int) -> pd.DataFrame:
    """Give the population of a configuration, without wealth; the seed is that of talent, where it is drawn.

    Raises
    ------
    InvalidInputError
        If a file cannot be read, or most of its agents are worth nothing.
    """
    if config.population == SYNTHETIC:
        return synthetic_population(
            config.layers,
            config.heads,
            config.blocks,
            seed,
            head_cost=_HEAD_COST,
            block_cost=_BLOCK_COST,
            median_valuation=_MEDIAN_VALUATION,
            log_spread=config.talent_spread,
        )
    path = Path(config.population)
    if config.population in RECORDED:
        path = Path(str(files("walras.simulations"))) / "scenarios" / f"{config.population}.csv"
    agents = load_population(path).agents.drop(columns="wealth_cents", errors="ignore")
    median = float(agents["valuation"].median())
    if median <= 0.0:
        raise InvalidInputError(
            f"Config.population: the median agent of {path} values compute at {median}, not above 0."
        )
    return agents.assign(
        valuation=agents["valuation"] * (_MEDIAN_VALUATION / median),
        cost=agents["cost"] * (_BLOCK_COST / float(agents["cost"].min())),
    )


def run(config: Config, rng: Generator) -> Tables:
    """Give `paths` (a row per period), `outcomes` (one row), `lorenz` (of wealth and compute) and `theory`."""
    talent, money, play = (int(seed) for seed in rng.integers(2**62, size=3))
    population = agents_of(config, talent)
    logs = config.wealth_spread * np.random.default_rng(money).standard_normal(len(population))
    wealth = np.rint(100.0 * config.median_wealth * np.exp(logs)).astype(np.int64)
    population = population.assign(wealth_cents=wealth)
    rules = tax_rules(config, population)
    economy = _economy(config, population, rules, play)
    rows = economy.run(config.periods)
    return {
        "paths": economy.periods[["period", "price", "efficiency", "gini_allocation", "gini_wealth", "total_cents"]],
        **_outcomes(config, rows, economy.periods),
        "theory": _theory(config, population, rules),
    }


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give the closed forms of the frictionless economy, the worst cell of each tax code, and conservation."""
    theory = tables["theory"].merge(tables["cells"][["cell", "tax_code"]], on="cell")
    found = []
    for (quantity, code), rows in theory.groupby(["quantity", "tax_code"], sort=False):
        distances = ((rows["obtained"] - rows["expected"]).abs() / rows["tolerance"]).to_numpy()
        worst = rows.iloc[int(distances.argmax())]
        found.append(
            Anchor(
                f"{quantity}, {code}",
                float(worst["expected"]),
                float(worst["obtained"]),
                float(worst["tolerance"]),
                "closed form",
            )
        )
    totals = tables["paths"].groupby("cell")["total_cents"].nunique()
    return [*found, Anchor("most totals of money in an economy", 1.0, float(totals.max()), 0.0, "closed form")]


def config_of(row: "pd.Series[Any]") -> Config:
    """Give the configuration that a row of cells holds."""
    values = {name: row[name] for name in Config.__dataclass_fields__}
    return Config(**{name: value.item() if hasattr(value, "item") else value for name, value in values.items()})


def _check_open_ends(config: Config) -> None:
    if not 0.0 < config.budget < 1.0:
        raise InvalidInputError(f"Config.budget must lie inside (0, 1), got {config.budget}.")
    if config.tax_burden > 0.3:
        raise InvalidInputError(f"Config.tax_burden must be at most 0.3, got {config.tax_burden}.")
    if config.persistence == 1.0:
        raise InvalidInputError("Config.persistence must be below 1, got 1.0.")
    if config.dividend_rate == 0.0:
        raise InvalidInputError("Config.dividend_rate must be above 0, or wealth never settles; got 0.0.")


def _market(config: Config, population: pd.DataFrame, rules: TaxRules) -> CapacityMarket:
    return CapacityMarket(FixedSupply(config.budget * float(population["cost"].sum())), tax=rules.tax)


def _economy(config: Config, population: pd.DataFrame, rules: TaxRules, seed: int, *, every: int = 1) -> ComputeEconomy:
    return ComputeEconomy(
        population,
        _market(config, population, rules),
        POLICIES[config.policy],
        rng=seed,
        valuations=AutoregressiveValuations(config.persistence, config.shock_spread),
        use_tax=rules.use_tax,
        tax_code=rules.code,
        dividend_rate=config.dividend_rate,
        recording=Recording(every=every),
    )


def _outcomes(config: Config, rows: pd.DataFrame, periods: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Measure what happened after the first quarter."""
    begun = config.periods // 4
    rows, periods = rows[rows["period"] > begun], periods[periods["period"] > begun]
    compute = rows.groupby("agent")["share"].mean().to_numpy()
    wealth = rows.groupby("agent")["wealth_cents"].mean().to_numpy()
    taxes = float(periods["tax_revenue_cents"].sum() + periods["levy_cents"].sum())
    outcome = {
        "price": periods["price"].mean(),
        "efficiency": periods["efficiency"].mean(),
        "gini_compute": gini(compute),
        "gini_wealth": gini(wealth),
        "taxes_of_value": taxes / float(periods["income_cents"].sum()),
    }
    curves = {name: lorenz_curve(held) for name, held in (("wealth", wealth), ("compute", compute))}
    lorenz = {name: [curve.share_of_poorest(share) for share in _SHARES] for name, curve in curves.items()}
    return {"outcomes": pd.DataFrame([outcome]), "lorenz": pd.DataFrame({"agents": _SHARES, **lorenz})}


def _theory(config: Config, population: pd.DataFrame, rules: TaxRules) -> pd.DataFrame:
    """Compare the frictionless economy under the tax code with what is known of it."""
    rich = population.drop(columns="wealth_cents")  # ten full uses each
    calm = replace(config, shock_spread=0.0, policy="truthful")
    periods = int(np.ceil(np.log(_SETTLED) / np.log1p(-min(config.dividend_rate, 0.9))))
    economy = _economy(calm, rich, rules, 0, every=periods)
    last = economy.run(periods)
    untaxed = _market(config, rich, TaxRules()).clear(rich["valuation"], rich["cost"])
    moves = np.abs(last["share"].to_numpy() - untaxed.allocation).max()
    gain = last["income_cents"] + last["rebate_cents"] - last["payment_cents"] - last["levy_cents"]
    savings = last["wealth_cents"].to_numpy() - economy.population["wealth_cents"].to_numpy()
    predicted = gain.to_numpy() * (1.0 - config.dividend_rate) / config.dividend_rate
    # Dividends are rounded down, and the cents of a period turn: a cent or two over the rate.
    cents = 3.0 / config.dividend_rate + 2.0 * _SETTLED * float(np.abs(predicted).max())
    errors = np.abs(savings - predicted)[savings >= 0]  # a wealth tax may take from what an agent was born with
    found = [("largest error of savings (cents)", 0.0, float(errors.max(initial=0.0)), cents)]
    if config.tax_code != USE:
        price = rules.factor * untaxed.price - rules.wedge
        found += [
            ("seller's price over its closed form", 1.0, economy.periods["price"].iloc[-1] / price, 1e-9),
            ("largest share of use that the tax moves", 0.0, float(moves), 1e-9),
            ("efficiency of truthful bids", 1.0, economy.periods["efficiency"].iloc[-1], 1e-9),
        ]
    return pd.DataFrame(found, columns=["quantity", "expected", "obtained", "tolerance"])


def _in_cents(amount: float) -> float:
    return max(round(amount, 2), 0.01)


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.compute_economy import figures

    return figures(tables)


EXPERIMENT = Experiment(
    name="compute-economy",
    title="The compute economy under different tax codes",
    question=(
        "Heads and neuron blocks that cannot borrow bid for scarce compute. What do taxes on compute, on use, on "
        "surplus and on wealth do to the price, to efficiency, and to the inequality of compute and of wealth?"
    ),
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
