"""The kernels against torch: interpreted on any machine, compiled on a CUDA device, and captured there in a graph.

The interpreter has to be chosen before Triton is imported, so that its tests run in a process of their own.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.llm.models import logits_of
from tests.llm.tokens.models import MODELS, VISIBLE, attached, prompts
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import layer_norm, linear, scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaModel

from walras.llm import CouplingError
from walras.llm.tokens import TokenConfig, attach_tokens, skipping
from walras.llm.tokens.fused import attention_at, fits, fused_bids

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.skipif(INTERPRETED, reason="this is the inner run")
def test_kernels_pass_interpreted() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "TestKernels"]
    command += ["-W", "ignore::RuntimeWarning", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "passed" in done.stdout


@pytest.mark.skipif(not (INTERPRETED or torch.cuda.is_available()), reason="needs CUDA, or TRITON_INTERPRET=1")
@pytest.mark.usefixtures("no_gradients")
class TestKernels:
    pytestmark = [] if INTERPRETED else [pytest.mark.gpu]

    @pytest.fixture
    def no_gradients(self):
        with torch.no_grad():
            yield

    @pytest.mark.parametrize("features", [1, 48, 130])
    @pytest.mark.parametrize("biased", [False, True])
    def test_bids_are_those_of_torch(self, features: int, biased: bool) -> None:
        generator = torch.Generator().manual_seed(0)
        hidden = (3.0 + torch.randn((2, 5, features), generator=generator)).to(DEVICE)
        hidden[1, 2] = torch.nan
        weight = torch.randn((1, features), generator=generator).to(DEVICE)
        bias = torch.tensor([0.7], device=DEVICE) if biased else None
        bids = fused_bids(hidden, weight, bias)
        expected = linear(layer_norm(hidden, hidden.shape[-1:]), weight, bias).squeeze(-1)
        torch.testing.assert_close(bids, expected, rtol=1e-4, atol=1e-4, equal_nan=True)

    @pytest.mark.parametrize(
        ("heads", "groups", "queries", "tokens", "head_dim"),
        [(4, 2, 70, 150, 12), (2, 2, 1, 3, 16), (3, 1, 40, 40, 64)],
    )
    def test_queries_see_the_keys_up_to_their_own(
        self, heads: int, groups: int, queries: int, tokens: int, head_dim: int
    ) -> None:
        generator = torch.Generator().manual_seed(1)
        drawn = [
            torch.randn((2, count, each, head_dim), generator=generator).to(DEVICE).transpose(1, 2)
            for count, each in ((queries, heads), (tokens, groups), (tokens, groups))
        ]
        places = torch.rand((2, tokens), generator=generator).argsort(-1)[:, :queries].sort(-1).values
        places = places.roll(-(queries // 4), dims=-1).to(DEVICE)  # those that fill up stand behind, in disorder
        mask = torch.arange(tokens, device=DEVICE) <= places[:, None, :, None]
        keys, values = (each.repeat_interleave(heads // groups, 1) for each in drawn[1:])
        expected = scaled_dot_product_attention(drawn[0], keys, values, attn_mask=mask, scale=0.4)
        mixed = attention_at(*drawn, places, 0.4)
        torch.testing.assert_close(mixed.transpose(1, 2), expected, rtol=1e-4, atol=1e-5)
        with FlopCounterMode(display=False) as ours:
            attention_at(*drawn, places, 0.4)
        with FlopCounterMode(display=False) as theirs, sdpa_kernel(SDPBackend.MATH):
            scaled_dot_product_attention(drawn[0], keys, values, attn_mask=mask)
        assert ours.get_total_flops() == theirs.get_total_flops() > 0

    def test_a_decoder_gives_the_same_with_kernels_and_with_masks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        batch = {name: tensor.to(DEVICE) for name, tensor in prompts(batch=1).items()}
        model = MODELS["llama"]().to(DEVICE)
        economy = attached(model, layers=(1,))
        economy.calibrate([batch])
        assert fits(torch.zeros(4, device=DEVICE))
        logits = []
        for possible in (True, False):
            calls: list[int] = []
            monkeypatch.setattr(skipping, "fits", lambda *args: calls.append(1) or possible)  # noqa: B023
            logits.append(logits_of(model, {"input_ids": batch["input_ids"]}))
            assert len(calls) == 1
        torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
class TestOnAGpu:
    @staticmethod
    def decoder() -> LlamaModel:
        torch.manual_seed(0)
        sizes = {"vocab_size": 40, "hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 2}
        config = LlamaConfig(**sizes, num_key_value_heads=1, intermediate_size=96, max_position_embeddings=512)
        return LlamaModel(config).cuda().eval()

    @staticmethod
    def prompts(seed: int) -> torch.Tensor:
        return torch.randint(3, 40, (3, 300), generator=torch.Generator().manual_seed(seed)).cuda()

    @pytest.mark.parametrize("visible", VISIBLE)
    @torch.no_grad()
    def test_a_decoder_in_bf16_stays_near_its_float32(self, visible: str) -> None:
        model, ids = self.decoder(), self.prompts(0)
        attach_tokens(model, TokenConfig(layers=(1,), visible=visible)).calibrate([{"input_ids": ids}])
        exact = model(input_ids=ids).last_hidden_state
        rounded = model.bfloat16()(input_ids=ids).last_hidden_state.float()
        # Tokens at the margin may buy in one and not in the other.
        assert (exact - rounded).norm() < 0.1 * exact.norm()

    @pytest.mark.parametrize("visible", VISIBLE)
    @pytest.mark.parametrize("kind", ["bert", "llama"])
    @torch.no_grad()
    def test_a_cuda_graph_replays_on_other_tokens(self, kind: str, visible: str) -> None:
        if kind == "bert":
            model, ids = MODELS["bert"]().cuda(), prompts(length=30)["input_ids"].cuda()
            other = prompts(length=30, seed=4)["input_ids"].cuda()
        else:
            model, ids, other = self.decoder(), self.prompts(0), self.prompts(1)
        room = 0.6 if kind == "llama" else None
        economy = attach_tokens(model, TokenConfig(layers=(1, 2), visible=visible, room=room))
        if economy.causal:
            economy.calibrate([{"input_ids": ids}])
        read = ids.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                model(input_ids=read)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = model(input_ids=read)[0]
        read.copy_(other)
        graph.replay()
        replayed, shares = output.clone(), economy.shares()  # the ledger of the captured pass is written again, too
        torch.testing.assert_close(replayed, model(input_ids=other)[0], rtol=1e-3, atol=1e-3)
        assert (shares == economy.shares()).all()
        assert not torch.allclose(replayed, model(input_ids=ids)[0], rtol=1e-3, atol=1e-3)

    @torch.no_grad()
    def test_a_graph_without_room_is_refused(self) -> None:
        model, ids = self.decoder(), self.prompts(0)
        attach_tokens(model, TokenConfig(layers=(1,))).calibrate([{"input_ids": ids}])
        model(input_ids=ids)
        with pytest.raises(CouplingError, match="room"), torch.cuda.graph(torch.cuda.CUDAGraph()):
            model(input_ids=ids)
