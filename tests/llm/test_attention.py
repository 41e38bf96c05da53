"""Entropy of attention: nothing at one token, log2 of the tokens where all count alike."""

import numpy as np
import pytest
import torch
from tests.llm.models import bert
from tests.llm.tasks_at_hand import memory_task

from walras.llm import attach
from walras.llm.attention import attention_entropy


def zero_queries(model: torch.nn.Module) -> None:
    for layer in model.bert.encoder.layer:
        torch.nn.init.zeros_(layer.attention.self.query.weight)
        torch.nn.init.zeros_(layer.attention.self.query.bias)


@pytest.mark.parametrize("tokens", [4, 8])
def test_uniform_attention_has_log2_of_the_tokens(tokens: int) -> None:
    model = bert()
    zero_queries(model)
    for heads in attention_entropy(model, memory_task(lengths=(tokens,))):
        np.testing.assert_allclose(heads, np.full(4, np.log2(tokens)), rtol=1e-5)


def test_padding_counts_neither_as_query_nor_as_key() -> None:
    model = bert()
    zero_queries(model)
    # As many examples of 2 tokens as of 8: a fifth of the real tokens look at 2, the others at 8.
    expected = (2 * 1.0 + 8 * 3.0) / 10
    for heads in attention_entropy(model, memory_task(lengths=(2, 8))):
        np.testing.assert_allclose(heads, np.full(4, expected), rtol=1e-5)


def test_attention_to_one_token_has_none() -> None:
    model = bert()
    for layer in model.bert.encoder.layer:
        layer.attention.self.query.weight.data *= 1e4
    assert max(heads.max() for heads in attention_entropy(model, memory_task())) < 0.1


def test_entropy_lies_between_nothing_and_log2_of_the_tokens_over_several_batches() -> None:
    model, task = bert().train(), memory_task(examples=70)
    entropies = attention_entropy(model, task)
    assert [heads.shape for heads in entropies] == [(4,)] * 3
    assert all(((heads > 0.0) & (heads <= np.log2(8) + 1e-6)).all() for heads in entropies)
    assert model.training
    fewer = attention_entropy(model, task, examples=5)
    assert not np.allclose(fewer[0], entropies[0], rtol=1e-6)


def test_the_models_own_attention_is_put_back() -> None:
    model = bert()
    implementation = model.config._attn_implementation
    assert implementation != "eager"
    attention_entropy(model, memory_task())
    assert model.config._attn_implementation == implementation

    def broken(rows: list) -> None:
        raise ZeroDivisionError

    task = memory_task()
    object.__setattr__(task, "collate", broken)
    with pytest.raises(ZeroDivisionError):
        attention_entropy(model, task)
    assert model.config._attn_implementation == implementation


def test_an_exported_model_has_the_heads_that_are_left() -> None:
    model = bert()
    economy = attach(model)
    frame = economy.population.frame()
    closed = (frame["kind"] == "head") & ((frame["layer"] == 0) | ((frame["layer"] == 2) & (frame["index"] == 1)))
    economy.set_valuations(np.where(closed, -1.0, 1.0))
    exported = economy.export(float(frame["cost"][~closed].sum()) + 1e-9)
    assert [heads.shape for heads in attention_entropy(exported, memory_task())] == [(4,), (3,)]
