"""Rules that the compiled operator does not know are refused, not silently replaced by others."""

import pytest

from walras.market import (
    AdValoremTax,
    CapacityMarket,
    ElasticSupply,
    FixedSupply,
    InvalidInputError,
    LinearSupply,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
)

operators = pytest.importorskip("walras.market.operators")


@pytest.mark.parametrize(
    "market",
    [
        CapacityMarket(FixedSupply(1.0, free_disposal=True)),
        CapacityMarket(PriceCollar(1.0, 0.0, 1.0)),
        CapacityMarket(ElasticSupply(1.0, 1.0, 1.0)),
        CapacityMarket(LinearSupply(0.0, 1.0)),
        CapacityMarket(FixedSupply(1.0), tax=AdValoremTax(0.1)),
        CapacityMarket(FixedSupply(1.0), tax=(PerUnitTax(0.1),)),
    ],
    ids=repr,
)
def test_a_rule_without_a_compiled_twin_is_refused(market: CapacityMarket) -> None:
    with pytest.raises(InvalidInputError, match=r"compile_mechanism does not know .* yet"):
        operators.compile_mechanism(market)


@pytest.mark.parametrize("supply", [FixedSupply(1.0), PostedPrice(1.0)], ids=repr)
def test_the_others_compile(supply: FixedSupply) -> None:
    assert operators.compile_mechanism(CapacityMarket(supply, tax=PerUnitTax(0.5))).mechanism.supply == supply
