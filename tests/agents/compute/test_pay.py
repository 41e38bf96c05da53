"""Payment by marginal contribution: to the cent, and it makes truth the best bid, which payment by value does not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.compute.audit import audit

from walras.agents import SettlementError
from walras.agents.compute import (
    Bidders,
    ComputeEconomy,
    MarginalContribution,
    PaymentRule,
    Truthful,
    ValueProduced,
    marginal_contributions,
    synthetic_population,
)
from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LinearDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
)
from walras.market.taxation import BracketTax
from walras.market.validation import FloatArray

POPULATION = synthetic_population(layers=2, heads=3, blocks=4, rng=1)
QUANTITY = 0.4 * float(POPULATION["cost"].sum())


@dataclass(frozen=True)
class Given:
    """Bids what it is told."""

    answer: tuple[float, ...]

    def bids(self, bidders: Bidders, rng: np.random.Generator) -> FloatArray:
        return np.array(self.answer)


def found(pay: PaymentRule, population: pd.DataFrame = POPULATION, **options: object) -> ComputeEconomy:
    market = CapacityMarket(
        options.pop("supply", FixedSupply(QUANTITY)),
        options.pop("demand", StepDemand()),
        options.pop("tax", PerUnitTax()),
    )
    return ComputeEconomy(population, market, options.pop("policy", Truthful()), **({"rng": 0, "pay": pay} | options))


def test_truthful_agents_are_left_with_their_marginal_contribution() -> None:
    economy = found(MarginalContribution(), cents_per_money=10_000)
    rows = economy.run(3)
    expected = marginal_contributions(POPULATION["valuation"], POPULATION["cost"], QUANTITY)
    kept = (rows["income_cents"] - rows["payment_cents"]).to_numpy().reshape(3, -1) / 10_000
    np.testing.assert_allclose(kept, np.tile(expected, (3, 1)), rtol=0.0, atol=3e-4)
    audit(economy, rows, economy.periods)


def test_a_tax_per_unit_comes_on_top() -> None:
    rate = 1.5
    economy = found(MarginalContribution(), tax=PerUnitTax(rate), cents_per_money=10_000)
    rows = economy.run(1)
    expected = marginal_contributions(POPULATION["valuation"] - rate, POPULATION["cost"], QUANTITY)
    np.testing.assert_allclose((rows["income_cents"] - rows["payment_cents"]) / 10_000, expected, atol=3e-4)


def test_the_principal_pays_more_than_for_value_and_the_same_are_served() -> None:
    by_value, by_contribution = found(ValueProduced()), found(MarginalContribution())
    rows, more = by_value.run(1), by_contribution.run(1)
    np.testing.assert_array_equal(rows["share"], more["share"])
    assert (more["income_cents"] - rows["income_cents"] >= -1).all()
    assert more["income_cents"].sum() > rows["income_cents"].sum()


few = st.tuples(
    st.lists(st.integers(1, 12), min_size=4, max_size=4),
    st.lists(st.integers(1, 12), min_size=4, max_size=4),
    st.lists(st.sampled_from([1.0, 2.0]), min_size=4, max_size=4),
    st.integers(0, 24),
    st.sampled_from([1.0, 2.0, 2.5]),
)


def gain(pay: PaymentRule, worth: int, bid: float, others: list[int], costs: list[float], quantity: float) -> float:
    """What the first agent keeps of the first period (money)."""
    population = pd.DataFrame(
        {"kind": "head", "layer": 0, "index": range(4), "valuation": [worth, *others[1:]], "cost": costs}
    ).assign(wealth_cents=10**9)
    economy = found(
        pay,
        population,
        supply=FixedSupply(quantity),
        policy=Given((bid, *map(float, others[1:]))),
        cents_per_money=10_000,
    )
    row = economy.run(1).iloc[0]
    return float(row["income_cents"] - row["payment_cents"]) / 10_000


@given(case=few)
def test_truth_is_a_best_bid_whatever_the_others_bid_groves_1973(
    case: tuple[list[int], list[int], list[float], int, float],
) -> None:
    worth, others, costs, half_bid, quantity = case
    arguments = (others, costs, quantity)
    truth = gain(MarginalContribution(), worth[0], float(worth[0]), *arguments)
    assert truth >= gain(MarginalContribution(), worth[0], half_bid / 2.0, *arguments) - 5e-4
    assert truth >= -5e-4  # and taking part is no loss


def test_under_payment_by_value_a_lower_bid_can_earn_more() -> None:
    """The test above can fail: a large agent that is rationed sets the price that it pays."""
    arguments = ([10, 2, 1, 1], [2.0, 1.0, 1.0, 1.0], 1.5)
    truth, shaded = (gain(ValueProduced(), 10, bid, *arguments) for bid in (10.0, 2.5))
    assert (truth, shaded) == pytest.approx((0.0, 1.5 * 7.5), abs=1e-3)
    truth, shaded = (gain(MarginalContribution(), 10, bid, *arguments) for bid in (10.0, 2.5))
    assert (truth, shaded) == pytest.approx((12.5, 12.5), abs=1e-3)  # the others would make 2 + 0.5 of its compute


def test_at_a_negative_price_it_says_what_to_do() -> None:
    # A tax above every valuation: all must be sold, so the seller pays for it.
    everything = FixedSupply(float(POPULATION["cost"].sum()) - 1.0)
    with pytest.raises(SettlementError, match="free_disposal=True"):
        found(MarginalContribution(), tax=PerUnitTax(100.0), supply=everything).run(1)
    disposed = FixedSupply(everything.quantity, free_disposal=True)
    found(MarginalContribution(), tax=PerUnitTax(100.0), supply=disposed).run(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"supply": PostedPrice(3.0)}, r"needs a FixedSupply and StepDemand\(divisible=True\), got PostedPrice"),
        ({"demand": LinearDemand()}, r"needs a FixedSupply and StepDemand\(divisible=True\)"),
        ({"demand": StepDemand(divisible=False)}, r"needs a FixedSupply"),
        ({"use_tax": BracketTax([1.0], [0.0, 1.0])}, "no closed form under a use_tax"),
    ],
)
def test_refuses_markets_without_a_closed_form(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        found(MarginalContribution(), **options)


def test_refuses_what_is_no_rule() -> None:
    for wrong in (ValueProduced, "value", None):
        with pytest.raises(InvalidInputError, match="A rule with a method incomes is needed"):
            found(wrong)  # type: ignore[arg-type]
