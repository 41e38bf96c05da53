"""Published results about the double-auction laboratory: how much of the gains traders find, and at which prices."""

from collections.abc import Sequence

import numpy as np

from walras.agents.trading import (
    ColumnarLaboratory,
    DoubleAuctionLaboratory,
    GjerstadDickhaut,
    InducedMarket,
    ZeroIntelligencePlus,
    ZeroIntelligenceQuotes,
    dealer_spread,
    reservation_price,
)
from walras.market.validation import FloatArray
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_SMITH = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)
_FLAT = InducedMarket(values=range(325, 50, -25), costs=[200] * 11, ceiling=400)
# Each value and each cost twice, so that two kinds of traders can be matched one to one.
_TWINS = InducedMarket(
    values=[value for value in range(325, 50, -25) for _ in range(2)],
    costs=[cost for cost in range(75, 350, 25) for _ in range(2)],
    ceiling=400,
)
_FINE_ZI = InducedMarket(range(105_000, 55_000, -5_000), range(30_000, 90_000, 6_000), 125_000)
_FINE_SMITH = InducedMarket(range(325_000, 50_000, -25_000), range(75_000, 350_000, 25_000), 400_000)


def _zi_c() -> Sequence[Comparison]:
    return [
        Comparison(
            f"mean efficiency of 10,000 days, {name}",
            expected,
            float(ColumnarLaboratory(market, ZeroIntelligenceQuotes(), rng=1993).run(10_000)["efficiency"].mean()),
            4 * error,
        )
        for name, market, expected, error in (
            ("zi-market", _FINE_ZI, 0.9703, 0.0005),
            ("smith-1962", _FINE_SMITH, 0.9654, 0.0008),
        )
    ]


def _zip() -> Sequence[Comparison]:
    runs = [
        ColumnarLaboratory(_SMITH, ZeroIntelligencePlus(), rng=seed, most_quotes=5_000).run(20).query("day > 5")
        for seed in range(100)
    ]
    prices = np.array([days["mean_price_cents"].mean() for days in runs])
    nearer = sum(
        _distance(ZeroIntelligencePlus(), seed) < _distance(ZeroIntelligenceQuotes(), seed) for seed in range(20)
    )
    return [
        Comparison("mean price (cents), days 6 to 20 of 100 runs", 200.0, float(prices.mean()), _four_errors(prices)),
        Comparison("mean efficiency", 1.0, float(np.mean([days["efficiency"].mean() for days in runs])), 0.01),
        Comparison(
            "mean alpha, middle of 0 to 5 %", 0.025, float(np.mean([r["smith_alpha"].mean() for r in runs])), 0.025
        ),
        Comparison(
            "flat supply: runs of 20 in which ZIP end nearer to the equilibrium price than ZI-C",
            20.0,
            float(nearer),
            0.0,
        ),
    ]


def _distance(policy: ZeroIntelligencePlus | ZeroIntelligenceQuotes, seed: int) -> float:
    """How far from the equilibrium, 200, the mean price of the last twenty of fifty days is where supply is flat."""
    days = ColumnarLaboratory(_FLAT, policy, rng=seed, most_quotes=3_000).run(50)
    return abs(float(days["mean_price_cents"].tail(20).mean()) - 200.0)


def _gd() -> Sequence[Comparison]:
    runs = [
        DoubleAuctionLaboratory(_SMITH, GjerstadDickhaut(), rng=seed, most_quotes=3_000).run(10).query("day > 3")
        for seed in range(10)
    ]
    prices = np.array([days["mean_price_cents"].mean() for days in runs])
    return [
        Comparison("mean price (cents), days 4 to 10 of 10 runs", 200.0, float(prices.mean()), _four_errors(prices)),
        Comparison("mean efficiency", 1.0, float(np.mean([days["efficiency"].mean() for days in runs])), 0.01),
    ]


def _gdx() -> Sequence[Comparison]:
    far, near = GjerstadDickhaut(horizon=30, discount=0.95), GjerstadDickhaut(horizon=30, discount=0.0)
    leads = []
    for seed in range(4):
        laboratory = DoubleAuctionLaboratory(_TWINS, [far, GjerstadDickhaut()] * 22, rng=seed, most_quotes=3_000)
        laboratory.run(10)
        profits = laboratory.trader_rows["profit_cents"].to_numpy()
        leads.append(float(profits[0::2].sum() - profits[1::2].sum()))
    trades = [
        DoubleAuctionLaboratory(_SMITH, policy, rng=0, most_quotes=3_000) for policy in (near, GjerstadDickhaut())
    ]
    for laboratory in trades:
        laboratory.run(10)
    same = trades[0].trades.equals(trades[1].trades)
    return [
        Comparison(
            "runs of 4 in which GDX (discount 0.95) earn more than GD", 4.0, float(np.sum(np.array(leads) > 0)), 0.0
        ),
        Comparison("discount 0: the trades of GD (1: the same)", 1.0, float(same), 0.0),
    ]


def _dealer() -> Sequence[Comparison]:
    """The published simulation: 200 steps of a random walk, orders at the rate 140 exp(-1.5 d), gamma = 0.1."""
    gamma, depth, sigma, steps, paths = 0.1, 1.5, 2.0, 200, 20_000
    left = sigma**2 * (1.0 - np.arange(steps) / steps)
    spreads = np.array([dealer_spread(gamma, variance, depth) for variance in left])
    results = []
    for leans in (True, False):
        rng = np.random.default_rng(2008)
        price, goods, cash = np.full(paths, 100.0), np.zeros(paths), np.zeros(paths)
        for variance, spread in zip(left, spreads if leans else np.full(steps, spreads.mean()), strict=True):
            centre = reservation_price(price, goods, gamma, variance) if leans else price  # type: ignore[arg-type]
            ask, bid = centre + 0.5 * spread, centre - 0.5 * spread
            lifted, hit = (
                rng.random(paths) < 140.0 * np.exp(-depth * distance) / steps for distance in (ask - price, price - bid)
            )
            cash += ask * lifted - bid * hit
            goods += hit.astype(float) - lifted
            price = price + sigma * np.sqrt(1.0 / steps) * rng.choice([-1.0, 1.0], paths)
        profit = cash + goods * price
        results.append((float(profit.mean()), float(profit.std()), float(goods.std())))
    published = (("leaning", (65.0, 6.6, 2.9)), ("symmetric", (68.4, 12.7, 8.4)))
    comparisons = [Comparison("mean spread", 1.49, float(spreads.mean()), 0.005)]
    for (name, numbers), obtained in zip(published, results, strict=True):
        _, deviation, stock = numbers
        # Standard errors of the published thousand runs: s / sqrt(n) of a mean, s / sqrt(2 n) of a deviation.
        errors = (deviation / 1000**0.5, deviation / 2000**0.5, stock / 2000**0.5)
        for what, number, ours, error in zip(
            ("mean profit", "deviation of profit", "deviation of goods"), numbers, obtained, errors, strict=True
        ):
            comparisons.append(Comparison(f"{what}, {name} quotes", number, ours, 4 * error))
    return comparisons


def _four_errors(values: FloatArray) -> float:
    return 4.0 * float(values.std(ddof=1)) / len(values) ** 0.5


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        id="zi-c-laboratory",
        claim=(
            "ZI-C traders in the columnar laboratory find as much of the gains as in single periods: the rows of "
            "`zi-c-efficiency` again, over 10,000 days."
        ),
        source="Gode and Sunder 1993, the rule; the numbers recomputed",
        compute=_zi_c,
    ),
    PublishedResult(
        id="zip-convergence",
        claim=(
            "ZIP traders: prices settle at the equilibrium within days, Smith's alpha falls to a few percent, and "
            "nearly all gains are found; where supply is flat ZI-C prices stay away from the equilibrium, and ZIP's "
            "go there."
        ),
        source="Cliff and Bruten 1997, the claims; Smith 1962, test 1, the market",
        compute=_zip,
    ),
    PublishedResult(
        id="gd-convergence",
        claim="GD traders: prices settle at the equilibrium within days, and nearly all gains are found.",
        source="Gjerstad and Dickhaut 1998, the claims; Smith 1962, test 1, the market",
        compute=_gd,
    ),
    PublishedResult(
        id="gdx-beats-gd",
        claim=(
            "GDX is GD at discount 0, and earns more than GD at discounts near 1, each trader being matched by one of "
            "the other kind with the same limit."
        ),
        source="Tesauro and Bredin 2002, the claims",
        compute=_gdx,
    ),
    PublishedResult(
        id="avellaneda-stoikov",
        claim=(
            "A dealer who leans against its goods earns a little less than one who quotes symmetrically, at half of "
            "the risk: price of deviation 2, orders at the rate 140 exp(-1.5 d), risk aversion 0.1."
        ),
        source="Avellaneda and Stoikov 2008, table 1, of a thousand runs; recomputed with 20,000",
        compute=_dealer,
    ),
)
