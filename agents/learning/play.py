"""Repeated games: the players of a game, each with a learning policy, in many replications at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.random import Generator

from walras.agents.learning.game import StageGame
from walras.agents.learning.observation import Information, LearningPolicy, Observation
from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, whole_number

__all__ = ["Play", "as_generator", "play", "profile_numbers"]

_RECORDS = 100  # rounds of which the path is kept unless `record_every` says otherwise


@final
@dataclass(frozen=True, eq=False)
class Play:
    """What T rounds of a repeated game left, in R replications of n players.

    Attributes
    ----------
    rounds
        T.
    frequencies
        For each player how often it took each action, as fractions of the rounds, shape (R, K_i).
    payoffs
        Mean payoff a round, shape (R, n).
    regrets
        What the best single action of each player would have earned in all rounds beyond what it earned, shape (R, n).
    expected_regrets
        The same with what its mixed strategies earned in expectation against what the others did, shape (R, n).
    recorded_rounds
        The rounds t after which the path was recorded, shape (m,).
    frequency_paths
        For each player the frequencies in the rounds up to t, shape (m, R, K_i).
    payoff_path
        Mean payoff a round in the rounds up to t, shape (m, R, n).
    last_actions
        Of the last round, shape (R, n).
    states
        What each player has learned.
    """

    rounds: int
    frequencies: tuple[FloatArray, ...]
    payoffs: FloatArray
    regrets: FloatArray
    expected_regrets: FloatArray
    recorded_rounds: IntArray
    frequency_paths: tuple[FloatArray, ...]
    payoff_path: FloatArray
    last_actions: IntArray
    states: tuple[Any, ...]

    def late_frequencies(self, player: int) -> FloatArray:
        """Frequencies of a player's actions in the second half of the recorded rounds, shape (R, K_i)."""
        middle, last = _halves(self.recorded_rounds)
        paths, rounds = self.frequency_paths[player], self.recorded_rounds
        return np.asarray(_between(paths, rounds, middle, last))

    def late_payoffs(self) -> FloatArray:
        """Mean payoff a round in the second half of the recorded rounds, shape (R, n)."""
        return np.asarray(_between(self.payoff_path, self.recorded_rounds, *_halves(self.recorded_rounds)))


def play(
    game: StageGame,
    policies: Sequence[LearningPolicy[Any]],
    rounds: int,
    rng: Generator | int,
    *,
    replications: int = 1,
    record_every: int | None = None,
) -> Play:
    """Repeat a game, each player learning by its policy, and give what came of it.

    Parameters
    ----------
    game
        A `NormalFormGame`, or a market as a game (`GridGame`).
    policies
        One for each player. After each round a policy is told what it `observes`, and no more.
    rounds
        T, 1 or more.
    rng
        Draws the actions: one number for each round, player and replication, in this order.
    replications
        R, independent repetitions of all T rounds, computed side by side.
    record_every
        Every how many rounds the path is recorded; by default so that it has at most 100 rows. Memory is bounded by
        the rows of the path times R and the actions, whatever T.

    Raises
    ------
    InvalidInputError
        Another number of policies than players, or a policy or number out of its range.

    Notes
    -----
    *Cost*: O(T) steps of arrays of R times the actions: a thousand replications take little longer than one.

    Examples
    --------
    >>> from walras.agents.learning import BestResponse, coordination_game, play
    >>> policies = [BestResponse(inertia=0.5)] * 2
    >>> played = play(coordination_game([1.0, 1.0]), policies, rounds=200, rng=0, replications=1_000)
    >>> bool((played.late_payoffs() == 1.0).all())  # they have all come together
    True
    """
    rounds = whole_number("rounds", rounds, minimum=1)
    replications = whole_number("replications", replications, minimum=1)
    every = -(-rounds // _RECORDS) if record_every is None else whole_number("record_every", record_every, minimum=1)
    generator = as_generator(rng)
    counts = game.action_counts
    players = range(len(counts))
    if len(policies) != len(counts):
        raise InvalidInputError(f"policies must be one for each of {len(counts)} players, got {len(policies)}.")
    joint = [_joint_actions(counts, player) for player in players]
    states = [
        policy.start(count, replications, profiles)
        for policy, count, profiles in zip(policies, counts, joint, strict=True)
    ]
    tally = _Tally(counts, replications)
    rows = np.arange(replications)
    for number in range(1, rounds + 1):
        draws = generator.random((len(counts), replications))
        chosen = [policy.choose(state, draw) for policy, state, draw in zip(policies, states, draws, strict=True)]
        actions = np.stack(chosen, axis=1)  # (R, n)
        for player in players:
            earned = game.all_payoffs(player, actions)
            mixed = policies[player].mixed_strategy(states[player])
            tally.add(player, actions[:, player], earned, mixed)
            observation = Observation(actions[:, player], earned[rows, actions[:, player]])
            told = policies[player].observes
            if told is Information.ALL_PAYOFFS:
                observation = Observation(observation.actions, observation.payoffs, all_payoffs=earned)
            elif told is Information.OTHERS_ACTIONS:
                others = profile_numbers(counts, player, actions)
                observation = Observation(observation.actions, observation.payoffs, others=others)
            states[player] = policies[player].learn(states[player], observation)
        if number % every == 0:
            tally.record(number)
    return tally.result(rounds, actions, tuple(states))


def profile_numbers(counts: tuple[int, ...], player: int, actions: IntArray) -> IntArray:
    """Number the joint actions of a player's opponents, in lexicographic order from 0, shape (R,)."""
    numbers = np.zeros(len(actions), dtype=np.int64)
    for other, count in enumerate(counts):
        if other != player:
            numbers = numbers * count + actions[:, other]
    return numbers


class _Tally:
    """Sums over the rounds so far; its arrays are those of the result."""

    def __init__(self, counts: tuple[int, ...], replications: int) -> None:
        players = len(counts)
        self._rows = np.arange(replications)
        self._taken = [np.zeros((replications, count), dtype=np.int64) for count in counts]
        self._possible = [np.zeros((replications, count)) for count in counts]
        self._earned = np.zeros((replications, players))
        self._expected = np.zeros((replications, players))
        self._recorded: list[int] = []
        self._paths: list[list[FloatArray]] = [[] for _ in counts]
        self._payoff_path: list[FloatArray] = []

    def add(self, player: int, actions: IntArray, earned: FloatArray, mixed: FloatArray) -> None:
        self._taken[player][self._rows, actions] += 1
        self._possible[player] += earned
        self._earned[:, player] += earned[self._rows, actions]
        self._expected[:, player] += (earned * mixed).sum(axis=1)

    def record(self, number: int) -> None:
        self._recorded.append(number)
        for path, taken in zip(self._paths, self._taken, strict=True):
            path.append(taken / number)
        self._payoff_path.append(self._earned / number)

    def result(self, rounds: int, last_actions: IntArray, states: tuple[Any, ...]) -> Play:
        best = np.stack([possible.max(axis=1) for possible in self._possible], axis=1)
        records = len(self._recorded)
        return Play(
            rounds=rounds,
            frequencies=tuple(taken / rounds for taken in self._taken),
            payoffs=self._earned / rounds,
            regrets=best - self._earned,
            expected_regrets=best - self._expected,
            recorded_rounds=np.array(self._recorded, dtype=np.int64),
            frequency_paths=tuple(
                np.array(path).reshape(records, *taken.shape)
                for path, taken in zip(self._paths, self._taken, strict=True)
            ),
            payoff_path=np.array(self._payoff_path).reshape(records, *self._earned.shape),
            last_actions=last_actions,
            states=states,
        )


def as_generator(rng: object) -> Generator:
    """Give `rng`, or the generator that an integer seeds, or raise."""
    if isinstance(rng, bool) or not isinstance(rng, Generator | int | np.integer):
        raise InvalidInputError(f"rng must be a numpy Generator or an integer seed, got {rng!r}.")
    return np.random.default_rng(rng)


def _joint_actions(counts: tuple[int, ...], player: int) -> int:
    joint = 1
    for other, count in enumerate(counts):
        joint *= 1 if other == player else count
    return joint


def _halves(recorded: IntArray) -> tuple[int, int]:
    if len(recorded) < 2:
        raise InvalidInputError(f"The second half needs at least two recorded rounds, got {len(recorded)}.")
    return (len(recorded) - 1) // 2, len(recorded) - 1


def _between(path: FloatArray, rounds: IntArray, first: int, last: int) -> FloatArray:
    """Means over the rounds after one record up to another, from means over all rounds up to each."""
    span = rounds[last] - rounds[first]
    return np.asarray((path[last] * rounds[last] - path[first] * rounds[first]) / span)
