"""Several scarce resources: a price for each, none exceeded, and the engine's own clearing."""

import numpy as np
import pytest
import torch
from tests.llm.models import bert, llama, logits_of, loss_of, random_bids, tokens

from walras.llm import CouplingError, EconomyConfig, ModelEconomy, WealthDynamics, attach
from walras.llm.rounding import fill_up
from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    PostedPrice,
    ResourceMarket,
)

DEMANDS = [LogitDemand(0.3), LinearDemand(0.5)]


def economy_of(
    limits: dict[str, float],
    budget: float = 0.6,
    demand: LogitDemand | LinearDemand = DEMANDS[0],
    make: object = llama,
    **options: object,
) -> ModelEconomy:
    config = EconomyConfig(CapacityMarket(FixedSupply(budget), demand), limits=limits, **options)
    economy = attach(make().train(), config)
    random_bids(economy)
    return economy


def table_of(economy: ModelEconomy) -> np.ndarray:
    """Fraction of each resource that each agent uses, shape (n, m)."""
    columns = [economy.amounts, *economy.limited.values()]
    return np.stack([amounts / amounts.sum() for amounts in columns], axis=-1)


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
@pytest.mark.parametrize(
    ("budget", "limits"),
    [
        (0.6, {"parameters": 0.9, "kv_cache": 0.9}),
        (0.6, {"parameters": 0.3, "kv_cache": 0.9}),
        (0.6, {"parameters": 0.55, "kv_cache": 0.4}),
        (0.5, {"kv_cache": 0.3}),
    ],
)
def test_a_soft_forward_is_the_engines_resource_market(
    budget: float, limits: dict[str, float], demand: LogitDemand | LinearDemand
) -> None:
    economy = economy_of(limits, budget, demand)
    loss_of(economy.model)
    shares = economy.gate.clearing.allocation.detach().double().numpy()
    needs, supply = table_of(economy), np.array([budget, *limits.values()])
    used = shares @ needs
    assert (used <= supply + 1e-5).all()
    prices = np.array(list(economy.resource_prices.values()))
    assert ((prices < 1e-6) | (np.abs(used - supply) < 1e-5)).all()  # a price only where a resource is used up
    assert prices.max() > 0.1
    scale = demand.temperature if isinstance(demand, LogitDemand) else demand.width
    lift = scale * (14.0 if isinstance(demand, LogitDemand) else 1.0) - economy.valuations.min()
    costs = economy.gate.costs.numpy()
    expected = ResourceMarket(supply, demand).clear((economy.valuations + lift) * costs, needs, sizes=costs)
    np.testing.assert_allclose(shares, expected.allocation, atol=2e-4)


def test_limits_that_do_not_bind_leave_the_market_of_one_resource() -> None:
    economy, plain = economy_of({"parameters": 1.0}), economy_of({})
    for budget in (0.2, 0.6, 0.95):
        for each in (economy, plain):
            each.set_budget(budget)
            loss_of(each.model)
        torch.testing.assert_close(economy.gate.clearing.allocation, plain.gate.clearing.allocation, rtol=0, atol=1e-5)
        assert economy.price == pytest.approx(plain.price, abs=1e-4)
        assert (economy.hard_allocation() == plain.hard_allocation()).all()
    economy.set_budget(1.0)
    base = logits_of(economy.detach(), tokens())
    again = economy_of({"parameters": 1.0}, 1.0)
    assert torch.equal(logits_of(again.model, tokens()), base)  # nothing is scarce: everyone is served


def test_whole_agents_exceed_no_resource_and_leave_no_room_for_the_next() -> None:
    economy = economy_of({"parameters": 0.5, "kv_cache": 0.6})
    needs = table_of(economy)
    counts = []
    for budget in np.linspace(0.05, 1.0, 9):
        served = economy.hard_allocation(budget)
        counts.append(served.sum())
        supply = np.array([budget, 0.5, 0.6])
        left = supply - needs[served].sum(0)
        assert (left >= -1e-9).all()
        prices = np.array(list(economy.resource_prices.values()))
        net = economy.valuations - needs[:, 1:] @ prices[1:] / needs[:, 0]
        waiting = np.flatnonzero(~served)
        following = waiting[net[waiting].argmax()]
        assert (needs[following] > left).any()
        assert not served.any() or net[served].min() >= net[following] - 1e-5
    assert counts[0] < counts[-1] < len(needs)
    economy.set_limit("parameters", 0.2)
    assert needs[economy.hard_allocation(1.0), 1].sum() <= 0.2 + 1e-9
    economy.model.eval()
    exported = logits_of(economy.export(), tokens())
    torch.testing.assert_close(exported, logits_of(economy.model, tokens()), rtol=1e-4, atol=1e-4)
    assert {"cost_parameters", "cost_kv_cache"} <= set(economy.frame().columns)


def test_gradients_are_slopes_of_the_loss() -> None:
    economy = economy_of({"parameters": 0.55, "kv_cache": 0.4})
    model, bids = economy.model.double(), economy.valuations
    loss_of(model).backward()
    gradient = economy.gate.raw_valuations.grad.numpy()
    step = 1e-3
    for agent in (0, 4, 9):
        losses = []
        for sign in (-1.0, 1.0):
            economy.set_valuations(bids + sign * step * (np.arange(len(bids)) == agent))
            with torch.no_grad():
                losses.append(loss_of(model).item())
        slope = (losses[1] - losses[0]) / (2.0 * step)
        assert gradient[agent] == pytest.approx(slope, abs=1e-2 * np.abs(gradient).max())


def test_budgets_side_by_side_share_the_limits() -> None:
    economy = economy_of({"parameters": 0.5}, make=bert)
    economy.gate.lanes = torch.tensor([0.3, 0.5, 1.0], dtype=torch.float64)
    loss_of(economy.model)
    used = economy.gate.clearing.allocation.detach().double().numpy() @ table_of(economy)
    assert (used <= np.array([[0.3, 0.5], [0.5, 0.5], [1.0, 0.5]]) + 1e-5).all()
    assert economy.gate.clearing.price.shape == (3,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": {"flops": 0.5}}, "beside the budget's"),
        ({"limits": {"watts": 0.5}}, "'watts'"),
        ({"limits": {"parameters": 0.0}}, r"\(0, 1\]"),
        ({"limits": 0.5}, "must map names"),
        ({"limits": {"parameters": 0.5}, "scope": "layer"}, "one untaxed market"),
        ({"limits": {"parameters": 0.5}, "wealth": WealthDynamics()}, "one untaxed market"),
        (
            {"limits": {"parameters": 0.5}, "mechanism": CapacityMarket(PostedPrice(0.1), LogitDemand(1.0))},
            "one untaxed market",
        ),
    ],
    ids=str,
)
def test_limits_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        EconomyConfig(**options)


def test_only_named_limits_can_be_moved() -> None:
    economy = economy_of({"parameters": 0.5}, make=bert)
    with pytest.raises(CouplingError, match="'kv_cache'"):
        economy.set_limit("kv_cache", 0.5)
    with pytest.raises(InvalidInputError, match=r"\(0, 1\]"):
        economy.set_limit("parameters", 1.5)
    with pytest.raises(InvalidInputError, match="agents use none"):
        attach(llama(), EconomyConfig(resource="kv_cache", limits={"flops": 0.5}))


@pytest.mark.parametrize("multiple", [24, 64])
def test_rounded_shapes_keep_within_every_limit(multiple: int) -> None:
    economy = economy_of({"parameters": 0.45, "kv_cache": 0.5}, budget=0.9, block_width=32)
    needs, most = table_of(economy), np.array([0.9, 0.45, 0.5])
    filled = fill_up(economy.population, economy.hard_allocation(), economy.valuations, multiple)
    assert (needs[filled].sum(0) > most).any()  # filling up alone would exceed one
    kept = structure_of_export(economy, multiple)
    used = needs[kept].sum(0)
    assert (used <= most * (1.0 + 1e-9)).all()
    assert used.max() > 0.2
    for site in economy.population.sites:
        features = np.array(site.widths)[kept[site.agents]].sum()
        assert features % multiple == 0 or kept[site.agents].all()


def structure_of_export(economy: ModelEconomy, multiple: int) -> np.ndarray:
    """Who is served in the exported model, by the features that its projections read."""
    exported = economy.export(round_to=multiple)
    layers = zip(economy.model.model.layers, exported.model.layers, strict=True)
    pairs = [
        (getattr(getattr(layer, part, None), name, None), getattr(getattr(small, part, None), name, None))
        for layer, small in layers
        for part, name in (("self_attn", "o_proj"), ("mlp", "down_proj"))
    ]
    kept = []
    for site, (whole, small) in zip(economy.population.sites, pairs, strict=True):
        left = (
            set() if getattr(small, "weight", None) is None else {tuple(column.tolist()) for column in small.weight.T}
        )
        first = np.cumsum([0, *site.widths[:-1]])
        kept += [tuple(whole.weight.T[start].tolist()) in left for start in first]
    return np.array(kept)
