"""What cannot be coupled is refused before anything changes, with a message that says what was got."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.llm.models import MODELS, bert, gpt2, llama
from tests.llm.zoo import ZOO
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    BloomConfig,
    BloomModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from walras.llm import (
    CouplingError,
    DataError,
    EconomizedModel,
    EconomyConfig,
    Population,
    UnsupportedModelError,
    attach,
)
from walras.llm.architectures import sublayers_of
from walras.llm.guards import GatedModelWarning
from walras.market import (
    AdValoremTax,
    CapacityMarket,
    ElasticSupply,
    FixedSupply,
    InfeasibleError,
    InvalidInputError,
    LogitDemand,
    MarketError,
    StepDemand,
)

NAN, INF = float("nan"), float("inf")


def test_every_error_is_a_market_error_and_a_builtin() -> None:
    for error, builtin in ((CouplingError, RuntimeError), (DataError, ValueError), (UnsupportedModelError, TypeError)):
        assert issubclass(error, MarketError)
        assert issubclass(error, builtin)


# ---------------------------------------------------------------- models


def test_another_architecture_is_refused_with_the_supported_ones() -> None:
    model = BloomModel(BloomConfig(vocab_size=9, hidden_size=8, n_layer=1, n_head=2))
    with pytest.raises(UnsupportedModelError, match=r"'bloom' is not supported; supported: bert, distilbert, .*Arch"):
        attach(model)
    assert not hasattr(model, "walras_economy")


@pytest.mark.parametrize("thing", [nn.Linear(2, 2), None, "bert-base-uncased"], ids=["module", "none", "name"])
def test_what_is_no_transformers_model_is_refused(thing: object) -> None:
    with pytest.raises(UnsupportedModelError, match=f"PreTrainedModel, got {type(thing).__name__}"):
        attach(thing)


def test_cross_attention_is_refused() -> None:
    sizes = {"bos_token_id": 1, "eos_token_id": 2, "vocab_size": 9}
    decoder = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=2, add_cross_attention=True, **sizes))
    encoder = BertModel(
        BertConfig(
            vocab_size=9,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            is_decoder=True,
            add_cross_attention=True,
        )
    )
    for model in (decoder, encoder):
        with pytest.raises(UnsupportedModelError, match="cross-attention"):
            attach(model)


def test_a_model_without_weights_is_refused() -> None:
    with torch.device("meta"):
        model = type(bert())(bert().config)
    with pytest.raises(UnsupportedModelError, match="meta device"):
        attach(model)
    assert not hasattr(model, "walras_economy")


def test_an_offloaded_or_scattered_model_is_refused() -> None:
    model = bert()
    model.bert.encoder.layer[1].output.dense.to("meta")
    model.bert.encoder.layer[1].output.dense._hf_hook = object()  # as accelerate leaves it
    with pytest.raises(
        UnsupportedModelError, match=r"layer.1.output.dense.weight' and 1 others.*offloaded.*device_map"
    ):
        attach(model)

    class Elsewhere(nn.Parameter):
        device = torch.device("cuda:1")

    scattered = gpt2()
    weight = scattered.transformer.wte.weight
    weight.__class__ = Elsewhere
    with pytest.raises(UnsupportedModelError, match=r"several devices \{'cuda:1': 1, 'cpu': \d+\}"):
        attach(scattered)


def test_a_wrapped_model_is_refused_with_what_it_wraps() -> None:
    with pytest.raises(UnsupportedModelError, match=r"got DataParallel\. Attach to what it wraps, its 'module'"):
        attach(nn.DataParallel(bert()))


def test_quantised_models_and_packed_weights_are_refused() -> None:
    model = bert()
    model.is_quantized = True
    with pytest.raises(UnsupportedModelError, match="BertForSequenceClassification is quantised"):
        attach(model)

    class Packed(nn.Parameter):
        """As another library's tensor under a plain Linear."""

    class Linear8bit(nn.Linear):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return super().forward(features)

    packed, subclassed = bert(), bert()
    packed.bert.encoder.layer[1].intermediate.dense.weight.__class__ = Packed
    subclassed.bert.encoder.layer[2].attention.self.key.__class__ = Linear8bit
    with pytest.raises(
        UnsupportedModelError, match=r"intermediate.dense of layer 1 is a Linear with a weight of Packed"
    ):
        attach(packed)
    with pytest.raises(UnsupportedModelError, match=r"self.key of layer 2 is a Linear8bit"):
        attach(subclassed)
    floats = bert()
    floats.bert.encoder.layer[0].output.dense.weight.data = floats.bert.encoder.layer[0].output.dense.weight.to(
        torch.float8_e4m3fn
    )
    with pytest.raises(UnsupportedModelError, match=r"float8_e4m3fn"):
        attach(floats)


def test_sublayers_that_share_weights_are_refused_and_tied_embeddings_are_not(tmp_path: Path) -> None:
    model = bert()
    layers = model.bert.encoder.layer
    layers[2].intermediate.dense.weight = layers[0].intermediate.dense.weight
    with pytest.raises(
        UnsupportedModelError, match=r"intermediate.dense of sub-layer 1 and .* sub-layer 5 share a weight"
    ):
        attach(model)
    tied = gpt2()
    assert tied.lm_head.weight is tied.transformer.wte.weight
    exported = attach(tied).export(0.5)
    assert exported.lm_head.weight is exported.transformer.wte.weight is not tied.lm_head.weight
    exported.save_pretrained(tmp_path)
    loaded = EconomizedModel.from_pretrained(tmp_path)
    assert loaded.lm_head.weight is loaded.transformer.wte.weight


def test_a_frozen_model_learns_its_valuations_alone() -> None:
    model = bert().train().requires_grad_(False)
    economy = attach(model, EconomyConfig(budget=0.5))
    model(torch.arange(3, 9)[None], labels=torch.tensor([1])).loss.backward()
    assert (economy.gate.raw_valuations.grad != 0.0).all()
    assert all(parameter.grad is None for name, parameter in model.named_parameters() if "walras" not in name)
    assert not any(parameter.requires_grad for parameter in economy.export().parameters())


def test_a_part_and_its_whole_cannot_both_be_attached() -> None:
    model = bert()
    economy = attach(model.bert)
    with pytest.raises(CouplingError, match="'bert' belongs to another economy"):
        attach(model)
    economy.detach()
    attach(model)
    with pytest.raises(CouplingError, match="belongs to another economy"):
        attach(model.bert)


class Quantised(nn.Module):
    """Stands for a projection of another library."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.weight = linear.weight


@pytest.mark.parametrize("number", [2, 3])
def test_projections_of_other_kinds_are_refused(model: PreTrainedModel, number: int) -> None:
    sublayer = sublayers_of(model)[number]
    name = sublayer.names.output
    sublayer.module.set_submodule(name, Quantised(sublayer.output))
    with pytest.raises(UnsupportedModelError, match=rf"{name} of layer 1 is a Quantised"):
        attach(model)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_base_models_can_be_attached_too() -> None:
    for model in (bert().bert, gpt2().transformer, llama().model):
        economy = attach(model, EconomyConfig(budget=0.5))
        with torch.no_grad():
            gated = model(torch.arange(3, 9)[None]).last_hidden_state
            exported = economy.export()(torch.arange(3, 9)[None]).last_hidden_state
            torch.testing.assert_close(gated, exported, rtol=1e-4, atol=1e-4)
            economy.detach()
            assert not torch.allclose(gated, model(torch.arange(3, 9)[None]).last_hidden_state)


# ---------------------------------------------------------------- configs, budgets, valuations


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        (CapacityMarket(FixedSupply(0.5), StepDemand()), "smooth demand"),
        (CapacityMarket(ElasticSupply(0.5, 1.0, 1.0), LogitDemand(1.0)), "FixedSupply.*PostedPrice.*ElasticSupply"),
        (CapacityMarket(FixedSupply(0.5), LogitDemand(1.0), AdValoremTax(0.1)), "PerUnitTax.*AdValoremTax"),
        (FixedSupply(0.5), "must be a CapacityMarket"),
        (CapacityMarket(FixedSupply(1.5), LogitDemand(1.0)), r"\[0, 1\]; got 1.5"),
    ],
    ids=str,
)
def test_mechanisms_that_cannot_ration_a_model_are_refused(mechanism: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        EconomyConfig(mechanism)


BAD_BUDGETS = [NAN, INF, -1.0, -1e-9, 1.5, "half"]


@pytest.mark.parametrize("budget", BAD_BUDGETS)
def test_budgets_outside_zero_to_one_are_refused(budget: object) -> None:
    with pytest.raises(InvalidInputError, match="budget"):
        EconomyConfig(budget=budget)
    economy = attach(bert(), EconomyConfig(budget=0.7))
    for refused in (economy.set_budget, economy.hard_allocation, economy.export, economy.frame):
        with pytest.raises(InvalidInputError, match="budget"):
            refused(budget)
    assert economy.budget == 0.7


def test_the_budget_of_a_config_replaces_the_quantity() -> None:
    config = EconomyConfig(CapacityMarket(FixedSupply(0.9), LogitDemand(0.3)), budget=0.4)
    assert config.budget == 0.4
    assert config.mechanism == CapacityMarket(FixedSupply(0.4), LogitDemand(0.3))
    assert EconomyConfig(CapacityMarket(FixedSupply(0.9), LogitDemand(0.3))).budget == 0.9
    assert attach(bert(), config).budget == 0.4


@pytest.mark.parametrize("value", [0.0, -1.0, NAN, INF])
def test_gains_and_temperatures_are_finite_and_above_zero(value: float) -> None:
    with pytest.raises(InvalidInputError, match="valuation_gain"):
        EconomyConfig(valuation_gain=value)
    with pytest.raises(InvalidInputError, match="temperature"):
        attach(bert()).set_temperature(value)


@pytest.mark.parametrize("field", ["block_width", "sequence_length"])
@pytest.mark.parametrize("value", [0, -3])
def test_sizes_are_refused_when_they_meet_the_model(field: str, value: int) -> None:
    model = bert()
    with pytest.raises(InvalidInputError, match=field):
        attach(model, EconomyConfig(**{field: value}))
    assert not hasattr(model, "walras_economy")


@pytest.mark.parametrize("architecture", MODELS)
def test_valuations_are_finite_and_one_for_each_agent(architecture: str) -> None:
    economy = attach(MODELS[architecture]())
    count = len(economy.population)
    before = economy.valuations
    for bad in (np.zeros(count - 1), np.zeros(count + 1), np.full(count, NAN), np.zeros((count, 1)), "many"):
        with pytest.raises((InvalidInputError, InfeasibleError), match="valuations"):
            economy.set_valuations(bad)
    np.testing.assert_array_equal(economy.valuations, before)
    wanted = np.random.default_rng(0).standard_normal(count)
    economy.set_valuations(wanted)
    np.testing.assert_allclose(economy.valuations, wanted, rtol=1e-6)


def test_a_population_needs_a_supported_model() -> None:
    with pytest.raises(UnsupportedModelError):
        Population.of(nn.Linear(2, 2), sequence_length=4)


# ---------------------------------------------------------------- saving and loading


def test_saving_a_gated_model_warns_and_plain_transformers_loads_the_dense_one(
    tmp_path: Path,
) -> None:
    model = bert()
    batch = torch.arange(3, 9)[None]
    dense = model(batch).logits
    economy = attach(model, EconomyConfig(budget=0.4))
    with pytest.warns(GatedModelWarning, match=r"economy.export\(\)"):
        model.save_pretrained(tmp_path)
    loaded, found = type(model).from_pretrained(tmp_path, output_loading_info=True)
    torch.testing.assert_close(loaded(batch).logits, dense)
    # transformers names what it does not know
    assert any("walras_economy" in name for name in found["unexpected_keys"])
    with pytest.raises(DataError, match="saved with its economy attached"):
        EconomizedModel.from_pretrained(tmp_path)

    again = type(model).from_pretrained(tmp_path)
    restored = attach(again)
    again.load_state_dict(model.state_dict())
    assert restored.budget == 0.4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save_pretrained(tmp_path / "state", state_dict=model.state_dict())  # as the Trainer does
        economy.export().save_pretrained(tmp_path / "exported")
        economy.detach().save_pretrained(tmp_path / "dense")


@pytest.mark.parametrize("agents", [("head", "neuron_block"), ("attention", "ffn"), ("attention",)], ids=str)
@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama", "t5", "modernbert"])
def test_plain_transformers_refuses_an_exported_model(architecture: str, agents: tuple, tmp_path: Path) -> None:
    model = ZOO[architecture]()
    economy = attach(model, EconomyConfig(agents=agents, block_width=16))
    economy.set_valuations(np.arange(len(economy.population)))
    economy.export(0.9).save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="mismatched"):
        type(model).from_pretrained(tmp_path)


def exported_folder(folder: Path) -> Path:
    attach(bert(), EconomyConfig(budget=0.6)).export().save_pretrained(folder)
    return folder


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    for name, damage, message in (
        ("gone", lambda file: file.unlink(), "could not be read.*model.safetensors"),
        ("cut", lambda file: file.write_bytes(file.read_bytes()[:100]), "could not be read"),
        (
            "partial",
            lambda file: save_file(dict(list(load_file(file).items())[:-3]), file, {"format": "pt"}),
            "lacks the",
        ),
    ):
        folder = exported_folder(tmp_path / name)
        damage(folder / "model.safetensors")
        with pytest.raises(DataError, match=message):
            EconomizedModel.from_pretrained(folder)


def test_a_structure_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    folder = exported_folder(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for change, message in (
        (lambda walras: walras["sublayers"].append(99), "does not fit a BertForSequenceClassification"),
        (lambda walras: walras["kept"].__setitem__(0, [[0, 1]]), "do not fit the structure"),
        (lambda walras: walras.pop("architecture"), "does not fit"),
    ):
        broken = json.loads(json.dumps(config))
        change(broken["walras"])
        (folder / "config.json").write_text(json.dumps(broken))
        with pytest.raises(DataError, match=message):
            EconomizedModel.from_pretrained(folder)


def test_a_class_of_ones_own_can_be_named(tmp_path: Path) -> None:
    class Mine(type(bert())):
        """Not among transformers' classes."""

    model = Mine(bert().config).eval()
    exported = attach(model, EconomyConfig(budget=0.6)).export()
    exported.save_pretrained(tmp_path)
    with pytest.raises(DataError, match="exported from 'Mine'"):
        EconomizedModel.from_pretrained(tmp_path)
    loaded = EconomizedModel.from_pretrained(tmp_path, model_class=Mine)
    assert type(loaded) is Mine
    torch.testing.assert_close(loaded(torch.arange(3, 9)[None]).logits, exported(torch.arange(3, 9)[None]).logits)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        EconomizedModel.from_pretrained(str(tmp_path / "nowhere"))


def test_an_ordinary_model_folder_is_not_an_exported_one(tmp_path: Path) -> None:
    bert().save_pretrained(tmp_path)
    with pytest.raises(DataError, match="not an exported model"):
        EconomizedModel.from_pretrained(str(tmp_path))


@pytest.mark.parametrize("name", ["NoSuchModel", "Trainer"])
def test_a_folder_of_an_unknown_class_is_refused(tmp_path: Path, name: str) -> None:
    exported = attach(bert()).export(0.5)
    exported.config.walras["base_class"] = name
    exported.save_pretrained(tmp_path)
    with pytest.raises(DataError, match=f"exported from '{name}'"):
        EconomizedModel.from_pretrained(str(tmp_path))
