"""Trading posts: traders bid money and offer goods; `clear(bids, offers)` says who gets how much of which."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.properties import Property
from walras.market.testing.domain import Domain, describe_number
from walras.market.testing.quasilinear import Trial
from walras.market.testing.search import PropertyTest
from walras.market.validation import FloatArray, whole_number

__all__ = ["PostOrder", "Posts"]

_TOLERANCE = 1e-9


@final
@dataclass(frozen=True)
class PostOrder:
    """What one trader brings: money bid at each post, and units offered there."""

    bids: tuple[float, ...]
    offers: tuple[float, ...]


@final
@dataclass(frozen=True)
class Posts(Domain):
    """Traders with bids of money and offers of goods at `posts` trading posts.

    The mechanism's `clear(bids, offers)` gets two matrices, one row per trader and one column per post. Its result has
    `goods_bought`, `goods_sold`, `money_spent` and `money_earned` of the same shape. Here *monotone* means that nobody
    who bids more money at a post gets less of its good, and the budget is what posts keep of the money bid.

    Parameters
    ----------
    posts
        Number of posts.
    most_traders
        Up to so many are drawn; at least one.
    """

    posts: int = 2
    most_traders: int = 3

    def __post_init__(self) -> None:
        for name in ("posts", "most_traders"):
            object.__setattr__(self, name, whole_number(f"Posts.{name}", getattr(self, name), minimum=1))

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give a test for each property of trading posts."""
        plain = st.lists(self._order(), min_size=1, max_size=self.most_traders).map(lambda drawn: Trial(tuple(drawn)))
        raises = st.builds(lambda trial, more: Trial(trial.reports, 0, _raised(trial.reports[0], more)), plain, _most())
        orders = plain.flatmap(
            lambda trial: st.permutations(range(len(trial.reports))).map(
                lambda order: Trial(trial.reports, order=tuple(order))
            )
        )
        units = st.builds(lambda trial, by: Trial(trial.reports, factor=by), plain, st.sampled_from([2.0, 0.5]))
        return (
            PropertyTest(Property.FEASIBLE, plain, _beyond_what_there_is),
            PropertyTest(Property.CONSERVES, plain, _lost_goods),
            PropertyTest(Property.WEAKLY_BUDGET_BALANCED, plain, _deficit),
            PropertyTest(Property.STRONGLY_BUDGET_BALANCED, plain, _unbalanced),
            PropertyTest(Property.MONOTONE, raises, _punishing),
            PropertyTest(Property.ANONYMOUS, orders, _partial),
            PropertyTest(Property.SCALE_FREE, units, _tied_to_the_unit),
        )

    def _order(self) -> SearchStrategy[PostOrder]:
        amounts = st.tuples(*[_most()] * self.posts)
        return st.builds(PostOrder, amounts, amounts)


def _most() -> SearchStrategy[float]:
    """Amounts of money or of goods: nothing, few, now and then many."""
    return st.one_of(st.integers(0, 5).map(float), st.floats(2.0**-10, 1e6, width=32))


def _raised(order: PostOrder, more: float) -> PostOrder:
    return PostOrder((order.bids[0] + more, *order.bids[1:]), order.offers)


def _tables(reports: tuple[Any, ...]) -> tuple[FloatArray, FloatArray]:
    return np.array([order.bids for order in reports]), np.array([order.offers for order in reports])


def _cleared(mechanism: Any, reports: tuple[Any, ...]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Goods bought and sold, money spent and earned, shape (n, m) each."""
    result = mechanism.clear(*_tables(reports))
    names = ("goods_bought", "goods_sold", "money_spent", "money_earned")
    bought, sold, spent, earned = (np.asarray(getattr(result, name), dtype=np.float64) for name in names)
    return bought, sold, spent, earned


def _beyond_what_there_is(mechanism: Any, trial: Trial) -> str | None:
    tables = _cleared(mechanism, trial.reports)
    bought, sold, spent, _ = tables
    if not all(np.isfinite(table).all() for table in tables):
        return "an amount is not a finite number"
    bids, offers = _tables(trial.reports)
    for what, given, there_is in (("money", spent, bids), ("of a good", sold, offers)):
        over = float((given - there_is).max())
        if over > _TOLERANCE * float(there_is.max()):
            return f"{describe_number(over)} more {what} is taken from a trader than it brings"
    if min(float(table.min()) for table in tables) < 0.0:
        return "an amount is negative"
    short = bought.sum(axis=0) - sold.sum(axis=0)
    if float(short.max()) > _TOLERANCE * float(offers.sum()):
        return f"{describe_number(float(short.max()))} more of a good is bought than sold"
    return None


def _lost_goods(mechanism: Any, trial: Trial) -> str | None:
    bought, sold, _, _ = _cleared(mechanism, trial.reports)
    lost = sold.sum(axis=0) - bought.sum(axis=0)
    worst = int(np.argmax(np.abs(lost)))
    if abs(lost[worst]) > _TOLERANCE * float(sold.sum()):
        return f"at post {worst}, {describe_number(float(lost[worst]))} units are sold to nobody"
    return None


def _kept(mechanism: Any, trial: Trial) -> tuple[float, float]:
    """Money that posts keep, and money spent."""
    _, _, spent, earned = _cleared(mechanism, trial.reports)
    return float(spent.sum() - earned.sum()), float(spent.sum() + earned.sum())


def _deficit(mechanism: Any, trial: Trial) -> str | None:
    kept, turnover = _kept(mechanism, trial)
    return f"the mechanism loses {describe_number(-kept)}" if kept < -_TOLERANCE * turnover else None


def _unbalanced(mechanism: Any, trial: Trial) -> str | None:
    kept, turnover = _kept(mechanism, trial)
    return f"the mechanism keeps {describe_number(kept)}" if abs(kept) > _TOLERANCE * turnover else None


def _punishing(mechanism: Any, trial: Trial) -> str | None:
    before = _cleared(mechanism, trial.reports)[0][0, 0]
    after = _cleared(mechanism, (trial.other_report, *trial.reports[1:]))[0][0, 0]
    if after < before - _TOLERANCE * before:
        return f"who bids more gets {describe_number(float(before - after))} units less"
    return None


def _partial(mechanism: Any, trial: Trial) -> str | None:
    assert trial.order is not None
    before = _cleared(mechanism, trial.reports)
    after = _cleared(mechanism, tuple(trial.reports[trader] for trader in trial.order))
    for name, first, second in zip(("goods", "goods", "money", "money"), before, after, strict=True):
        change = np.abs(second - first[list(trial.order)]).max(axis=1)
        worst = int(np.argmax(change))
        if change[worst] > _TOLERANCE * float(first.max()):
            return f"trader {trial.order[worst]} trades {describe_number(float(change[worst]))} more or less {name}"
    return None


def _tied_to_the_unit(mechanism: Any, trial: Trial) -> str | None:
    assert trial.factor is not None
    rescaled = tuple(PostOrder(tuple(bid * trial.factor for bid in each.bids), each.offers) for each in trial.reports)
    before, after = _cleared(mechanism, trial.reports)[0], _cleared(mechanism, rescaled)[0]
    change = float(np.abs(after - before).max())
    if change > _TOLERANCE * float(before.max()):
        return f"with money in another unit a trader gets {describe_number(change)} units more or less"
    return None
