"""Settings of every test run: offline, headless, and two hypothesis profiles.

`pytest` draws few examples; `pytest -m thorough` runs the property tests alone, with many; the environment variable
`WALRAS_HYPOTHESIS_PROFILE` chooses a profile (`quick` or `thorough`) by hand, for whatever tests are selected.
"""

import os

# Before anything imports transformers or matplotlib: neither may look for a network or a screen.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

# Shared machines stall for seconds: the time that one example takes is no evidence of a defect.
# The quick profile draws the same examples each time, so that a change is judged on its own; thorough looks for more.
settings.register_profile(
    "quick",
    max_examples=60,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=2000, derandomize=False)


def _thorough_selected(config: pytest.Config) -> bool:
    expression = config.getoption("markexpr", default="")
    return "thorough" in expression and "not thorough" not in expression


def pytest_configure(config: pytest.Config) -> None:
    default = "thorough" if _thorough_selected(config) else "quick"
    settings.load_profile(os.environ.get("WALRAS_HYPOTHESIS_PROFILE", default))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under `-m thorough`, every property test is one, and is run with many examples."""
    if _thorough_selected(config):
        for item in items:
            if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
                item.add_marker(pytest.mark.thorough)
