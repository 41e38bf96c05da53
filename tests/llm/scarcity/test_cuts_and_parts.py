"""Cuts do what they say, and composition is told from reallocation."""

import numpy as np
import pytest
import torch
from tests.llm.models import bert, llama
from transformers import PreTrainedModel

from walras.llm import EconomyConfig, attach
from walras.llm.attention import attending
from walras.llm.scarcity import Cut, Texts
from walras.llm.scarcity.cuts import BY_LOT, LEAST, MOST, closing_heads, dropped_tokens, shuffled_layers, tempered
from walras.llm.scarcity.received import among, at_temperature, attention_of, head_weights, received
from walras.market import InvalidInputError

TEXTS = Texts(
    tuple((1, *np.random.default_rng(number).integers(4, 40, 6 + number).tolist(), 2) for number in range(4)),
    special=frozenset({0, 1, 2}),
    padding=0,
    labels=(0, 1, 2, 0),
)
BATCH = next(iter(TEXTS.batches(4)))


@pytest.fixture(params=[bert, llama])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    """An encoder, and a decoder whose heads share keys and values."""
    return request.param().eval()


def test_attention_that_is_received_adds_up_to_one_and_padding_gets_none(model):
    with attending(model):
        attention = attention_of(model, BATCH)
    economy = attach(model, EconomyConfig(agents=("head",)))
    shares = received(attention, head_weights(economy.population, None, attention.shape[2]), BATCH.real)
    np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-6)
    assert shares[~BATCH.real.numpy()].max() == 0.0
    # Independently: a loop over heads, for one text.
    row, length = 1, int(BATCH.real[1].sum())
    by_hand = np.mean([head[:length].mean(0).numpy() for layer in attention[:, row] for head in layer], axis=0)
    np.testing.assert_allclose(shares[row], by_hand, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_first_layer_only_sharpens_and_the_others_react(model, temperature):
    with attending(model):
        whole = attention_of(model, BATCH)
        with tempered(model, temperature):
            cut = attention_of(model, BATCH)
        again = attention_of(model, BATCH)
    by_itself = at_temperature(whole, temperature)
    torch.testing.assert_close(cut[0], by_itself[0], atol=1e-5, rtol=0)
    assert (cut[1:] - by_itself[1:]).abs().max() > 1e-4
    assert torch.equal(again, whole)


def test_tokens_that_are_dropped_leave_the_first_layers_attention_to_the_others(model):
    left = dropped_tokens(BATCH, 0.5, np.random.default_rng(0))
    ordinary = BATCH.ordinary.sum(1)
    np.testing.assert_array_equal((BATCH.real & ~left).sum(1), [round(0.5 * int(count)) for count in ordinary])
    assert not (BATCH.ordinary | left)[BATCH.real].logical_not().any()  # special tokens stay
    with attending(model):
        whole, cut = attention_of(model, BATCH), attention_of(model, BATCH, real=left)
    looking = left[None, :, None, :, None].expand_as(whole)
    by_itself = among(whole, left)
    torch.testing.assert_close(cut[0][looking[0]], by_itself[0][looking[0]], atol=1e-5, rtol=0)
    assert (cut - by_itself)[looking].abs().max() > 1e-4


def test_heads_are_closed_by_rank_and_opened_again(model):
    economy = attach(model, EconomyConfig(agents=("head",)))
    economy.set_mode("open")
    importance = np.random.default_rng(1).permutation(len(economy.population)).astype(float)
    order = np.argsort(importance)
    count = len(importance) // 2
    rng = np.random.default_rng(0)
    with attending(model):
        whole = attention_of(model, BATCH)
        with closing_heads(economy, Cut(LEAST, 0.5), importance, rng) as is_open:
            assert set(np.flatnonzero(~is_open)) == set(order[: len(order) - count])
            cut = attention_of(model, BATCH)
        with closing_heads(economy, Cut(MOST, 0.5), importance, rng) as is_open:
            assert set(np.flatnonzero(is_open)) == set(order[:count])
        again = attention_of(model, BATCH)
    torch.testing.assert_close(cut[0], whole[0])  # nothing below the first layer has changed
    assert (cut[1:] - whole[1:]).abs().max() > 1e-4
    assert torch.equal(again, whole)
    weights = head_weights(economy.population, is_open, whole.shape[2])
    assert float(weights.sum()) == pytest.approx(1.0)
    assert int((weights > 0).sum()) == count * whole.shape[2] // len(economy.population.sites[0].widths)


def test_shuffled_layers_come_back_in_order(model):
    economy = attach(model, EconomyConfig(agents=("head",)))
    economy.set_mode("open")
    with attending(model):
        whole = attention_of(model, BATCH)
        rng = np.random.default_rng(5)
        with shuffled_layers(model, economy, rng) as order:
            assert order.tolist() == [1, 2, 0]  # not its own inverse
            shuffled = attention_of(model, BATCH, order=order)
        again = attention_of(model, BATCH)
    layers = model.base_model.get_submodule(economy.population.architecture.stacks[0].layers)
    before = list(layers)
    for place, number in enumerate(order.tolist()):
        layers[place] = before[number]
    with attending(model):
        places = attention_of(model, BATCH)
    for place, number in enumerate(order.tolist()):
        assert torch.equal(places[place], shuffled[number])
    assert (shuffled - whole).abs().amax((1, 2, 3, 4)).max() > 1e-4
    assert torch.equal(again, whole)


@pytest.mark.parametrize(
    ("kind", "level", "complaint"),
    [
        ("heads", 0.5, "must be one of"),
        (LEAST, 1.0, "below 1"),
        ("temperature", 1.0, "cuts nothing"),
        (BY_LOT, 0.0, "level"),
    ],
)
def test_cuts_that_make_no_sense(kind, level, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        Cut(kind, level)
