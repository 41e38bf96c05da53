"""Who stands in the places of a layer: as the engine clears, in the order of the text, and without a wait."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.llm.models import logits_of
from tests.llm.tokens.models import MODELS, VISIBLE, attached, masked_reference, prompts, whole_tokens
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedModel

from walras.llm.architectures import sublayers_of
from walras.llm.tokens import TokenConfig, TokenMarket, attach_tokens
from walras.llm.tokens.places import first_come, limits, most_places, whole_parts
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LogitDemand, StepDemand
from walras.market.operators import compile_mechanism

WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero"}


class Kernels(TorchDispatchMode):
    """Counts what is computed, by name; what only looks at a tensor in another way is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: object, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        output = func(*args, **(kwargs or {}))  # type: ignore[operator]
        inputs = {arg.untyped_storage().data_ptr() for arg in args if isinstance(arg, Tensor)}
        is_view = isinstance(output, Tensor) and output.numel() and output.untyped_storage().data_ptr() in inputs
        name = func.overloadpacket.__name__  # type: ignore[attr-defined]
        if not is_view or name.endswith("_"):
            self.names.append(name)
        return output


def long_model(kind: str, layers: int = 2) -> PreTrainedModel:
    """A model with room for long prompts."""
    sizes = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": layers, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 24, "max_position_embeddings": 256}
    torch.manual_seed(0)
    if kind == "bert":
        return BertModel(BertConfig(**sizes), add_pooling_layer=False).eval()
    return LlamaModel(LlamaConfig(**sizes, num_key_value_heads=1)).eval()


def long_prompts(seed: int = 0, tokens: int = 150) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(3, 40, (3, tokens), generator=generator)}


@st.composite
def auctions(draw: st.DrawFn) -> tuple[Tensor, Tensor, float, bool]:
    """Bids with ties, padding anywhere, capacities from nothing to everyone, with and without free disposal."""
    sequences, tokens = draw(st.integers(1, 3)), draw(st.integers(1, 9))
    number = st.integers(-3, 3).map(lambda each: each / 2)
    bids = draw(st.lists(st.lists(number, min_size=tokens, max_size=tokens), min_size=sequences, max_size=sequences))
    real = draw(
        st.lists(st.lists(st.booleans(), min_size=tokens, max_size=tokens), min_size=sequences, max_size=sequences)
    )
    capacity = draw(st.sampled_from([0.0, 0.01, 0.2, 1 / 3, 0.5, 2 / 3, 0.9, 0.999]))
    return torch.tensor(bids), torch.tensor(real), capacity, draw(st.booleans())


@given(auction=auctions())
def test_places_go_to_whom_the_engine_serves(auction: tuple[Tensor, Tensor, float, bool]) -> None:
    bids, real, capacity, free_disposal = auction
    rules = CapacityMarket(FixedSupply(capacity, free_disposal=free_disposal), LogitDemand(0.25))
    market = TokenMarket(4, TokenConfig(mechanism=rules), capacity)
    engine = compile_mechanism(replace(rules, demand=StepDemand(divisible=False)))
    asked = torch.where(real, bids, -torch.inf)
    purchase, _ = market.sell(asked, whole_parts(capacity, real.sum(-1, keepdim=True)))
    exact = engine(bids, torch.ones_like(bids), supply=capacity * real.sum(-1).double(), mask=real)
    assert torch.equal(purchase.shares.double(), exact.allocation)
    some = real.any(-1)
    torch.testing.assert_close(purchase.price[some], exact.price.double()[some])
    assert purchase.price[~some].isnan().all()
    if real.all() and not free_disposal:  # nothing to be told apart: no place stands empty
        same, _ = market.sell(asked, None)
        assert torch.equal(same.shares.double(), exact.allocation)


@pytest.mark.parametrize("room", [0.05, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("wanted", [0.2, 0.6, 1.0])
def test_those_who_come_first_are_served_up_to_the_limit(wanted: float, room: float) -> None:
    generator = torch.Generator().manual_seed(5)
    real = torch.rand((4, 400), generator=generator) > torch.tensor([[0.0], [0.0], [0.2], [0.6]])
    wants = (torch.rand((4, 400), generator=generator) < wanted) & real
    limit = limits(real, room)
    queue = first_come(wants, limit)
    served = torch.zeros_like(wants)
    for sequence in range(4):
        for token in range(400):
            so_far = int(real[sequence, : token + 1].sum())
            at_most = min(so_far, max(64, int(np.ceil(room * so_far - 1e-9))))
            assert limit[sequence, token] == at_most
            served[sequence, token] = wants[sequence, token] & (served[sequence, :token].sum() < at_most)
    assert torch.equal(queue.bought, served)
    assert torch.equal(queue.sold, served.cumsum(-1))
    assert queue.sold.max() <= most_places(room, 400)
    if wanted == 1.0:
        assert served[0].sum() == most_places(room, 400)
    before = first_come(wants[:, :130], limits(real[:, :130], room))
    assert torch.equal(before.bought, served[:, :130])  # what comes later does not matter
    order, ranks = queue.order(torch.arange(400))
    assert torch.equal(order, (~served).sort(dim=-1, stable=True).indices)
    assert torch.equal(ranks, order.argsort(-1))


@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("kind", MODELS)
def test_a_pass_waits_for_the_device_nowhere(kind: str, visible: str) -> None:
    model, batch = long_model(kind), long_prompts()
    economy = attach_tokens(model, TokenConfig(layers=(0, 1), visible=visible, room=0.55 if kind == "llama" else None))
    if economy.causal:
        economy.calibrate([batch])
    model(**batch)
    with torch.no_grad(), Kernels() as kernels:
        model(**batch)
    assert not WAITS & set(kernels.names)
    assert economy.flops()["places"].tolist() == [3 * (83 if economy.causal else 75)] * 2


def test_buyers_at_a_posted_price_are_waited_for_once_a_layer() -> None:
    model, batch = long_model("llama"), long_prompts()
    attach_tokens(model, TokenConfig(layers=(0, 1))).calibrate([batch])
    model(**batch)
    with torch.no_grad(), Kernels() as kernels:
        model(**batch)
    assert sum(name in WAITS for name in kernels.names) == 2


@pytest.mark.parametrize(("kind", "most"), [("bert", 12), ("llama", 40)])
def test_a_market_adds_few_kernels_to_a_layer(kind: str, most: int) -> None:
    """Beside a layer of some hundred microseconds each of them counts."""
    batch, counted = long_prompts(), {}
    for sold in (None, (0,), (0, 1)):
        model = long_model(kind)
        if sold is not None:
            room = 0.55 if kind == "llama" else None
            economy = attach_tokens(model, TokenConfig(layers=sold, visible="buyers", room=room))
            if economy.causal:
                economy.calibrate([batch])
        model(**batch)
        with torch.no_grad(), Kernels() as kernels:
            model(**batch)
        counted[sold] = len(kernels.names)
    assert 0 < counted[0, 1] - counted[0,] <= most


@pytest.mark.parametrize(("kind", "visible"), [("bert", "buyers"), ("llama", "everyone"), ("llama", "buyers")])
def test_a_pass_compiles_whole_and_still_writes_down_who_bought(kind: str, visible: str) -> None:
    model = long_model(kind, layers=1)
    economy = attach_tokens(model, TokenConfig(layers=(0,), visible=visible, room=0.55 if kind == "llama" else None))
    if economy.causal:
        economy.calibrate([long_prompts(7)])
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        for seed in (1, 2):  # nothing of the first pass stays in the second
            batch = long_prompts(seed, tokens=80)
            theirs = compiled(**batch).last_hidden_state
            shares = economy.shares()
            torch.testing.assert_close(theirs, model(**batch).last_hidden_state)
            assert np.array_equal(shares, economy.shares())
    torch.compiler.reset()


@pytest.mark.parametrize("visible", VISIBLE)
def test_a_room_that_binds_serves_the_first_of_those_who_bid_the_price(visible: str) -> None:
    model, batch = long_model("llama"), long_prompts()
    economy = attach_tokens(model, TokenConfig(layers=(0, 1), capacity=0.9, visible=visible, room=0.6))
    economy.calibrate([batch])
    with torch.no_grad():
        whole = model(**batch).last_hidden_state
        table = economy.purchases()
        wants = table["valuation"] >= table["price"] - 1e-4
        assert table["bought"].mean() == pytest.approx(0.6)
        assert wants[table["bought"]].all()
        assert wants.mean() > 0.8
        refused = table[wants & ~table["bought"]]
        assert refused["position"].min() >= 64
        prefix = {"input_ids": batch["input_ids"][:, :120]}
        torch.testing.assert_close(model(**prefix).last_hidden_state, whole[:, :120])


def test_a_room_that_does_not_bind_changes_nothing() -> None:
    logits, text = [], []
    for room in (None, 0.6):
        model, batch = MODELS["llama"](), prompts(padded=(4,))
        economy = attached(model, room=room)
        logits.append(logits_of(model, batch)[batch["attention_mask"].bool()])
        text.append(model.generate(**batch, max_new_tokens=4, do_sample=False))
        assert economy.flops()["places"].max() <= 33
    torch.testing.assert_close(*logits)
    assert torch.equal(*text)


def test_rooms_that_make_no_sense_are_refused() -> None:
    for room in (0.0, 1.5, float("nan")):
        with pytest.raises(InvalidInputError, match="room"):
            TokenConfig(room=room)
    with pytest.raises(InvalidInputError, match="leave room out"):
        attach_tokens(MODELS["bert"](), TokenConfig(room=0.5))


@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_places_that_stand_empty_are_nobodys(attention: str, visible: str) -> None:
    """Short sequences and free disposal: some places are filled up, and nobody sees who fills them."""
    model, batch = MODELS["bert"](), prompts(batch=3, padded=(9, 4))
    model.set_attn_implementation(attention)
    mechanism = CapacityMarket(FixedSupply(0.7, free_disposal=True), LogitDemand(0.25))
    economy = attached(model, capacity=0.7, visible=visible, mechanism=mechanism)
    for asked in (batch, {"input_ids": batch["input_ids"]}):
        skipped = logits_of(model, asked)
        bought = whole_tokens(economy, asked)
        taken = economy.flops()["places"].sum()
        assert 0 < sum(int(each.sum()) for each in bought.values()) < taken == 3 * 3 * 7
        others = MODELS["bert"]()
        layers = {each.layer: each.module for each in sublayers_of(others)}
        real = {"attention_mask": torch.ones_like(batch["input_ids"])} | asked  # the reference's hooks need a mask
        reference = masked_reference(others, layers, bought, real, visible)
        torch.testing.assert_close(skipped, reference, rtol=1e-4, atol=2e-5)
