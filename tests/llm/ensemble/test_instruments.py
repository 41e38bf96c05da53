"""Posted prices, collars and pivot payments in stacks: what they sell and charge, against the explicit engine."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.agents.compute import pivot_payments
from walras.llm import AnnealedBudget, ConcentrationTax, EconomyConfig
from walras.llm.ensemble import MarketShares, ModelStack, PivotPayments, RepostedPrice, TrackingCollar
from walras.llm.ensemble.instruments import Instrument
from walras.llm.tasks import small_bert
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LogitDemand
from walras.market.taxation import BracketTax

BUDGETS = (0.6, 0.3)
STEPS = 10


@pytest.fixture(scope="module")
def stack() -> ModelStack:
    return ModelStack([small_bert(seed=0)] * len(BUDGETS), EconomyConfig(sequence_length=16))


@pytest.fixture(scope="module")
def bids(stack: ModelStack) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((stack.size, len(stack.economy.population)))


def bought(stack: ModelStack, bids: np.ndarray, instrument: Instrument | None, step: int = STEPS - 1) -> MarketShares:
    """Buy in a late step of a training, when the budgets have been reached."""
    schedules = [AnnealedBudget(budget, warm_up=0.0, reached=0.6, cooling=0.9) for budget in BUDGETS]
    shares = MarketShares(stack, bids, schedules, instrument=instrument)
    shares.begin_step(step, STEPS)
    return shares


def gradient(shares: MarketShares, of: Callable[[MarketShares], Tensor]) -> Tensor:
    (found,) = torch.autograd.grad(of(shares), shares.raw)
    return found


def owed(shares: MarketShares) -> Tensor:
    shares.shares()
    levy = shares.penalty()
    assert levy is not None
    return levy.sum()


def test_a_reposted_price_sells_the_caps_allocation_and_charges_what_is_used(
    stack: ModelStack, bids: np.ndarray
) -> None:
    cap, tax = bought(stack, bids, None), bought(stack, bids, RepostedPrice())
    torch.testing.assert_close(tax.shares(), cap.shares(), atol=1e-5, rtol=0.0)
    assert cap.penalty() is None
    assert tax.sale is not None
    torch.testing.assert_close(tax.penalty(), tax.sale.prices[:, 0] * tax.sale.quantity_sold)
    # Agents answer the price alone, not each other: dL/dv_i = s_i p w_i.
    share, price = tax.sale.allocation, tax.sale.prices
    slopes = share * (1.0 - share) / tax.temperature
    wanted = slopes * price * stack.economy.gate.costs_single
    torch.testing.assert_close(gradient(tax, owed), wanted, atol=1e-5, rtol=1e-3)


def test_at_the_whole_budget_prices_are_infinite_and_nothing_is_owed(stack: ModelStack, bids: np.ndarray) -> None:
    for instrument in (RepostedPrice(), TrackingCollar(0.02), PivotPayments()):
        shares = bought(stack, bids, instrument, step=0)
        assert bool((shares.shares() == 1.0).all())
        assert gradient(shares, owed).abs().max() == 0.0


def test_a_uniform_price_under_a_cap_has_no_incentive(stack: ModelStack, bids: np.ndarray) -> None:
    cap = bought(stack, bids, None)
    prices = torch.tensor([1.0, 2.0])
    costs = stack.economy.gate.costs_single
    paid = gradient(cap, lambda each: (prices * (costs * each.shares()).sum(-1)).sum())
    assert paid.abs().max() < 1e-5
    assert gradient(bought(stack, bids, PivotPayments()), owed).abs().max() > 1e-4


def test_a_collar_binds_when_bids_jump(stack: ModelStack, bids: np.ndarray) -> None:
    calm, collar = bought(stack, bids, None), TrackingCollar(0.05)
    held = bought(stack, bids, collar)
    torch.testing.assert_close(held.shares(), calm.shares())
    assert collar.binding is not None
    assert not collar.binding.any()
    assert owed(held) == 0.0
    with torch.no_grad():
        held.raw.add_(1.0 / held.gain)  # everyone bids more by 1: a cap's price would rise by 1
    held.begin_step(STEPS - 1, STEPS)
    held.shares()
    assert held.sale is not None
    assert bool(collar.binding.all())
    levels = torch.tensor(BUDGETS)
    clear = CapacityMarket(FixedSupply(0.6 - 0.05), LogitDemand(held.temperature)).clear
    assert float(held.sale.prices[0]) == pytest.approx(clear(bids[0], stack.economy.population.costs).price, abs=1e-3)
    assert bool((held.sale.quantity_sold > levels + 0.05).all())
    torch.testing.assert_close(
        held.penalty(), held.sale.prices[:, 0] * (held.sale.quantity_sold - levels), atol=1e-4, rtol=1e-4
    )


def test_pivot_payments_are_what_the_others_would_gain(stack: ModelStack, bids: np.ndarray) -> None:
    """Against welfare of the explicit market, with and without an agent; and Clarke's as taste shocks vanish."""
    gate, costs = stack.economy.gate, stack.economy.population.costs
    level, rows = torch.tensor(BUDGETS), torch.from_numpy(bids).float()
    for scale in (0.3, 1e-4):
        temperature = torch.tensor(scale)
        sale = gate.marketplace(rows, gate.costs_single, level=level, temperature=temperature)
        prices = PivotPayments().unit_prices(gate, rows, level, temperature, sale).numpy()
        assert (prices <= sale.prices.numpy() + 1e-4).all()
        paid = prices * costs * sale.allocation.numpy()
        if scale == 1e-4:
            above = bids[1] - bids[1].min() + 1.0  # Clarke's seller keeps nothing that somebody wants
            wanted = (
                pivot_payments(above, costs, BUDGETS[1]) + (bids[1].min() - 1.0) * costs * sale.allocation[1].numpy()
            )
            np.testing.assert_allclose(paid[1], wanted, atol=2e-4)
        else:
            agent = int(sale.allocation[1].argmax())
            np.testing.assert_allclose(paid[1, agent], harm(bids[1], costs, BUDGETS[1], agent, scale), atol=1e-5)


def harm(values: np.ndarray, costs: np.ndarray, budget: float, agent: int, scale: float) -> float:
    """Welfare that the others would have with all of the budget, less what they have."""
    others = np.arange(values.size) != agent

    def welfare(v: np.ndarray, w: np.ndarray, x: np.ndarray) -> float:
        return float((v * w * x + w * (LogitDemand(scale).surplus(0.0 * v, x))).sum())

    market = CapacityMarket(FixedSupply(budget), LogitDemand(scale))
    together = market.clear(values, costs).allocation[others]
    alone = market.clear(values[others], costs[others]).allocation
    v, w = values[others], costs[others]
    return welfare(v, w, alone) - welfare(v, w, together)


def test_layers_and_taxes_on_concentration_work_in_stacks(bids: np.ndarray) -> None:
    models = [small_bert(seed=0)] * len(BUDGETS)
    layers = ModelStack(models, EconomyConfig(sequence_length=16, scope="layer"))
    shares = bought(layers, bids, None)
    population = layers.economy.population
    use = shares.shares().detach().numpy() * population.costs
    layer = population.frame()["layer"].to_numpy()
    for number in range(4):
        part = population.costs[layer == number].sum()
        np.testing.assert_allclose(use[:, layer == number].sum(1), np.array(BUDGETS) * part, atol=1e-5)
    tax = ConcentrationTax(BracketTax([1.0, 1.5], [0.0, 0.5, 1.0]))
    taxed = ModelStack(models, EconomyConfig(sequence_length=16, concentration=tax, rebate=True))
    shares = bought(taxed, bids, None)
    assert owed(shares) == 0.0  # what comes in goes back
    assert gradient(shares, owed).abs().max() > 0.0
    for stack in (layers, taxed):
        with pytest.raises(InvalidInputError, match="instrument"):
            bought(stack, bids, RepostedPrice())


def test_margins_of_collars_are_checked() -> None:
    with pytest.raises(InvalidInputError, match="margin"):
        TrackingCollar(0.0)
