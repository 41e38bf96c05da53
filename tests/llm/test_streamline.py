"""A streamlined model computes what it did before, in fewer products, and without the sums of closed sub-layers."""

import copy

import pytest
import torch
from tests.llm.models import bert, bids_that_close, llama, logits_of, loss_of, random_bids
from tests.llm.zoo import ZOO, batch_of
from torch import nn
from transformers import PreTrainedModel

from walras.llm import (
    CouplingError,
    EconomyConfig,
    ModelEconomy,
    UnsupportedModelError,
    attach,
    count_flops,
    streamline,
)
from walras.llm.architectures import ARCHITECTURES

POST_NORM = ("bert", "electra", "roberta")
JOINED = sorted(set(ZOO) - {"gpt2", "modernbert"})  # those hold one projection already


def economy_of(model: PreTrainedModel) -> ModelEconomy:
    economy = attach(model, EconomyConfig(sequence_length=12, block_width=16))
    random_bids(economy)
    return economy


def products(model: nn.Module) -> int:
    """Projections that a forward pass computes."""
    calls: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda module, *_: calls.append(module))
        for module in model.modules()
        if isinstance(module, nn.Linear)
    ]
    logits_of(model, batch_of(model))
    for hook in hooks:
        hook.remove()
    return len(calls)


@pytest.mark.parametrize("name", sorted(ZOO))
@pytest.mark.parametrize("budget", [0.2, 0.6, 1.0])
def test_it_computes_the_same(name: str, budget: float) -> None:
    exported = economy_of(ZOO[name](2)).export(budget)
    lean = streamline(copy.deepcopy(exported))
    for padded in (0, 3):
        batch = batch_of(exported, padded=padded)
        torch.testing.assert_close(logits_of(lean, batch), logits_of(exported, batch), rtol=1e-4, atol=1e-5)
    assert count_flops(lean, sequence_length=12) == count_flops(exported, sequence_length=12)
    if name in JOINED and budget == 1.0:
        assert products(lean) < products(exported)


@pytest.mark.parametrize("name", POST_NORM)
@pytest.mark.parametrize(("layer", "kind"), [(0, "head"), (0, None), (1, "head"), (1, "neuron_block"), (2, None)])
def test_of_a_closed_sublayer_its_normalisation_is_left(name: str, layer: int, kind: str | None) -> None:
    economy = economy_of(ZOO[name](3))
    exported = economy.export(bids_that_close(economy, layer=layer, kind=kind))
    with torch.no_grad():  # constants that cannot be overlooked
        for parameter in exported.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    lean, batch = streamline(copy.deepcopy(exported)), batch_of(exported, padded=3)
    torch.testing.assert_close(logits_of(lean, batch), logits_of(exported, batch), rtol=1e-4, atol=1e-5)
    sums = [sum(module.__class__.__name__.endswith("Output") for module in each.modules()) for each in (lean, exported)]
    assert sums[1] - sums[0] == (1 if kind else 2)


def test_constants_are_not_moved_past_sublayers_that_nobody_named() -> None:
    whole = ARCHITECTURES["bert"].stacks[0]
    feed_forward_alone = type(ARCHITECTURES["bert"])((type(whole)(whole.layers, whole.sublayers[1:]),))
    economy = attach(bert(), EconomyConfig(sequence_length=12, agents=("ffn",), architecture=feed_forward_alone))
    exported = economy.export(0.0)
    with torch.no_grad():
        for parameter in exported.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    lean, batch = streamline(copy.deepcopy(exported)), batch_of(exported)
    torch.testing.assert_close(logits_of(lean, batch), logits_of(exported, batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_the_compiler_takes_it_whole(name: str) -> None:
    lean = streamline(economy_of(ZOO[name](2)).export(0.5))
    lean.config.use_cache = False
    compiled, batch = torch.compile(lean, fullgraph=True, backend="aot_eager"), batch_of(lean)
    for _ in range(2):
        torch.testing.assert_close(logits_of(compiled, batch), logits_of(lean, batch), rtol=1e-5, atol=1e-6)


def test_it_is_streamlined_once_and_trains_and_copies() -> None:
    lean = streamline(streamline(economy_of(llama()).export(0.5)))
    loss_of(lean).backward()
    assert all(parameter.grad is not None for parameter in lean.parameters() if parameter.numel())
    again = copy.deepcopy(lean)
    batch = batch_of(lean)
    assert torch.equal(logits_of(again, batch), logits_of(lean, batch))
    assert not any(getattr(module, "waiting", None) for module in lean.modules())


def test_what_it_refuses() -> None:
    model = bert()
    attach(model)
    with pytest.raises(CouplingError, match="economy attached"):
        streamline(model)
    with pytest.raises(CouplingError, match="cannot be saved"):
        streamline(bert()).save_pretrained("nowhere")
    with pytest.raises(UnsupportedModelError):
        streamline(nn.Linear(1, 1))
