"""Passes that are captured or compiled make no mask where none is given, and compute what eager passes do."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from tests.llm.models import PADDING, bert, llama
from tests.llm.tokens.models import attached
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from transformers import MistralConfig, MistralForCausalLM, PreTrainedModel, StaticCache, masking_utils
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from walras.llm import unpadded
from walras.market import InvalidInputError

IDS = torch.randint(3, 40, (2, 9), generator=torch.Generator().manual_seed(0))
KINDS = {"encoder": (bert, {}), "decoder": (llama, {}), "decoder without a cache": (llama, {"use_cache": False})}


@pytest.fixture
def capturing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Stands for a stream that captures, and for releases of transformers that make a mask of nothing while it does."""
    now = [False]
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: now[0])
    for name in ("_ignore_causal_mask_sdpa", "_ignore_bidirectional_mask_sdpa"):
        looks = getattr(masking_utils, name)

        def ignore(padding: Any, *rest: Any, looks: Callable[..., bool] = looks, **named: Any) -> bool:
            blind = torch.cuda.is_current_stream_capturing() or torch.compiler.is_compiling()
            return not blind and looks(padding, *rest, **named)

        monkeypatch.setattr(masking_utils, name, ignore)
    yield now
    torch.compiler.reset()


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, bool]]:
    """(there is a mask, it is causal) of each call of an attention kernel."""
    calls: list[tuple[bool, bool]] = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def noting(*arguments: Tensor, attn_mask: Tensor | None = None, **named: Any) -> Tensor:
        calls.append((attn_mask is not None, named["is_causal"]))
        return attend(*arguments, attn_mask=attn_mask, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noting)
    return calls


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_captured_passes_make_no_mask(kind: str, capturing: list[bool], attended: list[tuple[bool, bool]]) -> None:
    make, keywords = KINDS[kind]
    model = make()
    expected = model(input_ids=IDS, **keywords).logits
    plain = (False, make is llama)
    assert attended == [plain] * 3
    capturing[0] = True
    model(input_ids=IDS, **keywords)
    assert attended[3:] == [(True, False)] * 3  # what this is for
    with unpadded():
        logits = model(input_ids=IDS, **keywords).logits
    assert attended[6:] == [plain] * 3
    assert torch.equal(logits, expected)


def masks_of(graph: torch.fx.Graph) -> list[tuple[bool, bool]]:
    calls = [node for node in graph.nodes if "scaled_dot_product_attention" in str(node.target)]
    return [
        (node.kwargs.get("attn_mask") is not None or len(node.args) > 3, node.kwargs.get("is_causal", False))
        for node in calls
    ]


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_compiled_passes_make_no_mask(kind: str, capturing: list[bool]) -> None:
    make, keywords = KINDS[kind]
    model, found = make(), []

    def backend(module: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        found.append(masks_of(module.graph))
        return module.forward

    compiled = torch.compile(model, fullgraph=True, dynamic=False, backend=backend)
    compiled(input_ids=IDS, **keywords)
    with unpadded():
        for capturing[0] in (False, True):  # a capture finds all compiled that it needs
            logits = compiled(input_ids=IDS, **keywords).logits
    capturing[0] = False
    assert found == [[(True, False)] * 3, [(False, make is llama)] * 3]
    torch.testing.assert_close(logits, model(input_ids=IDS, **keywords).logits)


@torch.no_grad()
def test_layers_compiled_before_a_capture_serve_in_it(capturing: list[bool]) -> None:
    counts = []
    for inside in (False, True):
        model, counter = bert(), CompileCounter()
        for layer in model.bert.encoder.layer:
            layer.compile(fullgraph=True, dynamic=False, backend=counter)
        for capturing[0] in (False, True):
            if inside:
                with unpadded():
                    model(input_ids=IDS)
            else:
                model(input_ids=IDS)
        counts.append(counter.frame_count)
        torch.compiler.reset()
    assert counts == [2, 1]


@torch.no_grad()
@pytest.mark.parametrize(("make", "visible"), [(bert, "everyone"), (bert, "buyers"), (llama, "buyers")])
def test_captured_markets_of_tokens_make_no_mask(
    make: Callable[[], PreTrainedModel], visible: str, capturing: list[bool], attended: list[tuple[bool, bool]]
) -> None:
    model = make()
    attached(model, capacity=0.5, visible=visible, room=0.6 if make is llama else None)
    expected = model(input_ids=IDS).logits
    capturing[0] = True
    model(input_ids=IDS)
    assert {masked for masked, _ in attended[-3:]} == {True}
    with unpadded():
        logits = model(input_ids=IDS).logits
    assert attended[-3:] == [(False, make is llama)] * 3
    assert torch.equal(logits, expected)


@torch.no_grad()
def test_exported_programs_have_no_mask(capturing: list[bool]) -> None:
    model = bert().eval()
    with unpadded():
        program = torch.export.export(model, (), {"input_ids": IDS})
    assert masks_of(program.graph) == [(False, False)] * 3
    torch.testing.assert_close(program.module()(input_ids=IDS).logits, model(input_ids=IDS).logits)


@torch.no_grad()
@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("make", [bert, llama])
def test_a_mask_that_is_given_counts(
    make: Callable[[], PreTrainedModel], capturing: list[bool], *, captured: bool
) -> None:
    model, mask, ids = make(), torch.ones_like(IDS), IDS.clone()
    mask[0, :3], ids[0, :3] = 0, PADDING

    def last_logits(**keywords: Tensor) -> Tensor:
        logits = model(input_ids=ids, **keywords).logits
        return logits if make is bert else logits[:, -1]

    expected = last_logits(attention_mask=mask)
    assert not torch.allclose(last_logits()[0], expected[0], atol=1e-4)
    capturing[0] = captured
    with unpadded():
        torch.testing.assert_close(last_logits(attention_mask=mask), expected)


@torch.no_grad()
def test_windows_and_caches_keep_their_masks(capturing: list[bool]) -> None:
    config = MistralConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=32, max_position_embeddings=32, sliding_window=4, pad_token_id=PADDING,
    )  # fmt: skip
    torch.manual_seed(0)
    window = MistralForCausalLM(config).eval()
    expected = window(input_ids=IDS).logits
    config.sliding_window = None
    assert not torch.allclose(window(input_ids=IDS).logits, expected)
    config.sliding_window = 4
    model = llama().eval()
    whole = model(input_ids=IDS).logits
    capturing[0] = True
    with unpadded():
        torch.testing.assert_close(window(input_ids=IDS).logits, expected)
        cache = StaticCache(config=model.config, max_cache_len=16)
        pieces = [model(input_ids=IDS[:, a:b], past_key_values=cache).logits for a, b in ((0, 5), (5, 8), (8, 9))]
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_packed_sequences_are_refused_and_everything_is_put_back() -> None:
    def theirs(*arguments: Any, **named: Any) -> Tensor | None:
        return sdpa_mask(*arguments, **named)

    finds, packed = masking_utils.find_packed_sequence_indices, torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3, 4]] * 2)
    model = llama()
    with pytest.raises(InvalidInputError, match=r"shape \(2, 9\), put several sequences into one row"), unpadded():
        model(input_ids=IDS, position_ids=packed, use_cache=False)
    assert AttentionMaskInterface()["sdpa"] is sdpa_mask
    assert masking_utils.find_packed_sequence_indices is finds
    AttentionMaskInterface.register("sdpa", theirs)
    try:
        with unpadded():
            assert AttentionMaskInterface()["sdpa"] is theirs
    finally:
        AttentionMaskInterface.register("sdpa", sdpa_mask)
