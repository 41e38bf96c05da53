"""Documentation as tests: the Python blocks of README.md and docs/**/*.md, one test for each page.

A page runs from top to bottom in one namespace and in a folder of its own: `>>>` lines are compared with the output
below them, other blocks only have to run. The whole page is one test, since tests are shuffled and spread over
processes. Docstrings are tests through `--doctest-modules`, collected under src/walras, where modules bear their real
names.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis.internal.conjecture import providers
from sybil import Document
from sybil.example import SybilFailure
from sybil.parsers.markdown import PythonCodeBlockParser

# As in tests/conftest.py, for runs that leave tests/ out: neither a network nor a screen.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).parent

# Through these folders pytest would import modules under bare names (market.supply): it is sent to src/walras instead.
PACKAGES = ("agents", "llm", "market", "simulations")
collect_ignore = list(PACKAGES)


# Hypothesis also draws constants that it finds in the source of the modules loaded so far. Which these are depends on
# the tests that ran before in the same process, and with them the examples, and the counterexamples that pages print.
# Without such constants a seed gives the same examples in every run.
providers._get_local_constants = lambda: providers._local_constants


def pytest_configure(config: pytest.Config) -> None:
    """Read `pytest market/supply.py` as `pytest src/walras/market/supply.py`."""
    config.args = [_through_the_links(argument, config.invocation_params.dir) for argument in config.args]


def _through_the_links(argument: str, folder: Path) -> str:
    path, separator, test = argument.partition("::")
    absolute = folder / path
    if not any(absolute.is_relative_to(ROOT / package) for package in PACKAGES):
        return argument
    return f"{ROOT / 'src' / 'walras' / absolute.relative_to(ROOT)}{separator}{test}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect README.md and the pages of docs/."""
    is_page = file_path == ROOT / "README.md" or (ROOT / "docs" in file_path.parents and file_path.suffix == ".md")
    return Page.from_parent(parent, path=file_path) if is_page else None


class Page(pytest.File):
    """A Markdown page: one test, if it has Python blocks."""

    def collect(self) -> Iterator[pytest.Item]:
        """Give the page's one test."""
        if any(_parse(self.path)):
            yield PageBlocks.from_parent(self, name="blocks")


class PageBlocks(pytest.Item):
    """All Python blocks of one page, in order."""

    def runtest(self) -> None:
        """Run the blocks in a temporary folder, so that a page may write files."""
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for example in _parse(self.path):
                example.evaluate()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> object:
        """Show the page's own lines, not the machinery that ran them."""
        if isinstance(excinfo.value, SybilFailure):
            return str(excinfo.value)
        excinfo.traceback = excinfo.traceback.cut(path=str(self.path))
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the page in reports."""
        return self.path, 0, f"blocks of {self.path.relative_to(ROOT)}"


def _parse(path: Path) -> Document:
    return Document.parse(str(path), PythonCodeBlockParser())
