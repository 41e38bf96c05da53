"""Measures of attention: closed forms, and loops over single sentences."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from tests.llm.models import bert, llama
from tests.llm.tasks_at_hand import memory_task

from walras.llm import attach
from walras.llm.analysis import attention_measures
from walras.llm.tasks import Examples, ScoredText, Task
from walras.llm.tasks.language import stacked
from walras.market import InvalidInputError, gini

LENGTHS = (5, 8)


def classified() -> Task:
    """Sentences that begin with a special token, 3, 4 or 5."""
    return replace(memory_task(examples=6, lengths=LENGTHS), special=frozenset({0, 3, 4, 5}))


def spoken() -> Task:
    """Windows of a text, of which the first places are not scored."""
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(4):
        tokens = rng.integers(3, 40, 9)
        rows.append({"input_ids": tokens, "labels": np.where(np.arange(9) < 3, -100, tokens)})
    task = memory_task()
    return replace(task, evaluation=Examples(rows), collate=stacked, outputs=40, text=ScoredText(9, 9))


def with_queries(model: torch.nn.Module, weight: float, bias: float) -> torch.nn.Module:
    """Scale the queries' weights, and make their biases `bias` times random numbers."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if name.endswith(("query.weight", "q_proj.weight")):
            parameter.data *= weight
        elif name.endswith("query.bias"):
            parameter.data = bias * torch.randn(parameter.shape, generator=generator)
    return model


def test_attention_to_all_alike_has_log2_of_the_tokens_and_no_concentration() -> None:
    task = classified()
    table = attention_measures(attach(with_queries(bert(), 0.0, 0.0)), task, task.evaluation)
    lengths = np.array([len(row["input_ids"]) for row in task.evaluation.rows], dtype=float)
    np.testing.assert_allclose(table["entropy"], np.log2(lengths), rtol=1e-5)
    np.testing.assert_allclose(table["ordinary_entropy"], np.log2(lengths - 1), rtol=1e-5)
    np.testing.assert_allclose(table["special_share"], 1.0 / lengths, rtol=1e-5)
    for name in ("", "ordinary_"):
        np.testing.assert_allclose(table[f"{name}normalised_entropy"], 1.0, rtol=1e-5)
        np.testing.assert_allclose(table[f"{name}gini"], 0.0, atol=1e-6)


def test_behind_a_causal_mask_too() -> None:
    task = spoken()
    table = attention_measures(attach(with_queries(llama(), 0.0, 0.0)), task, task.evaluation)
    np.testing.assert_allclose(table["entropy"], np.log2(np.arange(2, 10)).mean(), rtol=1e-5)
    np.testing.assert_allclose(table["normalised_entropy"], 1.0, rtol=1e-5)
    np.testing.assert_allclose(table["ordinary_normalised_entropy"], 1.0, rtol=1e-5)
    np.testing.assert_allclose(table["gini"], 0.0, atol=1e-6)
    np.testing.assert_allclose(table["special_share"], (1.0 / np.arange(1, 10)).mean(), rtol=1e-5)


def test_attention_to_one_token_has_no_entropy_and_the_largest_gini() -> None:
    task = classified()
    economy = attach(with_queries(bert(), 0.0, 1e4))  # every place asks the same: which one it finds is the head's
    one_head = np.zeros(len(economy.population), dtype=bool)
    one_head[0] = True
    table = attention_measures(economy, task, task.evaluation, open_agents=one_head)
    lengths = np.array([len(row["input_ids"]) for row in task.evaluation.rows], dtype=float)
    np.testing.assert_allclose(table["entropy"], 0.0, atol=1e-4)
    np.testing.assert_allclose(table["gini"], 1.0 - 1.0 / lengths, rtol=1e-4)


def test_agreement_is_1_for_values_that_follow_attention_and_0_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    module = sys.modules["walras.llm.analysis.attention_measures"]
    task = classified()
    measured = module._attention_and_value
    worth = {"sign": 1.0}

    def following(*arguments: object) -> tuple[list[torch.Tensor], torch.Tensor]:
        attentions, _ = measured(*arguments)
        real = arguments[2]["attention_mask"].float()  # type: ignore[index]
        return attentions, worth["sign"] * torch.einsum("lbhqk,bq->bk", torch.stack(attentions), real)

    monkeypatch.setattr(module, "_attention_and_value", following)
    economy = attach(bert())
    for sign, expected in ((3.0, 1.0), (-1.0, -1.0), (0.0, 0.0)):
        worth["sign"] = sign
        table = attention_measures(economy, task, task.evaluation)
        np.testing.assert_allclose(table[["agreement", "ordinary_agreement"]], expected, atol=1e-12)


@pytest.mark.parametrize(("make", "task"), [(bert, classified()), (llama, spoken())], ids=["bert", "llama"])
def test_measures_are_those_of_a_loop_over_open_heads_of_single_sentences(make, task: Task) -> None:
    economy = attach(make())
    frame = economy.population.frame()
    served = np.random.default_rng(1).random(len(frame)) < 0.6
    served[(frame["kind"] == "head") & (frame["layer"] == 1)] = False  # a layer without heads is left out
    table = attention_measures(economy, task, task.evaluation, open_agents=served)
    for number, row in enumerate(task.evaluation.rows):
        expected = by_hand(economy, task, row, served)
        found = table.loc[number, list(expected)].astype(float)
        pd.testing.assert_series_equal(found, pd.Series(expected), rtol=2e-4, atol=2e-5, check_names=False)


def by_hand(economy, task: Task, row: dict, served: np.ndarray) -> dict[str, float]:
    model = economy.model
    model.set_attn_implementation("eager")
    economy.gate.given = lambda: torch.from_numpy(served.astype(np.float32))
    batch = {name: column[:1] for name, column in task.collate([row]).items()}
    labels = batch.pop("labels")
    embedded = model.get_input_embeddings()(batch.pop("input_ids")).detach().requires_grad_()
    output = model(inputs_embeds=embedded, **batch, output_attentions=True)
    if task.text is None:
        loss = -output.logits.log_softmax(-1)[0, labels[0]]
    else:
        places = [place for place in range(1, 9) if labels[0, place] != -100]
        loss = -sum(output.logits[0, place - 1].log_softmax(-1)[labels[0, place]] for place in places)
    loss.backward()
    value = (embedded.grad * embedded).sum(-1).abs()[0].detach().numpy()
    economy.gate.given = None

    causal = task.text is not None
    length = len(row["input_ids"])
    ordinary = np.array([token not in task.special for token in row["input_ids"]])
    ordinary[0] &= not causal
    heads = []
    for site, layer in zip([s for s in economy.population.sites if s.is_attention], output.attentions, strict=True):
        shared = layer.shape[1] // len(site.widths)
        for group, agent in enumerate(np.arange(len(served))[site.agents]):
            if served[agent]:
                heads += [layer[0, group * shared + member].detach().double().numpy() for member in range(shared)]
    found = {}
    for prefix, counted in (("", np.ones(length, dtype=bool)), ("ordinary_", ordinary)):
        bits, normal, mass, received = 0.0, 0.0, 0.0, np.zeros(length)
        for head in heads:
            for place in range(length):
                seen = counted & ((np.arange(length) <= place) | (not causal))
                share = head[place, seen]
                received[seen] += share * seen.sum()
                if seen.sum() >= 2:
                    entropy = -(share / share.sum() * np.log2(share / share.sum())).sum()
                    bits, mass = bits + share.sum() * entropy, mass + share.sum()
                    normal += share.sum() * entropy / np.log2(seen.sum())
        received /= (length - np.arange(length)) if causal else length
        found[f"{prefix}entropy"], found[f"{prefix}normalised_entropy"] = bits / mass, normal / mass
        found[f"{prefix}gini"] = float(gini(received[counted]))
        found[f"{prefix}agreement"] = float(spearmanr(received[counted], value[counted]).statistic)
    found["special_share"] = float(np.mean([head[:, ~ordinary].sum(1).mean() for head in heads]))
    return found


def test_a_model_without_heads_has_no_attention() -> None:
    task = classified()
    economy = attach(bert())
    served = (economy.population.frame()["kind"] != "head").to_numpy()
    table = attention_measures(economy, task, task.evaluation, open_agents=served)
    assert len(table) == len(task.evaluation)
    assert table.isna().all(axis=None)


def test_the_model_is_left_as_it_was() -> None:
    task = classified()
    economy = attach(bert())
    economy.model.train()
    implementation = economy.model.config._attn_implementation
    attention_measures(economy, task, task.evaluation)
    assert economy.model.training
    assert economy.model.config._attn_implementation == implementation
    assert economy.gate.given is None
    assert all(parameter.grad is None for parameter in economy.model.parameters())


def test_a_regression_weighs_tokens_by_its_squared_error() -> None:
    task = classified()
    model = bert()
    model.classifier = torch.nn.Linear(48, 1)
    rows = [{**row, "labels": 2.5} for row in task.evaluation.rows]
    regression = replace(task, outputs=1, metric="pearson")
    table = attention_measures(attach(model), regression, Examples(rows))
    assert table["agreement"].between(-1.0, 1.0).all()
    assert (table["agreement"] != 0.0).any()


def test_open_agents_of_another_number_are_refused() -> None:
    task = classified()
    with pytest.raises(InvalidInputError, match="open_agents must have shape"):
        attention_measures(attach(bert()), task, task.evaluation, open_agents=np.ones(3, dtype=bool))
