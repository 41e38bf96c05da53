"""The models that `exported_latency.py` times: a dense one, what is cut from it, and smaller dense ones."""

import argparse
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
)

from walras.llm import (
    EconomizedModel,
    EconomyConfig,
    ModelEconomy,
    Population,
    SiteLatency,
    attach,
    count_flops,
    streamline,
)
from walras.llm.population import HEAD

__all__ = ["CUTS", "Candidate", "candidates", "whole_model"]

CUTS = {
    "even": "heads and blocks of 64 neurons, the same share of each sub-layer",
    "market": "heads and blocks bought in one market, from valuations that are standard normal (or a study's)",
    "chosen": "heads and blocks, in each layer as many as a trained method chose (--chosen)",
    "seconds": "the same valuations, agents and open sub-layers paying in measured seconds (export(latency=))",
    "sub-layers": "whole attentions and feed-forward networks bought, from standard normal valuations",
    "plain": "as market, but not streamlined",
    "exported": "the models of the folders",
    "small dense": "the dense model with fewer layers",
}


@dataclass
class Candidate:
    """A model, how it was cut, and to which budget; None for a dense model."""

    cut: str
    budget: float | None
    model: PreTrainedModel
    changed: float = 0.0  # by how much its logits moved when it was streamlined
    counted: dict[int, int] = field(default_factory=dict)

    def flops(self, tokens: int) -> int:
        """FLOPs of a sequence, as torch counts them."""
        if tokens not in self.counted:
            self.counted[tokens] = count_flops(self.model, sequence_length=tokens)
        return self.counted[tokens]


def whole_model(options: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    """Give the dense model: of a folder, of the size of a folder's exported model, or a BERT with random weights."""
    torch.manual_seed(options.seed)
    if options.model and not _is_exported(options.model[0]):
        model = AutoModelForSequenceClassification.from_pretrained(options.model[0], dtype=torch.float32)
    elif options.model:
        config = AutoConfig.from_pretrained(options.model[0])
        model = type(EconomizedModel.from_pretrained(options.model[0]))(_whole(config))
    else:
        config = BertConfig(
            hidden_size=options.hidden,
            num_hidden_layers=options.layers,
            num_attention_heads=max(options.hidden // 64, 1),
            intermediate_size=4 * options.hidden,
            max_position_embeddings=512,
        )
        with device:  # random weights are drawn fastest there
            model = BertForSequenceClassification(config)
    return model.to(device, dtype).eval()


def candidates(
    options: argparse.Namespace, device: torch.device, dtype: torch.dtype
) -> tuple[list[Candidate], list[str]]:
    """Give all models in one precision, the dense one first, and what there is to say of them."""
    dense = whole_model(options, device, dtype)
    found = [Candidate("dense", None, dense), _streamlined("dense, streamlined", None, copy.deepcopy(dense))]
    remarks: list[str] = []
    if options.model and _is_exported(options.model[0]):
        whole = found[0].flops(128)
        for folder in options.model:
            model = EconomizedModel.from_pretrained(folder).to(device, dtype).eval()
            budget = count_flops(model, sequence_length=128) / whole
            found.append(_streamlined("exported", round(budget, 3), model))
    else:
        for cut in options.cuts:
            if cut in ("even", "market", "chosen", "plain", "seconds", "sub-layers"):
                found += _cut(dense, cut, options, remarks)
    if "small dense" in options.cuts:
        budgets = sorted({each.budget for each in found if each.budget}, reverse=True)
        found += _small_dense(dense, budgets)
    worst = max(found, key=lambda each: each.changed)
    remarks.append(
        f"streamlined models give the logits that they gave before, within {worst.changed:.2g} of the largest "
        f"({worst.cut} {worst.budget or ''})."
    )
    return found, remarks


def _streamlined(cut: str, budget: float | None, model: PreTrainedModel) -> Candidate:
    """Streamline a model, and note how far its logits moved: the fused kernels are tried where they are measured."""
    tokens = torch.randint(1000, model.config.vocab_size, (16, 128), generator=torch.Generator().manual_seed(0))
    tokens = tokens.to(model.device)
    before = model(input_ids=tokens).logits.float()
    after = streamline(model)(input_ids=tokens).logits.float()
    return Candidate(cut, budget, model, float((after - before).abs().max() / before.abs().max()))


def _cut(dense: PreTrainedModel, cut: str, options: argparse.Namespace, remarks: list[str]) -> Iterator[Candidate]:
    """Export the dense model at each budget."""
    table = _seconds(dense, options, remarks) if cut == "seconds" else None
    agents = ("attention", "ffn") if cut == "sub-layers" else ("head", "neuron_block")
    economy = attach(dense, EconomyConfig(sequence_length=128, agents=agents))
    try:
        if cut != "chosen":
            economy.set_valuations(_valuations(economy.population, cut, options))
        for budget in options.budgets:
            exported = _chosen(economy, budget, options) if cut == "chosen" else economy.export(budget, latency=table)
            yield Candidate(cut, budget, exported) if cut == "plain" else _streamlined(cut, budget, exported)
    finally:
        economy.detach()


def _chosen(economy: ModelEconomy, budget: float, options: argparse.Namespace) -> PreTrainedModel:
    """Export what a method of a frontier has left in each layer at a budget; which of them does not matter to time."""
    table = pd.read_csv(options.chosen) if options.chosen.suffix == ".csv" else pd.read_parquet(options.chosen)
    rows = table[(table["method"] == options.method) & np.isclose(table["budget"], budget)]
    if "by_layer" not in rows or not len(rows) or rows["by_layer"].isna().any():
        raise SystemExit(f"{options.chosen} does not say what {options.method} has in each layer at {budget:g}.")
    counts = [[int(count) for count in layer.split("+")] for layer in rows["by_layer"].iloc[0].split()]
    agents = economy.population.frame()
    if len(counts) != agents["layer"].nunique():
        raise SystemExit(f"{options.chosen} has {len(counts)} layers, and the model {agents['layer'].nunique()}.")
    left = [counts[layer][kind != HEAD] for layer, kind in zip(agents["layer"], agents["kind"], strict=True)]
    is_left = (agents["index"] < left).to_numpy()
    economy.set_valuations(np.where(is_left, 1.0, -1.0))
    return economy.export(float(agents["cost"][is_left].sum()) + 1e-9)


def _valuations(population: Population, cut: str, options: argparse.Namespace) -> np.ndarray:
    if cut == "even":  # the k-th of n agents has its turn when k / n of each sub-layer have had theirs
        parts = [-(np.arange(len(site.widths)) + 0.5) / len(site.widths) for site in population.sites]
        return np.concatenate(parts)
    if options.run and cut != "sub-layers":
        agents = pd.read_parquet(options.run / "agents.parquet")
        return agents.loc[agents["budget"] == agents["budget"].max(), "valuation"].to_numpy()
    return np.random.default_rng(options.seed).standard_normal(len(population))


def _seconds(dense: PreTrainedModel, options: argparse.Namespace, remarks: list[str]) -> SiteLatency:
    """Measure what agents and open sub-layers take, and say how much of it is for being open."""
    on_gpu = dense.device.type == "cuda"
    population = Population.of(dense, sequence_length=128)
    table = SiteLatency.measure(
        dense,
        population,
        batch_size=options.seconds_batch,
        repeats=10 if on_gpu else 3,
        graphed=on_gpu,
        prepare=streamline,
        clock=time.process_time if options.clock == "cpu" else None,
    )
    entry = table.entry_seconds(population).sum()
    share = entry / (entry + table.seconds(population).sum())
    remarks.append(
        f"seconds: measured on {table.conditions}, {1e3 * table.whole:.2f} ms a pass; of what closing everything would "
        f"save, {share:.1%} is the time that sub-layers take for being open at all."
    )
    return table


def _small_dense(dense: PreTrainedModel, budgets: list[float]) -> Iterator[Candidate]:
    """Give dense models of the number of layers that comes nearest to each budget."""
    layers = dense.config.num_hidden_layers
    for budget in budgets:
        config = copy.deepcopy(dense.config)
        config.num_hidden_layers = max(round(budget * layers), 1)
        with dense.device:
            model = type(dense)(config)
        yield _streamlined("small dense", budget, model.to(dense.device, dense.dtype).eval())


def _is_exported(folder: str) -> bool:
    return bool(getattr(AutoConfig.from_pretrained(folder), "walras", None))


def _whole(config: object) -> object:
    plain = copy.deepcopy(config)
    del plain.walras
    return plain
