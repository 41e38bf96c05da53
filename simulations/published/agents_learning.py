"""Published results about learning: where best replies, fictitious play, reinforcement, regret and Q-learning lead."""

import math
from collections.abc import Sequence

import numpy as np

from walras.agents.learning import (
    AdaptiveForecast,
    CobwebMarket,
    CournotMarket,
    Exp3,
    FictitiousPlay,
    FirmEconomy,
    GridGame,
    Hedge,
    LogitMarket,
    NaiveForecast,
    NormalFormGame,
    PriceTaking,
    ProposerMarket,
    QLearning,
    ReplyToForecast,
    RothErev,
    learn_to_price,
    play,
    price_grid,
    rock_paper_scissors,
    shapley_game,
    ultimatum_game,
    values_against_random,
    zero_sum_game,
)
from walras.market.partial_equilibrium import LinearCurve
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]


def _theocharis() -> Sequence[Comparison]:
    comparisons = []
    for firms in (2, 3, 4, 6):
        market = CournotMarket(LinearCurve(12.0, -1.0), [0.0] * firms)
        # So near to the equilibrium that no firm is driven out of the market in these periods.
        economy = FirmEconomy(
            market, ReplyToForecast(forecast=NaiveForecast()), rng=0, first=market.equilibrium() + 1e-3
        )
        deviations = economy.run(6)["quantity"].to_numpy() - market.equilibrium().sum()
        factor = float(deviations[-1] / deviations[-2])
        comparisons.append(Comparison(f"growth of a deviation, {firms} firms", -(firms - 1) / 2, factor, 1e-6))
    return comparisons


def _robinson() -> Sequence[Comparison]:
    """What frequencies of play guarantee to each player, the other one knowing them; between the two lies the value."""
    games = (
        ("matching pennies", [[1.0, -1.0], [-1.0, 1.0]], 0.0),
        ("rock, paper, scissors", rock_paper_scissors().payoffs[0], 0.0),
        ("((2, -1), (-1, 1))", [[2.0, -1.0], [-1.0, 1.0]], 0.2),
    )
    comparisons = []
    for name, matrix, value in games:
        table, rounds = np.array(matrix), 4_000
        played = play(zero_sum_game(table), [FictitiousPlay()] * 2, rounds, rng=0)
        row, column = (frequency[0] for frequency in played.frequencies)
        guaranteed = (float((row @ table).min()), float((table @ column).max()))
        # Both tend to the value, about as fast as the root of the number of rounds grows.
        comparisons += [
            Comparison(f"{name}: {who} bound of the value", value, bound, 4.0 / math.sqrt(rounds))
            for who, bound in zip(("lower", "upper"), guaranteed, strict=True)
        ]
    return comparisons


def _shapley() -> Sequence[Comparison]:
    rounds = 8_000
    played = play(shapley_game(), [FictitiousPlay()] * 2, rounds, rng=1, record_every=1)
    paths = np.stack([path[:, 0] for path in played.frequency_paths])  # (player, T, K)
    counts = paths * played.recorded_rounds[:, np.newaxis]
    actions = np.diff(counts, axis=1, prepend=0.0).argmax(axis=2)  # (player, T)
    switches = np.flatnonzero(np.any(np.diff(actions, axis=1) != 0, axis=0)) + 1
    lengths = np.diff(switches).astype(float)
    factor = float(np.roots([1.0, -1.0, 0.0, -1.0]).real.max())
    distance = np.abs(paths[:, rounds // 10 :] - 1.0 / 3.0).max(axis=(0, 2)).min()
    return [
        # A run is a whole number of rounds: within one round of the last, and of the one three runs before.
        Comparison(
            "growth of a run of play, to the cube",
            factor**3,
            float(lengths[-1] / lengths[-4]),
            (1.0 + factor**3) / float(lengths[-4]),
        ),
        Comparison("least distance of frequencies from 1/3 is above 0.1 (1: it is)", 1.0, float(distance > 0.1), 0.0),
    ]


def _roth_erev() -> Sequence[Comparison]:
    market = play(ProposerMarket(), [RothErev(initial_propensity=1.0)] * 9, 200, rng=0, replications=200)
    best = market.last_actions.max(axis=1)
    game = play(ultimatum_game(), [RothErev(initial_propensity=10 / 9)] * 2, 1_000, rng=0, replications=1_000)
    offers = 1 + game.last_actions[:, 0]
    return [
        Comparison("market game: mean best offer after 200 rounds, equilibrium 9", 9.0, float(best.mean()), 0.05),
        Comparison("ultimatum game: mean offer after 1,000 rounds, people's 4 to 5", 4.5, float(offers.mean()), 0.5),
    ]


def _polya() -> Sequence[Comparison]:
    comparisons = []
    for propensity in (0.5, 1.0, 3.0):
        same = NormalFormGame((np.ones(2),))
        played = play(same, [RothErev(initial_propensity=propensity)], 500, rng=0, replications=4_000)
        shares = played.frequencies[0][:, 0]
        variance = 1.0 / (4.0 * (2.0 * propensity + 1.0))  # of Beta(q, q)
        # After T rounds the share has in addition the binomial variance of its limit, E[x (1 - x)] / T.
        expected = variance + (0.25 - variance) / 500
        error = 4.0 * float(((shares - shares.mean()) ** 2).std()) / math.sqrt(len(shares))
        comparisons.append(Comparison(f"variance of the share, q = {propensity}", expected, float(shares.var()), error))
    return comparisons


def _regret() -> Sequence[Comparison]:
    """Mean regret as a fraction of the bound: at most 1, so 1/2 with a tolerance of 1/2."""
    rounds, replications = 2_000, 100
    comparisons = []
    for name, policy in (
        ("Hedge", Hedge.for_horizon(3, rounds, lowest=-1.0, highest=1.0)),
        ("EXP3", Exp3.for_horizon(3, rounds, lowest=-1.0, highest=1.0)),
    ):
        played = play(rock_paper_scissors(), [policy, policy], rounds, rng=0, replications=replications)
        regrets = played.expected_regrets if isinstance(policy, Hedge) else played.regrets
        worst = float(regrets.max()) if isinstance(policy, Hedge) else float(regrets.mean())
        comparisons.append(
            Comparison(f"{name}: regret over its bound, from 0 to 1", 0.5, worst / policy.regret_bound(3, rounds), 0.5)
        )
    return comparisons


def _calvano() -> Sequence[Comparison]:
    market = LogitMarket([1.0, 1.0])
    nash, cartel = float(market.equilibrium()[0]), float(market.collusion()[0])
    game = GridGame(market, [price_grid(nash, cartel, points=15)])
    policies = [
        QLearning(learning_rate=0.15, discount=0.95, decay=4e-6, memory=True, initial_values=values)
        for values in values_against_random(game, 0.95)
    ]
    sessions = learn_to_price(game, policies, rng=1, sessions=12)
    gains = np.array([session.profit_gain for session in sessions])
    error = 4.0 * float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return [
        Comparison("price of the one-period equilibrium", 1.473, nash, 5e-4),
        Comparison("price of a cartel", 1.925, cartel, 5e-4),
        Comparison("mean profit gain of 12 sessions", 0.85, float(gains.mean()), error),
        Comparison("sessions that converged", 12.0, float(sum(session.converged for session in sessions)), 0.0),
    ]


def _cobweb() -> Sequence[Comparison]:
    comparisons = []
    for weight, cost_slope in ((1.0, 0.8), (1.0, 1.25), (0.5, 0.4), (0.5, 0.25)):
        market = CobwebMarket(LinearCurve(10.0, -1.0), [0.0], cost_slopes=cost_slope)
        price = float(market.equilibrium()[0])
        strategy = PriceTaking(forecast=AdaptiveForecast(weight))
        prices = FirmEconomy(market, strategy, rng=0, first=price + 1e-3).run(6)["price"].to_numpy() - price
        expected = 1.0 - weight - weight / cost_slope
        how = "naive" if weight == 1.0 else f"adaptive, weight {weight}"
        comparisons.append(
            Comparison(
                f"growth of a deviation, {how}, slope {cost_slope}", expected, float(prices[-1] / prices[-2]), 1e-6
            )
        )
    return comparisons


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        id="cournot-theocharis",
        claim=(
            "Cournot firms that reply to their rivals' last output multiply a deviation by -(n - 1)/2: two settle, "
            "three circle, four and more move away."
        ),
        source="Cournot 1838; Theocharis 1960",
        compute=_theocharis,
    ),
    PublishedResult(
        id="fictitious-play-value",
        claim="Fictitious play: the frequencies of a zero-sum game guarantee its value to both players in the limit.",
        source="Brown 1951; Robinson 1951",
        compute=_robinson,
    ),
    PublishedResult(
        id="fictitious-play-cycle",
        claim=(
            "Shapley's game: fictitious play circles for ever around the equilibrium, in runs that grow by the root of "
            "x^3 = x^2 + 1."
        ),
        source="Shapley 1964; the factor derived in `shapley_game`",
        compute=_shapley,
    ),
    PublishedResult(
        id="roth-erev-games",
        claim=(
            "Reinforcement learning comes to the equilibrium of the market game at once, and not to that of the "
            "ultimatum game, as people do."
        ),
        source="Roth and Erev 1995, the claims",
        compute=_roth_erev,
    ),
    PublishedResult(
        id="roth-erev-urn",
        claim="Reinforcement by constant rewards is Pólya's urn: the share of an action tends to a law Beta(q, q).",
        source="closed form",
        compute=_polya,
    ),
    PublishedResult(
        id="regret-bounds",
        claim="Hedge and EXP3 against themselves in rock, paper, scissors keep their bounds of regret.",
        source="Freund and Schapire 1997; Auer, Cesa-Bianchi, Freund and Schapire 2002",
        compute=_regret,
    ),
    PublishedResult(
        id="algorithmic-collusion",
        claim=(
            "Two Q-learners with memory set prices in a logit market: learning rate 0.15, decay of exploration 4e-6, "
            "15 prices. They come to earn 85 % of what a cartel would gain."
        ),
        source="Calvano et al. 2020",
        compute=_calvano,
    ),
    PublishedResult(
        id="cobweb-expectations",
        claim=(
            "Producers multiply a deviation of the price by 1 - w + w phi', phi' being the ratio of slopes: naive "
            "expectations (w = 1) settle if |phi'| < 1, adaptive ones if |phi'| < 2/w - 1."
        ),
        source="Ezekiel 1938; Nerlove 1958",
        compute=_cobweb,
    ),
)
