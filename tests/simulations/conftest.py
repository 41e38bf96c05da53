"""A study small enough for tests: few sentences, few steps, one run shared by all tests that read it."""

from pathlib import Path

import pytest
from rich.console import Console

from walras.llm.tasks import make_roles_task, small_bert
from walras.simulations import RunFolder, StudyConfig, run_study, study
from walras.simulations.progress import StageProgress

TINY = StudyConfig(budgets=(1.0, 0.5), steps=8, batch_size=8)


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The folder of a finished study."""
    folder = RunFolder(tmp_path_factory.mktemp("study") / "run", TINY.as_plain_values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "load_model_and_task", load_tiny)
        patch.setattr(study, "ISOLATION_SEEDS", 2)
        patch.setattr(study, "ECONOMY_PERIODS", 5)
        patch.setattr(study, "LATENCY_REPEATS", 2)
        with StageProgress(Console(), quiet=True).running() as progress:
            run_study(TINY, *TINY.load(), folder, progress)
    return folder


def load_tiny(task: str, model: str | None, data_dir: Path | None, *, seed: int, limit: int | None = None):
    return small_bert(seed=seed), make_roles_task(train=64, evaluation=32, seed=seed)
