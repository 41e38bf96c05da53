"""How valuations move from period to period: given, random, or recorded. Pure values that know no economy and no clock.

The population says what a unit of compute is worth to each agent on the whole, the *base* `b_i` (money per unit). A
process says what it is worth in period t, from the base, the valuations of the period before, and draws:

=======================  ===========================================================================
process                  valuation of agent i in period t, z standard normal and independent
=======================  ===========================================================================
ConstantValuations       `b_i`
IndependentValuations    `b_i exp(s z - s^2 / 2)`
AutoregressiveValuations `b_i exp(a_t - s^2 / 2)`, with `a_t = r a_(t-1) + s sqrt(1 - r^2) z`
RecordedValuations       row t of a table, whatever the base is
=======================  ===========================================================================

The two random ones have the mean `b_i` in every period, and the standard deviation s of the logarithm: an
autoregression that starts from its stationary law. An agent whose base is 0 values nothing, at any time.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, instance_of, nonnegative_matrix, nonnegative_number

__all__ = [
    "AfterLast",
    "AutoregressiveValuations",
    "ConstantValuations",
    "IndependentValuations",
    "RecordedValuations",
    "ValuationProcess",
]


class ValuationProcess(Protocol):
    """A rule by which valuations move."""

    def valuations(self, period: int, base: FloatArray, previous: FloatArray | None, rng: Generator) -> FloatArray:
        """Give the valuations of a period (money per unit, 0 or more), shape (n,).

        Parameters
        ----------
        period
            From 1.
        base
            The population's valuations, shape (n,); not to be changed.
        previous
            Valuations of the period before, shape (n,), not to be changed; None in period 1.
        rng
            What is drawn from.
        """
        ...


@final
@dataclass(frozen=True)
class ConstantValuations:
    """The base in every period. It draws nothing."""

    def valuations(self, period: int, base: FloatArray, previous: FloatArray | None, rng: Generator) -> FloatArray:
        """Give the base itself, shape (n,)."""
        return base


@final
@dataclass(frozen=True)
class IndependentValuations:
    """Lognormal around the base, drawn anew in each period: `b_i exp(s z - s^2 / 2)`.

    Parameters
    ----------
    log_spread
        Standard deviation s of the logarithm, 0 or more.
    """

    log_spread: float

    def __post_init__(self) -> None:
        spread = nonnegative_number("IndependentValuations.log_spread", self.log_spread)
        object.__setattr__(self, "log_spread", spread)

    def valuations(self, period: int, base: FloatArray, previous: FloatArray | None, rng: Generator) -> FloatArray:
        """Draw the valuations (money per unit), shape (n,): one number of `rng` for each agent."""
        return _lognormal(base, self.log_spread * rng.standard_normal(base.size), self.log_spread)


@final
@dataclass(frozen=True)
class AutoregressiveValuations:
    """Lognormal around the base, with a memory: the logarithm's deviation is a stationary autoregression of order one.

    Parameters
    ----------
    persistence
        Correlation r of the logarithm from one period to the next, above -1 and below 1; 0 remembers nothing.
    log_spread
        Standard deviation s of the logarithm, 0 or more.
    """

    persistence: float
    log_spread: float

    def __post_init__(self) -> None:
        persistence = finite_number("AutoregressiveValuations.persistence", self.persistence)
        if not -1.0 < persistence < 1.0:
            raise InvalidInputError(
                f"AutoregressiveValuations.persistence must lie inside (-1, 1), got {persistence}: at 1 the logarithm "
                "is a random walk, which has no law to start from."
            )
        spread = nonnegative_number("AutoregressiveValuations.log_spread", self.log_spread)
        object.__setattr__(self, "persistence", persistence)
        object.__setattr__(self, "log_spread", spread)

    def valuations(self, period: int, base: FloatArray, previous: FloatArray | None, rng: Generator) -> FloatArray:
        """Draw the valuations (money per unit), shape (n,): one number of `rng` for each agent."""
        shocks = rng.standard_normal(base.size)
        if previous is None:
            return _lognormal(base, self.log_spread * shocks, self.log_spread)
        worth = (base > 0.0) & (previous > 0.0)
        ratio = np.divide(previous, base, out=np.ones_like(base), where=worth)
        deviation = np.log(ratio) + 0.5 * self.log_spread**2
        innovation = self.log_spread * math.sqrt(1.0 - self.persistence**2) * shocks
        return _lognormal(base, self.persistence * deviation + innovation, self.log_spread)


class AfterLast(Enum):
    """What follows the last recorded step; the value says it in words."""

    REPEAT = "the record begins anew"
    HOLD = "the last step lasts"


@final
@dataclass(frozen=True, eq=False)
class RecordedValuations:
    """Valuations that were recorded, one step for each period.

    Parameters
    ----------
    record
        Money per unit, 0 or more, shape (steps, n), in the order of the population; `load_record` shifts a record that
        has negative ones.
    after_last
        What follows the last step.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.compute import AfterLast, RecordedValuations
    >>> process = RecordedValuations([[1.0, 4.0], [3.0, 2.0]], AfterLast.HOLD)
    >>> [process.valuations(period, np.zeros(2), None, np.random.default_rng(0)).tolist() for period in (1, 2, 3)]
    [[1.0, 4.0], [3.0, 2.0], [3.0, 2.0]]
    """

    record: ArrayLike
    after_last: AfterLast = AfterLast.REPEAT

    def __post_init__(self) -> None:
        record = nonnegative_matrix("RecordedValuations.record", self.record, of=("step", "agent"))
        record.flags.writeable = False
        object.__setattr__(self, "record", record)
        instance_of("RecordedValuations.after_last", self.after_last, AfterLast)

    @property
    def steps(self) -> int:
        """Number of recorded steps."""
        return len(np.asarray(self.record))

    def valuations(self, period: int, base: FloatArray, previous: FloatArray | None, rng: Generator) -> FloatArray:
        """Give the recorded valuations (money per unit), shape (n,). It draws nothing."""
        match self.after_last:
            case AfterLast.REPEAT:
                step = (period - 1) % self.steps
            case AfterLast.HOLD:
                step = min(period, self.steps) - 1
        row: FloatArray = np.asarray(self.record)[step]
        if row.size != base.size:
            raise InvalidInputError(
                f"RecordedValuations.record has {row.size} agents, the population {base.size}: they must be the same."
            )
        return row


def _lognormal(base: FloatArray, deviation: FloatArray, log_spread: float) -> FloatArray:
    """`base * exp(deviation - log_spread^2 / 2)`."""
    with np.errstate(over="ignore", invalid="ignore"):  # the economy refuses what is not finite
        return np.where(base > 0.0, base * np.exp(deviation - 0.5 * log_spread**2), 0.0)
