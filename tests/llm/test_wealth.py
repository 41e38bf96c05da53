"""Wealth: money is never made or lost, nobody bids more than it owns, and who contributes earns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.llm.models import bert, loss_of, random_bids

from walras.llm import EconomyConfig, ModelEconomy, WealthDynamics, attach
from walras.llm.wealth import Purse
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LinearDemand, LogitDemand, PostedPrice

COSTS = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
amounts = st.lists(st.floats(-10.0, 10.0), min_size=4, max_size=4).map(lambda x: torch.tensor(x, dtype=torch.float64))


def economy_of(rules: WealthDynamics, **options: object) -> ModelEconomy:
    demand = options.pop("demand", LogitDemand(0.3))
    economy = attach(bert().train(), EconomyConfig(CapacityMarket(FixedSupply(0.5), demand), wealth=rules, **options))
    random_bids(economy)
    return economy


@settings(max_examples=60)
@given(
    gradient=amounts,
    prices=amounts,
    shares=st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4),
    tax=st.floats(0.0, 1.0),
    exempt=st.floats(0.0, 3.0),
    rebate=st.booleans(),
    pace=st.sampled_from([0.05, 1.0]),
)
def test_money_is_never_made_or_lost(
    gradient: torch.Tensor,
    prices: torch.Tensor,
    shares: list[float],
    tax: float,
    exempt: float,
    rebate: bool,
    pace: float,
) -> None:
    purse = Purse(WealthDynamics(endowment=2.0, pace=pace, wealth_tax=tax, exempt=exempt, rebate=rebate), COSTS)
    for _ in range(3):
        purse.settle(torch.tensor(shares), gradient, prices, COSTS)
        assert float(purse.wealth.sum()) == pytest.approx(2.0, abs=1e-12)
        assert (purse.wealth >= 0.0).all()


def test_a_period_by_hand() -> None:
    purse = Purse(WealthDynamics(endowment=2.0, pace=1.0), COSTS)
    # Use 0.4 and 0.15 at a price of 1; only the second contributes, so it earns what both pay.
    shares, gradient = torch.tensor([1.0, 0.5, 0.0, 0.0]), torch.tensor([0.3, -1.0, -1.0, 0.0])
    purse.settle(shares, gradient, torch.ones(4), COSTS)
    assert purse.wealth.tolist() == pytest.approx([0.8 - 0.4, 0.6 - 0.15 + 0.55, 0.4, 0.2])
    # Half of what the second owns above its even part of 0.6 is taxed and comes back by cost.
    taxed = Purse(WealthDynamics(endowment=2.0, pace=1.0, wealth_tax=0.5), COSTS)
    taxed.wealth.copy_(torch.tensor([0.4, 1.0, 0.4, 0.2]))
    taxed.settle(torch.zeros(4), gradient, torch.ones(4), COSTS)
    assert taxed.wealth.tolist() == pytest.approx([0.4 + 0.08, 1.0 - 0.2 + 0.06, 0.4 + 0.04, 0.2 + 0.02])


@pytest.mark.parametrize("demand", [LogitDemand(0.3), LogitDemand(0.02), LinearDemand(0.5)], ids=str)
def test_nobody_pays_more_than_it_owns_whatever_the_price(demand: LogitDemand | LinearDemand) -> None:
    economy = economy_of(WealthDynamics(endowment=1.0), demand=demand)
    purse, costs = economy.gate.purse, economy.gate.costs
    scale = demand.temperature if isinstance(demand, LogitDemand) else demand.width
    purse.wealth.mul_(torch.linspace(0.01, 3.0, len(costs)))
    bids = purse.limited(
        100.0 * torch.rand(len(costs)), costs, torch.tensor(scale) if isinstance(demand, LogitDemand) else None
    )
    for price in torch.linspace(-1.0, 6.0, 200):
        margin = (bids - price) / scale
        shares = torch.sigmoid(margin) if isinstance(demand, LogitDemand) else margin.clamp(0.0, 1.0)
        assert (costs * shares * price <= purse.wealth * (1 + 1e-5) + 1e-9).all()


def test_wealth_binds_the_bids_of_the_poor_alone() -> None:
    economy = economy_of(WealthDynamics(endowment=1.0))
    above = economy.valuations - economy.valuations.min()
    bids = economy.bids
    np.testing.assert_allclose(bids, np.minimum(above, 1.0), atol=1e-6)  # whole agents bid what they own at most
    assert (bids < above).any()
    rich = economy_of(WealthDynamics(endowment=100.0))
    np.testing.assert_allclose(rich.bids, above, atol=1e-6)
    assert (rich.hard_allocation(0.4) == economy_without_wealth().hard_allocation(0.4)).all()
    np.testing.assert_allclose(rich.frame()["wealth"], rich.wealth)


def economy_without_wealth() -> ModelEconomy:
    economy = attach(bert(), EconomyConfig(budget=0.5))
    random_bids(economy)
    return economy


def test_a_training_step_moves_wealth_and_an_evaluation_does_not() -> None:
    economy = economy_of(WealthDynamics(endowment=2.0, pace=0.5))
    before = economy.wealth
    loss_of(economy.model).backward()
    after = economy.wealth
    assert after.sum() == pytest.approx(before.sum(), abs=1e-9)
    assert np.abs(after - before).max() > 1e-3
    economy.model.eval()
    loss_of(economy.model)
    economy.set_mode("soft")
    loss_of(economy.model).backward()
    np.testing.assert_array_equal(economy.wealth, after)
    state = economy.model.state_dict()
    assert torch.equal(state["walras_economy.purse.wealth"], torch.from_numpy(after))
    assert economy.model.bfloat16().walras_economy.purse.wealth.dtype == torch.float64


def test_markets_of_layers_and_lanes_settle_too() -> None:
    economy = economy_of(WealthDynamics(endowment=2.0, pace=0.5), scope="layer")
    economy.gate.lanes = torch.tensor([0.3, 0.6, 0.9], dtype=torch.float64)
    before = economy.wealth
    loss_of(economy.model).backward()
    assert economy.wealth.sum() == pytest.approx(before.sum(), abs=1e-9)
    assert np.abs(economy.wealth - before).max() > 1e-3


@pytest.mark.parametrize(
    "rules", [{"endowment": 0.0}, {"pace": 0.0}, {"pace": 1.5}, {"wealth_tax": 1.5}, {"exempt": -1.0}, {"rebate": 1}]
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=f"WealthDynamics.{next(iter(rules))}"):
        WealthDynamics(**rules)


def test_a_posted_price_leaves_no_room_for_wealth() -> None:
    with pytest.raises(InvalidInputError, match="needs a cap"):
        EconomyConfig(CapacityMarket(PostedPrice(0.1), LogitDemand(1.0)), wealth=WealthDynamics())
