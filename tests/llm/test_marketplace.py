"""The gate's markets: one for all or one for each layer, caps, posted prices and collars, each equal to the engine."""

import numpy as np
import pytest
import torch
from tests.llm.models import bert, logits_of, loss_of, random_bids, tokens

from walras.llm import CouplingError, EconomyConfig, ModelEconomy, attach
from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
)
from walras.market.supply import Supply

DEMANDS = [LogitDemand(0.3), LinearDemand(0.5)]


def economy_of(supply: Supply, demand: LogitDemand | LinearDemand = DEMANDS[0], **options: object) -> ModelEconomy:
    tax = options.pop("tax", PerUnitTax())
    economy = attach(bert().train(), EconomyConfig(CapacityMarket(supply, demand, tax), **options))
    random_bids(economy)
    return economy


def soft_shares(economy: ModelEconomy) -> np.ndarray:
    loss_of(economy.model)
    return economy.gate.clearing.allocation.detach().double().numpy()


# ---------------------------------------------------------------- supply rules: the engine's own outcome


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
@pytest.mark.parametrize(
    "supply",
    [
        FixedSupply(0.4),
        FixedSupply(0.9, free_disposal=True),
        PostedPrice(0.2),
        PostedPrice(-0.4),
        PriceCollar(0.4, -0.1, 0.7),  # the cap's own price is 0.2 or so: neither bound binds
        PriceCollar(0.9, 0.1, 0.7),
        PriceCollar(0.2, -0.1, 0.3),
        PriceCollar(1.0, -np.inf, 0.3),
    ],
    ids=str,
)
@pytest.mark.parametrize("taxed", [False, True], ids=["untaxed", "taxed"])
def test_a_soft_forward_is_the_engines_clearing(
    supply: Supply, demand: LogitDemand | LinearDemand, taxed: bool
) -> None:
    rates = tuple(np.linspace(0.0, 0.5, 21)) if taxed else 0.0
    economy = economy_of(supply, demand, tax=PerUnitTax(rates))
    expected = economy.config.mechanism.clear(economy.valuations, economy.population.costs)
    np.testing.assert_allclose(soft_shares(economy), expected.allocation, atol=2e-5)
    if np.isfinite(expected.price):
        assert economy.price == pytest.approx(expected.price, abs=2e-5)


def test_posting_the_caps_price_reproduces_its_allocation() -> None:
    cap = economy_of(FixedSupply(0.4))
    shares = soft_shares(cap)
    posted = economy_of(PostedPrice(0.0))
    posted.set_price(cap.price)
    np.testing.assert_allclose(soft_shares(posted), shares, atol=1e-5)
    hard = cap.hard_allocation()
    posted.set_price(cap.valuations[hard].min())
    assert (posted.hard_allocation() == hard).all()


@pytest.mark.parametrize(
    ("supply", "expected"),
    [
        (PostedPrice(0.2), lambda v, fits: v >= 0.2),
        (FixedSupply(0.9, free_disposal=True), lambda v, fits: fits & (v >= 0.0)),
        (PriceCollar(0.9, 0.1, 0.7), lambda v, fits: fits & (v >= 0.1)),
        (PriceCollar(0.2, -0.1, 0.3), lambda v, fits: fits | (v > 0.3)),
    ],
    ids=["posted", "free disposal", "floor binds", "ceiling binds"],
)
def test_whole_agents_follow_price_and_bounds(supply: Supply, expected: object) -> None:
    economy = economy_of(supply)
    fits = economy.hard_allocation(getattr(supply, "quantity", 1.0)) if isinstance(supply, PostedPrice) else None
    if fits is None:
        fits = economy_of(FixedSupply(supply.quantity)).hard_allocation()
    served = economy.hard_allocation()
    assert (served == expected(economy.valuations, fits)).all()
    assert 0 < served.sum() < len(served)
    economy.model.eval()
    exported = logits_of(economy.export(), tokens())
    torch.testing.assert_close(exported, logits_of(economy.model, tokens()), rtol=1e-4, atol=1e-4)


def test_a_posted_price_has_no_budget_and_a_cap_no_posted_price() -> None:
    economy = economy_of(PostedPrice(0.2))
    for refused in (lambda: economy.set_budget(0.5), lambda: economy.budget):
        with pytest.raises(CouplingError, match="posts a price"):
            refused()
    assert economy.price == 0.2
    assert economy.hard_allocation(0.3).sum() < economy.hard_allocation(0.6).sum()  # the ranking serves any budget
    with pytest.raises(CouplingError, match="set_budget"):
        economy_of(FixedSupply(0.2)).set_price(0.1)
    with pytest.raises(InvalidInputError, match="posts a price"):
        EconomyConfig(CapacityMarket(PostedPrice(0.5), LogitDemand(1.0)), budget=0.5)


# ---------------------------------------------------------------- a market for each layer


def layers_and_costs(economy: ModelEconomy) -> list[np.ndarray]:
    layer = economy.population.frame()["layer"].to_numpy()
    return [np.flatnonzero(layer == number) for number in range(3)]


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
def test_each_layer_clears_by_itself(demand: LogitDemand | LinearDemand) -> None:
    economy = economy_of(FixedSupply(0.4), demand, scope="layer")
    shares, costs, valuations = soft_shares(economy), economy.population.costs, economy.valuations
    assert economy.gate.prices.shape == (3,)
    for number, agents in enumerate(layers_and_costs(economy)):
        market = CapacityMarket(FixedSupply(0.4 * costs[agents].sum()), demand)
        expected = market.clear(valuations[agents], costs[agents])
        np.testing.assert_allclose(shares[agents], expected.allocation, atol=2e-5)
        assert float(economy.gate.prices.detach()[number]) == pytest.approx(expected.price, abs=2e-5)
    whole = economy_of(FixedSupply(0.4), demand)
    assert np.abs(soft_shares(whole) - shares).max() > 0.05  # another allocation than that of one market


def test_layers_of_different_sizes_share_one_batch() -> None:
    frame = economy_of(FixedSupply(1.0)).population.frame()
    layers = [np.flatnonzero(frame["layer"] == number) for number in range(3)]

    class Uneven:
        """Heads of layer 0 use nothing, so that its market has fewer agents."""

        name, unit = "uneven", "units"

        def amounts(self, model: object, population: object) -> np.ndarray:
            return np.where((frame["layer"] == 0) & (frame["kind"] == "head"), 0.0, frame["cost"]).astype(float)

    economy = economy_of(FixedSupply(0.4), scope="layer", resource=Uneven())
    shares, costs = soft_shares(economy), economy.gate.costs.numpy()
    free = np.flatnonzero(costs == 0.0)
    assert len(free) == 4
    assert (shares[free] == 1.0).all()
    for agents in layers:
        assert costs[agents] @ shares[agents] == pytest.approx(0.4 * costs[agents].sum(), abs=1e-5)
    served = economy.hard_allocation()
    assert served[free].all()
    loss_of(economy.model).backward()
    gradient = economy.gate.raw_valuations.grad
    assert (gradient[free] == 0.0).all()
    assert torch.isfinite(gradient).all()


def test_no_layer_exceeds_its_budget_nor_leaves_room_for_its_next_agent() -> None:
    economy = economy_of(FixedSupply(1.0), scope="layer")
    costs, bids = economy.population.costs, economy.valuations
    for budget in np.linspace(0.0, 1.0, 21):
        served = economy.hard_allocation(budget)
        for agents in layers_and_costs(economy):
            left = budget * costs[agents].sum() - costs[agents][served[agents]].sum()
            waiting = agents[~served[agents]]
            assert left >= -1e-9
            assert not len(waiting) or costs[waiting[bids[waiting].argmax()]] > left


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_gradients_and_shadow_price_are_slopes_of_the_loss(scope: str) -> None:
    economy = economy_of(FixedSupply(0.5), scope=scope)
    model = economy.model.double()
    bids = economy.valuations
    loss_of(model).backward()
    gradient, shadow_price = economy.gate.raw_valuations.grad.numpy(), economy.gate.shadow_price

    def loss_at(values: np.ndarray, budget: float) -> float:
        economy.set_valuations(values)
        economy.set_budget(budget)
        with torch.no_grad():
            return float(loss_of(model))

    step = 1e-3
    slope = (loss_at(bids, 0.5 - step) - loss_at(bids, 0.5 + step)) / (2.0 * step)
    assert shadow_price == pytest.approx(slope, rel=1e-2)
    for agent in (0, 5, 20):
        moved = step * (np.arange(len(bids)) == agent)
        slope = (loss_at(bids + moved, 0.5) - loss_at(bids - moved, 0.5)) / (2.0 * step)
        assert gradient[agent] == pytest.approx(slope, abs=5e-3 * np.abs(gradient).max())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch about its own tracer
def test_markets_of_layers_compile() -> None:
    economy = economy_of(PriceCollar(0.5, -0.5, 0.1), scope="layer")
    compiled = torch.compile(economy.model, backend="eager", fullgraph=True)
    torch.testing.assert_close(logits_of(compiled, tokens()), logits_of(economy.model, tokens()))
