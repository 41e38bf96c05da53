"""How two agents that meet exchange money: pure rules, from what both own and one draw to what the first pays.

A rule gives the *flow* of a meeting, the cents that pass from the first agent to the second (negative: the other way).
So money is conserved by construction: what one loses the other wins. With wealth a and b of the two, and a draw u,
uniform on [0, 1),

    money exchange     flow = c if a >= c, else 0;
    saving exchange    flow = A - floor(u (A + B + 1)),   A = [(1 - s) a],  B = [(1 - s) b];
    yard sale          flow = -+ [f min(a, b)], minus if the first agent wins.

[.] rounds to the nearest cent, half a cent to the even one. Stakes are therefore whole cents that their owner has, and
`-b <= flow <= a`: nobody can come to owe.

A rule says how to exchange, not who meets whom: see `walras.agents.wealth.meetings`.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, final

import numpy as np

from walras.agents.money import IntArray, whole_cents
from walras.agents.wealth.kernel import money_flow, saving_flow, yard_sale_flow
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, fraction, positive_number

__all__ = ["ExchangeRule", "MoneyExchange", "SavingExchange", "YardSale", "checked_rule"]


class ExchangeRule(Protocol):
    """A rule by which two agents exchange money. Flows are whole cents, at most what the payer owns.

    Attributes
    ----------
    needs_draws
        Whether the rule looks at the draw; if not, none is drawn, and it is 0.
    """

    needs_draws: ClassVar[bool]

    def flow(self, first: int, second: int, draw: float) -> int:
        """Give the cents that pass from the first agent to the second in one meeting.

        Parameters
        ----------
        first, second
            What the two own (cents).
        draw
            Uniform on [0, 1).
        """
        ...

    def flows(self, first: IntArray, second: IntArray, draws: FloatArray) -> IntArray:
        """Give the flows of k meetings at once, shape (k,): the same numbers as `flow` gives one by one."""
        ...


@final
@dataclass(frozen=True, kw_only=True)
class MoneyExchange:
    """The first agent gives the second a fixed amount, if it has that much: `flow = c if a >= c, else 0`.

    Who of the two comes first is drawn with the meeting, so each gives with probability 1/2.

    Parameters
    ----------
    cents
        What is given (cents), 1 or more.

    Notes
    -----
    In the long run all divisions of the money into units of `cents` are equally likely: see
    `walras.agents.wealth.money_exchange`. An economy where agents may owe up to d is the same one with wealth counted
    from -d. *Source*: Drăgulescu and Yakovenko 2000 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.wealth import MoneyExchange
    >>> MoneyExchange(cents=100).flow(250, 0, 0.0), MoneyExchange(cents=100).flow(99, 0, 0.0)
    (100, 0)
    """

    cents: int = 1
    needs_draws: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if whole_cents("MoneyExchange.cents", self.cents) == 0:
            raise InvalidInputError("MoneyExchange.cents must be 1 or more, got 0: nothing would change hands.")
        object.__setattr__(self, "cents", int(self.cents))

    def flow(self, first: int, second: int, draw: float) -> int:
        """Give what the first agent pays the second (cents), 0 or more."""
        return money_flow(first, self.cents)

    def flows(self, first: IntArray, second: IntArray, draws: FloatArray) -> IntArray:
        """Give the flows of k meetings (cents), shape (k,)."""
        return np.where(first >= self.cents, self.cents, 0)


@final
@dataclass(frozen=True, kw_only=True)
class SavingExchange:
    """Both put what they do not save into a pool, which is split at random: `a' = a - A + floor(u (A + B + 1))`.

    `A = [(1 - s) a]` and `B = [(1 - s) b]` are the stakes, so the first agent gets back 0, 1, ... or A + B cents, each
    with the same probability.

    Parameters
    ----------
    saving
        The saving propensity s, the fraction of wealth kept out of the pool, in [0, 1).

    Notes
    -----
    Without saving all divisions of the money are equally likely in the long run, as under `MoneyExchange`: the
    exponential law. With saving the law is near a Gamma law of shape `1 + 3 s / (1 - s)` (`saving_exchange_shape`).
    *Source*: Chakraborti and Chakrabarti 2000 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.wealth import SavingExchange
    >>> SavingExchange(saving=0.5).flow(100, 20, 0.25)  # 60 are in the pool, and the first gets 15 of its 50 back
    35
    """

    saving: float = 0.0
    needs_draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        saving = fraction("SavingExchange.saving", self.saving)
        if saving == 1.0:
            raise InvalidInputError("SavingExchange.saving must be below 1, got 1.0: nothing would change hands.")
        object.__setattr__(self, "saving", saving)

    def flow(self, first: int, second: int, draw: float) -> int:
        """Give what the first agent pays the second (cents)."""
        return saving_flow(first, second, draw, 1.0 - self.saving)

    def flows(self, first: IntArray, second: IntArray, draws: FloatArray) -> IntArray:
        """Give the flows of k meetings (cents), shape (k,)."""
        spent = 1.0 - self.saving
        stakes = np.rint(spent * first).astype(np.int64)
        pools = stakes + np.rint(spent * second).astype(np.int64)
        return stakes - (draws * (pools + 1)).astype(np.int64)


@final
@dataclass(frozen=True, kw_only=True)
class YardSale:
    """Both stake the same fraction of what the *poorer* owns on a coin: `flow = -+ [f min(a, b)]`.

    Parameters
    ----------
    fraction
        The fraction f of the poorer's wealth that is at stake, above 0 and at most 1.
    poorer_wins
        Probability that the poorer of the two wins, in [0, 1]; between equals the coin is fair. At 1/2 it is always
        fair, and nobody's wealth changes on average.

    Notes
    -----
    Fair as it is, it makes one agent own everything: any fair bet raises the expected Gini coefficient or leaves it as
    it is, because that is a sum of distances `|a - b|`, which are convex in what is won. Rounding does not change
    that. Only a tax stops it (`yard_sale_law`). Wealth of 1 / (2 f) cents or less stakes nothing: choose a cent that is
    small beside the mean.

    *Source*: Chakraborti 2002; Boghosian 2014; Boghosian, Johnson and Marcq 2015 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.wealth import YardSale
    >>> YardSale(fraction=0.2).flow(1000, 500, 0.3), YardSale(fraction=0.2).flow(1000, 500, 0.7)
    (-100, 100)
    """

    fraction: float = 0.1
    poorer_wins: float = 0.5
    needs_draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        share = positive_number("YardSale.fraction", fraction("YardSale.fraction", self.fraction))
        object.__setattr__(self, "fraction", share)
        object.__setattr__(self, "poorer_wins", fraction("YardSale.poorer_wins", self.poorer_wins))

    def flow(self, first: int, second: int, draw: float) -> int:
        """Give what the first agent pays the second (cents); it wins if the draw is below its probability to win."""
        return yard_sale_flow(first, second, draw, self.fraction, self.poorer_wins)

    def flows(self, first: IntArray, second: IntArray, draws: FloatArray) -> IntArray:
        """Give the flows of k meetings (cents), shape (k,)."""
        stakes = np.rint(self.fraction * np.minimum(first, second)).astype(np.int64)
        chances: FloatArray | float = 0.5
        if self.poorer_wins != 0.5:
            chances = np.where(first < second, self.poorer_wins, np.where(first > second, 1.0 - self.poorer_wins, 0.5))
        return np.where(draws < chances, -stakes, stakes)


def checked_rule(rule: ExchangeRule) -> ExchangeRule:
    """Give `rule` if it has what `ExchangeRule` asks for, or raise `InvalidInputError`."""
    methods = (getattr(rule, name, None) for name in ("flow", "flows"))
    if isinstance(rule, type) or not all(map(callable, methods)) or not hasattr(rule, "needs_draws"):
        raise InvalidInputError(
            f"rule needs flow, flows and needs_draws, as YardSale(fraction=0.1) has them; got {rule!r}."
        )
    return rule
