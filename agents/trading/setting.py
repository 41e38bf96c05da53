"""What the two engines of the laboratory share when they start and report: policies, wealth, draws, rows of traders."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from walras.agents.money import MOST_CENTS, IntArray, whole_cents
from walras.agents.trading.market import InducedMarket
from walras.agents.trading.quoting import LearningPolicy, QuotingPolicy, checked_policy
from walras.agents.trading.tables import TRADER_COLUMNS
from walras.market import InvalidInputError
from walras.market.order_book import Side

__all__ = ["Policies", "draw_stream", "opening_wealth", "policies_of", "trader_frame"]

_BLOCK = 1024  # uniform draws are fetched so many at a time
_DAYS_OF_LOSSES = 1000  # the opening wealth, if none is given

Policies = QuotingPolicy | LearningPolicy | Sequence[QuotingPolicy | LearningPolicy]


def policies_of(policy: Policies, market: InducedMarket) -> list[QuotingPolicy | LearningPolicy]:
    """Give a policy for each buyer and seller, or raise `InvalidInputError`."""
    count = market.buyers + market.sellers
    policies = list(policy) if isinstance(policy, Sequence) else [policy] * count
    if len(policies) != count:
        raise InvalidInputError(
            f"policy: expected one for all, or one for each of {market.buyers} buyers and {market.sellers} sellers, "
            f"got {len(policies)}."
        )
    return [checked_policy("policy", one) for one in policies]


def opening_wealth(wealth_cents: int | None, market: InducedMarket, traders: int) -> int:
    """Give what each trader starts with (cents)."""
    if wealth_cents is not None:
        wealth = whole_cents("wealth_cents", wealth_cents)
        if wealth * traders > MOST_CENTS:
            raise InvalidInputError(
                f"wealth_cents must be at most {MOST_CENTS // traders}, so that {traders} traders have at most "
                f"{MOST_CENTS:.0e} cents in all; got {wealth}."
            )
        return wealth
    units = max(market.worths(side).shape[1] for side in Side)
    return min(_DAYS_OF_LOSSES * 2 * market.ceiling * units, MOST_CENTS // traders)


def trader_frame(
    market: InducedMarket, units: IntArray, wealth: IntArray, goods: IntArray, opening: int
) -> pd.DataFrame:
    """Give the rows of traders, with exactly the columns and dtypes of `TRADER_COLUMNS`."""
    sides = np.repeat([0, 1, 2], [market.buyers, market.sellers, len(units) - market.buyers - market.sellers])
    columns = {
        "trader": np.arange(len(units)),
        "side": pd.Categorical.from_codes(sides, categories=pd.Index(["buyer", "seller", "dealer"])),
        "units_traded": units,
        "profit_cents": wealth - opening,
        "wealth_cents": wealth,
        "goods": goods,
    }
    return pd.DataFrame({name: columns[name] for name in TRADER_COLUMNS})


def draw_stream(rng: np.random.Generator) -> Iterator[float]:
    """Give uniform draws in [0, 1), read from the generator in blocks."""
    while True:
        yield from rng.random(_BLOCK).tolist()
