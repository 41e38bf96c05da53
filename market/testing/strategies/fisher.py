"""Fisher markets, with ties, goods that nobody values, and money and valuations over twelve decades."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from hypothesis import strategies as st

from walras.market.fisher import (
    CESUtility,
    CobbDouglasUtility,
    FisherEquilibrium,
    FisherMarket,
    FisherUtility,
    LeontiefUtility,
    LinearUtility,
)
from walras.market.validation import FloatArray

__all__ = ["FisherCase", "fisher_budgets", "fisher_cases", "fisher_utilities", "fisher_valuations"]


@final
@dataclass(frozen=True, eq=False)
class FisherCase:
    """A Fisher market and valuations for it, shape (n, m)."""

    market: FisherMarket
    valuations: FloatArray

    @property
    def budgets(self) -> FloatArray:
        """Money of each buyer, shape (n,)."""
        return np.asarray(self.market.budgets)

    @property
    def supplies(self) -> FloatArray:
        """Units of each good, shape (m,)."""
        return np.broadcast_to(np.asarray(self.market.supplies), (self.valuations.shape[1],)).copy()

    def but(self, *, valuations: FloatArray | None = None, **rules: Any) -> "FisherCase":
        """The same case with other valuations, budgets, supplies or utility."""
        old = {"budgets": self.market.budgets, "supplies": self.market.supplies, "utility": self.market.utility}
        return FisherCase(FisherMarket(**(old | rules)), self.valuations if valuations is None else valuations)

    def equilibrium(self) -> FisherEquilibrium:
        """The market's equilibrium at the valuations."""
        return self.market.equilibrium(self.valuations)


def fisher_utilities() -> st.SearchStrategy[FisherUtility]:
    """Utilities of every kind; CES from strong complements (rho = -8) to near-perfect substitutes (0.95)."""
    return st.one_of(
        st.just(LinearUtility()),
        st.sampled_from([-8.0, -1.0, -0.25, 0.25, 0.5, 0.95]).map(CESUtility),
        st.just(CobbDouglasUtility()),
        st.just(LeontiefUtility()),
    )


def fisher_budgets(buyers: int, *, decades: int = 3) -> st.SearchStrategy[FloatArray]:
    """Budgets of `buyers` buyers: equal, small whole numbers, or powers of ten from 10^-decades to 10^decades."""
    whole = st.lists(st.integers(1, 4), min_size=buyers, max_size=buyers).map(lambda each: np.array(each, dtype=float))
    exponents = st.lists(st.floats(-decades, decades), min_size=buyers, max_size=buyers)
    return st.one_of(st.just(np.ones(buyers)), whole, exponents.map(lambda each: 10.0 ** np.array(each)))


@st.composite
def fisher_valuations(draw: st.DrawFn, buyers: int, goods: int, *, decades: int = 3) -> FloatArray:
    """Valuations, shape (buyers, goods): small whole numbers (ties, zeros), or over many decades.

    Every buyer values some good; some goods may be valued by nobody.
    """
    whole = st.integers(0, 3).map(float)
    wide = st.one_of(st.just(0.0), st.floats(-decades, decades).map(lambda exponent: 10.0**exponent))
    entries = draw(st.sampled_from([whole, st.integers(1, 2).map(float), wide]))
    rows = st.lists(st.lists(entries, min_size=goods, max_size=goods), min_size=buyers, max_size=buyers)
    valuations = np.array(draw(rows), dtype=np.float64)
    valuations[~valuations.any(axis=1), 0] = 1.0
    if draw(st.booleans()) and buyers > 1:
        valuations[1] = valuations[0]  # identical buyers
    return valuations


@st.composite
def fisher_cases(
    draw: st.DrawFn,
    utilities: st.SearchStrategy[FisherUtility] | None = None,
    *,
    max_buyers: int = 5,
    max_goods: int = 5,
    decades: int = 3,
) -> FisherCase:
    """Fisher markets with valuations; money and valuations range over `decades` decades to either side of 1."""
    buyers, goods = draw(st.integers(1, max_buyers)), draw(st.integers(1, max_goods))
    budgets = draw(fisher_budgets(buyers, decades=decades))
    each = st.lists(st.floats(-1.0, 1.0), min_size=goods, max_size=goods)
    supplies = draw(st.one_of(st.just(1.0), each.map(lambda logs: tuple(10.0 ** np.array(logs)))))
    utility = draw(fisher_utilities() if utilities is None else utilities)
    valuations = draw(fisher_valuations(buyers, goods, decades=decades))
    return FisherCase(FisherMarket(budgets, supplies, utility), valuations)
