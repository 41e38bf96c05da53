"""A study small enough for tests: few sentences, few steps, one run shared by all tests that read it."""

from pathlib import Path

import pytest
from rich.console import Console

from walras.simulations.progress import StageProgress
from walras.simulations.run_folder import RunFolder

# Torch and the models are brought in by those tests alone that run a study.


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The folder of a finished study."""
    from walras.simulations import study

    tiny = study.StudyConfig(budgets=(1.0, 0.5), steps=8, batch_size=8)
    folder = RunFolder(tmp_path_factory.mktemp("study") / "run", tiny.as_plain_values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "load_model_and_task", load_tiny)
        patch.setattr(study, "ISOLATION_SEEDS", 2)
        patch.setattr(study, "ECONOMY_PERIODS", 5)
        patch.setattr(study, "LATENCY_REPEATS", 2)
        with StageProgress(Console(), quiet=True).running() as progress:
            study.run_study(tiny, *tiny.load(), folder, progress)
    return folder


def load_tiny(task: str, model: str | None, data_dir: Path | None, *, seed: int, limit: int | None = None):
    from walras.llm.tasks import make_roles_task, small_bert

    return small_bert(seed=seed), make_roles_task(train=64, evaluation=32, seed=seed)
