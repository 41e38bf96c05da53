"""Rounded shapes: multiples in every sub-layer, within the budget, and what a market would serve anyway first."""

import numpy as np
import pytest
import torch
from tests.llm.models import bert, logits_of, random_bids, tokens
from transformers import PreTrainedModel

from walras.llm import EconomyConfig, ModelEconomy, attach, count_flops
from walras.llm.rounding import fill_up, rounded_allocation
from walras.market import InvalidInputError


def economy_of(model: PreTrainedModel) -> ModelEconomy:
    economy = attach(model, EconomyConfig(sequence_length=12, block_width=8))  # 20 blocks and 4 heads of 12, or 2 of 24
    random_bids(economy)
    return economy


def kept(economy: ModelEconomy, served: np.ndarray) -> list[tuple[int, int]]:
    """Features that each site keeps, and has."""
    sites = economy.population.sites
    return [(len(site.kept_features(served[site.agents])), sum(site.widths)) for site in sites]


@pytest.mark.parametrize("multiple", [1, 24, 32])
def test_each_sublayer_keeps_a_multiple_or_all_within_the_budget(model: PreTrainedModel, multiple: int) -> None:
    economy = economy_of(model)
    whole = count_flops(economy.export(1.0), sequence_length=12)
    earlier = np.zeros(len(economy.population), dtype=bool)
    for budget in (0.0, 0.15, 0.4, 0.7, 1.0):
        served = rounded_allocation(
            economy.hard_allocation,
            economy.population,
            economy.valuations,
            economy.population.costs,
            budget=budget,
            multiple=multiple,
        )
        assert economy.population.costs[served].sum() <= budget + 1e-9
        assert all(count % multiple == 0 or count == size for count, size in kept(economy, served))
        assert (served >= earlier).all()
        earlier = served
        exported = economy.export(budget, round_to=multiple)
        saved = int(economy.population.costs_flops[~served].sum())
        assert count_flops(exported, sequence_length=12) == whole - saved
    assert served.all()


def test_rounding_to_one_is_the_market_and_agents_of_value_fill_up_first(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    served = economy.hard_allocation(0.4)
    values = economy.valuations
    assert (fill_up(economy.population, served, values, 1) == served).all()
    filled = fill_up(economy.population, served, values, 32)
    assert (filled >= served).all()
    assert (filled != served).any()
    for site in economy.population.sites:
        before, after, bids = served[site.agents], filled[site.agents], values[site.agents]
        if not before.any():
            assert not after.any()
        elif not after.all():
            assert bids[after].min() > bids[~after].max()
            # One agent less would not do.
            widths = np.array(site.widths)
            if (after != before).any():
                last = np.flatnonzero(after & ~before)[bids[after & ~before].argmin()]
                assert (widths[after].sum() - widths[last]) % 32 != 0


def test_the_exported_model_computes_what_its_agents_do(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    exported = economy.export(0.5, round_to=32)
    served = rounded_allocation(
        economy.hard_allocation,
        economy.population,
        economy.valuations,
        economy.population.costs,
        budget=0.5,
        multiple=32,
    )
    economy.set_valuations(np.where(served, 1.0, -1.0))
    economy.set_budget(float(economy.population.costs[served].sum()) + 1e-9)
    assert (economy.hard_allocation() == served).all()
    torch.testing.assert_close(logits_of(exported, tokens()), logits_of(model, tokens()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("multiple", [0, -8, 2.5, "64"])
def test_multiples_are_whole_numbers(multiple: object) -> None:
    with pytest.raises(InvalidInputError, match="multiple"):
        economy_of(bert()).export(0.5, round_to=multiple)
