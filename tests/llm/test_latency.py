"""Latencies come back in the order of the models, with quartiles around the median; the times themselves are free."""

import time

import pytest
import torch
from tests.llm.models import bert, gpt2

from walras.llm.latency import measure_latency


def test_latencies_are_positive_and_quartiles_bracket_the_median() -> None:
    models = [bert().train(), gpt2()]
    latencies = measure_latency(models, batch_size=2, sequence_length=8, repeats=5)
    assert len(latencies) == 2
    for latency in latencies:
        assert 0.0 < latency.lower_quartile <= latency.median <= latency.upper_quartile
    assert models[0].training


def test_models_take_turns_and_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that stands still but for the second model, whose passes take 2, 4, 6 ... seconds.
    now, turns, modes = [0.0], [], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    models = [bert(), bert().train()]
    for number, model in enumerate(models):

        def note(module: torch.nn.Module, arguments: tuple, keywords: dict, number: int = number) -> None:
            turns.append(number)
            modes.append(module.training)
            assert keywords["input_ids"].shape == keywords["attention_mask"].shape == (3, 7)
            now[0] += number * (len(turns) // 2 * 2.0)

        model.register_forward_pre_hook(note, with_kwargs=True)
    still, slow = measure_latency(models, batch_size=3, sequence_length=7, repeats=5)
    assert turns == [0, 1] * 7
    assert not any(modes)
    assert (still.lower_quartile, still.median, still.upper_quartile) == (0.0, 0.0, 0.0)
    # The warm-up's 2 and 4 seconds are not counted: 6, 8, 10, 12, 14 are.
    assert (slow.lower_quartile, slow.median, slow.upper_quartile) == (8.0, 10.0, 12.0)
