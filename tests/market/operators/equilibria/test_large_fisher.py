"""Large Fisher markets against the engine, which finds the same prices by other means."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from walras.market import InvalidInputError
from walras.market.errors import NotConvergedError
from walras.market.fisher import (
    CESUtility,
    CobbDouglasUtility,
    FisherMarket,
    FisherUtility,
    LeontiefUtility,
    LinearUtility,
)
from walras.market.operators.equilibria import LargeFisherStatus, fisher_prices

UTILITIES = [LinearUtility(), CESUtility(0.6), CESUtility(-1.5), CobbDouglasUtility(), LeontiefUtility()]
utilities = pytest.mark.parametrize("utility", UTILITIES, ids=repr)


def market(buyers: int, goods: int, seed: int = 0, *, density: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Valuations, budgets and supplies; each buyer values a good, each good a buyer."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(buyers, goods, generator=generator, dtype=torch.float64) + 0.05
    kept = torch.rand(buyers, goods, generator=generator) < density
    kept[torch.arange(buyers), torch.arange(buyers) % goods] = True
    kept[torch.arange(goods) % buyers, torch.arange(goods)] = True
    budgets = torch.rand(buyers, generator=generator, dtype=torch.float64) + 0.2
    supplies = torch.rand(goods, generator=generator, dtype=torch.float64) + 0.5
    return values * kept, budgets, supplies


@utilities
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_prices_are_those_of_the_engine(utility: FisherUtility, density: float) -> None:
    values, budgets, supplies = market(60, 8, density=density)
    answer = fisher_prices(values, budgets, supplies=supplies, utility=utility, tolerance=1e-7).require()
    engine = FisherMarket(budgets.numpy(), supplies.numpy(), utility).equilibrium(values.numpy()).require()
    revenue = engine.prices * supplies.numpy()
    np.testing.assert_allclose(answer.prices.numpy() * supplies.numpy(), revenue, atol=2e-3 * revenue.sum())
    assert answer.duality_gap <= 1e-7
    assert answer.market_clearing <= 1e-2


@utilities
def test_sparse_valuations_give_what_dense_ones_give(utility: FisherUtility) -> None:
    values, budgets, supplies = market(80, 12, density=0.25)
    options: dict[str, Any] = {"supplies": supplies, "utility": utility, "tolerance": 1e-6}
    dense = fisher_prices(values, budgets, **options)
    coordinates = fisher_prices(values.to_sparse_coo(), budgets, **options)
    with warnings.catch_warnings():  # the first time, torch says that this is in beta
        warnings.simplefilter("ignore", UserWarning)
        rows = values.to_sparse_csr()
    compressed = fisher_prices(rows, budgets, **options)
    for sparse in (coordinates, compressed):
        torch.testing.assert_close(sparse.prices, dense.prices, rtol=1e-4, atol=1e-6)
        assert sparse.duality_gap == pytest.approx(dense.duality_gap, abs=1e-7)


@utilities
def test_blocks_change_nothing(utility: FisherUtility) -> None:
    values, budgets, supplies = market(50, 6)
    whole = fisher_prices(values, budgets, supplies=supplies, utility=utility)
    in_blocks = fisher_prices(values, budgets, supplies=supplies, utility=utility, block=7)
    torch.testing.assert_close(in_blocks.prices, whole.prices, rtol=1e-8, atol=1e-12)


@utilities
def test_single_precision_serves_for_coarse_gaps(utility: FisherUtility) -> None:
    values, budgets, supplies = market(300, 10)
    answer = fisher_prices(values.float(), budgets, supplies=supplies, utility=utility, tolerance=1e-4).require()
    assert answer.duality_gap <= 1e-4


@utilities
def test_the_gap_is_that_of_the_engines_certificate(utility: FisherUtility) -> None:
    """Prices and the allocation that the form describes, certified by the engine."""
    values, budgets, supplies = market(40, 5, seed=2)
    answer = fisher_prices(values, budgets, supplies=supplies, utility=utility, tolerance=1e-3)
    z = answer.form.c * values.log() - answer.form.kappa * answer.prices.log()
    spending = budgets.unsqueeze(-1) * z.softmax(-1)
    torch.testing.assert_close(spending.sum(0), answer.spending)
    allocation = spending / answer.prices
    certificate = FisherMarket(budgets.numpy(), supplies.numpy(), utility).certify(
        values.numpy(), answer.prices.numpy(), allocation.numpy()
    )
    assert answer.duality_gap == pytest.approx(certificate.duality_gap, rel=1e-6, abs=1e-12)


@settings(max_examples=25)
@given(
    buyers=st.integers(1, 30),
    goods=st.integers(1, 10),
    seed=st.integers(0, 2**16),
    utility=st.sampled_from(UTILITIES),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_the_certificate_is_kept_on_all_sorts_of_markets(
    buyers: int, goods: int, seed: int, utility: FisherUtility, scale: float
) -> None:
    values, budgets, supplies = market(buyers, goods, seed, density=0.6)
    answer = fisher_prices(scale * values, budgets / scale, supplies=scale * supplies, utility=utility)
    assert answer.status is LargeFisherStatus.SOLVED, answer.duality_gap


def test_a_search_that_is_cut_short_says_so() -> None:
    values, budgets, supplies = market(60, 8)
    answer = fisher_prices(values, budgets, supplies=supplies, tolerance=1e-7, most_steps=2)
    assert answer.status is LargeFisherStatus.NOT_CONVERGED
    assert answer.steps == 2
    with pytest.raises(NotConvergedError, match="allow more steps"):
        answer.require()


GOOD = torch.ones(3, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fisher_prices([[1.0]], torch.ones(1)), "floating-point tensor of shape"),
        (lambda: fisher_prices(torch.ones(3), torch.ones(3)), "shape .buyers, goods."),
        (lambda: fisher_prices(torch.ones(3, 2, dtype=torch.long), torch.ones(3)), "floating-point"),
        (lambda: fisher_prices(torch.ones(0, 2), torch.ones(0)), "one buyer and one good"),
        (lambda: fisher_prices(GOOD * torch.nan, torch.ones(3)), "finite"),
        (lambda: fisher_prices(-GOOD, torch.ones(3)), "0 or more"),
        (lambda: fisher_prices(GOOD * torch.tensor([1.0, 0.0]), torch.ones(3)), "Nobody values good 1"),
        (lambda: fisher_prices(GOOD * torch.tensor([[1.0], [0.0], [1.0]]), torch.ones(3)), "buyer 1 values none"),
        (lambda: fisher_prices(GOOD, torch.ones(2)), r"budgets must be .* shape \(3,\)"),
        (lambda: fisher_prices(GOOD, torch.tensor([1.0, 0.0, 1.0])), "budgets must be finite and above 0"),
        (lambda: fisher_prices(GOOD, torch.ones(3), supplies=torch.ones(3)), r"supplies must be .* shape \(2,\)"),
        (lambda: fisher_prices(GOOD, torch.ones(3), supplies=-1.0), "supplies must be finite and above 0"),
        (lambda: fisher_prices(GOOD, torch.ones(3), tolerance=0.0), "tolerance must be a number above 0"),
        (lambda: fisher_prices(GOOD, torch.ones(3), utility=CESUtility((0.5, 0.5, 0.2))), "one number for all"),
        (lambda: fisher_prices(GOOD, torch.ones(3), utility="linear"), "utility must be one of"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        call()
