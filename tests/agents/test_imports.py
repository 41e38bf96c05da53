import subprocess
import sys

import walras.agents


def test_every_public_name_resolves() -> None:
    assert sorted(walras.agents.__all__) == walras.agents.__all__
    assert all(getattr(walras.agents, name, None) is not None for name in walras.agents.__all__)


def test_importing_agents_brings_in_neither_torch_nor_transformers_and_leaves_multiprocessing_alone() -> None:
    script = """
import multiprocessing, sys
multiprocessing.set_start_method("fork")
import walras.agents
assert "mesa" in sys.modules
print(sorted({"torch", "transformers"} & set(sys.modules)), multiprocessing.get_start_method())
"""
    # -W error: importing us, and what we import, warns of nothing
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.returncode) == ("[] fork", 0), run.stderr
