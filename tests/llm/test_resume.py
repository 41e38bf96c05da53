"""A training that was cut goes on as if nothing had happened, and one on several processes has one market."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.llm.models import bert
from tests.llm.one_of_two_processes import ECONOMIES, train
from tests.llm.tasks_at_hand import memory_task
from transformers import Trainer, TrainerCallback, TrainingArguments

from walras.llm import EconomyConfig, ElasticBudget, ModelEconomy, attach
from walras.llm.training import TrainingSettings, fine_tune

SCHEDULE = ElasticBudget(lowest=0.3, warm_up=0.5, final_temperature=0.1, draws=1, seed=5)
# Four steps an epoch: checkpoints are in the middle of epochs.
SETTINGS = TrainingSettings(steps=8, learning_rate=1e-3, batch_size=3, accumulation=2)
PROCESS = Path(__file__).with_name("one_of_two_processes.py")


class PowerCut(TrainerCallback):
    """Ends the process's training in the middle of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_substep_end(self, args: object, state: object, control: object, **_: object) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


def trained(
    folder: Path | None, *, cut_at: int | None = None, by_length: bool = False
) -> tuple[ModelEconomy, list[dict[str, float]]]:
    model = bert()
    economy = attach(model, EconomyConfig(budget=0.45))
    callback = economy.callback(SCHEDULE)
    callbacks = [] if cut_at is None else [PowerCut(cut_at)]
    settings = replace(SETTINGS, by_length=by_length)
    fine_tune(model, memory_task(), settings, market=callback, callbacks=callbacks, folder=folder, save_every=3)
    return economy, callback.rows


# With contributions still to be made valuations, and long after.
@pytest.mark.parametrize(("cut_at", "by_length"), [(3, False), (7, True)])
def test_a_killed_training_goes_on_with_the_same_prices(tmp_path: Path, cut_at: int, *, by_length: bool) -> None:
    whole, rows = trained(None, by_length=by_length)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, cut_at=cut_at, by_length=by_length)
    saved = max(tmp_path.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    assert saved.name == f"checkpoint-{3 * (cut_at // 3)}"
    resumed, rows_resumed = trained(tmp_path, by_length=by_length)
    assert rows_resumed == rows
    for (name, mine), (_, other) in zip(
        whole.model.state_dict().items(), resumed.model.state_dict().items(), strict=True
    ):
        assert torch.equal(mine, other), name
    assert resumed.budget == pytest.approx(0.45)


def test_the_ordinary_trainer_resumes_too(tmp_path: Path) -> None:
    task, economies = memory_task(), []
    for start in (None, None, "checkpoint-3"):
        model = bert()
        economies.append(attach(model, EconomyConfig(budget=0.45)))
        arguments = TrainingArguments(
            str(tmp_path),
            max_steps=6,
            per_device_train_batch_size=4,
            save_steps=3,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            # The Trainer would make callbacks anew from what a checkpoint says of them; ours has an economy to keep.
            restore_callback_states_from_checkpoint=True,
        )
        callback = economies[-1].callback(SCHEDULE)
        trainer = Trainer(model, arguments, train_dataset=task.train, data_collator=task.collate, callbacks=[callback])
        trainer.train(resume_from_checkpoint=start and str(tmp_path / start))
    assert np.array_equal(economies[0].valuations, economies[1].valuations)
    assert np.array_equal(economies[0].valuations, economies[2].valuations)


def test_two_processes_have_the_same_prices(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, str(PROCESS), str(tmp_path / f"{rank}.json")],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=PROCESS.parents[2],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    results = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for name, config in ECONOMIES.items():
        first, second = (result[name] for result in results)
        for what in ("valuations", "prices", "wealth", "weights"):
            assert first[what] == second[what], (name, what)
        assert first["examples"] != second["examples"]  # each saw data of its own
        # Data parallel is one large batch: the same as one process with all of it, but for the order of sums.
        alone = train(tmp_path, batch=4, config=config)
        np.testing.assert_allclose(first["valuations"], alone["valuations"], atol=2e-3)
        np.testing.assert_allclose(first["prices"], alone["prices"], atol=2e-3)
        if config.wealth:
            wealth = np.array(alone["wealth"])
            assert wealth.std() > 0.1 * wealth.mean()
            np.testing.assert_allclose(first["wealth"], wealth, rtol=1e-3)
